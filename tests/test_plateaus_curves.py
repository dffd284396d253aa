"""Response curves against closed forms: lines, tanh, steps, symmetry, arcs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.plateaus import (
    count_linear_regions,
    crossings,
    directions,
    response_curves,
    stable_slice2d,
    suffix_from,
)
from featuregeom.plateaus.paths import make_path
from featuregeom.regions import along

LEFT, RIGHT = [[-1.0]], [[1.0]]


def orthogonal(m: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).standard_normal((m, m)))[0])


@pytest.mark.parametrize("refine", [None, 1e-3])
@pytest.mark.parametrize("tau", [0.05, 0.1, 0.4])
def test_a_linear_suffix_is_a_straight_line(refine, tau):
    rng = np.random.default_rng(0)
    W = torch.from_numpy(rng.standard_normal((5, 7)))
    A, B = rng.standard_normal((2, 4, 5))
    curves = response_curves(lambda h: h @ W + 3, A, B, refine=refine, levels=(tau,))
    np.testing.assert_allclose(
        curves.r[:, :51],
        np.tile(np.linspace(0, 1, 51), (4, 1)) if refine is None else curves.alphas[:, :51],
        atol=1e-12,
    )
    np.testing.assert_allclose(curves.r, curves.alphas, atol=1e-12)
    np.testing.assert_allclose(curves.rho, curves.alphas, atol=1e-12)
    np.testing.assert_allclose(curves.max_slope, 1, rtol=1e-9)
    np.testing.assert_allclose(curves.width_left(tau), tau, atol=1e-10)
    np.testing.assert_allclose(curves.width_right(tau), tau, atol=1e-10)
    np.testing.assert_allclose(curves.rise(), 0.8, atol=1e-10)
    np.testing.assert_allclose(curves.tv, 1, atol=1e-12)
    np.testing.assert_allclose(curves.auc, 0.5, atol=1e-12)
    assert curves.nl_step.tolist() == [-1] * 4
    assert curves.limited.tolist() == [refine is None] * 4
    np.testing.assert_allclose(curves.d[:, 0], 0)


@pytest.mark.parametrize("k", [2.0, 10.0, 50.0, 500.0])
@pytest.mark.parametrize("n", [50, 51, 7])
def test_tanh_has_its_slope_and_widths(k, n):
    """On [-1, 1]: r = (1 + tanh(k (2 a - 1)) / tanh k) / 2, so dr/da is k / tanh k at most."""
    tau, tol = 0.1, 1e-4
    curves = response_curves(lambda h: torch.tanh(k * h), LEFT, RIGHT, n_alphas=n, refine=tol, levels=(tau,))
    assert curves.max_slope[0] == pytest.approx(k / math.tanh(k), rel=tol)
    assert curves.max_slope[0] <= k / math.tanh(k) * (1 + 1e-9)
    width = (1 + math.atanh((2 * tau - 1) * math.tanh(k)) / k) / 2
    assert curves.width_left(tau)[0] == pytest.approx(width, abs=tol)
    assert curves.width_right(tau)[0] == pytest.approx(width, abs=tol)
    assert curves.alpha_at_max[0] == pytest.approx(0.5, abs=0.1 / k)
    assert curves.tv[0] == pytest.approx(1)
    assert curves.reason == ("",)
    assert not curves.limited[0]


def test_an_even_grid_caps_the_slope():
    """What the refinement is for: 49 is all that 50 points can say."""
    even = response_curves(lambda h: torch.tanh(500 * h), LEFT, RIGHT, n_alphas=50, refine=None)
    assert even.max_slope[0] == pytest.approx(49, rel=1e-8)
    assert even.limited[0]
    assert even.resolution[0] == pytest.approx(1 / 49)
    assert even.n_forward == 50


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_step_ends_at_the_limit_and_says_so(dtype):
    base, target = torch.tensor([[0.0]], dtype=dtype), torch.tensor([[1.0]], dtype=dtype)
    curves = response_curves(lambda h: (h > 0.3).to(h), base, target, max_points=400)
    least = math.sqrt(torch.finfo(dtype).eps)
    assert curves.limited.tolist() == [True]
    assert least <= curves.resolution[0] < 4 * least
    assert curves.max_slope[0] == pytest.approx(1 / curves.resolution[0])
    assert curves.alpha_at_max[0] == pytest.approx(0.3, abs=4 * least)
    few = response_curves(lambda h: (h > 0.3).to(h), base, target, n_alphas=5, max_points=8, levels=())
    assert few.limited.tolist() == [True]
    assert np.sum(~np.isnan(few.alphas)) == 8


def test_a_symmetric_path_is_half_way_in_the_middle():
    rng = np.random.default_rng(3)
    W = torch.from_numpy(rng.standard_normal((4, 6)))
    A = rng.standard_normal((3, 4))
    curves = response_curves(lambda h: torch.tanh(h @ W), A, -A, n_alphas=51)
    np.testing.assert_allclose(curves.on_grid([0.5], "rho"), 0.5, atol=1e-12)
    ratio = response_curves(lambda h: torch.tanh(h @ W), A, -A, n_alphas=51, out="ab_ratio", refine=None)
    np.testing.assert_allclose(ratio.d, curves.on_grid(np.linspace(0, 1, 51), "rho"), atol=1e-12)
    np.testing.assert_allclose(ratio.r, ratio.d)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_curves_do_not_see_rotations_or_scales(seed, scale):
    rng = np.random.default_rng(seed)
    W = torch.from_numpy(rng.standard_normal((4, 5)))
    A, B = rng.standard_normal((2, 2, 4))
    Q, R = orthogonal(4, seed), orthogonal(5, seed + 1)

    def g(h: torch.Tensor) -> torch.Tensor:
        return torch.tanh(2 * h @ W)

    plain = response_curves(g, A, B, n_alphas=12, refine=None)
    turned = response_curves(
        lambda h: scale * g((h @ Q.T) / scale) @ R + 1.0,
        scale * A @ Q.numpy(),
        scale * B @ Q.numpy(),
        n_alphas=12,
        refine=None,
    )
    np.testing.assert_allclose(turned.r, plain.r, atol=1e-9)
    np.testing.assert_allclose(turned.d, scale * plain.d, rtol=1e-7, atol=1e-9 * scale)
    order = rng.permutation(2)
    np.testing.assert_allclose(
        response_curves(g, A[order], B[order], n_alphas=12, refine=None).r, plain.r[order], atol=1e-12
    )


def test_batches_do_not_change_curves():
    rng = np.random.default_rng(5)
    A, B = rng.standard_normal((2, 5, 3))
    seen: list[tuple[int, int]] = []
    one = response_curves(lambda h: torch.sin(9 * h), A, B, refine=1e-2)
    two = response_curves(
        lambda h: torch.sin(9 * h),
        A,
        B,
        refine=1e-2,
        batch_size=7,
        progress=lambda done, total: seen.append((done, total)),
    )
    np.testing.assert_array_equal(one.alphas, two.alphas)
    np.testing.assert_allclose(one.d, two.d, rtol=1e-12, atol=1e-15)
    assert seen[-1] == (two.n_forward, two.n_forward)
    assert all(done <= total for done, total in seen)
    for k in range(5):
        alone = response_curves(lambda h: torch.sin(9 * h), A[k], B[k], refine=1e-2)
        assert alone.max_slope[0] == pytest.approx(one.max_slope[k], rel=1e-12)
    assert (one.tv >= 1 - 1e-12).all()


def test_no_change_is_no_curve():
    """Never 0 / 0: a pair without a relative curve has a reason, and the others are as ever."""
    A, B = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 2.0]])
    curves = response_curves(lambda h: h[:, 1:], A, B)
    assert "does not move" in curves.reason[0]
    assert "output" in curves.reason[1]
    assert curves.reason[2] == ""
    for name in ("max_slope", "alpha_at_max", "resolution", "tv", "auc"):
        assert np.isnan(getattr(curves, name)).tolist() == [True, True, False], name
    for values in (
        curves.width_left(),
        curves.width_right(),
        curves.rise(),
        curves.r[:, -1],
        curves.rho[:, 0],
    ):
        assert np.isnan(values[:2]).all()
        assert not np.isnan(values[2])
    assert curves.limited.tolist() == [False, False, False]
    frame = curves.to_frame()
    assert frame["reason"].str.len().gt(0).tolist() == [True, True, False]
    # Outputs that differ in their last bit are no curve either.
    noisy = response_curves(lambda h: 1e6 + 1e-10 * h[:, 1:], A, B)
    assert noisy.reason[2] != ""


@pytest.mark.parametrize("refine", [None, 1e-2])
@pytest.mark.parametrize(
    "out", ["l2", "rel_l2", "kl", "js_distance", "ab_ratio", lambda a, b: (b - a).norm(dim=1)]
)
def test_a_path_back_to_the_output_it_came_from_has_no_relative_curve(out, refine):
    """A sine over its whole period ends at its start, up to rounding of the heights between."""

    def period(h):
        return torch.cat([1e-3 + torch.sin(2 * torch.pi * h), torch.cos(2 * torch.pi * h) - 1], dim=1)

    curves = response_curves(period, [[0.0], [0.0]], [[1.0], [0.9]], out=out, refine=refine)
    assert ["up to rounding" in reason for reason in curves.reason] == [True, False]
    for numbers in (curves.r, curves.rho, curves.max_slope, curves.resolution, curves.tv, curves.auc):
        assert np.isnan(numbers[0]).all()
        assert np.isfinite(numbers[1]).any()
    assert curves.nl_step[0] == -1
    assert not curves.limited[0]


def test_cuts_show_that_the_output_came_back():
    """A grid of both ends alone does not see how far a sine goes."""
    curves = response_curves(lambda h: torch.sin(2 * torch.pi * h), [[0.0]], [[1.0]], n_alphas=2)
    assert "up to rounding" in curves.reason[0]
    assert np.isnan(curves.max_slope[0])


def test_nl_step_by_hand():
    """Straight to alpha 0.5, then ten times as steep: step 25 of 50 is on the line, step 26 is not."""

    def bent(h: torch.Tensor) -> torch.Tensor:
        return torch.where(h < 0.5, h, 0.5 + 10 * (h - 0.5))

    curves = response_curves(bent, [[0.0]], [[1.0]], n_alphas=51, refine=None)
    line = 0.02 * np.arange(51)
    expected = next(i for i in range(10, 51) if abs(curves.d[0, i] - line[i]) > 0.1 * line[i])
    assert curves.nl_step[0] == expected == 26
    assert curves.max_slope[0] == pytest.approx(10 / 5.5)
    assert response_curves(bent, [[0.0]], [[1.0]], n_alphas=8, refine=None).nl_step[0] == -1


def test_plateau_widths_of_a_curve_that_comes_back():
    """0 on [0, .25], up to 1, back to 0 in the middle, 1 at the end: the first and the last crossings count."""
    grid, values = np.array([0, 0.25, 0.4, 0.5, 0.75, 1]), np.array([0, 0, 1, 0, 1, 1.0])

    def g(h: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.interp(h.numpy().ravel(), grid, values))[:, None]

    curves = response_curves(g, [[0.0]], [[1.0]], alphas=grid, refine=None)
    assert curves.width_left(0.1)[0] == pytest.approx(0.25 + 0.1 * 0.15)
    assert curves.width_right(0.1)[0] == pytest.approx(1 - (0.5 + 0.9 * 0.25))
    assert curves.tv[0] == pytest.approx(3)
    assert curves.auc[0] == pytest.approx(0.5 * 0.15 + 0.5 * 0.1 + 0.5 * 0.25 + 0.25)


def test_slerp_takes_the_short_arc_to_the_target():
    """An obtuse angle: |cos| would go to -B. Angles and norms are even in alpha."""
    A, B = np.array([[2.0, 0.0, 0.0]]), np.array([[-1.5, 2.0, 0.0]])
    path = make_path(A, B, path="slerp")
    a = torch.linspace(0, 1, 6, dtype=torch.float64)
    X = path.at(torch.zeros(6, dtype=torch.int64), a).numpy()
    np.testing.assert_allclose(X[[0, -1]], [A[0], B[0]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), np.linspace(2, 2.5, 6))
    angle = np.arctan2(X[:, 1], X[:, 0])
    np.testing.assert_allclose(angle, np.linspace(0, np.arctan2(2.0, -1.5), 6), atol=1e-12)
    same = make_path(A, 3 * A, path="slerp").at(torch.zeros(6, dtype=torch.int64), a).numpy()
    np.testing.assert_allclose(same[:, 0], np.linspace(2, 6, 6))


def test_scales_say_what_alpha_counts():
    A, D = np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    zero, one = torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.float64)

    def end(**options):
        return make_path(A, direction=D, **options).at(zero, one).numpy()[0].tolist()

    assert end() == [3, 6]
    assert end(scale="norm") == [3, 9]
    assert end(scale="absolute") == [3, 5]
    assert end(scale="sigma", sigma=0.5) == [3, 4.5]
    assert end(scale="sigma", sigma=[0.25]) == [3, 4.25]
    np.testing.assert_allclose(np.subtract(end(orthogonal=True), A[0]) @ A[0], 0, atol=1e-12)
    ray = response_curves(lambda h: h, A, direction=D, path="ray", scale="absolute", alphas=[0, 1, 2, 5])
    assert ray.d[0, -1] == pytest.approx(5)
    assert ray.max_slope[0] == pytest.approx(0.2)
    assert ray.width_left(0.1)[0] == pytest.approx(0.5)


def test_bad_arguments():
    A, B = [[0.0, 1.0]], [[1.0, 0.0]]

    def g(h: torch.Tensor) -> torch.Tensor:
        return h

    for message, options in {
        "either a target or a direction": {"target": None},
        "path must be one of": {"path": "curve"},
        "scale must be one of": {"scale": "big"},
        "sigma belongs to": {"sigma": 1.0},
        "out must be one of": {"out": "distance"},
        "increase from 0": {"alphas": [0.1, 1.0]},
        "only path": {"alphas": [0.0, 2.0]},
        "refine must be": {"refine": 0.0},
        "max_points must be": {"max_points": 5},
        "batch_size must be": {"batch_size": 0},
        "contexts are for a Suffix": {"contexts": [0]},
        "no direction, scale": {"path": "slerp", "scale": "norm"},
    }.items():
        with pytest.raises(ParameterError, match=message):
            response_curves(g, A, **({"target": B} | options))
    with pytest.raises(ParameterError, match="opposite"):
        response_curves(g, A, [[0.0, -2.0]], path="slerp")
    with pytest.raises(ParameterError, match="is zero"):
        response_curves(g, [[0.0, 0.0]], B, path="slerp")
    with pytest.raises(ShapeError, match="do not fit"):
        response_curves(g, A, [[1.0, 2.0, 3.0]])
    with pytest.raises(ShapeError, match="one output per activation"):
        response_curves(lambda h: h.sum(), A, B)
    with pytest.raises(DtypeError):
        response_curves(g, torch.ones(1, 2, dtype=torch.complex64), B)
    with pytest.raises(NonFiniteError, match="base is nan in row 0, column 1") as caught:
        response_curves(g, [[0.0, math.nan]], B)
    assert (caught.value.row, caught.value.column) == (0, 1)
    with pytest.raises(NonFiniteError, match=r"pair 0 at alpha 0.5"):
        response_curves(lambda h: torch.where((h[:, :1] - 0.5).abs() < 1e-9, torch.inf, h), A, B, n_alphas=3)
    with pytest.raises(ParameterError, match="not finite for pair 0"):
        response_curves(g, [[0.0, 0.0]], B, out="rel_l2")


@pytest.mark.parametrize("seed", range(3))
def test_crossings_of_one_layer_are_exact(seed):
    """Gates are affine along a straight path: the crossings are those t = z0 / (z0 - z1) inside it."""
    rng = np.random.default_rng(seed)
    W, b = rng.standard_normal((6, 40)), rng.standard_normal(40)
    A, B = rng.standard_normal((2, 3, 6))
    found = crossings(lambda h: h @ torch.from_numpy(W) + torch.from_numpy(b), A, B, n_alphas=9, batch_size=4)
    z0, z1 = A @ W + b, B @ W + b
    t = z0 / (z0 - z1)
    expected = np.sum((t > 0) & (t < 1), axis=1)
    np.testing.assert_array_equal(found.endpoint, expected)
    np.testing.assert_array_equal(found.along, expected)
    assert found.n_gates == 40


def test_crossings_of_two_layers_keep_parity():
    rng = np.random.default_rng(9)
    W1, W2 = (torch.from_numpy(rng.standard_normal(shape)) for shape in [(4, 30), (30, 30)])
    A, B = 3 * rng.standard_normal((2, 6, 4))

    def gates(h: torch.Tensor) -> torch.Tensor:
        first = h @ W1
        return torch.cat([first, first.relu() @ W2], dim=1)

    few, many = (crossings(gates, A, B, n_alphas=n) for n in (11, 501))
    assert (few.along >= few.endpoint).all()
    assert (many.along >= few.along).all(), "501 points hold the 11"
    assert (many.along > many.endpoint).any()
    assert ((many.along - many.endpoint) % 2 == 0).all()
    with pytest.raises(NonFiniteError, match="gate 0 of pair 0 is nan"):
        crossings(lambda h: h * torch.nan, A, B)


def test_the_slice_of_a_linear_suffix():
    """Distances in the plane are Euclidean after the map; with an orthogonal map, those of the plane itself."""
    A, B, C = np.array([0.0, 0, 0]), np.array([2.0, 0, 0]), np.array([0.5, 3.0, 0])
    Q = orthogonal(3, 1)
    found = stable_slice2d(lambda h: h @ Q, A, B, C, n_points=5, bounds=(0, 1, 0, 1), batch_size=4)
    np.testing.assert_allclose(found.points, [[0, 0], [1, 0], [0.25, 1]])
    x, y = np.meshgrid(2 * found.a, 3 * found.b)
    for k, corner in enumerate([(0, 0), (2, 0), (0.5, 3)]):
        np.testing.assert_allclose(found.distances[k], np.hypot(x - corner[0], y - corner[1]), atol=1e-12)
    np.testing.assert_array_equal(found.label, found.distances.argmin(axis=0))
    assert found.n_forward == 28
    rgb = found.rgb()
    assert rgb.shape == (5, 5, 3)
    assert rgb[0, 0, 0] == 1
    with pytest.raises(ParameterError, match="one line"):
        stable_slice2d(lambda h: h, A, B, 3 * B)
    with pytest.raises(ParameterError, match="bounds"):
        stable_slice2d(lambda h: h, A, B, C, bounds=(1, 0, 0, 1))


def test_a_second_cliff_that_is_steeper_and_small():
    """Its chord on the grid is a twentieth of the first one's, its slope 250 times as large."""

    def g(h: torch.Tensor) -> torch.Tensor:
        return torch.tanh(200 * (h + 0.303)) + 0.05 * torch.tanh(1e6 * (h - 0.5031))

    curves = response_curves(g, LEFT, RIGHT)
    assert curves.max_slope[0] == pytest.approx(0.05e6 * 2 / 2.1, rel=2e-2)
    assert curves.alpha_at_max[0] == pytest.approx((0.5031 + 1) / 2, abs=1e-6)
    assert not curves.limited[0]
    short = response_curves(g, LEFT, RIGHT, max_points=60)
    assert short.limited[0], "points ran out"
    assert np.sum(~np.isnan(short.alphas)) <= 60


