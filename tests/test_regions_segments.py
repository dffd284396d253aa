"""Segments, balls and bounds: closed forms, autograd, sampling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.regions import along

TENT = [(np.array([[2.0], [4.0]]), np.array([0.0, -2.0]))]


def random_layers(widths: list[int], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((b, a)), rng.standard_normal(b)) for a, b in itertools.pairwise(widths)]


@pytest.mark.parametrize("depth", [1, 2, 5, 10, 14])
def test_tent_map(depth):
    (W, b), join = TENT[0], np.array([[1.0, -1.0]])
    layers = [(W, b), *[(W @ join, b)] * (depth - 1), (join, np.zeros(1))]
    found = along(layers, [0.0], [1.0])
    assert found.n_pieces == 2**depth
    np.testing.assert_allclose(found.lengths, 2.0**-depth, rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.slopes), 2.0**depth, rtol=1e-9)


def test_one_layer_is_one_and_hamming():
    layers = random_layers([4, 30, 1], 0)
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 4))
    W, c = layers[0]
    hamming = int(((W @ a + c > 0) != (W @ b + c > 0)).sum())
    found = along(layers, a, b)
    assert found.n_pieces == 1 + hamming
    assert found.crossings.tolist() == [hamming]


def test_deep_networks_against_autograd_and_sampling():
    layers = random_layers([4, 20, 20, 20, 3], 2)
    rng = np.random.default_rng(3)
    a, b = 3 * rng.standard_normal((2, 4))
    found = along(layers, a, b)
    flips = np.bitwise_count(found.codes[1:] ^ found.codes[:-1]).sum(axis=1)
    assert (flips == 1).all()
    ends = int(np.bitwise_count(found.codes[0] ^ found.codes[-1]).sum())
    crossings = int(found.crossings.sum())
    assert crossings >= ends
    assert (crossings - ends) % 2 == 0
    parts: list[nn.Module] = []
    for W, c in layers:
        linear = nn.Linear(W.shape[1], W.shape[0]).double()
        linear.weight.data, linear.bias.data = torch.from_numpy(W), torch.from_numpy(c)
        parts += [linear, nn.ReLU()]
    model = nn.Sequential(*parts[:-1])
    step = (b - a) / np.linalg.norm(b - a)
    for piece in range(found.n_pieces):
        t = found.breakpoints[piece : piece + 2].mean()
        J = torch.autograd.functional.jacobian(model, torch.from_numpy(a + t * (b - a))).numpy()
        np.testing.assert_allclose(found.slopes[piece], J @ step, atol=1e-7)
    np.testing.assert_allclose(along(model, a, b).breakpoints, found.breakpoints, atol=1e-10)
    assert found.lengths.sum() == pytest.approx(np.linalg.norm(b - a))
    assert len(found.to_frame()) == found.n_pieces


def test_polyline_joins_its_segments():
    layers = random_layers([3, 15, 9, 2], 4)
    a, b, c = np.random.default_rng(5).standard_normal((3, 3))
    whole, first, second = along(layers, a, b, c), along(layers, a, b), along(layers, b, c)
    assert whole.n_pieces == first.n_pieces + second.n_pieces
    np.testing.assert_allclose(whole.slopes, np.vstack([first.slopes, second.slopes]), atol=1e-8)
    assert whole.deviation == pytest.approx(max(first.deviation, second.deviation))


def test_twin_neurons_are_told():
    found = along([(np.ones((2, 1)), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))], [-1.0], [1.0])
    assert (found.n_pieces, found.n_degenerate, found.crossings.tolist()) == (2, 1, [2])


def test_ball_ray_and_diameter():
    identity = [(np.eye(3), np.zeros(3)), (np.ones((1, 3)), np.zeros(1))]
    assert fg.regions.ball_radius(identity, [3.0, -0.5, 2.0]) == 0.5
    assert fg.regions.ray_exit(identity, [3.0, -0.5, 2.0], [0, 2, 0]) == 0.5
    assert fg.regions.ray_exit(identity, [3.0, -0.5, 2.0], [1, 0, 0]) == math.inf
    assert fg.regions.region_diameter([*TENT, (np.ones((1, 2)), np.zeros(1))], [0.2], [1.0]) == pytest.approx(
        0.5
    )
    with pytest.raises(ParameterError, match="direction"):
        fg.regions.ray_exit(identity, [1, 1, 1], [0, 0, 0])


def test_first_layer_complexity():
    layers = random_layers([4, 40, 1], 6)
    x = np.random.default_rng(7).standard_normal((11, 4))
    found = fg.regions.local_complexity(layers, x, 0.3, n_directions=3, seed=9)
    Q = np.linalg.qr(np.random.default_rng(9).standard_normal((4, 3)))[0]
    W, b = layers[0]
    expected = (np.abs(x @ W.T + b) < 0.3 * np.abs(W @ Q).max(axis=1)).sum(axis=1)
    np.testing.assert_array_equal(found[:, 0], expected)
    with pytest.raises(ParameterError, match="radius"):
        fg.regions.local_complexity(layers, x, 0.0)


def test_bounds():
    r = fg.regions
    assert (r.zaslavsky(20, 2), r.zaslavsky(64, 2), r.zaslavsky(10, 3), r.zaslavsky(12, 4)) == (
        211,
        2081,
        176,
        794,
    )
    assert r.serra_upper([1, 3, 4, 5]) == 4 * 5 * 6
    for n, d in itertools.product(range(9), range(5)):
        assert r.zaslavsky(n, d) == (
            1 if n == 0 or d == 0 else r.zaslavsky(n - 1, d) + r.zaslavsky(n - 1, d - 1)
        )
        # A central arrangement of n + 1 planes is two copies of the affine one of n, one dimension below.
        assert r.cover(n + 1, d + 1) == 2 * r.zaslavsky(n, d)
        if d:
            assert r.serra_upper([d, n + 1]) == r.zaslavsky(n + 1, d)
    assert r.montufar_lower([2, 4, 4]) == 4 * 11 <= r.serra_upper([2, 4, 4])
    for bad in (lambda: r.zaslavsky(-1, 2), lambda: r.serra_upper([3]), lambda: r.montufar_lower([3, 2])):
        with pytest.raises(ParameterError):
            bad()


def test_bad_input():
    layers = random_layers([2, 5, 1], 0)
    with pytest.raises(ParameterError, match="same"):
        along(layers, [0, 0], [0, 0])
    with pytest.raises(ShapeError, match="takes"):
        along(layers, [0, 0, 0], [1, 0, 0])
    with pytest.raises(ParameterError, match="max_pieces"):
        along(layers, [-9, 0], [9, 1], max_pieces=1)


@pytest.mark.parametrize("far", [1.0, 1e6, 1e12, 1e14])
def test_scale_of_the_way_does_not_hide_pieces(far):
    identity = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    found = along(identity, [-far] * 2, [0.5, 0.7])
    assert (found.n_pieces, found.n_regions, found.n_degenerate) == (3, 3, 0)
    expected = [0.5 / (far + 0.5), 0.7 / (far + 0.7)]
    np.testing.assert_allclose(1 - found.breakpoints[[2, 1]], expected, atol=4e-16)
    assert found.outputs[-1, 0] == 1.2


def test_what_rounding_hides_is_counted():
    identity = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    for far in (1e15, 1e16, 1e18):
        found = along(identity, [-far] * 2, [0.5, 0.7])
        assert found.n_pieces + found.n_degenerate == 3


def test_ray_from_a_boundary():
    """Codes are 1 above zero: on the boundary the bit is 0, so upwards it flips at once."""
    layers = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    for model in (layers, nn.Sequential(nn.Identity(), nn.ReLU())):
        assert fg.regions.ray_exit(model, [0.0, -1.0], [1.0, 0.0]) == 0
        assert fg.regions.ray_exit(model, [0.0, -1.0], [-1.0, 0.0]) == math.inf
        assert fg.regions.ray_exit(model, [0.0, -1.0], [0.0, 1.0]) == 1
        assert fg.regions.ray_exit(model, [2.0, -1.0], [-1.0, 0.0]) == 2
        assert fg.regions.ball_radius(model, [0.0, -1.0]) == 0
    x, d = np.random.default_rng(0).standard_normal((2, 4))
    deep = random_layers([4, 12, 12, 1], 3)
    out = fg.regions.ray_exit(deep, x, d)
    first = along(deep, x, x + 2 * out * d / np.linalg.norm(d))
    assert first.lengths[0] == pytest.approx(out)


def test_ball_complexity():
    layers = random_layers([4, 40, 20, 1], 6)
    x = np.random.default_rng(7).standard_normal((11, 4))
    W, b = layers[0]
    found = fg.regions.local_complexity(layers, x, 0.3, form="ball")
    expected = (np.abs(x @ W.T + b) < 0.3 * np.linalg.norm(W, axis=1)).sum(axis=1)
    np.testing.assert_array_equal(found[:, 0], expected)
    parts: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.T.shape).double()
        linear.weight.data, linear.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        parts += [linear, nn.ReLU()]
    model = nn.Sequential(*parts[:-1])
    np.testing.assert_array_equal(fg.regions.local_complexity(model, x, 0.3, form="ball"), found)
    # Nothing flips within the region's own ball, and something does just outside.
    for point in x[:3]:
        r = fg.regions.ball_radius(layers, point)
        assert fg.regions.local_complexity(layers, [point], 0.999 * r, form="ball").sum() == 0
        assert fg.regions.local_complexity(layers, [point], 1.001 * r, form="ball").sum() == 1
    for bad in ({"form": "cube"}, {"form": "ball", "n_directions": 2}):
        with pytest.raises(ParameterError, match="form"):
            fg.regions.local_complexity(layers, x, 0.3, **bad)


def test_the_hull_s_default_fits_small_inputs():
    layers = random_layers([2, 9, 1], 6)
    x = np.random.default_rng(7).standard_normal((5, 2))
    found = fg.regions.local_complexity(layers, x, 0.3)
    np.testing.assert_array_equal(found, fg.regions.local_complexity(layers, x, 0.3, n_directions=2))


def test_tensors_with_gradients_and_in_half_precision():
    layers = random_layers([2, 5, 1], 0)
    tensors = [tuple(torch.from_numpy(part).requires_grad_() for part in layer) for layer in layers]
    a, b = torch.tensor([-3.0, 1.0], requires_grad=True), torch.tensor([2.0, -1.0], dtype=torch.bfloat16)
    found, plain = along(tensors, a, b), along(layers, [-3.0, 1.0], [2.0, -1.0])
    np.testing.assert_array_equal(found.breakpoints, plain.breakpoints)
    assert fg.regions.ball_radius(tensors, a) == fg.regions.ball_radius(layers, [-3.0, 1.0])
    assert fg.regions.ray_exit(tensors, a, b) == fg.regions.ray_exit(layers, [-3, 1], [2, -1])
    fg.regions.local_complexity(layers, torch.ones(3, 2, requires_grad=True), 0.1)
    fg.regions.slice2d(layers, a, b, torch.tensor([1.0, 1.0], requires_grad=True))
    with pytest.raises(ParameterError, match="real numbers"):
        along(layers, torch.ones(2, dtype=torch.complex64), b)
