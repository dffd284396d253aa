"""Memory that the system does not give: MemoryError with how much it was, and never the end of the process."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom import interruptible, kept, memory
from featuregeom.cli import app
from featuregeom.cli.terminal import messages
from featuregeom.regions.files import read_layers, read_points
from featuregeom.sources import open_source
from processes import run

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="RLIMIT_AS and /proc are Linux here"
)

_LIMITED = """
import resource
from pathlib import Path
import numpy as np
import featuregeom as fg
from featuregeom import _core
rng = np.random.default_rng(0)
X = rng.standard_normal((20000, 8))
row = lambda m: np.broadcast_to(rng.standard_normal((1, m)), (100, m))
words = rng.integers(0, 2**63, (200_000, 1), dtype=np.uint64)
{before}
_core.frame_operator(X)  # starts the threads
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (held + ({megabytes} << 20), most[1]))
try:
    {work}
    print("finished")
except MemoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, most)
assert np.allclose(_core.frame_operator(X), X.T @ X)
print("usable")
"""

_WORK = {
    "neighbours": ("", "_core.sweep(X, neighbours=2000)"),
    "bins": ("", "_core.sweep(X, bins=1 << 20)"),
    "frame operator": ("T = row(6000)", "_core.frame_operator(T)"),
    "capacity": ("T = row(6000)", "_core.capacities(T)"),
    "eigenvectors": ("F = np.eye(2500)", "_core.eigh(F)"),
    "eigenvalues": ("F = np.eye(2500)", "_core.eigvalsh(F)"),
    "norms": ("", "_core.squared_norms(np.broadcast_to(np.float32(1), (2_000_000_000, 2)))"),
    "measures": (
        "S = fg.spectra.spectrum(X)",
        "fg.spectra.measures(np.broadcast_to(np.float64(1), (50_000_000, 8)), S)",
    ),
    "packed codes": ("", "_core.pack_codes(np.broadcast_to(np.float32(1), (20_000_000, 64)))"),
    "nearest codes": ("", "_core.hamming_knn(words, words, 64, 200)"),
    "distances of codes": ("", "_core.hamming_distances(words, words, 64)"),
    "votes": (
        "labels = np.zeros(60_000, int)",
        "_core.hamming_vote(words[:60_000], labels, words[:2000], 64, 60_000)",
    ),
    "centres": (
        "tall = np.repeat(words[:2000], 100, 1)",
        "_core.k_majority(tall, 6400, 1500, rounds=3, seed=0)",
    ),
    "a counter": (
        "counter = _core.PatternCounter(64)",
        "[counter.update(rng.integers(0, 2**63, (50_000, 1), dtype=np.uint64), 64) for _ in range(200)]",
    ),
    "closure": (
        "R = np.ones((2500, 2500), dtype=np.uint32) - np.eye(2500, dtype=np.uint32)",
        "_core.scheme_closure(R)",
    ),
    "coordinates": ("G = np.eye(2000)", "_core.coordinates(G, G)"),
    "small blocks": (
        "members, offsets = np.arange(2_000_000) % len(X), np.arange(2_000_001)",
        "_core.scheme_blocks(X, members, offsets)",
    ),
    "cells of a plane": (
        "layer = (rng.standard_normal((400, 2)), 0.3 * rng.standard_normal(400))",
        "_core.network_cells([layer], (-1, 1, -1, 1), tolerance=1e-12, max_regions=10**8)",
    ),
    "a second layer": (
        "layer = (rng.standard_normal((150, 2)), 0.3 * rng.standard_normal(150)); "
        "second = (rng.standard_normal((900, 150)), np.zeros(900))",
        "_core.network_cells([layer, second], (-1, 1, -1, 1), tolerance=1e-12, max_regions=10**8)",
    ),
}


@pytest.mark.parametrize("name", list(_WORK))
def test_what_does_not_fit_is_a_memory_error_with_its_size(name: str) -> None:
    before, work = _WORK[name]
    said = run(_LIMITED.format(before=before, work=work, megabytes=60)).splitlines()
    assert said[0].startswith("this needs about "), said
    assert "GB of memory beside the features" in said[0]
    # What does not fit beside the rest: most often more than the 60 MB, at least a part of them that is no trifle.
    assert float(said[0].split()[3]) > 0.02, said
    assert said[-1] == "usable"


def test_counts_stay_right_when_memory_ends() -> None:
    """What was counted before the error is counted, whole blocks of it, and the counter goes on afterwards."""
    before = "counter = _core.PatternCounter(64)"
    work = """
    for _ in range(200):
        counter.update(rng.integers(0, 2**63, (50_000, 1), dtype=np.uint64), 64)
