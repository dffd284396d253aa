"""Sparse dictionaries: the axis along which features run, format by format."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featuregeom.sources import open_source
from featuregeom.sources.dictionaries import recognise

D_MODEL, D_SAE = 3, 8


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def weights(prefix="W_"):
    """The decoder first: (d_sae, d_model), and an encoder of (d_model, d_sae)."""
    return {
        f"{prefix}enc": draw(D_MODEL, D_SAE),
        f"{prefix}dec": draw(D_SAE, D_MODEL),
        "b_enc": draw(D_SAE),
        "b_dec": draw(D_MODEL),
    }


def linear(**extra):
    """Two torch Linears, which store (outputs, inputs)."""
    return {"encoder.weight": draw(D_SAE, D_MODEL), "encoder.bias": draw(D_SAE), **extra}


def save_npz(tensors, path):
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})


CASES = [
    ("saelens", "sae_weights.safetensors", weights(), save_file),
    ("gemma-scope", "params.npz", {**weights(), "threshold": draw(D_SAE)}, save_npz),
    ("gemma-scope", "params.safetensors", weights("w_"), save_file),
    ("gemma-scope", "params.safetensors", weights(), save_file),
    ("sparsify", "sae.safetensors", linear(W_dec=draw(D_SAE, D_MODEL), b_dec=draw(D_MODEL)), save_file),
    ("dictionary_learning", "ae.pt", linear(**{"decoder.weight": draw(D_MODEL, D_SAE)}), torch.save),
    ("dictionary_learning", "ae.pt", weights(), torch.save),
]


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize(("format_name", "file", "tensors", "save"), CASES)
def test_every_dictionary_has_one_feature_per_row(tmp_path, format_name, file, tensors, save, folder):
    save(tensors, tmp_path / file)
    (tmp_path / "cfg.json").write_text(json.dumps({"d_sae": D_SAE}))
    with open_source(tmp_path if folder else tmp_path / file) as reader:
        assert reader.format == format_name
        assert reader.source == str(tmp_path / file)
        infos = {info.name: info for info in reader.tensors()}
        assert infos.keys() == tensors.keys()
        for name, tensor in tensors.items():
            if tensor.ndim < 2:
                assert infos[name].skip == "1-D"
                continue
            assert (infos[name].n, infos[name].m) == (D_SAE, D_MODEL)
            features = reader.read(name)
            stored = tensor.numpy()
            rows = stored.shape[0] == D_SAE
            np.testing.assert_array_equal(features.values, stored if rows else stored.T)
            assert features.provenance.axis == infos[name].axis == ("rows" if rows else "columns")
            assert features.provenance.shape == stored.shape


def test_a_given_axis_overrides_what_is_known(tmp_path):
    save_file(weights(), tmp_path / "sae_weights.safetensors")
    for axis in ("rows", "columns"):
        reader = open_source(tmp_path, axis=axis)
        assert {info.axis for info in reader.tensors()} == {axis}
        assert reader.read("W_enc").n == (D_MODEL if axis == "rows" else D_SAE)


def test_live_dictionaries_are_recognised_by_their_encoders():
    tree = {"blocks": {"0": weights(), "1": weights("w_")}}
    axes = {info.name: info.axis for info in open_source(tree).tensors()}
    assert [name for name, axis in axes.items() if axis == "columns"] == ["blocks.0.W_enc", "blocks.1.w_enc"]


@pytest.mark.parametrize(
    "shapes",
    [
        {"W_enc": (3, 8)},
        {"W_enc": (3, 8), "W_dec": (3, 8)},
        {"W_enc": (2, 3, 8), "W_dec": (8, 3)},
        {"encoder.weight": (8, 3), "decoder.weight": (3, 8)},
    ],
)
def test_what_only_resembles_a_dictionary_has_rows(shapes):
    assert recognise("model.safetensors", shapes) == (None, {})


def test_a_file_that_only_has_the_name_is_no_dictionary(tmp_path):
    torch.save({"W": draw(2, 2)}, tmp_path / "ae.pt")
    assert open_source(tmp_path).format == "torch"
