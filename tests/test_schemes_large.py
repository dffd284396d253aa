"""Schemes from tiles: against `detect` on small sets, and against what is known of large ones."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.recognise.names.parametric import eberlein, krawtchouk
from featuregeom.recognise.streamed import detect_streamed
from featuregeom.schemes import certify, detect, verify

shapes = fg.shapes


def placed(X, seed=0):
    """Rotated at random, permuted, scaled."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1])))[0]
    return 2.5 * (X @ rotation)[rng.permutation(len(X))]


def doob():
    """The Shrikhande graph by five letters of four: the parameters of H(7, 4), and other neighbours."""
    parts = [shapes.shrikhande(), shapes.hamming(5, 4)]
    left, right = (part / np.linalg.norm(part[0]) for part in parts)
    return np.concatenate(
        [
            math.sqrt(2 / 7) * np.repeat(left, len(right), axis=0),
            math.sqrt(5 / 7) * np.tile(right, (len(left), 1)),
        ],
        axis=1,
    )


SMALL = {
    "simplex": shapes.simplex(9),
    "cross-polytope": shapes.cross_polytope(6),
    "tesseract": shapes.cube(4),
    "H(2,3)": shapes.hamming(2, 3),
    "H(2,4)": shapes.hamming(2, 4),
    "H(4,3)": shapes.hamming(4, 3),
    "J(7,3)": shapes.johnson(7, 3),
    "Shrikhande": shapes.shrikhande(),
    "icosahedron": shapes.icosahedron(),
    "600-cell": shapes.cell600(),
    "E8": shapes.root_system("E8"),
}
NAMED = {"simplex", "cross-polytope", "tesseract", "H(2,3)", "H(2,4)", "H(4,3)", "J(7,3)"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SMALL)
def test_it_agrees_with_detect(name, dtype):
    X = placed(SMALL[name]).astype(dtype)
    large, small = detect_streamed(X), detect(X)
    assert large.is_scheme
    assert small.is_scheme
    assert large.name == (small.name if name in NAMED else "")
    for attribute in ("valencies", "intersection_numbers", "multiplicities", "pairs"):
        np.testing.assert_array_equal(getattr(large, attribute), getattr(small, attribute))
    for attribute in ("levels", "P", "Q", "krein", "eigenvalues"):
        np.testing.assert_allclose(getattr(large, attribute), getattr(small, attribute), atol=1e-5)
    np.testing.assert_allclose(large.eta2, small.eta2, atol=1e-9)
    assert large.dim == small.dim
    assert large.defect == 0
    assert large.error_bound < 1e-25 or large.n <= 64


def test_the_numbers_do_not_depend_on_threads_or_order():
    X = placed(SMALL["600-cell"])
    one, two = (detect_streamed(X, num_threads=threads) for threads in (1, 2))
    other = detect_streamed(X[np.random.default_rng(5).permutation(len(X))])
    np.testing.assert_array_equal(one.levels, two.levels)
    np.testing.assert_array_equal(one.intersection_numbers, other.intersection_numbers)
    np.testing.assert_allclose(one.levels, other.levels, atol=1e-14)


@pytest.mark.parametrize(
    ("X", "name"),
    [
        (shapes.hamming(4, 9), "H(4,9)"),
        (shapes.johnson(17, 5), "J(17,5)"),
        (shapes.hamming(13, 2), "13-cube"),
    ],
    ids=["H(4,9)", "J(17,5)", "13-cube"],
)
def test_more_than_4096_features(X, name):
    found = detect(placed(X).astype(np.float32))
    assert (found.is_scheme, found.name, found.reason) == (True, name, "")
    P = eberlein(17, 5) if name[0] == "J" else krawtchouk(4, 9) if name[0] == "H" else krawtchouk(13, 2)
    assert sorted(map(tuple, np.round(found.P, 6))) == sorted(map(tuple, P))
    assert found.error_bound < 2.0**-80


def test_the_families_eigenmatrices_are_those_of_their_graphs():
    for P, graph in ((krawtchouk(3, 3), shapes.hamming(3, 3)), (eberlein(7, 3), shapes.johnson(7, 3))):
        unit = graph / np.linalg.norm(graph, axis=1, keepdims=True)
        levels = -np.unique(-np.round(unit @ unit.T, 9))
        nearest = np.isclose(unit @ unit.T, levels[1]).astype(float)
        expected = np.unique(np.round(np.linalg.eigvalsh(nearest), 6))
        np.testing.assert_allclose(np.sort(P[:, 1]), expected)


