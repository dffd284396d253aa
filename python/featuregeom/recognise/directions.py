"""Features of one direction, which are merged before anything is judged."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy

__all__ = ["directions_text", "same_direction"]


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
    near = cosines >= math.cos(policy.NEAR_DIRECTION)
    if int(near.sum()) == n:
        return [[i] for i in range(n)]
    first = near.argmax(axis=1)
    widest = math.acos(min(float(cosines[near].min()), 1.0))
    nearest = math.acos(min(float(cosines[~near].max(initial=-1.0)), 1.0))
    sizes = near.sum(axis=1)
    if (
        nearest < policy.DIRECTIONS_APART * widest
        or (sizes != sizes[0]).any()
        or not np.array_equal(near, near[first])
    ):
        same = cosines >= 1 - policy.SAME_DIRECTION
        first = same.argmax(axis=1)
    return [np.flatnonzero(first == i).tolist() for i in np.unique(first)]


def directions_text(n: int, points: int) -> str:
    """Say in how many directions features are: ``"5 features in 1 direction"``."""
    return f"{n} features in {points} direction{'s' if points > 1 else ''}"
