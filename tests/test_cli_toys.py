"""The commands that train toys: a table and a page."""

from __future__ import annotations

import functools
import inspect
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import featuregeom
from featuregeom.cli import app
from featuregeom.toys import experiments

pytest.importorskip("torch")

NAMES = ["phase", "geometry", "saturation", "dynamics"]


def test_dynamics_writes_table_and_page(tmp_path: Path) -> None:
    out = tmp_path / "toy"
    result = CliRunner().invoke(app, ["toy", "dynamics", "--out", str(out), "--steps", "20", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    frame = pd.read_parquet(found["table"])
    assert len(frame) == 21 * 20  # checkpoints and features
    assert frame["jump"].sum() == found["jumps"]
    assert frame["level_jump"].sum() == found["level_jumps"]
    assert "Energy levels" in Path(found["page"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("option", "value"), [("--seed", "-1"), ("--steps", "0")])
def test_wrong_usage_ends_before_any_work(tmp_path: Path, name: str, option: str, value: str) -> None:
    result = CliRunner().invoke(app, ["toy", name, "--out", str(tmp_path / "toy"), option, value])
    assert result.exit_code == 2
    assert option in result.stderr
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupt_says_how_to_go_on(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, name, stopped)
    result = CliRunner().invoke(app, ["toy", name, "--out", str(tmp_path)])
    assert result.exit_code == 130
    assert "stopped; " in result.stderr
    assert "--resume" in result.stderr
    if name != "dynamics":
        assert f"finished cells are kept in {tmp_path}" in result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_table_and_page_say_how_they_were_made(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small: dict[str, dict[str, Any]] = {
        "phase": {"sparsity": [0.5], "importance": [1.0]},
        "saturation": {"n_features": 6, "n_hidden": [2]},
    }
    run = getattr(experiments, name)
    smaller = functools.wraps(run)(lambda *args, **options: run(*args, **options | small.get(name, {})))
    monkeypatch.setattr(experiments, name, smaller)
    options = ["--out", str(tmp_path), "--steps", "2", "--seed", "7"]
    result = CliRunner().invoke(app, ["toy", name, *options])
    assert result.exit_code == 0, result.output
    found = pd.read_parquet(tmp_path / f"{name}.parquet").attrs["provenance"]
    wanted = {
        "version": featuregeom.__version__,
        "command": f"featuregeom toy {name}",
        "seed": 7,
        "steps": 2,
        "device": "cpu",
        "full": False,
        "learning_rate": inspect.signature(run).parameters["learning_rate"].default,
    }
    assert wanted.items() <= found.items()
    assert found["batch_size"] > 0
    assert name != "phase" or "n_hidden" not in found  # it runs two, which the table tells apart
    page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert f"<dt>version</dt><dd>{featuregeom.__version__}</dd>" in page


def test_a_missing_device_is_one_line_and_touches_nothing(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    cells.mkdir()
    for name in NAMES:
        result = CliRunner().invoke(app, ["toy", name, "--out", str(tmp_path), "--device", "cuda:99"])
        assert result.exit_code == 2
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
