"""Samplers of directions: moments, spans, and what the base has to do with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.plateaus import directions as d

P, M = 4000, 5


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, M)) @ rng.standard_normal((M, M)) + [3, 0, -1, 2, 5]


@pytest.fixture(scope="module")
def base(data):
    return data[np.random.default_rng(1).integers(0, 300, P)]


def samplers(data):
    return {
        "isotropic": lambda A, **o: d.isotropic(A, **o),
        "covariance": lambda A, **o: d.covariance(A, data, **o),
        "real_difference": lambda A, **o: d.real_difference(A, data, **o),
        "real_mixture": lambda A, **o: d.real_mixture(A, data, **o),
        "cov_mixture": lambda A, **o: d.cov_mixture(A, data, **o),
        "sae_feature": lambda A, **o: d.sae_feature(A, data, **o),
        "pca": lambda A, **o: d.pca(A, data, **o),
    }


def test_seeds_and_prefixes(data, base):
    for kind, sampler in samplers(data).items():
        for exclude in (True, False):
            found = sampler(base[:20], seed=3, exclude_base=exclude)
            assert (found.kind, found.exclude_base, found.seed) == (kind, exclude, 3)
            assert found.vectors.shape == (20, M)
            np.testing.assert_array_equal(
                found.vectors, sampler(base[:20], seed=3, exclude_base=exclude).vectors
            )
            assert not np.array_equal(found.vectors, sampler(base[:20], seed=4, exclude_base=exclude).vectors)


def test_pairs_do_not_depend_on_their_number(data, base):
    for kind, sampler in samplers(data).items():
        if kind == "isotropic":  # Its size is the mean one of all bases.
            continue
        np.testing.assert_allclose(
            sampler(base[:7], seed=2).vectors,
            sampler(base[:20], seed=2).vectors[:7],
            rtol=1e-10,
            err_msg=kind,
        )


def test_the_base_is_in_directions_only_when_asked(data, base):
    """Move the base: D without it stays, D with it moves by as much the other way."""
    shift = np.full(M, 100.0)
    for kind in ("covariance", "cov_mixture"):
        sampler = samplers(data)[kind]
        np.testing.assert_allclose(
            sampler(base[:9] + shift, exclude_base=True).vectors, sampler(base[:9], exclude_base=True).vectors
        )
        np.testing.assert_allclose(
            sampler(base[:9] + shift, exclude_base=False).vectors,
            sampler(base[:9], exclude_base=False).vectors - shift,
        )


def test_no_part_of_the_base_is_in_its_direction(data):
    """The base is row 0 of the data, far away in a dimension of its own, where the others are 0.

    Whatever stands there in a direction is the base's part in it: with it -1, without it none, where the mean of
    all rows would leave -1/N. Copies of the base are no others either.
    """
    for copies, n in ((1, 3), (1, 300), (4, 40)):
        X = np.zeros((n, M + 1))
        X[copies:, :M] = data[copies:n]
        X[:copies, M] = 1e6
        base = np.tile(X[0], (60, 1))
        kinds = {"real_difference": d.real_difference, "real_mixture": d.real_mixture}
        for kind, sampler in kinds.items():
            without = sampler(base, X, seed=1).vectors
            np.testing.assert_array_equal(without[:, M], 0, err_msg=kind)
            with_base = sampler(base, X, seed=1, exclude_base=False).vectors
            np.testing.assert_array_equal(with_base[:, M], -1e6, err_msg=kind)
        found = d.real_difference(base, X, seed=1).vectors[:, :M]
        expected = X[copies:, :M] - X[copies:, :M].mean(axis=0)
        assert (np.abs(found[:, None] - expected[None]).max(axis=2).min(axis=1) < 1e-9).all()


@pytest.mark.parametrize(
    ("base_type", "data_type"),
    [
        (torch.float32, torch.float64), (torch.float64, torch.float32), (torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.float64), (torch.float16, torch.float64), (torch.float32, torch.bfloat16),
        (torch.float16, torch.bfloat16),
    ],
)  # fmt: skip
@pytest.mark.parametrize("widened", [False, True])
def test_a_base_of_another_type_is_the_row_that_it_was(base_type, data_type, widened):
    """Its row is far away in a dimension of its own, as above; numbers from normal to subnormal ones of float16."""
    rng = np.random.default_rng(5)
    for scale in (1.0, 1e-6):
        rows = torch.tensor(scale * rng.standard_normal((12, 7)))
        rows[:, 6] = 0
        rows[0, 6] = 3e4 * scale
        first = rows[:1].to(base_type).repeat(20, 1)
        base, data = first, rows.to(data_type)
        if widened and base_type == torch.float32 and data_type == torch.float64:
            base = base.double()
        for kind in ("real_difference", "real_mixture"):
            found = getattr(d, kind)(base, data, seed=2)
            np.testing.assert_array_equal(found.vectors[:, 6], 0.0, err_msg=kind)
    with pytest.raises(ParameterError, match="rows other than base 0"):
        d.real_difference(base, data[:1])


def test_bases_and_data_of_one_type_are_compared_bit_by_bit():
    """Neighbours in bfloat16 are rows of their own."""
    data = torch.tensor([[1.0, 1.0], [1.0, 1.0078125], [3.0, 2.0]], dtype=torch.bfloat16)
    found = d.real_difference(data[:1].repeat(30, 1), data, exclude_base=False)
    assert set(map(tuple, found.vectors)) == {(0.0, 0.0078125), (2.0, 1.0)}


def test_fitted_kinds_have_no_mean_part_of_the_base(data):
    """Of the covariance a base among N rows has its share, with either sign alike: none in the mean."""
    X = np.zeros((10, M + 1))
    X[1:, :M] = data[1:10]
    X[0, M] = 1.0
    base = np.tile(X[0], (P, 1))
    for kind in ("covariance", "cov_mixture", "pca"):
        part = getattr(d, kind)(base, X, seed=3).vectors[:, M]
        scale = np.sqrt(np.mean(part**2))
        assert abs(part.mean()) <= 4 * scale / np.sqrt(P), kind


def test_the_only_other_row_is_no_direction(data):
    with pytest.raises(ParameterError, match="other than base 0 are all the same"):
        d.real_difference(data[:1], data[[0, 1, 1]])
    np.testing.assert_allclose(
        d.real_difference(data[:1], data[:2], exclude_base=False).vectors, data[1:2] - data[:1]
    )


def test_covariance_has_the_moments_of_the_data(data, base):
    Sigma = np.cov(data.T)
    scale = np.abs(Sigma).max()
    D = d.covariance(base, data).vectors
    np.testing.assert_allclose(D.mean(axis=0), 0, atol=5 * np.sqrt(scale / P))
    np.testing.assert_allclose(np.cov(D.T), Sigma, atol=6 * scale / np.sqrt(P))
    np.testing.assert_allclose(
        np.cov(d.cov_mixture(base, data).vectors.T), 2 * Sigma, atol=12 * scale / np.sqrt(P)
    )
    np.testing.assert_allclose(
        np.cov(d.real_mixture(base, data).vectors.T), 2 * Sigma, atol=12 * scale / np.sqrt(P)
    )
    T = d.covariance(base, data, exclude_base=False).vectors + base
    np.testing.assert_allclose(T.mean(axis=0), data.mean(axis=0), atol=5 * np.sqrt(scale / P))


@pytest.mark.parametrize("s", [0.0, 0.3])
def test_the_factor_is_a_root_of_the_covariance(data, s):
    Sigma = np.cov(data.T)
    expected = (1 - s) * Sigma + s * np.trace(Sigma) / M * np.eye(M)
    factor = d.normal(data, s).factor
    np.testing.assert_allclose(factor.T @ factor, expected, atol=1e-10)
    few = d.normal(data[:3], s).factor
    assert np.linalg.matrix_rank(few) == (2 if s == 0 else M)


def test_isotropic_has_no_preferred_direction(base):
    D = d.isotropic(base).vectors
    size = np.mean(base**2)
    np.testing.assert_allclose(D.T @ D / P, size * np.eye(M), atol=6 * size / np.sqrt(P))


def test_real_targets_are_other_rows(data):
    base = data[:50]
    T = d.real_difference(base, data, exclude_base=False).vectors + base
    distance = np.linalg.norm(T[:, None] - data[None], axis=2)
    assert (distance.min(axis=1) < 1e-9).all()
    assert (distance.argmin(axis=1) != np.arange(50)).all()
    two = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    D = d.real_mixture(np.tile(two[2], (20, 1)), two, seed=1).vectors
    assert {tuple(row) for row in D.tolist()} == {(1.0, -1.0), (-1.0, 1.0)}
    with pytest.raises(ParameterError, match="1 rows other than base 0; 2 are needed"):
        d.real_mixture(two[:1], two[:2])


def test_features_and_principal_directions(data, base):
    W = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 2.0]])
    A = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert d.sae_feature(A, W, index=[1, 2]).vectors.tolist() == [[3, 4], [0, 2]]
    np.testing.assert_allclose(
        d.sae_feature(A, W, index=[1, 2], exclude_base=False).vectors + A,
        [[0.6 * 2**0.5, 0.8 * 2**0.5], [0, 2]],
    )
    assert d.sae_feature(np.ones((50, 2)), W).vectors.any(axis=1).all(), "never a dead feature"
    values, vectors = np.linalg.eigh(np.cov(data.T))
    for k in range(M):
        D = d.pca(base[:30], data, k).vectors
        expected = np.sqrt(values[-1 - k]) * vectors[:, -1 - k]
        np.testing.assert_allclose(np.abs(D), np.tile(np.abs(expected), (30, 1)), atol=1e-9)
        assert len(np.unique(np.sign(D[:, 0]))) == 2
    with pytest.raises(ParameterError, match="below the rank 5"):
        d.pca(base, data, 5)


def test_bad_data(data):
    A = data[:2]
    with pytest.raises(ShapeError, match="data of 2 dimensions, base of 5"):
        d.real_difference(A, np.ones((3, 2)))
    with pytest.raises(ShapeError, match="data of 2 dimensions, base of 5"):
        d.covariance(A, np.ones((3, 2)))
    with pytest.raises(ShapeError, match="at least two rows"):
        d.covariance(A, data[:1])
    with pytest.raises(ParameterError, match="shrinkage"):
        d.covariance(A, data, shrinkage=1.0)
    with pytest.raises(ParameterError, match="every decoder row is zero"):
        d.sae_feature(A, np.zeros((2, 5)))
    with pytest.raises(ParameterError, match="index must"):
        d.sae_feature(A, data, index=[0, 300])
    with pytest.raises(ParameterError, match="seed"):
        d.isotropic(A, seed=-1)
    with pytest.raises(NonFiniteError, match="row 0, column 2"):
        d.isotropic([[0.0, 1.0, np.inf]])
