"""Shapes: coordinates against the expected numbers, and these against the tables of the design."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregeom import shapes
from featuregeom.blocks import decompose
from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.geometries import TABLE, Row
from featuregeom.shapes import expected
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.hadamard import hadamard
from featuregeom.shapes.leech import golay_code
from featuregeom.shapes.primes import prime, primitive_root, quadratic_character
from oracles.shapes import TOLERANCE, check

TWO_LENGTHS = {"B2 roots", "B3 roots", "C2 roots", "C4 roots", "F4 roots", "G2 roots"}
NOT_TIGHT = {"prism(5, 0.25)", "antiprism(4, 0.25)"}

by_row = pytest.mark.parametrize("known", TABLE, ids=lambda known: known.call)


def features(known: Row) -> np.ndarray:
    return getattr(shapes, known.generator)(*known.arguments)


@by_row
def test_coordinates_have_the_expected_numbers(known: Row):
    X = features(known)
    check(X, known.expected)
    assert X.dtype == (np.complex128 if known.generator in ("harmonic_etf", "sic", "mub") else np.float64)
    assert X.flags.c_contiguous
    assert np.array_equal(X, features(known))
    if known.expected.name not in TWO_LENGTHS:
        np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=0, atol=1e-15)


@by_row
def test_expected_numbers_agree_with_each_other(known: Row):
    e = known.expected
    assert sum(count for _, count in e.eigenvalues) == e.dim
    assert sum(count for _, count in e.capacity) == e.n
    assert (abs(e.total_capacity - e.dim) < 1e-12) == (known.call not in NOT_TIGHT)
    for counted in (e.eigenvalues, e.capacity, e.gram_values or ()):
        values = [value for value, _ in counted]
        assert values == sorted(set(values), reverse=True)
        assert all(count > 0 for _, count in counted)
    if e.name in TWO_LENGTHS:
        return
    trace = sum(value * count for value, count in e.eigenvalues)
    assert trace == pytest.approx(e.n, rel=1e-13)
    assert sum(count for _, count in e.gram_values) == e.n - 1
    # The definition of capacity: N^2 / sum of M_ij^2.
    ((capacity, _),) = e.capacity
    assert 1 / capacity == pytest.approx(1 + sum(c * g * g for g, c in e.gram_values), rel=1e-12)
    if not e.lines and e.dim > 1:  # a frame without trivial character has its centre at the origin
        assert 1 + sum(c * g for g, c in e.gram_values) == pytest.approx(0, abs=1e-11)


@by_row
def test_names_are_those_of_decompose(known: Row):
    X = features(known)
    if np.isrealobj(X):
        (block, *others) = decompose(X).blocks
        assert others or block.geometry in ("", known.expected.name)


def test_every_generator_has_expected_numbers_and_a_row():
    made_of_others = {"direct_sum", "expected", "noisy", "random_frame", "rotated"}
    generators = set(shapes.__all__) - made_of_others
    assert generators == {known.generator for known in TABLE} | {"leech"}
    assert generators <= set(expected.__all__)
    assert len({known.call for known in TABLE}) == len(TABLE)


# n, dim, eigenvalues, capacity, coherence, Gram values: typed from theory.


@pytest.mark.parametrize(
    "known",
    [k for k in TABLE if k.generator.endswith(("etf", "_6", "_7", "lines", "sic", "shrikhande"))],
    ids=lambda known: known.call,
)
def test_equiangular_tight_frames_attain_the_welch_bound(known: Row):
    X = features(known)
    n, m = X.shape
    cosines = np.abs(X.conj() @ X.T)[np.triu_indices(n, 1)]
    np.testing.assert_allclose(cosines, math.sqrt((n - m) / (m * (n - 1))), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(X.conj().T @ X, n / m * np.eye(m), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("d", [2, 3])
def test_inner_products_of_sics(d):
    X = shapes.sic(d)
    overlap = np.abs(X.conj() @ X.T) ** 2
    np.testing.assert_allclose(overlap, (d * np.eye(d * d) + 1) / (d + 1), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("p", [2, 3, 5, 7, 11])
def test_inner_products_of_mutually_unbiased_bases(p):
    X = shapes.mub(p)
    overlap = (np.abs(X.conj() @ X.T) ** 2).reshape(p + 1, p, p + 1, p)
    for a in range(p + 1):
        for b in range(p + 1):
            ideal = np.eye(p) if a == b else np.full((p, p), 1 / p)
            np.testing.assert_allclose(overlap[a, :, b], ideal, rtol=0, atol=TOLERANCE)


ROOT_COUNTS = {
    "A4": 20,
    "A7": 56,
    "D4": 24,
    "D5": 40,
    "E6": 72,
    "E7": 126,
    "E8": 240,
    "F4": 48,
    "G2": 12,
    "B3": 18,
}


@pytest.mark.parametrize("name", [*ROOT_COUNTS, "C4", "D8"])
def test_root_systems_are_closed_under_their_reflections(name):
    X = shapes.root_system(name)
    if name in ROOT_COUNTS:
        assert len(X) == ROOT_COUNTS[name]
    N = (X * X).sum(axis=1)
    cartan = 2 * X @ X.T / N
    np.testing.assert_allclose(cartan, np.round(cartan), rtol=0, atol=TOLERANCE)
    rows = {tuple(row) for row in np.round(X, 6) + 0.0}
    assert len(rows) == len(X)
    for index in range(0, len(X), 1 + len(X) // 20):
        reflected = X - np.outer(cartan[:, index], X[index])
        assert {tuple(row) for row in np.round(reflected, 6) + 0.0} == rows


@pytest.mark.parametrize(("name", "ratio"), [("B3", 2), ("C4", 2), ("F4", 2), ("G2", 3)])
def test_root_systems_of_two_lengths_keep_their_ratio(name, ratio):
    N = (shapes.root_system(name) ** 2).sum(axis=1)
    assert N.min() == pytest.approx(1, rel=1e-15)
    assert set(np.round(N, 12)) == {1.0, float(ratio)}


def test_the_leech_vectors():
    X = shapes.leech()
    assert X.shape == (196560, 24)
    integers = X * math.sqrt(32)
    np.testing.assert_allclose(integers, np.round(integers), rtol=0, atol=1e-14)
    integers = np.round(integers).astype(np.int64)
    kinds = Counter(map(tuple, np.sort(np.abs(integers[::97]), axis=1)))
    assert set(kinds) == {(0,) * 22 + (4, 4), (0,) * 16 + (2,) * 8, (1,) * 23 + (3,)}
    assert len(np.unique(integers @ 5 ** np.arange(24, dtype=np.int64))) == 196560  # all different
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(X.T @ X, 8190 * np.eye(24), rtol=0, atol=1e-8)
    e = expected.leech()
    assert e.capacity == ((pytest.approx(1 / 8190), 196560),)
    valencies = {round(8 * 4 * value): count for value, count in e.gram_values} | {32: 1}
    for index in (0, 1103, 1104, 50_000, 98_256, 196_559):
        assert Counter((integers @ integers[index]).tolist()) == valencies


def test_the_golay_code():
    code = golay_code()
    assert len(np.unique(code, axis=0)) == 4096
    assert Counter(code.sum(axis=1).tolist()) == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}
    assert not (code @ code[:50].T % 2).any()  # self-dual


def test_shrikhande_is_not_the_hamming_scheme():
    def triangles_and_edges(X):
        adjacent = np.abs(X @ X.T - 1 / 3) < 1e-9
        (near,) = np.nonzero(adjacent[0])
        A = adjacent[np.ix_(near, near)].astype(int)
        return int(A.sum() // 2), int(np.trace(A @ A @ A) // 6)

    assert triangles_and_edges(shapes.hamming(2, 4)) == (6, 2)
    assert triangles_and_edges(shapes.shrikhande()) == (6, 0)


def test_coordinates_are_exact_where_they_can_be():
    assert shapes.polygon(4).tolist() == [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert set(np.abs(shapes.cell24()).ravel()) == {0.0, 0.5, 1.0}
    assert set(np.abs(shapes.cube(4)).ravel()) == {0.5}
    assert set(np.abs(2 * shapes.mub(2)).ravel().round(15)) == {0.0, 2.0, round(math.sqrt(2), 15)}
    X = shapes.polygon(360)
    assert set(map(tuple, X)) == {(x, -y) for x, y in X} == {(-x, y) for x, y in X}


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**4))
def test_roots_of_unity(k, n):
    z = complex(roots_of_unity(k, n))
    angle = 2 * math.pi * (k % n) / n
    assert abs(z - complex(math.cos(angle), math.sin(angle))) < 2e-15
    assert abs(abs(z) - 1) < 3e-16
    assert complex(roots_of_unity(-k, n)) == pytest.approx(z.conjugate(), abs=2e-16)
    if 4 * k % n == 0:
        assert z in (1, 1j, -1, -1j)


@pytest.mark.parametrize(("n", "density"), [(5, 2), (7, 3), (8, 3)])
def test_star_polygons_turn_faster(n, density):
    star, convex = shapes.polygon(n, density), shapes.polygon(n)
    assert np.array_equal(star, convex[density * np.arange(n) % n])


def test_special_heights():
    def sorted_gram(X):
        return np.sort(X @ X.T, axis=1)[:, ::-1]

    for X, Y in (
        (shapes.prism(4), shapes.cube(3)),
        (shapes.antiprism(2), shapes.tetrahedron()),
        (shapes.antiprism(3), shapes.octahedron()),
        (shapes.antiprism(3), shapes.cross_polytope(3)),
        (shapes.demicube(4), shapes.cross_polytope(4)),
    ):
        np.testing.assert_allclose(sorted_gram(X), sorted_gram(Y), rtol=0, atol=TOLERANCE)


@given(st.data(), st.integers(3, 400))
def test_polygons(data, n):
    j = data.draw(st.sampled_from([j for j in range(1, (n + 1) // 2) if math.gcd(j, n) == 1]))
    e = expected.polygon(n, j)
    check(shapes.polygon(n, j), e)
    assert e.coherence == pytest.approx(1 if n % 2 == 0 else math.cos(math.pi / n), abs=1e-15)


@given(st.integers(2, 120))
def test_simplices(n):
    check(shapes.simplex(n), expected.simplex(n))


@given(st.integers(1, 60))
def test_cross_polytopes(d):
    check(shapes.cross_polytope(d), expected.cross_polytope(d))


@given(st.integers(1, 8))
def test_cubes(d):
    check(shapes.cube(d), expected.cube(d))


@given(st.integers(3, 9))
def test_half_cubes(d):
    check(shapes.demicube(d), expected.demicube(d))


@given(st.integers(2, 40), st.floats(0.01, 0.99))
def test_prisms_and_antiprisms(n, z2):
    check(shapes.antiprism(n, z2), expected.antiprism(n, z2))
    check(shapes.prism(n + 1, z2), expected.prism(n + 1, z2))


@given(st.tuples(st.integers(1, 6), st.integers(2, 9)).filter(lambda dq: dq[1] ** dq[0] <= 300))
def test_hamming_schemes(parameters):
    check(shapes.hamming(*parameters), expected.hamming(*parameters))


@given(st.tuples(st.integers(2, 12), st.integers(1, 11)).filter(lambda vk: vk[1] < vk[0]))
def test_johnson_schemes(parameters):
    v, k = parameters
    if math.comb(v, k) <= 330:
        check(shapes.johnson(v, k), expected.johnson(v, k))


@pytest.mark.parametrize(("p", "classes"), [(17, 4), (29, 7), (41, 4), (37, 9)])
def test_cyclotomic_frames_of_more_classes(p, classes):
    X = shapes.cyclotomic(p, classes)
    size = (p - 1) // classes
    np.testing.assert_allclose(X.T @ X, p / size * np.eye(size), rtol=0, atol=TOLERANCE)
    G = X @ X.T
    shifts = np.array([np.roll(G[x], -x) for x in range(p)])
    np.testing.assert_allclose(shifts, np.tile(G[0], (p, 1)), rtol=0, atol=TOLERANCE)
    assert set(Counter(np.round(G[0, 1:], 9).tolist()).values()) == {size}


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 44, 48])
def test_hadamard_matrices(order):
    H = hadamard(order)
    assert set(np.unique(np.abs(H))) == {1.0}
    assert np.array_equal(H @ H.T, order * np.eye(order))


@pytest.mark.parametrize("order", [3, 5, 6, 10, 14, 28])
def test_no_hadamard_matrix_where_the_constructions_give_none(order):
    assert hadamard(order) is None


@pytest.mark.parametrize("p", [3, 5, 7, 13, 31, 101])
def test_arithmetic_modulo_a_prime(p):
    assert prime("p", p, 2) == p
    g = primitive_root(p)
    assert {pow(g, k, p) for k in range(p - 1)} == set(range(1, p))
    assert quadratic_character(p)[[pow(g, k, p) for k in range(p - 1)]].tolist() == [1, -1] * ((p - 1) // 2)


def test_direct_sums():
    triangle, basis = shapes.polygon(3), shapes.mub(2)
    X = shapes.direct_sum(triangle, basis, [[2, 0, 1]])
    assert X.shape == (3 + 6 + 1, 2 + 2 + 3)
    assert X.dtype == np.complex128
    assert np.array_equal(X[:3, :2], triangle)
    assert np.array_equal(X[3:9, 2:4], basis)
    assert np.array_equal(X[9:, 4:], [[2, 0, 1]])
    assert np.count_nonzero(X) == sum(np.count_nonzero(part) for part in (triangle, basis, [[2, 0, 1]]))
    assert shapes.direct_sum([[1, 2]]).dtype == np.float64


@pytest.mark.parametrize("X", [shapes.dodecahedron(), shapes.mub(3)], ids=["real", "complex"])
@pytest.mark.parametrize("dim", [None, 3, 64])
def test_rotations_keep_the_gram_matrix(X, dim):
    Y = shapes.rotated(X, seed=3, dim=dim)
    assert Y.shape == (len(X), dim or 3)
    assert Y.dtype == X.dtype
    np.testing.assert_allclose(Y.conj() @ Y.T, X.conj() @ X.T, rtol=0, atol=1e-14)
    assert np.array_equal(Y, shapes.rotated(X, seed=3, dim=dim))
    assert not np.allclose(Y, shapes.rotated(X, seed=4, dim=dim))


def test_rotations_are_uniform():
    """Moments of Haar measure; QR without the signs of R's diagonal has all Q_11 negative."""
    first = np.array([shapes.rotated(np.eye(3), seed)[0] for seed in range(2000)])
    np.testing.assert_allclose(first.mean(axis=0), 0, rtol=0, atol=5 / math.sqrt(3 * 2000))
    second = first.T @ first / 2000
    np.testing.assert_allclose(second, np.eye(3) / 3, rtol=0, atol=0.04)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_noise_has_the_norm_that_was_asked_for(dtype):
    X = np.repeat(np.array([[3.0], [0.0], [1e-3]]), 4000, axis=1).astype(dtype)
    Y = shapes.noisy(X, 0.1, seed=5)
    assert Y.dtype == dtype
    assert not Y[1].any()
    relative = np.linalg.norm((Y - X)[[0, 2]], axis=1) / np.linalg.norm(X[[0, 2]], axis=1)
    np.testing.assert_allclose(relative, 0.1, rtol=0.05)
    assert np.array_equal(Y, shapes.noisy(X, 0.1, seed=5))
    assert not np.array_equal(Y, shapes.noisy(X, 0.1, seed=6))
    assert np.array_equal(X, shapes.noisy(X, 0, seed=5))


