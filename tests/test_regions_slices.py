"""Slices: counts known in closed form or from independent codes, Euler, areas, dense sampling, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.regions import slice2d, slices

PLANE = ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0])


def seeded(widths: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers]


def module(layers: list[tuple[np.ndarray, np.ndarray]]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for W, b in layers:
        linear = nn.Linear(W.shape[1], W.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(W.copy()), torch.from_numpy(b.copy())
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def random_layers(widths: list[int], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((b, a)), rng.standard_normal(b)) for a, b in itertools.pairwise(widths)]


def bits_at(layers, points: np.ndarray) -> np.ndarray:
    """Packed codes of a plain forward."""
    h, bits = points, []
    for W, b in layers[:-1]:
        z = h @ W.T.astype(float) + b
        bits.append(z > 0)
        h = np.maximum(z, 0)
    return np.packbits(np.hstack(bits), axis=1, bitorder="little")


def as_bytes(codes: np.ndarray, n_bits: int) -> set[bytes]:
    return {row.astype("<u8").tobytes()[: -(-n_bits // 8)] for row in codes}


def check_complex(found, bounds) -> None:
    s_min, s_max, t_min, t_max = bounds
    area = (s_max - s_min) * (t_max - t_min)
    assert found.areas.sum() == pytest.approx(area, rel=1e-12)
    assert (found.areas > 0).all()
    assert len(found.vertices) - len(found.edges) + found.n_regions == 1
    assert len(found.areas) == len(found.codes) == len(found.offsets) - 1 == found.n_regions


@pytest.mark.parametrize(
    ("widths", "half", "regions"),
    [
        ([2, 20], 1000, 211),
        ([2, 64], 10000, 2081),
        ([2, 32, 32], 5, 1916),
        ([2, 64, 64], 5, 6871),
        ([2, 128, 128], 5, 26525),
        ([2, 64, 64, 64, 64], 5, 26170),
    ],
)
def test_counts_that_independent_codes_agree_on(widths, half, regions):
    layers = seeded([*widths, 1])
    bounds = (-half, half, -half, half)
    found = slice2d(layers, *PLANE, bounds)
    assert found.n_regions == regions
    check_complex(found, bounds)
    assert len(as_bytes(found.codes, found.n_bits)) == regions
    if len(widths) == 2:
        assert regions == fg.regions.zaslavsky(widths[1], 2)


def test_grid_codes_are_among_the_exact_ones_and_so_are_centroids():
    layers = seeded([2, 32, 32, 1])
    found = slice2d(layers, *PLANE, (-5, 5, -5, 5))
    exact = as_bytes(found.codes, found.n_bits)
    axis = np.linspace(-5, 5, 201)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    sampled = {row.tobytes() for row in bits_at(layers, grid)}
    assert sampled <= exact
    assert len(sampled) > 1200
    big = found.areas > 1e-9
    at = bits_at(layers, found.centroids())
    np.testing.assert_array_equal(at[big], found.codes.astype("<u8").view(np.uint8)[big][:, : at.shape[1]])


def test_neighbours_of_one_layer_differ_in_one_bit():
    layers = seeded([2, 20, 1])
    found = slice2d(layers, *PLANE, (-1000, 1000, -1000, 1000))
    apart = found.codes[found.adjacency[:, 0]] ^ found.codes[found.adjacency[:, 1]]
    assert (np.bitwise_count(apart).sum(axis=1) == 1).all()
    inner = len(found.edges) - len(found.adjacency)
    assert inner == 4 + 2 * 20  # sides of the box, each line cuts two


def tent(depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The tent map on both axes at once, composed with itself."""
    one = (np.array([[2.0], [4.0]]), np.array([0.0, -2.0]))
    W = np.kron(np.eye(2), one[0])
    b = np.tile(one[1], 2)
    join = np.kron(np.eye(2), [[1.0, -1.0]])
    return [(W, b), *[(W @ join, b)] * (depth - 1), (join, np.zeros(2))]


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_tent_on_both_axes(depth):
    found = slice2d(tent(depth), *PLANE, (0, 1, 0, 1))
    assert found.n_regions == 4**depth
    np.testing.assert_allclose(found.areas, 4.0**-depth, rtol=1e-12)
    np.testing.assert_allclose(found.gradient_norms(), np.sqrt(2) * 2**depth, rtol=1e-9)


