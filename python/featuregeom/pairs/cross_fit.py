"""Pairs of features held against eigenspaces that the pair has not made.

Two copies are an eigenvector of the frame operator that they are in, and would explain themselves. So the features are
split at random, and every pair is held against the eigenspaces of parts that neither of the two is in.

One eigendecomposition serves all pairs within the parts that it leaves out. Parts that are the points of an affine
plane are left out line by line: any two points are on exactly one line, so 20 eigendecompositions, each without a
quarter of the features, serve all pairs of 16 parts; taken two by two, eight parts need 36.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.devices import null_sweep_on, operator_on, rows_at, shares_on
from featuregeom.features import Features, as_features
from featuregeom.frames.rows import EPSILON
from featuregeom.pairs.few_dimensions import sharpened
from featuregeom.random_directions import null_dimensions
from featuregeom.spectra import Spectrum
from featuregeom.spectra.decomposition import of_operator
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = [
    "Coordinates",
    "Scores",
    "all_scores",
    "coordinates_of",
    "default_parts",
    "eigenspaces",
    "either_sign",
    "left_out",
    "shares",
    "split_seed",
]

_MANY = 64
"""Where n is at least this many times m, one pair moves no eigenspace by more than the other features do: all features
are in one part. 30 522 words in 384 dimensions: the same pairs either way."""

_SPARE = 12
"""Where n is at least this many times m, a third of the features is enough for eigenspaces: 3 parts, with 3
eigendecompositions. 20 pairs at a cosine of .8 in 768 x 96 and 1536 x 96 Gaussian features had a median z of 5.4 and
5.3 with 3 parts, 5.3 and 5.3 with 9, 4.6 and 5.0 with 1; as even with columns that decay to .1 and .02. At 8 times m,
in a trained sparse dictionary (3072 x 384), the smallest q was 3e-6 with 3 parts, and below 1e-6 with 16."""

_LARGE, _LARGEST = 1024, 2048
"""Dimensions above which there are 9 parts with 12 eigendecompositions, and 4 with 6: one takes .1 s at 1024, 1 s at
2048."""

_TIMES = ((0, 0, 0, 0), (0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2))
"""Products in the field of four elements, where sums are those of bits."""

_SHARES = 1 << 28
"""Bytes of spectral measures (float64) that are held at a time, for each of the two parts that meet."""

_DEVICE_SHARES = 1 << 31
"""The same on a device, where tiles are larger and parts wait for the processor."""

_SHORTEST = 1e-70
"""Norm below which features are scaled before their frame operator is formed: the core refuses below 1e-71, where the
powers that it needs leave float64 (tests/properties/test_scales.py)."""


@summarised
@dataclass(frozen=True)
class Coordinates:
    """Nonzero features in a basis of as few dimensions as is cheap.

    Attributes
    ----------
    features : Features
        One row for each nonzero feature, in their order.
    index : ndarray of int64
        Which features of the original they are.
    ambient : int
        Dimensions in which a random feature would lie: those of their span where it is smaller than both n and m
        (a product of two thin matrices), else m.
    spectrum : Spectrum
        Of all of them.
    epsilon : float
        Of the element type that the features were rounded to.
    """

    features: Features
    index: NDArray[np.int64]
    ambient: int
    spectrum: Spectrum
    epsilon: float


@summarised
@dataclass(frozen=True)
class Scores:
    """What a pass over all pairs gave; see `_core.null_sweep`.

    Attributes
    ----------
    above, below : ndarray of int64
        Pairs of positive and of negative cosine in each step of z^2 (1 / `steps` wide), the last one open; where bounds
        were sharpened, in that of the z^2 they count as.
    by_z : ndarray of int64
        Pairs of either sign in each step of their own z^2.
    steps : int
        Steps for each unit of z^2.
    neighbours, cosines, scores, bins : ndarray, shape (n, slots)
        Of each feature: k by z and k by -z, then by cosine and by -cosine; -1 and NaN where there is none.
    """

    above: NDArray[np.int64]
    below: NDArray[np.int64]
    by_z: NDArray[np.int64]
    steps: int
    neighbours: NDArray[np.int64]
    cosines: NDArray[np.float64]
    scores: NDArray[np.float64]
    bins: NDArray[np.int64]


def default_parts(n: int, m: int) -> int:
    """Give the number of parts: a quarter of the features left out at a time, more where that costs too much."""
    if n >= _MANY * m:
        return 1
    if n >= _SPARE * m:
        return 3
    parts = 4 if m > _LARGEST else 9 if m > _LARGE else 16
    return next((each for each in (16, 9) if each <= min(n, parts)), min(n, parts))


def left_out(n_parts: int) -> list[tuple[int, ...]]:
    """Give sets of parts to leave out together, so that any two parts are together in exactly one set.

    Parameters
    ----------
    n_parts : int
        Parts. For 4, 9 and 16 the sets are the lines of the affine plane of order q = 2, 3, 4: q (q + 1) sets of q
        parts. For other numbers they are all pairs of parts.

    Returns
    -------
    list of tuple of int

    Examples
    --------
    >>> left_out(3), len(left_out(16))
    ([(0, 1), (0, 2), (1, 2)], 20)
    """
    order = {4: 2, 9: 3, 16: 4}.get(n_parts)
    if order is None:
        return _two_by_two(n_parts)
    field = range(order)

    def height(slope: int, x: int, start: int) -> int:
        """Slope times x plus start, in the field of that order."""
        return _TIMES[slope][x] ^ start if order == 4 else (slope * x + start) % order

    upright = [tuple(x * order + y for y in field) for x in field]
    others = [tuple(x * order + height(slope, x, y) for x in field) for slope in field for y in field]
    return upright + others


def _two_by_two(n_parts: int) -> list[tuple[int, ...]]:
    return [*combinations(range(n_parts), 2)] if n_parts > 1 else [(0,)]


def split_seed(seed: int) -> int:
    """Give the seed of the split that `significant` uses for the features themselves."""
    return int(np.random.SeedSequence(seed).spawn(1)[0].generate_state(1)[0])


def coordinates_of(features: Features, spectrum: Spectrum, squares: NDArray[np.float64]) -> Coordinates:
    """Drop zero features, by their squared norms; take fewer features than dimensions along their eigenvectors."""
    index = np.flatnonzero(squares > 0)
    n, m, r = len(index), features.m, spectrum.rank
    ambient = null_dimensions(np.sqrt(squares), r, m, spectrum.null_tolerance)
    epsilon = EPSILON[features.dtype]
    if spectrum.side == "gram":
        values = (spectrum.vectors * np.sqrt(spectrum.retained))[index]
        axes = replace(spectrum, vectors=np.eye(r), side="frame", shape=(n, r))
        return Coordinates(as_features(values), index, ambient, axes, epsilon)
    kept = features if n == features.n else features.take(index)
    return Coordinates(kept, index, ambient, spectrum, epsilon)


def all_scores(
    coordinates: Coordinates,
    *,
    n_parts: int,
    seed: int,
    by_score: int,
    by_cosine: int,
    least: float,
    num_threads: int | None,
    advance: Callable[[int], None],
    sharpen: bool = False,
    device: torch.device | None = None,
) -> Scores:
    """Hold every pair against the eigenspaces of the other parts, or of all features where there is one part.

    Parameters
    ----------
    coordinates : Coordinates
        The n features.
    n_parts : int
        Parts of the split.
    seed : int
        Seed of the split.
    by_score, by_cosine, least
        Neighbours to keep by z and by cosine of either sign; least z^2 of the former.
    num_threads : int, optional
        Threads to use.
    advance : callable
        Called with the number of pairs that were done.
    sharpen : bool
        Whether pairs that are kept by z count by their own bounds, as in `few_dimensions`.
    device : torch.device, optional
        Where all that takes n^2 m or n m^2 operations is done, part by part; eigenvectors are the core's.

    Returns
    -------
    Scores
    """
    features = coordinates.features
    norms = _core.squared_norms(features.values, num_threads=num_threads)
    parts, operators = _split(coordinates, norms, n_parts, seed, num_threads, device)
    kept = _Kept(features.n, by_score, by_cosine)
    histogram: Any = 0
    by_z: Any = 0
    steps = 1
    sweep: Callable[..., Any] = null_sweep_on
    if device is None:
        sweep = partial(_core.null_sweep, num_threads=num_threads)
    alone = set(range(len(parts)))  # parts whose own pairs are still to be done
    for line in left_out(len(parts)) if operators else _two_by_two(len(parts)):
        spectrum = coordinates.spectrum
        if operators is not None:
            spectrum = _others(coordinates, norms, parts, operators, set(line), num_threads)
        held: list[tuple[NDArray[np.int64], Any, Any]] = []
        for part in line:
            table = _in_range(features.take(parts[part]), norms[parts[part]])
            held.append((parts[part], *_measured(table, spectrum, coordinates.ambient, num_threads, device)))
        tasks: list[tuple[Any, ...]] = [
            (held[line.index(part)],) for part in sorted(alone.intersection(line))
        ]
        tasks += combinations(held, 2)
        alone -= set(line)
        for task in tasks:
            arguments = [item for _, values, mass in task for item in (values, mass)]
            swept, steps, _, found = sweep(*arguments, by_score=by_score, by_cosine=by_cosine, least=least)
            counts = swept.astype(np.int64)
            by_z = by_z + either_sign(counts)
            if sharpen:
                masses = [np.asarray(mass if device is None else mass.cpu()) for mass in arguments[1::2]]
                counts = sharpened(counts, steps, found, masses, eigenspaces(spectrum, coordinates.ambient))
            histogram = histogram + counts
            indices = [index for index, _, _ in task]
            for own, other, lists in zip(indices, reversed(indices), found, strict=True):
                kept.merge(own, other, lists)
            left, right = len(indices[0]), len(indices[-1])
            advance(left * right if len(task) > 1 else left * (left - 1) // 2)
    middle = len(histogram) // 2
    return Scores(histogram[middle:], histogram[:middle][::-1], by_z, steps, *kept.tables)


def either_sign(histogram: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up both halves of a histogram of signed z^2."""
    middle = len(histogram) // 2
    return np.asarray(histogram[middle:] + histogram[:middle][::-1])


