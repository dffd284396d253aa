"""One rule for exit codes of all commands: 2 for a value that an option does not take, 1 for what a source holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from featuregeom.cli import app

WRONG = {
    "analyze x.npy": "--seed=-1 --seed=18446744073709551616 --tolerance=2 --tolerance=nan --tolerance=-1 "
    "--block-threshold=-1 --num-threads=0 --include=typo --axis=diagonal --nan=x --no-such",
    "describe x.npy": "--include=typo --axis=diagonal",
    "scheme x.npy": "--tolerance=-1 --tolerance=2 --seed=-1 --kind=x --mode=x --tensor=typo",
    "codes x.npy": "--tolerance=-1 --tolerance=nan --layers=a --layers=5,1 --layers=7 --tensor=typo --nonfinite=x",
    "regions slice net.npz": "--bounds=a --bounds=1,0,0,1 --bounds=nan,1,0,1 --seed=-1 --max-regions=0 --colour=x",
    "regions along net.npz": "--start=0,0 --seed=-1 --start=a",
    "regions phase": "--widths=2;3 --widths=3,2 --widths=0 --epochs=-1 --samples=1 --samples=99999 --depth=0 "
    "--repeats=0 --tau-lo=0.9 --tau-hi=2 --eps=-1 --seed=-1",
    "plateaus .": "--length=-1 --length=nan --points=1 --plane=-1 --seed=-1",
    "toy phase": "--steps=0 --seed=-1 --device=typo",
    "toy geometry": "--steps=0 --seed=-1 --device=typo",
    "toy saturation": "--steps=0 --seed=-1 --device=typo",
    "toy dynamics": "--steps=0 --seed=-1 --device=typo",
    "demo": "--seed=a --no-such",
    "families x.npy": "--q=x --shape-q=x --k=x --seed=x --axis=diagonal --num-threads=0 --no-such",
    "sae .": "--q=x --seed=-1 --axis=diagonal --num-threads=0 --no-such",
    "compare x.npy x.npy": "--include=typo --q=x --seed=-1 --axis=diagonal --num-threads=0 --no-such",
    "trajectory .": "--tensor=typo --axis=diagonal --num-threads=0 --no-such",
    "train-demo": "--seed=-1 --steps=0 --no-such",
    "report x.npy": "--no-such",
    "verify c.json x.npy": "--axis=diagonal --no-such",
    "calibrate": "--num-threads=0 --num-threads=x --no-such",
}
CASES = [(command, option) for command, options in WRONG.items() for option in options.split()]

BAD_SOURCES = [
    "describe nowhere.npy",
    "analyze nowhere.npy",
    "analyze int.npy",
    "analyze nan.npy",
    "analyze text.npy",
    "scheme nowhere.npy",
    "scheme text.npy",
    "codes nowhere.npy",
    "codes nan.npy",
    "codes flat.npy",
    "regions slice nowhere.npz",
    "regions slice text.npz",
    "regions along nowhere.npz",
    "report nowhere",
    "report x.npy",
    "verify nowhere.json x.npy",
]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.standard_normal((6, 2)))
    np.save("int.npy", np.ones((3, 2), dtype=int))
    np.save("flat.npy", np.ones(3))
    np.save("nan.npy", np.full((3, 2), np.nan))
    for name in ("text.npy", "text.npz"):
        Path(name).write_text("text")
    shapes = {"0.weight": (4, 2), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    np.savez("net.npz", **{name: rng.standard_normal(shape) for name, shape in shapes.items()})
    return lambda command: CliRunner().invoke(app, command.split())


def test_every_command_is_here():
    names = set()
    for command in app.registered_commands:
        names.add(command.name or command.callback.__name__.replace("_", "-"))
    for group in app.registered_groups:
        for each in group.typer_instance.registered_commands:
            names.add(f"{group.name} {each.name or each.callback.__name__}")
    tested = {" ".join(command.split()[: 1 + command.startswith(("regions", "toy"))]) for command in WRONG}
    assert names == tested


@pytest.mark.parametrize(("command", "option"), CASES)
def test_a_wrong_value_is_two(invoke, command, option, tmp_path):
    if command.startswith(("toy", "plateaus")):
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    before = set(tmp_path.iterdir())
    said = invoke(f"{command} {option}")
    assert said.exit_code == 2, said.output
    assert said.stdout == ""
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", BAD_SOURCES)
def test_a_bad_source_is_one_and_has_no_bar_above_it(invoke, command):
    said = invoke(command)
    assert said.exit_code == 1, said.output
    if command != "analyze nan.npy":
        assert said.output.startswith("error: ")
    assert said.stdout == ""


def test_a_name_without_owner_says_how_the_hub_names_models(invoke):
    said = invoke("analyze gpt2")
    assert said.exit_code == 1
    assert "named with its owner, such as openai-community/gpt2" in said.output


def test_warnings_are_sentences_without_the_code_that_gave_them(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    pytest.importorskip("fcntl")
    code = (
        "import fcntl, sys\n"
        "def none(*_): raise OSError(38, 'Function not implemented')\n"
        "fcntl.flock = none\n"
        "from featuregeom.cli import main\n"
        f"sys.argv = ['featuregeom', 'analyze', {str(tmp_path / 'x.npy')!r}, '--out', {str(tmp_path / 'out')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = [line for line in done.stderr.splitlines() if "no locks" in line]
    assert len(said) == 1
    assert said[0].startswith("warning: ")
    assert ".py" not in done.stderr
