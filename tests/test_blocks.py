"""Blocks: planted direct sums come apart, each summand under its own name."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import featuregeom as fg
from oracles import slow
from oracles.known_answers import (
    KNOWN,
    Known,
    antiprism,
    cross_polytope,
    cube,
    digon,
    direct_sum,
    polygon,
    polygon_name,
    rotation,
    simplex,
    simplex_name,
)

SUMMANDS = {
    "digon": digon(),
    "triangle": polygon(3),
    "tetrahedron": simplex(4),
    "pentagon": polygon(5),
    "hexagon": polygon(6),
    "octagon": polygon(8),
    simplex_name(6): simplex(6),
    polygon_name(11): polygon(11),
    "square antiprism": antiprism(4, 1 / 3),
    "cube": cube(3),
    "single": np.eye(1),
}
UNNAMED = {"single"}


def blocks_of(X) -> tuple[list[tuple[int, ...]], list[fg.blocks.Block]]:
    pairs = fg.pairs.sweep(X)
    parts = fg.blocks.groups(pairs.blocks, pairs.n_blocks)
    return [tuple(part.tolist()) for part in parts], [fg.blocks.describe_block(X, part) for part in parts]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_known_blocks(known: Known, scale):
    rng = np.random.default_rng(1)
    X = scale * known.X @ rotation(known.X.shape[1], rng)
    parts, found = blocks_of(X)
    assert parts == list(known.blocks)
    assert [block.geometry for block in found] == list(known.geometries)
    for part, block in zip(parts, found, strict=True):
        rows = X[list(part)]
        assert block.dim == np.linalg.matrix_rank(rows)
        values = slow.eigenvalues(rows)[: block.dim]
        assert block.tightness == pytest.approx(values.std() / values.mean(), abs=1e-9)
        assert sorted(block.index.tolist()) == list(part)
        np.testing.assert_allclose(
            block.gram, X[block.index] @ X[block.index].T, rtol=0, atol=1e-12 * scale**2
        )
        if block.geometry:
            assert block.residual <= 1e-12
        else:
            assert block.reason
            assert np.isnan(block.residual)
    if known.gram is not None and not known.lines and len(known.blocks) == 1:
        assert found[0].gram_values == len(known.gram)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, ml_dtypes.bfloat16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_planted_sums_come_apart_with_the_right_names(noise, dtype):
    """Two to six summands of any scale between 1 and 2, rotated in R^64."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        names = rng.choice(list(SUMMANDS), rng.integers(2, 7)).tolist()
        X = direct_sum(*(rng.uniform(1, 2) * SUMMANDS[name] for name in names))
        labels = np.repeat(np.arange(len(names)), [len(SUMMANDS[name]) for name in names])
        X = np.hstack([X, np.zeros((len(X), 64 - X.shape[1]))]) @ rotation(64, rng)
        order = rng.permutation(len(X))
        X = (X + noise * rng.standard_normal(X.shape))[order].astype(dtype)
        parts, found = blocks_of(X)
        labels = labels[order]
        planted = sorted((tuple(map(int, np.flatnonzero(labels == b))), name) for b, name in enumerate(names))
        assert parts == [part for part, _ in planted], (seed, names)
        for (part, name), block in zip(planted, found, strict=True):
            assert block.geometry == ("" if name in UNNAMED else name), (seed, part, block.reason)
            if name not in UNNAMED:
                assert block.dim == SUMMANDS[name].shape[1]


@pytest.mark.parametrize("n", range(4, 13))
def test_random_blocks_have_no_name(n):
    for m in range(2, 8):
        for seed in range(10):
            _, found = blocks_of(np.random.default_rng((n, m, seed)).standard_normal((n, m)))
            names = [block.geometry for block in found if len(block.index) > 3 and block.geometry]
            assert names == [], (m, seed)


