"""Coherent configurations made by other ways than the package's, and a slow check of the definition."""

from __future__ import annotations

import itertools

import numpy as np


def hamming(d: int, q: int) -> np.ndarray:
    """Distances between the words of length d over q letters."""
    words = np.array(list(itertools.product(range(q), repeat=d)))
    return (words[:, None, :] != words[None, :, :]).sum(axis=2)


def johnson(v: int, k: int) -> np.ndarray:
    """k minus the sizes of intersections of the k-subsets of v points."""
    rows = []
    for subset in itertools.combinations(range(v), k):
        row = np.zeros(v, dtype=int)
        row[list(subset)] = 1
        rows.append(row)
    sets = np.array(rows)
    return k - sets @ sets.T


def paley(q: int) -> np.ndarray:
    """Whether differences modulo the prime q are squares (1) or not (2); not symmetric for q = 3 mod 4."""
    table = np.full(q, 2)
    table[np.arange(1, q) ** 2 % q] = 1
    table[0] = 0
    return table[(np.arange(q)[:, None] - np.arange(q)) % q]


def group(table: np.ndarray) -> np.ndarray:
    """The thin scheme of a group: the label of (x, y) is x^-1 y."""
    identity = int(np.flatnonzero((table == np.arange(len(table))).all(axis=1))[0])
    inverse = np.argmax(table == identity, axis=1)
    return table[inverse]


def orbitals(n: int, generators: list[np.ndarray]) -> np.ndarray:
    """Orbits on pairs of the group that permutations generate, by merging each pair with its images."""
    parent = np.arange(n * n)

    def root(pair: int) -> int:
        while parent[pair] != pair:
            parent[pair] = parent[parent[pair]]
            pair = int(parent[pair])
        return pair

    for move in generators:
        for x in range(n):
            for y in range(n):
                a, b = root(x * n + y), root(int(move[x]) * n + int(move[y]))
                parent[max(a, b)] = min(a, b)
    return np.array([root(pair) for pair in range(n * n)]).reshape(n, n)


def adjacency(labels: np.ndarray) -> dict[int, np.ndarray]:
    """The 0-1 matrix of each label."""
    return {int(label): (labels == label).astype(np.int64) for label in np.unique(labels)}


def is_coherent(labels: np.ndarray) -> bool:
    """The definition, with every product of matrices."""
    classes = adjacency(labels)
    if set(np.diag(labels).tolist()) & set(labels[~np.eye(len(labels), dtype=bool)].tolist()):
        return False
    if any(len(set(labels[a.T == 1].tolist())) != 1 for a in classes.values()):
        return False
    products = (a @ b for a in classes.values() for b in classes.values())
    return all(len(np.unique(product[c == 1])) == 1 for product in products for c in classes.values())


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two labellings divide the pairs alike."""
    pairs = set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(a)) == len(np.unique(b))


def refines(fine: np.ndarray, coarse: np.ndarray) -> bool:
    """Whether every class of `fine` lies in one of `coarse`."""
    pairs = set(zip(fine.ravel().tolist(), coarse.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(fine))


def switched(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchange two labels on a 4-cycle of pairs: every point keeps its valencies, all else may change."""
    n = len(labels)
    while True:
        a, b, c, d = rng.choice(n, 4, replace=False)
        i, j = labels[a, b], labels[a, d]
        if labels[c, d] == i and labels[c, b] == j and i != j:
            changed = labels.copy()
            for x, y, label in [(a, b, j), (c, d, j), (a, d, i), (c, b, i)]:
                changed[x, y] = changed[y, x] = label
            return changed
