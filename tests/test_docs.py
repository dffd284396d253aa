"""What the documents say runs as it stands."""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import featuregeom
import featuregeom as fg
from featuregeom.cli import app
from processes import run

ROOT = Path(__file__).parents[1]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(featuregeom.__path__, "featuregeom.")
    if not module.name.endswith(("__main__", "_core"))
]


def test_the_readme_s_example_gives_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    exec(compile(code, "README.md", "exec"), {})  # the reader's own first steps
    promised = re.findall(r"print\(.*\)  # (.*)", code)
    assert capsys.readouterr().out.splitlines() == promised
    assert (tmp_path / "words.html").exists()


def test_every_public_name_has_a_sentence():
    lines = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `fg.")]
    assert len(rows) > 300
    assert [row for row in rows if not re.fullmatch(r"\| `fg[.\w]+` \| \S.* \|", row)] == []


def test_a_constant_has_the_sentence_of_its_own_room():
    """`report.drawings` has a constant of the same name, with another meaning."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    assert "| `fg.frames.GRAM_ROWS` | Most features whose whole Gram matrix is formed" in page


def rooms(module):
    """Yield a module and every public module below it."""
    yield module
    for name in module.__all__:
        if inspect.ismodule(value := getattr(module, name)):
            yield from rooms(value)


@pytest.mark.parametrize("room", list(rooms(fg)), ids=lambda room: room.__name__)
def test_a_room_completes_to_its_public_names_only(room):
    assert dir(room) == sorted(room.__all__)


def test_the_tutorial_about_training_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    document = (ROOT / "docs" / "tutorials" / "3-watch-representations-form.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", document, flags=re.S))
    # In a small form: a sixth of the steps, few random weights.
    code = (
        code.replace("range(601)", "range(101)")
        .replace("n_draws=50", "n_draws=20")
        .replace("n_draws=8", "n_draws=2")
    )
    held: dict[str, object] = {}
    exec(compile(code, "tutorial.py", "exec"), held)
    assert (tmp_path / "training.html").exists()
    assert (tmp_path / "training.parquet").exists()
    said = capsys.readouterr().out
    assert "of the operations of training" in said
    # What its second step says of RWA_b: far above the rotations' mean, not above random weights'.
    six = held["first"]["RWA_b"]["cosine"]
    assert six.z > 5
    assert held["first"].tied["RWA_b", "cosine"].p > 0.01


def test_the_how_to_about_comparing_runs(tmp_path, monkeypatch, capsys):
    """Its block, whose promise is an assertion, and its two commands on what the block made."""
    monkeypatch.chdir(tmp_path)
    document = (ROOT / "docs" / "how-to" / "compare.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", document, flags=re.S)
    held: dict[str, object] = {}
    exec(compile(block, "compare.md", "exec"), held)
    assert capsys.readouterr().out.splitlines()[1:] == [str(held["compared"])]
    for name in ("A", "B"):
        np.save(f"{name}.npy", held[name])
    Path("FOLDER_OF_CHECKPOINTS").mkdir()
    for step in range(4):
        np.save(f"FOLDER_OF_CHECKPOINTS/step-{step}.npy", held["A"] * (1 + step))
    commands = [shlex.split(line) for line in re.findall(r"^    featuregeom (.*)", document, flags=re.M)]
    for command, written in zip(
        commands, ("compared/features.parquet", "moved/trajectory.html"), strict=True
    ):
        files = [f"{word}.npy" if word in ("A", "B") else word for word in command]
        result = CliRunner().invoke(app, files)
        assert result.exit_code == 0, result.output
        assert Path(written).exists()


def written_commands():
    """Every command of featuregeom that a document shows in a block, with its document."""
    told = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "reference"]
    for path in [ROOT / "README.md", *told]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"(?:    |\$ )featuregeom (.*)", line):
                yield pytest.param(shlex.split(found[1], comments=True), id=f"{path.name}: {found[1]}")


@pytest.mark.parametrize("words", list(written_commands()))
def test_every_command_of_the_documents_is_one(words):
    """Its name, options and values are known; files are not asked for."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.parse_args(command.make_context("", [], resilient_parsing=True), list(words))


CERTIFIED = {
    "icosahedron": lambda: fg.shapes.icosahedron(),
    "D5 roots": lambda: fg.shapes.root_system("D5"),
    "D6 roots": lambda: fg.shapes.root_system("D6"),
    "600-cell": lambda: fg.shapes.cell600(),
    "square antiprism": lambda: fg.shapes.antiprism(4, 1 / (1 + 2 * np.sqrt(2))),
    "hexagonal antiprism": lambda: fg.shapes.antiprism(6),
    "tetrahedron": lambda: fg.shapes.simplex(4),
}


@pytest.fixture
def check_script(tmp_path, monkeypatch):
    """The script of the documents, on a certificate and its features."""
    document = (ROOT / "docs" / "theory" / "2-schemes.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", document, flags=re.S)
    assert len(code.splitlines()) <= 36
    script = compile(code, "check.py", "exec")
    monkeypatch.setattr("sys.argv", ["check.py", str(tmp_path / "c.json"), str(tmp_path / "X.npy")])

    def run(certificate, X):
        fg.schemes.save_certificate(certificate, tmp_path / "c.json")
        np.save(tmp_path / "X.npy", X)
        exec(script, {})

    return run


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", CERTIFIED)
def test_the_script_that_checks_certificates(shape, seed, check_script, capsys):
    rng = np.random.default_rng(seed)
    X = CERTIFIED[shape]()
    X = X[rng.permutation(len(X))] @ np.linalg.qr(rng.standard_normal((X.shape[1],) * 2))[0]
    found = fg.schemes.certify(fg.schemes.detect(X))
    check_script(found, X)
    assert capsys.readouterr().out.endswith(f": verified; said to be: {shape}\n")
    found["intersection_numbers"][1][1][1] += 1
    with pytest.raises(AssertionError, match="A_1 A_1"):
        check_script(found, X)


def test_the_script_refuses_forgeries(check_script):
    """All pairs as exceptions with a spread of 2; then with the true means, spread and share of the variance."""
    ideal = fg.schemes.detect(fg.shapes.icosahedron())
    X = np.random.default_rng(7).standard_normal((12, 3))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines, relations = unit @ unit.T, ideal.relations
    pairs = [[i, j, int(relations[i, j])] for i in range(12) for j in range(i + 1, 12)]
    forged = fg.schemes.certify(ideal) | {"points": list(range(12)), "exceptions": pairs, "spread": 2.0}
    with pytest.raises(AssertionError):
        check_script(forged, X)
    means = np.array([cosines[relations == k].mean() for k in range(4)])
    away, off = np.abs(cosines - means[relations]), ~np.eye(12, dtype=bool)
    eta2 = 1 - (away[off] ** 2).sum() / ((cosines[off] - cosines[off].mean()) ** 2).sum()
    forged |= {"levels": means.tolist(), "spread": float(away.max()), "eta2": float(eta2)}
    with pytest.raises(AssertionError, match="quarter"):
        check_script(forged, X)
    spread = fg.schemes.certify(ideal) | {"spread": 0.3}
    with pytest.raises(AssertionError, match="spread"):
        check_script(spread, fg.shapes.icosahedron())


@pytest.mark.parametrize("name", ["featuregeom", *MODULES])
def test_docstring_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_the_generated_parts_are_current():
    said = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, f"run docs/generate.py: {said.stdout}{said.stderr}"


def test_every_column_that_a_command_writes_is_explained(tmp_path, monkeypatch):
    """With all options that add columns; those of `plateaus` without a language model."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from featuregeom.cli.plateaus import _frame
    from featuregeom.toys import experiments

    monkeypatch.chdir(tmp_path)
    for name, size in {
        "phase": {"sparsity": [0.5], "importance": [1.0]},
        "geometry": {"n_features": 4},
        "saturation": {"n_features": 6, "n_hidden": [2]},
    }.items():
        run_all = getattr(experiments, name)
        monkeypatch.setattr(
            experiments, name, functools.wraps(run_all)(lambda *a, r=run_all, s=size, **o: r(*a, **o | s))
        )
    np.savez("net.npz", W0=np.eye(3, 2), b0=np.ones(3), W1=np.ones((2, 3)))
    np.save("X.npy", np.eye(3))
    np.save("labels.npy", [0, 1, 1])
    small = "--widths 2,4 --epochs 1 --samples 20,40 --repeats 1"
    for command in (
        "regions slice net.npz",
        "regions along net.npz",
        "codes X.npy --labels labels.npy --out codes",
        f"regions phase {small} --out chart",
        *(f"toy {name} --steps 2 --out toy" for name in ("phase", "geometry", "saturation", "dynamics")),
    ):
        said = CliRunner().invoke(app, command.split())
        assert said.exit_code == 0, said.output
    held = {path.name: pd.read_parquet(path) for path in tmp_path.glob("*/*.parquet")}
    held |= {path.name: pd.read_csv(path) for path in tmp_path.glob("chart/*.csv")}
    curves = fg.plateaus.response_curves(torch.tanh, [[-1.0]], [[1.0]])
    held["plateaus.parquet"] = _frame({"isotropic": curves}, ["A sentence."])
    assert len(held) == 10
    text = (ROOT / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    for file, frame in held.items():
        assert f"`{file}`" in text
        for column in frame:
            stem, _, last = column.rpartition("_")
            named = f"{stem}_…" if file == "grid.csv" and last in ("train", "test", "random") else column
            assert f"`{named}`" in text, (file, column)


def test_names_and_imports_in_the_documents_can_be_reached():
    """In a fresh interpreter, where no other module has loaded what is asked for."""
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    )
    names = sorted(set(re.findall(r"`(fg(?:\.\w+)+)", text)))
    imports = sorted(set(re.findall(r"`(from featuregeom[\w.]* import \w+)`", text)))
    assert "fg.toys.one_active.polygon_catalogue" in names
    assert imports
    assert run("\n".join(["import featuregeom as fg", *names, *imports])) == ""


def test_links_lead_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("http") or (document.parent / target).exists(), f"{document}: {target}"
