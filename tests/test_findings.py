"""Findings: planted inputs are found, random ones are not, and the page says both."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import featuregeom as fg
from featuregeom.dictionaries import SENTENCES
from featuregeom.findings import Tables, find
from featuregeom.findings.outliers import TIMES
from featuregeom.findings.parallel import NEARLY, limit
from featuregeom.findings.tables import joined, natural
from oracles.analysis import HOSTILE, make_analysis, polygon
from oracles.findings import (
    PAIR,
    by_kind,
    features_of,
    findings_of,
    gaussian,
    judged,
    rows_of,
    tables_of,
    verdict,
)

# --- many matrices ---------------------------------------------------------------------------------------------


def verdicts_said(tables):
    return [
        str(finding)
        for finding in find(tables)
        if finding.kind in ("verdict", "groups", "by chance", "pairs")
    ]


def spread(p):
    """Random matrices with these p-values of their spectra, each judged at .01 by itself."""
    return [verdict("spectrum" if each <= 0.01 else "random", spectrum_p=each) for each in p]


def test_of_a_thousand_random_matrices_none_is_said_to_differ():
    p = (np.arange(1000) + 0.5) / 1000
    said = verdicts_said(Tables(rows_of(*spread(p))))
    assert [sentence.split(" ", 2)[0] for sentence in said] == ["990", "10"]
    assert (
        "no more than chance explains where 1,000 are looked at: “w0”, “w1”, “w2”, “w3” and 6 more."
        in said[1]
    )
    said = verdicts_said(Tables(rows_of(*spread([*p, 1e-6]))))
    assert said[1] == (
        "1 matrix uses some directions more than others; apart from that, the features lie as random ones would, and "
        "no pair and no crowd of them is more than that explains: “w1000”."
    )
    assert said[2].startswith("10 matrices differ a little")


@pytest.mark.parametrize("n", [32, 64, 200])
def test_a_tight_frame_does_not_use_some_directions_more_than_others(n):
    Q = np.linalg.qr(gaussian(max(n, 64), 64))[0] if n > 32 else np.linalg.qr(gaussian(64, 64))[0][:n]
    tight = fg.analyze({"w": Q}, pairs=True).findings
    assert any("w" in str(each) and "more evenly than random" in str(each) for each in tight)
    assert not any("some directions more" in str(each) or "family" in str(each) for each in tight)


@pytest.mark.parametrize(
    "X",
    [np.repeat(gaussian(1, 12), 30, 0), np.ones((20, 5)), np.zeros((5, 4)), gaussian(1, 8), gaussian(9, 1)],
)
def test_what_lies_along_one_direction_is_not_said_to_be_random(X):
    assert fg.dictionaries.verdict(X).kind == "undecided"
    found = fg.analyze({"w": X}, pairs=True).findings
    assert any("too few features or directions to be told" in str(each) for each in found)
    assert not any("no different from random" in str(each) for each in found)


def test_pairs_and_crowds_of_many_random_matrices_are_not_claimed():
    rows = [verdict("random") for _ in range(197)]
    rows += [verdict("structure", pairs=1), verdict("structure", pairs=2), verdict("structure", gathered=3)]
    pairs = pd.DataFrame([PAIR | {"matrix": "w197", "q": 0.008}, PAIR | {"matrix": "w198", "q": 1e-9}])
    said = verdicts_said(Tables(rows_of(*rows), pairs=pairs, gathered_q={"w199": 0.009}))
    assert said[1].startswith("“w198”: not random. 2 pairs")
    assert said[2].startswith("The clearest pairs in “w198”:")
    assert said[3].startswith("2 matrices differ a little")
    assert len(said) == 4
    said = verdicts_said(Tables(rows_of(*rows), pairs=pairs, gathered_q={"w199": 1e-9}))
    assert any(sentence.startswith("“w199”: 3 features crowd together") for sentence in said)


@pytest.mark.slow
def test_at_most_one_set_of_random_matrices_in_a_hundred_is_said_to_differ():
    """100 sets of 20 spectra's p-values: a false claim in any of them at the rate .01, within its binomial limit."""
    rng = np.random.default_rng(5)
    false = sum(
        any(
            " uses some " in said or " use some " in said
            for said in verdicts_said(Tables(rows_of(*spread(p))))
        )
        for p in rng.uniform(size=(1000, 20))
    )
    assert false <= stats.binom(1000, 0.01).ppf(0.9999)


