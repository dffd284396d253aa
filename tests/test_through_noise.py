"""Names through noise by one F test: who is named, who is not, and at which rates."""

from __future__ import annotations

import numpy as np
import pytest

from featuregeom import shapes
from featuregeom.recognise.through_noise import name_through_noise

NAMED = {
    "triangle": shapes.simplex(3),
    "pentagon": shapes.polygon(5),
    "octahedron": shapes.cross_polytope(3),
    "cube": shapes.cube(3),
    "icosahedron": shapes.icosahedron(),
    "12-gon": shapes.polygon(12),
    "24-cell": shapes.cell24(),
}


def noisy(X, m, noise, rng):
    """The geometry in a random place of m dimensions, each row moved by a vector of about this relative length."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    placed = unit @ np.linalg.qr(rng.standard_normal((m, X.shape[1])))[0].T
    return placed + noise * rng.standard_normal((len(X), m)) / np.sqrt(m)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("noise", [0, 1e-4, 0.05, 0.3])
def test_geometries_are_named(name, noise):
    for m in (24, 256):
        found = [
            name_through_noise(noisy(NAMED[name], m, noise, np.random.default_rng(seed))) for seed in range(5)
        ]
        names = [one.name for one in found if one is not None]
        # True names are refused in 1.1 % of cases: three of five in one of 10^6.
        assert set(names) == {name}
        assert len(names) >= 3
        assert all(abs(one.noise - noise) <= 0.3 * noise + 1e-6 for one in found if one is not None)


def test_random_directions_have_no_name():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        s, m = int(rng.integers(3, 13)), int(rng.integers(13, 100))
        X = rng.standard_normal((s, m))
        assert name_through_noise(X / np.linalg.norm(X, axis=1, keepdims=True)) is None


def test_half_of_a_polytope_is_no_polygon():
    """Random directions of four dimensions, with noise in 24: a 24-gon is as good inside its plane as noise is."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert name_through_noise(noisy(rng.standard_normal((24, 4)), 24, 0.05, rng)) is None
