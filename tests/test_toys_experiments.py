"""The experiments on toys, at sizes of seconds, against exact costs."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from featuregeom.errors import ParameterError
from featuregeom.report.toy_figures import (
    capacity_histograms,
    dynamics_figures,
    phase_figures,
    saturation_figures,
)
from featuregeom.toys.anchors import antipodal_cost, dropped_cost
from featuregeom.toys.experiments import dynamics, geometry, held_crossing, phase, saturation
from featuregeom.toys.experiments.geometry import Geometry
from featuregeom.toys.experiments.phase import Phase, classify, expected_losses, held_costs
from featuregeom.toys.experiments.saturation import LEARNING_RATE, Saturations
from featuregeom.toys.superposition import Toy, train

pytest.importorskip("torch")


def test_held_solutions_cross_at_three_sevenths() -> None:
    found = held_crossing(n_samples=1 << 19)
    np.testing.assert_allclose(found.antipodal, 2 * antipodal_cost(found.sparsity), rtol=0.01)
    np.testing.assert_allclose(found.dropped, dropped_cost(found.sparsity), rtol=0.01)
    assert abs(found.crossing - 3 / 7) < 0.02
    assert np.isnan(held_crossing([0.1, 0.2], n_samples=1000).crossing)


def test_classify() -> None:
    assert classify(np.array([[1.0], [0.1]])) == 0
    assert classify(np.array([[1.0], [-0.9]])) == 2
    assert classify(np.array([[1.0, 0], [0.01, 0], [0, 0.5]])) == 1
    assert classify(np.array([[1.0, 0], [-0.5, 0.87], [-0.5, -0.87]])) == 3
    assert classify(np.zeros((2, 1))) == 0


def test_phase_extremes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "sparsity": [0.0, 0.95], "importance": [0.2, 5.0], "restarts": 4, "steps": 600, "folder": tmp_path,
    }  # fmt: skip
    found = phase(1, **settings)
    # Dense inputs: the less important feature is dropped; sparse ones: both are kept, whatever r is.
    names = found.to_frame()["outcome"].tolist()
    assert names == ["dropped", "antipodal", "dedicated", "antipodal"]
    assert names == found.to_frame()["held_outcome"].tolist()
    # A held solution is one point that training could choose, so it bounds the trained loss from above,
    # up to sampling noise of 2^17 held-out inputs and to what is left of the optimisation.
    assert np.all(found.loss < 1.1 * found.theory)
    seen: list[int] = []
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = phase(1, **settings, progress=lambda done, total: seen.append(done))
    assert not seen
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    np.testing.assert_array_equal(again.loss, found.loss)
    next(iter(before)).write_bytes(b"broken")
    np.testing.assert_array_equal(phase(1, **settings).outcome, found.outcome)


def test_geometry_of_dense_and_sparse_inputs() -> None:
    found = geometry(8, 4, sparsity=[0.0, 0.95], steps=800, batch_size=256)
    assert found.capacity.shape == (2, 8)
    # Sum of capacities is at most the rank; sparse inputs keep all features, so D averages at most m / n.
    assert np.all(found.capacity.sum(axis=1) <= 4 + 1e-6)
    assert found.norm[1].min() > 0.5
    assert np.abs(found.dimensions_per_feature[1] - 0.5) < 0.15
    assert len(found.to_frame()) == 16


def slow_numbers(W: Any) -> tuple[float, float]:
    """Saturation and mean cv, written out with the Gram matrix and eigenvectors of NumPy."""
    W = np.asarray(W, dtype=np.float64)
    M = W @ W.T
    present = [i for i in range(len(W)) if M[i, i] > 0]
    D = sum(M[i, i] ** 2 / sum(M[i, j] ** 2 for j in present) for i in present)
    values, vectors = np.linalg.eigh(W.T @ W)
    cvs = []
    for i in present:
        mu = (W[i] @ vectors) ** 2 / M[i, i]
        kappa = sum(mu * values)
        cvs.append(np.sqrt(max(sum(mu * (values - kappa) ** 2), 0)) / kappa)
    return float(D / np.linalg.matrix_rank(W)), float(np.mean(cvs))


def slow_null(W: Any, samples: int, seed: int) -> tuple[float, float]:
    """The same of random directions with the norms of W, means over frames."""
    norms = np.linalg.norm(np.asarray(W, dtype=np.float64), axis=1)
    found = []
    for k in range(samples):
        frame = np.random.default_rng([seed, k]).normal(size=np.shape(W))
        found.append(slow_numbers(norms[:, None] * frame / np.linalg.norm(frame, axis=1, keepdims=True)))
    rho, cv = np.mean(found, axis=0)
    return float(rho), float(cv)


def test_saturation_against_a_slow_version(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 100, "batch_size": 64}
    found = saturation(24, [3, 4], sparsity=[0.5, 0.95], folder=tmp_path, **settings)
    assert found.n_hidden.tolist() == [3, 3, 4, 4]
    assert found.sparsity.tolist() == [0.5, 0.95] * 2
    assert len(list(tmp_path.iterdir())) == 2
    place = 0
    for m in (3, 4):
        toy = train(
            24, m, sparsity=[0.5, 0.95], n_instances=2, bias_start=-0.1, schedule="exponential",
            learning_rate=LEARNING_RATE, held_out=16, **settings,
        )  # fmt: skip
        assert np.abs(toy.b + 0.1).max() > 0.01, "the biases are trained"
        for W in toy.W:
            rho, cv = slow_numbers(W)
            assert found.saturation[place] == pytest.approx(rho, rel=1e-6)
            assert found.cv[place] == pytest.approx(cv, rel=1e-4)
            null_rho, null_cv = slow_null(W, 60, seed=5)
            # The means of 4 frames and of 60 others: a few standard deviations of the former.
            assert found.null[place] == pytest.approx(null_rho, abs=0.06)
            assert found.null_cv[place] == pytest.approx(null_cv, abs=0.12)
            place += 1
    table = found.by_range()
    assert table["toys"].tolist() == [0, 2, 0, 2]
    assert table["saturation"].tolist()[1] == pytest.approx(found.saturation[[0, 2]].mean())
    assert table["random_cv"].tolist()[3] == pytest.approx(found.null_cv[[1, 3]].mean())
    assert table["saturation_met"].tolist() == ["", "not met", "", "not met"]
    assert table["biases"].tolist() == ["trained"] * 4


def test_trained_and_held_biases_are_told_apart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 50, "batch_size": 64, "sparsity": [0.5, 0.95]}
    both = saturation(24, [3, 4], biases=("trained", "held"), folder=tmp_path, **settings)
    assert both.biases.tolist() == (["trained"] * 2 + ["held"] * 2) * 2
    assert both.to_frame()["biases"].tolist() == both.biases.tolist()
    for kind in ("trained", "held"):
        alone = saturation(24, [3, 4], biases=kind, **settings)
        np.testing.assert_array_equal(alone.cv, both.cv[both.biases == kind])
        assert set(alone.by_range()["biases"]) == {kind}
        part = both.by_range()
        part = part[part["biases"] == kind].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone.by_range())
    assert not np.array_equal(*(both.cv[both.biases == kind] for kind in ("trained", "held")))
    held = train(
        24, 3, sparsity=[0.5, 0.95], n_instances=2, bias=-0.1, schedule="exponential", learning_rate=LEARNING_RATE,
        held_out=1 << 13, steps=50, batch_size=64,
    )  # fmt: skip
    np.testing.assert_allclose(both.loss[2:4], held.loss, rtol=1e-6)
    traces = {trace["name"] for figure in saturation_figures(both) for trace in figure.data}
    assert {"m = 3, biases trained", "m = 3, biases held"} < traces


def test_biases_start_where_they_are_told() -> None:
    start = train(5, 2, sparsity=0.5, steps=1, learning_rate=1e-30, bias_start=-0.1)
    np.testing.assert_allclose(start.b, -0.1)
    assert (
        np.abs(train(5, 2, sparsity=0.5, steps=50, learning_rate=1e-2, bias_start=-0.1).b + 0.1).max() > 0.05
    )
    for options in ({"bias_start": np.nan}, {"bias_start": [0.1]}, {"bias": -0.1, "bias_start": -0.1}):
        with pytest.raises(ParameterError, match="start"):
            train(5, 2, sparsity=0.5, steps=1, **options)


def test_met_at_the_digits_that_the_paper_prints() -> None:
    S = np.array([0.1, 0.5, 0.7, 0.95])
    rho, cv = np.array([0.99976, 0.99844, 0.99826, 0.9972]), np.array([0.01244, 0.0297, 0.01, 0.0503])
    found = Saturations(2, np.full(4, 1), S, np.full(4, "trained"), rho, rho / 2, cv, 2 * cv, cv)
    table = found.by_range()
    assert table["saturation_met"].tolist() == ["met", "not met", "met", "met"]
    assert table["cv_met"].tolist() == ["met", "not met", "met", "met"]
    traces = {trace["name"] for figure in saturation_figures(found) for trace in figure.data}
    assert traces == {"m = 1, biases trained", "random, m = 1, biases trained", "paper"}
    for figure in saturation_figures(found):
        assert "random, m = 1, biases trained" in {trace["name"] for trace in figure.data}


@pytest.mark.slow
def test_saturation_at_its_own_size() -> None:
    """With held biases, whose size this is; see docs/how-to/toys.md for trained ones at the paper's size."""
    table = saturation(biases="held").by_range()
    assert (table["toys"] == 6).all()
    assert (table[["saturation_met", "cv_met"]] == "met").all(axis=None), table.T.to_string()
    # Far from what random frames of these norms have, in every range and both numbers.
    assert np.all(1 - table["saturation"] < 0.01 * (1 - table["random_saturation"]))
    assert np.all(table["cv"] < 0.1 * table["random_cv"])


