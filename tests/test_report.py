"""The page without a browser: its numbers, its words, its size, and that nothing breaks out of it."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import featuregeom as fg
from featuregeom.analysis import BlockPicture, Picture
from featuregeom.errors import OutputError
from featuregeom.measures import MATRICES
from featuregeom.report.drawings import block_drawings, block_groups, neighbours
from featuregeom.report.figures import matrix_figures, space_colours
from featuregeom.report.first import what_was_read
from featuregeom.report.page import render_page, write_page
from featuregeom.report.words import reading
from oracles.analysis import HOSTILE, antiprism, make_analysis, polygon, simplex
from oracles.pages import Page, whole


@pytest.fixture(scope="module")
def analysis():
    skipped = [{"tensor": HOSTILE, "shape": "(5,)", "dtype": "F32", "reason": "1-D"}]
    return make_analysis(skipped=skipped)


@pytest.fixture(scope="module")
def html(analysis):
    return render_page(analysis)


def large_analysis(n=30_000, m=384):
    """One matrix of a real size, without the work of analysing it."""
    small = make_analysis({"large": polygon(5)})
    rng = np.random.default_rng(0)
    k = m - 1
    features = pd.DataFrame({
        "matrix": "large", "index": np.arange(n), "norm": rng.uniform(0.5, 1.5, n),
        "capacity": rng.uniform(0, 0.02, n), "eigenspace": rng.integers(0, k, n),
    })  # fmt: skip
    features.loc[7, "capacity"] = np.nan
    gram = np.eye(200)
    picture = Picture(
        eigenvalues=np.sort(rng.uniform(1, 900, m))[::-1],
        eigenspace_of=np.append(np.arange(k), -1),
        eigenspace_values=np.sort(rng.uniform(1, 900, k))[::-1],
        eigenspace_dims=np.ones(k, dtype=np.int64),
        heat=rng.dirichlet(np.ones(128), 512).astype(np.float32),
        heat_index=np.arange(512),
        heat_spaces=np.linspace(0, k, 129).astype(np.int64),
        cosine_edges=np.linspace(-1, 1, 201),
        cosine_counts=np.full(200, 10**6),
        blocks=tuple(BlockPicture(b, np.arange(200), gram, np.zeros((200, 0))) for b in range(20)),
    )
    matrices = small.matrices.assign(n=n, m=m, rank=k, geometry="", eigenspaces=k)
    blocks = pd.concat([small.blocks.assign(block=b, geometry="", n=200, dim=k) for b in range(20)])
    return replace(small, matrices=matrices, features=features, blocks=blocks, pictures={"large": picture})


# --- words -----------------------------------------------------------------------------------


def test_a_matrix_without_a_name_can_be_opened_and_is_no_evidence_of_all():
    page = render_page(make_analysis({"": polygon(5), "  ": polygon(5), "a": polygon(5)}))
    assert page.count("(no name)</a>") == page.count("<h2>(no name)</h2>") == 2
    assert '<a href="#matrix-0"' not in page[: page.index('id="overview"')]


def test_reading_says_what_the_numbers_mean(analysis):
    said = {row["matrix"]: " ".join(reading(row)) for row in analysis.matrices.to_dict("records")}
    assert "tight frame" in said["pentagon"]
    assert "every feature lies in exactly one eigenspace" in said["zoo.weight"]
    assert "less evenly than random directions" in said["skewed"]
    assert "(Welch)" in said["random 64 x 16"]
    assert "All 4 features are zero" in said["all zero"]
    assert "of this number are further apart" in " ".join(
        reading(make_analysis({"s": simplex(4)}).matrices.to_dict("records")[0])
    )


def test_reading_warns_when_the_self_check_fails(analysis):
    row = analysis.matrices.to_dict("records")[0]
    assert "within" in reading(row)[-1]
    assert "MORE than" in reading(row | {"defect_error": 1.0})[-1]


# --- figures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "edges"),
    [
        (polygon(5), 5), (polygon(2), 0), (simplex(4), 6), (antiprism(), 16),
        (np.vstack([np.eye(3), -np.eye(3)]), 12),
        (np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T, 12),
        (np.ones((9, 3)), 0),
    ],
)  # fmt: skip
def test_neighbours_are_the_edges_of_the_solid(points, edges):
    noise = 1 + 0.003 * np.random.default_rng(0).standard_normal(points.shape)
    assert len(neighbours((points * noise) @ (points * noise).T)) == edges


def test_eigenspaces_have_a_colour_each_while_they_are_few():
    assert len(set(space_colours(7))) == 7
    assert space_colours(9)[:3] == ["--c0", "--c1", "--c0"]


def figures_of(analysis, name):
    row = analysis.matrices.set_index("matrix", drop=False).loc[name].to_dict()
    mine = analysis.features[analysis.features["matrix"] == name]
    return {
        f.kind: f
        for f in matrix_figures(row, {c: mine[c].to_numpy() for c in mine}, analysis.pictures.get(name))
    }


def test_every_figure_holds_the_numbers_of_the_tables(analysis):
    figures = figures_of(analysis, "zoo.weight")
    assert list(figures) == ["eigenvalues", "measure", "capacity", "capacities", "cosines"]
    bars, outline = figures["capacities"].data
    assert sum(bars["y"]) == 23
    assert sum(y for y in outline["y"] if y) == 2 * 23
    bars = figures["cosines"].data[0]
    assert sum(y for y in bars["y"] if y) == 22 * 21 / 2
    rays = [t for t in figures["capacity"].data if t["mode"].startswith("lines")]
    slopes = sorted(r["y"][1] / r["x"][1] for r in rays)
    np.testing.assert_allclose(slopes, [1 / 4.225, 3 / 8, 1 / 2, 2 / 3, 3 / 4], rtol=1e-4)


def test_equal_capacities_share_one_bar(analysis):
    bars = figures_of(analysis, "pentagon")["capacities"].data[0]
    assert sorted(bars["y"])[-2:] == [0, 5]


def test_null_eigenvalues_are_drawn_at_the_foot():
    X = np.column_stack([polygon(5), np.zeros(5)])
    figure = figures_of(make_analysis({"flat": X}), "flat")["eigenvalues"]
    null = next(t for t in figure.data if t["name"] == "null")
    assert null["x"] == [2]
    assert null["y"][0] > 0
    assert "1 null direction " in figure.caption


def test_null_directions_are_counted_in_all_dimensions():
    figure = figures_of(fg.analyze({"two": np.eye(5)[:2] + np.eye(5)[0]}), "two")["eigenvalues"]
    assert "3 null directions that no feature uses." in figure.caption
    X = np.vstack([np.eye(5)[:2], np.eye(5)[:1]])
    figure = figures_of(fg.analyze({"three": X}), "three")["eigenvalues"]
    assert "3 null directions that no feature uses; 1 of them in grey at the foot." in figure.caption


def test_the_heat_map_counts_features_and_not_the_sample(analysis):
    X = np.random.default_rng(0).standard_normal((1000, 200))
    X[3] = 0
    caption = figures_of(fg.analyze({"many": X}), "many")["measure"].caption
    assert "70 of 999 features are drawn, a random sample." in caption
    assert "1 feature of no length in the used directions left out." in caption
    assert "are drawn" not in figures_of(analysis, "pentagon")["measure"].caption


def test_words_name_what_was_computed():
    """Each heading's line against the code that computes its number."""
    meaning = {column.key: column.meaning for column in MATRICES.columns}
    X = np.diag([3.0, 1.0]) @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    row = fg.analyze({"x": X}).matrices.iloc[0]
    share = np.array([0.75, 0.25])
    assert row["effective_rank"] == pytest.approx(np.exp(-share @ np.log(share)))
    assert "singular values" in meaning["effective_rank"]
    assert "Couplings" in meaning["block_threshold"]
    assert "osine" not in meaning["block_threshold"]
    # Five vectors in a plane of R^7, and a zero one: the bound is that of five in two dimensions.
    flat = np.zeros((6, 7))
    flat[:5, :2] = np.random.default_rng(1).standard_normal((5, 2))
    row = fg.analyze({"x": flat}).matrices.to_dict("records")[0]
    assert row["welch_bound"] == pytest.approx(np.sqrt(3 / (2 * 4)))
    assert "no 5 vectors in 2 dimensions" in " ".join(reading(row))


