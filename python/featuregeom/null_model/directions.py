"""Saturation and localisation compared with those of random directions.

Random frames saturate too: unit vectors in uniformly random directions have a saturation of about n / (n + m - 1).
So a saturation, or a small slack, says something only by what it has beyond random features of the same number and
norms in as many dimensions: those of the features' span, see `random_directions.null_dimensions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice, integer
from featuregeom.errors import FeatureGeometryError, ParameterError, ShapeError
from featuregeom.features import DType, Features, as_features, real_numbers
from featuregeom.random_directions import null_capacity, null_dimensions, saturation_p
from featuregeom.spectra import Measures, Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.summary import summarised

__all__ = [
    "NUMBERS",
    "RandomFrameNull",
    "Saturation",
    "Score",
    "expected_saturation",
    "null_dimensions",
    "random_frame_null",
    "saturation",
    "saturation_p",
]

NUMBERS = ("saturation", "cv", "slack", "max_mass", "ipr", "entropy")
"""Names of the numbers that are compared with random frames: saturation, and the means over features of the others."""

_CONSTANT = 1e-12
"""A standard deviation at or below this, or this times the mean, is rounding: the number does not vary at random. It
needs no scale of its own, as all the numbers are shares, ratios or nats."""


_SHAPES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "saturation": lambda values: np.cbrt(1 - values),
    "slack": np.cbrt,
    "cv": np.positive,
}
"""What makes the random values of a number about normal: cube roots of the deficit and of slack, which are about
chi-squared (Wilson & Hilferty). The other numbers have no such shape: eigenvalues that are one space by chance make
outliers of a few per cent, which Student's t takes for evidence (p <= .01 in .01 to .04 of random frames)."""


class Score(NamedTuple):
    """A number of the features, compared with the same number of random frames.

    Attributes
    ----------
    value : float
        Of the features.
    null_mean, null_sd : float
        Mean and standard deviation over random frames.
    z : float
        ``(value - null_mean) / null_sd``; NaN where random frames do not vary (one dimension, one feature). It is no
        normal score: mean and deviation come from a few frames. `p` says what it is worth.
    p : float
        Two-sided p-value: how often a random frame would be as far out. For saturation, slack and cv from Student's t
        with R - 1 degrees of freedom (R random frames; saturation and slack by cube roots, which are about normal), for
        the others from the value's rank among the frames, so at least 2 / (R + 1). NaN where `z` is.
    """

    value: float
    null_mean: float
    null_sd: float
    z: float
    p: float


@summarised
@dataclass(frozen=True, eq=False)
class RandomFrameNull:
    """The numbers of random frames with given norms.

    Attributes
    ----------
    values : mapping of str to ndarray of float64, shape (n_draws,)
        For each of `NUMBERS` its value in every random frame; NaN where all norms are zero.
    expected : float
        Saturation in closed form, without sampling; see `random_frame_null`.
    """

    values: Mapping[str, NDArray[np.float64]]
    expected: float

    def score(self, name: str, value: float) -> Score:
        """Compare `value` with the random values of the number `name`, one of `NUMBERS`."""
        choice("name", name, self.values)
        mean, sd = float(np.mean(self.values[name])), float(np.std(self.values[name], ddof=1))
        if not sd > _CONSTANT * max(abs(mean), 1):
            return Score(value, mean, sd, math.nan, math.nan)
        return Score(value, mean, sd, (value - mean) / sd, _p(name, self.values[name], value))


@summarised
@dataclass(frozen=True, eq=False)
class Saturation:
    r"""Saturation of a set of features and its localisation, beside random frames.

    Attributes
    ----------
    value : float
        :math:`\rho = \sum_i D_i / \operatorname{rank} F`, in [0, 1]: 1 exactly when every feature lies in one
        eigenspace. NaN where all features are zero, as is all else.
    expected : float
        :math:`\rho_0`, that of random directions with the same norms, in closed form.
    excess : float
        :math:`(\rho - \rho_0) / (1 - \rho_0)`: 1 when saturated, about 0 at random, negative below; NaN where random
        directions saturate.
    z, p : float
        Of `value` among the sampled random frames; see `Score`.
    per_number : mapping of str to Score
        ``(value, null_mean, null_sd, z, p)`` of each of `NUMBERS`.
    dimensions : int
        Of the random frames: those of the span, or all m; see `random_directions.null_dimensions`.

    References
    ----------
    arXiv:2602.02224 for saturation; the null model is featuregeom's own.
    """

    value: float
    expected: float
    excess: float
    z: float
    p: float
    per_number: Mapping[str, Score]
    dimensions: int


