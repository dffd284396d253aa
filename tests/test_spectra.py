"""Eigenspaces and spectral measures, against the known answers and the slow oracle."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError
from oracles import slow
from oracles.known_answers import ANTIPRISM_QUARTER, KNOWN, Known, direct_sum, polygon, rotation, simplex

by_name = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
scales = pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
DEMO = Path(fg.__file__).parent / "demo_models.safetensors"


def rotated(known: Known, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scale, rotate and permute a geometry; also give the permutation."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(known.X))
    return scale * (known.X @ rotation(known.X.shape[1], rng))[order], order


@by_name
def test_the_table_agrees_with_its_own_coordinates(known: Known):
    """Oracle against oracle: coordinates in plain NumPy against numbers written down from theory."""
    X = known.X
    np.testing.assert_allclose(slow.eigenvalues(X)[: known.rank], known.eigenvalues, rtol=1e-9)
    assert known.rank == X.shape[1]
    np.testing.assert_allclose(slow.capacity(X), known.capacity, rtol=1e-12)
    assert slow.coherence(X) == pytest.approx(known.coherence, rel=1e-9)
    assert slow.components(X, 0.01) == sorted(known.blocks)
    if known.gram is not None:
        C = slow.cosines(X)
        assert sum(known.gram.values()) == len(X) - 1
        for row, cosines in enumerate(abs(C) if known.lines else C):
            others = np.delete(cosines, row)
            for value, count in known.gram.items():
                assert np.count_nonzero(np.abs(others - value) < 1e-8) == count


@by_name
@scales
def test_known_spectra(known: Known, scale):
    X, _ = rotated(known, scale)
    found = fg.spectra.spectrum(X)
    assert found.rank == known.rank
    np.testing.assert_allclose(found.retained, known.eigenvalues * scale**2, rtol=1e-9)
    assert [space.dim for space in found.eigenspaces] == known.dims
    np.testing.assert_allclose(
        [space.value for space in found.eigenspaces], [v * scale**2 for v, _ in known.spectrum], rtol=1e-9
    )
    assert found.shape == X.shape
    assert found.trace == pytest.approx(slow.squared_norms(X).sum(), rel=1e-12)
    assert found.condition == pytest.approx(known.spectrum[0][0] / known.spectrum[-1][0], rel=1e-9)
    assert found.starts.tolist() == [0, *np.cumsum(known.dims)]
    assert found.rank_margin > 1e10


@by_name
@scales
def test_known_measures(known: Known, scale):
    X, order = rotated(known, scale)
    found = fg.spectra.measures(X)
    n = len(X)
    np.testing.assert_allclose(found.norm, scale * np.linalg.norm(known.X, axis=1)[order], rtol=1e-12)
    np.testing.assert_allclose(found.capacity, known.capacity[order], rtol=1e-9)
    np.testing.assert_allclose(found.leverage, slow.leverage(X, known.rank), rtol=1e-9)
    np.testing.assert_allclose(found.masses.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.kappa, found.norm**2 / known.capacity[order], rtol=1e-9)
    assert found.leverage.sum() == pytest.approx(known.rank, rel=1e-12)
    if known is ANTIPRISM_QUARTER:
        return
    # Every other geometry saturates: one eigenspace each.
    np.testing.assert_allclose(found.leverage, known.capacity[order], rtol=1e-9)
    np.testing.assert_allclose(found.slack, np.zeros(n), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.cv, np.zeros(n), rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.max_mass, np.ones(n), rtol=1e-12)
    np.testing.assert_allclose(found.ipr, np.ones(n), rtol=1e-12)
    np.testing.assert_allclose(found.entropy, np.zeros(n), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.effective_eigenspaces, np.ones(n), rtol=1e-12)
    values = np.array([space.value for space in fg.spectra.spectrum(X).eigenspaces])
    np.testing.assert_allclose(values[found.eigenspace], found.norm**2 / known.capacity[order], rtol=1e-9)


@scales
def test_the_antiprism_that_is_not_tight(scale):
    X, _ = rotated(ANTIPRISM_QUARTER, scale)
    found = fg.spectra.measures(X)
    assert found.capacity.sum() == pytest.approx(32 / 11, rel=1e-12)
    np.testing.assert_allclose(found.masses, np.tile([3 / 4, 1 / 4], (8, 1)), rtol=1e-12)
    np.testing.assert_allclose(found.cv, 0.157459, rtol=0, atol=5e-7)
    np.testing.assert_allclose(found.cv, np.sqrt(3 / 16) / (11 / 4), rtol=1e-12)
    np.testing.assert_allclose(found.leverage, 3 / 8, rtol=1e-12)
    np.testing.assert_allclose(found.slack, 1 / 33, rtol=1e-11)
    np.testing.assert_allclose(found.max_mass, 3 / 4, rtol=1e-12)
    np.testing.assert_allclose(found.ipr, 10 / 16, rtol=1e-12)
    np.testing.assert_allclose(found.entropy, np.log(4) - 0.75 * np.log(3), rtol=1e-12)
    assert np.array_equal(found.eigenspace, np.zeros(8))


# --- which eigenvalues are one


def demo(name: str) -> np.ndarray:
    return load_file(DEMO)[name]


@pytest.mark.parametrize(
    ("tensor", "geometry", "dim"),
    [("toy_n5_m2", "pentagon", 2), ("toy_n3_m2", "triangle", 2), ("toy_n4_m3", "tetrahedron", 3)],
)
def test_trained_polytopes_are_one_eigenspace_and_have_their_name(tensor, geometry, dim):
    X = demo(tensor)
    assert [space.dim for space in fg.spectra.spectrum(X).eigenspaces] == [dim]
    assert fg.spectra.measures(X).capacity.sum() == pytest.approx(dim, abs=1e-3)
    pairs = fg.pairs.sweep(X)
    assert pairs.n_blocks == 1
    assert fg.blocks.describe_block(X, np.arange(len(X))).geometry == geometry


def with_eigenvalues(values, n: int, seed: int = 0) -> np.ndarray:
    """Features whose frame operator has exactly these eigenvalues."""
    rng = np.random.default_rng(seed)
    left = rotation(n, rng)[:, : len(values)]
    return left * np.sqrt(values) @ rotation(len(values), rng)


@pytest.mark.parametrize(("tolerance", "dims"), [(None, [2]), (1e-3, [1, 1]), (1e-2, [2])])
def test_the_trained_pentagons_eigenvalues(tolerance, dims):
    found = fg.spectra.spectrum(with_eigenvalues([3.2231, 3.2176], 5), tolerance=tolerance)
    np.testing.assert_allclose(found.eigenvalues, [3.2231, 3.2176], rtol=1e-12)
    assert [space.dim for space in found.eigenspaces] == dims
    if tolerance is not None:
        assert found.tolerance == tolerance
    if dims == [2]:
        assert found.eigenspaces[0].value == pytest.approx((3.2231 + 3.2176) / 2, rel=1e-12)
        assert found.eigenspaces[0].spread == pytest.approx(0.0055 / 3.2231, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_tolerance_is_relative_to_the_local_eigenvalue(scale):
    """Pairs 1 % apart at both ends of six decades: at 2 % both are one, at .5 % neither is."""
    values = np.array([1.01e6, 1e6, 1.01, 1.0]) * scale
    X = with_eigenvalues(values, 6)
    assert [s.dim for s in fg.spectra.spectrum(X, tolerance=0.02).eigenspaces] == [2, 2]
    assert [s.dim for s in fg.spectra.spectrum(X, tolerance=0.005).eigenspaces] == [1, 1, 1, 1]
    assert [s.dim for s in fg.spectra.spectrum(X, tolerance=0.0).eigenspaces] == [1, 1, 1, 1]
    assert [s.dim for s in fg.spectra.spectrum(X).eigenspaces] == [2, 2]


def test_an_eigenspace_is_at_most_four_tolerances_wide():
    """A chain of twenty steps of 1 % is no single eigenspace at tolerance 1.1 %."""
    values = 1.01 ** -np.arange(20.0)
    found = fg.spectra.spectrum(with_eigenvalues(values, 25), tolerance=0.011)
    assert sum(space.dim for space in found.eigenspaces) == 20
    for space in found.eigenspaces:
        assert space.spread <= 4 * 0.011 * (1 + 1e-9)


def test_a_generic_spectrum_has_no_eigenspaces_of_dimension_two():
    """Evenly spread over decades, nothing persists: every eigenvalue stands alone."""
    values = 2.0 ** -np.arange(8.0)
    found = fg.spectra.spectrum(with_eigenvalues(values, 12))
    assert [space.dim for space in found.eigenspaces] == [1] * 8


@pytest.mark.parametrize("other", [simplex(4), simplex(4) * [1, 1, 1 + 1e-6], simplex(4) * [1, 1, 1 + 1e-3]])
def test_an_independent_summand_does_not_split_the_trained_pentagon(other):
    """Orthogonal features with other eigenvalues change no measure of the pentagon's, however exact they are.

    The last one is an exact pair and a third eigenvalue 2e-3 off: two eigenspaces.
    """
    X = direct_sum(demo("toy_n5_m2").astype(np.float64), other)
    exact_pair = np.ptp(np.linalg.eigvalsh(other.T @ other)) > 1e-3
    dims = [space.dim for space in fg.spectra.spectrum(X).eigenspaces]
    assert dims == ([2, 1, 2] if exact_pair else [2, 3])
    np.testing.assert_allclose(fg.spectra.measures(X).max_mass[:5], 1, rtol=1e-12)


@pytest.mark.parametrize("noise", [1e-7, 1e-5, 1e-4])
def test_planted_multiplicities_are_found_whatever_the_noise(noise):
    rng = np.random.default_rng(8)
    values = np.repeat([10.0, 6.0, 3.0, 1.0], [3, 1, 4, 2]) * (1 + noise * rng.uniform(-1, 1, 10))
    found = fg.spectra.spectrum(with_eigenvalues(values, 15))
    assert [space.dim for space in found.eigenspaces] == [3, 1, 4, 2]


def test_the_persistence_table_lists_nested_partitions():
    values = np.array([8.0, 7.9, 4.0, 3.999, 1.0])
    found = fg.spectra.spectrum(with_eigenvalues(values, 9))
    table = found.persistence
    counts = [step.count for step in table]
    assert counts == sorted(counts, reverse=True)
    assert table[0].count == 5
    assert set(counts) >= {5, 4, 3}
    for step, following in pairwise(table):
        assert step.lower < step.upper == following.lower
    for step in table:
        # By definition: single linkage at a tolerance inside the interval gives this many.
        inside = np.sqrt(max(step.lower, 1e-9) * min(step.upper, 0.99))
        if step.diameter <= inside and step.lower < inside < step.upper:
            assert (
                len(fg.spectra.spectrum(with_eigenvalues(values, 9), tolerance=inside).eigenspaces)
                == step.count
            )


# --- against the oracle, other features, degenerate shapes


def test_measures_of_other_features_use_their_projections():
    """mu against the eigenspaces of ANY frame operator with the same m."""
    rng = np.random.default_rng(9)
    A = direct_sum(polygon(5), np.zeros((0, 1)))
    A = np.vstack([A, [[0, 0, 2.0]]])
    spectrum = fg.spectra.spectrum(A)  # 4 once (z), 5/2 twice (xy)
    B = rng.standard_normal((6, 3))
    found = fg.spectra.measures(B, spectrum)
    N = (B**2).sum(axis=1)
    np.testing.assert_allclose(found.masses[:, 0], B[:, 2] ** 2 / N, rtol=1e-12)
    np.testing.assert_allclose(found.masses[:, 1], (B[:, :2] ** 2).sum(axis=1) / N, rtol=1e-12)
    kappa = (4 * B[:, 2] ** 2 + 2.5 * (B[:, :2] ** 2).sum(axis=1)) / N
    np.testing.assert_allclose(found.kappa, kappa, rtol=1e-12)
    np.testing.assert_allclose(found.capacity, N / kappa, rtol=1e-12)


def test_a_short_feature_across_long_ones_is_counted():
    """Squares of 1e-9 beside 1 are lost in F; singular values keep them."""
    X = np.diag([1.0, 1e-9, 1e-3])
    np.testing.assert_allclose(fg.frames.capacity(X), 1, rtol=1e-12)
    for features in (X, X[:, [0, 1, 2, 2]] / np.sqrt([1, 1, 2, 2])):
        spectrum = fg.spectra.spectrum(features)
        assert spectrum.rank == 3
        np.testing.assert_allclose(spectrum.eigenvalues[:3], [1, 1e-6, 1e-18], rtol=1e-12)
        found = fg.spectra.measures(features, spectrum)
        np.testing.assert_allclose(found.capacity, 1, rtol=1e-12)
        np.testing.assert_allclose(found.leverage, 1, rtol=1e-12)
        assert found.eigenspace.tolist() == [0, 2, 1]


def test_a_feature_in_the_null_space_has_its_capacity_and_no_measure():
    """By the rounding of float32, its eigenvalue cannot be told from zero: D = N^2 / sum of M^2 = 1 can."""
    X = np.diag(np.array([1.0, 1e-9, 1e-3], dtype=np.float32))
    found = fg.spectra.measures(X)
    np.testing.assert_allclose(found.capacity, 1, rtol=1e-12)
    np.testing.assert_allclose(found.kappa, found.norm**2, rtol=1e-12)
    np.testing.assert_allclose(found.leverage, [1, 0, 1], rtol=1e-12)
    assert found.eigenspace.tolist() == [0, -1, 1]
    assert np.isnan([found.slack[1], found.cv[1], found.max_mass[1], found.ipr[1], found.entropy[1]]).all()
    np.testing.assert_array_equal(found.masses.sum(axis=1), [1, 0, 1])
    assert found.total_capacity == 2
    row = fg.analyze({"x": X}).matrices.iloc[0]
    assert (row["rank"], row["sum_capacity"], row["saturation"]) == (2, 2, 1)


def test_capacity_with_a_spectrum_of_others_is_from_that_spectrum():
    """Its definition by inner products holds of the features that the spectrum was made of alone."""
    X = np.diag([1.0, 1e-7])
    other = np.array([[1.0, 0.0], [1e-7, 1e-7]])
    spectrum = fg.spectra.spectrum(X, tolerance=0.0)
    found = fg.spectra.measures(np.diag([1.0, 2e-7]), spectrum)
    np.testing.assert_allclose(found.kappa[1], 1e-14, rtol=1e-2)
    np.testing.assert_allclose(fg.spectra.measures(other, spectrum).kappa[1], (1 + 1e-14) / 2, rtol=1e-9)


def test_mass_outside_the_span_of_another_spectrum_is_missing():
    spectrum = fg.spectra.spectrum(np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 2.0, 0], [1.0, 0, 0]]))
    found = fg.spectra.measures(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 1.0]]), spectrum)
    np.testing.assert_allclose(found.masses.sum(axis=1), [9 / 25, 0], rtol=1e-12, atol=1e-15)


def test_a_spectrum_that_does_not_fit_is_refused():
    X = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(ShapeError):
        fg.spectra.measures(X[:, :2], fg.spectra.spectrum(X))
    with pytest.raises(ShapeError):
        fg.spectra.measures(X[:1], fg.spectra.spectrum(X[:2]))


@pytest.mark.parametrize("tolerance", ["x", -0.1, 1.0, np.nan, [0.1, 0.2]])
def test_bad_tolerance(tolerance):
    for call in (
        lambda: fg.spectra.spectrum(np.eye(2), tolerance=tolerance),
        lambda: fg.spectra.measures(np.eye(2), tolerance=tolerance),
        lambda: fg.operators.measures_against(np.eye(2), np.eye(2), tolerance=tolerance),
    ):
        with pytest.raises(ParameterError, match="tolerance must be"):
            call()


def test_a_spectrum_of_another_gram_matrix_is_refused():
    """Of the same shape, of features as long as these, and of these in another order."""
    X = fg.shapes.random_frame(6, 10, seed=0)
    for other in (3 * X, fg.shapes.random_frame(6, 10, seed=1), X[::-1]):
        with pytest.raises(ParameterError, match="spectrum is of other features"):
            fg.spectra.measures(X, fg.spectra.spectrum(other))
    many = fg.shapes.random_frame(200, 300, seed=0)
    with pytest.raises(ParameterError, match="spectrum is of other features"):
        fg.spectra.measures(many, fg.spectra.spectrum(many * np.where(np.arange(200) == 1, 2, 1)[:, None]))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("row_spread", [0.0, 3.0])
@pytest.mark.parametrize(("n", "m", "rank"), [(60, 200, 60), (60, 200, 10), (1, 5, 1), (300, 1000, 40)])
def test_its_own_spectrum_is_taken(dtype, row_spread, n, m, rank):
    X, _ = thin_product(n, m, rank, np.random.default_rng(0), dtype, row_spread)
    fg.spectra.measures(X, fg.spectra.spectrum(X))
    Y = X.astype(np.float64)
    fg.spectra.measures(fg.shapes.rotated(Y, seed=1), fg.spectra.spectrum(Y))  # has the same Gram matrix


@pytest.mark.parametrize("scale", [1e-70, 1e69])
def test_its_own_spectrum_is_taken_at_any_scale(scale):
    X = scale * np.random.default_rng(0).standard_normal((20, 50))
    fg.spectra.measures(X, fg.spectra.spectrum(X))


def test_fewer_features_than_dimensions_decomposes_the_gram_matrix():
    X = np.random.default_rng(10).standard_normal((4, 50))
    found = fg.spectra.spectrum(X)
    assert found.side == "gram"
    assert found.vectors.shape == (4, 4)
    np.testing.assert_allclose(found.eigenvalues, slow.eigenvalues(X), rtol=1e-11)
    measures = fg.spectra.measures(X)
    np.testing.assert_allclose(measures.leverage, np.ones(4), rtol=1e-11)
    np.testing.assert_allclose(measures.capacity, slow.capacity(X), rtol=1e-11)
    np.testing.assert_allclose(measures.masses, slow.masses(X, found.starts), rtol=0, atol=1e-11)
    np.testing.assert_allclose(measures.masses.sum(axis=1), 1, rtol=1e-11)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (1, 1), (1, 6), (6, 1)])
def test_measures_against_the_oracle(shape):
    X = np.random.default_rng(11).standard_normal(shape)
    spectrum = fg.spectra.spectrum(X)
    found = fg.spectra.measures(X, spectrum)
    mu = slow.masses(X, spectrum.starts)
    np.testing.assert_allclose(found.masses, mu, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.kappa, slow.kappa(X), rtol=1e-10)
    np.testing.assert_allclose(found.capacity, slow.capacity(X), rtol=1e-10)
    np.testing.assert_allclose(found.leverage, slow.leverage(X, min(shape)), rtol=1e-10)
    np.testing.assert_allclose(found.slack, slow.slack(X, min(shape)), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.cv, slow.cv(X), rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(found.max_mass, mu.max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.ipr, (mu**2).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.entropy, slow.entropy(mu), rtol=0, atol=1e-9)
    assert np.array_equal(found.eigenspace, mu.argmax(axis=1))


def test_vectors_are_orthonormal_and_diagonalise():
    X = np.random.default_rng(12).standard_normal((90, 40))
    found = fg.spectra.spectrum(X)
    V = found.vectors
    np.testing.assert_allclose(V.T @ V, np.eye(40), rtol=0, atol=1e-13)
    np.testing.assert_allclose(V * found.retained @ V.T, X.T @ X, rtol=0, atol=1e-11)


def test_zero_features_are_flagged_and_change_nothing_else():
    X = np.vstack([polygon(5), np.zeros((1, 2)), np.zeros((1, 2))])
    found = fg.spectra.measures(X)
    plain = fg.spectra.measures(polygon(5))
    for name in ("norm", "kappa", "capacity", "leverage", "slack", "cv", "max_mass", "ipr", "entropy"):
        column = getattr(found, name)
        np.testing.assert_allclose(column[:5], getattr(plain, name), rtol=1e-12, atol=1e-12)
        expected = 0.0 if name in ("norm", "capacity", "leverage") else np.nan
        np.testing.assert_array_equal(column[5:], [expected, expected])
    assert found.eigenspace.tolist() == [0] * 5 + [-1, -1]
    assert np.isnan(found.masses[5:]).all()


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (2, 7)])
def test_an_all_zero_matrix(shape):
    X = np.zeros(shape)
    found = fg.spectra.spectrum(X)
    assert (found.rank, found.eigenspaces, found.trace) == (0, (), 0.0)
    assert found.eigenvalues.shape == (min(shape),)
    assert np.isnan(found.condition)
    assert found.defect_bound == 0.0
    assert found.vectors.shape == (min(shape), 0)
    measures = fg.spectra.measures(X)
    assert measures.masses.shape == (shape[0], 0)
    assert np.array_equal(measures.capacity, np.zeros(shape[0]))
    assert np.array_equal(measures.eigenspace, np.full(shape[0], -1))
    assert len(found.to_frame()) == 0
    assert len(measures.to_frame()) == shape[0]


def test_masses_can_be_left_out():
    X = np.random.default_rng(13).standard_normal((7, 3))
    without, with_ = fg.spectra.measures(X, masses=False), fg.spectra.measures(X)
    assert without.masses is None
    assert np.array_equal(without.capacity, with_.capacity)


# --- rank

DTYPES = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}


def thin_product(n, m, rank, rng, dtype, row_spread=0.0):
    """A product of thin factors, its rows of uneven norm, rounded to the dtype; and the norm^2 of the rounding."""
    exact = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m))
    exact *= np.exp(row_spread * rng.standard_normal((n, 1)))
    X = exact.astype(DTYPES[dtype])
    return X, np.linalg.norm(X.astype(np.float64) - exact, 2) ** 2


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("row_spread", [0.0, 1.0])
@pytest.mark.parametrize(
    ("n", "m", "rank"), [(200, 60, 10), (60, 200, 10), (64, 64, 40), (64, 64, 1), (40, 8, 3), (500, 30, 29)]
)
def test_rank_of_rounded_thin_products(dtype, row_spread, n, m, rank):
    """By Weyl a true direction can be told from rounding where its eigenvalue is well above the noise's norm^2."""
    clear = 0
    for seed in range(4):
        X, noise = thin_product(n, m, rank, np.random.default_rng(seed), dtype, row_spread)
        found = fg.spectra.spectrum(X)
        values = slow.eigenvalues(X.astype(np.float64))
        assert found.rank <= rank, (seed, found.rank_margin)
        assert found.rank_margin == pytest.approx(found.retained[-1] / found.null_tolerance, rel=1e-12)
        if values[rank - 1] > 25 * noise:
            clear += 1
            assert found.rank == rank, (
                seed,
                values[rank - 1] / noise,
                values[rank - 1] / found.null_tolerance,
            )
    assert clear >= 2 or dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rank_of_a_tall_matrix(dtype):
    for seed in range(2):
        X, noise = thin_product(20000, 64, 20, np.random.default_rng(seed), dtype, 1.0)
        found = fg.spectra.spectrum(X)
        assert found.rank == 20
        assert found.rank_margin > 10
        # The tolerance is meaningful: above the noise that is there, and no more than 100 times it.
        arithmetic = 20000 * 2.0**-52 * found.eigenvalues[0]
        assert 1 <= found.null_tolerance / max(noise, arithmetic) < 100


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_full_rank_is_not_cut(dtype):
    """A square Gaussian matrix's least singular value is about 1/sqrt(n): above the rounding noise down to f16."""
    for seed in range(10):
        X = np.random.default_rng(seed).standard_normal((300, 64)).astype(DTYPES[dtype])
        assert fg.spectra.spectrum(X).rank == 64


