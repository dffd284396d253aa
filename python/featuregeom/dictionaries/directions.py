"""Families of one direction: copies and antipodes, and how likely chance would bring them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.summary import summarised

__all__ = [
    "AROUND",
    "NEIGHBOURS",
    "OneDirection",
    "chance_beside_neighbours",
    "chance_of_cosine",
    "chance_of_share",
    "chance_of_tree",
    "exact",
    "one_direction",
]

_SAME = 0.9
"""Least absolute cosine of copies: versions of one direction, each with noise of a third of its norm. Choice."""

_ROUNDINGS = 2.0
"""Limit on the angle of equal directions, in roundings of the input: each entry is rounded by at most half of one, so
two rows are apart by at most one. In bfloat16 that is half a degree; 64 roundings of the cosine let .75 pass for 1."""

_ARITHMETIC = 2.0**-46
"""Limit on the distance of the cosine of equal directions from 1 by float64 arithmetic: 64 roundings."""


_COUNTS = (8, 11, 16, 22, 30)
"""Numbers of next neighbours that tell in how many dimensions a feature has neighbours. Few may be all that its space
holds, beside farther ones of other spaces; of more the dimension is known better. Without 8, three of 40 block-diagonal
matrices with six features or more in each block had false copies, with it none."""

AROUND = 10
"""Next neighbours whose own neighbours are asked as well. More of them reach beyond the space of a pair: with 31, 17 of
300 matrices of overlapping spaces had false copies, with 10 nine."""

NEIGHBOURS = 32
"""Nearest of each feature that are needed for these."""

_FEWEST = 4
"""Neighbours that tell a dimension at all, to half of it."""

_ROUNDS = 6
"""Rounds in which that dimension is found, each ten times nearer: the first is within a half."""

_UNDERFLOW = 1e-290
"""Chance below which its leading term is taken: float64 ends at 1e-308."""


@summarised
@dataclass(frozen=True)
class OneDirection:
    """Features along one line.

    Attributes
    ----------
    kind : {"copies", "antipodes"}
        Copies where all cosines are positive.
    cosine : float
        Smallest absolute cosine of two of them.
    share : float
        Share of their directions' squared norm along the line.
    """

    kind: Literal["copies", "antipodes"]
    cosine: float
    share: float


def one_direction(rows: NDArray[np.float64]) -> OneDirection | None:
    """Say whether features lie along one line, up to an angle of 26 degrees between any two.

    Parameters
    ----------
    rows : ndarray of float64, shape (s, m)
        Nonzero features.

    Returns
    -------
    OneDirection or None
    """
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = unit @ unit.T
    least = float(np.abs(cosines).min())
    if least < _SAME:
        return None
    signs = np.sign(cosines[0])
    if (cosines * np.outer(signs, signs)).min() < 0:
        return None
    share = float(np.linalg.eigvalsh(cosines)[-1]) / len(rows)
    return OneDirection("copies" if cosines.min() > 0 else "antipodes", min(least, 1.0), min(share, 1.0))


def exact(line: OneDirection, epsilon: float) -> bool:
    """Say whether the features lie along one line up to the rounding of an element type."""
    return 1 - line.cosine <= (_ROUNDINGS * epsilon) ** 2 / 2 + _ARITHMETIC


def chance_of_cosine(cosine: float, n: int, dims: float) -> float:
    r"""Bound the chance that any two of n random directions have an absolute cosine this large.

    .. math:: \binom n2 P(|c| \ge \text{cosine}), \qquad c^2 \sim \mathrm{Beta}(\tfrac12, \tfrac{d-1}2)

    Parameters
    ----------
    cosine : float
        From 0 to 1.
    n : int
        Directions.
    dims : float
        Dimensions d; those that an uneven spectrum is worth, :math:`(\sum \lambda)^2 / \sum \lambda^2`.

    Returns
    -------
    float
        At most 1, which it is in one dimension.
    """
    from scipy.special import betainc

    if dims <= 1:
        return 1.0
    tail = float(betainc((dims - 1) / 2, 0.5, max(1 - cosine * cosine, 0.0)))
    return min(1.0, n * (n - 1) / 2 * tail)


def chance_beside_neighbours(
    cosine: float, others: NDArray[np.float64], around: Sequence[NDArray[np.float64]], n: int
) -> float:
    r"""Bound the chance that any of n features has its nearest at this cosine, given how near its next ones are.

    Features may lie in several spaces of few dimensions each, where chance brings them nearer than in the space of all.
    How near the next neighbours of a feature are says in how many dimensions d they lie: with u the chances
    :math:`P_d(|c| \ge c_j)` of the nearest, increasing, the :math:`\nu` values :math:`\ln(u_{\nu + 1} / u_j)` are those
    of independent exponential variables. The first of them over the sum of all is more than x with a chance of at most

    .. math:: \nu (1 - x)^{\nu - 1}

    whatever their mean, which holds for every dimension. A mean of few values is little known, though, and the first
    has to be far above them. The lists of the next neighbours tell more: with d from all L lists, where their mean is
    1, the first value is more than y with a chance of at most about

    .. math:: \nu (1 + y / M)^{-M}, \qquad M = L (\nu - 1) / 2

    as two lists share values. Yet neighbours may lie in more spaces than the feature does. So either this excludes
    chance for n features, and the feature's own list for the one; or its own list excludes it for n. Next neighbours
    may be of the same space and farther ones not, so the largest chance of several :math:`\nu` decides.

    Parameters
    ----------
    cosine : float
        Absolute cosine of the feature and its nearest, from 0 to 1.
    others : ndarray of float64
        Those of the feature and its next neighbours, decreasing.
    around : sequence of ndarray of float64
        The same of those neighbours, the nearest `AROUND`, without the feature and its nearest.
    n : int
        Features.

    Returns
    -------
    float
        At most 1; 0 where fewer than four others are given, which tell nothing.

    References
    ----------
    Fisher, Proc. R. Soc. A 125 (1929), for the first over the sum; Levina & Bickel, NIPS 2004, for dimensions from
    neighbours.
    """
    counts = [count for count in _COUNTS if count <= len(others)] or [len(others)]
    if counts[0] < _FEWEST:
        return 0.0
    alone = pooled = 0.0
    for count in counts:
        own = others[:count]
        beyond = _beyond(cosine, own, own[None])
        if beyond is not None:
            alone = max(alone, count * (1 - beyond[0] / beyond.sum()) ** (count - 1))
        lists = np.stack([own, *(each[:count] for each in around if len(each) >= count)])
        beyond = _beyond(cosine, own, lists)
        if beyond is not None:
            known = max(count - 1, len(lists) * (count - 1) / 2)
            pooled = max(pooled, count * (1 + beyond[0] / known) ** -known)
    return min(1.0, 2 * min(n * alone, max(alone, n * pooled)))


def _beyond(
    cosine: float, own: NDArray[np.float64], lists: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Give the values of a cosine and the next ones in the dimensions that lists tell; None where they tell none."""
    dims = _dimensions_of(lists)
    if dims is None:
        return None
    logs = _log_tail(np.append(cosine, own), dims)
    return np.asarray(np.maximum(logs[-1] - logs[:-1], 0.0))


