"""The frame operator, capacities and frame numbers, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import ParameterError
from oracles import slow
from oracles.known_answers import KNOWN, Known, cross_polytope, polygon, rotation, simplex

by_name = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
TILES = [(1, 1), (7, 3), (63, 65), (64, 64), (129, 33), (1025, 17), (300, 257), (5000, 3), (2, 400)]


@by_name
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_known_frame_operators(known: Known, scale):
    """F has the table's eigenvalues; a frame with one eigenvalue is that multiple of I."""
    rng = np.random.default_rng(1)
    X = scale * known.X @ rotation(known.X.shape[1], rng)
    F = fg.frames.frame_operator(X)
    assert np.array_equal(F, F.T)
    if len(known.spectrum) == 1:
        ideal = known.spectrum[0][0] * scale**2
        np.testing.assert_allclose(F, ideal * np.eye(len(F)), rtol=0, atol=1e-12 * ideal)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(F)[::-1], known.eigenvalues * scale**2, rtol=1e-9, atol=1e-12 * scale**2
    )


@by_name
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_known_capacities(known: Known, scale):
    rng = np.random.default_rng(2)
    X = scale * known.X @ rotation(known.X.shape[1], rng)
    order = rng.permutation(len(X))
    D = fg.frames.capacity(X[order])
    np.testing.assert_allclose(D, known.capacity[order], rtol=1e-9)
    saturated = known.name != "square antiprism z^2 = 1/4"
    assert D.sum() == pytest.approx(known.rank if saturated else 32 / 11, rel=1e-9)


@by_name
def test_frame_potential_is_at_least_that_of_a_tight_frame(known: Known):
    F = fg.frames.frame_operator(known.X)
    potential = fg.frames.frame_potential(F)
    least = np.trace(F) ** 2 / len(F)
    assert potential == pytest.approx(slow.frame_potential(known.X), rel=1e-12)
    if len(known.spectrum) == 1:
        assert potential == pytest.approx(least, rel=1e-12)
    else:
        assert potential > least * (1 + 1e-3)


@pytest.mark.parametrize("shape", TILES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_frame_operator_at_the_edges_of_tiles(shape, dtype):
    X = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    wide = X.astype(np.float64)
    F = fg.frames.frame_operator(X)
    norms = np.sqrt((wide * wide).sum(axis=0))
    assert F.shape == (shape[1], shape[1])
    assert F.dtype == np.float64
    # Rounding of a sum of n products: n u |x|.|y|, the bound of any order of summation.
    bound = (shape[0] + 2) * 2.0**-53 * np.outer(norms, norms)
    assert np.all(np.abs(F - wide.T @ wide) <= 2 * bound)


@pytest.mark.parametrize("shape", TILES)
def test_single_precision_is_good_to_1e_6(shape):
    X = np.random.default_rng(4).standard_normal(shape).astype(np.float32)
    wide = X.astype(np.float64)
    F = fg.frames.frame_operator(X, precision="single")
    norms = np.sqrt((wide * wide).sum(axis=0))
    assert np.all(np.abs(F - wide.T @ wide) <= 1e-6 * np.outer(norms, norms))
    D = fg.frames.capacity(X, precision="single")
    np.testing.assert_allclose(D, slow.capacity(wide), rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_double_precision_is_exact_where_every_sum_fits(dtype):
    """Integers: F must be the exact integer matrix."""
    X = np.random.default_rng(5).integers(-1000, 1001, (4001, 37))
    F = fg.frames.frame_operator(X.astype(dtype))
    assert np.array_equal(F, X.T @ X)


def test_small_terms_are_not_lost_among_many_large_ones():
    """f32 sums would lose them: 1 + 2^20 ones, each far below half an ulp of 2^60."""
    X = np.ones((2**18, 1), dtype=np.float32)
    X[0] = 2.0**13
    F = fg.frames.frame_operator(X)
    assert F[0, 0] == 2.0**26 + 2**18 - 1


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e-15, 1e-10, 1e10, 1e15, 1e18, 1e20, 1e30])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_f32_of_extreme_scale(scale, precision):
    """Squares of these leave float32 but not float64, and D has no scale."""
    X = (np.random.default_rng(6).standard_normal((50, 7)) * scale).astype(np.float32)
    wide = X.astype(np.float64)
    tolerance = 1e-12 if precision == "double" else 1e-5
    try:
        D = fg.frames.capacity(X, precision=precision)
        F = fg.frames.frame_operator(X, precision=precision)
    except ParameterError:
        assert precision == "single", "the squares are within the range of float64"
        return
    np.testing.assert_allclose(D, slow.capacity(wide / scale), rtol=tolerance)
    np.testing.assert_allclose(F / scale**2, wide.T @ wide / scale**2, rtol=0, atol=50 * tolerance)


