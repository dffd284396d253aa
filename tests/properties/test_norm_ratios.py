"""Features of very different norms, on both sides: every number is right, or its error is inside its stated bound."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import featuregeom as fg

shapes = st.sampled_from([(2, 3), (3, 5), (4, 9), (2, 8), (5, 2), (6, 3), (4, 4)])
"""Fewer features than dimensions (the Gram matrix is decomposed), more of them (the frame operator), and as many."""


def with_ratio(shape: tuple[int, int], decades: float, seed: int, spread: bool) -> np.ndarray:
    """Random features whose norms are far apart: one long one, or all between."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape)
    share = np.linspace(0, 1, shape[0]) if spread else np.eye(shape[0])[rng.integers(shape[0])]
    return X * 10.0 ** (decades * share)[:, None]


def exact_capacity(X: np.ndarray) -> list[float]:
    """The definition, in rational numbers."""
    rows = [[Fraction(float(x)) for x in row] for row in X]
    inner = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in rows] for u in rows]
    return [float(inner[i][i] ** 2 / sum(value**2 for value in inner[i])) for i in range(len(rows))]


def exact_measures(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of F, decreasing, and each feature's share in each eigenvector, to 60 digits."""
    with mpmath.workdps(60):
        A = mpmath.matrix(X.tolist())
        values, vectors = mpmath.eigsy(A.T * A)
        order = sorted(range(len(values)), key=lambda k: -values[k])
        along = A * vectors
        norms = [mpmath.fsum(A[i, a] ** 2 for a in range(A.cols)) for i in range(A.rows)]
        masses = [[float(along[i, k] ** 2 / norms[i]) for k in order] for i in range(A.rows)]
        return np.array([float(values[k]) for k in order]), np.array(masses)


@pytest.mark.parametrize("r", [3e7, 1e9, 1e12])
@pytest.mark.parametrize("short", [[1.0, -1.0, 2.0], [1.0, 1.0, -1.0]])
@pytest.mark.parametrize("turned", [False, True])
def test_the_capacity_of_a_feature_that_squares_lose(r, short, turned):
    """Inner products 5 r, and 0: F^T F has no digit of the short one, on either side, also in the table."""
    X = np.array([[r, 2 * r, 3 * r], short, *([[0.0, 0, 0]] * (2 * turned))])
    table = fg.analyze({"x": X}).features
    spectrum = fg.spectra.spectrum(X)
    expected = np.array(exact_capacity(X[:2]))
    bound = spectrum.kappa_bound(np.array([14 * r * r, (X[1] @ X[1]) / expected[1]]))
    for capacity in (table["capacity"].to_numpy(), fg.frames.capacity(X), fg.spectra.measures(X).capacity):
        assert (np.abs(capacity[:2] / expected - 1) <= bound).all()
        assert (bound < 1e-2).all()
    assert spectrum.rank == 2
    np.testing.assert_allclose(table["leverage"][:2], 1, rtol=1e-3)
    short_mass = (X[0] @ X[1]) ** 2 / (X[0] @ X[0]) / (X[1] @ X[1])
    np.testing.assert_allclose(table["ipr"][1], short_mass**2 + (1 - short_mass) ** 2, rtol=1e-13)


@given(st.integers(3, 8), st.integers(3, 8), st.integers(1, 4), st.floats(0, 12), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_capacity_of_dependent_features(n, m, rank, decades, seed):
    """Fewer dimensions than there are rows and columns, exactly so: products of integers, scaled by powers of two."""
    rng = np.random.default_rng(seed)
    X = (rng.integers(-5, 6, (n, rank)) @ rng.integers(-5, 6, (rank, m))).astype(float)
    X = X[(X != 0).any(axis=1)]
    assume(len(X) > 1)
    X *= 2.0 ** -rng.integers(0, int(decades * np.log2(10)) + 1, len(X))[:, None]
    expected = np.array(exact_capacity(X))
    spectrum = fg.spectra.spectrum(X)
    bound = spectrum.kappa_bound((X**2).sum(axis=1) / expected)
    for capacity in (fg.spectra.measures(X, spectrum).capacity, fg.frames.capacity(X)):
        assert (np.abs(capacity / expected - 1) <= bound).all()
        np.testing.assert_allclose(capacity, expected, rtol=1e-11)


def test_the_capacity_of_a_short_feature_beside_a_long_one():
    X = np.array([[1e6, 2e6, 3e6], [1, -1, 2]])
    found = fg.spectra.measures(X)
    np.testing.assert_allclose(found.capacity[1], 36 / (36 + 25e12), rtol=1e-13)
    np.testing.assert_allclose(found.masses.sum(axis=1), 1, rtol=1e-13)
    np.testing.assert_allclose(found.masses[1], [25 / 84, 59 / 84], rtol=1e-12)
    np.testing.assert_allclose(fg.analyze({"x": X}).features["capacity"], exact_capacity(X), rtol=1e-13)


@given(shapes, st.floats(0, 12), st.integers(0, 10**6), st.booleans())
@example((2, 3), 6.0, 0, False)
@example((4, 9), 7.0, 1, True)
@example((3, 5), 8.25, 237, False)
@example((2, 3), 12.0, 1, False)
@settings(max_examples=100, deadline=None)
def test_every_number_is_inside_its_bound(shape, decades, seed, spread):
    X = with_ratio(shape, decades, seed, spread)
    spectrum = fg.spectra.spectrum(X, tolerance=0.0)
    found = fg.spectra.measures(X, spectrum)
    values, masses = exact_measures(X)
    rank = spectrum.rank
    seen = np.add.reduceat(masses[:, :rank], spectrum.starts[:-1], axis=1)
    bound = spectrum.mass_bound
    assert (np.abs(found.masses - seen) <= bound).all()
    if rank == min(shape):
        np.testing.assert_allclose(found.masses.sum(axis=1), 1, rtol=1e-13)
    kappa = masses @ values
    error = spectrum.kappa_bound(kappa)
    assert (np.abs(found.kappa / kappa - 1) <= error).all()
    assert (np.abs(found.capacity / exact_capacity(X) - 1) <= error).all()
    assert (np.abs(fg.frames.capacity(X) / exact_capacity(X) - 1) <= error).all()
    assert abs(found.leverage.sum() - rank) <= rank * spectrum.defect_bound
    defect = (rank - found.capacity.sum()) - (found.leverage - found.capacity).sum()
    assert abs(defect) <= rank * spectrum.defect_bound
    assert (found.capacity <= found.leverage * (1 + 1e-12) + rank * spectrum.defect_bound).all()


@given(shapes, st.floats(0, 6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_random_directions_are_exact_to_13_digits_on_both_sides(shape, decades, seed):
    """Where no feature is nearly orthogonal to the long one, kappa is not small and nothing is lost."""
    X = np.abs(with_ratio(shape, decades, seed, False)) + 0.0
    spectrum = fg.spectra.spectrum(X)
    if spectrum.rank < min(shape):
        return
    found = fg.spectra.measures(X, spectrum)
    well = spectrum.trace / found.kappa < 30
    np.testing.assert_allclose(found.capacity[well], np.array(exact_capacity(X))[well], rtol=1e-13)


@pytest.mark.parametrize("n", [50, 300])
def test_masses_of_many_features_add_up_to_one(n):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, 2 * n)) * 10.0 ** rng.uniform(0, 6, n)[:, None]
    spectrum = fg.spectra.spectrum(X)
    found = fg.spectra.measures(X, spectrum)
    assert spectrum.rank == n
    np.testing.assert_allclose(found.masses.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.leverage, 1, rtol=1e-11)
    M = X @ X.T
    np.testing.assert_allclose(found.capacity, M.diagonal() ** 2 / (M**2).sum(axis=1), rtol=1e-11)


def test_repeated_and_zero_features_on_the_gram_side():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 20)) * 10.0 ** np.arange(6)[:, None]
    X = np.vstack([X, X[:2], np.zeros((1, 20))])
    found = fg.spectra.measures(X)
    np.testing.assert_allclose(found.masses[:-1].sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.capacity[:2], found.capacity[6:8], rtol=1e-12)
    np.testing.assert_allclose(found.capacity[:-1], exact_capacity(X[:-1]), rtol=1e-9)
    assert found.capacity[-1] == 0


@pytest.mark.parametrize("shape", [(200, 400), (400, 200), (300, 300)])
@pytest.mark.parametrize("decades", [3, 6])
def test_eigenvectors_of_uneven_operators_are_exact(shape, decades):
    """Divide and conquer loses up to 1e-4 of the largest eigenvalue here; what is given back is rounding."""
    rng = np.random.default_rng(decades)
    X = rng.standard_normal(shape)
    short = min(shape)
    scale = 10.0 ** rng.uniform(0, decades, short)
    X = X * (scale[:, None] if shape[0] == short else scale)
    found = fg.spectra.spectrum(X)
    M = X @ X.T if shape[0] < shape[1] else X.T @ X
    V = found.vectors
    residual = np.linalg.norm(M @ V - V * found.retained, 2)
    assert residual <= sum(shape) * 2.0**-53 * found.trace + found.null_tolerance
