"""A sheet: the page of one experiment."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pandas as pd
import pytest

from featuregeom.errors import OutputError
from featuregeom.report.figures import Figure
from featuregeom.report.sheet import ROWS, Section, Sheet, write_sheet

HOSTILE = "</script><script>alert(1)</script>"


def figure(title="A curve"):
    return Figure("curve", title, "How to read it.", [{"type": "scatter", "x": [0, 1], "y": [0, 2]}], {})


def sheet(**changes):
    table = pd.DataFrame({"who": [HOSTILE, "b"], "value": [0.125, float("nan")], "n_trials": [3, 4]})
    parts = {
        "kicker": "Experiment",
        "title": "A title",
        "sections": (Section("First", ("Words.",), (figure(),), table), Section("Second", figures=(figure(),) * 2)),
        "totals": ("2 trials", "1 s"),
        "provenance": {"seed": 7, "where": {"device": "cpu"}},
    }  # fmt: skip
    return Sheet(**(parts | changes))


def test_everything_that_is_given_is_shown(tmp_path):
    html = write_sheet(sheet(), tmp_path / "page.html").read_text()
    for said in ("A title", "2 trials · 1 s", "First", "Second", "Words.", "How to read it.", "n trials"):
        assert said in html
    assert "<dt>seed</dt><dd>7</dd>" in html
    assert "<dt>device</dt><dd>cpu</dd>" in html
    packed = re.findall(r'id="packed-section-\d+">(.*?)</script>', html)
    specs = [json.loads(zlib.decompress(base64.b64decode(letters)))["figures"] for letters in packed]
    assert [len(section) for section in specs] == [1, 2]
    assert specs[0][0]["data"] == figure().data
    assert '<td class="number" title="0.125">' in html
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_text_cannot_break_the_page(tmp_path):
    hostile = sheet(
        title=HOSTILE, lead=(HOSTILE,), sections=(Section(HOSTILE, (HOSTILE,), (figure(HOSTILE),)),)
    )
    html = write_sheet(hostile, tmp_path / "page.html").read_text()
    assert HOSTILE not in html
    assert "&lt;/script&gt;" in html


def test_long_tables_are_cut_and_say_so(tmp_path):
    long = pd.DataFrame({"x": range(ROWS + 3)})
    html = write_sheet(sheet(sections=(Section("Long", table=long),)), tmp_path / "page.html").read_text()
    assert html.count("<td") == ROWS
    assert "3 more rows" in html


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        write_sheet(sheet(), tmp_path / "nowhere" / "page.html")