# --- nothing -----------------------------------------------------------------------------------------------


@given(
    n=st.integers(2, 60), m=st.integers(1, 40), seed=st.integers(0, 10**6),
    kind=st.sampled_from(["gaussian", "uniform", "norms"]),
)  # fmt: skip
def test_nothing_is_claimed_of_random_features(n, m, seed, kind):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m))
    if kind == "uniform":
        X = rng.uniform(-1, 1, (n, m))
    if kind == "norms":
        X *= rng.uniform(0.8, 1.25, (n, 1))
    claimed = {finding.kind for finding in find(tables_of(X))}
    # A shape may be chance where few features make one; unused dimensions are none where n >= m.
    assert claimed <= {"absent", "left out", "outlier features", "outlier dimensions"}
    for finding in find(tables_of(X)):
        if finding.kind == "outlier features":
            norms = np.linalg.norm(X, axis=1)
            assert norms.max() > TIMES * np.median(norms)


def test_a_random_matrix_is_said_to_be_random_and_nothing_else():
    found = fg.analyze({"w": gaussian(200, 40)}, pairs=True).findings
    assert [finding.kind for finding in found if finding.strength] == ["verdict"]
    assert str(found[0]) == (
        "1 matrix is no different from random directions, like weights that were never trained: “w”."
    )
    assert "pairs of features beyond what their matrix as a whole explains" in str(found[1])
    assert str(found[2]) == (
        "May be missed: pairs of features that are alike or opposite, but not nearly equal, in 1 matrix of fewer than "
        "100 dimensions: “w”."
    )


def test_without_a_matrix_there_is_nothing_to_say():
    assert [str(finding) for finding in make_analysis({}).findings] == [
        "No weight matrix was read, so there is nothing to say."
    ]
    assert len(find(Tables(pd.DataFrame()))) == 1


def test_what_was_not_looked_for_is_not_said_to_be_absent():
    kinds = findings_of({"w": gaussian(30, 10)})
    assert "pairs of features" not in str(kinds["absent"][0])
    assert str(kinds["left out"][0]).startswith("Not looked for: pairs of features beyond what their matrix")
    bare = find(Tables(pd.DataFrame([{"matrix": "w", "n": 3, "m": 2}])))
    assert [finding.kind for finding in bare] == ["left out"]


# --- planted ---------------------------------------------------------------------------------------------------


def test_a_large_crowd_is_found_among_many_matrices():
    """Its faintest member counts only just; the clearest one is the evidence that there is a crowd."""
    X = np.random.default_rng(0).standard_normal((2000, 60))
    X[:60, 7] += np.linspace(2, 10, 60)
    others = {f"random{k}": np.random.default_rng(k).standard_normal((9, 5)) for k in range(12)}
    result = fg.analyze({"crowd": X, **others}, num_threads=1)
    crowd = result.pictures["crowd"].groups[0]
    assert crowd.q > 0.01 / 13 > crowd.least_q
    said = [str(finding) for finding in result.findings if finding.kind == "groups"]
    assert len(said) == 1
    assert said[0].startswith(f"“crowd”: {crowd.size} features crowd together")
    assert not any("crowds" in str(finding) for finding in result.findings if finding.kind == "absent")


def test_copies_and_opposites():
    X = gaussian(60, 24)
    X[[5, 6]], X[7], X[9] = X[4] * [[2], [0.5]], -3 * X[8], X[8] * 1.5
    kinds = findings_of({"w": X})
    (copies,), (opposites,) = kinds["copies"], kinds["antipodes"]
    assert "3 features have a copy" in str(copies) or "4 features have a copy" in str(copies)
    assert opposites.figures["features"] >= 1
    assert (copies.matrix, copies.strength) == ("w", copies.figures["features"] / 60)
    assert "copies" not in str(kinds["absent"][0])


