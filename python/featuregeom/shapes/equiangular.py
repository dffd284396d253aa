"""Real equiangular tight frames: lines all at one angle, which is that of the Welch bound."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.graphs import hamming, johnson
from featuregeom.shapes.hadamard import hadamard
from featuregeom.shapes.primes import prime
from featuregeom.shapes.size import check_size
from featuregeom.shapes.solids import PHI

__all__ = ["etf_16_6", "etf_28_7", "icosahedral_lines", "paley_etf", "steiner_etf"]


def icosahedral_lines() -> NDArray[np.float64]:
    r"""Six diagonals of the icosahedron: cyclic shifts of :math:`(0, \pm 1, \varphi) / \sqrt{\varphi + 2}`.

    Returns
    -------
    ndarray of float64, shape (6, 3)
        Unit vectors, :math:`|\langle w_i, w_j \rangle| = 1/\sqrt 5`; a tight frame with eigenvalue 2.

    References
    ----------
    Lemmens & Seidel, Equiangular lines, J. Algebra 24 (1973).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.icosahedral_lines().shape
    (6, 3)
    """
    corners = np.array([[0, 1, PHI], [0, -1, PHI]])
    rows = np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
    return rows / math.sqrt(PHI + 2)


def etf_16_6() -> NDArray[np.float64]:
    r"""Sixteen lines in 6 dimensions: the words of hamming(2, 4).

    Returns
    -------
    ndarray of float64, shape (16, 6)
        Unit vectors with inner products 1/3 (6) and -1/3 (9); a tight frame with eigenvalue 8/3.

    References
    ----------
    Lemmens & Seidel, Equiangular lines, J. Algebra 24 (1973).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.etf_16_6().shape
    (16, 6)
    """
    return hamming(2, 4)


def etf_28_7() -> NDArray[np.float64]:
    r"""Twenty-eight lines in 7 dimensions: the pairs of johnson(8, 2), arrangements of :math:`(3, 3, (-1)^6)`.

    Returns
    -------
    ndarray of float64, shape (28, 7)
        Unit vectors with inner products 1/3 (12) and -1/3 (15); a tight frame with eigenvalue 4.

    References
    ----------
    van Lint & Seidel, Equilateral point sets in elliptic geometry, Indag. Math. 28 (1966).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.etf_28_7().shape
    (28, 7)
    """
    return johnson(8, 2)


def paley_etf(q: int) -> NDArray[np.float64]:
    r"""Lines of Paley's conference matrix C: q + 1 of them in (q + 1)/2 dimensions, with Gram :math:`I + C/\sqrt q`.

    C has a border of ones around :math:`C_{xy} = \chi(x - y)`, with chi the quadratic character modulo q. It is
    diagonal in the characters of the residues, so that the vectors are

    .. math:: w_\infty = (1, 0, \dots, 0), \qquad
        w_x = \left(\frac{1}{\sqrt q}, \frac{2}{\sqrt q} e^{2 \pi i a x/q}\right)_{a \in Q/\pm 1}

    with Q the squares, and real and imaginary parts as coordinates.

    Parameters
    ----------
    q : int
        A prime that is 1 modulo 4. For 5 these are the six `icosahedral_lines`, up to rotation and signs.

    Returns
    -------
    ndarray of float64, shape (q + 1, (q + 1) / 2)
        Unit vectors, :math:`|\langle w_i, w_j \rangle| = 1/\sqrt q`; a tight frame with eigenvalue 2.

    Raises
    ------
    ParameterError
        If `q` is no such prime.

    References
    ----------
    Strohmer & Heath, Grassmannian frames with applications to coding and communication, Appl. Comput. Harmon.
    Anal. 14 (2003); Paley, On orthogonal matrices, J. Math. Phys. 12 (1933).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.paley_etf(13).shape
    (14, 7)
    """
    q = prime("q", q, 5, residue=1, modulus=4)
    check_size(f"paley_etf({q})", q + 1, (q + 1) // 2)
    squares = np.unique(np.arange(1, q) ** 2 % q)
    squares = squares[squares <= q // 2]  # one of each pair ±a: -1 is a square
    characters = 2 / math.sqrt(q) * roots_of_unity(np.outer(np.arange(q), squares), q)
    rows = np.zeros((q + 1, (q + 1) // 2))
    rows[0, 0] = 1
    rows[1:, 0] = 1 / math.sqrt(q)
    rows[1:, 1::2], rows[1:, 2::2] = characters.real, characters.imag
    return rows


def steiner_etf(v: int) -> NDArray[np.float64]:
    r"""Lines of the Steiner system of all pairs of v points: v^2 of them in v (v - 1)/2 dimensions.

    There is one coordinate for each pair of points. To every point belong v vectors, which are supported on the
    v - 1 pairs with it; there they are the columns of a Hadamard matrix without its first row, over
    :math:`\sqrt{v - 1}`.

    Parameters
    ----------
    v : int
        Number of points, at least 4, and the order of a Hadamard matrix by Paley's first construction for primes
        (not for their powers) and Sylvester's doubling: 4, 8, 12, 16, 20, 24, 32 ...

    Returns
    -------
    ndarray of float64, shape (v^2, v (v - 1) / 2)
        Unit vectors, :math:`|\langle w_i, w_j \rangle| = 1/(v - 1)`; a tight frame with eigenvalue 2 v/(v - 1).

    Raises
    ------
    ParameterError
        If there is no Hadamard matrix of order `v` by these constructions.

    References
    ----------
    Fickus, Mixon & Tremain, Steiner equiangular tight frames, Linear Algebra Appl. 436 (2012).

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.steiner_etf(4).shape
    (16, 6)
    """
    v = integer("v", v, 4)
    check_size(f"steiner_etf({v})", v**2, v * (v - 1) // 2)
    matrix = hadamard(v)
    if matrix is None:
        raise ParameterError(
            "v must be a power of 2, or q + 1 for a prime q that is 3 modulo 4 (its powers are not supported) times a "
            f"power of 2, got {v}: take 4, 8, 12, 16, 20, 24, 32 ..."
        )
    pairs = np.array(list(combinations(range(v), 2)))
    rows = np.zeros((v, v, len(pairs)))
    for point in range(v):
        (with_it,) = np.nonzero((pairs == point).any(axis=1))
        rows[point][:, with_it] = matrix[1:].T / math.sqrt(v - 1)
    return rows.reshape(v**2, len(pairs))
