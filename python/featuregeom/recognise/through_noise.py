r"""A name through noise where the vectors themselves are given: one F test, and more than chance.

Noise of the vectors also moves them out of the space of a geometry, where it can be measured by itself. With P the
geometry (s x d), Y the vectors (s x m, m > d) and c P Q its best scaled isometry, the residual is the sum of one inside
the space of Q and one outside, which isotropic noise makes independent:

.. math::  F = \frac{SS_{in} / (s d - d (d - 1) / 2 - 1)}{SS_{out} / ((s - d)(m - d))}

A name needs that this F is no larger than noise makes it in 99 % of cases; that what lies outside has no direction of
its own (every tight frame is a projection of an orthonormal basis, so the inside alone does not tell a polygon from
half a polytope); and that the geometry explains more of the vectors than it explains of random ones, each laid over
as well as it can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.features import as_features
from featuregeom.recognise.names.alignment import aligned
from featuregeom.recognise.names.catalogue import catalogue
from featuregeom.recognise.names.rings import Rings, heights, rings
from featuregeom.shapes.names import cross_polytope_name, polygon_name, simplex_name
from featuregeom.summary import summarised

__all__ = ["Fit", "NoisyName", "fits", "name_through_noise"]

Vectors = NDArray[np.float64]

LEVEL = 0.01
"""True names are refused at this rate: the F test's level."""

CHANCE = 1e-5
"""Largest p-value, of a beta distribution with the mean and variance of the draws, at which random directions would be
explained as well. A dictionary has up to some thousand families, each of which is laid over with up to ten
geometries; above all of 999 draws alone would name one of a thousand random ones."""

ROUNDING = 1e-6
"""A residual of less than this share of the vectors' norm is rounding, and says nothing about noise."""

EQUAL_NORMS = 1e-5
"""Norms that differ by less than this share were made equal: noise has no part along such vectors."""

MOST_POINTS = 64
"""Larger sets are not laid over: the beam search costs the cube of the points."""

ROUNDS = 8
"""Rounds of isometry and assignment after the beam search. They end when the assignment stays; 3 were the most seen."""

SPHERICAL_DRAWS = 999
"""Normal matrices whose axes those of what lies outside are compared with: that refuses one true name in a thousand."""

LEAST_SHARE = 0.5
"""A geometry explains at least this share of the vectors. Choice: one that explains less names the smaller part."""

FITTED_DRAWS = 199
"""Random sets that a geometry is laid over to fit the beta distribution, where their leading components do not do."""

HEIGHTS = (0.02, 0.98)
"""Squared heights of prisms and antiprisms that are looked for. Choice: flatter ones are polygons, steeper ones two
points."""


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
        p-value of the F test; 1 where both residuals are rounding.
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


@summarised
@dataclass(frozen=True, eq=False)
class NoisyName:
    """A name that vectors have through noise.

    Attributes
    ----------
    name : str
        Name of the geometry.
    kind : {"geometry", "simplex"}
        A simplex is equal angles and nothing else.
    p : float
        How often noise alone leaves as much inside the geometry's space, beside what it leaves outside. Above .01: it
        is the rate at which true names are refused, not evidence for this one.
    share : float
        Share of the vectors' squared norm that the geometry explains (R squared).
    chance : float
        p-value of that share among random directions, each laid over by this geometry as well as it can be.
    order : ndarray of int64, shape (s,)
        The vectors in the order of its vertices.
    dim : int
        Its dimension.
    noise : float
        Root mean square length of the noise of a vector, as a share of the length of the geometry's vectors.
    height : float or None
        Squared height of a prism or antiprism.
    """

    name: str
    kind: str
    p: float
    share: float
    chance: float
    order: NDArray[np.int64]
    dim: int
    noise: float
    height: float | None = None


