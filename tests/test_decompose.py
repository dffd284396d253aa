"""A direct sum comes apart into its summands, or into fewer pieces without a name: never under a wrong one."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import shapes
from featuregeom.errors import ParameterError, ShapeError

PARTS = {
    "digon": shapes.simplex(2),
    "triangle": shapes.simplex(3),
    "tetrahedron": shapes.simplex(4),
    "simplex of 5 vertices": shapes.simplex(5),
    "simplex of 6 vertices": shapes.simplex(6),
    "simplex of 7 vertices": shapes.simplex(7),
    "pentagon": shapes.polygon(5),
    "hexagon": shapes.polygon(6),
    "heptagon": shapes.polygon(7),
    "octagon": shapes.polygon(8),
    "enneagon": shapes.polygon(9),
    "decagon": shapes.polygon(10),
}


def planted(seed, noise, parts=PARTS):
    """Twelve shapes, scaled differently, rotated in R^64, permuted, with noise: features and their shapes."""
    rng = np.random.default_rng(seed)
    X = shapes.direct_sum(*(rng.uniform(0.5, 2) * part for part in parts.values()))
    truth = np.repeat(np.array(list(parts)), [len(part) for part in parts.values()])
    order = rng.permutation(len(X))
    return shapes.noisy(shapes.rotated(X[order], seed, dim=64), noise, seed), truth[order]


@pytest.mark.parametrize("noise", [0.0, 1e-3, 3e-2])
@pytest.mark.parametrize("seed", range(10))
def test_a_planted_sum_of_twelve_comes_apart(seed, noise):
    X, truth = planted(seed, noise)
    found = fg.blocks.decompose(X)
    assert sorted(block.geometry for block in found.blocks) == sorted(PARTS)
    for block in found.blocks:
        assert set(truth[block.index]) == {block.geometry}
        assert len(block.index) == len(PARTS[block.geometry])
        assert block.capacity == PARTS[block.geometry].shape[1] / len(block.index)


@pytest.mark.parametrize("noise", [0.06, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("seed", range(10))
def test_too_much_noise_gives_no_wrong_name(seed, noise):
    X, truth = planted(seed, noise)
    for block in fg.blocks.decompose(X).blocks:
        if block.geometry:
            assert set(truth[block.index]) == {block.geometry}
            assert len(block.index) == len(PARTS[block.geometry])


SOLIDS = {
    "square antiprism": shapes.antiprism(4),
    "pentagonal antiprism": shapes.antiprism(5),
    "triangular prism": shapes.prism(3),
    "pentagonal prism": shapes.prism(5),
    "cube": shapes.cube(3),
    "icosahedron": shapes.icosahedron(),
    "dodecahedron": shapes.dodecahedron(),
    "cuboctahedron": shapes.cuboctahedron(),
    "tesseract": shapes.cube(4),
    "24-cell": shapes.cell24(),
    "heptagon": shapes.polygon(7),
    "simplex of 6 vertices": shapes.simplex(6),
}
"""Twelve shapes of which most have more than one relation, and so need their schemes; 39 dimensions in all."""


def found_solids(seed, noise):
    """Names of the blocks of a planted sum of solids, after checking that none is wrong."""
    X, truth = planted(seed, noise, SOLIDS)
    found = fg.blocks.decompose(X)
    for block in found.blocks:
        if block.geometry:
            assert set(truth[block.index]) == {block.geometry}
            assert len(block.index) == len(SOLIDS[block.geometry])
        else:
            assert block.reason
    return sorted(block.geometry for block in found.blocks)


@pytest.mark.parametrize("seed", range(6))
def test_a_planted_sum_of_twelve_solids_comes_apart(seed):
    assert found_solids(seed, 1e-3) == sorted(SOLIDS)


@pytest.mark.parametrize("seed", range(100, 120))
def test_a_noisy_sum_of_solids_has_no_wrong_name(seed):
    found_solids(seed, 3e-2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 240))
def test_many_sums_of_solids(seed):
    assert found_solids(seed, 1e-3) == sorted(SOLIDS)
    found_solids(seed, 3e-2)


def test_the_certificate_of_tight_blocks():
    """D = d / n for every feature of a tight block with equal norms."""
    X, _ = planted(3, 0.0)
    capacity = fg.frames.capacity(X)
    for block in fg.blocks.decompose(X).blocks:
        assert block.tightness < 1e-9
        np.testing.assert_allclose(capacity[block.index], block.capacity, rtol=1e-9)


def test_the_table_and_the_parts_agree():
    X, _ = planted(0, 1e-3)
    X[5] = 0
    found = fg.blocks.decompose(X)
    table = found.to_frame()
    assert table["n"].sum() == len(X) - 1
    assert found.labels[5] == -1
    for number, block in enumerate(found.blocks):
        assert set(np.flatnonzero(found.labels == number)) == set(block.index)
    thresholds, counts = zip(*found.ladder, strict=True)
    assert list(thresholds) == sorted(thresholds, reverse=True)
    assert list(counts) == sorted(counts, reverse=True)
    assert len(fg.blocks.decompose(X, threshold=1e-6).blocks) == 1


def test_dropped_couplings_and_bounds_are_reported():
    """An antiprism on three pairs, nearly a cross-polytope, is split by what it drops: couplings of 0.07."""
    X = shapes.antiprism(3, 0.38)
    found = fg.blocks.decompose(X)
    assert [block.geometry for block in found.blocks] == ["digon"] * 3
    M = X @ X.T
    outside = found.labels[:, None] != found.labels[None, :]
    norms = (X**2).sum(axis=1)
    slow = np.where(outside, np.abs(M) / np.maximum(norms[:, None], norms[None, :]), 0.0)
    assert found.largest_dropped == pytest.approx(slow.max(), rel=1e-12)
    for number, dropped in enumerate(found.dropped):
        assert dropped == pytest.approx(slow[found.labels == number].max(), rel=1e-12)
    assert found.largest_dropped < found.threshold
    assert found.to_frame()["dropped"].tolist() == found.dropped.tolist()
    scaled, _ = planted(1, 1e-3)
    for block in fg.blocks.decompose(scaled).blocks:
        eigenvalues = np.linalg.svd(scaled[block.index], compute_uv=False)[: block.dim] ** 2
        np.testing.assert_allclose(block.bounds, (eigenvalues[-1], eigenvalues[0]), rtol=1e-9)


def test_couplings_between_rows_of_uneven_norms():
    rng = np.random.default_rng(0)
    X = shapes.direct_sum(shapes.polygon(5), 1e-3 * shapes.simplex(4), 1e3 * shapes.simplex(2))
    X = np.vstack([X + 1e-5 * rng.normal(size=X.shape), np.zeros((1, X.shape[1]))])
    found = fg.blocks.decompose(X)
    norms = (X**2).sum(axis=1)
    larger = np.maximum(norms[:, None], norms[None, :])
    slow = np.divide(np.abs(X @ X.T), larger, out=np.zeros_like(larger), where=larger > 0)
    slow[found.labels[:, None] == found.labels[None, :]] = 0
    expected = [slow[found.labels == number].max() for number in range(len(found.blocks))]
    np.testing.assert_allclose(found.dropped, expected, rtol=1e-9)


def test_a_loose_block_has_no_capacity_of_its_own():
    loose = fg.blocks.decompose(shapes.antiprism(4, z2=1 / 4)).blocks
    assert len(loose) == 1
    assert loose[0].tightness > fg.blocks.TIGHT
    assert np.isnan(loose[0].capacity)
    # Tight but of uneven norms: capacities differ from feature to feature.
    uneven = np.vstack([shapes.polygon(3), 0.5 * shapes.polygon(3)])
    only = fg.blocks.decompose(uneven).blocks
    assert len(only) == 1
    assert only[0].tightness < 1e-9
    assert only[0].norm_spread == pytest.approx(1.0)
    assert np.isnan(only[0].capacity)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ([], ShapeError, "list of feature numbers"),
        ([[0, 1]], ShapeError, "list of feature numbers"),
        ([0.5, 1.0], ShapeError, "list of feature numbers"),
        ([0, 9], ParameterError, "from 0 to 3, got 0 to 9"),
        ([-1, 0], ParameterError, "from 0 to 3"),
        ([1, 0, 1], ParameterError, "each feature once, got 1"),
        ([0, 3], ParameterError, "feature 3 is zero"),
    ],
)
def test_bad_blocks(index, error, message):
    X = np.vstack([shapes.simplex(3), np.zeros((1, 2))])
    for values in (X, X.astype(np.float32)):
        with pytest.raises(error, match=message):
            fg.blocks.describe_block(values, index)


def test_bad_labels():
    with pytest.raises(ParameterError, match="below the 2 blocks, got 5"):
        fg.blocks.groups(np.array([0, 5]), 2)
    with pytest.raises(ShapeError, match="list of integers"):
        fg.blocks.groups(np.zeros(2), 2)
