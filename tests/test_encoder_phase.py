"""The phase chart: regimes by hand, and runs that stop and go on to the same tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from featuregeom.encoder import DataSet, Thresholds, digits, phase
from featuregeom.encoder.networks import training
from featuregeom.encoder.regimes import REGIMES, label, regime_table
from featuregeom.errors import NonFiniteError, OutputError, ParameterError, ShapeError, SourceError
from featuregeom.report.phases import phase_sheet
from featuregeom.report.sheet import write_sheet

SMALL = {"widths": (2, 6), "epochs": (0, 1), "samples": (12, 40), "repeats": 2, "seed": 3}


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 3
    X = (3 * np.eye(4)[y] + rng.standard_normal((80, 4))).astype(np.float32)
    return DataSet("blobs", X[:40], y[:40], X[40:], y[40:])


def test_regimes_by_hand():
    R = np.array([[0.9, 0.5], [0.3, 0.05], [0.1, 0.0], [0.0, 0.0]])
    score = np.array([[0.2, 0.2], [0.6, 0.6], [0.9, 0.9], [0.9, 0.9]])
    axes = (np.array([1.0, np.e, np.e**2, np.e**3]), np.array([1.0, 2.0]))
    regime, slope = label(R, score, axes)
    # By central differences 0.4, 0.35, 0.15, 0; the last alone is flat.
    np.testing.assert_allclose(slope, np.tile([[0.4], [0.35], [0.15], [0.0]], 2))
    assert regime.tolist() == [[0, 0], [1, 1], [1, 1], [2, 2]]
    assert label(R, score, axes, Thresholds(eps=0.2))[0].tolist() == [[0, 0], [1, 1], [2, 2], [2, 2]]
    assert label(R, score, axes, Thresholds(tau_hi=0.95))[0].tolist()[0] == [1, 1]
    undefined = np.full((1, 1), np.nan)
    assert label(undefined, undefined, (np.ones(1), np.ones(1)))[0].tolist() == [[1]]


def test_regime_table_averages_over_repeats():
    rows = [
        {"width": w, "n_samples": n, "epochs": e, "repeat": k, "redundancy_test": k * 1.0, "knn": 0.5 + 0.1 * k}
        for w in (2, 4) for n, e in ((10, 5), (20, 5), (20, 0)) for k in (0, 1)
    ]  # fmt: skip
    table = regime_table(pd.DataFrame(rows))
    assert len(table) == 8
    assert table["redundancy"].tolist() == [0.5] * 8
    np.testing.assert_allclose(table["score"], 0.55)
    assert set(table["regime"]) == {REGIMES[0]}
    assert table["n_repeats"].tolist() == [2] * 8
    assert table.loc[table["chart"] == "epochs", "value"].tolist() == [0, 5, 0, 5]
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
    chart = phase(data=blobs, **SMALL | {"widths": (2, 900)})
    table, cells = chart.regimes, chart.cells
    for (width, n), part in cells[cells["epochs"] == 1].groupby(["width", "n_samples"]):
        row = table[(table["chart"] == "samples") & (table["width"] == width) & (table["value"] == n)].iloc[0]
        for name in ("saturated", "coverage", "chao1"):
            assert row[name] == pytest.approx(part[f"{name}_test"].mean())
    assert table.loc[table["width"] == 2, "saturated"].max() == 0
    assert table.loc[table["width"] == 900, "saturated"].max() == 1
    page = write_sheet(phase_sheet(chart), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "coverage, lower bound" in page
    full = int((table["saturated"] == 1).sum())
    assert f"Saturated in all networks: {full} of {len(table)} cells" in page
    assert "both are lower bounds" in page
    assert "R 0*" in page
    assert "a star where the codes are saturated" in page


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
