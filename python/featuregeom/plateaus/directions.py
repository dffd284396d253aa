r"""Directions to move activations in: random ones in several senses of the word, and real ones.

Each kind draws a target T. With ``exclude_base=False`` the direction is :math:`D = T - A`, which contains
:math:`-A`: part of what such a direction does is to remove the base. With ``exclude_base=True``, the default, A has no
part in it, and the direction is that of the last column.

====================  =============================================  ==========================================
kind                  T                                              D without the base
====================  =============================================  ==========================================
`isotropic`           N(0, s^2 I), with the mean square norm of A    T
`covariance`          N(mu, Sigma)                                   T - mu
`real_difference`     another real activation                        T - mu', mu' the mean of all others
`real_mixture`        the mean of two other real activations         the first less the second
`cov_mixture`         the mean of two draws of N(mu, Sigma)          the first less the second
`sae_feature`         a decoder row with the norm of A               the decoder row
`pca`                 mu +- sqrt(lambda_k) v_k                       +- sqrt(lambda_k) v_k
====================  =============================================  ==========================================

In mu' every row of the data counts that does not equal the base: the mean of all rows would hold A/N, and T less that
mean a part -A/N of the base in every direction. `covariance`, `cov_mixture` and `pca` fit mean and covariance to all
rows that they are given; the mean drops out of D, and a base among N rows has a share of 1/N in the covariance, with
either sign alike. Leave it out of the data where that matters. `isotropic` takes only their mean square from the
bases. A row is the base too where they differ by the rounding of the coarser of their two types (a float32 base beside
float64 data, also one that was widened since); rows and bases of one type are compared bit by bit.

Lengths are those of the data where they mean something; `response_curves` rescales them unless scale is "target".
Draws of pair i do not depend on the number of pairs.

References
----------
Heimersheim & Mendel (2024), Activation plateaus; Lee & Heimersheim, Investigating sensitive directions in GPT-2,
arXiv 2410.12555.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import aside, matmul, normals
from featuregeom.networks.piecewise import numbers
from featuregeom.summary import summarised

__all__ = [
    "Directions",
    "Normal",
    "cov_mixture",
    "covariance",
    "isotropic",
    "normal",
    "pca",
    "real_difference",
    "real_mixture",
    "sae_feature",
]
__dir__ = __all__.copy

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class Directions:
    """One direction per pair, and how it was drawn.

    Attributes
    ----------
    vectors : ndarray of float64, shape (P, m)
        The directions D.
    kind : str
        Name of the sampler.
    exclude_base : bool
        Whether they do not start at the base. A covariance that is fitted to data with the base among its N rows still
        has the share 1/N of it, with either sign.
    seed : int
        Seed of the draws.
    """

    vectors: Floats
    kind: str
    exclude_base: bool
    seed: int


@summarised
@dataclass(frozen=True, eq=False)
class Normal:
    """A normal distribution of activations, :math:`mu + z F` with z standard normal.

    Attributes
    ----------
    mean : ndarray of float64, shape (m,)
        mu.
    factor : ndarray of float64, shape (k, m)
        F, with :math:`F^T F` the covariance.
    """

    mean: Floats
    factor: Floats

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Draw `size` rows."""
        return np.asarray(self.mean + matmul(normals(rng, (size, len(self.factor))), self.factor))


def normal(data: ArrayLike, shrinkage: float = 0.0) -> Normal:
    r"""Fit a normal distribution to activations.

    Parameters
    ----------
    data : array_like, shape (N, m)
        Activations, at least two.
    shrinkage : float
        Share s in [0, 1) of the covariance that goes to :math:`\operatorname{tr}(\Sigma)/m \, I`: with fewer rows
        than dimensions the covariance has a null space, in which nothing is ever drawn unless s > 0.

    Returns
    -------
    Normal
        Exact for any N: the covariance (N - 1 in its denominator) is never formed.

    Notes
    -----
    Costs O(N m), and O((N + m) m) memory with shrinkage.
    """
    X = _matrix("data", data)
    if len(X) < 2:
        raise ShapeError("a covariance needs at least two rows of data")
    return aside(_fit, X, number_between("shrinkage", shrinkage, 0, 1, inclusive=True))


def _fit(X: Floats, s: float) -> Normal:
    factor = (X - X.mean(axis=0)) / np.sqrt(len(X) - 1)
    if s:
        spread = np.sqrt(s * np.sum(factor**2) / X.shape[1]) * np.eye(X.shape[1])
        factor = np.vstack([np.sqrt(1 - s) * factor, spread])
    return Normal(X.mean(axis=0), factor)


