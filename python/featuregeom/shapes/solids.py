"""The Platonic solids and the cuboctahedron."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.shapes.families import cross_polytope, demicube, sign_vectors

__all__ = ["PHI", "cuboctahedron", "dodecahedron", "icosahedron", "octahedron", "tetrahedron"]

PHI = (1 + math.sqrt(5)) / 2
"""The golden ratio."""


def tetrahedron() -> NDArray[np.float64]:
    r"""Tetrahedron: :math:`(\pm 1, \pm 1, \pm 1)/\sqrt 3` with an even number of minus signs.

    Returns
    -------
    ndarray of float64, shape (4, 3)
        Unit vectors, a tight frame with eigenvalue 4/3.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 3.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.tetrahedron().shape
    (4, 3)
    """
    return demicube(3)


def octahedron() -> NDArray[np.float64]:
    r"""Octahedron: :math:`\pm e_1, \pm e_2, \pm e_3`.

    Returns
    -------
    ndarray of float64, shape (6, 3)
        Unit vectors, a tight frame with eigenvalue 2.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 3.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.octahedron().shape
    (6, 3)
    """
    return cross_polytope(3)


def icosahedron() -> NDArray[np.float64]:
    r"""Icosahedron: cyclic shifts of :math:`(0, \pm 1, \pm\varphi) / \sqrt{\varphi + 2}`, phi the golden ratio.

    Returns
    -------
    ndarray of float64, shape (12, 3)
        Unit vectors, a tight frame with eigenvalue 4.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 3.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.icosahedron().shape
    (12, 3)
    """
    return _cyclic(1, PHI) / math.sqrt(PHI + 2)


def dodecahedron() -> NDArray[np.float64]:
    r"""Dodecahedron: :math:`(\pm 1, \pm 1, \pm 1)` and cyclic :math:`(0, \pm\varphi^{-1}, \pm\varphi)`, over √3.

    Returns
    -------
    ndarray of float64, shape (20, 3)
        Unit vectors, the inscribed cube first; a tight frame with eigenvalue 20/3.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 3.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.dodecahedron().shape
    (20, 3)
    """
    return np.concatenate([sign_vectors(3), _cyclic(1 / PHI, PHI)]) / math.sqrt(3)


def cuboctahedron() -> NDArray[np.float64]:
    r"""Cuboctahedron: cyclic shifts of :math:`(0, \pm 1, \pm 1) / \sqrt 2`, the roots of A3.

    Returns
    -------
    ndarray of float64, shape (12, 3)
        Unit vectors, a tight frame with eigenvalue 4.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 3.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cuboctahedron().shape
    (12, 3)
    """
    return _cyclic(1, 1) / math.sqrt(2)


def _cyclic(a: float, b: float) -> NDArray[np.float64]:
    """Cyclic shifts of (0, ±a, ±b)."""
    corners = np.column_stack([np.zeros(4), sign_vectors(2) * [a, b]])
    return np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
