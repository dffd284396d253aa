"""Which eigenvalues are one: planted, trained and random spectra, and the tolerance that is reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom import _core

TOYS = json.loads((Path(__file__).parent / "oracles" / "toy_spectra.json").read_text(encoding="utf-8"))
TOYS.pop("meaning")

LARGEST = {
    "64x16 (S .9)": [16],
    "64x16 (S .9), bias held": [16],
    "128x64 (S .5)": [63, 1],
    "128x64 (S .5), bias held": [63, 1],
    "424x212 (S .6), bias held": [211, 1],
}
"""Dimensions of the eigenspaces: the features' own, and the common direction that makes up for the biases."""


def dims(values, tolerance=None, noise=0.0) -> list[int]:
    starts = _core.eigenspaces(np.asarray(values, dtype=np.float64), noise=noise, tolerance=tolerance)[0]
    return np.diff(starts).tolist()


def of_features(X, **options) -> list[int]:
    return [space.dim for space in fg.spectra.spectrum(X, **options).eigenspaces]


# --- planted and trained


def three_kinds(seed: int, noise: float) -> np.ndarray:
    parts = [fg.shapes.polygon(5)] * 20 + [fg.shapes.polygon(3)] * 20 + [fg.shapes.simplex(2)] * 20
    return fg.shapes.noisy(fg.shapes.rotated(fg.shapes.direct_sum(*parts), seed), noise, seed)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.01])
@pytest.mark.parametrize("trials", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_sums_of_three_kinds_have_three_eigenspaces(noise, trials):
    """Pentagons 5/2, digons 2, triangles 3/2; at least 95 of 100, and in 10 at most two fail at that rate (p .99)."""
    found = [of_features(three_kinds(seed, noise)) for seed in range(trials)]
    assert sum(one == [40, 20, 40] for one in found) >= (95 if trials == 100 else 8)


@pytest.mark.parametrize("name", TOYS)
def test_saturated_toys_have_the_eigenspaces_that_they_fill(name):
    """By the theorem a saturation of 1 is one eigenspace for each feature."""
    assert dims(TOYS[name]["eigenvalues"]) == LARGEST[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOYS)
def test_toys_trained_anew_have_these_eigenspaces(name):
    pytest.importorskip("torch")
    toy = fg.toys.superposition.train(**TOYS[name]["arguments"], seed=0)
    W = np.asarray(toy.W[0], dtype=np.float64)
    assert sorted(of_features(W), reverse=True) == LARGEST[name]
    # Localisation is what saturation says: whole features in one eigenspace each, beside the common direction.
    assert fg.spectra.measures(W).max_mass.mean() > 0.95


def test_the_antiprism_that_is_not_tight_has_two():
    X = np.array(
        [
            [np.cos(t), np.sin(t), z]
            for k in range(4)
            for t, z in [(k * np.pi / 2, 0.5), ((k + 0.5) * np.pi / 2, -0.5)]
        ]
    )
    X[:, :2] *= np.sqrt(3) / 2
    assert of_features(X) == [2, 1]
    assert of_features(fg.shapes.rotated(X, 1, dim=20)) == [2, 1]


# --- chance


@pytest.mark.parametrize("n", [384, 3072])
@pytest.mark.parametrize("count", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_wishart_matrices_have_no_eigenspaces(n, count):
    """Less than half a group a matrix; eigenvalues that repel make far fewer."""
    rng = np.random.default_rng(n)
    merged = 0
    for _ in range(count):
        X = rng.standard_normal((n, 384))
        merged += sum(dim > 1 for dim in dims(np.linalg.eigvalsh(X.T @ X)[::-1]))
    assert merged <= count / 20


@pytest.mark.parametrize("count", [5, 20, 100, 384])
@pytest.mark.parametrize("spread", [1.0, 10.0])
def test_independent_eigenvalues_make_at_most_half_a_group(count, spread):
    """The stated level: 1/2 on average, over 300 spectra; its standard error is at most sqrt(1/2 / 300) = .041."""
    rng = np.random.default_rng(count)
    found = [dims(np.sort(np.exp(rng.uniform(0, spread * np.log(count), count)))[::-1]) for _ in range(300)]
    assert np.mean([sum(dim > 1 for dim in one) for one in found]) <= 0.5 + 3 * 0.041


# --- competing readings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.2231, 3.2176], [2]),
        ([3.2231, 3.2176, 1.02], [2, 1]),
        ([1.0, 1.0, 1.0], [3]),
        ([1.001, 1.001, 1.0, 1.0], [2, 2]),
        ([1.001, 1.00001, 1.0], [3]),
        ([1.05, 1.049, 1.001, 1.0], [2, 2]),
        ([1.0, 0.9], [1, 1]),
        ([7.0], [1]),
    ],
)  # fmt: skip
def test_parts_compete_with_the_whole(values, expected):
    assert dims(values) == expected


@pytest.mark.parametrize("dim", [2, 3, 8, 40])
def test_the_whole_spectrum_is_one_up_to_a_width(dim):
    limit = min(0.05 * np.sqrt(dim / 2), 0.15)
    assert dims(1 - np.linspace(0, limit * 0.999, dim)) == [dim]
    assert dims(1 - np.linspace(0, limit * 1.001, dim)) == [1] * dim


def test_eigenvalues_that_noise_blurs_are_not_told_apart():
    """Noise is relative to the largest eigenvalue: of small ones it is a large part."""
    assert dims([1.0, 1.0 - 1e-6, 1e-3, 1e-3 - 1e-6], noise=2e-6) == [2, 2]
    assert dims([1.0, 1e-6, 0.9e-6], noise=2e-7) == [1, 1, 1]


# --- the tolerance that is reported


@given(
    st.lists(st.floats(-3, 3), min_size=1, max_size=30),
    st.lists(st.sampled_from([0.0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2]), min_size=30, max_size=30),
    st.sampled_from([0.0, 1e-13]),
)
@settings(max_examples=300, deadline=None)
def test_a_reported_tolerance_gives_the_eigenspaces_again(logs, offsets, noise):
    steps = [sum(offsets[: i + 1]) for i in range(len(logs))]
    values = np.sort(np.round(10.0 ** np.array(logs), 1) + 1 + steps)[::-1]
    starts, tolerance, _ = _core.eigenspaces(values, noise=noise)
    if tolerance is not None:
        again, given_back, _ = _core.eigenspaces(values, noise=noise, tolerance=tolerance)
        assert given_back == tolerance
        np.testing.assert_array_equal(again, starts)


@pytest.mark.parametrize("seed", range(5))
def test_the_spectrums_tolerance_gives_its_eigenspaces_or_is_missing(seed):
    X = three_kinds(seed, 0.01)
    found = fg.spectra.spectrum(X)
    assert of_features(X, tolerance=found.tolerance) == [40, 20, 40]
    mixed = fg.shapes.direct_sum(X, np.diag([30.0, 30.0 * (1 + 1e-4)]), 50 * fg.shapes.simplex(2))
    assert np.isnan(fg.spectra.spectrum(mixed).tolerance) or of_features(
        mixed, tolerance=fg.spectra.spectrum(mixed).tolerance
    ) == of_features(mixed)


def test_no_tolerance_is_reported_where_none_gives_the_eigenspaces():
    X = np.diag(np.sqrt([3.006, 3.0, 1.001, 1.001, 1.0, 1.0]))
    found = fg.spectra.spectrum(X)
    assert [space.dim for space in found.eigenspaces] == [2, 2, 2]
    assert np.isnan(found.tolerance)
    assert fg.analyze({"x": X}).matrices["tolerance"].isna().all()
