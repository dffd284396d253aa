"""Detection: every known geometry from features, Gram matrix and relations; no name for anything else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

import featuregeom as fg
from featuregeom import demo, shapes
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.shapes.names import polygon_name
from oracles.geometries import ROWS, disguised

# Schemes that several geometries share are called by the one of least dimension.
BY_RELATIONS = {"square antiprism": "octagon", "triangular prism": "hexagon", "pentagonal prism": "decagon"}


@pytest.mark.parametrize("source", ["features", "gram"])
@pytest.mark.parametrize("name", list(ROWS))
def test_rows_of_the_table(name, source):
    ideal, levels, valencies, multiplicities, eigenvalue = ROWS[name]
    X = disguised(ideal, 7)
    found = fg.schemes.detect(X) if source == "features" else fg.schemes.detect(gram=X @ X.T)
    assert (found.name, found.nearest, found.dim) == (name, name, ideal.shape[1])
    assert found.is_scheme == (name != "D5 roots")
    assert found.valencies.tolist() == [1, *valencies]
    np.testing.assert_allclose(found.levels, [1, *levels], atol=5e-5)
    assert sorted(found.multiplicities) == sorted(multiplicities)
    assert found.multiplicities[0] == 1
    assert found.multiplicities[found.support].sum() == ideal.shape[1]
    assert found.frame_eigenvalue == pytest.approx(eigenvalue, rel=1e-6)
    assert found.residual < 1e-9
    assert sorted(found.order.tolist()) == list(range(len(X)))
    np.testing.assert_allclose(found.P @ found.Q, len(X) * np.eye(len(found.P)), atol=1e-8)
    np.testing.assert_allclose(found.denoised, X @ X.T / 3.7**2, atol=1e-9)
    assert found.defect == 0


@pytest.mark.parametrize("name", list(ROWS))
def test_rows_from_their_relations(name):
    """Classes renumbered at random: the canonical result is the same."""
    first = fg.schemes.detect(disguised(ROWS[name][0], 3))
    rng = np.random.default_rng(5)
    found = fg.schemes.detect(relations=rng.permutation(40)[first.relations])
    assert found.name == BY_RELATIONS.get(name, name)
    assert found.is_scheme  # the classes given; of D5 they are those of the closure already
    assert sorted(found.valencies) == sorted(first.valencies)
    assert sorted(found.multiplicities) == sorted(first.multiplicities)


def test_parameters_are_those_of_the_matrices():
    """p, P and q against products of the relation matrices themselves."""
    found = fg.schemes.detect(disguised(shapes.johnson(6, 3), 1))
    A = [(found.relations == k).astype(float) for k in range(4)]
    for i in range(4):
        for j in range(4):
            product = sum(found.intersection_numbers[i, j, k] * A[k] for k in range(4))
            np.testing.assert_allclose(A[i] @ A[j], product, atol=1e-9)
    E = [sum(found.Q[k, i] * A[k] for k in range(4)) / 20 for i in range(4)]
    for i in range(4):
        np.testing.assert_allclose(E[i] @ E[i], E[i], atol=1e-9)
        for j in range(4):
            krein = sum(found.krein[i, j, k] * E[k] for k in range(4)) / 20
            np.testing.assert_allclose(E[i] * E[j], krein, atol=1e-9)


def test_levels_of_d5_are_no_scheme():
    found = fg.schemes.detect(shapes.root_system("D5"))
    assert not found.is_scheme
    assert found.reason == "levels are not a scheme; closure has rank 6"
    assert found.name == "D5 roots"
    levels = np.minimum(np.rint(2 * (1 - shapes.root_system("D5") @ shapes.root_system("D5").T)), 4)
    found = fg.schemes.detect(relations=levels)
    assert not found.is_scheme
    assert found.reason == "the relations are not a scheme; closure has rank 6"
    assert (found.name, found.rank_of_closure) == ("D5 roots", 6)


def test_a_bipyramid_is_a_configuration_of_two_fibres():
    """Apexes and base of a triangular bipyramid are different points: rank 2 + 2 + 2, never a scheme."""
    base = np.column_stack([shapes.polygon(3), np.zeros(3)])
    X = disguised(np.vstack([base, [[0, 0, 1.0], [0, 0, -1]]]), 2)
    found = fg.schemes.detect(X)
    # A direct sum of triangle and digon: its summands have names, the whole is no scheme.
    assert (found.is_scheme, found.name) == (False, "digon (+) triangle")
    assert found.rank_of_closure == 6
    assert sorted(np.bincount(found.fibres)) == [2, 3]
    skew = np.vstack([shapes.antiprism(5, 0.2)[:5], [[0, 0, -1.0]]])
    found = fg.schemes.detect(skew)
    assert (found.is_scheme, found.name, found.valencies) == (False, "", None)
    assert "2 fibres of" in found.reason
    assert sorted(np.bincount(found.fibres)) == [1, 5]
    # Apex, base; the spokes seen from either end; sides and diagonals of the pentagon.
    assert found.pairs.tolist() == [1, 5, 5, 5, 5, 5]


@pytest.mark.parametrize("z2", [0.15, 0.2612038749637415, 0.293, 0.5, 0.8])
@pytest.mark.parametrize("sides", [3, 4, 5, 6, 8])
def test_prisms_of_any_height(sides, z2):
    for kind, build in (("antiprism", shapes.antiprism), ("prism", shapes.prism)):
        found = fg.schemes.detect(disguised(build(sides, z2), 1, noise=1e-6))
        assert found.name.endswith(f" {kind}")
        assert found.height == pytest.approx(z2, abs=1e-4)
        assert found.dim == 3


def test_levels_that_coincide_are_told_from_their_closure():
    """At this height the antiprism's two highest levels are one."""
    found = fg.schemes.detect(shapes.antiprism(4, 1 / (1 + 2 * np.sqrt(2))))
    assert (found.name, found.is_scheme) == ("square antiprism", False)
    assert found.reason == "levels are not a scheme; closure has rank 5"


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ("toy_n5_m2", "pentagon"),
        ("toy_n3_m2", "triangle"),
        ("toy_n4_m3", "tetrahedron"),
        ("toy_n8_m3", "square antiprism"),
        ("toy_n12_m3", "icosahedron"),
    ],
)
def test_shipped_models(tensor, name):
    found = fg.schemes.detect(load_file(demo.SHIPPED)[tensor])
    assert (found.name, found.is_scheme) == (name, True)
    assert found.residual < 0.05


