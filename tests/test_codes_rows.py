"""Row i of the codes is input i: models that mix inputs, move axes, keep state or are random are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError

capture = fg.codes.capture


class Of(nn.Module):
    """A function of a linear layer with ReLU and the input."""

    def __init__(self, function, inputs=5, units=7):
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.layer = nn.Sequential(nn.Linear(inputs, units), nn.ReLU())

    def forward(self, x):
        return self.function(self.layer, x)


MIXING = {
    "mean": lambda f, x: f(x - x.mean(0)),
    "sum of rows before": lambda f, x: f(x.cumsum(0)),
    "next row": lambda f, x: f(x + 0.5 * x.roll(1, 0)),
    "mirror": lambda f, x: f(x.flip(0)),
    "place in the batch": lambda f, x: f(x + torch.arange(len(x))[:, None]),
    "size of the batch": lambda f, x: f(x / len(x)),
    "gram": lambda f, x: f(x @ x.T @ x),
    "softmax over the batch": lambda f, x: f(x.softmax(0)),
    "the largest of all": lambda f, x: f(x - x.amax()),
    "a hundredth of the mean": lambda f, x: f(x - 0.01 * x.mean(0)),
    "pairs": lambda f, x: (
        f(x.reshape(len(x) // 2, 2, -1).flip(1).reshape(x.shape)) if len(x) % 2 == 0 else f(x)
    ),
}


@pytest.mark.parametrize("how", MIXING)
@pytest.mark.parametrize("n", [2, 3, 64])
def test_models_that_mix_rows_are_refused(how, n):
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(1))
    if how == "pairs" and n == 3:
        return
    with pytest.raises(ParameterError, match="change with what else is in its batch"):
        capture(Of(MIXING[how]), x, batch_size=64)


def test_rows_that_are_the_same_at_first_do_not_hide_mixing():
    """In the first batches all rows are equal, so nothing mixes visibly; a later one is looked at, too."""
    x = torch.ones(7 * 8, 5)
    x[-8:] = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ParameterError, match="what else is in its batch"):
        capture(Of(MIXING["next row"]), x[-32:], batch_size=8)


class TimeFirst(nn.Module):
    """Inputs (batch, time, 5), turned to (time, batch, 5) before a layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Sequential(nn.Linear(5, 7), nn.ReLU())

    def forward(self, x):
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


@pytest.mark.parametrize("rows", ["inputs", "tokens"])
@pytest.mark.parametrize("times", [1, 2, 6, 20])
def test_time_first_activations_are_refused_when_there_are_as_many_times_as_inputs(rows, times):
    torch.manual_seed(0)
    x = torch.randn(times, times, 5)
    if times == 1:
        assert len(capture(TimeFirst(), x, rows=rows)) == 1
        return
    with pytest.raises(ParameterError, match="another axis first"):
        capture(TimeFirst(), x, rows=rows)
    with pytest.raises(ShapeError, match="has shape"):
        capture(TimeFirst(), torch.randn(times + 1, times, 5), rows=rows)


@pytest.mark.parametrize("rows", ["inputs", "tokens"])
def test_a_transformer_with_time_first_is_refused(rows):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=False)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x):
            return self.body(x.transpose(0, 1)).transpose(0, 1)

    with pytest.raises(ParameterError, match="batch_first=False"):
        capture(Model().eval(), torch.randn(6, 6, 8), rows=rows)
    # The time axis is the first one of the data: inputs attend to each other.
    with pytest.raises(ParameterError, match="what else is in its batch"):
        capture(Model().eval().body, torch.randn(6, 5, 8))
    first = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    body = nn.TransformerEncoder(first, 2, enable_nested_tensor=False).eval()
    assert len(capture(body, torch.randn(6, 6, 8), rows=rows)) == (6 if rows == "inputs" else 36)


def test_only_the_layers_that_are_kept_must_keep_rows_apart():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.a, self.second, self.b = nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 7), nn.ReLU()

        def forward(self, x):
            x = self.a(self.first(x))
            return self.b(self.second(x - x.mean(0)))

    x = torch.randn(20, 5)
    with pytest.raises(ParameterError, match="layers="):
        capture(Two(), x)
    assert len(capture(Two(), x, layers=["a"])) == 20
    # Alone, an input is mixed with nothing.
    assert len(capture(Two(), x, batch_size=1)) == 20


