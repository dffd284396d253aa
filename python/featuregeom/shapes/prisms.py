"""Prisms and antiprisms of free height: two polygons, one above the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.size import check_size

__all__ = ["antiprism", "prism"]


def prism(n: int, z2: float = 1 / 3) -> NDArray[np.float64]:
    r"""Prism over a regular n-gon, with vertices on the unit sphere.

    .. math:: \left(\sqrt{1 - z^2} \cos\tfrac{2\pi k}{n}, \sqrt{1 - z^2} \sin\tfrac{2\pi k}{n}, \pm z\right)

    Parameters
    ----------
    n : int
        Sides of the polygon, at least 3.
    z2 : float
        Squared height :math:`z^2`, above 0 and below 1. Only 1/3 gives a tight frame; with it, prism(4) is the
        cube.

    Returns
    -------
    ndarray of float64, shape (2 n, 3)
        Unit vectors, the upper polygon first. The frame operator is diagonal, with n (1 - z2) twice and 2 n z2.

    Raises
    ------
    ParameterError
        If `n` or `z2` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 1.3.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.prism(5).shape
    (10, 3)
    """
    n = integer("n", n, 3)
    return _rings(n, z2, np.arange(n), n)


def antiprism(n: int, z2: float = 1 / 3) -> NDArray[np.float64]:
    r"""Antiprism over a regular n-gon: a `prism` whose lower polygon is turned by :math:`\pi / n`.

    Parameters
    ----------
    n : int
        Sides of the polygon, at least 2. The tight antiprism of 2 is the tetrahedron, of 3 the octahedron.
    z2 : float
        Squared height :math:`z^2`, above 0 and below 1. Only 1/3 gives a tight frame.

    Returns
    -------
    ndarray of float64, shape (2 n, 3)
        Unit vectors, the upper polygon first. The frame operator is diagonal, with n (1 - z2) twice and 2 n z2.

    Raises
    ------
    ParameterError
        If `n` or `z2` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 1.3; Elhage et al., Toy models of superposition (2022),
    for the square antiprism.

    Examples
    --------
    >>> import featuregeom as fg
    >>> (fg.shapes.antiprism(4, z2=1 / 4) ** 2).sum(axis=0).round(12).tolist()  # not tight
    [3.0, 3.0, 2.0]
    """
    n = integer("n", n, 2)
    return _rings(n, z2, 2 * np.arange(n) + 1, 2 * n)


def _rings(n: int, z2: float, below: NDArray[np.int64], order: int) -> NDArray[np.float64]:
    """Upper ring at the n-th roots of unity, lower ring at those powers `below` of the root of that order."""
    z2 = number_between("z2", z2, 0, 1)
    check_size(f"a prism or antiprism of {n} sides", 2 * n, 3)
    points = math.sqrt(1 - z2) * np.concatenate(
        [roots_of_unity(np.arange(n), n), roots_of_unity(below, order)]
    )
    heights = math.sqrt(z2) * np.repeat([1.0, -1.0], n)
    return np.column_stack([points.real, points.imag, heights])
