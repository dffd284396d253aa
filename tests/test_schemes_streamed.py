"""Checks whose labels are made a tile at a time, against the same labels in memory; candidate levels."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import _core
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.recognise.levels import candidates
from oracles import relations as oracle


def same(streamed, dense) -> None:
    assert streamed[0] == dense[0]
    for a, b in zip(streamed[1:5], dense[1:5], strict=True):
        np.testing.assert_array_equal(a, b)
    assert streamed[5] == dense[5]


def shape_cases():
    h = fg.shapes
    return {
        "H(4,3)": (h.hamming(4, 3), 4),
        "E8": (h.root_system("E8"), 4),
        "600-cell": (h.cell600(), 8),
        "D5": (h.root_system("D5"), 4),
    }


@pytest.mark.parametrize("name", shape_cases())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_levels_of_features(name, dtype):
    X, d = shape_cases()[name]
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    gram = unit @ unit.T
    values = np.unique(np.round(gram[~np.eye(len(X), dtype=bool)], 9))
    assert len(values) == d
    thresholds = (values[1:] + values[:-1]) / 2
    labels = (gram[:, :, None] < thresholds).sum(axis=2) + 1
    np.fill_diagonal(labels, 0)
    streamed = _core.scheme_certify_features((3 * X).astype(dtype), thresholds)
    same(streamed, _core.scheme_check(labels.astype(np.uint8)))
    assert (streamed[0] is None) == (name != "D5")


@pytest.mark.parametrize("q", [13, 101, 103, 2017])
def test_paley_of_any_size(q):
    # p = ((q-5)/4, (q-1)/4) for q = 1 mod 4; the tournament of q = 3 mod 4 has p_11^1 = (q-3)/4 (Paley 1933).
    row = oracle.paley(q)[:, 0].astype(np.uint16)
    failure, _, transpose, valencies, p, bound = _core.scheme_certify_circulant(row)
    assert failure is None
    assert valencies.tolist() == [1, (q - 1) // 2, (q - 1) // 2]
    if q % 4 == 1:
        assert transpose.tolist() == [0, 1, 2]
        assert (p[1, 1, 1], p[1, 1, 2]) == ((q - 5) // 4, (q - 1) // 4)
    else:
        assert transpose.tolist() == [0, 2, 1]
        assert p[1, 1, 1] == (q - 3) // 4
    assert bound < 2.0**-86 or q <= 64
    flipped = row.copy()
    flipped[[1, q - 1]] = 3 - flipped[[1, q - 1]]
    assert _core.scheme_certify_circulant(flipped)[0][0] == "product"


def test_bad_input():
    X = np.eye(3)
    with pytest.raises(ParameterError, match="thresholds must be finite, increase"):
        _core.scheme_certify_features(X, np.array([0.5, 0.1]))
    X[1] = 0
    with pytest.raises(ParameterError, match="feature 1 is zero"):
        _core.scheme_certify_features(X, np.array([0.5]))
    X[2, 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 2, column 1"):
        _core.scheme_certify_features(X, np.array([0.5]))
    with pytest.raises(ShapeError, match="it is empty"):
        _core.scheme_certify_circulant(np.zeros(0, np.uint16))
    with pytest.raises(ParameterError, match="a label is 512"):
        _core.scheme_certify_circulant(np.array([0, 512], np.uint16))


@pytest.mark.parametrize("sigma", [0.0, 0.02])
@pytest.mark.parametrize("name", ["H(4,3)", "E8", "600-cell", "cross"])
def test_true_levels_are_among_the_candidates(name, sigma):
    X = fg.shapes.cross_polytope(12) if name == "cross" else shape_cases()[name][0]
    X = X / np.linalg.norm(X, axis=1)[:, None]
    exact = np.round(X @ X.T, 9)
    upper = np.triu_indices(len(X), 1)
    rng = np.random.default_rng(4)
    noise = rng.normal(size=exact.shape) * sigma / 2
    gram = exact + noise + noise.T
    truth = np.unique(exact[upper], return_inverse=True)[1]
    found = candidates(np.sort(gram[upper]))
    partitions = [np.digitize(gram[upper], thresholds) for thresholds in found]
    assert any(np.array_equal(partition, truth) for partition in partitions)
    for thresholds, partition in zip(found, partitions, strict=True):
        assert np.all(np.diff(thresholds) > 0)
        # Every level has a pair, so no threshold is idle.
        assert len(np.unique(partition)) == len(thresholds) + 1
    assert len({partition.tobytes() for partition in partitions}) == len(partitions)


def test_few_values_have_few_candidates():
    assert candidates(np.zeros(6)) == []
    assert candidates(np.ones(1)) == []
    assert [cut.tolist() for cut in candidates(np.array([-0.5, 0.5]))] == [[0.0]]
