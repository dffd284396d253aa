"""The parts of detection: levels, products, refinement, defect, isomorphism, eigenspaces; against slow versions."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom import shapes
from featuregeom.recognise.defect import defect, explained_variance, null_p_value
from featuregeom.recognise.levels import candidates, clear_cuts, colour
from featuregeom.recognise.names.isomorphism import isomorphism
from featuregeom.recognise.refinement import denoised, refine, tight_dimensions, tighten
from featuregeom.relations.eigenmatrices import symmetric_eigenmatrices
from featuregeom.relations.products import coherent_closure, intersection_numbers, is_scheme

SHAPES = {
    "pentagon": shapes.polygon(5),
    "cube": shapes.cube(3),
    "J(6,3)": shapes.johnson(6, 3),
    "H(2,4)": shapes.hamming(2, 4),
    "cyclotomic 13": shapes.cyclotomic(13, 3),
    "dodecahedron": shapes.dodecahedron(),
    "A4": shapes.root_system("A4"),
}


def levels_of(X: np.ndarray) -> np.ndarray:
    """Classes of equal inner products, by rounding: the largest first, 0 on the diagonal."""
    gram = np.round(X @ X.T, 6) + 0.0
    classes = np.unique(-gram, return_inverse=True)[1].reshape(gram.shape)
    return classes.astype(np.int64)


def slow_scheme(relations: np.ndarray) -> bool:
    """By the definition: all products of classes, with integers."""
    rank = relations.max() + 1
    A = [(relations == k).astype(np.int64) for k in range(rank)]
    for left, right in itertools.product(A, A):
        product = left @ right
        if any(np.ptp(product[relations == k]) for k in range(rank)):
            return False
    return True


def slow_defect(relations: np.ndarray) -> float:
    """By its definition, all products formed."""
    n, rank = len(relations), relations.max() + 1
    A = [(relations == k).astype(float) for k in range(1, rank)]
    inside = outside = 0.0
    for left, right in itertools.product(A, A):
        product = left @ right
        for k in range(rank):
            values = product[relations == k]
            inside += ((values - values.mean()) ** 2).sum()
        off = product[~np.eye(n, dtype=bool)]
        outside += ((off - off.mean()) ** 2).sum()
    return float(np.sqrt(inside / outside))


def with_flips(relations: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Exchange the labels of random pairs of pairs."""
    rng = np.random.default_rng(seed)
    changed = relations.copy()
    rows, columns = np.triu_indices(len(relations), 1)
    for _ in range(count):
        a, b = rng.choice(len(rows), 2, replace=False)
        (i, j), (k, m) = (rows[a], columns[a]), (rows[b], columns[b])
        changed[i, j], changed[k, m] = changed[k, m], changed[i, j]
        changed[j, i], changed[m, k] = changed[i, j], changed[k, m]
    return changed


@pytest.mark.parametrize("name", list(SHAPES))
def test_products_against_the_definition(name):
    relations = levels_of(SHAPES[name])
    assert slow_scheme(relations)
    assert is_scheme(relations)
    numbers = intersection_numbers(relations)
    A = [(relations == k).astype(np.int64) for k in range(relations.max() + 1)]
    for i, j in itertools.product(range(len(A)), repeat=2):
        np.testing.assert_array_equal(A[i] @ A[j], numbers[i, j][relations])
    for seed in range(10):
        flipped = with_flips(relations, 1, seed)
        assert is_scheme(flipped) == slow_scheme(flipped) == np.array_equal(flipped, relations)