def test_small_true_directions_of_f32_survive():
    """lambda_min/lambda_max = 1e-10: far above f32 rounding (1e-14), far below max(n, m) eps(f32)."""
    values = np.geomspace(1.0, 1e-10, 20)
    X = with_eigenvalues(values, 200, seed=3).astype(np.float32)
    found = fg.spectra.spectrum(X)
    assert found.rank == 20
    np.testing.assert_allclose(found.retained, values, rtol=1e-2)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_exactly_deficient_integers(shape):
    """Small integers are exact in every dtype: rank 2, and no rounding can hide or make it 3."""
    rng = np.random.default_rng(15)
    X = rng.integers(-3, 4, (shape[0], 2)) @ rng.integers(-3, 4, (2, shape[1]))
    for dtype in DTYPES.values():
        assert fg.spectra.spectrum(X.astype(dtype)).rank == np.linalg.matrix_rank(X)


# --- the defect identity


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("shape", [(200, 30), (30, 200)])
def test_defect_identity_within_its_bound(condition, shape):
    """rank - sum D = sum (l - D), to the stated rounding bound and to 1e-9 where the condition is below 1e6."""
    values = np.geomspace(1.0, 1 / condition, 30)
    rng = np.random.default_rng(16)
    X = rotation(200, rng)[:, :30] * np.sqrt(values) @ rotation(30, rng)
    X = X if shape == (200, 30) else X.T
    spectrum = fg.spectra.spectrum(X)
    found = fg.spectra.measures(X, spectrum)
    error = abs(found.leverage.sum() - spectrum.rank) / spectrum.rank
    assert spectrum.rank == 30
    assert error <= spectrum.defect_bound
    assert error <= 1e-9