def name_through_noise(
    vectors: Any,
    *,
    mode: str = "point",
    seed: int = 0,
    draws: int = 999,
    span: float | None = None,
) -> NoisyName | None:
    """Name the geometry of some vectors that isotropic noise has moved, if there is one.

    Parameters
    ----------
    vectors : array-like, shape (s, m)
        3 to 64 vectors as rows, with more dimensions than the geometry.
    mode : {"point"}
        What the vectors are: points of a geometry around the origin.
    seed, draws : int
        Sets of random directions that the geometry must explain less of: all of them.
    span : float, optional
        Dimension of the space in which random directions are drawn: that of the dictionary which the vectors are from
        (one over the mean squared cosine of its pairs), where it fills fewer than m. By default m, or the rank of the
        vectors where they are dependent.

    Returns
    -------
    NoisyName or None
        None where no geometry passes, and where this test cannot be made: m is no larger than the dimension of the
        geometry. Where both residuals are rounding, p is 1.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        If the vectors are no matrix of finite numbers, or an argument is out of range.

    Notes
    -----
    Rivals of as many points compete by BIC. Random sets that could be explained as well are told first by the share of
    their leading principal components, which no matching exceeds; only those are laid over. Lines, geometries with
    points at the origin and orthogonal sums are not looked for.

    References
    ----------
    The isometry is the orthogonal Procrustes problem (Schoenemann 1966); the test is featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> rng = np.random.default_rng(0)
    >>> flat = np.pad(fg.shapes.polygon(7), ((0, 0), (0, 30)))
    >>> found = name_through_noise(flat + 0.03 * rng.standard_normal((7, 32)))
    >>> found.name, round(found.share, 2)
    ('7-gon', 0.98)
    """
    if mode != "point":
        raise ParameterError(f'mode must be "point", got {mode!r}')
    integer("draws", draws, 99)
    integer("seed", seed, 0)
    Y = np.asarray(as_features(vectors).values, dtype=np.float64)
    passed = [
        one for one in fits(Y) if one.p > LEVEL and one.share >= LEAST_SHARE and _isotropic(one, Y.shape)
    ]
    if not passed:
        return None
    # A free height follows the noise of a fixed geometry, and so fits better.
    best = min(passed, key=lambda one: (one.height is not None, one.bic))
    s, m = Y.shape
    chance = _chance(best, s, _null_dimension(Y, span), draws, seed)
    if chance > CHANCE:
        return None
    freedom = (s - best.dim) * (m - best.dim)
    noise = np.sqrt(best.outside / freedom * m / (best.share * float((Y**2).sum()) / s))
    return NoisyName(
        best.name, best.kind, best.p, best.share, chance, best.order, best.dim, float(noise), best.height
    )


