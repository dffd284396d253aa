"""Average gradient outer products against Jacobians; covariances that other programs wrote."""

from __future__ import annotations

import numpy as np
import pytest

from featuregeom.errors import ParameterError, SourceError
from featuregeom.formation import agop, alignment, collect_folder, crh

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from oracles.small_models import Tied, batches, mlp  # noqa: E402


def test_agop_of_a_linear_function_is_exact():
    model = nn.Linear(4, 3).double()
    A = model.weight.detach().numpy()
    np.testing.assert_allclose(agop(model, [torch.randn(5, 4).double()])["model"], A.T @ A, atol=1e-14)


def test_agop_of_every_layer_against_jacobians():
    model, X, Y = mlp().eval(), torch.randn(6, 5).double(), torch.randint(3, (6,))
    found = agop(model, batches(X, Y, 4), ["0", "2", "4"])
    at = {"0": (X, model), "2": (model[:2](X), model[2:]), "4": (model[:4](X), model[4:])}
    for name, (h, rest) in at.items():
        J = torch.stack([torch.autograd.functional.jacobian(rest, each) for each in h.detach()])
        np.testing.assert_allclose(found[name], torch.einsum("nci,ncj->ij", J, J).numpy() / 6, atol=1e-13)
    probed = np.mean(
        [agop(model, [X], ["2"], method="probe", n_probes=4, seed=k)["2"] for k in range(200)], axis=0
    )
    assert alignment(probed, found["2"]).value > 0.999


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (mlp, {"modules": ["9"]}, "no module '9'"),
        (mlp, {"method": "jacobian"}, "method"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(5, 2)).double().requires_grad_(False),
            {"modules": ["x"]},
            "'x'",
        ),
        (Tied, {"modules": ["first"]}, "twice"),
    ],
)
def test_what_agop_refuses(make, options, said):
    model = make().double()
    with pytest.raises(ParameterError, match=said):
        agop(model, [torch.randn(4, next(model.parameters()).shape[1]).double()], **options)


def save_shards(folder, matrices, n_shards):
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    for k in range(n_shards):
        parts = {
            name: torch.tensor(np.array_split(M, n_shards)[k]).contiguous() for name, M in matrices.items()
        }
        save_file(parts, folder / f"shard_{k}.safetensors")


@pytest.mark.parametrize("n_shards", [1, 3])
@pytest.mark.parametrize("ones", [False, True])
def test_folders_of_covariances(tmp_path, n_shards, ones):
    rng = np.random.default_rng(0)
    a, g = rng.standard_normal((50, 6)) + 1, rng.standard_normal((50, 4))
    wide = np.column_stack([a, np.ones(50)]) if ones else a
    save_shards(tmp_path / "activation_sharded", {"fc": wide.T @ wide}, n_shards)
    save_shards(tmp_path / "gradient_sharded", {"fc": g.T @ g}, n_shards)
    W = rng.standard_normal((4, 6))
    found = collect_folder(tmp_path, {"fc": W}, ones_column=ones)["fc"]
    scale = 1 if ones else 50
    np.testing.assert_allclose(found.H_a, a.T @ a / 50 * scale)
    np.testing.assert_allclose(found.G_b, g.T @ g / 50 * scale)
    if ones:
        np.testing.assert_allclose(found.mean_a, a.mean(axis=0))
        assert found.n == 50
    from types import SimpleNamespace

    direct = crh(SimpleNamespace(H_a=a.T @ a / 50, G_b=g.T @ g / 50), W)
    for relation, by_kind in crh(found).items():
        for kind, one in by_kind.items():
            assert one.value == pytest.approx(direct[relation][kind].value, abs=1e-12)
    if ones:
        with pytest.raises(SourceError, match="ones_column=True"):
            collect_folder(tmp_path, {"fc": W})
    else:
        with pytest.raises(SourceError, match="no count"):
            collect_folder(tmp_path, ones_column=True)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(SourceError, match="no shard_0"):
        collect_folder(tmp_path)
    save_shards(tmp_path / "activation_sharded", {"fc": np.eye(4), "only": np.eye(2)}, 2)
    save_shards(tmp_path / "gradient_sharded", {"fc": np.eye(4)}, 2)
    with pytest.raises(SourceError, match="'only' has inputs alone"):
        collect_folder(tmp_path)
    (tmp_path / "activation_sharded" / "shard_0.safetensors").unlink()
    with pytest.raises(SourceError, match=r"shard_0.safetensors is missing"):
        collect_folder(tmp_path)
    (tmp_path / "activation_sharded" / "shard_0.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(SourceError, match="cannot be read"):
        collect_folder(tmp_path)
    save_shards(tmp_path / "b" / "activation_sharded", {"fc": np.eye(4)[:3]}, 1)
    save_shards(tmp_path / "b" / "gradient_sharded", {"fc": np.eye(4)}, 1)
    with pytest.raises(SourceError, match="not a square"):
        collect_folder(tmp_path / "b")
