"""Association schemes the slow way: n by n matrices and dictionaries, nothing of featuregeom's."""

from __future__ import annotations

from itertools import product

import numpy as np


def colours(G, digits=6):
    """Classes of a Gram matrix by rounded value, decreasing; the diagonal is class 0."""
    rounded = np.round(G, digits) + 0.0
    off = ~np.eye(len(G), dtype=bool)
    levels = np.unique(rounded[off])[::-1]
    C = np.zeros(G.shape, dtype=np.int64)
    C[off] = 1 + np.searchsorted(-levels, -rounded[off])
    return C


def relations(C):
    return [(k == C).astype(np.int64) for k in range(C.max() + 1)]


def intersection_numbers(C):
    """(p, valencies, transpose) from all products A_i A_j, None where C is no homogeneous coherent configuration."""
    A = relations(C)
    r, n = len(A), len(C)
    if not np.array_equal(A[0], np.eye(n)) or any(len(set(a.sum(axis=1).tolist())) != 1 for a in A):
        return None
    p = np.zeros((r, r, r), dtype=np.int64)
    for i, j in product(range(r), repeat=2):
        AA = A[i] @ A[j]
        for k in range(r):
            values = set(AA[k == C].tolist())
            if len(values) != 1:
                return None
            p[i, j, k] = values.pop()
    transpose = []
    for a in A:
        same = [k for k in range(r) if np.array_equal(a.T, A[k])]
        if not same:
            return None
        transpose.append(same[0])
    return p, np.array([a[0].sum() for a in A]), np.array(transpose)


def closure(C):
    """Two-dimensional Weisfeiler-Leman closure: colours split by their multisets of triangles until none splits."""
    n = len(C)
    while True:
        keys = {}
        new = np.zeros_like(C)
        for x, y in product(range(n), repeat=2):
            triangles = tuple(sorted(zip(C[x].tolist(), C[:, y].tolist(), strict=True)))
            key = (int(C[x, y]), int(C[y, x]), triangles)
            new[x, y] = keys.setdefault(key, len(keys))
        if len(keys) == C.max() + 1:
            return C
        order = sorted(keys, key=lambda key: (key[0], keys[key]))
        rank = np.empty(len(keys), dtype=np.int64)
        rank[[keys[key] for key in order]] = np.arange(len(keys))
        C = rank[new]


def idempotents(C, Q):
    """E_j = (1/n) sum_i Q_ij A_i as n by n matrices."""
    A = relations(C)
    return [sum(Q[i, j] * A[i] for i in range(len(A))) / len(C) for j in range(len(A))]


def krein(E):
    """Coefficients of n E_i o E_j in the E_k, by traces of n by n matrices."""
    n, r = len(E[0]), len(E)
    rank = [np.trace(e).real for e in E]
    q = np.zeros((r, r, r))
    for i, j in product(range(r), repeat=2):
        hadamard = n * E[i] * E[j]
        for k in range(r):
            q[i, j, k] = np.trace(hadamard @ E[k]).real / rank[k]
    return q


def from_eigenmatrix(P, multiplicities):
    """Intersection numbers by p_ij^k = (1 / (n k_k)) sum_l m_l P_li P_lj conj(P_lk)."""
    n, k = multiplicities.sum(), P[0].real
    return np.einsum("l,li,lj,lk->ijk", multiplicities, P, P, P.conj()).real / (n * k)


def components(A):
    """Label of each vertex's connected component in the graph A | A^T."""
    label = np.full(len(A), -1)
    for start in range(len(A)):
        if label[start] < 0:
            label[start], todo = label.max() + 1, [start]
            while todo:
                for other in np.flatnonzero((A[todo[-1]] + A[:, todo.pop()]) > 0):
                    if label[other] < 0:
                        label[other] = label[start]
                        todo.append(other)
    return label
