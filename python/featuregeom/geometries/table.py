"""The table of known answers: members of the geometries, as calls of generators with the numbers expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from featuregeom.geometries.records import GEOMETRIES, geometry
from featuregeom.shapes.expected import Expected
from featuregeom.summary import summarised

__all__ = ["TABLE", "Row", "row"]


@summarised
@dataclass(frozen=True)
class Row:
    """One geometry of the table.

    Attributes
    ----------
    generator : str
        Name of a function of `featuregeom.shapes`, and of the function of `shapes.expected` that gives its numbers.
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
    """Give the row of a generator of unit vectors, called with these arguments.

    >>> row("cell24").call, row("cell24").expected.dim
    ('cell24()', 4)

    References
    ----------
    The project's tables of known answers; the numbers are those of `shapes.expected`.
    """
    return Row(generator, arguments, geometry(generator).expected(*arguments))


TABLE: Final[tuple[Row, ...]] = tuple(
    row(each.generator, *case) for each in GEOMETRIES for case in each.cases
)
"""Every case of every geometry; of the root systems also those with two lengths, as F4."""
