"""Every geometry and family; those of one size are tried in this order, the more special ones first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from featuregeom.arguments import choice
from featuregeom.geometries.record import Arguments, Geometry

__all__ = ["GEOMETRIES", "geometry"]

_MOST_CLASSES = 24
"""Most classes of a cyclotomic scheme that is looked for: each class is another level of cosines."""


def _only(size: int, *arguments: object) -> Callable[[int], Iterable[Arguments]]:
    """Look for a single geometry, where there are `size` points."""
    return lambda n: [arguments] if n == size else []


def _named(*names: str) -> Callable[..., tuple[str, ...]]:
    return lambda *_: names


def _each(*values: object) -> tuple[Arguments, ...]:
    return tuple((value,) for value in values)


def _roots_of_size(n: int) -> Iterator[Arguments]:
    exceptional = {72: "E6", 126: "E7", 240: "E8"}
    if n in exceptional:
        yield (exceptional[n],)
    rank = (math.isqrt(4 * n + 1) - 1) // 2
    if rank >= 4 and rank * (rank + 1) == n:
        yield (f"A{rank}",)
    rank = (1 + math.isqrt(2 * n + 1)) // 2
    if rank >= 5 and 2 * rank * (rank - 1) == n:
        yield (f"D{rank}",)


def _hamming_of_size(n: int) -> Iterator[Arguments]:
    for d in range(2, n.bit_length()):
        q = round(n ** (1 / d))
        if q**d == n and q >= 2 and (q, d) != (2, 2):
            yield d, q


def _hamming_also(d: int, q: int) -> tuple[str, ...]:
    if q == 2:
        return (f"H({d},2)",)
    return ("Paley 9",) if (d, q) == (2, 3) else ()


def _demicubes_of_size(n: int) -> Iterator[Arguments]:
    d = n.bit_length()
    if 2 ** (d - 1) == n and d >= 5:
        yield (d,)


def _demicube_also(d: int) -> tuple[str, ...]:
    return ("half 5-cube", "Clebsch graph") if d == 5 else ()


def _johnson_of_size(n: int) -> Iterator[Arguments]:
    for k in range(2, n.bit_length()):
        v = 2 * k
        while math.comb(v, k) < n:
            v += 1
        if math.comb(v, k) == n and v >= 5:
            yield v, k


def _johnson_also(v: int, k: int) -> tuple[str, ...]:
    return ("T(5)", "Petersen graph") if (v, k) == (5, 2) else (f"T({v})",) if k == 2 else ()


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % p for p in range(2, math.isqrt(n) + 1))


def _paley_of_size(n: int) -> Iterator[Arguments]:
    if n >= 13 and n % 4 == 1 and _is_prime(n):
        yield (n,)


def _cyclotomic_of_size(n: int) -> Iterator[Arguments]:
    if n < 13 or not _is_prime(n):
        return
    for classes in range(3, min(_MOST_CLASSES, (n - 1) // 4) + 1):
        if (n - 1) % (2 * classes) == 0:
            yield n, classes


GEOMETRIES: Final[tuple[Geometry, ...]] = (
    Geometry("polygon", (*_each(*range(3, 13)), (5, 2), (7, 2), (7, 3), (8, 3))),
    Geometry("simplex", _each(2, 3, 4, 5, 6, 9, 14)),
    Geometry("cross_polytope", _each(1, 2, 3, 4, 7, 8)),
    Geometry("prism", (*_each(3, 4, 5, 6), (5, 1 / 4))),
    Geometry("antiprism", (*_each(2, 3, 4, 5, 6), (4, 1 / 4))),
    Geometry("tetrahedron"),
    Geometry("octahedron"),
    Geometry("icosahedron", of_size=_only(12)),
    Geometry("cuboctahedron", of_size=_only(12), also=_named("A3 roots")),
    Geometry("demicube", _each(3, 4, 5, 6, 7), _demicubes_of_size, _demicube_also),
    Geometry("shrikhande", of_size=_only(16)),
    Geometry("dodecahedron", of_size=_only(20)),
    Geometry("cell24", of_size=_only(24), also=_named("D4 roots")),
    Geometry("schlaefli", of_size=_only(27), also=_named("Schläfli graph")),
    Geometry("gosset", of_size=_only(56), also=_named("Gosset graph")),
    Geometry("cell600", of_size=_only(120), also=_named("H4 roots")),
    Geometry("cell120"),
    Geometry(
        "root_system",
        _each(
            "A1",
            "A2",
            "A4",
            "A7",
            "D3",
            "D4",
            "D5",
            "D8",
            "E6",
            "E7",
            "E8",
            "B2",
            "B3",
            "C2",
            "C4",
            "F4",
            "G2",
        ),
        _roots_of_size,
        lambda name: ("Gosset polytope 4_21",) if name == "E8" else (),
    ),
    Geometry("cube", _each(3, 5, 6)),
    Geometry("tesseract"),
    Geometry("hamming", ((2, 3), (2, 4), (3, 3), (4, 3), (4, 2), (1, 5)), _hamming_of_size, _hamming_also),
    Geometry("johnson", ((5, 2), (6, 3), (7, 3), (8, 2), (7, 5), (6, 1)), _johnson_of_size, _johnson_also),
    Geometry("paley", _each(5, 13, 17, 29), _paley_of_size),
    Geometry(
        "cyclotomic",
        ((13, 3), (19, 3), (31, 3), (7, 1)),
        _cyclotomic_of_size,
        called=lambda p, classes: f"cyclotomic {p} of {classes} classes",
    ),
    Geometry("icosahedral_lines"),
    Geometry("etf_16_6"),
    Geometry("etf_28_7"),
    Geometry("paley_etf", _each(5, 13, 17)),
    Geometry("steiner_etf", _each(4, 8, 12)),
    Geometry("harmonic_etf", (*_each(7, 11, 19), (13, (0, 1, 3, 9)), (21, (3, 6, 7, 12, 14)))),
    Geometry("sic", _each(2, 3)),
    Geometry("mub", _each(2, 3, 5, 7)),
    Geometry("leech", ()),
)
"""The known answers of the Leech vectors, for their size, are left to the tests."""

_BY_GENERATOR: Final = {each.generator: each for each in GEOMETRIES}


def geometry(generator: str) -> Geometry:
    """Give the record of a generator.

    Parameters
    ----------
    generator : str
        Name of a function of `featuregeom.shapes`.

    Returns
    -------
    Geometry

    Raises
    ------
    ParameterError
        If no geometry has it.

    Examples
    --------
    >>> geometry("cell24").name(), geometry("cell24").also()
    ('24-cell', ('D4 roots',))
    """
    return _BY_GENERATOR[choice("generator", generator, _BY_GENERATOR)]
