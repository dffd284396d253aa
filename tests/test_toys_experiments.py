"""The experiments on toys, at sizes of seconds, against exact costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featuregeom.errors import ParameterError
from featuregeom.toys.anchors import antipodal_cost, dropped_cost
from featuregeom.toys.experiments import dynamics, geometry, held_crossing, phase, saturation
from featuregeom.toys.experiments.phase import classify

pytest.importorskip("torch")


def test_held_solutions_cross_at_three_sevenths() -> None:
    found = held_crossing(size=1 << 19)
    np.testing.assert_allclose(found.antipodal, 2 * antipodal_cost(found.sparsity), rtol=0.01)
    np.testing.assert_allclose(found.dropped, dropped_cost(found.sparsity), rtol=0.01)
    assert abs(found.crossing - 3 / 7) < 0.02
    assert np.isnan(held_crossing([0.1, 0.2], size=1000).crossing)


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


def test_saturation_against_a_slow_version(tmp_path: Path) -> None:
    found = saturation(12, [2, 3], sparsity=[0.5, 0.95], steps=100, batch_size=64, folder=tmp_path)
    assert found.n_hidden.tolist() == [2, 2, 3, 3]
    assert found.sparsity.tolist() == [0.5, 0.95] * 2
    assert np.all((found.saturation > 0) & (found.saturation <= 1 + 1e-9))
    assert len(list(tmp_path.iterdir())) == 2
    assert found.by_range()["toys"].tolist() == [0, 2, 0, 2]


def test_dynamics() -> None:
    found = dynamics(5, 2, steps=200, n_checkpoints=10, batch_size=64)
    assert found.trajectory.steps.tolist() == list(range(0, 201, 20))
    W = found.toy.W[0].astype(np.float64)
    expected = np.linalg.svd(W, compute_uv=False) ** 2
    np.testing.assert_allclose(found.trajectory.eigenvalues[-1], expected, rtol=1e-6)
    assert found.to_frame()["jump"].sum() == len(found.jumps)


@pytest.mark.parametrize(
    "call",
    [
        lambda: phase(1, importance=[0.0]),
        lambda: phase(1, sparsity=[0.5, 0.1]),
        lambda: phase(0),
        lambda: saturation(4, []),
        lambda: geometry(4, 2, sparsity=[1.0]),
        lambda: dynamics(4, 2, steps=5, n_checkpoints=6),
    ],
)
def test_bad_arguments(call: Any) -> None:
    with pytest.raises(ParameterError, match="must"):
        call()
