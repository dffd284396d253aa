"""What describe and analyze say about sources: axes, stacks, heads, folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from oracles.layouts import LAYOUTS


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def described(said):
    return {row["tensor"]: row for row in json.loads(said.stdout)["tensors"]}


def test_stacks_are_folded_and_the_evidence_is_shown(invoke):
    save_file(
        {"blocks.0.attn.W_Q": draw(12, 5, 3), "W_dec": draw(8, 3), "b_dec": torch.ones(3)}, "m.safetensors"
    )
    lines = invoke("describe", "m.safetensors").stdout.splitlines()
    (folded,) = (line for line in lines if "W_Q" in line)
    assert "12 heads: 5 x 3" in folded
    assert "columns" in folded
    assert "W_Q is heads x dimensions x head dimensions" in folded
    (decoder,) = (line for line in lines if "W_dec" in line)
    assert "b_dec has one entry per dimension (3)" in decoder
    assert "13 of 14 tensors to analyze" in lines[-1]
    chosen = described(invoke("describe", "m.safetensors", "--slice", "0", "--slice", "11", "--json"))
    assert [name for name, row in chosen.items() if row["planned"] == "analyze"] == [
        "W_dec",
        "blocks.0.attn.W_Q[0]",
        "blocks.0.attn.W_Q[11]",
    ]
    none = described(invoke("describe", "m.safetensors", "--no-stacks", "--json"))
    assert none["blocks.0.attn.W_Q"]["reason"] == "a stack of 12 matrices, and stacks are left out as asked"


def test_axes_on_the_command_line(invoke):
    square = {"W_enc": draw(4, 4), "W_dec": draw(4, 4, seed=1)}
    torch.save(square, "square.pt")
    for command in ("describe", "analyze"):
        said = invoke(command, "square.pt")
        assert said.exit_code == 1
        assert "which axis of 'W_enc' lists features?" in said.stderr
        assert "--axis 'W_enc=rows'" in said.stderr
    rows = described(invoke("describe", "square.pt", "--axis", "W_enc=columns", "--axis", "rows", "--json"))
    assert {name: row["axis"] for name, row in rows.items()} == {"W_enc": "columns", "W_dec": "rows"}
    said = invoke("analyze", "square.pt", "--axis", "W_*=columns", "--json")
    assert [row["axis"] for row in json.loads(said.stdout)["matrices"]] == ["columns", "columns"]
    for wrong in ("diagonal", "W_enc=up"):
        assert invoke("describe", "square.pt", "--axis", wrong).exit_code == 2


def test_heads_and_folders_on_the_command_line(invoke, tmp_path):
    (tmp_path / "model" / "adapters").mkdir(parents=True)
    save_file({"q_proj.weight": draw(8, 5), "up.weight": draw(7, 5)}, "model/model.safetensors")
    save_file({"extra": draw(4, 3)}, "model/adapters/model.safetensors")
    (tmp_path / "model" / "config.json").write_text(json.dumps({"num_attention_heads": 4}))
    whole = described(invoke("describe", "model", "--json"))
    assert whole["adapters/"]["reason"] == "a folder with weights: --recursive takes it, or open it"
    every = described(invoke("describe", "model", "--recursive", "--json"))
    assert [name for name, row in every.items() if row["planned"] == "analyze"] == [
        "q_proj.weight",
        "up.weight",
        "extra",
    ]
    for heads, size in (("auto", 2), ("2", 4)):
        split = described(invoke("describe", "model", "--heads", heads, "--json"))
        assert split["q_proj.weight[1]"]["n"] == size
    said = invoke("analyze", "model", "--heads", "auto", "--json")
    assert len(json.loads(said.stdout)["matrices"]) == 5
    for wrong in ("none", "0", "-1"):
        assert invoke("describe", "model", "--heads", wrong).exit_code == 2


@pytest.mark.parametrize("layout", ["dictionary_learning crosscoder", "checkpoint", "saelens temporal"])
def test_describe_and_analyze_agree_on_every_tensor(tmp_path, layout):
    """Each is measured, or stands in `skipped` with the reason that describe gave; none is left out."""
    written = LAYOUTS[layout](draw(6, 3), draw(6, 3, seed=1))
    others = {
        "ids": torch.zeros(3, 3, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "kernel.weight": draw(4, 2, 3),
    }
    torch.save(written.tensors | others, tmp_path / "m.pt")
    table = fg.describe(tmp_path / "m.pt").to_frame()
    analysis = fg.analyze(tmp_path / "m.pt", out=tmp_path / "out")
    measured = analysis.matrices.set_index("matrix")
    planned = table[table["planned"] == "analyze"].set_index("tensor")
    assert list(measured.index) == list(planned.index)
    for column in ("n", "m", "axis", "axis_reason"):
        assert measured[column].tolist() == planned[column].tolist()
    skipped = table[table["planned"] == "skip"]
    assert dict(zip(skipped["tensor"], skipped["reason"], strict=True)) == dict(
        zip(analysis.skipped["tensor"], analysis.skipped["reason"], strict=True)
    )
    stored = {name.partition("[")[0] for name in table["tensor"]}
    assert stored == {*written.tensors, *others}
    assert fg.load(tmp_path / "out").matrices["axis_reason"].tolist() == measured["axis_reason"].tolist()
    assert np.isfinite(measured["rank"]).all()
