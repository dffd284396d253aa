"""Families, close pairs and groups on the page: who is in them, how they are drawn, what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

import featuregeom as fg
from featuregeom.analysis import FamilyPicture, GroupPicture
from featuregeom.report.beyond import FAMILIES, PAIRS, close_pairs, family_cards, gathered, namer
from featuregeom.report.page import render_page
from featuregeom.report.unusual import unusual
from oracles.analysis import HOSTILE, polygon
from test_report import Page, whole

LABELS = {
    "index": np.arange(6),
    "label": np.array(["mon", "tue", None, HOSTILE, "x" * 10_000, "a\nb"], object),
}


def row(family=0, kind="circle", members=(0, 1, 2), name="", **more):
    return {
        "family": family, "size": len(members), "kind": kind, "name": name, "p": 0.001, "q": 0.02, "share": 0.5,
        "parent": -1, "members": list(members),
    } | more  # fmt: skip


def test_features_are_named_by_label_or_position():
    name = namer(LABELS)
    assert [name(0), name(2), name(5), name(99)] == ["mon", "2", r"a\nb", "99"]
    assert namer({"index": np.arange(2), "label": np.array([" ", "b"], object)})(0) == "0"
    assert len(name(4)) == 40
    assert namer({"index": np.arange(2)})(1) == "1"


def test_a_circle_is_drawn_as_a_ring_in_its_order():
    X = polygon(3)
    (card,), note = family_cards([row()], [FamilyPicture(0, np.arange(3), X, 0.9)], namer(LABELS))
    assert (card.title, card.members, note) == ("circle", "mon, tue, 2", "")
    assert (
        card.facts
        == "3 features, p = 0.001, q = 0.02, the steps along it explain 50 % of their inner products"
    )
    assert "something else" not in card.meaning
    ring, points = card.figure.data
    np.testing.assert_allclose(ring["x"], [*X[:, 0], X[0, 0]], atol=1e-5)
    assert points["text"] == ["mon", "tue", "2"]
    assert "hold 90 % of their squared length around their mean" in card.figure.caption
    assert card.figure.layout["yaxis"]["scaleanchor"] == "x"


def test_a_probability_too_small_for_a_float_is_not_zero():
    (card,), _ = family_cards([row(p=0.0, q=0.0, share=0.99999)], (), str)
    assert card.facts.startswith("3 features, p < 1e−300, q < 1e−300, the steps along it explain 100 %")


def test_a_circle_of_a_third_is_called_one():
    (card,), _ = family_cards([row(share=0.33)], (), str)
    assert card.meaning.endswith(
        "A circle with 33 %: the larger part of their inner products is something else."
    )
    (card,), _ = family_cards([row(kind="antipodes", share=0.33)], (), str)
    assert card.facts.endswith("explains 33 % of their squared length")
    assert "33" not in card.meaning


def test_families_of_more_dimensions_are_drawn_in_space():
    X = fg.shapes.simplex(5)
    (card,), _ = family_cards(
        [row(kind="simplex", members=range(5), name="5-cell")], [FamilyPicture(0, np.arange(5), X, 1.0)], str
    )
    assert card.title == "5-cell"
    (trace,) = card.figure.data
    assert trace["type"] == "space"
    np.testing.assert_allclose(trace["points"], X, atol=1e-3)
    assert "Turn and Pause start and stop" in card.figure.caption


def test_families_with_a_shape_come_first_then_by_q_and_share_and_the_rest_is_counted():
    rows = [row(k, "cluster", range(2 + k % 3)) for k in range(FAMILIES + 5)]
    rows += [row(900, "geometry", range(5), "pentagon"), row(901, "copies", range(2))]
    rows += [row(902, "circle", range(9), q=0.09), row(903, "circle", range(6), q=0.01, share=0.3)]
    rows += [row(904, "circle", range(5), q=0.01, share=0.9), row(905, "circle", range(8), q=np.nan)]
    cards, note = family_cards(rows, (), str)
    titles = [card.title for card in cards[:7]]
    assert titles == ["pentagon", "circle", "circle", "circle", "circle", "copies", "close together"]
    assert [card.facts.split(" ")[0] for card in cards[1:5]] == ["5", "6", "9", "8"]
    assert len(cards) == FAMILIES
    assert note == "11 more families are in the table families.parquet."


def test_the_clearest_pairs_are_listed_and_all_are_counted():
    n = PAIRS + 7
    frame = pd.DataFrame({
        "i": np.arange(n), "j": np.arange(n) + 1, "cosine": np.linspace(-0.5, 0.9, n),
        "z": np.linspace(-30, 9, n), "q": 0.001,
    })  # fmt: skip
    found = close_pairs(frame, str)
    assert (found.total, len(found.rows)) == (n, PAIRS)
    assert found.rows[0][:2] == ("0", "1")
    assert close_pairs(frame.iloc[:0], str) is None
    assert close_pairs(None, str) is None


def test_groups_name_their_members_and_count_the_rest():
    (group,) = gathered([GroupPicture(0, 1, 900, 0.44, 0.01, np.arange(6))], namer(LABELS))
    assert group.members.startswith("mon, tue, 2, ")
    assert group.members.endswith(" and 894 more")


def test_unusual_features_are_named():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 12))
    X[1], X[3], X[5], X[7:37] = 2 * X[0], -X[2], 50 * X[5], 0
    X[:, 4] *= 200
    result = fg.analyze({"w": X})
    features = {key: result.features[key].to_numpy() for key in ("index", "norm", "cosine", "neighbour")}
    features["density"] = np.where(np.arange(60) == 8, 0.0, 0.1)
    said = {each.what: (each.count, each.who) for each in unusual(result.matrices.iloc[0], features, str)}
    assert said["zero"] == (30, "; ".join(map(str, range(7, 31))) + " and 6 more")
    assert said["never fired in the data that its file counted"] == (1, "8")
    sizes = np.linalg.norm(X, axis=0)
    assert said["dimensions more than 10 times as large as the median"] == (
        1, f"the largest is dimension 4 ({sizes[4] / np.median(sizes):.3g} times)",
    )  # fmt: skip
    X[:, 4] /= 200
    said = unusual_of(X)
    norms = np.linalg.norm(X, axis=1)
    times = norms[5] / np.median(norms[norms > 0])
    assert said["more than 10 times as long as the median"] == (1, f"5 ({times:.3g} times)")
    X[5] /= 50
    said = unusual_of(X)
    copies, opposites = (
        next(what for what in said if what.startswith(kind)) for kind in ("copies", "opposites")
    )
    assert said[copies] == (2, "0 of 1; 1 of 0")
    assert said[opposites] == (2, "2 of 3; 3 of 2")
    assert unusual_of(rng.standard_normal((60, 12))) == {}


def unusual_of(X):
    result = fg.analyze({"w": X})
    features = {key: result.features[key].to_numpy() for key in ("index", "norm", "cosine", "neighbour")}
    found = unusual(result.matrices.iloc[0], features | {"density": ()}, str)
    return {each.what: (each.count, each.who) for each in found}


def test_the_page_shows_pairs_and_labels_and_hostile_ones_are_text():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 200))
    X[1] = X[0] + 0.1 * rng.standard_normal(200)
    X[2] = -X[3] + 0.1 * rng.standard_normal(200)
    labels = [HOSTILE, "\u202eright to left", 'quo"te', "a\nb", *(f"token {k}" for k in range(396))]
    result = fg.analyze({"w": X}, labels=labels)
    assert len(result.pairs) == 2
    html = render_page(result)
    text = whole(html)
    assert HOSTILE not in text
    assert sum(part.count("img") for part in (Page(html), *Page(html).bodies())) == 0
    for shown in ("&lt;/script&gt;", r"\u202eright to left", r"a\nb", "quo&#34;te"):
        assert shown in text
    (body,) = Page(html).packed()
    assert 'id="matrix-0-pairs"' in body["html"]
    assert "Marchenko-Pastur" in body["html"]


def test_a_picture_survives_its_file(tmp_path):
    from featuregeom.survey import parts

    result = fg.analyze({"w": polygon(5)}, out=tmp_path / "out")
    key = "k"
    picture = replace(
        result.pictures["w"],
        families=(FamilyPicture(3, np.arange(3), polygon(3), 0.5),),
        groups=(GroupPicture(0, 1, 9, 0.25, 0.01, np.arange(4)),),
    )
    held = parts.read_part(next((tmp_path / "out" / "parts").iterdir()), _plan(tmp_path / "out"), "w")
    parts.write_part(tmp_path / "part.npz", key, replace(held, picture=picture))
    back = parts.read_part(tmp_path / "part.npz", key, "w").picture
    assert vars(back.groups[0]).keys() == vars(picture.groups[0]).keys()
    assert (back.groups[0].size, back.groups[0].share) == (9, 0.25)
    assert isinstance(back.families[0].family, int)
    np.testing.assert_array_equal(back.families[0].coordinates, polygon(3))
    np.testing.assert_array_equal(back.groups[0].index, np.arange(4))


def _plan(folder):
    from featuregeom.survey import store

    return store._key(store._read_index(folder))
