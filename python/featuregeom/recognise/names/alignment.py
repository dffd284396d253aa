"""The order of some points in which their cosines come nearest to those of a geometry, whatever the noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
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
    return _core.order_overlaid(np.ascontiguousarray(cosines), np.ascontiguousarray(ideal), width=width)
