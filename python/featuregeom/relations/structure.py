"""Closed subsets of a scheme: its imprimitivity systems, the subscheme on a block and the quotient."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.relations.eigenmatrices import Numbers, read_numbers
from featuregeom.relations.fusion import merged

__all__ = ["closed_subsets", "closure", "is_primitive", "is_thin", "quotient", "subscheme"]


def closure(numbers: Numbers, classes: Iterable[int]) -> tuple[int, ...]:
    """Smallest closed subset that holds the given classes.

    Raises
    ------
    ParameterError
        If a class is out of range.
    """
    given = sorted({0, *(int(label) for label in classes)})
    if given[0] < 0 or given[-1] >= numbers.rank:
        raise ParameterError(f"classes must be between 0 and {numbers.rank - 1}, got {given}")
    # In a finite scheme words in the given classes alone reach all, transposed ones too.
    steps = np.asarray(numbers.p[:, given].any(axis=1))
    inside = np.isin(np.arange(numbers.rank), given)
    fresh = inside
    while fresh.any():
        fresh = steps[fresh].any(axis=0) & ~inside
        inside = inside | fresh
    return tuple(np.flatnonzero(inside).tolist())


def closed_subsets(numbers: Numbers) -> list[tuple[int, ...]]:
    """All closed subsets: the unions of classes that are equivalence relations.

    Returns
    -------
    list of tuple of int
        By size, then lexicographically; {0} first and all classes last.

    Notes
    -----
    Closes single classes and joins what it found: O(r^3) a subset, of which a scheme with r classes has at most
    2^(r-1). In a finite scheme a set closed under products is closed under transposition too.
    """
    singles = {closure(numbers, [label]) for label in range(numbers.rank)}
    found, fresh = set(singles), set(singles)
    while fresh:
        joined = {closure(numbers, {*a, *b}) for a in fresh for b in singles}
        fresh = joined - found
        found |= fresh
    return sorted(found, key=lambda subset: (len(subset), subset))


def is_primitive(numbers: Numbers) -> bool:
    """Whether {0} and all classes are the only closed subsets: each class is a connected graph."""
    return all(len(closure(numbers, [label])) == numbers.rank for label in range(1, numbers.rank))


def is_thin(numbers: Numbers) -> bool:
    """Whether every valency is 1: the scheme is a group acting regularly."""
    return bool(np.all(numbers.valencies == 1))


def subscheme(numbers: Numbers, subset: Iterable[int]) -> Numbers:
    """Give the scheme on one block of a closed subset; its classes are those of `subset`, in increasing order.

    Raises
    ------
    ParameterError
        If `subset` is not closed.
    """
    inside = _closed(numbers, subset)
    place = {label: index for index, label in enumerate(inside)}
    return read_numbers(
        numbers.p[np.ix_(inside, inside, inside)],
        numbers.valencies[list(inside)],
        np.array([place[int(numbers.transpose[label])] for label in inside]),
    )


def quotient(numbers: Numbers, subset: Iterable[int]) -> tuple[Numbers, NDArray[np.int64]]:
    """Scheme on the blocks of a closed subset.

    Returns
    -------
    Numbers
        The quotient's numbers. Its classes are numbered by their smallest class of the scheme.
    ndarray of int64, shape (r,)
        The quotient's class that each class becomes.

    Raises
    ------
    ParameterError
        If `subset` is not closed.

    Notes
    -----
    Classes i and j become one where j is in I i I. With v the valency of I, a block in relation i^ to another has
    ``sum of the valencies in i^ / v`` such, and
    ``p^_ij^k = (1 / v) sum_{a in i^, b in j^} p_ab^k`` for any k in k^. Zieschang, Theory of Association Schemes
    (2005), section 4.1.
    """
    inside = list(_closed(numbers, subset))
    labels = np.full(numbers.rank, -1, dtype=np.int64)
    for label in range(numbers.rank):
        if labels[label] < 0:
            left = np.flatnonzero(numbers.p[inside, label].any(axis=0))
            double = np.flatnonzero(numbers.p[left][:, inside].any(axis=(0, 1)))
            labels[double] = labels.max() + 1
    v = int(numbers.valencies[inside].sum())
    member = np.eye(int(labels.max()) + 1, dtype=np.int64)[labels]
    first = [int(np.flatnonzero(labels == label)[0]) for label in range(member.shape[1])]
    p = merged(numbers.p[:, :, first], labels) // v
    return read_numbers(p, numbers.valencies @ member // v, labels[numbers.transpose[first]]), labels


def _closed(numbers: Numbers, subset: Iterable[int]) -> tuple[int, ...]:
    given = tuple(sorted({int(label) for label in subset}))
    closed = closure(numbers, given)
    if closed != given:
        raise ParameterError(f"{list(given)} is not closed: its closure is {list(closed)}")
    return closed
