"""The frame operator and the Gram matrix of a set of features, and what is read off them directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import choice
from featuregeom.devices import device_rows, on_gpu, operator_on
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import numbers_of
from featuregeom.frames.rows import Rows, read_rows
from featuregeom.interruptible import by_slabs, matmul, slabs

__all__ = [
    "GRAM_ROWS",
    "Precision",
    "Progress",
    "capacity",
    "check_gram_size",
    "finite_array",
    "frame_operator",
    "frame_potential",
    "gram",
    "gram_of",
    "hermitian",
    "operator_of",
    "tightness",
]

Progress = Callable[[int, int], object]
"""Called about twenty times per second as ``progress(done, total)``, both counts of the same unit of work."""

Precision = Literal["double", "single"]
"""Arithmetic of products: float64, or float32, which is about twice as fast and good to 1e-6."""

GRAM_ROWS = 8192
"""Most features whose whole Gram matrix is formed: 0.5 GiB then, and 1 GiB for complex features."""

_ASYMMETRY = 1e-6
"""A matrix may be this far from Hermitian, relative to its largest entry: rounding of float32 sums."""


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
        Features as rows; float64, float32, float16 or bfloat16, any strides, read in place; or complex. Real ones on a
        CUDA device stay there, and torch multiplies them, a part at a time.
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
    if on_gpu(X) and not X.is_complex():
        choice("precision", precision, get_args(Precision))
        return operator_on(device_rows(X), precision=precision, progress=progress)
    return operator_of(read_rows(X), precision=precision, num_threads=num_threads, progress=progress)


def operator_of(
    rows: Rows,
    *,
    precision: Precision = "double",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Frame operator of rows that `read_rows` gave; see `frame_operator`."""
    choice("precision", precision, get_args(Precision))
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

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), section 1.4.

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
    """Gram matrix of rows that `read_rows` gave, whatever their number; see `gram`."""
    # Here, for the core would name row and column of the transpose.
    rows.check_finite()
    _core.squared_norms(rows.parts, num_threads=num_threads)
    # X^T has the frame operator (X^T)^* X^T, which is the conjugate of X X^*.
    across = np.ascontiguousarray(rows.values.T) if rows.is_complex else rows.values.T
    operator = operator_of(Rows(across, rows.epsilon), num_threads=num_threads, progress=progress)
    return (
        by_slabs(np.ascontiguousarray, operator.T) if rows.is_complex else operator
    )  # symmetric where it is real


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
    choice("precision", precision, get_args(Precision))
    if not rows.is_complex:
        return _core.capacities(rows.values, precision=precision, num_threads=num_threads, progress=progress)
    values = rows.widened()
    _core.squared_norms(rows.parts, num_threads=num_threads)  # refuses rows that have no square
    operator = operator_of(rows, precision=precision, num_threads=num_threads, progress=progress)
    squared = _inner(values, values)
    couplings = _inner(matmul(values, operator), values)
    # N (N / w F w*), not N^2 / w F w*: the square of a tiny feature's N would underflow.
    share = np.divide(squared, couplings, out=np.zeros(rows.n), where=couplings > 0)
    return squared * share


