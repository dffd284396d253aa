"""The generators that draw random numbers: random frames, random rotations and noise, each from its seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.errors import FeatureGeometryError, ParameterError
from featuregeom.features import real_numbers
from featuregeom.interruptible import aside, matmul, normals, slabs
from featuregeom.shapes.combine import as_frame
from featuregeom.shapes.size import check_size

__all__ = ["noisy", "random_frame", "rotated"]


def random_frame(n: int, m: int, seed: int, norms: ArrayLike | None = None) -> NDArray[np.float64]:
    r"""Independent directions, uniform on the sphere.

    Parameters
    ----------
    n, m : int
        Number of vectors and dimensions, at least 1.
    seed : int
        Seed of NumPy's default generator, at least 0.
    norms : array_like, shape (n,), optional
        Norms of the rows, finite and at least 0; by default 1.

    Returns
    -------
    ndarray of float64, shape (n, m)

    Raises
    ------
    ParameterError
        If an argument is outside its range.

    References
    ----------
    Muller, A note on a method for generating points uniformly on n-dimensional spheres, Commun. ACM 2 (1959).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.random_frame(5, 3, seed=0).shape
    (5, 3)
    """
    n, m = integer("n", n, 1), integer("m", m, 1)
    check_size(f"random_frame({n}, {m})", n, m)
    rows = normals(_generator(seed), (n, m))
    for slab in slabs(rows.shape):
        rows[slab] /= np.linalg.norm(rows[slab], axis=1, keepdims=True)
    if norms is None:
        return rows
    try:
        lengths = real_numbers(norms, "norms")
    except FeatureGeometryError as error:
        raise ParameterError(f"norms must be {n} numbers: {error}") from None
    if lengths.shape != (n,):
        raise ParameterError(f"norms must be {n} numbers, got shape {lengths.shape}")
    if not (np.isfinite(lengths).all() and lengths.min() >= 0):
        raise ParameterError("norms must be finite and at least 0")
    return rows * lengths[:, None]


def rotated(X: Any, seed: int, dim: int | None = None) -> NDArray[Any]:
    r"""Features turned by a random rotation (Haar measure), optionally into a larger space.

    Parameters
    ----------
    X : array_like, shape (n, m)
        Features as rows; real, or complex for a unitary map.
    seed : int
        Seed of NumPy's default generator, at least 0.
    dim : int, optional
        Dimension of the space to turn into, at least m; by default m.

    Returns
    -------
    ndarray of float64 or complex128, shape (n, dim)
        With the Gram matrix of `X`, to rounding. Reflections are among the rotations.

    Raises
    ------
    ParameterError
        If `seed` or `dim` is outside its range.
    ShapeError, DtypeError
        If `X` is no matrix of numbers.

    References
    ----------
    Mezzadri, How to generate random matrices from the classical compact groups, Notices AMS 54 (2007).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.rotated(fg.shapes.polygon(5), seed=0, dim=64).shape
    (5, 64)
    """
    values = as_frame("X", X)
    m = values.shape[1]
    dim = m if dim is None else integer("dim", dim, m)
    check_size(f"rotated to {dim} dimensions", max(len(values), m), dim)
    Q, R = aside(np.linalg.qr, _gaussian(_generator(seed), (dim, m), values.dtype))
    # QR fixes the columns up to phases only; with those of R's diagonal the measure is Haar's.
    phases = R.diagonal() / np.abs(R.diagonal())
    return matmul(values, (Q * phases).T)


def noisy(X: Any, relative: float, seed: int) -> NDArray[Any]:
    r"""Features with isotropic Gaussian noise in proportion to their norms.

    .. math:: w_i + \varepsilon \frac{\lVert w_i \rVert}{\sqrt m} g_i, \qquad g_i \sim \mathcal N(0, I_m),

    so that the noise of a row has the root mean square norm :math:`\varepsilon \lVert w_i \rVert`.

    Parameters
    ----------
    X : array_like, shape (n, m)
        Features as rows; real or complex.
    relative : float
        The relative norm :math:`\varepsilon`, at least 0.
    seed : int
        Seed of NumPy's default generator, at least 0.

    Returns
    -------
    ndarray of float64 or complex128, shape (n, m)

    Raises
    ------
    ParameterError
        If `relative` or `seed` is outside its range.
    ShapeError, DtypeError
        If `X` is no matrix of numbers.

    Notes
    -----
    The noise fills the space that `X` is given in: `rotated` into a larger one first and `noisy` after are not
    the same as the other way round.

    References
    ----------
    featuregeom's own convention; the norm of :math:`g_i / \sqrt m` concentrates at 1 (Vershynin, High-Dimensional
    Probability (2018), theorem 3.1.1).

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.polygon(5)
    >>> bool((fg.shapes.noisy(X, 0.0, seed=0) == X).all())
    True
    """
    values = as_frame("X", X)
    relative = number_between("relative", relative, 0, inclusive=True)
    found = _gaussian(_generator(seed), values.shape, values.dtype)
    for slab in slabs(values.shape):
        given = values[slab]
        size = relative * np.linalg.norm(given, axis=1, keepdims=True) / math.sqrt(given.shape[1])
        found[slab] = given + size * found[slab]
    return found


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(integer("seed", seed, 0))


def _gaussian(rng: np.random.Generator, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Draw standard normal entries; complex ones have independent parts of variance 1/2."""
    if dtype.kind != "c":
        return normals(rng, shape)
    return (normals(rng, shape) + 1j * normals(rng, shape)) / math.sqrt(2)
