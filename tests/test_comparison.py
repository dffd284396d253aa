"""Operators, eigenspaces and measures against each other: closed forms, identities, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import featuregeom as fg
from featuregeom.comparison import (
    js_distance,
    match_eigenspaces,
    on_frame_side,
    principal_angles,
    rays,
    top_subspaces,
)
from featuregeom.comparison.eigenspaces import greedy
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.operators import measures_against
from oracles.known_answers import KNOWN, rotation

SHAPES = fg.shapes.direct_sum(1.3 * fg.shapes.polygon(5), fg.shapes.simplex(4), fg.shapes.simplex(2))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_against_its_own_operator_are_the_measures(known):
    X = known.X @ rotation(known.X.shape[1], np.random.default_rng(0))
    found, measured = measures_against(X, X.T @ X), fg.spectra.measures(X)
    np.testing.assert_allclose(found.masses, measured.masses, atol=1e-12)
    np.testing.assert_allclose(found.kappa, measured.kappa, rtol=1e-12)
    assert [space.dim for space in found.eigenspaces] == known.dims


def test_indefinite_and_singular_operators():
    A = np.diag([2.0, 0.0, -3.0, 2.0, 0.0, 1e-15])
    Q = rotation(6, np.random.default_rng(1))
    X = np.vstack([np.eye(6), np.ones((1, 6)), np.zeros((1, 6))])
    found = measures_against(X @ Q, Q.T @ A @ Q)
    assert [(round(space.value, 9), space.dim) for space in found.eigenspaces] == [(2, 2), (0, 3), (-3, 1)]
    expected = np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1 / 3, 1 / 2, 1 / 6]]
    )
    np.testing.assert_allclose(found.masses[:-1], expected, atol=1e-12)
    np.testing.assert_allclose(found.kappa[:-1], [2, 0, -3, 2, 0, 0, 1 / 6], atol=1e-12)
    assert np.isnan(found.masses[-1]).all()
    assert np.isnan(found.kappa[-1])


def test_gaps_are_relative_to_the_largest():
    A = np.diag([10.0, 9.7, -1e-6, -2e-6])
    assert [s.dim for s in measures_against(np.eye(4), A, tolerance=0.02).eigenspaces] == [1, 1, 2]
    assert [s.dim for s in measures_against(np.eye(4), A, tolerance=0.04).eigenspaces] == [2, 2]
    assert [s.dim for s in measures_against(np.eye(4), A, tolerance=0).eigenspaces] == [1, 1, 1, 1]
    assert measures_against(np.eye(4), A, tolerance=0.04).eigenspaces[0].spread == pytest.approx(0.03)


def test_the_zero_operator_and_extreme_scales():
    found = measures_against(np.eye(3) * 1e-200, np.zeros((3, 3)))
    assert found.masses.tolist() == [[1.0]] * 3
    assert found.kappa.tolist() == [0.0] * 3
    big = measures_against(np.eye(2) * 1e200, np.diag([1e200, -1e200]))
    assert big.masses.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_tiles_and_single_precision():
    X = np.random.default_rng(0).standard_normal((2000, 3)).astype(np.float32)
    A = (X.T @ X).astype(np.float32)
    found = measures_against(np.tile(X, (1000, 1)), A)  # more rows than a tile holds
    np.testing.assert_array_equal(found.kappa[:2000], found.kappa[-2000:])
    np.testing.assert_allclose(found.masses.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-4, 0.7, math.pi / 2 - 1e-9, math.pi / 2])
def test_planes_at_known_angles(angle):
    rng = np.random.default_rng(2)
    A = np.eye(6)[:2]
    B = np.zeros((2, 6))
    B[0, [0, 2]] = math.cos(angle), math.sin(angle)
    B[1, [1, 3]] = math.cos(angle / 2), math.sin(angle / 2)
    Q = rotation(6, rng)
    for first, second in [
        (A, B),
        (B, A),
        (A @ Q, B @ Q),
        ([[1, 2], [3, -1]] @ A @ Q, rng.standard_normal((5, 2)) @ B @ Q),
    ]:
        found = principal_angles(first, second)
        np.testing.assert_allclose(found, [angle / 2, angle], rtol=1e-9, atol=5e-15)


def test_angles_of_spans_of_other_dimensions():
    assert principal_angles(np.eye(4)[:3], [[1.0, 1.0, 0.0, 0.0]]).tolist() == pytest.approx([0], abs=1e-15)
    assert principal_angles(np.eye(4)[:1], np.eye(4)[1:]).tolist() == pytest.approx([math.pi / 2])
    assert principal_angles(np.zeros((2, 3)), np.eye(3)).shape == (0,)
    twice = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]])
    assert principal_angles(twice, np.eye(3)[:2]).shape == (1,)


def test_matches_of_a_turned_sum():
    """Turning one plane by a known angle moves that eigenspace and the one it is turned into, no other."""
    turn = np.eye(6)
    c, s = math.cos(0.2), math.sin(0.2)
    turn[np.ix_([1, 5], [1, 5])] = [[c, s], [-s, c]]
    first, second = fg.spectra.spectrum(SHAPES), fg.spectra.spectrum(SHAPES @ turn)
    found = match_eigenspaces(first, second, simple=True)
    assert [(match.first, match.second) for match in found] == [(2, 2), (0, 0), (1, 1)]
    assert [match.simple for match in found] == [False, False, True]
    assert [match.first for match in match_eigenspaces(first, second)] == [2, 0]
    np.testing.assert_allclose([match.overlap for match in found], [3, 1 + c**2, c**2], rtol=1e-9)
    np.testing.assert_allclose(found[1].angles, [0, 0.2], atol=1e-9)
    np.testing.assert_allclose(found[2].angles, [0.2], rtol=1e-9)
    for match in found:
        assert np.sum(np.cos(match.angles) ** 2) == pytest.approx(match.overlap, rel=1e-9)


def test_matches_leave_out_what_is_orthogonal():
    first = fg.spectra.spectrum([[2.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    second = fg.spectra.spectrum([[0, 0, 2.0], [0, 1, 0], [0, 0, 0]])
    assert [(match.first, match.second) for match in match_eigenspaces(first, second, simple=True)] == [
        (1, 1)
    ]
    assert match_eigenspaces(first, second) == ()
    assert match_eigenspaces(first, fg.spectra.spectrum(np.zeros((3, 3)))) == ()


def test_a_generic_spectrum_has_no_matches_of_spaces_but_subspaces():
    """1 % of noise turns single eigenvectors anywhere, while the leading ones together stay what they are."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 60)) * np.linspace(3, 1, 60)
    Y = X + 0.01 * rng.standard_normal(X.shape)
    first, second = fg.spectra.spectrum(X), fg.spectra.spectrum(Y)
    assert match_eigenspaces(first, second) == ()
    assert all(match.simple for match in match_eigenspaces(first, second, simple=True))
    found = top_subspaces(first, second)
    assert found.k.tolist() == [1, 2, 4, 8, 16]
    np.testing.assert_allclose(found.null, found.k / 60)
    assert (found.captured > 0.999).all()
    other = top_subspaces(first, fg.spectra.spectrum(rng.standard_normal((300, 60))), [20])
    assert other.overlap[0] == pytest.approx(20 / 60, abs=0.1)
    assert other.captured[0] < 0.8


