"""Which named geometry a scheme of features is: by its relations first, then cosine by cosine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy
from featuregeom.recognise.defect import explained_by
from featuregeom.recognise.names.alignment import aligned
from featuregeom.recognise.names.catalogue import catalogue
from featuregeom.recognise.names.classical import Classical
from featuregeom.recognise.names.ideal import Ideal, ideal_of
from featuregeom.recognise.names.isomorphism import isomorphism
from featuregeom.recognise.names.rings import Rings, height_is_identifiable, heights, rings
from featuregeom.relations.products import class_counts, class_means
from featuregeom.summary import summarised

__all__ = ["Match", "align_catalogue", "matches", "of_classical", "placed"]


@summarised
@dataclass(frozen=True, eq=False)
class Match:
    """A named geometry, each vertex at one of the features.

    Attributes
    ----------
    name : str
        Its name.
    also : tuple of str
        Other names of it.
    dim : int
        Its dimension.
    relations : ndarray of int64, shape (n, n)
        Its relations, in the order of the features.
    levels : ndarray of float64, shape (d + 1,)
        Its cosines.
    order : ndarray of int64, shape (n,)
        The features in the order of its vertices.
    residual : float
        Largest deviation of a cosine from the ideal one.
    explained : float
        Share of the variance of the cosines that the ideal ones explain; 0 where all are equal.
    height : float or None
        Squared height of a prism or antiprism.
    """

    name: str
    also: tuple[str, ...]
    dim: int
    relations: NDArray[np.int64]
    levels: NDArray[np.float64]
    order: NDArray[np.int64]
    residual: float
    explained: float
    height: float | None = None


def matches(cosines: NDArray[np.float64], relations: NDArray[np.int64]) -> list[Match]:
    """List the geometries whose relations these are, and whose levels are near.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    relations : ndarray of int64, shape (n, n)
        A symmetric scheme, by decreasing mean cosine.

    Returns
    -------
    list of Match
        The closest first, but those of a fixed form before those of free height.
    """
    levels = class_means(cosines, relations)
    valencies = class_counts(relations)[0]
    fixed, free = [], []
    for ideal in catalogue(len(cosines)):
        order = _order(relations, levels, valencies, ideal)
        if order is not None:
            fixed.append(_compare(cosines, ideal, order))
    for family in rings(len(cosines)):
        for guess in heights(cosines):
            order = _order(relations, levels, valencies, family.at(guess))
            if order is not None:
                free += _standing(cosines, family, order)
                break
    return sorted(fixed, key=lambda one: one.residual) + sorted(free, key=lambda one: one.residual)


def align_catalogue(cosines: NDArray[np.float64]) -> list[Match]:
    """Place every geometry of as many points on the features as well as it goes, whether it fits or not.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    list of Match
        None above 16 features.
    """
    n = len(cosines)
    if n > policy.ALIGNED_POINTS:
        return []
    found = [_compare(cosines, ideal, aligned(cosines, ideal.gram)) for ideal in catalogue(n)]
    for family in rings(n):
        for guess in heights(cosines):
            order = aligned(cosines, family.at(guess).gram)
            found += _standing(cosines, family, order)
    return found


def _standing(cosines: NDArray[np.float64], family: Rings, order: NDArray[np.int64]) -> list[Match]:
    """Compare with the member of a family that fits best, where it is neither flat nor two points."""
    z2 = family.height(cosines, order)
    if not 0 < z2 < 1:
        return []
    match = _compare(cosines, family.at(z2), order, z2)
    return [match] if height_is_identifiable(z2, match.residual) else []


def _order(
    relations: NDArray[np.int64], levels: NDArray[np.float64], valencies: NDArray[np.int64], ideal: Ideal
) -> NDArray[np.int64] | None:
    if len(levels) != len(ideal.levels) or sorted(valencies) != sorted(ideal.valencies):
        return None
    for classes in islice(_class_orders(levels, valencies, ideal), policy.LEVEL_ORDERS):
        order = isomorphism(classes[relations], ideal.relations)
        if order is not None:
            return order
    return None


def _class_orders(
    levels: NDArray[np.float64], valencies: NDArray[np.int64], ideal: Ideal
) -> Iterator[NDArray[np.int64]]:
    """List the ways to take relations for those of the ideal: in order, unless close levels changed places."""
    rank = len(levels)
    near = (np.abs(levels[:, None] - ideal.levels) <= policy.MEAN_LEVEL) & (
        valencies[:, None] == ideal.valencies
    )
    identity = np.arange(rank)
    if near[identity, identity].all():
        yield identity
    choices = [np.flatnonzero(row).tolist() for row in near]
    for choice in islice(product(*choices), policy.LEVEL_CHOICES):
        if len(set(choice)) == rank and choice != tuple(range(rank)):
            yield np.array(choice, dtype=np.int64)


def _compare(
    cosines: NDArray[np.float64], ideal: Ideal, order: NDArray[np.int64], height: float | None = None
) -> Match:
    relations = np.empty_like(ideal.relations)
    relations[np.ix_(order, order)] = ideal.relations
    difference = cosines - ideal.levels[relations]
    explained = explained_by(cosines, ideal.levels[relations])
    return Match(
        ideal.name,
        ideal.also,
        ideal.dim,
        relations,
        ideal.levels,
        order,
        float(np.abs(difference).max()),
        explained,
        height,
    )


def placed(
    cosines: NDArray[np.float64],
    name: str,
    points: NDArray[np.float64] | None,
    order: NDArray[np.int64],
    height: float | None,
) -> Match:
    """Give a geometry whose vertices are known to be at the features as a match.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    name : str
        Name of the geometry.
    points : ndarray, shape (n, d), or None
        Its vertices, of unit length and in its own order; needed for what is not in the catalogue.
    order : ndarray of int64, shape (n,)
        The features in the order of its vertices.
    height : float or None
        Squared height of a prism or antiprism.

    Returns
    -------
    Match
    """
    n = len(cosines)
    for family in rings(n):
        if height is not None and family.name == name:
            return _compare(cosines, family.at(height), order, height)
    ideal = next((one for one in catalogue(n) if one.name == name), None)
    if ideal is None:
        assert points is not None
        ideal = ideal_of(name, points)
        assert ideal is not None
    return _compare(cosines, ideal, order)


def of_classical(cosines: NDArray[np.float64], one: Classical) -> Match:
    """Give a simplex, cross-polytope or polygon as a match.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    one : Classical
        The geometry, each vertex at one of the features.

    Returns
    -------
    Match
    """
    explained = explained_by(cosines, one.levels[one.relations])
    return Match(one.name, (), one.dim, one.relations, one.levels, one.order, one.residual, explained)
