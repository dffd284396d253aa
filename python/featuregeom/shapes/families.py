"""The polytopes that exist in every dimension: simplices, cross-polytopes, cubes and half cubes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.interruptible import by_slabs
from featuregeom.shapes.size import check_size

__all__ = ["cross_polytope", "cube", "demicube", "even_sign_vectors", "sign_vectors", "simplex"]

_LARGEST_CUBE = 22
"""Largest dimension of a cube: its 2^22 vertices take 0.7 GiB of float64; one more dimension would take 1.4 GiB."""


def simplex(n_vectors: int) -> NDArray[np.float64]:
    r"""Regular simplex: n unit vectors in n - 1 dimensions with inner products :math:`-1/(n-1)`.

    The coordinates are the rows of Helmert's orthogonal matrix without its constant column, times
    :math:`\sqrt{n/(n-1)}`: column k is :math:`(1, \dots, 1, -k, 0, \dots, 0) / \sqrt{k(k+1)}`.

    Parameters
    ----------
    n_vectors : int
        Number of vectors, at least 2: the digon, the triangle, the tetrahedron ...

    Returns
    -------
    ndarray of float64, shape (n_vectors, n_vectors - 1)
        Unit vectors, a tight frame with eigenvalue n / (n - 1) that attains the Welch bound.

    Raises
    ------
    ParameterError
        If `n_vectors` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 7.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.simplex(2).round(12).tolist()
    [[1.0], [-1.0]]
    """
    n = integer("n_vectors", n_vectors, 2)
    check_size(f"simplex({n})", n, n - 1)
    k = np.arange(1, n)

    def helmert(steps: NDArray[np.int64]) -> NDArray[np.float64]:
        entries = np.where(steps < k, 1.0, 0.0) - np.where(steps == k, k, 0)
        return entries * np.sqrt(n / (n - 1) / (k * (k + 1)))

    return by_slabs(helmert, np.arange(n)[:, None], width=n - 1)


def cross_polytope(d: int) -> NDArray[np.float64]:
    r"""Cross-polytope: :math:`e_1, -e_1, e_2, -e_2, \dots`.

    Parameters
    ----------
    d : int
        Dimension, at least 1: the digon, the square, the octahedron, the 16-cell ...

    Returns
    -------
    ndarray of float64, shape (2 d, d)
        Unit vectors, a tight frame with eigenvalue 2.

    Raises
    ------
    ParameterError
        If `d` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 7.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cross_polytope(2).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    """
    d = integer("d", d, 1)
    check_size(f"cross_polytope({d})", 2 * d, d)
    rows = np.zeros((2 * d, d))
    axis = np.arange(d)
    rows[2 * axis, axis] = 1
    rows[2 * axis + 1, axis] = -1
    return rows


def cube(d: int) -> NDArray[np.float64]:
    r"""Cube: all :math:`(\pm 1, \dots, \pm 1) / \sqrt d`.

    Parameters
    ----------
    d : int
        Dimension, from 1 to 22.

    Returns
    -------
    ndarray of float64, shape (2^d, d)
        Unit vectors from (+, ..., +) to (-, ..., -), the last coordinate alternating fastest; a tight frame with
        eigenvalue 2^d / d.

    Raises
    ------
    ParameterError
        If `d` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 7.2.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.cube(3).shape
    (8, 3)
    """
    d = integer("d", d, 1, _LARGEST_CUBE)
    return sign_vectors(d, 1 / math.sqrt(d))


def demicube(d: int) -> NDArray[np.float64]:
    r"""Half cube: the vertices :math:`(\pm 1, \dots, \pm 1) / \sqrt d` with an even number of minus signs.

    Parameters
    ----------
    d : int
        Dimension, from 3 to 22: the tetrahedron, the 16-cell, the 16 vertices of the Clebsch graph ...

    Returns
    -------
    ndarray of float64, shape (2^(d - 1), d)
        Unit vectors in the order of `cube`; a tight frame with eigenvalue 2^(d - 1) / d.

    Raises
    ------
    ParameterError
        If `d` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 8.6.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.demicube(5).shape
    (16, 5)
    """
    d = integer("d", d, 3, _LARGEST_CUBE)
    return even_sign_vectors(d, 1 / math.sqrt(d))


def sign_vectors(d: int, size: float = 1.0) -> NDArray[np.float64]:
    """All 2^d rows of d signs times `size`, from all plus to all minus, the last sign alternating fastest."""
    places = np.arange(d)[::-1]
    return by_slabs(lambda k: np.where(k[:, None] >> places & 1, -size, size), np.arange(2**d), width=d)


def even_sign_vectors(d: int, size: float = 1.0) -> NDArray[np.float64]:
    """Rows of `sign_vectors` with an even number of minus signs: all signs but the last may be chosen."""
    places = np.arange(d)[::-1]

    def rows(k: NDArray[np.int64]) -> NDArray[np.float64]:
        minus = k[:, None] >> places[:-1] - 1 & 1
        return np.where(np.column_stack([minus, minus.sum(axis=1) & 1]), -size, size)

    return by_slabs(rows, np.arange(2 ** (d - 1)), width=d)
