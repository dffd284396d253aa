"""Orbits on pairs of random permutation groups are coherent by construction: an endless independent source."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregeom as fg
from oracles import relations as oracle


@st.composite
def groups(draw, most: int = 14):
    """Orbits on pairs of the group of one to three permutations with few moved points or short cycles."""
    n = draw(st.integers(2, most))
    count = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    generators = []
    for _ in range(count):
        length = int(rng.integers(2, n + 1))
        moved = rng.permutation(n)
        move = np.arange(n)
        for start in range(0, n - length + 1, length):
            cycle = moved[start : start + length]
            move[cycle] = np.roll(cycle, 1)
        generators.append(move)
    return oracle.orbitals(n, generators)


@given(groups())
@settings(max_examples=150, deadline=None)
def test_orbitals_are_coherent(labels):
    found = fg.schemes.check(labels)
    assert found.is_coherent, found.reason
    assert found.is_scheme == (len(np.unique(np.diag(labels))) == 1)
    p, k = found.intersection_numbers, found.valencies
    # Associativity, and the sums over one index.
    np.testing.assert_array_equal(np.einsum("ije,elm->ijlm", p, p), np.einsum("iem,jle->ijlm", p, p))
    if found.is_scheme:
        assert k.sum() == len(labels)
        np.testing.assert_array_equal(p.sum(axis=1), np.broadcast_to(k[:, None], p.shape[1:]))


@given(groups(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_fusions_close_to_something_coherent_between(labels, seed):
    names, number = np.unique(labels, return_inverse=True)
    fused = np.random.default_rng(seed).integers(0, 3, len(names))[number.reshape(labels.shape)]
    found = fg.schemes.closure(fused)
    assert oracle.refines(found.relations, fused)
    assert oracle.refines(labels, found.relations)
    assert oracle.is_coherent(found.relations)
    # A coherent configuration is its own closure.
    assert oracle.same_partition(fg.schemes.closure(found.relations).relations, found.relations)


@given(groups(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_closure_knows_no_order_of_points_or_labels(labels, seed):
    rng = np.random.default_rng(seed)
    names, number = np.unique(labels, return_inverse=True)
    fused = rng.integers(0, 3, len(names))[number.reshape(labels.shape)]
    order = rng.permutation(len(labels))
    found = fg.schemes.closure(fused)
    moved = fg.schemes.closure(fused[np.ix_(order, order)])
    np.testing.assert_array_equal(moved.relations, found.relations[np.ix_(order, order)])
    renamed = fg.schemes.closure(np.array([9, -4, 2])[fused], seed=seed)
    assert oracle.same_partition(renamed.relations, found.relations)


@given(groups(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_the_canonical_order_knows_neither(labels, seed):
    rng = np.random.default_rng(seed)
    names, number = np.unique(labels, return_inverse=True)
    order = rng.permutation(len(labels))
    renamed = rng.permutation(len(names))[number.reshape(labels.shape)][np.ix_(order, order)]
    a, b = (fg.schemes.check(given, order="canonical") for given in (labels, renamed))
    np.testing.assert_array_equal(a.intersection_numbers, b.intersection_numbers)
    np.testing.assert_array_equal(a.valencies, b.valencies)
    np.testing.assert_array_equal(a.transpose, b.transpose)
    assert oracle.same_partition(a.labels[np.ix_(order, order)], b.labels)


@given(st.integers(1, 7), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_random_labels_are_judged_as_by_the_definition(n, colours, symmetric, seed):
    labels = np.random.default_rng(seed).integers(1, colours + 1, (n, n))
    if symmetric:
        labels = np.maximum(labels, labels.T)
    np.fill_diagonal(labels, 0)
    assert fg.schemes.check(labels).is_coherent == oracle.is_coherent(labels)