@pytest.mark.parametrize(("n", "d"), [(5, 2), (40, 3), (1000, 3), (30, 2.5), (1000, 400)])
def test_fewer_than_a_hundredth_of_a_pair_is_above_the_limit_by_chance(n, d):
    """The square of the cosine of a random pair is Beta(1/2, (d - 1)/2)."""
    above = stats.beta(0.5, (d - 1) / 2).sf(limit(n, d) ** 2)
    assert n * (n - 1) / 2 * above <= 0.0101
    assert limit(n, d) >= NEARLY
    assert limit(n, d) < 1 or d < 3


def test_features_on_a_line_are_no_copies():
    assert limit(10, 1) == np.inf
    line = find(tables_of(np.arange(1.0, 9)[:, None]))
    assert not {"copies", "antipodes"} & {finding.kind for finding in line}


def test_close_pairs_of_a_plane_are_no_copies():
    """Of a thousand features of a plane each has another within half a degree."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    found = find(tables_of(np.column_stack([np.cos(angle), np.sin(angle)])))
    assert not {"copies", "antipodes"} & {finding.kind for finding in found}


def test_features_that_were_left_out_for_nan_are_counted_by_matrix():
    X, Y = gaussian(20, 8), gaussian(10, 8)
    X[[3, 7, 9], 0] = np.nan, np.inf, -np.inf
    Y[2] = np.nan
    found = fg.analyze({"x": X, "y": Y, "z": gaussian(9, 8)}, nonfinite="skip", pairs=False).findings
    (dropped,) = [finding for finding in found if finding.kind == "dropped"]
    assert str(dropped) == "4 features were left out for NaN or infinity: 3 of 20 in “x” and 1 of 10 in “y”."
    assert dropped.strength == pytest.approx(4 / 39)
    assert not [
        each for each in fg.analyze({"z": gaussian(9, 8)}, pairs=False).findings if each.kind == "dropped"
    ]


def test_zero_features_name_the_matrices_with_most():
    X, Y = gaussian(50, 8), gaussian(50, 8, 1)
    X[:3], Y[:7] = 0, 0
    (zero,) = findings_of({"x": X, "y": Y, "z": gaussian(9, 8)})["zero"]
    assert str(zero) == (
        "10 features are zero in every weight, without any part in what the matrix does: 7 of 50 in “y” and 3 of 50 "
        "in “x”."
    )
    assert zero.matrix == "y"
    assert zero.strength == pytest.approx(10 / 109)
    assert zero.part == "unusual"


def test_unused_dimensions_only_where_there_are_features_enough():
    low = gaussian(40, 5) @ gaussian(5, 20, 1)
    (dims,) = findings_of({"w": low})["dimensions"]
    assert str(dims) == "The 40 features of “w” leave 15 dimensions of 20 unused."
    assert "dimensions" not in findings_of({"w": gaussian(10, 20)})


def test_silent_features():
    analysis = make_analysis({"w": gaussian(6, 4)})
    analysis.features["density"] = [0, 0.1, 0, 0.2, np.nan, 0.3]
    (silent,) = by_kind(analysis)["unused"]
    assert str(silent) == "2 features of “w” never fired in the data that its file counted."
    both = make_analysis({"decoder": gaussian(6, 4), "encoder": gaussian(6, 4), "other": gaussian(6, 4)})
    both.features["density"] = 2 * [0, 0.1, 0, 0.2, np.nan, 0.3] + [0.1, 0, 0, 0.2, 0, 0.3]
    assert list(map(str, by_kind(both)["unused"])) == [
        "2 features of “decoder” (the same of “encoder”) never fired in the data that its file counted.",
        "3 features of “other” never fired in the data that its file counted.",
    ]
    assert by_kind(both)["unused"][0].strength == pytest.approx(4 / 18)


def test_outliers_in_both_directions():
    X = gaussian(100, 30)
    X[17] *= 40
    X[:, 4] *= 60
    analysis = fg.analyze({"w": X})
    row = analysis.matrices.iloc[0]
    sizes = np.linalg.norm(X, axis=0)
    assert row["largest_dimension"] == sizes.argmax() == 4
    assert row["largest_dimension_ratio"] == pytest.approx(sizes.max() / np.median(sizes))
    assert row["outlier_dimensions"] == 1
    kinds = by_kind(analysis)
    (dims,) = kinds["outlier dimensions"]
    assert dims.figures["index"] == 4
    assert dims.figures["ratio"] == pytest.approx(sizes.max() / np.median(sizes))
    assert str(dims).startswith("In “w” 1 dimension is more than 10 times as large as the median")
    X[:, 4] /= 60
    (longest,) = by_kind(fg.analyze({"w": X}))["outlier features"]
    norms = np.linalg.norm(X, axis=1)
    assert longest.figures["longest"] == "feature 17"
    assert longest.figures["ratio"] == pytest.approx(norms.max() / np.median(norms))


def test_dimensions_of_zero_features_have_no_size():
    row = fg.analyze({"w": np.zeros((3, 4))}).matrices.iloc[0]
    assert (row["largest_dimension"], row["outlier_dimensions"]) == (-1, 0)
    assert np.isnan(row["largest_dimension_ratio"])


def test_verdicts_by_what_layers_are_for():
    names = ["layer.10.query", "layer.2.query", "layer.2.key", "layer.2.mlp.c_proj"]
    analysis = make_analysis({name: gaussian(20, 8, k) for k, name in enumerate(names)})
    kinds = SENTENCES["spectrum"], SENTENCES["spectrum"], SENTENCES["random"], SENTENCES["structure"]
    found = by_kind(judged(analysis, kinds, [0, 0, 0, 12], [0, 0, 0, 5]))
    said = [str(finding) for finding in found["verdict"]]
    assert sum("2 matrices use some directions more than others" in each for each in said) == 1
    assert sum(each.endswith("“layer.2.query” and “layer.10.query”.") for each in said) == 1
    assert (
        "1 matrix is no different from random directions, like weights that were never trained: “layer.2.key”."
        in said
    )
    pairs = next(f for f in found["verdict"] if "not random" in str(f))
    assert str(pairs).startswith(
        "“layer.2.mlp.c_proj”: not random. 12 pairs of features point in more similar"
    )
    assert (pairs.matrix, pairs.part, pairs.strength) == ("layer.2.mlp.c_proj", "pairs", 0.25)
    assert str(found["groups"][0]).startswith("“layer.2.mlp.c_proj”: 5 features crowd")


def test_verdicts_of_a_part_of_the_layers_say_which_part():
    names = [f"layer.{k}.mlp.c_fc" for k in range(6)]
    analysis = make_analysis(
        {name: gaussian(20, 8, k) * np.linspace(1, 3, 8) for k, name in enumerate(names)}
    )
    kinds = [SENTENCES["structure"]] * 2 + [SENTENCES["spectrum"]] * 4
    found = by_kind(judged(analysis, kinds, [1, 3, 0, 0, 0, 0], [0] * 6))["verdict"]
    said = sorted(str(finding) for finding in found)
    assert said[1].startswith("The MLP inputs (2 of 6 matrices): not random. 4 pairs of features point")
    assert said[0].startswith("4 matrices use some directions")
    kinds = [SENTENCES["random"]] * 6
    (random,) = by_kind(judged(analysis, kinds, [0] * 6, [0] * 6))["verdict"]
    assert str(random).endswith("never trained: 6 of 6 MLP inputs.")
    assert (random.strength, random.matrix) == (1, "")


def test_all_matrices_are_called_all():
    said = list(map(str, find(Tables(rows_of(*[verdict("random")] * 6)))))
    assert said[0] == (
        "6 matrices are no different from random directions, like weights that were never trained: all that were read."
    )


def test_a_verdict_that_its_counts_deny_is_not_printed():
    analysis = make_analysis({"w": gaussian(20, 8)})
    assert "verdict" not in by_kind(judged(analysis, [SENTENCES["random"]], [3], [0]))
    assert "verdict" not in by_kind(judged(analysis, [SENTENCES["structure"]], [0], [0]))


def test_planted_pairs_are_found_and_named():
    X = gaussian(400, 200, 3)
    X[11] = 0.9 * X[10] / np.linalg.norm(X[10]) + 0.3 * X[11] / np.linalg.norm(X[11])
    analysis = fg.analyze({"w": X}, pairs=True)
    kinds = by_kind(analysis, pairs=analysis.pairs)
    (clearest,) = kinds["pairs"]
    cosine = X[10] @ X[11] / np.linalg.norm(X[10]) / np.linalg.norm(X[11])
    assert f"feature 10 and feature 11 (cosine {cosine:.3g})" in str(clearest)
    assert clearest.figures["features"] >= 2


def test_two_are_both_and_a_blank_label_is_none():
    names = ["query.weight", "key.weight"]
    analysis = make_analysis({name: gaussian(20, 8, k) for k, name in enumerate(names)})
    (random,) = by_kind(judged(analysis, [SENTENCES["random"]] * 2, [0] * 2, [0] * 2))["verdict"]
    assert str(random).startswith("2 matrices are")
    analysis = make_analysis({name: gaussian(4, 3, k) for k, name in enumerate("ab")})
    pairs = pd.DataFrame({"matrix": list("ab"), "i": 0, "j": 1, "cosine": 0.9, "z": 9.0, "q": 0.001})
    analysis.features["label"] = [" ", "\t", "c", "d", "", "b", "c", "d"]
    (clearest,) = by_kind(analysis, pairs=pairs)["pairs"]
    assert str(clearest) == (
        "The clearest pairs in both matrices: feature 0 and feature 1 of “a” (cosine 0.9) and feature 0 and “b” of “b” "
        "(cosine 0.9)."
    )


def test_equal_labels_are_told_apart_by_their_places():
    features = features_of(label=["same", "same", "other"])
    tables = Tables(rows_of({}), features, pairs=pd.DataFrame([PAIR, PAIR | {"j": 2}]))
    said = next(str(finding) for finding in find(tables) if finding.kind == "pairs")
    assert "“same” (feature 0) and “same” (feature 1)" in said
    assert "“same” (feature 0) and “other” (cosine" in said


def test_labels_name_features_and_hostile_ones_are_text():
    analysis = make_analysis({"w": gaussian(4, 3)})
    analysis.features["label"] = [HOSTILE, "march", pd.NA, "a\nb\u202e" + "x" * 10_000]
    pairs = pd.DataFrame({"matrix": "w", "i": [0, 2], "j": [1, 3], "cosine": [0.9, -0.8], "z": [9.0, -8.0]})
    (clearest,) = by_kind(analysis, pairs=pairs)["pairs"]
    assert "and “march” (cosine 0.9)" in str(clearest)
    assert "feature 2 and “a\\nb\\u202ex" in str(clearest)
    assert len(str(clearest)) < 400
    html = find(Tables(analysis.matrices, analysis.features, pairs=pairs))._repr_html_()
    assert "<img" not in html
    assert "&lt;/script&gt;" in html


# --- order and places -------------------------------------------------------------------------------------------


def test_the_strongest_come_first_and_what_is_absent_last():
    X = gaussian(100, 10)
    X[:40] = 0
    X[99] *= 1000
    found = find(tables_of(X))
    shares = [finding.strength for finding in found]
    assert shares == sorted(shares, reverse=True)
    assert [finding.kind for finding in found][-1] in ("absent", "left out")
    assert found[0].kind == "zero"


def test_a_kind_with_many_findings_is_cut_and_says_so():
    matrices = {f"w{k}": polygon(5) for k in range(20)}
    found = findings_of(matrices)
    assert len(found["shapes"]) == 6
    assert str(found["more"][0]) == "14 more findings of this kind (shapes)."


def test_names_sort_as_people_count():
    names = ["layer.10.w", "layer.2.w", "Layer.1.w", "7", "a"]
    assert sorted(names, key=natural) == ["7", "a", "Layer.1.w", "layer.2.w", "layer.10.w"]
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined(list("abcdef"), 3) == "a, b, c and 3 more"


def test_the_same_findings_everywhere(tmp_path):
    from typer.testing import CliRunner

    from featuregeom.cli import app

    X = gaussian(60, 12)
    X[3:9] = 0
    np.save(tmp_path / "w.npy", X)
    said = CliRunner().invoke(app, ["analyze", str(tmp_path / "w.npy"), "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    result = fg.load(tmp_path / "out")
    sentences = [str(finding) for finding in result.findings]
    assert any("6 features are zero" in sentence for sentence in sentences)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [finding["sentence"] for finding in summary["findings"]] == sentences
    for sentence in sentences:
        assert f"- {sentence}" in said.output
        assert sentence in result._repr_html_()
    assert repr(result.findings).splitlines() == [f"- {sentence}" for sentence in sentences]
