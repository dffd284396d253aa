"""The catalogue: every geometry with a given number of points that has a name and no free height.

All of them have automorphisms that take any point to any other, and all are told from their like by comparing the
relations themselves (`isomorphism`), not parameters, which different geometries may share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featuregeom import shapes
from featuregeom.recognise.names.ideal import Ideal, ideal_of
from featuregeom.recognise.names.words import cube_name

__all__ = ["LARGEST", "catalogue"]

LARGEST = 1100
"""Names that need a catalogue are looked for up to this many points."""

_MOST_CLASSES = 24

_Entry = tuple[str, NDArray[np.float64], tuple[str, ...]]


@lru_cache(maxsize=32)
def catalogue(n: int) -> tuple[Ideal, ...]:
    """List the geometries of n points, the more special ones first.

    Parameters
    ----------
    n : int
        Number of points.

    Returns
    -------
    tuple of Ideal
        Without simplices, polygons, cross-polytopes (`classical`), prisms and antiprisms (`rings`). Kept for the
        last 32 values of n.
    """
    if n > LARGEST:
        return ()
    found = [ideal_of(name, X, *also) for name, X, also in _entries(n)]
    return tuple(ideal for ideal in found if ideal is not None and len(ideal.levels) <= _MOST_CLASSES)


def _entries(n: int) -> Iterator[_Entry]:
    yield from _solids(n)
    yield from _roots(n)
    yield from _cubes(n)
    yield from _johnson(n)
    yield from _residues(n)


def _solids(n: int) -> Iterator[_Entry]:
    if n == 12:
        yield "icosahedron", shapes.icosahedron(), ()
        yield "cuboctahedron", shapes.cuboctahedron(), ("A3 roots",)
    elif n == 16:
        yield "demipenteract", shapes.demicube(5), ("half 5-cube", "Clebsch graph")
        yield "Shrikhande graph", shapes.shrikhande(), ()
    elif n == 20:
        yield "dodecahedron", shapes.dodecahedron(), ()
    elif n == 24:
        yield "24-cell", shapes.cell24(), ("D4 roots",)
    elif n == 27:
        yield "Schläfli polytope 2_21", shapes.schlaefli(), ("Schläfli graph",)
    elif n == 56:
        yield "Gosset polytope 3_21", shapes.gosset(), ("Gosset graph",)
    elif n == 120:
        yield "600-cell", shapes.cell600(), ("H4 roots",)


def _roots(n: int) -> Iterator[_Entry]:
    exceptional = {72: "E6", 126: "E7", 240: "E8"}
    if n in exceptional:
        also = ("Gosset polytope 4_21",) if n == 240 else ()
        yield f"{exceptional[n]} roots", shapes.root_system(exceptional[n]), also
    rank = (math.isqrt(4 * n + 1) - 1) // 2
    if rank >= 4 and rank * (rank + 1) == n:
        yield f"A{rank} roots", shapes.root_system(f"A{rank}"), ()
    rank = (1 + math.isqrt(2 * n + 1)) // 2
    if rank >= 5 and 2 * rank * (rank - 1) == n:
        yield f"D{rank} roots", shapes.root_system(f"D{rank}"), ()


def _cubes(n: int) -> Iterator[_Entry]:
    for d in range(2, n.bit_length()):
        q = round(n ** (1 / d))
        if q**d != n or q < 2 or (q == 2 and d == 2):
            continue
        also = ("Paley 9",) if n == 9 else ()
        name = cube_name(d) if q == 2 else f"H({d},{q})"
        yield name, shapes.hamming(d, q), (f"H({d},2)",) if q == 2 else also
    d = n.bit_length()
    if 2 ** (d - 1) == n and d >= 6:
        yield f"half {d}-cube", shapes.demicube(d), ()


def _johnson(n: int) -> Iterator[_Entry]:
    for k in range(2, n.bit_length()):
        v = 2 * k
        while math.comb(v, k) < n:
            v += 1
        if math.comb(v, k) != n or v < 5:
            continue
        also = {(5, 2): ("T(5)", "Petersen graph")}.get((v, k), (f"T({v})",) if k == 2 else ())
        yield f"J({v},{k})", shapes.johnson(v, k), also


def _residues(n: int) -> Iterator[_Entry]:
    if n < 13 or any(n % p == 0 for p in range(2, math.isqrt(n) + 1)):
        return
    if n % 4 == 1:
        yield f"Paley {n}", shapes.paley(n), ()
    for classes in range(3, min(_MOST_CLASSES, (n - 1) // 4) + 1):
        if (n - 1) % (2 * classes) == 0:
            yield f"cyclotomic {n} of {classes} classes", shapes.cyclotomic(n, classes), ()
