"""Figures of plateaus and phase charts: what is drawn is what was measured."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from featuregeom.encoder import REGIMES, PhaseChart, Thresholds, regime_table
from featuregeom.errors import ParameterError
from featuregeom.plateaus import response_curves, stable_slice2d
from featuregeom.report.phases import phase_figures, phase_sheet
from featuregeom.report.plateaus import curve_figure, slice_figure, slope_figure
from featuregeom.report.sheet import write_sheet


@pytest.fixture(scope="module")
def kinds():
    A, B = np.full((3, 1), -1.0), np.array([[1.0], [1.0], [-1.0]])
    return {
        "line": response_curves(lambda h: h, A, B),
        "<cliff>": response_curves(lambda h: torch.tanh(50 * h), A, B),
    }


def test_curves_and_slopes(kinds):
    figure = curve_figure(kinds)
    lines = {trace["name"]: trace for trace in figure.data if trace.get("showlegend")}
    assert set(lines) == set(kinds)
    np.testing.assert_allclose(lines["line"]["y"], lines["line"]["x"], atol=1e-3)
    assert lines["<cliff>"]["y"][40] == pytest.approx(0, abs=1e-3)
    assert figure.layout["yaxis"]["title"]["text"] == "relative distance r"
    assert slope_figure({"real_mixture": kinds["line"]}).data[0]["x"] == ["real mixture"]
    slopes = slope_figure(kinds).data[0]
    assert slopes["x"] == list(kinds)
    np.testing.assert_allclose(slopes["y"], [1, 50], rtol=1e-2)
    json.dumps([figure.data, figure.layout], allow_nan=False)
    with pytest.raises(ParameterError, match="not comparable"):
        curve_figure(kinds | {"other": response_curves(lambda h: h, [[0.0]], [[1.0]], out="ab_ratio")})
    with pytest.raises(ParameterError, match="1 to 7 kinds"):
        slope_figure({})


def test_the_slice_shows_its_labels():
    found = stable_slice2d(lambda h: h, [0.0, 0], [1.0, 0], [0, 1.0], n_points=7)
    figure = slice_figure(found)
    assert figure.data[0]["z"] == found.label.tolist()
    assert figure.data[1]["x"] == [0, 1, 0]
    json.dumps([figure.data, figure.layout], allow_nan=False)


def test_a_phase_page(tmp_path):
    rows = [
        {"width": w, "n_samples": n, "epochs": e, "repeat": 0, "redundancy_test": R, "redundancy_train": R, "knn": 0.9}
        for w, R in ((2, 0.9), (4, 0.3), (8, 0.0)) for n, e in ((10, 1), (20, 1), (20, 0))
    ]  # fmt: skip
    cells = pd.DataFrame(rows)
    chart = PhaseChart(cells, regime_table(cells), Thresholds(), {"data": "made up", "repeats": 1})
    epochs, samples, widths = phase_figures(chart)
    for figure, values in ((epochs, ["0", "1"]), (samples, ["10", "20"])):
        assert figure.data[0]["x"] == ["2", "4", "8"]
        assert figure.data[0]["y"] == values
        assert figure.data[0]["z"] == [[0, 1, 2], [0, 1, 2]]
        assert all(name in figure.caption for name in REGIMES)
        assert [trace["name"] for trace in figure.data[1:]] == list(REGIMES)  # the key of the colours
        stops = dict(figure.data[0]["colorscale"][1::2])
        assert [trace["marker"]["color"] for trace in figure.data[1:]] == list(stops.values())
    drawn = {trace["name"]: trace["y"] for trace in widths.data}
    assert drawn["redundancy, test"] == [0.9, 0.3, 0]
    page = write_sheet(phase_sheet(chart), tmp_path / "phase.html").read_text(encoding="utf-8")
    assert "Phase chart of made up" in page
    assert "sufficiently expressive" in page
