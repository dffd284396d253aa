"""The phase chart: regimes by hand, and runs that stop and go on to the same tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregeom.encoder import DataSet, Thresholds, digits, phase
from featuregeom.encoder.networks import training
from featuregeom.encoder.phase import EPOCHS, SAMPLES, WIDTHS
from featuregeom.encoder.regimes import REGIMES, coarse_steps, label, regime_table
from featuregeom.errors import NonFiniteError, OutputError, ParameterError, ShapeError, SourceError
from featuregeom.report.phases import phase_sheet
from featuregeom.report.sheet import write_sheet
from oracles.pages import figures

SMALL = {"widths": (2, 5), "epochs": (0, 1), "samples": (16, 40), "repeats": 2, "seed": 3}


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 3
    X = (3 * np.eye(4)[y] + rng.standard_normal((80, 4))).astype(np.float32)
    return DataSet("blobs", X[:40], y[:40], X[40:], y[40:])


def logistic(place, middle, rate):
    """An accuracy from .2 to .95 over the logarithm of a width."""
    return 0.2 + 0.75 / (1 + np.exp(-rate * (place - middle)))


def test_regimes_by_hand():
    """A straight line in the logarithm of the width has one slope, at its ends too."""
    R = np.array([[0.9, 0.5], [0.3, 0.05], [0.1, 0.0], [0.0, 0.0]])
    score = np.linspace(0.2, 0.5, 4)[:, None] * np.ones(2)
    axes = (np.array([1.0, np.e, np.e**2, np.e**3]), np.array([1.0, 2.0]))
    regime, slope = label(R, score, axes)
    np.testing.assert_allclose(slope, 0.1)
    assert regime.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
    assert label(R, score, axes, Thresholds(eps=0.11))[0].tolist() == [[0, 0], [1, 2], [2, 2], [2, 2]]
    assert label(R, score, axes, Thresholds(tau_hi=0.95))[0].tolist()[0] == [1, 1]
    across = np.array([[0.2, 0.2 + 0.06 * np.log(2)]] * 4)
    np.testing.assert_allclose(label(R, across, axes)[1], 0.06)
    undefined = np.full((1, 1), np.nan)
    assert label(undefined, undefined, (np.ones(1), np.ones(1)))[0].tolist() == [[1]]


def test_a_slope_is_the_change_over_a_factor_e():
    """Against the curve itself: about the middle, and over the last factor e at the end."""
    place = np.linspace(1, 6, 41)
    score = logistic(place, 3, 1.5)[:, None]
    slope = label(np.zeros((41, 1)), score, (np.exp(place), np.ones(1)))[1][:, 0]
    about = logistic(place + 0.5, 3, 1.5) - logistic(place - 0.5, 3, 1.5)
    np.testing.assert_allclose(slope[4:-4], about[4:-4], atol=2e-4)
    for end, change in (
        (0, logistic(2, 3, 1.5) - logistic(1, 3, 1.5)),
        (-1, logistic(6, 3, 1.5) - logistic(5, 3, 1.5)),
    ):
        assert slope[end] == pytest.approx(change, abs=1e-12)
    assert np.abs(about / (0.75 * 1.5 / 4) - 1).min() < 0.1, "near the derivative of the curve, 1.5 y (1 - y)"


@settings(max_examples=100)
@given(st.floats(1.5, 5), st.floats(0.7, 3), st.sampled_from([1, 2, 3]), st.booleans(), st.integers(0, 2**32))
def test_labels_do_not_depend_on_the_spacing_of_the_grid(middle, rate, thinned, sideways, seed):
    """The same curve on a grid of points a factor 1.19 apart, and on every second, third, or a random part of it.

    Points whose slope is within a fifth of the threshold may go either way, since what lies between points is not
    known to the coarser grid; in 6000 curves none went astray that was further off than a tenth.
    """
    place = np.linspace(np.log(3), np.log(720), 33)
    score = logistic(place, middle, rate)
    rng = np.random.default_rng(seed)
    kept = np.sort(np.append(np.arange(0, 33, 4), rng.choice(33, 6, replace=False))) if thinned == 3 else None
    part = np.arange(0, 33, thinned * 2) if kept is None else np.unique(kept)
    part = np.unique(np.append(part, 32))

    def labelled(at):
        values, axes = score[at][:, None], (np.exp(place[at]), np.ones(1))
        if sideways:
            values, axes = values.T, axes[::-1]
        regime, slope = label(np.zeros(values.shape), values, axes)
        return regime.ravel(), slope.ravel()

    fine, slope = labelled(np.arange(33))
    found, _ = labelled(part)
    clear = np.abs(slope[part] / 0.05 - 1) > 0.2
    np.testing.assert_array_equal(found[clear], fine[part][clear])


def test_a_fine_grid_does_not_make_slopes_of_noise():
    """A level accuracy measured to .01: on ever more points no cell ceases to be saturated.

    A change over a factor e is of two values with an error of at most .01 each, so .05 is 3.5 standard deviations.
    """
    rng = np.random.default_rng(0)
    for points in (9, 33, 129):
        axis = np.geomspace(3, 720, points)
        score = 0.9 + 0.01 * rng.standard_normal((points, 1))
        assert np.mean(label(np.zeros((points, 1)), score, (axis, np.ones(1)))[0] == 2) > 0.99


def test_a_missing_score_is_a_missing_point():
    axis = np.geomspace(1, 100, 12)
    score = logistic(np.log(axis), 2, 1)
    holed = score.copy()
    holed[5] = np.nan
    regime, slope = label(np.zeros((12, 1)), holed[:, None], (axis, np.ones(1)))
    assert np.isnan(slope[5, 0])
    assert regime[5, 0] == 1
    rest = np.arange(12) != 5
    without = label(np.zeros((11, 1)), score[rest][:, None], (axis[rest], np.ones(1)))
    np.testing.assert_array_equal(slope[rest], without[1])
    np.testing.assert_array_equal(regime[rest], without[0])


def test_a_coarse_grid_is_said_to_be_coarse():
    values = np.zeros((3, 2))
    with pytest.warns(
        UserWarning, match=r"coarse along axis 0, from 6 to 17: regimes near .* add points between"
    ):
        label(values, values, (np.array([3.0, 6.0, 17.0]), np.array([1.0, 2.0])))
    with pytest.warns(UserWarning, match="coarse along axis 1, from 1 to 3"):
        label(values, values, (np.array([3.0, 6.0, 12.0]), np.array([1.0, 3.0])))
    assert coarse_steps(np.exp(np.arange(9.0))) == []
    assert coarse_steps([3, 6, 17, 18, 100]) == [(6, 17), (18, 100)]
    for grid in (WIDTHS, [epoch + 1 for epoch in EPOCHS], SAMPLES):
        assert coarse_steps(grid) == [], "the default chart"


def test_regime_table_averages_over_repeats():
    rows = [
        {"width": w, "n_samples": n, "epochs": e, "repeat": k, "redundancy_test": k * 1.0, "knn": 0.5 + 0.1 * k}
        for w in (2, 4) for n, e in ((10, 1), (20, 1), (20, 0)) for k in (0, 1)
    ]  # fmt: skip
    table = regime_table(pd.DataFrame(rows))
    assert len(table) == 8
    assert table["redundancy"].tolist() == [0.5] * 8
    np.testing.assert_allclose(table["score"], 0.55)
    assert set(table["regime"]) == {REGIMES[0]}
    assert table["n_repeats"].tolist() == [2] * 8
    assert table.loc[table["chart"] == "epochs", "value"].tolist() == [0, 1, 0, 1]
    assert table.loc[table["chart"] == "samples", "value"].tolist() == [10, 20, 10, 20]


@pytest.mark.parametrize(
    "options",
    [{"tau_lo": 0.6}, {"tau_hi": 1.5}, {"eps": 0.0}, {"redundancy": "R"}, {"score": "accuracy"}],
)
def test_thresholds_refuse(options):
    with pytest.raises(ParameterError):
        Thresholds(**options)


def test_codes_are_signs_of_hidden_units(blobs):
    """Against torch's own layers; and networks do not depend on how many are trained beside them."""
    options = {"width": 5, "depth": 2, "n_classes": 3, "epochs": (0, 2), "seed": 1}
    for state, alone in zip(
        training(blobs.X, blobs.y, repeats=3, **options),
        training(blobs.X, blobs.y, repeats=1, **options),
        strict=True,
    ):
        codes = state.codes(blobs.X_test)
        assert codes.shape == (3, 40, 10)
        x = torch.from_numpy(blobs.X_test)
        expected, logits = [], None
        for k, (weights, bias) in enumerate(state._layers):
            z = torch.nn.functional.linear(x, weights[1].T, bias[1, 0])
            expected.append(z > 0)
            x, logits = torch.nn.functional.relu(z), z
            assert k < 3
        np.testing.assert_array_equal(codes[1], torch.cat(expected[:2], dim=1).numpy())
        accuracy = np.mean(logits.argmax(dim=1).numpy() == blobs.y_test)
        assert state.accuracy(blobs.X_test, blobs.y_test)[1] == pytest.approx(accuracy)
        assert np.mean(alone.codes(blobs.X_test)[0] != codes[0]) < 0.01


