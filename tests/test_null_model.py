"""Saturation against random frames: closed forms, seeds, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.null_model import NUMBERS, RandomFrameNull, random_frame_null, saturation
from oracles import slow


@pytest.mark.parametrize(("n", "m"), [(60, 12), (200, 10), (30, 30)])
def test_equal_norms_give_the_closed_form(n, m):
    null = random_frame_null(np.full(n, 3.0), m, samples=40)
    assert null.expected == pytest.approx(n / (n + m - 1), rel=1e-12)
    sampled = null.values["saturation"]
    error = sampled.std(ddof=1) / math.sqrt(len(sampled))
    # Jensen: the sampled mean is above, by no more than the relative variance of kappa, about 2 m / (n m).
    assert -4 * error < sampled.mean() - null.expected < 2 / n + 4 * error


def test_fewer_features_than_dimensions():
    null = random_frame_null(np.ones(8), 40, samples=40)
    assert null.expected == pytest.approx(40 / 47, rel=1e-12)
    assert null.values["saturation"].mean() == pytest.approx(40 / 47, rel=0.02)


def test_uneven_norms_against_the_slow_oracle():
    norms = np.geomspace(1, 5, 80)
    null = random_frame_null(norms, 9, samples=40)
    N = norms**2
    assert null.expected == pytest.approx(np.sum(N / (N + (N.sum() - N) / 9)) / 9, rel=1e-12)
    assert null.values["saturation"].mean() == pytest.approx(null.expected, rel=0.02)


def test_the_frames_have_the_norms_and_the_numbers_of_the_definitions():
    """The first frame, made again here, measured by the slow oracle."""
    norms = np.array([1.0, 2.0, 0.5, 1.5, 0.0, 2.0, 1.0])
    null = random_frame_null(norms, 3, samples=2, seed=5)
    X = np.random.default_rng(np.random.SeedSequence(5).spawn(2)[0]).standard_normal((7, 3))
    X *= (norms / np.linalg.norm(X, axis=1))[:, None]
    kept = np.delete(X, 4, axis=0)
    assert null.values["saturation"][0] == pytest.approx(slow.capacity(kept).sum() / 3, rel=1e-9)
    assert null.values["cv"][0] == pytest.approx(slow.cv(kept).mean(), rel=1e-9)
    assert null.values["slack"][0] == pytest.approx(slow.slack(kept, 3).mean(), rel=1e-9)


def test_seeds_samples_and_threads():
    norms = np.linspace(0.5, 2, 50)
    one = random_frame_null(norms, 20, samples=6, seed=3, num_threads=1)
    two = random_frame_null(norms, 20, samples=6, seed=3, num_threads=2)
    first = random_frame_null(norms, 20, samples=3, seed=3)
    other = random_frame_null(norms, 20, samples=6, seed=4)
    for name in NUMBERS:
        np.testing.assert_array_equal(one.values[name], two.values[name])
        np.testing.assert_array_equal(one.values[name][:3], first.values[name])
    assert not np.array_equal(one.values["saturation"], other.values["saturation"])


@given(st.floats(1e-150, 1e150))
def test_the_scale_does_not_matter(scale):
    norms = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    found, plain = (random_frame_null(norms * s, 3, samples=2) for s in (scale, 1.0))
    assert found.expected == pytest.approx(plain.expected, rel=1e-12)
    for name in NUMBERS:
        np.testing.assert_allclose(found.values[name], plain.values[name], rtol=1e-6, atol=1e-12)


def test_zero_features_change_nothing_but_the_draw():
    with_zeros = random_frame_null([1.0] * 40 + [0.0] * 10, 5, samples=20)
    assert with_zeros.expected == pytest.approx(40 / 44, rel=1e-12)
    without = random_frame_null(np.ones(40), 5, samples=20).values["saturation"]
    error = math.sqrt(2 * without.var(ddof=1) / 20)
    assert abs(with_zeros.values["saturation"].mean() - without.mean()) < 4 * error
    assert np.isfinite(list(with_zeros.values.values())).all()


def test_a_tight_frame_is_far_above_random():
    """The deficit of a random frame is that of m (m + 1) / 2 - 1 squares, so z is about the root of half of it."""
    found = saturation(fg.shapes.cross_polytope(24), samples=40)
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
    found = saturation(X, samples=60)
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
        (([1.0], 2), {"samples": 1}, ParameterError, "samples must be"),
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
    with pytest.raises(ParameterError, match="'cvs' is none"):
        random_frame_null([1.0], 2).score("cvs", 0.0)


def test_norms_with_a_gradient_are_taken():
    torch = pytest.importorskip("torch")
    norms = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    found, plain = (random_frame_null(given, 2, samples=2) for given in (norms, [1.0, 2.0, 3.0]))
    assert found.expected == plain.expected


def test_the_survey_holds_low_rank_against_the_same_null():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 64))
    row = fg.analyze(X).matrices.iloc[0]
    N = (X**2).sum(axis=1)
    expected = np.sum(N / (N + (N.sum() - N) / 64)) / 64
    assert row["rank"] == 4
    assert row["saturation_null"] == pytest.approx(expected, rel=1e-12)
    assert row["saturation_null"] == pytest.approx(saturation(X, samples=2).expected, rel=1e-12)
    assert row["saturation_excess"] == pytest.approx(
        (row["saturation"] - expected) / (1 - expected), rel=1e-12
    )
