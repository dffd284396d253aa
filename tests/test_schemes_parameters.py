"""Parameters of schemes against the table of known answers, closed forms, and n by n matrices."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.relations import feasibility, fusion, polynomial, structure
from oracles import scheme_answers, slow_schemes
from oracles.scheme_answers import ANSWERS, Answer

# Of these modules the package has the functions of the same names.
eigen = importlib.import_module("featuregeom.relations.eigenmatrices")
strength = importlib.import_module("featuregeom.relations.design_strength")

SMALL = [answer for answer in ANSWERS if answer.n <= 40]
by_name = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
small = pytest.mark.parametrize("answer", SMALL, ids=lambda answer: answer.name)


def colours(answer: Answer):
    X = answer.coordinates()
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    C = slow_schemes.colours(X @ X.T)
    if slow_schemes.intersection_numbers(C) is None:
        C = slow_schemes.closure(C)
        levels = np.array([(X @ X.T)[k == C].mean() for k in range(C.max() + 1)])
        sizes = np.array([(k == C).sum() for k in range(C.max() + 1)])
        rank = np.empty(len(levels), dtype=int)
        # The table lists the two classes of level 0 of the D5 roots by increasing valency after sorting by level,
        # its k being (2, 12) after 12.
        rank[np.lexsort((sizes, -np.round(levels, 6)))] = np.arange(len(levels))
        C = rank[C]
    return C


def numbers_of(C):
    return eigen.read_numbers(*slow_schemes.intersection_numbers(C))


def solved(numbers):
    return eigen.eigenmatrices(numbers.p, numbers.valencies, numbers.transpose)


def group_scheme(n):
    at = np.arange(n)
    return (at[None, :] - at[:, None]) % n


def sorted_rows(P, m):
    rows = np.column_stack([m, np.round(P.real, 6), np.round(P.imag, 6)]) + 0.0
    order = np.lexsort(rows.T)
    return P[order], m[order]


def assert_same_rows(found, P, m):
    got, expected = sorted_rows(found.P, found.multiplicities), sorted_rows(P, m)
    assert got[1].tolist() == expected[1].tolist()
    np.testing.assert_allclose(got[0], expected[0], rtol=0, atol=1e-9)


@by_name
def test_known_answers(answer: Answer):
    numbers = numbers_of(colours(answer))
    found = solved(numbers)
    assert numbers.n == answer.n
    assert numbers.valencies[1:].tolist() == list(answer.valencies)
    assert_same_rows(found, answer.P, np.array(answer.multiplicities))
    theta = found.P @ answer.g
    frame = scheme_answers.exact(answer.frame)
    assert found.multiplicities[theta > 1e-9].sum() == answer.dim
    assert answer.dim * frame == pytest.approx(answer.n, abs=1e-9)
    support = answer.P @ answer.g
    assert tuple(np.flatnonzero(support > 1e-9)) == answer.support
    np.testing.assert_allclose(support[list(answer.support)], frame, rtol=0, atol=1e-9)
    assert structure.is_primitive(numbers) == answer.primitive
    assert len(polynomial.p_orders(numbers.p)) == answer.p_orders
    assert len(polynomial.q_orders(found.krein)) == answer.q_orders
    spherical = strength.design_strength(answer.g, [1, *answer.valencies], answer.dim)
    assert (spherical.strength, spherical.distances) == (answer.strength, answer.distances)
    assert spherical.within_absolute_bound
    assert feasibility.failures(numbers, found) == []


@by_name
def test_identities(answer: Answer):
    numbers = numbers_of(colours(answer))
    found = solved(numbers)
    n, m, P, Q = answer.n, found.multiplicities, found.P, found.Q
    np.testing.assert_allclose(P @ Q, n * np.eye(len(P)), rtol=0, atol=1e-9 * n)
    np.testing.assert_allclose((P.T * m) @ P.conj(), n * np.diag(numbers.valencies), rtol=0, atol=1e-9 * n**2)
    p = slow_schemes.from_eigenmatrix(P, m)
    np.testing.assert_allclose(p, numbers.p, rtol=0, atol=1e-9 * n)


@small
def test_idempotents(answer: Answer):
    """E_j from Q are projections of rank m_j, and Hadamard products give the Krein parameters."""
    C = colours(answer)
    found = solved(numbers_of(C))
    E = slow_schemes.idempotents(C, found.Q)
    for e, m in zip(E, found.multiplicities, strict=True):
        np.testing.assert_allclose(e @ e, e, rtol=0, atol=1e-9)
        assert np.trace(e) == pytest.approx(m, abs=1e-9)
    np.testing.assert_allclose(found.krein, slow_schemes.krein(E), rtol=0, atol=1e-8)


@small
def test_closed_subsets(answer: Answer):
    """Every union of classes is closed exactly where its graph's components are cliques of it."""
    C = colours(answer)
    numbers = numbers_of(C)
    closed = set(structure.closed_subsets(numbers))
    for bits in range(2 ** (numbers.rank - 1)):
        subset = (0, *(k for k in range(1, numbers.rank) if bits >> (k - 1) & 1))
        A = np.isin(C, subset).astype(int)
        label = slow_schemes.components(A)
        equivalence = np.array_equal(label[:, None] == label, A.astype(bool))
        assert (subset in closed) == equivalence
        if equivalence:
            block = np.flatnonzero(label == 0)
            inner = np.searchsorted(subset, C[np.ix_(block, block)])
            assert np.array_equal(
                structure.subscheme(numbers, subset).p, slow_schemes.intersection_numbers(inner)[0]
            )
            quotient, map_ = structure.quotient(numbers, subset)
            first = [int(np.flatnonzero(label == b)[0]) for b in range(label.max() + 1)]
            assert np.array_equal(
                quotient.p, slow_schemes.intersection_numbers(map_[C[np.ix_(first, first)]])[0]
            )


