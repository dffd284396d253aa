"""The order of classes that depends on the intersection numbers alone, not on labels or on the order of points."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["canonical_order"]

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
_Trace = tuple[int, bytes]

_ODD = np.array([0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xA0761D6478BD642F], dtype=np.uint64)
"""Factors that keep apart what a class meets at the three places of an entry."""


def canonical_order(numbers: Ints, transpose: Ints, valencies: Ints, fibres: int) -> Ints:
    """Order the classes of a coherent configuration by its intersection numbers.

    Fibres come first, then classes by valency, symmetric ones before others, then by what the numbers tell apart.
    Among the orders that are left, one with the least tensor of numbers is taken: they differ by a symmetry of the
    tensor, so the reordered tensor is the same for all of them.

    Parameters
    ----------
    numbers : ndarray of int64, shape (r, r, r)
        Intersection numbers.
    transpose, valencies : ndarray of int64, shape (r,)
        Transposed class and valency of each class.
    fibres : int
        How many classes are fibres; they come first.

    Returns
    -------
    ndarray of int64, shape (r,)
        The old class at each new place.

    Notes
    -----
    Refinement of colours over the entries of the tensor that are not zero, then individualisation with pruning by
    the symmetries that are found (McKay & Piperno 2014). Colours are told apart by sums of mixed 64-bit words: equal
    sums of unlike classes only leave more to the search. A round costs as much as there are nonzero entries, r^2 for
    a thin scheme.
    """
    keys = [
        (i >= fibres, int(valency), int(mate) != i)
        for i, (valency, mate) in enumerate(zip(valencies, transpose, strict=True))
    ]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    search = _Search(_Entries.of(numbers, transpose))
    search.descend(np.array([places[key] for key in keys], dtype=np.int64), [], ())
    return np.argsort(search.best)


@dataclass(frozen=True, eq=False)
class _Entries:
    """The entries of a tensor that are not zero: their three places, their values, and which places are alike."""

    at: tuple[Ints, Ints, Ints]
    value: Ints
    alike: Ints
    rank: int

    @classmethod
    def of(cls, numbers: Ints, transpose: Ints) -> _Entries:
        at = tuple(index.astype(np.int64) for index in np.nonzero(numbers))
        i, j, k = at
        # Colours alone do not show that a class meets itself, as an element of order 2 of a group does.
        both = [(i, j), (j, k), (i, k)]
        alike = [a == b for a, b in both] + [transpose[a] == b for a, b in both]
        return cls((i, j, k), numbers[at], np.stack(alike).T @ (1 << np.arange(6)), len(numbers))

    @cached_property
    def sorted_by(self) -> list[tuple[Ints, Ints]]:
        """For each place, an order of the entries that groups them, and where the groups begin."""
        orders = [np.argsort(place, kind="stable") for place in self.at]
        # Every class is in some entry at every place, for it is its own product with a fibre.
        return [
            (order, np.searchsorted(place[order], np.arange(self.rank)))
            for order, place in zip(orders, self.at, strict=True)
        ]

    def sums(self, colours: Ints) -> Words:
        """For each class, a word that depends on the colours and values that it meets, at each place."""
        total = np.zeros(self.rank, dtype=np.uint64)
        for place, (order, begin) in enumerate(self.sorted_by):
            others = [colours[self.at[other]] for other in range(3) if other != place]
            words = _mixed(np.uint64(place + 1), self.value, self.alike, *others)
            total += np.add.reduceat(words[order], begin) * _ODD[place]
        return total

    def word(self, order: Ints) -> bytes:
        """Write the reordered tensor as bytes: they are equal just where the tensors are."""
        to_new = np.argsort(order)
        i, j, k = (to_new[place] for place in self.at)
        flat = (i * self.rank + j) * self.rank + k
        by = np.argsort(flat)
        return np.stack([flat[by], self.value[by]]).astype(">i8").tobytes()


def _mixed(first: np.uint64, *parts: Ints) -> Words:
    """Mix numbers into words, one after the other (the finaliser of SplitMix64)."""
    word: Words = np.full(parts[0].shape, first, dtype=np.uint64)
    for part in parts:
        word = (word ^ part.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
    return word


@dataclass
class _Search:
    """Depth-first search for the colouring with the least trace and, among those, the least tensor."""

    entries: _Entries
    best: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    least: tuple[tuple[_Trace, ...], bytes] | None = None
    path: list[int] = field(default_factory=list)
    symmetries: list[Ints] = field(default_factory=list)

    def descend(self, colours: Ints, fixed: list[int], trace: tuple[_Trace, ...]) -> int:
        """Search below a node, and give the depth at which to go on."""
        colours, step = self._refine(colours)
        trace = (*trace, step)
        if self.least is not None and trace > self.least[0][: len(trace)]:
            return len(fixed)
        sizes = np.bincount(colours)
        if len(sizes) == len(colours):
            return self._leaf(colours, fixed, trace)
        # Of the largest colour most can be told apart by naming one member: a generator, in a cyclic group.
        cell = np.flatnonzero(colours == int(np.argmax(sizes)))
        done: list[int] = []
        for member in cell.tolist():
            if self._equivalent(member, done, fixed):
                continue
            done.append(member)
            single = 2 * colours
            single[member] -= 1
            depth = self.descend(single, [*fixed, member], trace)
            if depth < len(fixed):
                return depth
        return len(fixed)

    def _refine(self, colours: Ints) -> tuple[Ints, _Trace]:
        """Split colours until the members of one meet the same; and say what does not depend on their numbers."""
        colours = np.unique(colours, return_inverse=True)[1]
        while True:
            sums = self.entries.sums(colours)
            order = np.lexsort([sums, colours])
            new = (np.diff(sums[order]) != 0) | (np.diff(colours[order]) != 0)
            refined = np.empty_like(colours)
            refined[order] = np.concatenate([[0], np.cumsum(new)])
            if refined.max() == colours.max():
                # The finest colouring is the least, so that the search goes where it soon ends.
                return refined, (-int(refined.max()), sums[order].tobytes())
            colours = refined

    def _leaf(self, places: Ints, fixed: list[int], trace: tuple[_Trace, ...]) -> int:
        found = (trace, self.entries.word(np.argsort(places)))
        if self.least is None or found < self.least:
            self.best, self.least, self.path = places, found, fixed
        elif found == self.least:
            # Classes at the same place of the two orders are exchanged by a symmetry of the tensor.
            self.symmetries.append(np.argsort(places)[self.best])
            # It moves what was searched, below the node where the paths part, to what would be searched now.
            return next(depth for depth, (a, b) in enumerate(zip(fixed, self.path, strict=False)) if a != b)
        return len(fixed)

    def _equivalent(self, member: int, done: list[int], fixed: list[int]) -> bool:
        """Whether a symmetry that keeps what is fixed moves `member` to what was tried."""
        orbit, waiting = {member}, [member]
        moves = [move for move in self.symmetries if all(move[i] == i for i in fixed)]
        moves += [np.argsort(move) for move in moves]
        while waiting:
            here = waiting.pop()
            for move in moves:
                there = int(move[here])
                if there not in orbit:
                    orbit.add(there)
                    waiting.append(there)
        return any(other in orbit for other in done)
