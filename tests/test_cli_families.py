"""The command that finds families, and families in an analysis: tables, pages, labels, folders."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app


def planted():
    """A pentagon, a prism and two copies among 120 random directions of 48 dimensions."""
    random = np.random.default_rng(0)
    X = random.standard_normal((120, 48)) / np.sqrt(48)
    Q = np.linalg.qr(random.standard_normal((48, 5)))[0].T
    X[:5] = fg.shapes.polygon(5) @ Q[:2]
    X[20:26] = fg.shapes.prism(3, 0.8) @ Q[2:]
    X[40] = X[41] + 1e-3 * random.standard_normal(48)
    return X.astype(np.float32)


@pytest.fixture(scope="module", name="X")
def matrix():
    return planted()


@pytest.fixture
def invoke(tmp_path, monkeypatch, X):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X)
    (tmp_path / "names.txt").write_text("".join(f"word {i}\n" for i in range(len(X))), encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(app, ["families", *map(str, arguments)])


def test_table_page_and_text_agree_with_the_function(invoke, tmp_path, X):
    said = invoke("X.npy", "--labels", "names.txt", "--out", "o")
    assert said.exit_code == 0, said.output
    found = fg.dictionaries.families(X, labels=[f"word {i}" for i in range(len(X))])
    frame = pd.read_parquet(tmp_path / "o" / "families.parquet")
    assert frame["name"].tolist() == list(found.name)
    assert [list(row) for row in frame["members"]] == [row.tolist() for row in found.members]
    assert frame.attrs["provenance"]["command"] == "featuregeom families"
    assert "pentagon" in said.stdout
    assert "word 0" in said.stdout
    page = (tmp_path / "o" / "families.html").read_text(encoding="utf-8")
    for shown in ("Families of X", "pentagon", "triangular prism", "word 3", "copies"):
        assert shown in page


def test_json(invoke):
    said = invoke("X.npy", "--json")
    facts = json.loads(said.stdout)
    assert facts["counts"]["geometry"] == 2
    assert facts["counts"]["copies"] == 1
    assert sorted(sorted(row["members"]) for row in facts["families"]) == [
        [0, 1, 2, 3, 4],
        [20, 21, 22, 23, 24, 25],
        [40, 41],
    ]


def test_columns_are_features_where_that_is_said(invoke, X):
    np.save("T.npy", X.T.copy())
    assert json.loads(invoke("T.npy", "--axis", "columns", "--json").stdout)["counts"]["geometry"] == 2


def test_other_settings_replace_nothing_unasked(invoke, tmp_path):
    assert invoke("X.npy", "--out", "o").exit_code == 0
    before = (tmp_path / "o" / "families.parquet").read_bytes()
    refused = invoke("X.npy", "--out", "o", "--k", "8")
    assert refused.exit_code == 1
    assert "other settings" in refused.output
    assert (tmp_path / "o" / "families.parquet").read_bytes() == before
    assert invoke("X.npy", "--out", "o", "--k", "8", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--q", "2"), "q must be"),
        (("--labels", "none.txt"), "no such file of labels"),
        (("--labels-column", "x"), "give --labels"),
        (("--tensor", "Y"), "has no matrix 'Y'"),
    ],
)
def test_wrong_use_is_told(invoke, arguments, said):
    told = invoke("X.npy", *arguments)
    assert told.exit_code in (1, 2)
    assert said in told.output
    assert "Traceback" not in told.output


def test_an_analysis_finds_families_and_numbers_features_as_stored(tmp_path, X):
    with_hole = np.insert(X, 0, np.nan, axis=0)
    labels = [f"word {i}" for i in range(len(with_hole))]
    result = fg.analyze({"w": with_hole}, nonfinite="skip", labels=labels, out=tmp_path / "o")
    table = result.families.set_index("name")
    assert sorted(table.loc["pentagon", "members"]) == [1, 2, 3, 4, 5]
    assert sorted(table.loc["pentagon", "labels"]) == [f"word {i}" for i in range(1, 6)]
    assert table.loc["triangular prism", "height"] == pytest.approx(0.8, abs=1e-4)
    stored = pd.read_parquet(tmp_path / "o" / "families.parquet")
    assert [list(row) for row in stored["members"]] == result.families["members"].tolist()
    drawn = {picture.family: picture for picture in result.pictures["w"].families}
    pentagon = drawn[int(table.loc["pentagon", "family"])]
    assert pentagon.coordinates.shape == (5, 2)
    np.testing.assert_allclose(np.linalg.norm(pentagon.coordinates, axis=1), 1, atol=1e-5)
    assert pentagon.share == pytest.approx(1, abs=1e-5)
    again = fg.survey.load(tmp_path / "o")
    pd.testing.assert_frame_equal(again.families, result.families)


def test_without_pairs_there_are_no_families(X):
    result = fg.analyze({"w": X}, pairs=False)
    assert len(result.families) == 0
    cost = fg.survey.estimate({"w": X}, pairs=False).matrices["w"]
    assert cost.families == 0
    assert fg.survey.estimate({"w": X}).matrices["w"].families > 0


def test_certificates_of_exact_shapes_are_of_their_rows(X):
    found = fg.dictionaries.families(X)
    (pentagon,) = (i for i, name in enumerate(found.name) if name == "pentagon")
    certificate = found.certificate[pentagon]
    assert certificate is not None
    checked = fg.schemes.verify(certificate, X)
    assert checked.holds
    assert not fg.schemes.verify(certificate, np.roll(X, 1, axis=0)).holds
    assert found.certificate[found.kind.index("copies")] is None