@pytest.mark.parametrize(
    "exponent", [-170, -162, -161, -160, -158, -156, -154, -150, -140, -110, 140, 150, 153, 154, 160]
)
def test_near_the_range_of_float64_is_right_or_refused(exponent):
    base = np.random.default_rng(7).standard_normal((9, 4))
    X = base * 10.0**exponent
    D, values = slow.capacity(base), slow.eigenvalues(base)
    try:
        got = fg.frames.capacity(X)
    except ParameterError:
        assert abs(exponent) > 75, "squares and even fourth powers are within the range"
    else:
        np.testing.assert_allclose(got, D, rtol=1e-9)
    try:
        spectrum = fg.spectra.spectrum(X)
    except ParameterError:
        assert abs(exponent) > 75
    else:
        np.testing.assert_allclose(np.sqrt(spectrum.eigenvalues) / 10.0**exponent, np.sqrt(values), rtol=1e-9)
    try:
        measures = fg.spectra.measures(X)
    except ParameterError:
        assert abs(exponent) > 75
    else:
        np.testing.assert_allclose(measures.capacity, D, rtol=1e-9)
        np.testing.assert_allclose(measures.leverage, slow.leverage(base, 4), rtol=1e-9)


def test_rows_of_very_different_size():
    """D of a tiny feature among large ones is tiny, not zero and not garbage."""
    X = np.array([[1e70, 0.0], [1e-70, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(fg.frames.capacity(X), [1.0, 1e-280, 1.0], rtol=1e-12)


def test_zero_rows_and_duplicates():
    X = np.vstack([polygon(5), np.zeros((2, 2)), polygon(5)])
    np.testing.assert_allclose(fg.frames.capacity(X), [0.2] * 5 + [0, 0] + [0.2] * 5, rtol=1e-12)
    assert np.array_equal(fg.frames.capacity(np.zeros((3, 2))), np.zeros(3))
    assert np.array_equal(fg.frames.frame_operator(np.zeros((3, 2))), np.zeros((2, 2)))


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**31))
def test_tightness_is_its_definition(n, m, seed):
    X = np.random.default_rng(seed).standard_normal((n, m))
    F = X.T @ X
    values, vectors = np.linalg.eigh(F)
    r = min(n, m)
    P = vectors[:, -r:] @ vectors[:, -r:].T
    expected = np.linalg.norm(F - np.trace(F) / r * P) / (np.trace(F) / np.sqrt(r))
    assert fg.frames.tightness(values[-r:]) == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_tightness_of_nothing_is_nan():
    assert np.isnan(fg.frames.tightness(np.array([])))


@pytest.mark.parametrize(
    ("n", "m", "bound"),
    [
        (3, 2, 1 / 2),
        (6, 3, 5**-0.5),
        (28, 7, 1 / 3),
        (4, 3, 1 / 3),
        (2, 1, 1.0),
        (3, 3, 0.0),
        (2, 5, 0.0),
        (1, 1, 0.0),
    ],
)
def test_welch_bound(n, m, bound):
    assert fg.frames.welch_bound(n, m) == pytest.approx(bound, rel=1e-15)


@pytest.mark.parametrize("X", [simplex(3), simplex(9), cross_polytope(3)[::2]])
def test_simplices_and_bases_attain_the_welch_bound(X):
    assert fg.pairs.sweep(X).coherence == pytest.approx(fg.frames.welch_bound(*X.shape), rel=1e-12, abs=1e-15)