"""
    code = _LIMITED.format(before=before, work=work.strip(), megabytes=60)
    code += """
rows, distinct, following, _ = counter.totals()
assert rows == following == counter.counts().sum(), (rows, following)
assert len(np.unique(counter.words())) == distinct
counter.update(words, 64)
assert counter.totals()[0] == rows + len(words)
print("right")
"""
    assert run(code).splitlines()[-2:] == ["usable", "right"]


def test_little_work_needs_little_memory() -> None:
    said = run(_LIMITED.format(before="", work="_core.sweep(X[:2000], neighbours=3)", megabytes=60))
    assert said.split() == ["finished", "usable"]


def test_an_archive_is_refused_under_a_limit_of_the_process(tmp_path: Path) -> None:
    """By `analyze` from beginning to end: 256 MiB of zeros in a small file, with 200 MiB left."""
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1 << 21, 16)))
    code = f"""
import resource
from pathlib import Path
import featuregeom as fg
import scipy.special  # which every analysis imports, with 100 MiB of address space for its BLAS
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20), resource.getrlimit(resource.RLIMIT_AS)[1]))
try:
    fg.analyze({str(tmp_path / "bomb.npz")!r})
except MemoryError:
    print("refused")
"""
    assert run(code) == "refused\n"


def test_an_estimate_counts_what_is_not_read_in_place(tmp_path: Path) -> None:
    """By exactly the bytes of the tensor, beside what the analysis of the mapped file needs."""
    X = np.random.default_rng(0).standard_normal((500, 20))
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X)
    mapped = fg.estimate(tmp_path / "x.npy").memory
    assert fg.estimate(tmp_path / "x.npy", mmap=False).memory - mapped == X.nbytes
    assert fg.estimate(tmp_path / "x.npz").memory - mapped == X.nbytes
    assert fg.estimate(X).memory == mapped
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file({"x": X, "y": X}, tmp_path / "x.safetensors")
    assert fg.estimate(tmp_path / "x.safetensors").memory == mapped
    assert fg.estimate(tmp_path / "x.safetensors", mmap=False).memory - mapped == X.nbytes
    # A slice of an archive's stack is cut out of the whole.
    np.savez(tmp_path / "stack.npz", s=np.stack([X, X, X]))
    assert fg.estimate(tmp_path / "stack.npz").memory - mapped == 3 * X.nbytes


def test_what_is_larger_than_memory_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of an archive by the size that it declares: 64 MiB of zeros are 64 kB of it."""
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1 << 20, 8)))
    np.save(tmp_path / "large.npy", np.zeros((1 << 20, 8)))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 17
    monkeypatch.setattr(memory, "available", lambda: 1 << 25)
    monkeypatch.setattr(npy, "read_array", None)
    monkeypatch.setattr(np, "fromfile", None)
    for name, options in (("bomb.npz", {}), ("large.npy", {"mmap": False})):
        with (
            open_source(tmp_path / name, **options) as reader,
            pytest.raises(MemoryError, match=r"takes 67\.1 MB of memory, and 33\.6 MB are left"),
        ):
            reader.read(reader.tensors()[0].name)


