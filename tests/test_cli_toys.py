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