def test_histograms_count_the_kept_features() -> None:
    capacity = np.array([[0.5, 0.5, 0.1, 0.4], [1.0, 0.4, 0.4, 0.4]])
    norm = np.array([[1.0, 1.0, 0.01, 1.0], [1.0, 1.0, 1.0, 1.0]])
    figures = capacity_histograms(Geometry(2, np.array([0.0, 0.9]), capacity, norm, np.zeros(2)))
    shares = np.array(figures[0].data[0]["z"], dtype=float)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.sort(shares[0])[-2:], [1 / 3, 2 / 3], atol=1e-3)
    np.testing.assert_allclose(np.sort(shares[1])[-2:], [1 / 4, 3 / 4], atol=1e-3)
    assert [figure.data[0]["type"] for figure in figures] == ["heatmap", "bar", "bar"]


def test_the_phase_page_shows_losses() -> None:
    losses = np.array([[0.01, 0.1], [0.2, 0.05]])
    found = Phase(
        1,
        np.array([0.0, 0.5]),
        np.array([0.5, 2.0]),
        losses,
        np.zeros((2, 2), int),
        2 * losses,
        np.ones((2, 2), int),
    )
    drawn = {figure.kind: figure.data[0] for figure in phase_figures(found)}
    np.testing.assert_allclose(drawn["phase-trained-loss"]["z"], np.log10(losses), rtol=1e-3)
    np.testing.assert_allclose(drawn["phase-held-loss"]["z"], np.log10(2 * losses), rtol=1e-3)
    assert drawn["phase-trained-loss"]["zmin"] == drawn["phase-held-loss"]["zmin"]


