"""Which intervals of response curves to cut: those that hold the largest slope, or may, and the crossings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.plateaus import curve_numbers as of

__all__ = ["Cutter"]

Floats = NDArray[np.float64]

_JUMP = 2.0
"""The steepest quarter of an interval with a jump is four times as steep as the whole, of a smooth one little more."""


class Cutter:
    """Chooses the intervals to cut.

    An interval has settled once it is part of one that was cut in four, and is not steeper than that by more than the
    tolerance. In four, for a symmetric cliff cut in the middle has two halves as steep as the whole.

    Parameters
    ----------
    tolerance : float
        Relative tolerance of the largest slope, and of where crossings are.
    taus : list of float
        Crossings at these heights, and at one less them, are cut until they are narrow.
    least : float
        Least width of an interval.
    most : int
        Most points of a curve.
    """

    def __init__(self, tolerance: float, taus: list[float], least: float, most: int) -> None:
        self.tolerance, self.taus, self.least, self.most = tolerance, taus, least, most

    def choose(
        self, x: Floats, r: Floats, parent: Floats, open_: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Intervals to cut, shape (P, L - 1), and the curves, shape (P,), that cannot be cut where they should.

        `parent` has at the left end of each interval the slope of that which was cut into it, or NaN.
        """
        slope, width, before = of.slopes(x, r), np.diff(x, axis=1), parent[:, :-1]
        there = ~np.isnan(slope)
        row = np.arange(len(x))
        top = np.argmax(np.where(there, slope, -np.inf), axis=1)
        points = np.sum(~np.isnan(x), axis=1)
        room = np.maximum(self.most - points, 0) // 3
        settled = slope <= before + self.tolerance * np.abs(before)  # False beside NaN: never cut.
        unsettled = open_ & ~settled[row, top]
        stuck = (room == 0) | (width[row, top] < 4 * self.least)
        cut = np.zeros(slope.shape, dtype=bool)
        cut[row[unsettled & ~stuck], top[unsettled & ~stuck]] = True
        narrow = np.maximum(self.tolerance * np.nanmax(x, axis=1), 4 * self.least)
        for tau in self.taus:
            for _, at in (of.first_above(x, r, tau), of.last_below(x, r, 1 - tau)):
                wide = x[row, at + 1] - x[row, at] > narrow
                chosen = np.flatnonzero(open_ & (at >= 0) & wide & (room > 0))
                cut[chosen, at[chosen]] = True
        best = slope[row, top][:, None]
        unexplained = self._unexplained(slope, width)
        resolved = settled | ((slope < _JUMP * np.abs(before)) & (slope < best / 2))
        rival = (
            open_[:, None]
            & ~resolved
            & ~cut
            & (width >= 4 * self.least)
            & (unexplained > self.least * best * (1 + self.tolerance))
            & (unexplained > self.tolerance * np.abs(slope) * width)
        )
        rival[row, top] = False
        # Where points are scarce the steepest interval comes first, then crossings, then what is explained least.
        for k in np.flatnonzero(rival.any(axis=1) | (cut.sum(axis=1) > room)):
            rank = np.where(cut[k], np.inf, np.where(rival[k], unexplained[k], -np.inf))
            chosen = np.lexsort((np.arange(len(rank)) != top[k], -rank))[: room[k]]
            cut[k] = False
            cut[k, chosen[rank[chosen] > -np.inf]] = True
        return cut, (unsettled & stuck) | (rival.any(axis=1) & (room == 0))

    @staticmethod
    def _unexplained(slope: Floats, width: Floats) -> Floats:
        """How far the rise of each interval is from what its neighbours' slopes predict, by a line between middles."""
        if slope.shape[1] < 2:
            return np.zeros_like(slope)
        left = np.hstack([slope[:, 1:2], slope[:, :-1]])
        right = np.hstack([slope[:, 1:], np.full((len(slope), 1), np.nan)])
        right = np.where(np.isnan(right), left, right)  # The last one has one neighbour, as the first has.
        before = np.hstack([width[:, 1:2], width[:, :-1]])
        after = np.hstack([width[:, 1:], np.full((len(slope), 1), np.nan)])
        after = np.where(np.isnan(after), before, after)
        share = (width + before) / (2 * width + before + after)
        return np.abs(np.where(np.isnan(slope), 0.0, (slope - left - share * (right - left)) * width))
