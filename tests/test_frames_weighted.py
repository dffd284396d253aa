"""Frames weighted by codes, against the second moments of activations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from oracles.complex_frames import random_frame
from oracles.known_answers import polygon, simplex

seeds = st.integers(0, 2**31)
both = pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])


def codes(n: int, samples: int, seed: int, is_complex: bool) -> np.ndarray:
    return random_frame(samples, n, seed, is_complex)


@both
@given(st.integers(1, 8), st.integers(1, 6), seeds)
def test_the_weighted_operator_is_the_second_moment_of_activations(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    z = codes(n, 20, seed + 1, is_complex)
    C = z.conj().T @ z / len(z)
    x = z @ X
    expected = x.conj().T @ x / len(x)
    F = fg.frames.weighted_frame_operator(X, C)
    np.testing.assert_allclose(F, expected, rtol=0, atol=1e-12 * np.abs(expected).max() * m)
    assert np.array_equal(F, F.conj().T)
    found = fg.frames.effective_interference(X, C)
    energy = (np.abs(x) ** 2).sum(axis=1).mean()
    assert found.total == pytest.approx(energy, rel=1e-11)
    assert found.total == pytest.approx(np.trace(F).real, rel=1e-11)
    pairs = np.array(
        [[np.mean(z[:, i] * z[:, j].conj()) * np.sum(X[i] * X[j].conj()) for j in range(n)] for i in range(n)]
    )
    close = {"rtol": 0, "atol": 1e-12 * np.abs(pairs).max() * n}
    np.testing.assert_allclose(found.matrix, pairs, **close)
    np.testing.assert_allclose(found.own, np.diag(pairs).real, **close)
    off = pairs - np.diag(np.diag(pairs))
    np.testing.assert_allclose(found.cross, off.sum(axis=1).real, **close)
    np.testing.assert_allclose(found.magnitude, np.abs(off).sum(axis=1), **close)


@both
@given(st.integers(1, 8), st.integers(1, 6), seeds)
def test_a_diagonal_moment_is_a_full_one_with_zeros(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    diagonal = np.random.default_rng(seed).exponential(size=n) * (np.arange(n) != 1)
    full = np.diag(diagonal)
    np.testing.assert_allclose(
        fg.frames.weighted_frame_operator(X, diagonal), fg.frames.weighted_frame_operator(X, full), atol=1e-12
    )
    ones = fg.frames.weighted_frame_operator(X, np.ones(n))
    np.testing.assert_allclose(ones, fg.frames.frame_operator(X), rtol=0, atol=1e-13 * np.abs(ones).max())
    found = fg.frames.effective_interference(X, diagonal)
    assert not found.cross.any()
    assert not found.magnitude.any()
    np.testing.assert_allclose(found.own, diagonal * (np.abs(X) ** 2).sum(axis=1), rtol=1e-12)


@both
def test_weights_across_tiles(is_complex, monkeypatch):
    """Tiles of a few rows, one of them all but unused and one not used at all."""
    monkeypatch.setattr("featuregeom.frames.weighted._TILE_VALUES", 20)
    X = random_frame(23, 6, 3, is_complex)
    weights = np.random.default_rng(4).exponential(size=23)
    weights[3:6], weights[9:12] = 1e-320, 0
    expected = (X * weights[:, None]).T.conj() @ X
    found = fg.frames.weighted_frame_operator(X, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    X[20, 4] = np.inf
    with pytest.raises(NonFiniteError) as error:
        fg.frames.weighted_frame_operator(X, weights)
    assert (error.value.row, error.value.column) == (20, 4)


def test_complex_codes_of_real_features():
    z = codes(4, 50, 1, True)
    C = z.conj().T @ z / 50
    x = z @ simplex(4)
    np.testing.assert_allclose(
        fg.frames.weighted_frame_operator(simplex(4), C), x.conj().T @ x / 50, atol=1e-13
    )


@pytest.mark.parametrize(
    ("moment", "error", "message"),
    [
        (np.ones(4), ShapeError, r"shape \(4,\): 5 features need \(5,\), its diagonal, or \(5, 5\)"),
        (np.ones((5, 2)), ShapeError, "shape"),
        (np.ones((4, 4)), ShapeError, "shape"),
        (1.0, ShapeError, "shape"),
        ([[1.0], [1.0, 2.0]], ShapeError, "no array"),
        (np.array(list("abcde")), DtypeError, "numbers are needed"),
        (np.array([1, 2, np.nan, 1, 1]), NonFiniteError, "holds nan at row 2, column 2"),
        (np.where(np.eye(5)[::-1] == 1, np.inf, 1.0), NonFiniteError, "row 0, column 4"),
        (np.triu(np.ones((5, 5))), ParameterError, "not symmetric"),
        (1j * np.ones((5, 5)), ParameterError, "not symmetric"),
        (np.array([1, 1j, 1, 1, 1]), ParameterError, "not symmetric"),
        (np.array([1.0, 1, -0.5, 1, 1]), ParameterError, "code 2 is -0.5"),
        (-np.eye(5), ParameterError, "code 0 is -1"),
        (np.eye(5) + 3 * np.eye(5)[::-1], ParameterError, "indefinite, with an eigenvalue of -2"),
    ],
)
def test_bad_second_moments(moment, error, message):
    for call in (fg.frames.weighted_frame_operator, fg.frames.effective_interference):
        for X in (polygon(5), polygon(5) + 0j):
            with pytest.raises(error, match=message):
                call(X, moment)


def test_second_moments_of_single_precision_are_symmetric_enough():
    z = codes(5, 1000, 1, False).astype(np.float32)
    C = z.T @ z / 1000
    C[0, 1] *= 1 + 1e-7
    F = fg.frames.weighted_frame_operator(polygon(5), C)
    assert np.array_equal(F, F.T)


@pytest.mark.parametrize("moment", [np.full(3, 1e300), np.full((3, 3), 1e300)])
def test_weights_out_of_range(moment):
    for X in (np.full((3, 2), 1e10), np.full((3, 2), 1e10j)):
        with pytest.raises(ParameterError, match="range of float64"):
            fg.frames.weighted_frame_operator(X, moment)


@pytest.mark.parametrize("moment", [np.full(3, 1e300), np.full((3, 3), 1e300)])
def test_interference_out_of_range(moment):
    with pytest.raises(ParameterError, match="overflow"):
        fg.frames.effective_interference(np.full((3, 2), 1e10), moment)
    with pytest.raises(ParameterError, match="overflow"):
        fg.frames.effective_interference(np.full((3, 2), 1e4 * 2**0.5), np.full((3, 3), 3e299))


@pytest.mark.parametrize("shape", [(3,), (3, 3)])
def test_products_that_underflow(shape):
    X = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    tiny = np.full(3, 1e-300) if shape == (3,) else np.diag(np.full(3, 1e-300))
    for call in (fg.frames.weighted_frame_operator, fg.frames.effective_interference):
        with pytest.raises(ParameterError, match="underflow"):
            call(1e-10 * X, tiny)
    # What does not underflow is right, whatever X and the codes are by themselves.
    expected = fg.frames.weighted_frame_operator(X, tiny * 1e300)
    np.testing.assert_allclose(
        fg.frames.weighted_frame_operator(1e140 * X, tiny), 1e-20 * expected, rtol=1e-12, atol=0
    )
    np.testing.assert_allclose(
        fg.frames.weighted_frame_operator(1e-120 * X, tiny * 1e300), 1e-240 * expected, rtol=1e-12, atol=0
    )


def test_zero_products_are_no_underflow():
    # Codes that always cancel, unused features, zero features.
    assert not fg.frames.weighted_frame_operator([[1.0], [1.0]], [[1.0, -1.0], [-1.0, 1.0]]).any()
    assert not fg.frames.weighted_frame_operator([[1.0], [0.0]], [0.0, 1.0]).any()
    assert not fg.frames.effective_interference([[1.0], [0.0]], [0.0, 1.0]).matrix.any()