def test_subspaces_are_those_of_their_definition():
    rng = np.random.default_rng(4)
    spectra = [
        on_frame_side(X, fg.spectra.spectrum(X))
        for X in (rng.standard_normal((5, 9)), rng.standard_normal((30, 9)))
    ]
    found = top_subspaces(*spectra, [1, 3, 5])
    for row, k in enumerate(found.k):
        U, V = (spectrum.vectors[:, :k] for spectrum in spectra)
        angles = principal_angles(U.T, V.T)
        assert found.largest_angle[row] == pytest.approx(angles.max(), abs=1e-9)
        assert found.overlap[row] == pytest.approx(np.mean(np.cos(angles) ** 2), rel=1e-9)
        F = spectra[1].vectors @ np.diag(spectra[1].retained) @ spectra[1].vectors.T
        assert found.captured[row] == pytest.approx(
            np.trace(U.T @ F @ U) / spectra[1].retained[:k].sum(), rel=1e-9
        )
    same = top_subspaces(spectra[1], spectra[1])
    np.testing.assert_allclose([same.overlap, same.captured], 1, rtol=1e-9)
    nothing = fg.spectra.spectrum(np.zeros((9, 9)))
    assert len(top_subspaces(spectra[1], nothing).k) == 0
    for wrong in ([0], [6], [1.5]):
        with pytest.raises(ParameterError, match="k must be an integer"):
            top_subspaces(*spectra, wrong)
    with pytest.raises(ParameterError, match="on_frame_side"):
        top_subspaces(fg.spectra.spectrum(rng.standard_normal((5, 9))), spectra[1])


