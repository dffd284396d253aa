"""The command that trains and draws a phase chart."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import featuregeom
from featuregeom.cli import app

SMALL = ("--widths", "2,4", "--epochs", "1", "--samples", "20,40", "--repeats", "1")


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["regions", "phase", *map(str, arguments)])


def test_phase_writes_grid_and_page(invoke, tmp_path):
    said = invoke(*SMALL, "--out", "o")
    assert said.exit_code == 0, said.output
    assert "under-expressive" in said.stdout
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"cells", "grid.csv", "regimes.csv", "plan.json", "thresholds.json", "report.html"}
    assert len(list((tmp_path / "o" / "cells").iterdir())) == 4
    again = invoke(*SMALL, "--out", "o")
    assert again.exit_code == 1
    assert "--resume" in again.output
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert f"<dt>version</dt><dd>{featuregeom.__version__}</dd>" in page
    facts = json.loads(
        invoke(*SMALL, "--out", "o", "--resume", "--json", "--tau-hi", "0.2", "--tau-lo", "0").stdout
    )
    assert [row["chart"] for row in facts["regimes"]] == ["epochs"] * 2 + ["samples"] * 4


def test_wrong_usage(invoke):
    assert invoke("--widths", "2;3").exit_code == 2
    assert invoke("--tau-lo", "0.9").exit_code == 2
