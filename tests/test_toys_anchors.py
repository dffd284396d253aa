"""The exact anchors against integration over two features."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize_scalar

from featuregeom.errors import ParameterError
from featuregeom.toys.anchors import antipodal_cost, antipodal_threshold, dropped_cost
from featuregeom.toys.superposition import loss, sample

SPARSITIES = [0.0, 0.2, 3 / 7, 0.5, 0.9, 0.99]


def pair_cost(S: float, norm: float = 1.0, bias: float = 0.0) -> float:
    """Cost of one feature of an antipodal pair: an integral for each set of active features."""
    p, s = 1 - S, norm**2

    def square(y: float, x: float) -> float:
        return float((x - max(s * (x - y) + bias, 0.0)) ** 2)

    # Where the output is 0, y > x + bias / s: the two sides apart, so that both integrands are polynomials.
    def edge(x: float) -> float:
        return min(max(x + bias / s, 0.0), 1.0)

    tight: dict[str, Any] = {"epsabs": 1e-12, "epsrel": 1e-12}
    kinks = sorted({0.0, min(max(1 - bias / s, 0.0), 1.0), 1.0})
    both = sum(
        dblquad(square, a, b, lo, hi, **tight)[0]
        for a, b in pairwise(kinks)
        for lo, hi in ((0.0, edge), (edge, 1.0))
    )
    alone = quad(lambda x: square(0.0, x), 0, 1)[0]
    other = quad(lambda y: square(y, 0.0), 0, 1, points=[edge(0.0)])[0]
    return float(p * p * both + p * S * (alone + other) + S * S * square(0.0, 0.0))


@pytest.mark.parametrize("S", SPARSITIES)
def test_dropped_is_the_best_constant(S: float) -> None:
    def cost(bias: float) -> float:
        return (1 - S) * quad(lambda x: (x - max(bias, 0.0)) ** 2, 0, 1)[0] + S * max(bias, 0.0) ** 2

    best = minimize_scalar(cost, bounds=(-0.5, 1.5), method="bounded", options={"xatol": 1e-10})
    assert best.x == pytest.approx((1 - S) / 2, abs=1e-6)
    assert dropped_cost(S) == pytest.approx(cost((1 - S) / 2), rel=1e-12)
    assert dropped_cost(S) == pytest.approx(best.fun, rel=1e-9)


@pytest.mark.parametrize("S", SPARSITIES)
def test_antipodal_is_the_integral(S: float) -> None:
    assert antipodal_cost(S) == pytest.approx(pair_cost(S), rel=1e-10)


@pytest.mark.parametrize("S", [0.2, 0.5, 0.9])
def test_antipodal_bias_is_not_the_best(S: float) -> None:
    step = 1e-5
    slope = (pair_cost(S, bias=step) - pair_cost(S)) / step
    assert slope == pytest.approx(-((1 - S) ** 2) / 3, rel=3e-3)


@pytest.mark.parametrize(
    ("S", "gain"), [(0.2, None), (3 / 7, 0.031), (0.5, 0.025), (0.7, 0.012), (0.75, None), (0.8, 0.007)]
)
def test_what_a_free_norm_gains_at_bias_zero(S: float, gain: float | None) -> None:
    """The formula of antipodal_cost and of the how-to, and the numbers that it lists."""
    p = 1 - S
    A = (1 - p) / 3 + p / 12
    best = minimize_scalar(lambda s: pair_cost(S, np.sqrt(s)), bounds=(0.5, 2), method="bounded")
    assert best.x == pytest.approx(1 + p / (24 * A), abs=1e-4)
    assert 1 - best.fun / antipodal_cost(S) == pytest.approx(p / (96 * A), abs=1e-6)
    if gain is not None:
        assert p / (96 * A) == pytest.approx(gain, abs=5e-4)
    assert (p / (96 * A) < 0.01) == (S >= 0.75)


def test_best_pair() -> None:
    # Norm^2 and bias of the minimum, by Nelder-Mead on a quadrature apart from this one.
    at_threshold = pair_cost(3 / 7, np.sqrt(0.82213017), 0.17495244)
    assert at_threshold / antipodal_cost(3 / 7) == pytest.approx(0.858315, abs=1e-5)
    assert pair_cost(0.8, np.sqrt(1.01999727), 0.00615195) / antipodal_cost(0.8) == pytest.approx(
        0.988841, abs=1e-5
    )
    assert 2 * pair_cost(0.2, np.sqrt(0.51865977), 0.39549192) < 0.998 * dropped_cost(0.2)


@pytest.mark.parametrize("S", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_a_pair_with_free_bias_wins_below_the_threshold(S: float) -> None:
    # The pair of the docstring's proof; at S = 0 the two are even.
    assert 2 * antipodal_cost(S) > dropped_cost(S)
    assert 2 * pair_cost(S, np.sqrt(0.5), (1 - S) / 2) < dropped_cost(S) * (1 - 1e-5)
    assert 2 * pair_cost(0.0, np.sqrt(0.5), 0.5) == pytest.approx(dropped_cost(0.0), rel=1e-9)


@pytest.mark.parametrize("S", [0.1, 0.5, 0.9])
def test_sampled_losses(S: float) -> None:
    x = sample(2, S, 400_000, seed=1)
    pair = loss([[1.0], [-1.0]], [0.0, 0.0], x)
    kept = loss([[1.0], [0.0]], [0.0, (1 - S) / 2], x)
    assert pair == pytest.approx(2 * antipodal_cost(S), rel=0.03)
    assert kept == pytest.approx(dropped_cost(S), rel=0.03)


def test_threshold() -> None:
    S = Fraction(3, 7)
    assert antipodal_threshold() == float(S)
    assert 2 * (1 - S) ** 2 / 6 == (1 - S) * (1 + 3 * S) / 12  # The formulas, in exact arithmetic.
    grid = np.linspace(0, 1, 1001)[:-1]
    better = 2 * antipodal_cost(grid) < dropped_cost(grid)
    np.testing.assert_array_equal(better, grid > antipodal_threshold())
    for step in (1e-6, -1e-6):
        near = antipodal_threshold() + step
        assert (2 * antipodal_cost(near) < dropped_cost(near)) == (step > 0)


@pytest.mark.parametrize("cost", [dropped_cost, antipodal_cost])
def test_numbers_and_arrays(cost: Any) -> None:
    assert type(cost(0.25)) is float
    assert cost(np.full((2, 3), 0.25)).shape == (2, 3)
    assert cost([0.25, 1.0]).tolist() == [cost(0.25), 0.0]


@pytest.mark.parametrize("cost", [dropped_cost, antipodal_cost])
@pytest.mark.parametrize("S", [-0.1, 1.1, float("nan"), [0.5, 2.0], "half", 0.5j, None])
def test_bad_sparsity(cost: Any, S: Any) -> None:
    with pytest.raises(ParameterError, match="S must be"):
        cost(S)
