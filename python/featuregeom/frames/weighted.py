"""Frames weighted by the codes that use them, and how features interfere in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.frames.operator import check_gram_size, finite_array, gram_of, hermitian, operator_of
from featuregeom.frames.rows import Rows, read_rows
from featuregeom.interruptible import by_slabs, eigvalsh, is_positive_definite, matmul
from featuregeom.summary import summarised

__all__ = ["EffectiveInterference", "effective_interference", "weighted_frame_operator"]

_REAL = 1e-6
"""A diagonal may have imaginary parts up to this, relative to its largest entry: rounding of float32 sums."""

_INDEFINITE = 1e-6
"""A second moment of n codes may have eigenvalues down to minus n times this share of its largest entry."""

_TILE_VALUES = 2**20
"""Most numbers in a tile of rows that is weighted at once: 8 MiB of float64."""


@summarised
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

    References
    ----------
    Elhage et al., Toy models of superposition (2022), for interference.
    """

    matrix: NDArray[Any]
    own: NDArray[np.float64]
    cross: NDArray[np.float64]
    magnitude: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Mean squared norm of the activation: the sum of `own` and `cross`, and the trace of the weighted F."""
        return float(self.own.sum() + self.cross.sum())


def weighted_frame_operator(X: Any, second_moment: Any, *, num_threads: int | None = None) -> NDArray[Any]:
    r"""Code-weighted frame operator :math:`X^* C X`, with C the second moment of the codes.

    For activations :math:`x = \sum_i z_i w_i` with :math:`C_{ij} = \mathbb E [\overline{z_i} z_j]` it is their second
    moment, :math:`\mathbb E [x^* x]`. With C = I it is the frame operator.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex.
    second_moment : array-like, shape (n,) or (n, n)
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
        If it is not Hermitian, has a negative diagonal or is indefinite beyond rounding, or if the result leaves the
        range of float64.
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
    moment = _second_moment(second_moment, rows.n)
    rows.check_finite()
    size = _largest(rows, moment if moment.ndim == 1 else moment.diagonal().real)
    mass = float(np.abs(moment).max())
    if not (size and mass):
        return np.zeros(
            (rows.m, rows.m), dtype=np.result_type(moment, np.complex128 if rows.is_complex else np.float64)
        )
    # Powers of two round nothing. Without them the squares of a hardly used or tiny set of features might underflow.
    powers = int(np.frexp(size)[1]), int(np.frexp(mass)[1])
    moment = np.ldexp(moment, -powers[1]) if moment.dtype.kind != "c" else moment * 2.0 ** -powers[1]
    form = _with_diagonal if moment.ndim == 1 else _with_matrix
    scaled = form(rows, moment, 2.0 ** -powers[0], num_threads)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # looked for below
        half = 2.0 ** powers[0]
        out: NDArray[Any] = scaled * half * 2.0 ** powers[1] * half
    _check_range(out, bool(scaled.any()))
    return out


def _tiles(rows: Rows) -> Iterator[slice]:
    """Slices of rows, of a height that depends on m alone."""
    height = max(1, _TILE_VALUES // rows.m)
    return (slice(start, min(start + height, rows.n)) for start in range(0, rows.n, height))


def _largest(rows: Rows, used: NDArray[np.float64]) -> float:
    """Largest absolute entry of the features that are used at all."""
    tiles = (np.abs(rows.widened(tile.start, tile.stop)[used[tile] != 0]) for tile in _tiles(rows))
    return max(float(tile.max(initial=0.0)) for tile in tiles)


def _with_diagonal(rows: Rows, moment: NDArray[Any], scale: float, num_threads: int | None) -> NDArray[Any]:
    """Sum the frame operators of tiles of weighted rows, in order."""
    weights = np.sqrt(moment)
    total: NDArray[Any] = np.zeros((rows.m, rows.m))
    for tile in _tiles(rows):
        values = rows.widened(tile.start, tile.stop) * scale * weights[tile, None]
        size = float(np.abs(values).max())
        if size:
            # The squares of a tile of hardly used features might underflow before they are added to others.
            power = 2.0 ** max(int(np.frexp(size)[1]), -1000)
            operator = operator_of(Rows(values / power, rows.epsilon), num_threads=num_threads)
            total = total + operator * power * power
    return total


def _with_matrix(rows: Rows, moment: NDArray[Any], scale: float, num_threads: int | None) -> NDArray[Any]:
    values = by_slabs(lambda part: part * scale, rows.widened())
    operator = matmul(values.conj().T, matmul(moment, values))
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
        If the second moment is not Hermitian, has a negative diagonal or is indefinite beyond rounding, or if the
        result leaves the range of float64.
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
    with np.errstate(over="ignore", invalid="ignore"):  # looked for below
        # E[z_i conj z_j] is the transpose of C.
        matrix = by_slabs(np.multiply, overlaps, np.diag(moment) if moment.ndim == 1 else moment.T)
        diagonal = matrix.diagonal().copy()
        own = diagonal.real.copy()
        np.fill_diagonal(matrix, 0.0)
        cross = by_slabs(lambda off: off.sum(axis=1).real, matrix)
        magnitude = by_slabs(lambda off: np.abs(off).sum(axis=1), matrix)
        np.fill_diagonal(matrix, diagonal)
    used = moment if moment.ndim == 1 else moment.diagonal()
    _check_range(
        np.concatenate([own, magnitude, cross]), bool(np.any((overlaps.diagonal() != 0) & (used != 0)))
    )
    return EffectiveInterference(matrix, own, cross, magnitude)


def _second_moment(given: Any, n: int) -> NDArray[Any]:
    """Check a second moment of n codes, and make it exactly Hermitian."""
    array = finite_array(given, "the second moment")
    if array.shape not in ((n,), (n, n)):
        raise ShapeError(
            f"the second moment has shape {array.shape}: {n} features need ({n},), its diagonal, or ({n}, {n})"
        )
    if array.ndim == 1:
        if np.abs(array.imag).max() > _REAL * np.abs(array).max():
            raise ParameterError("the second moment is not symmetric (Hermitian): its diagonal must be real")
        moment = array.real
        diagonal = moment
    else:
        moment = hermitian(array, "the second moment")
        diagonal = moment.diagonal().real
    if (diagonal < 0).any():
        at = int(diagonal.argmin())
        raise ParameterError(
            f"the second moment of code {at} is {diagonal[at]:g}: a mean of squares is not negative"
        )
    if moment.ndim == 2:
        _check_semidefinite(moment)
    return moment


def _check_semidefinite(moment: NDArray[Any]) -> None:
    """Refuse an indefinite matrix: it is the second moment of no codes."""
    largest = float(np.abs(moment).max())
    if not largest:
        return
    raised = by_slabs(lambda rows: rows / largest, moment)
    # A Cholesky factor exists where no eigenvalue is below minus what is added: a ninth of the cost of eigenvalues.
    raised[np.diag_indices(len(raised))] += len(moment) * _INDEFINITE
    if not is_positive_definite(raised):
        least = eigvalsh(moment)[0]
        raise ParameterError(
            f"the second moment is indefinite, with an eigenvalue of {least:.3g}: that of "
            "codes, E[z_i z_j], has none below zero"
        )


def _check_range(values: NDArray[Any], expected: bool) -> None:
    """Refuse products that overflow, or that underflow as a whole though they are not expected to be zero."""
    overflow = not np.isfinite(values).all()
    if overflow or (expected and np.abs(values).max() < np.finfo(np.float64).tiny):
        raise ParameterError(
            f"the products of features and codes leave the range of float64 ({'over' if overflow else 'under'}flow): "
            "rescale one of them"
        )