def fits(Y: Vectors) -> list[Fit]:
    """Lay every geometry of as many points over some vectors that can be tested there.

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
    if not 3 <= s <= MOST_POINTS or not norms.min() > 0:
        return []
    cosines = np.clip(Y @ Y.T / np.outer(norms, norms), -1, 1)
    found = [_fit(Y, _laid(Y, cosines, one), one) for one in _ideals(s) if one.dim < min(Y.shape[1], s)]
    if Y.shape[1] > 3:
        guesses = heights(cosines)
        found += [fit for family in rings(s) for fit in _standing(Y, cosines, family, guesses)]
    return found


@dataclass(frozen=True, eq=False)
class _Ideal:
    """A geometry by its vertices, shape (s, d), and how it is laid over vectors."""

    name: str
    points: Vectors
    matching: str = "beam"
    height: float | None = None

    @property
    def dim(self) -> int:
        return int(self.points.shape[1])

    @property
    def kind(self) -> str:
        return "simplex" if self.matching == "any" else "geometry"


@lru_cache(maxsize=64)
def _ideals(s: int) -> tuple[_Ideal, ...]:
    found = [_Ideal(simplex_name(s), _coordinates(np.eye(s) - 1 / s, s - 1), "any")]
    if s % 2 == 0 and s >= 4:
        found.append(
            _Ideal(cross_polytope_name(s), np.repeat(np.eye(s // 2), 2, axis=0) * _signs(s), "pairs")
        )
    if s >= 5:
        turn = 2 * np.pi * np.arange(s) / s
        found.append(_Ideal(polygon_name(s), np.column_stack([np.cos(turn), np.sin(turn)]), "plane"))
    found += [_Ideal(one.name, _coordinates(one.gram, one.dim)) for one in catalogue(s)]
    return tuple(found)


def _signs(s: int) -> Vectors:
    return np.where(np.arange(s) % 2, -1.0, 1.0)[:, None]


def _coordinates(gram: Vectors, dim: int) -> Vectors:
    """Give vectors of unit length with these inner products, up to a factor."""
    values, vectors = np.linalg.eigh(gram)
    points = vectors[:, -dim:] * np.sqrt(np.maximum(values[-dim:], 0))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _laid(Y: Vectors, cosines: Vectors, ideal: _Ideal) -> NDArray[np.int64]:
    """Give the vectors in the order of the vertices: a first one, then isometry and assignment in turn."""
    if ideal.matching == "any":
        return np.arange(len(Y))
    order = _begun(Y, cosines, ideal)
    return _assigned(Y, ideal.points, order)


def _begun(Y: Vectors, cosines: Vectors, ideal: _Ideal) -> NDArray[np.int64]:
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

    for _ in range(ROUNDS):
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


def _fit(Y: Vectors, order: NDArray[np.int64], ideal: _Ideal) -> Fit:
    from scipy.special import fdtrc

    (s, m), d = Y.shape, ideal.dim
    placed, points = Y[order], ideal.points
    turn = _isometry(points, placed)
    within = placed @ turn.T
    scale = float((points * within).sum()) / s
    total = float((Y**2).sum())
    inside = float(((within - scale * points) ** 2).sum())
    rest = placed - within @ turn
    outside = float((rest**2).sum())
    unevenness = _unevenness(rest)
    norms = np.linalg.norm(Y, axis=1)
    unit = bool(np.ptp(norms) <= EQUAL_NORMS * norms.max())
    free = 0 if ideal.height is None else 1
    inner = (s * (d - 1) if unit else s * d - 1) - d * (d - 1) // 2 - free
    outer = (s - d) * (m - d)
    floor = ROUNDING**2 * total
    if outside <= floor:
        p = 1.0 if inside <= floor else 0.0
    else:
        p = float(fdtrc(inner, outer, (inside / inner) / (outside / outer))) if inner > 0 else 1.0
    parameters = d * (m - d) + d * (d - 1) // 2 + 2 + free
    bic = s * m * math.log(max(inside + outside, floor) / (s * m)) + parameters * math.log(s * m)
    vertices = np.empty_like(points)
    vertices[order] = points
    share = 1 - (inside + outside) / total
    return Fit(
        ideal.name, ideal.kind, d, order, vertices, share, p, inside, outside, unevenness, bic, ideal.height
    )


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


def _ring(family: Rings, z2: float) -> _Ideal:
    ring = np.sqrt(1 - z2) * _coordinates(family.flat, 2)
    return _Ideal(family.name, np.column_stack([ring, np.sqrt(z2) * family.upright[0]]), "beam", z2)


def _best_height(placed: Vectors, family: Rings) -> float:
    """Give the squared height at which the best isometry explains most."""
    from scipy.optimize import minimize_scalar

    moments = np.column_stack([_coordinates(family.flat, 2), family.upright[0]]).T @ placed
    square = moments @ moments.T

    def unexplained(z2: float) -> float:
        stretch = np.sqrt([1 - z2, 1 - z2, z2])
        values = np.linalg.eigvalsh(square * np.outer(stretch, stretch))
        return -float(np.sqrt(np.maximum(values, 0)).sum())

    return float(minimize_scalar(unexplained, bounds=HEIGHTS, method="bounded").x)


def _isotropic(one: Fit, shape: tuple[int, int]) -> bool:
    """Say whether what lies outside has no direction of its own: noise has none, other geometries have."""
    s, m = shape
    if one.outside <= ROUNDING**2 * (one.outside + one.inside) / max(1 - one.share, ROUNDING**2):
        return True
    return one.unevenness <= _largest_unevenness(*sorted((s - one.dim, m - one.dim)))


def _unevenness(rest: Vectors) -> float:
    """Give the sum of squared shares of the principal axes, John's statistic of sphericity (1971)."""
    square = rest @ rest.T if len(rest) <= rest.shape[1] else rest.T @ rest
    total = float(np.trace(square))
    return float((square**2).sum()) / total**2 if total > 0 else 1.0


