"""The order of some points in which their cosines come nearest to those of a geometry, whatever the noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy

__all__ = ["aligned"]


def aligned(
    cosines: NDArray[np.float64], ideal: NDArray[np.float64], *, width: int = policy.ALIGNMENT_WIDTH
) -> NDArray[np.int64]:
    """Lay a geometry over some points by their cosines alone.

    Parameters
    ----------
    cosines, ideal : ndarray, shape (n, n)
        Normalised Gram matrices. The automorphisms of `ideal` are transitive on its points.
    width : int
        Partial orders that are kept.

    Returns
    -------
    ndarray of int64, shape (n,)
        ``order`` for which ``cosines[order][:, order]`` has a small squared distance from ``ideal``: the least one
        unless noise has made a wrong beginning better than `width` others.

    Notes
    -----
    A beam search: points take places of the geometry one after another, each to go on with being the one whose
    cosines with those placed are the largest in absolute value. Costs ``n^3 width`` operations.
    """
    n = len(cosines)
    sequence = [0]
    free = np.ones(n, dtype=bool)
    free[0] = False
    # Place 0 goes to point 0: some automorphism makes it so.
    places = np.zeros((1, 1), dtype=np.int64)
    costs = np.zeros(1)
    for _ in range(n - 1):
        strength = np.abs(cosines[:, sequence]).max(axis=1)
        point = int(np.where(free, strength, -1).argmax())
        free[point] = False
        # One row per beginning, one column per place that the point may take.
        wanted = cosines[point, sequence][None, :, None]
        extended = costs[:, None] + ((ideal[places] - wanted) ** 2).sum(axis=1)
        extended[np.arange(len(places))[:, None], places] = np.inf
        best = np.argsort(extended, axis=None, kind="stable")[:width]
        best = best[np.isfinite(extended.ravel()[best])]
        beginning, place = np.divmod(best, n)
        places = np.column_stack([places[beginning], place])
        costs = extended.ravel()[best]
        sequence.append(point)
    order = np.empty(n, dtype=np.int64)
    order[places[0]] = sequence
    return order
