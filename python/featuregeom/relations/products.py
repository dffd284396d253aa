"""Symmetric colour matrices: are they a scheme, what is the coarsest one inside them, how large are their classes.

Colour 0 is on the diagonal and nowhere else. What takes more than looking at each pair once is done in the core.
"""

from __future__ import annotations

from itertools import chain, groupby, islice, permutations, product

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.interruptible import by_slabs, slabs

__all__ = [
    "MOST_CLASSES",
    "apart",
    "canonical",
    "class_counts",
    "class_means",
    "class_sizes",
    "coherent_closure",
    "from_means",
    "intersection_numbers",
    "is_scheme",
    "is_symmetric_scheme",
]

Colours = NDArray[np.int64]

MOST_CLASSES = 512
"""Most classes that the core takes: their intersection numbers fill 1 GiB."""


def class_counts(relations: Colours) -> NDArray[np.int64]:
    """Count the colours of each row, shape (n, rank)."""
    n, rank = len(relations), int(relations.max()) + 1
    flat = (relations + rank * np.arange(n)[:, None]).ravel()
    return np.bincount(flat, minlength=n * rank).reshape(n, rank)


def class_sizes(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Points of each fibre, and pairs of each other class: unordered ones where it is symmetric.

    Labels need be neither symmetric nor a single one on the diagonal.
    """
    counts = np.bincount(labels.ravel(), minlength=int(labels.max()) + 1)
    halved = np.ones(len(counts), dtype=np.bool_)
    halved[labels.diagonal()] = False
    halved[labels[labels != labels.T]] = False
    counts[halved] //= 2
    return counts


def apart(n: int) -> NDArray[np.int64]:
    """Relations of n points, of which all pairs of different points are one class."""
    points = np.arange(n)
    return by_slabs(lambda k: np.asarray(k[:, None] != points, dtype=np.int64), points, width=n)


def class_means(values: NDArray[np.float64], relations: Colours) -> NDArray[np.float64]:
    """Mean of a matrix over each colour."""
    most = int(relations.max()) + 1
    totals, counts = np.zeros(most), np.zeros(most, dtype=np.int64)
    for rows in slabs(relations.shape):
        flat = relations[rows].ravel()
        counts += np.bincount(flat, minlength=most)
        totals += np.bincount(flat, weights=values[rows].ravel(), minlength=most)
    return np.asarray(totals / counts)


def from_means(values: NDArray[np.float64], relations: Colours) -> NDArray[np.float64]:
    """Each value of a matrix less the mean of its colour."""
    means = class_means(values, relations)
    return by_slabs(lambda one, kind: one - means[kind], values, relations)


def is_scheme(relations: Colours, seed: int = 0) -> bool:
    """Decide whether labels are an association scheme, by one round of the core's certificate.

    Parameters
    ----------
    relations : ndarray of int64, shape (n, n)
        Labels of pairs, from 0.
    seed : int
        Seed of the certificate's words.

    Returns
    -------
    bool
        A scheme is never refused, unless it has more than 512 classes. What is none is accepted with a probability
        below 2^-43 (`check`).
    """
    most = int(relations.max())
    if most >= MOST_CLASSES:
        return False
    labels = relations.astype(np.uint8) if most < 2**8 else relations.astype(np.uint16)
    return _core.scheme_holds(labels, seed=seed)


def is_symmetric_scheme(colours: Colours, seed: int = 0) -> bool:
    """Decide whether any colours, such as those of `coherent_closure`, are a scheme of symmetric classes."""
    diagonal = colours.diagonal()
    return (
        bool((diagonal == diagonal[0]).all())
        and np.array_equal(colours, colours.T)
        and is_scheme(colours, seed)
    )


def intersection_numbers(relations: Colours) -> NDArray[np.int64]:
    """Numbers p[i, j, k] of a scheme, from one pair of each class: O(rank n)."""
    n, rank = len(relations), int(relations.max()) + 1
    x, y = np.divmod(_representatives(relations, rank), n)
    flat = relations[x] * rank + relations[y]
    counts = [np.bincount(row, minlength=rank * rank).reshape(rank, rank) for row in flat]
    return np.stack(counts, axis=-1)


def coherent_closure(relations: Colours, *, seed: int = 0, most: int | None = None) -> Colours | None:
    """Refine colours to the coarsest coherent configuration inside them (`closure`).

    Parameters
    ----------
    relations : ndarray of int64, shape (n, n)
        Any colours, from 0; transposes are told apart.
    seed : int
        Seed of the random integers.
    most : int, optional
        Give up above this many colours.

    Returns
    -------
    ndarray of int64, shape (n, n), or None
        Colours 0..rank-1, the diagonal's first; None where there are more than `most`.
    """
    found = _core.scheme_closure(relations.astype(np.uint32), seed=seed, most=most)
    return None if found is None else found[0].astype(np.int64)


def canonical(relations: Colours, values: NDArray[np.float64]) -> Colours:
    """Renumber the classes of a scheme by decreasing mean value, the diagonal first.

    Classes of equal mean, to six decimals, come by how many pairs they have, then so that the intersection numbers
    come first in the order of words: by nothing that depends on rounding or on the order of the points.
    """
    means = class_means(values, relations)
    counts = np.bincount(relations.ravel())
    keys = {
        k: (-round(float(means[k]), 6), int(counts[k])) for k in range(len(means)) if k != relations[0, 0]
    }
    tied = [list(group) for _, group in groupby(sorted(keys, key=keys.__getitem__), key=keys.__getitem__)]
    orders = [
        [int(relations[0, 0]), *chain(*choice)] for choice in islice(product(*map(permutations, tied)), 5040)
    ]
    if len(orders) > 1:
        numbers = intersection_numbers(relations)
        orders.sort(key=lambda order: numbers[np.ix_(order, order, order)].ravel().tolist())
    rank = np.empty(len(means), dtype=np.int64)
    rank[orders[0]] = np.arange(len(means))
    return by_slabs(lambda rows: rank[rows], relations)


def _representatives(relations: Colours, rank: int) -> NDArray[np.int64]:
    """Give the flat index of one pair of each colour."""
    flat = relations.ravel()
    first = np.empty(rank, dtype=np.int64)
    first[flat[::-1]] = np.arange(flat.size)[::-1]
    return first