@small
def test_fusions(answer: Answer):
    """Bannai and Muzychuk's criterion, the sums of p, and the products of merged matrices agree."""
    if len(answer.valencies) > 5:
        pytest.skip("the brute force is for few classes")
    C = colours(answer)
    numbers = numbers_of(C)
    found = solved(numbers)
    listed = set(fusion.fusions(found))
    for cells in fusion._partitions(list(range(1, numbers.rank))):
        parts = [[0], *cells]
        label = np.zeros(numbers.rank, dtype=int)
        for index, cell in enumerate(sorted(parts)):
            label[cell] = index
        brute = slow_schemes.intersection_numbers(label[C])
        direct = fusion.fused_numbers(numbers, parts)
        assert (direct is None) == (brute is None) == (fusion.idempotent_parts(found, parts) is None)
        if len(cells) < numbers.rank - 1:
            assert (tuple(tuple(part) for part in sorted(parts)) in listed) == (brute is not None)
        if brute is not None:
            assert np.array_equal(direct.p, brute[0])
            fused, again = fusion.fuse(found, parts), solved(direct)
            assert_same_rows(fused, again.P, again.multiplicities)


@pytest.mark.parametrize("n", [3, 4, 7, 12])
def test_cyclic_groups(n):
    """The thin scheme of a cyclic group has its characters for P, complex, and is its own dual."""
    numbers = numbers_of(group_scheme(n))
    found = solved(numbers)
    at = np.arange(n)
    assert structure.is_thin(numbers)
    assert_same_rows(found, np.exp(2j * np.pi * np.outer(at, at) / n), np.ones(n, dtype=int))
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    assert len(structure.closed_subsets(numbers)) == len(divisors)


def test_symmetric_group_does_not_commute():
    table = {}
    elements = [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)]
    for x, a in enumerate(elements):
        for y, b in enumerate(elements):
            inverse = tuple(np.argsort(a).tolist())
            table[x, y] = elements.index(tuple(inverse[b[i]] for i in range(3)))
    C = np.array([[table[x, y] for y in range(6)] for x in range(6)])
    numbers = numbers_of(C)
    assert solved(numbers) is None
    i, j, k = eigen.noncommuting(numbers.p)
    assert numbers.p[i, j, k] != numbers.p[j, i, k]


@pytest.mark.parametrize("n", [2, 5, 9, 26, 27])
def test_polygons(n):
    at = np.arange(n)
    C = np.minimum((at[None] - at[:, None]) % n, (at[:, None] - at[None]) % n)
    found = solved(numbers_of(C))
    assert_same_rows(found, *scheme_answers.polygon(n))


@pytest.mark.parametrize(("v", "k"), [(5, 2), (7, 3), (8, 4)])
def test_johnson(v, k):
    from itertools import combinations

    sets = [set(c) for c in combinations(range(v), k)]
    C = np.array([[k - len(a & b) for b in sets] for a in sets])
    found = solved(numbers_of(C))
    assert_same_rows(found, *scheme_answers.eberlein(v, k))


@pytest.mark.parametrize(("d", "q"), [(3, 2), (5, 2), (3, 3), (2, 5)])
def test_hamming(d, q):
    words = np.array(list(np.ndindex(*[q] * d)))
    found = solved(numbers_of((words[:, None] != words).sum(axis=2)))
    assert_same_rows(found, *scheme_answers.krawtchouk(d, q))
    np.testing.assert_allclose(found.P, found.Q, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("p", "e", "generator"), [(13, 2, 2), (13, 3, 2), (13, 4, 2), (7, 2, 3), (7, 3, 3)])
def test_cyclotomic(p, e, generator):
    logs = {pow(generator, exponent, p): exponent for exponent in range(p - 1)}
    C = np.array([[1 + logs[(y - x) % p] % e if x != y else 0 for y in range(p)] for x in range(p)])
    found = solved(numbers_of(C))
    assert_same_rows(found, *scheme_answers.cyclotomic(p, e, generator))