@settings(max_examples=150, deadline=None)
@given(st.integers(3, 7), st.integers(2, 4), st.integers(0, 10**6))
def test_random_colours_against_the_definition(n, classes, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(1, classes + 1, (n, n)), 1)
    relations = np.unique(upper + upper.T, return_inverse=True)[1].reshape(n, n).astype(np.int64)
    if relations.diagonal().any():
        return
    assert is_scheme(relations) == slow_scheme(relations)


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 12), st.integers(0, 10**6), st.data())
def test_fusions_of_polygons(n, seed, data):
    """Classes of a polygon merged at random: sometimes a scheme, more often not."""
    relations = levels_of(shapes.polygon(n))
    merged = data.draw(st.lists(st.integers(1, 3), min_size=n // 2, max_size=n // 2))
    fused = np.array([0, *np.unique(merged, return_inverse=True)[1] + 1])[relations]
    assert is_scheme(fused, seed) == slow_scheme(fused)
    finer = coherent_closure(fused, seed=seed)
    # Every colour of the closure lies in one class, and the closure refines no further.
    assert all(len(np.unique(fused[finer == k])) == 1 for k in range(finer.max() + 1))
    np.testing.assert_array_equal(coherent_closure(finer, seed=seed + 1), finer)
    if slow_scheme(fused):
        assert finer.max() == fused.max()


def test_limits_of_classes():
    """Beyond 512 classes nothing is checked, and a closure ends where it has more classes than wanted."""
    n = 1031
    distance = np.abs(np.arange(n)[:, None] - np.arange(n))
    polygon = np.minimum(distance, n - distance)
    assert polygon.max() + 1 == 516
    assert not is_scheme(polygon)
    path = np.minimum(distance[:6, :6], 2)
    closed = coherent_closure(path)
    rank = int(closed.max()) + 1
    np.testing.assert_array_equal(coherent_closure(path, most=rank), closed)
    assert coherent_closure(path, most=rank - 1) is None


def test_a_class_without_pairs_is_no_scheme():
    relations = levels_of(shapes.polygon(5))
    assert is_scheme(relations)
    assert not is_scheme(np.where(relations == 2, 3, relations))


@pytest.mark.parametrize("n", [5, 64, 65, 200])
def test_progress_of_small_and_large_work(n):
    """Up to 64 points no thread is started; progress is told all the same, and what it raises is raised."""
    relations = 1 - np.eye(n, dtype=np.int64)
    said: list[tuple[int, int]] = []
    found = fg.schemes.check(relations, progress=lambda done, total: said.append((done, total)))
    assert found.is_scheme
    assert said
    assert said[-1][0] == said[-1][1]

    def refuse(done: int, total: int) -> None:
        raise ValueError(f"{done} of {total}")

    with pytest.raises(ValueError, match=" of "):
        fg.schemes.check(relations, progress=refuse)


@pytest.mark.parametrize("name", list(SHAPES))
def test_defect_against_the_definition(name):
    relations = levels_of(SHAPES[name])
    assert defect(relations) == 0
    if relations.max() == 1:
        return
    for count in (1, 3, 10):
        flipped = with_flips(relations, count, 3)
        assert defect(flipped) == pytest.approx(slow_defect(flipped), rel=1e-9)


def test_defect_by_probes():
    """Above 128 points it is an estimate; exact values from the definition, within the spread of 12 probes."""
    relations = levels_of(shapes.root_system("E8"))
    assert defect(relations) < 1e-6
    flipped = with_flips(relations, 290, 1)
    estimates = [defect(flipped, seed=seed) for seed in range(8)]
    assert np.mean(estimates) == pytest.approx(slow_defect(flipped), rel=0.1)
    assert defect(with_flips(relations, 60000, 2)) == pytest.approx(1, abs=0.1)


def test_explained_variance():
    X = shapes.johnson(6, 3)
    relations = levels_of(X)
    assert explained_variance(X @ X.T, relations) == pytest.approx(1, abs=1e-12)
    noisy = shapes.noisy(X, 0.2, 0)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    gram = noisy @ noisy.T
    off = ~np.eye(20, dtype=bool)
    within = sum(gram[relations == k].var() * (relations == k).sum() for k in range(1, 4))
    assert explained_variance(gram, relations) == pytest.approx(1 - within / (gram[off].var() * off.sum()))
    assert np.isnan(explained_variance(np.eye(3), 1 - np.eye(3, dtype=np.int64)))


def test_null_p_values():
    assert null_p_value(5, 2, (1, 2, 2), 1.0) == 1 / 401
    assert null_p_value(5, 2, (1, 2, 2), -1.0) == 1
    values = [null_p_value(6, 3, (1, 4, 1), eta2) for eta2 in (0.3, 0.6, 0.9)]
    assert values == sorted(values, reverse=True)
    assert np.isnan(null_p_value(9, 3, (1, 4, 4), 0.5))
    assert np.isnan(null_p_value(5, 4, (1, 4), 0.5))


@pytest.mark.parametrize("name", [name for name in SHAPES if len(SHAPES[name]) >= 13])
def test_refinement_repairs_labels(name):
    """Noise on the Gram matrix alone puts pairs nearer to another level: the algebra puts them back."""
    X = SHAPES[name]
    relations = levels_of(X)
    levels = np.array([(X @ X.T)[relations == k].mean() for k in range(relations.max() + 1)])
    before = after = 0
    for seed in range(10):
        noise = np.triu(np.random.default_rng(seed).standard_normal(relations.shape), 1)
        gram = X @ X.T - 0.25 * np.diff(levels[1:]).max() * (noise + noise.T)
        labels = np.abs(gram[..., None] - levels[1:]).argmin(axis=-1) + 1
        np.fill_diagonal(labels, 0)
        before += (labels != relations).sum()
        after += (refine(gram, labels) != relations).sum()
    assert before >= 6
    assert after <= before / 2


@pytest.mark.parametrize("name", list(SHAPES))
def test_tight_frames_stay(name):
    X = SHAPES[name]
    gram = X @ X.T
    assert tight_dimensions(gram) == [X.shape[1]]
    np.testing.assert_allclose(tighten(gram, X.shape[1]), gram, atol=1e-12)
    np.testing.assert_allclose(denoised(gram, levels_of(X)), gram, atol=1e-6)
    noisy = shapes.noisy(X, 0.1, 0)
    values = np.linalg.svd(noisy, compute_uv=False)
    polar = np.linalg.svd(noisy, full_matrices=False)
    expected = polar[0] @ polar[2]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert values.min() > 0
    np.testing.assert_allclose(tighten(noisy @ noisy.T, X.shape[1]), expected @ expected.T, atol=1e-9)


@pytest.mark.parametrize("name", list(SHAPES))
def test_levels_of_exact_and_noisy_frames(name):
    X = SHAPES[name]
    for noise in (0.0, 1e-4):
        rows = shapes.noisy(X, noise, 1)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        gram = rows @ rows.T
        values = np.sort(gram[np.triu_indices(len(X), 1)])
        np.testing.assert_array_equal(colour(gram, clear_cuts(values)), levels_of(X))
        assert any(np.array_equal(colour(gram, cuts), levels_of(X)) for cuts in candidates(values))


def test_unbalanced_levels_have_their_cuts_among_the_candidates():
    """Level -1 of E8 holds 120 of 28 680 pairs, at 5 % noise."""
    X = shapes.root_system("E8")
    rows = shapes.noisy(X, 0.05, 1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gram = rows @ rows.T
    proposals = candidates(np.sort(gram[np.triu_indices(240, 1)]))
    assert any(np.array_equal(colour(gram, cuts), levels_of(X)) for cuts in proposals)


def chang() -> np.ndarray:
    """Relations of a Chang graph: T(8), switched at a perfect matching of 8 points."""
    pairs = list(itertools.combinations(range(8), 2))
    T = np.array([[len({*a, *b}) == 3 for b in pairs] for a in pairs])
    switched = np.array([b == a + 1 and a % 2 == 0 for a, b in pairs])
    T = T ^ (switched[:, None] ^ switched)
    return np.where(np.eye(28, dtype=bool), 0, np.where(T, 1, 2)).astype(np.int64)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (levels_of(shapes.johnson(8, 2)), chang()),
        (levels_of(shapes.hamming(2, 4)), levels_of(shapes.shrikhande())),
    ],
    ids=["T(8) and Chang", "H(2,4) and Shrikhande"],
)
def test_schemes_with_equal_parameters_are_told_apart(one, other):
    np.testing.assert_array_equal(intersection_numbers(one), intersection_numbers(other))
    assert is_scheme(other)
    assert isomorphism(other, one) is None
    transitive = [one] if len(one) == 28 else [one, other]  # no Chang graph is
    for ideal in transitive:
        order = np.random.default_rng(0).permutation(len(ideal))
        shuffled = ideal[np.ix_(order, order)]
        found = isomorphism(shuffled, ideal)
        np.testing.assert_array_equal(shuffled[np.ix_(found, found)], ideal)
    graphs = [nx.from_numpy_array((relations == 1).astype(int)) for relations in (one, other)]
    assert not nx.could_be_isomorphic(*graphs) or not nx.is_isomorphic(*graphs)


def test_a_chang_graph_has_no_name():
    """On its 7-dimensional eigenspace it has all cosines of J(8, 2)."""
    import featuregeom as fg

    found = fg.schemes.detect(relations=chang())
    assert (found.is_scheme, found.name) == (True, "")
    np.testing.assert_array_equal(found.valencies, [1, 12, 15])


@pytest.mark.parametrize("name", list(SHAPES))
def test_eigenspaces_against_the_matrices(name):
    relations = levels_of(SHAPES[name])
    found = symmetric_eigenmatrices(intersection_numbers(relations))
    P, multiplicities = found.P, found.multiplicities
    weights = np.random.default_rng(3).standard_normal(len(P))
    values = np.linalg.eigvalsh(weights[relations])
    np.testing.assert_allclose(np.sort(np.repeat(P @ weights, multiplicities)), values, atol=1e-8)
    np.testing.assert_allclose(P[0], np.bincount(relations[0]))


def test_snapped_eigenvalues_have_no_noise():
    """Of the icosahedron every entry is an integer or the root of five."""
    relations = levels_of(shapes.icosahedron())
    P = symmetric_eigenmatrices(intersection_numbers(relations)).P
    exact = {0.0, 1.0, 5.0, -1.0, 5**0.5, -(5**0.5)}
    assert {float(value) for value in P.ravel()} <= exact
    P = symmetric_eigenmatrices(intersection_numbers(levels_of(shapes.cell24()))).P
    assert np.array_equal(P, np.rint(P))
    assert not np.signbit(P[P == 0]).any()