def test_random_frames():
    X = shapes.random_frame(3000, 5, seed=1)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=5 / math.sqrt(5 * 3000))
    np.testing.assert_allclose(X.T @ X / 3000, np.eye(5) / 5, atol=0.03)
    assert np.array_equal(X, shapes.random_frame(3000, 5, seed=1))
    norms = np.linspace(0, 2, 3000)
    np.testing.assert_allclose(shapes.random_frame(3000, 5, 1, norms), X * norms[:, None], rtol=1e-15)


BAD = [
    (shapes.polygon, (2,), "n must be an integer of at least 3, got 2"),
    (shapes.polygon, (5.0,), "n must be an integer of at least 3, got 5.0"),
    (shapes.polygon, (5, 3), "density must be an integer from 1 to 2, got 3"),
    (shapes.polygon, (9, 3), "density must be coprime to n = 9, got 3"),
    (shapes.simplex, (1,), "n_vectors must be an integer of at least 2"),
    (shapes.simplex, (10**5,), "simplex(100000) would hold 100000 x 99999 numbers"),
    (shapes.cross_polytope, (0,), "d must be an integer of at least 1"),
    (shapes.cube, (23,), "d must be an integer from 1 to 22, got 23"),
    (shapes.demicube, (2,), "d must be an integer from 3 to 22, got 2"),
    (shapes.prism, (2,), "n must be an integer of at least 3"),
    (shapes.prism, (5, 0), "z2 must be finite and above 0 and below 1, got 0.0"),
    (shapes.antiprism, (4, 1.0), "z2 must be finite and above 0 and below 1, got 1.0"),
    (shapes.antiprism, (4, math.nan), "z2 must be finite"),
    (shapes.antiprism, (4, "high"), "z2 must be a number above 0"),
    (shapes.antiprism, (1,), "n must be an integer of at least 2"),
    (shapes.root_system, ("E9",), "name must be A1, B2, C2, D3 or above, E6, E7, E8, F4 or G2, got 'E9'"),
    (shapes.root_system, ("D2",), "name must be"),
    (shapes.root_system, ("A0",), "name must be"),
    (shapes.root_system, (["E8"],), "name must be"),
    (shapes.root_system, ("A99999",), "root_system('A99999') would hold"),
    (shapes.hamming, (0, 2), "d must be an integer from 1 to 26"),
    (shapes.hamming, (2, 1), "q must be an integer of at least 2"),
    (shapes.hamming, (26, 10), "hamming(26, 10) would hold 2^86 x 234 numbers"),
    (shapes.johnson, (5, 5), "k must be an integer from 1 to 4, got 5"),
    (shapes.johnson, (1, 1), "v must be an integer from 2 to 4096"),
    (shapes.johnson, (100, 50), "johnson(100, 50) would hold"),
    (shapes.cyclotomic, (9, 2), "p must be a prime of at least 3, got 9"),
    (shapes.cyclotomic, (13, 4), "classes must divide (p - 1) / 2 = 6, got 4"),
    (shapes.paley, (7,), "q must be a prime of at least 5 that is 1 modulo 4, got 7"),
    (shapes.paley_etf, (9,), "q must be a prime of at least 5 that is 1 modulo 4, got 9"),
    (
        shapes.steiner_etf,
        (28,),
        "for a prime q that is 3 modulo 4 (its powers are not supported) times a power of 2, got 28",
    ),
    (shapes.steiner_etf, (2,), "v must be an integer of at least 4"),
    (shapes.harmonic_etf, (13,), "n must be a prime of at least 7 that is 3 modulo 4, got 13"),
    (shapes.harmonic_etf, (13, (0, 1, 3, 8)), "difference_set must be distinct residues below 13"),
    (shapes.harmonic_etf, (13, (0, 1, 3, 3)), "difference_set must be distinct residues below 13"),
    (shapes.harmonic_etf, (7, ()), "difference_set must be distinct residues below 7"),
    (shapes.harmonic_etf, (7, range(7)), "difference_set must be distinct residues below 7"),
    (
        shapes.harmonic_etf,
        (7, (1, 2, 9)),
        "each member of difference_set must be an integer from 0 to 6, got 9",
    ),
    (shapes.sic, (4,), "d must be an integer from 2 to 3, got 4"),
    (shapes.mub, (4,), "p must be a prime of at least 2, got 4"),
    (shapes.mub, (1009,), "mub(1009) would hold"),
    (shapes.random_frame, (0, 3, 1), "n must be an integer of at least 1"),
    (shapes.random_frame, (3, 0, 1), "m must be an integer of at least 1"),
    (shapes.random_frame, (3, 3, -1), "seed must be an integer of at least 0, got -1"),
    (shapes.random_frame, (3, 3, 1, [1, 2]), "norms must be 3 numbers, got shape (2,)"),
    (shapes.random_frame, (3, 3, 1, [1, -2, 1]), "norms must be finite and at least 0"),
    (shapes.random_frame, (3, 3, 1, [1, math.inf, 1]), "norms must be finite and at least 0"),
    (shapes.random_frame, (1, 3, 1, ["long"]), "norms must be 1 numbers"),
    (shapes.rotated, (np.eye(3), None), "seed must be an integer of at least 0, got None"),
    (shapes.rotated, (np.eye(3), 0, 2), "dim must be an integer of at least 3, got 2"),
    (shapes.noisy, (np.eye(3), -0.1, 0), "relative must be finite and at least 0, got -0.1"),
    (shapes.noisy, (np.eye(3), math.inf, 0), "relative must be finite and at least 0, got inf"),
    (shapes.direct_sum, (), "arrays must be at least one frame"),
    (expected.cyclotomic, (17, 4), "classes must be 1, 2 or 3"),
]


