"""Certificates: they hold for what they were made from, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ortho_group

import featuregeom as fg
from featuregeom.errors import OutputError, ParameterError, ShapeError, SourceError
from featuregeom.schemes import detect
from featuregeom.schemes.certificate import certify, load, save, verify

SHAPES = {
    "square antiprism": lambda: fg.shapes.antiprism(4, 0.29),
    "pentagon": lambda: fg.shapes.polygon(5),
    "icosahedron": fg.shapes.icosahedron,
    "24-cell": fg.shapes.cell24,
    "600-cell": fg.shapes.cell600,
    "D5 roots": lambda: fg.shapes.root_system("D5"),
    "E6 roots": lambda: fg.shapes.root_system("E6"),
    "tetrahedron": lambda: fg.shapes.simplex(4),
    "digon": lambda: fg.shapes.simplex(2),
}


def rotation(m, rng):
    return ortho_group.rvs(m, random_state=rng) if m > 1 else -np.eye(1)


@pytest.mark.parametrize("name", SHAPES)
def test_what_was_certified_is_verified_after_a_journey_through_files(name, tmp_path):
    X = SHAPES[name]()
    rng = np.random.default_rng(3)
    X = 3.7 * X[rng.permutation(len(X))] @ rotation(X.shape[1], rng)
    found = certify(detect(X))
    assert found["name"] == name
    assert verify(load(save(found, tmp_path / "certificate.json")), X).holds
    assert verify(found, X @ rotation(X.shape[1], rng) / 9).holds


def test_noise_is_stated_and_held_to():
    rng = np.random.default_rng(0)
    X = fg.shapes.icosahedron()
    X = X + 0.03 * rng.standard_normal(X.shape) / np.sqrt(3)
    found = certify(detect(X))
    assert found["name"] == "icosahedron"
    assert 0 < found["spread"] < 0.2
    assert verify(found, X).holds
    other = fg.shapes.icosahedron() + 0.2 * rng.standard_normal(X.shape)
    assert not verify(found, other).holds


@pytest.mark.parametrize("name", ["icosahedron", "24-cell", "square antiprism"])
def test_one_feature_out_of_place_is_refused(name):
    X = SHAPES[name]()
    found = certify(detect(X))
    moved = X.copy()
    moved[1] = X[1] + 0.5 * np.roll(X[1], 1)
    report = verify(found, moved)
    assert not report.holds
    assert any("points" in finding.detail or "point" in finding.detail for finding in report.findings)


@pytest.mark.parametrize("field", ["intersection_numbers", "valencies", "P", "Q", "multiplicities", "levels"])
def test_every_number_is_checked(field):
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    values = np.array(found[field], dtype=float)
    values[(1,) * values.ndim] += 1
    found[field] = (
        values.astype(int).tolist() if field in ("valencies", "multiplicities") else values.tolist()
    )
    assert not verify(found, X).holds


def test_an_exception_that_is_none_is_refused():
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    assert found["exceptions"] == []
    found["exceptions"] = [[0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 4, 1], [0, 5, 1], [0, 6, 1]]
    assert not verify(found, X).holds


def test_duplicates_are_part_of_it():
    X = np.concatenate([fg.shapes.polygon(5), 2 * fg.shapes.polygon(5)[2:3]])
    found = certify(detect(X))
    assert found["duplicates"] == [[2, 5]]
    assert verify(found, X).holds
    away = X.copy()
    away[5] = [1.0, 3.0]
    assert not verify(found, away).findings[0].holds
    found["duplicates"] = []
    assert "feature 5" in verify(found, X).findings[0].detail


def test_some_rows_of_a_larger_matrix():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((30, 3))
    rows = np.sort(rng.choice(30, 12, replace=False))
    X[rows] = fg.shapes.icosahedron()
    found = certify(detect(X[rows]), features=rows, n_features=30)
    assert verify(found, X).holds
    found["features"][3] = int(np.setdiff1d(np.arange(30), rows)[0])
    assert not verify(found, X).holds


def test_lines_are_certified_from_both_ends():
    lines = fg.shapes.icosahedron()
    keep = [i for i in range(12) if not any(np.allclose(lines[i], -lines[j]) for j in range(i))]
    X = lines[keep] * np.array([1, -1, 1, 1, -1, 1])[:, None]
    found = certify(detect(X, mode="line"))
    assert verify(found, X).holds
    assert verify(found, -X).holds


def test_no_scheme_no_certificate():
    X = np.random.default_rng(1).standard_normal((9, 4))
    with pytest.raises(ParameterError, match="no scheme to certify"):
        certify(detect(X))


def test_features_that_do_not_fit():
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    with pytest.raises(ShapeError, match="12 features, the file has 11"):
        verify(found, X[1:])
    X[4] = 0
    assert verify(found, X).findings[0].detail == "row 4 is"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no certificate"),
        ('{"format": "other"}', "no certificate"),
        ('{"format": "featuregeom association scheme 1"}', "no field"),
    ],
)
def test_files_that_are_no_certificate(text, says, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=says):
        load(path)


@pytest.mark.parametrize(
    "damage",
    [
        {"points": [0, 99]}, {"features": [0, -1]}, {"points": []}, {"levels": [1.0]},
        {"levels": "x"}, {"P": [[1.0, float("inf")]]},
        {"exceptions": [[0, 1, 9]]}, {"exceptions": [[0, 1]]}, {"signs": [2] * 12}, {"n_features": "12"},
        {"valencies": [1, 5, 5, 1, 0]}, {"valencies": [10**30] * 4}, {"spread": None},
    ],
)  # fmt: skip
def test_damaged_certificates_are_named(damage, tmp_path):
    found = certify(detect(fg.shapes.icosahedron()))
    path = tmp_path / "c.json"
    path.write_text(json.dumps(found | damage))
    with pytest.raises(SourceError, match=r"c\.json: (field|the certificate)"):
        load(path)


def test_a_missing_file_and_a_missing_folder():
    with pytest.raises(SourceError, match="nowhere"):
        load("nowhere.json")
    with pytest.raises(OutputError):
        save({}, Path("nowhere") / "c.json")
