"""The trainer of toy models, its loss, and the gallery that the demo ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

import featuregeom
from featuregeom.errors import ConvergenceError, MissingExtraError, OutputError, ParameterError, ShapeError
from featuregeom.toys import gallery
from featuregeom.toys.experiments.phase import expected_losses
from featuregeom.toys.gallery import GALLERY, Recipe, train_gallery, write_gallery
from featuregeom.toys.models import Kind, gradients
from featuregeom.toys.superposition import loss, sample, train

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

SHIPPED = Path(featuregeom.__path__[0]) / "demo_models.safetensors"

GEOMETRIES = {
    "toy_n5_m2": {np.cos(2 * np.pi / 5): 5, np.cos(4 * np.pi / 5): 5},
    "toy_n3_m2": {-1 / 2: 3},
    "toy_n4_m3": {-1 / 3: 6},
    "toy_n12_m3": {-1.0: 6, -1 / np.sqrt(5): 30, 1 / np.sqrt(5): 30},
    "toy_n20_m5": {-3 / 5: 40, 1 / 5: 80},
}
"""Distinct Gram values and their counts; the square antiprism's depend on its height."""


def cosines(W: NDArray[Any]) -> NDArray[np.float64]:
    """Sorted normalised Gram values of the features that are kept: free of rotation and permutation."""
    norms = np.linalg.norm(W.astype(np.float64), axis=1)
    kept = norms > 0.1 * norms.max()
    unit = W[kept] / norms[kept, None]
    return np.sort((unit @ unit.T)[np.triu_indices(int(kept.sum()), 1)])


def expected_cosines(name: str, W: NDArray[Any]) -> NDArray[np.float64]:
    if name != "toy_n8_m3":
        values = GEOMETRIES[name]
        return np.sort(np.repeat(list(values), list(values.values())))
    # Square antiprism with both squares at height +-z: across a square 2 z^2 - 1, along it z^2, between the
    # squares -z^2 +- (1 - z^2) / sqrt 2. Of the sorted values the last eight to a half are the edges.
    z2 = (1 + np.mean(np.sort(cosines(W))[8:12])) / 2
    values = [2 * z2 - 1, z2, -z2 + (1 - z2) / np.sqrt(2), -z2 - (1 - z2) / np.sqrt(2)]
    return np.sort(np.repeat(values, [4, 8, 8, 8]))


def slow_loss(W: NDArray[Any], b: NDArray[Any], x: NDArray[Any], importance: NDArray[Any]) -> float:
    """The loss written out index by index."""
    n, m = W.shape
    total = 0.0
    for row in x:
        hidden = [sum(W[i, a] * row[i] for i in range(n)) for a in range(m)]
        for j in range(n):
            output = max(0.0, sum(W[j, a] * hidden[a] for a in range(m)) + b[j])
            total += importance[j] * (row[j] - output) ** 2
    return total / len(x)


def test_loss_against_loops() -> None:
    rng = np.random.default_rng(0)
    W, b, importance = rng.normal(size=(5, 2)), rng.normal(size=5), rng.random(5)
    x = sample(5, 0.4, 30, seed=1)
    assert loss(W, b, x, importance) == pytest.approx(slow_loss(W, b, x, importance), rel=1e-12)
    assert loss(W, b, x) == pytest.approx(slow_loss(W, b, x, np.ones(5)), rel=1e-12)


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.7, 0.95])
def test_exact_costs(sparsity: float) -> None:
    x = sample(2, sparsity, 1 << 20, seed=2)
    dropped = loss(np.zeros((2, 1)), np.full(2, (1 - sparsity) / 2), x)
    pair = loss(np.array([[1.0], [-1.0]]), np.zeros(2), x)
    assert dropped / 2 == pytest.approx((1 - sparsity) * (1 + 3 * sparsity) / 12, rel=0.01)
    assert pair / 2 == pytest.approx((1 - sparsity) ** 2 / 6, rel=0.06 if sparsity > 0.9 else 0.01)


