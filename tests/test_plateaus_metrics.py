"""Metrics, KL radius and intervals against SciPy and closed forms."""

from __future__ import annotations

import math
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from scipy.spatial import distance

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.plateaus import kl_radius, median, median_difference, metrics


@pytest.fixture(scope="module")
def logits():
    rng = np.random.default_rng(0)
    return 2 * rng.standard_normal((2, 6, 9))


def test_metrics_against_scipy(logits):
    first, second = logits
    p, q = special.softmax(first, axis=1), special.softmax(second, axis=1)
    expected = {
        "l2": np.linalg.norm(first - second, axis=1),
        "rel_l2": np.linalg.norm(first - second, axis=1) / np.linalg.norm(first, axis=1),
        "kl": special.rel_entr(p, q).sum(axis=1),
        "kl_reverse": special.rel_entr(q, p).sum(axis=1),
        "js": [distance.jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)],
        "js_distance": [distance.jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)],
        "cosine": [distance.cosine(a, b) for a, b in zip(first, second, strict=True)],
    }
    assert set(expected) == set(metrics.METRICS)
    for name, values in expected.items():
        found = metrics.resolve(name)(torch.from_numpy(first), torch.from_numpy(second)).numpy()
        np.testing.assert_allclose(found, values, rtol=1e-10, err_msg=name)
        same = metrics.resolve(name)(first, first).numpy()
        np.testing.assert_allclose(same, 0, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(
        metrics.js(first, second, math.e), np.multiply(expected["js"], math.log(2)), rtol=1e-10
    )
    np.testing.assert_allclose(metrics.ab_ratio(first, second, (first + 3 * second) / 4), 0.75, rtol=1e-12)


def test_disjoint_predictions_are_one_bit_apart():
    first, second = torch.tensor([[100.0, -900.0]]), torch.tensor([[-900.0, 100.0]])
    assert metrics.js(first, second).item() == pytest.approx(1)
    assert metrics.kl(first, second).item() == pytest.approx(1000)
    assert metrics.js(first + 7, second - 3).item() == pytest.approx(1), "softmax does not see shifts"


def test_metrics_refuse():
    with pytest.raises(ShapeError, match="one common dimension"):
        metrics.l2(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ParameterError, match="base must be above 1"):
        metrics.js(torch.ones(1, 2), torch.ones(1, 2), base=1.0)


def test_kl_radius_is_where_the_divergence_is_eps():
    rng = np.random.default_rng(1)
    W, h, u = rng.standard_normal((50, 8)), rng.standard_normal((4, 8)), rng.standard_normal((4, 8))
    bias = rng.standard_normal(50)
    errors = []
    for eps in (1e-4, 1e-2, 1.0):
        found = kl_radius(W, h, 3 * u, eps, bias=bias)
        for k in range(4):
            unit = u[k] / np.linalg.norm(u[k])
            p = special.softmax(W @ h[k] + bias)

            def excess(
                r: float, k: int = k, unit: np.ndarray = unit, p: np.ndarray = p, eps: float = eps
            ) -> float:
                q = special.softmax(W @ (h[k] + r * unit) + bias)
                return float(special.rel_entr(p, q).sum()) - eps

            assert found.exact[k] == pytest.approx(optimize.brentq(excess, 0, 100, xtol=1e-14), rel=1e-8)
            fisher = W.T @ (np.diag(p) - np.outer(p, p)) @ W
            assert found.closed[k] == pytest.approx(math.sqrt(2 * eps / (unit @ fisher @ unit)), rel=1e-10)
        np.testing.assert_allclose(found.error, found.closed / found.exact - 1)
        errors.append(np.abs(found.error).max())
    assert errors[0] < 0.01
    assert errors[0] < errors[1] < errors[2]


def divergence(W, h, u, bias, r):
    """KL(p(h) || p(h + r u)) in as many digits as mpmath is set to, from the definition."""
    before = [mpmath.fdot(row, h) + b for row, b in zip(W, bias, strict=True)]
    step = [r * mpmath.fdot(row, u) for row in W]
    p, q = (
        [mpmath.exp(x) for x in logits]
        for logits in (before, [a + b for a, b in zip(before, step, strict=True)])
    )
    of = mpmath.fsum(p), mpmath.fsum(q)
    terms = (a / of[0] * (mpmath.log(a / of[0]) - mpmath.log(b / of[1])) for a, b in zip(p, q, strict=True))
    return mpmath.fsum(terms)


EPS = [1e-300, 1e-100, 1e-30, 1e-16, 1e-14, 1e-10, 1e-6, 1e-3, 0.1, 0.999, 1.0, 3.0]


@pytest.mark.parametrize(
    ("eps", "gap"),
    [
        *product(EPS, [0.0, 3.0, 30.0]),
        *product([1e-300, 1e-10, 0.1, 3.0], [720.0, 740.0, 760.0, 1000.0, 1300.0, 1e4]),
    ],
)
def test_kl_radius_is_right_however_small_the_divergence(eps, gap):
    """Against 700 digits: the radius a part in 1e12 shorter is too short, and as much longer too long.

    `gap` makes one token likelier than the others, to a probability of 1 - 1e-12, and until theirs leave float64.
    """
    rng = np.random.default_rng(5)
    W, h, u = rng.standard_normal((7, 3)), rng.standard_normal(3), rng.standard_normal(3)
    bias = np.array([gap, *[0.0] * 6])
    found = kl_radius(W, h, u, eps, bias=bias).exact[0]
    assert np.isfinite(found)
    with mpmath.workdps(700 + int(gap)):
        unit = [mpmath.mpf(x) for x in u]
        length = mpmath.sqrt(mpmath.fdot(unit, unit))
        unit = [x / length for x in unit]
        rows = [[mpmath.mpf(x) for x in row] for row in W]
        at = [mpmath.mpf(x) for x in h]
        for side in (-1, 1):
            r = mpmath.mpf(found) * (1 + side * mpmath.mpf("1e-12"))
            assert mpmath.sign(divergence(rows, at, unit, bias, r) - mpmath.mpf(eps)) == side


def test_kl_radius_of_a_token_of_probability_1e_40():
    """Two tokens, slopes 1 and 0: with p of the second, the divergence is p (e^-r - 1 + r) to first order in p.

    So the closed form is sqrt(2 eps / p), which no sum beside 1 would show.
    """
    gap = 40 * math.log(10)
    found = kl_radius([[1.0], [0.0]], [0.0], [-1.0], 1e-44, bias=[gap, 0.0])
    assert found.closed[0] == pytest.approx(math.sqrt(2e-4), rel=1e-9)
    wanted = optimize.brentq(lambda r: math.expm1(r) - r - 1e-4, 1e-9, 1, xtol=1e-15)
    assert found.exact[0] == pytest.approx(wanted, rel=1e-8)


def test_a_radius_beyond_all_numbers_is_infinite_without_warnings():
    """The likeliest token gains along u, and the others have exp(-1200) of it: 1e-10 is reached near 1e511."""
    W = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    found = kl_radius(W, [1200.0, 0.0], [1.0, 0.0], threshold=1e-10)
    assert np.isinf(found.exact[0])
    assert np.isnan(found.error[0])


def test_kl_radius_where_nothing_moves():
    """All logits move alike: no step changes the prediction."""
    found = kl_radius([[1.0, 0.0], [1.0, 2.0]], [0.3, 0.1], [1.0, 0.0])
    assert np.isinf(found.closed).all()
    assert np.isinf(found.exact).all()
    assert np.isnan(found.error).all()
    with pytest.raises(ParameterError, match="direction 0 is zero"):
        kl_radius([[1.0]], [0.0], [0.0])
    with pytest.raises(ShapeError, match="do not fit"):
        kl_radius([[1.0]], [0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ParameterError, match="threshold"):
        kl_radius([[1.0]], [0.0], [1.0], threshold=0)
    with pytest.raises(NonFiniteError, match="W_U"):
        kl_radius([[math.nan]], [0.0], [1.0])


@pytest.mark.parametrize("n", [3, 9, 25])
def test_median_interval_of_an_odd_number(n):
    """The resampled median is at most the j-th value if more than half of n draws are: a binomial tail."""
    values = np.sort(np.random.default_rng(n).standard_normal(n))
    found = median(values, confidence=0.9, n_draws=20_000, seed=3)
    tail = np.array([stats.binom.sf((n - 1) // 2, n, j / n) for j in range(1, n + 1)])
    # Up to the sampling error of 20000 resamples.
    low = {values[np.searchsorted(tail, level)] for level in (0.04, 0.05, 0.06)}
    high = {values[np.searchsorted(tail, level)] for level in (0.94, 0.95, 0.96)}
    assert found.value == values[n // 2]
    assert found.low in low
    assert found.high in high
    assert (found.n, found.n_undefined) == (n, 0)


def test_median_difference_of_kinds():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal(60), rng.standard_normal(80) + 3
    found = median_difference(a, b, seed=1)
    assert found.value == pytest.approx(np.median(a) - np.median(b))
    assert found.low < found.value < found.high < 0
    assert found == median_difference(a, b, seed=1)
    undefined = median([np.nan, np.nan])
    assert np.isnan([undefined.value, undefined.low, undefined.high]).all()
    assert undefined.n_undefined == 2
    with pytest.raises(ParameterError, match="infinity at 1"):
        median([0.0, np.inf])
    with pytest.raises(ShapeError, match="vector"):
        median([[1.0]])
    with pytest.raises(ParameterError, match="confidence"):
        median([1.0], confidence=1.0)


def test_radius_of_tensors_with_gradients():
    W, h, u = (torch.randn(shape, requires_grad=True) for shape in ((7, 3), (2, 3), (2, 3)))
    found = kl_radius(W, h, u)
    plain = kl_radius(*(tensor.detach().numpy() for tensor in (W, h, u)))
    np.testing.assert_array_equal(found.exact, plain.exact)
    kl_radius(W.bfloat16(), h, u, bias=torch.zeros(7, requires_grad=True))


@pytest.mark.parametrize("n", [1, 7, 20_001])
def test_an_interval_is_that_of_all_draws_at_once(n):
    """Written out; 20 001 values come in four steps, the last one shorter."""
    values = np.random.default_rng(3).standard_normal(n)
    drawn = np.random.default_rng(8).integers(0, n, (200, n))
    low, high = np.quantile(
        np.median(values[drawn], axis=1), [(1 - 0.95) / 2, 1 - (1 - 0.95) / 2], method="inverted_cdf"
    )
    found = median(values, n_draws=200, seed=8)
    assert (found.value, found.low, found.high) == (np.median(values), low, high)