def random_frame_null(
    norms: ArrayLike,
    m: int,
    *,
    n_draws: int = 20,
    seed: int = 0,
    tolerance: float | None = None,
    dtype: DType = "float64",
    num_threads: int | None = None,
) -> RandomFrameNull:
    r"""Measure random frames: independent directions, uniform on the sphere, with the given norms.

    The mean of :math:`w_i^\top F w_i` over random directions gives the saturation in closed form,

    .. math:: \rho_0 = \frac{1}{\min(n', m)} \sum_i \frac{N_i}{N_i + (S - N_i) / m}

    with :math:`N_i` the squared norms, S their sum and n' the number of nonzero ones; equal norms give
    n / (n + m - 1) for n >= m. Capacity is convex in that product, so by Jensen's inequality the true mean is
    no less, and hardly more when n m is large.

    Parameters
    ----------
    norms : array_like, shape (n,)
        Euclidean norms of the features. Zero ones stay zero features, which enter no mean.
    m : int
        Number of dimensions, at least 1.
    n_draws : int
        Number of random frames, at least 2.
    seed : int
        Seed, at least 0. Frame k has a stream of its own, so the first frames do not depend on how many are drawn.
    tolerance : float, optional
        Passed to `spectra.spectrum`: localisation depends on what counts as one eigenspace.
    dtype : str
        Element type that the frames are rounded to: what counts as null depends on it.
    num_threads : int, optional
        Threads to use, by default ``RAYON_NUM_THREADS`` or all. The result does not depend on it.

    Returns
    -------
    RandomFrameNull

    Raises
    ------
    ShapeError
        If `norms` is not one-dimensional or is empty.
    ParameterError
        If a norm is negative or not finite, or another argument is outside its range.

    Notes
    -----
    Each random frame costs what `spectra.measures` costs, about 2 n m s + 9 s^3 operations with s = min(n, m), and one
    frame of n m doubles is held at a time.

    References
    ----------
    Muller, Commun. ACM 2 (1959), for uniform directions; arXiv:2602.02224 for saturation.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import random_frame_null
    >>> null = random_frame_null([1.0] * 30, 3, n_draws=5)
    >>> round(null.expected, 4) == round(30 / 32, 4)
    True
    >>> null.values["saturation"].shape
    (5,)
    """
    lengths = _read_norms(norms)
    m, n_draws, seed = integer("m", m, 1), integer("n_draws", n_draws, 2), integer("seed", seed, 0)
    if not lengths.any():
        return RandomFrameNull({name: np.full(n_draws, np.nan) for name in NUMBERS}, math.nan)
    lengths = lengths / lengths.max()  # no number depends on the scale, and squares could overflow
    choice("dtype", dtype, get_args(DType))
    table = np.empty((n_draws, len(NUMBERS)))
    for row, stream in zip(table, np.random.SeedSequence(seed).spawn(n_draws), strict=True):
        frame = np.random.default_rng(stream).standard_normal((len(lengths), m))
        frame *= (lengths / np.linalg.norm(frame, axis=1))[:, None]
        stored = _stored(frame, dtype)
        spectrum = spectrum_of(stored, tolerance=tolerance, num_threads=num_threads)
        measured = measures(stored, spectrum, masses=False, num_threads=num_threads)
        row[:] = _means(measured, spectrum.rank)
    return RandomFrameNull(dict(zip(NUMBERS, table.T, strict=True)), expected_saturation(lengths, m))


