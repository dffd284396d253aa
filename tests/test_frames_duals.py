"""Canonical duals, Parseval frames and Naimark complements of real and complex frames."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import ParameterError
from oracles.complex_frames import MUB2, SIC2, SIC3, random_frame, span_projection
from oracles.known_answers import cross_polytope, icosahedral_lines, polygon, simplex, unit

seeds = st.integers(0, 2**31)
both = pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])


@both
@given(st.integers(1, 9), st.integers(1, 6), seeds)
def test_the_dual_reconstructs(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    dual = fg.frames.canonical_dual(X)
    rounding = 1e-13 * fg.frames.condition(X) * (n + m)
    x = random_frame(1, m, seed + 1, is_complex)[0]
    rebuilt = sum(np.sum(x * np.conj(w)) * d for w, d in zip(X, dual, strict=True))
    np.testing.assert_allclose(rebuilt, x @ span_projection(X), rtol=0, atol=rounding * np.linalg.norm(x))
    np.testing.assert_allclose(
        dual, np.linalg.pinv(X).conj().T, rtol=0, atol=rounding * np.linalg.norm(np.linalg.pinv(X))
    )
    # Its frame operator is F^+, its own dual is X, and its inner products with X are the leverages.
    F = fg.frames.frame_operator(dual)
    inverse = np.linalg.pinv(X.conj().T @ X, hermitian=True, rcond=1e-14)
    np.testing.assert_allclose(F, inverse, rtol=0, atol=10 * rounding * np.linalg.norm(inverse))
    leverage = np.einsum("ia,ia->i", X, dual.conj())
    np.testing.assert_allclose(leverage.imag, 0, atol=rounding)
    assert leverage.real.sum() == pytest.approx(min(n, m), abs=10 * rounding)


@both
@given(st.integers(1, 9), st.integers(1, 6), seeds)
def test_a_parseval_frame_has_the_projection_as_its_operator(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    parseval = fg.frames.canonical_parseval(X)
    rounding = 1e-13 * fg.frames.condition(X) * (n + m)
    np.testing.assert_allclose(fg.frames.frame_operator(parseval), span_projection(X), rtol=0, atol=rounding)
    # Polar decomposition: X = parseval times the positive root, so the isometry itself is U V*.
    left, _, right = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(parseval, left @ right, rtol=0, atol=rounding)
    np.testing.assert_allclose(fg.frames.canonical_parseval(parseval), parseval, rtol=0, atol=rounding)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("dtype", ["double", "single"])
def test_duals_of_rank_deficient_features(is_complex, dtype):
    """In single precision, rounding puts small eigenvalues where zeros were; they must not be inverted."""
    X = random_frame(30, 3, 1, is_complex) @ random_frame(3, 8, 2, is_complex)
    kind = {"double": X.dtype, "single": np.complex64 if is_complex else np.float32}[dtype]
    Y = X.astype(kind)
    tolerance = 1e-10 if dtype == "double" else 1e-5
    for found, exact in (
        (fg.frames.canonical_dual(Y), np.linalg.pinv(X, rcond=1e-10).conj().T),
        (fg.frames.canonical_dual(Y[:5]), np.linalg.pinv(X[:5], rcond=1e-10).conj().T),
    ):
        np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    P = fg.frames.frame_operator(fg.frames.canonical_parseval(Y))
    np.testing.assert_allclose(P, span_projection(X), rtol=0, atol=tolerance)


def test_the_dual_of_a_tight_frame_is_a_multiple():
    np.testing.assert_allclose(fg.frames.canonical_dual(SIC2), SIC2 / 2, atol=1e-14)
    np.testing.assert_allclose(fg.frames.canonical_parseval(SIC2), SIC2 / sqrt(2), atol=1e-14)
    np.testing.assert_allclose(fg.frames.canonical_dual(polygon(7)), polygon(7) * 2 / 7, atol=1e-14)


@pytest.mark.parametrize(
    "X",
    [polygon(3), simplex(8), icosahedral_lines(), SIC2, SIC3, MUB2, polygon(9), cross_polytope(4)],
    ids=["triangle", "simplex", "lines", "SIC 2", "SIC 3", "MUB", "polygon", "cross-polytope"],
)
def test_naimark_complements(X):
    n, m = X.shape
    Y = fg.frames.naimark_complement(X)
    assert Y.shape == (n, n - m)
    assert np.iscomplexobj(Y) == np.iscomplexobj(X)
    expected = n / (n - m) * (np.eye(n) - m / n * (X @ X.conj().T))
    np.testing.assert_allclose(fg.frames.gram(Y), expected, rtol=0, atol=1e-13)
    found = fg.frames.frame_numbers(Y)
    assert found.rank == n - m
    assert found.lower == pytest.approx(n / (n - m), rel=1e-12)
    assert found.upper == pytest.approx(n / (n - m), rel=1e-12)
    both_sides = np.hstack([sqrt(m / n) * X, sqrt((n - m) / n) * Y])
    np.testing.assert_allclose(both_sides @ both_sides.conj().T, np.eye(n), atol=1e-13)
    assert fg.frames.equiangular(Y).is_etf == fg.frames.equiangular(X).is_etf
    again = fg.frames.naimark_complement(Y)
    np.testing.assert_allclose(fg.frames.gram(again), X @ X.conj().T, rtol=0, atol=1e-13)


def test_naimark_complement_of_a_simplex_is_one_vector_repeated():
    Y = fg.frames.naimark_complement(simplex(6))
    np.testing.assert_allclose(Y, np.full((6, 1), Y[0, 0]), rtol=1e-12)
    assert abs(Y[0, 0]) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (2 * polygon(5), "squared norm 4"),
        (np.vstack([polygon(5), [[0.0, 0.0]]]), "feature 5 has squared norm 0"),
        (unit(random_frame(6, 3, 1, False)), "the frame operator differs from"),
        (np.hstack([polygon(5), np.zeros((5, 1))]), "the frame operator differs from"),
        (np.eye(3), "no Naimark complement"),
        (np.eye(3)[:2], "no Naimark complement"),
    ],
)
def test_what_has_no_naimark_complement(X, message):
    for given_ in (X, X + 0j):
        with pytest.raises(ParameterError, match=message):
            fg.frames.naimark_complement(given_)


def test_naimark_complement_of_rounded_features():
    with pytest.raises(ParameterError):
        fg.frames.naimark_complement(icosahedral_lines().astype(np.float32))
    Y = fg.frames.naimark_complement(icosahedral_lines().astype(np.float32), 1e-6)
    assert fg.frames.equiangular(Y, 1e-6).is_etf
