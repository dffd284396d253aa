"""Tensors and modules that networks/ lets pass, and what it says of the others, in every room that meets torch."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

import featuregeom as fg
from featuregeom.errors import DtypeError, FeatureGeometryError, ParameterError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.masked import masked_tensor


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()


def _fake():
    with FakeTensorMode():
        return torch.randn(4, 3)


def _quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # prototypes of torch say that they are
        return make()


ODD = {
    "nested": lambda: _quiet(lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)])),
    "jagged": lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged),
    "fake": _fake,
    "meta": lambda: torch.randn(4, 3, device="meta"),
    "masked": lambda: _quiet(lambda: masked_tensor(torch.ones(4, 3), torch.ones(4, 3, dtype=torch.bool))),
    "sparse": lambda: torch.eye(4, 3).to_sparse(),
    "compressed": lambda: _quiet(lambda: torch.eye(4, 3).to_sparse_csr()),
    "quantised": lambda: _quiet(lambda: torch.quantize_per_tensor(torch.ones(4, 3), 0.1, 0, torch.qint8)),
}
CALLS = {
    "capture": lambda net, x: fg.codes.capture(net, x),
    "capture of a mapping": lambda net, x: fg.codes.capture(net, {"input": x}),
    "capture of batches": lambda net, x: fg.codes.capture(net, [x]),
    "pack": lambda net, x: fg.codes.pack(x),
    "along": lambda net, x: fg.regions.along(net, x, torch.ones(3)),
    "local_complexity": lambda net, x: fg.regions.local_complexity(net, x, 0.1),
    "suffix_from": lambda net, x: fg.plateaus.suffix_from(net, "1", x),
    "response_curves": lambda net, x: fg.plateaus.response_curves(net, x, torch.ones(4, 3)),
    "frame_numbers": lambda net, x: fg.frames.frame_operator(x),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ODD)
def test_tensors_without_readable_numbers_are_refused(net, kind, call):
    """In words of ours that say what the tensor is, not in those of an operation that met it first."""
    with pytest.raises(FeatureGeometryError, match=r"nested|Fake|meta|Masked|sparse|quantised|qint8") as said:
        CALLS[call](net, ODD[kind]())
    assert isinstance(said.value, (DtypeError, ParameterError))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("transform", ["vmap", "grad", "jacrev"])
def test_inside_transforms_of_torch_nothing_can_be_read(net, transform, call):
    def run(x):
        CALLS[call](net, x)
        return x.sum()

    x = torch.randn(2, 4, 3)
    transformed = getattr(torch.func, transform)(run)
    with pytest.raises(FeatureGeometryError, match="transform"):
        transformed(x if transform == "vmap" else x[0])


def test_plain_subclasses_pass(net):
    class Named(torch.Tensor):
        pass

    x = torch.randn(5, 3)
    named = x.as_subclass(Named)
    assert_array_equal(fg.codes.capture(net, named).words, fg.codes.capture(net, x).words)
    assert_array_equal(fg.codes.pack(named).words, fg.codes.pack(x).words)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", ["traced", "part"])
def test_scripted_modules_are_refused_in_every_room(net, make):
    part = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    model = (
        torch.jit.trace(net, torch.ones(2, 3)) if make == "traced" else nn.Sequential(*net[:2], part).eval()
    )
    calls = (
        lambda: fg.codes.capture(model, torch.ones(2, 3)),
        lambda: fg.regions.along(model, [0.0, 0, 0], [1.0, 1, 1]),
        lambda: fg.regions.slice2d(model, [0.0, 0, 0], [1.0, 0, 0], [0.0, 1, 0]),
        lambda: fg.regions.ball_radius(model, [0.0, 0, 0]),
        lambda: fg.plateaus.suffix_from(model, "0", torch.ones(2, 3)),
        lambda: fg.plateaus.count_linear_regions(model, torch.zeros(1, 3), torch.ones(1, 3)),
    )
    for call in calls:
        with pytest.raises(ParameterError, match="scripted or traced"):
            call()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["whole", "part", "in place"])
def test_compiled_modules_give_what_they_were_made_from_gives(net, how):
    x = torch.randn(20, 3)
    plain = fg.codes.capture(net, x)
    way = fg.regions.along(net, x[0], x[1])
    plane = fg.regions.slice2d(net, x[0], x[1], x[2])
    if how == "in place":
        model = nn.Sequential(*net).eval()
        model.compile(backend="eager")
    else:
        model = torch.compile(net if how == "whole" else net[:2], backend="eager")
        model = model if how == "whole" else nn.Sequential(model, net[2]).eval()
    model(x.clone())  # compiled already
    found = fg.codes.capture(model, x)
    assert_array_equal(found.words, plain.words)
    assert [layer.kind for layer in found.layers] == ["relu"]
    np.testing.assert_allclose(fg.regions.along(model, x[0], x[1]).breakpoints, way.breakpoints)
    assert fg.regions.slice2d(model, x[0], x[1], x[2]).n_regions == plane.n_regions
    assert fg.regions.ball_radius(model, x[0]) == pytest.approx(fg.regions.ball_radius(net, x[0]))


def test_the_missing_extra_has_one_wording():
    """Without torch every room says the same, with the quotes that shells need."""
    code = """
import sys
sys.modules["torch"] = None
import numpy as np, featuregeom as fg
from featuregeom.errors import MissingExtraError
from featuregeom.toys import arguments
from featuregeom.toys.penalty import tight_frame_penalty
calls = [
    lambda: fg.codes.capture(object(), np.ones((2, 2))),
    lambda: fg.regions.along(object(), [0.0], [1.0]),
    lambda: fg.plateaus.suffix_from(object(), "0", np.ones((2, 2))),
    lambda: fg.plateaus.response_curves(lambda h: h, np.ones((1, 2)), np.zeros((1, 2))),
    lambda: tight_frame_penalty(np.ones((2, 2))),
    lambda: arguments.torch_module(),
]
for call in calls:
    try:
        call()
    except MissingExtraError as error:
        assert str(error).endswith("needs torch: pip install 'featuregeom[torch]'"), error
        print("said")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["said"] * 6, done.stdout + done.stderr


