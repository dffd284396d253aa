"""Columns are declared once: tables, page and documents follow the records, and nothing else lists columns."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.measures import BLOCKS, FEATURES, MATRICES, TABLES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def result():
    X = fg.shapes.direct_sum(fg.shapes.polygon(5), 2 * fg.shapes.simplex(3), np.zeros((1, 1)))
    return fg.analyze({"sum": X})


@pytest.fixture(scope="module")
def documents():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_columns_that_are_declared(table, result):
    frame = getattr(result, table.name)
    assert list(frame.columns) == [column.key for column in table.columns]
    assert {key: str(dtype) for key, dtype in frame.dtypes.items()} == table.dtypes


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_is(table):
    assert len({column.key for column in table.columns}) == len(table.columns)
    for column in table.columns:
        assert column.label, column.key
        assert re.fullmatch(r"[A-Z\u03a3].*[.]", column.meaning), column.key


def test_the_page_heads_every_column_with_its_label_and_meaning(result, tmp_path):
    """Those that tell matrices apart in the table, and all of them where every column is asked for."""
    page = fg.write_page(result, tmp_path / "page.html").read_text(encoding="utf-8")
    letters = re.search(r'id="packed-overview">([^<]*)<', page)
    heads = json.loads(zlib.decompress(base64.b64decode(letters[1])))["heads"]
    assert {head["key"]: (head["label"], head["about"]) for head in heads} == {
        column.key: (column.label, column.tooltip) for column in MATRICES.columns
    }
    at_first = re.findall(r'title="([^"]*)" data-key="(\w+)"', page)
    meanings = {column.key: column.tooltip for column in MATRICES.columns if column.shown}
    assert {key: html.unescape(about) for about, key in at_first}.items() <= meanings.items()


def test_a_new_measure_is_one_function(monkeypatch, tmp_path, documents):
    """A throw-away measure of each table is found in the table, on the page and in the documents."""
    for table in TABLES:
        monkeypatch.setattr(table, "columns", list(table.columns))

    @MATRICES.column("max norm", formula="max ‖w‖", shown=True)
    def largest_norm(of):
        """Length of the longest feature."""
        return float(of.measures.norm.max())

    @FEATURES.column("1-norm", formula="Σ |w|")
    def one_norm(of):
        """Sum of the feature's absolute entries."""
        return np.abs(of.features.widened(np.arange(of.features.n))).sum(axis=1)

    @BLOCKS.column("first", dtype="int64")
    def first(of):
        """The block's first feature."""
        return int(of.block.index.min())

    X = np.array([[3.0, -4.0], [1.0, 0.0], [0.0, 0.5]])
    result = fg.analyze({"tiny": X}, out=tmp_path / "out")
    assert result.matrices["largest_norm"].tolist() == [5.0]
    assert result.features["one_norm"].tolist() == [7.0, 1.0, 0.5]
    assert result.blocks["first"].tolist() == [0]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "max norm" in page
    assert "Length of the longest feature. max ‖w‖" in page
    assert fg.load(tmp_path / "out").features["one_norm"].tolist() == [7.0, 1.0, 0.5]
    for table, key in (("matrices", "largest_norm"), ("features", "one_norm"), ("blocks", "first")):
        assert any(line.startswith(f"| `{key}` |") for line in documents.columns(table))
