"""Check and closure of relations, against the definition with every product of matrices."""

from __future__ import annotations

import math
import re

import networkx as nx
import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from oracles import relations as oracle

SCHEMES = {
    "H(3,2)": oracle.hamming(3, 2),
    "H(4,3)": oracle.hamming(4, 3),
    "H(7,2)": oracle.hamming(7, 2),
    "J(6,3)": oracle.johnson(6, 3),
    "J(13,2)": oracle.johnson(13, 2),
    "Paley 13": oracle.paley(13),
    "Paley 101": oracle.paley(101),
    "tournament 11": oracle.paley(11),
    "tournament 103": oracle.paley(103),
}
schemes = pytest.mark.parametrize("labels", SCHEMES.values(), ids=SCHEMES)


def slow_numbers(labels: np.ndarray) -> np.ndarray:
    """Intersection numbers from products of matrices; the labels are 0, 1, 2 ..."""
    classes = [labels == k for k in range(labels.max() + 1)]
    return np.array(
        [
            [[(a @ b.astype(int))[c][0] for c in classes] for b in classes]
            for a in (a.astype(int) for a in classes)
        ]
    )


@schemes
@pytest.mark.parametrize("exact", [False, True])
def test_schemes(labels, exact):
    found = fg.schemes.check(labels, exact=exact)
    assert (found.is_scheme, found.is_coherent, found.is_commutative, found.reason) == (True, True, True, "")
    assert found.is_symmetric == np.array_equal(labels, labels.T)
    np.testing.assert_array_equal(found.intersection_numbers, slow_numbers(labels))
    np.testing.assert_array_equal(found.valencies, np.bincount(labels[0]))
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.fibres, np.zeros(len(labels)))
    assert found.exact == (exact or len(labels) <= 64)
    # Recomputed from the statement: b = 64 - floor(log2 n), (b / 2 + 1) 2^-b a round, two rounds.
    b = 64 - math.floor(math.log2(len(labels)))
    assert found.error_bound == (
        0.0 if found.exact else pytest.approx(((b / 2 + 1) * 2.0**-b) ** 2, rel=1e-12)
    )


def test_valencies_of_families():
    hamming = fg.schemes.check(oracle.hamming(5, 3)).valencies
    assert hamming.tolist() == [math.comb(5, i) * 2**i for i in range(6)]
    johnson = fg.schemes.check(oracle.johnson(9, 3)).valencies
    assert johnson.tolist() == [math.comb(3, i) * math.comb(6, i) for i in range(4)]


@pytest.mark.parametrize(
    ("graph", "primitive"),
    [
        (nx.petersen_graph(), True),
        (nx.dodecahedral_graph(), False),
        (nx.icosahedral_graph(), False),
        (nx.heawood_graph(), False),
        (nx.pappus_graph(), False),
        (nx.cycle_graph(13), True),
        (nx.complete_graph(7), True),
        (nx.hypercube_graph(4), False),
    ],
)
def test_distance_regular_graphs(graph, primitive):
    # networkx decides, and gives b_i and c_i, without relation matrices.
    b, c = nx.intersection_array(nx.convert_node_labels_to_integers(graph))
    distances = np.asarray(nx.floyd_warshall_numpy(graph)).astype(int)
    found = fg.schemes.check(distances)
    assert found.is_scheme
    p = found.intersection_numbers
    assert [p[1, i + 1, i] for i in range(len(b))] == b
    assert [p[1, i, i + 1] for i in range(len(c))] == c
    components = [
        nx.number_connected_components(nx.from_numpy_array((distances == k).astype(int)))
        for k in range(1, distances.max() + 1)
    ]
    assert found.is_primitive == primitive == all(count == 1 for count in components)


@pytest.mark.parametrize("graph", [nx.path_graph(5), nx.star_graph(4), nx.frucht_graph(), nx.cubical_graph()])
def test_graphs_as_networkx_judges_them(graph):
    distances = np.asarray(nx.floyd_warshall_numpy(graph)).astype(int)
    assert fg.schemes.check(distances).is_scheme == nx.is_distance_regular(graph)


