"""Certificates: they hold for what they were made from, and for nothing else."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

import featuregeom as fg
from featuregeom.blocks import describe_block
from featuregeom.certificates import certify, load_certificate, save_certificate, verify
from featuregeom.certificates.format import nearest_relations
from featuregeom.errors import FeatureGeometryError, OutputError, ParameterError, ShapeError, SourceError
from featuregeom.recognise.detect import detect_cosines
from featuregeom.recognise.streamed import detect_streamed
from featuregeom.schemes import detect

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
    assert verify(load_certificate(save_certificate(found, tmp_path / "certificate.json")), X).holds
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


@pytest.mark.parametrize(
    "field", ["intersection_numbers", "valencies", "P", "Q", "krein", "multiplicities", "levels"]
)
def test_every_number_is_checked(field):
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    values = np.array(found[field], dtype=float)
    values[(1,) * values.ndim] += 1
    whole = field in ("valencies", "multiplicities", "intersection_numbers")
    found[field] = values.astype(int).tolist() if whole else values.tolist()
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


def relabelled(found, X, relations):
    """Make the certificate say that the points of X have the relations of another scheme."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = unit @ unit.T
    upper = np.argwhere(np.triu(np.ones(relations.shape), 1) > 0)
    return found | {
        "n_features": len(X),
        "features": list(range(len(X))),
        "points": list(range(len(X))),
        "exceptions": [[int(i), int(j), int(relations[i, j])] for i, j in upper],
    }, cosines


def test_a_forgery_that_lists_all_pairs_as_exceptions_is_refused():
    """Any features would be an icosahedron, if every pair were an exception and the spread 2."""
    ideal = detect(fg.shapes.icosahedron())
    X = np.random.default_rng(7).standard_normal((12, 3))
    forged, cosines = relabelled(certify(ideal), X, ideal.relations)
    assert not verify(forged | {"spread": 2.0}, X).holds
    # A better forger takes the true means, spread and share of the variance, and leaves out what is none.
    means = np.array([cosines[ideal.relations == k].mean() for k in range(4)])
    nearest = nearest_relations(cosines, means)
    off = ~np.eye(12, dtype=bool)
    total = ((cosines[off] - cosines[off].mean()) ** 2).sum()
    forged |= {
        "levels": means.tolist(),
        "exceptions": [e for e in forged["exceptions"] if nearest[e[0], e[1]] != e[2]],
        "spread": float(np.abs(cosines - means[ideal.relations]).max()),
        "eta2": float(1 - ((cosines - means[ideal.relations])[off] ** 2).sum() / total),
    }
    said = {finding.what: finding.holds for finding in verify(forged, X).findings}
    assert next(what for what, holds in said.items() if not holds).startswith("at most 25%")
    # Without a name it claims a scheme that explains nothing.
    report = verify(forged | {"name": "", "also": [], "residual": None}, X)
    assert {f.what.split()[0] for f in report.findings if not f.holds} == {"at", "relations"}


