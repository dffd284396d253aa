"""Root systems, Gosset's polytopes and the Leech lattice."""

from __future__ import annotations

import math
from typing import Final

from featuregeom.shapes.expected.record import Counted, Expected, merged, tight
from featuregeom.shapes.roots import letter_and_rank

__all__ = ["gosset", "leech", "root_system", "schlaefli"]

_SMALL: Final = {
    "A1": "digon",
    "A2": "hexagon",
    "A3": "cuboctahedron",
    "D3": "cuboctahedron",
    "D4": "24-cell",
}
"""Root systems that are known by another name."""


def root_system(name: str) -> Expected:
    r"""Numbers of a root system of rank r, from its Coxeter number h.

    There are r h roots. With one length the frame operator is h, and a root has 2 h - 4 others at cosine 1/2 and as
    many at -1/2 (Bourbaki, Lie Groups and Lie Algebras, chapter VI, section 1.11, proposition 32).

    References
    ----------
    Humphreys, Reflection Groups and Coxeter Groups (1990), section 3.18.
    """
    letter, rank = letter_and_rank(name)
    if letter in "BCFG":
        return _two_lengths(name, letter, rank)
    h = {"A": rank + 1, "D": 2 * rank - 2, "E": {6: 12, 7: 18, 8: 30}.get(rank, 0)}[letter]
    at_right_angles = rank * h - 2 - 2 * (2 * h - 4)
    cosines = [(1 / 2, 2 * h - 4), (0.0, at_right_angles), (-1 / 2, 2 * h - 4), (-1.0, 1)]
    return tight(_SMALL.get(name, f"{name} roots"), rank * h, rank, cosines)


def schlaefli() -> Expected:
    """Valencies of the Schläfli graph, strongly regular with parameters (27, 16, 10, 8).

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 3.11.
    """
    return tight("Schläfli polytope 2_21", 27, 6, [(1 / 4, 16), (-1 / 2, 10)])


def gosset() -> Expected:
    """Valencies of the Gosset graph, an antipodal double cover of the complete graph of 28 vertices.

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 3.11.
    """
    return tight("Gosset polytope 3_21", 56, 7, [(1 / 3, 27), (-1 / 3, 27), (-1.0, 1)])


def leech() -> Expected:
    """Valencies of the minimal vectors (Conway & Sloane, chapter 14, table 14.1).

    References
    ----------
    Conway & Sloane, Sphere Packings, Lattices and Groups (1999), chapter 14.
    """
    half = [(1 / 2, 4600), (1 / 4, 47104)]
    negative = [(-value, count) for value, count in half]
    return tight(
        "minimal vectors of the Leech lattice", 196560, 24, [*half, (0.0, 93150), *negative, (-1.0, 1)]
    )


def _two_lengths(name: str, letter: str, rank: int) -> Expected:
    """Short roots of norm 1, long ones of squared norm `ratio`: the frame is tight, and D_i = N_i / lambda."""
    short, long, ratio = {
        "B": (2 * rank, 2 * rank * (rank - 1), 2),
        "C": (2 * rank * (rank - 1), 2 * rank, 2),
        "F": (24, 24, 2),
        "G": (6, 6, 3),
    }[letter]
    eigenvalue = (short + ratio * long) / rank
    capacity = merged([(1 / eigenvalue, short), (ratio / eigenvalue, long)])
    n = short + long
    return Expected(
        f"{name} roots", n, rank, ((eigenvalue, rank),), capacity, 1.0, _cosines_of_two_lengths(name)
    )


def _cosines_of_two_lengths(name: str) -> Counted | None:
    """Cosines are the same for both lengths where the system is its own dual: B2 = C2, F4 and G2."""
    if name in ("B2", "C2"):
        half, at_right_angles = [(math.sqrt(1 / 2), 2)], 2
    elif name == "F4":
        half, at_right_angles = [(math.sqrt(1 / 2), 6), (1 / 2, 8)], 18
    elif name == "G2":
        half, at_right_angles = [(math.sqrt(3 / 4), 2), (1 / 2, 2)], 2
    else:
        return None
    return merged([*half, *((-value, count) for value, count in half), (0.0, at_right_angles), (-1.0, 1)])