@lru_cache(maxsize=512)
def _largest_unevenness(rows: int, columns: int) -> float:
    """Give the largest value in 999 normal matrices."""
    if rows == 1:
        return math.inf
    rng = np.random.default_rng([rows, columns])
    return max(_unevenness(rng.standard_normal((rows, columns))) for _ in range(SPHERICAL_DRAWS))


def _null_dimension(Y: Vectors, span: float | None) -> int:
    """Give the dimension in which random directions are drawn."""
    s, m = Y.shape
    values = np.linalg.svd(Y, compute_uv=False)
    rank = int((values > ROUNDING * values[0]).sum())
    if rank < s:
        return rank
    return m if span is None else int(np.clip(round(span), 1, m))


def _chance(best: Fit, s: int, dimension: int, draws: int, seed: int) -> float:
    """Give the p-value of a share among random directions, at least 1 / (draws + 1) where one of them reaches it."""
    if best.share >= 1 - ROUNDING:
        return 0.0
    drawn, leading = _random_directions(s, dimension, draws, seed)
    bound = leading[:, best.dim - 1]
    p = _beta_tail(bound, best.share)
    if p <= CHANCE and bound.max() < best.share:
        # No matching explains more than the leading components do.
        return p
    ideal = _Ideal(best.name, best.points[best.order], _matching(best, s), best.height)
    if any(_share_of(each, ideal) >= best.share for each in drawn[bound >= best.share]):
        return max(p, 1 / (draws + 1))
    fitted = min(draws, FITTED_DRAWS)
    if best.height is None:
        return _beta_tail(_fitted_shares(best.name, s, dimension, draws, seed, fitted), best.share)
    return _beta_tail(np.array([_share_of(each, ideal) for each in drawn[:fitted]]), best.share)


@lru_cache(maxsize=256)
def _fitted_shares(name: str, s: int, dimension: int, draws: int, seed: int, fitted: int) -> Vectors:
    """Give the shares of random directions that a geometry explains."""
    ideal = next(one for one in _ideals(s) if one.name == name)
    return np.array(
        [_share_of(each, ideal) for each in _random_directions(s, dimension, draws, seed)[0][:fitted]]
    )


def _matching(best: Fit, s: int) -> str:
    return next((one.matching for one in _ideals(s) if one.name == best.name), "beam")


def _share_of(each: Vectors, ideal: _Ideal) -> float:
    """Give the share of some directions that a geometry explains when it is laid over them."""
    order = _laid(each, each @ each.T, ideal)
    values = np.linalg.svd(ideal.points.T @ each[order], compute_uv=False)
    return float(values.sum() ** 2 / len(each) ** 2)


@lru_cache(maxsize=32)
def _random_directions(s: int, dimension: int, draws: int, seed: int) -> tuple[Vectors, Vectors]:
    """Draw sets of s random directions, shape (draws, s, s or less), and the shares of their leading components."""
    rng = np.random.default_rng([seed, s, dimension, draws])
    sets = np.empty((draws, s, min(s, dimension)))
    leading = np.empty((draws, s))
    for draw in range(draws):
        some = rng.standard_normal((s, dimension))
        some /= np.linalg.norm(some, axis=1, keepdims=True)
        left, values, _ = np.linalg.svd(some, full_matrices=False)
        sets[draw] = left * values
        leading[draw] = np.pad(np.cumsum(values**2) / s, (0, s - len(values)), mode="edge")
    return sets, leading


def _beta_tail(shares: Vectors, share: float) -> float:
    """Give how often a beta variable of the same mean and variance is at least `share`."""
    from scipy.special import betainc

    mean, variance = float(shares.mean()), float(shares.var())
    if variance <= 0 or share >= 1:
        return 0.0 if share > mean + ROUNDING or share >= 1 > shares.max() else 1.0
    size = mean * (1 - mean) / variance - 1
    if size <= 0:
        return 1.0
    return float(betainc((1 - mean) * size, mean * size, 1 - min(share, 1.0)))
