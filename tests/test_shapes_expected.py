"""The expected numbers of shapes against the published tables, typed in by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from featuregeom import shapes
from featuregeom.geometries import row
from featuregeom.shapes import expected
from featuregeom.shapes.expected import Expected
from oracles.shapes import check, repeated

R5 = 1 / math.sqrt(5)
DESIGN_1 = [
    (row("simplex", 2), 2, 1, {2: 1}, 1 / 2, 1, {-1: 1}),
    (
        row("antiprism", 4),
        8,
        3,
        {8 / 3: 3},
        3 / 8,
        0.804737854,
        {-1 / 3: 1, 1 / 3: 2, -0.804737854: 2, 0.138071187: 2},
    ),
    (
        row("antiprism", 4, 1 / 4),
        *(8, 3, {3: 2, 2: 1}, 4 / 11, 0.780330086),
        {-1 / 2: 1, 1 / 4: 2, -0.780330086: 2, 0.280330086: 2},
    ),
    (
        row("antiprism", 5),
        *(10, 3, {10 / 3: 3}, 3 / 10, 1),
        {0.539344663: 2, -0.539344663: 2, 0.20601133: 2, -0.20601133: 2, -1: 1},
    ),
    (row("cube", 3), 8, 3, {8 / 3: 3}, 3 / 8, 1, {1 / 3: 3, -1 / 3: 3, -1: 1}),
    (row("icosahedron"), 12, 3, {4: 3}, 1 / 4, 1, {R5: 5, -R5: 5, -1: 1}),
    (row("icosahedral_lines"), 6, 3, {2: 3}, 1 / 2, R5, {R5: 5}),
    (
        row("dodecahedron"),
        20,
        3,
        {20 / 3: 3},
        3 / 20,
        1,
        {0.745355992: 3, -0.745355992: 3, 1 / 3: 6, -1 / 3: 6, -1: 1},
    ),
    (row("tesseract"), 16, 4, {4: 4}, 1 / 4, 1, {1 / 2: 4, -1 / 2: 4, 0: 6, -1: 1}),
    (row("cell24"), 24, 4, {6: 4}, 1 / 6, 1, {1 / 2: 8, -1 / 2: 8, 0: 6, -1: 1}),
    (row("root_system", "E8"), 240, 8, {30: 8}, 1 / 30, 1, {1 / 2: 56, -1 / 2: 56, 0: 126, -1: 1}),
    (row("etf_28_7"), 28, 7, {4: 7}, 1 / 4, 1 / 3, {-1 / 3: 15, 1 / 3: 12}),
]


@pytest.mark.parametrize(
    ("known", "n", "dim", "eigenvalues", "capacity", "coherence", "gram"),
    DESIGN_1,
    ids=[known.call for known, *_ in DESIGN_1],
)
def test_expected_numbers_are_those_of_design_1(known, n, dim, eigenvalues, capacity, coherence, gram):
    e = known.expected
    assert (e.n, e.dim) == (n, dim)
    np.testing.assert_allclose(repeated(e.eigenvalues), repeated(eigenvalues.items()), rtol=1e-14)
    np.testing.assert_allclose(repeated(e.capacity), capacity, rtol=1e-14)
    assert e.coherence == pytest.approx(coherence, abs=1e-9)
    np.testing.assert_allclose(repeated(e.gram_values), repeated(gram.items()), rtol=0, atol=1e-9)


# n, dim, Gram levels and valencies typed from theory, and the strength t of the spherical design.
PHI_LEVELS = (0.809, 0.5, 0.309, 0, -0.309, -0.5, -0.809, -1)
DESIGN_2 = [
    (row("polygon", 3), 3, 2, (-0.5,), (2,), 2),
    (row("simplex", 5), 5, 4, (-0.25,), (4,), 2),
    (row("cross_polytope", 3), 6, 3, (0, -1), (4, 1), 3),
    (row("cross_polytope", 8), 16, 8, (0, -1), (14, 1), 3),
    (row("polygon", 4), 4, 2, (0, -1), (2, 1), 3),
    (row("polygon", 5), 5, 2, (0.309, -0.809), (2, 2), 4),
    (row("polygon", 6), 6, 2, (0.5, -0.5, -1), (2, 2, 1), 5),
    (row("polygon", 7), 7, 2, (0.6235, -0.2225, -0.901), (2, 2, 2), 6),
    (row("polygon", 8), 8, 2, (0.7071, 0, -0.7071, -1), (2, 2, 2, 1), 7),
    (row("antiprism", 4), 8, 3, (0.3333, 0.1381, -0.3333, -0.8047), (2, 2, 1, 2), 3),
    (row("prism", 3), 6, 3, (0.3333, 0, -0.6667), (1, 2, 2), 2),
    (row("prism", 5), 10, 3, (0.5393, 0.3333, -0.1273, -0.206, -0.8727), (2, 1, 2, 2, 2), 3),
    (row("cube", 3), 8, 3, (0.3333, -0.3333, -1), (3, 3, 1), 3),
    (row("tesseract"), 16, 4, (0.5, 0, -0.5, -1), (4, 6, 4, 1), 3),
    (row("hamming", 2, 3), 9, 4, (0.25, -0.5), (4, 4), 2),
    (row("hamming", 2, 4), 16, 6, (0.3333, -0.3333), (6, 9), 2),
    (row("shrikhande"), 16, 6, (0.3333, -0.3333), (6, 9), 2),
    (row("hamming", 4, 3), 81, 8, (0.625, 0.25, -0.125, -0.5), (8, 24, 32, 16), 2),
    (row("johnson", 5, 2), 10, 4, (0.1667, -0.6667), (6, 3), 2),
    (row("johnson", 6, 3), 20, 5, (0.3333, -0.3333, -1), (9, 9, 1), 3),
    (row("johnson", 7, 3), 35, 6, (0.4167, -0.1667, -0.75), (12, 18, 4), 2),
    (row("johnson", 8, 2), 28, 7, (0.3333, -0.3333), (12, 15), 2),
    (row("paley", 13), 13, 6, (0.2171, -0.3838), (6, 6), 2),
    (row("paley", 17), 17, 8, (0.1952, -0.3202), (8, 8), 2),
    (row("cyclotomic", 13, 3), 13, 4, (0.3443, 0.0685, -0.6628), (4, 4, 4), 3),
    (row("demicube", 5), 16, 5, (0.2, -0.6), (10, 5), 3),
    (row("schlaefli"), 27, 6, (0.25, -0.5), (16, 10), 4),
    (row("gosset"), 56, 7, (0.3333, -0.3333, -1), (27, 27, 1), 5),
    (row("icosahedron"), 12, 3, (0.4472, -0.4472, -1), (5, 5, 1), 5),
    (row("dodecahedron"), 20, 3, (0.7454, 0.3333, -0.3333, -0.7454, -1), (3, 6, 6, 3, 1), 5),
    (row("cuboctahedron"), 12, 3, (0.5, 0, -0.5, -1), (4, 2, 4, 1), 3),
    (row("root_system", "A4"), 20, 4, (0.5, 0, -0.5, -1), (6, 6, 6, 1), 3),
    (row("cell24"), 24, 4, (0.5, 0, -0.5, -1), (8, 6, 8, 1), 5),
    (row("root_system", "D5"), 40, 5, (0.5, 0, -0.5, -1), (12, 14, 12, 1), 3),
    (row("root_system", "E6"), 72, 6, (0.5, 0, -0.5, -1), (20, 30, 20, 1), 5),
    (row("root_system", "E7"), 126, 7, (0.5, 0, -0.5, -1), (32, 60, 32, 1), 5),
    (row("root_system", "E8"), 240, 8, (0.5, 0, -0.5, -1), (56, 126, 56, 1), 7),
    (row("cell600"), 120, 4, PHI_LEVELS, (12, 20, 12, 30, 12, 20, 12, 1), 11),
    (row("leech"), 196560, 24, (0.5, 0.25, 0, -0.25, -0.5, -1), (4600, 47104, 93150, 47104, 4600, 1), 11),
]


def design_strength(e: Expected) -> int:
    """Largest t (below 14) for which the powers of the inner products up to t average as over the whole sphere."""
    for k in range(1, 14):
        average = (1 + sum(count * value**k for value, count in e.gram_values)) / e.n
        sphere = math.prod((2 * j + 1) / (e.dim + 2 * j) for j in range(k // 2)) if k % 2 == 0 else 0.0
        if abs(average - sphere) > 1e-12:
            return k - 1
    raise AssertionError


@pytest.mark.parametrize(
    ("known", "n", "dim", "levels", "valencies", "strength"),
    DESIGN_2,
    ids=[known.call for known, *_ in DESIGN_2],
)
def test_expected_numbers_are_those_of_design_2(known, n, dim, levels, valencies, strength):
    e = known.expected
    assert (e.n, e.dim) == (n, dim)
    assert tuple(count for _, count in e.gram_values) == valencies
    np.testing.assert_allclose([value for value, _ in e.gram_values], levels, rtol=0, atol=6e-5)
    assert e.eigenvalues == ((pytest.approx(n / dim, rel=1e-14), dim),)
    assert design_strength(e) == strength


def test_the_120_cell_is_an_11_design():
    assert design_strength(expected.cell120()) == 11


def test_the_direct_sums_of_design_1():
    e = expected.direct_sum(expected.polygon(3), expected.simplex(2))
    check(shapes.direct_sum(shapes.polygon(3), shapes.simplex(2)), e)
    assert e.eigenvalues == ((2, 1), (1.5, 2))
    assert e.capacity == ((2 / 3, 3), (1 / 2, 2))

    parts = expected.polygon(5), expected.simplex(4), expected.simplex(2)
    e = expected.direct_sum(*parts, scales=(1.3, 1, 1))
    check(shapes.direct_sum(1.3 * shapes.polygon(5), shapes.tetrahedron(), shapes.simplex(2)), e)
    np.testing.assert_allclose(repeated(e.eigenvalues), [4 / 3] * 3 + [2] + [4.225] * 2, rtol=1e-14)
    assert e.capacity == ((0.75, 4), (0.5, 2), (0.4, 5))
    assert e.total_capacity == pytest.approx(6, rel=1e-14)

    parts = expected.polygon(5), expected.polygon(3)
    e = expected.direct_sum(*parts, scales=(math.sqrt(0.8), math.sqrt(4 / 3)))
    check(shapes.direct_sum(math.sqrt(0.8) * shapes.polygon(5), math.sqrt(4 / 3) * shapes.polygon(3)), e)
    assert e.eigenvalues == ((pytest.approx(2, rel=1e-14), 4),)
