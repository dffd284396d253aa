"""Families: the trees of links against scipy, planted shapes, copies, clusters, and what is no family."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.stats import binom

import featuregeom as fg
from featuregeom import _core
from featuregeom.dictionaries import families
from featuregeom.dictionaries.candidates import circle_candidates
from featuregeom.dictionaries.directions import (
    chance_beside_neighbours,
    chance_of_cosine,
    chance_of_share,
    one_direction,
)
from featuregeom.dictionaries.links import Links, links_of
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.features import as_features

SHAPES = {
    "triangle": fg.shapes.polygon(3),
    "pentagon": fg.shapes.polygon(5),
    "hexagon": fg.shapes.polygon(6),
    "heptagon": fg.shapes.polygon(7),
    "tetrahedron": fg.shapes.simplex(4),
    "simplex of 5 vertices": fg.shapes.simplex(5),
    "triangular prism": fg.shapes.prism(3, 0.8),
    "cube": fg.shapes.cube(3),
    "icosahedron": fg.shapes.icosahedron(),
    "12-gon": fg.shapes.polygon(12),
}


def space_of(X):
    """The space of the features whose families are looked for."""
    features = as_features(X)
    spectrum, squares = fg.spectra.spectrum(features), (np.asarray(X) ** 2).sum(axis=1)
    return links_of(features, spectrum, squares, fg.pairs.significant(X), 8, None, None).space


def lists(strengths, k=None):
    """The k strongest others of each, as `dendrogram` takes them."""
    n = len(strengths)
    order = np.argsort(np.where(np.eye(n, dtype=bool), np.inf, -strengths), axis=1, kind="stable")
    order = order[:, : n - 1 if k is None else k]
    return np.ascontiguousarray(order), np.ascontiguousarray(np.take_along_axis(strengths, order, axis=1))


def tree(neighbours, strengths, *, ratio=1.0, least=2, most=1 << 30, num_threads=None):
    order, starts, sizes, births, deaths, parents = _core.dendrogram(
        neighbours, strengths, least=least, most=most, ratio=ratio, num_threads=num_threads
    )
    nodes = [
        frozenset(order[start : start + size].tolist()) for start, size in zip(starts, sizes, strict=True)
    ]
    return {node: (birth, death) for node, birth, death in zip(nodes, births, deaths, strict=True)}, parents


def by_scipy(strengths):
    """Nodes of scipy's single linkage that are born before they die."""
    n = len(strengths)
    top = strengths.max() + 1
    far = top - strengths
    np.fill_diagonal(far, 0)
    merges = linkage(squareform(far, checks=False), "single")
    members = [frozenset([i]) for i in range(n)]
    above = {}
    for step, (a, b) in enumerate(merges[:, :2].astype(int)):
        members.append(members[a] | members[b])
        above[a] = above[b] = step
    heights = top - merges[:, 2]
    found = {}
    for step in range(n - 1):
        death = heights[above[n + step]] if n + step in above else 0.0
        if heights[step] > death + 1e-9:
            found[members[n + step]] = (heights[step], death)
    return found


@given(n=st.integers(2, 40), seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([3, 10, 10**6]))
def test_trees_are_those_of_scipy(n, seed, steps):
    random = np.random.default_rng(seed)
    strengths = np.ceil(random.random((n, n)) * steps) / steps
    strengths = np.maximum(strengths, strengths.T)
    found, parents = tree(*lists(strengths))
    expected = by_scipy(strengths)
    assert found.keys() == expected.keys()
    for node, (birth, death) in found.items():
        assert (birth, death) == pytest.approx(expected[node], abs=1e-12)
    nodes = list(found)
    for node, parent in zip(nodes, parents, strict=True):
        around = [other for other in nodes if node < other]
        assert (parent == -1) == (not around)
        assert not around or nodes[parent] == min(around, key=len)