def test_affine_networks_are_one_region():
    found = slice2d([(np.eye(2), np.ones(2))], *PLANE, (0, 1, 0, 2))
    assert (found.n_regions, found.n_bits, found.areas.tolist()) == (1, 0, [2.0])
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.Linear(3, 2)).eval()
    assert slice2d(model, *PLANE).n_regions == 1


def test_maps_against_autograd():
    layers = random_layers([3, 12, 9, 2], 5)
    model = module(layers).double()
    rng = np.random.default_rng(0)
    origin, u, v = rng.standard_normal((3, 3))
    found = slice2d(layers, origin, u, v, (-2, 2, -2, 2))
    gradients, constants = found.affine_maps()
    for cell in np.nonzero(found.areas > 1e-4)[0][:40]:
        s, t = found.centroids()[cell]
        J = torch.autograd.functional.jacobian(model, torch.from_numpy(origin + s * u + t * v)).numpy()
        np.testing.assert_allclose(gradients[cell], J @ np.stack([u, v], axis=1), atol=1e-8)
        value = model(torch.from_numpy(origin + s * u + t * v)).detach().numpy()
        np.testing.assert_allclose(gradients[cell] @ [s, t] + constants[cell], value, atol=1e-8)


def test_torch_and_matrices_agree_and_leave_the_model_alone():
    layers = seeded([2, 16, 16, 2])
    model = module(layers)
    before = [p.clone() for p in model.parameters()]
    found, other = slice2d(model, *PLANE, (-3, 3, -3, 3)), slice2d(layers, *PLANE, (-3, 3, -3, 3))
    assert found.n_regions == other.n_regions
    np.testing.assert_allclose(np.sort(found.areas), np.sort(other.areas), atol=1e-10)
    assert all(
        p.dtype == torch.float32 and torch.equal(p, q)
        for p, q in zip(model.parameters(), before, strict=True)
    )


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.LeakyReLU(0.1)
        self.out = nn.Linear(12, 3)
        self.norm.running_mean.data = torch.tensor([0.3, -0.2, 0.1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.norm(self.first(x)))
        h = h + self.act(self.second(h))
        h = nn.functional.avg_pool2d(nn.functional.hardtanh(h, -0.2, 0.4), 2)
        return self.out(torch.flatten(nn.functional.dropout(h, training=self.training), 1))


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.prelu = nn.PReLU()
        self.out = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.pool(self.prelu(self.conv(x))).flatten(1))


@pytest.mark.parametrize("make", [Residual, Pooled])
def test_convolutions_residuals_and_pools_are_affine_on_each_cell(make):
    torch.manual_seed(3)
    model = make().eval()
    rng = np.random.default_rng(1)
    origin, u, v = rng.standard_normal((3, 1, 4, 4))
    found = slice2d(model, origin, u, v, (-2, 2, -2, 2))
    assert found.n_regions > 30
    check_complex(found, (-2, 2, -2, 2))
    reference = make().eval().double()
    reference.load_state_dict(model.state_dict())
    gradients, constants = found.affine_maps()
    weights = rng.dirichlet(np.ones(3), size=found.n_regions)
    for cell in rng.permutation(found.n_regions)[:200]:
        if found.areas[cell] < 1e-7:
            continue
        s, t = weights[cell] @ found.polygon(cell)[:3]
        point = torch.from_numpy((origin + s * u + t * v)[None])
        expected = reference(point).detach().numpy()[0]
        np.testing.assert_allclose(gradients[cell] @ [s, t] + constants[cell], expected, atol=1e-9)


def test_every_bend_is_needed():
    """Hardtanh has two thresholds a neuron: a grid of six lines is nine cells."""
    model = nn.Sequential(nn.Identity(), nn.Hardtanh(-1, 1)).eval()
    assert slice2d(model, *PLANE, (-2, 2, -2, 2)).n_regions == 9
    assert slice2d(nn.Sequential(nn.ReLU6()), *PLANE, (-1, 7, -1, 7)).n_regions == 9


def test_max_pool_is_one_comparison_of_two():
    model = nn.Sequential(nn.Unflatten(1, (1, 2)), nn.MaxPool1d(2), nn.Flatten())
    found = slice2d(model, *PLANE)
    assert found.n_regions == 2
    np.testing.assert_allclose(found.areas, 2.0, rtol=1e-12)


