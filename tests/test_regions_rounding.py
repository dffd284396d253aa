"""Neurons that are exactly zero in real numbers, and rounding noise in float64: they bound no region."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from featuregeom.errors import ParameterError
from featuregeom.regions import along, ball_radius, local_complexity, ray_exit, region_diameter, slice2d


def module(layers, end=nn.ReLU):
    parts = []
    for W, b in layers:
        W, b = (torch.tensor(np.asarray(part, dtype=np.float64)) for part in (W, b))
        linear = nn.Linear(W.shape[1], W.shape[0]).double()
        linear.weight.data, linear.bias.data = W, b
        parts += [linear, end()]
    return nn.Sequential(*parts[:-1]).eval()


FORMS = pytest.mark.parametrize("form", [list, module])

TENTHS = ([[0.1], [0.2], [0.3]], [0.0] * 3)
CANCELS = ([[3, 1.5, -2]], [0.0])
"""3 (.1 x) + 1.5 (.2 x) - 2 (.3 x) = 0."""

END = ([[1.0]], [0.0])
TENTHS_CANCEL = [TENTHS, CANCELS, END]
PASSED_ON = [TENTHS, ([[3, 1.5, -2], [1, 0, 0]], [0.0] * 2), ([[1.0, 0]], [0.0]), END]
"""What cancels goes on to a neuron of the next layer."""


@FORMS
@pytest.mark.parametrize("layers", [TENTHS_CANCEL, PASSED_ON])
@pytest.mark.parametrize("x", [0.3, 0.7, 1.0, 2.3, 1e-5, 7e9])
def test_tenths_that_cancel(form, layers, x):
    """The only boundary is at 0."""
    net = form(layers)
    assert ball_radius(net, [x]) == pytest.approx(x, rel=1e-14)
    assert ray_exit(net, [x], [-1.0], max_distance=1e12) == pytest.approx(x, rel=1e-14)
    assert ray_exit(net, [x], [1.0], max_distance=1e12) == math.inf
    assert region_diameter(net, [x], [1.0], max_distance=1e12) == math.inf
    for form_of_near in ("ball", "hull"):
        assert not local_complexity(net, [[x]], 0.9 * x, form=form_of_near).any()
        # Of the deeper neurons, only the one that is .1 x.
        wanted = [3, 0] if len(layers) == 3 else [3, 1, 0]
        assert local_complexity(net, [[x]], 1.1 * x, form=form_of_near)[0].tolist() == wanted
    way = along(net, [x], [3 * x])
    assert (way.n_pieces, way.crossings.any(), way.n_degenerate) == (1, False, 0)


@FORMS
def test_layers_that_cancel_leave_the_boundaries_of_the_others(form):
    """Each first layer holds k pairs a, c a, and the second layer cancels them: it adds no boundary to the first's."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        k, d = rng.integers(1, 6), rng.integers(2, 6)
        a, bias = rng.standard_normal((k, d)), rng.standard_normal(k)
        factor = rng.integers(1, 10, k) / 10
        first = (np.vstack([a, factor[:, None] * a]), np.r_[bias, factor * bias])
        cancels = np.hstack([np.diag(factor), -np.eye(k)])
        net = form([first, (cancels, np.zeros(k)), (np.ones((1, k)), [0.0])])
        x, way = rng.standard_normal((2, d))
        distances = np.abs(a @ x + bias) / np.linalg.norm(a, axis=1)
        assert ball_radius(net, x) == pytest.approx(distances.min(), rel=1e-12)
        unit = way / np.linalg.norm(way)
        times = -(a @ x + bias) / (a @ unit)
        ahead = times[times > 0].min(initial=math.inf)
        assert ray_exit(net, x, way) == pytest.approx(ahead if ahead <= 1e6 else math.inf, rel=1e-12)
        ball = local_complexity(net, [x], 1.0, form="ball")[0]
        assert ball.tolist() == [2 * (distances < 1.0).sum(), 0]
        assert local_complexity(net, [x], 1.0)[0, 1] == 0


@FORMS
def test_planes_are_not_cut_by_rounding(form):
    """Three multiples of one line, cancelled in the next layer: the cells are those of the lines."""
    rng = np.random.default_rng(1)
    for _ in range(40):
        a, others = 0.1 * rng.standard_normal(2), rng.standard_normal((3, 2))
        first = (np.vstack([np.outer([1, 2, 3], a), others]), np.r_[[0.7, 1.4, 2.1], rng.standard_normal(3)])
        plane = ([0, 0], [1, 0], [0, 1])
        cells = slice2d(form([first, (np.ones((1, 6)), [0.0])]), *plane).n_regions
        cancelled = [first, ([[3, 1.5, -2, 0, 0, 0]], [0.0]), END]
        assert slice2d(form(cancelled), *plane).n_regions == cells


