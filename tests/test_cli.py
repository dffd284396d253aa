"""The command line, as a person and as a script use it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.cli.terminal import show
from featuregeom.demo import SHIPPED


def run(*arguments, **how):
    return subprocess.run(
        [sys.executable, "-m", "featuregeom", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **how,
    )


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_describe_tells_what_is_inside_and_what_it_costs(invoke):
    said = invoke("describe", SHIPPED)
    assert said.exit_code == 0
    assert "toy_n5_m2" in said.stdout
    assert "6 of 6 tensors to analyze" in said.stdout
    facts = json.loads(invoke("describe", SHIPPED, "--json", "--include", "toy_n5*").stdout)
    assert facts["format"] == "safetensors"
    assert len(facts["tensors"]) == 6
    assert [row["matrix"] for row in facts["cost"]] == ["toy_n5_m2"]
    assert facts["operations"] == facts["cost"][0]["operations"]


def test_analyze_writes_tables_and_page(invoke, tmp_path):
    said = invoke("analyze", SHIPPED)
    assert said.exit_code == 0, said.output
    out = tmp_path / "demo_models.featuregeom"
    assert {path.name for path in out.iterdir()} >= {
        "matrices.parquet",
        "features.parquet",
        "blocks.parquet",
        "report.html",
    }
    assert "1 × pentagon" in said.stdout
    assert "report.html" in said.stdout


def test_json_is_for_machines(invoke, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    said = invoke("analyze", "x.npy", "--json", "--out", "o")
    facts = json.loads(said.stdout)
    assert facts["matrices"][0]["saturation"] is None  # NaN is no JSON
    assert facts["matrices"][0]["rank"] == 0
    assert facts["out"] == "o"


def test_options_reach_the_analysis(invoke, tmp_path):
    X = np.random.default_rng(0).standard_normal((30, 4))
    X[3, 2] = np.nan
    np.save(tmp_path / "x.npy", X)
    said = invoke("analyze", "x.npy", "--out", "o")
    assert said.exit_code == 1
    assert "row 3, column 2" in re.sub(r"\s+", " ", said.output)
    said = invoke(
        "analyze",
        "x.npy",
        "--out",
        "o",
        "--nan",
        "skip",
        "--tolerance",
        "0.5",
        "--num-threads",
        "1",
        "--json",
    )
    row = json.loads(said.stdout)["matrices"][0]
    assert (row["n"], row["dropped_rows"], row["tolerance"]) == (29, 1, 0.5)


def test_errors_are_one_line_and_exit_with_one():
    said = run("describe", "no-such-file.safetensors")
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr == "error: no such file or folder: no-such-file.safetensors\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_disk_behind_standard_output_is_one_line(more):
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [sys.executable, "-m", "featuregeom", "describe", str(SHIPPED), *more],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert said.returncode == 1
    assert said.stderr == "error: cannot write the output: No space left on device\n"


def test_names_that_turn_the_terminal_are_printed_as_they_are_spelled(invoke, tmp_path):
    name = "\x1b[31mred\x00\u202egpj\x9b\n[bold]"
    save_file({name: np.eye(2), "fine": np.eye(2)}, tmp_path / "m.safetensors")
    for said in (
        invoke("describe", "m.safetensors"),
        invoke("analyze", "m.safetensors"),
        invoke("analyze", "m.safetensors", "--include", "typo"),
    ):
        assert not set("\x1b\x00\u202e\x9b") & set(said.output)
        assert r"\x1b[31mred\x00\u202egpj\x9b\n[bold]" in said.output
    said = invoke("describe", "\x1b[31m\u202e[bold].npy")
    assert said.output == "error: no such file or folder: \\x1b[31m\\u202e[bold].npy\n"
    facts = json.loads(invoke("describe", "m.safetensors", "--json").stdout)
    assert name in {row["tensor"] for row in facts["tensors"]}


def test_an_analysis_is_named_after_the_link_that_was_given(invoke, tmp_path):
    (tmp_path / "blobs").mkdir()
    np.save(tmp_path / "blobs" / "0123abcdef", np.eye(2))
    (tmp_path / "model.npy").symlink_to(tmp_path / "blobs" / "0123abcdef.npy")
    assert invoke("analyze", "model.npy").exit_code == 0
    assert (tmp_path / "model.featuregeom" / "report.html").exists()


def test_what_cannot_be_read_is_told_beforehand(invoke, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    save({"a": torch.ones(3, 2), "b": torch.ones(3, 2).to(torch.float8_e5m2)}, tmp_path / "fp8.safetensors")
    said = invoke("describe", "fp8.safetensors").stdout
    assert "1 of 2 tensors to analyze" in said
    assert "refused: FP8 is not read" in said
    assert "1 cannot be read: leave them out with --exclude" in said
    assert invoke("analyze", "fp8.safetensors").exit_code == 1
    assert "left out" in invoke("describe", "fp8.safetensors", "--exclude", "b").stdout


def test_wrong_usage_exits_with_two():
    assert run("analyze").returncode == 2
    assert run("analyze", SHIPPED, "--axis", "diagonal").returncode == 2
    assert run("analyze", SHIPPED, "--num-threads", "0").returncode == 2


def test_the_page_can_be_written_again(invoke, tmp_path):
    invoke("analyze", SHIPPED, "--out", "o")
    page = tmp_path / "o" / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert invoke("report", "o").exit_code == 0
    assert page.read_bytes() == before
    assert invoke("report", "o", "--out", "other.html").exit_code == 0
    assert (tmp_path / "other.html").read_bytes() == before
    assert invoke("report", tmp_path).exit_code == 1


def test_the_demo_prints_the_names(invoke, tmp_path):
    said = invoke("demo")
    assert said.exit_code == 0
    for name in ("pentagon", "triangle", "tetrahedron"):
        assert name in said.stdout
    assert (tmp_path / "featuregeom-demo" / "report.html").exists()


def test_version_and_both_names_of_threads(invoke, tmp_path):
    assert invoke("--version").stdout == f"{fg.__version__}\n"
    np.save("x.npy", np.eye(2))
    np.savez("net.npz", W0=np.eye(2))
    for name in ("--num-threads", "--threads"):
        for command in ("analyze x.npy", "codes x.npy", "regions slice net.npz"):
            assert invoke(*command.split(), name, 1).exit_code == 0


def test_what_is_left_out_is_told_with_its_reason(invoke, tmp_path):
    np.savez("some.npz", w=np.eye(2), **{f"b{k:02d}": np.ones(2) for k in range(12)})
    said = invoke("analyze", "some.npz")
    assert said.exit_code == 0
    assert [line for line in said.stdout.splitlines() if line.startswith("not measured")] == [
        *(f"not measured: b{k:02d} (2): 1-D" for k in range(10)),
        "not measured: 2 more",
    ]
    np.save("int.npy", np.ones((3, 2), dtype=int))
    said = invoke("analyze", "int.npy")
    assert said.exit_code == 1
    assert "nothing to measure in int.npy: 'int' (3 x 2): int64: not real features" in said.output
    assert not (tmp_path / "int.featuregeom").exists()
    said = invoke("report", "int.npy")
    assert said.exit_code == 1
    assert "int.npy is a file, and report wants the folder of an analysis" in said.output


def test_version_of_the_package_is_that_of_the_core():
    from importlib.metadata import version

    assert fg.__version__ == version("featuregeom")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the processor clock of another process")
@pytest.mark.parametrize("seconds", [0.15, 0.5, 1.2])
def test_a_command_ends_at_once_on_ctrl_c_without_a_traceback(tmp_path, seconds):
    """While it imports, and while it works; 2 s are ten times what is promised, in processor time."""
    source = np.random.default_rng(0).standard_normal((20_000, 256))
    np.save(tmp_path / "w.npy", source)
    process = subprocess.Popen(
        [sys.executable, "-m", "featuregeom", "analyze", "w.npy", "--out", "out"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    clock = (~process.pid << 3) | 2
    while (sent := time.clock_gettime(clock)) < seconds:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    assert used.ru_utime + used.ru_stime - sent < 2
    assert not (tmp_path / "out" / "matrices.parquet").exists()


SWALLOWED = """
import os, signal, sys
import featuregeom.__main__ as program
from featuregeom import cli

