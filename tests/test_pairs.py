"""One sweep of all pairs, against the Gram matrix that it never forms."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

import featuregeom as fg
from featuregeom.cli import app
from featuregeom.errors import ParameterError
from oracles import slow
from oracles.known_answers import (
    KNOWN,
    Known,
    cross_polytope,
    cube,
    digon,
    direct_sum,
    icosahedron,
    polygon,
    rotation,
    simplex,
)

by_name = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
scales = pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def check(X, found: fg.pairs.Pairs, k: int, bins: int, wide=None) -> None:
    """All that a sweep promises, except its blocks."""
    wide = np.asarray(X, dtype=np.float64) if wide is None else wide
    n, m = wide.shape
    error = (m + 8) * (2.0**-52 if found.dtype == "float64" else 2.0**-23)
    C = slow.cosines(wide)
    ideal = slow.nearest(wide, k)
    assert found.neighbours.shape == found.cosines.shape == (n, k)
    there = found.neighbours >= 0
    np.testing.assert_array_equal(there, ~np.isnan(ideal))
    np.testing.assert_array_equal(there, ~np.isnan(found.cosines))
    np.testing.assert_allclose(np.abs(found.cosines), ideal, rtol=0, atol=2 * error)
    for i, (row, cosines) in enumerate(zip(found.neighbours, found.cosines, strict=True)):
        row, cosines = row[there[i]], cosines[there[i]]
        assert len(set(row)) == len(row)
        assert i not in row
        # "Computed again in float64", whatever the arithmetic of the sweep.
        np.testing.assert_allclose(cosines, C[i, row], rtol=0, atol=(m + 8) * 2.0**-52)
        assert np.all(np.diff(np.abs(cosines)) <= 0)
    assert np.all(np.abs(found.cosines[there]) <= 1)
    np.testing.assert_allclose(found.edges, np.linspace(-1, 1, bins + 1), rtol=0, atol=1e-15)
    assert found.counts.dtype == np.uint64
    assert found.counts.shape == (bins,)
    nonzero = int(np.count_nonzero(slow.squared_norms(wide)))
    assert found.counts.sum() == nonzero * (nonzero - 1) // 2
    below = np.cumsum(found.counts)[:-1].astype(np.int64)
    low, high = slow.histogram_bounds(wide, bins, error)
    assert np.all(low <= below)
    assert np.all(below <= high)
    np.testing.assert_allclose(found.coherence, slow.coherence(wide), rtol=0, atol=error)


@by_name
@scales
def test_known_pairs(known: Known, scale):
    rng = np.random.default_rng(1)
    order = rng.permutation(len(known.X))
    X = scale * (known.X @ rotation(known.X.shape[1], rng))[order]
    found = fg.pairs.sweep(X, k=3, bins=199)
    assert found.coherence == pytest.approx(known.coherence, rel=1e-9)
    assert found.dtype == "float64"
    check(X, found, 3, 199)
    if known.gram is not None and not known.lines:
        # Exact counts: no cosine of a regular geometry is on an edge of 199 bins.
        expected = np.zeros(199, dtype=int)
        for value, count in known.gram.items():
            expected[min(int((value + 1) / 2 * 199), 198)] += count * len(X) // 2
        np.testing.assert_array_equal(found.counts, expected)


@by_name
@scales
def test_known_blocks(known: Known, scale):
    rng = np.random.default_rng(2)
    order = rng.permutation(len(known.X))
    X = scale * (known.X @ rotation(known.X.shape[1], rng))[order]
    found = fg.pairs.sweep(X)
    where = np.argsort(order)
    expected = sorted(tuple(sorted(int(where[i]) for i in block)) for block in known.blocks)
    assert slow.as_partition(found.blocks) == expected, "numbered by first appearance"
    assert found.n_blocks == len(known.blocks)


@pytest.mark.parametrize("shape", [(2, 1), (3, 5), (40, 3), (129, 17), (300, 8), (700, 64), (1030, 5)])
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("k", [1, 4, 50])
def test_against_the_gram_matrix(shape, dtype, k):
    rng = np.random.default_rng(3)
    X = (rng.standard_normal(shape) * np.exp(rng.standard_normal((shape[0], 1)))).astype(DTYPES[dtype])
    X[shape[0] // 2] = 0
    check(X, fg.pairs.sweep(X, k=k, bins=64), k, 64, X.astype(np.float64))


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("threshold", [1e-4, 0.3, 0.6, 0.9, 1.0])
def test_components_at_a_given_threshold(dtype, threshold):
    """Norms differ, so the coupling is not the cosine."""
    rng = np.random.default_rng(4)
    for n, m in [(30, 6), (200, 12), (600, 30)]:
        X = (rng.standard_normal((n, m)) * np.exp(0.5 * rng.standard_normal((n, 1)))).astype(DTYPES[dtype])
        wide = X.astype(np.float64)
        found = fg.pairs.sweep(X, threshold=threshold)
        assert found.threshold == threshold
        low, high = (slow.components(wide, threshold * (1 + sign * 1e-5)) for sign in (-1, 1))
        if low == high:
            assert slow.as_partition(found.blocks) == low
            assert found.n_blocks == len(low)


def test_coupling_divides_by_the_larger_norm():
    """cos = 1 but the coupling is 1/10."""
    X = np.array([[10.0, 0.0], [1.0, 0.0]])
    assert fg.pairs.sweep(X, threshold=0.09).n_blocks == 1
    assert fg.pairs.sweep(X, threshold=0.11).n_blocks == 2
    assert fg.pairs.sweep(X).coherence == pytest.approx(1.0)


def test_threshold_is_inclusive():
    """Exact: coupling 1/2 at threshold 1/2 connects."""
    X = np.array([[2.0, 0.0], [1.0, 0.0]])
    assert fg.pairs.sweep(X, threshold=0.5).n_blocks == 1
    duplicates = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert fg.pairs.sweep(duplicates, threshold=1.0).blocks.tolist() == [0, 0, 1]


def test_exact_ties_are_broken_by_index():
    """All arithmetic here is exact: e_1, -e_1, 2 e_1, e_2, e_1."""
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    for dtype in DTYPES.values():
        found = fg.pairs.sweep(X.astype(dtype), k=6)
        assert found.neighbours.tolist() == [
            [1, 2, 4, 3, -1, -1],
            [0, 2, 4, 3, -1, -1],
            [0, 1, 4, 3, -1, -1],
            [0, 1, 2, 4, -1, -1],
            [0, 1, 2, 3, -1, -1],
        ]
        np.testing.assert_array_equal(found.cosines[1], [-1, -1, -1, 0, np.nan, np.nan])
        np.testing.assert_array_equal(found.cosines[3, :4], np.zeros(4))


def test_ties_across_tiles_are_broken_by_index():
    X = np.tile(np.eye(4), (300, 1))
    found = fg.pairs.sweep(X, k=3)
    for i in (0, 1, 5, 600, 1199):
        same = [j for j in range(i % 4, 1200, 4) if j != i][:3]
        assert found.neighbours[i].tolist() == same


def test_numbers_of_one_and_no_feature():
    one = fg.pairs.sweep([[3.0, 4.0]], k=2)
    assert np.isnan(one.coherence)
    assert one.neighbours.tolist() == [[-1, -1]]
    assert np.isnan(one.cosines).all()
    assert (one.blocks.tolist(), one.n_blocks, int(one.counts.sum())) == ([0], 1, 0)
    none = fg.pairs.sweep(np.zeros((3, 2)))
    assert np.isnan(none.coherence)
    assert (none.blocks.tolist(), none.n_blocks, int(none.counts.sum())) == ([-1] * 3, 0, 0)
    mixed = fg.pairs.sweep([[0.0, 0.0], [0.0, 2.0]])
    assert np.isnan(mixed.coherence)
    assert (mixed.blocks.tolist(), mixed.n_blocks) == ([-1, 0], 1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("scale", [1e-40, 1e-37, 1e-30, 1e-20, 1e20, 1e30, 1e37])
def test_scale_changes_nothing(dtype, scale):
    """Squares of these leave float32. Every number of a sweep is free of scale."""
    base = np.random.default_rng(5).standard_normal((60, 6))
    X = (base * scale).astype(DTYPES[dtype])
    check(X, fg.pairs.sweep(X, k=3), 3, 199, X.astype(np.float64) / scale)


def test_norms_beyond_float32():
    """Every value is a float32, no norm is."""
    X = (np.random.default_rng(9).uniform(0.5, 1, (20, 300)) * 3e38).astype(np.float32)
    check(X, fg.pairs.sweep(X, k=3), 3, 199, X.astype(np.float64) / 3e38)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_extreme_float64_is_right_or_refused(scale):
    base = np.random.default_rng(6).standard_normal((60, 6))
    try:
        found = fg.pairs.sweep(base * scale, k=3)
    except ParameterError:
        return
    check(base, found, 3, 199)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_of_very_different_size(dtype):
    base = np.random.default_rng(7).standard_normal((60, 6))
    size = np.geomspace(1e-30, 1e30, 60)[:, None]
    X = (base * size).astype(DTYPES[dtype])
    check(X, fg.pairs.sweep(X, k=3), 3, 199, X.astype(np.float64) / size)


@pytest.mark.parametrize("bins", [1, 2, 7, 199, 1000])
def test_ends_of_the_histogram(bins):
    X = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [-2.0, -4.0, -6.0]])
    counts = fg.pairs.sweep(X, bins=bins).counts.astype(int)
    expected = np.zeros(bins, dtype=int)
    expected[-1] += 1
    expected[0] += 2
    assert counts.tolist() == expected.tolist()


# --- the threshold that is chosen


SUMS = {
    "triangle, digon": [polygon(3), digon()],
    "pentagon, tetrahedron, digon": [1.3 * polygon(5), simplex(4), digon()],
    "two pentagons": [polygon(5), polygon(5)],
    "cube, icosahedron": [cube(3), 2 * icosahedron()],
    "simplices": [simplex(n) for n in (3, 4, 5, 6, 7)],
    "eight triangles": [polygon(3)] * 8,
    "octahedron": [cross_polytope(3)],
    "basis": [np.eye(6)],
    "heptagon, singles": [polygon(7), np.eye(3)],
}


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("name", list(SUMS))
def test_planted_sums_come_apart(name, noise):
    """In R^64, rotated and permuted: exactly the partition that was planted."""
    parts = SUMS[name]
    X = direct_sum(*parts)
    sizes = [2] * 3 if name == "octahedron" else [1] * 6 if name == "basis" else [len(part) for part in parts]
    sizes = [7, 1, 1, 1] if name == "heptagon, singles" else sizes
    labels = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(X))
        Y = np.hstack([X, np.zeros((len(X), 64 - X.shape[1]))]) @ rotation(64, rng)
        Y = (Y + noise * rng.standard_normal(Y.shape))[order]
        found = fg.pairs.sweep(Y)
        expected = sorted(tuple(map(int, np.flatnonzero(labels[order] == b))) for b in range(len(sizes)))
        assert slow.as_partition(found.blocks) == expected, (seed, found.threshold, found.ladder)


def test_dense_random_features_are_one_block():
    """Nothing persists among random cosines: no block may be made up."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n, m = rng.integers(20, 200), rng.integers(3, 16)
        assert fg.pairs.sweep(rng.standard_normal((n, m))).n_blocks == 1