def _inner(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Real part of the inner product of each row with its partner."""
    return by_slabs(lambda a, b: np.einsum("ia,ia->i", a, b.conj()).real, left, right)


def frame_potential(F: Any) -> float:
    r"""Frame potential :math:`\operatorname{tr} F^2 = \sum_{ij} |M_{ij}|^2`.

    Parameters
    ----------
    F : array-like, shape (m, m)
        Frame operator: symmetric, or Hermitian.

    Returns
    -------
    float
        At least :math:`(\operatorname{tr} F)^2 / m`, with equality exactly for tight frames.

    Raises
    ------
    ShapeError
        If `F` is not square; the potential of features is ``frame_numbers(X).potential``.
    DtypeError, NonFiniteError
        If `F` does not hold finite numbers.
    ParameterError
        If `F` is not Hermitian up to 1e-6 of its largest entry, or the potential leaves the range of float64.

    References
    ----------
    Benedetto & Fickus, Finite normalized tight frames, Adv. Comput. Math. 18 (2003), Theorem 6.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.frame_potential([[2.0, 0.0], [0.0, 4.0]])
    20.0
    """
    operator = finite_array(F, "F")
    if operator.ndim != 2 or operator.shape[0] != operator.shape[1]:
        raise ShapeError(
            f"F must be a square frame operator, got shape {operator.shape}: pass frame_operator(X), or take "
            "frame_numbers(X).potential"
        )
    hermitian(operator, "F")
    with np.errstate(over="ignore"):  # looked for below
        potential = sum(
            float(np.vdot(slab, slab).real) for slab in (operator[s] for s in slabs(operator.shape))
        )
    if not np.isfinite(potential):
        raise ParameterError("the frame potential leaves the range of float64: rescale the features")
    return potential


def tightness(eigenvalues: Any) -> float:
    r"""Tightness residual over the span: 0 exactly for a tight frame.

    .. math:: \frac{\lVert F - \frac{\operatorname{tr} F}{r} P \rVert_F}{\operatorname{tr} F / \sqrt r}

    with P the projection on the span and r its dimension.

    Parameters
    ----------
    eigenvalues : array-like, shape (r,)
        The nonzero eigenvalues of F.

    Returns
    -------
    float
        The coefficient of variation of the eigenvalues; NaN without any, and where all are zero.

    Raises
    ------
    ShapeError
        If they are not one list; those of features are in ``spectra.spectrum(X).retained``.
    DtypeError, NonFiniteError
        If they are not finite real numbers.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), chapter 1, for tight frames; that the residual is
    (FP / least FP - 1)^(1/2) follows from Benedetto & Fickus (2003).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.tightness([3.0, 1.0])
    0.5
    """
    values = finite_array(eigenvalues, "eigenvalues")
    if values.ndim != 1:
        raise ShapeError(f"eigenvalues must be one list of numbers, got shape {values.shape}")
    if values.dtype.kind == "c":
        raise DtypeError("eigenvalues of a frame operator are real, got complex ones")
    return float(tightness_of_each(values[None])[0])


def tightness_of_each(eigenvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give `tightness` of each row of eigenvalues, shape (b, r)."""
    if not eigenvalues.shape[1]:
        return np.full(len(eigenvalues), np.nan)
    largest = np.abs(eigenvalues).max(axis=1, keepdims=True)
    # Their sum and squares could leave the range of float64.
    scaled = np.divide(eigenvalues, largest, out=np.full(eigenvalues.shape, np.nan), where=largest > 0)
    return np.asarray(np.std(scaled / scaled.mean(axis=1, keepdims=True), axis=1))


def finite_array(given: Any, name: str) -> NDArray[Any]:
    """Give real or complex numbers as a finite array of float64 or complex128.

    Parameters
    ----------
    given : array-like
        Of any shape.
    name : str
        What it is called in errors.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If it is ragged, or does not hold finite numbers.
    """
    array = numbers_of(given, name)
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        row, column = (place[0], place[-1]) if place else (0, 0)
        raise NonFiniteError(f"{name} holds {array[place]} at row {row}, column {column}", row, column)
    return array


def hermitian(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Give the Hermitian part of a square array, and refuse one that is not Hermitian up to rounding.

    Parameters
    ----------
    array : ndarray, shape (n, n)
        Finite.
    name : str
        What it is called in errors.

    Raises
    ------
    ParameterError
        If it differs from its Hermitian part by more than 1e-6 of its largest entry: rounding of float32 sums.
    """
    part = np.empty_like(array)
    largest, most, place = 0.0, 0.0, (0, 0)
    for rows in slabs(array.shape):
        part[rows] = array[rows] / 2 + array[:, rows].conj().T / 2
        apart = np.abs(array[rows] - part[rows])
        largest = max(largest, float(np.abs(array[rows]).max()))
        if (here := float(apart.max())) > most:
            row, column = np.unravel_index(apart.argmax(), apart.shape)
            most, place = here, (rows.start + int(row), int(column))
    if most > _ASYMMETRY * largest:
        raise ParameterError(f"{name} is not symmetric (Hermitian) at ({place[0]}, {place[1]})")
    return part
