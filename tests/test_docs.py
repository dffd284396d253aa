"""What the documents say runs as it stands."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import featuregeom
import featuregeom as fg

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
    assert (tmp_path / "pentagon.html").exists()


@pytest.mark.parametrize("shape", ["icosahedron", "D5 roots", "600-cell", "square antiprism"])
def test_the_script_that_checks_certificates(shape, tmp_path, monkeypatch, capsys):
    X = {
        "icosahedron": lambda: fg.shapes.icosahedron(),
        "D5 roots": lambda: fg.shapes.root_system("D5"),
        "600-cell": lambda: fg.shapes.cell600(),
        "square antiprism": lambda: fg.shapes.antiprism(4, 0.29),
    }[shape]()
    np.save(tmp_path / "X.npy", X)
    found = fg.schemes.certify(fg.schemes.detect(X))
    fg.schemes.save(found, tmp_path / "c.json")
    document = (ROOT / "docs" / "theory" / "2-schemes.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", document, flags=re.S)
    monkeypatch.setattr("sys.argv", ["check.py", str(tmp_path / "c.json"), str(tmp_path / "X.npy")])
    script = compile(code, "check.py", "exec")
    exec(script, {})
    assert capsys.readouterr().out == f"{shape} with {len(X)} points: verified\n"
    found["intersection_numbers"][1][1][1] += 1
    fg.schemes.save(found, tmp_path / "c.json")
    with pytest.raises(AssertionError, match="A_1 A_1"):
        exec(script, {})


@pytest.mark.parametrize("name", ["featuregeom", *MODULES])
def test_docstring_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_every_column_is_explained():
    from featuregeom.survey import tables

    text = (ROOT / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    for columns in (tables._MATRIX_COLUMNS, tables._FEATURE_COLUMNS, tables._BLOCK_COLUMNS):
        for column in columns:
            assert f"`{column}`" in text, column


def test_links_lead_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("http") or (document.parent / target).exists(), f"{document}: {target}"