def test_a_neuron_that_is_constant_on_the_plane_cuts_nothing():
    """Its weights are orthogonal to both axes, of which rounding leaves 1e-17."""
    u, v = np.array([1.0, 1.0, 1.0]), np.array([0.3, 0.6, 1.0])
    w = np.cross(u, v)
    net = [(np.vstack([w, 0.1 * w, 0.7 * w]), np.zeros(3)), (np.ones((1, 3)), [0.0])]
    assert slice2d(net, np.zeros(3), u, v).n_regions == 1


@FORMS
def test_a_ray_along_a_boundary_does_not_cross_it(form):
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b = rng.standard_normal(2)
        net = form([([[a, b]], [0.0]), END])
        assert ray_exit(net, [0.0, 0.0], [b, -a]) == math.inf
        assert ray_exit(net, [b, -a], [b, -a]) == math.inf


def test_bends_of_leaky_networks_stay_where_they_are():
    """At a value of zero the gradient stays: the boundary is there."""
    net = module([([[0.1, 0.2]], [-0.3]), END], nn.LeakyReLU)
    assert ball_radius(net, [1.0, 1.0]) == pytest.approx(0.0, abs=1e-15)
    assert ray_exit(net, [1.0, 1.0], [1.0, 0.0]) == 0
    assert ray_exit(net, [1.0, 1.0], [-1.0, 0.0]) == math.inf


@pytest.mark.parametrize("middle", [[], [nn.BatchNorm1d(1)], [nn.BatchNorm1d(1), nn.Identity()]])
def test_a_module_whose_layer_cancels_is_not_refused(middle):
    for x in ([0.3], [0.7], [1.3], [2.9]):
        parts = list(module([TENTHS, CANCELS]))
        net = nn.Sequential(*parts, *middle, nn.ReLU(), nn.Linear(1, 1)).double().eval()
        assert along(net, x, [5.0]).outputs.shape[1] == 1
        last = module([TENTHS, CANCELS])
        assert along(last, x, [5.0]).n_pieces == 1


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.linear = function, nn.Linear(3, 4)

    def forward(self, x):
        return self.function(self.linear, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda f, x: f(x - x.mean(0)).relu(),
        lambda f, x: f(x + torch.arange(len(x), dtype=x.dtype)[:, None]).relu(),
        lambda f, x: f(x.flip(0)).relu().flip(0) + f(x.flip(0)),
        lambda f, x: f(x / len(x)).relu(),
        lambda f, x: f(x.cumsum(0)).relu(),
        lambda f, x: 1e-6 * f(x - x.mean(0)).relu(),
    ],
)
def test_modules_that_mix_rows_are_refused(function):
    with pytest.raises(ParameterError, match="mixes the rows"):
        along(Of(function).eval(), [0.0, 1.0, 2.0], [1.0, 1.0, 1.0])


def test_a_polyline_inside_a_region_is_in_one_region():
    """Corners end pieces, and no regions."""
    far = [(np.eye(2), [5.0, 5.0]), (np.ones((1, 2)), [0.0])]
    found = along(far, [0, 0], [1, 0], [1, 1], [0, 1])
    assert (found.n_pieces, found.n_regions, found.crossings.tolist()) == (3, 1, [0])
    assert found.to_frame()["region"].tolist() == [0, 0, 0]


def test_regions_that_are_left_and_entered_again_count_once():
    """A square around the origin, and then back through all quadrants that are there."""
    quadrants = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), [0.0])]
    found = along(quadrants, [1, 1], [-1, 1], [-1, -1], [1, -1], [1, 1])
    assert (found.n_pieces, found.n_regions) == (8, 4)
    assert found.regions.tolist() == [0, 1, 1, 2, 2, 3, 3, 0]
    there_and_back = along(quadrants, [1, 1], [-1, 1], [1, 1])
    assert (there_and_back.n_pieces, there_and_back.n_regions) == (4, 2)
    affine = along([(np.eye(2), np.zeros(2))], [0, 0], [1, 0], [1, 1])
    assert (affine.n_pieces, affine.n_regions) == (2, 1)


def test_sums_of_many_terms_cancel_within_the_rule():
    """Random terms and their negatives, in a random order: what is left stays below the rule's 16 eps of the sizes."""
    rng = np.random.default_rng(3)
    for n in (10, 100, 1000, 20_000):
        half = rng.standard_normal(n // 2) * rng.uniform(0.1, 10, n // 2)
        w = rng.permutation(np.r_[half, -half])
        net = [(np.ones((n, 1)) * 0.1, np.zeros(n)), (w[None], [0.0]), END]
        assert ball_radius(net, [0.7]) == pytest.approx(0.7, rel=1e-14)