@pytest.mark.parametrize("copies", [2, 3, 5])
@pytest.mark.parametrize("name", ["triangle", "pentagon", "cube", "icosahedron"])
def test_copies_of_one_geometry(name, copies):
    found = fg.schemes.detect(disguised(shapes.direct_sum(*[ROWS[name][0]] * copies), 4))
    assert (found.name, found.dim) == (f"{copies} x {name}", copies * ROWS[name][0].shape[1])
    assert [part.name for part in found.parts] == [name] * copies
    assert found.is_scheme
    different = fg.schemes.detect(shapes.direct_sum(ROWS[name][0], shapes.polygon(7)))
    assert different.name == " (+) ".join(sorted(["heptagon", name]))
    assert not different.is_scheme


@pytest.mark.parametrize(
    ("X", "name"),
    [
        (shapes.icosahedral_lines(), "lines of the icosahedron"),
        (shapes.etf_28_7(), "lines of the Gosset polytope 3_21"),
        (shapes.etf_16_6(), "lines of the half 6-cube"),
        (shapes.steiner_etf(8), "equiangular tight frame of 64 lines in 28 dimensions"),
        (shapes.random_frame(6, 3, seed=0), ""),
        (np.eye(4), "lines of the cross-polytope of 8 vertices"),
        (shapes.cube(3), "lines of the cube"),
        (shapes.polygon(3), "lines of the hexagon"),
    ],
)
def test_lines(X, name):
    """With signs drawn at random. The cube's vertices come twice, as both ends of its diagonals."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        found = fg.schemes.detect(X * rng.choice([-1.0, 1.0], (len(X), 1)), mode="line")
        assert found.name == name
        assert found.mode == "line"
        assert sorted(found.order.tolist()) == list(range(len(X)))


def test_duplicates_are_merged_and_reported():
    X = np.vstack([shapes.polygon(5), shapes.polygon(5)[[1, 3, 1]]])
    found = fg.schemes.detect(X)
    assert found.name == "pentagon"
    assert found.duplicates == ((1, 5, 7), (3, 6))
    assert found.reason == "8 features in 5 directions"
    assert sorted(found.order.tolist()) == list(range(8))
    assert fg.naming.name_geometry(np.clip(X @ X.T, -1, 1), np.ones(8)).geometry == ""


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_features(n):
    found = fg.schemes.detect(np.eye(n))
    assert found.name == ""
    assert found.reason
    assert found.relations.shape == (n, n)
    assert fg.schemes.detect(np.ones((n, 2))).n == 1
    assert fg.schemes.detect(gram=np.eye(n)).order.tolist() == list(range(n))
    assert fg.schemes.detect(relations=1 - np.eye(n)).name == (
        "" if n == 1 else {2: "digon", 3: "triangle", 4: "tetrahedron"}[n]
    )


def test_norms_that_differ_refuse_a_name():
    X = ROWS["cube"][0].copy()
    X[0] *= 1.5
    found = fg.schemes.detect(X)
    assert (found.name, found.nearest) == ("", "cube")
    assert found.reason == "cosines of a cube, but norms differ by 50%"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ParameterError, "give one of X, gram and relations, got 0"),
        ({"X": np.eye(2), "gram": np.eye(2)}, ParameterError, "got 2"),
        ({"X": np.eye(2), "mode": "both"}, ParameterError, "mode must be"),
        ({"X": np.eye(2), "tolerance": 0}, ParameterError, "tolerance must be above 0"),
        ({"X": np.eye(2), "seed": -1}, ParameterError, "seed must be an integer from 0"),
        ({"X": np.ones(3)}, ShapeError, "shape"),
        ({"X": np.ones((2, 2)) * 1j}, DtypeError, "complex"),
        ({"X": [[1.0, 0], [np.nan, 1]]}, NonFiniteError, "row 1"),
        ({"X": [[1.0, 0], [0, 0]]}, ParameterError, "feature 1 is zero"),
        ({"gram": np.eye(4097)}, ParameterError, "up to 4096"),
        ({"gram": np.ones((2, 3))}, ShapeError, "a Gram matrix is square"),
        ({"gram": [[1, 0.5], [0.4, 1]]}, ParameterError, r"gram is not symmetric: 0.5 at \(0, 1\)"),
        ({"gram": [[1, np.inf], [np.inf, 1]]}, NonFiniteError, "row 0, column 1"),
        ({"gram": [[1, 2], [2, 1]]}, ParameterError, "features 0 and 1 would have the cosine 2"),
        ({"gram": [[1, 0], [0, -1]]}, ParameterError, "feature 1 has the squared norm -1"),
        ({"relations": np.ones((2, 3))}, ShapeError, "square"),
        ({"relations": [[0, 0.5], [0.5, 0]]}, ParameterError, "which is no integer"),
        ({"relations": [[0, 1], [2, 0]]}, ParameterError, "not symmetric at"),
        ({"relations": [[0, 1], [1, 2]]}, ParameterError, "0 at"),
        ({"relations": [[0, 0], [0, 0]]}, ParameterError, "points 0 and 1 are in the relation"),
        ({"relations": [[0, 1], [1, 0]], "mode": "line"}, ParameterError, "relations have no lines"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        fg.schemes.detect(**arguments)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from([name for name in ROWS if len(ROWS[name][0]) <= 28]),
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-150, 1e150),
)
def test_permutation_rotation_and_scale_change_nothing(name, seed, scale):
    X = ROWS[name][0]
    order = np.random.default_rng(seed).permutation(len(X))
    found = fg.schemes.detect(scale * shapes.rotated(X[order], seed))
    plain = fg.schemes.detect(X)
    assert found.name == plain.name
    np.testing.assert_array_equal(found.valencies, plain.valencies)
    np.testing.assert_array_equal(found.intersection_numbers, plain.intersection_numbers)
    np.testing.assert_allclose(found.P, plain.P, atol=1e-6)


@pytest.mark.parametrize("name", list(ROWS))
def test_one_flipped_pair_is_no_scheme(name):
    """Levels of a pair exchanged with another's: the relation matrix is refused, whatever closure it has."""
    relations = fg.schemes.detect(ROWS[name][0]).relations.copy()
    if relations.max() < 2:
        return
    i, j = np.argwhere(relations == 1)[0]
    relations[i, j] = relations[j, i] = 2
    found = fg.schemes.detect(relations=relations)
    assert (found.is_scheme, found.name) == (False, "")


