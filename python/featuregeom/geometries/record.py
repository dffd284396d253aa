"""What is declared of a geometry, or of a family of geometries with parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import shapes
from featuregeom.shapes import expected
from featuregeom.summary import summarised

__all__ = ["Arguments", "Geometry"]

Arguments = tuple[Any, ...]
"""What a generator is called with."""


def _no_sizes(_: int) -> Iterable[Arguments]:
    return ()


def _no_others(*_: Any) -> tuple[str, ...]:
    return ()


@summarised
@dataclass(frozen=True)
class Geometry:
    """One geometry, or a family with parameters.

    Attributes
    ----------
    generator : str
        Name of the function of `featuregeom.shapes` that gives its coordinates, and of that of `shapes.expected` that
        gives its numbers.
    cases : tuple of tuple
        Arguments of the members that the table of known answers lists.
    of_size : callable
        Gives the arguments of the members with n points, for the catalogue in which features look for their name.
        None of what is recognised by a rule of its own: simplices, polygons, cross-polytopes, prisms, antiprisms.
    also : callable
        Gives the other names of a member, from its arguments.
    called : callable or None
        Gives the name of a member, where its numbers have no closed form that says it.
    """

    generator: str
    cases: tuple[Arguments, ...] = ((),)
    of_size: Callable[[int], Iterable[Arguments]] = _no_sizes
    also: Callable[..., tuple[str, ...]] = _no_others
    called: Callable[..., str] | None = None

    def coordinates(self, *arguments: Any) -> NDArray[Any]:
        """Give the features of a member as rows."""
        return np.asarray(getattr(shapes, self.generator)(*arguments))

    def expected(self, *arguments: Any) -> expected.Expected:
        """Give the numbers of a member, from closed forms."""
        found: expected.Expected = getattr(expected, self.generator)(*arguments)
        return found

    def name(self, *arguments: Any) -> str:
        """Name a member."""
        return self.called(*arguments) if self.called else self.expected(*arguments).name