def test_sample_distribution() -> None:
    x = sample(3, 0.75, 1 << 18, seed=3)
    active = x > 0
    assert x.shape == (1 << 18, 3)
    assert active.mean(axis=0) == pytest.approx(0.25, abs=0.004)
    assert (active[:, 0] & active[:, 1]).mean() == pytest.approx(1 / 16, abs=0.003)
    values = np.sort(x[active])
    assert np.abs(values - np.linspace(0, 1, len(values))).max() < 0.005
    # The same seed gives the same u: where a sparser input is active, so is a denser one, at half the value.
    denser = sample(3, 0.5, 1 << 18, seed=3)
    np.testing.assert_allclose(denser[active], x[active] / 2)


def test_trained_values_reach_the_exact_costs() -> None:
    # (1 - S)^2 / 6 is the cost at norm 1 and bias 0. Free norms and biases cost 1.1 % less at S = 0.8 and 0.4 % less
    # at 0.9, free norms 0.7 % less at 0.8 (see antipodal_cost), so the biases are held at S = 0.8. The same inputs for
    # the trained and the exact pair take most of the sampling noise out of their ratio.
    settings: dict[str, Any] = {
        "steps": 1500,
        "batch_size": 512,
        "learning_rate": 2e-2,
        "schedule": "exponential",
    }
    for sparsity, bias in ((0.8, None), (0.9, "trained")):
        toy = train(2, 1, sparsity=sparsity, n_instances=6, bias=bias, **settings)
        best, x = np.argmin(toy.loss), sample(2, sparsity, 1 << 21, seed=4)
        pair = loss(toy.W[best], toy.b[best], x)
        assert pair / loss([[1.0], [-1.0]], [0.0, 0.0], x) == pytest.approx(1, abs=0.01)
        assert pair / 2 == pytest.approx((1 - sparsity) ** 2 / 6, rel=0.01)
    # Of two features the one of importance 0.05 is dropped, and costs its variance.
    for sparsity in (0.0, 0.3):
        toy = train(2, 1, sparsity=sparsity, n_instances=6, importance=[1, 0.05], **settings)
        cost = (1 - sparsity) * (1 + 3 * sparsity) / 12
        assert toy.loss.min() / 0.05 == pytest.approx(cost, rel=0.01)
    # All importance on one feature: it is kept, and what is left is nothing.
    toy = train(2, 1, sparsity=0.5, importance=[1, 0], n_instances=4, steps=1500, learning_rate=1e-2)
    assert toy.loss.min() < 1e-3


@pytest.mark.parametrize("sparsity", [3 / 7, 0.8])
def test_a_trained_pair_gains_by_its_norm(sparsity: float) -> None:
    toy = train(
        2, 1, sparsity=sparsity, n_instances=4, bias=None, steps=1500, batch_size=512, learning_rate=2e-2,
        schedule="exponential",
    )  # fmt: skip
    p = 1 - sparsity
    gain = p / (96 * ((1 - p) / 3 + p / 12))
    pair = expected_losses(toy).min() / (p**2 / 3)
    assert pair == pytest.approx(1 - gain, abs=2e-3)
    assert (abs(pair - 1) < 0.01) == (sparsity > 0.75)


def test_result() -> None:
    toy = train(4, 2, sparsity=[0.1, 0.8], n_instances=2, importance=[1, 2, 3, 4], steps=3, seed=7)
    assert toy.W.shape == (2, 4, 2)
    assert toy.b.shape == (2, 4)
    assert toy.W.dtype == toy.b.dtype == np.float32
    assert toy.loss.shape == (2,)
    assert (toy.seed, toy.steps) == (7, 3)
    np.testing.assert_array_equal(toy.sparsity, [0.1, 0.8])
    np.testing.assert_array_equal(toy.importance, [[1, 2, 3, 4]] * 2)
    for k in range(2):
        fresh = sample(4, toy.sparsity[k], 1 << 17, seed=99)
        assert toy.loss[k] == pytest.approx(loss(toy.W[k], toy.b[k], fresh, toy.importance[k]), rel=0.02)


