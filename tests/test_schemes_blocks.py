"""Many small blocks at once, against the check of each block's own matrix of levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom import _core
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError

SHAPES = {
    "digon": fg.shapes.simplex(2),
    "tetrahedron": fg.shapes.simplex(4),
    "pentagon": fg.shapes.polygon(5),
    "hexagon": fg.shapes.polygon(6),
    "cube": fg.shapes.cube(3),
    "icosahedron": fg.shapes.icosahedron(),
    "dodecahedron": fg.shapes.dodecahedron(),
    "D4": fg.shapes.root_system("D4"),
    "D5": fg.shapes.root_system("D5"),
    "cuboctahedron": fg.shapes.cuboctahedron(),
    "Schlaefli": fg.shapes.schlaefli(),
    "Gosset": fg.shapes.gosset(),
}


def levels_of(X: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine of each level, decreasing, and the labels, from the whole Gram matrix."""
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    gram = unit @ unit.T
    upper = np.triu_indices(len(X), 1)
    order = np.argsort(-gram[upper])
    values = gram[upper][order]
    group = np.concatenate([[0], np.cumsum(values[:-1] - values[1:] > tolerance)])
    labels = np.zeros(gram.shape, dtype=int)
    labels[upper[0][order], upper[1][order]] = group + 1
    return np.array([values[group == g].mean() for g in range(group[-1] + 1)]), labels + labels.T


