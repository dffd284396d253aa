"""Whether one colour matrix is another, up to the order of the points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy

__all__ = ["isomorphism"]

Words = NDArray[np.uint64]

_SEED = 20260101
"""Of the hashes. Equal hashes of unlike points only cost time: an order is returned when every pair agrees."""


def isomorphism(
    relations: NDArray[np.int64], ideal: NDArray[np.int64], *, budget: int = policy.ISOMORPHISM_BUDGET
) -> NDArray[np.int64] | None:
    """Find an order of the points in which one colour matrix is the other.

    Parameters
    ----------
    relations, ideal : ndarray of int64, shape (n, n)
        Symmetric colour matrices. The automorphisms of `ideal` are transitive on its points.
    budget : int
        Choices to try, but at least 2 n.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        ``order`` with ``relations[order][:, order] == ideal``; None where there is none, or none was found
        within the budget.

    Notes
    -----
    Individualisation and refinement (McKay & Piperno 2014): points are fixed one after another, and after each all
    points are told apart by the colours that they have with points already told apart, O(n^2) a round. In a
    geometry of dimension m about m points fix all of them; where the two matrices differ, so do the hashes.
    """
    n = len(relations)
    rng = np.random.default_rng(_SEED)
    weights = rng.integers(0, 2**64, size=int(max(relations.max(), ideal.max())) + 1, dtype=np.uint64)
    tables = weights[relations], weights[ideal]
    marks = rng.integers(0, 2**64, size=n + 1, dtype=np.uint64)
    budget = max(budget, 2 * n)
    # Whatever the image of point 0, some automorphism takes it to the ideal's point 0.
    start = [np.zeros(n, dtype=np.uint64) for _ in tables]
    for hashes in start:
        hashes[0] = marks[0]
    trail: list[tuple[list[Words], int, list[int]]] = []
    state = start
    while True:
        state = [_refined(hashes, table) for hashes, table in zip(state, tables, strict=True)]
        if np.array_equal(np.sort(state[0]), np.sort(state[1])):
            cells, place, sizes = np.unique(state[0], return_inverse=True, return_counts=True)
            if len(cells) == n:
                order = np.empty(n, dtype=np.int64)
                order[np.argsort(state[1])] = np.argsort(state[0])
                if np.array_equal(relations[np.ix_(order, order)], ideal):
                    return order
            else:
                smallest = int(np.where(sizes > 1, sizes, n + 1).argmin())
                point = int(np.flatnonzero(place == smallest)[0])
                trail.append((state, point, np.flatnonzero(state[1] == cells[smallest]).tolist()))
        while trail and not trail[-1][2]:
            trail.pop()
        budget -= 1
        if not trail or budget < 0:
            return None
        before, point, targets = trail[-1]
        state = [hashes.copy() for hashes in before]
        mark = marks[len(trail)]
        state[0][point] ^= mark
        state[1][targets.pop()] ^= mark


def _refined(hashes: Words, table: Words) -> Words:
    """Tell points apart by the colours that they have with the points told apart so far, until no more are."""
    count = len(np.unique(hashes))
    while True:
        hashes = _mixed(hashes + table @ _mixed(hashes))
        more = len(np.unique(hashes))
        if more == count or more == len(hashes):
            return hashes
        count = more


def _mixed(words: Words) -> Words:
    """Spread every bit over all (the finaliser of SplitMix64, Steele et al. 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
