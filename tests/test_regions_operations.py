"""What torch operations do to regions: those that bend, those that are left out, and those that are refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from featuregeom.errors import ParameterError
from featuregeom.regions import along, slice2d

START, STOP = np.array([-1.0, -1.0, -1.0, -1.0]), np.array([1.1, 1.3, 1.7, 2.1])


class Of(nn.Module):
    """A function of the input as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def ways(*functions):
    return [pytest.param(function, match, id=match) for function, match in functions]


W = torch.arange(1.0, 5.0, dtype=torch.float64)


@pytest.mark.parametrize(
    ("function", "match"),
    ways(
        (lambda x: torch.div(W, x), "div in"),
        (lambda x: torch.true_divide(W, x), "true_divide in"),
        (lambda x: W / x, "truediv__|div in"),
        (lambda x: 2 / x, "rdiv__"),
        (lambda x: torch.div(x, 2, rounding_mode="floor"), "rounds"),
        (lambda x: torch.divide(x, 2, rounding_mode="trunc"), "rounds"),
        (lambda x: (10 * x).to(torch.int64).double(), "casts to torch.int64"),
        (lambda x: x.long(), "long in .* casts"),
        (lambda x: x.half().double(), "half in .* casts"),
        (lambda x: x.to(torch.bfloat16), "casts to torch.bfloat16"),
        (lambda x: x.view(torch.int64).double(), "casts"),
        (lambda x: x.sum(1, keepdim=True, dtype=torch.int64), "casts"),
        (lambda x: torch.clamp(W, min=x), "clamp in .* depends"),
        (lambda x: torch.clamp(x, max=2 * x), "clamp in .* depends"),
        (lambda x: torch.where(x > 0, x, 2 * x), "__gt__|gt in"),
        (lambda x: torch.sin(x.T).T, "sin in"),
        (lambda x: torch.sin(x.data), "sin in"),
        (lambda x: nn.functional.batch_norm(W[None].expand(len(x), 4), W, x[0] ** 2), "pow"),
        (lambda x: nn.functional.batch_norm(W.expand(len(x), 4), W, x[0]), "divides by"),
        (lambda x: nn.functional.hardshrink(x), "hardshrink"),
        (lambda x: torch.sigmoid(x) * 2, "sigmoid before the output"),
        (lambda x: torch.einsum("bi,bi->b", x, x)[:, None], "multiplies"),
        (lambda x: nn.functional.fractional_max_pool2d(x.reshape(-1, 1, 2, 2), 2, output_size=1), "fractional"),
        (lambda x: x - x.mean(dim=0, keepdim=True), "mixes the rows"),
        (lambda x: x.flip(0), "mixes the rows"),
        (lambda x: torch.relu(x.T).T, "first axis is not the batch's"),
        (lambda x: torch.from_numpy(np.ones((len(x), 2))), "does not depend"),
    ),
)  # fmt: skip
def test_refused(function, match):
    with pytest.raises(ParameterError, match=match):
        along(Of(function).eval(), START, STOP)


@pytest.mark.parametrize(
    ("function", "breaks"),
    [
        (nn.Softshrink(0.5), 8),
        (lambda x: x.clamp_min_(0.25), 4),
        (lambda x: torch.clamp_max(x, 0.25), 4),
        (lambda x: torch.clamp(x, torch.tensor([0.0, 0.1, 0.2, 0.3])), 4),
        (lambda x: nn.functional.relu(x, inplace=True), 4),
        (lambda x: torch.relu(x.cumsum(1)), 4),
        (lambda x: torch.relu(x.flip(1)), 4),
        (lambda x: torch.relu(x.float()), 4),
        (lambda x: torch.relu(x.to(torch.float32).double()), 4),
        (lambda x: torch.relu(torch.einsum("bi,i->bi", x, W)), 4),
        (lambda x: torch.relu(x.reshape(-1, 2)).reshape(-1, 4), 4),
        (lambda x: torch.relu(x.T.T), 4),
        (lambda x: torch.where(W > 2, torch.relu(x), 3.0), 4),
    ],
)
def test_bends_are_found(function, breaks):
    found = along(Of(function).eval(), START, STOP)
    assert found.n_pieces == breaks + 1
    check_affine(function, found, START, STOP)