@pytest.mark.parametrize("seed", range(6))
def test_jumps_anywhere_are_found(seed):
    """A jump of 1 % beside cliffs of any place and height, away from them: the largest slope is the jump's."""
    rng = np.random.default_rng(seed)
    centres, heights = rng.uniform(-0.9, 0.9, 3), rng.uniform(0.2, 1, 3)
    place = next(p for p in rng.uniform(-0.95, 0.95, 100) if np.abs(centres - p).min() > 0.1)

    def g(h: torch.Tensor) -> torch.Tensor:
        smooth = sum(b * torch.tanh(40 * (h - a)) for a, b in zip(centres, heights, strict=True))
        return smooth + 0.01 * (h > place).to(h)

    curves = response_curves(g, LEFT, RIGHT)
    assert curves.alpha_at_max[0] == pytest.approx((place + 1) / 2, abs=1e-7)
    assert curves.limited[0], "a step has no largest slope"


def test_what_refinement_costs():
    """A straight line is cut where it is steepest, and where the widths are; a cliff in and beside it, too."""
    assert response_curves(lambda h: h, LEFT, RIGHT).n_forward <= 51 + 9
    assert response_curves(lambda h: torch.tanh(50 * h), LEFT, RIGHT).n_forward <= 51 + 75


def test_directions_are_taken_as_they_are_drawn():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, 3))
    drawn = directions.isotropic(A, seed=1)
    one, two = (
        response_curves(torch.tanh, A, direction=d, path="ray", scale="norm", refine=None)
        for d in (drawn, drawn.vectors)
    )
    np.testing.assert_array_equal(one.d, two.d)
    flips = crossings(lambda h: h, A, direction=drawn, n_alphas=3)
    np.testing.assert_array_equal(flips.endpoint, ((A > 0) != (A + drawn.vectors > 0)).sum(axis=1))