@pytest.mark.parametrize(
    ("function", "arguments", "message"), BAD, ids=[f"{f.__name__}-{m[:40]}" for f, _, m in BAD]
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        function(*arguments)


def test_what_is_no_frame():
    with pytest.raises(
        ShapeError, match=r"arrays\[1\] must be a matrix with features as rows, got shape \(3,\)"
    ):
        shapes.direct_sum(np.eye(2), [1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"X must be a matrix .* got shape \(0, 3\)"):
        shapes.rotated(np.zeros((0, 3)), seed=0)
    with pytest.raises(DtypeError, match="X must hold real or complex numbers"):
        shapes.noisy([["a"]], 0.1, seed=0)


def test_torch_parameters_are_taken():
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.tensor([[1.0, 0.0], [-1.0, 0.5]], dtype=torch.bfloat16))
    plain = [[1.0, 0.0], [-1.0, 0.5]]
    np.testing.assert_array_equal(shapes.direct_sum(weight, weight), shapes.direct_sum(plain, plain))
    np.testing.assert_array_equal(shapes.rotated(weight, 0), shapes.rotated(plain, 0))
    np.testing.assert_array_equal(shapes.noisy(weight, 0.1, 0), shapes.noisy(plain, 0.1, 0))
    norms = torch.ones(3, requires_grad=True)
    np.testing.assert_array_equal(shapes.random_frame(3, 2, 0, norms), shapes.random_frame(3, 2, 0))
    with pytest.raises(ShapeError, match=r"arrays\[0\] is no matrix"):
        shapes.direct_sum([[1.0], [1.0, 2.0]])
