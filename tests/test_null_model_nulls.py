"""The nulls that keep the spectrum and the spectral measures: what they keep, and p-values uniform under each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.null_model import (
    NUMBERS,
    measure_draws,
    measure_null,
    rank_test,
    spectrum_draws,
    spectrum_null,
)
from featuregeom.spectra.decomposition import of_operator

TRIALS = {"tenth": 60, "full": 600}
DRAWS = 19


def models() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(15)
    gaussian = rng.standard_normal((24, 8))
    return {
        "gaussian": gaussian,
        "low rank": gaussian[:, :3] @ rng.standard_normal((3, 8)),
        "uneven norms": gaussian * rng.lognormal(0, 1.5, (24, 1)),
        "n < m": rng.standard_normal((7, 30)),
        "n < m, low rank": rng.standard_normal((9, 4)) @ rng.standard_normal((4, 30)),
        "near-degenerate": np.linalg.qr(gaussian)[0] * (1 + 3e-3 * np.arange(8)),
        "degenerate": fg.shapes.direct_sum(*[fg.shapes.polygon(5)] * 3, 2 * fg.shapes.simplex(4)),
    }


MODELS = models()


def uniform(p: list[float], trials: int) -> None:
    """At levels .05, .1, .25 and .5 the share of rejections is the level, within binomial limits of 1e-5 a side."""
    for level in (0.05, 0.1, 0.25, 0.5):
        rejected = sum(value <= level + 1e-9 for value in p)
        assert binom.ppf(1e-5, trials, level) <= rejected <= binom.ppf(1 - 1e-5, trials, level), level


def spectrum_p(model: np.ndarray, trials: int) -> dict[str, list[float]]:
    spectrum = fg.spectra.spectrum(model)
    found: dict[str, list[float]] = {f"{name} {side}": [] for name in NUMBERS for side in ("above", "below")}
    back = spectrum.vectors.T if spectrum.side == "frame" else np.eye(spectrum.rank, model.shape[1])
    for trial, X in enumerate(spectrum_draws(spectrum, len(model), n_draws=trials, seed=3)):
        null = spectrum_null(X @ back, n_draws=DRAWS, seed=1000 + trial, num_threads=1)
        for name, test in null.tests.items():
            found[f"{name} above"].append(test.p_above)
            found[f"{name} below"].append(test.p_below)
    return found


@pytest.mark.parametrize("kind", [name for name in MODELS if name != "degenerate"])
@pytest.mark.parametrize("count", ["tenth", pytest.param("full", marks=pytest.mark.slow)])
def test_p_is_uniform_under_the_spectrum_null(kind: str, count: str) -> None:
    found = spectrum_p(MODELS[kind], TRIALS[count])
    for name in ("saturation", "cv", "slack") if kind == "near-degenerate" else NUMBERS:
        for side in ("above", "below"):
            uniform(found[f"{name} {side}"], TRIALS[count])


@pytest.mark.parametrize("kind", sorted(MODELS))
@pytest.mark.parametrize("count", ["tenth", pytest.param("full", marks=pytest.mark.slow)])
def test_p_is_uniform_under_the_measure_null(kind: str, count: str) -> None:
    model = MODELS[kind]
    spectrum = of_operator(model.T @ model, model.shape, 1.0, 2.0**-52, side="frame")
    probe = np.random.default_rng(4).standard_normal(model.shape)
    p = []
    for trial, X in enumerate(measure_draws(model, spectrum, n_draws=TRIALS[count], seed=5)):
        test = measure_null(
            X, lambda Y: float(np.sum(probe * Y)), spectrum, n_draws=DRAWS, seed=2000 + trial, num_threads=1
        )
        p.append(test.p_above)
    uniform(p, TRIALS[count])


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_draws_of_the_spectrum_keep_the_operator(kind: str) -> None:
    model = MODELS[kind]
    spectrum = fg.spectra.spectrum(model)
    draws = list(spectrum_draws(spectrum, len(model), n_draws=2, seed=1))
    for draw in draws:
        np.testing.assert_allclose(
            draw.T @ draw, np.diag(spectrum.retained), atol=1e-9 * spectrum.eigenvalues[0]
        )
    assert not np.allclose(draws[0], draws[1])
    np.testing.assert_array_equal(draws[0], next(spectrum_draws(spectrum, len(model), n_draws=1, seed=1)))


def test_draws_of_the_spectrum_are_haar() -> None:
    # Entries of a Haar matrix have mean 0 and variance 1/n; unsigned Householder factors are biased on the diagonal.
    spectrum = fg.spectra.spectrum(np.eye(4))
    table = np.array(list(spectrum_draws(spectrum, 4, n_draws=4000, seed=0)))
    assert np.abs(table.mean(axis=0)).max() < 5 * 0.5 / np.sqrt(4000)
    assert np.abs((table**2).mean(axis=0) - 0.25).max() < 5 * np.sqrt(2 / 4 / 6 * 0.25) / np.sqrt(4000)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_draws_of_the_measures_keep_norms_and_masses(kind: str) -> None:
    model = MODELS[kind]
    spectrum = of_operator(model.T @ model, model.shape, 1.0, 2.0**-52, side="frame")
    expected = fg.spectra.measures(model, spectrum)
    for draw in measure_draws(model, spectrum, n_draws=2, seed=1):
        found = fg.spectra.measures(draw, spectrum)
        np.testing.assert_allclose(found.norm, expected.norm, rtol=1e-9)
        np.testing.assert_allclose(found.masses, expected.masses, atol=1e-9)
        assert not np.allclose(draw, model)
    own = next(measure_draws(model, n_draws=1, seed=1))
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), np.linalg.norm(model, axis=1), rtol=1e-9)


def test_what_lies_outside_the_eigenspaces_is_one_more() -> None:
    rng = np.random.default_rng(0)
    frame = fg.spectra.spectrum(np.diag([3.0, 2, 1, 0, 0, 0]))
    X = rng.standard_normal((50, 6))
    draw = next(measure_draws(X, frame, n_draws=1))
    np.testing.assert_allclose(np.abs(draw[:, :3]), np.abs(X[:, :3]))
    np.testing.assert_allclose(np.linalg.norm(draw[:, 3:], axis=1), np.linalg.norm(X[:, 3:], axis=1))


def test_the_spectrum_null_sees_localisation_and_nothing_where_there_is_none() -> None:
    localised = fg.shapes.direct_sum(*(size * fg.shapes.simplex(4) for size in (1.0, 1.5, 2.0)))
    assert spectrum_null(localised, n_draws=99).tests["max_mass"].p_above == pytest.approx(0.01)
    assert (
        spectrum_null(np.random.default_rng(1).standard_normal((60, 20)), n_draws=99).tests["max_mass"].p
        > 0.02
    )
    null = spectrum_null(localised, n_draws=3)
    assert null.max_mass.shape == (36,)
    assert (np.diff(null.max_mass) >= 0).all()


def test_numbers_of_draws_are_those_of_measures() -> None:
    X = MODELS["degenerate"]
    spectrum = fg.spectra.spectrum(X)
    draw = next(spectrum_draws(spectrum, len(X), n_draws=1, seed=7))
    rotated = draw @ spectrum.vectors.T
    measured = fg.spectra.measures(rotated, fg.spectra.spectrum(rotated))
    tests = spectrum_null(X, n_draws=1, seed=7).tests
    for name in NUMBERS[1:]:
        assert tests[name].draws[0] == pytest.approx(getattr(measured, name).mean(), abs=1e-9), name
    assert tests["saturation"].draws[0] == pytest.approx(measured.capacity.sum() / spectrum.rank)


def test_ranks_count_the_features_themselves_and_ties() -> None:
    test = rank_test(3.0, [1, 2, 3, 4])
    assert (test.p_above, test.p_below, test.p, test.mean) == (0.6, 0.8, 1.0, 2.5)
    assert rank_test(1.0, [1 + 1e-12] * 9).p_above == 1
    assert np.isnan(rank_test(np.nan, [1.0]).p_above)
    with pytest.raises(ParameterError, match="at least one"):
        rank_test(1.0, [])


def test_bad_arguments_are_refused() -> None:
    spectrum = fg.spectra.spectrum(MODELS["gaussian"])
    with pytest.raises(ParameterError):
        next(spectrum_draws(spectrum, 3))
    with pytest.raises(ParameterError):
        next(spectrum_draws(spectrum, 24, n_draws=0))
    with pytest.raises(ParameterError, match="zero"):
        spectrum_null(np.zeros((3, 2)))
    with pytest.raises(ShapeError):
        next(measure_draws(np.ones((3, 4)), spectrum))


@pytest.mark.parametrize("n", [24, 47, 48, 200])
def test_draws_are_those_of_the_qr_decomposition(n: int) -> None:
    spectrum = fg.spectra.spectrum(
        np.random.default_rng(0).standard_normal((n, 24)) * np.geomspace(1, 0.01, 24)
    )
    stream = np.random.SeedSequence(5).spawn(1)[0]
    Q, R = np.linalg.qr(np.random.default_rng(stream).standard_normal((n, 24)))
    expected = Q * np.sign(np.diag(R)) * np.sqrt(spectrum.retained)
    draw = next(spectrum_draws(spectrum, n, n_draws=1, seed=5))
    np.testing.assert_allclose(draw, expected, rtol=0, atol=1e-13 * np.sqrt(spectrum.retained[0]))
