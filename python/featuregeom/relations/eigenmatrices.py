"""Eigenmatrices, multiplicities and Krein parameters from intersection numbers, without any n by n matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.features import numbers_of
from featuregeom.relations.characters import characters
from featuregeom.summary import summarised

__all__ = [
    "ALGEBRA_ZERO",
    "Eigenmatrices",
    "Numbers",
    "completed",
    "eigenmatrices",
    "noncommuting",
    "read_numbers",
    "scaled_krein",
    "symmetric_eigenmatrices",
]

ALGEBRA_ZERO = 1e-8
"""Entries of P, as shares of the valency of their class, and Krein parameters scaled as by `scaled_krein`, that differ
by no more than this are equal. Rounding: over 150 schemes (the catalogue, cycles, H(d,q) of up to 2^36 points) zeros
are off by 3e-12 at most, and no scaled Krein parameter that is not 0 is below .02."""

_WHOLE = 1e-6
"""Multiplicities that are this share of the number of points off an integer are none. Rounding: 7e-14 over the same
schemes, the most for H(36,2)."""

_EQUAL = 1e-9
"""Eigenvalues of one class that differ by no more than this share of the largest are equal: rounding (`characters`)."""


@summarised
@dataclass(frozen=True, eq=False)
class Numbers:
    """Intersection numbers of a homogeneous configuration, checked for the identities that cost O(r^3).

    Attributes
    ----------
    p : ndarray of int64, shape (r, r, r)
        ``p[i, j, k]`` counts, for a pair (x, y) in class k, the z with (x, z) in i and (z, y) in j.
    valencies : ndarray of int64, shape (r,)
        Row sums of the classes; their sum is n.
    transpose : ndarray of int64, shape (r,)
        The class of the reversed pairs.
    """

    p: NDArray[np.int64]
    valencies: NDArray[np.int64]
    transpose: NDArray[np.int64]

    @property
    def rank(self) -> int:
        """Number of classes, the diagonal included."""
        return len(self.valencies)

    @property
    def n(self) -> int:
        """Number of points."""
        return int(self.valencies.sum())


@summarised
@dataclass(frozen=True, eq=False)
class Eigenmatrices:
    """The parameters of a commutative scheme.

    Attributes
    ----------
    P : ndarray of float64 or complex128, shape (r, r)
        ``A_j = sum_i P[i, j] E_i``. Row 0 holds the valencies; the others decrease lexicographically.
    Q : ndarray of float64 or complex128, shape (r, r)
        ``E_j = (1/n) sum_i Q[i, j] A_i``; row 0 holds the multiplicities.
    multiplicities : ndarray of int64, shape (r,)
        Ranks of the idempotents.
    """

    P: NDArray[Any]
    Q: NDArray[Any]
    multiplicities: NDArray[np.int64]

    @cached_property
    def krein(self) -> NDArray[np.float64]:
        """Krein parameters, shape (r, r, r): ``E_i o E_j = (1/n) sum_k krein[i, j, k] E_k``; O(r^4), when asked for."""
        products = np.einsum("li,lj,kl->ijk", self.Q, self.Q, self.P, optimize=True)
        return np.asarray(products.real / self.P[0].real.sum())

    @property
    def valencies(self) -> NDArray[np.int64]:
        """Valencies, as row 0 of P has them."""
        return np.asarray(np.rint(self.P[0].real), dtype=np.int64)

    @property
    def n(self) -> int:
        """Number of points."""
        return int(self.multiplicities.sum())


def scaled_krein(krein: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale Krein parameters to the structure constants of idempotents of norm 1: q_ij^k sqrt(m_k / (m_i m_j)).

    Those that are not 0 are then of one size, however large the scheme: of H(30,2) they range from 1 to 1.6e8 before.
    """
    roots = np.sqrt(np.abs(krein[:, :, 0]).max(axis=1, initial=0.0))
    roots[roots == 0] = 1.0  # Of no scheme: nothing to scale by.
    return np.asarray(krein * roots / (roots[:, None, None] * roots[:, None]))


def read_numbers(p: Any, valencies: Any, transpose: Any) -> Numbers:
    """Check shapes, integrality and the identities of the diagonal class and of the valencies.

    Raises
    ------
    ShapeError, DtypeError
        If the arrays are no integer arrays of shapes (r, r, r), (r,) and (r,).
    ParameterError
        If they break an identity, which the message names with its classes.

    Notes
    -----
    Costs O(r^3). Associativity, O(r^5), is left to `feasibility`.
    """
    tensor, sizes, reverse = (
        _integers("p", p),
        _integers("valencies", valencies),
        _integers("transpose", transpose),
    )
    r = len(sizes) if sizes.ndim == 1 else 0
    if r == 0:
        raise ShapeError(f"valencies must be a vector of at least one class, got shape {sizes.shape}")
    if tensor.shape != (r, r, r) or reverse.shape != (r,):
        raise ShapeError(
            f"{r} valencies need p of shape {(r, r, r)} and transpose of shape {(r,)}, "
            f"got {tensor.shape} and {reverse.shape}"
        )
    if sizes.min() < 1:
        raise ParameterError(f"valencies must be positive, class {int(sizes.argmin())} has {sizes.min()}")
    if (
        np.any(np.sort(reverse) != np.arange(r))
        or np.any(reverse[reverse] != np.arange(r))
        or reverse[0] != 0
    ):
        raise ParameterError(
            f"transpose must be an involution of the classes that keeps 0, got {reverse.tolist()}"
        )
    at = np.arange(r)
    expected = np.zeros((r, r), dtype=np.int64)
    expected[at, reverse] = sizes
    _same("p[i, j, 0] must be the valency of i where j is its transpose, else 0", tensor[:, :, 0], expected)
    _same("p[0, j, k] must be 1 where j = k, else 0", tensor[0], np.eye(r, dtype=np.int64))
    _same("p[i, 0, k] must be 1 where i = k, else 0", tensor[:, 0], np.eye(r, dtype=np.int64))
    _same("sum_j p[i, j, k] must be the valency of i", tensor.sum(axis=1), np.tile(sizes[:, None], r))
    return Numbers(tensor, sizes, reverse)


