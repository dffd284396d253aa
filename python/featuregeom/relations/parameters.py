"""What follows from the intersection numbers of a scheme: its structure, its orders, its graphs, its design."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from featuregeom.relations import feasibility, polynomial, structure
from featuregeom.relations.design_strength import DesignStrength, absolute_bound, design_strength
from featuregeom.relations.eigenmatrices import Eigenmatrices, Numbers
from featuregeom.summary import summarised

__all__ = ["HasParameters", "Parameters", "parameters"]

_DESIGN_TOLERANCE = 1e-6
"""A mean zonal polynomial up to it is zero: cosines in float32 reach it, noise does not."""


@summarised
@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of an association scheme beyond its numbers; each is computed when asked for.

    Attributes
    ----------
    numbers : Numbers
        Intersection numbers, valencies, transposes.
    eigenmatrices : Eigenmatrices or None
        P, Q, multiplicities, Krein parameters; None where classes do not commute.
    levels : ndarray or None
        Cosine of each class, where it is known.
    dim : int or None
        Dimension of the vectors with these cosines.
    """

    numbers: Numbers
    eigenmatrices: Eigenmatrices | None
    levels: NDArray[np.float64] | None = field(default=None, repr=False)
    dim: int | None = None

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether every class is its own transpose."""
        return bool(np.array_equal(self.numbers.transpose, np.arange(self.numbers.rank)))

    @cached_property
    def is_primitive(self) -> bool:
        """Whether {0} and all classes are the only closed subsets."""
        return structure.is_primitive(self.numbers)

    @cached_property
    def closed_subsets(self) -> list[tuple[int, ...]]:
        """All closed subsets (`structure.closed_subsets`)."""
        return structure.closed_subsets(self.numbers)

    @cached_property
    def p_orders(self) -> list[tuple[int, ...]]:
        """P-polynomial orders of the classes (`polynomial.p_orders`); none unless symmetric."""
        return polynomial.p_orders(self.numbers.p) if self.is_symmetric else []

    @cached_property
    def q_orders(self) -> list[tuple[int, ...]]:
        """Q-polynomial orders of the eigenspaces (`polynomial.q_orders`); none unless symmetric."""
        if self.eigenmatrices is None or not self.is_symmetric:
            return []
        return polynomial.q_orders(self.eigenmatrices.krein)

    @cached_property
    def intersection_array(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Intersection array (b_0, ..), (c_1, ..) of the first P-polynomial order; None without one."""
        return polynomial.intersection_array(self.numbers.p, self.p_orders[0]) if self.p_orders else None

    @cached_property
    def srg(self) -> dict[int, tuple[int, int, int, int]]:
        """Parameters (n, k, lambda, mu) of each class that is a strongly regular graph."""
        found = {k: polynomial.strongly_regular(self.numbers, k) for k in range(1, self.numbers.rank)}
        return {k: graph for k, graph in found.items() if graph is not None}

    @cached_property
    def failures(self) -> list[feasibility.Failure]:
        """Conditions of feasibility that fail (`feasibility.failures`): none for what is a scheme. O(r^5)."""
        return feasibility.failures(self.numbers, self.eigenmatrices)

    @cached_property
    def most_points(self) -> int | None:
        """Most unit vectors of these dimensions with as many cosines; fewer than there are if levels were merged."""
        if self.design is None or self.dim is None or self.design.distances < 1:
            return None
        return absolute_bound(self.dim, self.design.distances)

    @cached_property
    def design(self) -> DesignStrength | None:
        """Strength of the vectors as a spherical design; None where no cosines are known."""
        if self.levels is None or self.dim is None or self.dim < 1:
            return None
        levels = np.clip(self.levels, -1.0, 1.0)
        return design_strength(levels, self.numbers.valencies, self.dim, _DESIGN_TOLERANCE)


class HasParameters(Protocol):
    """What was detected or checked, and knows its parameters."""

    @property
    def parameters(self) -> Parameters | None:
        """Parameters beyond the intersection numbers; None where there is no scheme."""


def parameters(found: HasParameters) -> Parameters | None:
    """Give the parameters of what was detected or checked.

    Parameters
    ----------
    found : Check, Detection or LargeDetection
        From `check` or `detect`.

    Returns
    -------
    Parameters or None
        None where `found` is no scheme. With the cosines where it was detected from them. Eigenspaces come in one
        order, that of the relations' own numbers: after the first, rows of P decrease lexicographically.

    Notes
    -----
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), chapter 2; Delsarte, Goethals & Seidel, Geometriae
    Dedicata 6 (1977), for the design.

    Examples
    --------
    >>> import featuregeom as fg
    >>> known = fg.schemes.parameters(fg.schemes.detect(fg.shapes.icosahedron()))
    >>> known.closed_subsets, known.intersection_array, known.design.strength
    ([(0,), (0, 3), (0, 1, 2, 3)], ((5, 2, 1), (1, 2, 5)), 5)
    """
    return found.parameters
