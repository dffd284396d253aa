"""Sources on the Hugging Face Hub; nothing here touches the network."""

import fnmatch
import os
import subprocess
import sys

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.sources import hub, open_source

W = {"W": torch.eye(3)}
COMMIT = "c0ffee"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder that plays the repository; snapshot_download copies what its patterns let through."""
    remote = tmp_path / "remote"
    calls = []

    def snapshot_download(repo_id, *, revision=None, allow_patterns=None, ignore_patterns=None):
        calls.append((repo_id, revision))
        local = tmp_path / COMMIT
        for file in (file for file in remote.rglob("*") if file.is_file()):
            name = file.relative_to(remote).as_posix()
            allowed = any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns)
            if allowed and not (ignore_patterns and fnmatch.fnmatch(name, ignore_patterns)):
                (local / name).parent.mkdir(parents=True, exist_ok=True)
                (local / name).write_bytes(file.read_bytes())
        local.mkdir(exist_ok=True)
        return str(local)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    for folder in ("layer_0/width_16k", "layer_1"):
        (remote / folder).mkdir(parents=True)
        np.savez(remote / folder / "params.npz", W_dec=np.eye(3))
    save_file(W, remote / "model.safetensors")
    torch.save(W, remote / "pytorch_model.bin")
    torch.save(W, remote / "layer_1" / "pytorch_model.bin")
    return remote, tmp_path / COMMIT, calls


def fetched(local):
    return sorted(file.relative_to(local).as_posix() for file in local.rglob("*") if file.is_file())


def test_a_repository_gives_its_top_folder_and_one_format(repository):
    _, local, calls = repository
    reader = open_source("owner/name")
    assert fetched(local) == ["model.safetensors"]
    assert calls == [("owner/name", None)]
    assert reader.read("W").provenance.source == reader.source == f"owner/name@{COMMIT}"


def test_pytorch_model_is_fetched_only_where_there_is_nothing_else(repository):
    remote, local, calls = repository
    (remote / "model.safetensors").unlink()
    assert open_source("owner/name@main").format == "torch"
    assert fetched(local) == ["pytorch_model.bin"]
    assert calls == [("owner/name", "main")] * 2


def test_a_folder_of_a_repository(repository):
    _, local, _ = repository
    reader = open_source("owner/name@v1:layer_0/width_16k")
    assert fetched(local) == ["layer_0/width_16k/params.npz"]
    assert (reader.format, reader.source) == ("gemma-scope", f"owner/name@{COMMIT}:layer_0/width_16k")


def test_a_file_of_a_repository(repository):
    _, local, _ = repository
    assert open_source("owner/name:layer_1/params.npz").read("W_dec").n == 3
    assert fetched(local) == ["layer_1/params.npz"]


def test_an_index_comes_with_its_shards(repository):
    remote, local, _ = repository
    (remote / "model.safetensors.index.json").write_text('{"weight_map": {"W": "model.safetensors"}}')
    assert open_source("owner/name:model.safetensors.index.json").read("W").n == 3
    assert fetched(local) == ["model.safetensors", "model.safetensors.index.json"]


def test_a_repository_without_weights(repository):
    remote, _, _ = repository
    for name in ("model.safetensors", "pytorch_model.bin"):
        (remote / name).unlink()
    with pytest.raises(SourceError, match="no weights at the top of this folder"):
        open_source("owner/name")
    with pytest.raises(SourceError, match=r"no such file or folder: .*layer_9"):
        open_source("owner/name:layer_9")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("google/gemma-scope-2b", hub.HubId("google/gemma-scope-2b", None, "")),
        ("a/b@refs/pr/1", hub.HubId("a/b", "refs/pr/1", "")),
        ("a/b:c/d/", hub.HubId("a/b", None, "c/d")),
        ("a/b@v1:c/params.npz", hub.HubId("a/b", "v1", "c/params.npz")),
        ("a/b.safetensors", None),
        ("models/model.NPY", None),
        ("a/b/c", None),
        ("name", None),
        ("./a/b", None),
        ("/a/b", None),
        ("~/a", None),
        ("../b", None),
        ("C:\\a/b", None),
        ("", None),
    ],
)
def test_identifiers(text, place):
    assert hub.parse(text) == place


def test_a_local_path_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    save_file(W, tmp_path / "owner" / "name" / "model.safetensors")
    assert open_source("owner/name").read("W").n == 3


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"owner/name: .*pip install featuregeom\[hub\]"):
        open_source("owner/name")


def test_offline_the_hub_says_so_itself_and_one_line_helps(tmp_path):
    code = (
        "from featuregeom.errors import SourceError\n"
        "from featuregeom.sources import open_source\n"
        "try:\n    open_source('owner/name')\nexcept SourceError as error:\n    print(error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    lines = run.stdout.strip().splitlines()
    assert lines[0].startswith(
        "owner/name: no such file or folder here, and the Hugging Face Hub does not give it: "
    )
    assert "HF_HUB_OFFLINE" in run.stdout or "offline" in run.stdout
    assert lines[-1].startswith("Check spelling and network")