def run():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise {raised} from None

signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main = run
program.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize("raised", ["ImportError('a library failed to load')", "SystemExit(1)"])
def test_ctrl_c_that_a_library_turns_into_its_own_error_ends_with_130(raised):
    """As the import of a compiled library may, if the signal comes within it."""
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(raised=raised)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_keeps_what_is_finished_and_resume_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"w{i}": rng.standard_normal((400, 40)) for i in range(3)}
    arrays["x_large"] = rng.standard_normal((10_000, 64))
    np.savez(tmp_path / "model.npz", **arrays)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "featuregeom", "analyze", str(tmp_path / "model.npz"), "--out", str(out)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore the signal, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(list(out.glob("parts/*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--resume" in said
    assert len(fg.load(out).matrices) == 3
    assert not (out / "matrices.parquet").exists()
    done = run("analyze", tmp_path / "model.npz", "--out", out, "--resume")
    assert done.returncode == 0
    assert len(fg.load(out).matrices) == 4


def test_facts_are_for_people_unless_they_are_json(capsys):
    facts = {
        "n_rows": 1200,
        "area": 15.999999999999998,
        "met": [],
        "at": [0.1234567, None],
        "rows": [{"a_b": 1 / 3}],
    }
    assert show(facts, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "n rows: 1,200", "area: 16", "met: none", "at: 0.1235, \N{EN DASH}", "rows:", "  a b 0.3333",
    ]  # fmt: skip
    assert not show(facts, as_json=True)
    assert json.loads(capsys.readouterr().out) == facts