transformers = pytest.importorskip("transformers")

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def _model(name):
    torch.manual_seed(0)
    kinds = {
        "opt": lambda: transformers.OPTModel(
            transformers.OPTConfig(**SMALL, ffn_dim=32, max_position_embeddings=32, word_embed_proj_dim=16)
        ),
        "mixtral": lambda: transformers.MixtralModel(
            transformers.MixtralConfig(
                **SMALL, intermediate_size=24, num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2
            )
        ),
        "mamba": lambda: transformers.MambaModel(
            transformers.MambaConfig(vocab_size=50, hidden_size=16, state_size=4, num_hidden_layers=2)
        ),
        "vit": lambda: transformers.ViTModel(
            transformers.ViTConfig(
                hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=16,
                patch_size=8,
            )
        ),
    }  # fmt: skip
    return kinds[name]().eval()


IDS = torch.tensor([[3, 4, 5, 6, 7, 8, 9], [2, 3, 1, 1, 1, 1, 1], [9, 8, 7, 6, 5, 1, 1]])
MASK = (IDS != 1).long()


def _inside(model, ends):
    found = []
    hooks = [
        module.register_forward_pre_hook(lambda module, args: found.append(args[0].detach().clone()))
        for name, module in model.named_modules()
        if name.endswith(ends)
    ]
    return found, hooks


def test_opt_has_a_row_for_each_token():
    """Its activations are (inputs x tokens, units)."""
    model = _model("opt")
    found, hooks = _inside(model, "activation_fn")
    with torch.no_grad():
        model(input_ids=IDS, attention_mask=MASK)
    for hook in hooks:
        hook.remove()
    expected = torch.cat([z.reshape(3, 7, -1)[MASK.bool()] > 0 for z in found], dim=1).numpy()
    codes = fg.codes.capture(model, {"input_ids": IDS, "attention_mask": MASK}, rows="tokens")
    assert_array_equal(codes.unpack(), expected)
    with pytest.raises(FeatureGeometryError, match="ask for rows='tokens'"):
        fg.codes.capture(model, {"input_ids": IDS, "attention_mask": MASK})


def test_patches_of_a_vision_transformer_are_tokens():
    model, images = _model("vit"), torch.randn(4, 3, 16, 16)
    found, hooks = _inside(model, "activation_fn")
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    expected = torch.cat([(z > 0).flatten(0, 1) for z in found], dim=1).numpy()
    for data in (images, {"pixel_values": images}):
        codes = fg.codes.capture(model, data, rows="tokens", batch_size=3)
        assert_array_equal(codes.unpack(), expected)
        assert len(fg.codes.capture(model, data)) == 4


@pytest.mark.parametrize("rows", ["inputs", "tokens"])
def test_experts_say_that_they_have_no_row_for_each_token(rows):
    model = _model("mixtral")
    with pytest.raises(
        FeatureGeometryError, match=r"experts.*for 3 inputs.*layers=\[\.\.\.\], or record activations"
    ):
        fg.codes.capture(model, {"input_ids": IDS, "attention_mask": MASK}, rows=rows)


@pytest.mark.filterwarnings("ignore")
def test_mamba_says_what_to_do():
    model = _model("mamba")
    with pytest.raises(ParameterError, match=r"softplus .* uncoded='skip'"):
        fg.codes.capture(model, IDS)
    assert len(fg.codes.capture(model, IDS, uncoded="skip")) == 3
    with pytest.raises(FeatureGeometryError, match="ask for rows='inputs'"):
        fg.codes.capture(model, IDS, uncoded="skip", rows="tokens")
    # As many tokens as channels: the axes look alike.
    ids = torch.randint(2, 50, (2, 32))
    with pytest.raises(ParameterError, match="two axes as long as that of the tokens"):
        fg.codes.capture(model, ids, uncoded="skip", rows="tokens")


def test_as_many_tokens_as_units_are_no_trouble_where_tokens_come_first():
    net = nn.Sequential(nn.Embedding(50, 7), nn.ReLU())
    assert len(fg.codes.capture(net, IDS, rows="tokens")) == 21


def test_every_operation_is_in_one_group():
    """Softmax and its kin end a network in one tracer and squash it in the other, so ENDS is apart."""
    from itertools import combinations

    from featuregeom.networks import operations

    groups = {
        name: set(value)
        for name in operations.__all__
        if isinstance(value := getattr(operations, name), frozenset | dict) and name != "ENDS"
    }
    assert len(groups) > 10
    for (one, first), (other, second) in combinations(groups.items(), 2):
        assert not first & second, (one, other, first & second)


def test_factors_of_products_may_be_negative():
    """alpha and beta of addmm: the size of what is added up counts them without their signs."""

    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(1, 3, bias=False)
            self.register_buffer("weight", torch.tensor([[-3.0], [-1.5], [2.0]]))
            self.register_buffer("bias", torch.zeros(1))

        def forward(self, x):
            h = self.first(x).relu()
            return torch.addmm(self.bias, h, self.weight, beta=-1, alpha=-1).relu()

    net = Product().double().eval()
    net.first.weight.data = torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64)
    for x in (0.3, 0.7, 2.3):
        assert fg.regions.ball_radius(net, [x]) == pytest.approx(x)
        assert fg.regions.along(net, [x], [3 * x]).n_pieces == 1