def test_a_zero_matrix_has_no_figures_and_one_without_arrays_has_those_of_the_tables(analysis):
    assert figures_of(analysis, "all zero") == {}
    assert list(figures_of(replace(analysis, pictures={}), "skewed")) == ["capacity", "capacities"]
    render_page(replace(analysis, pictures={}))


def test_large_matrices_are_sampled_and_the_caption_says_so():
    large = large_analysis()
    figures = figures_of(large, "large")
    assert "3,000 of 30,000 features are drawn" in figures["capacity"].caption
    assert "Rays of the 12 eigenspaces" in figures["capacity"].caption
    assert "are summed into 128 columns" in figures["measure"].caption
    page = Page(render_page(large))
    data = next(data for attrs, data in page.scripts if attrs.get("id") == "packed-matrix-0")
    assert len(data) < 75_000
    assert "90 of 200 features are drawn" in whole(render_page(large))


def test_one_long_feature_does_not_squeeze_the_others_into_the_corner():
    X = np.random.default_rng(0).standard_normal((50, 6))
    plain = figures_of(make_analysis({"w": X}), "w")["capacity"]
    assert "type" not in plain.layout["xaxis"]
    X[7] *= 30
    figure = figures_of(make_analysis({"w": X}), "w")["capacity"]
    assert (figure.layout["xaxis"]["type"], figure.layout["yaxis"]["type"]) == ("log", "log")
    assert "Both axes are logarithmic" in figure.caption
    points = figure.data[-1]
    for letter, values in (("x", points["x"]), ("y", points["y"])):
        low, high = figure.layout[f"{letter}axis"]["range"]
        assert low < np.log10(min(values)) < np.log10(max(values)) < high


