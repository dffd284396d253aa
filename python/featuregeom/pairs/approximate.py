r"""Significant pairs of so many features that all pairs are out of reach: candidates by sign patterns, judged exactly.

A feature's code is the signs of 512 random projections. Two features at the angle :math:`\theta` differ in the share
:math:`\theta / \pi` of the signs, give or take :math:`1 / \sqrt{4 \cdot 512}`: partners at a cosine of .5 differ in a
third, 7.5 deviations below the half of orthogonal ones. The nearest codes of each code and of its opposite are
candidates; their cosines and spreads are those of all pairs, to the bit of rounding. Before the signs are taken,
coordinates along the eigenvectors are divided by the fourth root of their eigenvalues, so that a few dominant
dimensions do not decide all signs.

What candidates miss is measured: partners at known cosines are planted beside some hundred features and looked for
in the same way, and the same features are held against all others exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.features import Features, chunks
from featuregeom.pairs.cross_fit import Coordinates, eigenspaces, shares
from featuregeom.pairs.few_dimensions import own_squares
from featuregeom.pairs.rejections import reject
from featuregeom.summary import summarised

__all__ = [
    "BITS",
    "LEAST_FEATURES",
    "Candidates",
    "Recall",
    "approximate_scores",
    "candidate_memory",
    "candidate_operations",
]

BITS = 512
"""Signs of a code. Of 150 planted partners among 100 000 normal features in 768 dimensions 256, 512 and 1024 signs
found 71, 98 and 100 % at a cosine of .4, and 98, 100 and 100 % at .5; time grows as they do."""

LEAST_FEATURES = 65_536
"""Features of a matrix from which `analyze` takes the index where it may: all pairs of fewer take minutes."""

_POWER = 0.25
"""By this power of their eigenvalues coordinates are divided. In a spectrum of 1/k (100 000 x 768) 75, 95 and 93 % of
partners at .5 were found with powers of 0, 1/4 and 1/2; equal eigenvalues are the same with each."""

_NEAREST = 8
"""Codes nearest to each code, and to its opposite, that are candidates."""

_QUERIES = 1 << 15
"""Codes that are looked for at a time: between them, what was found is put together."""

_ROWS = 1024
"""Features that are projected at a time: few enough to stop soon."""

_SAMPLE = 256
"""Features that are held against all others exactly, and beside which partners are planted."""

_COSINES = (0.3, 0.4, 0.5, 0.7, 0.9)
"""Cosines of the partners that are planted."""

_WORD = 12
"""Operations of products in the time in which 64 signs are compared: 7.5 billion words a second on a core that does 90
billion operations (AVX-512)."""

_SLACK = 1.5
"""How far z^2 may exceed what the spreads of the two features alone predict. Candidates below are not computed exactly;
what that loses is in the recall of the sample."""


Listed = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]
]
"""The two features of each pair, its cosine, its z, and the step that it counts as."""


@summarised
@dataclass(frozen=True)
class Recall:
    """How many pairs an index finds.

    Attributes
    ----------
    planted : dict of float to float
        Cosine, and the share of partners at that cosine that were found. Each is a mixture of one of `n_sample`
        features with another feature of the set, and was looked for among all features.
    n_sample : int
        Features drawn.
    n_exact : int
        Significant pairs of these with any feature, by exact search.
    n_found : int
        Those of them that the index found too.
    """

    planted: dict[float, float]
    n_sample: int
    n_exact: int
    n_found: int

    def __str__(self) -> str:
        planted = ", ".join(f"{100 * share:.0f} % at {cosine:g}" for cosine, share in self.planted.items())
        exact = (
            f"; of {self.n_exact} significant pairs that {self.n_sample} features have, {self.n_found}"
            if self.n_exact
            else f"; {self.n_sample} features held against all have no significant pair"
        )
        return f"of partners planted by cosine, the index found {planted}{exact}"


@summarised
@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs that were held against their spectral measures, among those of an index.

    Attributes
    ----------
    above, below : ndarray of int64
        As in `cross_fit.Scores`, of these pairs; the first of `above` has all others of the n (n - 1) / 2 too.
    steps : int
        Steps for each unit of z^2.
    low, high : ndarray of int64
        The features of each pair, low < high.
    cosines, scores : ndarray of float64
        Cosine and z.
    step : ndarray of int64
        The step that each counts as.
    n_sample : int
        Features that were held against all.
    sampled_steps : ndarray of int64
        The step that each pair of these counts as.
    sampled_found : ndarray of bool
        Whether the index has it.
    planted : dict of float to float
        As in `Recall`.
    """

    above: NDArray[np.int64]
    below: NDArray[np.int64]
    steps: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    cosines: NDArray[np.float64]
    scores: NDArray[np.float64]
    step: NDArray[np.int64]
    n_sample: int
    sampled_steps: NDArray[np.int64]
    sampled_found: NDArray[np.bool_]
    planted: dict[float, float]

    def listed(self, first: int) -> Listed:
        """Give low, high, cosine, z and step of the pairs from a step on."""
        kept = self.step >= first
        return self.low[kept], self.high[kept], self.cosines[kept], self.scores[kept], self.step[kept]

    def recall(self, first: int) -> Recall:
        """Say how many of the pairs from a step on were found."""
        exact = self.sampled_steps >= first
        return Recall(self.planted, self.n_sample, int(exact.sum()), int(self.sampled_found[exact].sum()))


