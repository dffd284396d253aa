"""The name of a block's geometry, from its matrix of cosines.

This file is the seam for association schemes: it knows the geometries that need none (digon, simplex, polygon,
cross-polytope), each recognised by comparing every cosine with the ideal one. What fits none of them keeps an
empty name and a reason. A name is never forced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Name", "distinct_values", "name_geometry"]

_TOLERANCE = 0.05
"""Largest deviation of a cosine from the ideal one."""

_OUTSIDE = 0.25
"""Largest eigenvalue of the cosines outside the geometry's own dimensions, times the number of features. Without
it some vertices of a larger simplex would pass for a smaller one, which has one dimension less."""

_OPPOSITE = 0.005
"""Largest deviation of the cosine of two opposite features: it is quadratic in their angle."""

_NORM_SPREAD = 0.1
"""Largest relative spread of norms within one geometry."""

_LEVEL_GAP = 0.02
"""Sorted cosines that are further apart than this are different Gram values."""

_POLYGONS = {5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon", 9: "enneagon", 10: "decagon"}
_SIMPLICES = {2: "digon", 3: "triangle", 4: "tetrahedron"}


@dataclass(frozen=True, eq=False)
class Name:
    """What a block is called, or why it has no name.

    Attributes
    ----------
    geometry : str
        The name; empty when there is none.
    reason : str
        Why there is none; empty when there is a name.
    dim : int
        Dimension of the geometry; 0 when there is no name.
    residual : float
        Largest deviation of a cosine from the ideal one; NaN when there is no name.
    order : ndarray of int64, shape (n,)
        The features ordered so that the relations show in the Gram matrix.
    """

    geometry: str
    reason: str
    dim: int
    residual: float
    order: NDArray[np.int64]


def distinct_values(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of the cosines between different features, increasing.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    ndarray of float64, shape (n_levels,)
        Means of the groups into which gaps wider than 0.02 separate the values.
    """
    values = np.sort(cosines[np.triu_indices(len(cosines), 1)])
    if values.size == 0:
        return values
    groups = np.split(values, np.flatnonzero(np.diff(values) > _LEVEL_GAP) + 1)
    return np.array([group.mean() for group in groups])


def name_geometry(cosines: NDArray[np.float64], norms: NDArray[np.float64]) -> Name:
    """Name the geometry of a block of features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    norms : ndarray, shape (n,)
        Norms of the features.

    Returns
    -------
    Name
        With the residual, or with the reason why no name fits.
    """
    n = len(cosines)
    order = np.arange(n)
    if n == 1:
        return Name("", "a single feature", 1, float("nan"), order)
    spread = float(norms.max() / norms.min() - 1)
    candidates = [*_simplex(n), *_cross_polytope(cosines), *_polygon(cosines)]
    eigenvalues = np.linalg.eigvalsh(cosines)[::-1]
    measured = [
        (float(np.abs(cosines[np.ix_(order, order)] - ideal).max()), limit, name, dim, order)
        for name, dim, ideal, order, limit in candidates
        if dim == n or eigenvalues[dim] <= _OUTSIDE / n
    ]
    fitting = [found for found in measured if found[0] <= found[1]]
    if fitting and spread <= _NORM_SPREAD:
        residual, _, name, dim, order = min(fitting, key=lambda found: found[0])
        return Name(name, "", dim, residual, order)
    if fitting:
        reason = f"cosines of a {fitting[0][2]}, but norms differ by {spread:.0%}"
    elif n == 2:
        reason = f"2 features at cosine {cosines[0, 1]:.3f}"
    else:
        reason = f"{n} features with {len(distinct_values(cosines))} distinct cosines: no known geometry"
    return Name("", reason, 0, float("nan"), _by_similarity(cosines))


_Candidate = tuple[str, int, NDArray[np.float64], NDArray[np.int64], float]


def _simplex(n: int) -> list[_Candidate]:
    ideal = np.full((n, n), -1 / (n - 1))
    np.fill_diagonal(ideal, 1.0)
    name = _SIMPLICES.get(n, f"simplex of {n} vertices")
    limit = _OPPOSITE if n == 2 else min(_TOLERANCE, 0.5 / (n - 1))
    return [(name, n - 1, ideal, np.arange(n), limit)]


def _cross_polytope(cosines: NDArray[np.float64]) -> list[_Candidate]:
    n = len(cosines)
    opposite = cosines.argmin(axis=1)
    if n < 4 or n % 2 or not np.array_equal(opposite[opposite], np.arange(n)):
        return []
    first = np.flatnonzero(opposite > np.arange(n))
    order = np.stack([first, opposite[first]], axis=1).ravel()
    ideal = np.kron(np.eye(n // 2), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    name = {4: "square", 6: "octahedron"}.get(n, f"cross-polytope of {n} vertices")
    return [(name, n // 2, ideal, order, _TOLERANCE)]


def _polygon(cosines: NDArray[np.float64]) -> list[_Candidate]:
    n = len(cosines)
    if n < 5:
        return []
    # In the plane of the two leading eigenvectors the features of a polygon are equally spaced.
    plane = np.linalg.eigh(cosines)[1][:, -2:]
    order = np.argsort(np.arctan2(plane[:, 1], plane[:, 0]))
    steps = np.arange(n)
    ideal = np.cos(2 * np.pi * (steps[:, None] - steps[None, :]) / n)
    name = _POLYGONS.get(n, f"{n}-gon")
    return [(name, 2, ideal, order, min(_TOLERANCE, 0.25 * (1 - ideal[0, 1])))]


def _by_similarity(cosines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Walk from each feature to its nearest unvisited one."""
    order = [0]
    free = np.ones(len(cosines), dtype=bool)
    free[0] = False
    while free.any():
        nearest = int(np.where(free, cosines[order[-1]], -np.inf).argmax())
        order.append(nearest)
        free[nearest] = False
    return np.array(order, dtype=np.int64)