def test_distances_that_do_not_exist_on_a_plane():
    A, B, C = np.array([0.0, 0, 0]), np.array([2.0, 0, 0]), np.array([0.5, 3.0, 0])
    with pytest.raises(ParameterError, match="not finite from corner A: a zero"):
        stable_slice2d(lambda h: h, A, B, C, out="rel_l2", n_points=3)
    with pytest.raises(ParameterError, match=r"ab_ratio compares .* response_curves alone"):
        stable_slice2d(lambda h: h, A, B, C, out="ab_ratio", n_points=3)


def mlp(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    sizes = [(3, 8), (8, 20), (20, 20), (20, 2)]
    parts = [part for a, b in sizes for part in (torch.nn.Linear(a, b), torch.nn.ReLU(inplace=True))]
    return torch.nn.Sequential(*parts[:-1]).eval()


def test_linear_regions_on_the_paths_of_a_relu_suffix():
    """Exact, whatever the model in front: the count of `regions.along` on the rest alone."""
    model, x = mlp(), torch.randn((4, 3), generator=torch.Generator().manual_seed(0))
    g = suffix_from(model, "1", x)
    target = 3 * g.base.roll(1, 0)
    found = count_linear_regions(g, g.base, target)
    assert found.exact
    for k in range(4):
        way = along(model[2:], g.base[k], target[k])
        assert (found.pieces[k], found.crossings[k]) == (way.n_pieces, way.crossings.sum())
    gates = suffix_from(model, "1", x, output=["2", "4"])
    few = crossings(gates, g.base, target, n_alphas=5)
    assert (few.endpoint <= few.along).all()
    assert (few.along <= found.crossings).all()
    assert (found.crossings > few.along).any(), "a grid of 5 misses some"
    assert ((found.crossings - few.along) % 2 == 0).all()
    plain = count_linear_regions(model[2:], g.base, target)
    np.testing.assert_array_equal(plain.crossings, found.crossings)
    ray = count_linear_regions(model[2:], g.base, direction=target - g.base, path="ray", end=0.5)
    assert (ray.crossings <= found.crossings).all()


def test_linear_regions_for_each_stable_boundary():
    """A ReLU cliff of known crossings: 2 neurons make it, 5 more bend the plateaus by nothing that is felt."""
    W = np.ones((7, 1))
    b = np.array([0.5, 0.45, 0.9, 0.7, 0.3, -0.2, -0.6])
    out = np.array([[20.0, -20.0, 0, 0, 0, 0, 0]])
    net = [(W, b), (out, np.zeros(1))]
    found = count_linear_regions(net, LEFT, RIGHT)
    assert (found.crossings.tolist(), found.pieces.tolist()) == ([7], [8])
    assert (found.boundaries.tolist(), found.per_boundary.tolist()) == ([1], [7.0])
    flat = count_linear_regions([(W, b), (np.ones((1, 7)), np.zeros(1))], LEFT, RIGHT)
    assert flat.boundaries.tolist() == [0]
    assert np.isnan(flat.per_boundary).all()


def test_gates_bound_the_regions_of_what_is_not_piecewise_linear():
    W = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 30)))
    A, B = np.random.default_rng(1).standard_normal((2, 3, 4))

    def g(h: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(h @ W)

    with pytest.raises(ParameterError, match=r"gelu .* gates= gives a lower bound"):
        count_linear_regions(g, A, B)
    found = count_linear_regions(g, A, B, gates=lambda h: h @ W)
    assert not found.exact
    np.testing.assert_array_equal(found.crossings, crossings(lambda h: h @ W, A, B).along)
    relu = count_linear_regions(lambda h: torch.relu(h @ W), A, B)
    np.testing.assert_array_equal(relu.crossings, found.crossings)
    arc = count_linear_regions(lambda h: torch.relu(h @ W), A, B, path="slerp", gates=lambda h: h @ W)
    assert not arc.exact
    for message, options in {
        "does not move": {"target": A},
        "ends at alpha 1": {"end": 2.0},
        "sharp must be": {"sharp": 0.5},
    }.items():
        with pytest.raises(ParameterError, match=message):
            count_linear_regions(lambda h: torch.relu(h @ W), A, **({"target": B} | options))
