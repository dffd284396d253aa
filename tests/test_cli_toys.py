"""The commands that train toys: a table and a page."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from featuregeom.cli import app

pytest.importorskip("torch")


def test_dynamics_writes_table_and_page(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    result = CliRunner().invoke(app, ["toy", "dynamics", "--out", str(out), "--steps", "20", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    frame = pd.read_parquet(found["table"])
    assert len(frame) == 21 * 20  # checkpoints and features
    assert frame["jump"].sum() == found["jumps"]
    assert "Energy levels" in Path(found["page"]).read_text(encoding="utf-8")


def test_bad_seed_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["toy", "dynamics", "--out", str(tmp_path), "--steps", "2", "--seed", "-1"]
    )
    assert result.exit_code == 1
    assert "seed must be an integer" in result.stderr


def test_a_missing_device_is_one_line_and_touches_nothing(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    cells.mkdir()
    for name in ("phase", "geometry", "saturation", "dynamics"):
        result = CliRunner().invoke(app, ["toy", name, "--out", str(tmp_path), "--device", "cuda:99"])
        assert result.exit_code == 1
        assert "device must name a torch device" in " ".join(result.stderr.split())
    assert cells.is_dir()


def test_geometry_writes_its_histograms(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    result = CliRunner().invoke(app, ["toy", "geometry", "--out", str(out), "--steps", "2", "--json"])
    assert result.exit_code == 0, result.output
    page = Path(json.loads(result.stdout)["page"]).read_text(encoding="utf-8")
    assert "Histogram of capacities" in page
    # The help states what runs by default.
    frame = pd.read_parquet(json.loads(result.stdout)["table"])
    text = " ".join(CliRunner().invoke(app, ["toy", "geometry", "--help"]).stdout.split())
    n, m, s = frame["n_features"].iloc[0], frame["n_hidden"].iloc[0], frame["sparsity"].nunique()
    assert f"Train {n} features in {m} dimensions at {s} growing sparsities" in text
