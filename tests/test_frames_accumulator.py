"""Frame operators of rows that come and go, against those of all rows at once and against exact sums."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.frames import FrameAccumulator, frame_operator


def added(m, *parts):
    frame = FrameAccumulator(m)
    for part in parts:
        frame.update(part)
    return frame


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.integers(1, 9),
    st.sampled_from(["float64", "float32", "float16", "complex128"]),
    st.integers(0, 2**31),
)
def test_parts_are_all_rows_at_once(sizes, m, dtype, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, m)) * 10.0 ** rng.integers(-2, 3) for n in sizes]
    if dtype == "complex128":
        parts = [part + 1j * rng.normal(size=part.shape) for part in parts]
    parts = [part.astype(dtype) for part in parts]
    frame = added(m, *parts)
    whole = np.concatenate(parts)
    assert frame.n == len(whole)
    bound = 2 * len(whole) * 2.0**-53 * np.trace(frame_operator(whole)).real
    assert frame.rounding <= bound
    assert np.abs(frame.frame_operator - frame_operator(whole)).max() <= bound
    assert np.abs(frame.frame_operator - frame.frame_operator.conj().T).max() == 0


def test_integers_are_exact():
    X = np.random.default_rng(0).integers(-50, 50, size=(400, 6)).astype(float)
    frame = added(6, X[:7], X[7:300], X[300:])
    assert (frame.frame_operator == X.T @ X).all()
    frame.downdate(X[100:350])
    kept = np.concatenate([X[:100], X[350:]])
    assert (frame.frame_operator == kept.T @ kept).all()


def test_sums_have_twice_the_digits():
    """Against rational arithmetic: small rows beside one whose square alone has all digits of float64."""
    frame = FrameAccumulator(1)
    frame.update([[2.0**27]])
    for _ in range(1000):
        frame.update([[0.1]])
    exact = Fraction(2) ** 54 + 1000 * Fraction(float(np.float64(0.1) * np.float64(0.1)))
    assert frame.frame_operator[0, 0] == float(exact)
    frame.downdate([[2.0**27]])
    assert frame.frame_operator[0, 0] == pytest.approx(float(exact - Fraction(2) ** 54), abs=1000 * 2.0**-51)


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_large_rows_leave_nothing_behind(scale):
    rng = np.random.default_rng(1)
    small, large = rng.normal(size=(40, 5)), scale * rng.normal(size=(30, 5))
    frame = added(5, small, large)
    frame.downdate(large)
    assert (frame.frame_operator == frame_operator(small)).all()


def test_other_parts_leave_what_rounding_says():
    rng = np.random.default_rng(2)
    small, large = rng.normal(size=(40, 5)), 1e4 * rng.normal(size=(30, 5))
    frame = added(5, np.concatenate([small, large]))
    frame.downdate(large)
    off = np.abs(frame.frame_operator - frame_operator(small)).max()
    assert 0 < off <= frame.rounding < 1e-3


def test_nothing_is_left_of_no_rows():
    X = np.random.default_rng(3).normal(size=(20, 4))
    frame = added(4, X)
    frame.downdate(X[:11])
    frame.downdate(X[11:])
    assert (frame.n, frame.rounding) == (0, 0.0)
    assert not frame.frame_operator.any()


def test_merge_is_the_rows_of_both():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(20, 4)), 1e6 * (rng.normal(size=(9, 4)) + 1j * rng.normal(size=(9, 4)))
    one, two = added(4, a), added(4, b)
    before = two.frame_operator
    one.merge(two)
    assert one.n == 29
    assert one.frame_operator.dtype == complex
    assert (two.frame_operator == before).all()
    one.downdate(b)
    assert (one.frame_operator == frame_operator(a)).all()


def test_a_merged_shard_is_a_pickled_one():
    X = np.random.default_rng(5).normal(size=(30, 3))
    one, two = added(3, X[:10]), pickle.loads(pickle.dumps(added(3, X[10:])))
    one.merge(two)
    np.testing.assert_allclose(one.frame_operator, X.T @ X, rtol=1e-14)


def test_the_operator_that_is_given_out_is_a_copy():
    frame = added(2, np.eye(2))
    frame.frame_operator[:] = 7
    assert (frame.frame_operator == np.eye(2)).all()


def test_what_was_not_added_is_not_taken_away():
    X = np.random.default_rng(6).normal(size=(20, 4))
    frame = added(4, X)
    for rows, text in (
        (np.ones((21, 4)), "21 rows to take away, and only 20"),
        (10 * X[:3], "were not added"),
        (X[::-1] + 1e-3, "were not added"),
        (np.eye(4)[:1] * 20, "were not added"),
    ):
        with pytest.raises(ParameterError, match=text):
            frame.downdate(rows)
    assert frame.n == 20
    assert (frame.frame_operator == frame_operator(X)).all()


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        (np.ones((3, 5)), ShapeError, r"rows of 4 dimensions, got shape \(3, 5\)"),
        (np.ones(4), ShapeError, "a matrix is needed"),
        ([["a", "b", "c", "d"]], DtypeError, "X is str32"),
        ([[1.0, np.nan, 0.0, 0.0]], NonFiniteError, "row 0, column 1"),
        ([[1e200, 0.0, 0.0, 0.0]], ParameterError, "the largest norm is 1e200"),
    ],
)
def test_bad_rows_change_nothing(rows, error, text):
    frame = added(4, np.eye(4))
    for change in (frame.update, frame.downdate):
        with pytest.raises(error, match=text):
            change(rows)
    assert frame.n == 4
    assert (frame.frame_operator == np.eye(4)).all()


def test_bad_dimensions():
    with pytest.raises(ShapeError, match="3 dimensions into rows of 4"):
        FrameAccumulator(4).merge(FrameAccumulator(3))
    for m in (0, -1, 2.5, "4"):
        with pytest.raises(ParameterError, match="m must be"):
            FrameAccumulator(m)


def test_numbers_follow_from_the_operator():
    X = fg.shapes.simplex(4)
    frame = added(3, *np.split(X, 4))
    assert fg.frames.tightness(np.linalg.eigvalsh(frame.frame_operator)) < 1e-15
    assert repr(frame).startswith("FrameAccumulator(m=3, n=4")