@pytest.mark.parametrize(
    ("X", "name"),
    [
        (fg.shapes.icosahedral_lines(), "lines of the icosahedron"),
        (fg.shapes.paley_etf(13), "equiangular tight frame of 14 lines in 7 dimensions"),
        (fg.shapes.steiner_etf(8), "equiangular tight frame of 64 lines in 28 dimensions"),
        (fg.shapes.simplex(3) * [[1], [-1], [1]], "lines of the hexagon"),
    ],
)
def test_what_has_no_name_may_have_one_as_lines(X, name):
    (block,) = fg.blocks.decompose(1e3 * X).blocks
    assert block.geometry == ""
    assert block.reason.endswith(f"; as lines: {name}")
    uneven = X * np.where(np.arange(len(X)) == 0, 2, 1)[:, None]
    assert "as lines: lines of" not in fg.blocks.decompose(uneven).blocks[0].reason


def test_lines_are_looked_for_only_where_few_cosines_make_it_likely(monkeypatch):
    def asked(**_):
        raise AssertionError

    monkeypatch.setattr("featuregeom.naming.detect", asked)
    for X in (
        fg.shapes.random_frame(3, 2, seed=0),
        fg.shapes.random_frame(12, 6, seed=0),
        fg.shapes.random_frame(64, 20, seed=0),  # of hardly more levels than one: its values have no gaps
        fg.shapes.steiner_etf(12),
        [[1.0, 0.0], [0.6, 0.8]],
    ):
        assert fg.blocks.decompose(X).blocks[0].geometry == ""


def test_groups():
    labels = np.array([1, -1, 0, 1, 2, 0], dtype=np.int64)
    assert [part.tolist() for part in fg.blocks.groups(labels, 3)] == [[2, 5], [0, 3], [4]]
    assert fg.blocks.groups(np.array([-1, -1], dtype=np.int64), 0) == []
    assert [part.tolist() for part in fg.blocks.groups(np.array([0, 0], dtype=np.int64), 1)] == [[0, 1]]


def test_a_part_of_a_larger_matrix():
    X = np.vstack([np.zeros((1, 2)), [[9.0, 9.0]], polygon(5)])
    block = fg.blocks.describe_block(X, np.arange(2, 7))
    assert (block.geometry, block.dim) == ("pentagon", 2)
    assert sorted(block.index.tolist()) == [2, 3, 4, 5, 6]


def test_above_the_limit_no_gram_matrix():
    n = fg.blocks.GRAM_LIMIT + 1
    X = np.random.default_rng(2).standard_normal((n, 3))
    block = fg.blocks.describe_block(X, np.arange(n))
    assert (block.gram, block.gram_values, block.geometry, block.dim) == (None, None, "", 3)
    assert block.reason
    values = slow.eigenvalues(X)
    assert block.tightness == pytest.approx(values.std() / values.mean(), rel=1e-9)
    whole = fg.spectra.spectrum(X)
    assert fg.blocks.describe_block(X, np.arange(n), whole=whole).tightness == block.tightness


def test_at_the_limit_there_is_one():
    n = fg.blocks.GRAM_LIMIT
    block = fg.blocks.describe_block(polygon(n), np.arange(n))
    assert block.gram.shape == (n, n)
    assert (block.geometry, block.dim) == (f"{n}-gon", 2)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_scale_of_f32_changes_no_name(scale):
    _, found = blocks_of((polygon(5) * scale).astype(np.float32))
    assert [block.geometry for block in found] == ["pentagon"]


@pytest.mark.parametrize("scale", [1e-70, 1e-50, 1e50, 1e70])
def test_scale_of_f64_changes_no_name(scale):
    _, found = blocks_of(polygon(5) * scale)
    assert [(block.geometry, block.tightness < 1e-9) for block in found] == [("pentagon", True)]


def test_a_cross_polytope_is_digons():
    parts, found = blocks_of(cross_polytope(4))
    assert parts == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert [block.geometry for block in found] == ["digon"] * 4


def test_a_single_feature_has_no_name():
    _, (block,) = blocks_of(np.array([[0.0, 3.0]]))
    assert (block.geometry, block.dim, block.gram_values) == ("", 1, 0)
    assert block.tightness == pytest.approx(0)
