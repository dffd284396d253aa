"""What is not affine in the data is refused or listed; what does not depend on the data is neither."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import featuregeom as fg
from featuregeom.errors import ParameterError

capture = fg.codes.capture


class Between(nn.Module):
    """A function between two ReLUs, right before the second."""

    def __init__(self, call):
        super().__init__()
        self.linear, self.call = nn.Linear(6, 6), call
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x):
        return torch.relu(self.call(torch.relu(self.linear(x))))


def read(call):
    return capture(Between(call).eval(), torch.randn(4, 6)).uncoded


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (torch.sin, "sin"),
        (torch.exp, "exp"),
        (torch.log1p, "log1p"),
        (torch.erfc, "erfc"),
        (torch.atan, "atan"),
        (lambda h: torch.logaddexp(h, -h), "logaddexp"),
        (torch.round, "round"),
        (lambda h: h.clone().floor_(), "floor"),
        (lambda h: h.long() - 1.0, "cast to torch.int64"),
        (lambda h: torch.div(h, 2, rounding_mode="floor"), "div with rounding"),
    ],
)
def test_elementwise_functions_are_refused_by_name(call, name):
    with pytest.raises(ParameterError, match=f"^{name} in 'model' is a nonlinearity that has no code"):
        read(call)
    net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), Last(call))
    assert capture(net, torch.randn(4, 6)).uncoded == (f"{name} in '3'",)


class Last(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, x):
        return self.call(x)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda h: h.amax(1, keepdim=True) - 1, ["amax"]),
        (lambda h: h.max(1)[0][:, None] - 1, ["max"]),
        (lambda h: h.topk(2, 1)[0] - 1, ["topk"]),
        (lambda h: h.sort(1)[0] - 1, ["sort"]),
        (lambda h: h.median(1)[0][:, None] - 1, ["median"]),
        (lambda h: h.cummax(1)[0], ["cummax"]),
        (lambda h: h.softmax(1) - 0.1, ["softmax"]),
        (lambda h: functional.layer_norm(h, (6,)), ["layer_norm"]),
        (lambda h: functional.instance_norm(h[:, None])[:, 0], ["instance_norm"]),
        (nn.GroupNorm(2, 6), ["group_norm"]),
        (
            lambda h: h * (1 + h.square().mean(1, keepdim=True)).rsqrt(),
            ["pow", "rsqrt", "mul of two activations"],
        ),
        (lambda h: h * h - 1, ["mul of two activations"]),
        (lambda h: h * (h.argmax(1, keepdim=True) - 1), ["argmax", "mul of two activations"]),
        (lambda h: h / (1 + h.sum(1, keepdim=True)), ["div by an activation"]),
        (lambda h: torch.linalg.vector_norm(h, dim=1, keepdim=True) - 1, ["linalg_vector_norm"]),
        (
            lambda h: functional.scaled_dot_product_attention(*[h[:, None, None]] * 3)[:, 0, 0],
            ["scaled_dot_product_attention"],
        ),
    ],
)
def test_what_mixes_values_is_listed(call, names):
    found = read(call)
    assert [said.split(" in ")[0] for said in found] == names


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda h: h @ h.T @ torch.ones(1, 6) - 1, "mm of two activations"),
        (lambda h: torch.addmm(h, h @ torch.ones(6, 1), h), "addmm of two activations"),
    ],
)
def test_what_mixes_inputs_is_listed_where_each_runs_alone(call, name):
    torch.manual_seed(0)
    found = fg.codes.capture(Between(call), torch.randn(4, 6), batch_size=1).uncoded
    assert [said.split(" in ")[0] for said in found] == [name]


def test_values_are_followed_into_what_they_are_written_to():
    def written(h):
        kept = torch.zeros(4, 7)
        kept[:, :6] = h
        return kept.sin()

    with pytest.raises(ParameterError, match=r"^sin in"):
        read(written)
    table = nn.Sequential(nn.Embedding(5, 6), Last(torch.sin), nn.ReLU())
    with pytest.raises(ParameterError, match=r"^sin in '1'"):
        capture(table, torch.arange(5))
    with pytest.raises(ParameterError, match=r"^sin in '0'"):
        capture(
            nn.Sequential(Last(lambda x: (x / 255).sin()), nn.ReLU()), torch.ones(2, 6, dtype=torch.uint8)
        )


def test_constants_may_be_anything():
    """A rotary embedding takes cosines of positions, a learned temperature the exponential of a parameter."""

    class Rotary(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.scale = nn.Embedding(9, 6), nn.Parameter(torch.ones(6))

        def forward(self, ids, attention_mask, position_ids):
            h = self.embed(ids)
            angle = position_ids[..., None].float() @ torch.ones(1, 6)
            h = h * angle.cos() + h.flip(-1) * angle.sin() * torch.exp(self.scale)
            h = h * torch.zeros_like(h).cos() * torch.log1p(attention_mask.float())[..., None]
            return torch.relu(h + torch.log(torch.arange(1.0, 7.0)))

    ids = torch.randint(9, (3, 4))
    inputs = {
        "ids": ids,
        "attention_mask": torch.ones_like(ids),
        "position_ids": torch.arange(4).expand(3, 4),
    }
    found = capture(Rotary(), inputs, rows="tokens")
    assert (found.n_bits, found.uncoded) == (6, ())
    assert read(lambda h: torch.where(torch.arange(6) > 2, h, -h) * 2 / 3 + h.mean(1, keepdim=True)) == ()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_transformers_are_captured_and_say_what_they_leave_out(attention):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    net = transformers.AutoModel.from_config(config, attn_implementation=attention).eval()
    ids = torch.randint(60, (4, 7))
    found = capture(net, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, rows="tokens")
    assert [layer.kind for layer in found.layers] == ["gate", "gate"]
    inside = "'layers.1.self_attn'"
    names = ["scaled_dot_product_attention"] if attention == "sdpa" else ["bmm of two activations", "softmax"]
    for name in names:
        assert f"{name} in {inside}" in found.uncoded
    assert {"rsqrt in 'norm'", "mul of two activations in 'layers.0.mlp'"} <= set(found.uncoded)


GELUS = ["gelu", "gelu_python", "gelu_new", "gelu_fast", "quick_gelu", "gelu_accurate", "gelu_pytorch_tanh"]


@pytest.mark.parametrize("activation", [*GELUS, "silu"])
def test_gelus_of_transformers_are_gates_however_they_are_written(activation):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=60, n_positions=8, n_embd=16, n_layer=2, n_head=2, activation_function=activation
    )
    net = transformers.GPT2Model(config).eval()
    inside = []
    for block in net.h:
        block.mlp.c_fc.register_forward_hook(lambda module, args, out: inside.append(out > 0))
    found = capture(net, {"input_ids": torch.randint(60, (4, 7))}, rows="tokens")
    assert [layer.kind for layer in found.layers] == ["gate", "gate"]
    assert [layer.name for layer in found.layers] == ["h.0.mlp.act", "h.1.mlp.act"]
    assert (found.unpack() == torch.cat(inside, dim=2).flatten(0, 1).numpy()).all()
    assert not any("mlp" in said for said in found.uncoded)


def test_other_modules_are_no_gates_by_their_name():
    class NewGELUActivation(nn.Module):
        def forward(self, x):
            return x.tanh()

    with pytest.raises(ParameterError, match=r"^tanh in"):
        capture(nn.Sequential(NewGELUActivation(), nn.Linear(6, 6), nn.ReLU()), torch.randn(4, 6))
