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


CHECKS = {"certificates": check_certificates, "counters": check_counters}


def test_damaged_parts(analysed, tmp_path):
    check_parts(analysed, tmp_path, 45)


def test_damaged_plans(analysed, tmp_path):
    check_plans(analysed, tmp_path, 45)


@pytest.mark.parametrize("name", CHECKS)
def test_other_damaged_files(tmp_path, name):
    CHECKS[name](tmp_path, 45)


@pytest.mark.slow
def test_damaged_files_in_full(analysed, tmp_path):
    for folder in ("parts", "plans", "certificates", "counters"):
        (tmp_path / folder).mkdir()
    check_parts(analysed, tmp_path / "parts", 450)
    check_plans(analysed, tmp_path / "plans", 450)
    check_certificates(tmp_path / "certificates", 450)
    check_counters(tmp_path / "counters", 450)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "\xff", "NaN", '"x"', ""])
def test_a_plan_that_is_nothing_like_one(analysed, tmp_path, content):
    shutil.copytree(analysed / "out", tmp_path / "out")
    (tmp_path / "out" / "analysis.json").write_text(content, encoding="latin-1")
    with pytest.raises(SourceError, match=r"analysis\.json"):
        fg.load(tmp_path / "out")