def test_groups_give_thin_schemes():
    # The symmetric group of three letters: not commutative, and two classes are not symmetric.
    moves = [np.array(p) for p in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)]]
    names = {tuple(move): i for i, move in enumerate(moves)}
    table = np.array([[names[tuple(a[b])] for b in moves] for a in moves])
    found = fg.schemes.check(oracle.group(table))
    assert (found.is_scheme, found.is_commutative, found.is_symmetric, found.is_primitive) == (
        True,
        False,
        False,
        False,
    )
    assert found.valencies.tolist() == [1] * 6
    assert sorted(np.flatnonzero(found.transpose != np.arange(6))) == [1, 2]


def test_several_fibres_are_coherent_and_no_scheme():
    # K_1 + K_3: the orbits of the group that fixes one point.
    labels = np.array([[7, 1, 1, 1], [2, 8, 3, 3], [2, 3, 8, 3], [2, 3, 3, 8]])
    found = fg.schemes.check(labels)
    assert (found.is_coherent, found.is_scheme, found.is_primitive) == (True, False, False)
    assert found.fibres.tolist() == [0, 1, 1, 1]
    assert found.classes.tolist() == [7, 8, 1, 2, 3]
    assert found.valencies.tolist() == [1, 1, 3, 1, 2]
    assert found.transpose.tolist() == [0, 1, 3, 2, 4]
    assert "fibres of 1, 3 points" in found.reason


def numbers_in(reason: str) -> list[int]:
    return [int(text) for text in re.findall(r"-?\d+", reason)]


def test_every_reason_is_true_of_the_matrix():
    pentagon = oracle.paley(5)
    labels = pentagon.copy()
    labels[2, 2] = 1
    k, point, _, x, y = [numbers_in(fg.schemes.check(labels).reason)[i] for i in (0, 1, 2, 3, 4)]
    assert labels[point, point] == labels[x, y] == k
    assert x != y

    labels = pentagon.copy()
    labels[1, 3] = labels[3, 1] = 3 - labels[1, 3]
    k, a, x, b, y = numbers_in(fg.schemes.check(labels).reason)
    assert ((labels[x] == k).sum(), (labels[y] == k).sum()) == (a, b)
    assert a != b

    # Differences modulo 7, of which 1 and 3 share a class, but -1 and -3 do not.
    labels = np.array([0, 1, 1, 1, 1, 2, 2])[(np.arange(7)[:, None] - np.arange(7)) % 7]
    k, x, y, u, v, y2, x2, i, v2, u2, j = numbers_in(fg.schemes.check(labels).reason)
    assert (x, y, u, v) == (x2, y2, u2, v2)
    assert labels[x, y] == labels[u, v] == k
    assert (labels[y, x], labels[v, u]) == (i, j)
    assert i != j

    # One relation between points of unlike diagonals.
    labels = np.array([[0, 2, 2], [2, 1, 2], [2, 2, 1]])
    k, x, y, u, v = numbers_in(fg.schemes.check(labels).reason)
    assert labels[x, y] == labels[u, v] == k
    assert (labels[x, x], labels[y, y]) != (labels[u, u], labels[v, v])


@pytest.mark.parametrize("labels", [s for s in SCHEMES.values() if np.array_equal(s, s.T)])
@pytest.mark.parametrize("exact", [False, True])
def test_a_switched_cycle_is_refused_by_both_ways(labels, exact):
    rng = np.random.default_rng(5)
    changed = oracle.switched(labels, rng)
    found = fg.schemes.check(changed, exact=exact)
    if found.is_coherent:
        # With few points a switch can give a scheme again.
        assert oracle.is_coherent(changed)
        return
    assert "is not constant" in found.reason
    i, j, k, a, x, y, b, u, v = numbers_in(found.reason)
    product = (changed == i).astype(int) @ (changed == j)
    assert changed[x, y] == changed[u, v] == k
    assert (product[x, y], product[u, v]) == (a, b)
    assert a != b


