"""Bounds on coherence against closed forms, known frames and random ones; equiangular tight frames."""

from __future__ import annotations

from math import cos, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import ParameterError
from oracles.complex_frames import MUB2, SIC2, SIC3, random_frame, unitary
from oracles.known_answers import KNOWN, icosahedral_lines, polygon, simplex

ETFS = {
    "digon": (np.array([[1.0], [-1.0]]), 1.0),
    "triangle": (polygon(3), 1 / 2),
    "simplex": (simplex(7), 1 / 6),
    "icosahedral lines": (icosahedral_lines(), 1 / sqrt(5)),
    "basis": (np.eye(4), 0.0),
    "SIC 2": (SIC2, 1 / sqrt(3)),
    "SIC 3": (SIC3, 1 / 2),
}
by_etf = pytest.mark.parametrize(("X", "cosine"), ETFS.values(), ids=ETFS.keys())
seeds = st.integers(0, 2**31)
both = pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])


# Bounds on coherence.


@pytest.mark.parametrize(
    ("n", "m", "is_complex", "name", "value"),
    [
        (7, 6, False, "welch", 1 / 6),
        (28, 7, False, "welch", 1 / 3),
        (7, 6, False, "bukh_cox", 1 / 6),  # simplex
        (7, 6, True, "bukh_cox", 1 / 6),
        (6, 3, False, "bukh_cox", 1 / sqrt(5)),  # complements of maximal equiangular tight frames
        (28, 21, False, "bukh_cox", 1 / 9),
        (276, 253, False, "bukh_cox", 1 / 55),
        (4, 2, True, "bukh_cox", 1 / sqrt(3)),
        (9, 6, True, "bukh_cox", 1 / 4),
        (16, 12, True, "bukh_cox", sqrt(4 / (12 * 15))),
        (6, 2, True, "orthoplex", sqrt(1 / 2)),  # mutually unbiased bases
        (12, 4, False, "orthoplex", 1 / 2),  # D4 and F4 lines
        (12, 4, False, "levenstein", 1 / 2),
        (120, 8, False, "levenstein", 1 / 2),  # E8
        (40, 4, True, "levenstein", 1 / sqrt(3)),  # Witting polytope
        (45, 5, True, "levenstein", 1 / 2),
        (126, 6, True, "levenstein", 1 / 2),
        (8, 2, True, "composite", 3 / 4),
    ],
)
def test_closed_forms_of_bounds(n, m, is_complex, name, value):
    found = fg.frames.coherence_bounds(n, m, is_complex)
    assert getattr(found, name) == pytest.approx(value, rel=1e-14)
    assert found.best >= getattr(found, name)
    assert (found.n, found.m, found.is_complex) == (n, m, is_complex)


@pytest.mark.parametrize(
    ("m", "n", "bound"),
    [
        (2, 4, 0.57735027),
        (2, 5, 0.70710678),
        (2, 7, 0.73029674),
        (2, 8, 0.75000000),
        (2, 49, 0.95918367),
        (3, 5, 0.41406779),
        (3, 6, 0.44721360),
        (3, 8, 0.48795004),
        (3, 11, 0.57735027),
        (3, 13, 0.59160798),
        (3, 38, 0.67612340),
        (3, 39, 0.67974369),
        (3, 49, 0.71428571),
        (4, 6, 0.32278096),
        (4, 9, 0.39528471),
        (4, 20, 0.50000000),
        (4, 21, 0.50874702),
        (4, 40, 0.57735027),
        (4, 64, 0.60000000),
        (5, 7, 0.26447408),
        (5, 8, 0.29277002),
        (5, 20, 0.39735971),
        (5, 26, 0.44721360),
    ],
)
def test_lower_bounds_of_the_game_of_sloanes(m, n, bound):
    """Its table (github.com/gnikylime/GameofSloanes), rows where each of the five bounds is the largest."""
    assert fg.frames.coherence_bounds(n, m, complex=True).best == pytest.approx(bound, abs=5.1e-9)


@both
def test_ranges_of_bounds(is_complex):
    for m in range(1, 9):
        gerzon = m * m if is_complex else m * (m + 1) // 2
        for n in range(1, 3 * gerzon + 3):
            found = fg.frames.coherence_bounds(n, m, is_complex)
            assert found.welch == fg.frames.welch_bound(n, m)
            assert (found.welch > 0) == (found.bukh_cox > 0) == (n > m)
            assert (found.orthoplex > 0) == (found.levenstein > 0) == (n > gerzon)
            assert 0 <= found.best <= 1
            assert found.best == max(
                found.welch, found.orthoplex, found.levenstein, found.bukh_cox, found.composite
            )
    assert fg.frames.coherence_bounds(5, 1, is_complex).best == 1


@both
@pytest.mark.parametrize("name", ["welch", "orthoplex", "levenstein", "bukh_cox", "composite"])
def test_bounds_are_monotone_and_complex_ones_no_larger(is_complex, name):
    for m in range(1, 12):
        for n in range(1, 200):
            here = fg.frames.coherence_bounds(n, m, is_complex)
            # Fewer vectors in the same dimensions can do no worse; Bukh-Cox alone falls again, far from n = m.
            if name != "bukh_cox":
                more = fg.frames.coherence_bounds(n + 1, m, is_complex)
                assert getattr(more, name) >= getattr(here, name) - 1e-15
            if name != "bukh_cox" and not (name == "composite" and m == 1):  # which begins at m = 2
                wider = fg.frames.coherence_bounds(n, m + 1, is_complex)
                assert getattr(wider, name) <= getattr(here, name) + 1e-15
            if not is_complex:
                assert getattr(fg.frames.coherence_bounds(n, m, True), name) <= getattr(here, name) + 1e-15


