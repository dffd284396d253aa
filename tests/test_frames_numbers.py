"""Frame numbers and coherence of real and complex features, and what all functions of frames refuse."""

from __future__ import annotations

from math import cos, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from oracles.complex_frames import SIC2, random_frame, unitary
from oracles.known_answers import KNOWN, polygon, unit

torch = pytest.importorskip("torch")

seeds = st.integers(0, 2**31)
both = pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])


# Conventions: everything from inner products <x, y> = sum x conj(y).


@both
@given(st.integers(1, 9), st.integers(1, 6), seeds)
def test_operator_and_gram_are_sums_of_inner_products(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    M = np.array([[np.sum(a * np.conj(b)) for b in X] for a in X])
    np.testing.assert_allclose(fg.frames.gram(X), M, rtol=0, atol=1e-13 * np.abs(M).max())
    x = random_frame(1, m, seed + 1, is_complex)[0]
    expected = sum(np.sum(x * np.conj(w)) * w for w in X)
    F = fg.frames.frame_operator(X)
    np.testing.assert_allclose(x @ F, expected, rtol=0, atol=1e-12 * np.abs(F).max() * np.abs(x).max() * m)
    assert np.array_equal(F, F.conj().T)
    assert np.array_equal(fg.frames.gram(X), fg.frames.gram(X).conj().T)
    assert F.dtype == fg.frames.gram(X).dtype == (np.complex128 if is_complex else np.float64)
    quadratic = np.einsum("ij,ij->i", M, M.conj()).real
    np.testing.assert_allclose(fg.frames.capacity(X), np.diag(M).real ** 2 / quadratic, rtol=1e-11)


@given(st.integers(1, 9), st.integers(1, 6), seeds)
def test_frame_numbers_are_their_definitions(n, m, seed):
    for X in (random_frame(n, m, seed, False), random_frame(n, m, seed, True)):
        found = fg.frames.frame_numbers(X)
        values = np.linalg.svd(X, compute_uv=False) ** 2
        assert (found.n, found.m, found.rank) == (n, m, min(n, m))
        assert found.upper == pytest.approx(values[0], rel=1e-10)
        assert found.lower == pytest.approx(values[-1], rel=1e-10, abs=1e-13 * values[0])
        assert (found.lower, found.upper) == fg.frames.frame_bounds(X)
        assert found.condition == found.upper / found.lower == fg.frames.condition(X)
        assert found.trace == pytest.approx(values.sum(), rel=1e-12)
        assert found.potential == pytest.approx((values**2).sum(), rel=1e-12)
        assert found.potential == pytest.approx(
            fg.frames.frame_potential(fg.frames.frame_operator(X)), rel=1e-12
        )
        # tr F^2 = (tr F)^2 / r (1 + residual^2): the residual is a coefficient of variation.
        assert found.potential == pytest.approx(found.least_potential * (1 + found.tightness**2), rel=1e-11)


@given(st.integers(1, 9), st.integers(1, 6), seeds)
def test_bounds_hold_for_every_vector_of_the_span(n, m, seed):
    for is_complex in (False, True):
        X = random_frame(n, m, seed, is_complex)
        lower, upper = fg.frames.frame_bounds(X)
        x = random_frame(5, n, seed + 1, is_complex) @ X  # in the span
        energy = (np.abs(x @ X.conj().T) ** 2).sum(axis=1)
        squared = (np.abs(x) ** 2).sum(axis=1)
        assert np.all(energy >= lower * squared * (1 - 1e-9))
        assert np.all(energy <= upper * squared * (1 + 1e-9))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_frame_numbers(known):
    found = fg.frames.frame_numbers(known.X)
    assert found.rank == known.rank
    assert found.upper == pytest.approx(known.spectrum[0][0], rel=1e-9)
    assert found.lower == pytest.approx(known.spectrum[-1][0], rel=1e-9)
    assert (found.tightness < 1e-7) == (len(known.spectrum) == 1)
    assert fg.frames.coherence(known.X) == pytest.approx(known.coherence, rel=1e-9)
    assert fg.frames.coherence(known.X + 0j) == pytest.approx(known.coherence, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "complex128", "complex64"])