@pytest.mark.parametrize("n", [4, 7, 33, 64, 65, 130, 257])
@pytest.mark.parametrize("exact", [False, True])
def test_one_flipped_pair_is_refused_at_every_size(n, exact):
    q = {4: oracle.hamming(2, 2), 7: oracle.paley(7)}.get(n)
    labels = np.minimum((d := (np.arange(n)[:, None] - np.arange(n)) % n), n - d) if q is None else q.copy()
    assert fg.schemes.check(labels, exact=exact).is_scheme
    labels[1, 2] = labels[2, 1] = labels[1, 3] if labels[1, 3] != labels[1, 2] else labels[1, 0]
    assert not fg.schemes.check(labels, exact=exact).is_coherent


@schemes
def test_nothing_depends_on_threads(labels):
    one, three = (fg.schemes.check(labels, num_threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.intersection_numbers, three.intersection_numbers)
    rng = np.random.default_rng(2)
    noisy = rng.integers(0, 3, (300, 300))
    assert fg.schemes.check(noisy, num_threads=1).reason == fg.schemes.check(noisy, num_threads=3).reason
    a, b = (fg.schemes.closure(labels > 1, num_threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(a.relations, b.relations)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n):
    simplex = 1 - np.eye(n, dtype=int)
    found = fg.schemes.check(simplex)
    assert (found.is_scheme, found.is_primitive) == (True, True)
    assert found.valencies.tolist() == ([1, n - 1] if n > 1 else [1])
    assert fg.schemes.closure(simplex).rank == min(n, 2)


def test_labels_of_any_kind():
    labels = oracle.johnson(6, 2)
    plain = fg.schemes.check(labels)
    far = np.array([5, -(10**12), 10**15])[labels]
    for other in (labels.astype(np.int8), labels.astype(float), labels.tolist(), far, labels.T[::1, ::1]):
        found = fg.schemes.check(other, order="canonical")
        canonical = fg.schemes.check(labels, order="canonical")
        np.testing.assert_array_equal(found.intersection_numbers, canonical.intersection_numbers)
    assert plain.classes.tolist() == [0, 1, 2]
    assert fg.schemes.check(far).classes.tolist() == [5, -(10**12), 10**15]
    assert fg.schemes.check(np.eye(4, dtype=bool)).valencies.tolist() == [1, 3]


def test_many_classes():
    n = 400
    labels = (np.arange(n)[:, None] - np.arange(n)) % n
    found = fg.schemes.check(labels)
    assert found.is_scheme
    assert found.valencies.tolist() == [1] * n
    assert found.transpose.tolist() == [(-k) % n for k in range(n)]
    with pytest.raises(ParameterError, match="600 classes, and at most 512"):
        fg.schemes.check((np.arange(600)[:, None] - np.arange(600)) % 600)


@pytest.mark.parametrize("call", [fg.schemes.check, fg.schemes.closure])
@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        (np.zeros((2, 3), int), ShapeError, r"\(2, 3\)"),
        (np.zeros((0, 0), int), ShapeError, r"\(0, 0\)"),
        ([0, 1], ShapeError, r"\(2,\)"),
        ([[0, 1], [1]], ShapeError, "square matrix"),
        ([[0.0, 0.5], [0.5, 0.0]], ParameterError, "row 0, column 1 is 0.5"),
        ([[0.0, 1.0], [np.nan, 0.0]], NonFiniteError, "row 1, column 0"),
        ([[0.0, np.inf], [1.0, 0.0]], NonFiniteError, "inf at row 0, column 1"),
        ([[0j, 1j], [1j, 0j]], DtypeError, "complex128"),
        ([["a", "b"], ["b", "a"]], DtypeError, "<U1"),
    ],
)
def test_bad_relations(call, bad, error, match):
    with pytest.raises(error, match=match):
        call(bad)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rounds": 0}, "rounds must be an integer from 1"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"order": "best"}, "order must be one of 'given', 'canonical'"),
        ({"num_threads": 0}, "num_threads must be from 1"),
    ],
)
def test_bad_options(options, match):
    with pytest.raises(ParameterError, match=match):
        fg.schemes.check(np.eye(3, dtype=int), **options)


