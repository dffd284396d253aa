"""Whose a folder of results is: locks between real processes, sources that change, results that are not replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.atomic import replacing
from featuregeom.cli import app
from featuregeom.errors import OutputError, ParameterError, SourceError
from featuregeom.folders import locked

TABLES = ("matrices.parquet", "features.parquet", "blocks.parquet")

SLOW = """
import sys, time
from pathlib import Path
import featuregeom as fg
source, out, began, go = sys.argv[1:]

def wait(state):
    Path(began).touch()
    while not Path(go).exists():
        time.sleep(0.01)

fg.analyze(source, out=out, num_threads=1, progress=wait)
"""
"""An analysis that says when it has begun, and then waits until it may go on."""


def write(path: Path, seed: int, n_matrices: int = 3) -> Path:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{f"w{k}": rng.standard_normal((6, 5)) for k in range(n_matrices)})
    return path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def running(tmp_path):
    """A process in the middle of analysing ``a.npz`` into ``out``; and the way to let it end."""
    source = write(tmp_path / "a.npz", 0)
    began, go = tmp_path / "began", tmp_path / "go"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(source), str(tmp_path / "out"), str(began), str(go)],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: began.exists() or process.poll() is not None)

    def end():
        go.touch()
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said

    yield process, end
    process.kill()
    process.communicate()


def test_of_two_processes_one_wins_and_the_other_is_refused_at_once(running, tmp_path):
    process, end = running
    out, other = tmp_path / "out", write(tmp_path / "b.npz", 1)
    for how in ({}, {"force": True}, {"resume": True}):
        begin = time.monotonic()
        with pytest.raises(OutputError, match=rf"being written by another run \(process {process.pid}\)"):
            fg.analyze(other, out=out, **how)
        assert time.monotonic() - begin < 5
    said = CliRunner().invoke(app, ["scheme", str(other), "--tensor", "w0", "--out", str(out)])
    assert said.exit_code == 1
    assert "being written by another run" in said.output
    end()
    clean = fg.analyze(tmp_path / "a.npz", out=tmp_path / "clean")
    for name in TABLES:
        assert (out / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()
    pd.testing.assert_frame_equal(fg.load(out).features, clean.features)
    assert not list(out.glob(".*"))


def test_of_many_processes_that_start_together_all_tables_are_of_one(tmp_path):
    sources = [write(tmp_path / f"{k}.npz", k) for k in range(4)]
    code = "import sys, featuregeom as fg; fg.analyze(sys.argv[1], out=sys.argv[2], num_threads=1)"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(source), str(tmp_path / "out")],
            stderr=subprocess.PIPE,
            text=True,
        )
        for source in sources
    ]
    said = [child.communicate(timeout=120)[1] for child in children]
    won = [k for k, child in enumerate(children) if child.returncode == 0]
    assert len(won) == 1, said
    for k, text in enumerate(said):
        assert k in won or "another run" in text or "of another source" in text, text
    fg.analyze(sources[won[0]], out=tmp_path / "clean")
    for name in TABLES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_lock_dies_with_its_process(running, tmp_path):
    process, _ = running
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "out" / ".featuregeom.lock").exists()
    assert len(fg.analyze(tmp_path / "a.npz", out=tmp_path / "out", resume=True).matrices) == 3
    assert not (tmp_path / "out" / ".featuregeom.lock").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_neither_holds_nor_ends_the_lock_of_its_parent(tmp_path):
    """A parent that is killed leaves a child that lives on; a child that ends leaves its parent's lock."""
    out = tmp_path / "out"
    code = f"""
import os, sys, time
from pathlib import Path
from featuregeom.folders import locked
with locked(Path({str(out)!r})):
    if os.fork() == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    if os.fork() == 0:
        sys.exit()  # leaves the block as if it were its own
    os.wait()
    print("ready", flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout.readline() == "ready\n"
        with pytest.raises(OutputError, match="another run"), locked(out):
            pass
        parent.kill()
        parent.wait()
        with locked(out):
            pass
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()


def test_of_two_threads_of_one_process_one_is_refused(tmp_path):
    source, out = write(tmp_path / "a.npz", 0), tmp_path / "out"
    refused = []

    def second():
        with pytest.raises(OutputError, match=f"process {os.getpid()}") as caught:
            fg.analyze(source, out=out)
        refused.append(caught.value)

    def once(_):
        if not refused:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    assert len(fg.analyze(source, out=out, progress=once).matrices) == 3
    assert len(refused) == 1


def test_reading_the_lock_does_not_end_it(tmp_path):
    with locked(tmp_path):
        contents(tmp_path)
        with pytest.raises(OutputError, match="another run"), locked(tmp_path):
            pass


def test_a_disk_without_locks_is_warned_about(tmp_path, monkeypatch):
    """As the system says it of some network disks; what is written is still of one plan."""
    fcntl = pytest.importorskip("fcntl")

    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    source, other = write(tmp_path / "a.npz", 0), write(tmp_path / "b.npz", 1)
    out = tmp_path / "out"
    begun = []

    def interfere(_):
        if not begun:
            begun.append(True)
            with pytest.warns(UserWarning, match="has no locks"):
                fg.analyze(other, out=out, force=True)

    with (
        pytest.warns(UserWarning, match="has no locks"),
        pytest.raises(OutputError, match="another analysis has begun"),
    ):
        fg.analyze(source, out=out, progress=interfere)
    assert fg.load(out).provenance["source"] == str(other)
    assert len(fg.load(out).matrices) == 3


def test_nothing_is_left_of_a_folder_in_which_nothing_was_written(tmp_path):
    with locked(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()


def test_a_lock_that_is_a_link_writes_nothing_elsewhere(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".featuregeom.lock").symlink_to(precious)
    with pytest.raises(OutputError, match=r"\.featuregeom\.lock"), locked(tmp_path / "out"):
        pass
    assert precious.read_text() == "mine"


def test_a_part_of_another_plan_is_neither_read_nor_resumed(tmp_path):
    one, two = write(tmp_path / "1.npz", 1), write(tmp_path / "2.npz", 2)
    a, b = tmp_path / "a", tmp_path / "b"
    fg.analyze(one, out=a)
    fg.analyze(two, out=b)
    tables = {name: (a / name).read_bytes() for name in TABLES}
    (a / "parts" / "0001.npz").write_bytes((b / "parts" / "0001.npz").read_bytes())
    with pytest.raises(SourceError, match=r"0001\.npz.*another analysis"):
        fg.load(a)
    fg.analyze(one, out=a, resume=True)
    assert {name: (a / name).read_bytes() for name in TABLES} == tables
    (a / "parts" / "0001.npz").write_bytes((a / "parts" / "0002.npz").read_bytes())
    with pytest.raises(SourceError, match=r"0001\.npz.*'w2'.*'w1'"):
        fg.load(a)


def change_file(path):
    write(path, 7)


def replace_file(path):
    write(path.with_name("new.npz"), 7).replace(path)


def change_and_hide(path):
    before = path.stat()
    write(path, 7)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [change_file, replace_file, change_and_hide, Path.unlink])
@pytest.mark.parametrize("position", [1, 3])
def test_a_file_that_changes_during_the_run_leaves_no_tables(tmp_path, change, position):
    source, out = write(tmp_path / "a.npz", 0), tmp_path / "out"
    time.sleep(0.05)  # the clock of a disk ticks every few milliseconds
    done = []

    def listen(state):
        if state.position == position and not done:
            done.append(change(source))

    with pytest.raises(SourceError, match=r"a\.npz") as caught:
        fg.analyze(source, out=out, progress=listen)
    if change is not Path.unlink:
        assert "changed while it was measured" in str(caught.value)
        assert "was written" in str(caught.value)
    assert not any((out / name).exists() for name in (*TABLES, "report.html"))
    kept = fg.load(out).features
    fresh = fg.analyze(write(tmp_path / "same.npz", 0)).features
    columns = ["norm", "capacity"]
    assert len(kept) == 6 * (position - 1)
    np.testing.assert_array_equal(kept[columns], fresh[columns][: len(kept)])
    write(source, 7)
    with pytest.raises(ParameterError, match="the source, which changed"):
        fg.analyze(source, out=out, resume=True)
    again = fg.analyze(source, out=out).features
    np.testing.assert_array_equal(again[columns], fg.analyze(write(tmp_path / "7.npz", 7)).features[columns])


@pytest.mark.parametrize("out", [None, "out"])
@pytest.mark.parametrize("kind", ["array", "mapping", "module"])
def test_numbers_in_memory_that_change_during_the_run_are_an_error(tmp_path, kind, out):
    rng = np.random.default_rng(0)
    arrays = {f"w{k}": rng.standard_normal((6, 5)) for k in range(3)}
    if kind == "module":
        torch = pytest.importorskip("torch")
        source = torch.nn.Sequential(*(torch.nn.Linear(5, 5, bias=False) for _ in range(3)))
        values = source[2].weight.detach().numpy()
    else:
        values = arrays["w2"]
        source = values if kind == "array" else arrays
    done = []

    def listen(state):
        if not done:
            values[3, 4] += 1
            done.append(True)

    out = None if out is None else tmp_path / out
    with pytest.raises(
        SourceError, match=r"changed while it was measured: the numbers of tensor .* in memory"
    ):
        fg.analyze(source, out=out, progress=listen)
    if out is not None:
        assert not (out / "matrices.parquet").exists()
        fg.analyze(source, out=out)


def test_the_command_says_that_a_source_changed(tmp_path):
    """A real process, whose checkpoint is replaced after its first matrix is done."""
    rng = np.random.default_rng(0)
    source, out = tmp_path / "model.npz", tmp_path / "out"
    arrays = {"a": rng.standard_normal((40, 8)), "b": rng.standard_normal((20_000, 64))}
    np.savez(source, **arrays)
    child = subprocess.Popen(
        [sys.executable, "-m", "featuregeom", "analyze", str(source), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: list(out.glob("parts/0000.npz")) or child.poll() is not None)
    np.savez(tmp_path / "next.npz", a=arrays["a"], b=arrays["b"][::-1])
    (tmp_path / "next.npz").replace(source)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 1, said
    assert "changed while it was measured" in said
    assert "Traceback" not in said
    assert not (out / "matrices.parquet").exists()


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def write_network(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = {"0.weight": (4, 2), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    np.savez(path, **{name: rng.standard_normal(shape) for name, shape in arrays.items()})


COMMANDS = {
    "analyze": (("analyze",), ("--tolerance", "0.2")),
    "codes": (("codes",), ("--tolerance", "0.2")),
    "scheme": (("scheme",), ("--tolerance", "0.2")),
    "slice": (("regions", "slice"), ("--bounds=-2,2,-2,2",)),
    "along": (("regions", "along"), ("--seed", "5")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_results_of_another_source_or_other_settings_stay(invoke, tmp_path, name):
    """One rule for every command: refused without --force, and what is there stays as it was, byte for byte."""
    command, other = COMMANDS[name]
    for folder, seed in (("a", 0), ("b", 1)):
        Path(folder).mkdir()
        if command[0] == "regions":
            write_network(Path(folder) / "model.npz", seed)
        else:
            np.save(Path(folder) / "model.npy", np.random.default_rng(seed).standard_normal((6, 2)))
    a, b = (next(Path(folder).iterdir()) for folder in "ab")
    out = () if name in ("analyze", "slice", "along") else ("--out", "o")
    (first,) = [invoke(*command, a, *out)]
    assert first.exit_code == 0, first.output
    assert invoke(*command, a, *out).exit_code == 0
    assert invoke(*command, a.absolute(), *out).exit_code == 0
    (folder,) = (path for path in tmp_path.iterdir() if path.name not in "ab")
    before = contents(folder)
    for arguments, why in (((b,), f"of another source, {a.absolute()}"), ((a, *other), "of other settings")):
        said = invoke(*command, *arguments, *out)
        assert said.exit_code == 1, said.output
        assert why in said.output
        assert "--force" in said.output
        assert contents(folder) == before
    os.utime(a, (1, 1))
    assert "as it was before it changed" in invoke(*command, a, *out).output
    assert contents(folder) == before
    assert invoke(*command, b, *out, "--force").exit_code == 0
    assert contents(folder) != before
    assert invoke(*command, b, *out).exit_code == 0
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("command", ["families", "codes", "scheme", "analyze"])
def test_a_shard_that_changed_is_a_source_that_changed(invoke, tmp_path, command):
    """An index names the files that hold the numbers: they are looked at, too."""
    save_file = pytest.importorskip("safetensors.numpy").save_file
    rng = np.random.default_rng(0)
    for name in "ab":
        save_file({name: rng.standard_normal((12, 4))}, tmp_path / f"{name}.safetensors")
    index = {"weight_map": {name: f"{name}.safetensors" for name in "ab"}}
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps(index))
    chosen = () if command == "analyze" else ("--tensor", "a")

    def run():
        return invoke(command, "m.safetensors.index.json", *chosen, "--out", "o")

    for _ in range(2):
        assert run().exit_code == 0
    before = contents(tmp_path / "o")
    save_file({"a": rng.standard_normal((12, 4))}, tmp_path / "a.safetensors")
    said = run()
    assert said.exit_code == 1
    assert "as it was before it changed" in said.output
    assert contents(tmp_path / "o") == before


@pytest.mark.parametrize(
    "command", ["families", "codes", "scheme", "sae", "regions slice", "regions along", "verify"]
)
@pytest.mark.parametrize("out", [True, False])
def test_a_source_that_changes_while_it_is_read_gives_no_result(invoke, tmp_path, monkeypatch, command, out):
    """At the worst moment: when its numbers were read, and the folder of results is not claimed yet."""
    from featuregeom.dictionaries import autoencoder
    from featuregeom.regions import files
    from featuregeom.relations import graph_files
    from featuregeom.sources import matrix

    rng = np.random.default_rng(0)
    features, source = fg.shapes.icosahedron(), tmp_path / "x.npz"
    np.savez(source, a=features)
    if command == "sae":
        np.savez(source, W_enc=rng.standard_normal((4, 16)), W_dec=rng.standard_normal((16, 4)))
    elif command.startswith("regions"):
        write_network(source, 0)
    elif command == "verify":
        fg.schemes.save_certificate(fg.schemes.certify(fg.schemes.detect(features)), tmp_path / "c.json")
    rooms = {
        "sae": (autoencoder, "open_source"),
        "regions slice": (files, "_tensors"),
        "regions along": (files, "_tensors"),
        "scheme": (graph_files, "read_matrix"),
        "verify": (graph_files, "read_matrix"),
    }
    room, name = rooms.get(command, (matrix, "read_matrix"))
    real = getattr(room, name)

    def read(*given, **options):
        found = real(*given, **options)
        os.utime(source, (1, 1))
        return found

    monkeypatch.setattr(room, name, read)
    given = ("verify", "c.json", source) if command == "verify" else (*command.split(), source)
    if command == "verify" and out:
        return
    said = invoke(*given, *(("--out", "o") if out else ()))
    assert said.exit_code == 1, said.output
    assert "x.npz changed while it was " in said.output
    assert not list(tmp_path.glob("o/*"))


@pytest.mark.parametrize("kind", ["npz", "npy", "index", "folder"])
def test_a_file_that_changes_while_it_is_opened_is_refused(tmp_path, monkeypatch, kind):
    """Its header would be of one state and its numbers of another."""
    from featuregeom.sources import base

    save_file = pytest.importorskip("safetensors.numpy").save_file
    X = np.random.default_rng(0).standard_normal((6, 3))
    source = {"npz": "x.npz", "npy": "x.npy", "index": "m.safetensors.index.json", "folder": "f"}[kind]
    changed = tmp_path / source
    if kind == "npz":
        np.savez(tmp_path / source, a=X)
    elif kind == "npy":
        np.save(tmp_path / source, X)
    else:
        folder = tmp_path / "f" if kind == "folder" else tmp_path
        folder.mkdir(exist_ok=True)
        for name in "ab":
            save_file({name: X}, folder / f"{name}.safetensors")
        index = {"weight_map": {name: f"{name}.safetensors" for name in "ab"}}
        (tmp_path / "m.safetensors.index.json").write_text(json.dumps(index))
        changed = folder / "a.safetensors"
    real = base.matrices

    def listed(*given):
        os.utime(changed, (1, 1))
        return real(*given)

    monkeypatch.setattr(base, "matrices", listed)
    with pytest.raises(SourceError, match="changed while it was"):
        fg.analyze(tmp_path / source)


def test_two_sources_of_which_one_changes_are_not_compared(tmp_path):
    X = np.random.default_rng(0).standard_normal((3, 40, 8))
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", **{str(k): x + (name == "b") for k, x in enumerate(X)})
    with pytest.raises(SourceError, match=r"b\.npz changed while it was read"):
        fg.compare_sources(
            tmp_path / "a.npz",
            tmp_path / "b.npz",
            progress=lambda done, total: os.utime(tmp_path / "b.npz", (1, 1)) if done == 1 else None,
        )


def test_a_checkpoint_that_changed_since_it_was_listed_is_refused(tmp_path):
    for step in range(3):
        np.save(tmp_path / f"step-{step}.npy", np.eye(4, 3) + step)
    found = fg.survey.read_checkpoints(tmp_path)
    assert found[0].n == 4
    os.utime(tmp_path / "step-1.npy", (1, 1))
    with pytest.raises(SourceError, match=r"step-1\.npy changed while it was read"):
        fg.trajectory.Trajectory(found)


def test_force_removes_what_the_new_result_has_none_of(invoke, tmp_path):
    """A certificate of the one source beside the page of another would be a mixture."""
    np.save("a.npy", fg.shapes.polygon(5))
    np.save("b.npy", np.random.default_rng(0).standard_normal((9, 4)))
    assert invoke("scheme", "a.npy", "--out", "o").exit_code == 0
    assert (tmp_path / "o" / "scheme.json").exists()
    assert invoke("scheme", "b.npy", "--out", "o", "--force").exit_code == 0
    assert not (tmp_path / "o" / "scheme.json").exists()


@pytest.mark.parametrize("file", ["codes.parquet", "codes.html"])
def test_files_that_no_command_wrote_are_not_replaced(invoke, tmp_path, file):
    np.save("x.npy", np.eye(3))
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / file).write_text("mine")
    for force in ((), ("--force",)):
        said = invoke("codes", "x.npy", "--out", "o", *force)
        assert said.exit_code == 1
        assert f"{file} would be replaced, and is of no result" in said.output
    assert (tmp_path / "o" / file).read_text() == "mine"


def test_one_result_does_not_replace_the_page_of_another_kind(invoke, tmp_path):
    pytest.importorskip("sklearn")
    np.save("x.npy", np.eye(3))
    assert invoke("analyze", "x.npy", "--out", "o").exit_code == 0
    before = contents(tmp_path / "o")
    small = ("--widths", "2", "--epochs", "1", "--samples", "20", "--repeats", "1")
    said = invoke("regions", "phase", *small, "--out", "o")
    assert said.exit_code == 1
    assert "report.html would be replaced, and is of no phase chart" in said.output
    assert contents(tmp_path / "o") == before


def test_a_source_that_lies_in_the_folder_is_not_replaced(invoke, tmp_path):
    (tmp_path / "o").mkdir()
    frame = tmp_path / "o" / "codes.parquet"
    frame.write_text("0\n1\n")
    np.save("x.npy", np.eye(2))
    said = invoke("codes", "x.npy", "--labels", frame, "--out", "o")
    assert said.exit_code == 1
    assert "is a source itself" in said.output


def test_a_failed_command_leaves_older_results(invoke, tmp_path):
    np.save("x.npy", np.eye(3))
    assert invoke("codes", "x.npy", "--out", "o").exit_code == 0
    before = contents(tmp_path / "o")
    np.save("y.npy", np.full((3, 3), np.nan))
    assert invoke("codes", "y.npy", "--out", "o", "--force").exit_code == 1
    assert contents(tmp_path / "o") == before


def test_toys_refuse_other_settings(invoke, tmp_path):
    pytest.importorskip("torch")
    base = ("toy", "geometry", "--out", "o", "--steps")
    assert invoke(*base, 2).exit_code == 0
    assert invoke(*base, 2, "--resume").exit_code == 0
    before = contents(tmp_path / "o")
    for more in ((3,), (3, "--resume"), (2, "--seed", 1, "--resume")):
        said = invoke(*base, *more)
        assert said.exit_code == 1, said.output
        assert "of other settings" in said.output
        assert contents(tmp_path / "o") == before
    assert invoke(*base, 2, "--resume", "--force").exit_code == 2
    (tmp_path / "o" / "geometry.html").unlink()  # as if it had been stopped
    (tmp_path / "o" / "geometry.parquet").unlink()
    assert "of other settings" in invoke(*base, 3, "--resume").output
    assert invoke(*base, 3, "--force").exit_code == 0
    record = json.loads((tmp_path / "o" / "cells" / "geometry.json").read_text())
    assert record["steps"] == 3


def test_cells_of_other_settings_are_not_replaced(tmp_path):
    pytest.importorskip("torch")
    from featuregeom.toys import experiments

    small = {"n_features": 4, "n_hidden": 2, "sparsity": [0.5], "batch_size": 8, "folder": tmp_path}
    first = experiments.geometry(steps=2, **small)
    np.testing.assert_array_equal(experiments.geometry(steps=2, **small).capacity, first.capacity)
    with pytest.raises(OutputError, match="a cell with other settings"):
        experiments.geometry(steps=3, **small)


def test_a_phase_chart_of_other_numbers_is_not_mixed(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    from featuregeom.encoder import DataSet, phase

    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    one, two = (DataSet("set", X, y, X, y) for X in rng.standard_normal((2, 40, 3)).astype(np.float32))
    small = {"widths": [2], "epochs": [1], "samples": [40], "repeats": 1}
    phase(tmp_path, data=one, **small)
    with pytest.raises(ParameterError, match="other numbers"):
        phase(tmp_path, data=two, resume=True, **small)
    phase(tmp_path, data=two, force=True, **small)
    with pytest.raises(ParameterError, match="other numbers"):
        phase(tmp_path, data=one, resume=True, **small)


def test_an_analysis_that_did_not_finish_may_be_begun_anew_otherwise(tmp_path):
    """The error about NaN says what to add to the command, which then has to work."""
    X = np.eye(4)
    X[1, 2] = np.nan
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(fg.errors.NonFiniteError):
        fg.analyze(tmp_path / "x.npy", out=tmp_path / "o")
    np.save(tmp_path / "y.npy", np.eye(2))
    with pytest.raises(OutputError, match="of another source"):
        fg.analyze(tmp_path / "y.npy", out=tmp_path / "o")
    assert len(fg.analyze(tmp_path / "x.npy", out=tmp_path / "o", nonfinite="skip").features) == 3


def test_arrays_in_memory_are_told_apart_by_their_numbers(tmp_path):
    fg.analyze(np.eye(3), out=tmp_path / "o")
    fg.analyze(np.eye(3), out=tmp_path / "o")
    before = contents(tmp_path / "o")
    with pytest.raises(OutputError, match="before it changed"):
        fg.analyze(2 * np.eye(3), out=tmp_path / "o")
    assert contents(tmp_path / "o") == before
    fg.analyze(2 * np.eye(3), out=tmp_path / "o", force=True)


def test_a_page_that_exists_is_written_again_only_with_force(invoke, tmp_path):
    np.save("x.npy", np.eye(3))
    invoke("analyze", "x.npy", "--out", "o")
    (tmp_path / "mine.html").write_text("mine")
    said = invoke("report", "o", "--out", "mine.html")
    assert said.exit_code == 1
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert invoke("report", "o", "--out", "mine.html", "--force").exit_code == 0
    assert "featuregeom" in (tmp_path / "mine.html").read_text()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX here")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, monkeypatch, mask):
    """And the umask, which belongs to all threads of the process, is never changed to find out."""
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", None)
            with replacing(tmp_path / "file") as temporary:
                assert temporary.stat().st_mode & 0o777 == 0o666 & ~mask
                temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
