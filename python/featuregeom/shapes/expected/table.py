"""The known-answer tables of the project, as calls of generators with the numbers expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from featuregeom.shapes.expected import graphs, lattices, lines, polytopes
from featuregeom.shapes.expected.record import Expected

__all__ = ["TABLE", "Row", "row"]


@dataclass(frozen=True)
class Row:
    """One geometry of the tables.

    Attributes
    ----------
    generator : str
        Name of a function of `featuregeom.shapes`, and of the function that gives its numbers here.
    arguments : tuple
        What both are called with.
    expected : Expected
        The numbers.
    """

    generator: str
    arguments: tuple[Any, ...]
    expected: Expected

    @property
    def call(self) -> str:
        """The call of the generator, as one would write it."""
        return f"{self.generator}({', '.join(map(repr, self.arguments))})"


def row(generator: str, *arguments: Any) -> Row:
    """Row for a generator of unit vectors of this name, called with these arguments.

    >>> row("cell24").call, row("cell24").expected.dim
    ('cell24()', 4)

    References
    ----------
    The project's tables of known answers; the numbers are those of the functions of this package.
    """
    module = next(m for m in (polytopes, lattices, graphs, lines) if generator in m.__all__)
    return Row(generator, arguments, getattr(module, generator)(*arguments))


TABLE: Final[tuple[Row, ...]] = (
    *(row("polygon", n) for n in range(3, 13)),
    *(row("polygon", n, j) for n, j in ((5, 2), (7, 2), (7, 3), (8, 3))),
    *(row("simplex", n) for n in (2, 3, 4, 5, 6, 9, 14)),
    *(row("cross_polytope", d) for d in (1, 2, 3, 4, 7, 8)),
    *(row("cube", d) for d in (3, 5, 6)),
    *(row("demicube", d) for d in (3, 4, 5, 6, 7)),
    *(row("prism", n) for n in (3, 4, 5, 6)),
    row("prism", 5, 1 / 4),
    *(row("antiprism", n) for n in (2, 3, 4, 5, 6)),
    row("antiprism", 4, 1 / 4),
    *map(row, ("tetrahedron", "octahedron", "icosahedron", "dodecahedron", "cuboctahedron")),
    *map(row, ("tesseract", "cell24", "cell600", "cell120")),
    *(
        row("root_system", name)
        for name in ("A1", "A2", "A4", "A7", "D3", "D4", "D5", "D8", "E6", "E7", "E8")
    ),
    *(row("root_system", name) for name in ("B2", "B3", "C2", "C4", "F4", "G2")),
    *map(row, ("schlaefli", "gosset")),
    *(row("hamming", d, q) for d, q in ((2, 3), (2, 4), (3, 3), (4, 3), (4, 2), (1, 5))),
    *(row("johnson", v, k) for v, k in ((5, 2), (6, 3), (7, 3), (8, 2), (7, 5), (6, 1))),
    *(row("paley", q) for q in (5, 13, 17, 29)),
    *(row("cyclotomic", p, e) for p, e in ((13, 3), (19, 3), (31, 3), (7, 1))),
    *map(row, ("shrikhande", "icosahedral_lines", "etf_16_6", "etf_28_7")),
    *(row("paley_etf", q) for q in (5, 13, 17)),
    *(row("steiner_etf", v) for v in (4, 8, 12)),
    *(row("harmonic_etf", n) for n in (7, 11, 19)),
    *(row("harmonic_etf", n, D) for n, D in ((13, (0, 1, 3, 9)), (21, (3, 6, 7, 12, 14)))),
    *(row("sic", d) for d in (2, 3)),
    *(row("mub", p) for p in (2, 3, 5, 7)),
)
"""Every geometry of the known-answer tables with features of one norm, and of F4 and its like with two; the
Leech vectors, for their size, are left to `row`."""