def test_leverage_and_capacity_are_ordered():
    rng = np.random.default_rng(17)
    for _ in range(20):
        n, m = rng.integers(1, 40, 2)
        X = rng.standard_normal((n, m)) * np.exp(rng.standard_normal((n, 1)))
        spectrum = fg.spectra.spectrum(X)
        found = fg.spectra.measures(X, spectrum)
        assert np.all(found.capacity <= found.leverage * (1 + 1e-10))
        # One set is ill-conditioned: without fused products its largest leverage was 1 + 1e-7; its bound is 6e-6.
        assert np.all(found.leverage <= 1 + 1e-10 + spectrum.rank * spectrum.defect_bound)
        assert np.all(found.slack >= -1e-10)
        assert np.all(found.slack <= 1)


def test_simplex_in_a_larger_space_is_one_eigenspace_with_a_null_rest():
    X = np.hstack([simplex(5), np.zeros((5, 7))]) @ rotation(11, np.random.default_rng(18))
    X = np.vstack([X] * 3)
    found = fg.spectra.spectrum(X)
    assert (found.rank, [s.dim for s in found.eigenspaces]) == (4, [4])
    assert found.eigenspaces[0].value == pytest.approx(15 / 4, rel=1e-12)
    assert np.all(found.eigenvalues[4:] <= found.null_tolerance)
    assert np.all(found.eigenvalues >= 0)
