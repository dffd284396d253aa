"""Packing, counting, comparing and capturing codes, each against something written independently."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import featuregeom as fg
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError, SourceError
from oracles import slow

codes = fg.codes


def little(X):
    """NumPy's own packing, padded to whole words."""
    bits = np.asarray(X, np.float64) > 0
    octets = np.packbits(bits, axis=1, bitorder="little")
    width = -(-bits.shape[1] // 64) * 8
    return np.pad(octets, [(0, 0), (0, width - octets.shape[1])]).view("<u8")


def cube(m, copies=1):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=m)) * copies)


@given(st.integers(1, 9), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_packing_is_numpys_for_every_type_and_stride(n, m, seed):
    X = np.random.default_rng(seed).integers(-2, 3, (n, m)).astype(np.float64)
    X[X == -2] = -0.0
    expected = little(X)
    for dtype in (np.float64, np.float32, np.float16, np.int8):
        assert_array_equal(codes.pack(X.astype(dtype)).words, expected)
    assert_array_equal(codes.pack(torch.tensor(X, dtype=torch.bfloat16)).words, expected)
    assert_array_equal(codes.pack(X > 0).words, expected)
    assert_array_equal(codes.pack((X > 0)[::-1, ::-1]).words, little(X[::-1, ::-1]))
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    assert_array_equal(codes.pack(wide[::2, ::3]).words, expected)
    assert_array_equal(codes.pack(np.asfortranarray(X), num_threads=3).words, expected)
    assert_array_equal(codes.pack(X).unpack(), X > 0)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_to_pack(shape):
    packed = codes.pack(np.zeros(shape))
    assert packed.words.shape == (shape[0], -(-shape[1] // 64))
    counter = codes.CodeCounter(shape[1])
    counter.update(packed)
    assert (counter.n_rows, counter.n_distinct) == (shape[0], min(shape[0], 1))
    assert math.isnan(counter.redundancy) == (shape[0] == 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_or_counted(bad):
    X = np.ones((3, 70))
    X[1, 65] = X[2, 0] = bad
    with pytest.raises(
        NonFiniteError, match="2 activations are NaN or infinite, the first at row 1, column 65"
    ) as caught:
        codes.pack(X)
    assert (caught.value.row, caught.value.column) == (1, 65)
    packed = codes.pack(X, nonfinite="count")
    assert packed.n_nonfinite == 2
    assert_array_equal(packed.words, little(X))


def test_layers_end_at_integers():
    for ends in ([3.5], [1, 3.0], ["3"]):
        with pytest.raises(ParameterError, match="layers must be an integer"):
            codes.pack(np.ones((2, 3)), layers=ends)
    assert codes.pack(np.ones((2, 3)), layers=np.array([1, 3])).boundaries == (1, 3)


@pytest.mark.skipif(
    np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="long doubles are doubles"
)
def test_long_doubles_keep_their_signs():
    X = np.array([[0, -1, 2], [1, np.longdouble("1e-400"), 0]])
    with pytest.raises(DtypeError, match="activation 1e-400 at 1, 1 is zero as float64"):
        codes.pack(X)
    assert codes.pack(X > 0).words.tolist() == [[4], [3]]
    assert codes.pack(X[:1]).words.tolist() == [[4]]


def test_values_near_zero_are_counted():
    X = [[0.0, 1e-7, -1e-7, 1e-5], [1.0, -0.0, 2.0, 3.0]]
    assert codes.pack(X, tolerance=1e-6).n_ambiguous == 4
    with pytest.raises(ParameterError, match="tolerance"):
        codes.pack(X, tolerance=-1)
    with pytest.raises(ParameterError, match="layers must end"):
        codes.pack(X, layers=[2, 3])
    with pytest.raises(ParameterError, match="nonfinite must be"):
        codes.pack(X, nonfinite="drop")


@given(st.integers(1, 150), st.integers(0, 2**32 - 1))
def test_fingerprints_are_those_of_xxhash(m, seed):
    X = np.random.default_rng(seed).standard_normal((3, m))
    found = codes.fingerprints(codes.pack(X))
    assert found == [[xxhash.xxh3_128_intdigest(row.tobytes())] for row in little(X)]
    cut = m // 2
    for row, (a, b) in zip(X, codes.fingerprints(codes.pack(X, layers=[cut, m])), strict=True):
        first = xxhash.xxh3_128(little(row[None, :cut]).tobytes()) if cut else xxhash.xxh3_128(b"")
        assert a == first.intdigest()
        chain = first.intdigest().to_bytes(16, "little") + little(row[None, cut:]).tobytes()
        assert b == xxhash.xxh3_128_intdigest(chain)


@pytest.mark.parametrize("bits", [1, 8, 128])
@pytest.mark.parametrize(("m", "copies"), [(3, 1), (6, 4), (9, 3)])
def test_copies_of_the_hypercube(m, copies, bits):
    counter = codes.CodeCounter(m, fingerprint_bits=bits)
    counter.update(codes.pack(cube(m, copies)))
    assert counter.redundancy == (copies - 1) / copies
    assert counter.occupancy() == {copies: 2**m}
    assert_array_equal(counter.first_index, np.arange(2**m))
    assert counter.saturated == (copies == 1)
    summary = counter.summary()
    assert summary["entropy"] == pytest.approx(m * math.log(2), rel=1e-12)
    assert summary["effective_codes"] == pytest.approx(2**m, rel=1e-12)
    assert summary["simpson"] == pytest.approx(2.0**-m, rel=1e-12)
    assert summary["good_turing_coverage"] == (0.0 if copies == 1 else 1.0)
    if bits == 8 and m == 9:
        assert counter.collisions > 0


@given(st.integers(1, 130), st.integers(1, 60), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_unique_however_they_are_fed(m, n, batch, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((5, m))[rng.integers(0, 5, n)]
    rows, first, inverse, counts = np.unique(
        little(X), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    whole = codes.CodeCounter(m)
    found = whole.update(codes.pack(X), num_threads=2)
    assert_array_equal(whole.words, rows[order])
    assert_array_equal(whole.counts, counts[order])
    assert_array_equal(whole.first_index, first[order])
    assert_array_equal(whole.words[found.astype(int)], rows[inverse.ravel()])
    stream = codes.CodeCounter(m)
    shards = []
    for start in range(0, n, batch):
        part = codes.pack(X[start : start + batch])
        stream.update(part, num_threads=1)
        shards.append(codes.CodeCounter(m, start=start, fingerprint_bits=8))
        shards[-1].update(part)
    rng.shuffle(shards)
    for shard in shards[1:]:
        shards[0].merge(shard)
    for other in (stream, shards[0]):
        assert other.n_rows == n
        for name in ("words", "counts", "first_index"):
            assert_array_equal(getattr(other, name), getattr(whole, name))


def test_layers_alone_and_as_prefixes():
    X = np.random.default_rng(0).standard_normal((300, 90))
    X[:, 3:60] = 1.0
    ends = [3, 66, 90]
    counter = codes.CodeCounter(90, layers=ends)
    counter.update(codes.pack(X, layers=ends))
    parts = np.split(X > 0, ends[:-1], axis=1)
    assert counter.layer_counts().tolist() == [len(np.unique(part, axis=0)) for part in parts]
    prefixes = counter.prefix_counts().tolist()
    assert prefixes == [len(np.unique((X > 0)[:, :end], axis=0)) for end in ends]
    assert prefixes == sorted(prefixes)
    with pytest.raises(ShapeError, match="layers end at"):
        counter.update(codes.pack(X, layers=[4, 90]))
    with pytest.raises(ShapeError, match="cannot be merged"):
        counter.merge(codes.CodeCounter(90, layers=[4, 90]))
    with pytest.raises(ShapeError, match="of 90 bits, not of 7"):
        counter.update(codes.pack(X[:, :7]))
    with pytest.raises(ParameterError, match="layers must end"):
        codes.CodeCounter(90, layers=[4, 80])


def test_chao_and_coverage_by_hand():
    counter = codes.CodeCounter(3)
    counter.update(codes.pack(cube(3)[[0, 1, 2, 3, 3, 4, 4, 4]]))
    summary = counter.summary()
    assert summary["chao1_lower_bound"] == 5 + 3 * 2 / (2 * 2)
    assert summary["good_turing_coverage"] == 1 - 3 / 8
    assert (summary["singleton_fraction"], summary["max_count"]) == (3 / 5, 3)


def test_a_saved_counter_comes_back_and_a_damaged_one_does_not(tmp_path):
    counter = codes.CodeCounter(70, layers=[10, 70])
    X = np.random.default_rng(1).standard_normal((40, 70))
    counter.update(codes.pack(X[[*range(40), 0, 0]]))
    path = tmp_path / "count.npz"
    counter.save(path)
    again = codes.CodeCounter.load(path)
    again.update(codes.pack(X))
    counter.update(codes.pack(X))
    assert (again.layers, again.n_rows) == (counter.layers, 82)
    assert_array_equal(again.counts, counter.counts)
    assert_array_equal(again.first_index, counter.first_index)
    data = path.read_bytes()
    for broken in (b"", data[: len(data) // 2], data[:900] + bytes([data[900] ^ 255]) + data[901:]):
        path.write_bytes(broken)
        with pytest.raises(SourceError, match=r"count\.npz as a saved code counter"):
            codes.CodeCounter.load(path)
    np.savez(path, words=np.zeros((1, 1), np.uint64))
    with pytest.raises(SourceError, match="saved code counter"):
        codes.CodeCounter.load(path)
    with pytest.raises(SourceError, match="saved code counter"):
        codes.CodeCounter.load(tmp_path / "missing.npz")


@pytest.mark.parametrize("m", [1, 64, 100, 257])
def test_searches_against_all_distances(m):
    rng = np.random.default_rng(m)
    train, asked = rng.integers(0, 2, (150, m)).astype(bool), rng.integers(0, 2, (13, m)).astype(bool)
    labels = rng.integers(0, 4, 150)
    table = (asked[:, None] != train).sum(axis=2)
    order = np.argsort(table, axis=1, kind="stable")[:, :9]
    a, b = codes.pack(train), codes.pack(asked)
    for threads in (1, 3):
        distances, indices = codes.hamming_knn(a, b, 9, num_threads=threads)
        assert_array_equal(indices, order)
        assert_array_equal(distances, np.take_along_axis(table, order, axis=1))
    assert_array_equal(codes.hamming_distances(b, a), table)
    for k in (1, 9, 150):
        votes = [slow.hamming_vote(train, labels - 2, query, k) for query in asked]
        for threads in (1, 3):
            assert_array_equal(codes.hamming_vote(a, labels - 2, b, k, num_threads=threads), votes)
    assert_array_equal(
        codes.range_counts(a, b, [0, m // 3, m]),
        [[(row <= r).sum() for r in (0, m // 3, m)] for row in table],
    )
    means, classes = codes.class_distances(a, labels)
    within = (train[:, None] != train).sum(axis=2)
    for i, j in itertools.product(range(4), range(4)):
        assert means[i, j] == pytest.approx(
            within[np.ix_(labels == classes[i], labels == classes[j])].mean(), rel=1e-12
        )


@given(st.integers(1, 60), st.integers(0, 7), st.integers(1, 60), st.integers(0, 2**32))
def test_the_order_of_the_rows_changes_no_score(n, m, k, seed):
    """Few bits, so that many codes tie, and equal codes have different labels."""
    rng = np.random.default_rng(seed)
    k, order = min(k, n), rng.permutation(n)
    bits, asked = rng.random((n, m)) < 0.3, rng.random((5, m)) < 0.5
    labels = rng.integers(-2, 3, n)
    train, mixed, queries = codes.pack(bits), codes.pack(bits[order]), codes.pack(asked)
    votes = codes.hamming_vote(train, labels, queries, k)
    assert_array_equal(codes.hamming_vote(mixed, labels[order], queries, k), votes)
    assert_array_equal(votes, [slow.hamming_vote(bits, labels, query, k) for query in asked])
    first, second = codes.k_majority(train, k, seed=seed), codes.k_majority(mixed, k, seed=seed)
    assert_array_equal(second.labels, first.labels[order])
    assert_array_equal(second.centres.words, first.centres.words)
    assert second.cost == first.cost
    counters = codes.CodeCounter(m), codes.CodeCounter(m)
    inverse, mixed_inverse = counters[0].update(train), counters[1].update(mixed)
    assert counters[0].summary() == counters[1].summary()
    assert codes.label_purity(inverse, labels)[1] == codes.label_purity(mixed_inverse, labels[order])[1]
    means, classes = codes.class_distances(train, labels)
    again, same = codes.class_distances(mixed, labels[order])
    assert_array_equal(same, classes)
    assert_array_equal(again, means)


def test_distances_on_the_cube():
    m = 8
    all_codes = codes.pack(cube(m))
    table = codes.hamming_distances(all_codes)
    for row in table:
        assert np.bincount(row).tolist() == [math.comb(m, k) for k in range(m + 1)]
    assert table.mean() == m / 2
    assert_array_equal(np.diag(table[:, ::-1]), np.full(2**m, m))
    score = codes.naswot(codes.pack(cube(m)[[0, 1, 2, 5, 77]]))
    part = table[np.ix_([0, 1, 2, 5, 77], [0, 1, 2, 5, 77])]
    assert_array_equal(score.kernel, m - part.astype(float))
    assert score.logdet == pytest.approx(np.linalg.slogdet(score.kernel)[1], rel=1e-12)
    assert score.logdet_normalised == pytest.approx(np.linalg.slogdet(score.kernel / m)[1], rel=1e-12)
    assert codes.naswot(codes.pack(cube(m)[[3, 3, 4]])).logdet == -math.inf


def test_bad_searches_are_refused():
    a, b = codes.pack(cube(3)), codes.pack(cube(4))
    with pytest.raises(ShapeError, match="3 bits cannot be compared with codes of 4"):
        codes.hamming_knn(a, b, 1)
    for k in (0, 9):
        with pytest.raises(ParameterError, match="k must be from 1 to the 8"):
            codes.hamming_knn(a, a, k)
        with pytest.raises(ParameterError, match="k must be from 1 to the 8"):
            codes.k_majority(a, k)
    with pytest.raises(ShapeError, match="8 integer labels"):
        codes.hamming_vote(a, [1, 2], a, 1)
    with pytest.raises(ParameterError, match="packed codes"):
        codes.hamming_knn(cube(3), a, 1)


def test_majority_clusters_find_planted_ones():
    rng = np.random.default_rng(3)
    centres = rng.integers(0, 2, (4, 120)).astype(bool)
    truth = rng.integers(0, 4, 400)
    noisy = centres[truth] ^ (rng.random((400, 120)) < 0.1)
    best = min(
        (codes.k_majority(codes.pack(noisy), 4, seed=seed) for seed in range(8)), key=lambda found: found.cost
    )
    assert best.converged
    assert codes.label_purity(best.labels, truth)[1] == 1.0
    for label in range(4):
        members = noisy[best.labels == label]
        assert_array_equal(best.centres.unpack()[label], 2 * members.sum(axis=0) > len(members))
    assert best.cost == (noisy != best.centres.unpack()[best.labels.astype(int)]).sum()


def test_purity_by_hand():
    purity, overall = codes.label_purity([0, 0, 0, 2], ["a", "a", "b", "c"])
    assert purity[[0, 2]].tolist() == [2 / 3, 1.0]
    assert math.isnan(purity[1])
    assert overall == 3 / 4


def test_the_sketch_is_near_and_merges():
    X = np.random.default_rng(5).standard_normal((20_000, 40))
    exact = len(np.unique(little(X)))
    sketch = codes.distinct_sketch(codes.pack(X))
    assert abs(sketch.estimate / exact - 1) < 4 * 1.04 / 2**7
    halves = [codes.distinct_sketch(codes.pack(X[part])) for part in (slice(0, 9000), slice(7000, None))]
    halves[1].merge(halves[0])
    assert halves[1].estimate == sketch.estimate
    with pytest.raises(ParameterError, match="precision"):
        codes.DistinctSketch(3, precision=40)
    with pytest.raises(ShapeError, match="40 bits"):
        sketch.merge(codes.DistinctSketch(3))
