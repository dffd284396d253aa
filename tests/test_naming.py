"""Names: the right one on planted geometries, none on anything else."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.naming import Name, name_geometry
from featuregeom.recognise.levels import distinct_values
from oracles.known_answers import (
    KNOWN,
    antiprism,
    cell24,
    cross_polytope,
    cube,
    digon,
    direct_sum,
    icosahedral_lines,
    icosahedron,
    polygon,
    polygon_name,
    rotation,
    simplex,
    simplex_name,
    unit,
)

PLANTED = {
    "digon": digon(),
    **{simplex_name(n): simplex(n) for n in (3, 4, 5, 6, 8, 12)},
    **{polygon_name(n): polygon(n) for n in range(5, 13)},
    "square": cross_polytope(2),
    "octahedron": cross_polytope(3),
    "cross-polytope of 8 vertices": cross_polytope(4),
    "cross-polytope of 14 vertices": cross_polytope(7),
    "square antiprism": antiprism(4, 1 / 4),
    "pentagonal antiprism": antiprism(5, 1 / 3),
    "cube": np.vstack([simplex(4), -simplex(4)]),
    "tesseract": cube(4),
    "icosahedron": icosahedron(),
    "24-cell": cell24(),
}


def named(X: np.ndarray) -> Name:
    norms = np.linalg.norm(X, axis=1)
    return name_geometry(np.clip(X @ X.T / np.outer(norms, norms), -1, 1), norms)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize("name", list(PLANTED))
def test_planted_geometries_have_their_name(name, noise):
    ideal = PLANTED[name]
    right = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(ideal))
        X = 2.5 * (ideal + noise * rng.standard_normal(ideal.shape))[order] @ rotation(ideal.shape[1], rng)
        found = named(X)
        assert sorted(found.order.tolist()) == list(range(len(X)))
        assert found.geometry in (name, "")
        assert (found.geometry == "") == (found.reason != "")
        if not found.geometry:
            assert noise == 1e-2, found.reason
            continue
        right += 1
        assert found.dim == ideal.shape[1]
        assert found.residual <= 1e-12 if noise == 0 else found.residual <= 10 * noise
    assert right >= 20


@pytest.mark.parametrize("name", list(PLANTED))
def test_the_order_shows_the_relations(name):
    """Polygons in cyclic order, cross-polytopes with antipodes side by side; the residual is of that order."""
    ideal = PLANTED[name]
    n = len(ideal)
    X = ideal[np.random.default_rng(1).permutation(n)]
    C = X @ X.T
    found = named(X)
    ordered = C[np.ix_(found.order, found.order)]
    if name.endswith("gon") and n >= 5:
        steps = np.arange(n)
        np.testing.assert_allclose(ordered, np.cos(2 * np.pi * (steps[:, None] - steps) / n), atol=1e-12)
    elif name in ("square", "octahedron") or "cross" in name:
        np.testing.assert_allclose(ordered[::2, 1::2].diagonal(), -1, atol=1e-12)
    elif name in ("triangle", "tetrahedron", "digon") or "simplex" in name:
        np.testing.assert_allclose(ordered[~np.eye(n, dtype=bool)], -1 / (n - 1), atol=1e-12)
    else:  # the order of the exact coordinates, whatever permutation of them came in
        shuffled = ideal[np.random.default_rng(2).permutation(n)]
        again = named(shuffled).order
        np.testing.assert_allclose(ordered, (shuffled @ shuffled.T)[np.ix_(again, again)], atol=1e-12)


@pytest.mark.parametrize("name", list(PLANTED))
def test_different_norms_refuse(name):
    """The directions of a pentagon with one vector twice as long are no pentagon."""
    X = PLANTED[name].copy()
    X[0] *= 2
    found = named(X)
    assert found.geometry == ""
    assert found.dim == 0
    assert np.isnan(found.residual)
    assert "norm" in found.reason


@pytest.mark.parametrize(
    ("what", "X"),
    [
        ("six lines", icosahedral_lines()),
        ("triangle (+) digon", direct_sum(polygon(3), digon())),
        ("pentagon with a copy", np.vstack([polygon(5), polygon(5)[:1]])),
        ("pentagon without a vertex", polygon(5)[:4]),
        ("hexagon without a vertex", polygon(6)[:5]),
        ("12-gon without a vertex", polygon(12)[:11]),
        ("octahedron without a vertex", cross_polytope(3)[:5]),
        ("tetrahedron and one missing", simplex(5)[:4]),
        ("simplex of 7 without a vertex", simplex(7)[:6]),  # six independent directions, no simplex of six
        ("simplex of 9 without a vertex", simplex(9)[:8]),
        ("simplex of 25 without 5 vertices", simplex(25)[:20]),
        ("tetrahedron turned over once", np.vstack([simplex(4)[:3], -simplex(4)[3:]])),
        ("pentagram's half", polygon(10)[[0, 1, 2, 3, 4]]),
        ("orthonormal basis", np.eye(5)),
        ("five copies", np.ones((5, 1))),
        ("pair at a right angle", np.eye(2)),
        ("pair of copies", np.ones((2, 3))),
        ("three copies", np.ones((3, 1))),
        ("flattened tetrahedron", unit(simplex(4) * [1, 1, 0.7])),
        ("two triangles in a plane", np.vstack([polygon(3), polygon(3)])),
        ("pentagonal pyramid", np.vstack([antiprism(5, 0.2)[::2], [[0, 0, -1.0]]])),
        ("pentagon opened into a cone", antiprism(5, 0.2)[::2]),
        ("elongated hexagon", unit(polygon(6) * [1, 0.8])),
    ],
)
def test_what_is_none_of_them_has_no_name(what, X):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = named(X[rng.permutation(len(X))] @ rotation(X.shape[1], rng))
        assert (found.geometry, found.dim) == ("", 0), what
        assert found.reason


def test_known_answers_keep_their_names():
    for known in KNOWN:
        for block, geometry in zip(known.blocks, known.geometries, strict=True):
            assert named(known.X[list(block)]).geometry == geometry, known.name


def random_names(n: int, m: int, seeds: int) -> dict[str, int]:
    """How often random unit frames are given which name."""
    found: dict[str, int] = {}
    for seed in range(seeds):
        name = named(unit(np.random.default_rng((n, m, seed)).standard_normal((n, m)))).geometry
        if name:
            found[name] = found.get(name, 0) + 1
    return found


def test_random_frames_have_no_names():
    """459 random frames of 4 to 20 features have no name. The slow tests of `schemes.detect` draw ten thousand."""
    false = {(n, m): found for n in range(4, 21) for m in range(2, 11) if (found := random_names(n, m, 3))}
    assert false == {}


def test_a_single_feature():
    found = named(np.array([[2.0, 0.0]]))
    assert (found.geometry, found.dim, found.reason) == ("", 1, "a single feature")


def test_distinct_values_are_levels():
    C = polygon(5) @ polygon(5).T
    np.testing.assert_allclose(distinct_values(C), [np.cos(4 * np.pi / 5), np.cos(2 * np.pi / 5)], rtol=1e-12)
    np.testing.assert_allclose(distinct_values(np.eye(4)), [0.0], atol=1e-15)
    assert distinct_values(np.ones((1, 1))).size == 0


@pytest.mark.parametrize(("n", "m"), [(500, 256), (500, 64), (200, 5), (50, 3), (300, 20000)])
def test_random_features_have_a_continuum_of_cosines(n, m):
    """The widest gap of a sample is among its outliers; it makes no level of the rest."""
    X = np.random.default_rng(n + m).standard_normal((n, m))
    block = fg.blocks.describe_block(X, np.arange(n))
    assert block.gram_values is None
    assert "a continuum of cosines" in block.reason
    assert "distinct" not in block.reason
    found = fg.schemes.detect(X)
    assert found.gram_values is None
    assert "a continuum of cosines" in found.reason


@pytest.mark.parametrize(
    ("X", "count"),
    [
        (fg.shapes.polygon(40), 20),
        (fg.shapes.polygon(41), 20),
        (fg.shapes.simplex(6), 1),
        (np.eye(5), 1),
        (fg.shapes.cube(3), 3),
        (fg.shapes.antiprism(4), 4),
        (fg.shapes.noisy(fg.shapes.simplex(4), 0.01, 0), 1),
        (fg.shapes.noisy(fg.shapes.icosahedron(), 0.02, 0), 3),
        (np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.28, 0.96]]), 3),
    ],
)
def test_levels_are_counted(X, count):
    """Of a 40-gon neighbouring levels differ by as little as .012; noise blurs the one level of a simplex."""
    assert fg.blocks.describe_block(X, np.arange(len(X))).gram_values == count
    assert fg.schemes.detect(X).gram_values == count


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize(
    ("width", "levels"), [(0.1, True), (0.3, True), (0.45, True), (0.6, False), (0.9, False)]
)
def test_a_level_is_narrower_than_the_gaps_beside_it(count, width, levels):
    """Clusters a step apart, filled evenly over a share of the step: levels below one half, none above."""
    step = 1.8 / count
    values = np.concatenate(
        [k * step - 0.9 + np.linspace(0, width * step, -(-496 // count)) for k in range(count)]
    )
    n = 32
    cosines = np.eye(n)
    pairs = np.triu_indices(n, 1)
    cosines[pairs] = np.random.default_rng(count).permutation(values[: len(pairs[0])])
    found = distinct_values(cosines)
    assert (None if found is None else len(found)) == (count if levels else None)
