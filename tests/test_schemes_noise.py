"""Noise, random frames and trained toys: the right name or a reason why there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import shapes
from oracles.geometries import ROWS, disguised

# Success rates with refinement by noise to reach: those of a prototype, in 10 trials each (3 for 100 points and more).
NOISE = {
    "pentagon": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1, 0.3: 1},
    "square antiprism": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 0.8, 0.25: 0.3, 0.3: 0.2},
    "J(5,2)": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 0.9, 0.3: 0.9},
    "cube": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1, 0.3: 1},
    "J(8,2)": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1, 0.3: 1},
    "H(4,3)": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1},
    "cyclotomic 13 of 3 classes": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1, 0.3: 0.6},
    "J(10,3)": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1, 0.3: 1},
    "E8 roots": {0.05: 1, 0.1: 1, 0.15: 1, 0.2: 1, 0.25: 1},
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "noise"), [(name, noise) for name in NOISE for noise in NOISE[name]])
def test_success_rates_through_noise(name, noise):
    """The relations of every pair are right in as large a share of 50 trials as the table has of its few.

    A success there was the exact partition of all pairs, as here: `nearest_relations`. Up to 8 features these come
    without a name where chance gives as good a scheme.
    """
    X = shapes.johnson(10, 3) if name == "J(10,3)" else ROWS[name][0]
    truth = fg.schemes.detect(X).relations
    trials, right = 50, 0
    for seed in range(trials):
        found = fg.schemes.detect(disguised(X, seed, noise))
        assert found.name in (name, "")
        order = np.random.default_rng(seed).permutation(len(X))
        relations = found.nearest_relations
        right += relations is not None and np.array_equal(relations, truth[np.ix_(order, order)])
    assert right >= NOISE[name][noise] * trials, (right, trials)


@pytest.mark.slow
@pytest.mark.parametrize("n", range(4, 41))
def test_ten_thousand_random_frames_have_no_name(n):
    for trial in range(271):
        found = fg.schemes.detect(shapes.random_frame(n, 2 + trial % 9, seed=1000 * n + trial))
        assert found.name == "", (n, trial, found.residual)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "m", "sparsity", "names"),
    [
        (3, 2, 0.30, {"triangle"}),
        (4, 3, 0.40, {"tetrahedron"}),
        (5, 2, 0.90, {"pentagon"}),
        (8, 3, 0.90, {"square antiprism"}),
        (12, 3, 0.98, {"icosahedron"}),
    ],
)
def test_trained_toys(n, m, sparsity, names):
    """Of the seeds within 1 % of the best loss, 95 of 100 are named, and the same way.

    Held-out losses of one geometry scatter by more than 1 % in the sparser toys, so other seeds may have it too: then
    by its cosines, all of them. Where they have not, they have no name, but a reason and a defect.
    """
    from featuregeom.toys.gallery import GALLERY

    recipe = next(one for one in GALLERY if (one.n_features, one.n_hidden) == (n, m))
    assert recipe.sparsity == sparsity
    toy = replace(recipe, n_instances=100).train(seed=0)
    good = toy.loss <= 1.01 * toy.loss.min()
    found = [fg.schemes.detect(W) for W in toy.W]
    best = [one.name for one, kept in zip(found, good, strict=True) if kept]
    assert set(best) - {""} == names
    assert sum(map(bool, best)) >= 0.95 * len(best)
    assert (~good).any()
    ideal = sorted_cosines({2: shapes.polygon(n), 3: SOLIDS.get(n, shapes.simplex(4))}[m])
    for one, W in zip(found, toy.W, strict=True):
        fits = np.abs(sorted_cosines(W) - ideal).max()
        if one.name:
            assert one.name in names
            assert fits < 0.05
        else:
            assert fits > 0.02
            assert one.reason
            assert not one.is_scheme or "without a name" in one.reason or "norms differ" in one.reason
            assert one.defect >= 0


SOLIDS = {8: shapes.antiprism(4, 0.293), 12: shapes.icosahedron()}


def sorted_cosines(X):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.sort((unit @ unit.T)[np.triu_indices(len(X), 1)])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "sparsity"), [(30, 6, 0.9), (40, 10, 0.9), (100, 20, 0.95)])
def test_larger_toys_are_no_schemes(n, m, sparsity):
    from featuregeom.toys.superposition import train

    toy = train(
        n, m, sparsity=sparsity, n_instances=4, steps=3000, learning_rate=1e-2, schedule="exponential"
    )
    for W in toy.W:
        found = fg.schemes.detect(W[np.linalg.norm(W, axis=1) > 0.1])
        assert (found.is_scheme, found.name) == (False, "")
        assert "no scheme (defect" in found.reason
        assert found.defect > 0.1


@pytest.mark.parametrize("noise", [0.05, 0.1])
@pytest.mark.parametrize("name", [name for name in NOISE if name in ROWS and name != "E8 roots"])
def test_relations_are_found_through_noise(name, noise):
    for seed in range(5):
        found = fg.schemes.detect(disguised(ROWS[name][0], seed, noise))
        assert found.nearest == name
        assert found.name in (name, "")
        assert found.name == name or len(ROWS[name][0]) <= 8


def test_random_frames_have_no_name():
    for n in (4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 40):
        for m in (2, 3, 5):
            for seed in range(2):
                found = fg.schemes.detect(shapes.random_frame(n, m, seed=seed))
                assert found.name == "", (n, m, seed)
                assert found.reason


def stretched(X, factor):
    axis = X[0] / np.linalg.norm(X[0])
    return X + (factor - 1) * np.outer(X @ axis, axis)


@pytest.mark.parametrize("noise", [0, 1e-3])
@pytest.mark.parametrize("factor", [1.3, 1.5, 2])
@pytest.mark.parametrize("name", ["J(5,2)", "icosahedron", "dodecahedron", "24-cell", "E6 roots"])
def test_a_stretched_geometry_is_another_one(name, factor, noise):
    """Its cosines have levels of their own: refinement is for noise, and must not take them for it."""
    found = fg.schemes.detect(shapes.noisy(stretched(ROWS[name][0], factor), noise, 0))
    assert found.name == ""
    assert found.reason


def test_a_turned_vertex_is_no_noise():
    """31 of the 32 vertices of the 5-cube; the half 6-cube has as many, in a dimension more."""
    X = shapes.cube(5)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        aside = rng.standard_normal(5)
        aside -= aside @ X[0] * X[0] / (X[0] @ X[0])
        angle = rng.uniform(0.45, 1.0)
        Y = X / np.linalg.norm(X[0])
        Y[0] = np.cos(angle) * Y[0] + np.sin(angle) * aside / np.linalg.norm(aside)
        assert fg.schemes.detect(Y).name == ""


@pytest.mark.parametrize("noise", [0.2, 0.25, 0.3])
@pytest.mark.parametrize("name", ["cuboctahedron", "hexagonal prism"])
def test_twelve_points_are_not_taken_for_others(name, noise):
    X = shapes.cuboctahedron() if name == "cuboctahedron" else shapes.prism(6)
    for seed in range(25):
        assert fg.schemes.detect(shapes.noisy(X, noise, seed)).name in (name, "")


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def pyritohedral(a):
    """Twelve points of the icosahedron's symmetry without its fivefold axes: tight, but no icosahedron."""
    signs = [(s, t) for s in (1, -1) for t in (1, -1)]
    rings = [((0, s, t * a), (t * a, 0, s), (s, t * a, 0)) for s, t in signs]
    return unit(np.array([point for ring in rings for point in ring]))