@given(arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 9)))
def test_the_largest_overlap_goes_first(overlaps):
    """Against the plain loop; integers, so that there are ties."""
    plain = []
    for a, b in sorted(np.ndindex(*overlaps.shape), key=lambda pair: (-overlaps[pair], pair)):
        if overlaps[a, b] and all(a != row and b != column for row, column in plain):
            plain.append((a, b))
    assert greedy(overlaps.astype(float)) == plain


def test_the_frame_side_of_few_features():
    X = fg.shapes.random_frame(4, 9, seed=0) * np.array([1.0, 1e-3, 1.0, 1e-5])[:, None]
    gram = fg.spectra.spectrum(X)
    frame = on_frame_side(X, gram)
    np.testing.assert_allclose(frame.vectors.T @ frame.vectors, np.eye(4), atol=1e-14)
    np.testing.assert_allclose((frame.vectors * frame.retained) @ frame.vectors.T, X.T @ X, atol=1e-13)
    np.testing.assert_allclose(
        fg.spectra.measures(X, frame).masses, fg.spectra.measures(X, gram).masses, atol=1e-6
    )
    assert on_frame_side(X, frame) is frame
    with pytest.raises(ParameterError, match="on_frame_side"):
        match_eigenspaces(gram, frame)


@st.composite
def probabilities(draw):
    """Three measures on four eigenspaces, with zeros among the masses."""
    masses = st.one_of(st.just(0.0), st.floats(1e-30, 1))
    rows = draw(arrays(np.float64, (3, 4), elements=masses)) + 1e-9 * np.eye(3, 4)
    return rows / rows.sum(axis=1, keepdims=True)


@given(probabilities(), probabilities(), probabilities())
def test_js_is_a_metric(mu, nu, xi):
    found = js_distance(mu, nu)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, js_distance(nu, mu))
    assert js_distance(mu, mu).tolist() == [0, 0, 0]
    assert ((found > 0) | (np.abs(mu - nu).max(axis=1) < 1e-7)).all()
    assert (found <= js_distance(mu, xi) + js_distance(xi, nu) + 1e-7).all()
    middle = np.where(mu + nu > 0, (mu + nu) / 2, 1)
    plain = [np.sum(p * np.log2(np.where(p > 0, p, middle) / middle), axis=1) / 2 for p in (mu, nu)]
    np.testing.assert_allclose(found**2, sum(plain), atol=1e-9)


def test_js_at_its_ends():
    assert js_distance([1.0, 0.0], [0.0, 1.0]).tolist() == 1
    assert js_distance([0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]) == 1
    # Near a measure, JS is the chi-square form: sum (p - q)^2 / (4 (p + q) ln 2) and digits are kept.
    e = 1e-9
    assert js_distance([0.5 + e, 0.5 - e], [0.5, 0.5]) == pytest.approx(
        e / math.sqrt(2 * math.log(2)), rel=1e-6
    )
    # What is missing from 1 is the null space.
    assert js_distance([0.0, 0.0], [0.0, 1.0]) == 1
    assert js_distance([[0.25], [np.nan]], [[0.25], [1.0]]).tolist() == [
        0,
        pytest.approx(np.nan, nan_ok=True),
    ]