@pytest.mark.parametrize("shape", [(40, 12), (6, 12)])
def test_rank_and_null_tolerance_are_those_of_spectra(dtype, shape):
    """Rank-deficient matrices of every type; complex ones of real numbers have the same tolerance but for type."""
    factor = np.random.default_rng(3).standard_normal((shape[0], 4))
    X = (factor @ np.random.default_rng(4).standard_normal((4, 12))).astype(dtype)
    found = fg.frames.frame_numbers(X)
    assert found.rank == 4
    stored = X.real.astype({"complex128": "float64", "complex64": "float32"}.get(dtype, dtype))
    assert found.null_tolerance == pytest.approx(fg.spectra.spectrum(stored).null_tolerance, rel=1e-12)
    assert np.linalg.matrix_rank(fg.frames.canonical_dual(X), tol=1e-6) == 4


def test_nothing_and_nearly_nothing():
    for X in (np.zeros((3, 2)), np.zeros((3, 2), dtype=complex), np.zeros((2, 5), dtype=complex)):
        found = fg.frames.frame_numbers(X)
        assert found.rank == 0
        assert np.isnan(
            [found.lower, found.upper, found.condition, found.tightness, found.least_potential]
        ).all()
        assert found.trace == found.potential == 0
        assert np.isnan(fg.frames.coherence(X))
        assert not fg.frames.canonical_dual(X).any()
        assert not fg.frames.canonical_parseval(X).any()
        assert not fg.frames.capacity(X).any()
        flat = fg.frames.equiangular(X)
        assert (flat.n, flat.rank, flat.is_equiangular, flat.is_tight, flat.is_etf) == (
            0,
            0,
            False,
            False,
            False,
        )
    one = fg.frames.equiangular([[0.0, 0.0], [3.0, 4.0]])
    assert (one.n, one.rank, one.is_equiangular, one.is_tight, one.is_etf) == (1, 1, False, True, False)
    assert np.isnan(one.cosine)
    assert np.isnan(fg.frames.coherence([[1j, 2.0], [0.0, 0.0]]))
    assert fg.frames.coherence([[1e-160j, 0.0], [0.0, 0.0], [1e150, 1e150]]) == pytest.approx(
        sqrt(0.5), rel=1e-15
    )


# Real and complex input.


def as_complex(X):
    return X.astype(np.complex128)


@given(st.integers(2, 9), st.integers(1, 6), seeds)
def test_real_data_cast_to_complex_gives_the_same(n, m, seed):
    X = random_frame(n, m, seed, False)
    C = as_complex(X)
    close = {"rtol": 0, "atol": 1e-9 * fg.frames.condition(X)}
    moment = np.abs(random_frame(n, 1, seed, False))[:, 0]
    for function in (
        fg.frames.frame_operator,
        fg.frames.gram,
        fg.frames.capacity,
        fg.frames.canonical_dual,
        fg.frames.canonical_parseval,
        fg.frames.coherence,
        lambda X: fg.frames.weighted_frame_operator(X, moment),
        lambda X: fg.frames.weighted_frame_operator(X, np.outer(moment, moment)),
        lambda X: fg.frames.effective_interference(X, np.outer(moment, moment)).matrix,
    ):
        real, cast = function(X), function(C)
        np.testing.assert_allclose(np.imag(cast), 0, atol=1e-13)
        np.testing.assert_allclose(np.real(cast), real, **close)
    real, cast = fg.frames.frame_numbers(X), fg.frames.frame_numbers(C)
    assert real.rank == cast.rank
    assert cast.lower == pytest.approx(real.lower, rel=1e-9, abs=1e-13 * real.upper)
    assert cast.upper == pytest.approx(real.upper, rel=1e-12)


@given(st.integers(2, 9), st.integers(1, 6), seeds, st.floats(1e-20, 1e20))
def test_unitary_maps_phases_order_and_scale(n, m, seed, scale):
    X = random_frame(n, m, seed, True)
    rng = np.random.default_rng(seed)
    U, order = unitary(m, seed + 1, True), rng.permutation(n)
    phases = np.exp(2j * pi * rng.random(n))
    Y = scale * (phases[:, None] * X)[order] @ U
    tolerance = 1e-12 * fg.frames.condition(X)
    np.testing.assert_allclose(fg.frames.capacity(Y), fg.frames.capacity(X)[order], rtol=1e-10)
    F = U.conj().T @ fg.frames.frame_operator(X) @ U
    np.testing.assert_allclose(
        fg.frames.frame_operator(Y) / scale**2, F, rtol=0, atol=1e-12 * np.abs(F).max()
    )
    before, after = fg.frames.frame_numbers(X), fg.frames.frame_numbers(Y)
    assert after.rank == before.rank
    assert after.upper == pytest.approx(scale**2 * before.upper, rel=1e-12)
    assert after.lower == pytest.approx(scale**2 * before.lower, rel=1e-12 + tolerance)
    assert after.tightness == pytest.approx(before.tightness, rel=1e-9, abs=1e-12)
    assert fg.frames.coherence(Y) == pytest.approx(fg.frames.coherence(X), rel=1e-12)
    before, after = fg.frames.equiangular(X), fg.frames.equiangular(Y)
    assert after.spread == pytest.approx(before.spread, abs=1e-12)
    dual = (phases[:, None] * fg.frames.canonical_dual(X))[order] @ U / scale
    np.testing.assert_allclose(
        fg.frames.canonical_dual(Y), dual, rtol=0, atol=(1e-12 + 10 * tolerance) * np.abs(dual).max()
    )