@both
@given(st.integers(2, 60), st.integers(1, 7), seeds)
def test_no_random_frame_beats_a_bound(is_complex, n, m, seed):
    X = random_frame(n, m, seed, is_complex)
    assert fg.frames.coherence(X) >= fg.frames.coherence_bounds(n, m, is_complex).best - 1e-12


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_no_known_frame_beats_a_bound(known):
    for is_complex in (False, True):
        bounds = fg.frames.coherence_bounds(len(known.X), known.rank, is_complex)
        assert bounds.best <= known.coherence + 1e-12


@given(st.integers(1, 8), st.integers(9, 17), seeds)
def test_no_harmonic_frame_beats_a_bound(m, n, seed):
    """Rows of a part of the Fourier matrix; much less coherent than random ones."""
    chosen = np.random.default_rng(seed).choice(n, m, replace=False)
    X = np.exp(2j * pi * np.outer(np.arange(n), chosen) / n)
    found = fg.frames.frame_numbers(X)
    assert found.tightness < 1e-12
    assert found.upper == pytest.approx(n, rel=1e-12)
    assert fg.frames.coherence(X) >= fg.frames.coherence_bounds(n, m, complex=True).best - 1e-12


@given(st.integers(2, 60))
def test_no_polygon_of_lines_beats_a_bound(n):
    angle = pi * np.arange(n) / n
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    assert fg.frames.coherence(X) == pytest.approx(cos(pi / n), abs=1e-12)
    assert fg.frames.coherence_bounds(n, 2).best <= cos(pi / n) + 1e-12


def test_orthoplex_bound_is_attained_by_mutually_unbiased_bases():
    assert fg.frames.coherence(MUB2) == pytest.approx(fg.frames.coherence_bounds(6, 2, complex=True).best)


@pytest.mark.parametrize("n", [0, -1, 2.0, "3", True, None])
def test_bad_sizes(n):
    for call in (fg.frames.coherence_bounds, fg.frames.welch_bound):
        with pytest.raises(ParameterError, match="n must be an integer of at least 1"):
            call(n, 2)
        with pytest.raises(ParameterError, match="m must be an integer of at least 1"):
            call(np.int64(5), n)


# Equiangular lines.


@by_etf
def test_equiangular_tight_frames_attain_the_welch_bound(X, cosine):
    rng = np.random.default_rng(1)
    m = X.shape[1]
    bounds = fg.frames.coherence_bounds(len(X), m, np.iscomplexobj(X))
    assert bounds.welch == pytest.approx(cosine, rel=1e-12, abs=1e-15)
    assert fg.frames.coherence(X) == pytest.approx(cosine, rel=1e-9, abs=1e-12)
    phases = np.exp(2j * pi * rng.random(len(X))) if np.iscomplexobj(X) else rng.choice([-1, 1], len(X))
    stretched = (
        (10.0 ** rng.uniform(-80, 80, len(X)) * phases)[:, None] * X @ unitary(m, 2, np.iscomplexobj(X))
    )
    wider = np.hstack([stretched, np.zeros((len(X), 3))]) @ unitary(m + 3, 3, np.iscomplexobj(X))
    for Y in (X, stretched, wider, np.vstack([stretched, np.zeros((2, m))])):
        found = fg.frames.equiangular(Y)
        assert found.is_equiangular
        assert found.is_tight
        assert found.is_etf
        assert (found.n, found.rank) == X.shape
        assert found.cosine == pytest.approx(found.welch, rel=1e-9, abs=1e-12)
        assert cos(found.angle) == pytest.approx(cosine, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("X", "equiangular", "tight"),
    [
        (polygon(5), False, True),
        (MUB2, False, True),
        (icosahedral_lines()[:5], True, False),  # an ETF without one line
        (SIC3[1:], True, False),
        (np.array([[1.0, 0.0], [0.6, 0.8]]), True, False),
        (random_frame(6, 3, 0, False), False, False),
    ],
)
def test_one_without_the_other(X, equiangular, tight):
    found = fg.frames.equiangular(X)
    assert (found.is_equiangular, found.is_tight, found.is_etf) == (equiangular, tight, False)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-11])
def test_the_tolerance_decides(size):
    X = icosahedral_lines() + size * random_frame(6, 3, 1, False)
    found = fg.frames.equiangular(X)
    assert size / 10 < found.spread < 10 * size
    assert found.is_etf == (size < 1e-9)
    assert fg.frames.equiangular(X, 10 * size).is_etf
    assert fg.frames.equiangular(icosahedral_lines().astype(np.float32), 1e-6).is_etf


@pytest.mark.parametrize("tolerance", [-1e-9, float("nan")])
def test_bad_tolerance(tolerance):
    for call in (fg.frames.equiangular, fg.frames.naimark_complement):
        with pytest.raises(ParameterError, match="tolerance must be"):
            call(icosahedral_lines(), tolerance)