def test_a_network_learns(blobs):
    first, last = (
        state.accuracy(blobs.X, blobs.y).mean()
        for state in training(
            blobs.X, blobs.y, width=16, depth=1, n_classes=3, epochs=(0, 30), repeats=3, seed=0
        )
    )
    assert last > 0.95 > first


def test_phase_stops_and_goes_on_to_the_same_tables(blobs, tmp_path):
    class StopError(Exception):
        pass

    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 4:
            raise StopError

    threads = torch.get_num_threads()
    with pytest.raises(StopError):
        phase(tmp_path / "cut", data=blobs, progress=stop, **SMALL)
    assert torch.get_num_threads() == threads
    assert seen == [(k, 6) for k in range(1, 5)]
    assert len(list((tmp_path / "cut" / "cells").iterdir())) == 4
    after = []
    resumed = phase(tmp_path / "cut", data=blobs, resume=True, progress=lambda *at: after.append(at), **SMALL)
    assert after[-1] == (6, 6)
    whole = phase(tmp_path / "whole", data=blobs, **SMALL)
    pd.testing.assert_frame_equal(resumed.cells, whole.cells)
    for name in ("grid.csv", "regimes.csv", "plan.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    pd.testing.assert_frame_equal(phase(data=blobs, **SMALL).cells, whole.cells)
    assert len(whole.cells) == 12
    assert not list(tmp_path.rglob("*.part"))


def test_the_page_says_what_counts_do_not(blobs, tmp_path):
    with pytest.warns(UserWarning, match="coarse along axis 0, from 2 to 900"):
        chart = phase(data=blobs, **SMALL | {"widths": (2, 900)})
    table, cells = chart.regimes, chart.cells
    for (width, n), part in cells[cells["epochs"] == 1].groupby(["width", "n_samples"]):
        row = table[(table["chart"] == "samples") & (table["width"] == width) & (table["value"] == n)].iloc[0]
        for name in ("saturated", "coverage", "chao1"):
            assert row[name] == pytest.approx(part[f"{name}_test"].mean())
    assert table.loc[table["width"] == 2, "saturated"].max() == 0
    assert table.loc[table["width"] == 900, "saturated"].max() == 1
    page = write_sheet(phase_sheet(chart), tmp_path / "page.html").read_text(encoding="utf-8")
    drawn = json.dumps(figures(page), ensure_ascii=False)
    assert "coverage, lower bound" in drawn
    full = int((table["saturated"] == 1).sum())
    assert f"Saturated in all networks: {full} of {len(table)} cells" in page
    assert "both are lower bounds" in page
    assert "R 0*" in drawn
    assert "a star where the codes are saturated" in page
    assert "The grid is coarse in the steps width 2 to 900" in page
    fine = write_sheet(phase_sheet(phase(data=blobs, **SMALL)), tmp_path / "fine.html").read_text(
        encoding="utf-8"
    )
    assert "The grid is coarse" not in fine


def test_two_units_make_four_codes_at_most(blobs):
    cells = phase(data=blobs, **SMALL).cells
    two = cells[cells["width"] == 2]
    assert (two["n_distinct_train"] <= 4).all()
    assert (two["redundancy_test"] >= 1 - 4 / 40).all()
    assert (cells["kmeans_purity_test"] >= cells["kmeans_accuracy_test"]).all()


def test_phase_refuses(blobs, tmp_path):
    phase(tmp_path, data=blobs, **SMALL)
    with pytest.raises(OutputError, match="resume=True"):
        phase(tmp_path, data=blobs, **SMALL)
    with pytest.raises(ParameterError, match="with other seed"):
        phase(tmp_path, data=blobs, resume=True, **(SMALL | {"seed": 4}))
    broken = tmp_path / "cells" / "w2-n40-e0.json"
    broken.write_text("[{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"w2-n40-e0\.json cannot be read"):
        phase(tmp_path, data=blobs, resume=True, **SMALL)
    with pytest.raises(ParameterError, match="widths must increase"):
        phase(data=blobs, widths=(4, 2))
    with pytest.raises(ParameterError, match="samples must be an integer from 3 to 40"):
        phase(data=blobs, samples=(2,))
    bad = blobs.X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 3, column 1"):
        DataSet("bad", bad, blobs.y, blobs.X_test, blobs.y_test)
    with pytest.raises(ShapeError, match="float32"):
        DataSet("bad", blobs.X, blobs.y[:3], blobs.X_test, blobs.y_test)


def test_digits_are_all_of_them_once():
    from sklearn.datasets import load_digits

    found = digits(seed=5)
    assert (len(found.X), len(found.X_test)) == (1198, 599)
    both = np.concatenate([found.X, found.X_test])
    expected = load_digits().data / 16
    np.testing.assert_allclose(np.sort(both, axis=0), np.sort(expected, axis=0))
    assert not np.array_equal(found.y, digits(seed=6).y)


@pytest.mark.slow
def test_the_default_chart_of_digits_shows_the_three_regimes():
    """Narrow, middling and wide, as in the paper's figures; and redundancy falls with width."""
    chart = phase()
    assert set(chart.regimes["regime"]) == set(REGIMES)
    for kind in ("epochs", "samples"):
        part = chart.regimes[chart.regimes["chart"] == kind]
        trained = part[part["value"] == part["value"].max()].sort_values("width")
        assert trained["regime"].iloc[0] == REGIMES[0]
        assert trained["regime"].iloc[-1] == REGIMES[2]
        assert trained["redundancy"].iloc[0] > 0.9
        assert trained["redundancy"].iloc[-1] < 0.01