def test_complex_input_in_all_its_forms():
    X = random_frame(7, 4, 1, True)
    F = fg.frames.frame_operator(X)
    for same in (
        X.tolist(),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X.astype(X.dtype.newbyteorder()),
        X.astype(np.clongdouble),
        torch.from_numpy(X),
        torch.from_numpy(X.conj()).conj(),
        torch.from_numpy(np.ascontiguousarray(X.T)).T,
    ):
        assert np.array_equal(fg.frames.frame_operator(same), F)
    short = X.astype(np.complex64)
    assert np.array_equal(fg.frames.frame_operator(short), fg.frames.frame_operator(short.astype(complex)))
    np.testing.assert_allclose(fg.frames.frame_operator(X, precision="single"), F, atol=1e-5)
    assert np.array_equal(fg.frames.frame_operator(X, num_threads=1), F)


def test_coherence_across_tiles():
    """The worst pair lies in different tiles, in either order."""
    X = random_frame(2500, 40, 2, True)
    expected = np.abs(unit(X.view(float)).view(complex) @ unit(X.view(float)).view(complex).conj().T)
    np.fill_diagonal(expected, 0)
    assert fg.frames.coherence(X) == pytest.approx(expected.max(), rel=1e-12)
    X[2400] = 1j * X[3] + 0.01 * X[4]
    expected = abs(np.vdot(X[3], X[2400])) / np.linalg.norm(X[3]) / np.linalg.norm(X[2400])
    # Another order puts the pair into tiles of other shapes, which may round otherwise.
    assert fg.frames.coherence(X) == pytest.approx(expected, rel=1e-12)
    assert fg.frames.coherence(X[::-1]) == pytest.approx(expected, rel=1e-12)


def test_coherence_of_real_features_is_that_of_the_sweep():
    X = random_frame(300, 20, 5, False)
    assert fg.frames.coherence(X) == fg.pairs.sweep(X).coherence


# Bad features.

CALLS = {
    "frame_operator": fg.frames.frame_operator,
    "gram": fg.frames.gram,
    "capacity": fg.frames.capacity,
    "frame_numbers": fg.frames.frame_numbers,
    "frame_bounds": fg.frames.frame_bounds,
    "condition": fg.frames.condition,
    "coherence": fg.frames.coherence,
    "equiangular": fg.frames.equiangular,
    "canonical_dual": fg.frames.canonical_dual,
    "canonical_parseval": fg.frames.canonical_parseval,
    "weighted, diagonal": lambda X: fg.frames.weighted_frame_operator(X, np.ones(len(X))),
    "weighted, full": lambda X: fg.frames.weighted_frame_operator(X, np.eye(len(X))),
    "effective_interference": lambda X: fg.frames.effective_interference(X, np.ones(len(X))),
    "naimark_complement": fg.frames.naimark_complement,
}
by_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@by_call
@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, complex(0, np.nan), complex(np.inf, 1)])
def test_bad_values_are_named_by_row_and_column(call, shape, bad):
    if call is fg.frames.naimark_complement and shape == (3, 5):
        return
    X = random_frame(*shape, 1, isinstance(bad, complex))
    X[2, 1] = X[2, 2] = bad
    with pytest.raises(NonFiniteError, match="at row 2, column 1") as error:
        call(X)
    assert (error.value.row, error.value.column) == (2, 1)


@by_call
@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (2, 2, 2)])
def test_bad_shapes(call, dtype, shape):
    with pytest.raises(ShapeError):
        call(np.ones(shape, dtype=dtype))


