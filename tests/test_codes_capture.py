"""Codes of torch models against pre-activations computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn
from torch.nn import functional

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError


class Residual(nn.Module):
    """Convolutions, a residual sum, a module that is called twice, and functional calls."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def parts(self, x):
        z1 = self.norm(self.first(x))
        z2 = self.second(z1.clamp_min(0)) + x
        z3 = z2.clamp_min(0).mean(dim=(2, 3)) - 0.1
        return z1, z2, z3

    def forward(self, x):
        x1 = self.relu(self.norm(self.first(x)))
        x2 = functional.relu(self.second(x1) + x)
        return (x2.mean(dim=(2, 3)) - 0.1).relu()


@pytest.fixture
def residual():
    torch.manual_seed(0)
    return Residual().eval()


def flat(parts):
    return np.concatenate([part.detach().flatten(1).numpy() for part in parts], axis=1)


def test_a_residual_net_is_recorded_as_it_runs(residual):
    x = torch.randn(1001, 1, 5, 5)
    found = fg.codes.capture(residual, x, batch_size=100)
    assert_array_equal(found.words, fg.codes.pack(flat(residual.parts(x))).words)
    assert found.boundaries == (75, 150, 153)
    assert [layer.name for layer in found.layers] == ["relu", "model", "model#1"]
    assert (found.n_rows, found.dtype) == (1001, "float32")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.zeros(1001)), batch_size=100)
    assert_array_equal(fg.codes.capture(residual, loader).words, found.words)
    assert_array_equal(fg.codes.capture(residual, x.numpy()).words, found.words)
    one = fg.codes.capture(residual, x, layers=["model"])
    assert_array_equal(one.unpack(), found.unpack()[:, 75:150])
    counter = fg.codes.CodeCounter(153, layers=found.boundaries)
    assert len(fg.codes.capture(residual, x, counter=counter, batch_size=100)) == 0
    assert counter.n_distinct == len(np.unique(found.words, axis=0))
    made = []
    fg.codes.capture(
        residual, x, counter=lambda m, ends: made.append(fg.codes.CodeCounter(m, layers=ends)) or made[0]
    )
    assert_array_equal(made[0].counts, counter.counts)


def test_channels_that_are_on_anywhere(residual):
    x = torch.randn(40, 1, 5, 5)
    found = fg.codes.capture(residual, x, mode="channel_any")
    z1, z2, z3 = residual.parts(x)
    expected = [(z > 0).flatten(2).any(dim=2) for z in (z1, z2)] + [z3 > 0]
    assert_array_equal(found.unpack(), torch.cat(expected, dim=1).numpy())


@pytest.mark.parametrize(
    ("activation", "kind", "bends"),
    [
        (nn.ReLU(), "relu", [0]),
        (nn.LeakyReLU(0.1, inplace=True), "leaky_relu", [0]),
        (nn.PReLU(), "prelu", [0]),
        (nn.Hardtanh(-0.5, 1.5), "hardtanh", [-0.5, 1.5]),
        (nn.ReLU6(), "hardtanh", [0, 6]),
        (nn.GELU(), "gate", [0]),
        (nn.SiLU(), "gate", [0]),
    ],
)
def test_each_activation_has_its_bends(activation, kind, bends):
    x = 4 * torch.randn(50, 7)
    found = fg.codes.capture(activation.eval(), x)
    assert_array_equal(found.unpack(), np.concatenate([(x > bend).numpy() for bend in bends], axis=1))
    assert [layer.kind for layer in found.layers] == [kind]


@pytest.mark.parametrize(
    "call",
    [
        functional.relu,
        torch.relu,
        torch.Tensor.relu,
        lambda x: x.relu_(),
        lambda x: x.clamp(min=0),
        lambda x: torch.clamp(x, 0),
    ],
)
def test_functional_calls_are_seen(call):
    class Net(nn.Module):
        def forward(self, x):
            return call(x * 1)

    x = torch.randn(9, 70)
    assert_array_equal(fg.codes.capture(Net(), x).unpack(), (x > 0).numpy())


def test_width_three_has_at_most_eight_codes():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(784, 3), nn.ReLU(), nn.Linear(3, 10))
    counter = fg.codes.CodeCounter(3)
    fg.codes.capture(net, torch.rand(4800, 784), counter=counter)
    assert counter.n_distinct <= 8
    assert counter.redundancy >= 1 - 8 / 4800


def test_random_codes_are_refused():
    for module in (nn.Dropout(0.5), nn.BatchNorm1d(4)):
        net = nn.Sequential(nn.Linear(4, 4), module, nn.ReLU())
        with pytest.raises(ParameterError, match=f"{type(module).__name__} '1' is in train mode"):
            fg.codes.capture(net, torch.randn(8, 4))
        assert fg.codes.capture(net.eval(), torch.randn(8, 4)).n_bits == 4


def test_what_is_not_finite_names_its_layer(residual):
    x = torch.randn(30, 1, 5, 5)
    x[17, 0, 2, 2] = float("nan")
    with pytest.raises(NonFiniteError, match="layer 'relu' is NaN or infinite, in row 17") as caught:
        fg.codes.capture(residual, x, batch_size=8)
    assert caught.value.row == 17
    assert fg.codes.capture(residual, x, nonfinite="count").n_nonfinite > 0


def test_what_torch_would_say_in_its_own_words():
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    with pytest.raises(
        ParameterError, match=r"does not run on inputs of torch\.int64.*floats where it takes"
    ):
        fg.codes.capture(net, np.ones((4, 6), dtype=np.int64))
    for data in (torch.tensor(1.0), np.array(1.0)):
        with pytest.raises(ShapeError, match="data is a single number"):
            fg.codes.capture(net, data)
    with pytest.raises(ShapeError, match="entry 'x' of the data is a single number"):
        fg.codes.capture(net, {"x": torch.tensor(1.0)})
    with pytest.raises(ParameterError, match="not a single number"):
        fg.codes.capture(net, [torch.tensor(1.0)])
    with pytest.raises(ShapeError, match="no tensor with an axis"):
        fg.codes.capture(net, [{"x": torch.tensor(1.0)}])
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"):
        fg.codes.capture(net, torch.ones(4, 7))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripted_modules_are_refused():
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    for scripted in (torch.jit.script(net), torch.jit.trace(net, torch.ones(2, 6))):
        with pytest.raises(ParameterError, match="module 'model' is scripted or traced"):
            fg.codes.capture(scripted, torch.ones(4, 6))
        with pytest.raises(ParameterError, match="module '1' is scripted"):
            fg.codes.capture(nn.Sequential(nn.ReLU(), scripted), torch.ones(4, 6))


def test_bad_requests(residual):
    x = torch.randn(3, 1, 5, 5)
    with pytest.raises(ParameterError, match="called no activation"):
        fg.codes.capture(nn.Linear(5, 5), torch.randn(2, 5))
    with pytest.raises(ParameterError, match="no activations are called in"):
        fg.codes.capture(residual, x, layers=["nowhere"])
    with pytest.raises(ParameterError, match="mode must be"):
        fg.codes.capture(residual, x, mode="pixel")
    with pytest.raises(ParameterError, match="there is no data"):
        fg.codes.capture(residual, [])
