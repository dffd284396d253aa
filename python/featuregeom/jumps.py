"""Outlying increments in many time series, at a stated significance level; and the levels that a series stays at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["held_levels", "outlying"]

Floats = NDArray[np.float64]

_ROUNDING = 1e-12
"""Least standard deviation of increments of a logarithm: below it they differ by rounding."""

_POOLED = 10
"""Least number of series whose variances are pooled: fewer do not show how much variances differ."""

_TAIL = 40
"""Least number of other increments from which the tail of the noise is estimated: with fewer, Student's t has so few
degrees of freedom that its own tail is heavier."""

_RANKS = (50, 20, 8)
"""The tail of the noise is read off its quantiles with 1 of 50, of 20 and of 8 deviations beyond them."""

_CAUTION = 1.2
"""Factor on the estimated inverse degrees of freedom of the noise. Without it, 5 % of the runs of noise with three
degrees of freedom had a jump at the level .01 (24 series of 11 increments, 200 of 5), with it 1 to 3 %."""

HELD = 2 / 3
"""A feature is at a level where this share of its mass is within a twentieth of it. To be at another it has to move a
third of its mass; a drift, which carries features that are spread over two levels to and fro, does not do that."""


def outlying(increments: Floats, level: float) -> tuple[NDArray[np.bool_], Floats]:
    """Find the increments that are not like the others of their series.

    Parameters
    ----------
    increments : ndarray of float64, shape (K, n)
        n series; NaN where there is none.
    level : float
        Probability that noise alone makes any at all: whether it is normal or has heavier tails, has one scale or one
        for each series, and changes its scale over time for all.

    Returns
    -------
    outlying : ndarray of bool, shape (K, n)
        Which are.
    sigmas : ndarray of float64, shape (K, n)
        How far each is from the mean of the others, in standard deviations of such a distance; 0 where there are fewer
        than two others.

    Notes
    -----
    O(K n) for each round, of which there are at most as many as series have outlying increments. Three tests have to
    agree, since each is deceived by another noise: of all increments together, with moderated variances (by noise with
    heavy tails, and by a few series that are much noisier); of the increments of one series by its own scatter (by
    heavy tails); of the tail of all deviations (by a single noisy series).
    """
    from scipy.special import log_ndtr, ndtri_exp

    known = np.isfinite(increments)
    values = _of_one_scale(np.where(known, increments, 0.0), known)
    found = np.zeros(values.shape, dtype=bool)
    tests = max(int(known.sum()), 1)
    while True:
        kept = known & ~found
        t, degrees = _scores(values, kept)
        # Scores of one normal distribution, and not larger in bulk than that: values that are independent noise have
        # increments that are not independent, and larger scores.
        tail = _log_tail(np.abs(t), degrees)
        z = -ndtri_exp(np.minimum(tail, np.log(0.5)))
        tested = kept & (degrees > 0)
        bulk = np.median(z[tested]) / 0.6745 if tested.any() else 1.0
        more = tested & (log_ndtr(-z / max(bulk, 1.0)) + np.log(2 * tests) <= np.log(level))
        more &= _alone_among_its_own(values, kept, level)
        if more.any():
            more &= _beyond_the_tail(values, kept, more, level / tests)
        if not more.any():
            return found, np.where(known, t, 0.0)
        found |= more


def held_levels(levels: Floats, mass: Floats) -> Floats:
    """Replace levels that features do not hold by those that they hold before and after.

    Parameters
    ----------
    levels : ndarray of float64, shape (T, n)
        Level of each feature at each checkpoint; NaN where there is none.
    mass : ndarray of float64, shape (T, n)
        Share of the feature at that level.

    Returns
    -------
    ndarray of float64, shape (T, n)
        Between two levels that are held one after the other, the change is where the given levels change most. NaN for
        features that hold none.
    """
    held = levels.copy()
    for i in range(levels.shape[1]):
        at = np.flatnonzero((mass[:, i] >= HELD) & np.isfinite(levels[:, i]))
        if not at.size:
            held[:, i] = np.nan
            continue
        known = np.isfinite(levels[:, i])
        held[: at[0], i], held[at[-1] :, i] = levels[at[0], i], levels[at[-1], i]
        for a, b in pairwise(at.tolist()):
            if b > a + 1:
                step = np.abs(np.diff(np.log(levels[a : b + 1, i])))
                change = a + 1 + int(np.argmax(np.where(np.isfinite(step), step, -1.0)))
                held[a:change, i], held[change : b + 1, i] = levels[a, i], levels[b, i]
        held[~known, i] = np.nan
    return held


def _of_one_scale(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Divide the increments of each step by their scale over all series: noise may shrink, or grow, with training.

    Fewer than ten series do not tell it, nor does a step in which most of them rest.
    """
    if (known.sum(axis=1) < _POOLED).any() or not known.size:
        return values
    centred = np.array(
        [v - (np.median(v[k]) if k.any() else 0.0) for v, k in zip(values.T, known.T, strict=True)]
    ).T
    scale = np.array([np.median(np.abs(v[k])) for v, k in zip(centred, known, strict=True)])
    if (scale <= _ROUNDING).any():
        return values
    even: Floats = values / (scale / np.exp(np.log(scale).mean()))[:, None]
    return even