def isotropic(base: ArrayLike, *, seed: int = 0, exclude_base: bool = True) -> Directions:
    """Directions that are uniform on the sphere; see the module for `exclude_base`."""
    A, rng = _matrix("base", base), _rng(seed)
    size = np.sqrt(np.mean(A**2))
    drawn = (size if size else 1.0) * rng.standard_normal(A.shape)
    return Directions(drawn if exclude_base else drawn - A, "isotropic", exclude_base, seed)


def covariance(
    base: ArrayLike,
    data: ArrayLike | Normal,
    *,
    shrinkage: float = 0.0,
    seed: int = 0,
    exclude_base: bool = True,
) -> Directions:
    """Directions with the mean and covariance of activations, given as such (N, m) or as a `Normal`."""
    A, rng = _matrix("base", base), _rng(seed)
    fitted = _fitted(data, shrinkage, A)
    T = fitted.draw(rng, len(A))
    return Directions(T - (fitted.mean if exclude_base else A), "covariance", exclude_base, seed)


def real_difference(
    base: ArrayLike, data: ArrayLike, *, seed: int = 0, exclude_base: bool = True
) -> Directions:
    """Directions to other real activations, rows of `data` (N, m) that do not equal the base.

    They start at the base, or with `exclude_base` at the mean of all rows that do not equal it, of which there must
    then be two that differ: the only one is its own mean.
    """
    A, rng = _matrix("base", base), _rng(seed)
    X = _matching("data", data, A)
    coarse = _coarser(base, A, data, X)
    T = X[_others(X, A, 1, rng, coarse)[:, 0]]
    start = _means_of_others(X, A, coarse) if exclude_base else A
    return Directions(T - start, "real_difference", exclude_base, seed)


def real_mixture(base: ArrayLike, data: ArrayLike, *, seed: int = 0, exclude_base: bool = True) -> Directions:
    """Differences, or means, of two other real activations, rows of `data` (N, m) that do not equal the base."""
    A, rng = _matrix("base", base), _rng(seed)
    X = _matching("data", data, A)
    first, second = X[_others(X, A, 2, rng, _coarser(base, A, data, X))].swapaxes(0, 1)
    D = first - second if exclude_base else (first + second) / 2 - A
    return Directions(D, "real_mixture", exclude_base, seed)


def cov_mixture(
    base: ArrayLike,
    data: ArrayLike | Normal,
    *,
    shrinkage: float = 0.0,
    seed: int = 0,
    exclude_base: bool = True,
) -> Directions:
    """Differences, or means, of two draws with the mean and covariance of activations (N, m) or of a `Normal`."""
    A, rng = _matrix("base", base), _rng(seed)
    fitted = _fitted(data, shrinkage, A)
    first, second = fitted.draw(rng, 2 * len(A)).reshape(len(A), 2, -1).swapaxes(0, 1)
    D = first - second if exclude_base else (first + second) / 2 - A
    return Directions(D, "cov_mixture", exclude_base, seed)


def sae_feature(
    base: ArrayLike,
    decoder: ArrayLike,
    *,
    index: ArrayLike | None = None,
    seed: int = 0,
    exclude_base: bool = True,
) -> Directions:
    """Take decoder rows (F, m) of a sparse autoencoder: those of `index` (P,), or random ones."""
    A, rng = _matrix("base", base), _rng(seed)
    W = _matching("decoder", decoder, A)
    norms = np.linalg.norm(W, axis=1)
    if not norms.any():
        raise ParameterError("every decoder row is zero")
    if index is None:
        chosen = rng.choice(np.flatnonzero(norms > 0), len(A))
    else:
        chosen = np.asarray(index)
        if chosen.dtype.kind not in "iu" or chosen.shape != (len(A),):
            raise ParameterError(f"index must be {len(A)} integers, got {index!r}")
        if ((chosen < 0) | (chosen >= len(W))).any() or not norms[chosen].all():
            raise ParameterError(
                f"index must name decoder rows 0 to {len(W) - 1} that are not zero, got {index!r}"
            )
    D = W[chosen]
    if not exclude_base:
        D = D / norms[chosen][:, None] * np.linalg.norm(A, axis=1)[:, None] - A
    return Directions(D, "sae_feature", exclude_base, seed)


