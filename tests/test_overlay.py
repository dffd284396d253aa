"""Orders in which points lie over a geometry, against the same search written with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from featuregeom import shapes
from featuregeom.recognise.names.alignment import aligned


def beam(cosines, ideal, width):
    """All beginnings of one length at a time: one row per beginning, one column per place that the point may take."""
    n = len(cosines)
    sequence, free = [0], np.arange(n) > 0
    places, costs = np.zeros((1, 1), dtype=int), np.zeros(1)
    for _ in range(n - 1):
        point = int(np.where(free, np.abs(cosines[:, sequence]).max(axis=1), -1).argmax())
        free[point] = False
        extended = costs[:, None] + ((ideal[places] - cosines[point, sequence][None, :, None]) ** 2).sum(
            axis=1
        )
        extended[np.arange(len(places))[:, None], places] = np.inf
        best = np.argsort(extended, axis=None, kind="stable")[:width]
        best = best[np.isfinite(extended.ravel()[best])]
        places = np.column_stack([places[best // n], best % n])
        costs = extended.ravel()[best]
        sequence.append(point)
    order = np.empty(n, dtype=int)
    order[places[0]] = sequence
    return order


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 12, 20])
@pytest.mark.parametrize("width", [1, 7, 256])
def test_the_same_order_as_with_numpy(n, width):
    """Entry by entry, also where rounding to one decimal makes many costs equal."""
    for seed in range(6):
        rng = np.random.default_rng([n, seed])
        X = rng.standard_normal((n, int(rng.integers(2, 6))))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        Y = shapes.polygon(n) if n > 2 and seed % 2 else X[rng.permutation(n)]
        cosines = np.round(X @ X.T, 1) if seed % 3 == 0 else X @ X.T
        np.testing.assert_array_equal(
            aligned(cosines, Y @ Y.T, width=width), beam(cosines, Y @ Y.T, width), err_msg=str(seed)
        )


@pytest.mark.parametrize("n", [5, 9, 24])
def test_a_hidden_order_is_found(n):
    """Cosines of a polygon in random order: again a polygon."""
    X = shapes.polygon(n)
    mixed = X[np.random.default_rng(n).permutation(n)]
    order = aligned(mixed @ mixed.T, X @ X.T)
    np.testing.assert_allclose((mixed @ mixed.T)[np.ix_(order, order)], X @ X.T, atol=1e-12)