def exact_loss(
    W: list[list[Fraction]], b: list[Fraction], S: Fraction, importance: list[Fraction]
) -> Fraction:
    """Loss of a toy in rational numbers, by inclusion and exclusion over the corners of the cube.

    With y = a . x + c the integral of ReLU(y)^2 over [0, 1]^d is 2 / ((d + 2)! prod a) times the sum over corners v of
    (-1)^(d - |v|) ReLU(a . v + c)^(d + 2), and that of x_j ReLU(y) is half its derivative in a_j.
    """
    n, total = len(b), Fraction(0)
    for active in itertools.product((0, 1), repeat=n):
        places = [i for i in range(n) if active[i]]
        d = len(places)
        share = (1 - S) ** d * S ** (n - d)
        for j in range(n):
            a = [sum(W[j][k] * W[i][k] for k in range(len(W[0]))) for i in places]
            scale = Fraction(2, math.factorial(d + 2)) / math.prod(a)
            square = mixed = Fraction(0)
            for v in itertools.product((0, 1), repeat=d):
                y = max(sum(s * t for s, t in zip(a, v, strict=True)) + b[j], Fraction(0))
                sign = (-1) ** (d - sum(v))
                square += sign * scale * y ** (d + 2)
                if j in places:
                    at = places.index(j)
                    mixed += sign * scale * ((d + 2) * v[at] * y ** (d + 1) - y ** (d + 2) / a[at]) / 2
            own = Fraction(1, 3) if j in places else Fraction(0)
            total += share * importance[j] * (own - 2 * mixed + square)
    return total


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_expected_losses_are_exact(n: int) -> None:
    """Against rational arithmetic. The quadrature that stood here was off by 3.5e-4."""
    rng = np.random.default_rng(n)
    for m in range(1, n + 1):
        W = rng.integers(-40, 41, (n, m)) / 32
        W[W == 0] = 1 / 32
        b, importance = rng.integers(-30, 31, n) / 64, rng.integers(1, 9, n) / 4
        S = 0.3125
        toy = Toy(W[None], b[None], np.zeros(1), np.array([S]), importance[None], 0, 1)
        rational = [[Fraction(x) for x in row] for row in W.tolist()]
        if any(sum(x * y for x, y in zip(p, q, strict=True)) == 0 for p in rational for q in rational):
            continue  # The oracle divides by these.
        parts = [[Fraction(x) for x in row.tolist()] for row in (b, importance)]
        wanted = exact_loss(rational, parts[0], Fraction(S), parts[1])
        assert expected_losses(toy)[0] == pytest.approx(float(wanted), rel=1e-13)