def check_affine(function, found, start, stop) -> None:
    """In the middle of a piece the output is the mean of those at its ends."""
    t = torch.from_numpy((found.breakpoints[1:] + found.breakpoints[:-1]) / 2)[:, None]
    points = (1 - t) * torch.from_numpy(start.ravel()) + t * torch.from_numpy(stop.ravel())
    middle = function(points.reshape(-1, *start.shape))
    expected = (found.outputs[1:] + found.outputs[:-1]) / 2
    np.testing.assert_allclose(middle.double().reshape(len(points), -1), expected, atol=1e-6)


POOLS = [
    nn.MaxPool2d(2, ceil_mode=True),
    nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    nn.MaxPool2d(2, dilation=2),
    nn.AdaptiveMaxPool2d(2),
    nn.AdaptiveMaxPool2d((2, None)),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_every_window_of_a_pool_is_compared(pool):
    start, stop = np.random.default_rng(0).standard_normal((2, 1, 5, 5))
    found = along(nn.Sequential(nn.Identity(), pool).eval(), start, stop)
    check_affine(pool, found, start, stop)
    # Without comparisons there would be one piece; between breakpoints the largest of each window stays.
    out, where = nn.functional.max_pool2d(torch.zeros(1, 1, 5, 5), 2, return_indices=True)
    assert out.shape == where.shape
    assert found.n_pieces > 5


def test_max_pool_in_three_dimensions_and_of_a_line():
    start, stop = np.random.default_rng(1).standard_normal((2, 1, 3, 3, 3))
    pool = nn.MaxPool3d(2, ceil_mode=True)
    check_affine(pool, along(pool, start, stop), start, stop)
    start, stop = np.random.default_rng(2).standard_normal((2, 1, 7))
    for pool in (nn.AdaptiveMaxPool1d(3), nn.MaxPool1d(3, ceil_mode=True)):
        check_affine(pool, along(pool, start, stop), start, stop)


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid(), nn.LogSigmoid()], ids=str)
def test_what_makes_probabilities_is_left_out_at_the_end(end):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    plain, ended = (along(m.eval(), START, STOP) for m in (body, nn.Sequential(body, end)))
    np.testing.assert_array_equal(plain.outputs, ended.outputs)
    squeezed = along(Of(lambda x: torch.sigmoid(x.sum(1, keepdim=True)).squeeze(1)), START, STOP)
    np.testing.assert_allclose(squeezed.outputs[:, 0], [-4, 6.2])


def test_old_weight_norm_and_the_copy_of_a_model():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 9)), nn.ReLU(), nn.Linear(9, 2)).eval()
    plain = [(m.weight, m.bias) for m in (model[0], model[2])]
    np.testing.assert_allclose(
        along(model, START, STOP).breakpoints, along(plain, START, STOP).breakpoints, atol=1e-6
    )
    assert model[0].weight.dtype == torch.float32

    class Closed(nn.Module):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    with pytest.raises(ParameterError, match=r"cannot be copied.*no copies"):
        along(Closed(), START, STOP)


def test_models_that_work_in_place_leave_points_alone():
    points = START.copy(), STOP.copy()
    model = Of(lambda x: x.mul_(2).relu_())
    assert along(model, *points).n_pieces == 5
    slice2d(model, points[0], points[1], np.array([1.0, -1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(points[0], START)
    np.testing.assert_array_equal(points[1], STOP)


def test_one_forward_a_layer():
    """L + 1 batched forwards, the first of corners alone; those that cut end at their layer."""
    calls: list[tuple[int, int]] = []

    class Counted(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append((self.out_features, len(x)))
            return super().forward(x)

    torch.manual_seed(0)
    parts = [part for a, b in itertools.pairwise((4, 11, 12, 13, 2)) for part in (Counted(a, b), nn.ReLU())]
    model = nn.Sequential(*parts[:-1])
    # A segment's first forward is of one corner; a slice's, of all four, cuts already.
    for run, first in (
        (lambda: along(model, 3 * START, 3 * STOP), [11, 12, 13, 2, 11]),
        (lambda: slice2d(model, 0 * START, START, STOP * W.numpy()), [11, 12, 13, 2]),
    ):
        calls.clear()
        run()
        check = 4 * 3  # Two rows together and each alone, once a model.
        assert [width for width, _ in calls[check:]] == [*first, 11, 12, 11, 12, 13, 11, 12, 13, 2]
