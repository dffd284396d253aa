"""The torch paths on a GPU give what the CPU gives."""

from __future__ import annotations

import numpy as np
import pytest

from featuregeom.formation import Recorder, agop, collect, entropy_gradient, entropy_regulariser

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(64, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    ).double()
    return model, torch.randn(12, 2, 4, 4).double(), torch.arange(12) % 3


@pytest.mark.parametrize("gradient", ["empirical", "jacobian"])
def test_collect(gradient):
    model, X, y = parts()
    data = [(X[:5], y[:5]), (X[5:], y[5:])]
    expected = collect(model, data, nn.CrossEntropyLoss(), gradient=gradient, normalised=True)
    before = torch.cuda.get_rng_state()
    found = collect(model.cuda(), data, nn.CrossEntropyLoss(), gradient=gradient, normalised=True)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        for key in ("H_a", "G_b", "mean_a", "weight_step"):
            np.testing.assert_allclose(getattr(found[name], key), getattr(one, key), atol=1e-12)
        np.testing.assert_allclose(
            found[name].normalised["g_a"].cov(), one.normalised["g_a"].cov(), atol=1e-12
        )


def test_the_fisher_draws_on_the_device():
    model, X, y = parts()
    model.cuda()
    one = collect(model, [(X, y)], nn.CrossEntropyLoss(), gradient="fisher", seed=3)
    other = collect(model, [(X, y)], nn.CrossEntropyLoss(), gradient="fisher", seed=3)
    for name, found in one.items():
        np.testing.assert_array_equal(found.G_b, other[name].G_b)


def test_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).double().eval()
    X = torch.randn(5, 4, 8).double()
    expected = collect(layer, [X], lambda out: (out**3).sum(dim=(1, 2)).mean())
    found = collect(layer.cuda(), [X], lambda out: (out**3).sum(dim=(1, 2)).mean())
    assert set(found) == {"self_attn.in_proj", "self_attn.out_proj", "linear1", "linear2"}
    for name, one in expected.items():
        np.testing.assert_allclose(found[name].G_b, one.G_b, rtol=1e-9, atol=1e-9 * np.abs(one.G_b).max())


def test_agop():
    model, X, _ = parts()
    for method in ("exact", "probe"):
        expected = agop(model.cpu(), [X], ["3"], method=method, seed=1)["3"]
        np.testing.assert_allclose(
            agop(model.cuda(), [X], ["3"], method=method, seed=1)["3"], expected, atol=1e-12
        )


def test_the_regulariser():
    H = torch.randn(20, 6, dtype=torch.float64, device="cuda")
    H[:, 2] = 0
    H.requires_grad_(True)
    entropy_regulariser(H).backward()
    np.testing.assert_allclose(H.grad.cpu().numpy(), entropy_gradient(H.detach().cpu().numpy()), atol=1e-10)


def test_a_recorder():
    model, X, y = parts()
    model = model.float().cuda().train()
    recorder = Recorder(
        model, [(X.float(), y)], nn.CrossEntropyLoss(), every=2, head="5",
        quantities=("crh", "exponents", "nfa", "entropy", "collapse", "loss"), n_draws=2,
    )  # fmt: skip
    search = torch.optim.SGD(model.parameters(), 0.1)
    for number in range(5):
        recorder(number)
        search.zero_grad()
        nn.functional.cross_entropy(model(X.float().cuda()), y.cuda()).backward()
        search.step()
    assert recorder.steps == [0, 2, 4]
    assert model.training
    assert np.isfinite(recorder.as_dict()["3/RGA_b cosine"])
