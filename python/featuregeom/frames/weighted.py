"""Frames weighted by the codes that use them, and how features interfere in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.frames.operator import check_gram_size, gram_of, operator_of
from featuregeom.frames.rows import Rows, read_rows

__all__ = ["EffectiveInterference", "effective_interference", "weighted_frame_operator"]

_ASYMMETRY = 1e-6
"""A second moment may be this far from Hermitian, relative to its largest entry: rounding of float32 sums."""

_TILE_VALUES = 2**22
"""Rows are weighted this many numbers at a time."""


@dataclass(frozen=True, eq=False)
class EffectiveInterference:
    r"""How the features interfere in :math:`\mathbb E \lVert \sum_i z_i w_i \rVert^2`.

    Attributes
    ----------
    matrix : ndarray of float64 or complex128, shape (n, n)
        :math:`M_{ij} \, \mathbb E [z_i \overline{z_j}]`; Hermitian.
    own : ndarray of float64, shape (n,)
        Its diagonal, :math:`N_i \, \mathbb E |z_i|^2`.
    cross : ndarray of float64, shape (n,)
        Real part of the sum of each row off the diagonal: negative where others cancel what a feature brings.
    magnitude : ndarray of float64, shape (n,)
        Sum of absolute values of each row off the diagonal, which does not cancel.
    """

    matrix: NDArray[Any]
    own: NDArray[np.float64]
    cross: NDArray[np.float64]
    magnitude: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Mean squared norm of the activation: the sum of `own` and `cross`, and the trace of the weighted F."""
        return float(self.own.sum() + self.cross.sum())


def weighted_frame_operator(
    X: Any, codes_second_moment: Any, *, num_threads: int | None = None
) -> NDArray[Any]:
    r"""Code-weighted frame operator :math:`X^* C X`, with C the second moment of the codes.

    For activations :math:`x = \sum_i z_i w_i` with :math:`C_{ij} = \mathbb E [\overline{z_i} z_j]` it is their second
    moment, :math:`\mathbb E [x^* x]`. With C = I it is the frame operator.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex.
    codes_second_moment : array-like, shape (n,) or (n, n)
        C, or its diagonal for uncorrelated codes: real and symmetric, or complex and Hermitian, up to 1e-6 of its
        largest entry; nothing negative on the diagonal.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    ndarray of float64 or complex128, shape (m, m)
        Symmetric or Hermitian.

    Raises
    ------
    ShapeError
        If the second moment has no such shape.
    ParameterError
        If it is not Hermitian or has a negative diagonal, or if the result leaves the range of float64.
    ShapeError, DtypeError, NonFiniteError
        If `X` or the second moment does not hold finite numbers.

    Notes
    -----
    A diagonal costs n m (m + 1) operations and O(m^2) memory, in the core. A full matrix costs 2 n^2 m operations
    and O(n m) memory beyond it, in NumPy.

    References
    ----------
    Olshausen & Field, Vision Res. 37 (1997), for activations as sums of codes times features.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.weighted_frame_operator([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]], [0.5, 0.25, 1.0])
    array([[0.75, 0.  ],
           [0.  , 4.  ]])
    """
    rows = read_rows(X)
    moment = _second_moment(codes_second_moment, rows.n)
    rows.check_finite()
    with np.errstate(over="ignore", invalid="ignore"):  # looked for below
        out = _with_diagonal(rows, moment, num_threads) if moment.ndim == 1 else _with_matrix(rows, moment)
    if not np.isfinite(out).all():
        raise ParameterError(
            "the products of features and codes leave the range of float64: rescale one of them"
        )
    return out