@pytest.mark.slow
def test_the_parameters_of_h74_are_not_its_name():
    assert detect(placed(shapes.hamming(7, 4))).name == "H(7,4)"
    found = detect(placed(doob()))
    assert (found.is_scheme, found.name) == (True, "")
    np.testing.assert_array_equal(found.valencies, krawtchouk(7, 4)[0])


def test_h24_is_told_from_the_shrikhande_graph_by_neighbours():
    h24, shrikhande = (detect_streamed(SMALL[name]) for name in ("H(2,4)", "Shrikhande"))
    np.testing.assert_array_equal(h24.intersection_numbers, shrikhande.intersection_numbers)
    assert (h24.name, shrikhande.name) == ("H(2,4)", "")


def test_one_moved_feature_is_no_scheme():
    X = placed(SMALL["600-cell"])
    X[17] = X[17] + 0.3 * X[40]
    found = detect_streamed(X)
    assert not found.is_scheme
    assert found.intersection_numbers is None
    assert "no" in found.reason


@pytest.mark.parametrize("seed", range(5))
def test_random_features_are_no_scheme(seed):
    found = detect_streamed(np.random.default_rng(seed).standard_normal((300, 5)))
    assert (found.is_scheme, found.name) == (False, "")
    assert found.defect > 0.5


def test_levels_that_are_no_scheme():
    found = detect_streamed(placed(shapes.root_system("D5")))
    assert not found.is_scheme
    assert "levels are not a scheme" in found.reason or found.defect > 0


def test_duplicates_are_merged_and_reported():
    X = placed(SMALL["H(4,3)"])
    Y = np.concatenate([X, 3 * X[[4, 4, 9]], X[:1] * (1 + 1e-12)])
    found = detect_streamed(Y)
    assert found.n == 81
    assert found.duplicates == ((0, 84), (4, 81, 82), (9, 83))
    assert found.reason.startswith("85 features in 81 directions")
    assert found.is_scheme


def test_lines():
    X = placed(shapes.root_system("E7")).astype(np.float64)
    half = np.array([i for i in range(len(X)) if not any(np.allclose(X[i], -X[j]) for j in range(i))])
    found = detect_streamed(X[half], mode="line")
    assert found.is_scheme
    assert found.n == 126
    assert found.signs.tolist() == [1] * 63 + [-1] * 63
    np.testing.assert_array_equal(found.valencies, [1, 32, 60, 32, 1])


def test_unequal_norms_have_no_name():
    X = placed(SMALL["H(4,3)"])
    X[3] *= 1.5
    found = detect_streamed(X)
    assert (found.is_scheme, found.name) == (True, "")
    assert "norms differ by 50%" in found.reason


def test_bad_input():
    X = np.eye(4)
    X[2] = 0
    with pytest.raises(ParameterError, match="feature 2 is zero"):
        detect_streamed(X)
    X[2, 1] = np.inf
    with pytest.raises(NonFiniteError, match="row 2, column 1"):
        detect_streamed(X)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_any_scale(scale):
    assert detect_streamed(scale * SMALL["H(4,3)"]).name == "H(4,3)"


def test_certificates_of_many_features():
    X = placed(shapes.hamming(4, 9))
    certificate = certify(detect(X))
    result = verify(certificate, X)
    assert result.holds
    assert certify(detect(X)) == certificate
    for change in (
        lambda c: c["valencies"].__setitem__(1, 33),
        lambda c: c["intersection_numbers"][1][1].__setitem__(1, 8),
        lambda c: c["levels"].__setitem__(2, 0.0),
        lambda c: c["P"][1].__setitem__(1, 7.0),
        lambda c: c["exceptions"].append([0, 1, 1]),
    ):
        wrong = copy.deepcopy(certificate)
        change(wrong)
        assert not verify(wrong, X).holds
    moved = X.copy()
    moved[5] = moved[6] + 0.5 * moved[7]
    assert not verify(certificate, moved).holds
