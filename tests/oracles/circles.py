"""Slow orders of a set of rows in plain NumPy: the statistics of circle, line and partition, one swap at a time."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

__all__ = ["best_order", "distances", "kernel", "normalised", "partition", "principal", "statistics"]


def distances(s, shape):
    """Steps between places of a cycle ("circle") or a path ("line")."""
    steps = np.abs(np.arange(s)[:, None] - np.arange(s))
    return np.minimum(steps, s - steps) if shape == "circle" else steps


def kernel(s, shape):
    return normalised(np.exp(-distances(s, shape) / 2))


def normalised(square):
    """Entries above the diagonal with mean 0 and square sum 1, as a symmetric matrix with zero diagonal."""
    s = len(square)
    pairs = np.triu_indices(s, 1)
    values = square[pairs] - square[pairs].mean()
    out = np.zeros((s, s))
    out[pairs] = values / np.linalg.norm(values)
    return out + out.T


def principal(A):
    """Principal coordinates of centred rows; dimensions of rounding are left out."""
    U, S, _ = np.linalg.svd(A - A.mean(axis=0), full_matrices=False)
    kept = 1e-9 * S[0] < S
    return U[:, kept] * S[kept]


def best_order(G, K, order):
    """Swap two places while that raises the correlation, the best swap of all first."""
    order = list(order)
    value = (G[np.ix_(order, order)] * K).sum() / 2
    while True:
        best = (value + 1e-12, None)
        for a, b in combinations(range(len(order)), 2):
            order[a], order[b] = order[b], order[a]
            tried = (G[np.ix_(order, order)] * K).sum() / 2
            if tried > best[0]:
                best = (tried, (a, b))
            order[a], order[b] = order[b], order[a]
        if best[1] is None:
            return value, order
        value, (a, b) = best
        order[a], order[b] = order[b], order[a]


def best_of_all(G, K):
    """The best order of at most nine points, by trying every one."""
    return max((G[np.ix_(p, p)] * K).sum() / 2 for p in permutations(range(len(G))))


def partition(G):
    """Best correlation with the indicator of a partition, over the cuts of average linkage."""
    s = len(G)
    far = squareform(G.max() - G, checks=False)
    cuts = cut_tree(linkage(far, "average"))
    values = []
    for labels in cuts.T:
        same = (labels[:, None] == labels).astype(float)
        if 0 < same[np.triu_indices(s, 1)].sum() < s * (s - 1) / 2:
            values.append((normalised(same) * G).sum() / 2)
    return max(values)


def statistics(X):
    """T_c, T_l, T_b and the cyclic order of rows that are given by principal coordinates."""
    s = len(X)
    G = normalised(X @ X.T)
    second = X[:, 1] if X.shape[1] > 1 else np.zeros(s)
    circle, order = best_order(G, kernel(s, "circle"), np.argsort(np.arctan2(second, X[:, 0])))
    line, _ = best_order(G, kernel(s, "line"), np.argsort(X[:, 0]))
    return circle, line, partition(G), order
