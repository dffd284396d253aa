"""The numbers of response curves: arrays of shape (P, L), one curve per row, sorted in alpha, NaN after its end.

Between points a curve is its chord: crossings are interpolated, areas are trapezoids, slopes are of chords and so
never above the steepest slope of the curve itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area", "first_above", "last_below", "slopes", "steepest", "step_off_line", "total_variation"]

Floats = NDArray[np.float64]

LINE_STEPS = (1, 10)
"""The line of `step_off_line` passes through these steps of the starting grid."""
OFF_LINE = 0.10
"""A curve has left the line once it is further from it than this share of the line's value."""


def slopes(alphas: Floats, r: Floats) -> Floats:
    """Slopes of all chords, shape (P, L - 1)."""
    return np.asarray(np.diff(r, axis=1) / np.diff(alphas, axis=1))


def steepest(alphas: Floats, r: Floats) -> tuple[Floats, Floats, Floats]:
    """Largest slope of each curve, the middle of its interval, and the interval's width; NaN without a curve."""
    slope = slopes(alphas, r)
    undefined = np.isnan(slope).all(axis=1)
    at = np.argmax(np.where(np.isnan(slope), -np.inf, slope), axis=1)
    row = np.arange(len(at))
    low, high = alphas[row, at], alphas[row, at + 1]
    found = (slope[row, at], (low + high) / 2, high - low)
    best, middle, width = (np.where(undefined, np.nan, values) for values in found)
    return best, middle, width


def total_variation(r: Floats) -> Floats:
    """Sum of |dr|: 1 exactly if a curve from 0 to 1 is monotone."""
    return _undefined(r, np.nansum(np.abs(np.diff(r, axis=1)), axis=1))


def area(alphas: Floats, r: Floats) -> Floats:
    """Mean height: the area below the curve over its length."""
    trapezoids = np.diff(alphas, axis=1) * (r[:, 1:] + r[:, :-1]) / 2
    length = np.nanmax(alphas, axis=1) - alphas[:, 0]
    return _undefined(r, np.nansum(trapezoids, axis=1) / length)


def first_above(alphas: Floats, r: Floats, level: float) -> tuple[Floats, NDArray[np.int64]]:
    """First alpha past which r exceeds a level, and the interval that holds it; NaN and -1 where it never does."""
    above = r > level  # NaN is not above.
    found, at = above.any(axis=1), np.argmax(above, axis=1)
    row, before = np.arange(len(at)), np.maximum(at - 1, 0)
    a0, a1, r0, r1 = alphas[row, before], alphas[row, at], r[row, before], r[row, at]
    rise = np.where(r1 > r0, r1 - r0, 1.0)
    crossing = np.where(at == 0, a1, a0 + (a1 - a0) * np.clip((level - r0) / rise, 0, 1))
    return np.where(found, crossing, np.nan), np.where(found & (at > 0), before, -1)


def last_below(alphas: Floats, r: Floats, level: float) -> tuple[Floats, NDArray[np.int64]]:
    """Last alpha before which r is below a level, and the interval that holds it; NaN and -1 where it never is."""
    below = r < level
    found, at = below.any(axis=1), r.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1)
    count = np.sum(~np.isnan(alphas), axis=1)
    row, after = np.arange(len(at)), np.minimum(at + 1, count - 1)
    a0, a1, r0, r1 = alphas[row, at], alphas[row, after], r[row, at], r[row, after]
    rise = np.where(r1 > r0, r1 - r0, 1.0)
    crossing = np.where(after == at, a0, a0 + (a1 - a0) * np.clip((level - r0) / rise, 0, 1))
    return np.where(found, crossing, np.nan), np.where(found & (after > at), at, -1)


def step_off_line(d: Floats) -> NDArray[np.int64]:
    """First step from `LINE_STEPS[1]` on that is `OFF_LINE` away from the line through both; -1 for none.

    Of curves on an even starting grid. A line that is not above 0 at a step decides nothing there.
    """
    first, second = LINE_STEPS
    if d.shape[1] <= second + 1:
        return np.full(len(d), -1, dtype=np.int64)
    slope = (d[:, second] - d[:, first]) / (second - first)
    steps = np.arange(second, d.shape[1])
    line = d[:, first, None] + slope[:, None] * (steps - first)
    off = np.abs(d[:, second:] - line) > OFF_LINE * np.where(line > 0, line, np.inf)
    return np.where(off.any(axis=1), second + np.argmax(off, axis=1), -1).astype(np.int64)


def _undefined(r: Floats, values: Floats) -> Floats:
    return np.where(np.isnan(r).all(axis=1), np.nan, values)
