"""Candidates for the levels of a Gram matrix: where to cut its sorted values.

No noise level is assumed. Cuts come from the largest gaps, from the valleys of smoothed histograms and from k-means
on the line; which of them are right is for the algebra to say (`products.is_scheme`).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import aside, by_slabs
from featuregeom.recognise import policy

__all__ = ["candidates", "clear_cuts", "colour", "distinct_values", "exact_cuts"]

Values = NDArray[np.float64]


def candidates(values: Values) -> list[Values]:
    """Propose cuts between the levels of some values.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Values in [-1, 1], increasing.

    Returns
    -------
    list of ndarray
        Sets of cuts, each increasing, without repetition: those by the clearest gaps first.

    Notes
    -----
    O(N) but for k-means, which runs on at most 200 weighted bins (Wang & Song, R Journal 2011).
    """
    found = [*_by_gaps(values)]
    if len(values) >= policy.HISTOGRAM_VALUES:
        found += _by_valleys(values)
    found += _by_kmeans(values)
    seen: set[bytes] = set()
    distinct = []
    for given in found:
        # Equal values are one level: a cut between them would leave one empty.
        places = given[values[given - 1] < values[given] - policy.EQUAL_COSINES]
        key = places.tobytes()
        if key not in seen and len(places):
            seen.add(key)
            distinct.append((values[places - 1] + values[places]) / 2)
    return distinct


def clear_cuts(values: Values, ratio: float = policy.CLEAR_RATIO) -> Values | None:
    """Cut where the gaps fall into wide and narrow ones, a factor apart; None where they do not.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Increasing.
    ratio : float
        The least factor between the narrowest wide gap and the widest narrow one.

    Returns
    -------
    ndarray or None
        The cuts; empty where all values are one level.
    """
    gaps = np.diff(values)
    ordered = np.maximum(aside(np.sort, gaps)[::-1], policy.LEAST_CLEAR_GAP)
    padded = np.concatenate([[policy.EXACT_LEVEL * ratio], ordered])
    if len(padded) == 1:
        return np.zeros(0)
    steps = padded[:-1] / padded[1:]
    steps[policy.MOST_EXACT_LEVELS :] = 0
    best = int(steps.argmax())
    if steps[best] < ratio:
        return None
    places = 1 + np.flatnonzero(gaps >= padded[best] * 0.999) if best else np.zeros(0, dtype=np.int64)
    # Many narrow gaps in a row may be no level at all.
    edges = np.concatenate([[0], places, [len(values)]])
    widest = float((values[edges[1:] - 1] - values[edges[:-1]]).max())
    if widest > (padded[best] / policy.CLEAR_WIDTH if best else policy.EXACT_LEVEL):
        return None
    return np.asarray((values[places - 1] + values[places]) / 2)


def exact_cuts(values: Values) -> Values:
    """Cut between levels that are exact, however near to each other; empty where they are not.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Increasing.

    Returns
    -------
    ndarray
        The cuts.
    """
    gaps = np.diff(values)
    ordered = np.maximum(aside(np.sort, gaps)[::-1], policy.EQUAL_COSINES)
    steps = (ordered[:-1] / ordered[1:])[: policy.MOST_EXACT_LEVELS]
    if not len(steps) or steps.max() < policy.EXACT_RATIO:
        return np.zeros(0)
    narrowest = ordered[int(steps.argmax())]
    places = 1 + np.flatnonzero(gaps >= narrowest)
    edges = np.concatenate([[0], places, [len(values)]])
    widest = float((values[edges[1:] - 1] - values[edges[:-1]]).max())
    exact = widest * policy.EXACT_RATIO <= narrowest
    return (values[places - 1] + values[places]) / 2 if exact else np.zeros(0)


def distinct_values(cosines: Values) -> Values | None:
    r"""List the levels of the cosines between different features, increasing; None where they are a continuum.

    A level is a cluster of cosines that is narrower than the gaps to its neighbours.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    ndarray of float64, shape (n_levels,), or None
        Means of the clusters; empty for a single feature. None where some cluster is as wide as a gap beside it, or
        where all cosines are one cluster wider than 0.02.

    Notes
    -----
    Clusters are cut at the gaps that are wider than all others by a factor of 20 (`clear_cuts`), where that leaves two
    cosines in a cluster on average: of a few cosines two are as near to each other by chance. Else they are cut at the
    gaps above 0.02.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.polygon(5)
    >>> distinct_values(X @ X.T).round(4).tolist()
    [-0.809, 0.309]
    """
    values = aside(np.sort, cosines[np.triu_indices(len(cosines), 1)])
    if values.size == 0:
        return values
    cuts = clear_cuts(values)
    if cuts is not None and 2 * (len(cuts) + 1) <= len(values):
        places = np.searchsorted(values, cuts)
    else:
        places = np.flatnonzero(np.diff(values) > policy.LEVEL_GAP) + 1
    clusters = np.split(values, places)
    widths = np.array([cluster[-1] - cluster[0] for cluster in clusters])
    gaps = values[places] - values[places - 1] if len(places) else np.array([policy.LEVEL_GAP])
    if (widths >= np.minimum(np.append(gaps[0], gaps), np.append(gaps, gaps[-1]))[: len(widths)]).any():
        return None
    return np.array([cluster.mean() for cluster in clusters])


def colour(cosines: Values, cuts: Values) -> NDArray[np.int64]:
    """Label pairs by their level, the largest first: 0 on the diagonal, 1 for the highest level.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Symmetric.
    cuts : ndarray
        Increasing.

    Returns
    -------
    ndarray of int64, shape (n, n)
    """
    # A search takes as many steps as the number of cuts has bits.
    colours = by_slabs(
        lambda rows: np.asarray(len(cuts) + 1 - np.searchsorted(cuts, rows)),
        cosines,
        width=cosines.shape[1] * (1 + len(cuts).bit_length()),
    )
    np.fill_diagonal(colours, 0)
    return by_slabs(np.minimum, colours, colours.T)


def _by_gaps(values: Values) -> list[NDArray[np.int64]]:
    """Cut at the k widest gaps, for small k, and for any k where the next gap is much narrower."""
    gaps = np.maximum(np.diff(values), policy.LEAST_GAP)
    widest = aside(np.argsort, -gaps, kind="stable")[: policy.MOST_EXACT_LEVELS + 1]
    ratios = gaps[widest[:-1]] / gaps[widest[1:]]
    clearest = (np.argsort(-ratios)[:3] + 1).tolist()
    few = range(1, min(policy.LEVELS_BY_GAPS, len(widest)) + 1)
    return [np.sort(widest[:k]) + 1 for k in dict.fromkeys([*clearest, *few])]


@cache
def _smoothing() -> NDArray[np.float64]:
    frequencies = np.fft.rfftfreq(2 * policy.HISTOGRAM_BINS)
    widths = (
        np.geomspace(policy.NARROWEST_BAND, policy.WIDEST_BAND, policy.BANDWIDTHS) * policy.HISTOGRAM_BINS / 2
    )
    return np.asarray(np.exp(-2 * (np.pi * frequencies * widths[:, None]) ** 2))


def _by_valleys(values: Values) -> list[NDArray[np.int64]]:
    """Cut at the lowest places between the peaks of the histogram, smoothed over many bandwidths."""
    bins = np.clip(
        ((values + 1) * (policy.HISTOGRAM_BINS / 2)).astype(np.int64), 0, policy.HISTOGRAM_BINS - 1
    )
    counts = np.bincount(bins, minlength=policy.HISTOGRAM_BINS)
    spectrum = np.fft.rfft(counts, 2 * policy.HISTOGRAM_BINS)
    smooth = np.fft.irfft(spectrum * _smoothing(), 2 * policy.HISTOGRAM_BINS, axis=1)
    # Values near the ends spill over both of them, into the padding.
    padding = policy.HISTOGRAM_BINS // 2
    smooth = np.concatenate([smooth[:, -padding:], smooth[:, : policy.HISTOGRAM_BINS + padding]], axis=1)
    found = []
    for density in smooth:
        density = np.where(density > policy.EMPTY_DENSITY * density.max(), density, 0)
        peaks = 1 + np.flatnonzero((density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:]))
        if not 2 <= len(peaks) <= policy.MOST_PEAKS:
            continue
        valleys = [a + int(density[a:b].argmin()) for a, b in pairwise(peaks)]
        places = np.searchsorted(
            values, (np.array(valleys) + 0.5 - padding) * (2 / policy.HISTOGRAM_BINS) - 1
        )
        found.append(np.unique(places[(places > 0) & (places < len(values))]))
    return found


def _by_kmeans(values: Values) -> list[NDArray[np.int64]]:
    """Cut into k clusters of least variance, exactly, on weighted bins where there are many values."""
    if len(values) <= policy.KMEANS_BINS:
        starts = np.arange(len(values))
    else:
        bins = ((values - values[0]) * (policy.KMEANS_BINS / max(values[-1] - values[0], 1e-12))).astype(
            np.int64
        )
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
    ends = np.append(starts[1:], len(values))
    size = len(starts)
    zero = np.zeros(1)
    weight = np.concatenate([zero, ends]).astype(np.float64)
    moment = np.concatenate([zero, np.cumsum(values)[ends - 1]])
    square = np.concatenate([zero, np.cumsum(values**2)[ends - 1]])
    # cost[a, b]: sum of squares within bins a..b-1
    counts = np.maximum(weight[None, :] - weight[:, None], 1)
    cost = square[None, :] - square[:, None] - (moment[None, :] - moment[:, None]) ** 2 / counts
    cost[np.tril_indices(size + 1)] = np.inf
    best = cost[0]
    back: list[NDArray[np.int64]] = []
    found = []
    for _ in range(2, min(policy.KMEANS_LEVELS, size) + 1):
        total = best[:, None] + cost
        previous = total.argmin(axis=0)
        best = total[previous, np.arange(size + 1)]
        back.append(previous)
        place, cuts = size, []
        for step in reversed(back):
            place = int(step[place])
            cuts.append(int(starts[place]) if place < size else len(values))
        places = np.unique(np.array(cuts[::-1], dtype=np.int64))
        found.append(places[(places > 0) & (places < len(values))])
    return found
