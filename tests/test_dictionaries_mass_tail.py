"""The chance of a large mass: against beta distributions, against draws, and whether p-values are uniform with it."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta, binom

from featuregeom.dictionaries.groups import _chance, _null
from featuregeom.dictionaries.mass_tail import mass_tail


def spectrum(values: np.ndarray, dims: np.ndarray) -> SimpleNamespace:
    starts = np.concatenate([[0], np.cumsum(dims)])
    return SimpleNamespace(retained=np.asarray(values, float), starts=starts, rank=len(values))


@pytest.mark.parametrize(
    ("rank", "dim", "excess"),
    [(2, 1, 0.24), (3, 1, 0.19), (10, 1, 0.15), (768, 1, 0.09), (12, 3, 0.05), (100, 10, 0.01)],
)
def test_equal_eigenvalues_have_beta_distributions(rank: int, dim: int, excess: float) -> None:
    spaces = rank // dim
    chance = np.array([0.05, 1e-2, 1e-3, 1e-6, 1e-9][: 3 if rank == 2 else 5])
    masses = beta.isf(chance / spaces, dim / 2, (rank - dim) / 2)
    masses = masses[masses < 1 - 1e-6]  # a thousand times as far from 1 as what is told from it
    found = mass_tail(spectrum(3 * np.ones(rank), np.full(spaces, dim)), masses)
    ratio = found / (spaces * beta.sf(masses, dim / 2, (rank - dim) / 2))
    assert ((ratio > 1) & (ratio < 1 + excess)).all()


SPECTRA = {
    "equal but for little": (np.linspace(1, 0.7, 60), np.ones(60, int)),
    "1/k": (np.arange(1, 65.0) ** -1, np.ones(64, int)),
    "1/k^2": (np.arange(1, 31.0) ** -2, np.ones(30, int)),
    "eigenspaces": (np.repeat([1, 0.5, 0.2], [3, 5, 10]), np.array([3, 5, 10])),
    "one dominant": (np.r_[50, np.linspace(1, 0.5, 40)], np.ones(41, int)),
    "two dominant": (np.r_[50, 49.9, np.linspace(1, 0.5, 40)], np.ones(42, int)),
    "twelve decades": (np.geomspace(1, 1e-12, 20), np.ones(20, int)),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_p_values_of_masses_are_uniform_far_into_the_tail(name: str, count: int) -> None:
    """Of features of the null a share a has p at most a, within a tenth where draws count, and no more elsewhere."""
    given = spectrum(*SPECTRA[name])
    null, _ = _null(given, count, 20_000, np.random.default_rng(1), 1)
    masses, _ = _null(given, count, count, np.random.default_rng(2), 1)
    p = _chance(given, null, masses)
    assert (np.diff(p[np.argsort(masses)]) <= 0).all()
    for level in (0.1, 0.05):
        assert np.mean(p <= level) == pytest.approx(level, rel=0.1)
    for level in (1e-3, 1e-4, 1e-5):
        assert binom.ppf(1e-5, count, 0.6 * level) <= np.sum(p <= level) <= binom.ppf(1 - 1e-5, count, level)


def test_it_does_not_depend_on_scale_or_on_what_else_is_asked() -> None:
    values, dims = np.arange(1, 41.0) ** -0.5, np.ones(40, int)
    masses = np.array([0.3, 0.4, 0.7, 0.99, 1.0])
    found = mass_tail(spectrum(values, dims), masses)
    np.testing.assert_allclose(mass_tail(spectrum(1e-200 * values, dims), masses), found, rtol=1e-9)
    assert (np.diff(found) < 0).all()
    alone = [float(mass_tail(spectrum(values, dims), np.array([mass]))[0]) for mass in masses[:4]]
    np.testing.assert_allclose(np.log(alone), np.log(found[:4]), rtol=2e-3)
    assert mass_tail(spectrum(values, dims), np.empty(0)).shape == (0,)
    assert mass_tail(spectrum([5.0], [1]), np.array([1.0])) == 1


def test_a_single_feature_of_thousands_is_localised_without_more_draws() -> None:
    import featuregeom as fg

    X = np.random.default_rng(0).standard_normal((4000, 40)) * np.arange(1, 41.0) ** -0.5
    spectrum_of_others = fg.spectra.spectrum(X)
    X = np.vstack([X, 3 * spectrum_of_others.vectors[:, 20]])
    found = fg.dictionaries.spectral_groups(X, least=1)
    assert np.flatnonzero(found.localised).tolist() == [4000]
    assert found.q[4000] < 1e-6