def test_one_level_needs_a_narrow_one_or_a_name():
    """Complete graphs are a scheme of any features: then the level has to say something."""
    X = fg.shapes.simplex(5)
    found = certify(detect(X))
    other = np.random.default_rng(1).standard_normal((5, 4))
    unit = other / np.linalg.norm(other, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[~np.eye(5, dtype=bool)]
    mean = float(cosines.mean())
    forged = found | {"name": "", "levels": [1.0, mean], "spread": float(np.abs(cosines - mean).max())}
    assert any(f.what.startswith("one level") and not f.holds for f in verify(forged, other).findings)


@pytest.mark.parametrize("other", ["24-cell", "", "cuboctahedron", "3 x digon"])
def test_the_name_is_checked(other):
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    report = verify(found | {"name": other}, X)
    assert [finding.what for finding in report.findings if not finding.holds] == [
        f"detection gives the name {other or 'none'!r}, to the residual stated, once more"
    ]
    assert "'icosahedron'" in report.findings[-1].detail


MANY = {
    "noisy icosahedron": lambda rng: fg.shapes.noisy(fg.shapes.icosahedron(), 0.15, 3),
    "D5 roots": lambda rng: fg.shapes.root_system("D5") @ rotation(5, rng),
    "square antiprism": lambda rng: fg.shapes.antiprism(4, 1 / (1 + 2 * np.sqrt(2))) @ rotation(3, rng),
    "twice": lambda rng: np.concatenate([fg.shapes.polygon(5), 2 * fg.shapes.polygon(5)[2:3]]),
    "lines": lambda rng: fg.shapes.icosahedron()[[0, 1, 2, 3, 4, 5]],
    "simplex": lambda rng: fg.shapes.simplex(4),
}
UNSAID = {"featuregeom", "reason", "seed", "tolerance"}
"""What may be otherwise: version, remarks, and the options, from which the same may follow."""


@functools.lru_cache
def certified(name):
    X = MANY[name](np.random.default_rng(3))
    mode = "line" if name == "lines" else "signed"
    if mode == "line":
        lines = fg.shapes.icosahedron()
        X = lines[[i for i in range(12) if not any(np.allclose(lines[i], -lines[j]) for j in range(i))]]
    return certify(detect(X, mode=mode)), X


def mutated(value, choose):
    """Change one leaf of a value of JSON, or drop or repeat an item of a list."""
    if isinstance(value, list):
        if not value:
            return choose([[[0, 1, 1]], [[0, 0, 1]], [[0, 1]], [1], ["x"], None])
        what = choose(["inside", "inside", "inside", "drop", "repeat"])
        at = choose(list(range(len(value))))
        if what == "drop":
            return value[:at] + value[at + 1 :]
        if what == "repeat":
            return value[: at + 1] + value[at:]
        return [*value[:at], mutated(value[at], choose), *value[at + 1 :]]
    if isinstance(value, str):
        return choose([value + "x", "", 1, None, "line" if value != "line" else "signed"])
    if value is None:
        return choose([0.5, "x", True, 1])
    if isinstance(value, int):
        return choose([value + 1, value - 1, value + 0.9, str(value), None, -value - 1, float(value)])
    return choose([value + 1e-3, value - 0.3, -value - 1, str(value), None, float("nan"), 2.0 + value])


@pytest.mark.parametrize("name", MANY)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_single_change_is_refused(name, data):
    found, X = certified(name)
    field = data.draw(st.sampled_from(sorted(set(found) - UNSAID)))
    changed = mutated(found[field], lambda options: data.draw(st.sampled_from(options)))
    if type(changed) is type(found[field]) and changed == found[field]:
        return
    try:
        report = verify(found | {field: changed}, X)
    except FeatureGeometryError:
        return
    assert not report.holds, (field, found[field], changed)


@pytest.mark.parametrize("name", MANY)
def test_what_the_changes_start_from_holds(name):
    found, X = certified(name)
    report = verify(json.loads(json.dumps(found)), X)
    assert report.holds, [finding for finding in report.findings if not finding.holds]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_single_change_is_refused_a_tile_at_a_time(data):
    """The branch for more than 4096 points, on few."""
    X = fg.shapes.johnson(6, 3)
    with mock.patch("featuregeom.certificates.verification.LARGEST", 4):
        found = certify(detect(X))
        assert verify(found, X).holds
        field = data.draw(st.sampled_from(sorted(set(found) - UNSAID)))
        changed = mutated(found[field], lambda options: data.draw(st.sampled_from(options)))
        if type(changed) is type(found[field]) and changed == found[field]:
            return
        try:
            report = verify(found | {field: changed}, X)
        except FeatureGeometryError:
            return
        assert not report.holds, (field, found[field], changed)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"valencies": [1, 5.9, 5, 1]}, "'valencies' of the certificate is no array of whole numbers"),
        ({"valencies": [1, "5", 5, 1]}, "whole numbers"),
        ({"valencies": [True, 5, 5, 1]}, "whole numbers"),
        ({"format": "featuregeom association scheme 9"}, "'format'"),
        ({"mode": "sideways"}, "'mode'"),
        ({"method": "by eye"}, "'method' of the certificate is 'by eye'"),
        ({"method": "block, -1 proposals"}, "'method'"),
        ({"method": 4}, "no field 'method' that is a text"),
        ({"signs": [1] * 11 + [-1]}, "'signs'"),
        ({"signs": [1.0] * 12}, "'signs'"),
        ({"points": [0, *range(11)]}, "names a point twice"),
        ({"exceptions": [[0, 0, 1]]}, "'exceptions'"),
        ({"exceptions": [[1, 0, 1]]}, "'exceptions'"),
        ({"exceptions": [[0, 1, 0]]}, "'exceptions'"),
        ({"exceptions": [[0, 1, 2], [0, 1, 3]]}, "a pair twice"),
        ({"features": [0, *range(11)]}, "'features'"),
        ({"duplicates": [[0, 0]]}, "'duplicates'"),
        ({"duplicates": [[0, 1], [1, 2]]}, "in two sets"),
        ({"defect": 0.1}, "'defect'"),
        ({"proof": "trust me"}, "'proof'"),
        ({"error_bound": 1e-3}, "'error_bound'"),
        ({"tolerance": 0.9}, "'tolerance'"),
    ],
)
def test_fields_of_a_wrong_kind_are_named_by_verify_too(damage, says):
    found = certify(detect(fg.shapes.icosahedron()))
    with pytest.raises(ParameterError, match=says):
        verify(found | damage, fg.shapes.icosahedron())


