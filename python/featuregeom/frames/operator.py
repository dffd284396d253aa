"""The frame operator and the Gram matrix of a set of features, and what is read off them directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import ShapeError
from featuregeom.frames.rows import Rows, read_rows

__all__ = [
    "GRAM_ROWS",
    "Precision",
    "Progress",
    "capacity",
    "check_gram_size",
    "frame_operator",
    "frame_potential",
    "gram",
    "gram_of",
    "operator_of",
    "tightness",
]

Progress = Callable[[int, int], object]
"""Called about twenty times a second with the work done and the work in all."""

Precision = Literal["double", "single"]

GRAM_ROWS = 8192
"""A Gram matrix of all features is formed up to this many: half a gibibyte, one for complex features."""


def frame_operator(
    X: Any,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    r"""Frame operator :math:`F = X^* X`, that is :math:`F_{ab} = \sum_i \overline{X_{ia}} X_{ib}`.

    Features are row vectors and :math:`\langle x, y \rangle = x y^* = \sum_a x_a \overline{y_a}`, linear in x.
    F acts from the right, :math:`x F = \sum_i \langle x, w_i \rangle w_i`. For real features it is
    :math:`X^\top X = \sum_i w_i^\top w_i`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows; float64, float32, float16 or bfloat16, any strides, read in place; or complex.
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
        Symmetric; for complex features complex128 and Hermitian. The same for any number of threads.

    Raises
    ------
    ShapeError, DtypeError
        If `X` is no matrix of numbers.
    NonFiniteError
        If `X` holds NaN or infinity.
    ParameterError
        If the norms of `X` leave the range in which float64 holds their powers.

    Notes
    -----
    Costs n m (m + 1) operations (one triangle) and O(m^2) memory beyond `X`, whatever n is; four times as much
    for complex features, which the core reads as their real and imaginary parts.

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
    return operator_of(read_rows(X), precision=precision, num_threads=num_threads, progress=progress)


def operator_of(
    rows: Rows,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Frame operator of rows that were read; see `frame_operator`."""
    parts = _core.frame_operator(rows.parts, precision=precision, num_threads=num_threads, progress=progress)
    if not rows.is_complex:
        return parts
    # (A - iB)^T (A + iB) = A^T A + B^T B + i (A^T B - B^T A), with A and B in the even and the odd columns.
    real = parts[0::2, 0::2] + parts[1::2, 1::2]
    mixed = parts[0::2, 1::2]
    return real + 1j * (mixed - mixed.T)


def gram(X: Any, *, num_threads: int | None = None) -> NDArray[Any]:
    r"""Gram matrix :math:`M = X X^*`, that is :math:`M_{ij} = \langle w_i, w_j \rangle = w_i w_j^*`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex; at most `GRAM_ROWS` of them.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Symmetric; for complex features complex128 and Hermitian.

    Raises
    ------
    ShapeError
        If there are more than `GRAM_ROWS` features: what is read off all pairs is in `pairs.sweep`, which
        stores no matrix, and what depends on the spectrum is in the frame operator.
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs n (n + 1) m operations and n^2 memory.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.gram([[1.0, 0.0], [0.0, 1j]])
    array([[1.+0.j, 0.+0.j],
           [0.+0.j, 1.+0.j]])
    """
    rows = read_rows(X)
    check_gram_size(rows)
    return gram_of(rows, num_threads=num_threads)


def gram_of(rows: Rows, *, num_threads: int | None = None, progress: Progress | None = None) -> NDArray[Any]:
    """Gram matrix of rows that were read, whatever their number; see `gram`."""
    rows.check_finite()  # here, for the core would name row and column of the transpose
    # X^T has the frame operator (X^T)^* X^T, which is the conjugate of X X^*.
    across = np.ascontiguousarray(rows.values.T) if rows.is_complex else rows.values.T
    operator = operator_of(Rows(across, rows.epsilon), num_threads=num_threads, progress=progress)
    return np.ascontiguousarray(operator.T)  # Hermitian, so the transpose is the conjugate


def check_gram_size(rows: Rows) -> None:
    """Refuse to store n x n numbers where n is above `GRAM_ROWS`."""
    if rows.n > GRAM_ROWS:
        raise ShapeError(
            f"{rows.n} features are too many for a stored Gram matrix (at most {GRAM_ROWS}): use pairs.sweep for "
            "what concerns pairs, the frame operator for what concerns the spectrum, or take a part of the rows"
        )


def capacity(
    X: Any,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    r"""Capacity (fractional dimensionality) of every feature.

    .. math:: D_i = \frac{N_i^2}{\sum_j |M_{ij}|^2} = \frac{N_i^2}{w_i F w_i^*},

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
    Costs 2 n m^2 operations and O(m^2 + n) memory; through M it would be n^2 m and n^2. Complex features take
    n m memory, and NumPy's products with F.

    References
    ----------
    Elhage et al., Toy models of superposition (2022); Scherlis et al., Polysemanticity and capacity (2022).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.capacity([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    array([0.5, 0.5, 1. ])
    """
    rows = read_rows(X)
    if not rows.is_complex:
        return _core.capacities(rows.values, precision=precision, num_threads=num_threads, progress=progress)
    values = rows.widened()
    operator = operator_of(rows, precision=precision, num_threads=num_threads, progress=progress)
    squared = _inner(values, values)
    couplings = _inner(values @ operator, values)
    # N (N / w F w*), not N^2 / w F w*: the square of a tiny feature's N would underflow.
    share = np.divide(squared, couplings, out=np.zeros(rows.n), where=couplings > 0)
    return squared * share


def _inner(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Real part of the inner product of each row with its partner."""
    sums: NDArray[np.float64] = np.einsum("ia,ia->i", left, right.conj()).real
    return sums


def frame_potential(F: NDArray[Any]) -> float:
    r"""Frame potential :math:`\operatorname{tr} F^2 = \sum_{ij} |M_{ij}|^2`.

    Parameters
    ----------
    F : ndarray, shape (m, m)
        Frame operator, real or complex.

    Returns
    -------
    float
        At least :math:`(\operatorname{tr} F)^2 / m`, with equality exactly for tight frames.

    References
    ----------
    Benedetto & Fickus (2003), Theorem 6.2.
    """
    return float(np.vdot(F, F).real)


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
    return float(np.std(eigenvalues / eigenvalues.mean()))