def test_codes_do_not_depend_on_the_batch_size():
    """Convolutions, attention, normalisation of one input, layers that cancel: none of them is refused."""
    torch.manual_seed(0)
    nets = {
        "dense": (nn.Sequential(nn.Linear(4, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU()), (4,)),
        "convolution": (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()),
            (3, 9, 9),
        ),
        "norm": (nn.Sequential(nn.Linear(4, 50), nn.LayerNorm(50), nn.ReLU()), (4,)),
        "batch norm": (nn.Sequential(nn.Linear(4, 50), nn.BatchNorm1d(50), nn.ReLU()), (4,)),
        "rnn": (nn.RNN(4, 6, nonlinearity="relu", batch_first=True), (5, 4)),
    }
    deep = [part for _ in range(40) for part in (nn.Linear(64, 64), nn.ReLU())]
    for part in deep[::2]:
        nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    nets["deep"] = nn.Sequential(nn.Linear(4, 64), *deep), (4,)
    cancels = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 1, bias=False), nn.ReLU())
    cancels[0].weight.data = torch.tensor([[0.1], [0.2], [0.3]])
    cancels[2].weight.data = torch.tensor([[3, 1.5, -2.0]])
    nets["cancels"] = cancels, (1,)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        for name, (net, shape) in nets.items():
            x = torch.randn(33, *shape)
            found = capture(net.eval().to(dtype), x.to(dtype), batch_size=33)
            assert len(found) == 33, name


def test_random_models_and_those_with_state_are_refused():
    draws = np.random.default_rng(0)

    def noisy(f, x):
        return f(x + torch.from_numpy(draws.standard_normal(x.shape).astype(np.float32)))

    with pytest.raises(ParameterError, match="random, or keeps state"):
        capture(Of(noisy), torch.randn(8, 5))

    class Memory(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = 0.0

        def forward(self, x):
            out = (x + self.last).relu()
            self.last = x.mean()
            return out

    with pytest.raises(ParameterError, match="keeps state"):
        capture(Memory(), torch.randn(8, 5))


def test_the_check_leaves_nothing_behind():
    """Buffers, attributes, hooks and random generators are as after one forward pass for each batch."""

    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))
            self.register_buffer("kept", None)
            self.rows = 0

        def forward(self, x):
            self.calls += 1
            self.rows += len(x)
            self.kept = x.mean(0)
            return x.relu()

    net, x, seen = Counts(), torch.randn(20, 3), []
    net.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = capture(net, x, batch_size=8)
    assert torch.equal(torch.rand(3), expected)
    assert (float(net.calls), net.rows, seen) == (3.0, 20, [8, 8, 4])
    assert torch.equal(net.kept, x[16:].mean(0))
    assert_array_equal(found.words, capture(nn.ReLU(), x).words)


def test_hooks_that_change_values_are_part_of_the_model():
    def mixes(module, args, out):
        return out - out.mean(0)

    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    x = torch.randn(20, 3)
    handle = net[0].register_forward_hook(lambda module, args, out: out + 1)
    assert_array_equal(capture(net, x).unpack(), (net[0](x) > 0).numpy())
    handle.remove()
    net[0].register_forward_hook(mixes)
    with pytest.raises(ParameterError, match="what else is in its batch"):
        capture(net, x)


def test_models_of_one_batch_size():
    """They run with some inputs in the place of others."""

    class Fixed(nn.Module):
        def forward(self, x):
            return x.view(8, 3).relu()

    class Mixes(Fixed):
        def forward(self, x):
            return super().forward(x - x.mean(0))

    x = torch.randn(24, 3)
    assert_array_equal(capture(Fixed(), x, batch_size=8).unpack(), (x > 0).numpy())
    with pytest.raises(ParameterError, match="what else is in its batch"):
        capture(Mixes(), x, batch_size=8)


def test_entries_that_forward_does_not_take_are_named(tmp_path):
    class Takes(nn.Module):
        def forward(self, x, scale=1.0):
            return (x * scale).relu()

    x = torch.randn(6, 3)
    with pytest.raises(
        ParameterError, match=r"\['label'\], which forward does not take; it takes \['x', 'scale'\]"
    ):
        capture(Takes(), [{"x": x, "label": torch.zeros(6)}])

    class Anything(Takes):
        def forward(self, x, **others):
            return super().forward(x)

    assert len(capture(Anything(), [{"x": x, "label": torch.zeros(6)}])) == 6


def test_no_regular_mixing_of_rows_is_hidden_by_the_parts_that_run():
    """Each row gets another one: by a shift, a mirror, a swap of blocks, or one for all; batches of 2 to 130 inputs."""
    from featuregeom.networks.rows import splits

    partners = {"mirror": lambda n, i: n - 1 - i, "first": lambda n, i: 0, "last": lambda n, i: n - 1}
    partners |= {f"shift {s}": lambda n, i, s=s: (i - s) % n for s in range(1, 9)}
    partners |= {f"swap {s}": lambda n, i, s=s: i ^ s if i ^ s < n else i for s in (1, 2, 4, 8, 16)}
    for n in range(2, 131):
        for name, partner in partners.items():
            if all(partner(n, i) == i for i in range(n)):
                continue
            seen = any(
                part[partner(len(part), k)] != partner(n, row)
                for part in splits(n)
                for k, row in enumerate(part)
            )
            assert seen, (n, name)
