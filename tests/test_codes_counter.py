"""Counters under bad input, in pieces and in bulk; scores with exact answers."""

from __future__ import annotations

import gc
import io
import itertools
import json
import math
import pickle
import threading
import zipfile

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError, SourceError

codes = fg.codes


def bits(n, m, seed=0, kinds=None):
    rng = np.random.default_rng(seed)
    X = rng.random((n if kinds is None else kinds, m)) < 0.5
    return X if kinds is None else X[rng.integers(0, kinds, n)]


def test_memory_depends_on_distinct_codes_not_on_rows():
    """Ten million rows of 512 bits, 640 MB of codes, of which 1000 are distinct."""
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 2**63, (1000, 8)).astype(np.uint64)
    layers = codes.pack(np.zeros((0, 512))).layers
    counter = codes.CodeCounter(512)
    batch, process, seen = 100_000, psutil.Process(), np.zeros(1000, np.int64)

    def feed(batches):
        for _ in range(batches):
            drawn = rng.integers(0, 1000, batch)
            seen[:] += np.bincount(drawn, minlength=1000)
            counter.update(codes.Codes(pool[drawn], 512, layers, batch), num_threads=1)
        gc.collect()
        return process.memory_info().rss

    early = feed(10)
    late = feed(90)
    assert (counter.n_rows, counter.n_distinct) == (10_000_000, 1000)
    assert late - early < 20e6, "the 90 batches had 576 MB of codes"
    assert counter.redundancy == 1 - 1000 / 1e7
    order = np.argsort(pool[:, 0])
    found = np.argsort(counter.words[:, 0])
    assert_array_equal(counter.counts[found], seen[order])


def test_shards_with_one_start_count_right_and_know_no_first_row():
    X = bits(60, 9, kinds=7)
    whole = codes.CodeCounter(9)
    whole.update(codes.pack(X))
    by_code = {row.tobytes(): int(count) for row, count in zip(whole.words, whole.counts, strict=True)}
    for order in itertools.permutations((slice(0, 20), slice(20, 45), slice(45, 60))):
        shards = []
        for part in order:
            shards.append(codes.CodeCounter(9))
            shards[-1].update(codes.pack(X[part]))
        for shard in shards[1:]:
            shards[0].merge(shard)
        merged = shards[0]
        assert {r.tobytes(): int(c) for r, c in zip(merged.words, merged.counts, strict=True)} == by_code
        assert merged.summary() == pytest.approx(whole.summary())
        with pytest.raises(ParameterError, match=r"claim the same row indices.*start="):
            _ = merged.first_index
        again = pickle.loads(pickle.dumps(merged))
        with pytest.raises(ParameterError, match="claim the same"):
            _ = again.first_index
    # An empty shard claims nothing.
    whole.merge(codes.CodeCounter(9))
    assert len(whole.first_index) == whole.n_distinct


def test_disjoint_shards_out_of_order_know_it():
    X = bits(90, 9, kinds=30)
    whole = codes.CodeCounter(9)
    whole.update(codes.pack(X))
    parts = []
    for start in (60, 0, 30):
        parts.append(codes.CodeCounter(9, start=start))
        parts[-1].update(codes.pack(X[start : start + 30]))
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    assert_array_equal(parts[0].first_index, whole.first_index)
    assert_array_equal(parts[0].counts, whole.counts)


def test_counters_are_pickled_and_saved_whole(tmp_path):
    X = bits(50, 70, kinds=20)
    counter = codes.CodeCounter(70, start=1000, fingerprint_bits=8)
    counter.update(codes.pack(X, layers=[30, 70]))
    counter.save(tmp_path / "c.npz")
    copies = [pickle.loads(pickle.dumps(counter)), codes.CodeCounter.load(tmp_path / "c.npz")]
    for again in copies:
        for name in ("words", "counts", "first_index"):
            assert_array_equal(getattr(again, name), getattr(counter, name))
        assert (again.n_bits, again.layers, again.n_rows) == (70, (30, 70), 50)
        assert again.first_index.min() == 1000
    places = counter.update(codes.pack(X))
    for again in copies:
        assert_array_equal(again.update(codes.pack(X)), places)
        assert_array_equal(again.counts, counter.counts)
        assert_array_equal(again.first_index, counter.first_index)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    counter = codes.CodeCounter(70)
    counter.update(codes.pack(bits(12, 70, kinds=5)))
    path = tmp_path_factory.mktemp("saved") / "count.npz"
    counter.save(path)
    return path.read_bytes(), counter