@given(n=st.integers(3, 30), k=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_the_tree_of_kept_neighbours_is_that_of_their_graph(n, k, seed):
    random = np.random.default_rng(seed)
    strengths = random.random((n, n))
    strengths = np.maximum(strengths, strengths.T)
    neighbours, kept = lists(strengths, min(k, n - 1))
    graph = np.zeros((n, n))
    for i in range(n):
        graph[i, neighbours[i]] = graph[neighbours[i], i] = kept[i]
    found, _ = tree(neighbours, kept)
    expected = {node: ends for node, ends in by_scipy(graph).items() if ends[0] > 0}
    assert found.keys() == expected.keys()


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_trees_know_neither_order_nor_scale_nor_threads(seed, scale):
    random = np.random.default_rng(seed)
    strengths = np.maximum(*(lambda A: (A, A.T))(random.random((25, 25))))
    order = random.permutation(25)
    found, _ = tree(*lists(strengths, 6), ratio=1.05)
    moved, _ = tree(*lists(strengths[np.ix_(order, order)], 6), ratio=1.05)
    assert {frozenset(order[list(node)].tolist()): ends for node, ends in moved.items()} == found
    scaled, _ = tree(*(lambda a, b: (a, b * 4.0))(*lists(strengths, 6)), ratio=1.05)
    assert scaled.keys() == found.keys()
    assert tree(*lists(strengths, 6), ratio=1.05, num_threads=2)[0] == found
    del scale


def planted(seed, noise, *, n=800, m=400, copies=1, change=""):
    """Shapes in random planes among random directions, in random order; the features of each."""
    random = np.random.default_rng(seed)
    rows, truth, at = [], [], 0
    for name, P in list(SHAPES.items()) * copies:
        Q = np.linalg.qr(random.standard_normal((m, P.shape[1])))[0]
        rows.append(P @ Q.T + noise * random.standard_normal((len(P), m)) / np.sqrt(m))
        truth.append((name, np.arange(at, at + len(P))))
        at += len(P)
    others = random.standard_normal((n - at, m))
    X = np.vstack([*rows, others / np.linalg.norm(others, axis=1, keepdims=True)])
    if change == "one dense feature":
        X[-1] = X[random.permutation(n)[: n // 2]].sum(axis=0)
    elif change == "a tenth dense":
        tenth = n // 10
        mixed = random.standard_normal((tenth, 20)) @ X[random.permutation(n)[:400]].reshape(20, 20, m).sum(
            axis=1
        )
        X[-tenth:] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    elif change == "one dimension times 1000":
        X[:, 3] *= 1000
    elif change == "a common mean of 3 norms":
        mean = random.standard_normal(m)
        X += 3 * mean / np.linalg.norm(mean)
    order = random.permutation(n)
    places = np.argsort(order)
    return X[order].astype(np.float32), {frozenset(places[part].tolist()): name for name, part in truth}


def names_of(found):
    return {
        frozenset(members.tolist()): name
        for members, name in zip(found.members, found.name, strict=True)
        if name
    }


def quick(X, **options):
    """Families by fewer parts and draws: a seventh of the eigendecompositions."""
    return families(X, pairs=fg.pairs.significant(X, k=1, n_parts=3, n_draws=1), **options)


CHANGES = ["", "one dense feature", "a tenth dense", "one dimension times 1000", "a common mean of 3 norms"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_planted_shapes_are_found_and_named(change, noise):
    X, truth = planted(1, noise, change=change)
    found = quick(X)
    sets = {frozenset(members.tolist()) for members in found.members}
    assert len(truth.keys() & sets) >= 9
    named = names_of(found)
    assert sum(named.get(members) == name for members, name in truth.items()) >= 8
    assert all(truth.get(members) == name for members, name in named.items())


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(10))
def test_seventy_shapes_in_eight_thousand_directions(change, noise, seed):
    X, truth = planted(seed, noise, n=8000, m=512, copies=7, change=change)
    found = families(X, seed=seed)
    sets = {frozenset(members.tolist()) for members in found.members}
    assert len(truth.keys() & sets) >= 66
    named = names_of(found)
    assert sum(named.get(members) == name for members, name in truth.items()) >= 60
    assert all(truth.get(members) == name for members, name in named.items())


def structureless(kind, n, seed):
    random = np.random.default_rng(seed)
    if kind == "low rank":
        return random.standard_normal((n, 16)) @ random.standard_normal((16, 64))
    X = random.standard_normal((n, 64))
    return X * random.standard_t(2, (n, 1)) if kind == "heavy-tailed norms" else X


@pytest.mark.parametrize("kind", ["Gaussian", "low rank", "heavy-tailed norms"])
@pytest.mark.parametrize("seed", [0, 1])
def test_features_without_structure_have_no_family(kind, seed):
    found = families(structureless(kind, 2000, seed).astype(np.float32), seed=seed)
    assert not any(found.name)
    assert len(found) <= 1  # a link in a hundred matrices is chance


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Gaussian", "low rank", "heavy-tailed norms"])
@pytest.mark.parametrize("seed", range(10))
def test_forty_thousand_features_without_structure_have_no_name(kind, seed):
    found = families(structureless(kind, 40_000, seed).astype(np.float32), seed=seed)
    assert not any(found.name)


def test_copies_antipodes_and_clusters():
    random = np.random.default_rng(3)
    X = random.standard_normal((4000, 200))
    X[1:4] = X[0] + 0.15 * random.standard_normal((3, 200))
    X[11:13] = np.array([[-1.0], [1.0]]) * X[10] + 0.15 * random.standard_normal((2, 200))
    X[20:26] = (2 * random.standard_normal(200) + random.standard_normal((6, 200))) / np.sqrt(5)
    found = families(X)
    kinds = {tuple(sorted(m.tolist())): kind for m, kind in zip(found.members, found.kind, strict=True)}
    assert kinds[0, 1, 2, 3] == "copies"
    assert kinds[10, 11, 12] == "antipodes"
    assert kinds[20, 21, 22, 23, 24, 25] == "cluster"
    assert found.counts()["circle"] == 0
    frame = found.to_frame()
    wanted = ["family", "size", "kind", "name", "p", "q", "share", "parent", "members"]
    assert set(wanted) <= set(frame.columns)
    assert (frame.name == "").all()
    assert (frame.p[frame.kind != "geometry"] <= 0.01).all()
    assert (frame.q <= 0.01).all()
    copies = frame[frame.kind == "copies"].iloc[0]
    assert copies.share == pytest.approx(0.98, abs=0.02)
    assert copies.members == [0, 1, 2, 3]


def test_orthogonal_parts_are_families_of_their_own():
    s = fg.shapes
    found = families(s.direct_sum(s.polygon(5), s.simplex(4), s.cross_polytope(2)))
    assert sorted(zip(found.kind, found.name, found.size.tolist(), strict=True)) == [
        ("antipodes", "", 2), ("antipodes", "", 2), ("geometry", "pentagon", 5), ("simplex", "tetrahedron", 4),
    ]  # fmt: skip
    assert (found.ratio == np.inf).all()


def test_families_inside_families_know_their_parent():
    found = families(fg.shapes.icosahedron())
    assert found.counts() == {
        "copies": 0,
        "antipodes": 6,
        "geometry": 1,
        "simplex": 0,
        "circle": 0,
        "cluster": 0,
    }
    assert found.parent.tolist() == [-1] + [0] * 6


def test_zero_features_and_small_matrices():
    assert len(families(np.zeros((3, 2)))) == 0
    assert len(families([[1.0, 2.0]])) == 0
    assert len(families(np.random.default_rng(0).standard_normal((6, 2)))) == 0
    X = np.zeros((9, 4))
    X[[1, 4, 6]] = [1, 2, 3, 4]
    found = families(X)
    assert (found.kind, found.members[0].tolist()) == (("copies",), [1, 4, 6])
    assert families(np.ones((5, 1))).kind == ()  # in one dimension all features are on one line


def test_members_do_not_depend_on_order_scale_or_threads():
    X, _ = planted(5, 0.05, n=500, m=64)
    found = {
        frozenset(m.tolist()): kind
        for m, kind in zip(*(lambda f: (f.members, f.kind))(families(X)), strict=True)
    }
    random = np.random.default_rng(0)
    order = random.permutation(len(X))
    moved = families(X[order] * np.float32(1024), num_threads=2)
    again = {frozenset(order[list(m)].tolist()): name for m, name in names_of(moved).items()}
    assert again == names_of(families(X))
    assert {m for m, kind in found.items() if kind == "antipodes"} == {
        frozenset(order[m].tolist())
        for m, kind in zip(moved.members, moved.kind, strict=True)
        if kind == "antipodes"
    }


def test_signs_change_no_links():
    X, _ = planted(6, 0.1, n=400, m=64)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (len(X), 1)).astype(np.float32)
    trees = []
    for values in (X, X * signs):
        links = linked(values)
        trees.append({(tuple(node.members), round(node.birth, 5)) for node in links.nodes("cosine", 1.1)})
    assert trees[0] == trees[1]


def linked(X, k=32) -> Links:
    from featuregeom.features import as_features

    features = as_features(X)
    spectrum = fg.spectra.spectrum(features)
    pairs = fg.pairs.significant(features, n_draws=1, spectrum=spectrum)
    return links_of(features, spectrum, _core.squared_norms(features.values), pairs, k, None, None)


def test_deaths_are_the_strongest_links_outside():
    X, _ = planted(7, 0.1, n=300, m=64)
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    C = np.abs(U @ U.T)
    nodes = linked(X).nodes("cosine", 1.1)
    assert len(nodes) > 10
    for node in nodes:
        outside = np.setdiff1d(np.arange(len(X)), node.members)
        if not len(outside):
            assert node.death == 0
            continue
        assert node.death == pytest.approx(C[np.ix_(node.members, outside)].max(), abs=1e-6)
        inner = C[np.ix_(node.members, node.members)] - np.eye(len(node.members))
        assert (inner.max(axis=1) >= node.birth - 1e-6).all()


@given(arrays(np.float64, (5,), elements=st.floats(-1, 1)), st.integers(0, 1000))
def test_one_direction_is_what_the_cosines_say(noise, seed):
    random = np.random.default_rng(seed)
    rows = np.outer(random.choice([-1, 1], 5), [1.0, 0, 0])
    rows[:, 1] = noise
    found = one_direction(rows)
    U = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    least = np.abs(U @ U.T).min()
    if least < 0.9:
        assert found is None
        return
    signs = np.sign(rows[:, 0])
    assert found is not None
    assert found.kind == ("copies" if abs(signs.sum()) == 5 else "antipodes")
    assert found.share == pytest.approx(np.linalg.svd(U)[1][0] ** 2 / 5)


def test_the_chance_of_a_cosine_is_what_random_directions_show():
    random = np.random.default_rng(0)
    U = random.standard_normal((4000, 6, 8))
    U /= np.linalg.norm(U, axis=2, keepdims=True)
    C = np.abs(np.einsum("tid,tjd->tij", U, U))[:, *np.triu_indices(6, 1)].max(axis=1)
    for cosine in (0.85, 0.9):
        seen = (cosine <= C).mean()
        bound = chance_of_cosine(cosine, 6, 8)
        assert seen <= bound * 1.2 + 0.01
        assert seen >= bound * 0.8 - 0.01
    assert chance_of_cosine(0.99, 5, 1.0) == 1.0
    assert chance_of_cosine(1.0, 5, 8) == 0.0


@pytest.mark.parametrize(("d", "count"), [(3, 60), (6, 200), (20, 300), (64, 200)])
def test_the_chance_beside_neighbours_is_above_what_random_directions_show(d, count):
    random = np.random.default_rng(d)
    chances, most = [], []
    for _ in range(100):
        drawn = random.standard_normal((count, d))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        cosines = np.abs(drawn @ drawn.T)
        np.fill_diagonal(cosines, 0)
        i, j = np.unravel_index(cosines.argmax(), cosines.shape)
        beside = np.delete(cosines, [i, j], axis=1)
        order = np.argsort(-beside[i])[:10]
        rest = np.delete(np.arange(count), [i, j])
        others, *around = np.sort(beside[[i, *rest[order]]], axis=1)[:, :-32:-1]
        chances.append(chance_beside_neighbours(cosines[i, j], others, around, count))
        most.append((cosines[i, j], others, around))
    for level in (0.1, 0.02):
        assert (np.array(chances) <= level).sum() <= binom.ppf(0.999, len(chances), level)
    # Neither few neighbours nor equal ones tell anything; any cosine may be of the same few dimensions then.
    assert chance_beside_neighbours(0.9, most[0][1][:3], [], 5) == 0
    for _, others, around in most[:5]:
        tried = [
            chance_beside_neighbours(cosine, others, around, 3) for cosine in (others[0], 0.99, 0.9999, 1.0)
        ]
        assert tried == sorted(tried, reverse=True)
        assert tried[0] == 1


def test_the_neighbours_of_neighbours_tell_more_of_the_dimensions():
    """Its own ones do not exclude chance at a cosine of .95 among 1000 features of 24 dimensions."""
    drawn = np.random.default_rng(0).standard_normal((1000, 24))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    cosines = np.abs(drawn @ drawn.T)
    np.fill_diagonal(cosines, 0)
    alone, pooled = [], []
    for i in range(20):
        others, *around = np.sort(cosines[[i, *np.argsort(-cosines[i])[:10]]], axis=1)[:, :-32:-1]
        alone.append(chance_beside_neighbours(0.95, others, [], 1000))
        pooled.append(chance_beside_neighbours(0.95, others, around, 1000))
    assert np.count_nonzero(np.array(alone) <= 0.01) <= 5
    assert np.count_nonzero(np.array(pooled) <= 0.01) >= 18


def test_cubes_beside_a_dominant_direction_are_no_prisms():
    """Projecting squeezes a cube by some thousandths, and a prism has a height for that."""
    names = Counter()
    for P in (fg.shapes.cube(3), fg.shapes.prism(4, 0.25)):
        random = np.random.default_rng(0)
        planes = [np.linalg.qr(random.standard_normal((400, 3)))[0].T for _ in range(40)]
        others = random.standard_normal((380, 400))
        X = np.vstack(
            [*(P @ each for each in planes), others / np.linalg.norm(others, axis=1, keepdims=True)]
        )
        X[:, 3] *= 1000
        names.update(filter(None, quick(X).name))
    assert names == {"cube": 40, "square prism": 40}


@pytest.mark.parametrize(("s", "d", "m"), [(3, 2, 481), (3, 2, 24), (5, 2, 30), (8, 3, 64)])
def test_the_chance_of_a_share_is_above_what_random_directions_show(s, d, m):
    random = np.random.default_rng(0)
    A = random.standard_normal((4000, s, m))
    A /= np.linalg.norm(A, axis=2, keepdims=True)
    shares = np.linalg.eigvalsh(A @ A.transpose(0, 2, 1))[:, -d:].sum(axis=1) / s
    for share in np.quantile(shares, [0.9, 0.99, 0.998]):
        seen = (shares >= share).mean()
        assert seen <= chance_of_share(share, s, d, m) <= 500 * seen
    bounds = [chance_of_share(share, s, d, m) for share in (0.1, 0.7, 0.9, 0.99, 1.0)]
    assert bounds[0] == 1
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize(("s", "d", "m"), [(6, 2, 4), (8, 3, 6), (12, 3, 8), (5, 1, 3)])
def test_the_chance_of_a_share_bounds_more_directions_than_dimensions(s, d, m):
    drawn = np.random.default_rng([s, d, m]).standard_normal((20000, s, m))
    drawn /= np.linalg.norm(drawn, axis=2, keepdims=True)
    shares = np.linalg.eigvalsh(np.swapaxes(drawn, 1, 2) @ drawn)[:, -d:].sum(axis=1) / s
    for seen in (0.5, 0.1, 0.01, 0.001):
        assert chance_of_share(float(np.quantile(shares, 1 - seen)), s, d, m) >= 0.8 * seen
    assert chance_of_share(1 - 1e-12, s, d, m) < 1e-6
    assert chance_of_share(0.9, s, s, m) == 1


@pytest.mark.parametrize("shape", [(100, 40), (96, 96), (300, 60)])
def test_long_features_that_dominate_are_no_copies_of_each_other(shape):
    """Beside directions that a few long features make, their rests are parallel whatever their own angle is."""
    found = 0
    for seed in range(8):
        random = np.random.default_rng([seed, *shape])
        X = random.standard_normal(shape) * np.exp(1.2 * random.standard_normal((shape[0], 1)))
        together = quick(X)
        found += len(together)
        cosines = X / np.linalg.norm(X, axis=1, keepdims=True)
        for members in together.members:
            assert np.abs(cosines[members] @ cosines[members].T).min() > 0.8
    assert found <= 1


def test_copies_beside_a_dominant_direction_are_still_found():
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 60)) + 20 * random.standard_normal(60)
    middle = X.mean(axis=0)
    X[1] = middle + (X[0] - middle) + 0.1 * random.standard_normal(60)
    found = quick(X)
    assert [sorted(each.tolist()) for each in found.members] == [[0, 1]]
    assert found.kind == ("copies",)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_rounded_features_of_few_dimensions_are_no_copies(dtype):
    """Of 100 directions in 10 dimensions two have a cosine of .9 by chance, however they are stored."""
    torch = pytest.importorskip("torch")
    for seed in range(5):
        random = np.random.default_rng(seed)
        X = random.standard_normal((100, 10)) @ random.standard_normal((10, 40))
        X[7], X[9] = 3 * X[8], -0.7 * X[10]
        found = quick(torch.from_numpy(X).to(getattr(torch, dtype)))
        sets = {
            tuple(sorted(members.tolist())): kind
            for members, kind in zip(found.members, found.kind, strict=True)
        }
        assert sets == {(7, 8): "copies", (9, 10): "antipodes"}


