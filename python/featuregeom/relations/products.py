"""Products of the classes of a symmetric colour matrix: is it a scheme, and what is the coarsest one inside it.

All matrices here have symmetric colours with colour 0 on the diagonal and nowhere else. Products are taken of
random integer combinations of classes, in float64, where they are exact.
"""

from __future__ import annotations

from itertools import chain, groupby, islice, permutations, product

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import matmul

__all__ = [
    "canonical",
    "class_counts",
    "class_means",
    "class_sizes",
    "coherent_closure",
    "intersection_numbers",
    "is_scheme",
    "is_symmetric_scheme",
]

Colours = NDArray[np.int64]

_WEIGHTS = 2**19
"""Random weights are below this: products of two, summed over 8192 points, are exact in float64."""


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


def class_means(values: NDArray[np.float64], relations: Colours) -> NDArray[np.float64]:
    """Mean of a matrix over each colour."""
    flat = relations.ravel()
    return np.asarray(np.bincount(flat, weights=values.ravel()) / np.bincount(flat))


def is_scheme(relations: Colours, seed: int = 0) -> bool:
    r"""Decide whether a symmetric colour matrix is an association scheme.

    Parameters
    ----------
    relations : ndarray of int64, shape (n, n)
        Symmetric; colours 0..d, colour 0 on the diagonal only.
    seed : int
        Seed of the weights.

    Returns
    -------
    bool
        A scheme is never refused. What is none is accepted with a probability below :math:`(2^{-18})^2`.

    Notes
    -----
    :math:`A(s) A(t)`, for random integer weights of the classes, must be constant on each class: a polynomial of
    degree 2 in the weights (Schwartz-Zippel). Two rounds; two matrix products of n x n.
    """
    counts = class_counts(relations)
    if (counts != counts[0]).any() or not counts[0].all():
        return False
    rank = counts.shape[1]
    if rank <= 2:
        return True
    first = _representatives(relations, rank)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        weights = rng.integers(0, _WEIGHTS, size=(2, rank)).astype(np.float64)
        both = matmul(weights[0][relations], weights[1][relations])
        if (both != both.ravel()[first][relations]).any():
            return False
    return True


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
    """Refine colours to the coarsest coherent configuration inside them (Weisfeiler-Leman, dimension 2).

    Parameters
    ----------
    relations : ndarray of int64, shape (n, n)
        Any colours; transposes are told apart.
    seed : int
        Seed of the weights.
    most : int, optional
        Give up above this many colours.

    Returns
    -------
    ndarray of int64, shape (n, n), or None
        Colours 0..rank-1, the diagonal's first; None where there are more than `most`.

    Notes
    -----
    A round is a matrix product and a sort. Equal hashes of different pairs only make the result coarser.
    """
    n = len(relations)
    rng = np.random.default_rng(seed)
    colours = np.where(np.eye(n, dtype=bool), relations, relations + int(relations.max()) + 1)
    _, flat = np.unique(colours, return_inverse=True)
    colours, count = flat.reshape(n, n), int(flat.max()) + 1
    while True:
        if most is not None and count > most:
            return None
        weights = rng.integers(0, _WEIGHTS, size=(2, count)).astype(np.float64)
        both = matmul(weights[0][colours], weights[1][colours])
        keys = np.stack([colours.ravel().astype(np.float64), colours.T.ravel(), both.ravel()])
        order = np.lexsort(keys[::-1])
        change = (np.diff(keys[:, order], axis=1) != 0).any(axis=0)
        flat = np.empty(n * n, dtype=np.int64)
        flat[order] = np.concatenate([[0], np.cumsum(change)])
        if int(flat.max()) + 1 == count:
            return colours
        colours, count = flat.reshape(n, n), int(flat.max()) + 1


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
    return np.asarray(rank[relations])


def _representatives(relations: Colours, rank: int) -> NDArray[np.int64]:
    """Give the flat index of one pair of each colour."""
    flat = relations.ravel()
    first = np.empty(rank, dtype=np.int64)
    first[flat[::-1]] = np.arange(flat.size)[::-1]
    return first
