"""Geometries laid over vectors by the best scaled isometry, and what that leaves inside and outside of its space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy
from featuregeom.recognise.names.alignment import aligned
from featuregeom.recognise.names.catalogue import catalogue
from featuregeom.recognise.names.rings import Rings, heights, rings
from featuregeom.shapes.names import cross_polytope_name, polygon_name, simplex_name
from featuregeom.summary import summarised

__all__ = ["Figure", "Fit", "figures", "fits", "laid", "left_by_noise", "rank_of", "spanned", "unevenness"]

Vectors = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class Fit:
    """A geometry laid over vectors by the best scaled isometry.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"geometry", "simplex"}
        Simplices have no other relations than all.
    dim : int
        Its dimension.
    order : ndarray of int64, shape (s,)
        The vectors in the order of its vertices.
    points : ndarray, shape (s, d)
        Its vertices in the order of the vectors, of unit length.
    share : float
        Share of the vectors' squared norm that it explains (R squared).
    p : float
        p-value of the F test; 1 where both residuals are rounding. Where the residual inside is far too small beside
        the one outside, how often noise makes it so small.
    inside, outside : float
        The two residuals, sums of squares.
    unevenness : float
        Sum of the squared shares of `outside` along its axes: one over how many there are, if all are alike.
    bic : float
        Bayesian information criterion; the lower the better.
    height : float or None
        Squared height of a prism or antiprism.
    """

    name: str
    kind: str
    dim: int
    order: NDArray[np.int64]
    points: Vectors
    share: float
    p: float
    inside: float
    outside: float
    unevenness: float
    bic: float
    height: float | None = None


def spanned(Y: Vectors) -> Vectors:
    """Give vectors in no more dimensions than they span, where they span fewer than noise of all dimensions would.

    Columns of zeros, or a bottleneck before the m dimensions, leave no noise outside of what is spanned.

    Parameters
    ----------
    Y : ndarray, shape (s, m)
        Vectors as rows.

    Returns
    -------
    ndarray, shape (s, r)
        `Y` itself, or its coordinates along the axes that it spans.
    """
    moved, m = movable(Y), Y.shape[1]
    rank = rank_of(Y)
    centred = np.linalg.norm(Y.sum(axis=0)) <= policy.ROUNDING_RESIDUAL * np.linalg.norm(Y)
    if rank >= min(moved - bool(centred and moved == len(Y)), m):
        return Y
    left, lengths, _ = np.linalg.svd(Y, full_matrices=False)
    return np.asarray(left[:, :rank] * lengths[:rank])


def rank_of(Y: Vectors) -> int:
    """Count the dimensions of some vectors that are more than rounding.

    Parameters
    ----------
    Y : ndarray, shape (s, m)
        Vectors as rows.

    Returns
    -------
    int
    """
    lengths = np.linalg.svd(Y, compute_uv=False)
    return int((lengths > policy.ROUNDING_RESIDUAL * lengths[0]).sum())


def fits(Y: Vectors) -> list[Fit]:
    """Lay every geometry of as many points over some vectors that can be tested there.

    Those are left out that cannot explain half of the vectors, whatever their place: the leading components of as many
    dimensions do not.

    Parameters
    ----------
    Y : ndarray, shape (s, m)
        Vectors as rows.

    Returns
    -------
    list of Fit
        None for fewer than 3 or more than 64 vectors, and where some vector is zero.
    """
    s = len(Y)
    norms = np.linalg.norm(Y, axis=1)
    if not 3 <= s <= policy.ISOMETRY_POINTS or not norms.min() > 0:
        return []
    cosines = np.clip(Y @ Y.T / np.outer(norms, norms), -1, 1)
    leading = np.cumsum(np.linalg.svd(Y, compute_uv=False) ** 2) / float((Y**2).sum())

    def possible(dim: int) -> bool:
        # In as many dimensions as the vectors have, only rounding may be left.
        return dim <= len(leading) and dim < s and leading[dim - 1] >= policy.LEAST_SHARE

    found = [_fit(Y, laid(Y, cosines, one), one) for one in figures(s) if possible(one.dim)]
    if possible(3):
        guesses = heights(cosines)
        found += [fit for family in rings(s) for fit in _standing(Y, cosines, family, guesses)]
    return found


@dataclass(frozen=True, eq=False)
class Figure:
    """A geometry that can be laid over vectors.

    Attributes
    ----------
    name : str
        Its name.
    points : ndarray, shape (s, d)
        Its vertices, of unit length.
    matching : {"beam", "plane", "pairs", "any"}
        How its vertices are first given to vectors: by the beam search of `names.alignment`, by the angles in the plane
        of the two longest axes, by opposite pairs, or in any way, where all are alike.
    height : float or None
        Squared height of a prism or antiprism.
    """

    name: str
    points: Vectors
    matching: str = "beam"
    height: float | None = None

    @property
    def dim(self) -> int:
        """Dimension."""
        return int(self.points.shape[1])

    @property
    def kind(self) -> str:
        """Either "simplex" or "geometry"."""
        return "simplex" if self.matching == "any" else "geometry"


@lru_cache(maxsize=64)
def figures(s: int) -> tuple[Figure, ...]:
    """List the geometries of s points that have a fixed form.

    Parameters
    ----------
    s : int
        Number of points.

    Returns
    -------
    tuple of Figure
        Kept for 64 numbers of points.
    """
    found = [Figure(simplex_name(s), _coordinates(np.eye(s) - 1 / s, s - 1), "any")]
    if s % 2 == 0 and s >= 4:
        found.append(
            Figure(cross_polytope_name(s), np.repeat(np.eye(s // 2), 2, axis=0) * _signs(s), "pairs")
        )
    if s >= 5:
        turn = 2 * np.pi * np.arange(s) / s
        found.append(Figure(polygon_name(s), np.column_stack([np.cos(turn), np.sin(turn)]), "plane"))
    found += [Figure(one.name, _coordinates(one.gram, one.dim)) for one in catalogue(s)]
    return tuple(found)


def _signs(s: int) -> Vectors:
    return np.where(np.arange(s) % 2, -1.0, 1.0)[:, None]


def _coordinates(gram: Vectors, dim: int) -> Vectors:
    """Give vectors of unit length with these inner products, up to a factor."""
    values, vectors = np.linalg.eigh(gram)
    points = vectors[:, -dim:] * np.sqrt(np.maximum(values[-dim:], 0))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def laid(Y: Vectors, cosines: Vectors, ideal: Figure) -> NDArray[np.int64]:
    """Give the vectors in the order of the vertices: a first one, then isometry and assignment in turn.

    Parameters
    ----------
    Y : ndarray, shape (s, m)
        Vectors as rows.
    cosines : ndarray, shape (s, s)
        Their cosines.
    ideal : Figure
        A geometry of s points.

    Returns
    -------
    ndarray of int64, shape (s,)
    """
    if ideal.matching == "any":
        return np.arange(len(Y))
    order = _begun(Y, cosines, ideal)
    return _assigned(Y, ideal.points, order)


def _begun(Y: Vectors, cosines: Vectors, ideal: Figure) -> NDArray[np.int64]:
    if ideal.matching == "plane":
        left = np.linalg.svd(Y, full_matrices=False)
        plane = left[0][:, :2] * left[1][:2]
        return np.argsort(np.arctan2(plane[:, 1], plane[:, 0]), kind="stable")
    if ideal.matching == "pairs":
        return _opposite_pairs(cosines)
    return aligned(cosines, ideal.points @ ideal.points.T)


def _opposite_pairs(cosines: Vectors) -> NDArray[np.int64]:
    """Pair vectors one after another, the most opposite first."""
    rest = np.where(np.eye(len(cosines), dtype=bool), np.inf, cosines)
    order: list[int] = []
    while len(order) < len(cosines):
        pair = np.unravel_index(int(rest.argmin()), rest.shape)
        order += [int(i) for i in pair]
        rest[list(pair)] = np.inf
        rest[:, list(pair)] = np.inf
    return np.array(order, dtype=np.int64)


def _assigned(Y: Vectors, points: Vectors, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn the geometry onto the vectors and take vertices anew, until none changes."""
    from scipy.optimize import linear_sum_assignment

    for _ in range(policy.ISOMETRY_ROUNDS):
        near = (points @ _isometry(points, Y[order])) @ Y.T
        again = linear_sum_assignment(near, maximize=True)[1]
        if np.array_equal(again, order):
            break
        order = again
    return np.asarray(order, dtype=np.int64)


