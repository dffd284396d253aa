"""Findings: every sentence where its figures just carry it, and not where they just do not."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from featuregeom.dictionaries import FEW_DIMENSIONS, SENTENCES
from featuregeom.findings import Tables, find
from featuregeom.findings.collected import MORE, TEMPLATES
from oracles.findings import (
    BLOCK,
    EVERYTHING,
    FAMILY,
    PAIR,
    features_of,
    near,
    rows_of,
    verdict,
)

PLACE = re.compile(r"\{(\w+)(?::[^{}]*)?\}")


# --- the templates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [*TEMPLATES, MORE], ids=lambda t: t.words[:30])
def test_every_number_of_a_sentence_is_a_figure(template):
    """What is written in the template itself are scales that never change: a cosine of 1, 0, -1; in 100."""
    fixed = re.findall(r"\d+", PLACE.sub("", template.words))
    assert set(fixed) <= {"0", "1", "100"}


@pytest.mark.parametrize("template", [*TEMPLATES, MORE], ids=lambda t: t.words[:30])
def test_no_sentence_without_the_figures_that_carry_it(template):
    names = {place[1] for place in PLACE.finditer(template.words)}
    others = ["pairs", "gathered", "matrices", "count", "strongest_z", "least", "times"]
    zero = dict.fromkeys([*names, *others], 0)
    zero |= {"ratio": 0, "features": 0, "dimensions": 1, "limit": 0.999}
    if template.kind != "nothing":
        assert template.finding(zero) is None
    if names:
        assert template.finding(dict.fromkeys(names, float("nan")) | {"matrices": 0}) is None


def test_counts_agree_with_their_nouns():
    zero = next(t for t in TEMPLATES if t.kind == "zero")
    assert zero.finding({"zero": 1, "where": "w"}).sentence.startswith("1 feature is zero")
    assert zero.finding({"zero": 1200, "where": "w"}).sentence.startswith("1,200 features are zero")


# --- each template where its figures just carry it, and where they just do not ---------------------------------


def all_looked_for(found):
    """Tables in which everything is looked for, and in which everything is found."""
    row = EVERYTHING | (
        {"verdict": SENTENCES["structure"], "significant_pairs": 3, "gathered_features": 4} if found else {}
    )
    row |= {"frame_potential": 10.0, "lambda_max": 1.0, "stable_rank": 10.0, "blocks": 1}
    row |= (
        {
            "rank": 9,
            "zero_features": 1,
            "largest_dimension": 3,
            "largest_dimension_ratio": 20.0,
            "outlier_dimensions": 1,
        }
        if found
        else {}
    )
    features = features_of(
        norm=[30.0, 1, 1, 1, 1, 1] if found else [1.0] * 6,
        cosine=[1.0, 1, -1, -1, 0.1, 0.1] if found else [0.1] * 6,
        density=[0.0, 1, 1, 1, 1, 1] if found else [1.0] * 6,
    )
    held = [1] if found else []
    tables = [pd.DataFrame([each] * len(held), columns=list(each)) for each in (BLOCK, PAIR, FAMILY)]
    return Tables(rows_of(row), features, *tables)


def shapes_in(matrices):
    blocks = pd.DataFrame([BLOCK | {"matrix": f"w{k}"} for k in range(matrices)])
    return Tables(rows_of(*[{}] * matrices), blocks=blocks)


def even(tightness):
    """Of 40 random directions in 20 dimensions 1 + tightness^2 is 1.475 in the mean, with which tightness is .689."""
    return verdict("spectrum", spectrum_p=1e-4) | {
        "n": 40, "rank": 20, "null_dimensions": 20, "zero_features": 0, "tightness": tightness + 0.009,
    }  # fmt: skip


def with_family(row):
    return Tables(rows_of(row), families=pd.DataFrame([FAMILY]))


LIMITS = {
    "an index of sign patterns": (
        Tables(rows_of({"pair_index": "it found 90 % at 0.5"})), Tables(rows_of({"pair_index": ""})),
    ),
    "no different from random directions, like": (
        Tables(rows_of(verdict("random"))), Tables(rows_of(verdict("random", pairs=1))),
    ),
    "as a whole, ": (with_family(verdict("random")), Tables(rows_of(verdict("random")))),
    "some directions more than others; apart from that, the": (
        Tables(rows_of(verdict("spectrum", spectrum_p=0.01))),
        Tables(rows_of(verdict("spectrum", gathered=1, spectrum_p=0.01))),
    ),
    "some directions more than others; apart from that, only": (
        with_family(verdict("spectrum", spectrum_p=0.01)),
        Tables(rows_of(verdict("spectrum", spectrum_p=0.01))),
    ),
    "more evenly than random features would; apart from that, the": (
        Tables(rows_of(even(0.66))), Tables(rows_of(even(0.685))),
    ),
    "more evenly than random features would; apart from that, only": (
        with_family(even(0.66)), with_family(even(0.685)),
    ),
    "may be missed": (
        Tables(rows_of(verdict("random", m=FEW_DIMENSIONS - 1))), Tables(rows_of(verdict("random", m=FEW_DIMENSIONS))),
    ),
    "too few features": (Tables(rows_of(verdict("undecided"))), Tables(rows_of(verdict("undecided", pairs=1)))),
    "not random": (Tables(rows_of(verdict("structure", 1))), Tables(rows_of(verdict("structure", 0)))),
    "together with others": (
        Tables(rows_of(verdict("structure", 0, 2))), Tables(rows_of(verdict("structure", 0, 1))),
    ),
    "families of features, but": (
        Tables(rows_of({}, {}), families=pd.DataFrame([FAMILY | {"q": 0.009}])),
        Tables(rows_of({}, {}), families=pd.DataFrame([FAMILY | {"q": 0.004}])),
    ),
    "a little from random": (
        Tables(rows_of(verdict("spectrum", spectrum_p=0.009), verdict("random"))),
        Tables(rows_of(verdict("spectrum", spectrum_p=0.004), verdict("random"))),
    ),
    "nearer to each other": (
        Tables(rows_of({}), families=pd.DataFrame([FAMILY])),
        Tables(rows_of({}), families=pd.DataFrame([FAMILY]).iloc[:0]),
    ),
    "a name": (shapes_in(1), Tables(rows_of({}), blocks=pd.DataFrame([BLOCK | {"geometry": ""}]))),
    "the clearest pairs": (
        Tables(rows_of({}), pairs=pd.DataFrame([PAIR])), Tables(rows_of({}), pairs=pd.DataFrame([PAIR]).iloc[:0]),
    ),
    "same direction": (near(0.9995), near(0.9985)),
    "the other way": (near(-0.9995), near(-0.9985)),
    "times as long": (
        Tables(rows_of({}), features_of(norm=[1.0, 1, 10.1])), Tables(rows_of({}), features_of(norm=[1.0, 1, 10.0])),
    ),
    "times as large": (
        Tables(rows_of({"outlier_dimensions": 1, "largest_dimension": 2, "largest_dimension_ratio": 10.1})),
        Tables(rows_of({"outlier_dimensions": 0, "largest_dimension": 2, "largest_dimension_ratio": 10.0})),
    ),
    "without any part": (Tables(rows_of({"zero_features": 1})), Tables(rows_of({"zero_features": 0}))),
    "left out for NaN": (Tables(rows_of({"dropped_rows": 1})), Tables(rows_of({"dropped_rows": 0}))),
    "never fired": (
        Tables(rows_of({}), features_of(density=[0.0, 0.5])), Tables(rows_of({}), features_of(density=[1e-9, 0.5])),
    ),
    "unused.": (
        Tables(rows_of({"rank": 9, "zero_features": 90})), Tables(rows_of({"rank": 9, "zero_features": 91})),
    ),
    "nothing to say": (Tables(rows_of()), Tables(rows_of({}))),
    "looked for and not found": (all_looked_for(found=False), all_looked_for(found=True)),
    "not looked for": (Tables(rows_of({})), all_looked_for(found=False)),
    "of this kind": (shapes_in(7), shapes_in(6)),
}  # fmt: skip
"""By words of a template: tables of which it is said, and tables, next to those, of which it is not."""


def test_each_template_has_its_limits():
    for template in (*TEMPLATES, MORE):
        assert sum(words in template.words for words in LIMITS) == 1, template.words


@pytest.mark.parametrize("words", LIMITS)
def test_a_sentence_is_said_where_its_figures_carry_it_and_not_beside(words):
    template = next(each for each in (*TEMPLATES, MORE) if words in each.words)
    parts = re.split(r"\{[^{}]*\}", template.words)
    sentence = re.compile(".+".join(map(re.escape, parts)), re.IGNORECASE)
    carried, beside = LIMITS[words]
    assert sum(bool(sentence.fullmatch(str(finding))) for finding in find(carried)) == 1
    assert not any(sentence.fullmatch(str(finding)) for finding in find(beside))


@pytest.mark.parametrize("words", LIMITS)
def test_one_is_never_many(words):
    many = r"(features|pairs|matrices|dimensions|families|shapes|findings|degrees|corners|others)\b"
    for tables in LIMITS[words]:
        for finding in find(tables):
            assert not re.search(rf"(?<![\w.,])1 {many}", str(finding)), str(finding)
            assert not re.search(
                r"(?<![\w.,])1 (feature|matrix|pair|dimension)( of features)? (are|have|point|use|crowd)\b",
                str(finding),
            )


def test_a_matrix_without_a_name_is_said_to_have_none():
    for name in ("", "  "):
        said = [str(finding) for finding in find(Tables(rows_of(verdict("random", matrix=name))))]
        assert said[0].endswith("“(no name)”.")