def test_same_seed_same_bits_and_no_global_generator() -> None:
    def run(seed: int) -> Any:
        return train(5, 2, sparsity=0.8, n_instances=3, steps=50, seed=seed)

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    second, other = run(4), run(5)
    np.testing.assert_array_equal(first.W, second.W)
    np.testing.assert_array_equal(first.b, second.b)
    np.testing.assert_array_equal(first.loss, second.loss)
    assert not np.array_equal(first.W, other.W)


def test_an_instance_does_not_depend_on_the_others() -> None:
    many = train(5, 2, sparsity=0.8, n_instances=6, steps=100, dtype="float64")
    few = train(5, 2, sparsity=0.8, n_instances=2, steps=100, dtype="float64")
    np.testing.assert_allclose(few.W, many.W[:2], atol=1e-6)
    swept = train(5, 2, sparsity=[0.8, 0.8, 0.3], n_instances=3, steps=100, dtype="float64")
    np.testing.assert_allclose(few.W, swept.W[:2], atol=1e-6)


def test_one_step_is_the_gradient_of_the_loss() -> None:
    # Adam's first step has length learning_rate along the sign of the gradient: check the sign numerically.
    settings: dict[str, Any] = {"sparsity": 0.2, "steps": 1, "batch_size": 1 << 16, "dtype": "float64"}
    start = train(3, 2, learning_rate=1e-12, **settings)
    step = train(3, 2, learning_rate=1e-3, schedule="constant", **settings)
    W, b = start.W[0].astype(np.float64), start.b[0].astype(np.float64)
    x = sample(3, 0.2, 1 << 16, seed=5)
    for index in np.ndindex(W.shape):
        shift = np.zeros_like(W)
        shift[index] = 1e-4
        slope = (loss(W + shift, b, x) - loss(W - shift, b, x)) / 2e-4
        if abs(slope) > 0.02:
            assert np.sign(step.W[0][index] - W[index]) == -np.sign(slope)


def test_weight_decay_shrinks() -> None:
    plain = train(4, 2, sparsity=0.5, steps=200)
    decayed = train(4, 2, sparsity=0.5, steps=200, weight_decay=10.0)
    assert np.linalg.norm(decayed.W) < 0.8 * np.linalg.norm(plain.W)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("own", [False, True])
def test_gradients_against_autograd(kind: Kind, own: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    W, V, b, weight = draw(3, 5, 2), draw(3, 5, 2), draw(3, 5), draw(3, 5).abs()
    x = draw(3, 5, 40) if own else draw(5, 40)
    second = V if kind == "abs" else None
    leaves = [tensor.requires_grad_() for tensor in (W, b, *([V] if kind == "abs" else []))]
    hidden = torch.einsum("kim,kis->kms" if own else "kim,is->kms", W, x)
    hidden = hidden.relu() if kind in ("relu_hidden", "abs") else hidden
    output = torch.einsum("kjm,kms->kjs", V if kind == "abs" else W, hidden) + b[:, :, None]
    output = output if kind == "linear" else output.relu()
    losses = (weight[:, :, None] * ((x.abs() if kind == "abs" else x) - output) ** 2).sum((1, 2))
    expected = torch.autograd.grad(losses.sum(), leaves)
    with torch.no_grad():
        found = gradients(torch, kind, W, b, x, second, weight, True)
        torch.testing.assert_close(found[3], losses)
        unasked = gradients(torch, kind, W, b, x, second, weight, False)
    for one in (found, unasked):
        for gradient, wanted in zip(one, expected, strict=False):
            torch.testing.assert_close(gradient, wanted)
    assert unasked[3] is None


def test_held_out_losses_are_those_of_the_single_toys() -> None:
    toy = train(
        4, 2, sparsity=[0.1, 0.1, 0.8], n_instances=3, importance=[1, 2, 3, 4], steps=3, held_out=1000
    )
    u = np.random.default_rng(int(np.random.SeedSequence(0).generate_state(3)[2])).random((1000, 4))
    for k, S in enumerate(toy.sparsity):
        x = np.where(u < 1 - S, u / (1 - S), 0.0)
        assert toy.loss[k] == pytest.approx(loss(toy.W[k], toy.b[k], x, [1, 2, 3, 4]), rel=1e-12)
        of_inputs = [loss(toy.W[k], toy.b[k], row[None], [1, 2, 3, 4]) for row in x]
        assert toy.loss_error[k] == pytest.approx(np.std(of_inputs, ddof=1) / np.sqrt(1000), rel=1e-9)


def test_the_standard_error_is_the_scatter_of_the_loss() -> None:
    """The same toy on the held-out inputs of other seeds: its weights do not move at so small a rate."""
    toys = [
        train(2, 1, sparsity=0.9, steps=1, learning_rate=1e-30, seed=seed, held_out=1 << 12)
        for seed in range(40)
    ]
    scores = []
    for toy in toys:
        exact = expected_losses(toy)
        scores.append((toy.loss - exact) / toy.loss_error)
    assert 0.7 < np.std(scores) < 1.4
    assert abs(np.mean(scores)) < 4 / np.sqrt(40)
    single = train(2, 1, sparsity=0.9, steps=1, held_out=1)
    assert np.isnan(single.loss_error).all()


def test_divergence_is_reported() -> None:
    with pytest.raises(ConvergenceError, match=r"instance 0 ceased to be finite between steps \d+ and \d+"):
        train(3, 2, sparsity=0.5, steps=300, learning_rate=1e30, schedule="constant", n_instances=2)


def test_torch_parameters_are_taken() -> None:
    W, b = torch.nn.Parameter(torch.eye(2)), torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16))
    x = torch.rand(7, 2, dtype=torch.float64)
    assert loss(W, b, x) == pytest.approx(0, abs=1e-30)
    assert loss(W, b, torch.zeros(3, 2, requires_grad=True)) == 0