@pytest.mark.parametrize("S", [0.0, 0.3, 0.9, 0.99, 0.999999])
def test_expected_losses_of_held_solutions(S: float) -> None:
    """Where products vanish and kinks lie on corners: closed forms."""
    sparsity = np.array([S])
    for W, b, cost in (
        ([[1.0], [-1.0]], [0.0, 0.0], 2 * antipodal_cost(S)),
        ([[1.0], [0.0]], [0.0, (1 - S) / 2], dropped_cost(S)),
        (np.eye(3), [0.0] * 3, 0.0),
        ([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0.0] * 3, 2 * antipodal_cost(S)),
    ):
        weights, bias = np.array(W)[None], np.array(b)[None]
        toy = Toy(weights, bias, np.zeros(1), sparsity, np.ones(bias.shape), 0, 1)
        assert expected_losses(toy)[0] == pytest.approx(float(cost), rel=1e-13, abs=1e-16)


def test_expected_losses_refuse() -> None:
    six = Toy(np.ones((1, 6, 2)), np.zeros((1, 6)), np.zeros(1), np.zeros(1), np.ones((1, 6)), 0, 1)
    with pytest.raises(ParameterError, match="at most 5 features, not relu with 6"):
        expected_losses(six)
    linear = Toy(
        np.ones((1, 2, 1)), np.zeros((1, 2)), np.zeros(1), np.zeros(1), np.ones((1, 2)), 0, 1, "linear"
    )
    with pytest.raises(ParameterError, match=r"of kind relu .* not linear"):
        expected_losses(linear)