def test_decision_boundary_is_where_the_largest_outputs_tie():
    layers = random_layers([2, 10, 8, 4], 2)
    found = slice2d(layers, *PLANE, (-3, 3, -3, 3))
    model = module(layers).double()
    segments = found.decision_boundary()
    assert len(segments) >= 3
    points = torch.from_numpy(segments.mean(axis=1))
    top = torch.topk(model(points), 2, dim=1).values.detach().numpy()
    np.testing.assert_allclose(top[:, 0], top[:, 1], atol=1e-9)
    # Two coordinates tie on the diagonal of the square; one output is zero on a line.
    plain = slice2d([(np.eye(2), np.zeros(2))], *PLANE)
    np.testing.assert_allclose(np.sort(plain.decision_boundary()[0][:, 0]), [-1, 1], atol=1e-12)
    sign = slice2d([(np.array([[1.0, 0.0]]), np.array([-0.5]))], *PLANE)
    np.testing.assert_allclose(sign.decision_boundary()[0][:, 0], 0.5, atol=1e-12)


def test_degenerate_neurons():
    lines = np.array([[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = slice2d([(lines, np.zeros(6)), (np.ones((1, 6)), np.zeros(1))], *PLANE)
    assert found.n_regions == 6
    assert found.n_degenerate > 0
    check_complex(found, (-1, 1, -1, 1))
    dead = slice2d([(np.zeros((3, 2)), np.array([0.0, -1.0, 1.0])), (np.ones((1, 3)), np.zeros(1))], *PLANE)
    assert dead.codes.tolist() == [[4]]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), quarter=st.integers(0, 3), shift=st.floats(-2, 2))
def test_turning_shifting_and_permuting(seed, quarter, shift):
    layers = random_layers([2, 9, 7, 1], seed)
    found = slice2d(layers, *PLANE, (-3, 3, -3, 3))
    c, s = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter]
    turned = slice2d(layers, [0, 0], [c, s], [-s, c], (-3, 3, -3, 3), num_threads=2)
    moved = slice2d(layers, [shift, -shift], *PLANE[1:], (-3 - shift, 3 - shift, -3 + shift, 3 + shift))
    order = np.random.default_rng(seed).permutation(9)
    (W, b), (W2, b2), last = layers
    mixed = slice2d([(W[order], b[order]), (W2[:, order], b2), last], *PLANE, (-3, 3, -3, 3))
    for other in (turned, moved, mixed):
        assert other.n_regions == found.n_regions
        np.testing.assert_allclose(np.sort(other.areas), np.sort(found.areas), atol=1e-10)


