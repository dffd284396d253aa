"""Whether sets of rows lie on circles or lines, tested against random sets of the same spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.dictionaries.one_to_one import unit
from featuregeom.dictionaries.untangling import untangled
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import as_features, real_numbers
from featuregeom.frames import Progress
from featuregeom.summary import summarised

__all__ = [
    "LARGEST_SET",
    "SMALLEST_SET",
    "CircleTest",
    "Shape",
    "best_order",
    "circle_tests",
    "neighbour_link",
    "shape",
]

SMALLEST_SET, LARGEST_SET = 5, 256
"""Rows of a set that is tested. Four rows have three cyclic orders, so any is good; the search costs s^3."""

_HITS = 20
"""Random sets as good as the rows at which a test ends: its p-value is then known to a fifth of itself (one sigma)."""

_ROUNDING = 1e-7
"""Principal axes shorter than this share of the longest are left out: rounding of float32 input."""

_STRICT_DRAWS = 999
"""Random sets with the row norms kept, at most: each costs 30 small eigendecompositions."""

_BALL_BELOW = 0.2
"""Random sets like balls are drawn where the other p-value is at most this. Choice: above it nothing is ever called."""

_BALL_DRAWS = 1_999
"""Random sets like balls, at most: each costs ten orthonormalisations. Their p-value is at least 1/2000."""

_NO_LINK = -2.0
"""A cosine that every pair exceeds."""


@summarised
@dataclass(frozen=True, eq=False)
class CircleTest:
    """Whether one set of rows lies on a circle.

    Attributes
    ----------
    circle_p : float
        How often a random set of the same spectrum that passes the guard is at least as good a circle: the larger of
        the p-values of rows of unit length and of rows as they are. 1 where the set does not pass the guard itself.
    order : ndarray of int64, shape (s,)
        The rows along the circle, from row 0 on; its direction is arbitrary.
    share : float
        Share of the variance of the inner products that the distance along the circle explains (eta squared), of
        centred rows of unit length.
    passes_guard : bool
        Whether a circle describes the rows better than a line and than a partition.
    strict_p : float
        The same p-value where the random sets also keep the length of each centred row; NaN where it was not asked for.
    line_p : float
        The p-value of a line, without guard; NaN where it was not asked for.
    line_order : ndarray of int64, shape (s,)
        The rows along the best line.
    fit, line_fit : float
        Correlation of the centred inner products of unit rows with those along the circle, and along the line.
    """

    circle_p: float
    order: NDArray[np.int64]
    share: float
    passes_guard: bool
    strict_p: float
    line_p: float
    line_order: NDArray[np.int64]
    fit: float
    line_fit: float


def circle_tests(
    sets: Sequence[NDArray[np.floating[Any]]],
    links: Sequence[float] | None = None,
    *,
    seed: int = 0,
    n_draws: int = 9_999,
    guard: bool = True,
    line: bool = False,
    strict: bool = True,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> list[CircleTest]:
    r"""Test many sets of rows for circles.

    With C the centred rows and G = C C^T, a cyclic order is as good as the correlation, over pairs, of :math:`G_{ij}`
    with :math:`\exp(-\mathrm{steps}_{ij} / 2)`, steps counted along the cycle. The best order is searched by swapping
    two rows, from the angles in the plane of the two longest principal axes. Random sets are :math:`B Q S`: B an
    orthonormal basis of the centred space, Q random orthonormal columns, S the principal axes. They keep the spectrum
    and lose every order; the same search, guard and conditions are repeated in each.

    Parameters
    ----------
    sets : sequence of ndarray, shape (s, m) each
        Rows of each set, 5 to 256 of them.
    links : sequence of float, optional
        For each set a cosine: only random sets count in which every row has a neighbour at least so near, as in a set
        that a linkage found (`neighbour_link` gives that of the set itself). NaN for no condition.
    seed, n_draws : int
        Random sets that pass guard and condition: at most `n_draws`; a test ends at the twentieth that is as good.
    guard : bool
        Whether a circle has to be better than the best line and the best partition.
    line, strict : bool
        Whether to compute `line_p` and `strict_p`.
    num_threads : int, optional
        Threads to use; the result does not depend on it.
    progress : callable, optional
        Called with the random sets done and all.

    Returns
    -------
    list of CircleTest

    Raises
    ------
    ShapeError
        If a set is no matrix of 5 to 256 rows.
    NonFiniteError
        If it holds NaN or infinity.

    Notes
    -----
    Costs s^3 operations per swap and random set: a thousand sets of 5 to 40 rows take seconds, because most end at
    their twentieth hit. The p-value of a test that ends early is hits / draws, else (hits + 1) / (draws + 1); both are
    exact (Besag & Clifford 1991). Gaussian clouds of any covariance are such random sets themselves.

    References
    ----------
    Besag & Clifford, Sequential Monte Carlo p-values (Biometrika 1991); the statistic is featuregeom's own.
    """
    integer("n_draws", n_draws, 1)
    integer("seed", seed, 0, 2**64 - 1)
    if links is not None and len(links) != len(sets):
        raise ParameterError(f"one link per set is needed: {len(sets)} sets, {len(links)} links")
    asked = [_NO_LINK if links is None or np.isnan(links[i]) else float(links[i]) for i in range(len(sets))]
    given = []
    for rows, link in zip(sets, asked, strict=True):
        values = _checked(rows)
        for each in (unit(values), values):
            given.append((*_principal(each), link))
    tested = _core.order_tests(
        given,
        variants=2,
        draws=n_draws,
        hits=_HITS,
        ball_below=_BALL_BELOW if guard else -1.0,
        ball_draws=min(n_draws, _BALL_DRAWS),
        strict_draws=min(n_draws, _STRICT_DRAWS) if strict else 0,
        guard=guard,
        line=line,
        seed=seed,
        num_threads=num_threads,
        progress=progress,
    )
    return [_judged(tested[at], tested[at + 1], given[at][0]) for at in range(0, len(tested), 2)]


def neighbour_link(rows: NDArray[np.floating[Any]]) -> float:
    """Give the cosine within which every row has a neighbour: the least, over rows, of the largest cosine to another.

    Parameters
    ----------
    rows : ndarray, shape (s, m)

    Returns
    -------
    float
    """
    directions = unit(_checked(rows))
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    return float(cosines.max(axis=1).min())


@summarised
@dataclass(frozen=True, eq=False)
class Shape:
    """What the order of a given set of rows is.

    Attributes
    ----------
    circle_p, line_p : float
        How often a random set of the same spectrum is at least as good a circle, and as good a line.
    order : ndarray of int64, shape (s,)
        The rows along the better of the two.
    share : float
        Share of the variance of the centred inner products that the steps along it explain (eta squared).
    strict_p : float
        `circle_p` where random sets keep the length of each centred row as well.
    kind : {"circle", "line", ""}
        The one with the smaller p-value where that is at most .01, else empty.
    """

    circle_p: float
    line_p: float
    order: NDArray[np.int64]
    share: float
    strict_p: float
    kind: str

    def __str__(self) -> str:
        n = len(self.order)
        tested = f"circle p = {self.circle_p:.2g} (row norms kept: {self.strict_p:.2g}), line p = {self.line_p:.2g}"
        if not self.kind:
            return f"{n} rows: neither a circle nor a line is shown; {tested}."
        return (
            f"{n} rows lie on a {self.kind} more than random rows of their spectrum do; {tested}. The steps along it "
            f"explain {self.share:.0%} of the variance of their centred inner products."
        )


_SHOWN = 0.01
"""Largest p-value at which `shape` says circle or line. Choice: the usual level of a single test."""


def shape(
    A: Any,
    *,
    seed: int = 0,
    n_draws: int = 39_999,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Shape:
    """Test whether a set of rows that you chose lies on a circle or a line.

    Parameters
    ----------
    A : array-like, shape (s, m)
        The rows, 5 to 256 of them.
    seed, n_draws : int
        Random sets of the same spectrum, at most; see `circle_tests`.
    num_threads : int, optional
        Threads to use; the result does not depend on it.
    progress : callable, optional
        Called with the random sets done and all.

    Returns
    -------
    Shape
        With p-values of rows of unit length or of rows as they are, whichever is larger.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `A` is no matrix of 5 to 256 rows of finite numbers.

    Notes
    -----
    The p-values hold for a set that was chosen without looking at these vectors. They say that there is an order, not
    that there is nothing else: look at the share. A set of one dimension is a good circle too, and a good line.

    References
    ----------
    featuregeom's own; see `circle_tests`.

    Examples
    --------
    >>> import featuregeom as fg
    >>> turned = fg.shapes.polygon(9)[[0, 5, 2, 7, 1, 8, 3, 6, 4]]
    >>> found = fg.dictionaries.shape(turned, n_draws=999)
    >>> found.kind, found.order.tolist()
    ('circle', [0, 4, 2, 6, 8, 1, 7, 3, 5])
    """
    features = as_features(A)
    rows = _checked(features.widened(np.arange(features.n)))
    [found] = circle_tests(
        [rows],
        seed=seed,
        n_draws=n_draws,
        guard=False,
        line=True,
        num_threads=num_threads,
        progress=progress,
    )
    # Both p-values may be the smallest that the draws allow.
    circle = (found.circle_p, -found.fit) <= (found.line_p, -found.line_fit)
    p = min(found.circle_p, found.line_p)
    order, share = best_order(rows, found.order if circle else found.line_order, closed=circle)
    return Shape(
        found.circle_p,
        found.line_p,
        order,
        share,
        found.strict_p,
        ("circle" if circle else "line") if p <= _SHOWN else "",
    )


def best_order(
    rows: NDArray[np.float64], order: NDArray[np.int64], *, closed: bool
) -> tuple[NDArray[np.int64], float]:
    """Turn stretches of an order of rows round where that is better, and give the share that it explains.

    Parameters
    ----------
    rows : ndarray, shape (s, m)
    order : ndarray of int64, shape (s,)
        Along a circle or line, from a `CircleTest`.
    closed : bool
        Whether it is a circle.

    Returns
    -------
    tuple of ndarray and float
        See `untangling.untangled`; the share as in `CircleTest`.
    """
    coordinates = _unit_principal(rows)
    found = untangled(coordinates, order, closed=closed)
    return _from_first(found) if closed else found, _share(coordinates, found, closed=closed)


def _checked(rows: Any) -> NDArray[np.float64]:
    values = real_numbers(rows, "the set")
    if values.ndim != 2 or not SMALLEST_SET <= len(values) <= LARGEST_SET or not values.shape[1]:
        raise ShapeError(
            f"a set must be a matrix of {SMALLEST_SET} to {LARGEST_SET} rows, got shape {values.shape}"
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(at) for at in bad[0])
        raise NonFiniteError(f"row {row}, column {column} is {values[row, column]}", row, column)
    # Neither tiny nor huge rows then leave the range of float64; only their shape counts.
    largest = np.abs(values).max()
    return values / largest if largest > 0 else values


def _principal(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Give principal coordinates of centred rows, the mean along the axes, and the squared length of its rest."""
    mean = rows.mean(axis=0)
    left, lengths, axes = np.linalg.svd(rows - mean, full_matrices=False)
    scale = max(float(lengths[0]), np.finfo(float).eps * float(np.abs(rows).max()))
    kept = lengths > _ROUNDING * scale if scale > 0 else np.zeros(len(lengths), dtype=bool)
    kept[len(rows) - 1 :] = False
    along = axes[kept] @ mean
    rest = max(float(mean @ mean - along @ along), 0.0)
    return np.ascontiguousarray(left[:, kept] * lengths[kept]), along, rest


