"""The order of classes that depends on the intersection numbers alone, not on labels or on the order of points."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["canonical_order"]

Ints = NDArray[np.int64]


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
    Colour refinement of the tensor, O(r^3 log r) a round, then individualisation with pruning by the symmetries
    that are found (McKay & Piperno 2014).
    """
    keys = [
        (i >= fibres, int(valency), int(mate) != i)
        for i, (valency, mate) in enumerate(zip(valencies, transpose, strict=True))
    ]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    search = _Search(numbers)
    search.descend(np.array([places[key] for key in keys]), [])
    return np.argsort(search.best)


@dataclass
class _Search:
    """Depth-first search for the colouring with the least tensor."""

    numbers: Ints
    best: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    least: bytes = b""
    symmetries: list[Ints] = field(default_factory=list)

    def descend(self, colours: Ints, fixed: list[int]) -> None:
        colours = self._refine(colours)
        sizes = np.bincount(colours)
        if len(sizes) == len(colours):
            self._leaf(colours)
            return
        cell = np.flatnonzero(colours == int(np.argmax(sizes > 1)))
        done: list[int] = []
        for member in cell.tolist():
            if self._equivalent(member, done, fixed):
                continue
            done.append(member)
            single = 2 * colours
            single[member] -= 1
            self.descend(single, [*fixed, member])

    def _refine(self, colours: Ints) -> Ints:
        """Split colours until each member of one meets the same numbers with each pair of colours."""
        rank = len(colours)
        _, colours = np.unique(colours, return_inverse=True)
        while True:
            first, second = np.broadcast_arrays(colours[:, None], colours[None, :])
            keys = []
            for i in range(rank):
                p = self.numbers
                rows = np.stack([first, second, p[i], p[:, i], p[:, :, i]], axis=-1).reshape(-1, 5)
                keys.append((int(colours[i]), rows[np.lexsort(rows.T)].astype(">i8").tobytes()))
            places = {key: place for place, key in enumerate(sorted(set(keys)))}
            refined = np.array([places[key] for key in keys])
            if len(places) == colours.max() + 1:
                return refined
            colours = refined

    def _leaf(self, places: Ints) -> None:
        order = np.argsort(places)
        tensor = self.numbers[np.ix_(order, order, order)].astype(">i8").tobytes()
        if not self.least or tensor < self.least:
            self.best, self.least = places, tensor
        elif tensor == self.least:
            # Classes at the same place of the two orders are exchanged by a symmetry of the tensor.
            self.symmetries.append(np.argsort(places)[self.best])

    def _equivalent(self, member: int, done: list[int], fixed: list[int]) -> bool:
        """Whether a symmetry that keeps what is fixed moves `member` to what was tried."""
        moves = [move for move in self.symmetries if all(move[i] == i for i in fixed)]
        orbit, waiting = {member}, [member]
        while waiting:
            here = waiting.pop()
            for move in moves:
                for there in (int(move[here]), int(np.flatnonzero(move == here)[0])):
                    if there not in orbit:
                        orbit.add(there)
                        waiting.append(there)
        return any(other in orbit for other in done)
