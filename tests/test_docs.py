"""What the documents say runs as it stands."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import featuregeom

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