def eigenspaces(spectrum: Spectrum, ambient: int) -> NDArray[np.int64]:
    """Give the dimension of each column of `shares`."""
    null = ambient - spectrum.rank
    return np.append(np.diff(spectrum.starts), [null] if null > 0 else []).astype(np.int64)


def _split(
    coordinates: Coordinates,
    norms: NDArray[np.float64],
    n_parts: int,
    seed: int,
    num_threads: int | None,
    device: torch.device | None,
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]] | None]:
    """Give the features of each part, and the frame operator of each, or None where all are held against all."""
    features = coordinates.features
    if n_parts == 1:
        # Pieces only bound the memory for spectral measures.
        most = _SHARES if device is None else _DEVICE_SHARES
        pieces = -(-features.n * max(coordinates.spectrum.rank, 1) * 8 // most)
        return np.array_split(np.arange(features.n), pieces), None
    order = np.random.default_rng(seed).permutation(features.n)
    parts = [np.sort(part) for part in np.array_split(order, n_parts)]
    return parts, [_operator(features, part, norms, num_threads, device) for part in parts]


def _in_range(features: Features, norms: NDArray[np.float64]) -> Features:
    """Features as they are, or times a power of two where all are too short; cosines and masses stay what they are."""
    if math.sqrt(norms.max(initial=0.0)) > _SHORTEST:
        return features
    rows = features.widened(np.arange(features.n))
    longest = np.linalg.norm(rows, axis=1).max(initial=0.0)
    return as_features(rows * 2.0 ** -round(math.log2(longest))) if longest > 0 else features


def _operator(
    features: Features,
    part: NDArray[np.int64],
    norms: NDArray[np.float64],
    num_threads: int | None,
    device: torch.device | None,
) -> NDArray[np.float64]:
    """Frame operator of some features, also where all of them are far shorter than the longest feature."""
    values = features.values[part]
    if math.sqrt(norms[part].max(initial=0.0)) > _SHORTEST:
        if device is not None:
            return operator_on(rows_at(features.take(part), device))
        return _core.frame_operator(values, num_threads=num_threads)
    scale = 2.0 ** -round(math.log2(math.sqrt(norms.max())))
    scaled = features.widened(part) * scale
    if np.linalg.norm(scaled, axis=1).max(initial=0.0) < _SHORTEST:
        return np.zeros((features.m, features.m))  # below the rounding of the longest feature's own entries
    return _core.frame_operator(scaled, num_threads=num_threads) / scale**2


def _others(
    coordinates: Coordinates,
    norms: NDArray[np.float64],
    parts: list[NDArray[np.int64]],
    operators: list[NDArray[np.float64]],
    without: set[int],
    num_threads: int | None,
) -> Spectrum:
    """Spectrum of the features of all parts but these."""
    features = coordinates.features
    remain = [part for part in range(len(parts)) if part not in without]
    operator = np.zeros((features.m, features.m))
    for part in remain:  # a sum, and no difference of nearly equal operators
        operator += operators[part]
    largest = max((float(norms[parts[part]].max()) for part in remain), default=0.0)
    n = sum(len(parts[part]) for part in remain)
    return of_operator(
        operator,
        (max(n, 1), features.m),
        largest,
        coordinates.epsilon,
        side="frame",
        num_threads=num_threads,
    )


def shares(
    features: Features, spectrum: Spectrum, ambient: int, num_threads: int | None = None
) -> NDArray[np.float64]:
    """Give spectral measures over the roots of dimensions, the null space being one eigenspace among the others.

    Parameters
    ----------
    features : Features
        Some of the features.
    spectrum : Spectrum
        Whose eigenspaces.
    ambient : int
        Dimensions, as in `Coordinates`.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    ndarray of float64, shape (n, n_eigenspaces) or one more
        The variance of the cosine of two features under the measure null is the inner product of their rows; 0 for zero
        features.

    Notes
    -----
    Masses alone: `spectra.measures` gives numbers of each feature that nobody asks for here.
    """
    null = max(ambient - spectrum.rank, 0)
    return _core.shares(
        features.values, spectrum.vectors, spectrum.starts, null=null, num_threads=num_threads
    )


def _measured(
    features: Features, spectrum: Spectrum, ambient: int, num_threads: int | None, device: torch.device | None
) -> tuple[Any, Any]:
    """Give some features and their `shares`, on the device if one is given."""
    if device is None:
        return features.values, shares(features, spectrum, ambient, num_threads)
    rows = rows_at(features, device)
    null = max(ambient - spectrum.rank, 0)
    return rows, shares_on(rows, spectrum.vectors, spectrum.starts, null=null)


class _Kept:
    """The nearest of each feature over all parts that it met."""

    def __init__(self, n: int, by_score: int, by_cosine: int) -> None:
        self.lists = [(by_score, 2), (by_score, 2), (by_cosine, 1), (by_cosine, 1)]
        slots = 2 * (by_score + by_cosine)
        self.tables = (
            np.full((n, slots), -1),
            np.full((n, slots), np.nan),
            np.full((n, slots), np.nan),
            np.full((n, slots), -1),
        )

    def merge(
        self, part: NDArray[np.int64], other: NDArray[np.int64], found: tuple[NDArray[Any], ...]
    ) -> None:
        """Take in what the features of `part` have found among those of `other`."""
        neighbours = np.where(found[0] >= 0, other[found[0]], -1) if found[0].size else found[0]
        start, rows = 0, np.arange(len(part))[:, None]
        for keep, key in self.lists:
            own = slice(start, start + keep)
            start += keep
            if not keep:
                continue
            both = [
                np.concatenate([table[part, own], new[:, own]], axis=1)
                for table, new in zip(self.tables, (neighbours, *found[1:]), strict=True)
            ]
            strength = np.abs(both[key])
            strength[np.isnan(strength)] = -1.0
            best = np.lexsort((both[0], -strength), axis=1)[:, :keep]
            for table, new in zip(self.tables, both, strict=True):
                table[part, own] = new[rows, best]