def test_threads_and_exports(tmp_path):
    layers = seeded([2, 32, 32, 2])
    one, two = (slice2d(layers, *PLANE, (-5, 5, -5, 5), num_threads=k) for k in (1, 2))
    for name in ("vertices", "corners", "offsets", "codes", "areas", "adjacency"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    frame = one.to_frame()
    assert len(frame) == one.n_regions
    assert frame["code"].nunique() == one.n_regions
    one.to_csv(tmp_path / "cells.csv")
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == one.n_regions + 1
    one.to_svg(tmp_path / "cells.svg")
    assert (tmp_path / "cells.svg").read_text().count("<polygon") == one.n_regions


def test_figure():
    from featuregeom.report.slices import slice_figure

    found = slice2d(seeded([2, 8, 3]), *PLANE, (-2, 2, -2, 2))
    figure = slice_figure(found)
    drawn = sum(trace.get("x", []).count(None) for trace in figure.data if trace.get("fill") == "toself")
    assert drawn == found.n_regions
    assert str(found.n_regions) in figure.caption
    with pytest.raises(ParameterError, match="colour"):
        slice_figure(found, colour="nothing")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"u": [1, 1], "v": [2, 2]}, ParameterError, "parallel"),
        ({"v": [0, 0]}, ParameterError, "zero"),
        ({"bounds": (1, 1, 0, 1)}, ParameterError, "s_min < s_max"),
        ({"bounds": (0, 1, 1, 0)}, ParameterError, "t_min < t_max"),
        ({"bounds": (0, 1)}, ParameterError, "bounds must be"),
        ({"origin": [0, 0, 0]}, ShapeError, "takes"),
        ({"origin": [0, np.nan]}, ParameterError, "finite"),
        ({"max_regions": 3}, ParameterError, "max_regions = 3"),
        ({"tolerance": 1.0}, ParameterError, "tolerance"),
        ({"model": [(np.full((3, 2), np.nan), np.zeros(3))]}, ParameterError, "NaN"),
        ({"model": [(np.ones((3, 2)), np.zeros(3)), (np.ones((1, 4)), np.zeros(1))]}, ShapeError, "takes 4"),
        ({"model": []}, ParameterError, "at least one layer"),
        ({"model": 3}, ParameterError, "not int"),
        ({"model": [(np.full((2, 2), 1e308), np.zeros(2))] * 2}, NonFiniteError, "inf|nan|NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_bad_input(change, error, match):
    arguments = {
        "model": seeded([2, 8, 1]),
        "origin": [0, 0],
        "u": [1, 0],
        "v": [0, 1],
        "bounds": (-9, 9, -9, 9),
    }
    with pytest.raises(error, match=match):
        slice2d(**{**arguments, **change})


class Gated(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        (nn.Sequential(nn.Linear(2, 3), nn.GELU()).eval(), ParameterError, r"gelu in module '1 \(GELU\)'"),
        (nn.Sequential(nn.Linear(2, 3), nn.SiLU()).eval(), ParameterError, "SiLU"),
        (nn.Sequential(nn.Linear(2, 3), nn.Tanh()).eval(), ParameterError, "Tanh"),
        (nn.Sequential(nn.Softmax(1), nn.Linear(2, 2)).eval(), ParameterError, "softmax before the output"),
        (nn.Sequential(nn.Linear(2, 3), nn.Dropout()).train(), ParameterError, "model.eval"),
        (nn.Sequential(nn.BatchNorm1d(2)).train(), ParameterError, "train mode"),
        (nn.Sequential(nn.Linear(5, 3)).eval(), ShapeError, "does not take"),
        (Gated().eval(), ParameterError, "multiplies"),
    ],
)
def test_modules_that_are_refused(model, error, match):
    with pytest.raises(error, match=match):
        slice2d(model, *PLANE)


def test_softmax_at_the_output_is_left_out():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    plain, soft = (slice2d(m.eval(), *PLANE) for m in (body, nn.Sequential(body, nn.Softmax(1))))
    np.testing.assert_array_equal(plain.outputs, soft.outputs)
    assert plain.n_regions == soft.n_regions


@pytest.mark.parametrize("as_torch", [False, True])
@pytest.mark.parametrize("far", [1.0, 1e9, 1e12, 1e14])
def test_the_size_of_the_rectangle_does_not_hide_cells(far, as_torch):
    layers = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    model = module([(W.astype(np.float32), b.astype(np.float32)) for W, b in layers]) if as_torch else layers
    found = slice2d(model, *PLANE, (-far, 1, -far, 1))
    assert (found.n_regions, found.n_degenerate) == (4, 0)
    assert found.areas.min() == pytest.approx(1, rel=far * 1e-14)


def test_hidden_cells_are_counted():
    """Where rounding or a tolerance that was asked for keeps a cell whole, that is said."""
    layers = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    for bounds, options in (((-1e16, 1, -1e16, 1), {}), ((-1e12, 1, -1e12, 1), {"tolerance": 1e-12})):
        found = slice2d(layers, *PLANE, bounds, **options)
        assert found.n_regions == 1
        assert found.n_degenerate == 2
    assert slice2d(seeded([2, 64, 64, 1]), *PLANE, (-5, 5, -5, 5)).n_degenerate == 0


def test_cells_are_worked_on_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts of one to five cells the maps, norms and centres are those of all cells at once."""
    found = slice2d(seeded([2, 12, 8, 3]), *PLANE)
    whole = (*found.affine_maps(), found.gradient_norms(), found.centroids())
    for length in (1, 5):
        monkeypatch.setattr(slices, "_CORNERS", (1 << 22) // 3 // length)
        assert len(list(found._parts())) >= found.n_regions // length
        parts = (*found.affine_maps(), found.gradient_norms(), found.centroids())
        for part, all_ in zip(parts, whole, strict=True):
            np.testing.assert_allclose(part, all_, rtol=1e-9, atol=1e-12)