def cosines(X):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize(
    "X",
    [shapes.cell600(), shapes.hamming(4, 3), shapes.cell24(), shapes.root_system("E8"), shapes.cube(3)],
    ids=["600-cell", "H(4,3)", "24-cell", "E8", "cube"],
)
def test_one_wrong_entry_of_an_exact_gram_matrix_is_no_scheme(X):
    gram = cosines(X)
    levels = np.unique(gram.round(6))
    i, j = np.argwhere(np.isclose(gram, levels[-2]))[0]
    gram[i, j] = gram[j, i] = levels[-3]
    found = fg.schemes.detect(gram=gram)
    assert (found.is_scheme, found.name) == (False, "")
    assert found.reason


def test_an_indefinite_matrix_is_no_gram_matrix():
    with pytest.raises(ParameterError, match=r"no Gram matrix: it has the eigenvalue -2\.6"):
        fg.schemes.detect(gram=1.9 * np.eye(5) - 0.9)


def test_equal_cosines_are_never_cut_apart():
    """An antipodal set has every cosine twice, with both signs; once a cut between equal ones left a class empty."""
    a = 0.3
    half = np.array([[1, a, 0], [1, -a / 2, a * 0.8], [1, -a / 2.2, -a * 0.7]])
    assert fg.schemes.detect(np.vstack([half, -half])).name == ""
    rng = np.random.default_rng(0)
    for _ in range(40):
        half = rng.standard_normal((rng.integers(2, 6), 3))
        assert not fg.schemes.detect(np.vstack([half, -half])).is_scheme or len(half) < 3