def _with_diagonal(rows: Rows, moment: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
    """Sum the frame operators of tiles of weighted rows, in order; their size depends on m alone."""
    weights = np.sqrt(moment)
    height = max(1, _TILE_VALUES // rows.m)
    total: NDArray[Any] = np.zeros((rows.m, rows.m))
    for start in range(0, rows.n, height):
        tile = rows.widened(start, start + height) * weights[start : start + height, None]
        size = float(np.abs(tile).max())
        if 0 < size < np.inf:
            # A power of two rounds nothing, and the squares of a tile of hardly used features might underflow.
            scale = 2.0 ** max(int(np.frexp(size)[1]), -1000)
            operator = operator_of(Rows(tile / scale, rows.epsilon), num_threads=num_threads)
            total = total + operator * scale * scale
        elif size:
            total = total + size
    return total


def _with_matrix(rows: Rows, moment: NDArray[Any]) -> NDArray[Any]:
    values = rows.widened()
    operator = values.conj().T @ (moment @ values)
    out: NDArray[Any] = (operator + operator.conj().T) / 2
    return out


def effective_interference(
    X: Any, second_moment: Any, *, num_threads: int | None = None
) -> EffectiveInterference:
    r"""Interference of features as the codes use them, :math:`M_{ij} \, \mathbb E [z_i \overline{z_j}]`.

    Two features that overlap do not disturb each other unless their codes are active together. All entries add up
    to :math:`\mathbb E \lVert x \rVert^2 = \operatorname{tr} X^* C X` for activations :math:`x = \sum_i z_i w_i`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex; at most `GRAM_ROWS` of them.
    second_moment : array-like, shape (n,) or (n, n)
        As in `weighted_frame_operator`. From a diagonal there is no interference: uncorrelated codes of mean zero.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    EffectiveInterference

    Raises
    ------
    ShapeError
        If there are more than `GRAM_ROWS` features, or the second moment has no such shape.
    ParameterError
        If the second moment is not Hermitian or has a negative diagonal.
    ShapeError, DtypeError, NonFiniteError
        If `X` or the second moment does not hold finite numbers.

    Notes
    -----
    Costs n (n + 1) m operations and n^2 memory.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), for interference.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.frames.effective_interference([[1.0, 0.0], [-1.0, 0.0]], [[0.5, 0.1], [0.1, 0.5]])
    >>> found.cross, round(found.total, 12)
    (array([-0.1, -0.1]), 0.8)
    """
    rows = read_rows(X)
    check_gram_size(rows)
    moment = _second_moment(second_moment, rows.n)
    overlaps = gram_of(rows, num_threads=num_threads)
    # E[z_i conj z_j] is the transpose of C.
    matrix = overlaps * (np.diag(moment) if moment.ndim == 1 else moment.T)
    own = matrix.diagonal().real.copy()
    off = matrix.copy()
    np.fill_diagonal(off, 0.0)
    return EffectiveInterference(matrix, own, off.sum(axis=1).real, np.abs(off).sum(axis=1))


def _second_moment(given: Any, n: int) -> NDArray[Any]:
    """Check a second moment of n codes, and make it exactly Hermitian."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ShapeError(f"the second moment is no array: {error}") from error
    if array.shape not in ((n,), (n, n)):
        raise ShapeError(
            f"the second moment has shape {array.shape}: {n} features need ({n},), its diagonal, or ({n}, {n})"
        )
    if array.dtype.kind not in "fciub":
        raise DtypeError(f"the second moment is {array.dtype}: numbers are needed")
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if not np.isfinite(array).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(array))[0]]
        row, column = place[0], place[-1]
        raise NonFiniteError(
            f"the second moment holds {array[tuple(place)]} at row {row}, column {column}", row, column
        )
    size = float(np.abs(array).max())
    hermitian = array.real if array.ndim == 1 else (array + array.conj().T) / 2
    apart = np.abs(array - hermitian)
    if apart.max() > _ASYMMETRY * size:
        where = ", ".join(str(int(index)) for index in np.unravel_index(apart.argmax(), apart.shape))
        raise ParameterError(f"the second moment is not symmetric (Hermitian) at ({where}): give E[z_i z_j]")
    diagonal = hermitian if array.ndim == 1 else hermitian.diagonal().real
    if (diagonal < 0).any():
        at = int(diagonal.argmin())
        raise ParameterError(
            f"the second moment of code {at} is {diagonal[at]:g}: a mean of squares is not negative"
        )
    return hermitian
