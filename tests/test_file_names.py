"""Names that are no UTF-8: of files and folders, of tensors in memory and in checkpoints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import featuregeom
import featuregeom.labels
import featuregeom.memory
from featuregeom.errors import SourceError
from featuregeom.features import in_utf8
from featuregeom.sources import open_source

_RUN = """
import json, sys
from featuregeom.cli import main
codes = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["featuregeom", *command]
    print(">", command[0])
    try:
        main()
    except SystemExit as end:
        codes.append(end.code or 0)
    else:
        codes.append(0)
open("codes.json", "w").write(json.dumps(codes))
"""
"""One process for all commands: what raises anything but SystemExit ends it with a traceback."""

_LOCALES = [
    {"PYTHONUTF8": "1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
]


def _name(text: str) -> str:
    """Give a name with two bytes that no UTF-8 has."""
    return os.fsdecode(text.encode() + b"\xff\xfe")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save(f"{_name('m')}.npy", rng.standard_normal((6, 2)))
    layers = {"0.weight": (4, 2), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    np.savez(f"{_name('n')}.npz", **{name: rng.standard_normal(shape) for name, shape in layers.items()})
    return tmp_path


@pytest.mark.parametrize("locale", _LOCALES, ids=["utf8", "C"])
def test_no_command_breaks_on_names_without_utf8(here: Path, locale: dict[str, str]) -> None:
    matrix, network, missing = f"{_name('m')}.npy", f"{_name('n')}.npz", f"{_name('gone')}.npy"
    commands = [
        (0, "describe", matrix),
        (0, "describe", matrix, "--json"),
        (0, "analyze", matrix, "--out", _name("a")),
        (0, "analyze", matrix, "--out", _name("b"), "--json"),
        (0, "report", _name("a")),
        (0, "scheme", matrix, "--out", _name("s")),
        (0, "codes", matrix, "--out", _name("c")),
        (0, "codes", matrix, "--json"),
        (0, "regions", "slice", network, "--out", _name("r")),
        (0, "regions", "along", network, "--out", _name("l"), "--table", "csv"),
        (1, "describe", missing),
        (1, "report", missing),
        (1, "verify", missing, matrix),
        (1, "analyze", f"owner/{missing}"),
        (2, "scheme", matrix, "--tensor", missing),
        (2, "analyze", matrix, "--include", missing),
    ]
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps([command for _, *command in commands])],
        env=os.environ | locale,
        capture_output=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    assert b"Traceback" not in ran.stdout + ran.stderr
    assert json.loads((here / "codes.json").read_text()) == [code for code, *_ in commands]
    ran.stdout.decode()  # what is printed is always text
    table = pd.read_parquet(io.BytesIO((here / _name("a") / "matrices.parquet").read_bytes()))
    assert list(table["matrix"]) == [r"m\udcff\udcfe"]
    page = (here / _name("a") / "report.html").read_text(encoding="utf-8")
    assert r"m\udcff\udcfe" in page


def test_tensors_in_memory_and_in_checkpoints(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(1).standard_normal((6, 2))
    torch.save({"w\udcff": torch.tensor(X)}, tmp_path / "model.pt")
    for source in ({"w\udcff": X}, tmp_path / "model.pt"):
        analysis = featuregeom.analyze(source, out=tmp_path / f"out-{type(source).__name__}")
        assert list(analysis.matrices["matrix"]) == [r"w\udcff"]
        with open_source(source) as reader:
            for name in ("w\udcff", r"w\udcff"):
                np.testing.assert_array_equal(reader.read(name).values, X)


def test_a_file_measures_as_its_twin_with_a_plain_name(here: Path) -> None:
    """The name decides nothing: numbers are those of the same file under another name."""
    strange = featuregeom.analyze(here / f"{_name('m')}.npy")
    (here / f"{_name('m')}.npy").rename(here / "plain.npy")
    plain = featuregeom.analyze(here / "plain.npy")
    for table in ("matrices", "features", "blocks"):
        left, right = (
            getattr(each, table).drop(columns=["matrix", "seconds"], errors="ignore")
            for each in (strange, plain)
        )
        pd.testing.assert_frame_equal(left, right, check_flags=False)


def test_two_names_that_are_spelled_out_alike_are_refused() -> None:
    X = np.eye(3)
    with pytest.raises(SourceError, match="two tensors have one name"):
        open_source({"w\udcff": X, r"w\udcff": X})


@pytest.mark.parametrize("text", ["plain", "Größe", "特徴", "\U0001f600"])
def test_text_that_has_utf8_stays(text: str) -> None:
    assert in_utf8(text) == text


_REFUSED = {
    "a tensor that is not there": lambda X: open_source({"w": X}).read("\udc81"),
    "a pattern": lambda X: featuregeom.analyze({"w": X}, include="\udc80"),
    "NaN": lambda X: featuregeom.analyze({"w\udcff": np.full_like(X, np.nan)}),
    "dates": lambda X: featuregeom.analyze({"w\udcff": X.astype("M8[s]")}),
    "no common matrix": lambda X: featuregeom.compare_sources({"a\udcff": X, "b": X}, {"c\udcfe": X, "d": X}),
    "a folder": lambda X: featuregeom.load("no-such-\udcff"),
    "a device": lambda X: featuregeom.errors.ParameterError("device \udcff"),
    "labels": lambda X: featuregeom.labels.read_labels("no-such-\udcff"),
    "an axis": lambda X: featuregeom.analyze({"w": X}, axis={"\udcff": "diagonal"}),
    "memory": lambda X: featuregeom.memory.check_memory(1 << 60, "\udcff.npy"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_every_message_can_be_printed(name: str) -> None:
    """Terminals, logs and pages are UTF-8; a lone surrogate in a message would be an error of its own there."""
    try:
        error: object = _REFUSED[name](np.ones((3, 2)))
    except (featuregeom.errors.FeatureGeometryError, MemoryError) as caught:
        error = caught
    assert isinstance(error, (featuregeom.errors.FeatureGeometryError, MemoryError))
    str(error).encode("utf-8")
    assert "\\udc" in str(error) or name in ("a pattern",)


def test_names_reach_the_terminal_as_text(here: Path) -> None:
    """Markup of the terminal library, and codes that colour or clear it, are shown as they are written."""
    name = "[bold]x[/bold]\x1b[2J"
    commands = [
        ["codes", f"{_name('m')}.npy", "--out", name],
        ["regions", "slice", f"{_name('n')}.npz", "--out", name],
    ]
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(commands)], capture_output=True, timeout=120, text=True
    )
    said = "".join(line for line in ran.stdout.splitlines() if not line.startswith(">"))
    assert r"[bold]x[/bold]\x1b[2J/codes.html" in said
    assert r"[bold]x[/bold]\x1b[2J/slice.html" in said
