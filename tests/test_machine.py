"""What an analysis takes: the counts of `estimate` against what is called, and seconds from constants."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom import _core
from featuregeom.cli import app
from featuregeom.dictionaries.cost import pair_operations
from featuregeom.errors import OutputError, ParameterError
from featuregeom.sources import TensorInfo
from featuregeom.survey import machine as module
from featuregeom.survey.plan import cost


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a size that takes no time."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_SIZES", ((10, 3),))
    return tmp_path / "cache"


def table(n, m):
    return cost(TensorInfo("w", (n, m), "float32", 4 * n * m))


@pytest.fixture
def counted(monkeypatch):
    """Operations of the products and decompositions that the core is asked for, counted at its door."""
    counts: Counter[str] = Counter()

    def watch(name, operations):
        real = getattr(_core, name)

        def call(*arguments, **options):
            counts[name] += operations(*arguments)
            return real(*arguments, **options)

        monkeypatch.setattr(_core, name, call)

    def of_operator(X, *_):
        return len(X) * X.shape[1] * (X.shape[1] + 1)

    def of_pairs(left, shares, right=None, *_):
        pairs = len(left) * (len(left) - 1) // 2 if right is None else len(left) * len(right)
        return 2 * pairs * (left.shape[1] + shares.shape[1])

    watch("frame_operator", of_operator)
    watch("eigh", lambda F, *_: 9 * len(F) ** 3)
    watch("measures", lambda X, values, *_: 2 * X.shape[0] * X.shape[1] * len(values))
    watch("sweep", lambda X, *_: len(X) * (len(X) - 1) * X.shape[1])
    watch("null_sweep", of_pairs)
    return counts


@pytest.mark.parametrize("shape", [(90, 20), (20, 90), (64, 64)])
def test_operations_are_those_that_are_asked_for(counted, shape):
    X = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = fg.estimate({"w": X}, pairs=False).matrices["w"]
    fg.analyze({"w": X}, pairs=False)
    # Before an analysis begins, a 1 x 1 matrix is measured for its options.
    assert counted["frame_operator"] - 2 == expected.frame
    assert counted["eigh"] - 9 == expected.eigen
    assert counted["sweep"] == counted["null_sweep"] == 0
    if shape[0] >= shape[1]:
        assert counted["measures"] - 2 == expected.measures


def test_operations_of_all_pairs_are_those_that_are_asked_for(counted):
    n, m = 300, 20
    X = np.random.default_rng(0).standard_normal((n, m)).astype(np.float32)
    fg.pairs.sweep(X)
    assert counted["sweep"] == table(n, m).sweep
    counted.clear()
    fg.pairs.significant(X, n_draws=0)
    # Each pair once, with cosines and spreads; of the parts' frame operators, each feature once.
    assert counted["null_sweep"] == 2 * n * (n - 1) * m
    assert counted["null_sweep"] + counted["eigh"] < pair_operations(n, m, 0)


def test_the_plan_of_the_how_to_is_what_estimate_counts():
    """Operations, and hours of a core that does 50 billion of them a second, to two digits."""
    text = (Path(__file__).parents[1] / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
    layer = [
        (8192, 8192),
        (1024, 8192),
        (1024, 8192),
        (8192, 8192),
        (28672, 8192),
        (28672, 8192),
        (8192, 28672),
    ]
    plans = {
        "a transformer of 70 billion": (80, layer),
        "10 000 dictionaries": (10_000, [(16384, 2304)]),
        "one dictionary of 16 million": (1, [(16_000_000, 12288)]),
    }
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if "e1" in line and "|" in line
    ]
    assert len(rows) == len(plans)
    for (what, *figures), (name, (times, shapes)) in zip(rows, plans.items(), strict=True):
        assert what.startswith(name)
        for pairs, (operations, hours) in ((True, figures[:2]), (False, figures[2:])):
            counted = times * sum(
                cost(TensorInfo("w", (n, m), "bfloat16", 2 * n * m), pairs=pairs).operations
                for n, m in shapes
            )
            assert f"{counted:.1e}".replace("e+", "e") == operations
            if hours != "not at this size":
                assert float(f"{counted / 50e9 / 3600:.2g}") == float(hours)


def test_bytes_are_those_of_the_file(tmp_path):
    X = np.zeros((70, 30), np.float16)
    np.save(tmp_path / "x.npy", X)
    estimate = fg.estimate(tmp_path / "x.npy")
    assert estimate.read == X.nbytes == (tmp_path / "x.npy").stat().st_size - 128


def test_constants_are_those_that_made_the_times():
    """Times made from known constants: the fit gives them back, and the times of other sizes."""
    costs = [table(n, m) for n, m in module._SIZES]
    assert len(costs) == 5
    random = np.random.default_rng(1)
    largest = {
        step: {term: max(module._sizes(each)[step][term] for each in costs) for term in terms}
        for step, terms in module._TERMS.items()
    }
    known = {
        step: {term: float(random.uniform(0.5, 2)) / size for term, size in terms.items()}
        for step, terms in largest.items()
    }
    taken = [
        {
            step: sum(known[step][term] * size for term, size in terms.items())
            for step, terms in module._sizes(each).items()
        }
        for each in costs
    ]
    found = module.fitted(costs, taken)
    for step, terms in known.items():
        assert found[step] == pytest.approx(terms, rel=1e-3), step
    machine = fg.survey.Machine("", "", "", 1, found, found)
    other = table(5000, 300)
    expected = sum(
        known[step][term] * size
        for step, terms in module._sizes(other).items()
        for term, size in terms.items()
    )
    assert machine.time(other) == pytest.approx((expected, expected), rel=1e-3)
    # Of several matrices, times add up; without pairs only what is left is counted.
    both = fg.survey.Estimate({"a": other, "b": other})
    assert machine.time(both) == pytest.approx(tuple(2 * part for part in machine.time(other)))
    alone = cost(TensorInfo("w", (5000, 300), "float32", 0), pairs=False)
    steps = module._sizes(alone)
    assert steps.keys() == {"frame", "measures", "rest"}
    assert machine.time(alone) < machine.time(other)


def test_constants_are_kept_for_the_machine_and_the_number_of_threads(cache, monkeypatch):
    assert fg.survey.Machine.kept(1) is None
    machine = fg.survey.calibrate(1)
    assert fg.survey.Machine.kept(1) == machine
    assert fg.survey.Machine.kept(2) is None
    assert all(second >= 0 for terms in machine.nothing.values() for second in terms.values())
    assert all(1e-3 < seconds < 60 for seconds in machine.time(table(10, 3)))
    again = fg.survey.calibrate(2)
    assert fg.survey.Machine.kept(1) == machine
    assert fg.survey.Machine.kept(2) == again
    monkeypatch.setenv("RAYON_NUM_THREADS", "2")
    assert fg.survey.Machine.kept() == again
    (path,) = cache.rglob("machine.json")
    stored = json.loads(path.read_text())
    assert len(stored) == 2
    for damage in (
        {"version": "0.0"},
        {"processor": "another"},
        {"nothing": {}},
        {"copies": 3},
        {"more": 1},
    ):
        path.write_text(json.dumps([stored[1] | damage]))
        assert fg.survey.Machine.kept() is None, damage
    path.write_text("[")
    assert fg.survey.Machine.kept() is None
    monkeypatch.setenv("FEATUREGEOM_SIMD", "scalar")
    assert fg.survey.Machine.kept(1) is None


def test_wrong_threads_and_a_folder_that_cannot_be_written(cache):
    with pytest.raises(ParameterError, match="num_threads"):
        fg.survey.calibrate(0)
    cache.write_text("a file")
    with pytest.raises(OutputError, match="cache"):
        fg.survey.calibrate(1)


def test_the_commands(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    np.save(tmp_path / "x.npy", np.eye(3))

    def invoke(*arguments):
        said = CliRunner().invoke(app, [*map(str, arguments)])
        assert said.exit_code == 0, said.output
        return said.stdout

    assert "featuregeom calibrate" in invoke("describe", tmp_path / "x.npy")
    assert json.loads(invoke("describe", tmp_path / "x.npy", "--json"))["seconds"] is None
    shown = json.loads(invoke("calibrate", "--threads", 1, "--json"))
    assert shown == vars(fg.survey.Machine.kept(1))
    assert "for each" in invoke("calibrate")
    seconds = json.loads(invoke("describe", tmp_path / "x.npy", "--json"))["seconds"]
    assert tuple(seconds) == fg.survey.Machine.kept(1).time(fg.estimate(tmp_path / "x.npy"))
    assert "of memory, about" in invoke("describe", tmp_path / "x.npy")


@pytest.mark.slow
def test_times_are_right_within_a_factor_of_three(tmp_path, monkeypatch):
    """Processor time of one thread, so that other work on the machine does not count."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine = fg.survey.calibrate(1, clock=time.process_time)
    random = np.random.default_rng(1)
    off = {}
    for n, m in ((400, 20), (4000, 64), (2000, 200), (20_000, 8), (300, 768), (8000, 128)):
        X = random.standard_normal((n, m)).astype(np.float32)
        for copies in (0, n // 50):
            X[:copies] = X[n // 2 : n // 2 + copies]
            for pairs in (True, False):
                start = time.process_time()
                fg.analyze({"w": X}, out=tmp_path / "out", force=True, pairs=pairs, num_threads=1)
                taken = time.process_time() - start
                said = machine.time(fg.estimate({"w": X}, pairs=pairs))[copies > 0]
                off[n, m, copies, pairs] = said / taken
    assert all(1 / 3 < ratio < 3 for ratio in off.values()), off
