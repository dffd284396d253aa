"""The frame operator of a set of features, and the numbers that say how evenly it fills its span.

Features are the rows of `X`, shape (n, m). The papers write a weight matrix W with one feature per column, so
their W W^T is our X^T X.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.features import as_features

__all__ = ["capacity", "frame_operator", "frame_potential", "tightness", "welch_bound"]

Progress = Callable[[int, int], object]
"""Called about twenty times a second with the work done and the work in all."""

Precision = Literal["double", "single"]


def frame_operator(
    X: Any,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    r"""Frame operator :math:`F = X^\top X = \sum_i w_i w_i^\top`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows; float64, float32, float16 or bfloat16, any strides, read in place.
    precision : {"double", "single"}
        Arithmetic of the products. Sums over tiles of rows are kept in float64 either way. "double" is exact
        for products of float32 and shorter values; "single" is about twice as fast and good to 1e-6.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    ndarray of float64, shape (m, m)
        Symmetric. The same for any number of threads.

    Raises
    ------
    ShapeError, DtypeError
        If `X` is no matrix of real numbers.
    NonFiniteError
        If `X` holds NaN or infinity.
    ParameterError
        If the squares of `X` leave the range of float64.

    Notes
    -----
    Costs n m (m + 1) operations (one triangle) and O(m^2) memory beyond `X`, whatever n is.

    References
    ----------
    Benedetto & Fickus, Finite normalized tight frames, Adv. Comput. Math. 18 (2003).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.frame_operator([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    array([[2., 0.],
           [0., 4.]])
    """
    values = as_features(X).values
    return _core.frame_operator(values, precision=precision, num_threads=num_threads, progress=progress)


def capacity(
    X: Any,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    r"""Capacity (fractional dimensionality) of every feature.

    .. math:: D_i = \frac{N_i^2}{\sum_j M_{ij}^2} = \frac{N_i^2}{w_i^\top F w_i},

    with :math:`N_i = \lVert w_i \rVert^2` and the Gram matrix M, which is never formed.

    Parameters
    ----------
    X, precision, num_threads, progress
        As in `frame_operator`.

    Returns
    -------
    ndarray of float64, shape (n,)
        Between 0 (zero features) and 1 (a direction of its own). The sum is at most the rank of `X`.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs 2 n m^2 operations and O(m^2 + n) memory; through M it would be n^2 m and n^2.

    References
    ----------
    Elhage et al., Toy models of superposition (2022); Scherlis et al., Polysemanticity and capacity (2022).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.capacity([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    array([0.5, 0.5, 1. ])
    """
    values = as_features(X).values
    return _core.capacities(values, precision=precision, num_threads=num_threads, progress=progress)


def frame_potential(F: NDArray[np.float64]) -> float:
    r"""Frame potential :math:`\operatorname{tr} F^2 = \sum_{ij} M_{ij}^2`.

    Parameters
    ----------
    F : ndarray, shape (m, m)
        Frame operator.

    Returns
    -------
    float
        At least :math:`(\operatorname{tr} F)^2 / m`, with equality exactly for tight frames.

    References
    ----------
    Benedetto & Fickus (2003), Theorem 6.2.
    """
    return float(np.vdot(F, F))


def tightness(eigenvalues: NDArray[np.float64]) -> float:
    r"""Tightness residual over the span: 0 exactly for a tight frame.

    .. math:: \frac{\lVert F - \frac{\operatorname{tr} F}{r} P \rVert_F}{\operatorname{tr} F / \sqrt r}

    with P the projection on the span and r its dimension.

    Parameters
    ----------
    eigenvalues : ndarray, shape (r,)
        The nonzero eigenvalues of F.

    Returns
    -------
    float
        The coefficient of variation of the eigenvalues; NaN without any.
    """
    if eigenvalues.size == 0:
        return float("nan")
    mean = eigenvalues.mean()
    return float(np.sqrt(np.mean((eigenvalues - mean) ** 2)) / mean)


def welch_bound(n: int, m: int) -> float:
    r"""Least possible coherence of n unit vectors in m real or complex dimensions.

    .. math:: \sqrt{\frac{n - m}{m (n - 1)}} \quad (n > m), \qquad 0 \quad (n \le m).

    Parameters
    ----------
    n, m : int
        Number of vectors and dimensions, at least 1.

    Returns
    -------
    float
        The bound; equiangular tight frames attain it.

    References
    ----------
    Welch, Lower bounds on the maximum cross correlation of signals, IEEE Trans. Inf. Theory 20 (1974).

    Examples
    --------
    >>> import featuregeom as fg
    >>> round(fg.frames.welch_bound(3, 2), 12)  # the triangle
    0.5
    """
    return float(np.sqrt((n - m) / (m * (n - 1)))) if n > m else 0.0
