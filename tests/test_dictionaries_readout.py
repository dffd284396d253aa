"""Encoder against decoder, codes, densities, operators: identities, simulations, planted latents, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.dictionaries import (
    antipodes,
    interference,
    read_density,
    readout,
    related_latents,
    weighted_capacity,
)
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError, SourceError
from featuregeom.operators import rayleigh
from oracles.known_answers import rotation

QUIET = {"num_threads": 1}
TIGHT = {
    "simplex": fg.shapes.simplex(5),
    "icosahedron": fg.shapes.icosahedron(),
    "pentagon": fg.shapes.polygon(5),
    "24-cell": fg.shapes.root_system("D4"),
    "basis": np.eye(4),
}


def gaussian(n: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 31]).standard_normal((n, m))


def unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# --- readout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TIGHT)
def test_tight_frames_of_equal_norms_reach_the_floor(name: str) -> None:
    X = TIGHT[name] @ rotation(TIGHT[name].shape[1], np.random.default_rng(0))
    n, m = X.shape
    found = readout(3 * X, X / 7, **QUIET)
    assert found.floor == max(0, n - m) / (m * (n - 1))
    assert found.mean_square == pytest.approx(found.floor, abs=1e-14)
    np.testing.assert_allclose(found.per_feature, found.floor, atol=1e-14)
    np.testing.assert_allclose(found.cosine, 1, atol=1e-14)


@given(n=st.integers(2, 12), m=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_readout_is_that_of_the_whole_matrix(n: int, m: int, seed: int) -> None:
    E, W = gaussian(n, m, seed), gaussian(n, m, seed + 1) * 3
    R = E @ W.T
    R /= np.diag(R)[:, None]
    off = R**2 * (1 - np.eye(n))
    found = readout(E, W, **QUIET)
    scale = 1 + np.abs(R).max() ** 2
    assert found.mean_square == pytest.approx(off.sum() / (n * (n - 1)), rel=1e-9, abs=1e-11 * scale)
    np.testing.assert_allclose(found.per_feature, off.sum(axis=0) / (n - 1), rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(found.disturbed, off.sum(axis=1) / (n - 1), rtol=1e-9, atol=1e-11 * scale)
    assert found.mean_square >= found.floor - 1e-9 * scale
    np.testing.assert_allclose(found.cosine, np.einsum("ia,ia->i", unit(E), unit(W)), atol=1e-12)


def test_latents_that_do_not_read_themselves_are_left_out() -> None:
    X = fg.shapes.simplex(4)
    E, W = np.vstack([X, np.zeros((1, 3)), [[1, 0, 0]]]), np.vstack([X, [[0, 1, 0]], [[0, 5, 0]]])
    found = readout(E, W, **QUIET)
    assert found.n == 4
    assert found.mean_square == pytest.approx(1 / 9)
    assert found.floor == pytest.approx(1 / 9)
    assert np.isnan(found.per_feature[4:]).all()
    assert np.isnan(found.cosine[4])
    assert found.cosine[5] == 0
    np.testing.assert_allclose(found.disturbed[:4], 1 / 9)


def test_fewer_latents_than_dimensions_have_no_floor() -> None:
    found = readout(np.eye(3, 9), np.eye(3, 9), **QUIET)
    assert (found.floor, found.mean_square) == (0, 0)
    one = readout([[1.0, 2.0]], [[1.0, 2.0]], **QUIET)
    assert np.isnan(one.mean_square)


def test_antipodes_are_those_of_all_pairs() -> None:
    E, W = gaussian(150, 6, 3), gaussian(150, 6, 4)
    W[7], E[7] = -2 * W[90], -3 * E[90]
    found = antipodes(E, W, **QUIET)
    product = np.minimum(unit(E) @ unit(E).T, 0) * np.minimum(unit(W) @ unit(W).T, 0)
    np.testing.assert_allclose(found.score, product.max(axis=1), atol=1e-5)
    assert (found.partner[7], found.partner[90]) == (90, 7)
    assert found.score[[7, 90]] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("m", "seeds"), [(144, 1), pytest.param(256, 2, marks=pytest.mark.slow)])
def test_related_latents_are_what_was_planted_and_nothing_else(m: int, seeds: int) -> None:
    kinds = {"copies": (1, 1), "splits": (1, 0), "opposites": (-1, -1), "opposite writers": (-1, 0)}
    for seed in range(seeds):
        E, W = gaussian(200, m, 10 + seed), gaussian(200, m, 20 + seed)
        planted = {}
        for number, (kind, (write, read)) in enumerate(kinds.items()):
            for at in range(4):
                i, j = 50 * number + 2 * at, 50 * number + 2 * at + 1
                W[j] = write * W[i] + 0.3 * W[j]
                if read:
                    E[j] = read * E[i] + 0.3 * E[j]
                planted[i, j] = kind
        found = related_latents(E, W, **QUIET)
        assert (
            dict(zip(zip(found.i.tolist(), found.j.tolist(), strict=True), found.kind.tolist(), strict=True))
            == planted
        )
        np.testing.assert_allclose(
            found.cosine_encoder, np.einsum("ia,ia->i", unit(E)[found.i], unit(E)[found.j]), atol=1e-12
        )
        assert found.count("splits") == 4
        assert (found.q <= 0.01).all()
    assert len(related_latents(gaussian(200, 64, 1), gaussian(200, 64, 2), **QUIET).i) == 0


def test_encoders_and_decoders_that_do_not_fit_are_refused() -> None:
    X = gaussian(8, 3, 0)
    bad = X.copy()
    bad[2, 1] = np.inf
    for function in (readout, antipodes, related_latents):
        with pytest.raises(ShapeError, match="pass its transpose"):
            function(X.T, X)
        with pytest.raises(ShapeError, match=r"\(8, 3\), W \(7, 3\)"):
            function(X, X[:7])
        with pytest.raises(NonFiniteError, match=r"W: .*row 2, column 1"):
            function(X, bad)
        with pytest.raises(ShapeError, match="E: all 8 features are zero"):
            function(0 * X, X)


# --- interference ----------------------------------------------------------------------------------------------------


def codes_of(kind: str, T: int, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 37])
    active = rng.random((T, n)) < 0.1
    if kind == "together":  # clusters of five are active at once
        active = np.repeat(rng.random((T, n // 5)) < 0.1, 5, axis=1)
    return active * rng.exponential(size=(T, n))


@pytest.mark.parametrize("kind", ["independent", "together"])
def test_mean_and_spread_are_those_of_a_thousand_shuffles(kind: str) -> None:
    z, W = codes_of(kind, 300, 20, 1), gaussian(20, 8, 5) + 0.3
    found = interference(z, W, **QUIET)
    D = (z**2).sum(axis=0) @ (W**2).sum(axis=1)
    rng = np.random.default_rng(2)
    shuffled = []
    for _ in range(1000):
        order = np.argsort(rng.random(z.shape), axis=0)
        x = np.take_along_axis(z, order, axis=0) @ W
        shuffled.append((x**2).sum() / D - 1)
    sd = np.std(shuffled, ddof=1)
    # One test each: five standard errors of a mean, and of a standard deviation, of 1000 nearly normal numbers.
    assert found.null == pytest.approx(np.mean(shuffled), abs=5 * sd / 1000**0.5)
    assert found.sd == pytest.approx(sd, rel=5 / 2000**0.5)
    assert found.index == pytest.approx(((z @ W) ** 2).sum() / D - 1, rel=1e-12)
    assert found.z == (found.index - found.null) / found.sd


def test_independent_codes_are_at_the_null_and_clusters_are_not() -> None:
    W = unit(np.repeat(gaussian(12, 30, 6), 5, axis=0) + 0.6 * gaussian(60, 30, 7))
    scores = [interference(codes_of("independent", 2000, 60, seed), W, **QUIET).z for seed in range(20)]
    # Of 20 normal numbers the sum of squares is above this once in 1000 times.
    assert np.square(scores).sum() < 45.3
    assert interference(codes_of("together", 2000, 60, 0), W, **QUIET).z > 20
    apart = unit(W - np.repeat(W.reshape(12, 5, 30).mean(axis=1), 5, axis=0))  # repelled inside clusters
    assert interference(codes_of("together", 2000, 60, 0), apart, **QUIET).z < -3


def test_codes_of_any_kind_and_in_batches_give_the_same() -> None:
    z, W = codes_of("together", 700, 20, 3), gaussian(20, 8, 8)
    z[:, 4] = 0
    one = interference(z, W, **QUIET)
    torch = pytest.importorskip("torch")
    kinds = [
        scipy.sparse.csr_array(z), scipy.sparse.coo_matrix(z), scipy.sparse.csc_array(z), torch.tensor(z), z.tolist(),
        [z[:1], z[1:300], z[300:]], (part for part in np.split(z, 7)), [scipy.sparse.csr_array(z[:5]), z[5:]],
    ]  # fmt: skip
    for codes in kinds:
        found = interference(codes, W, **QUIET)
        for name in ("index", "null", "sd", "z"):
            assert getattr(found, name) == pytest.approx(getattr(one, name), rel=1e-9)
        np.testing.assert_allclose(found.density, (z != 0).mean(axis=0))
        np.testing.assert_allclose(found.power, (z**2).mean(axis=0))
    assert one.n_tokens == 700


def test_codes_that_never_change_have_no_spread() -> None:
    found = interference(np.full((50, 3), 1e6), gaussian(3, 2, 9), **QUIET)
    assert found.sd == 0
    assert np.isnan(found.z)
    assert found.index == pytest.approx(found.null, rel=1e-9)


def test_codes_that_cannot_be_used_are_refused() -> None:
    z, W = codes_of("independent", 30, 4, 0), gaussian(4, 3, 0)
    bad = z.copy()
    bad[17, 2] = np.nan
    for codes in (bad, scipy.sparse.csr_array(bad), [bad[:10], bad[10:]]):
        with pytest.raises(NonFiniteError, match="token 17, feature 2"):
            interference(codes, W)
    with pytest.raises(ShapeError, match="one column each"):
        interference(z[:, :3], W)
    with pytest.raises(ShapeError, match="at least two"):
        interference(z[:1], W)
    with pytest.raises(ShapeError, match="at least two"):
        interference(iter(()), W)
    with pytest.raises(ParameterError, match="all codes are 0"):
        interference(0 * z, W)
    for codes in (z.astype(complex), "codes", 5):
        with pytest.raises(DtypeError):
            interference(codes, W)


# --- densities -------------------------------------------------------------------------------------------------------


def test_densities_are_read_as_saelens_writes_them(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    density = np.array([0.5, 0.0, 1e-4, 1.0])
    path = tmp_path / "sparsity.safetensors"
    save_file({"sparsity": torch.log10(torch.tensor(density) + 1e-10)}, path)
    for given_path in (path, tmp_path, str(tmp_path)):
        np.testing.assert_allclose(read_density(given_path), density, rtol=1e-6)
    for wrong in ([0.5, -1.0], [np.nan, -1.0]):
        save_file({"sparsity": torch.tensor(wrong)}, path)
        with pytest.raises(SourceError, match="entry 0 is"):
            read_density(path)
    save_file({"a": torch.zeros(2), "b": torch.zeros(2)}, path)
    with pytest.raises(SourceError, match="one list"):
        read_density(path)
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        read_density(tmp_path)


def test_weighted_capacity_is_that_of_repeated_latents() -> None:
    X = gaussian(12, 5, 2)
    counts = np.arange(12)
    found = weighted_capacity(X, counts / counts.sum(), **QUIET)
    repeated = fg.frames.capacity(np.repeat(X, counts, axis=0))
    sums = [repeated[counts[:i].sum() : counts[: i + 1].sum()].sum() for i in range(12)]
    np.testing.assert_allclose(found.capacity, sums, atol=1e-12)
    plain = weighted_capacity(X, np.ones(12), **QUIET)
    np.testing.assert_allclose(plain.capacity, fg.frames.capacity(X), atol=1e-12)
    values = np.linalg.eigvalsh(X.T @ X)
    assert plain.effective_rank == pytest.approx(values.sum() ** 2 / (values**2).sum())
    with pytest.raises(ShapeError, match="12 latents"):
        weighted_capacity(X, np.ones(11))
    with pytest.raises(ParameterError, match="latent 3"):
        weighted_capacity(X, np.where(np.arange(12) == 3, -1.0, 1.0))


# --- operators -------------------------------------------------------------------------------------------------------


def test_rayleigh_ratios_of_random_directions() -> None:
    m, n = 24, 200_000
    S = np.diag(np.linspace(0, 1, m) ** 3) + 0.1
    found = rayleigh(gaussian(n, m, 1), S, top=3)
    assert found.mean == pytest.approx(1, abs=5 * found.sd / n**0.5)
    assert found.ratio.std() == pytest.approx(found.sd, rel=0.02)
    assert abs(found.mean_z) < 5
    # p-values are uniform: each tenth has a tenth of them, up to five binomial standard deviations.
    counts = np.histogram(found.top_p, np.linspace(0, 1, 11))[0]
    assert np.abs(counts / n - 0.1).max() < 5 * (0.09 / n) ** 0.5
    assert found.top_mass.mean() == pytest.approx(3 / m, rel=0.01)


def test_rayleigh_is_the_quotient() -> None:
    X, B = gaussian(30, 7, 2), gaussian(7, 7, 3)
    X[4] = 0
    S = B + B.T + 10 * np.eye(7)
    found = rayleigh(X, S)
    kept = np.delete(np.arange(30), 4)
    expected = np.einsum("ia,ab,ib->i", unit(X[kept]), S, unit(X[kept])) / (np.trace(S) / 7)
    np.testing.assert_allclose(found.ratio[kept], expected, rtol=1e-12)
    assert np.isnan([found.ratio[4], found.z[4], found.top_mass[4]]).all()
    assert found.mean == pytest.approx(expected.mean())
    Q = rotation(7, np.random.default_rng(0))
    np.testing.assert_allclose(rayleigh(5 * X @ Q, 3 * Q.T @ S @ Q).ratio, found.ratio, rtol=1e-10)
    even = rayleigh(X, np.eye(7))
    assert even.sd == 0
    np.testing.assert_allclose(even.ratio[kept], 1, rtol=1e-12)
    assert (rayleigh(X, S, top=7).top_p[kept] == 1).all()
    with pytest.raises(ParameterError, match="trace"):
        rayleigh(X, np.diag([1.0, -1, 0, 0, 0, 0, 0]))
    with pytest.raises(ShapeError, match="7 x 7"):
        rayleigh(X, np.eye(6))
    with pytest.raises(ParameterError, match="symmetric"):
        rayleigh(X, B)
    with pytest.raises(ParameterError, match="top"):
        rayleigh(X, S, top=8)
