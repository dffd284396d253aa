"""Geometries are declared once: the catalogue, the known answers, names and documents follow the records."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import geometries, shapes
from featuregeom.geometries import GEOMETRIES, Geometry
from featuregeom.recognise.names import catalogue as catalogue_file
from featuregeom.recognise.names.catalogue import catalogue
from featuregeom.shapes import expected

ROOT = Path(__file__).parents[1]


def test_every_generator_of_a_geometry_has_one_record():
    made_of_others = {"direct_sum", "expected", "noisy", "random_frame", "rotated"}
    assert sorted(each.generator for each in GEOMETRIES) == sorted(set(shapes.__all__) - made_of_others)


@pytest.mark.parametrize("each", GEOMETRIES, ids=lambda each: each.generator)
def test_members_of_a_size_have_that_size_and_their_own_name(each):
    for n in range(2, 150):
        for member in each.of_size(n):
            X = each.coordinates(*member)
            assert len(X) == n
            assert each.name(*member) not in each.also(*member)
            if each.called is None:
                assert each.expected(*member).n == n


def test_the_catalogue_lists_the_members_of_a_size():
    assert [ideal.name for ideal in catalogue(12)] == ["icosahedron", "cuboctahedron"]
    assert {ideal.name for ideal in catalogue(16)} == {
        "demipenteract",
        "Shrikhande graph",
        "tesseract",
        "H(2,4)",
    }


def heawood() -> np.ndarray:
    """Points and lines of the Fano plane on the eigenspace of sqrt(2) of their incidence graph."""
    A = np.zeros((14, 14))
    for line in range(7):
        for point in (0, 1, 3):
            A[line, 7 + (line + point) % 7] = A[7 + (line + point) % 7, line] = 1
    values, vectors = np.linalg.eigh(A)
    X = vectors[:, np.isclose(values, math.sqrt(2))]
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def heawood_numbers() -> expected.Expected:
    root = math.sqrt(2)
    cosines = ((root / 3, 3), (-1 / 6, 6), (-root / 4, 4))
    return expected.Expected("Heawood graph", 14, 6, ((14 / 6, 6),), ((6 / 14, 14),), root / 3, cosines)


def test_a_new_geometry_is_one_record(monkeypatch, tmp_path):
    """A throw-away geometry is found by its name in the table, on the page and in the documents."""
    X = shapes.rotated(heawood(), seed=1, dim=9)
    assert fg.schemes.detect(X).name == ""
    monkeypatch.setattr(shapes, "heawood", heawood, raising=False)
    monkeypatch.setattr(expected, "heawood", heawood_numbers, raising=False)
    record = Geometry(
        "heawood", of_size=lambda n: [()] if n == 14 else [], also=lambda: ("Fano incidence graph",)
    )
    monkeypatch.setattr(catalogue_file, "GEOMETRIES", (*GEOMETRIES, record))
    monkeypatch.setattr(geometries, "GEOMETRIES", (*GEOMETRIES, record))
    catalogue.cache_clear()
    try:
        found = fg.schemes.detect(X)
        assert (found.name, found.also) == ("Heawood graph", ("Fano incidence graph",))
        levels = [value for value, _ in heawood_numbers().gram_values]
        np.testing.assert_allclose(found.levels[1:], levels, atol=1e-12)
        result = fg.analyze({"sum": shapes.direct_sum(X, shapes.simplex(3))}, out=tmp_path / "out")
        assert result.matrices["geometry"].tolist() == ["1 × Heawood graph, 1 × triangle"]
        assert "Heawood graph" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
        documents = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(documents)
        assert any(line.startswith("| Heawood graph | Fano incidence graph |") for line in documents.named())
    finally:
        catalogue.cache_clear()
