"""PyTorch checkpoints, as data only."""

import os
import sys

import numpy as np
import pytest
import torch

from featuregeom.errors import DtypeError, MissingExtraError, SourceError
from featuregeom.features import Provenance
from featuregeom.sources import open_source, torch_files

REAL = ["float64", "float32", "float16", "bfloat16"]


def matrix(dtype="float32", n=4, m=3):
    return torch.randn(n, m, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))


def bits(tensor):
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_round_trip(tmp_path, suffix, mmap, legacy):
    path = tmp_path / f"model{suffix}"
    tensors = {dtype: matrix(dtype) for dtype in REAL}
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    with open_source(path, mmap=mmap) as reader:
        assert reader.format == "torch"
        assert [(info.name, info.dtype, info.n_bytes) for info in reader.tensors()] == [
            (dtype, dtype, tensor.nbytes) for dtype, tensor in tensors.items()
        ]
        read = {dtype: reader.read(dtype) for dtype in REAL}
    for dtype, features in read.items():
        np.testing.assert_array_equal(features.values, bits(tensors[dtype]))
        assert features.provenance == Provenance(str(path), dtype, "rows", dtype, (4, 3))


def test_nested_names_are_joined_and_settings_passed_over(tmp_path):
    path = tmp_path / "checkpoint.pt"
    state = {"W": matrix(), "b": torch.zeros(3), "ids": torch.zeros(2, 2, dtype=torch.int64)}
    optimizer = {"state": {0: {"exp_avg": matrix(), "step": 3}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": optimizer, "moments": [matrix(), None]}, path)
    assert {info.name: info.skip for info in open_source(path).tensors()} == {
        "state_dict.W": None,
        "state_dict.b": "1-D",
        "state_dict.ids": "int64: not real features",
        "optimizer.state.0.exp_avg": "state of an optimiser",
        "moments.0": None,
    }


@pytest.mark.parametrize("mmap", [True, False])
def test_strided_and_shared_tensors(tmp_path, mmap):
    path = tmp_path / "views.pt"
    base = matrix(n=6, m=8)
    views = {"base": base, "transposed": base.T, "strided": base[::2, 1::3], "again": base}
    torch.save(views, path)
    reader = open_source(path, mmap=mmap)
    for name, view in views.items():
        np.testing.assert_array_equal(reader.read(name).values, view.numpy())


def test_a_bare_tensor_is_named_after_the_file_and_a_parameter_is_a_tensor(tmp_path):
    torch.save(matrix().requires_grad_(), tmp_path / "words.pt")
    assert [info.name for info in open_source(tmp_path / "words.pt").tensors()] == ["words"]
    torch.save({"W": torch.nn.Parameter(matrix())}, tmp_path / "p.pt")
    np.testing.assert_array_equal(open_source(tmp_path / "p.pt").read("W").values, matrix().numpy())


def test_released_storages_are_mapped_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_files, "_FORGET_AFTER", 2 * matrix().nbytes)
    path = tmp_path / "model.pt"
    torch.save({"A": matrix(), "B": matrix()}, path)
    reader = open_source(path)
    before = reader.read("A")
    for name in ("A", "unknown", "B"):
        reader.release(name)
    assert reader._tensors == {}
    np.testing.assert_array_equal(reader.read("A").values, matrix().numpy())
    np.testing.assert_array_equal(before.values, matrix().numpy())
    reader.close()
    reader.release("A")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_sparse_tensors_are_listed_and_skipped_and_rows_of_numbers_are_settings(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"W": matrix(), "mask": matrix().to_sparse(), "betas": [[0.9, 0.99], [0.9, 0.999]]}, path)
    reasons = {info.name: info.skip for info in open_source(path).tensors()}
    assert reasons == {"W": None, "mask": "sparse: make it dense to have it measured"}


def test_fp8_is_refused_when_read(tmp_path):
    torch.save({"W": matrix("float8_e4m3fn")}, tmp_path / "model.pt")
    with pytest.raises(DtypeError, match=r"model\.pt: tensor 'W' is float8_e4m3fn: FP8"):
        open_source(tmp_path / "model.pt").read("W")


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, legacy):
    path = tmp_path / "bomb.pt"
    target = tmp_path / "exploded"
    torch.save({"W": matrix(), "x": Bomb(str(target))}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(SourceError) as error:
        open_source(path)
    assert not target.exists()
    text = str(error.value)
    assert text.startswith(f"{path}: torch refuses to load it as data: ")
    assert "mkdir" in text
    assert "torch.save(model.state_dict(), path)" in text
    assert "weights_only" not in text


def test_a_pickled_module_is_refused_in_short(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(
        SourceError, match=r"torch\.nn\.modules\.linear\.Linear was not an allowed global by default\nSave"
    ):
        open_source(tmp_path / "module.pt")


@pytest.mark.parametrize("mmap", [True, False])
def test_broken_files_are_named(tmp_path, mmap):
    whole = tmp_path / "whole.pt"
    torch.save({"W": matrix()}, whole)
    old = tmp_path / "old.pt"
    torch.save({"W": matrix()}, old, _use_new_zipfile_serialization=False)
    (tmp_path / "empty.pt").touch()
    with pytest.raises(SourceError, match=r"empty\.pt: the file is empty"):
        open_source(tmp_path / "empty.pt", mmap=mmap)
    for content in (
        b"garbage",
        whole.read_bytes()[:300],
        whole.read_bytes()[:-1],
        old.read_bytes()[:-9],
    ):
        path = tmp_path / "broken.pt"
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"broken\.pt: torch (cannot|refuses to) load it") as error:
            open_source(path, mmap=mmap)
        assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("tree", [{}, {"epoch": 3}, [], 3])
def test_a_checkpoint_without_tensors(tmp_path, tree):
    torch.save(tree, tmp_path / "empty.pt")
    with pytest.raises(SourceError, match=r"empty\.pt: no tensor in it"):
        open_source(tmp_path / "empty.pt")


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    torch.save({"W": matrix()}, tmp_path / "model.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"model\.pt: .*pip install 'featuregeom\[torch\]'"):
        open_source(tmp_path / "model.pt")