def test_what_was_read_names_few_matrices_and_counts_many():
    rows = [
        {"matrix": f"w{k}", "n": 3, "axis": "rows" if k else "columns", "axis_reason": "why"}
        for k in range(4)
    ]
    said = what_was_read(make_analysis({}), rows)
    assert said[1:] == [
        "Features are the rows of 3 matrices; evidence: why.",
        "Features are the columns of “w0”; evidence: why.",
    ]
    in_memory = replace(make_analysis({}), provenance={"source": "mapping", "format": "mapping"})
    assert what_was_read(in_memory, [rows[1] | {"dtype": "float32"}]) == [
        "1 weight matrix with 3 features was read (float32 in memory).", "Features are the rows; evidence: why.",
    ]  # fmt: skip


# --- blocks ----------------------------------------------------------------------------------------------


def test_named_blocks_are_drawn_first_and_the_rest_counted():
    rows = [
        {"block": b, "n": 5, "dim": 2, "gram_values": 3, "tightness": 0.0, "residual": 0.0,
         "geometry": "pentagon" if b >= 18 else "", "reason": "" if b >= 18 else "9 values"}
        for b in range(20)
    ]  # fmt: skip
    X = polygon(5)
    drawings, note = block_drawings(rows, [BlockPicture(b, np.arange(5), X @ X.T, X) for b in range(20)])
    assert [d.title for d in drawings] == ["pentagon"] * 2 + ["unnamed geometry"] * 10
    assert drawings[2].size.endswith("no name: 9 values")
    assert note == "8 blocks are not drawn."
    groups, left = block_groups(rows)
    assert [(g.count, g.geometry) for g in groups] == [(2, "pentagon"), (18, "")]
    assert left == 0


@pytest.mark.parametrize(
    ("dim", "kinds"), [(0, ["gram"]), (1, ["gram", "vectors"]), (3, ["gram", "vectors"])]
)
def test_vectors_are_drawn_where_they_have_coordinates(dim, kinds):
    X = np.array([[1.0, 0, 0], [-1, 0, 0]])
    drawings, _ = block_drawings([], [BlockPicture(0, np.arange(2), X @ X.T, X[:, :dim])])
    assert [f.kind for f in drawings[0].figures] == kinds
    space = drawings[0].figures[-1].data[-1]["type"] == "space"
    assert space == (dim == 3)


def test_features_at_one_point_share_a_label():
    X = np.array([[1.0, 0], [1, 0], [0, 1]])
    drawings, _ = block_drawings([], [BlockPicture(0, np.array([4, 7, 9]), X @ X.T, X)])
    labels = next(t for t in drawings[0].figures[1].data if t["mode"] == "text")
    assert labels["text"] == ["4, 7", "9"]


# --- the page --------------------------------------------------------------------------------------------


