"""Whether one colour matrix is another, up to the order of the points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["isomorphism"]


def isomorphism(
    relations: NDArray[np.int64], ideal: NDArray[np.int64], *, budget: int = 500
) -> NDArray[np.int64] | None:
    """Find an order of the points in which one colour matrix is the other.

    Parameters
    ----------
    relations, ideal : ndarray of int64, shape (n, n)
        Symmetric colour matrices. The automorphisms of `ideal` are transitive on its points.
    budget : int
        Choices to try.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        ``order`` with ``relations[order][:, order] == ideal``; None where there is none, or none was found
        within the budget.

    Notes
    -----
    Points are fixed one after another; each leaves to every other only the images in the same relation. In a
    geometry of dimension m about m points fix all of them: O(m n^2), and a dead end where the two differ.
    """
    n = len(relations)
    # Whatever the image of point 0, some automorphism takes it to the ideal's point 0.
    start = relations[0][:, None] == ideal[0][None, :]
    trail: list[tuple[NDArray[np.bool_], int, list[int]]] = []
    images = start
    while True:
        counts = images.sum(axis=1)
        if counts.all() and images.any(axis=0).all():
            if (counts == 1).all():
                image = images.argmax(axis=1)
                if np.array_equal(relations, ideal[np.ix_(image, image)]):
                    return np.argsort(image)
            else:
                point = int(np.where(counts > 1, counts, n + 1).argmin())
                trail.append((images, point, np.flatnonzero(images[point]).tolist()))
        while trail and not trail[-1][2]:
            trail.pop()
        budget -= 1
        if not trail or budget < 0:
            return None
        before, point, targets = trail[-1]
        images = before & (relations[point][:, None] == ideal[targets.pop()][None, :])