@pytest.mark.parametrize("q", [89, 97, 113, 137, 229])
def test_paley_whatever_the_order_of_points(q):
    X = shapes.paley(q)
    for seed in range(3):
        found = fg.schemes.detect(X[np.random.default_rng(seed).permutation(q)])
        assert found.name == f"Paley {q}"
        order = found.order
        assert sorted(order.tolist()) == list(range(q))


@pytest.mark.parametrize(
    "X", [shapes.prism(4, 0.5), shapes.prism(6), shapes.antiprism(9)], ids=["4", "6", "9"]
)
def test_relations_at_one_cosine_have_one_order(X):
    seen = set()
    for seed in range(6):
        found = fg.schemes.detect(shapes.rotated(X[np.random.default_rng(seed).permutation(len(X))], seed))
        seen.add((found.intersection_numbers.tobytes(), (np.round(found.P, 6) + 0.0).tobytes()))
    assert len(seen) == 1


def test_summands_that_are_not_orthogonal_are_no_sum():
    gram = np.kron(np.eye(2), cosines(shapes.simplex(3)))
    cross = 0.095 * (1.5 * np.eye(3) - 0.5)
    gram[:3, 3:], gram[3:, :3] = cross, cross.T
    assert fg.schemes.detect(gram=gram).name == ""
    gram[:3, 3:], gram[3:, :3] = 0.4 * cross, 0.4 * cross.T
    found = fg.schemes.detect(gram=gram)
    assert found.name == "2 x triangle"
    assert found.residual == pytest.approx(0.038)
    assert fg.schemes.detect(gram=gram, tolerance=1e-6).name == ""


def test_summands_of_different_heights_are_told_apart():
    X = shapes.direct_sum(shapes.antiprism(4, 0.2), shapes.antiprism(4, 0.6))
    assert fg.schemes.detect(X).name == (
        "square antiprism of squared height 0.20 (+) square antiprism of squared height 0.60"
    )


