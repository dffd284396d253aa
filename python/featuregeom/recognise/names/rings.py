r"""Prisms and antiprisms: two parallel polygons, whose height is free.

The cosine of two vertices is :math:`(1 - z^2) \cos\phi + z^2 \epsilon`, with the angle between them seen along the
axis and the sign for same or opposite ring: linear in :math:`z^2`, which is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigvalsh
from featuregeom.recognise import policy
from featuregeom.recognise.names.ideal import Ideal
from featuregeom.relations.products import canonical, class_counts, class_means
from featuregeom.shapes.names import ring_name

__all__ = ["Rings", "height_is_identifiable", "heights", "rings"]


class Rings:
    """A prism or antiprism of free height.

    Parameters
    ----------
    name : str
        Its name.
    flat, upright : ndarray, shape (n, n)
        Gram matrices at height 0, and of the signs of the two rings.
    """

    def __init__(self, name: str, flat: NDArray[np.float64], upright: NDArray[np.float64]) -> None:
        self.name = name
        self.flat = flat
        self.upright = upright
        codes = np.round(flat, 9) + 4 * upright
        self.relations = np.unique(codes, return_inverse=True)[1].reshape(codes.shape).astype(np.int64)

    def at(self, z2: float) -> Ideal:
        """Give the geometry at a squared height.

        Parameters
        ----------
        z2 : float
            Squared height, in (0, 1).

        Returns
        -------
        Ideal
            With relations by decreasing cosine at this height.
        """
        gram = (1 - z2) * self.flat + z2 * self.upright
        relations = canonical(self.relations, gram)
        return Ideal(self.name, (), 3, relations, class_means(gram, relations), class_counts(relations)[0])

    def height(self, cosines: NDArray[np.float64], order: NDArray[np.int64]) -> float:
        """Fit the squared height to features in the order of the geometry, by least squares.

        Parameters
        ----------
        cosines : ndarray, shape (n, n)
            Normalised Gram matrix.
        order : ndarray of int64, shape (n,)
            Features in the order of the vertices.

        Returns
        -------
        float
        """
        slope = self.upright - self.flat
        rest = cosines[np.ix_(order, order)] - self.flat
        return float((slope * rest).sum() / (slope**2).sum())


def heights(cosines: NDArray[np.float64]) -> list[float]:
    r"""Guess squared heights from the eigenvalues :math:`n (1 - z^2) / 2` (twice) and :math:`n z^2`.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    list of float
        The better guess first.
    """
    n = len(cosines)
    eigenvalues = eigvalsh(cosines)[::-1][:3] / n
    low, high = float(eigenvalues[2]), float(eigenvalues[0])
    guesses = [low, high] if eigenvalues[0] - eigenvalues[1] < eigenvalues[1] - low else [high, low]
    return [min(max(guess, policy.RING_GUESS), 1 - policy.RING_GUESS) for guess in guesses]


def height_is_identifiable(z2: float, residual: float) -> bool:
    """Say whether a squared height is told apart from none, and from one that leaves two points.

    Parameters
    ----------
    z2 : float
        Squared height.
    residual : float
        Largest deviation of a cosine from the ideal one.

    Returns
    -------
    bool
    """
    room = min(z2, 1 - z2)
    return room >= policy.RING_CLEAR or residual <= policy.RING_FLAT * room


@lru_cache(maxsize=64)
def rings(n: int) -> tuple[Rings, ...]:
    """List the prism and the antiprism of n vertices: of 3 and more sides each.

    Parameters
    ----------
    n : int
        Number of vertices.

    Returns
    -------
    tuple of Rings
    """
    return tuple(_rings(n)) if n % 2 == 0 and 6 <= n <= policy.RING_POINTS else ()


def _rings(n: int) -> Iterator[Rings]:
    sides = n // 2
    ring = np.repeat([1.0, -1.0], sides)
    upright = np.outer(ring, ring)
    turn = 2 * np.pi * (np.arange(n) % sides) / sides
    for kind, shift in (("prism", 0.0), ("antiprism", np.pi / sides)):
        angle = turn + np.where(ring < 0, shift, 0.0)
        yield Rings(ring_name(sides, kind), np.cos(angle[:, None] - angle), upright)
