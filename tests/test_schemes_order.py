"""One order of eigenspaces: whatever found the relations, P lists the same rows in the same places."""

import math

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.geometries import GEOMETRIES
from featuregeom.recognise.streamed import detect_streamed

SIZES = range(3, 41)


def same(found):
    """P, Q, multiplicities and Krein parameters of a detection are those of `check`, entry by entry."""
    checked = fg.schemes.check(found.relations)
    known = fg.schemes.parameters(found).eigenmatrices
    for name in ("P", "Q", "multiplicities", "krein"):
        expected = getattr(checked, name)
        assert np.array_equal(getattr(found, name), expected), (found.name, name)
        assert np.array_equal(getattr(known, name), expected), (found.name, name)
    weights = np.random.default_rng(0).standard_normal(len(checked.P))
    values = np.sort(np.repeat(found.P @ weights, found.multiplicities))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(weights[found.relations]), atol=1e-8)
    rows = [tuple(row) for row in np.round(found.P, 6)]
    assert rows[1:] == sorted(rows[1:], reverse=True)


def shapes():
    yield from (fg.shapes.polygon(n) for n in SIZES)
    yield from (fg.shapes.simplex(n) for n in SIZES)
    yield from (fg.shapes.prism(n) for n in range(3, 9))
    yield from (fg.shapes.antiprism(n, 0.3) for n in range(3, 9))
    for n in SIZES:
        for record in GEOMETRIES:
            yield from (np.asarray(record.coordinates(*member)) for member in record.of_size(n))


@pytest.mark.parametrize("seed", range(2))
def test_all_shapes(seed):
    rng, count = np.random.default_rng(seed), 0
    for X in shapes():
        found = fg.schemes.detect(X[rng.permutation(len(X))])
        if found.intersection_numbers is not None:
            same(found)
            count += 1
    assert count > 100


def orbits(n, rng):
    """Relations of Z_n: differences up to a random group of multipliers that holds -1."""
    units = [u for u in range(1, n) if math.gcd(u, n) == 1]
    group = {1 % n, (-1) % n}
    for unit in rng.choice(units, rng.integers(0, 2)):
        while True:
            more = group | {int(unit) * u % n for u in group}
            if more == group:
                break
            group = more
    orbit = np.array([min(x * u % n for u in group) for x in range(n)])
    return orbit[np.subtract.outer(np.arange(n), np.arange(n)) % n]


def random_scheme(rng):
    """An orbit scheme, or a product or wreath product of two, points and labels in any order."""
    kind = rng.integers(3)
    if kind == 0:
        labels = orbits(int(rng.integers(3, 20)), rng)
    else:
        a, b = (orbits(int(rng.integers(2, 5)), rng) for _ in range(2))
        inner, outer = np.tile(b, (len(a), len(a))), np.kron(a, np.ones_like(b))
        labels = inner + 100 * outer if kind == 1 else np.where(outer > 0, 100 * outer, inner)
    place = rng.permutation(len(labels))
    labels = labels[np.ix_(place, place)]
    return rng.permutation(10_000)[labels]


def test_two_hundred_random_schemes():
    rng = np.random.default_rng(5)
    for _ in range(200):
        relations = random_scheme(rng)
        found = fg.schemes.detect(relations=relations)
        assert found.is_scheme
        same(found)
        mine = fg.schemes.check(relations)
        assert sorted(mine.multiplicities) == sorted(found.multiplicities)


@pytest.mark.parametrize("X", [fg.shapes.johnson(6, 3), fg.shapes.hamming(3, 3), fg.shapes.polygon(9)])
def test_a_tile_at_a_time(X):
    assert np.array_equal(detect_streamed(X).P, fg.schemes.detect(X).P)
