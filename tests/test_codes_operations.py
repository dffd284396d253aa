"""Which operations have a code, which are refused, and that none is passed over in silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn
from torch.nn import functional

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError

capture = fg.codes.capture


class Call(nn.Module):
    """A function between two ReLUs, so that dropping it leaves something to find."""

    def __init__(self, call):
        super().__init__()
        self.call, self.first, self.last = call, nn.ReLU(), nn.ReLU()
        self.linear = nn.Linear(6, 6)
        torch.manual_seed(0)
        nn.init.normal_(self.linear.weight)

    def forward(self, x):
        return self.last(self.linear(self.call(self.first(x) - 0.5)))


def written(flags):
    """Write into a slice of a buffer."""
    buffer = torch.zeros(flags.shape, dtype=torch.bool)
    buffer[:, 1:] = flags[:, 1:]
    return buffer


@pytest.mark.parametrize(
    ("call", "kind", "bends"),
    [
        (nn.Threshold(0.3, 7.0), "threshold", [0.3]),
        (lambda x: functional.threshold(x, 0.3, 7.0), "threshold", [0.3]),
        (lambda x: x.clamp_min(0.2), "clamp", [0.2]),
        (lambda x: x.clone().clamp_min_(0.2), "clamp", [0.2]),
        (lambda x: torch.clamp_max(x, 0.4), "clamp", [0.4]),
        (lambda x: x.clamp(-0.2, 0.6), "hardtanh", [-0.2, 0.6]),
        (lambda x: torch.clip(x, max=0.1), "clamp", [0.1]),
        (lambda x: x.clamp(min=torch.tensor(0.2)), "clamp", [0.2]),
        (torch.abs, "abs", [0]),
        (lambda x: abs(x), "abs", [0]),
        (nn.RReLU().eval(), "rrelu", [0]),
        (torch.ops.aten.relu, "relu", [0]),
        (torch.ops.aten.relu.default, "relu", [0]),
        (nn.ReLU6(), "hardtanh", [0, 6]),
    ],
)
def test_between_two_relus_each_has_its_layer(call, kind, bends):
    net = Call(call).eval()
    x = torch.randn(50, 6)
    found = capture(net, x)
    assert [layer.kind for layer in found.layers] == ["relu", kind, "relu"]
    z = x.relu() - 0.5
    expected = [x > 0, *(z > bend for bend in bends), net.linear(call(z.clone())) > 0]
    assert_array_equal(found.unpack(), torch.cat(expected, dim=1).numpy())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (nn.ELU(), "elu"),
        (nn.SELU(), "elu"),
        (nn.CELU(), "celu"),
        (nn.Hardswish(), "hardswish"),
        (nn.Hardsigmoid(), "hardsigmoid"),
        (nn.Mish(), "mish"),
        (nn.Softshrink(), "softshrink"),
        (nn.Softsign(), "softsign"),
        (nn.Tanh(), "tanh"),
        (torch.sigmoid, "sigmoid"),
        (nn.Softplus(), "softplus"),
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "maximum"),
        (lambda x: torch.max(x, -x), "maximum"),
        (lambda x: torch.where(x > 0, x, 0.0), "where of a comparison"),
        (lambda x: x * (x > 0), "mul of a comparison"),
        (lambda x: x * ~(x < 0).logical_not().logical_not(), "mul of a comparison"),
        (lambda x: x.masked_fill(x < 0, 0.0), "masked_fill of a comparison"),
        (lambda x: (x > 0).float(), "_to_copy of a comparison"),
        (lambda x: x * (x > 0).int(), "mul of a comparison"),
        (lambda x: x * ((x > 0).long() > 0), "mul of a comparison"),
        (lambda x: x * (x != -x), "mul of a comparison"),
        (lambda x: x * ~torch.signbit(x), "mul of a comparison"),
        (lambda x: torch.where(torch.signbit(x), 0.0, x), "where of a comparison"),
        (
            lambda x: functional.embedding((x > 0).long(), torch.eye(2))[..., 1] * x,
            "embedding of a comparison",
        ),
        (lambda x: torch.eye(2)[(x > 0).long()][..., 1] * x, "index of a comparison"),
        (lambda x: x * torch.stack((x > 0).unbind(1), dim=1), "mul of a comparison"),
        (lambda x: x * written(x > 0), "mul of a comparison"),
        (lambda x: x.clone().gt_(0), "gt of a comparison"),
        (lambda x: x * (1 + (x.view(torch.int32) >> 31)), "cast to torch.int32"),
        (lambda x: torch.zeros(x.shape, dtype=torch.int8).copy_(x) * 1.0, "cast to torch.int8"),
        (lambda x: torch.complex(x, x).abs(), "abs"),
        (lambda x: torch.exp(1j * x).real, "exp"),
        (lambda x: torch.tanh(1j * x).imag, "tanh"),
        (lambda x: torch.fft.fft(x).abs(), "abs"),
        (lambda x: torch.polar(x, x).real, "polar"),
        (lambda x: torch.frexp(x)[0], "frexp"),
        (lambda x: torch.heaviside(x, x), "heaviside"),
    ],
)
def test_a_nonlinearity_without_a_code_is_refused_or_listed(call, name):
    net = Call(call).eval()
    x = torch.randn(20, 6)
    with pytest.raises(
        ParameterError, match=rf"^{name} in '\w+' is a nonlinearity that has no code.*uncoded='skip'"
    ):
        capture(net, x)
    skipped = capture(net, x, uncoded="skip")
    assert skipped.n_bits == 12
    assert any(said.startswith(f"{name} in ") for said in skipped.uncoded)
    assert capture(net, x, layers=["first", "last"]).n_bits == 12


def test_what_squashes_the_output_is_listed_and_not_refused():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
    found = capture(net, torch.randn(6, 4))
    assert (found.n_bits, found.uncoded) == (5, ("sigmoid in '3'",))
    ended = capture(nn.Sequential(nn.ReLU(), nn.Linear(4, 3), nn.Softmax(1)), torch.randn(6, 4))
    assert (ended.n_bits, ended.uncoded) == (4, ("softmax in '2'",))
    # Masks by integers choose no piece.
    masked = capture(Call(lambda x: torch.where(torch.arange(6) > 2, x, 0.0)), torch.randn(6, 6))
    assert masked.n_bits == 12


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.where(torch.arange(6.0) > 2, x, 0.0),
        lambda x: x * (torch.ones(6) > 0).int(),
        lambda x: x + torch.zeros_like(x > 0, dtype=torch.int64),
        lambda x: torch.fft.ifft(torch.fft.fft(x) * torch.polar(torch.ones(6), torch.ones(6))).real,
        lambda x: torch.view_as_real(torch.complex(x, -x)).sum(-1),
    ],
)
def test_constant_comparisons_and_linear_complex_operations_pass(call):
    found = capture(Call(call), torch.randn(6, 6))
    assert (found.n_bits, found.uncoded) == (12, ())


def test_pooling_is_listed():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    assert capture(net, torch.randn(3, 1, 8, 8)).uncoded == ("max_pool2d_with_indices in '2'",)


def test_a_recurrent_relu_has_a_layer_for_each_step():
    torch.manual_seed(0)
    rnn = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
    x = torch.randn(7, 5, 3)
    found = capture(rnn, x)
    assert [layer.name for layer in found.layers] == ["model", *(f"model#{k}" for k in range(1, 5))]
    with torch.no_grad():
        states = rnn(x)[0]
    assert_array_equal(found.unpack(), (states > 0).flatten(1).numpy())
    with pytest.raises(ParameterError, match="batch_first=True"):
        capture(nn.RNN(3, 4, nonlinearity="relu"), x)
    for module in (nn.LSTM, nn.GRU):

        class Net(nn.Module):
            def __init__(self, module=module):
                super().__init__()
                self.rnn, self.relu = module(3, 4, batch_first=True), nn.ReLU()

            def forward(self, x):
                return self.relu(self.rnn(x)[0])

        with pytest.raises(ParameterError, match="in 'rnn' is a nonlinearity that has no code"):
            capture(Net().eval(), x)


def test_a_fused_transformer_layer_is_seen():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    inside = []
    layer.linear1.register_forward_hook(lambda module, args, out: inside.append(out > 0))
    found = capture(layer, torch.randn(4, 3, 8))
    assert found.n_bits == 48
    assert_array_equal(found.unpack(), inside[0].flatten(1).numpy())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: functional.dropout(x, 0.5, training=True), "is random"),
        (lambda x: functional.alpha_dropout(x, 0.5, training=True), "is random"),
        (lambda x: functional.rrelu(x, training=True), "is random"),
        (lambda x: x + torch.randn_like(x), "is random"),
        (lambda x: functional.batch_norm(x, None, None, training=True), "statistics of the batch"),
        (
            lambda x: functional.scaled_dot_product_attention(*[x[:, None, None]] * 3, dropout_p=0.5)[
                :, 0, 0
            ],
            "is random",
        ),
    ],
)
def test_random_or_batch_dependent_functions_are_refused(call, text):
    with pytest.raises(ParameterError, match=text):
        capture(Call(call).eval(), torch.randn(8, 6))


def test_what_is_neither_random_nor_batch_dependent_passes():
    for call in (
        lambda x: functional.dropout(x, 0.5, training=False),
        lambda x: functional.batch_norm(x, torch.zeros(6), torch.ones(6)),
        lambda x: functional.instance_norm(x[:, None])[:, 0],
        nn.GroupNorm(2, 6),
        lambda x: functional.scaled_dot_product_attention(*[x[:, None, None]] * 3)[:, 0, 0],
    ):
        assert capture(Call(call).eval(), torch.randn(8, 6)).n_bits == 12


def test_modules_are_refused_by_name():
    for module, x in (
        (nn.LSTM(4, 4, num_layers=2, dropout=0.2, batch_first=True), torch.randn(2, 3, 4)),
        (nn.RReLU(), torch.randn(2, 4)),
    ):
        with pytest.raises(ParameterError, match=f"{type(module).__name__} '0' is in train mode"):
            capture(nn.Sequential(module, nn.ReLU()), x)
    net = nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.ReLU()).eval()
    with pytest.raises(
        ParameterError, match=r"BatchNorm1d '0' keeps no running statistics.*even in eval mode"
    ):
        capture(net, torch.randn(8, 4))


def test_mode_and_types_are_recorded():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.second(self.first(x).bfloat16() - 0.5)

    net = Mixed()
    found = capture(net, torch.randn(4, 3))
    assert found.training is True
    assert capture(net.eval(), torch.randn(4, 3)).training is False
    assert fg.codes.pack(np.eye(3)).training is None
    assert [layer.dtype for layer in found.layers] == ["float32", "bfloat16"]
    assert found.dtype == "bfloat16+float32"


def test_names_are_unique():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.ReLU()
            self.a = nn.ReLU()
            self.add_module("a#1", nn.ReLU())

        def forward(self, x):
            x = self.a(self.a(x) - 0.1).relu()
            return self.get_submodule("a#1")(self.model(x - 0.1) - 0.1)

    names = [layer.name for layer in capture(Odd(), torch.randn(3, 4)).layers]
    assert names == ["a", "a#1", "(model)", "model", "a#1#1"]


def test_channels_do_not_hide_what_is_not_finite():
    x = torch.full((2, 3, 2, 2), 1.0)
    x[1, 2, 0, 1] = -float("inf")
    x[0, 0, 1, 1] = 1e-9
    for mode in ("neuron", "channel_any"):
        with pytest.raises(NonFiniteError, match="in row 1, unit 9"):
            capture(nn.ReLU(), x, mode=mode)
        found = capture(nn.ReLU(), x, mode=mode, nonfinite="count", tolerance=1e-6)
        assert (found.n_nonfinite, found.n_ambiguous) == (1, 1)
        assert found.unpack()[0].all()
    x[0, 1, 0, 0] = float("nan")
    # The other three units of the channel are on.
    assert capture(nn.ReLU(), x, mode="channel_any", nonfinite="count").unpack().all()
    # One element, though it has two bits.
    assert capture(nn.Hardtanh(), x, nonfinite="count").n_nonfinite == 2


def test_layers_that_change_are_refused_with_advice():
    with pytest.raises(ShapeError, match="rows='tokens'"):
        capture(nn.ReLU(), [torch.ones(2, 3), torch.ones(2, 4)])
    with pytest.raises(ShapeError, match=r"has shape \(6, 2\) for 3 inputs; name the layers"):
        capture(nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Flatten(0, 1), nn.ReLU()), torch.ones(3, 4))
