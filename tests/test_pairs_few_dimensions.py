"""Bounds of single pairs in few dimensions: never below the exact p-value, sharp for copies, and at their level."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

import featuregeom as fg
from featuregeom.pairs import few_dimensions, significant
from featuregeom.pairs.rejections import bound, log_bound

QUIET = {"num_threads": 1}


def own_bound(cosine: float, products: np.ndarray, dims: np.ndarray) -> float:
    (found,) = few_dimensions._chernoff(np.array([cosine]), products[None], dims)
    return float(np.exp(found))


@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 4.0]), st.floats(0.05, 1.0))
def test_it_is_never_below_the_share_of_signs_that_reach_the_cosine(
    seed: int, concentration: float, part: float
) -> None:
    """Eleven single dimensions: all 2048 choices of signs."""
    rng = np.random.default_rng(seed)
    left, right = rng.dirichlet(np.full(11, concentration), 2)
    weights = np.sqrt(left * right)
    cosine = part * weights.sum()
    signs = np.array(list(product((-1, 1), repeat=11)))
    exact = float((np.abs(signs @ weights) >= cosine * (1 - 1e-12)).mean())
    assert own_bound(cosine, left * right, np.ones(11, np.int64)) >= exact * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_between_copies_it_is_that_of_signs_which_reach_all_but_a_twentieth(seed: int) -> None:
    """Chernoff's bound is some times the exact tail, and no power of it."""
    shares = np.random.default_rng(seed).dirichlet(np.full(16, 0.5))  # of a random direction
    signs = np.array(list(product((-1, 1), repeat=16)))
    exact = float((np.abs(signs @ shares) >= 0.95).mean())
    assert exact <= own_bound(1.0, shares**2, np.ones(16, np.int64)) <= 12 * exact


def weighted(s: float, dim: int) -> float:
    """Integral of e^(s (cos - 1)) over the angle to a fixed direction, which has the density sin^(d - 2)."""
    value, _ = quad(
        lambda angle: np.sin(angle) ** (dim - 2) * np.exp(s * (np.cos(angle) - 1)),
        0,
        np.pi,
        epsabs=0,
        epsrel=1e-11,
    )
    return float(value)


@pytest.mark.parametrize("dim", [2, 3, 7, 63, 64, 400])
def test_moments_are_those_of_the_cosine_of_random_directions(dim: int) -> None:
    s = np.array([0.01, 0.7, 3.0, 20.0])
    found = np.exp(few_dimensions._log_moments(s, dim) - s)
    for value, each in zip(found, s, strict=True):
        exact = weighted(float(each), dim) / weighted(0.0, dim)
        assert value >= exact * (1 - 1e-9)
        assert dim >= 64 or value <= exact * (1 + 1e-9)


@pytest.mark.parametrize("dims", [[1] * 12, [2, 3, 5], [1, 1, 1, 4, 70], [16]], ids=str)
def test_it_holds_for_signs_and_spheres(dims: list[int]) -> None:
    rng, trials = np.random.default_rng(11), 400_000
    left, right = rng.dirichlet(np.ones(len(dims)), 2)
    total = np.zeros(trials)
    for weight, dim in zip(np.sqrt(left * right), dims, strict=True):
        squares = rng.chisquare(1, trials)
        rest = rng.chisquare(dim - 1, trials) if dim > 1 else 0.0
        total += weight * rng.choice([-1, 1], trials) * np.sqrt(squares / (squares + rest))
    for cosine in np.quantile(np.abs(total), [0.5, 0.9, 0.99, 0.999, 0.9999]):
        most = own_bound(float(cosine), left * right / dims, np.array(dims))
        assert np.count_nonzero(np.abs(total) >= cosine) <= binom.isf(1e-6, trials, most)


def test_the_logarithm_of_the_bound_is_its_logarithm() -> None:
    squares = np.linspace(0, 600, 500)
    np.testing.assert_allclose(log_bound(squares), np.log(bound(squares)), rtol=1e-9, atol=1e-12)
    assert np.isfinite(log_bound(np.array([1e5]))).all()