def test_a_sum_of_different_shapes_says_that_it_is_no_scheme():
    found = fg.schemes.detect(shapes.direct_sum(shapes.polygon(5), shapes.simplex(3)))
    assert (found.name, found.is_scheme) == ("pentagon (+) triangle", False)
    assert found.reason == "a direct sum: its levels together are no scheme"


def test_a_covering_graph_is_not_named_after_what_shares_its_cosines():
    """Two relations of the Desargues graph's distances have one cosine on the eigenspace of J(6,3)."""
    import networkx as nx

    distances = np.array(nx.floyd_warshall_numpy(nx.desargues_graph())).astype(int)
    found = fg.schemes.detect(relations=distances)
    assert (found.is_scheme, found.name) == (True, "")
    assert found.valencies.tolist() == [1, 3, 6, 6, 3, 1]


def test_labels_of_any_size_are_told_apart():
    big = 2**53
    found = fg.schemes.detect(relations=[[0, big + 1, big], [big + 1, 0, big], [big, big, 0]])
    assert (found.is_scheme, found.name) == (False, "")


def test_half_precision():
    assert fg.schemes.detect(shapes.icosahedron().astype(np.float16)).name == "icosahedron"


def test_beyond_the_catalogue():
    assert fg.schemes.detect(shapes.johnson(49, 2)).name == "J(49,2)"


@pytest.mark.parametrize("option", [{"tolerance": "x"}, {"tolerance": 0.7}, {"seed": 1.5}, {"seed": -1}])
def test_options_out_of_range(option):
    with pytest.raises(ParameterError, match=next(iter(option))):
        fg.schemes.detect(shapes.cube(3), **option)


@pytest.mark.parametrize("z2", [0.02, 0.1, 0.9, 0.97])
@pytest.mark.parametrize("sides", [3, 5, 7])
def test_low_and_tall_prisms_keep_their_names_when_turned(sides, z2):
    for kind, build in (("antiprism", shapes.antiprism), ("prism", shapes.prism)):
        for seed in range(4):
            found = fg.schemes.detect(disguised(build(sides, z2), seed))
            assert found.name.endswith(f" {kind}"), (found.name, found.nearest)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.02])
def test_noise_of_gram_entries(size):
    """Of antipodal features it takes some cosines below -1."""
    X = shapes.icosahedron()
    for seed in range(5):
        E = np.random.default_rng(seed).standard_normal((12, 12)) * size
        gram = X @ X.T + (E + E.T) / 2
        assert np.abs(gram / np.sqrt(np.outer(gram.diagonal(), gram.diagonal()))).max() > 1
        assert fg.schemes.detect(gram=gram).name == "icosahedron"


def test_many_features_in_few_directions():
    """More than a matrix of pairs holds, but not once the directions are merged."""
    X = shapes.root_system("E8")
    copies = np.random.default_rng(0).permutation(np.repeat(np.arange(240), 18))
    found = fg.schemes.detect(X[copies])
    assert (found.name, found.dim, len(found.points)) == ("E8 roots", 8, 240)
    assert found.reason == "4320 features in 240 directions"
    assert sorted(found.order) == list(range(4320))
    assert sorted(i for group in found.duplicates for i in group) == list(range(4320))
    assert all((copies[list(group)] == copies[group[0]]).all() for group in found.duplicates)
    assert fg.schemes.verify(fg.schemes.certify(found), X[copies]).holds
    longer = X[copies]
    longer[found.duplicates[0][1]] *= 2
    found = fg.schemes.detect(longer)
    assert found.name == ""
    assert "norms of one direction differ by 100%" in found.reason


@pytest.mark.parametrize("X", [[[1.0, 0]], [[1.0, 0], [0, 1]], [[1.0, 0], [0.6, 0.8]], np.eye(3)])
def test_a_single_class_is_a_scheme_whoever_is_asked(X):
    found = fg.schemes.detect(X)
    n = len(X)
    assert (found.is_scheme, found.name, found.n) == (True, "", n)
    assert found.valencies.tolist() == [1, n - 1][: min(n, 2)]
    assert fg.schemes.check(found.relations).is_scheme
    assert fg.schemes.detect(relations=found.relations).is_scheme
    assert fg.schemes.detect_blocks(X, [0] * n).is_scheme.tolist() == [True]