def test_rays_of_a_direct_sum():
    X = np.vstack([SHAPES @ rotation(6, np.random.default_rng(3)), np.zeros((1, 6))])
    found = rays(X)
    np.testing.assert_allclose(found.slope, [1 / 4.225, 1 / 2, 3 / 4], rtol=1e-9)
    assert found.on.tolist() == found.nearest.tolist() == [5, 2, 4]
    np.testing.assert_allclose(found.residual, 0, atol=1e-9)
    np.testing.assert_allclose(found.distance[:-1], 0, atol=1e-9)
    assert found.ray[-1] == -1
    assert np.isnan(found.distance[-1])


def test_rays_that_features_miss():
    """The antiprism of height 1/4: lambda 3, 3, 2 and measure (3/4, 1/4), so kappa 11/4 against 3."""
    found = rays(fg.shapes.antiprism(4, z2=1 / 4))
    assert found.nearest.tolist() == [8, 0]
    assert found.on.tolist() == [0, 0]
    np.testing.assert_allclose(found.distance, 3 / (11 / 4) - 1, rtol=1e-9)
    assert found.residual[0] == pytest.approx(1 / 11)
    assert np.isnan(found.residual[1])
    assert rays(fg.shapes.antiprism(4, z2=1 / 4), tolerance=0.1).on.tolist() == [8, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: measures_against(np.eye(2), np.eye(3)), ShapeError, "2 x 2 for features of 2 dim.*3 x 3"),
        (
            lambda: measures_against(np.eye(2), [[1.0, 2], [0, 1]]),
            ParameterError,
            r"symmetric.*\(0, 1\) is 2",
        ),
        (lambda: measures_against(np.eye(2), np.eye(2) * 1j), DtypeError, "operator is complex"),
        (lambda: measures_against(np.eye(2), np.eye(2) * np.nan), NonFiniteError, "^operator: .*row 0"),
        (lambda: measures_against([[np.inf, 1]], np.eye(2)), NonFiniteError, "^X: .*column 0"),
        (lambda: measures_against(np.eye(2), np.eye(2), tolerance=1.0), ParameterError, "tolerance"),
        (lambda: measures_against(np.eye(2), np.eye(2), tolerance=math.nan), ParameterError, "tolerance"),
        (lambda: principal_angles(np.eye(2), np.eye(3)), ShapeError, "2 dimensions, those of B 3"),
        (lambda: principal_angles([1.0, 0.0], np.eye(2)), ShapeError, "A has shape"),
        (lambda: principal_angles([[np.nan, 0.0]], np.eye(2)), NonFiniteError, "^A: .*column 0"),
        (lambda: js_distance([[1.0]], [[1.0, 0.0]]), ShapeError, r"\(1, 1\) and \(1, 2\)"),
        (lambda: js_distance([[[1.0]]], [[[1.0]]]), ShapeError, "mu must have shape"),
        (lambda: js_distance([1.0, -0.5], [1.0, 0.0]), ParameterError, "negative mass, -0.5"),
        (lambda: js_distance([1.0, 0.0], [1.0, 0.5]), ParameterError, "nu has a row that sums to 1.5"),
        (lambda: js_distance("a", [1.0]), ParameterError, "mu must be rows"),
        (lambda: rays(np.eye(2), tolerance=-1), ParameterError, "tolerance of rays"),
        (lambda: on_frame_side(np.eye(2), fg.spectra.spectrum(np.eye(3))), ShapeError, "not of features"),
        (
            lambda: match_eigenspaces(fg.spectra.spectrum(np.eye(2)), fg.spectra.spectrum(np.eye(3))),
            ShapeError,
            "2 and 3 dimensions",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