def half_turned(X, angle):
    """Every second feature, turned in one plane."""
    X = unit(X)
    c, s = np.cos(angle), np.sin(angle)
    X[::2, :2] = X[::2, :2] @ [[c, -s], [s, c]]
    return X


DEFORMED = {
    "pyritohedral 1.3": pyritohedral(1.3),
    "pyritohedral 2": pyritohedral(2.0),
    "stretched J(5,2)": stretched(shapes.johnson(5, 2), 2),
    "stretched tesseract": stretched(shapes.tesseract(), 2),
    "stretched cuboctahedron": stretched(shapes.cuboctahedron(), 1.8),
    "stretched dodecahedron": stretched(shapes.dodecahedron(), 1.8),
    "stretched icosahedron": stretched(shapes.icosahedron(), 1.5),
    "half tesseract": half_turned(shapes.tesseract(), 1.0),
    "half 5-cube turned": half_turned(shapes.cube(5), 0.6),
    "half H(2,3)": half_turned(shapes.hamming(2, 3), 0.6),
}


@pytest.mark.parametrize("noise", [0, 0.003, 0.01, 0.02])
@pytest.mark.parametrize("name", list(DEFORMED))
def test_deformed_geometries_have_no_name_through_noise(name, noise):
    for seed in range(3):
        found = fg.schemes.detect(shapes.noisy(DEFORMED[name], noise, seed))
        assert found.name == "", found.residual


@pytest.mark.parametrize("noise", [0.02, 0.05])
@pytest.mark.parametrize(
    ("name", "X"),
    [
        ("enneagon", shapes.polygon(9)),
        ("12-gon", shapes.polygon(12)),
        ("cross-polytope of 10 vertices", shapes.cross_polytope(5)),
        ("cross-polytope of 12 vertices", shapes.cross_polytope(6)),
    ],
)
def test_polygons_and_cross_polytopes_through_noise(name, X, noise):
    for seed in range(5):
        assert fg.schemes.detect(disguised(X, seed, noise)).name == name


def test_a_polygon_through_noise_of_its_gram_matrix():
    """Noise is refused in 1 to 2 % of cases (`deformed`), so that four of twenty would be one chance in a thousand."""
    X = shapes.polygon(20)
    names = []
    for seed in range(20):
        E = np.random.default_rng(seed).standard_normal((20, 20)) * 0.003
        names.append(fg.schemes.detect(gram=X @ X.T + (E + E.T) / 2).name)
    assert set(names) <= {"20-gon", ""}
    assert names.count("20-gon") >= 17


@pytest.mark.parametrize("noise", [0, 1e-4, 1e-3, 1e-2])
def test_directions_that_are_met_twice_through_noise(noise):
    icosahedron = shapes.noisy(shapes.icosahedron(), noise, 0)
    found = fg.schemes.detect(icosahedron, mode="line")
    assert found.name == "lines of the icosahedron"
    assert found.reason == "12 features on 6 lines"
    twice = shapes.noisy(np.vstack([shapes.polygon(5)] * 2), noise, 1)
    found = fg.schemes.detect(twice)
    assert (found.name, found.reason) == ("pentagon", "10 features in 5 directions")


def test_neighbours_by_chance_are_not_one_direction():
    """Dense polygons through noise: some neighbours come close, which does not make them the same."""
    for seed in range(20):
        assert fg.schemes.detect(shapes.noisy(shapes.polygon(20), 0.2, seed)).n == 20