def noncommuting(p: NDArray[np.int64]) -> tuple[int, int, int] | None:
    """First (i, j, k) with ``p[i, j, k] != p[j, i, k]``, None for a commutative scheme."""
    where = np.argwhere(p != p.transpose(1, 0, 2))
    return None if len(where) == 0 else (int(where[0, 0]), int(where[0, 1]), int(where[0, 2]))


def eigenmatrices(p: Any, valencies: Any, transpose: Any, seed: int = 0) -> Eigenmatrices | None:
    """P, Q, multiplicities and Krein parameters of a commutative scheme from its intersection numbers.

    Parameters
    ----------
    p : array-like of int, shape (r, r, r)
        Intersection numbers, ``p[i, j, k] = p_ij^k``; class 0 is the diagonal.
    valencies, transpose : array-like of int, shape (r,)
        Valency of each class, and the class of its reversed pairs.
    seed : int
        Seed of the random combinations; the result differs by rounding only.

    Returns
    -------
    Eigenmatrices or None
        None where the scheme is not commutative: its algebra has no common eigenvectors. `noncommuting` names
        two classes that do not commute.

    Raises
    ------
    ShapeError, DtypeError, ParameterError
        As `read_numbers`, and if the multiplicities are not positive integers: no scheme has these numbers.
    ConvergenceError
        If no combination of the classes separates the idempotents.

    Notes
    -----
    `characters.characters` diagonalises the r by r intersection matrices together; costs O(r^3), whatever n, and
    O(r^4) for the Krein parameters. Bannai & Ito, Algebraic Combinatorics I (1984), section 2.3.

    Examples
    --------
    >>> from featuregeom.relations.eigenmatrices import eigenmatrices
    >>> found = eigenmatrices([[[1, 0], [0, 1]], [[0, 1], [4, 3]]], [1, 4], [0, 1])
    >>> found.P.tolist(), found.multiplicities.tolist()
    ([[1.0, 4.0], [1.0, -1.0]], [1, 4])
    """
    numbers, seed = read_numbers(p, valencies, transpose), integer("seed", seed, 0, 2**64 - 1)
    if noncommuting(numbers.p) is not None:
        return None
    P, raw = characters(numbers.p, numbers.transpose, seed)
    n, k = numbers.n, numbers.valencies
    multiplicities = np.rint(raw).astype(np.int64)
    if (
        multiplicities.min() < 1
        or np.abs(raw - multiplicities).max() > _WHOLE * n
        or multiplicities.sum() != n
    ):
        raise ParameterError(
            f"no scheme has these intersection numbers: its multiplicities would be {raw.tolist()}"
        )
    order = _decreasing(P[:, 1:])
    principal = int(np.argmin(np.abs(P - k).max(axis=1)))
    order = [principal, *(row for row in order if row != principal)]
    return completed(P[order], multiplicities[order])


def symmetric_eigenmatrices(p: NDArray[np.int64]) -> Eigenmatrices:
    """P, Q, multiplicities and Krein parameters of a symmetric scheme, from its intersection numbers alone.

    Parameters
    ----------
    p : ndarray of int64, shape (r, r, r)
        Intersection numbers.

    Returns
    -------
    Eigenmatrices
        Rows in the same order as `eigenmatrices` gives, whatever the way in which the relations were found.

    Raises
    ------
    ParameterError
        If these are the numbers of no symmetric scheme.
    """
    at = np.arange(len(p))
    found = eigenmatrices(p, p[at, at, 0], at)
    if found is None:
        raise ParameterError(
            "no symmetric scheme has these intersection numbers: its classes would not commute"
        )
    return found


def _integers(name: str, given: Any) -> NDArray[np.int64]:
    array = numbers_of(given, name)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{name} must be integers, got {array.dtype}")
    return array.astype(np.int64)


def _same(rule: str, found: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    bad = np.argwhere(found != expected)
    if len(bad):
        a, b = (int(index) for index in bad[0])
        raise ParameterError(f"{rule}: at indices {(a, b)} {found[a, b]} instead of {expected[a, b]}")


def _decreasing(rows: NDArray[Any]) -> list[int]:
    """Rows in decreasing lexicographic order of their entries, real parts first; entries equal to rounding are ties.

    This is the one order of eigenspaces: of the numbers of the relations alone, since relations may come without any
    Gram matrix.
    """
    values = np.stack([rows.real, rows.imag], axis=-1).reshape(len(rows), -1)
    order = np.argsort(values, axis=0)
    along = np.take_along_axis(values, order, axis=0)
    steps = np.diff(along, axis=0) > _EQUAL * np.maximum(1.0, np.abs(values).max(axis=0, initial=0.0))
    ranks = np.zeros(values.shape, dtype=np.int64)
    np.put_along_axis(ranks, order[1:], np.cumsum(steps, axis=0), axis=0)
    return sorted(range(len(rows)), key=lambda row: tuple(-ranks[row]))


def completed(P: NDArray[Any], multiplicities: NDArray[np.int64]) -> Eigenmatrices:
    """Give Q with P Q = n I: ``Q_ji = m_i conj(P_ij) / k_j`` (Delsarte 1973)."""
    return Eigenmatrices(P, (P.conj() / P[0].real * multiplicities[:, None]).T, multiplicities)