def test_the_ladder_agrees_with_components():
    """Each rung: the number of components at that threshold."""
    X = np.random.default_rng(8).standard_normal((80, 20))
    found = fg.pairs.sweep(X)
    thresholds = [threshold for threshold, _ in found.ladder]
    assert thresholds == sorted(thresholds, reverse=True)
    for threshold, count in found.ladder:
        low, high = (len(slow.components(X, threshold * (1 + sign * 1e-9))) for sign in (-1, 1))
        assert low <= count <= high


@pytest.mark.parametrize("size", [1e-150, 1e-160, 1e-200, 1e-300])
def test_features_too_small_for_a_square(size):
    X = np.array([[size, size], [1.0, 0.0], [0.0, 0.0]])
    assert fg.frames.coherence(X) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    found = fg.pairs.sweep(X)
    assert found.coherence == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert found.blocks[2] == -1
    assert (found.blocks[:2] >= 0).all()


# --- where no gap was found


def test_a_threshold_that_lies_in_no_gap_says_so():
    separate = fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.simplex(4))
    random = np.random.default_rng(0).standard_normal((60, 20))
    assert (fg.pairs.sweep(separate).gap, fg.pairs.sweep(separate).advice) == (True, "")
    assert (fg.pairs.sweep(random, threshold=0.3).gap, fg.pairs.sweep(random, threshold=0.3).advice) == (
        None,
        "",
    )
    found = fg.pairs.sweep(random)
    assert (found.gap, found.threshold, found.n_blocks) == (False, 2.0**-20, 1)
    assert "no gap was found" in found.advice
    assert "give a threshold" in found.advice
    decomposed = fg.blocks.decompose(random)
    assert (decomposed.gap, decomposed.advice) == (False, found.advice)


