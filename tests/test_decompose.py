"""A direct sum comes apart into its summands, or into fewer pieces without a name: never under a wrong one."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import shapes

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


def planted(seed, noise):
    """Twelve shapes, scaled differently, rotated in R^64, permuted, with noise: features and their shapes."""
    rng = np.random.default_rng(seed)
    X = shapes.direct_sum(*(rng.uniform(0.5, 2) * part for part in PARTS.values()))
    truth = np.repeat(np.array(list(PARTS)), [len(part) for part in PARTS.values()])
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
