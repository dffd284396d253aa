"""Significant pairs by an index of sign patterns: the same pairs and numbers, and how many it misses."""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
from scipy.stats import binom

import featuregeom as fg
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.pairs import approximate
from featuregeom.pairs.approximate import BITS, Recall
from featuregeom.pairs.significant import uses_index

N, M = 4500, 96


def planted(cosines, n=N, m=M, seed=0, size=None):
    """Normal features with two partners at each cosine, at places drawn at random, and the pairs."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m)) * (1.0 if size is None else size)
    places = rng.permutation(n)[: 2 * len(cosines)].reshape(-1, 2)
    for (i, j), cosine in zip(places, cosines, strict=True):
        x = X[i] / np.linalg.norm(X[i])
        y = X[j] - (X[j] @ x) * x
        X[j] = cosine * x + np.sqrt(1 - cosine**2) * y / np.linalg.norm(y)
    return X, {(min(pair), max(pair)) for pair in places.tolist()}


@pytest.fixture(scope="module")
def both():
    X, pairs = planted([0.9, -0.95, 0.99, 1.0, -1.0, 0.85])
    return fg.pairs.significant(X, approximate=True), fg.pairs.significant(X, n_parts=1), pairs


def test_the_planted_pairs_are_found_with_the_numbers_of_all_pairs(both):
    found, full, pairs = both
    assert set(zip(found.i.tolist(), found.j.tolist(), strict=True)) == pairs
    assert (found.i.tolist(), found.j.tolist()) == (full.i.tolist(), full.j.tolist())
    for name in ("cosine", "z", "p", "q", "threshold", "inflation"):
        np.testing.assert_allclose(getattr(found, name), getattr(full, name), rtol=1e-9)
    assert (found.n_total, found.n_positive, found.n_negative) == (6, 4, 2)
    assert found.n_features == N
    assert found.n_parts == 1


def test_what_is_missed_is_said(both):
    found, full, _ = both
    assert not found.complete
    assert full.complete
    assert full.recall is None
    assert str(found.recall) in repr(found)
    assert "index" not in repr(full)


def test_recall_of_planted_partners_is_that_of_binomial_distances():
    """A partner differs in Bin(512, angle / pi) signs, and is found if fewer than 8 of n chance codes are nearer."""
    X = np.random.default_rng(1).standard_normal((5000, 64))
    recall = fg.pairs.significant(X, approximate=True).recall
    assert recall.n_sample == 256
    assert set(recall.planted) == {0.3, 0.4, 0.5, 0.7, 0.9}
    bits = np.arange(BITS + 1)
    # Signs of 512 projections of 64 dimensions are not independent: chance codes spread as their cosines do.
    cosines = np.linspace(-1, 1, 4001)[1:-1]
    weights = (1 - cosines**2) ** ((64 - 3) / 2)
    chance = sum(
        weight * binom.cdf(bits, BITS, np.arccos(cosine) / np.pi)
        for cosine, weight in zip(cosines, weights / weights.sum(), strict=True)
        if weight > 1e-9 * weights.max()
    )
    for cosine, share in recall.planted.items():
        nearer = binom.cdf(7, 5000, chance)  # seven or fewer at this distance or nearer
        expected = float(binom.pmf(bits, BITS, np.arccos(cosine) / np.pi) @ nearer)
        # Ties are won by half, and 256 partners.
        assert abs(share - expected) < 4 * np.sqrt(max(expected * (1 - expected), 0) / 256) + 0.05


def test_recall_of_the_sample_is_that_of_all_pairs(monkeypatch):
    """Many partners at a cosine that codes of 64 signs often miss: the share missed is told by the sample."""
    monkeypatch.setattr(approximate, "BITS", 64)
    X, pairs = planted([0.75] * 1500)
    found, full = fg.pairs.significant(X, approximate=True), fg.pairs.significant(X, n_parts=1)
    listed = set(zip(found.i.tolist(), found.j.tolist(), strict=True))
    every = set(zip(full.i.tolist(), full.j.tolist(), strict=True))
    assert listed < every
    share = len(listed & pairs) / len(every & pairs)
    assert 0.2 < share < 0.985
    assert found.recall.n_exact > 50
    error = np.sqrt(share * (1 - share) / found.recall.n_exact)
    assert abs(found.recall.n_found / found.recall.n_exact - share) < 4 * error + 0.02


@pytest.mark.parametrize("spectrum", ["flat", "steep"])
def test_features_without_structure_have_no_pairs(spectrum):
    size = None if spectrum == "flat" else 1 / np.sqrt(np.arange(1, 33))
    false = 0
    for seed in range(6):
        X, _ = planted([], n=4200, m=32, seed=seed, size=size)
        false += fg.pairs.significant(X, approximate=True).n_total > 0
    assert false <= binom.ppf(1 - 1e-4, 6, 0.01)


def test_half_precision_any_size_and_zero_features():
    X, _ = planted([0.95, -0.95])
    X = X.astype(np.float32)
    whole = fg.pairs.significant(X, approximate=True)
    assert whole.n_total == 2
    with_zeros = np.concatenate([np.zeros((3, M), np.float32), X])
    found = fg.pairs.significant(with_zeros, approximate=True)
    assert (found.i - 3).tolist() == whole.i.tolist()
    assert found.n_features == N
    other = fg.pairs.significant(X.astype(np.float64) * 1e-60, approximate=True)
    assert other.i.tolist() == whole.i.tolist()
    np.testing.assert_allclose(other.z, whole.z, rtol=1e-6)
    half = fg.pairs.significant(X.astype(np.float16), approximate=True)
    assert half.i.tolist() == whole.i.tolist()


def test_groups_of_copies_are_listed_as_far_as_the_nearest_go():
    X = np.random.default_rng(2).standard_normal((N, M))
    X[:12] = X[0]
    found = fg.pairs.significant(X, approximate=True)
    assert 11 <= found.n_total <= 66
    assert set(found.i) | set(found.j) == set(range(12))


def test_the_same_for_any_threads_and_seed_for_seed():
    X, _ = planted([0.9, 0.8])
    first, second = (fg.pairs.significant(X, approximate=True, num_threads=each) for each in (1, 2))
    for name in ("i", "j", "cosine", "z", "p", "q", "recall"):
        np.testing.assert_equal(getattr(first, name), getattr(second, name))


def test_few_features_are_searched_in_full():
    assert uses_index(4097, 341)
    assert not uses_index(4096, 8)
    assert not uses_index(4097, 342)
    X, _ = planted([0.99], n=300, m=8)
    found, full = (fg.pairs.significant(X, approximate=each) for each in (True, False))
    assert found.recall is None
    assert repr(found) == repr(full)


def test_nan_is_refused_with_its_place():
    X = np.random.default_rng(0).standard_normal((N, 32))
    X[4321, 3] = np.nan
    with pytest.raises(NonFiniteError, match=r"4321.*3"):
        fg.pairs.significant(X, approximate=True)


def test_progress_ends_where_it_says_and_ctrl_c_stops():
    X, _ = planted([0.9])
    told = []
    fg.pairs.significant(X, approximate=True, progress=lambda *each: told.append(each))
    assert told[-1][0] == told[-1][1]
    assert all(a <= b for (a, _), (b, _) in itertools.pairwise(told))
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    many = np.concatenate([X] * 8)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, the signal may come at once
        timer.start()
        fg.pairs.significant(many, approximate=True)
    timer.join()


def test_words():
    recall = Recall({0.3: 0.5, 0.9: 1.0}, 256, 4, 3)
    assert str(recall) == (
        "of partners planted by cosine, the index found 50 % at 0.3, 100 % at 0.9; "
        "of 4 significant pairs that 256 features have, 3"
    )
    assert "have no significant pair" in str(Recall({0.3: 0.5}, 256, 0, 0))


@pytest.fixture
def small_index(monkeypatch):
    monkeypatch.setattr("featuregeom.survey.plan.LEAST_FEATURES", 4096)


def test_an_analysis_takes_pairs_from_the_index_and_says_so(small_index, tmp_path):
    X, pairs = planted([0.95, -0.95])
    weights = {"many": X.astype(np.float32), "few": X[:200].astype(np.float32)}
    out = tmp_path / "out"
    found = fg.analyze(weights, pairs="approximate", out=out)
    many, few = (found.matrices[found.matrices.matrix == name].iloc[0] for name in ("many", "few"))
    mine = found.pairs[found.pairs.matrix == "many"]
    assert set(zip(mine.i.tolist(), mine.j.tolist(), strict=True)) == pairs
    assert many.significant_pairs == 2
    assert many.opposite_pairs == 1
    assert np.isnan(many.coherence)
    assert "100 % at 0.9" in many.pair_index
    assert few.pair_index == ""
    assert few.coherence > 0
    sentence = next(str(each) for each in found.findings if each.kind == "index")
    assert "many" in sentence
    assert many.pair_index in sentence
    again = fg.analyze(weights, pairs="approximate", out=out, resume=True)
    assert again.matrices.equals(found.matrices)


def test_the_estimate_counts_the_index(small_index):
    shape = {"w": np.ones((5000, 64), np.float32)}
    whole, index = (fg.survey.estimate(shape, pairs=each).matrices["w"] for each in (True, "approximate"))
    assert index.indexed
    assert not whole.indexed
    assert index.sweep == index.families == 0
    assert index.pairs == approximate.candidate_operations(5000, 64)
    assert not fg.survey.estimate({"w": np.ones((200, 64))}, pairs="approximate").matrices["w"].indexed


def test_pairs_must_be_known():
    with pytest.raises(ParameterError, match="approximate"):
        fg.analyze({"w": np.eye(3)}, pairs="some")
