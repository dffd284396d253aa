"""Findings about families of features and named shapes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import featuregeom as fg
from featuregeom.dictionaries import SENTENCES
from featuregeom.findings import Tables, families_beyond_chance, find
from featuregeom.findings.parallel import NEARLY
from oracles.analysis import polygon
from oracles.findings import (
    EVERYTHING,
    FAMILY,
    features_of,
    findings_of,
    gaussian,
    rows_of,
)


def test_families_with_a_shape_come_first():
    families = pd.DataFrame({
        "matrix": "w", "family": [0, 1, 2], "size": [3, 5, 2], "kind": ["cluster", "circle", "antipodes"],
        "name": ["", "", ""], "p": [1e-9, 0.002, np.nan], "q": [0.1, 0.03, np.nan], "share": [0.1, 0.7, 1.0],
        "parent": [-1, -1, -1], "members": [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]],
    })  # fmt: skip
    (found,) = findings_of({"w": gaussian(20, 8)}, families=families)["families"]
    assert str(found) == (
        "“w” holds 3 families of features, nearer to each other than to any other feature. The clearest: "
        "features 3, 4, 5, 6 and 7 (on a circle, in this order, q = 0.03); features 8 and 9 (opposite to each other); "
        "features 0, 1 and 2 (close together, q = 0.1)."
    )
    assert found.strength == 0.5


def test_a_family_inside_another_is_not_counted_and_one_with_a_shape_is_a_shape():
    matrices = rows_of(EVERYTHING | {"blocks": 1})
    inside = pd.DataFrame([FAMILY | {"parent": -1}, FAMILY | {"parent": 0}])
    said = list(map(str, find(Tables(matrices, families=inside))))
    assert any(sentence.startswith("“w0” holds 1 family of features") for sentence in said)
    assert "regular shapes" in said[-3]
    shaped = pd.DataFrame([FAMILY | {"kind": "geometry", "name": "pentagon"}])
    assert not any("regular shapes" in str(finding) for finding in find(Tables(matrices, families=shaped)))


def test_a_family_that_is_a_named_block_is_said_once_and_inner_ones_are_not_named():
    families = pd.DataFrame({
        "matrix": "w", "size": [5, 2], "kind": ["geometry", "antipodes"], "name": ["pentagon", ""],
        "p": [0.0, 1e-6], "parent": [-1, 0], "members": [list(range(5)), [3, 1]],
    })  # fmt: skip
    found = findings_of({"w": polygon(5)}, families=families)
    assert "families" not in found
    assert str(found["shapes"][0]).endswith("pentagon (5 corners in 2 dimensions).")
    assert "families" not in str(found["absent"][0])
    (said,) = findings_of({"w": polygon(5)}, families=families.assign(name=["icosahedron", ""]))["families"]
    assert str(said).endswith("features 0, 1, 2, 3 and 4 (as an icosahedron).")


def test_families_inside_clusters_are_named_and_those_inside_shapes_are_not():
    families = pd.DataFrame({
        "matrix": "w", "family": range(6), "size": [4, 6, 4, 2, 2, 2],
        "kind": ["cluster", "circle", "cluster", "cluster", "copies", "copies"], "name": "",
        "q": [1e-3, 1e-3, 1e-2, 1e-2, 1e-9, 1e-12], "parent": [-1, -1, -1, -1, 0, 1],
        "members": [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9], [10, 11, 12, 13], [14, 15], [2, 3], [4, 5]],
    })  # fmt: skip
    (said,) = findings_of({"w": gaussian(20, 8)}, families=families)["families"]
    assert str(said).startswith("“w” holds 4 families of features")
    assert str(said).endswith(
        "features 4, 5, 6, 7, 8 and 9 (on a circle, in this order, q = 0.001); features 2 and 3 (copies of each other, "
        "q = 1e−9); features 0, 1, 2 and 3 (close together, q = 0.001)."
    )


def test_shapes_are_counted():
    (shapes,) = findings_of({"w": np.kron(np.eye(3), polygon(5))})["shapes"]
    assert str(shapes) == (
        "In “w” 15 of 15 features form 3 shapes that have a name: 3 × pentagon (5 corners in 2 dimensions)."
    )
    assert shapes.strength == 1


def test_families_in_a_hundredth_of_the_matrices_are_chance():
    """Each matrix allows its families a rate of .01, so a hundredth of random ones hold some."""
    rows = rows_of(*({} for _ in range(200)))
    few = pd.DataFrame([FAMILY | {"matrix": f"w{k}", "q": 0.003, "kind": "copies"} for k in (7, 70)])
    found = find(Tables(rows, families=few))
    (said,) = [
        str(finding) for finding in found if "families" in str(finding) and finding.kind == "by chance"
    ]
    assert said == (
        "2 matrices hold families of features, but no more than chance explains where 200 are looked at: “w7” "
        "and “w70”."
    )
    assert not [finding for finding in found if finding.kind == "families"]
    clear = few.assign(q=[1e-9, 0.003])
    found = find(Tables(rows, families=clear))
    assert [finding.matrix for finding in found if finding.kind == "families"] == ["w7"]
    assert "1 matrix holds families" in str(found)
    circle = few.iloc[:1].assign(matrix="w0", kind="circle", q=0.08)  # of circles a tenth may be false
    assert [finding.kind for finding in find(Tables(rows_of({}), families=circle))][:1] == ["families"]
    assert families_beyond_chance(Tables(rows_of({}), families=circle.assign(kind="copies"))) == frozenset()


def test_nearly_equal_features_are_not_called_copies():
    """Two features of the cosine c share (1 + c) / 2 of their squared length with one line."""
    for kind in ("copies", "antipodes"):
        what = {"copies": "copies of each other", "antipodes": "opposite to each other"}[kind]
        for cosine in (NEARLY, 0.95):
            family = pd.DataFrame([FAMILY | {"kind": kind, "share": (1 + cosine) / 2}])
            (said,) = [
                str(each) for each in find(Tables(rows_of({}), families=family)) if each.kind == "families"
            ]
            nearly = f"(nearly {what}: 97.5 % of their squared length along one line)"
            assert (f"({what})" if cosine == NEARLY else nearly) in said


def test_a_near_copy_in_few_dimensions_is_seen_by_the_page_and_what_may_be_missed_is_said():
    """The test of pairs sees no copy in 40 dimensions; the families do, and no sentence denies it."""
    X = gaussian(60, 40)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    across = X[1] - X[1] @ X[0] * X[0]
    X[1] = 0.97 * X[0] + np.sqrt(1 - 0.97**2) * across / np.linalg.norm(across)
    found = fg.analyze({"w": X}, pairs=True, num_threads=1).findings
    said = "\n".join(map(str, found))
    assert "like weights that were never trained" not in said
    assert (
        "only some of the features differ from random ones, in families, copies, opposites or shapes: “w”."
        in said
    )
    assert "features 0 and 1 (nearly copies of each other: 98.5 %" in said
    assert (
        "May be missed: pairs of features that are alike or opposite, but not nearly equal, in 1 matrix"
        in said
    )


def test_unused_dimensions_are_absent_only_where_there_are_features_enough():
    def absent(**row):
        return any("unused dimensions" in str(finding) for finding in find(Tables(rows_of(row))))

    assert absent(n=6, m=4, rank=4, zero_features=0)
    assert not absent(n=3, m=4, rank=3, zero_features=0)
    assert not absent(n=6, m=4, rank=0, zero_features=6)


@pytest.mark.parametrize("kind", ["random", "spectrum", "structure"])
def test_families_of_a_random_matrix_are_reconciled_with_its_verdict(kind: str) -> None:
    families = pd.DataFrame(
        {"matrix": ["w0"] * 2, "kind": ["copies", "antipodes"], "name": "", "size": 2, "p": 1e-9, "parent": -1,
         "members": [[0, 1], [2, 3]]}
    )  # fmt: skip
    row = {"verdict": SENTENCES[kind], "significant_pairs": 0, "gathered_features": 0, "spectrum_p": 0.001}
    found = find(Tables(rows_of(row), features_of(cosine=[0.9] * 6), families=families))
    said = [str(finding) for finding in found if finding.kind == "verdict"]
    whole = "As a whole, 1 matrix is no different from random directions, but some of the features are"
    assert [each.startswith(whole) for each in said] == ([] if kind == "structure" else [kind == "random"])
    assert all("in families, copies, opposites or shapes: “w0”." in each for each in said)
    absent = next(str(finding) for finding in found if finding.kind == "absent")
    assert "copies" not in absent
    assert "opposites" not in absent
