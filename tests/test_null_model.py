"""Saturation against random frames: closed forms, seeds, and what must not matter."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.null_model import (
    NUMBERS,
    RandomFrameNull,
    null_dimensions,
    random_frame_null,
    saturation,
    saturation_p,
)
from featuregeom.report.figures import matrix_figures
from featuregeom.report.words import reading
from oracles import slow
from oracles.analysis import random_saturations


@pytest.mark.parametrize(("n", "m"), [(60, 12), (200, 10), (30, 30)])
def test_equal_norms_give_the_closed_form(n, m):
    null = random_frame_null(np.full(n, 3.0), m, n_draws=40)
    assert null.expected == pytest.approx(n / (n + m - 1), rel=1e-12)
    sampled = null.values["saturation"]
    error = sampled.std(ddof=1) / math.sqrt(len(sampled))
    # Jensen: the sampled mean is above, by no more than the relative variance of kappa, about 2 m / (n m).
    assert -4 * error < sampled.mean() - null.expected < 2 / n + 4 * error


def test_fewer_features_than_dimensions():
    null = random_frame_null(np.ones(8), 40, n_draws=40)
    assert null.expected == pytest.approx(40 / 47, rel=1e-12)
    assert null.values["saturation"].mean() == pytest.approx(40 / 47, rel=0.02)


def test_uneven_norms_against_the_slow_oracle():
    norms = np.geomspace(1, 5, 80)
    null = random_frame_null(norms, 9, n_draws=40)
    N = norms**2
    assert null.expected == pytest.approx(np.sum(N / (N + (N.sum() - N) / 9)) / 9, rel=1e-12)
    assert null.values["saturation"].mean() == pytest.approx(null.expected, rel=0.02)


def test_the_frames_have_the_norms_and_the_numbers_of_the_definitions():
    """The first frame, made again here, measured by the slow oracle."""
    norms = np.array([1.0, 2.0, 0.5, 1.5, 0.0, 2.0, 1.0])
    null = random_frame_null(norms, 3, n_draws=2, seed=5)
    X = np.random.default_rng(np.random.SeedSequence(5).spawn(2)[0]).standard_normal((7, 3))
    X *= (norms / np.linalg.norm(X, axis=1))[:, None]
    kept = np.delete(X, 4, axis=0)
    assert null.values["saturation"][0] == pytest.approx(slow.capacity(kept).sum() / 3, rel=1e-9)
    assert null.values["cv"][0] == pytest.approx(slow.cv(kept).mean(), rel=1e-9)
    assert null.values["slack"][0] == pytest.approx(slow.slack(kept, 3).mean(), rel=1e-9)


def test_seeds_samples_and_threads():
    norms = np.linspace(0.5, 2, 50)
    one = random_frame_null(norms, 20, n_draws=6, seed=3, num_threads=1)
    two = random_frame_null(norms, 20, n_draws=6, seed=3, num_threads=2)
    first = random_frame_null(norms, 20, n_draws=3, seed=3)
    other = random_frame_null(norms, 20, n_draws=6, seed=4)
    for name in NUMBERS:
        np.testing.assert_array_equal(one.values[name], two.values[name])
        np.testing.assert_array_equal(one.values[name][:3], first.values[name])
    assert not np.array_equal(one.values["saturation"], other.values["saturation"])


@given(st.floats(1e-150, 1e150))
def test_the_scale_does_not_matter(scale):
    norms = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    found, plain = (random_frame_null(norms * s, 3, n_draws=2) for s in (scale, 1.0))
    assert found.expected == pytest.approx(plain.expected, rel=1e-12)
    for name in NUMBERS:
        np.testing.assert_allclose(found.values[name], plain.values[name], rtol=1e-6, atol=1e-12)


def test_zero_features_change_nothing_but_the_draw():
    with_zeros = random_frame_null([1.0] * 40 + [0.0] * 10, 5, n_draws=20)
    assert with_zeros.expected == pytest.approx(40 / 44, rel=1e-12)
    without = random_frame_null(np.ones(40), 5, n_draws=20).values["saturation"]
    error = math.sqrt(2 * without.var(ddof=1) / 20)
    assert abs(with_zeros.values["saturation"].mean() - without.mean()) < 4 * error
    assert np.isfinite(list(with_zeros.values.values())).all()


def test_a_tight_frame_is_far_above_random():
    """The deficit of a random frame is that of m (m + 1) / 2 - 1 squares, so z is about the root of half of it."""
    found = saturation(fg.shapes.cross_polytope(24), n_draws=40)
    assert found.value == pytest.approx(1, rel=1e-9)
    assert found.expected == pytest.approx(48 / 71, rel=1e-12)
    assert found.excess == pytest.approx(1, rel=1e-7)
    assert found.z > 10
    assert found.z == found.per_number["saturation"].z
    assert found.per_number["max_mass"].value == pytest.approx(1)
    assert found.per_number["max_mass"].z > 20
    assert found.per_number["cv"].z < -20
    assert tuple(found.per_number) == NUMBERS


def test_random_features_are_like_random_features():
    X = fg.shapes.random_frame(120, 10, seed=17)
    found = saturation(X, n_draws=60)
    assert all(abs(score.z) < 4 for score in found.per_number.values())
    assert abs(found.excess) < 0.2


def test_below_random_is_negative():
    found = saturation(fg.shapes.random_frame(100, 6, seed=1) * np.geomspace(1, 30, 6))
    assert found.excess < -1
    assert found.z < -10


def test_given_a_spectrum_and_a_rotation():
    X = fg.shapes.random_frame(30, 6, seed=2, norms=np.linspace(1, 2, 30))
    found, again = saturation(X), saturation(X, fg.spectra.spectrum(X))
    assert (found.value, found.z) == (again.value, again.z)
    assert saturation(fg.shapes.rotated(X, seed=1)).z == pytest.approx(found.z, rel=1e-6)


@pytest.mark.parametrize("m", [2, 3, 7, 12])
@pytest.mark.parametrize("length", [1.0, 5.0, 0.3])
def test_one_feature_has_no_score(m, length):
    """It lies in one eigenspace in any direction, so what a number varies by is rounding."""
    X = length * fg.shapes.random_frame(1, m, seed=3)
    for seed in range(3):
        scores = saturation(X, seed=seed).per_number
        assert all(math.isnan(score.z) for score in scores.values()), scores


def test_rounding_noise_has_no_score():
    null = RandomFrameNull({"entropy": np.array([0, 1e-16, 2e-16, 0])}, 1.0)
    assert math.isnan(null.score("entropy", 1e-16).z)
    assert RandomFrameNull({"entropy": np.array([0, 1e-8])}, 1.0).score("entropy", 0.0).z < 0


def test_where_nothing_is_random():
    line = saturation([[1.0], [2.0], [-1.0]])
    assert (line.value, line.expected) == (pytest.approx(1), pytest.approx(1))
    assert math.isnan(line.excess)
    assert math.isnan(line.z)
    single = saturation([[3.0, 4.0]])
    assert single.value == pytest.approx(1)
    assert math.isnan(single.z)
    nothing = saturation(np.zeros((3, 2)))
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.expected)
    assert math.isnan(nothing.per_number["cv"].null_mean)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1.0, -1.0], 2), {}, ParameterError, "norm 1 is -1"),
        (([1.0, math.nan], 2), {}, ParameterError, "norm 1 is nan"),
        ((["a"], 2), {}, ParameterError, "norms must be numbers"),
        (([], 2), {}, ShapeError, "at least one"),
        (([[1.0]], 2), {}, ShapeError, r"shape \(1, 1\)"),
        (([1.0], 0), {}, ParameterError, "m must be"),
        (([1.0], 2), {"n_draws": 1}, ParameterError, "n_draws must be"),
        (([1.0], 2), {"seed": -1}, ParameterError, "seed must be"),
        (([1.0], 2), {"tolerance": 2.0}, ParameterError, "tolerance"),
    ],
)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=message):
        random_frame_null(*arguments, **options)


def test_bad_features_and_names():
    with pytest.raises(NonFiniteError):
        saturation([[1.0, math.nan]])
    with pytest.raises(ShapeError):
        saturation(np.eye(3), fg.spectra.spectrum(np.eye(2)))
    with pytest.raises(ParameterError, match=r"one of 'saturation', 'cv', .*; not 'cvs'"):
        random_frame_null([1.0], 2).score("cvs", 0.0)


def test_norms_with_a_gradient_are_taken():
    torch = pytest.importorskip("torch")
    norms = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    found, plain = (random_frame_null(given, 2, n_draws=2) for given in (norms, [1.0, 2.0, 3.0]))
    assert found.expected == plain.expected


# --- the span -------------------------------------------------------------------------------------------------


def low_rank(rng: np.random.Generator, n: int, m: int, rank: int, kind: str) -> np.ndarray:
    """Features of a random subspace, root mean square 1."""
    A, B = rng.standard_normal((n, rank)), rng.standard_normal((rank, m))
    if kind == "uneven features":
        A *= np.exp(rng.standard_normal((n, 1)))
    elif kind == "uneven dimensions":
        B *= np.exp(rng.standard_normal(m))
    elif kind == "a large feature":
        A[0] *= 30
    elif kind == "a large dimension":
        B[:, 0] *= 30
    elif kind == "a common direction":
        A[:, 0] *= 10
    X = A @ B
    return X / np.sqrt((X**2).mean())


KINDS = (
    "even",
    "uneven features",
    "uneven dimensions",
    "a large feature",
    "a large dimension",
    "a common direction",
)
TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@pytest.mark.parametrize("dtype", TYPES)
def test_features_of_a_subspace_are_held_against_its_random_directions(dtype):
    """The case that was wrong: in all 400 dimensions random directions have .64, and these would be far above."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((768, 16)) @ np.linalg.qr(rng.standard_normal((400, 16)))[0].T
    result = fg.analyze(X.astype(TYPES[dtype]))
    row = result.matrices.iloc[0]
    N = (X**2).sum(axis=1)
    expected = np.sum(N / (N + (N.sum() - N) / 16)) / 16
    assert (row["rank"], row["null_dimensions"]) == (16, 16)
    assert expected == pytest.approx(0.979, abs=5e-4)
    assert row["saturation_null"] == pytest.approx(expected, rel=1e-4)
    assert abs(row["saturation_excess"]) < 4 * 2 / 17  # the deficit varies by a share of about 2 / (16 + 1)
    assert row["saturation_p"] > 0.01
    assert "in 16 dimensions would give about 0.979; so much chance may give, too" in " ".join(
        reading(row.to_dict())
    )
    found = saturation(X.astype(TYPES[dtype]))
    assert found.dimensions == 16
    assert found.expected == pytest.approx(row["saturation_null"], rel=1e-12)
    assert found.p > 0.01
    columns = {name: result.features[name].to_numpy() for name in result.features}
    drawn = matrix_figures(row.to_dict(), columns, result.pictures["X"])
    captions = {figure.kind: figure.caption for figure in drawn}
    assert "random directions of 16 dimensions" in captions["capacities"]
    assert "random directions in 16 dimensions" in captions["cosines"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_rank_is_found_through_the_rounding_of_any_type(dtype, kind):
    """Also at 1e-5, where float16 has few digits left: its numbers are 6e-8 apart there."""
    rng = np.random.default_rng(KINDS.index(kind))
    for n, m, rank in ((30, 200, 4), (400, 60, 15), (300, 300, 40)):
        for scale in (1.0, 1e-3, 1e-5):
            X = (scale * low_rank(rng, n, m, rank, kind)).astype(TYPES[dtype])
            found = fg.spectra.spectrum(X)
            norms = np.linalg.norm(X.astype(np.float64), axis=1)
            assert found.rank == rank, (n, m, scale)
            assert null_dimensions(norms, found.rank, m, found.null_tolerance) == rank
            assert len(fg.comparison.principal_angles(X, X)) == rank


def test_in_how_many_dimensions_directions_are_random():
    assert null_dimensions(np.ones(768), 16, 400) == 16
    assert null_dimensions(np.ones(768), 400, 400) == 400
    # Random directions of 40 dimensions span eight as well: eight features say nothing of a subspace.
    assert null_dimensions(np.ones(8), 8, 40) == 40
    assert null_dimensions(np.r_[np.ones(8), 0, 0], 8, 40) == 40
    assert null_dimensions(np.r_[np.ones(8), 1e-9], 8, 40, null_tolerance=1e-14) == 40
    assert null_dimensions(np.ones(8), 7, 40) == 7
    assert null_dimensions(np.zeros(3), 0, 5) == 5


# --- p-values -------------------------------------------------------------------------------------------------

NULLS = {
    "many features": (60, 12, None, 0.0, "float64"),
    "few dimensions": (40, 3, None, 0.0, "float64"),
    "low rank": (50, 40, 5, 0.0, "float64"),
    "low rank in bfloat16": (50, 40, 5, 0.0, "bfloat16"),
    "low rank in float32, uneven": (50, 40, 5, 0.7, "float32"),
    "uneven": (40, 8, None, 0.7, "float64"),
    "fewer features than dimensions": (20, 50, None, 0.0, "float32"),
    "fewer and uneven": (20, 50, None, 0.7, "bfloat16"),
    "two features": (2, 10, None, 0.0, "float64"),
}
"""Features, dimensions, rank, standard deviation of log norm, element type."""


def null_features(name: str, rng: np.random.Generator) -> np.ndarray:
    n, m, rank, uneven, dtype = NULLS[name]
    X = rng.standard_normal((n, rank or m))
    X *= (np.exp(uneven * rng.standard_normal(n)) / np.linalg.norm(X, axis=1))[:, None]
    if rank:
        X = X @ np.linalg.qr(rng.standard_normal((m, rank)))[0].T
    return X.astype(TYPES[dtype])


def at_most(hits: int, trials: int, level: float) -> bool:
    """Whether so many hits are within what a rate of `level` gives, in all but one of 10^4 runs."""
    return hits <= stats.binom.isf(1e-4, trials, level)


def check_levels(name: str, trials: int) -> None:
    rng = np.random.default_rng(list(NULLS).index(name))
    found = [saturation(null_features(name, rng), n_draws=19, seed=seed).per_number for seed in range(trials)]
    for number in NUMBERS:
        p = np.array([scores[number].p for scores in found])
        assert np.isfinite(p).all()
        for level in (0.01, 0.05, 0.2):
            # Cube roots leave some skewness: .0125 at .01 where the deficit has two degrees of freedom.
            assert at_most(int(np.sum(p <= level)), trials, 1.25 * level), (number, level, np.sum(p <= level))
        if name != "two features":  # not so cautious that nothing is ever found
            assert np.sum(p <= 0.2) >= stats.binom.ppf(1e-4, trials, 0.13), number


@pytest.mark.parametrize("name", NULLS)
def test_p_is_uniform_where_directions_are_random(name):
    check_levels(name, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_p_is_uniform_where_directions_are_random_at_full_count(name):
    check_levels(name, 600)


def closed_form_rates(trials: int, level: float, frames: int) -> list[tuple[float, ...]]:
    rng, rates = np.random.default_rng(3), []
    while len(rates) < trials:
        n, m = int(rng.choice([10, 16, 24, 48, 144])), int(rng.choice([2, 3, 6, 10, 24, 60]))
        norms = np.exp(rng.choice([0, 0.3, 0.6, 1.0]) * rng.standard_normal(n))
        if math.isnan(saturation_p(0.5, norms, m)):
            continue
        drawn = random_saturations(norms, m, frames, seed=len(rates))
        hits = sum(saturation_p(value, norms, m) <= level for value in drawn)
        rates.append((hits, n, m))
    return rates


def test_the_closed_form_keeps_its_level():
    """The stated one: at .01 at most .02, in each of several settings."""
    for hits, n, m in closed_form_rates(12, 0.01, 200):
        assert at_most(int(hits), 200, 0.02), (hits, n, m)


@pytest.mark.slow
def test_the_closed_form_keeps_its_level_at_full_count():
    for hits, n, m in closed_form_rates(40, 0.01, 2000):
        assert at_most(int(hits), 2000, 0.02), (hits, n, m)


def test_the_closed_form_has_power_and_its_limits():
    line, tight = np.ones(48), fg.shapes.cross_polytope(24)
    assert saturation_p(1.0, line, 24) < 1e-12
    assert fg.analyze(tight).matrices["saturation_p"].iloc[0] < 1e-12
    # A product whose second factor is uneven, as trained ones are, is below random directions of its span.
    rng = np.random.default_rng(5)
    X = rng.standard_normal((768, 16)) * np.geomspace(1, 4, 16) @ rng.standard_normal((16, 768))
    row = fg.analyze(X).matrices.iloc[0]
    assert row["saturation_excess"] < 0
    assert row["saturation_p"] < 1e-6
    assert "less evenly than random directions would (p < 1e-6)" in " ".join(reading(row.to_dict()))
    # Between the closed form and the mean, which is above it, nothing is said; nor where directions do not matter.
    assert saturation_p(768 / 783, np.ones(768), 16) == 1
    for value, norms, m in (
        (0.5, np.ones(5), 3),
        (1.0, np.ones(20), 1),
        (1.0, [1.0], 4),
        (math.nan, line, 4),
    ):
        assert math.isnan(saturation_p(value, norms, m))
    assert math.isnan(saturation_p(0.9, np.r_[np.full(30, 1e-3), 1.0], 4))


def test_p_from_students_t_and_from_ranks():
    """The prediction interval of one more draw, and the rank of the value among all, written out."""
    draws = np.random.default_rng(0).random(19) / 10
    null = RandomFrameNull({"saturation": 1 - draws**3, "cv": draws, "entropy": draws}, 0.9)
    for name, value in (("saturation", 1 - 0.02**3), ("cv", 0.02)):
        t = (0.02 - draws.mean()) / (draws.std(ddof=1) * np.sqrt(1 + 1 / 19))
        assert null.score(name, value).p == pytest.approx(2 * stats.t.sf(abs(t), 18), rel=1e-7)
    assert null.score("entropy", 1.0).p == 2 / 20
    assert null.score("entropy", float(np.sort(draws)[2]) - 1e-9).p == pytest.approx(2 * 3 / 20)
    assert null.score("entropy", float(np.median(draws))).p == 1


def test_the_survey_holds_low_rank_against_the_same_null():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 64))
    row = fg.analyze(X).matrices.iloc[0]
    N = (X**2).sum(axis=1)
    expected = np.sum(N / (N + (N.sum() - N) / 4)) / 4
    assert row["rank"] == row["null_dimensions"] == 4
    assert row["saturation_null"] == pytest.approx(expected, rel=1e-12)
    assert row["saturation_null"] == pytest.approx(saturation(X, n_draws=2).expected, rel=1e-12)
    assert row["saturation_excess"] == pytest.approx(
        (row["saturation"] - expected) / (1 - expected), rel=1e-12
    )
