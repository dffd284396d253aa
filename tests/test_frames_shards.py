"""Matrices of very many rows: the frame operator shard by shard, stopped and resumed, and what memory it takes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import _core
from featuregeom.errors import NonFiniteError
from featuregeom.frames import shards
from featuregeom.frames.shards import operator_by_shards
from processes import run


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 100)


@pytest.fixture(name="X")
def matrix():
    return np.random.default_rng(0).standard_normal((350, 12)).astype(np.float32)


class Kept:
    def __init__(self):
        self.sums = []

    def read(self):
        return self.sums[-1] if self.sums else None

    def write(self, rows, operator):
        self.sums.append((rows, operator))


def test_it_is_the_frame_operator_and_goes_on_to_the_same_bits(X):
    wide = X.astype(np.float64)
    whole = operator_by_shards(X)
    assert np.abs(whole - wide.T @ wide).max() < 1e-12 * len(X)
    kept = Kept()
    assert np.array_equal(operator_by_shards(X, kept=kept), whole)
    assert [rows for rows, _ in kept.sums] == [100, 200, 300]
    for rows, operator in kept.sums:
        assert np.abs(operator - wide[:rows].T @ wide[:rows]).max() < 1e-12 * len(X)
    seen = []
    for number in range(1, 4):
        begun = Kept()
        begun.sums = kept.sums[:number]
        found = operator_by_shards(X, kept=begun, progress=lambda done, total: seen.append((done, total)))
        assert np.array_equal(found, whole)
    assert {total for _, total in seen} == {350}
    assert min(done for done, _ in seen) >= 100


def test_rows_that_no_float_can_square_are_an_error_only_if_no_others_help(X):
    wide = X.astype(np.float64)
    wide[100:200] *= 1e-170
    assert np.allclose(operator_by_shards(wide), wide.T @ wide, rtol=1e-12)
    wide[250, 3] = np.nan
    with pytest.raises(NonFiniteError):
        operator_by_shards(wide)
    with pytest.raises(NonFiniteError, match="row 250, column 3"):
        fg.spectra.spectrum(wide)


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "lock" not in path.name
    }


@pytest.mark.parametrize("shard", [1, 2, 3])
def test_a_run_stopped_within_a_matrix_goes_on_from_its_last_shard(X, tmp_path, monkeypatch, shard):
    np.savez(tmp_path / "x.npz", a=X[:50], b=X)
    source = tmp_path / "x.npz"
    fg.analyze(source, out=tmp_path / "whole", pairs=False)
    real, rows = _core.frame_operator, []

    def watched(values, **options):
        if len(values) > 1 and len(rows) == 1 + shard:  # one call for a, then shards of b
            raise KeyboardInterrupt
        rows.append(len(values)) if len(values) > 1 else None
        return real(values, **options)

    monkeypatch.setattr(_core, "frame_operator", watched)
    with pytest.raises(KeyboardInterrupt):
        fg.analyze(source, out=tmp_path / "out", pairs=False)
    # What is kept: a, and what was summed of b.
    assert {path.name for path in (tmp_path / "out" / "parts").iterdir()} == {"0000.npz", "0001.sum.npz"}
    assert len(fg.load(tmp_path / "out").matrices) == 1
    rows.clear()
    monkeypatch.setattr(
        _core, "frame_operator", lambda values, **options: rows.append(len(values)) or real(values, **options)
    )
    fg.analyze(source, out=tmp_path / "out", pairs=False, resume=True)
    assert [count for count in rows if count > 1] == [100, 100, 100, 50][shard:]
    ours, theirs = contents(tmp_path / "out"), contents(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    tables = [name for name in theirs if name.endswith(".parquet") or name == "summary.json"]
    assert len(tables) >= 3
    assert all(ours[name] == theirs[name] for name in tables)


def test_a_damaged_or_foreign_sum_is_not_used(X, tmp_path):
    from featuregeom.survey.parts import SumFile

    kept = SumFile(tmp_path / "0001.sum.npz", "plan", "b")
    assert kept.read() is None
    kept.write(100, np.eye(3))
    rows, operator = kept.read()
    assert rows == 100
    assert np.array_equal(operator, np.eye(3))
    assert SumFile(tmp_path / "0001.sum.npz", "another plan", "b").read() is None
    assert SumFile(tmp_path / "0001.sum.npz", "plan", "c").read() is None
    path = tmp_path / "0001.sum.npz"
    whole = path.read_bytes()
    for damaged in (whole[:-30], whole.replace(b"\xf0?", b"\xf1?", 1), b""):
        path.write_bytes(damaged)
        assert kept.read() is None


@pytest.mark.slow
def test_memory_of_a_hundred_thousand_rows_of_width_2304(tmp_path):
    """A tenth of a million features in bfloat16, 461 MB: anonymous memory, which mapped pages are not."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file({"W": torch.randn(100_000, 2304, dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    code = f"""
import json, threading, time
from pathlib import Path
import featuregeom as fg
most = [0]
def watch():
    while True:
        lines = Path("/proc/self/status").read_text().splitlines()
        most[0] = max(most[0], next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")))
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()
start = time.process_time()
found = fg.analyze({str(tmp_path / "x.safetensors")!r}, pairs=False, out={str(tmp_path / "out")!r})
print(json.dumps({{"most": most[0], "seconds": time.process_time() - start, "n": int(found.matrices["n"].iloc[0])}}))
"""
    said = json.loads(run(code))
    print(said)
    assert said["n"] == 100_000
    assert said["most"] < 1.5e9
