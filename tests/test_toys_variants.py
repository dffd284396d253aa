"""Kinds of toys, sets of features, held biases, checkpoints, early stop, sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.toys.superposition import Kind, loss, sample, train
from featuregeom.toys.sweeps import sweep

pytest.importorskip("torch")


def test_features_together_and_apart() -> None:
    x = sample(6, 0.7, 1 << 17, together=[[0, 2]], apart=[[1, 3, 4]], seed=1)
    active = x > 0
    # Four standard deviations of a share of 0.3.
    assert active.mean(axis=0) == pytest.approx(0.3, abs=0.0051)
    np.testing.assert_array_equal(active[:, 0], active[:, 2])
    assert active[:, [1, 3, 4]].sum(axis=1).max() == 1
    assert (active[:, 0] & active[:, 1]).mean() == pytest.approx(0.09, abs=0.004)
    both = x[active[:, 0]][:, [0, 2]]
    assert abs(np.corrcoef(both.T)[0, 1]) < 4 / np.sqrt(len(both))
    for j in range(6):
        values = np.sort(x[active[:, j], j])
        assert np.abs(values - np.linspace(0, 1, len(values))).max() < 2.5 / np.sqrt(len(values))


def test_signed_values() -> None:
    x = sample(1, 0.5, 1 << 16, signed=True, seed=2)
    values = np.sort(x[x != 0])
    assert np.abs(values - np.linspace(-1, 1, len(values))).max() < 5 / np.sqrt(len(values))


@pytest.mark.parametrize(
    "sets",
    [
        {"together": [[0, 1], [1, 2]]},
        {"together": [[0, 1]], "apart": [[1, 2]]},
        {"apart": [[0, 3]]},
        {"apart": [[0, 1, 2]]},
    ],
)
def test_bad_sets(sets: Any) -> None:
    with pytest.raises(ParameterError, match="must"):
        sample(3, 0.5, 4, **sets)


def slow_output(kind: Kind, W: Any, V: Any, b: Any, x: Any) -> list[float]:
    n, m = W.shape
    hidden = [sum(W[i, a] * x[i] for i in range(n)) for a in range(m)]
    if kind in ("relu_hidden", "abs"):
        hidden = [max(0.0, value) for value in hidden]
    out = [sum((V if kind == "abs" else W)[j, a] * hidden[a] for a in range(m)) + b[j] for j in range(n)]
    return out if kind == "linear" else [max(0.0, value) for value in out]


@pytest.mark.parametrize("kind", ["relu", "linear", "relu_hidden", "abs"])
def test_loss_of_each_kind_against_loops(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    W, V, b, x = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.normal(size=4), rng.normal(size=(9, 4))
    wanted = np.abs(x) if kind == "abs" else x
    expected = np.mean([np.sum((wanted[k] - slow_output(kind, W, V, b, x[k])) ** 2) for k in range(len(x))])
    found = loss(W, b, x, kind=kind, V=V if kind == "abs" else None)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["linear", "relu_hidden", "abs"])
def test_training_follows_the_gradient(kind: Kind) -> None:
    # AdamW's first step has length learning_rate against the sign of each derivative, known by differences.
    settings: dict[str, Any] = {"sparsity": 0.2, "steps": 1, "batch_size": 1 << 15, "dtype": "float64"}
    start = train(3, 2, kind=kind, learning_rate=1e-12, **settings)
    step = train(3, 2, kind=kind, learning_rate=1e-3, schedule="constant", **settings)
    V = None if start.V is None else start.V[0].astype(np.float64)
    W, b = start.W[0].astype(np.float64), start.b[0].astype(np.float64)
    x = sample(3, 0.2, 1 << 15, seed=5, signed=kind == "abs")
    checked = 0
    for index in np.ndindex(W.shape):
        shift = np.zeros_like(W)
        shift[index] = 1e-4
        slope = (loss(W + shift, b, x, kind=kind, V=V) - loss(W - shift, b, x, kind=kind, V=V)) / 2e-4
        if abs(slope) > 0.03:
            assert np.sign(step.W[0][index] - W[index]) == -np.sign(slope)
            checked += 1
    assert checked >= 2


def test_linear_toy_learns_principal_components() -> None:
    # x has covariance c I and mean mu; with the best bias n - m directions cost their variance each, and W W^T
    # projects: p (4 - 3p) / 12 a direction. Elhage et al.: no superposition without a nonlinearity.
    toy = train(4, 2, sparsity=0.5, kind="linear", steps=1500, learning_rate=1e-2, n_instances=2)
    assert toy.loss.min() == pytest.approx(2 * 0.5 * 2.5 / 12, rel=0.02)
    W = toy.W[np.argmin(toy.loss)].astype(np.float64)
    np.testing.assert_allclose(np.linalg.svd(W, compute_uv=False), 1, atol=0.03)


def test_absolute_value_is_computed_with_two_neurons_a_feature() -> None:
    toy = train(1, 2, sparsity=0.0, kind="abs", steps=1500, learning_rate=2e-2, n_instances=8)
    # One neuron a sign computes abs(x) exactly.
    assert toy.loss.min() < 1e-4


def test_held_bias() -> None:
    held = train(3, 2, sparsity=0.5, steps=20, bias=-0.1)
    np.testing.assert_array_equal(held.b, np.full((1, 3), -0.1, dtype=np.float32))
    assert not np.any(train(3, 2, sparsity=0.5, steps=20, bias=None).b)


def test_checkpoints_are_the_run() -> None:
    settings: dict[str, Any] = {"sparsity": 0.5, "n_instances": 2, "schedule": "constant"}
    toy = train(3, 2, steps=30, checkpoints=[30, 0, 10, 10], **settings)
    assert toy.checkpoints is not None
    assert toy.checkpoints.steps.tolist() == [0, 10, 30]
    np.testing.assert_array_equal(toy.checkpoints.W[1], train(3, 2, steps=10, **settings).W)
    np.testing.assert_array_equal(toy.checkpoints.W[2], toy.W)
    np.testing.assert_array_equal(toy.checkpoints.b[2], toy.b)
    assert toy.checkpoints.trajectory(1).steps.tolist() == [0, 10, 30]
    assert train(3, 2, steps=2, **settings).checkpoints is None


@pytest.mark.parametrize("instance", [-1, 2, "a"])
def test_a_trajectory_of_no_instance(instance: Any) -> None:
    toy = train(3, 2, sparsity=0.5, n_instances=2, steps=2, checkpoints=[0, 2])
    with pytest.raises(ParameterError, match="instance must be an integer from 0 to 1"):
        toy.checkpoints.trajectory(instance)


def test_checkpoints_of_the_second_matrix() -> None:
    toy = train(2, 3, kind="abs", sparsity=0.5, steps=4, checkpoints=[0, 4], n_instances=2)
    assert toy.checkpoints is not None
    assert toy.checkpoints.V is not None
    assert toy.checkpoints.V.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(toy.checkpoints.V[-1], toy.V)
    assert np.any(toy.checkpoints.V[0] != toy.checkpoints.V[1])


def test_sweep_over_features() -> None:
    found = sweep(
        [2, 3],
        [1, 2],
        [0.1, 0.6],
        importance=[[[1, 1], [1, 2]], [1, 1, 1]],
        steps=2,
        batch_size=8,
        held_out=8,
    )
    frame = found.to_frame()
    assert frame.groupby(["n_features", "n_hidden"]).size().tolist() == [4, 4, 2, 2]
    assert sweep(2, 1, 0.5, steps=1, batch_size=8, held_out=8).to_frame()["n_hidden"].tolist() == [1]
    for bad, message in (
        ({"n_features": "a"}, "n_features must"),
        ({"importance": [[1, 1]]}, "importance must be one array for each"),
        ({"learning_rte": 1.0}, "learning_rte must be an argument of train"),
        ({"n_instances": 3}, "n_instances must be an argument of train"),
        ({"learning_rate": "a"}, "learning_rate must"),
    ):
        arguments: dict[str, Any] = {"n_features": [2, 3], "n_hidden": 1, "sparsity": 0.5} | bad
        with pytest.raises(ParameterError, match=message):
            sweep(**arguments)


def test_early_stop() -> None:
    seen: list[int] = []
    settings: dict[str, Any] = {"sparsity": 0.0, "schedule": "constant", "learning_rate": 1e-2}
    toy = train(
        1, 1, steps=5000, tolerance=0.5, window=100, progress=lambda done, _: seen.append(done), **settings
    )
    assert toy.steps < 5000
    assert toy.steps % 100 == 0
    assert seen[-1] == toy.steps
    np.testing.assert_array_equal(toy.W, train(1, 1, steps=toy.steps, **settings).W)


def test_compiled_without_a_compiler_gives_the_same() -> None:
    settings: dict[str, Any] = {"sparsity": 0.5, "steps": 5, "dtype": "float64"}
    plain = train(3, 2, **settings)
    np.testing.assert_allclose(train(3, 2, compile="eager", **settings).W, plain.W, rtol=1e-6)
    with pytest.warns(UserWarning, match=r"torch\.compile failed"):
        failed = train(3, 2, compile=_broken, **settings)  # type: ignore[arg-type]
    np.testing.assert_array_equal(failed.W, plain.W)


def _broken(*_: Any) -> Any:
    raise RuntimeError("no compiler")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "softmax"),
        ("bias", float("nan")),
        ("bias", "fixed"),
        ("checkpoints", [2]),
        ("checkpoints", [-1]),
        ("tolerance", 0.0),
        ("window", 0),
        ("held_out", 0),
    ],
)
def test_bad_arguments(name: str, value: object) -> None:
    arguments: dict[str, Any] = {"sparsity": 0.5, "steps": 1, name: value}
    with pytest.raises(ParameterError, match=rf"^{name} must"):
        train(3, 2, **arguments)


def test_bad_second_matrix() -> None:
    W, b, x = np.ones((3, 2)), np.zeros(3), np.ones((4, 3))
    with pytest.raises(ParameterError, match="V must be given"):
        loss(W, b, x, kind="abs")
    with pytest.raises(ParameterError, match="V must be given"):
        loss(W, b, x, V=W)
    with pytest.raises(ShapeError, match="shape of W"):
        loss(W, b, x, kind="abs", V=W.T)


def test_sweep_is_the_single_runs() -> None:
    settings: dict[str, Any] = {"steps": 10, "dtype": "float64", "batch_size": 64}
    found = sweep(3, [1, 2], [0.1, 0.6], importance=[[1, 1, 1], [1, 1, 2]], restarts=2, **settings)
    frame = found.to_frame()
    assert len(frame) == 16
    row = frame[(frame.n_hidden == 2) & (frame.sparsity == 0.6) & (frame.importance == 1)]
    instance = int(row["instance"].iloc[0])
    single = train(3, 2, sparsity=0.6, importance=[1, 1, 2], n_instances=instance + 1, **settings)
    np.testing.assert_allclose(found.toys[1].W[instance], single.W[-1], atol=1e-6)
    for bad in ({"n_hidden": []}, {"importance": [[1, 1, 1], [1, 1, 1]]}):
        arguments: dict[str, Any] = {"n_hidden": [1], "sparsity": 0.1} | bad
        with pytest.raises(ParameterError, match="must"):
            sweep(3, **arguments)
