"""Columns of the families table: each function gives the value of one family of features."""

from __future__ import annotations

from featuregeom.measures.column import Table
from featuregeom.measures.measured import MeasuredFamily

__all__ = ["FAMILIES"]

FAMILIES: Table[MeasuredFamily] = Table("families")

_COST = "families: three sweeps more, and a test for each candidate"


@FAMILIES.column("matrix", dtype="str")
def matrix(of: MeasuredFamily) -> str:
    """Name of the tensor."""
    return of.matrix


@FAMILIES.column("family", dtype="int64", cost=_COST)
def family(of: MeasuredFamily) -> int:
    """Number of the family in its matrix: shapes, copies, opposites, clusters; of a kind by q, then by share."""
    return of.number


@FAMILIES.column("size", dtype="int64", cost=_COST)
def size(of: MeasuredFamily) -> int:
    """Number of features in it, 2 to 512."""
    return len(of.found.members[of.number])


@FAMILIES.column("kind", dtype="str", cost=_COST)
def kind(of: MeasuredFamily) -> str:
    """What it is: copies, antipodes, geometry, simplex, circle, or cluster where no shape is shown."""
    return of.found.kind[of.number]


@FAMILIES.column("name", dtype="str", cost=_COST)
def name(of: MeasuredFamily) -> str:
    """Name of its geometry; empty unless the kind is geometry or simplex."""
    return of.found.name[of.number]


@FAMILIES.column("p", cost=_COST)
def p(of: MeasuredFamily) -> float:
    """How often chance gives as much; missing where a name rests on tolerances."""
    return float(of.found.p[of.number])


@FAMILIES.column("q", cost=_COST)
def q(of: MeasuredFamily) -> float:
    """Smallest false discovery rate at which it is still found."""
    return float(of.found.q[of.number])


@FAMILIES.column("p, lengths kept", cost=_COST)
def strict_p(of: MeasuredFamily) -> float:
    """Of a circle: the same p-value where random sets also keep how far each feature is from the family's mean."""
    return float(of.found.strict_p[of.number])


@FAMILIES.column("fit", cost=_COST)
def fit(of: MeasuredFamily) -> float:
    """Of a name: how often noise alone deviates from the geometry by as much; above .01."""
    return float(of.found.fit[of.number])


@FAMILIES.column("share", cost=_COST)
def share(of: MeasuredFamily) -> float:
    """What the shape explains: of the squared norm; for circles, of the variance of inner products."""
    return float(of.found.share[of.number])


@FAMILIES.column("height", cost=_COST)
def height(of: MeasuredFamily) -> float:
    """Squared height of a prism or antiprism; missing for other shapes."""
    return float(of.found.height[of.number])


@FAMILIES.column("around", dtype="int64", cost=_COST)
def parent(of: MeasuredFamily) -> int:
    """Number of the smallest family around it; -1 where there is none."""
    return int(of.found.parent[of.number])


@FAMILIES.column("birth", cost=_COST)
def birth(of: MeasuredFamily) -> float:
    """Weakest link that holds it together."""
    return float(of.found.birth[of.number])


@FAMILIES.column("death", cost=_COST)
def death(of: MeasuredFamily) -> float:
    """Strongest link to any other feature."""
    return float(of.found.death[of.number])


@FAMILIES.column("link", dtype="str", cost=_COST)
def link(of: MeasuredFamily) -> str:
    """What links are measured by: z, cosine, or projected (cosine beside the dominant eigenspaces)."""
    return of.found.link[of.number]


@FAMILIES.column("members", dtype="object", cost=_COST)
def members(of: MeasuredFamily) -> list[int]:
    """Positions of its features along the tensor's feature axis; around the circle where it is one."""
    return [int(each) for each in of.kept[of.found.members[of.number]]]


FAMILIES.joined(
    "labels", "names", "Names of its features in the same order, where they have some.", dtype="object"
)
