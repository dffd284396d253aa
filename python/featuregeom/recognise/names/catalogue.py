"""The catalogue: every geometry with a given number of points that has a name and no free height.

All of them have automorphisms that take any point to any other, and all are told from their like by comparing the
relations themselves (`isomorphism`), not parameters, which different geometries may share.
"""

from __future__ import annotations

from functools import lru_cache

from featuregeom.geometries import GEOMETRIES
from featuregeom.recognise import policy
from featuregeom.recognise.names.ideal import Ideal, ideal_of

__all__ = ["catalogue"]


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
    if n > policy.CATALOGUE_POINTS:
        return ()
    found = [
        ideal_of(each.name(*member), each.coordinates(*member), *each.also(*member))
        for each in GEOMETRIES
        for member in each.of_size(n)
    ]
    return tuple(
        ideal for ideal in found if ideal is not None and len(ideal.levels) <= policy.CATALOGUE_CLASSES
    )
