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
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice, integer
from featuregeom.features import as_features
from featuregeom.recognise import policy
from featuregeom.recognise.isometry import (
    Figure,
    Fit,
    figures,
    fits,
    laid,
    movable,
    rank_of,
    spanned,
    unevenness,
)
from featuregeom.summary import summarised

__all__ = ["MOST_POINTS", "NoisyName", "fixed_form", "name_through_noise"]

MOST_POINTS = policy.ISOMETRY_POINTS
"""Larger sets have no name through noise."""

Vectors = NDArray[np.float64]


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
    moved : int
        Vectors that noise moved by themselves: half of them where each has its exact opposite among them.
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
    moved: int
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
        None where no geometry passes, and where this test cannot be made: the vectors span no more dimensions than the
        geometry has, and what it leaves of them is more than rounding. Where all that is left is rounding, p is 1.

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
    ('heptagon', 0.98)
    """
    choice("mode", mode, ("point",))
    integer("draws", draws, 99)
    integer("seed", seed, 0)
    Y = spanned(np.asarray(as_features(vectors).values, dtype=np.float64))
    found = fits(Y)
    if not found:
        return None
    moved = movable(Y)
    passed = [one for one in found if _passes(one, Y, moved)]
    if not passed:
        return None
    # What leaves next to nothing goes first. A free height follows the noise of a fixed geometry, and so fits better.
    rounding = 1 - policy.ROUNDING_RESIDUAL
    best = min(passed, key=lambda one: (one.share < rounding, one.height is not None, one.bic))
    if best.height is not None and any(_as_good(one, best, (moved, Y.shape[1])) for one in found):
        return None
    chance = _chance(best, len(Y), moved, _null_dimension(Y, moved, span), draws, seed)
    if chance > policy.CHANCE_SHARE_P:
        return None
    return NoisyName(
        best.name,
        best.kind,
        best.p,
        best.share,
        chance,
        best.order,
        best.dim,
        _noise(best, Y, moved),
        moved,
        best.height,
    )


def fixed_form(vectors: Vectors, dim: int, loss: float) -> str:
    """Name the geometry without a free height that explains all of some vectors but a small share.

    Parameters
    ----------
    vectors : ndarray, shape (s, m)
        3 to 64 vectors.
    dim : int
        Its dimension.
    loss : float
        Largest share of the vectors' squared norm that it may leave.

    Returns
    -------
    str
        Empty where there is none.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = [
        one for one in fits(spanned(units)) if one.height is None and one.dim == dim and one.share >= 1 - loss
    ]
    return max(near, key=lambda one: one.share).name if near else ""


def _passes(one: Fit, Y: Vectors, moved: int) -> bool:
    """Say whether noise leaves what a geometry leaves of vectors, inside of its space and outside."""
    s, m = Y.shape
    if one.p <= policy.NOISE_LEVEL or one.share < policy.LEAST_SHARE:
        return False
    # Rounding has directions of its own. p is 1 only where all that is left is rounding.
    if one.p >= 1:
        return True
    # In so few dimensions another geometry may fill what is outside.
    largest = next(level for most, level in policy.LARGEST_NOISE if s <= most)
    if m <= 2 * one.dim and _noise(one, Y, moved) > largest:
        return False
    return one.unevenness <= _largest_unevenness(*sorted((moved - one.dim, m - one.dim)))


def _noise(one: Fit, Y: Vectors, moved: int) -> float:
    """Give the length of the noise of a vector, as a share of the length of the geometry's vectors."""
    s, m = Y.shape
    freedom = max((moved - one.dim) * (m - one.dim), 1)
    return float(np.sqrt(one.outside * (moved / s) / freedom * m / (one.share * float((Y**2).sum()) / s)))


def _as_good(fixed: Fit, free: Fit, shape: tuple[int, int]) -> bool:
    """Say whether a geometry of fixed form, though refused, explains as much as one whose height was fitted.

    An octahedron is a triangular antiprism of one height, which F refuses as often as any true name: the antiprism of
    the height that its noise has is then none. The gain by the height is compared with what noise leaves outside.
    """
    from scipy.special import fdtrc

    if fixed.height is not None or fixed.dim != free.dim or fixed.share < policy.LEAST_SHARE:
        return False
    outer = (shape[0] - free.dim) * (shape[1] - free.dim)
    gain = max(fixed.inside + fixed.outside - free.inside - free.outside, 0.0)
    return float(fdtrc(1, outer, gain * outer / max(free.outside, np.finfo(float).tiny))) > policy.HEIGHT_P


@lru_cache(maxsize=512)
def _largest_unevenness(rows: int, columns: int) -> float:
    """Give the largest unevenness of 999 normal matrices: other geometries have directions outside, noise has none."""
    if rows == 1:
        return math.inf
    rng = np.random.default_rng([rows, columns])
    return max(unevenness(rng.standard_normal((rows, columns))) for _ in range(policy.SPHERICAL_DRAWS))


