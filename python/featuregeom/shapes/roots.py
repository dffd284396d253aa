r"""Root systems, and the two polytopes of Gosset that are sections of the roots of E8.

The roots of E8 are :math:`(\pm 1, \pm 1, 0^6)` and :math:`(\pm\tfrac12)^8` with an even number of minus signs,
of squared norm 2. E7 is what is orthogonal to the root :math:`e_7 + e_8`, and E6 what is orthogonal to the roots
:math:`e_7 + e_8` and :math:`e_6 - e_7`, which span an A2. These complements have the coordinates

    E7: (x1, ..., x6, (x7 - x8) / sqrt 2),        E6: (x1, ..., x5, (x6 + x7 - x8) / sqrt 3).
"""

from __future__ import annotations

import math
import re
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.shapes.families import cross_polytope, even_sign_vectors, sign_vectors, simplex
from featuregeom.shapes.planar import polygon
from featuregeom.shapes.polytopes4 import cell24
from featuregeom.shapes.size import check_size

__all__ = ["gosset", "root_system", "schlaefli"]

_LEAST_RANK: Final = {"A": 1, "B": 2, "C": 2, "D": 3}


def letter_and_rank(name: str) -> tuple[str, int]:
    """Read the name of a root system, or raise ParameterError where there is none of that name."""
    parts = (
        re.fullmatch("([ABCD])([1-9][0-9]{0,5})|(E)([678])|(F)(4)|(G)(2)", name)
        if isinstance(name, str)
        else None
    )
    letter, rank = (each for each in parts.groups() if each) if parts else ("", "0")
    if int(rank) < _LEAST_RANK.get(letter, 1):
        raise ParameterError(f"name must be A1, B2, C2, D3 or above, E6, E7, E8, F4 or G2, got {name!r}")
    return letter, int(rank)


def root_system(name: str) -> NDArray[np.float64]:
    r"""Roots of a simple Lie algebra, in as many dimensions as its rank.

    ========  =====================================================================  ===============
    name      roots                                                                  count
    ========  =====================================================================  ===============
    A_n       :math:`e_i - e_j` in n + 1 dimensions, seen from within their span     n (n + 1)
    B_n       :math:`\pm e_i` short, :math:`\pm e_i \pm e_j` long                    2 n^2
    C_n       :math:`\pm e_i \pm e_j` short, :math:`\pm 2 e_i` long, over √2         2 n^2
    D_n       :math:`\pm e_i \pm e_j`                                                2 n (n - 1)
    E6 E7 E8  sections of E8 (see the module)                                        72, 126, 240
    F4        24-cell short, dual 24-cell long                                       48
    G2        hexagon short, hexagon turned by 30 degrees long                       12
    ========  =====================================================================  ===============

    Parameters
    ----------
    name : str
        A letter and the rank: "A1", "B2", "C2", "D3" and above, "E6", "E7", "E8", "F4", "G2".

    Returns
    -------
    ndarray of float64, shape (n_roots, rank)
        Unit vectors where all roots have one length. Elsewhere the short roots have norm 1, and the long ones
        sqrt 2 (B, C, F4) or sqrt 3 (G2). A tight frame; with one length its eigenvalue is the Coxeter number.

    Raises
    ------
    ParameterError
        If there is no such system.

    References
    ----------
    Bourbaki, Lie Groups and Lie Algebras, chapters 4-6 (2002), plates I-IX.

    Examples
    --------
    >>> import featuregeom as fg
    >>> {name: len(fg.shapes.root_system(name)) for name in ("A4", "D5", "E6", "E7", "E8", "F4")}
    {'A4': 20, 'D5': 40, 'E6': 72, 'E7': 126, 'E8': 240, 'F4': 48}
    """
    exceptional = {"E6": _e6, "E7": _e7, "E8": _e8, "F4": _f4, "G2": _g2}
    classical = {"A": _a, "B": _b, "C": _c, "D": _d}
    letter, rank = letter_and_rank(name)
    if name in exceptional:
        return exceptional[name]()
    check_size(f"root_system({name!r})", 2 * rank**2, rank)
    return classical[letter](rank)


