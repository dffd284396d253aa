"""A scheme: its intersection numbers and all that follows from them, each computed when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.relations import feasibility, polynomial, structure
from featuregeom.relations.design_strength import DesignStrength, absolute_bound, design_strength
from featuregeom.relations.eigenmatrices import Eigenmatrices, Numbers, eigenmatrices, noncommuting
from featuregeom.summary import summarised

__all__ = ["HasScheme", "Scheme", "parameters"]

_DESIGN_TOLERANCE = 1e-6
"""A mean zonal polynomial up to it is zero: cosines in float32 reach it, noise does not."""


@summarised
@dataclass(frozen=True, eq=False)
class Scheme(Numbers):
    """An association scheme by its intersection numbers, valencies and transposes (`Numbers`), and what follows.

    Attributes
    ----------
    levels : ndarray or None
        Cosine of each class, where it is known.
    dim : int or None
        Dimension of the vectors with these cosines.
    seed : int
        Seed of the random combinations that separate the eigenspaces; they differ by rounding only.
    """

    levels: NDArray[np.float64] | None = field(default=None, repr=False)
    dim: int | None = None
    seed: int = field(default=0, repr=False)

    @cached_property
    def eigenmatrices(self) -> Eigenmatrices | None:
        """P, Q, multiplicities and Krein parameters; None where classes do not commute."""
        return eigenmatrices(self.p, self.valencies, self.transpose, seed=self.seed)

    @cached_property
    def is_commutative(self) -> bool:
        """Whether all products of classes commute."""
        return noncommuting(self.p) is None

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether every class is its own transpose."""
        return bool(np.array_equal(self.transpose, np.arange(self.rank)))

    @cached_property
    def is_primitive(self) -> bool:
        """Whether {0} and all classes are the only closed subsets."""
        return structure.is_primitive(self)

    @cached_property
    def closed_subsets(self) -> list[tuple[int, ...]]:
        """All closed subsets (`structure.closed_subsets`)."""
        return structure.closed_subsets(self)

    @cached_property
    def p_orders(self) -> list[tuple[int, ...]]:
        """P-polynomial orders of the classes (`polynomial.p_orders`); none unless symmetric."""
        return polynomial.p_orders(self.p) if self.is_symmetric else []

    @cached_property
    def q_orders(self) -> list[tuple[int, ...]]:
        """Q-polynomial orders of the eigenspaces (`polynomial.q_orders`); none unless symmetric."""
        if self.eigenmatrices is None or not self.is_symmetric:
            return []
        return polynomial.q_orders(self.eigenmatrices.krein)

    @cached_property
    def intersection_array(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Intersection array (b_0, ..), (c_1, ..) of the first P-polynomial order; None without one."""
        return polynomial.intersection_array(self.p, self.p_orders[0]) if self.p_orders else None

    @cached_property
    def srg(self) -> dict[int, tuple[int, int, int, int]]:
        """Parameters (n, k, lambda, mu) of each class that is a strongly regular graph."""
        found = {k: polynomial.strongly_regular(self, k) for k in range(1, self.rank)}
        return {k: graph for k, graph in found.items() if graph is not None}

    @cached_property
    def failures(self) -> list[feasibility.Failure]:
        """Conditions of feasibility that fail (`feasibility.failures`): none for what is a scheme. O(r^5)."""
        return feasibility.failures(self, self.eigenmatrices)

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
        return design_strength(levels, self.valencies, self.dim, _DESIGN_TOLERANCE)


class HasScheme:
    """What was checked or detected. Where it is a scheme, all that follows from its numbers; else None each."""

    if TYPE_CHECKING:

        @property
        def scheme(self) -> Scheme | None:
            """The scheme; None where there is none."""

    @property
    def eigenmatrices(self) -> Eigenmatrices | None:
        """P, Q, multiplicities and Krein parameters; None unless a commutative scheme."""
        return None if self.scheme is None else self.scheme.eigenmatrices

    @property
    def P(self) -> NDArray[Any] | None:  # noqa: N802, the field's own name
        """First eigenmatrix, shape (r, r): eigenvalue of class j on eigenspace i. Complex unless symmetric."""
        return None if self.eigenmatrices is None else self.eigenmatrices.P

    @property
    def Q(self) -> NDArray[Any] | None:  # noqa: N802
        """Second eigenmatrix, shape (r, r): P Q = n I."""
        return None if self.eigenmatrices is None else self.eigenmatrices.Q

    @property
    def multiplicities(self) -> NDArray[np.int64] | None:
        """Dimensions of the eigenspaces, shape (r,)."""
        return None if self.eigenmatrices is None else self.eigenmatrices.multiplicities

    @property
    def krein(self) -> NDArray[np.float64] | None:
        """Krein parameters ``q[i, j, k]``, shape (r, r, r)."""
        return None if self.eigenmatrices is None else self.eigenmatrices.krein

    @property
    def numbers(self) -> Numbers | None:
        """Intersection numbers as `structure`, `fusion` and `feasibility` take them; None unless a scheme."""
        return self.scheme

    @property
    def closed_subsets(self) -> list[tuple[int, ...]] | None:
        """All unions of classes that are equivalence relations; None unless a scheme."""
        return None if self.scheme is None else self.scheme.closed_subsets

    @property
    def p_orders(self) -> list[tuple[int, ...]] | None:
        """Orders of the classes as the distances of a graph; empty unless symmetric, None unless a scheme."""
        return None if self.scheme is None else self.scheme.p_orders

    @property
    def q_orders(self) -> list[tuple[int, ...]] | None:
        """Q-polynomial orders of the eigenspaces; empty unless symmetric, None unless a scheme."""
        return None if self.scheme is None else self.scheme.q_orders

    @property
    def intersection_array(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Intersection array of the first P-polynomial order; None without one."""
        return None if self.scheme is None else self.scheme.intersection_array

    @property
    def srg(self) -> dict[int, tuple[int, int, int, int]] | None:
        """Parameters (n, k, lambda, mu) of each class that is a strongly regular graph; None unless a scheme."""
        return None if self.scheme is None else self.scheme.srg

    @property
    def failures(self) -> list[feasibility.Failure] | None:
        """Conditions of feasibility that fail, none for a scheme that was verified; None unless a scheme."""
        return None if self.scheme is None else self.scheme.failures


def parameters(found: HasScheme) -> Scheme | None:
    """Give the scheme of what was detected or checked, with all that follows from its intersection numbers.

    Parameters
    ----------
    found : Check or Detection
        From `check` or `detect`.

    Returns
    -------
    Scheme or None
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
    return found.scheme