def saturation(
    X: Any,
    spectrum: Spectrum | None = None,
    *,
    n_draws: int = 20,
    seed: int = 0,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> Saturation:
    r"""Saturation and localisation of features, against random frames of the same number, norms and span.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    spectrum : Spectrum, optional
        Spectrum of `X`; computed when not given.
    n_draws, seed
        As in `random_frame_null`.
    tolerance : float, optional
        Of the eigenspaces of the random frames, and of `X` where `spectrum` is not given; a `spectrum` made with
        an explicit tolerance needs the same one here.
    num_threads : int, optional
        As in `random_frame_null`.

    Returns
    -------
    Saturation

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `spectra.measures` and `random_frame_null`.

    Notes
    -----
    Costs `n_draws` + 1 times `spectra.measures`; the closed form `expected` needs no random frames and is what large
    dictionaries are compared with (`random_directions.saturation_p` is its p-value). Random frames have the element
    type of `X` and fill as many dimensions: features of a subspace are compared with random directions of that
    subspace, whatever it is a subspace of.

    References
    ----------
    arXiv:2602.02224; the null model is featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import saturation
    >>> found = saturation(fg.shapes.cross_polytope(16))
    >>> round(found.value, 6), round(found.expected, 6), round(found.excess, 6), found.z > 5
    (1.0, 0.680851, 1.0, True)
    """
    features = as_features(X)
    if spectrum is None:
        spectrum = spectrum_of(features, tolerance=tolerance, num_threads=num_threads)
    measured = measures(features, spectrum, masses=False, num_threads=num_threads)
    dimensions = null_dimensions(measured.norm, spectrum.rank, features.m, spectrum.null_tolerance)
    null = random_frame_null(
        measured.norm,
        dimensions,
        n_draws=n_draws,
        seed=seed,
        tolerance=tolerance,
        dtype=features.dtype,
        num_threads=num_threads,
    )
    values = _means(measured, spectrum.rank)
    scores = {name: null.score(name, value) for name, value in zip(NUMBERS, values, strict=True)}
    rho = scores["saturation"]
    room = 1 - null.expected
    excess = (rho.value - null.expected) / room if room > _CONSTANT else math.nan
    return Saturation(rho.value, null.expected, excess, rho.z, rho.p, scores, dimensions)


def _p(name: str, draws: NDArray[np.float64], value: float) -> float:
    """Two-sided p-value of one number beside its random values; see `Score`."""
    if name not in _SHAPES:
        below, above = np.count_nonzero(draws <= value), np.count_nonzero(draws >= value)
        return float(min(1.0, 2 * (1 + min(below, above)) / (len(draws) + 1)))
    from scipy.special import stdtr

    shaped = _SHAPES[name](np.append(draws, value))
    free, spread = len(draws) - 1, np.std(shaped[:-1], ddof=1)
    # The value is one more draw: it and the mean of the others vary.
    t = (shaped[-1] - shaped[:-1].mean()) / (spread * math.sqrt(1 + 1 / len(draws)))
    return float(2 * stdtr(free, -abs(t)))


def _stored(frame: NDArray[np.float64], dtype: DType) -> Features:
    """Round a random frame to an element type; to even, as everywhere."""
    if dtype != "bfloat16":
        return as_features(frame.astype(dtype, copy=False))
    bits = frame.astype(np.float32).view(np.uint32)
    return as_features(((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16), dtype=dtype)


def _read_norms(norms: ArrayLike) -> NDArray[np.float64]:
    try:
        lengths = real_numbers(norms, "norms")
    except FeatureGeometryError as error:
        raise ParameterError(f"norms must be numbers, one for each feature: {error}") from None
    if lengths.ndim != 1 or not lengths.size:
        raise ShapeError(
            f"norms must be one number for each feature, at least one, got shape {lengths.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths >= 0)))
    if bad.size:
        raise ParameterError(f"norms must be finite and at least 0, but norm {bad[0]} is {lengths[bad[0]]}")
    return lengths


def expected_saturation(norms: ArrayLike, m: int) -> float:
    r"""Saturation that random directions with these norms have, in closed form.

    .. math:: \rho_0 = \frac{1}{\min(n', m)} \sum_i \frac{N_i}{N_i + (S - N_i) / m}

    with :math:`N_i` the squared norms, S their sum and n' the number of nonzero ones; see `random_frame_null`.

    Parameters
    ----------
    norms : array_like, shape (n,)
        Euclidean norms of the features.
    m : int
        Number of dimensions, at least 1: those that `null_dimensions` counts.

    Returns
    -------
    float
        NaN where all features are zero.

    Raises
    ------
    ShapeError, ParameterError
        As in `random_frame_null`.

    References
    ----------
    arXiv:2602.02224 for saturation; the null model is featuregeom's own.

    Examples
    --------
    >>> from featuregeom.null_model import expected_saturation
    >>> expected_saturation([1.0] * 30, 3) == 30 / 32
    True
    """
    lengths = _read_norms(norms)
    m = integer("m", m, 1)
    lengths = lengths[lengths > 0]
    if not lengths.size:
        return math.nan
    return float(null_capacity(lengths, m).sum() / min(len(lengths), m))


def _means(measured: Measures, rank: int) -> tuple[float, ...]:
    """Saturation, and the means over the features that have a measure."""
    if not rank:
        return (math.nan,) * len(NUMBERS)
    known = measured.eigenspace >= 0
    means = (float(getattr(measured, name)[known].mean()) for name in NUMBERS[1:])
    return (measured.total_capacity / rank, *means)