@pytest.mark.parametrize(("k", "v"), [(2, 2), (3, 3), (4, 2)])
def test_wreath(k, v):
    at = np.arange(k * v)
    C = np.where(at[:, None] // v == at // v, 1, 2) - np.eye(k * v, dtype=int)
    assert_same_rows(solved(numbers_of(C)), *scheme_answers.wreath(k, v))


@pytest.mark.parametrize("name", ["petersen_graph", "dodecahedral_graph", "heawood_graph", "pappus_graph"])
def test_intersection_arrays(name):
    nx = pytest.importorskip("networkx")
    graph = getattr(nx, name)()
    distance = nx.floyd_warshall_numpy(graph).astype(int)
    numbers = numbers_of(distance)
    orders = polynomial.p_orders(numbers.p)
    natural = tuple(range(numbers.rank))
    b, c = nx.intersection_array(graph)
    assert polynomial.intersection_array(numbers.p, natural) == (tuple(b), tuple(c))
    assert natural in orders


def test_failures_are_named():
    """No graph has the parameters (28, 9, 0, 4): the Krein condition fails, known since Scott."""
    p = np.zeros((3, 3, 3), dtype=int)
    k, rest, lam, mu = 9, 18, 0, 4
    p[0], p[:, 0] = np.eye(3), np.eye(3)
    p[1, 1] = k, lam, mu
    p[1, 2] = p[2, 1] = 0, k - 1 - lam, k - mu
    p[2, 2] = rest, rest - (k - 1 - lam), rest - 1 - (k - mu)
    numbers = eigen.read_numbers(p, [1, k, rest], [0, 1, 2])
    assert "krein" in {failure.condition for failure in feasibility.failures(numbers, solved(numbers))}


def test_bad_input():
    p, k, t = [[[1, 0], [0, 1]], [[0, 1], [4, 3]]], [1, 4], [0, 1]
    with pytest.raises(DtypeError, match="p must be integers"):
        eigen.eigenmatrices(np.array(p, dtype=float), k, t)
    with pytest.raises(ShapeError, match="2 valencies need p of shape"):
        eigen.eigenmatrices([[[1]]], k, t)
    with pytest.raises(ParameterError, match="valencies must be positive"):
        eigen.eigenmatrices(p, [1, 0], t)
    with pytest.raises(ParameterError, match="involution"):
        eigen.eigenmatrices(p, k, [1, 0])
    with pytest.raises(ParameterError, match="instead of"):
        eigen.eigenmatrices([[[1, 0], [0, 1]], [[0, 1], [4, 2]]], k, t)
    numbers = eigen.read_numbers(p, k, t)
    found = solved(numbers)
    with pytest.raises(ParameterError, match="must partition"):
        fusion.fuse(found, [[0]])
    with pytest.raises(ParameterError, match="cannot be merged"):
        fusion.fuse(found, [[0, 1]])
    with pytest.raises(ParameterError, match="not closed"):
        structure.quotient(numbers, [1])
    with pytest.raises(ParameterError, match="no P-polynomial order"):
        polynomial.intersection_array(p, (1, 0))
    with pytest.raises(ParameterError, match="levels must be in"):
        strength.design_strength([1, 2], [1, 1], 2)
    with pytest.raises(ShapeError, match="one length"):
        strength.design_strength([1], [1, 1], 2)


def hamming_numbers(d):
    """Intersection numbers of H(d,2) in whole numbers: of the d - k places where x and y agree, z leaves (i+j-k)/2."""
    p = np.zeros((d + 1,) * 3, dtype=np.int64)
    for i, j, k in np.ndindex(p.shape):
        if (i + j - k) % 2 == 0 and abs(i - j) <= k and k <= i + j <= 2 * d - k:
            p[i, j, k] = math.comb(k, (i - j + k) // 2) * math.comb(d - k, (i + j - k) // 2)
    return eigen.read_numbers(p, p[np.arange(d + 1), np.arange(d + 1), 0], np.arange(d + 1))


@pytest.mark.parametrize("d", [6, 24, 30, 36])
def test_large_cubes_are_q_polynomial_and_feasible(d):
    """Their Krein parameters, which are their intersection numbers, go from 1 to more than 10^9."""
    numbers = hamming_numbers(d)
    found = solved(numbers)
    np.testing.assert_allclose(found.krein, numbers.p, rtol=1e-9, atol=1e-9 * numbers.p.max())
    orders = polynomial.q_orders(found.krein)
    assert tuple(range(d + 1)) in orders
    assert orders == polynomial.p_orders(numbers.p)
    if d < 31:  # Beyond, O(r^5).
        assert feasibility.failures(numbers, found) == []


def test_large_cubes_fuse_where_the_halves_do():
    """Distances of H(30,2) fuse into odd and even ones, and not into 1 and the rest: it is not strongly regular."""
    found = solved(hamming_numbers(30))
    even, odd = list(range(2, 31, 2)), list(range(1, 31, 2))
    merged = fusion.fuse(found, [[0], odd, even])
    half = 2.0**29
    np.testing.assert_allclose(merged.P, [[1, half, half - 1], [1, 0, -1], [1, -half, half - 1]], atol=1e-6)
    assert fusion.fuse(found, [[0], [1], list(range(2, 31))]) is None
