"""Where the class changes inside cells on which the outputs are affine."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from featuregeom.networks.piecewise import Floats

__all__ = ["boundary_segments"]


def boundary_segments(
    vertices: Floats, corners: NDArray[np.int64], offsets: NDArray[np.int64], outputs: Floats
) -> Floats:
    """Give the segments inside cells on which two outputs tie for the largest (or the only one is zero).

    Parameters
    ----------
    vertices, corners, offsets : ndarray
        Cells, as in `Slice`.
    outputs : ndarray of float64, shape (V, outputs)
        Values at the vertices.

    Returns
    -------
    ndarray of float64, shape (k, 2, 2)

    Notes
    -----
    The largest of affine functions is convex, so one that is largest at every corner is largest inside: only cells
    whose corners differ in class are looked at, there all pairs of outputs.
    """
    scores = np.hstack([np.zeros_like(outputs), outputs]) if outputs.shape[1] == 1 else outputs
    winner = scores.argmax(axis=1)[corners]
    if not len(offsets) or scores.shape[1] < 2:
        return np.empty((0, 2, 2))
    mixed = np.minimum.reduceat(winner, offsets[:-1]) != np.maximum.reduceat(winner, offsets[:-1])
    found = []
    for cell in np.nonzero(mixed)[0]:
        ids = corners[offsets[cell] : offsets[cell + 1]]
        for i, j in combinations(range(scores.shape[1]), 2):
            segment = _tie(vertices[ids], scores[ids], i, j)
            if segment is not None:
                found.append(segment)
    return np.array(found).reshape(-1, 2, 2)


def _tie(points: Floats, scores: Floats, i: int, j: int) -> Floats | None:
    """Give the part of the chord on which scores i and j are equal where no other is larger."""
    gap = scores[:, i] - scores[:, j]
    after = np.roll(gap, -1)
    edges = np.nonzero((gap > 0) != (after > 0))[0]
    if len(edges) != 2:
        return None
    part = (gap[edges] / (gap[edges] - after[edges]))[:, None]
    following = (edges + 1) % len(gap)
    ends = (1 - part) * points[edges] + part * points[following]
    values = (1 - part) * scores[edges] + part * scores[following]
    # Along the chord each other output's lead over i is affine: keep where it is at most zero.
    lead = values - values[:, [i]]
    lead[:, [i, j]] = -1.0
    low, high = 0.0, 1.0
    for at_start, at_end in lead.T:
        if at_start > 0 and at_end > 0:
            return None
        if at_start > 0:
            low = max(low, at_start / (at_start - at_end))
        elif at_end > 0:
            high = min(high, at_start / (at_start - at_end))
    if low >= high:
        return None
    return np.stack([ends[0] + low * (ends[1] - ends[0]), ends[0] + high * (ends[1] - ends[0])])
