"""Damaged files of ours, whose archive or JSON is still valid: an error that says so, never anything raw."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import certificates as certificate
from featuregeom.codes import CodeCounter, pack
from featuregeom.errors import FeatureGeometryError, SourceError

ODD = [
    None, True, -1, 0, 3, 2**70, 1.5, float("nan"), float("inf"), "", "x", "\udcff", [], [[]], {}, {"a": 1}, [1, "b"],
    [[1, 2], [3]], "9" * 5000,
]  # fmt: skip
"""Values of every type that JSON has, of odd shapes and sizes."""


def mutated_json(value, rng):
    """Change, remove or add one value somewhere inside."""
    made = copy.deepcopy(value)
    node = made
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = keys[rng.integers(len(keys))]
        if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.7:
            node = node[key]
            continue
        if rng.random() < 0.25:
            del node[key]
        else:
            node[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
        break
    return made


def mutated_array(array, rng):
    odd = [
        lambda a: a.astype("U5"),
        lambda a: np.zeros(0),
        lambda a: np.zeros((2, 0, 3)),
        lambda a: np.array(["{", "[]"]),
        lambda a: a[None],
        lambda a: np.concatenate([a.ravel(), a.ravel()]),
        lambda a: a.ravel()[: a.size // 2],
        lambda a: np.array(-7),
        lambda a: np.full(a.shape, 2**40),
        lambda a: np.full(a.shape, np.nan),
        lambda a: np.array("null"),
        lambda a: np.zeros(a.shape, complex),
        lambda a: np.zeros(a.shape, "M8[s]"),
        lambda a: np.zeros(3, dtype=[("x", "f8")]),
    ]
    return odd[rng.integers(len(odd))](array)


def mutate_archive(path, rng):
    """Change, remove, rename or add one member of an ``.npz`` and write it as a valid one."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = sorted(arrays)[rng.integers(len(arrays))]
    match rng.integers(5):
        case 0:
            del arrays[name]
        case 1:
            arrays["picture/more"] = arrays[name]
        case 2 if arrays[name].dtype.kind == "U":
            try:
                text = json.dumps(mutated_json(json.loads(str(arrays[name])), rng))
            except (ValueError, TypeError):
                text = "x"
            arrays[name] = np.array(text)
        case _:
            arrays[name] = mutated_array(arrays[name], rng)
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    rng = np.random.default_rng(0)
    np.savez(folder / "x.npz", a=fg.shapes.polygon(5), b=rng.standard_normal((12, 4)), c=np.ones(3))
    fg.analyze(folder / "x.npz", out=folder / "out")
    return folder


def same_or_source_error(folder, before):
    """A damage is told, or has changed nothing."""
    try:
        found = fg.load(folder)
    except SourceError as error:
        assert str(folder) in str(error)  # noqa: PT017 - not raising is right, too
        return 1
    for name in ("matrices", "features", "blocks", "skipped"):
        one, other = (
            getattr(each, name).drop(columns="seconds", errors="ignore") for each in (found, before)
        )
        assert one.equals(other)
    return 0


def check_parts(analysed, tmp_path, count):
    before = fg.load(analysed / "out")
    rng = np.random.default_rng(1)
    told = 0
    for number in range(count):
        folder = tmp_path / str(number)
        shutil.copytree(analysed / "out", folder)
        mutate_archive(folder / "parts" / f"000{rng.integers(2)}.npz", rng)
        told += same_or_source_error(folder, before)
        if number % 10 == 0:
            fg.analyze(analysed / "x.npz", out=folder, resume=True)
            assert same_or_source_error(folder, before) == 0
        shutil.rmtree(folder)
    assert told > 0.9 * count


def check_plans(analysed, tmp_path, count):
    before = fg.load(analysed / "out")
    rng = np.random.default_rng(2)
    folder = tmp_path / "out"
    shutil.copytree(analysed / "out", folder)
    plan = json.loads((folder / "analysis.json").read_text())
    told = 0
    for _ in range(count):
        (folder / "analysis.json").write_text(json.dumps(mutated_json(plan, rng)))
        told += same_or_source_error(folder, before)
        with pytest.raises(FeatureGeometryError):
            fg.analyze(analysed / "x.npz", out=folder, resume=True, seed=1)
    assert told > 0.9 * count


def check_certificates(tmp_path, count):
    X = fg.shapes.icosahedron()
    claim = certificate.certify(fg.schemes.detect(X))
    path = tmp_path / "claim.json"
    rng = np.random.default_rng(3)
    told = 0
    for _ in range(count):
        path.write_text(json.dumps(mutated_json(claim, rng)))
        try:
            certificate.verify(certificate.load_certificate(path), X)
        except FeatureGeometryError:
            told += 1
    assert told > 0.3 * count


def check_counters(tmp_path, count):
    counter = CodeCounter(9)
    counter.update(pack(np.random.default_rng(0).standard_normal((50, 9))))
    saved, path = tmp_path / "saved.npz", tmp_path / "damaged.npz"
    counter.save(saved)
    rng = np.random.default_rng(4)
    told = 0
    for _ in range(count):
        shutil.copy(saved, path)
        mutate_archive(path, rng)
        try:
            CodeCounter.load(path).summary()
        except SourceError:
            told += 1
    assert told > 0.7 * count