def _isometry(points: Vectors, placed: Vectors) -> Vectors:
    """Give orthonormal rows Q for which points @ Q is nearest to what is placed on them, up to a factor."""
    left, _, right = np.linalg.svd(points.T @ placed, full_matrices=False)
    return np.asarray(left @ right)


def _fit(Y: Vectors, order: NDArray[np.int64], ideal: Figure) -> Fit:
    from scipy.special import fdtr, fdtrc

    (s, m), d = Y.shape, ideal.dim
    placed, points = Y[order], ideal.points
    turn = _isometry(points, placed)
    within = placed @ turn.T
    scale = float((points * within).sum()) / s
    total = float((Y**2).sum())
    inside = float(((within - scale * points) ** 2).sum())
    rest = placed - within @ turn
    outside = float((rest**2).sum())
    norms = np.linalg.norm(Y, axis=1)
    unit = bool(np.ptp(norms) <= policy.EQUAL_NORMS * norms.max())
    free = 0 if ideal.height is None else 1
    moved = movable(Y)
    inner = (moved * (d - 1) if unit else moved * d - 1) - d * (d - 1) // 2 - free
    outer = (moved - d) * (m - d)
    floor = policy.ROUNDING_RESIDUAL**2 * total
    if outside <= floor:
        p = 1.0 if inside <= floor else 0.0
    elif outer <= 0:
        p = 0.0  # nothing outside could have been noise
    elif inner <= 0:
        p = 1.0
    else:
        ratio = (inside / inner) / (outside / outer)
        too_even = float(fdtr(inner, outer, ratio))
        p = too_even if too_even < policy.TOO_EVEN_P else float(fdtrc(inner, outer, ratio))
    parameters = d * (m - d) + d * (d - 1) // 2 + 2 + free
    bic = s * m * math.log(max(inside + outside, floor) / (s * m)) + parameters * math.log(s * m)
    vertices = np.empty_like(points)
    vertices[order] = points
    share = 1 - (inside + outside) / total
    return Fit(
        ideal.name,
        ideal.kind,
        d,
        order,
        vertices,
        share,
        p,
        inside,
        outside,
        unevenness(rest),
        bic,
        ideal.height,
    )