def test_tables_and_page_say_where_no_gap_was_found(tmp_path):
    from featuregeom.report.words import block_advice

    separate = fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.simplex(4))
    random = np.random.default_rng(0).standard_normal((60, 20))
    sources = {"separate": separate, "random": random, "one shape": fg.shapes.polygon(5)}
    found = fg.analyze(sources).matrices
    assert found["block_gap"].tolist() == ["found", "none", "none"]
    said = [block_advice(row) for row in found.to_dict("records")]
    # A geometry with a name has nothing to part, so no advice stands beside it.
    assert ["no gap was found" in one.lower() and "--block-threshold" in one for one in said] == [
        False,
        True,
        False,
    ]
    given = fg.analyze({"random": random}, block_threshold=0.3).matrices
    assert given["block_gap"].tolist() == ["given"]


def test_a_terminal_says_so_only_where_a_reader_can_act(tmp_path):
    """Where "no name" stands beside names, and a matrix holds more than chance; blocks are not listed otherwise."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    random, copied = rng.standard_normal((60, 20)), rng.standard_normal((200, 100))
    copied[20:40] = copied[:20] + 0.3 * copied[20:40]
    for name, held, said in (
        ("random", {"random": random}, False),
        ("copied", {"copied": copied}, False),
        ("named and random", {"random": random, "named": fg.shapes.polygon(5)}, False),
        ("named and copied", {"copied": copied, "named": fg.shapes.polygon(5)}, True),
    ):
        save_file(held, tmp_path / f"{name}.safetensors")
        shown = CliRunner().invoke(
            app, ["analyze", str(tmp_path / f"{name}.safetensors"), "--out", str(tmp_path / name)]
        )
        assert ("no gap was found" in " ".join(shown.output.split())) == said, name
