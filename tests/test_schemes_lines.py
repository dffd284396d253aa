"""Lines: the names that ask for a tight frame, and what must hold of their parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import shapes
from featuregeom.recognise.names.two_graphs import equiangular_name, two_graph_eigenvalues
from featuregeom.recognise.streamed import detect_streamed


def complement(X):
    """The Naimark complement: n lines in n - d dimensions, from the eigenvectors of the eigenvalue 0."""
    values, vectors = np.linalg.eigh(X @ X.T)
    Y = vectors[:, values < 1e-9]
    return Y / np.linalg.norm(Y, axis=1, keepdims=True)


# n and d of each: from the table of Fickus & Mixon (2015).
FRAMES = {
    (6, 3): shapes.icosahedral_lines(),
    (14, 7): shapes.paley_etf(13),
    (16, 6): shapes.etf_16_6(),
    (16, 10): complement(shapes.etf_16_6()),
    (18, 9): shapes.paley_etf(17),
    (38, 19): shapes.paley_etf(37),
    (28, 7): shapes.etf_28_7(),
    (28, 21): complement(shapes.etf_28_7()),
    (30, 15): shapes.paley_etf(29),
    (64, 28): shapes.steiner_etf(8),
    (256, 120): shapes.steiner_etf(16),
}


def claimed(X):
    found = fg.schemes.detect(X, mode="line")
    return [name for name in (found.name, *found.also) if "equiangular" in name or "two-graph" in name], found


@pytest.mark.parametrize(("n", "d"), list(FRAMES))
def test_the_frames_themselves(n, d):
    X, rng = FRAMES[n, d], np.random.default_rng(n)
    assert fg.frames.equiangular(X).is_etf
    for noise in (0, 0.003):
        Y = shapes.noisy(X * rng.choice([-1.0, 1.0], (n, 1)), noise, seed=n)
        names, found = claimed(Y)
        expected = [
            f"equiangular tight frame of {n} lines in {d} dimensions",
            f"regular two-graph of {n} points",
        ]
        assert names == expected
        assert found.dim == d
        assert found.residual < 1e-9 + 6 * noise


@pytest.mark.parametrize("noise", [0, 0.003])
@pytest.mark.parametrize(("n", "d"), list(FRAMES))
def test_frames_short_of_a_few_lines(n, d, noise):
    """No proper part of more than n / 2 lines of these is tight: fewer lines would have to meet another Welch bound."""
    rng = np.random.default_rng(n + d)
    for missing in (1, 2, 3, 7):
        if n - missing <= d + 1:
            continue
        kept = rng.permutation(n)[missing:]
        X = FRAMES[n, d][kept] * rng.choice([-1.0, 1.0], (len(kept), 1))
        assert not fg.frames.equiangular(X).is_etf
        names, found = claimed(shapes.noisy(X, noise, seed=missing))
        assert names == [], missing
        if not found.name:
            assert found.reason


def test_every_27_of_the_28_lines():
    X = shapes.etf_28_7()
    for i in range(28):
        names, found = claimed(np.delete(X, i, axis=0))
        assert (names, found.name) == ([], "")


@pytest.mark.parametrize("n", [5, 7, 9, 15, 27])
def test_an_odd_number_of_lines_is_no_regular_two_graph(n):
    """Whatever their signs (Seidel 1976)."""
    rng = np.random.default_rng(n)
    for _ in range(50):
        signs = np.triu(rng.choice([-1, 1], (n, n)), 1)
        assert equiangular_name(np.eye(n) + 0.2 * (signs + signs.T), 0.05) is None


@pytest.mark.parametrize(("n", "d"), list(FRAMES))
def test_eigenvalues_of_the_signs(n, d):
    """The Welch bound and the Gram matrix give them too: the least is -1 / bound, of multiplicity n - d."""
    gram = FRAMES[n, d] @ FRAMES[n, d].T
    signs = np.rint(np.sign(gram) - np.eye(n)).astype(np.int64)
    least, dim = two_graph_eigenvalues(signs)
    assert dim == d
    assert least == pytest.approx(-math.sqrt(d * (n - 1) / (n - d)), rel=1e-12)
    flipped = signs.copy()
    flipped[0, 1] = flipped[1, 0] = -flipped[0, 1]
    assert two_graph_eigenvalues(flipped) is None


@pytest.mark.parametrize("missing", [1, 2, 5])
@pytest.mark.parametrize("n", [24, 61, 200])
def test_simplices_short_of_a_few_vertices_in_tiles(n, missing):
    """Equal cosines, those of a simplex of more vertices, and a dimension too many for one of their own."""
    X = shapes.simplex(n)
    assert detect_streamed(X).name == f"simplex of {n} vertices"
    found = detect_streamed(X[missing:])
    assert found.name == ""
    assert "without a name" in found.reason
    assert fg.schemes.detect(X[missing:]).name == ""
    assert fg.schemes.detect_blocks(X[missing : missing + 15], [0] * 15).names == ("",)


@pytest.mark.parametrize(
    ("X", "name", "noise"),
    [
        (shapes.simplex(60), "simplex of 60 vertices", 0.005),
        (shapes.cube(7), "7-cube", 0.03),
        (shapes.johnson(9, 3), "J(9,3)", 0.03),
        (shapes.cross_polytope(40), "cross-polytope of 80 vertices", 0.03),
    ],
)
def test_names_from_parameters_bear_noise_beyond_their_space(X, name, noise):
    """Noise fills dimensions of its own with the square of its size, more than a missing vertex would."""
    Y = shapes.noisy(shapes.rotated(X, seed=1, dim=300), noise, seed=2)
    assert detect_streamed(Y).name == name


@pytest.mark.parametrize("n", [22, 30, 60])
def test_lines_of_a_simplex_are_not_orthogonal(n):
    """Their cosines are within the tolerance of 0, but they span n - 1 dimensions, and orthogonal lines n."""
    X = shapes.simplex(n)
    for found in (fg.schemes.detect(X, mode="line"), fg.schemes.detect(np.vstack([X, -X]))):
        assert found.name == ""
        assert found.dim == n - 1
        assert found.reason


def test_many_equiangular_lines_are_not_orthogonal():
    """Cosines of .0494 are within the tolerance of 0: 410 lines in 205 dimensions are no 410 digons, 409 neither."""
    X = shapes.paley_etf(409)
    found = fg.schemes.detect(X, mode="line")
    assert found.name == "equiangular tight frame of 410 lines in 205 dimensions"
    assert found.dim == 205
    assert found.residual < 1e-9
    found = fg.schemes.detect(X[1:], mode="line")
    assert found.name == ""
    assert found.reason


@pytest.mark.parametrize("more", [0, 300])
def test_many_equiangular_lines_are_not_orthogonal_in_tiles(more):
    X = np.pad(shapes.paley_etf(409)[1:], ((0, 0), (0, more)))
    found = detect_streamed(X, mode="line")
    assert found.name == ""
    assert "in fewer dimensions than its 409" in found.reason


def test_nearly_orthogonal_lines_keep_their_name():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 20000))
    assert fg.schemes.detect(X, mode="line").name == "lines of the cross-polytope of 80 vertices"