@pytest.mark.parametrize(("n", "m"), [(5, 16), (12, 64), (16, 128), (24, 64), (64, 256), (16, 16), (40, 16)])
def test_few_random_features_have_no_name(n, m):
    """The participation ratio of 16 random features in 64 dimensions is 13, in which 16 would nearly be a simplex."""
    for seed in range(3):
        for X in (
            np.random.default_rng(seed).standard_normal((n, m)),
            np.random.default_rng(seed).uniform(-1, 1, (n, m))
            * np.random.default_rng(1).lognormal(size=(n, 1)),
        ):
            assert not any(families(X).name)


@pytest.mark.parametrize("noise", [0.0, 1e-7, 0.02, 0.2])
@pytest.mark.parametrize("n", [6, 12, 32, 64])
def test_orthonormal_features_are_no_simplex(n, noise):
    """All but one direction of them is one, and that direction is no noise."""
    rng = np.random.default_rng(n)
    Q = np.linalg.qr(rng.standard_normal((64, 64)))[0][:n]
    X = Q + noise * rng.standard_normal(Q.shape) / 8
    assert not any(families(X).name)
    assert not fg.schemes.detect(X).name


def test_a_simplex_has_its_name_though_it_is_all_there_is():
    rng = np.random.default_rng(0)
    for s in (4, 8, 12):
        X = np.pad(fg.shapes.simplex(s), ((0, 0), (0, 65 - s))) + 0.05 * rng.standard_normal((s, 64)) / 8
        assert fg.schemes.detect(X).name


