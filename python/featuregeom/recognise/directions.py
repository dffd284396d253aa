"""Features of one direction, which are merged before anything is judged."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["directions_text", "same_direction"]

_SAME = 5e-7
"""Features whose cosine is nearer to 1 than this are one direction: an angle of a thousandth."""

_NEAR, _APART = 0.05, 4.0
"""Up to this angle features are one direction through noise, where all others are so many times as far apart as the
widest of them, and every direction is met as often: features that come near each other by chance are not alike."""


def same_direction(cosines: NDArray[np.float64]) -> list[list[int]]:
    """Group features of one direction, in the order of their first.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    list of list of int
        Increasing numbers of features.
    """
    n = len(cosines)
    near = cosines >= math.cos(_NEAR)
    if int(near.sum()) == n:
        return [[i] for i in range(n)]
    first = near.argmax(axis=1)
    widest = math.acos(min(float(cosines[near].min()), 1.0))
    nearest = math.acos(min(float(cosines[~near].max(initial=-1.0)), 1.0))
    sizes = near.sum(axis=1)
    if nearest < _APART * widest or (sizes != sizes[0]).any() or not np.array_equal(near, near[first]):
        same = cosines >= 1 - _SAME
        first = same.argmax(axis=1)
    return [np.flatnonzero(first == i).tolist() for i in np.unique(first)]


def directions_text(n: int, points: int) -> str:
    """Say in how many directions features are: ``"5 features in 1 direction"``."""
    return f"{n} features in {points} direction{'s' if points > 1 else ''}"