@pytest.mark.parametrize("two_sides", [False, True])
def test_pairs_move_to_the_bin_of_their_bound_and_none_is_lost(two_sides: bool) -> None:
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((2, 30, 9))
    X[1], X[3], Y[2] = X[0], -2 * X[2], X[4]
    spectrum = fg.spectra.spectrum(np.vstack([X, Y]))
    dims = np.diff(spectrum.starts)

    def masses(A: np.ndarray) -> np.ndarray:
        coordinates = (A / np.linalg.norm(A, axis=1, keepdims=True)) @ spectrum.vectors
        return np.add.reduceat(coordinates**2, spectrum.starts[:-1], axis=1) / np.sqrt(dims)

    sides = [masses(X), masses(Y)] if two_sides else [masses(X)]
    arguments = [X, sides[0], Y, sides[1]] if two_sides else [X, sides[0]]
    counts, steps, _, found = fg._core.null_sweep(*arguments, by_score=30, by_cosine=0, least=0.0)
    before = counts.astype(np.int64)
    after = few_dimensions.sharpened(before, steps, found, sides, dims)
    expected = np.zeros_like(after)
    middle = len(after) // 2
    U, V = (A / np.linalg.norm(A, axis=1, keepdims=True) for A in (X, Y if two_sides else X))
    for i in range(30):
        for j in range(0 if two_sides else i + 1, 30):
            cosine, products = float(U[i] @ V[j]), sides[0][i] * sides[-1][j]
            own = np.log(own_bound(abs(cosine), products, dims))
            grid = np.arange(0.0, 600.0, 1 / 64)
            as_square = float(np.interp(-own, -log_bound(grid), grid)) if own < 0 else 0.0
            step = int(max(cosine**2 / products.sum(), as_square) * steps)
            expected[middle + step if cosine > 0 else middle - 1 - step] += 1
    assert after.sum() == before.sum() == expected.sum()
    # A pair at the edge of a step may fall to either side.
    assert np.abs(np.cumsum(after) - np.cumsum(expected)).max() <= 1
    for side in found:
        assert (after[side[3][side[0] >= 0]] > 0).all()


@pytest.mark.parametrize(("n_dims", "dtype"), [(72, np.float32), (96, np.float64)])
def test_copies_are_found_in_few_dimensions(n_dims: int, dtype: type) -> None:
    X = np.random.default_rng([n_dims, 4]).standard_normal((400, n_dims))
    X[1], X[3] = X[0], -2 * X[2]
    found = significant(X.astype(dtype), **QUIET)
    assert {*zip(found.i.tolist(), found.j.tolist(), strict=True)} == {(0, 1), (2, 3)}
    assert (found.n_total, found.n_positive, found.n_negative, found.complete) == (2, 1, 1, True)
    assert (found.p < 1e-8).all()
    assert "beyond its spectrum" in str(fg.dictionaries.verdict(X.astype(dtype), **QUIET))


def without_structure(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 21])
    m, n = int(rng.integers(8, 140)), int(np.exp(rng.uniform(np.log(30), np.log(1000))))
    X = rng.standard_normal((n, m))
    if kind == "uneven norms":
        return X * rng.standard_t(2, (n, 1))
    if kind == "uneven spectrum":
        return X * 10.0 ** -np.linspace(0, 3, m)
    if kind == "low rank":
        return rng.standard_normal((n, max(m // 3, 2))) @ rng.standard_normal((max(m // 3, 2), m))
    return X + 3 * rng.standard_normal(m) if kind == "common mean" else X


KINDS = ["gaussian", "uneven norms", "uneven spectrum", "low rank", "common mean"]


@pytest.mark.parametrize("count", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_nothing_is_found_without_structure_in_few_dimensions(count: int) -> None:
    wrong = sum(
        significant(without_structure(KINDS[seed % 5], seed), seed=seed, **QUIET).n_total > 0
        for seed in range(count)
    )
    assert wrong <= binom.isf(1e-3, count, 0.01)