def _unit_principal(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return _principal(unit(np.asarray(rows, dtype=np.float64)))[0]


def _judged(unit: Any, raw: Any, coordinates: NDArray[np.float64]) -> CircleTest:
    (values, order, path, p), (raw_values, _, _, raw_p) = unit, raw
    cycle = _from_first(order)
    guarded = all(c > line and c > parts for c, line, parts in (values, raw_values))
    share = _share(coordinates, cycle, closed=True)
    spectrum, ball, strict_p, line_p = (float(np.max(pair)) for pair in zip(p, raw_p, strict=True))
    if not coordinates.size and not guarded:
        # Equal rows are in no order.
        strict_p = line_p = 1.0
    circle_p = spectrum if np.isnan(ball) else max(spectrum, ball)
    return CircleTest(circle_p, cycle, share, guarded, strict_p, line_p, path, *values[:2])


def _from_first(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn a cyclic order so that it begins at row 0 and goes on to the smaller of its neighbours."""
    turned = np.roll(order, -int(np.flatnonzero(order == 0)[0]))
    return turned if turned[1] <= turned[-1] else np.roll(turned[::-1], 1)


def _share(coordinates: NDArray[np.float64], order: NDArray[np.int64], *, closed: bool) -> float:
    """Give the share of the variance of inner products that the steps along an order explain."""
    s = len(order)
    placed = coordinates[order]
    first, second = np.triu_indices(s, 1)
    steps = second - first
    if closed:
        steps = np.minimum(steps, s - steps)
    values = (placed @ placed.T)[first, second]
    values = values - values.mean()
    total = float(values @ values)
    sums, counts = np.bincount(steps, weights=values), np.bincount(steps)
    return float((sums[1:] ** 2 / np.maximum(counts[1:], 1)).sum() / total) if total > 0 else 0.0