def test_dimensions_are_those_of_random_directions_with_such_cosines():
    for n, m in ((16, 64), (400, 64), (3000, 32)):
        X = np.random.default_rng(n).standard_normal((n, m)) * np.random.default_rng(m).lognormal(size=(n, 1))
        assert space_of(X).effective_dimensions("cosine") == pytest.approx(m, rel=0.12)
    assert space_of(np.eye(20, 30)).effective_dimensions("cosine") == 30


def test_three_random_directions_of_eight_thousand_are_no_triangle():
    """Three of them at a share of .765: chance gives a thousand such threes, and the fitted law said 1 in 3000."""
    random = np.random.default_rng(0)
    X = random.standard_normal((2000, 481))
    # Three whose cosines are -.148, as chance has among 8000: mean of three cosines, 5.6 standard deviations away.
    cosines = np.full((3, 3), -0.148) + 1.148 * np.eye(3)
    X[:3] = np.linalg.cholesky(cosines) @ np.linalg.qr(random.standard_normal((481, 3)))[0].T
    assert not any(quick(X).name)


def test_average_linkage_finds_what_single_linkage_chains():
    # Two groups of six joined by one strong bridge: single linkage sees one node, average linkage two.
    random = np.random.default_rng(4)
    X = random.standard_normal((4000, 200))
    centres = random.standard_normal((2, 200))
    for group, start in enumerate((0, 6)):
        X[start : start + 6] = (2 * centres[group] + random.standard_normal((6, 200))) / np.sqrt(5)
    X[12] = (X[0] + X[6]) / np.sqrt(2)
    links = linked(X)
    threshold = 4.0
    sets = [tuple(node.members.tolist()) for node in circle_candidates(links, threshold)]
    assert len(sets) == len(set(sets))
    assert any(set(range(6)) <= set(each) and not set(range(6, 12)) & set(each) for each in sets)
    assert circle_candidates(links, np.inf) == []