def test_closure_of_d5_roots():
    # The four levels are no scheme: orthogonal pairs are of two kinds (valencies 2 and 12).
    X = fg.shapes.root_system("D5")
    levels = np.rint(4 * X @ X.T / (X @ X.T)[0, 0]).astype(int)
    assert not fg.schemes.check(levels).is_coherent
    found = fg.schemes.closure(levels)
    assert (found.rank, len(np.unique(found.fibres))) == (6, 1)
    checked = fg.schemes.check(found.relations)
    assert checked.is_scheme
    assert sorted(checked.valencies.tolist()) == [1, 1, 2, 12, 12, 12]


@schemes
def test_the_closure_of_a_scheme_is_itself(labels):
    found = fg.schemes.closure(labels)
    np.testing.assert_array_equal(found.relations, labels)
    assert found.rank == labels.max() + 1


def test_closure_is_limited():
    with pytest.raises(ParameterError, match="at most 8192 points, not 8200"):
        fg.schemes.closure(np.zeros((8200, 8200), np.uint8))


def test_the_parameters_come_with_a_scheme():
    square = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) % 2 + 2 * (
        np.abs(np.subtract.outer(np.arange(4), np.arange(4))) == 2
    )
    found = fg.schemes.check(square)
    assert found.P.tolist() == [[1, 2, 1], [1, 0, -1], [1, -2, 1]]
    assert found.multiplicities.tolist() == [1, 2, 1]
    np.testing.assert_allclose(found.P @ found.Q, 4 * np.eye(3), atol=1e-12)
    assert found.krein.shape == (3, 3, 3)
    cyclic = fg.schemes.check(np.subtract.outer(np.arange(3), np.arange(3)) % 3)
    assert not cyclic.is_symmetric
    np.testing.assert_allclose(np.abs(cyclic.P), np.ones((3, 3)), atol=1e-12)
    assert fg.schemes.check(np.diag([1, 2, 3])).P is None


@pytest.mark.parametrize("n", [150, 199])
def test_polygons_of_many_classes_have_their_eigenvalues(n):
    """Random combinations of 75 and more classes always have two close eigenvalues."""
    row = np.minimum(np.arange(n), n - np.arange(n))
    found = fg.schemes.check_circulant(row)
    at = np.arange(n // 2 + 1)
    P = 2 * np.cos(2 * np.pi * np.outer(at, at) / n)
    P[:, 0] = 1
    if n % 2 == 0:
        P[:, -1] = (-1.0) ** at
    order = np.argsort(found.P[:, 1])[::-1]
    np.testing.assert_allclose(found.P[order], P, rtol=0, atol=1e-9)
    assert found.multiplicities.sum() == n


def test_cyclic_groups_of_many_elements():
    n = 160
    found = fg.schemes.check(np.subtract.outer(np.arange(n), np.arange(n)) % n)
    np.testing.assert_allclose(np.abs(found.P), 1, atol=1e-10)
    np.testing.assert_allclose(found.P @ found.Q, n * np.eye(n), atol=1e-8)


def cayley(*orders):
    """Difference table of a product of cyclic groups."""
    points = np.array(list(np.ndindex(*orders)))
    places = np.cumprod([1, *orders[:0:-1]])[::-1]
    return ((points[:, None] - points) % np.array(orders)) @ places


@pytest.mark.timeout(60)
@pytest.mark.parametrize("orders", [(64,), (2,) * 5, (4, 4, 2), (5, 5), (210,), (3, 3, 4)])
def test_the_canonical_order_of_groups_is_quick_and_does_not_depend_on_names(orders):
    labels = cayley(*orders)
    rng = np.random.default_rng(0)
    n = len(labels)
    first = fg.schemes.check(labels, order="canonical")
    for _ in range(3):
        points, names = rng.permutation(n), rng.permutation(n)
        other = fg.schemes.check(names[labels][np.ix_(points, points)], order="canonical")
        np.testing.assert_array_equal(other.intersection_numbers, first.intersection_numbers)


def test_a_scheme_that_does_not_commute_says_why_it_has_no_multiplicities():
    moves = [np.array(p) for p in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)]]
    names = {tuple(move): i for i, move in enumerate(moves)}
    labels = oracle.group(np.array([[names[tuple(a[b])] for b in moves] for a in moves]))
    found = fg.schemes.check(labels)
    assert found.multiplicities is None
    i, j, a, k, b = numbers_in(found.reason)
    products = [(labels == x).astype(int) @ (labels == y) for x, y in ((i, j), (j, i))]
    assert [product[labels == k][0] for product in products] == [a, b]
    assert a != b
    assert "no P, Q and multiplicities" in found.reason
    assert found.closed_subsets is not None


