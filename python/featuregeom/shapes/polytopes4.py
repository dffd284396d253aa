"""The regular polytopes of four dimensions other than the simplex and the cross-polytope."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from featuregeom.shapes.families import cross_polytope, cube, sign_vectors
from featuregeom.shapes.solids import PHI

__all__ = ["cell24", "cell120", "cell600", "tesseract"]


def tesseract() -> NDArray[np.float64]:
    r"""Tesseract: all :math:`(\pm 1, \pm 1, \pm 1, \pm 1) / 2`.

    Returns
    -------
    ndarray of float64, shape (16, 4)
        Unit vectors, a tight frame with eigenvalue 4.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 8.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.tesseract().shape
    (16, 4)
    """
    return cube(4)


def cell24() -> NDArray[np.float64]:
    r"""24-cell as the Hurwitz units: :math:`\pm e_i` and :math:`(\pm 1, \pm 1, \pm 1, \pm 1) / 2`.

    Returns
    -------
    ndarray of float64, shape (24, 4)
        Unit vectors in exact coordinates; a tight frame with eigenvalue 6. The roots of D4, turned.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 8.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cell24().shape
    (24, 4)
    """
    return np.concatenate([cross_polytope(4), cube(4)])


def cell600() -> NDArray[np.float64]:
    r"""600-cell: `cell24` and the even permutations of :math:`(\pm\varphi, \pm 1, \pm\varphi^{-1}, 0) / 2`.

    Returns
    -------
    ndarray of float64, shape (120, 4)
        Unit vectors, a tight frame with eigenvalue 30: the binary icosahedral group in the quaternions.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 8.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cell600().shape
    (120, 4)
    """
    return np.concatenate([cell24(), _arrangements(PHI, 1, 1 / PHI, 0, even=True) / 2])


def cell120() -> NDArray[np.float64]:
    r"""120-cell: its 600 vertices, here before division by :math:`\sqrt 8`.

    All permutations and signs of (2, 2, 0, 0), :math:`(\sqrt 5, 1, 1, 1)`,
    :math:`(\varphi^{-2}, \varphi, \varphi, \varphi)` and
    :math:`(\varphi^2, \varphi^{-1}, \varphi^{-1}, \varphi^{-1})`; the even permutations and all signs of
    :math:`(\varphi^2, \varphi^{-2}, 1, 0)`, :math:`(\sqrt 5, \varphi^{-1}, \varphi, 0)` and
    :math:`(2, 1, \varphi, \varphi^{-1})`.

    Returns
    -------
    ndarray of float64, shape (600, 4)
        Unit vectors, a tight frame with eigenvalue 150.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 8.7.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cell120().shape
    (600, 4)
    """
    root5 = math.sqrt(5)
    rows = [
        _arrangements(2, 2, 0, 0),
        _arrangements(root5, 1, 1, 1),
        _arrangements(PHI**-2, PHI, PHI, PHI),
        _arrangements(PHI**2, 1 / PHI, 1 / PHI, 1 / PHI),
        _arrangements(PHI**2, PHI**-2, 1, 0, even=True),
        _arrangements(root5, 1 / PHI, PHI, 0, even=True),
        _arrangements(2, 1, PHI, 1 / PHI, even=True),
    ]
    return np.concatenate(rows) / math.sqrt(8)


def _arrangements(*values: float, even: bool = False) -> NDArray[np.float64]:
    """All distinct permutations (or the even ones) of four coordinates, each with all signs."""
    orders = [order for order in permutations(range(4)) if not even or _is_even(order)]
    distinct = dict.fromkeys(tuple(values[i] for i in order) for order in orders)
    return np.concatenate([_signed(np.array(coordinates)) for coordinates in distinct])


def _is_even(order: tuple[int, ...]) -> bool:
    return sum(a > b for a, b in combinations(order, 2)) % 2 == 0


def _signed(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with all signs of the nonzero coordinates."""
    (places,) = np.nonzero(coordinates)
    rows = np.zeros((2 ** len(places), len(coordinates)))
    rows[:, places] = sign_vectors(len(places)) * coordinates[places]
    return rows
