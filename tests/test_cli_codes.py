"""The command that counts codes in a file of activations."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app

# Codes met 1, 1, 1, 2 and 3 times: coverage 1 - 3/8, Chao 5 + 3 * 2 / (2 * 2).
X = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 3, 4, 4, 4]] - 0.5


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X)
    return lambda *arguments: CliRunner().invoke(app, ["codes", *map(str, arguments)])


def test_numbers_by_hand_from_every_kind_of_file(invoke):
    np.savez("X.npz", other=np.zeros(3), acts=X)
    save_file({"acts": X}, "X.safetensors")
    np.save("bits.npy", X > 0)
    save_file({"acts": (X > 0).astype(np.uint8)}, "bits.safetensors")
    for file in ("X.npy", "X.npz", "X.safetensors", "bits.npy", "bits.safetensors"):
        said = invoke(file, "--json", "--layers", "2,5")
        assert said.exit_code == 0, said.output
        facts = json.loads(said.stdout)
        assert (facts["n_rows"], facts["n_bits"], facts["n_distinct"]) == (8, 5, 5)
        assert facts["redundancy"] == 3 / 8
        assert facts["good_turing_coverage"] == 5 / 8
        assert facts["chao1_lower_bound"] == 6.5
        assert facts["occupancy"] == {"1": 3, "2": 1, "3": 1}
        assert facts["layer_counts"] == [3, 4]
        assert facts["prefix_counts"] == [3, 5]
        assert facts["purity"] is None


def test_table_page_and_purity(invoke, tmp_path):
    (tmp_path / "labels.txt").write_text("a\na\na\na\nb\nb\nb\na\n", encoding="utf-8")
    said = invoke("X.npy", "--labels", "labels.txt", "--out", "o", "--tolerance", "0.5")
    assert said.exit_code == 0, said.output
    assert "lower bounds: codes met cover 0.625 of the data" in said.stdout
    assert "purity 0.75" in said.stdout
    assert "40 activations are within the tolerance" in said.stdout
    frame = pd.read_parquet("o/codes.parquet")
    assert frame["count"].tolist() == [3, 2, 1, 1, 1]
    assert frame["first_row"].tolist() == [5, 3, 0, 1, 2]
    origin = {
        "version": fg.__version__, "command": "featuregeom codes", "source": "X.npy", "tensor": "X",
        "labels": "labels.txt", "tolerance": 0.5, "layers": None, "nonfinite": "error",
    }  # fmt: skip
    assert origin.items() <= frame.attrs["provenance"].items()
    assert frame["purity"].tolist() == [2 / 3, 1 / 2, 1, 1, 1]
    page = (tmp_path / "o" / "codes.html").read_text(encoding="utf-8")
    assert "Codes of X" in page
    assert f"<dt>version</dt><dd>{fg.__version__}</dd>" in page
    assert "lower bounds" in page
    assert "Occupancy of codes" in page
    np.save("labels.npy", [-1, -1, -1, -1, 2, 2, 2, -1])
    assert json.loads(invoke("X.npy", "--labels", "labels.npy", "--json").stdout)["purity"] == 0.75


def test_saturation_is_said(invoke, tmp_path):
    np.save("all.npy", np.array([[1.0, -1.0], [-1.0, 1.0]]))
    said = invoke("all.npy", "--out", "o")
    assert "saturated" in said.stdout
    assert "Saturated" in (tmp_path / "o" / "codes.html").read_text(encoding="utf-8")


def test_what_is_not_finite(invoke):
    bad = X.copy()
    bad[3, 2] = np.nan
    np.save("bad.npy", bad)
    refused = invoke("bad.npy")
    assert refused.exit_code == 1
    assert "row 3, column 2" in refused.output
    assert "--nonfinite count" in refused.output
    counted = invoke("bad.npy", "--nonfinite", "count", "--json")
    assert json.loads(counted.stdout)["n_nonfinite"] == 1


def test_bad_requests(invoke, tmp_path):
    np.savez("two.npz", a=X, b=X)
    for arguments, text in (
        (("missing.npy",), "no such file"),
        (("two.npz",), "name one with tensor (--tensor): a, b"),
        (("two.npz", "--tensor", "c"), "no matrix 'c'"),
        (("X.npy", "--layers", "2,4"), "layers must end"),
        (("X.npy", "--labels", "nowhere.npy"), "cannot be read as labels"),
        (("X.npy", "--labels", "X.npy"), "integers or text"),
    ):
        said = invoke(*arguments)
        assert said.exit_code == (2 if text in ("no matrix 'c'", "layers must end") else 1), arguments
        assert text in said.output.replace("\n", " ")
    for shape, dtype in (((0, 5), float), ((4, 0), float), ((5,), float), ((2, 3, 4), bool)):
        np.save("odd.npy", np.zeros(shape, dtype))
        said = invoke("odd.npy")
        assert said.exit_code == 1
        assert f"odd.npy has odd of shape {shape}" in said.output.replace("\n", " ")
    np.save("stack.npy", np.stack([X, -X]))
    assert "2 matrices, name one with tensor (--tensor): stack[0], stack[1]" in invoke("stack.npy").output
    assert invoke("stack.npy", "--tensor", "stack[1]").exit_code == 0
    np.savez("mixed.npz", a=X, b=X[0])
    assert "has b of shape (5,)" in invoke("mixed.npz", "--tensor", "b").output.replace("\n", " ")
    assert invoke("mixed.npz").exit_code == 0
    np.save("few.npy", [1, 2])
    assert "shape (2,) for 8 rows" in invoke("X.npy", "--labels", "few.npy").output
    assert invoke("X.npy", "--layers", "a").exit_code == 2
