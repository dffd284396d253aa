"""Simplices, cross-polytopes and polygons: recognised by comparing every cosine with the ideal one.

They need no search for relations, and so keep their names where levels are many or close together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import by_slabs
from featuregeom.recognise import policy
from featuregeom.relations.products import apart
from featuregeom.shapes.names import cross_polytope_name, polygon_name, simplex_name
from featuregeom.summary import summarised

__all__ = ["Classical", "classical", "fills_dimension", "fits_dimension"]


@summarised
@dataclass(frozen=True, eq=False)
class Classical:
    """One of these geometries, each vertex at one of the features.

    Attributes
    ----------
    name : str
        Its name.
    dim : int
        Its dimension.
    relations : ndarray of int64, shape (n, n)
        Relations in the order of the features, by decreasing cosine.
    levels : ndarray of float64, shape (d + 1,)
        Ideal cosine of each relation.
    order : ndarray of int64, shape (n,)
        Features in cyclic order, or with opposite ones side by side.
    residual : float
        Largest deviation of a cosine from the ideal one.
    limit : float
        The largest residual that the name allows.
    in_dimension : bool
        Whether the features have as many dimensions as it, no more and no fewer.
    noisy_limit : float
        The largest residual that noise may leave. Features in a plane come in some order by chance; those of a
        polygon are by less than a quarter of their distance off, so pairs by less than half of it.
    """

    name: str
    dim: int
    relations: NDArray[np.int64]
    levels: NDArray[np.float64]
    order: NDArray[np.int64]
    residual: float
    limit: float
    in_dimension: bool = True
    noisy_limit: float = 0.0


def classical(
    cosines: NDArray[np.float64], eigenvalues: NDArray[np.float64], plane: NDArray[np.float64]
) -> list[Classical]:
    """Lay the simplex, the cross-polytope and the polygon over some features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix of at least two features.
    eigenvalues : ndarray, shape (n,)
        Its eigenvalues, decreasing.
    plane : ndarray, shape (n, 2)
        Its two leading eigenvectors.

    Returns
    -------
    list of Classical
        Those that can be placed at all, whether they fit or not; the closest first.
    """
    found = [*_simplex(cosines), *_cross_polytope(cosines), *_polygon(cosines, plane)]
    n = len(cosines)
    found = [
        replace(
            one,
            in_dimension=fits_dimension(eigenvalues, one.dim)
            and fills_dimension(eigenvalues, one.dim, n / one.dim),
        )
        for one in found
    ]
    return sorted(found, key=lambda one: one.residual)


def fills_dimension(eigenvalues: NDArray[np.float64], dim: int, least: float) -> bool:
    """Say whether the features span all `dim` dimensions of a geometry.

    Many cosines within the tolerance of 0 may be those of lines in half as many dimensions.

    Parameters
    ----------
    eigenvalues : ndarray, shape (n,)
        Of the normalised Gram matrix, decreasing.
    dim : int
        Dimension of the geometry.
    least : float
        Least eigenvalue, but for 0, of the geometry's own Gram matrix.

    Returns
    -------
    bool
    """
    return bool(eigenvalues[dim - 1] >= policy.LEAST_DIMENSION * least)


def fits_dimension(eigenvalues: NDArray[np.float64], dim: int) -> bool:
    """Say whether the cosines have no eigenvalue to speak of outside `dim` dimensions.

    Parameters
    ----------
    eigenvalues : ndarray, shape (n,)
        Of the normalised Gram matrix, decreasing.
    dim : int
        Dimension of a geometry.

    Returns
    -------
    bool
    """
    n = len(eigenvalues)
    return dim >= n or bool(eigenvalues[dim] <= policy.OUTSIDE / n)


def _placed(
    cosines: NDArray[np.float64],
    name: str,
    dim: int,
    order: NDArray[np.int64],
    ideal: tuple[NDArray[np.int64], NDArray[np.float64]],
    limit: float,
) -> Classical:
    """Compare; the relations of `ideal` are those of the features in `order`."""
    labels, levels = ideal
    back = np.argsort(order)
    relations = by_slabs(lambda chosen: labels[chosen][:, back], back, width=len(back))
    apart = by_slabs(lambda found, kind: np.abs(found - levels[kind]).max(axis=1), cosines, relations)
    residual = float(apart.max())
    return Classical(name, dim, relations, levels, order, residual, limit)


def _simplex(cosines: NDArray[np.float64]) -> list[Classical]:
    n = len(cosines)
    labels = apart(n)
    limit = policy.OPPOSITE if n == 2 else min(policy.TOLERANCE, policy.SIMPLEX_ROOM / (n - 1))
    levels = np.array([1, -1 / (n - 1)])
    return [_placed(cosines, simplex_name(n), n - 1, np.arange(n), (labels, levels), limit)]


def _cross_polytope(cosines: NDArray[np.float64]) -> list[Classical]:
    n = len(cosines)
    opposite = cosines.argmin(axis=1)
    if n < 4 or n % 2 or not np.array_equal(opposite[opposite], np.arange(n)):
        return []
    first = np.flatnonzero(opposite > np.arange(n))
    order = np.stack([first, opposite[first]], axis=1).ravel()
    places = np.arange(n)
    # Partners are 0 and 1, 2 and 3, ...: numbers that differ in their last bit.
    labels = by_slabs(
        lambda k: 1 + np.asarray(k[:, None] == places ^ 1, np.int64) - (k[:, None] == places), places, width=n
    )
    levels = np.array([1.0, 0.0, -1.0])
    placed = _placed(cosines, cross_polytope_name(n), n // 2, order, (labels, levels), policy.TOLERANCE)
    return [replace(placed, noisy_limit=np.inf)]


def _polygon(cosines: NDArray[np.float64], plane: NDArray[np.float64]) -> list[Classical]:
    n = len(cosines)
    if n < 5:
        return []
    # In the plane of the two leading eigenvectors the features of a polygon are equally spaced.
    order = np.argsort(np.arctan2(plane[:, 1], plane[:, 0]))
    places = np.arange(n)

    def around(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = np.abs(rows[:, None] - places)
        return np.asarray(np.minimum(steps, n - steps))

    labels = by_slabs(around, places, width=n)
    levels = np.cos(2 * np.pi * np.arange(n // 2 + 1) / n)
    limit = min(policy.TOLERANCE, policy.POLYGON_ROOM * (1 - float(levels[1])))
    placed = _placed(cosines, polygon_name(n), 2, order, (labels, levels), limit)
    return [replace(placed, noisy_limit=np.pi / n)]