def test_points_of_one_direction_are_refused():
    """[0, 0] with signs [1, -1] made a digon of any feature; so do two rows of one line."""
    found = certify(detect(fg.shapes.simplex(2)))
    X = np.array([[1.0, 2.0], [1.0, 2.0]])
    levels = found | {"levels": [1.0, 1.0]}
    assert "have" in verify(levels, X).findings[1].detail
    with pytest.raises(ParameterError, match="'signs'"):
        verify(found | {"points": [0, 0], "signs": [1, -1]}, X)


def test_the_proof_says_what_was_done(monkeypatch):
    X = fg.shapes.icosahedron()
    found = certify(detect(X))
    assert found["proof"].startswith("exact")
    assert found["error_bound"] == 0
    assert np.array(found["krein"]).shape == (4, 4, 4)
    assert found["defect"] == 0
    large = certify(detect(fg.shapes.johnson(46, 2)), seed=7)
    assert len(large["points"]) > 1024
    assert large["proof"].startswith("randomised")
    assert 0 < large["error_bound"] < 2**-86
    assert large["seed"] == 7
    assert verify(large, fg.shapes.johnson(46, 2)).holds


@pytest.mark.parametrize(("sigma", "tolerance"), [(0.15, 0.05), (0.1, 0.3)])
@pytest.mark.parametrize("name", ["cube", "icosahedron", "pentagonal prism"])
def test_a_name_through_noise_is_found_again(name, sigma, tolerance):
    X = {"cube": fg.shapes.cube(3), "pentagonal prism": fg.shapes.prism(5)}.get(name, fg.shapes.icosahedron())
    X = fg.shapes.noisy(X, sigma, 0)
    found = detect(X, tolerance=tolerance)
    if found.intersection_numbers is None:
        return
    assert verify(certify(found), X).holds
    assert verify(certify(found, tolerance=tolerance), X).holds


def test_certify_does_not_believe_the_detection():
    """The claim is checked again where it is written down, exactly, whatever the detection says."""
    found = detect(fg.shapes.icosahedron())
    wrong = found.relations.copy()
    wrong[0, 1], wrong[1, 0] = 3 - wrong[0, 1], 3 - wrong[0, 1]
    forged = dataclasses.replace(found, relations=wrong)
    with pytest.raises(ParameterError, match="no scheme to certify"):
        certify(forged)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["D5", "D6"])
def test_tied_levels_are_told_apart_by_label(name, seed):
    rng = np.random.default_rng(seed)
    X = fg.shapes.root_system(name)
    X = X[rng.permutation(len(X))] @ rotation(X.shape[1], rng)
    assert verify(certify(detect(X)), X).holds


def test_products_that_are_too_many_are_certified_by_two_passes(monkeypatch):
    monkeypatch.setattr("featuregeom.certificates.verification._MOST_WORK", 0)
    X = fg.shapes.root_system("E6")
    found = certify(detect(X))
    report = verify(found, X)
    assert report.holds
    assert any("probability" in finding.detail for finding in report.findings)
    found["intersection_numbers"][1][1][1] += 1
    assert not verify(found, X).holds


def test_some_rows_of_a_larger_matrix():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((30, 3))
    rows = np.sort(rng.choice(30, 12, replace=False))
    X[rows] = fg.shapes.icosahedron()
    found = certify(detect(X[rows]), rows=rows, n_features=30)
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
        ('{"format": "featuregeom association scheme 2"}', "no field"),
        ('{"format": "featuregeom association scheme 3"}', "no field"),
    ],
)
def test_files_that_are_no_certificate(text, says, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=says):
        load_certificate(path)


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
        load_certificate(path)