def movable(Y: Vectors) -> int:
    """Count the vectors that noise moves by themselves: half of them where each has its exact opposite among them."""
    norms = np.linalg.norm(Y, axis=1, keepdims=True)
    unit = np.divide(Y, norms, out=np.zeros_like(Y), where=norms > 0)
    return len(Y) // 2 if ((unit @ unit.T).min(axis=1) <= policy.EXACTLY_OPPOSITE - 1).all() else len(Y)


def left_by_noise(Y: Vectors, gram: Vectors, dim: int) -> bool:
    """Say whether what a set of points leaves of some vectors, each at its own, is as much inside of it as outside.

    Parameters
    ----------
    Y : ndarray, shape (s, m)
        Vectors as rows, which span more than `dim` dimensions.
    gram : ndarray, shape (s, s)
        Inner products of the points.
    dim : int
        Their dimension.

    Returns
    -------
    bool
    """
    ideal = Figure("", _coordinates(gram, dim), "beam")
    return _fit(Y, np.arange(len(Y)), ideal).p > policy.NOISE_LEVEL


def _standing(Y: Vectors, cosines: Vectors, family: Rings, guesses: list[float]) -> list[Fit]:
    """Lay a prism or antiprism over vectors, at the height that explains most of them."""
    found = []
    for guess in guesses:
        order = aligned(cosines, family.at(guess).gram)
        for _ in range(2):
            ideal = _ring(family, _best_height(Y[order], family))
            order = _assigned(Y, ideal.points, order)
        found.append(_fit(Y, order, _ring(family, _best_height(Y[order], family))))
    return [max(found, key=lambda one: one.share)]


def _ring(family: Rings, z2: float) -> Figure:
    ring = np.sqrt(1 - z2) * _coordinates(family.flat, 2)
    return Figure(family.name, np.column_stack([ring, np.sqrt(z2) * family.upright[0]]), "beam", z2)


def _best_height(placed: Vectors, family: Rings) -> float:
    """Give the squared height at which the best isometry explains most."""
    from scipy.optimize import minimize_scalar

    moments = np.column_stack([_coordinates(family.flat, 2), family.upright[0]]).T @ placed
    square = moments @ moments.T

    def unexplained(z2: float) -> float:
        stretch = np.sqrt([1 - z2, 1 - z2, z2])
        values = np.linalg.eigvalsh(square * np.outer(stretch, stretch))
        return -float(np.sqrt(np.maximum(values, 0)).sum())

    return float(minimize_scalar(unexplained, bounds=policy.RING_HEIGHTS, method="bounded").x)


def unevenness(rest: Vectors) -> float:
    """Give the sum of squared shares of the principal axes, the statistic of John's test of sphericity (1971).

    Parameters
    ----------
    rest : ndarray, shape (s, m)
        Rows.

    Returns
    -------
    float
        1 / k where k axes are alike; 1 where all rows are zero.
    """
    square = rest @ rest.T if len(rest) <= rest.shape[1] else rest.T @ rest
    total = float(np.trace(square))
    return float(((square / total) ** 2).sum()) if total > 0 else 1.0
