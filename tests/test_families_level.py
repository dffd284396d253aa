"""How often a circle is called, or a name given, where families have neither: through the whole pipeline."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from oracles.shapeless import KINDS, planted


def called(kind: str, seed: int, **size: int) -> tuple[int, int]:
    """Give the circles and the names that are called in one matrix without any."""
    X = planted(kind, seed, **size)
    pairs = fg.pairs.significant(X, k=1, n_parts=2, n_draws=1, seed=seed)
    found = fg.dictionaries.families(X, pairs=pairs, seed=seed)
    assert found.kind.count("cluster") > 10
    return found.kind.count("circle"), sum(map(bool, found.name))


@pytest.mark.parametrize("kind", KINDS)
def test_families_without_an_order_are_hardly_called_circles(kind):
    """Of two matrices with a mean of .1 false circles each, three or more come in one of a thousand."""
    found = [called(kind, seed, n=1000, m=128, families=20) for seed in range(2)]
    assert sum(circles for circles, _ in found) <= 2
    assert sum(names for _, names in found) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_false_circles_of_large_matrices(kind):
    found = np.array([called(kind, seed) for seed in range(5)])
    assert found[:, 0].mean() <= 0.5
    assert found[:, 1].sum() == 0


def test_near_directions_are_no_triangle():
    """Three of 4000 random directions that are near by chance look like one, at p = 5e-7."""
    for seed in range(2):
        X = np.random.default_rng(seed).standard_normal((2000, 128)).astype(np.float32)
        pairs = fg.pairs.significant(X, k=1, n_parts=2, n_draws=1, seed=seed)
        assert not any(fg.dictionaries.families(X, pairs=pairs, seed=seed).name)
