"""The common eigenvalues of the classes of a commutative scheme: its characters, from intersection numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ConvergenceError

__all__ = ["characters"]

_DRAWS = 8
"""Random combinations of the classes. Two characters that are close in one of them are far apart in another."""

_GAP = 1e-9
"""Eigenvalues of the first combination may be so close: the others then separate their eigenvectors."""

_ROUNDS, _STILL = 3, 1e-13
"""Steps that mend the eigenvectors, at most, and the size of one that changes nothing but rounding: convergence is
quadratic, and eigenvectors of combinations that are `_GAP` apart are right to 1e-7 before the first."""

_SNAP = 1e-10
"""Entries of P that are this share of the largest of their column off an integer, or off a root of a quadratic, are it.
Rounding, of 1e-13 and less after the steps above."""


def characters(
    numbers: NDArray[np.int64], transpose: NDArray[np.int64] | None = None, seed: int = 0
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Diagonalise the intersection matrices of a commutative scheme together.

    Parameters
    ----------
    numbers : ndarray of int64, shape (r, r, r)
        Intersection numbers ``p[i, j, k]``; class 0 is the diagonal.
    transpose : ndarray of int64, shape (r,), optional
        The class of the reversed pairs; by default every class is symmetric.
    seed : int
        Seed of the random combinations; the result differs by rounding and by the order of the rows only.

    Returns
    -------
    P : ndarray of float64, or complex128 unless all classes are symmetric, shape (r, r)
        Eigenvalue of class j on eigenspace i, in any order of the rows.
    multiplicities : ndarray of float64, shape (r,)
        ``n / sum_j |P_ij|^2 / k_j``: integers to rounding, if there is such a scheme.

    Raises
    ------
    ConvergenceError
        If no combination of the classes separates the characters, which does not happen for those of a scheme.

    Notes
    -----
    In the orthonormal basis ``A_j / sqrt(n k_j)`` of the algebra, multiplication by A_i is an r by r matrix. These
    commute and are normal, so the eigenvectors of one Hermitian random combination diagonalise all (Bannai & Ito
    1984, section 2.3). Weights ``1 / sqrt(n k_i)`` make the gap of two characters of multiplicities m, m' of the
    size ``sqrt(1/m + 1/m')`` whatever they are. Among r eigenvalues some two are closer than 1 / r^2 by chance, which
    spoils their eigenvectors; the other combinations mend them: a step of first order with the gaps of all
    combinations together, which are never all small (Cardoso & Souloumiac, SIAM J. Matrix Anal. 17 (1996), the
    Hermitian commuting case). The eigenvector v_i has the entries ``conj(P_ij) / sqrt(k_j)``, to a factor, so that P
    needs no further product: O(r^3) in all, of which 8 contractions of the tensor are the most.

    Entries within rounding of an integer, or of a root of a quadratic with integer coefficients whose conjugate
    stands in the same column with the same multiplicity, are replaced by it.
    """
    r = len(numbers)
    k = numbers[np.arange(r), np.arange(r) if transpose is None else transpose, 0].astype(np.float64)
    n = float(k.sum())
    symmetric = transpose is None or bool(np.array_equal(transpose, np.arange(r)))
    combinations = _combinations(numbers, k, symmetric, np.random.default_rng(seed))
    V = _eigenvectors(combinations)
    P: NDArray[Any] = np.empty((r, r), dtype=np.float64 if symmetric else np.complex128)
    P[:] = (V.conj() / V[0].conj()).T * np.sqrt(k)
    multiplicities = n / (np.abs(P) ** 2 / k).sum(axis=1)
    P[np.abs(P - k).max(axis=1).argmin()] = k
    return _snapped(P, np.rint(multiplicities)), multiplicities


def _combinations(
    numbers: NDArray[np.int64], k: NDArray[np.float64], symmetric: bool, rng: np.random.Generator
) -> NDArray[Any]:
    """Random Hermitian elements of the algebra, as matrices in its orthonormal basis."""
    r, roots = len(k), np.sqrt(k)
    flat = numbers.reshape(r, r * r).astype(np.float64)
    mixed: NDArray[Any] = rng.standard_normal((_DRAWS, r)) / np.sqrt(k * k.sum()) @ flat
    if not symmetric:
        mixed = mixed + 1j * (rng.standard_normal((_DRAWS, r)) / np.sqrt(k * k.sum()) @ flat)
    mixed = mixed.reshape(_DRAWS, r, r).transpose(0, 2, 1)
    mixed = mixed * (roots[:, None] / roots)
    return np.asarray((mixed + mixed.conj().transpose(0, 2, 1)) / 2)


def _eigenvectors(combinations: NDArray[Any]) -> NDArray[Any]:
    """Find the common eigenvectors, as columns."""
    V: NDArray[Any] | None = None
    for first in combinations:
        values, vectors = np.linalg.eigh(first)
        if np.diff(values).min(initial=np.inf) > _GAP * np.abs(values).max():
            V = vectors
            break
    if V is None:
        raise ConvergenceError(
            f"none of {_DRAWS} random combinations of {combinations.shape[1]} classes separates the idempotents: "
            "are these the intersection numbers of a scheme?"
        )
    for _ in range(_ROUNDS):
        inside = V.conj().T @ combinations @ V
        values = np.einsum("dtt->dt", inside).real
        apart = values[:, None, :] - values[:, :, None]
        squares = (apart**2).sum(axis=0)
        np.fill_diagonal(squares, 1.0)
        # First order: column s gets so much of column t as makes all off-diagonal entries least.
        step = (inside * apart).sum(axis=0) / squares
        np.fill_diagonal(step, 0.0)
        V = V + V @ step
        V /= np.linalg.norm(V, axis=0)
        if np.abs(step).max(initial=0.0) < _STILL:
            break
    return V


def _snapped(P: NDArray[Any], multiplicities: NDArray[np.float64]) -> NDArray[Any]:
    """Replace entries by the integers and quadratic irrationals that they are to rounding."""
    snapped = P.copy()
    for column in range(P.shape[1]):
        values = P[:, column]
        tolerance = _SNAP * max(1.0, float(np.abs(values).max()))
        whole = np.rint(values.real)
        integral = np.abs(values - whole) <= tolerance
        snapped[integral, column] = whole[integral]
        rest = np.flatnonzero(~integral)
        kept = values[rest]
        # Conjugates have an integral sum; few pairs have, and theirs are the products to look at.
        sums = kept.real[:, None] + kept.real
        likely = np.abs(sums - np.rint(sums)) <= 2 * tolerance
        likely &= multiplicities[rest][:, None] == multiplicities[rest]
        if np.iscomplexobj(kept):
            likely &= np.abs(kept.imag[:, None] + kept.imag) <= 2 * tolerance
        np.fill_diagonal(likely, False)
        here, there = np.nonzero(likely)
        value, other = kept[here], kept[there]
        total, product = np.rint(sums[here, there]), np.rint((value * other).real)
        scale = tolerance * np.maximum(1.0, np.abs(value) + np.abs(other))
        good = np.abs(value * other - product) <= scale
        # The roots of x^2 - total x + product: whichever is nearer.
        half = np.sqrt((total**2 - 4 * product).astype(P.dtype)[good]) / 2
        value, upper, lower = value[good], total[good] / 2 + half, total[good] / 2 - half
        roots = np.where(np.abs(upper - value) < np.abs(lower - value), upper, lower)
        snapped[rest[here[good]], column] = roots
    return snapped + 0.0
