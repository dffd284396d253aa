"""Geometries with their known schemes, and disguises under which each has to be recognised."""

from __future__ import annotations

import numpy as np

from featuregeom import shapes

ROOT5 = np.sqrt(5)

# Coordinates, levels R1.., valencies, multiplicities m0.., frame eigenvalue: typed from
# published tables and from theory, not computed.
ROWS = {
    "digon": (shapes.simplex(2), [-1], [1], [1, 1], 2),
    "triangle": (shapes.simplex(3), [-1 / 2], [2], [1, 2], 3 / 2),
    "simplex of 5 vertices": (shapes.simplex(5), [-1 / 4], [4], [1, 4], 5 / 4),
    "octahedron": (shapes.cross_polytope(3), [0, -1], [4, 1], [1, 3, 2], 2),
    "cross-polytope of 16 vertices": (shapes.cross_polytope(8), [0, -1], [14, 1], [1, 8, 7], 2),
    "square": (shapes.cross_polytope(2), [0, -1], [2, 1], [1, 2, 1], 2),
    "pentagon": (shapes.polygon(5), [0.309017, -0.809017], [2, 2], [1, 2, 2], 5 / 2),
    "hexagon": (shapes.polygon(6), [0.5, -0.5, -1], [2, 2, 1], [1, 2, 1, 2], 3),
    "heptagon": (shapes.polygon(7), [0.6234898, -0.2225209, -0.9009689], [2, 2, 2], [1, 2, 2, 2], 7 / 2),
    "octagon": (shapes.polygon(8), [0.7071068, 0, -0.7071068, -1], [2, 2, 2, 1], [1, 2, 1, 2, 2], 4),
    "square antiprism": (
        shapes.antiprism(4),
        [1 / 3, 0.1380712, -1 / 3, -0.8047379],
        [2, 2, 1, 2],
        [1, 1, 2, 2, 2],
        8 / 3,
    ),
    "triangular prism": (shapes.prism(3), [1 / 3, 0, -2 / 3], [1, 2, 2], [1, 1, 2, 2], 2),
    "pentagonal prism": (
        shapes.prism(5),
        [0.5393447, 1 / 3, -0.1273220, -0.2060113, -0.8726780],
        [2, 1, 2, 2, 2],
        [1, 1, 2, 2, 2, 2],
        10 / 3,
    ),
    "cube": (shapes.cube(3), [1 / 3, -1 / 3, -1], [3, 3, 1], [1, 3, 1, 3], 8 / 3),
    "tesseract": (shapes.tesseract(), [0.5, 0, -0.5, -1], [4, 6, 4, 1], [1, 4, 1, 4, 6], 4),
    "H(2,3)": (shapes.hamming(2, 3), [1 / 4, -1 / 2], [4, 4], [1, 4, 4], 9 / 4),
    "H(2,4)": (shapes.hamming(2, 4), [1 / 3, -1 / 3], [6, 9], [1, 6, 9], 8 / 3),
    "Shrikhande graph": (shapes.shrikhande(), [1 / 3, -1 / 3], [6, 9], [1, 6, 9], 8 / 3),
    "H(4,3)": (
        shapes.hamming(4, 3),
        [0.625, 0.25, -0.125, -0.5],
        [8, 24, 32, 16],
        [1, 8, 16, 24, 32],
        81 / 8,
    ),
    "J(5,2)": (shapes.johnson(5, 2), [1 / 6, -2 / 3], [6, 3], [1, 4, 5], 5 / 2),
    "J(6,3)": (shapes.johnson(6, 3), [1 / 3, -1 / 3, -1], [9, 9, 1], [1, 5, 5, 9], 4),
    "J(7,3)": (shapes.johnson(7, 3), [5 / 12, -1 / 6, -3 / 4], [12, 18, 4], [1, 6, 14, 14], 35 / 6),
    "J(8,2)": (shapes.johnson(8, 2), [1 / 3, -1 / 3], [12, 15], [1, 7, 20], 4),
    "Paley 13": (shapes.paley(13), [0.2171, -0.3838], [6, 6], [1, 6, 6], 13 / 6),
    "Paley 17": (shapes.paley(17), [0.1952, -0.3202], [8, 8], [1, 8, 8], 17 / 8),
    "cyclotomic 13 of 3 classes": (
        shapes.cyclotomic(13, 3),
        [0.3443, 0.0685, -0.6628],
        [4, 4, 4],
        [1, 4, 4, 4],
        13 / 4,
    ),
    "demipenteract": (shapes.demicube(5), [0.2, -0.6], [10, 5], [1, 5, 10], 16 / 5),
    "Schläfli polytope 2_21": (shapes.schlaefli(), [1 / 4, -1 / 2], [16, 10], [1, 6, 20], 9 / 2),
    "Gosset polytope 3_21": (shapes.gosset(), [1 / 3, -1 / 3, -1], [27, 27, 1], [1, 7, 21, 27], 8),
    "icosahedron": (shapes.icosahedron(), [1 / ROOT5, -1 / ROOT5, -1], [5, 5, 1], [1, 3, 3, 5], 4),
    "dodecahedron": (
        shapes.dodecahedron(),
        [ROOT5 / 3, 1 / 3, -1 / 3, -ROOT5 / 3, -1],
        [3, 6, 6, 3, 1],
        [1, 3, 3, 4, 4, 5],
        20 / 3,
    ),
    "cuboctahedron": (shapes.cuboctahedron(), [0.5, 0, -0.5, -1], [4, 2, 4, 1], [1, 3, 2, 3, 3], 4),
    "A4 roots": (shapes.root_system("A4"), [0.5, 0, -0.5, -1], [6, 6, 6, 1], [1, 4, 4, 5, 6], 5),
    "24-cell": (shapes.cell24(), [0.5, 0, -0.5, -1], [8, 6, 8, 1], [1, 4, 2, 8, 9], 6),
    "D5 roots": (
        shapes.root_system("D5"),
        [0.5, 0, 0, -0.5, -1],
        [12, 2, 12, 12, 1],
        [1, 5, 4, 5, 10, 15],
        8,
    ),
    "E6 roots": (shapes.root_system("E6"), [0.5, 0, -0.5, -1], [20, 30, 20, 1], [1, 6, 15, 20, 30], 12),
    "E7 roots": (shapes.root_system("E7"), [0.5, 0, -0.5, -1], [32, 60, 32, 1], [1, 7, 27, 35, 56], 18),
    "E8 roots": (shapes.root_system("E8"), [0.5, 0, -0.5, -1], [56, 126, 56, 1], [1, 8, 35, 84, 112], 30),
    "600-cell": (
        shapes.cell600(),
        [0.809017, 0.5, 0.309017, 0, -0.309017, -0.5, -0.809017, -1],
        [12, 20, 12, 30, 12, 20, 12, 1],
        [1, 4, 4, 9, 9, 16, 16, 25, 36],
        30,
    ),
}
assert len(ROWS) == 39


def disguised(X: np.ndarray, seed: int, noise: float = 0.0) -> np.ndarray:
    """Permuted, rotated, scaled."""
    order = np.random.default_rng(seed).permutation(len(X))
    return 3.7 * shapes.rotated(shapes.noisy(X, noise, seed)[order], seed, dim=X.shape[1] + seed % 3)