@pytest.mark.parametrize("name", ["W", "b", "x", "importance"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, "a", 1j])
def test_loss_refuses_what_is_not_a_finite_number(name: str, bad: object) -> None:
    arguments: dict[str, Any] = {"W": [[1.0]], "b": [0.0], "x": [[1.0]], "importance": [1.0]}
    arguments[name] = [[bad]] if name in "Wx" else [bad]
    with pytest.raises(ParameterError, match=rf"^{name} must be"):
        loss(**arguments)


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    train(2, 1, sparsity=0.5, steps=250, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (250, 250)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert 50 <= len(seen) <= 150

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(2, 1, sparsity=0.5, steps=250, progress=interrupt)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_features", 0),
        ("n_features", 2.5),
        ("n_hidden", -1),
        ("n_instances", 0),
        ("steps", 0),
        ("batch_size", 0),
        ("seed", -1),
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("sparsity", [0.1, 0.2]),
        ("sparsity", "high"),
        ("importance", [1.0]),
        ("importance", [1.0, 1.0, -1.0]),
        ("importance", [1.0, 1.0, float("inf")]),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1e-3),
        ("schedule", "step"),
        ("dtype", "float16"),
        ("device", "nowhere"),
        ("device", "meta"),
        ("device", "cuda:99"),
        ("learning_rate", "fast"),
        ("learning_rate", None),
        ("weight_decay", [1.0, 2.0]),
        ("tolerance", "small"),
        ("schedule", ["cosine"]),
        ("checkpoints", 3),
        ("together", 3),
        ("together", [1, 2]),
        ("progress", 5),
    ],
)
def test_bad_arguments(name: str, value: object) -> None:
    arguments: dict[str, Any] = {"n_features": 3, "n_hidden": 2, "sparsity": 0.5, "steps": 1, name: value}
    with pytest.raises(ParameterError, match=rf"^{name} must"):
        train(**arguments)


def test_bad_shapes_of_loss() -> None:
    W, b, x = np.ones((3, 2)), np.zeros(3), np.ones((4, 3))
    bad: list[Callable[[], float]] = [
        lambda: loss(W[0], b, x),
        lambda: loss(W, b[:2], x),
        lambda: loss(W, b, x.T),
        lambda: loss(W, b, x[:0]),
        lambda: loss(W, b, x, [1.0]),
    ]
    for call in bad:
        with pytest.raises(ShapeError, match="do not fit"):
            call()


