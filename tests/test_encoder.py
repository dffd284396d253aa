"""The hash-encoder report on codes whose answers are known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregeom.codes import CodeCounter, capture, pack
from featuregeom.encoder import contingency, evaluate, hungarian_accuracy, purity, regions
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from oracles import slow


def test_codes_that_are_labels_tell_everything():
    labels = np.arange(200) % 5
    one_hot = np.eye(5, dtype=bool)[labels]
    found = evaluate(one_hot, labels, one_hot[:50], labels[:50], random_codes=np.zeros((7, 5)))
    for name in (
        "kmeans_purity_train",
        "kmeans_purity_test",
        "kmeans_accuracy_train",
        "kmeans_accuracy_test",
    ):
        assert getattr(found, name) == 1, name
    assert found.knn == found.logistic == 1
    assert (found.train.n_distinct, found.train.redundancy) == (5, 1 - 5 / 200)
    assert (found.random.n_distinct, found.random.redundancy) == (1, 6 / 7)
    assert (found.n_classes, found.n_bits, found.n_neighbors) == (5, 5, 9)
    assert found.warnings() == ()


def test_random_codes_are_near_chance():
    """Four labels: 1/4 on 400 samples, whose standard error is 0.022."""
    rng = np.random.default_rng(0)
    codes, labels = rng.random((800, 64)) < 0.5, rng.integers(0, 4, 800)
    found = evaluate(codes[:400], labels[:400], codes[400:], labels[400:])
    assert abs(found.knn - 0.25) < 0.1
    assert abs(found.logistic - 0.25) < 0.1
    assert found.kmeans_accuracy_test < 0.4
    assert found.train.saturated
    assert found.train.redundancy == 0
    assert found.train.coverage == 0
    assert len(found.warnings()) == 2
    assert "saturated" in found.warnings()[0]


def test_packed_codes_are_as_good_as_bits():
    """And what `capture` gives goes straight in."""
    rng = np.random.default_rng(2)
    train, test, random = (rng.random((60, 70)) < 0.3 for _ in range(3))
    y, y_test = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    bits = evaluate(train, y, test, y_test, random_codes=random)
    packed = evaluate(pack(train), y, pack(test), y_test, random_codes=pack(random))
    assert packed == bits
    assert regions(pack(train)) == regions(train)
    net = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU())
    x = torch.randn(50, 5)
    with torch.no_grad():
        assert regions(capture(net, x)) == regions((net[0](x) > 0).numpy())
    streamed = capture(net, x, counter=CodeCounter(4))
    with pytest.raises(ShapeError, match=r"at least one row \(they went to a counter"):
        regions(streamed)
    with pytest.raises(ShapeError, match=r"one number of bits, got shapes \[\(60, 70\), \(60, 69\)\]"):
        evaluate(pack(train), y, pack(test[:, 1:]), y_test)


def test_a_saturated_control_is_said_to_be():
    labels = np.arange(40) % 4
    one_hot = np.eye(4)[labels]
    random = np.random.default_rng(0).random((30, 4)) < 0.5
    assert evaluate(one_hot, labels, one_hot, labels, random_codes=random).warnings() == ()
    distinct = np.eye(4)
    (said,) = evaluate(one_hot, labels, one_hot, labels, random_codes=distinct).warnings()
    assert said.startswith("All 4 random codes are distinct: the count is saturated")


def test_three_bits_have_eight_codes_at_most():
    rng = np.random.default_rng(1)
    found = regions(rng.random((500, 3)) < 0.5)
    assert found.n_distinct <= 8
    assert found.redundancy >= 1 - 8 / 500


@pytest.mark.parametrize(("m", "copies"), [(1, 1), (3, 4), (9, 2), (12, 3)])
def test_copies_of_the_cube(m, copies):
    cube = (np.arange(2**m)[:, None] >> np.arange(m)) & 1
    order = np.random.default_rng(m).permutation(copies * 2**m)
    found = regions(np.tile(cube, (copies, 1))[order])
    assert found.n_distinct == 2**m
    assert found.redundancy == pytest.approx(1 - 1 / copies)
    assert found.saturated == (copies == 1)
    assert found.coverage == (0 if copies == 1 else 1)
    if copies > 1:
        assert found.chao1 == 2**m, "nothing was met only once"


def test_estimates_by_hand():
    """Codes met 1, 1, 1, 2 and 3 times: 1 - 3/8, and 5 + 3 * 2 / (2 * 2)."""
    found = regions(np.eye(5)[[0, 1, 2, 3, 3, 4, 4, 4]])
    assert found.coverage == pytest.approx(5 / 8)
    assert found.chao1 == pytest.approx(6.5)
    assert found.n_distinct == 5


def test_purity_is_not_accuracy():
    """Two clusters of one majority: purity counts both, the matching only one."""
    assert purity([0, 0, 1, 1], [7, 7, 7, 7]) == 1
    assert hungarian_accuracy([0, 0, 1, 1], [7, 7, 7, 7]) == 0.5
    assert contingency([5, 5, 2], ["b", "a", "a"]).tolist() == [[1, 0], [1, 1]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scores_against_all_matchings(pairs):
    clusters, labels = map(np.array, zip(*pairs, strict=True))
    best = max(np.sum(np.array(matching)[clusters] == labels) for matching in permutations(range(4)))
    assert hungarian_accuracy(clusters, labels) == pytest.approx(best / len(pairs))
    majority = sum(np.bincount(labels[clusters == k]).max() for k in set(clusters.tolist()))
    assert purity(clusters, labels) == pytest.approx(majority / len(pairs))
    assert purity(clusters, labels) >= hungarian_accuracy(clusters, labels)
    relabelled = np.array([2, 0, 3, 1])
    assert hungarian_accuracy(relabelled[clusters], relabelled[labels]) == pytest.approx(best / len(pairs))


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_neighbours_against_a_loop(seed):
    rng = np.random.default_rng(seed)
    train, test = rng.random((23, 6)) < 0.5, rng.random((11, 6)) < 0.5
    y, y_test = rng.integers(0, 3, 23), rng.integers(0, 3, 11)
    voted = np.array([slow.hamming_vote(train, y, query, 5) for query in test])
    assert evaluate(train, y, test, y_test, k=5).knn == np.mean(voted == y_test)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([2, 4, 70]))
def test_the_order_of_the_rows_changes_nothing(seed, n, m):
    """Neither that of the training rows nor that of the test rows, to the last bit: ties, seeds and sums."""
    rng = np.random.default_rng(seed)
    train, test = rng.random((n, m)) < 0.3, rng.random((12, m)) < 0.3
    y, y_test = rng.integers(0, 3, n), rng.integers(0, 3, 12)
    i, j = rng.permutation(n), rng.permutation(12)
    assert evaluate(train[i], y[i], test[j], y_test[j]) == evaluate(train, y, test, y_test)


def test_few_samples_are_said_to_be_few():
    found = evaluate(np.eye(3), [0, 1, 2], np.eye(3), [0, 1, 3])
    assert found.n_neighbors == 3
    assert np.isnan(found.kmeans_purity_train)
    assert any("Only 3 training codes" in text for text in found.warnings())
    flat = found.to_dict()
    assert flat["redundancy_train"] == 0
    assert "redundancy_random" not in flat


def test_no_bits_tell_nothing():
    found = evaluate(np.zeros((20, 0)), np.arange(20) % 2, np.zeros((10, 0)), np.zeros(10, int))
    assert found.train.n_distinct == 1
    assert found.logistic == 1, "the majority label, the smaller of equals"
    assert found.kmeans_accuracy_train == 0.5


def test_bad_codes():
    good, labels = np.eye(3), [0, 1, 2]
    with pytest.raises(ParameterError, match=r"got 0\.5 in row 1, column 2: pass activations > 0"):
        regions([[0, 1, 0], [0, 1, 0.5]])
    with pytest.raises(NonFiniteError, match="NaN in row 0, column 1"):
        regions([[0.0, np.nan]])
    with pytest.raises(ShapeError, match="at least one row"):
        regions(np.zeros((0, 3)))
    with pytest.raises(DtypeError, match="must be bits"):
        regions([["a"]])
    with pytest.raises(ShapeError, match="one number of bits"):
        evaluate(good, labels, np.eye(2), [0, 1])
    with pytest.raises(ShapeError, match="one label for each of 3"):
        evaluate(good, [0, 1], good, labels)
    with pytest.raises(DtypeError, match="integers or strings"):
        evaluate(good, [0.0, 1.0, 2.0], good, labels)
    with pytest.raises(ParameterError, match="k must be"):
        evaluate(good, labels, good, labels, k=0)
    with pytest.raises(ShapeError, match="one length"):
        purity([0, 1], [0])
