"""The one-active-feature loss in closed form, its gradient, and the best regular polygons."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import minimize

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.toys import superposition
from featuregeom.toys.one_active import (
    one_active_gradient,
    one_active_loss,
    optimal_polygon,
    polygon_catalogue,
)

Array = NDArray[np.float64]
SEEDS = range(8)


def integrated(W: Array, b: Array, importance: Array | None = None) -> float:
    """The definition, by adaptive quadrature, told where the output changes sign."""
    n = len(b)
    scale = np.ones(n) if importance is None else importance
    total = 0.0
    for i in range(n):
        for j in range(n):
            slope = W[j] @ W[i]
            kink = -b[j] / slope if slope else -1.0

            def square(x: float, j: int = j, i: int = i, slope: float = slope) -> float:
                return float(((x if i == j else 0.0) - max(slope * x + b[j], 0.0)) ** 2)

            points = [kink] if 0 < kink < 1 else None
            total += scale[j] * quad(square, 0, 1, points=points, epsabs=1e-13, epsrel=1e-12)[0]
    return total / n


def random_toy(seed: int, n: int = 6, m: int = 3) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)), rng.normal(size=n), rng.uniform(0.1, 2, size=n)


def differences(W: Array, b: Array, importance: Array | None, step: float = 1e-6) -> tuple[Array, Array]:
    """Central differences of the loss."""
    flat = np.concatenate([W.ravel(), b])

    def at(values: Array) -> float:
        return one_active_loss(values[: W.size].reshape(W.shape), values[W.size :], importance)

    slopes = np.array([(at(flat + h) - at(flat - h)) / (2 * step) for h in step * np.eye(len(flat))])
    return slopes[: W.size].reshape(W.shape), slopes[W.size :]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_the_integral(seed: int, weighted: bool) -> None:
    W, b, importance = random_toy(seed)
    scale = importance if weighted else None
    assert one_active_loss(W, b, scale) == pytest.approx(integrated(W, b, scale), rel=1e-11)


@pytest.mark.parametrize("slope", [-2.0, -0.5, 0.0, 0.5, 2.0, 1e-9, -1e-9])
@pytest.mark.parametrize("bias", [-3.0, -2.0, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0, 2.0, 3.0])
def test_every_sign_case(slope: float, bias: float) -> None:
    # Feature 0 has M_01 = slope and M_11 = 1; feature 1's own slope is slope^2.
    W, b = np.array([[1.0], [slope]]), np.array([0.3, bias])
    assert one_active_loss(W, b) == pytest.approx(integrated(W, b), rel=1e-10, abs=1e-14)


def test_every_sign_case_occurs_in_the_random_toys() -> None:
    seen = set()
    for seed in SEEDS:
        W, b, _ = random_toy(seed)
        ends = W @ W.T + b[:, None]
        seen |= set(zip(np.repeat(np.sign(b), len(b)), np.sign(ends).ravel(), strict=True))
    assert len(seen) == 4


def test_zero_weights_and_zero_bias() -> None:
    assert one_active_loss(np.zeros((4, 2)), np.zeros(4)) == pytest.approx(1 / 3, rel=1e-15)
    assert one_active_loss(np.zeros((4, 2)), np.full(4, 1 / 8)) == pytest.approx(1 / 3 - 1 / 16, rel=1e-15)
    for gradient in one_active_gradient(np.zeros((4, 2)), np.zeros(4)):
        assert not gradient.any()


def test_it_is_the_limit_of_the_sampled_loss() -> None:
    W, b, importance = random_toy(3)
    n, size = len(b), 20_000
    x = np.zeros((n * size, n))
    for i in range(n):
        x[i * size : (i + 1) * size, i] = (np.arange(size) + 0.5) / size  # The midpoint rule.
    assert superposition.loss(W, b, x, importance) == pytest.approx(
        one_active_loss(W, b, importance), rel=1e-8
    )


def test_the_name_that_others_rely_on() -> None:
    assert superposition.one_active_loss is one_active_loss
    assert type(one_active_loss([[1], [0]], [0, 0])) is float


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_is_that_of_the_loss(seed: int) -> None:
    W, b, importance = random_toy(seed)
    for scale in (None, importance):
        for exact, measured in zip(one_active_gradient(W, b, scale), differences(W, b, scale), strict=True):
            np.testing.assert_allclose(exact, measured, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bias", [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0])
def test_gradient_at_the_edges(bias: float) -> None:
    # Orthogonal (M_01 = 0) and antipodal features, outputs that vanish at an end of [0, 1].
    W = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    b = np.array([0.0, bias, 0.0])
    for exact, measured in zip(one_active_gradient(W, b), differences(W, b, None), strict=True):
        np.testing.assert_allclose(exact, measured, atol=2e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_rotation_and_permutation(seed: int) -> None:
    W, b, importance = random_toy(seed)
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(b))
    loss, (grad_W, grad_b) = one_active_loss(W, b, importance), one_active_gradient(W, b, importance)
    turned = (W @ Q)[order], b[order], importance[order]
    assert one_active_loss(*turned) == pytest.approx(loss, rel=1e-12)
    turned_W, turned_b = one_active_gradient(*turned)
    np.testing.assert_allclose(turned_W, (grad_W @ Q)[order], atol=1e-12)
    np.testing.assert_allclose(turned_b, grad_b[order], atol=1e-12)


def test_importance_is_linear() -> None:
    W, b, importance = random_toy(0)
    parts = [one_active_loss(W, b, unit) for unit in np.eye(len(b))]
    assert one_active_loss(W, b, importance) == pytest.approx(importance @ parts, rel=1e-13)
    assert one_active_loss(W, b) == pytest.approx(sum(parts), rel=1e-13)


@pytest.mark.parametrize(
    ("k", "n", "norm", "bias", "loss"),
    [
        (5, 5, 1.17045964, -0.28229728, 0.0158256271),
        (6, 6, 1.32052633, -0.61813512, 0.0481923760),
        (7, 8, None, None, 0.1106227118),
        (8, 8, None, None, 0.1155459347),
    ],
)
def test_catalogue_numbers(k: int, n: int, norm: float | None, bias: float | None, loss: float) -> None:
    found = optimal_polygon(k, n)
    assert found.loss == pytest.approx(loss, abs=1e-10)
    if norm is not None and bias is not None:
        # The published hexagon's bias is 1.2e-8 from where the gradient vanishes.
        assert found.norm == pytest.approx(norm, abs=2e-8)
        assert found.bias == pytest.approx(bias, abs=2e-8)


@pytest.mark.parametrize(("k", "n"), [(k, n) for n in (1, 2, 3, 4, 5, 6, 8, 13) for k in range(1, n + 1)])
def test_polygon_is_critical_and_has_its_loss(k: int, n: int) -> None:
    found = optimal_polygon(k, n)
    assert one_active_loss(*found.parameters()) == pytest.approx(found.loss, rel=1e-12, abs=1e-15)
    if k == 1 < n:
        return  # The dropped features feel the one vector: see the docstring.
    for gradient in one_active_gradient(*found.parameters()):
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("k", "n"), [(1, 3), (2, 3), (4, 7), (5, 5), (5, 9), (6, 6), (7, 8), (12, 12), (25, 30)]
)
def test_no_other_norm_or_bias_is_better(k: int, n: int) -> None:
    found = optimal_polygon(k, n)
    W, b = found.parameters()

    def at(v: Any) -> float:
        return one_active_loss(W / found.norm * v[0], np.where(np.arange(n) < k, v[1], b))

    for start in [(0.5, 0.1), (1.0, -0.2), (1.0, 0.2), (1.5, -1.0), (2.5, -4.0), (0.1, 0.05)]:
        other = minimize(at, start, method="Nelder-Mead", options={"maxiter": 150})
        assert other.fun >= found.loss - 1e-12


def test_catalogue() -> None:
    eight = polygon_catalogue(8)
    assert [p.k for p in eight[:3]] == [7, 6, 8]
    assert sorted(p.k for p in eight) == list(range(1, 9))
    assert all(a.loss <= b.loss for a, b in pairwise(eight))
    assert {p.n for p in eight} == {8}
    assert polygon_catalogue(5)[0].k == 5
    assert polygon_catalogue(6)[0].k == 6


def test_catalogue_agrees_with_the_shapes() -> None:
    found = optimal_polygon(6)
    assert one_active_loss(found.norm * fg.shapes.polygon(6), [found.bias] * 6) == pytest.approx(
        found.loss, rel=1e-12
    )


@pytest.mark.parametrize("call", [one_active_loss, one_active_gradient])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0, 2.0], [0.0, 0.0]), ShapeError, r"\(2,\)"),
        (([[1.0], [2.0]], [0.0]), ShapeError, r"do not fit together: \(2, 1\), \(1,\)"),
        ((np.zeros((0, 2)), []), ShapeError, "none of them empty"),
        ((np.zeros((2, 0)), [0.0, 0.0]), ShapeError, "none of them empty"),
        (([[1.0]], 0.0), ShapeError, "do not fit"),
        (([[1.0]], [0.0], [1.0, 1.0]), ShapeError, "do not fit"),
        (([[1.0], [np.nan]], [0.0, 0.0]), ParameterError, r"W must be finite, got nan at \(1, 0\)"),
        (([[1.0]], [np.inf]), ParameterError, "b must be finite"),
        (([[1.0 + 1j]], [0.0]), ParameterError, "got complex ones"),
        (([["one"]], [0.0]), ParameterError, "W must be real numbers"),
        (([[1.0], [1.0, 2.0]], [0.0]), ParameterError, "W must be real numbers"),
        (([[1.0]], [0.0], [-1.0]), ParameterError, r"importance must be at least 0, got -1.0 at 0"),
    ],
)
def test_bad_toys(call: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(*arguments)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("call", [one_active_loss, one_active_gradient])
@pytest.mark.parametrize(
    ("W", "b", "importance"),
    [
        ([[1e155]], [0.0], None),
        ([[1e200]], [-1e300], None),
        ([[1e155], [-1e155]], [0.0, 0.0], [1.0, 0.0]),
        ([[1.0]], [1e308], [1e10]),
        ([[1e154], [1e154]], [1e308, -1e308], None),
    ],
)
def test_values_beyond_the_range_are_refused(call: Any, W: Any, b: Any, importance: Any) -> None:
    with pytest.raises(ParameterError, match=r"beyond the range of float64, 1\.8e\+308: scale them down"):
        call(W, b, importance)


@pytest.mark.filterwarnings("error")
def test_large_values_within_the_range() -> None:
    assert one_active_loss([[1e50]], [0.0]) == pytest.approx(1e200 / 3)
    assert one_active_loss([[1.0], [1.0]], [-1.7e308, -1.7e308]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "k must be an integer of at least 1"),
        ((5, 4), "n must be an integer of at least 5, got 4"),
        ((2.5,), "got 2.5"),
        (("5",), "got '5'"),
    ],
)
def test_bad_polygons(arguments: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        optimal_polygon(*arguments)


def test_bad_catalogue() -> None:
    with pytest.raises(ParameterError, match="n must be an integer of at least 1, got 0"):
        polygon_catalogue(0)


def test_torch_parameters_are_taken() -> None:
    torch = pytest.importorskip("torch")
    W = torch.nn.Parameter(torch.tensor([[1.0], [-1.0]], dtype=torch.bfloat16))
    b = torch.zeros(2, requires_grad=True)
    assert one_active_loss(W, b) == 0
    np.testing.assert_allclose(one_active_gradient(W, b)[0], 0, atol=1e-15)
