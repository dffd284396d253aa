"""Design strength by zonal sums against moments of monomials, strongly regular parameters, invariances."""

from __future__ import annotations

import dataclasses
import importlib
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.relations import feasibility, fusion, polynomial
from oracles import slow_schemes
from oracles.scheme_answers import ANSWERS

# Of these modules the package has the functions of the same names.
eigen = importlib.import_module("featuregeom.relations.eigenmatrices")
strength = importlib.import_module("featuregeom.relations.design_strength")

by_name = pytest.mark.parametrize(
    "answer", [a for a in ANSWERS if a.n <= 60 and 1 < a.dim <= 4], ids=lambda a: a.name
)


def double_factorial(k):
    return prod(range(k, 0, -2))


def monomial_strength(X, limit):
    """Largest t with every monomial of degree at most t averaging over X as over the sphere."""
    m = X.shape[1]
    for t in range(1, limit + 1):
        for exponents in np.ndindex(*[t + 1] * m):
            if sum(exponents) != t:
                continue
            even = all(e % 2 == 0 for e in exponents)
            top = prod(double_factorial(e - 1) for e in exponents) if even else 0
            sphere = top / prod(m + 2 * i for i in range(t // 2))
            if abs(np.prod(X ** np.array(exponents), axis=1).mean() - sphere) > 1e-9:
                return t - 1
    return limit


@by_name
def test_strength_is_that_of_the_monomials(answer):
    X = answer.coordinates()
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    # The coordinates may span a subspace only: bring them to the dimension of the table.
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    X = U[:, : answer.dim] * s[: answer.dim]
    found = strength.design_strength_of_gram(np.clip(X @ X.T, -1, 1), answer.dim, max_strength=8)
    assert found.strength == min(answer.strength, 8) == monomial_strength(X, 8)
    antipodal = all(np.abs(X + x).sum(axis=1).min() < 1e-9 for x in X)
    assert found.antipodal == antipodal
    assert found.certified == (answer.strength >= 2 * answer.distances - (3 if antipodal else 2))


def test_absolute_bound():
    """The Schlafli vectors attain it: 27 with two inner products in R^6; 28 would not fit."""
    assert strength.absolute_bound(6, 2) == 27
    assert strength.design_strength([1, 0.25, -0.5], [1, 16, 10], 6).within_absolute_bound
    assert not strength.design_strength([1, 0.25, -0.5], [1, 17, 10], 6).within_absolute_bound


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
def test_gegenbauer(degree):
    """Legendre polynomials for m = 3, Chebyshev's for m = 2."""
    x = np.linspace(-1, 1, 9)
    chebyshev = np.cos(degree * np.arccos(x))
    np.testing.assert_allclose(strength.gegenbauer(degree, 2, x), chebyshev, rtol=0, atol=1e-12)
    legendre = np.polynomial.legendre.Legendre.basis(degree)(x)
    np.testing.assert_allclose(strength.gegenbauer(degree, 3, x), legendre, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (lambda: fg.shapes.schlaefli(), (27, 16, 10, 8)),
        (lambda: fg.shapes.shrikhande(), (16, 6, 2, 2)),
        (lambda: fg.shapes.johnson(8, 2), (28, 12, 6, 4)),
        (lambda: fg.shapes.paley(17), (17, 8, 3, 4)),
        (lambda: fg.shapes.hamming(3, 2), None),
    ],
)
def test_strongly_regular(shape, expected):
    X = shape()
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    numbers = eigen.read_numbers(*slow_schemes.intersection_numbers(slow_schemes.colours(X @ X.T)))
    assert polynomial.strongly_regular(numbers, 1) == expected
    with pytest.raises(ParameterError, match="relation must be"):
        polynomial.strongly_regular(numbers, 0)


@settings(max_examples=30)
@given(st.sampled_from([a for a in ANSWERS if a.n <= 20]), st.integers(0, 2**32 - 1))
def test_order_of_points_and_classes(answer, seed):
    """Permuting points changes nothing; permuting classes permutes the columns of P."""
    rng = np.random.default_rng(seed)
    X = answer.coordinates()
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    C = slow_schemes.colours(X @ X.T)
    points = rng.permutation(len(C))
    numbers = slow_schemes.intersection_numbers(C)
    moved = slow_schemes.intersection_numbers(C[np.ix_(points, points)])
    assert all(np.array_equal(a, b) for a, b in zip(numbers, moved, strict=True))
    found = eigen.eigenmatrices(*numbers, seed=seed)
    classes = np.concatenate([[0], 1 + rng.permutation(len(numbers[1]) - 1)])
    other = eigen.eigenmatrices(*slow_schemes.intersection_numbers(classes[C]))
    rows = np.round(other.P[:, classes], 9) + 0.0
    assert sorted(rows.tolist()) == sorted((np.round(found.P, 9) + 0.0).tolist())
    assert len(fusion.fusions(found)) == len(fusion.fusions(other))


def test_feasibility_names_each_condition():
    X = fg.shapes.polygon(6)
    numbers = eigen.read_numbers(*slow_schemes.intersection_numbers(slow_schemes.colours(X @ X.T)))
    assert feasibility.failures(numbers) == []
    p = numbers.p.copy()
    p[1, 1, 2] += 1
    p[1, 2, 2] -= 1
    broken = feasibility.failures(eigen.Numbers(p, numbers.valencies, numbers.transpose))
    assert {"triangles", "associativity"} <= {failure.condition for failure in broken}
    p[1, 1, 1] = -1
    broken = feasibility.failures(eigen.Numbers(p, numbers.valencies, numbers.transpose))
    assert broken[0].condition == "negative"
    assert broken[0].classes == (1, 1, 1)
    odd = eigen.Numbers(numbers.p[:3, :3, :3], np.array([1, 3, 3]), np.arange(3))
    assert ("handshake", (1,)) in [
        (failure.condition, failure.classes) for failure in feasibility.failures(odd)
    ]


def test_absolute_bound_of_idempotents():
    """No graph has the parameters (50, 21, 4, 12): a multiplicity 7 allows 28 points."""
    k, rest, lam, mu = 21, 28, 4, 12
    p = np.zeros((3, 3, 3), dtype=int)
    p[0], p[:, 0] = np.eye(3), np.eye(3)
    p[1, 1] = k, lam, mu
    p[1, 2] = p[2, 1] = 0, k - 1 - lam, k - mu
    p[2, 2] = rest, rest - (k - 1 - lam), rest - 1 - (k - mu)
    numbers = eigen.read_numbers(p, [1, k, rest], [0, 1, 2])
    found = eigen.eigenmatrices(p, [1, k, rest], [0, 1, 2])
    assert sorted(found.multiplicities.tolist()) == [1, 7, 42]
    assert "absolute bound" in {failure.condition for failure in feasibility.failures(numbers, found)}


@pytest.mark.parametrize("n", [25, 26, 40])
def test_long_cycles_are_distance_regular(n):
    """Intersection array {2, 1, ..., 1; 1, ..., 1, c}, for the lengths at which networkx says no as well."""
    at = np.arange(n)
    C = np.minimum((at[None] - at[:, None]) % n, (at[:, None] - at[None]) % n)
    numbers = eigen.read_numbers(*slow_schemes.intersection_numbers(C))
    d = n // 2
    found = polynomial.intersection_array(numbers.p, tuple(range(d + 1)))
    assert found == ((2, *[1] * (d - 1)), (*[1] * (d - 1), 2 - n % 2))
    # One order for each edge class that generates the cyclic group.
    coprime = [j for j in range(1, d + 1) if np.gcd(j, n) == 1]
    assert [order[1] for order in polynomial.p_orders(numbers.p)] == coprime


def test_bad_gram():
    with pytest.raises(ShapeError, match="square"):
        strength.design_strength_of_gram([[1.0, 0.0]], 2)
    with pytest.raises(ParameterError, match="diagonal"):
        strength.design_strength_of_gram([[2.0]], 2)
    with pytest.raises(ParameterError, match="at least 1"):
        strength.absolute_bound(0, 1)
    with pytest.raises(ParameterError, match="degree must"):
        strength.gegenbauer(-1, 2, 0.5)


@by_name
def test_parameters_of_a_detection(answer):
    """What `detect` found has the structure of the table."""
    found = fg.schemes.parameters(fg.schemes.detect(answer.coordinates()))
    assert found.is_primitive == answer.primitive == (len(found.closed_subsets) == 2)
    assert (len(found.p_orders), len(found.q_orders)) == (answer.p_orders, answer.q_orders)
    assert (found.design.strength, found.design.distances) == (answer.strength, answer.distances)
    assert found.failures == []
    assert (found.intersection_array is None) == (answer.p_orders == 0)
    assert found.most_points >= answer.n


def test_parameters_warn_where_levels_were_merged():
    """28 vectors with two cosines do not fit into 6 dimensions."""
    schlaefli = fg.schemes.parameters(fg.schemes.detect(fg.shapes.schlaefli()))
    assert (schlaefli.design.certified, schlaefli.most_points) == (True, 27)
    merged = dataclasses.replace(schlaefli, dim=5)
    assert not merged.design.within_absolute_bound
    from featuregeom.report.structure import structure_words

    assert "do not fit into 5 dimensions, at most 20 do" in structure_words(merged)[-1]
    noisy = fg.schemes.detect(np.random.default_rng(0).standard_normal((9, 4)))
    assert fg.schemes.parameters(noisy) is None


def test_every_function_is_reachable():
    for name in fg.schemes.__all__:
        assert callable(getattr(fg.schemes, name)), name