@pytest.mark.parametrize("n", [3, 5000])
def test_one_direction_however_many_features(n):
    found = fg.schemes.detect(np.ones((n, 3)))
    assert (found.name, found.reason) == ("", f"{n} features in 1 direction; a single feature")


@pytest.mark.parametrize(
    ("high", "low", "noise"),
    [
        *(
            (*levels, noise)
            for levels in [(-0.0275, -0.0725), (-0.025, -0.075), (-0.04, -0.06), (-0.0499, -0.0501)]
            for noise in (0, 1e-6)
        ),
        *((-0.05 + half, -0.05 - half, 0) for half in (5e-6, 3.5e-7, 1e-8, 1e-10)),
    ],
)
def test_two_exact_levels_near_that_of_a_simplex(high, low, noise):
    """J(7,2) in both of its eigenspaces at once: 21 points with 10 others at each level, in 20 dimensions."""
    pairs = list(itertools.combinations(range(7), 2))
    meet = np.array([[len({*a} & {*b}) for b in pairs] for a in pairs])
    X = np.linalg.cholesky(np.where(meet == 1, low, np.where(meet == 0, high, 1.0)) + 1e-13 * np.eye(21))
    for sign in (1, -1):
        if sign < 0:
            X = np.linalg.cholesky(
                np.where(meet == 1, high, np.where(meet == 0, low, 1.0)) + 1e-13 * np.eye(21)
            )
        found = fg.schemes.detect(shapes.noisy(X, noise, seed=0))
        assert found.name == ""
        assert found.is_scheme
        assert found.valencies.tolist() == [1, 10, 10]
        np.testing.assert_allclose(
            np.sort(found.levels), [low, high, 1], rtol=0, atol=10 * noise + (high - low) / 100
        )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [9, 12, 16, 24, 40])
def test_rounding_makes_no_levels(n, dtype):
    """Coordinates that are rounded alike make cosines that are exactly alike, and other ones a digit apart."""
    angles = 2 * np.pi * np.arange(n)[:, None] * np.arange(1, n // 2 + 1) / n
    harmonic = np.hstack([np.cos(angles), np.sin(angles[:, : (n - 1) // 2])])
    if n % 2 == 0:
        harmonic[:, n // 2 - 1] /= np.sqrt(2)
    for X, name in (
        (shapes.simplex(n), f"simplex of {n} vertices"),
        (harmonic, f"simplex of {n} vertices"),
        (np.eye(n) - 1 / n, f"simplex of {n} vertices"),
        (shapes.polygon(n), polygon_name(n)),
        (
            np.vstack([np.eye(n), -np.eye(n)]) @ np.linalg.qr(harmonic @ harmonic.T + np.eye(n))[0],
            f"cross-polytope of {2 * n} vertices",
        ),
    ):
        assert fg.schemes.detect(X.astype(dtype)).name == name


def test_nearly_orthogonal_levels_are_no_cross_polytope():
    """Equiangular lines with the cosine 1/21, on both sides: levels within .05 of 0 and -1, and exact."""
    n, angle = 40, 1 / 21
    gram = np.eye(n) * (1 - angle) + angle
    both = np.block([[gram, -gram], [-gram, gram]])
    assert "cross-polytope" not in fg.schemes.detect(gram=both).name


@pytest.mark.parametrize("n", [3, 4, 5, 6, 9, 12, 40])
def test_rounded_simplices_keep_their_name(n):
    X = shapes.simplex(n)
    for rounded in (np.round(X, 3), X.astype(np.float16), shapes.rotated(X, seed=n).astype(np.float32)):
        assert fg.schemes.detect(rounded.astype(np.float64)).dim == n - 1
        assert fg.schemes.detect(rounded.astype(np.float64)).name == fg.schemes.detect(X).name