def test_a_missing_file_and_a_missing_folder():
    with pytest.raises(SourceError, match="nowhere"):
        load_certificate("nowhere.json")
    with pytest.raises(OutputError):
        save_certificate({}, Path("nowhere") / "c.json")


def test_a_name_through_noise_is_said_to_be_one(tmp_path):
    """Its residual is above the tolerance: reason, certificate, finding and verdict say so."""
    X = fg.shapes.noisy(fg.shapes.johnson(8, 2), 0.1, seed=0)
    found = detect(X)
    assert (found.name, found.residual > 0.05) == ("J(8,2)", True)
    assert (
        found.reason
        == f"through noise: cosines differ by up to {found.residual:.3f}, above the tolerance of 0.05"
    )
    claim = load_certificate(save_certificate(certify(found), tmp_path / "certificate.json"))
    assert claim["reason"] == found.reason
    said = verify(claim, X)
    assert said.holds
    assert said.through_noise
    assert said.verdict == "holds through noise, not to its tolerance"
    assert "above the tolerance of 0.05: through noise" in said.findings[-1].detail
    exact = verify(certify(detect(fg.shapes.johnson(8, 2))), fg.shapes.johnson(8, 2))
    assert (exact.holds, exact.through_noise, exact.verdict) == (True, False, "holds")


OLDER = Path(__file__).parent / "golden" / "certificates"
"""Certificates of the second format, as they were written, with their features."""


@pytest.mark.parametrize("name", ["direct", "block", "streamed", "lines"])
def test_certificates_of_the_second_format_are_read_and_verified(name, tmp_path):
    held = json.loads((OLDER / f"{name}.json").read_text())
    X, claim = np.array(held["features"]), held["certificate"]
    assert (claim["format"][-1], "method" in claim) == ("2", False)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(claim))
    assert verify(load_certificate(path), X).holds
    moved = X.copy()
    moved[1] += 0.5 * np.roll(X[1], 1)
    assert not verify(claim, moved).holds
    assert not verify(claim | {"name": "another"}, X).holds


def test_the_method_is_recorded():
    X = fg.shapes.johnson(6, 3)
    assert certify(detect(X))["method"] == "direct"
    assert certify(detect_streamed(X))["method"] == "streamed"
    assert verify(certify(detect_streamed(X)), X).holds
    block = describe_block(fg.shapes.icosahedron(), np.arange(12)).scheme
    assert certify(block)["method"] == "block, 1 proposals"
    assert certify(describe_block(fg.shapes.cube(4), np.arange(16)).scheme)["method"] == "block, 4 proposals"


@pytest.mark.parametrize("method", ["direct", "streamed", "block, 4 proposals"])
def test_the_method_recorded_is_the_one_that_is_run(method):
    """Once, and no other; a name that only another method gives does not hold."""
    X = fg.shapes.cube(4)
    made = {
        "direct": lambda: detect(X),
        "streamed": lambda: detect_streamed(X),
        "block, 4 proposals": lambda: describe_block(X, np.arange(16)).scheme,
    }
    claim = certify(made[method]())
    with (
        mock.patch("featuregeom.certificates.verification.detect", wraps=detect) as direct,
        mock.patch("featuregeom.certificates.verification.detect_streamed", wraps=detect_streamed) as large,
        mock.patch("featuregeom.certificates.verification.detect_cosines", wraps=detect_cosines) as block,
    ):
        assert verify(claim, X).holds
        assert not verify(claim | {"name": "another"}, X).holds
    counts = [direct.call_count, large.call_count, block.call_count]
    # A name that rests on cosines alone is found again from them.
    assert counts == {"streamed": [0, 2, 0]}.get(method, [0, 0, 2])
    sums = [call.kwargs.get("sums", True) for call in block.call_args_list]
    assert sums == [method == "direct"] * len(sums)


def test_a_sum_is_no_name_of_a_block():
    X = fg.shapes.direct_sum(fg.shapes.simplex(3), fg.shapes.simplex(3))
    claim = certify(detect(X))
    assert claim["name"] == "2 x triangle"
    assert verify(claim, X).holds
    assert not verify(claim | {"method": "block, 4 proposals"}, X).holds


def test_multiplicities_that_sum_to_nothing_are_refused():
    X = np.concatenate([fg.shapes.polygon(5), 2 * fg.shapes.polygon(5)[2:3]])
    assert not verify(certify(detect(X)) | {"multiplicities": [1, 2, -3]}, X).holds
