"""Many small blocks are described together, each as it is alone."""

import time

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.blocks import describe_block, describe_blocks
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.features import as_features

KINDS = [
    fg.shapes.simplex(2), fg.shapes.simplex(3), fg.shapes.polygon(5), fg.shapes.simplex(4), fg.shapes.cross_polytope(3),
    fg.shapes.cube(3), fg.shapes.polygon(7), fg.shapes.prism(3), fg.shapes.antiprism(4, 0.3), np.eye(1),
    np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.6, 0.8], [0.28, 0.96]]),
    np.concatenate([fg.shapes.polygon(5), fg.shapes.polygon(5)[:1]]),
    np.array([[1.0, 0.0], [-1.3, 0.0]]),
]  # fmt: skip


def planted(count, kinds, *, noise=0.0, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    rows, members, at = [], [], 0
    for _ in range(count):
        X = kinds[rng.integers(len(kinds))]
        turn = np.linalg.qr(rng.standard_normal((8, 8)))[0][: X.shape[1]]
        X = rng.uniform(0.5, 2) * X[rng.permutation(len(X))] @ turn
        rows.append(X + noise * rng.standard_normal(X.shape))
        members.append(np.arange(at, at + len(X)))
        at += len(X)
    return as_features(np.concatenate(rows).astype(dtype)), members


def assert_same(one, other):
    said = ("geometry", "reason", "dim", "gram_values")
    assert [getattr(one, name) for name in said] == [getattr(other, name) for name in said]
    for name in ("residual", "tightness", "bounds", "norm_spread"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12)
    assert sorted(one.index) == sorted(other.index)
    if not one.geometry:
        assert one.index.tolist() == other.index.tolist()
    # Exact geometries have many orders that show the same relations.
    size = np.abs(other.gram).max()
    np.testing.assert_allclose(
        one.gram / size, other.gram / size, rtol=0, atol=4e-6 if one.residual < 1e-6 else 1e-12
    )
    assert (one.scheme is None) == (other.scheme is None)
    if one.scheme is not None:
        assert np.array_equal(one.scheme.relations, other.scheme.relations)
        np.testing.assert_allclose(one.scheme.cosines, other.scheme.cosines, rtol=0, atol=1e-12)
        for name in ("eta2", "spread", "residual"):
            np.testing.assert_allclose(getattr(one.scheme, name), getattr(other.scheme, name), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("noise", [0.0, 3e-7, 2e-6, 0.03])
def test_blocks_together_as_each_alone(noise, dtype):
    features, members = planted(150, KINDS, noise=noise, dtype=dtype, seed=1)
    for block, index in zip(describe_blocks(features, members), members, strict=True):
        assert_same(block, describe_block(features, index))


@pytest.mark.parametrize("scale", [1e-200, 1e-70, 1e65])
def test_blocks_of_any_size(scale):
    rows, members = planted(20, KINDS[:5], seed=2)
    values = rows.values.copy()
    values[members[3]] *= scale
    features = as_features(values)
    for block, index in zip(describe_blocks(features, members), members, strict=True):
        assert block.geometry == describe_block(features, index).geometry


def test_what_was_certified_of_a_block_that_shares_its_name_holds():
    features, members = planted(40, KINDS[:7], dtype="float32", seed=3)
    for block, index in zip(describe_blocks(features, members), members, strict=True):
        claim = fg.schemes.certify(block.scheme, rows=index, n_features=features.n)
        assert fg.schemes.verify(claim, features.values).holds


def test_bad_blocks_are_refused():
    rows, members = planted(6, KINDS[:1], seed=4)
    values = rows.values.copy()
    values[3] = 0
    with pytest.raises(ParameterError, match="feature 3 is zero"):
        describe_blocks(values, members)
    values[3] = np.nan
    with pytest.raises(NonFiniteError):
        describe_blocks(values, members)
    values[3] = 1e150
    with pytest.raises(ParameterError, match="the largest norm"):
        describe_blocks(values, members)
    with pytest.raises(ParameterError, match="each feature once"):
        describe_blocks(rows, [members[0], members[0]])


@pytest.mark.slow
def test_fifty_thousand_blocks_take_three_seconds():
    features, members = planted(50_000, KINDS[:5], dtype="float32")
    start = time.process_time()
    blocks = describe_blocks(features, members)
    assert time.process_time() - start < 3
    assert {block.geometry for block in blocks} == {
        "digon",
        "triangle",
        "pentagon",
        "tetrahedron",
        "octahedron",
    }
