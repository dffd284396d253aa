"""How numbers and names are written on pages, and what random directions give beside them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from featuregeom.random_directions import null_capacity
from featuregeom.report.figures import numbers, subsample
from featuregeom.report.random_frame import cosine_probabilities
from featuregeom.wording import duration, number, plural, scaled, text


@pytest.mark.parametrize("m", [2, 3, 4, 16, 384, 4096, 65536])
def test_cosines_of_random_directions_follow_the_beta_distribution(m):
    edges = np.linspace(-1, 1, 101)
    exact = np.diff(stats.beta((m - 1) / 2, (m - 1) / 2).cdf((1 + edges) / 2))
    np.testing.assert_allclose(cosine_probabilities(edges, m), exact, atol=1e-9)


def test_cosines_in_one_dimension_are_one_and_minus_one():
    np.testing.assert_array_equal(cosine_probabilities(np.linspace(-1, 1, 5), 1), [0.5, 0, 0, 0.5])
    np.testing.assert_array_equal(cosine_probabilities([-1, 1], 1), [1])


def test_null_capacity_is_what_random_directions_give():
    rng = np.random.default_rng(0)
    norms, m = rng.uniform(0.5, 2, 40), 8
    squares = np.zeros(40)
    for _ in range(400):
        X = rng.standard_normal((40, m))
        X *= (norms / np.linalg.norm(X, axis=1))[:, None]
        squares += np.sum((X @ X.T) ** 2, axis=1) / 400
    np.testing.assert_allclose(null_capacity(norms, m), norms**4 / squares, rtol=0.05)
    np.testing.assert_allclose(null_capacity(np.ones(5), 2), 1 / 3)
    np.testing.assert_array_equal(null_capacity([0, 0], 3), 0)
    np.testing.assert_allclose(null_capacity([0, 2], 3), [0, 1])


def test_numbers_are_short_and_valid_json():
    short = numbers([1.0, 0.123456, np.nan, np.inf, -3e20, 1e-9])
    assert short == [1, 0.1235, None, None, -3e20, 1e-9]
    assert json.dumps(short, allow_nan=False) == "[1, 0.1235, null, null, -3e+20, 1e-09]"


def test_subsample_is_even_and_keeps_the_ends():
    assert subsample(3, 5).tolist() == [0, 1, 2]
    kept = subsample(1_000_003, 3000)
    assert (kept[0], kept[-1], len(np.unique(kept))) == (0, 1_000_002, 3000)
    assert np.ptp(np.diff(kept)) <= 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"), (30522, "30,522"), (0.123456, "0.1235"), (1.5e-16, "1.5e\N{MINUS SIGN}16"),
        (-7.4134, "\N{MINUS SIGN}7.413"), (float("nan"), "\N{EN DASH}"),
        (None, "\N{EN DASH}"), (pd.NA, "\N{EN DASH}"),
        (float("inf"), "∞"), (1.4e8, "140,000,000"), (1.41e20, "1.41e20"),
    ],
)  # fmt: skip
def test_number(value, written):
    assert number(value) == written


def test_a_number_that_rounds_up_to_a_power_of_ten_is_written_out():
    assert [number(99.97, 2), number(-9.999, 1), number(99.97, 3), number(0.9999, 2)] == [
        "100",
        "−10",
        "100",
        "1",
    ]


def test_text_shows_what_hides():
    assert text("a\u202eb\x00\n\ud800é中") == r"a\u202eb\x00\n\ud800é中"
    assert text(float("nan")) == text(None) == ""
    assert plural(1, "matrix", "matrices") == "1 matrix"
    assert plural(1000, "feature") == "1,000 features"


def test_accents_that_pile_up_are_escaped_and_scripts_are_not():
    assert text("e" + "\u0301" * 6) == "e" + "\u0301" * 4 + "\\u0301" * 2
    assert text("שָׁלוֹם, ไม่ใช่, naïve") == "שָׁלוֹם, ไม่ใช่, naïve"


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0 FLOP"), (1, "1 FLOP"), (999, "999 FLOP"), (999.6, "1 kFLOP"), (12_345, "12.3 kFLOP"),
        (4.2e9, "4.2 GFLOP"), (999_600_000, "1 GFLOP"), (7e16, "70 PFLOP"),
    ],
)  # fmt: skip
def test_counts_of_any_size_are_short(count, written):
    assert scaled(count, "FLOP") == written


def test_times_are_written_in_the_unit_that_fits():
    said = [duration(seconds) for seconds in (0.0431, 10.34, 119, 1980, 7300, 500_000)]
    assert said == ["0.043 s", "10 s", "119 s", "33 minutes", "2 hours", "5.8 days"]
