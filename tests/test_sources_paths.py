"""Files and folders: what is opened, and what is not."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featuregeom.errors import SourceError
from featuregeom.sources import open_source

W = {"W": torch.eye(3)}


@pytest.mark.parametrize(
    "source", ["missing.safetensors", "no/such/folder", "folder/model.npy", "./owner/name"]
)
def test_a_missing_path(source):
    with pytest.raises(SourceError, match=f"^no such file or folder: {os.path.normpath(source)}$"):
        open_source(source)


def test_a_name_that_is_too_long():
    with pytest.raises(SourceError, match="x: cannot be opened: File name too long"):
        open_source("x" * 5000)


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        SourceError, match=r"notes\.txt: no reader for this kind of file; known are \.safetensors"
    ):
        open_source(tmp_path / "notes.txt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npy")
        with pytest.raises(SourceError, match="neither a file nor a folder"):
            open_source(tmp_path / "pipe.npy")


def test_a_folder_is_searched_in_order(tmp_path):
    with pytest.raises(SourceError, match="no weights at the top of this folder; it is empty"):
        open_source(tmp_path)
    torch.save(W, tmp_path / "pytorch_model.bin")
    assert open_source(tmp_path).source == str(tmp_path / "pytorch_model.bin")
    save_file(W, tmp_path / "adapter.safetensors")
    assert open_source(tmp_path).source == str(tmp_path / "adapter.safetensors")
    save_file({"V": torch.eye(2)}, tmp_path / "more.safetensors")
    assert open_source(str(tmp_path)).source == str(tmp_path)
    save_file(W, tmp_path / "model.safetensors")
    assert open_source(tmp_path).source == str(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"W": "model.safetensors"}}')
    assert open_source(tmp_path).source == str(tmp_path / "model.safetensors.index.json")
    np.savez(tmp_path / "params.npz", W_dec=np.eye(3))
    assert open_source(tmp_path).source == str(tmp_path / "params.npz")


def test_suffixes_in_capitals_and_the_home_folder(tmp_path, monkeypatch):
    np.save(tmp_path / "X", np.eye(2))
    (tmp_path / "X.npy").rename(tmp_path / "X.NPY")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert open_source("~/X.NPY").read("X").n == 2


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root reads all"
)
def test_a_file_that_may_not_be_read(tmp_path):
    save_file(W, tmp_path / "secret.safetensors")
    (tmp_path / "secret.safetensors").chmod(0)
    with pytest.raises(SourceError, match=r"secret\.safetensors: cannot be opened: Permission denied"):
        open_source(tmp_path / "secret.safetensors")


def test_importing_the_readers_imports_no_heavy_package():
    code = (
        "import sys, featuregeom.sources\n"
        "print({'torch', 'pandas', 'huggingface_hub', 'ml_dtypes'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_the_home_of_nobody_is_a_source_error():
    with pytest.raises(SourceError, match=r"~no-such-user/x\.npy: there is no such home folder"):
        open_source("~no-such-user/x.npy")
