"""Spectral measures of features in the eigenspaces of any symmetric operator.

Examples are an activation covariance, and the frame operator of another layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import as_features, check_finite
from featuregeom.frames.rows import EPSILON
from featuregeom.interruptible import matmul
from featuregeom.spectra import Eigenspace
from featuregeom.summary import summarised

__all__ = ["OperatorMeasures", "Rayleigh", "measures_against", "rayleigh"]
__dir__ = __all__.copy

Floats = NDArray[np.float64]

_TILE = 2**22
"""Numbers in a tile of rows: 32 MiB of doubles."""


@summarised
@dataclass(frozen=True, eq=False)
class OperatorMeasures:
    r"""How each feature's norm is spread over the eigenspaces of an operator A; rows of zero features are NaN.

    Attributes
    ----------
    masses : ndarray of float64, shape (n, n_eigenspaces)
        :math:`\mu_i(k) = \lVert P_k w_i \rVert^2 / N_i`; rows sum to 1.
    eigenspaces : tuple of Eigenspace
        By decreasing eigenvalue; that of eigenvalue zero is one of them. Their `spread` is relative to the largest
        absolute eigenvalue of A.
    kappa : ndarray of float64, shape (n,)
        Rayleigh quotient :math:`w_i^\top A w_i / N_i`.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    masses: Floats
    eigenspaces: tuple[Eigenspace, ...]
    kappa: Floats