def test_structure_comes_with_a_check():
    cube = fg.schemes.check(oracle.hamming(3, 2))
    assert cube.closed_subsets == [(0,), (0, 2), (0, 3), (0, 1, 2, 3)]
    assert cube.p_orders == [(0, 1, 2, 3)]
    assert len(cube.q_orders) == 1
    assert cube.intersection_array == ((3, 2, 1), (1, 2, 3))
    # Two tetrahedra, and four pairs: disjoint unions of complete graphs.
    assert cube.srg == {2: (8, 3, 2, 0), 3: (8, 1, 0, 0)}
    assert cube.failures == []
    quotient, labels = fg.schemes.quotient(cube.numbers, (0, 3))
    assert (quotient.n, labels.tolist()) == (4, [0, 1, 1, 0])
    assert fg.schemes.subscheme(cube.numbers, (0, 2)).n == 4
    assert fg.schemes.check(oracle.paley(13)).srg == {1: (13, 6, 2, 3), 2: (13, 6, 2, 3)}
    assert ((0,), (1, 3), (2,)) in fg.schemes.fusions(cube.eigenmatrices)
    several = fg.schemes.check(np.array([[7, 1, 1], [2, 8, 3], [2, 3, 8]]))
    assert several.is_coherent
    for what in (
        "numbers",
        "closed_subsets",
        "p_orders",
        "q_orders",
        "intersection_array",
        "srg",
        "failures",
    ):
        assert getattr(several, what) is None


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_in_memory_does_not_matter(order):
    """A coherent configuration of two fibres whose classes between them are not each other's size."""
    K = [[0, 1, 2, 2, 2], [1, 0, 2, 2, 2], [3, 3, 4, 5, 5], [3, 3, 5, 4, 5], [3, 3, 5, 5, 4]]
    found = fg.schemes.check(np.array(K, order=order))
    assert found.valencies.tolist() == [1, 1, 1, 3, 2, 2]
    A = [found.labels == k for k in range(6)]
    for i in range(6):
        for j in range(6):
            product = A[i].astype(int) @ A[j].astype(int)
            assert all((product[A[k]] == found.intersection_numbers[i, j, k]).all() for k in range(6))
    shift = np.roll(np.eye(6, dtype=int), 1, axis=1)
    closure = fg.schemes.closure(np.array(shift, order=order))
    np.testing.assert_array_equal(closure.relations, fg.schemes.closure(shift).relations)


def test_large_float_labels_say_what_to_do():
    with pytest.raises(ParameterError, match="9007199254740992: floats are no longer all the integers"):
        fg.schemes.check([[2.0**53, 1], [1, 2.0**53]])