def _alone_among_its_own(values: Floats, kept: NDArray[np.bool_], level: float) -> NDArray[np.bool_]:
    """Tell which increments are outlying among those of their series alone, at `level` per series."""
    t, degrees = _scores(values, kept, pooled=False)
    p = _log_tail(np.abs(t), degrees) + np.log(2 * np.maximum(kept.sum(axis=0), 1))
    return np.asarray((degrees > 0) & (p <= np.log(level)))


def _beyond_the_tail(
    values: Floats, kept: NDArray[np.bool_], wanted: NDArray[np.bool_], level: float
) -> NDArray[np.bool_]:
    """Tell which deviations from the others' means are beyond the tail of those of all other series.

    The tail is that of Student's t whose degrees of freedom, infinite ones for normal noise, explain how far the
    quantiles of the deviations are from their median.
    """
    from scipy.special import ndtri, stdtr, stdtrit

    others = np.maximum(kept.sum(axis=0) - kept, 1)
    sums = np.where(kept, values, 0.0)
    deviations = np.abs(values - (sums.sum(axis=0) - sums) / others) / np.sqrt(1 + 1 / others)
    rest = np.sort(deviations[kept & (others >= 2) & ~wanted.any(axis=0)])[::-1]
    if len(rest) < _TAIL:
        return np.full(kept.shape, int(kept.sum()) <= _TAIL)
    inverse = np.linspace(0, 1, 51)  # from normal to Cauchy
    median, heaviest = rest[len(rest) // 2], 0.0
    for rank in _RANKS:
        k = max(len(rest) // rank, 2)
        share = (k + 0.5) / len(rest) / 2
        ratios = np.append(
            ndtri(share) / ndtri(0.25), stdtrit(1 / inverse[1:], share) / stdtrit(1 / inverse[1:], 0.25)
        )
        heaviest = max(heaviest, float(np.interp(rest[k] / max(median, _ROUNDING), ratios, inverse)))
    free = 1 / max(_CAUTION * heaviest, 1e-3)
    scaled = deviations / max(median, _ROUNDING) * -stdtrit(free, 0.25)
    return np.asarray(2 * stdtr(free, -scaled) <= level)


def _scores(values: Floats, kept: NDArray[np.bool_], *, pooled: bool = True) -> tuple[Floats, Floats]:
    """Student's t of each value against the kept others of its series, and its degrees of freedom (0 for none)."""
    others = kept.sum(axis=0) - kept  # how many, for each value
    count = np.maximum(others, 1)
    # Around the series' median, so that no digits are lost.
    centred = values - np.array(
        [np.median(v[k]) if k.any() else 0.0 for v, k in zip(values.T, kept.T, strict=True)]
    )
    kept_values = np.where(kept, centred, 0.0)
    total, squares = kept_values.sum(axis=0), (kept_values**2).sum(axis=0)
    mean = (total - kept_values) / count
    left = np.maximum(squares - kept_values**2 - count * mean**2, 0.0)
    degrees = np.maximum(others - 1.0, 0.0)
    prior_degrees, prior = _prior(kept_values, kept) if pooled else (0.0, 0.0)
    enough = others >= 2
    whole = np.where(enough, degrees + prior_degrees, 1.0)
    variance = (
        np.full_like(left, prior) if np.isinf(prior_degrees) else (left + prior_degrees * prior) / whole
    )
    scale = np.sqrt(np.maximum(variance, _ROUNDING**2) * (1 + 1 / count))
    return np.where(enough, (centred - mean) / scale, 0.0), np.where(enough, degrees + prior_degrees, 0.0)


def _prior(values: Floats, kept: NDArray[np.bool_]) -> tuple[float, float]:
    """Degrees of freedom and value of the variance that all series have in common (Smyth 2004, by moments of logs)."""
    from scipy.special import digamma, polygamma

    count = kept.sum(axis=0)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(kept, values - mean, 0.0) ** 2).sum(axis=0)
    usable = (count >= 3) & (squares > _ROUNDING**2 * count)
    if usable.sum() < _POOLED:
        return 0.0, 0.0
    free = count[usable] - 1.0
    logs = np.log(squares[usable] / free) - digamma(free / 2) + np.log(free / 2)
    excess = logs.var(ddof=1) - polygamma(1, free / 2).mean()
    if excess <= 0:
        return float("inf"), float(np.exp(logs.mean()))
    half = 1.0 / excess if excess > 1e7 else _inverse_trigamma(excess)
    return 2 * half, float(np.exp(logs.mean() + digamma(half) - np.log(half)))


def _inverse_trigamma(value: float) -> float:
    """Argument at which the derivative of digamma has this value, by Newton's method on its reciprocal."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        here = float(polygamma(1, x))
        step = here * (1 - here / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x


def _log_tail(t: Floats, degrees: Floats) -> Floats:
    """Logarithm of the upper tail of Student's t; of a normal where the degrees are infinite."""
    from scipy.special import log_ndtr, stdtr

    with np.errstate(divide="ignore"):
        finite = np.log(stdtr(np.where(np.isfinite(degrees) & (degrees > 0), degrees, 1.0), -t))
    return np.asarray(np.where(np.isfinite(degrees), finite, log_ndtr(-t)))