def measures_against(X: Any, operator: Any, *, tolerance: float | None = None) -> OperatorMeasures:
    r"""Spectral measures of features against any symmetric operator.

    Such as a covariance of activations, a mixing matrix or the next layer's frame operator; it may be indefinite
    or singular. Its eigenspaces are told apart by gaps relative to its largest absolute eigenvalue, not to the
    local one as those of a frame operator: near zero a relative gap means nothing.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    operator : array-like, shape (m, m)
        Real and symmetric up to half of the digits of its type.
    tolerance : float, optional
        Gap, relative to the largest absolute eigenvalue, up to which neighbouring eigenvalues are one eigenspace,
        in [0, 1). By default by chance, as in `spectra.spectrum`.

    Returns
    -------
    OperatorMeasures

    Raises
    ------
    ShapeError, ParameterError
        If `operator` is not m x m or not symmetric, or the tolerance is outside [0, 1).
    DtypeError, NonFiniteError
        As in `spectra.measures`, for both arguments.

    Notes
    -----
    Costs 9 m^3 + 2 n m^2 operations, and n times the number of eigenspaces doubles.

    References
    ----------
    arXiv:2602.02224.

    Examples
    --------
    >>> from featuregeom.operators import measures_against
    >>> found = measures_against([[1.0, 1.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, -1.0]])
    >>> found.masses.round(6).tolist(), found.kappa.round(6).tolist()
    ([[0.5, 0.5], [0.0, 1.0]], [1.0, -1.0])
    """
    features = as_features(X)
    A = _symmetric(operator, features.m, "operator")
    check_finite(features, "X")
    values, vectors = _core.eigh(A)
    scale = float(np.abs(values).max()) or 1.0
    # exp turns differences relative to the largest eigenvalue into differences relative to the local one, which
    # is what the grouping takes, and makes all eigenvalues positive.
    noise = len(A) * 2.0**-52
    starts, _, _ = _core.eigenspaces(
        np.exp(values / scale), noise=noise * np.e, tolerance=_exponential(tolerance)
    )
    spaces = tuple(
        Eigenspace(
            value=float(values[start:stop].mean()),
            dim=int(stop - start),
            start=int(start),
            stop=int(stop),
            spread=float((values[start] - values[stop - 1]) / scale),
        )
        for start, stop in pairwise(starts)
    )
    masses, kappa = np.empty((features.n, len(spaces))), np.empty(features.n)
    step = max(1, _TILE // features.m)
    for first in range(0, features.n, step):
        rows = features.widened(np.arange(first, min(first + step, features.n)))
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = np.divide(rows, largest, out=np.full_like(rows, np.nan), where=largest > 0)
        shares = matmul(rows, vectors) ** 2
        shares /= shares.sum(axis=1, keepdims=True)
        masses[first : first + len(rows)] = np.add.reduceat(shares, starts[:-1], axis=1)
        kappa[first : first + len(rows)] = shares @ values
    return OperatorMeasures(masses, spaces, kappa)


@summarised
@dataclass(frozen=True, eq=False)
class Rayleigh:
    r"""How much of an operator features meet, beside random directions; zero features are NaN.

    Attributes
    ----------
    ratio : ndarray of float64, shape (n,)
        :math:`\frac{w_i^\top S w_i / N_i}{\operatorname{tr} S / m}`: 1 for a random direction on average.
    z : ndarray of float64, shape (n,)
        Distance from 1 in standard deviations of random directions.
    mean : float
        Mean ratio of the nonzero features.
    sd : float
        Standard deviation of the ratio of one random direction.
    mean_z : float
        Distance of the mean from 1, in standard deviations of the mean of as many independent random directions.
    top : int
        Eigenvectors that count as the top.
    top_mass : ndarray of float64, shape (n,)
        Share of each feature's squared norm in the span of the top eigenvectors.
    top_p : ndarray of float64, shape (n,)
        How often a random direction has at least as much there.
    """

    ratio: Floats
    z: Floats
    mean: float
    sd: float
    mean_z: float
    top: int
    top_mass: Floats
    top_p: Floats


def rayleigh(X: Any, S: Any, *, top: int | None = None) -> Rayleigh:
    r"""Say whether features lie where an operator is large, more than random directions do.

    Such as the covariance of activations (does the decoder write where activations vary?), or
    :math:`W_U^\top W_U` (does it write what the unembedding reads?). For a random direction

    .. math:: \mathrm E \, \text{ratio} = 1, \qquad \mathrm{Var} \, \text{ratio} = \frac{2}{m + 2}
        \Bigl( \frac{m \operatorname{tr} S^2}{(\operatorname{tr} S)^2} - 1 \Bigr), \qquad
        \text{mass of the top } k \sim \mathrm{Beta}(\tfrac k2, \tfrac{m - k}2)

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    S : array-like, shape (m, m)
        Real and symmetric up to half of the digits of its type, with a trace above 0.
    top : int, optional
        Eigenvectors of the largest eigenvalues that are the top; by default a tenth of the dimensions, at least one.

    Returns
    -------
    Rayleigh

    Raises
    ------
    ShapeError, ParameterError
        If `S` is not m x m or not symmetric, its trace is not above 0, or `top` is not from 1 to m.
    DtypeError, NonFiniteError
        As in `spectra.measures`, for both arguments.

    Notes
    -----
    Costs 9 m^3 + 2 n m^2 operations. What it does not show: features of one dictionary are not independent of each
    other, so `mean_z` is large as soon as all of them prefer the same few directions a little.

    References
    ----------
    Muirhead, Aspects of Multivariate Statistical Theory (1982), for quadratic forms of uniform directions.

    Examples
    --------
    >>> from featuregeom.operators import rayleigh
    >>> found = rayleigh([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [[3.0, 0.0], [0.0, 1.0]])
    >>> found.ratio.round(6).tolist(), found.mean
    ([1.5, 0.5, 1.0], 1.0)
    """
    from scipy.stats import beta

    features = as_features(X)
    A = _symmetric(S, features.m, "S")
    m = features.m
    k = max(1, m // 10) if top is None else integer("top", top, 1, m)
    check_finite(features, "X")
    values, vectors = _core.eigh(A)
    scale = float(np.abs(values).max())
    trace = float(values.sum())
    if not trace > m * 2.0**-52 * scale:
        raise ParameterError(f"the trace of S is {trace:g}: there is no mean that features could be above")
    ratio, mass = np.empty(features.n), np.empty(features.n)
    step = max(1, _TILE // m)
    for first in range(0, features.n, step):
        rows = features.widened(np.arange(first, min(first + step, features.n)))
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = np.divide(rows, largest, out=np.full_like(rows, np.nan), where=largest > 0)
        shares = matmul(rows, vectors) ** 2
        shares /= shares.sum(axis=1, keepdims=True)
        ratio[first : first + len(rows)] = shares @ (values * (m / trace))
        mass[first : first + len(rows)] = shares[:, :k].sum(axis=1)
    known = ~np.isnan(ratio)
    variance = 2 / (m + 2) * max(m * float((values / trace) @ (values / trace)) - 1, 0.0)
    sd = float(np.sqrt(variance)) if variance > 2.0**-50 else 0.0
    mean = float(ratio[known].mean()) if known.any() else float("nan")
    apart = (ratio - 1) / sd if sd else np.full(features.n, np.nan)
    mass = np.minimum(mass, 1.0)
    return Rayleigh(
        ratio=ratio,
        z=apart,
        mean=mean,
        sd=sd,
        mean_z=(mean - 1) / sd * float(np.sqrt(known.sum())) if sd else float("nan"),
        top=k,
        top_mass=mass,
        top_p=np.asarray(beta.sf(mass, k / 2, (m - k) / 2)) if k < m else np.where(known, 1.0, np.nan),
    )


def _symmetric(operator: Any, m: int, name: str) -> Floats:
    """Give the operator as float64, exactly symmetric; errors call it by the name of the argument."""
    given = as_features(operator, tensor=name)
    if (given.n, given.m) != (m, m):
        raise ShapeError(
            f"{name} must be {m} x {m} for features of {m} dimensions, got {given.n} x {given.m}"
        )
    check_finite(given, name)
    A = given.widened(np.arange(m))
    skew = np.abs(A - A.T)
    if skew.max() > np.sqrt(EPSILON[given.dtype]) * np.abs(A).max():
        i, j = np.unravel_index(int(skew.argmax()), skew.shape)
        raise ParameterError(
            f"{name} must be symmetric, but entry ({i}, {j}) is {A[i, j]:g} and ({j}, {i}) is {A[j, i]:g}: "
            "pass its symmetric part (A + A.T) / 2, or A.T @ A"
        )
    return np.ascontiguousarray((A + A.T) / 2)


def _exponential(tolerance: float | None) -> float | None:
    """Relative gap of exp(x) for the gap `tolerance` of x."""
    if tolerance is None:
        return None
    return float(-np.expm1(-number_between("tolerance", tolerance, 0, 1, inclusive=True)))