def test_other_archives_are_refused_by_the_size_that_they_declare(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Networks, points, counters and parts of an analysis: what does not fit is no damage, and is not read."""
    weights = {"0.weight": np.zeros((1 << 10, 1 << 10)), "0.bias": np.zeros(1 << 10)}
    np.savez_compressed(tmp_path / "network.npz", **weights)
    np.save(tmp_path / "points.npy", np.zeros((1 << 10, 1 << 10)))
    counter = fg.codes.CodeCounter(1 << 14)
    counter.update(fg.codes.pack(np.eye(1 << 10, 1 << 14) > 0))
    counter.save(tmp_path / "counter.npz")
    kept.write_arrays(tmp_path / "part.npz", {"x": np.zeros((1 << 10, 1 << 10))})
    assert (tmp_path / "network.npz").stat().st_size < 1 << 15
    readers = {
        "network.npz": read_layers,
        "points.npy": lambda path: read_points(path, 1),
        "counter.npz": fg.codes.CodeCounter.load,
        "part.npz": kept.read_arrays,
    }
    for name, read in readers.items():
        read(tmp_path / name)
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    monkeypatch.setattr(npy, "read_array", None)
    for name, read in readers.items():
        with pytest.raises(MemoryError, match=rf"{name} takes \d\.\d+ MB of memory, and 1\.05 MB are left"):
            read(tmp_path / name)


def test_a_thread_without_room_is_a_memory_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of progress bars and of long calls; the terminal has one line, and the folder no result."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((50, 8)))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(MemoryError, match="can't start new thread"):
        interruptible.aside(np.linalg.svd, np.ones((300, 300)))
    # Only where somebody sees it does the bar have a thread.
    monkeypatch.setattr(messages, "is_interactive", True)
    said = CliRunner().invoke(app, ["analyze", str(tmp_path / "x.npy"), "--out", str(tmp_path / "out")])
    assert said.exit_code == 1
    assert "error: not enough memory: the progress bar cannot start" in said.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "out" / "matrices.parquet").exists()


_PEAKS = """
import gc, json, os
from pathlib import Path
import numpy as np, pandas, pyarrow, scipy.linalg, scipy.special, scipy.spatial
import featuregeom as fg

def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))

def measure(path, small, options):
    fg.analyze(small, **options)  # what is loaded and started once
    expected = fg.estimate(path, **options).memory
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    fg.analyze(path, **options)
    return expected, resident("VmHWM") - before

for case in json.loads({cases!r}):
    if not os.fork():
        print(json.dumps(measure(*case)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, case
"""


@pytest.mark.parametrize("pairs", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_estimates_are_above_the_measured_peak(pairs: bool, tmp_path: Path) -> None:
    """And at most three times it: of archives, unmapped and mapped files, without pairs and with them.

    The peak is that of the resident memory, in a process that has analysed a small file before. Pages of a mapped file
    count in it, and not in the estimate, for the system takes them back when it needs them: so its size is added.
    """
    rng = np.random.default_rng(0)
    files: list[tuple[str, dict[str, object], int]] = []
    for name, (n, m) in {"small": (500, 32), "large": (12_000, 256)}.items():
        X = rng.standard_normal((n, m)).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", X)
        np.savez(tmp_path / f"{name}.npz", w=X)
        np.savez_compressed(tmp_path / f"{name}.packed.npz", w=X)
        try:
            import torch
            from safetensors.torch import save_file
        except ImportError:
            continue
        torch.save({"w": torch.from_numpy(X)}, tmp_path / f"{name}.pt")
        save_file({"w": torch.from_numpy(X).bfloat16()}, tmp_path / f"{name}.safetensors")
    files += [(f"large.{kind}", {"pairs": pairs}, 0) for kind in ("npz", "packed.npz")]
    files.append(("large.npy", {"pairs": pairs, "mmap": False}, 0))
    mapped_files = (tmp_path / f"large.{kind}" for kind in ("pt", "safetensors"))
    files += [(path.name, {"pairs": pairs}, path.stat().st_size) for path in mapped_files if path.exists()]
    cases = [
        (str(tmp_path / name), str(tmp_path / ("small." + name.split(".", 1)[1])), options)
        for name, options, _ in files
    ]
    said = run(_PEAKS.format(cases=json.dumps(cases))).splitlines()
    for (name, options, mapped), line in zip(files, said, strict=True):
        expected, peak = json.loads(line)
        assert expected + mapped >= peak, (name, options, expected, peak)
        assert expected <= 3 * peak, (name, options, expected, peak)