def test_trained_phases_cost_what_theory_says() -> None:
    """Antipodal at S = 0.8 and 0.9 and dropped at 0 and 0.3: within 1 % of the closed forms, as far as these go."""
    settings: dict[str, Any] = {"restarts": 6, "steps": 1500, "batch_size": 512}
    pair = phase(1, sparsity=[0.8, 0.9], importance=[1.0], **settings)
    assert pair.outcome.tolist() == [[2, 2]]
    # Free norm and bias cost .989 and .996 of the held pair's (antipodal_cost), so S = 0.8 is just beyond 1 %.
    np.testing.assert_allclose(pair.loss[0], 2 * antipodal_cost([0.8, 0.9]) * [0.989, 0.996], rtol=2e-3)
    np.testing.assert_allclose(pair.loss[0], pair.theory[0], rtol=0.0125)
    assert pair.loss[0, 1] == pytest.approx(pair.theory[0, 1], rel=0.01)
    dropped = phase(1, sparsity=[0.0, 0.3], importance=[0.05], **settings)
    assert dropped.outcome.tolist() == [[0, 0]]
    np.testing.assert_allclose(dropped.loss[0], 0.05 * dropped_cost([0.0, 0.3]), rtol=0.01)


def test_dynamics() -> None:
    found = dynamics(5, 2, steps=200, n_checkpoints=10, batch_size=64)
    assert found.trajectory.steps.tolist() == list(range(0, 201, 20))
    W = found.toy.W[0].astype(np.float64)
    expected = np.linalg.svd(W, compute_uv=False) ** 2
    np.testing.assert_allclose(found.trajectory.eigenvalues[-1], expected, rtol=1e-6)
    table = found.to_frame()
    assert table["jump"].sum() == len(found.jumps)
    for jumps, column in ((found.jumps, "jump"), (found.level_jumps, "level_jump")):
        rows = table[table[column]]
        assert list(zip(rows.checkpoint, rows.feature, strict=True)) == list(
            zip(jumps.checkpoint, jumps.feature, strict=True)
        )
    for figure, jumps, values in zip(
        dynamics_figures(found)[:2], (found.level_jumps, found.jumps), ("level", "kappa"), strict=True
    ):
        drawn = figure.data[-1]
        at = getattr(found.trajectory, values)
        np.testing.assert_allclose(drawn["y"], at[jumps.checkpoint, jumps.feature], rtol=1e-3)
        np.testing.assert_array_equal(drawn["x"], jumps.step)


@pytest.mark.parametrize(
    "run",
    [
        lambda folder: geometry(3, 2, sparsity=[0.5], steps=1, folder=folder),
        lambda folder: saturation(3, [2], sparsity=[0.5], steps=1, folder=folder),
        lambda folder: phase(1, sparsity=[0.5], importance=[1.0], steps=1, folder=folder),
    ],
)
def test_a_folder_may_be_a_string(run: Any, tmp_path: Path) -> None:
    run(str(tmp_path / "cells"))
    assert list((tmp_path / "cells").iterdir())


@pytest.mark.parametrize(
    "call",
    [
        lambda: phase(1, importance=[0.0]),
        lambda: phase(1, sparsity=[0.5, 0.1]),
        lambda: phase(0),
        lambda: saturation(4, []),
        lambda: saturation(4, [2], biases=()),
        lambda: saturation(4, [2], biases="free"),
        lambda: geometry(4, 2, sparsity=[1.0]),
        lambda: dynamics(4, 2, steps=5, n_checkpoints=6),
        lambda: held_costs(0, [0.1], 1.0),
        lambda: held_costs(1, [0.1], "r"),
        lambda: classify(np.array([[np.nan]])),
        lambda: saturation(4, [2], device="nowhere"),
        lambda: phase(1, device="nowhere"),
        lambda: geometry(4, 2, device="nowhere"),
        lambda: dynamics(4, 2, device="nowhere"),
    ],
)
def test_bad_arguments(call: Any) -> None:
    with pytest.raises(ParameterError, match="must"):
        call()