def test_page_is_whole_and_self_contained(html, analysis):
    page = Page(html)
    assert page.count("details", **{"class": "matrix"}) == len(analysis.matrices)
    plots = [sum(a.get("class") == "plot" for _, a in body.tags) for body in page.bodies()]
    assert plots == [len(specs) for specs in page.figures()]
    assert sum(plots) > 30
    for tag, attrs in [*page.tags, *(tag for body in page.bodies() for tag in body.tags)]:
        assert tag not in ("link", "iframe", "img", "object")
        assert "src" not in attrs
        assert attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import", html[html.index("<style>") : html.index("</style>")])


def test_hostile_names_stay_text(html):
    page = Page(html)
    own = html.count(
        "'sha256-"
    )  # scripts that the policy lets run; beside them data, of the overview and the sections
    assert len([t for t, _ in page.tags if t == "script"]) == own + 1 + len(page.packed())
    for part in (page, *page.bodies()):
        assert part.count("img") == 0
    assert sum(body.count("script") for body in page.bodies()) == 0
    assert HOSTILE not in whole(html)
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in html


def test_nothing_hostile_in_a_geometry_or_a_reason_gets_out(analysis):
    bad = replace(
        analysis,
        matrices=analysis.matrices.assign(geometry=HOSTILE, dtype=HOSTILE),
        blocks=analysis.blocks.assign(geometry=HOSTILE, reason=HOSTILE),
        provenance={HOSTILE: HOSTILE, "source": HOSTILE, "parameters": {"x": HOSTILE}},
    )
    html = render_page(bad)
    assert HOSTILE not in whole(html)
    assert Page(whole(html)).count("img") == 0


def test_names_of_any_character_can_be_written(tmp_path):
    names = [
        "nul\x00",
        "a\nb",
        "\u202eright to left",
        "{{ 7 * 7 }}",
        "--paper",
        "]]>",
        "&amp;",
        "'\"",
    ]
    page = write_page(make_analysis({name: polygon(3) for name in names}), tmp_path / "page.html")
    html = page.read_text(encoding="utf-8")
    for shown in (r"nul\x00", r"a\nb", r"\u202eright", "{{ 7 * 7 }}", "]]&gt;", "&amp;amp;"):
        assert f">{shown}" in html


def test_names_may_be_categories(analysis):
    categories = replace(analysis, features=analysis.features.astype({"matrix": "category"}))
    assert render_page(categories) == render_page(analysis)


def test_an_empty_analysis_has_a_page(analysis):
    page = render_page(make_analysis({}, skipped=analysis.skipped.to_dict("records")))
    assert "No weight matrix was analysed: see above" in page
    assert "1 tensor was not analysed" in page
    bare = replace(make_analysis({}), matrices=pd.DataFrame(), features=pd.DataFrame(), blocks=pd.DataFrame())
    bare = replace(bare, skipped=pd.DataFrame(), provenance={})
    assert "No weight matrix was analysed." in render_page(bare)


def test_write_page_writes_the_page(analysis, html, tmp_path):
    path = tmp_path / "report.html"
    assert fg.write_page(analysis, path) == path
    assert path.read_text(encoding="utf-8") == html
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(analysis, tmp_path):
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / 'none' / 'r.html'}: No such file"):
        write_page(analysis, tmp_path / "none" / "r.html")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        write_page(analysis, tmp_path / "file" / "r.html")
    (tmp_path / "r.html").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        write_page(analysis, tmp_path / "r.html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "r.html"]


def test_a_full_disk_leaves_the_old_page(analysis, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def half(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OutputError, match="No space left"):
        write_page(analysis, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_ten_thousand_letters_fills_no_page():
    page = render_page(make_analysis({"y" * 10_000: polygon(5), "x": polygon(5)}))
    start = page.index('id="matrices"')
    assert page.count("y" * 10_000, start) == 1  # what the pointer shows
    assert page[start:].count("…" + "y" * 66) == 2  # overview and heading


@pytest.mark.parametrize(("X", "hidden"), [(np.zeros((30, 8)), True), (np.eye(8), False)])
def test_no_heading_stands_over_nothing(X, hidden):
    page = whole(render_page(fg.analyze({"w": X})))
    assert ('-spectrum" hidden>' in page) == hidden
    assert '-spectrum"' in page