def pca(
    base: ArrayLike, data: ArrayLike, k: int = 0, *, seed: int = 0, exclude_base: bool = True
) -> Directions:
    """Principal direction `k`, 0 the first, of activations (N, m), with a random sign for each pair."""
    A, rng = _matrix("base", base), _rng(seed)
    X = _matching("data", data, A)
    mean = X.mean(axis=0)
    _, values, vectors = aside(np.linalg.svd, (X - mean) / np.sqrt(max(len(X) - 1, 1)), full_matrices=False)
    rank = int(np.sum(values > max(X.shape) * np.finfo(np.float64).eps * values[0])) if values[0] else 0
    if integer("k", k, 0) >= rank:
        raise ParameterError(f"k must be below the rank {rank} of the data less their mean, got {k}")
    D = rng.choice([-1.0, 1.0], len(A))[:, None] * values[k] * vectors[k]
    return Directions(D if exclude_base else mean + D - A, "pca", exclude_base, seed)


def _fitted(data: ArrayLike | Normal, shrinkage: float, base: Floats) -> Normal:
    fitted = data if isinstance(data, Normal) else normal(data, shrinkage)
    if len(fitted.mean) != base.shape[1]:
        raise ShapeError(f"data of {len(fitted.mean)} dimensions, base of {base.shape[1]}")
    return fitted


class _Type(NamedTuple):
    """How far a number may lie from the one that was rounded to a type."""

    relative: float
    absolute: float


_TYPES: Final = {
    "bfloat16": _Type(2.0**-7, 2.0**-133),
    "float16": _Type(2.0**-10, 2.0**-24),
    "float32": _Type(2.0**-23, 2.0**-149),
}
"""Relative spacing and least number of the types below float64; rounding, even twice, moves a number by less."""


def _type(given: ArrayLike, values: Floats) -> _Type | None:
    """Give the type whose numbers they are; numbers of float32 that came as float64 are those of float32."""
    name = str(getattr(given, "dtype", "")).removeprefix("torch.")
    with np.errstate(over="ignore"):
        narrow = bool((values == values.astype(np.float32)).all())
    return _TYPES.get(name, _TYPES["float32"] if narrow else None)


def _coarser(base: ArrayLike, A: Floats, data: ArrayLike, X: Floats) -> _Type | None:
    """Give how far apart one row may be in the types of bases and data, where these are different ones."""
    one, other = _type(base, A), _type(data, X)
    if one == other:
        return None
    return _Type(*map(max, zip(one or _Type(0.0, 0.0), other or _Type(0.0, 0.0), strict=True)))


def _differ(row: Floats, X: Floats, coarse: _Type | None) -> NDArray[np.bool_]:
    """Which rows of X are other than `row`."""
    if coarse is None:
        return (row != X).any(axis=1)
    within = coarse.relative * np.maximum(np.abs(row), np.abs(X)) + coarse.absolute
    return np.asarray((np.abs(row - X) > within).any(axis=1))


def _others(
    X: Floats, A: Floats, count: int, rng: np.random.Generator, coarse: _Type | None
) -> NDArray[np.int64]:
    """For each base, `count` different rows of X that are other than it."""
    chosen = np.empty((len(A), count), dtype=np.int64)
    for i, row in enumerate(A):
        left = np.flatnonzero(_differ(row, X, coarse))
        if len(left) < count:
            raise ParameterError(f"data hold {len(left)} rows other than base {i}; {count} are needed")
        # Floats in [0, 1), so that every pair takes the same share of the random stream.
        order = rng.random(count)
        for j, u in enumerate(order):
            k = int(u * len(left))
            chosen[i, j] = left[k]
            left = np.delete(left, k)
    return chosen


def _means_of_others(X: Floats, A: Floats, coarse: _Type | None) -> Floats:
    """For each base, the mean of the rows of X that are other than it."""
    means = np.empty_like(A)
    for i, row in enumerate(A):
        others = X[_differ(row, X, coarse)]
        if not len(others) or (others == others[0]).all():
            raise ParameterError(
                f"the rows of data other than base {i} are all the same, which gives no direction from their mean: "
                "give more rows, or exclude_base=False"
            )
        means[i] = others.mean(axis=0)
    return means


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(integer("seed", seed, 0))


def _matching(name: str, value: ArrayLike, base: Floats) -> Floats:
    X = _matrix(name, value)
    if X.shape[1] != base.shape[1]:
        raise ShapeError(f"{name} of {X.shape[1]} dimensions, base of {base.shape[1]}")
    return X


def _matrix(name: str, value: ArrayLike) -> Floats:
    X = np.atleast_2d(numbers(value, name))
    if X.ndim != 2 or not X.size:
        raise ShapeError(f"{name} must be (n, m), got {X.shape}")
    if not np.isfinite(X).all():
        row, column = map(int, np.argwhere(~np.isfinite(X))[0])
        raise NonFiniteError(f"{name} is {X[row, column]} in row {row}, column {column}", row, column)
    return X