def test_no_damage_escapes_as_another_error(saved, tmp_path):
    """Every byte changed, and every length: a SourceError that names the file, or the same counts."""
    data, counter = saved
    path = tmp_path / "count.npz"
    refused = kept = 0
    damaged = [data[:k] + bytes([data[k] ^ 0xFF]) + data[k + 1 :] for k in range(len(data))]
    # One bit each in the central directory: flags, methods of compression, versions.
    tail = data.index(b"PK\x01\x02")
    damaged += [
        data[:k] + bytes([data[k] ^ 1 << bit]) + data[k + 1 :]
        for k in range(tail, len(data))
        for bit in (0, 3, 5)
    ]
    damaged += [data[:k] for k in range(0, len(data), 41)]
    for broken in damaged:
        path.write_bytes(broken)
        try:
            found = codes.CodeCounter.load(path)
        except SourceError as error:
            refused += "count.npz as a saved code counter" in str(error)
        else:
            kept += 1
            assert_array_equal(found.words, counter.words)
            assert_array_equal(found.counts, counter.counts)
    assert refused + kept == len(damaged)
    assert refused > len(data) // 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"first_index": lambda first: first * np.uint64(0)}, "not distinct"),
        ({"first_index": lambda first: first + np.uint64(50)}, "none of the rows"),
        ({"first_index": lambda first: first[::-1].copy()}, "increasing"),
        ({"counts": lambda counts: counts * np.uint64(0)}, "never seen"),
        ({"counts": lambda counts: counts + np.uint64(1)}, "add up to"),
        ({"counts": lambda counts: counts[:-1]}, ""),
        ({"counts": lambda counts: counts.astype(np.int64)}, "counts is int64"),
        ({"words": lambda words: words | np.uint64(1 << 63)}, ""),
        ({"words": lambda words: words[[0] * len(words)]}, ""),
        ({"header": lambda header: header | {"n_rows": 99}}, "spans"),
        ({"header": lambda header: header | {"spans": [[0, 5], [3, 10]]}}, "spans"),
        ({"header": lambda header: header | {"n_bits": 7.5}}, "n_bits"),
        ({"header": lambda header: header | {"version": 9}}, "version is 9"),
        ({"header": lambda header: header | {"next_row": -1}}, ""),
        ({"header": lambda header: []}, ""),
    ],
)
def test_parts_that_contradict_each_other(saved, tmp_path, change, text):
    with np.load(io.BytesIO(saved[0])) as file:
        parts = {name: file[name] for name in file.files}
    ((name, how),) = change.items()
    if name == "header":
        parts[name] = np.array(json.dumps(how(json.loads(str(parts[name])))))
    else:
        parts[name] = how(parts[name])
    np.savez(tmp_path / "changed.npz", **parts)
    with pytest.raises(SourceError, match=rf"changed\.npz as a saved code counter.*{text}"):
        codes.CodeCounter.load(tmp_path / "changed.npz")


def test_an_archive_that_asks_for_a_password(saved, tmp_path):
    """zipfile raises RuntimeError for it."""
    path = tmp_path / "locked.npz"
    with zipfile.ZipFile(io.BytesIO(saved[0])) as archive:
        offset = archive.getinfo("words.npy").header_offset
    locked = bytearray(saved[0])
    locked[offset + 6] |= 1
    at = locked.index(b"words.npy", locked.index(b"PK\x01\x02")) - 46
    locked[at + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(SourceError, match=r"locked\.npz"):
        codes.CodeCounter.load(path)


def test_arguments_that_are_none():
    for arguments in ({"n_bits": 3.5}, {"n_bits": -1}, {"n_bits": "3"}, {"n_bits": 2**70}):
        with pytest.raises(ParameterError, match="n_bits must be an integer"):
            codes.CodeCounter(**arguments)
    for start in (2**64, -1, 0.5):
        with pytest.raises(ParameterError, match="start must be an integer"):
            codes.CodeCounter(3, start=start)
    late = codes.CodeCounter(3, start=2**64 - 1)
    with pytest.raises(ParameterError, match="smaller start"):
        late.update(codes.pack(np.eye(3)))
    assert late.n_rows == 0
    last = codes.CodeCounter(3, start=2**64 - 4)
    last.update(codes.pack(np.eye(3)))
    assert last.first_index.tolist() == [2**64 - 4, 2**64 - 3, 2**64 - 2]
    with pytest.raises(ParameterError, match="a CodeCounter can be merged"):
        last.merge(codes.DistinctSketch(3))
    with pytest.raises(ParameterError, match="n_bits"):
        codes.DistinctSketch(2.5)
    with pytest.raises(ParameterError, match="k must be an integer"):
        codes.hamming_knn(codes.pack(np.eye(3)), codes.pack(np.eye(3)), 1.5)


def test_labels_of_any_sign():
    purity, overall = codes.label_purity([0, 0, 1, 1], [-3, -3, 5, -3])
    assert purity.tolist() == [1.0, 0.5]
    assert overall == 0.75
    for inverse in ([-1, 0], [0.0, 1.0], np.array([2**63, 0], np.uint64)):
        with pytest.raises(ParameterError, match="positions of codes"):
            codes.label_purity(inverse, [1, 2])
    train = codes.pack(np.eye(3))
    assert codes.hamming_vote(train, [-7, 2, -(2**63)], train, 1).tolist() == [-7, 2, -(2**63)]
    with pytest.raises(ParameterError, match=r"below 2\*\*63"):
        codes.hamming_vote(train, np.array([1, 2, 2**63], np.uint64), train, 1)
    with pytest.raises(ShapeError, match="integer labels"):
        codes.hamming_vote(train, [1, 2, 2**70], train, 1)


def test_jaccard_by_hand():
    a = codes.pack(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]]))
    expected = [[0, 1, 1 / 2, 2 / 3], [1, 0, 1, 1], [1 / 2, 1, 0, 1 / 2], [2 / 3, 1, 1 / 2, 0]]
    np.testing.assert_allclose(codes.jaccard_distances(a), expected, rtol=1e-15)
    assert codes.jaccard_distances(a, codes.pack(np.ones((1, 4)))).ravel().tolist() == [0.5, 1, 0, 0.5]
    with pytest.raises(ShapeError, match="cannot be compared"):
        codes.jaccard_distances(a, codes.pack(np.ones((1, 5))))
    m = 6
    cube = codes.pack(np.array(list(itertools.product([0, 1], repeat=m))))
    table = codes.jaccard_distances(cube)
    # From the code with all bits on, a code of k bits is at 1 - k/m.
    np.testing.assert_allclose(table[-1], 1 - cube.unpack().sum(axis=1) / m, rtol=1e-15)
    assert (table[:, :, None] <= table[:, None, :] + table.T[None, :, :] + 1e-12).all()