@by_call
@pytest.mark.parametrize("X", [[["a", "b"]], np.ma.masked_array(np.ones((2, 2)) * 1j, np.eye(2))])
def test_bad_types(call, X):
    with pytest.raises(DtypeError):
        call(X)


@pytest.mark.parametrize("X", [[[1.0, 2.0], [1.0]], [[1j, 2.0], [1.0]]])
def test_ragged_rows(X):
    with pytest.raises(ShapeError):
        fg.frames.frame_operator(X)


def test_complex_tensors_that_hold_no_numbers():
    for tensor in (
        torch.ones((2, 2), dtype=torch.complex64, device="meta"),
        torch.eye(2, dtype=torch.complex64).to_sparse(),
    ):
        with pytest.raises(DtypeError):
            fg.frames.frame_operator(tensor)


@pytest.mark.parametrize("scale", [1e-170, 1e160])
def test_squares_out_of_range(scale):
    for X in (scale * polygon(5), scale * SIC2):
        with pytest.raises(ParameterError, match="range"):
            fg.frames.frame_numbers(X)
    assert fg.frames.coherence(scale * SIC2) == pytest.approx(1 / sqrt(3), rel=1e-12)
    try:
        assert fg.frames.coherence(scale * polygon(5)) == pytest.approx(cos(pi / 5), rel=1e-12)
    except ParameterError as error:
        assert "range" in str(error)  # noqa: PT017


def test_too_many_features_for_a_stored_gram_matrix():
    X = np.ones((fg.frames.GRAM_ROWS + 1, 1))
    for call in (
        fg.frames.gram,
        fg.frames.equiangular,
        fg.frames.naimark_complement,
        lambda X: fg.frames.effective_interference(X, np.ones(len(X))),
    ):
        for given_ in (X, X + 0j):
            with pytest.raises(ShapeError, match=r"8193 features are too many .* use pairs\.sweep"):
                call(given_)


def test_every_public_name_says_what_it_is():
    assert sorted(fg.frames.__all__) == sorted({*fg.frames.__all__})
    functions = [getattr(fg.frames, name) for name in fg.frames.__all__ if name[0].islower()]
    for function in functions:
        for section in ("Parameters", "Returns"):
            assert f"{section}\n    ---" in function.__doc__, function.__name__
        assert "References\n    ---" in function.__doc__, function.__name__


@pytest.mark.parametrize("many", [list, np.array, torch.tensor])
def test_potential_and_tightness_take_lists(many):
    assert fg.frames.frame_potential(many([[2.0, 1.0], [1.0, 4.0]])) == 22.0
    assert fg.frames.tightness(many([3.0, 1.0])) == 0.5
    assert fg.frames.frame_potential(np.array([[1.0, 1j], [-1j, 1.0]])) == 4.0


@pytest.mark.parametrize(
    ("F", "error", "message"),
    [
        (np.ones((3, 2)), ShapeError, r"square frame operator, got shape \(3, 2\)"),
        ([1.0, 2.0], ShapeError, "square"),
        ([[1.0], [1.0, 2.0]], ShapeError, "no array"),
        ([[1.0, 2.0], [0.0, 1.0]], ParameterError, "not symmetric"),
        ([[1.0, 1j], [1j, 1.0]], ParameterError, "not symmetric"),
        ([[np.nan]], NonFiniteError, "holds nan at row 0, column 0"),
        ([["a"]], DtypeError, "numbers are needed"),
        ([[1e200]], ParameterError, "range of float64"),
    ],
)
def test_potential_refuses_what_is_no_frame_operator(F, error, message):
    with pytest.raises(error, match=message):
        fg.frames.frame_potential(F)


def test_tightness_refuses_what_is_no_list_of_eigenvalues():
    for bad, error in (
        (np.eye(2), ShapeError),
        (1.0, ShapeError),
        ([1.0, 1j], DtypeError),
        ([1.0, np.inf], NonFiniteError),
        (["a"], DtypeError),
    ):
        with pytest.raises(error, match="eigenvalues"):
            fg.frames.tightness(bad)
    assert fg.frames.tightness([1.7e308, 0.85e308]) == pytest.approx(1 / 3)
    assert np.isnan(fg.frames.tightness([]))
    assert np.isnan(fg.frames.tightness([0.0, 0.0]))


@pytest.mark.parametrize("value", ["no", 1, None, [True]])
def test_complex_is_true_or_false(value):
    with pytest.raises(ParameterError, match="complex must be True or False"):
        fg.frames.coherence_bounds(5, 2, complex=value)