def check_cells_of_toys(tmp_path, count):
    """A damaged cell is computed again: the numbers are those of the undamaged one."""
    pytest.importorskip("torch")
    from featuregeom.toys import experiments

    small = {
        "n_features": 4, "n_hidden": 2, "sparsity": [0.5], "batch_size": 8, "steps": 2, "folder": tmp_path / "toy",
    }  # fmt: skip
    first = experiments.geometry(**small)
    (path,) = (tmp_path / "toy").glob("*.npz")
    saved, rng = path.read_bytes(), np.random.default_rng(5)
    told = 0
    for _ in range(count):
        path.write_bytes(saved)
        mutate_archive(path, rng)
        damaged = path.read_bytes()
        np.testing.assert_array_equal(experiments.geometry(**small).capacity, first.capacity)
        told += path.read_bytes() != damaged
    assert told > 0.9 * count


def check_cells_of_charts(tmp_path, count):
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    from featuregeom.encoder import DataSet, phase

    rng, y = np.random.default_rng(6), np.arange(40) % 2
    data = DataSet(
        "set", *(part for X in rng.standard_normal((2, 40, 3)).astype(np.float32) for part in (X, y))
    )
    small = {"data": data, "widths": [2], "epochs": [1], "samples": [40], "repeats": 1}
    first = phase(tmp_path / "chart", **small)
    (cell,) = (tmp_path / "chart" / "cells").glob("*.json")
    for path in (cell, tmp_path / "chart" / "plan.json"):
        saved, told = path.read_text(), 0
        for _ in range(count):
            path.write_text(json.dumps(mutated_json(json.loads(saved), rng)))
            try:
                assert phase(tmp_path / "chart", resume=True, **small).cells.equals(first.cells)
            except FeatureGeometryError as error:
                assert path.name in str(error) or "other" in str(error)  # noqa: PT017 - not raising is right, too
                told += 1
        path.write_text(saved)
        assert told > 0.9 * count


def check_states_of_recorders(tmp_path, count):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(4, 3)

    def recorder():
        batches = [(torch.ones(5, 4), torch.arange(5) % 3)]
        return fg.formation.Recorder(model, batches, torch.nn.functional.cross_entropy, quantities=("loss",))

    first = recorder()
    first.record(0)
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(count):
        state = mutated_json(first.state_dict(), rng)
        try:
            recorder().load_state_dict(state)
        except FeatureGeometryError:
            told += 1
    assert told > 0.5 * count


CHECKS = {
    "certificates": check_certificates,
    "counters": check_counters,
    "toys": check_cells_of_toys,
    "charts": check_cells_of_charts,
    "recorders": check_states_of_recorders,
}


def test_damaged_parts(analysed, tmp_path):
    check_parts(analysed, tmp_path, 45)


def test_damaged_plans(analysed, tmp_path):
    check_plans(analysed, tmp_path, 45)


@pytest.mark.parametrize("name", CHECKS)
def test_other_damaged_files(tmp_path, name):
    CHECKS[name](tmp_path, 15 if name in ("toys", "charts") else 45)


@pytest.mark.slow
def test_damaged_files_in_full(analysed, tmp_path):
    for folder in ("parts", "plans", *CHECKS):
        (tmp_path / folder).mkdir()
    check_parts(analysed, tmp_path / "parts", 450)
    check_plans(analysed, tmp_path / "plans", 450)
    for name, check in CHECKS.items():
        check(tmp_path / name, 450)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "\xff", "NaN", '"x"', ""])
def test_a_plan_that_is_nothing_like_one(analysed, tmp_path, content):
    shutil.copytree(analysed / "out", tmp_path / "out")
    (tmp_path / "out" / "analysis.json").write_text(content, encoding="latin-1")
    with pytest.raises(SourceError, match=r"analysis\.json"):
        fg.load(tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x93NUMPY" + b"[" * 1000])
def test_arrays_that_commands_read_besides(tmp_path, content):
    """Points of a plane, labels of codes: no raw error of NumPy's, whatever is in the file."""
    from typer.testing import CliRunner

    from featuregeom.cli import app

    (tmp_path / "p.npy").write_bytes(content)
    np.save(tmp_path / "x.npy", np.eye(3))
    rng = np.random.default_rng(0)
    shapes = {"0.weight": (4, 2), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    np.savez(tmp_path / "net.npz", **{name: rng.standard_normal(shape) for name, shape in shapes.items()})
    for command in (
        ["codes", tmp_path / "x.npy", "--labels", tmp_path / "p.npy"],
        ["regions", "slice", tmp_path / "net.npz", "--points", tmp_path / "p.npy", "--out", tmp_path / "o"],
    ):
        said = CliRunner().invoke(app, list(map(str, command)))
        assert said.exit_code == 1
        assert said.output.startswith("error: ")
        assert "p.npy" in said.output


def test_checkpoints_of_the_demonstration(tmp_path):
    """Whole files of torch that hold something else."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from featuregeom.errors import OutputError
    from featuregeom.formation import demo

    path = tmp_path / "mlp.pt"
    demo.train_demo(tmp_path, steps=1)
    good = torch.load(path, weights_only=True)
    wrong = [
        {},
        3,
        good | {"step": "x"},
        good | {"model": None},
        good | {"recorder": {}},
        good | {"search": {}},
    ]
    wrong += [good | {"model": type(good["model"])({"0.weight": torch.ones(2)})}]
    for held in wrong:
        torch.save(held, path)
        with pytest.raises(OutputError, match=r"mlp\.pt"):
            demo.train_demo(tmp_path, steps=1)