@given(st.integers(1, 150), st.integers(0, 2**32 - 1))
def test_jaccard_is_scipys(m, seed):
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(seed)
    a, b = (rng.random((n, m)) < 0.3 for n in (6, 4))
    np.testing.assert_allclose(
        codes.jaccard_distances(codes.pack(a), codes.pack(b)), cdist(a, b, "jaccard"), rtol=1e-12
    )


@given(st.integers(2, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_naswot_is_minus_infinity_where_exact_elimination_says_so(n, m, seed):
    """Against elimination in fractions."""
    from fractions import Fraction

    X = np.random.default_rng(seed).random((n, m)) < 0.5
    score = codes.naswot(codes.pack(X))
    rows = [[Fraction(int(value)) for value in row] for row in score.kernel]
    logdet, singular = 0.0, False
    for k in range(n):
        at = next((i for i in range(k, n) if rows[i][k] != 0), None)
        if at is None:
            singular = True
            break
        rows[k], rows[at] = rows[at], rows[k]
        logdet += math.log(abs(rows[k][k]))
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            if factor:
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    if singular:
        assert score.logdet == score.logdet_normalised == -math.inf
    else:
        assert score.logdet == pytest.approx(logdet, rel=1e-9, abs=1e-9)
        assert score.logdet >= -1e-9, "a determinant of integers that is not 0 is at least 1"


def test_more_codes_than_bits_are_singular():
    """All 2^8 codes of 8 bits: a kernel of rank 9, whose slogdet has either sign by rounding."""
    cube = np.array(list(itertools.product([0, 1], repeat=8)))
    assert codes.naswot(codes.pack(cube)).logdet == -math.inf
    assert codes.naswot(codes.pack(cube[:10])).logdet == -math.inf
    # A square of codes, a + b = c + d as signs, among fewer codes than bits.
    wide = bits(20, 60, seed=4)
    wide[1] = wide[0]
    wide[2] = wide[0]
    wide[3] = wide[0]
    wide[1, :5] ^= True
    wide[2, 5:9] ^= True
    wide[3, :9] ^= True
    assert codes.naswot(codes.pack(wide)).logdet == -math.inf
    assert math.isfinite(codes.naswot(codes.pack(wide[1:])).logdet)
    one = codes.naswot(codes.pack(wide[:1]))
    assert (one.logdet, one.logdet_normalised) == (pytest.approx(math.log(60)), pytest.approx(0))


def test_threads_that_share_a_counter_take_turns(tmp_path):
    """Updates, merges both ways and saves at once: every row is counted once, and first rows stay known."""
    rng = np.random.default_rng(0)
    shards = [fg.codes.pack(rng.standard_normal((4000, 6))) for _ in range(8)]
    shared = fg.codes.CodeCounter(6)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(5):
                inverse = shared.update(shards[number])
                assert len(inverse) == 4000
                shared.save(tmp_path / f"{number}.npz")
                fg.codes.CodeCounter.load(tmp_path / f"{number}.npz")
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert failed == []
    assert shared.n_rows == 8 * 5 * 4000 == shared.counts.sum()
    assert len(shared.first_index) == shared.n_distinct
    expected = {}
    for shard in shards:
        for word in shard.words[:, 0].tolist():
            expected[word] = expected.get(word, 0) + 5
    assert dict(zip(shared.words[:, 0].tolist(), shared.counts.tolist(), strict=True)) == expected


def test_two_threads_that_merge_into_each_other_do_not_wait_for_ever():
    counters = [fg.codes.CodeCounter(6), fg.codes.CodeCounter(6)]
    for counter in counters:
        counter.update(fg.codes.pack(np.random.default_rng(1).standard_normal((500, 6))))

    def work(number: int) -> None:
        for _ in range(10):
            counters[number].merge(counters[1 - number])

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