def _null_dimension(Y: Vectors, moved: int, span: float | None) -> int:
    """Give the dimension in which random directions are drawn."""
    rank, m = rank_of(Y), Y.shape[1]
    if rank < moved:
        return rank
    return m if span is None else int(np.clip(round(span), 1, m))


def _chance(best: Fit, s: int, moved: int, dimension: int, draws: int, seed: int) -> float:
    """Give the p-value of a share among random directions, 1 where one of them reaches it."""
    if best.share >= 1 - policy.ROUNDING_RESIDUAL:
        return 0.0
    # Most of what is refused is refused by the first draws, of which each costs as much as some bounds.
    shares = (
        _explained(best, s, moved, dimension, seed, draw) for draw in range(min(draws, policy.FITTED_DRAWS))
    )
    first = list(islice(shares, policy.FIRST_DRAWS))
    if max(first) >= best.share:
        return 1.0
    bound = _leading_shares(s, moved, dimension, draws, seed)[:, best.dim - 1]
    p = _beta_tail(bound, best.share)
    if p <= policy.CHANCE_SHARE_P and bound.max() < best.share:
        # No matching explains more than the leading components do.
        return p
    fitted = np.array([*first, *shares])
    p = _beta_tail(fitted, best.share)
    if p > policy.CHANCE_SHARE_P:
        return p
    rest = (draw for draw in range(len(fitted), draws) if bound[draw] >= best.share)
    above = fitted.max() >= best.share or any(
        _explained(best, s, moved, dimension, seed, draw) >= best.share for draw in rest
    )
    return 1.0 if above else p


def _explained(best: Fit, s: int, moved: int, dimension: int, seed: int, draw: int) -> float:
    """Give the share of one draw of random directions that the geometry of a fit explains."""
    if best.height is None:
        return _explained_by_name(best.name, s, moved, dimension, seed, draw)
    ideal = Figure(best.name, best.points[best.order], _matching(best, s), best.height)
    return _share_of(_random_directions(s, moved, dimension, seed, draw), ideal)


@lru_cache(maxsize=2**15)
def _explained_by_name(name: str, s: int, moved: int, dimension: int, seed: int, draw: int) -> float:
    """Give that share for a geometry of fixed form: every set of as many vectors is compared with the same draws."""
    ideal = next(one for one in figures(s) if one.name == name)
    return _share_of(_random_directions(s, moved, dimension, seed, draw), ideal)


def _matching(best: Fit, s: int) -> str:
    return next((one.matching for one in figures(s) if one.name == best.name), "beam")


def _share_of(each: Vectors, ideal: Figure) -> float:
    """Give the share of some directions that a geometry explains when it is laid over them."""
    order = laid(each, each @ each.T, ideal)
    values = np.linalg.svd(ideal.points.T @ each[order], compute_uv=False)
    return float(values.sum() ** 2 / len(each) ** 2)


@lru_cache(maxsize=256)
def _leading_shares(s: int, moved: int, dimension: int, draws: int, seed: int) -> Vectors:
    """Give the shares of the leading components of random directions, one more in each column, shape (draws, s)."""
    sets = (_drawn(s, moved, dimension, seed, draw) for draw in range(draws))
    squares = np.array([np.linalg.svd(each, compute_uv=False) ** 2 for each in sets]) / s
    return np.cumsum(np.pad(squares, ((0, 0), (0, s - squares.shape[1]))), axis=1)


def _random_directions(s: int, moved: int, dimension: int, seed: int, draw: int) -> Vectors:
    """Draw s random directions in their principal coordinates, shape (s, s or less)."""
    left, values, _ = np.linalg.svd(_drawn(s, moved, dimension, seed, draw), full_matrices=False)
    return np.asarray(left * values)


def _drawn(s: int, moved: int, dimension: int, seed: int, draw: int) -> Vectors:
    """Draw s random directions, shape (s, dimension), or half as many with their opposites."""
    some = np.random.default_rng([seed, s, dimension, draw]).standard_normal((moved, dimension))
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    return np.vstack([some, -some]) if moved < s else np.asarray(some)


def _beta_tail(shares: Vectors, share: float) -> float:
    """Give how often a beta variable of the same mean and variance is at least `share`."""
    from scipy.special import betainc

    mean, variance = float(shares.mean()), float(shares.var())
    if variance <= 0 or share >= 1:
        return 0.0 if share > mean + policy.ROUNDING_RESIDUAL or share >= 1 > shares.max() else 1.0
    size = mean * (1 - mean) / variance - 1
    if size <= 0:
        return 1.0
    return float(betainc((1 - mean) * size, mean * size, 1 - min(share, 1.0)))