def _dimensions_of(lists: NDArray[np.float64]) -> float | None:
    """Estimate in how many dimensions random directions have such largest cosines; None where all are equal."""
    dims = 1 + 2 / max(1 - float(np.median(lists[:, -1])) ** 2, _UNDERFLOW)
    for _ in range(_ROUNDS):
        logs = _log_tail(lists, dims)
        mean = float((logs[:, -1:] - logs[:, :-1]).mean())
        if mean <= 0:
            return None
        dims = 1 + (dims - 1) / mean
    return dims


def _log_tail(cosines: NDArray[np.float64], dims: float) -> NDArray[np.float64]:
    """Give the logarithm of the chance of an absolute cosine as large."""
    from scipy.special import betainc

    half = (dims - 1) / 2
    squares = np.maximum((1 - cosines) * (1 + cosines), np.finfo(np.float64).eps)
    tails = betainc(half, 0.5, squares)
    return np.where(tails > _UNDERFLOW, np.log(np.maximum(tails, _UNDERFLOW)), half * np.log(squares))


def chance_of_tree(cosine: float, size: int, n: int, dims: float) -> float:
    r"""Bound the chance that random directions hang together by absolute cosines this large.

    The expected number of trees that join s of the n directions by s - 1 links; along a tree
    the cosines of random directions are independent:

    .. math:: \frac{n^s s^{s-2}}{s!} \, P(|c| \ge \text{cosine})^{s-1}

    Parameters
    ----------
    cosine : float
        The weakest link, from 0 to 1.
    size : int
        Directions s that hang together, at least 2.
    n : int
        Directions in all.
    dims : float
        As in `chance_of_cosine`.

    Returns
    -------
    float
        At most 1.

    References
    ----------
    Cayley's formula for the number of trees.
    """
    pair = chance_of_cosine(cosine, 2, dims)
    if pair <= 0:
        return 0.0
    trees = size * math.log(n) + (size - 2) * math.log(size) - math.lgamma(size + 1)
    return math.exp(min(trees + (size - 1) * math.log(pair), 0.0))


def chance_of_share(share: float, size: int, dim: int, dims: float) -> float:
    r"""Bound the chance that a space of few dimensions holds this share of some random directions.

    The cosines G of s random directions in D dimensions have the density :math:`\det(G)^{(D - s - 1)/2} / Z(D)`. Where
    a space of d dimensions holds the share t of them, det G is at most
    :math:`M = (ts/d)^d ((1 - t)s/(s - d))^{s - d}`. A part of the power of det G is replaced by M, and the rest is
    integrated:

    .. math:: P \le \min_{s - 1 < D' \le D} M^{(D - D')/2} Z(D') / Z(D), \qquad
              Z(D) = \Gamma_s(D/2) / \Gamma(D/2)^s

    More than D directions have no such density; of those, some D have a share as large as all have in the mean, and
    the bound is that of D times the number of ways to choose them.

    Parameters
    ----------
    share : float
        t, from 0 to 1.
    size, dim : int
        s and d.
    dims : float
        D, as in `chance_of_cosine`.

    Returns
    -------
    float
        At most 1, which it also is where nothing can be told: as few directions as the space has dimensions fill it.

    References
    ----------
    The density is that of correlations of independent normal samples (Muirhead, Aspects of Multivariate Statistical
    Theory, 1982, theorem 5.1.3).
    """
    from scipy.special import gammaln, multigammaln

    chosen = min(size, math.floor(dims))
    if share * chosen <= dim:
        return 1.0
    choices = math.log(math.comb(size, chosen))
    size = chosen
    rest = max((1 - share) / (size - dim), np.finfo(np.float64).tiny)
    largest = dim * math.log(share * size / dim) + (size - dim) * math.log(rest * size)

    def integral(dimensions: float) -> float:
        half = dimensions / 2
        return float(multigammaln(half, size)) - size * float(gammaln(half))

    # Any D' gives a bound; the best of these is near the best of all.
    tried = size - 1 + np.geomspace(0.01, dims - size + 1, 200)
    whole = integral(dims)
    least = min((dims - one) / 2 * largest + integral(one) - whole for one in tried.tolist())
    return math.exp(min(least + choices, 0.0))