@st.composite
def collections(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(st.lists(st.sampled_from([*SHAPES, "random", "pair"]), min_size=1, max_size=12))
    m = 9
    rows = []
    for name in names:
        if name == "random":
            block = rng.normal(size=(int(rng.integers(3, 8)), m))
        elif name == "pair":
            # Two squares of unlike angle to each other: levels that are rarely a scheme.
            block = np.vstack(
                [fg.shapes.polygon(4), fg.shapes.polygon(4) @ fg.shapes.rotated(np.eye(2), seed=3)]
            )
        else:
            block = SHAPES[name]
        block = np.pad(block, ((0, 0), (0, m - block.shape[1])))
        rows.append(block @ np.linalg.qr(rng.normal(size=(m, m)))[0] * rng.uniform(0.5, 2))
    order = rng.permutation(sum(map(len, rows)))
    X = np.vstack(rows)
    offsets = np.concatenate([[0], np.cumsum([len(block) for block in rows])])
    place = np.argsort(order)
    return X[order], place, offsets


@given(collections(), st.sampled_from([1, 3]))
@settings(max_examples=60, deadline=None)
def test_blocks_as_each_alone(collection, threads):
    X, members, offsets = collection
    starts, levels, valencies, signatures, first = _core.scheme_blocks(
        X, members, offsets, num_threads=threads
    )
    kept = []
    for b, signature in enumerate(signatures):
        own = X[members[offsets[b] : offsets[b + 1]]]
        means, labels = levels_of(own, 1e-6)
        np.testing.assert_allclose(levels[starts[b] : starts[b + 1]], means, rtol=0, atol=1e-12)
        found = fg.schemes.check(labels)
        assert (signature >= 0) == found.is_scheme
        expected = found.valencies[1:] if found.is_scheme else np.zeros(len(means))
        np.testing.assert_array_equal(valencies[starts[b] : starts[b + 1]], expected)
        kept.append(found.intersection_numbers)
    for b, signature in enumerate(signatures):
        if signature >= 0:
            same = [c for c, p in enumerate(kept) if p is not None and np.array_equal(p, kept[b])]
            assert [c for c, other in enumerate(signatures) if other == signature] == same
            assert first[signature] == same[0]


def test_single_and_zero_features():
    X = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    starts, levels, _, signatures, first = _core.scheme_blocks(
        X, np.array([0, 2, 1, 0, 2]), np.array([0, 1, 3, 5])
    )
    assert starts.tolist() == [0, 0, 0, 1]
    assert levels.tolist() == [0.0]
    assert signatures.tolist() == [0, -1, 1]
    assert first.tolist() == [0, 2]
    for array in _core.scheme_blocks(X, np.zeros(0, np.int64), np.zeros(1, np.int64))[1:]:
        assert len(array) == 0


@pytest.mark.parametrize(
    ("members", "offsets", "options", "match"),
    [
        ([0, 1], [0, 1], {}, "from 0 to the number of members, 2"),
        ([0, 1], [], {}, "from 0 to the number of members, 2"),
        ([0, 1], [0, 2, 2], {}, "block 1 goes from 2 to 2"),
        ([0, 1], [0, 5, 2], {}, "block 0 goes from 0 to 5"),
        ([0] * 65, [0, 65], {}, "from 1 to 64 features, but block 0"),
        ([0, 7], [0, 2], {}, "feature 7 is not among the 3 features"),
        ([0, 1], [0, 2], {"tolerance": -1.0}, r"tolerance must lie in \[0, 2\), not -1"),
        ([0, 1], [0, 2], {"tolerance": np.nan}, "not NaN"),
    ],
)
def test_bad_input(members, offsets, options, match):
    with pytest.raises(ParameterError, match=match):
        _core.scheme_blocks(np.eye(3), np.array(members), np.array(offsets, dtype=np.int64), **options)


def test_not_a_number():
    X = np.eye(3)
    X[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="row 1, column 2"):
        _core.scheme_blocks(X, np.array([0, 1]), np.array([0, 2]))


KINDS = [
    *(fg.shapes.simplex(n) for n in (2, 3, 5)),
    *(fg.shapes.polygon(n) for n in (5, 8)),
    fg.shapes.cross_polytope(3),
    fg.shapes.antiprism(4),
    fg.shapes.antiprism(4, 0.25),
    fg.shapes.prism(3),
    fg.shapes.cube(3),
    fg.shapes.icosahedron(),
    fg.shapes.hamming(2, 4),
    fg.shapes.shrikhande(),
]


def many(count, seed):
    """Blocks of known shapes, rotated, scaled and mixed with each other, and random ones."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(KINDS) + 1, count)
    rows, labels = [], []
    for block, k in enumerate(chosen):
        X = KINDS[k] if k < len(KINDS) else rng.standard_normal((6, 3))
        rows.append(rng.uniform(0.5, 2) * fg.shapes.rotated(X, seed=block, dim=7))
        labels += [block] * len(X)
    order = rng.permutation(len(labels))
    return np.concatenate(rows)[order], np.array(labels)[order], chosen


def test_names_of_many_blocks_are_those_of_each():
    X, labels, chosen = many(120, 3)
    found = fg.schemes.detect_blocks(X, labels)
    names = [fg.schemes.detect(shape).name for shape in KINDS] + [""]
    assert list(found.names) == [names[k] for k in chosen]
    np.testing.assert_array_equal(found.is_scheme, chosen < len(KINDS))
    for block, k in enumerate(chosen):
        if k < len(KINDS):
            alone = fg.schemes.detect(KINDS[k])
            np.testing.assert_allclose(found.levels[block], alone.levels[1:], atol=1e-9)
            np.testing.assert_array_equal(found.valencies[block], alone.valencies[1:])
    frame = found.to_frame()
    assert frame["n"].tolist() == np.bincount(labels).tolist()


def test_many_blocks_left_out_and_refused():
    X, labels, _ = many(10, 1)
    some = np.where(labels < 4, labels, -1)
    assert len(fg.schemes.detect_blocks(X, some).names) == 4
    assert fg.schemes.detect_blocks(X, np.full(len(X), -1)).names == ()
    scaled = X.copy()
    scaled[np.flatnonzero(labels == 0)[0]] *= 1.5
    assert fg.schemes.detect_blocks(scaled, labels).names[0] == ""
    with pytest.raises(ShapeError, match="one per feature"):
        fg.schemes.detect_blocks(X, labels[1:])
    with pytest.raises(ParameterError, match="block 2 has no features"):
        fg.schemes.detect_blocks(X, np.where(labels == 2, -1, labels))
    with pytest.raises(ParameterError, match="from 1 to 64"):
        fg.schemes.detect_blocks(np.ones((65, 2)), np.zeros(65, int))


def test_zero_features_and_other_negative_blocks_are_refused():
    with pytest.raises(ParameterError, match="feature 2 is zero"):
        fg.schemes.detect_blocks(np.diag([1.0, 1, 0]), [0, 0, 0])
    with pytest.raises(ParameterError, match="got -2"):
        fg.schemes.detect_blocks(np.eye(3), [0, 0, -2])


@pytest.mark.parametrize("tolerance", [0.01, 0.02, 0.05])
def test_a_continuum_of_cosines_is_no_scheme(tolerance):
    """Cosines of which each is near its neighbour are not one level, nor the few that gaps among outliers leave."""
    X = np.random.default_rng(0).standard_normal((64, 5))
    found = fg.schemes.detect_blocks(X, [0] * 64, tolerance=tolerance)
    assert (found.is_scheme.tolist(), found.names, len(found.levels[0])) == ([False], ("",), 0)
    noisy = fg.shapes.noisy(fg.shapes.icosahedron(), 0.01, seed=0)
    found = fg.schemes.detect_blocks(noisy, [0] * 12, tolerance=tolerance * 4)
    assert (found.names, len(found.levels[0])) == (("icosahedron",), 3)
