"""What the parameters of a scheme must satisfy: named failures of numbers that no scheme can have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featuregeom.relations.eigenmatrices import ALGEBRA_ZERO, Eigenmatrices, Numbers, scaled_krein
from featuregeom.summary import summarised

__all__ = ["Failure", "failures"]


@summarised
@dataclass(frozen=True)
class Failure:
    """One broken condition.

    Attributes
    ----------
    condition : str
        "negative", "triangles", "associativity", "handshake", "krein" or "absolute bound".
    classes : tuple of int
        Where it breaks first: classes, or idempotents for the last two.
    detail : str
        The numbers that break it.
    """

    condition: str
    classes: tuple[int, ...]
    detail: str


def failures(
    numbers: Numbers, scheme: Eigenmatrices | None = None, tolerance: float = ALGEBRA_ZERO
) -> list[Failure]:
    """Conditions that the parameters break, each at its first place; empty for those of every scheme.

    Parameters
    ----------
    numbers : Numbers
        Intersection numbers.
    scheme : Eigenmatrices, optional
        Of the same numbers, where they commute; without it Krein condition and absolute bound are not looked at.
    tolerance : float
        Krein parameters above minus it, scaled to idempotents of norm 1, count as nonnegative; below it, as zero.

    Returns
    -------
    list of Failure

    Notes
    -----
    Costs O(r^5), in memory of O(r^3). All hold for a scheme that was verified on its points: they judge numbers that
    come without points, or from noise. Conditions of Brouwer, Cohen & Neumaier (1989), sections 2.1 to 2.3; the
    absolute bound is Neumaier's: the multiplicities of the idempotents in ``E_i o E_j`` add up to at most
    ``m_i m_j``, and ``m_i (m_i + 1) / 2`` where i = j.

    Examples
    --------
    No graph has the parameters (28, 9, 0, 4): a Krein parameter is negative (Scott 1973), and more.

    >>> from featuregeom.schemes import eigenmatrices, failures, read_numbers
    >>> p = [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [9, 0, 4], [0, 8, 5]], [[0, 0, 1], [0, 8, 5], [18, 10, 12]]]
    >>> numbers = read_numbers(p, [1, 9, 18], [0, 1, 2])
    >>> [failure.condition for failure in failures(numbers, eigenmatrices(p, [1, 9, 18], [0, 1, 2]))]
    ['krein', 'absolute bound']
    """
    found = []
    p, k, reverse = numbers.p, numbers.valencies, numbers.transpose
    if p.min() < 0:
        where = _first(p < 0)
        found.append(Failure("negative", where, f"p{list(where)} = {p[where]}"))
    pairs = p * k
    turned = np.einsum("kji->ijk", p[:, reverse, :] * k)
    if np.any(pairs != turned):
        where = _first(pairs != turned)
        found.append(
            Failure("triangles", where, f"k_k p_ij^k = {pairs[where]}, k_i p_kj'^i = {turned[where]}")
        )
    for i in range(numbers.rank):
        left, right = np.einsum("je,elm->jlm", p[i], p), np.einsum("em,jle->jlm", p[i], p)
        if np.any(left != right):
            where = _first(left != right)
            detail = f"(A_i A_j) A_l has {left[where]}, A_i (A_j A_l) {right[where]}"
            found.append(Failure("associativity", (i, *where), detail))
            break
    for i in range(1, numbers.rank):
        if reverse[i] != i:
            continue
        if numbers.n * k[i] % 2:
            found.append(Failure("handshake", (i,), f"{numbers.n} points of valency {k[i]}"))
            break
        odd = [j for j in range(numbers.rank) if reverse[j] == j and k[j] * p[j, i, j] % 2 and j > 0]
        if odd:
            detail = f"a neighbourhood of {k[odd[0]]} points has valency {p[odd[0], i, odd[0]]}"
            found.append(Failure("handshake", (i, odd[0]), detail))
            break
    if scheme is not None:
        found += _dual_failures(scheme, tolerance)
    return found


def _dual_failures(scheme: Eigenmatrices, tolerance: float) -> list[Failure]:
    found = []
    q, m = scheme.krein, scheme.multiplicities
    scaled = scaled_krein(q)
    if scaled.min() < -tolerance:
        where = _first(scaled < -tolerance)
        found.append(Failure("krein", where, f"q{list(where)} = {q[where]:.6g}"))
    sums = (np.abs(scaled) > tolerance) @ m
    bound = np.outer(m, m)
    np.fill_diagonal(bound, m * (m + 1) // 2)
    if np.any(sums > bound):
        where = _first(sums > bound)
        found.append(
            Failure("absolute bound", where, f"multiplicities add up to {sums[where]} > {bound[where]}")
        )
    return found


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argwhere(where)[0])