def test_labels_are_shown_and_checked():
    X = np.random.default_rng(0).standard_normal((50, 30))
    X[1] = -X[0]
    labels = [f"word {i}" for i in range(50)]
    found = families(X, labels=labels)
    assert found.labelled(0) == ["word 0", "word 1"]
    assert found.to_frame()["labels"][0] == ["word 0", "word 1"]
    assert "word 0, word 1" in str(found)
    assert str(found).startswith("1 family of 50 features: 1 line with both ends.")
    assert "antipodes" in found._repr_html_()
    with pytest.raises(ParameterError, match="49 labels for"):
        families(X, labels=labels[1:])
    with pytest.raises(ParameterError, match="must be a list of texts"):
        families(X, labels="word")


def test_families_are_listed_by_kind_then_q_then_share_everywhere():
    X, _ = planted(1, 0.1)
    X = np.vstack([X, X[:8] + 0.02 * X[8:16], -X[20:25]])
    found = quick(X)
    order = ["geometry", "simplex", "circle", "copies", "antipodes", "cluster"]
    keys = [
        (order.index(kind), q, -share if share == share else np.inf, -len(members))
        for kind, q, share, members in zip(found.kind, found.q, found.share, found.members, strict=True)
    ]
    assert keys == sorted(keys)
    assert len(set(found.kind)) >= 3
    lines = str(found).splitlines()[1:]
    listed = [line for line in lines if line.startswith("  ")]
    numbers = [int(line.split(":")[0]) for line in listed]
    assert numbers == sorted(numbers)
    assert all("(share " in line and ", q " in line for line in listed)


def test_bad_input_is_refused():
    X = np.random.default_rng(0).standard_normal((20, 10))
    for wrong in (
        {"q": 0},
        {"q": 1},
        {"shape_q": 1.5},
        {"k": 0},
        {"ratio": 0.9},
        {"seed": -1},
        {"n_draws": 0},
    ):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            families(X, **wrong)
    X[3, 4] = np.nan
    with pytest.raises(NonFiniteError, match="row 3, column 4"):
        families(X)


def test_ctrl_c_and_progress():
    X = np.random.default_rng(0).standard_normal((300, 40))
    seen = []
    families(X, progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]  # also where no candidate is a circle
    assert len({total for _, total in seen}) == 1

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        families(X, progress=stop)