def schlaefli() -> NDArray[np.float64]:
    r"""Vertices of Gosset's polytope 2_21 (the Schläfli graph): 27 in 6 dimensions.

    The roots r of E8 with :math:`\langle r, e_7 + e_8\rangle = 1` and :math:`\langle r, e_6 - e_7\rangle = 0`,
    projected on the space of E6: its 27 minuscule weights.

    Returns
    -------
    ndarray of float64, shape (27, 6)
        Unit vectors with inner products 1/4 and -1/2; a tight frame with eigenvalue 9/2.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 11.8; Brouwer, Cohen & Neumaier, Distance-Regular Graphs
    (1989), section 3.11.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.schlaefli().shape
    (27, 6)
    """
    roots = _e8_integers()
    weights = roots[(roots[:, 6] + roots[:, 7] == 2) & (roots[:, 5] == roots[:, 6])]
    return _inside_e6(weights) / math.sqrt(4 / 3)


def gosset() -> NDArray[np.float64]:
    r"""Vertices of Gosset's polytope 3_21 (the Gosset graph): 56 in 7 dimensions.

    The roots r of E8 with :math:`\langle r, e_7 + e_8\rangle = 1`, projected on the space of E7: its 56
    minuscule weights, which span the 28 equiangular lines of `etf_28_7`.

    Returns
    -------
    ndarray of float64, shape (56, 7)
        Unit vectors with inner products 1/3, -1/3 and -1; a tight frame with eigenvalue 8.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 11.8; Brouwer, Cohen & Neumaier, Distance-Regular Graphs
    (1989), section 3.11.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.gosset().shape
    (56, 7)
    """
    roots = _e8_integers()
    return _inside_e7(roots[roots[:, 6] + roots[:, 7] == 2]) / math.sqrt(3 / 2)


def _a(rank: int) -> NDArray[np.float64]:
    i, j = np.nonzero(~np.eye(rank + 1, dtype=bool))
    vertices = simplex(rank + 1)
    return (vertices[i] - vertices[j]) / math.sqrt(2 * (rank + 1) / rank)


def _b(rank: int) -> NDArray[np.float64]:
    return np.concatenate([cross_polytope(rank), _pairs(rank)])


def _c(rank: int) -> NDArray[np.float64]:
    return np.concatenate([_d(rank), math.sqrt(2) * cross_polytope(rank)])


def _d(rank: int) -> NDArray[np.float64]:
    return _pairs(rank) / math.sqrt(2)


def _e6() -> NDArray[np.float64]:
    roots = _e8_integers()
    return _inside_e6(roots[(roots[:, 6] == -roots[:, 7]) & (roots[:, 5] == roots[:, 6])]) / math.sqrt(2)


def _e7() -> NDArray[np.float64]:
    roots = _e8_integers()
    return _inside_e7(roots[roots[:, 6] == -roots[:, 7]]) / math.sqrt(2)


def _e8() -> NDArray[np.float64]:
    return _e8_integers() / math.sqrt(8)


def _f4() -> NDArray[np.float64]:
    return np.concatenate([cell24(), _pairs(4)])


def _g2() -> NDArray[np.float64]:
    directions = polygon(12)
    return np.concatenate([directions[::2], math.sqrt(3) * directions[1::2]])


def _e8_integers() -> NDArray[np.float64]:
    """Roots of E8, doubled: integers."""
    return np.concatenate([2 * _pairs(8), even_sign_vectors(8)])


def _inside_e6(doubled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project doubled vectors of E8's space on that of E6, and halve them."""
    along = doubled[:, 5] + doubled[:, 6] - doubled[:, 7]
    return np.column_stack([doubled[:, :5], along / math.sqrt(3)]) / 2


def _inside_e7(doubled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project doubled vectors of E8's space on that of E7, and halve them."""
    return np.column_stack([doubled[:, :6], (doubled[:, 6] - doubled[:, 7]) / math.sqrt(2)]) / 2


def _pairs(d: int) -> NDArray[np.float64]:
    """All ±e_i ± e_j with i < j."""
    places = np.array(list(combinations(range(d), 2)))
    rows = np.zeros((len(places), 4, d))
    row = np.arange(len(places))
    signs = sign_vectors(2)
    rows[row, :, places[:, 0]] = signs[:, 0]
    rows[row, :, places[:, 1]] = signs[:, 1]
    return rows.reshape(-1, d)