def candidate_operations(n: int, m: int) -> int:
    """Count the operations of `approximate_scores`; comparing 64 signs counts as twelve, since it takes as long.

    Parameters
    ----------
    n, m : int
        Features and dimensions.

    Returns
    -------
    int
    """
    compared = _WORD * n * (n + _SAMPLE * len(_COSINES)) * (BITS // 64)
    return compared + 2 * n * m * (BITS + m + 2 * _SAMPLE) + 4 * n * _NEAREST * m


def candidate_memory(n: int, m: int) -> int:
    """Bytes that `approximate_scores` holds at once, beside the spectrum and the features.

    Parameters
    ----------
    n, m : int
        Features and dimensions.

    Returns
    -------
    int
        Codes, twice; the pairs and what is told of each, while they are sorted; projections and parts of features.
    """
    return 2 * n * BITS // 8 + 6 * 8 * 2 * _NEAREST * n + 8 * m * BITS + (256 << 20)


def approximate_scores(
    own: Coordinates,
    *,
    q: float,
    seed: int,
    least: float,
    sharpen: float | None,
    num_threads: int | None,
    advance: Callable[[int], None],
) -> Candidates:
    """Find candidates by their sign patterns and hold them against the eigenspaces of all features.

    Parameters
    ----------
    own : Coordinates
        The n features.
    q : float
        False discovery rate, which tells the candidates that need an exact spread.
    seed : int
        Of the projections and of the sample.
    least : float
        Least z^2 of a significant pair, whatever the others are.
    sharpen : float, optional
        z^2 from which on pairs count by their own bounds, as in `few_dimensions`; not at all without.
    num_threads : int, optional
        Threads to use.
    advance : callable
        Called with the pairs that were looked at: n (n - 1) / 2 in all.
    """
    features, n = own.features, own.features.n
    random = np.random.default_rng(seed)
    projection = _projection(own, random)
    codes = _codes(features, projection)
    pairs = _nearest_pairs(codes, num_threads, advance)
    sample = np.sort(random.choice(n, min(_SAMPLE, n // 2), replace=False))
    planted = _planted(features, sample, codes, projection, random, num_threads)
    cosines = _core.listed_cosines(
        features.values, features.values, pairs // n, pairs % n, num_threads=num_threads
    )
    spread, near, ratio, steps, middle = _exactly(own, sample, least, num_threads)
    # About z^2: spreads of the two features alone, less what chance pairs have less in common.
    both = np.sqrt(spread[pairs // n] * spread[pairs % n])
    about = _SLACK * cosines**2 / (both * (ratio + (1 - ratio) * cosines**2))
    total = n * (n - 1) // 2
    predicted = _at_least(np.minimum((about * steps).astype(np.int64), middle - 1), middle, total)
    wanted = reject(predicted, steps, q, 1.0, None).first / steps
    kept = about >= (wanted if sharpen is None else min(wanted, sharpen))
    everything = np.union1d(pairs[kept], near)
    low, high = everything // n, everything % n
    cosine = _core.listed_cosines(features.values, features.values, low, high, num_threads=num_threads)
    z, step = _scored(own, low, high, cosine, steps, middle, sharpen is not None, num_threads)
    found = np.isin(everything, pairs[kept], assume_unique=True)
    exact = np.isin(everything, near, assume_unique=True)
    above = np.bincount(step[found & (cosine > 0)], minlength=middle)
    below = np.bincount(step[found & (cosine <= 0)], minlength=middle)
    above[0] += total - int(found.sum())
    return Candidates(
        above, below, steps, low[found], high[found], cosine[found], z[found], step[found],
        len(sample), step[exact], found[exact], planted,
    )  # fmt: skip


def _projection(own: Coordinates, random: np.random.Generator) -> NDArray[np.float64]:
    """Random directions, less along dominant eigenvectors."""
    spectrum = own.spectrum
    weights = (spectrum.retained / spectrum.retained[0]) ** -_POWER
    return np.asarray((spectrum.vectors * weights) @ random.standard_normal((spectrum.rank, BITS)))


def _codes(features: Features, projection: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Signs of the projections of every feature, 64 to a word."""
    codes = np.empty((features.n, BITS // 64), np.uint64)
    for start in range(0, features.n, _ROWS):
        codes[start : start + _ROWS] = _signs(features.widened(slice(start, start + _ROWS)), projection)
    return codes


def _signs(rows: NDArray[np.float64], projection: NDArray[np.float64]) -> NDArray[np.uint64]:
    # Over the largest entry of each, for the shortest features' products would leave float64.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    packed = np.packbits(scaled @ projection > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def _nearest_pairs(
    codes: NDArray[np.uint64], num_threads: int | None, advance: Callable[[int], None]
) -> NDArray[np.int64]:
    """Pairs of every code with those nearest to it and to its opposite, as low times n plus high, each once."""
    n, looked = len(codes), 0
    found = [np.empty(0, np.int64)]
    for start in range(0, n, _QUERIES):
        asked = codes[start : start + _QUERIES]
        index = np.arange(start, start + len(asked))[:, None]
        # The nearest is most often the code itself.
        for others in _core.hamming_ends(codes, asked, BITS, min(_NEAREST + 1, n), num_threads=num_threads):
            other = others.astype(np.int64)
            pairs = np.minimum(index, other) * n + np.maximum(index, other)
            found.append(np.unique(pairs[index != other]))
        before, looked = looked, (start + len(asked)) * (n - 1) // 2
        advance(looked - before)
    return np.unique(np.concatenate(found))


def _planted(
    features: Features,
    sample: NDArray[np.int64],
    codes: NDArray[np.uint64],
    projection: NDArray[np.float64],
    random: np.random.Generator,
    num_threads: int | None,
) -> dict[float, float]:
    """Share of partners at each cosine that have their feature among the nearest codes."""
    ends = [_unit(features.widened(index)) for index in (sample, random.choice(features.n, len(sample)))]
    aside = ends[1] - np.einsum("ia,ia->i", *ends)[:, None] * ends[0]
    usable = np.linalg.norm(aside, axis=1) > 0.01
    aside, origin = _unit(aside[usable]), ends[0][usable]
    shares_found = {}
    for cosine in _COSINES:
        partners = cosine * origin + np.sqrt(1 - cosine**2) * aside
        k = min(_NEAREST, len(codes))
        _, others = _core.hamming_knn(codes, _signs(partners, projection), BITS, k, num_threads=num_threads)
        hits = (others.astype(np.int64) == sample[usable, None]).any(axis=1)
        shares_found[cosine] = float(hits.mean()) if len(hits) else float("nan")
    return shares_found


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=rows, where=norms > 0))


def _exactly(
    own: Coordinates, sample: NDArray[np.int64], least: float, num_threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.int64], float, int, int]:
    """Hold some features against all.

    Returns
    -------
    ndarray of float64, shape (n,)
        Variance of the cosine of each feature with another of its own spectral measure.
    ndarray of int64
        Pairs of the sample with a z^2 of at least `least`, as low times n plus high.
    float
        Variance of the cosines of chance pairs, over the geometric mean of those of the two features.
    int, int
        Steps of z^2 for each unit, and steps.
    """
    features, n = own.features, own.features.n
    chosen = features.take(sample)
    masses = shares(chosen, own.spectrum, own.ambient, num_threads)
    spread, near, steps, middle = np.empty(n), [np.empty(0, np.int64)], 1, 1
    for start in range(0, n, _ROWS):
        rows = features.take(np.arange(start, min(start + _ROWS, n)))
        other = shares(rows, own.spectrum, own.ambient, num_threads)
        spread[start : start + _ROWS] = np.einsum("ik,ik->i", other, other)
        swept, steps, _, found = _core.null_sweep(
            chosen.values, masses, rows.values, other,
            by_score=min(_NEAREST + 1, rows.n), by_cosine=0, least=least, num_threads=num_threads,
        )  # fmt: skip
        middle = len(swept) // 2
        place, slot = np.nonzero(found[0][0] >= 0)
        index, partner = sample[place], start + found[0][0][place, slot]
        pairs = np.minimum(index, partner) * n + np.maximum(index, partner)
        near.append(pairs[index != partner])
    crossed = masses @ masses.T
    between = np.sqrt(np.multiply.outer(np.diag(crossed), np.diag(crossed)))
    ratio = float(np.median((crossed / between)[~np.eye(len(sample), dtype=bool)]))
    return spread, np.unique(np.concatenate(near)), ratio, steps, middle


def _at_least(step: NDArray[np.int64], middle: int, total: int) -> NDArray[np.int64]:
    counts = np.bincount(step, minlength=middle)
    counts[0] += total - len(step)
    return np.asarray(counts[::-1].cumsum()[::-1])


def _scored(
    own: Coordinates,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    cosines: NDArray[np.float64],
    steps: int,
    middle: int,
    sharpen: bool,
    num_threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give z of every pair and the step that it counts as."""
    z, step = np.empty(len(low)), np.empty(len(low), np.int64)
    dims = eigenspaces(own.spectrum, own.ambient)
    for part in chunks(len(low), 4 * own.features.m):
        left, right = (
            shares(own.features.take(index[part]), own.spectrum, own.ambient, num_threads)
            for index in (low, high)
        )
        z[part] = cosines[part] / np.sqrt(np.einsum("ik,ik->i", left, right))
        squares = z[part] ** 2
        if sharpen:
            rows = np.arange(len(left))
            squares = np.maximum(squares, own_squares(np.abs(cosines[part]), (left, right), rows, rows, dims))
        step[part] = np.minimum((squares * steps).astype(np.int64), middle - 1)
    return z, step