def test_import_needs_no_torch_and_training_names_the_extra() -> None:
    code = (
        "import sys; import featuregeom.toys.gallery as g\n"
        "assert 'torch' not in sys.modules and 'safetensors' not in sys.modules\n"
        "sys.modules['torch'] = None\n"
        "from featuregeom.errors import MissingExtraError\n"
        "for call in (g.train_gallery, lambda: g.write_gallery('nowhere/x')):\n"
        "    try: call()\n"
        "    except MissingExtraError as error: assert 'featuregeom[torch]' in str(error)\n"
        "    else: raise SystemExit(1)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert issubclass(MissingExtraError, ImportError)


def test_restarts_agree() -> None:
    """Among the restarts within 1 % of the best loss, 95 % have the geometry of the best."""
    toy = Recipe(5, 2, sparsity=0.9, n_instances=24, steps=1500).train(seed=3)
    close = np.flatnonzero(toy.loss <= 1.01 * toy.loss.min())
    best = cosines(toy.W[np.argmin(toy.loss)])
    agree = [np.allclose(cosines(toy.W[k]), best, atol=0.02) for k in close]
    assert len(close) >= 3
    assert np.mean(agree) >= 0.95


def test_shipped_file() -> None:
    with safetensors.safe_open(SHIPPED, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        made = json.loads(file.metadata()["featuregeom"])
    assert SHIPPED.stat().st_size < 8192
    assert sorted(tensors) == sorted(recipe.name for recipe in GALLERY)
    assert made["seed"] == 0
    assert made["training"] == gallery.training_settings()
    for recipe in GALLERY:
        W = tensors[recipe.name]
        assert W.shape == (recipe.n_features, recipe.n_hidden)
        assert W.dtype == np.float32
        assert np.isfinite(W).all()
        np.testing.assert_allclose(cosines(W), expected_cosines(recipe.name, W), atol=0.012)


def test_shipped_eigenvalues_are_degenerate() -> None:
    from safetensors.numpy import load_file

    for name, W in load_file(SHIPPED).items():
        eigenvalues = np.linalg.svd(W.astype(np.float64), compute_uv=False) ** 2
        if name == "toy_n8_m3":
            assert eigenvalues[2] < 0.9 * eigenvalues[1]
            eigenvalues = eigenvalues[:2]
        assert eigenvalues[0] / eigenvalues[-1] < 1.005


def check_against_shipped(tensors: dict[str, NDArray[np.float32]], atol: float) -> None:
    from safetensors.numpy import load_file

    shipped = load_file(SHIPPED)
    assert sorted(tensors) == sorted(shipped)
    for name, W in tensors.items():
        np.testing.assert_allclose(cosines(W), cosines(shipped[name]), atol=atol, err_msg=name)


@pytest.mark.parametrize("n", [5, 8, 20])
def test_quick_retraining_finds_the_shipped_geometry(n: int) -> None:
    from safetensors.numpy import load_file

    recipe = replace(next(r for r in GALLERY if r.n_features == n), n_instances=8, steps=1500)
    toy = recipe.train(seed=11)
    W = toy.W[np.argmin(toy.loss)]
    np.testing.assert_allclose(cosines(W), cosines(load_file(SHIPPED)[recipe.name]), atol=0.04)


@pytest.mark.slow
def test_retraining_finds_the_shipped_geometries() -> None:
    check_against_shipped(train_gallery(seed=12), atol=0.02)


def test_write_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import load_file

    tiny = tuple(replace(recipe, n_instances=2, steps=20) for recipe in GALLERY[:2])
    monkeypatch.setattr(gallery, "GALLERY", tiny)
    seen: list[tuple[int, int]] = []
    path = tmp_path / "toys.safetensors"
    write_gallery(path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    first = path.read_bytes()
    write_gallery(path)
    assert path.read_bytes() == first
    expected = train_gallery()
    for name, W in load_file(path).items():
        np.testing.assert_array_equal(W, expected[name])
    with pytest.raises(OutputError, match="missing"):
        write_gallery(tmp_path / "missing" / "toys.safetensors")
    with pytest.raises(OutputError, match="below a file"):
        write_gallery(path / "below a file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder"):
        write_gallery(tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", path.name]
