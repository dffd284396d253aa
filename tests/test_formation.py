"""Moments, alignments and their nulls, the six relations, exponents: closed forms, identities, simulations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from featuregeom import formation
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.formation import Moments, alignment, crh, power_law, power_phase, sides

seeds = st.integers(0, 2**32 - 1)


def rotation(rng, d):
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def wishart(rng, d, n, scale=1.0):
    X = rng.standard_normal((n, d)) * scale
    return X.T @ X / n


# --- Moments ---------------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 6), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_any_split_gives_the_moments_of_all(seed, d, sizes):
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal((n, d)) * 3 + 7 for n in [*sizes, 1]]
    X = np.concatenate(parts)
    streamed = Moments(d)
    for part in parts:
        streamed.add(part)
    merged = Moments(d)
    for part in parts:
        merged.merge(Moments(d).add(part))
    for found in (streamed, merged):
        assert found.n == len(X)
        scale = np.abs(X).max() ** 2
        np.testing.assert_allclose(found.second(), X.T @ X / len(X), rtol=1e-13, atol=1e-14 * scale)
        np.testing.assert_allclose(
            found.cov(), np.cov(X.T, bias=True).reshape(d, d), rtol=1e-12, atol=1e-13 * scale
        )


def test_a_small_variance_beside_a_large_mean_keeps_its_digits():
    """E[x²] − E[x]² in float32 is off by parts of itself here."""
    X = (10 + 0.01 * np.random.default_rng(0).standard_normal((20000, 3))).astype(np.float32)

    exact = np.cov(X.astype(np.float64).T, bias=True)
    found = Moments(3)
    for part in np.array_split(X, 7):
        found.add(part)
    np.testing.assert_allclose(found.cov(), exact, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        (np.ones((2, 4)), ShapeError, "3 numbers"),
        (np.ones((2, 2, 3)), ShapeError, "3 numbers"),
        ([[1.0, np.nan, 0.0]], NonFiniteError, "row 0, column 1"),
        (np.ones((2, 3), complex), DtypeError, "complex"),
    ],
)
def test_moments_refuse_what_are_no_vectors(X, error, said):
    with pytest.raises(error, match=said):
        Moments(3).add(X)


def test_moments_of_nothing_and_of_other_layers_are_refused():
    with pytest.raises(ParameterError, match="no vectors"):
        Moments(2).second()
    with pytest.raises(ShapeError, match="another layer"):
        Moments(2).merge(Moments(3))
    with pytest.raises(ParameterError, match="integer"):
        Moments(0)


# --- Alignment -------------------------------------------------------------------------------------------------------


@given(seeds, st.integers(2, 8), st.sampled_from(formation.KINDS), st.floats(1e-200, 1e200))
def test_a_matrix_aligns_with_its_multiples(seed, d, kind, factor):
    A = wishart(np.random.default_rng(seed), d, d + 1)
    assert alignment(A, A * factor, kind).value == pytest.approx(1, abs=1e-12)


@given(seeds, st.integers(2, 8), st.sampled_from(["cosine", "deviatoric"]))
def test_turning_both_alike_changes_nothing(seed, d, kind):
    rng = np.random.default_rng(seed)
    A, B, q = wishart(rng, d, d + 2), wishart(rng, d, 3), rotation(rng, d)
    one, other = alignment(A, B, kind), alignment(q @ A @ q.T, q @ B @ q.T, kind)
    assert other.value == pytest.approx(one.value, abs=1e-11)
    assert other.null_mean == pytest.approx(one.null_mean, abs=1e-11)
    assert other.p == pytest.approx(one.p, abs=1e-6)


def test_pearson_is_the_correlation_of_entries():
    rng = np.random.default_rng(1)
    A, B = wishart(rng, 5, 9), wishart(rng, 5, 9)
    assert alignment(A, B, "pearson").value == pytest.approx(
        np.corrcoef(A.ravel(), B.ravel())[0, 1], abs=1e-12
    )


def test_the_closed_forms_of_the_null():
    rng = np.random.default_rng(2)
    A, B, d = wishart(rng, 12, 20), wishart(rng, 12, 40), 12

    def participation(M):
        return np.trace(M) ** 2 / (M * M).sum()

    found = alignment(A, B, "cosine")
    assert found.null_mean == pytest.approx(np.sqrt(participation(A) * participation(B)) / d, rel=1e-12)
    assert alignment(A, B, "deviatoric").null_mean == 0
    assert alignment(A, B, "deviatoric").null_std == pytest.approx(
        np.sqrt(2 / ((d - 1) * (d + 2))), rel=1e-12
    )


SPECTRA = {
    "rank one": lambda rng, d: (wishart(rng, d, 1), wishart(rng, d, 1)),
    "Wishart": lambda rng, d: (wishart(rng, d, 2 * d), wishart(rng, d, 3 * d)),
    "power law": lambda rng, d: (
        wishart(rng, d, 4 * d, np.arange(1, d + 1) ** -1.0),
        wishart(rng, d, 4 * d, np.arange(1, d + 1) ** -0.7),
    ),
    "indefinite": lambda rng, d: (np.diag(rng.standard_normal(d)), wishart(rng, d, d)),
}


def _null_is_met(name, kind, d, n_draws):
    """Mean, spread and both tails of the null, by turning one matrix at random: each at a level of 1 in 10 000."""
    rng = np.random.default_rng([d, sorted(SPECTRA).index(name), formation.KINDS.index(kind)])
    A, B = SPECTRA[name](rng, d)
    found = alignment(A, B, kind)
    turned = [alignment(A, q @ B @ q.T, kind) for q in (rotation(rng, d) for _ in range(n_draws))]
    values = np.array([each.value for each in turned])
    slack = {"pearson": 0.006 if d < 12 else 0.003}.get(kind, 0.0)
    assert abs(values.mean() - found.null_mean) < 3.9 * found.null_std / np.sqrt(n_draws) + slack
    kurtosis = ((values - values.mean()) ** 4).mean() / values.var() ** 2
    assert abs(values.std() / found.null_std - 1) < 3.9 * np.sqrt((kurtosis - 1) / n_draws) / 2 + 4 * slack
    tails = np.array([each.p for each in turned])
    # The distribution between its first three moments is approximated: a level of .05 is at most .065, one of .01 .018.
    for level, most in ((0.05, 0.065), (0.01, 0.018)):
        assert (tails < level).sum() <= binom.isf(1e-4, n_draws, most)
        assert (tails < level).sum() >= binom.ppf(1e-4, n_draws, level / 3)


@pytest.mark.parametrize("kind", formation.KINDS)
@pytest.mark.parametrize("name", SPECTRA)
def test_the_null_against_random_rotations(name, kind):
    _null_is_met(name, kind, 8 if kind != "pearson" else 12, 400)


@pytest.mark.slow
@pytest.mark.parametrize("d", [12, 24])
@pytest.mark.parametrize("kind", formation.KINDS)
@pytest.mark.parametrize("name", SPECTRA)
def test_the_null_against_many_random_rotations(name, kind, d):
    _null_is_met(name, kind, d, 4000)


@pytest.mark.parametrize("d", [2, 3, 7])
def test_the_tail_of_rank_one_is_exact(d):
    """(u · v)² is a beta variable of parameters 1/2 and (d − 1)/2."""
    from scipy.stats import beta

    rng = np.random.default_rng(d)
    u, v = (each / np.linalg.norm(each) for each in rng.standard_normal((2, d)))
    found = alignment(np.outer(u, u), np.outer(v, v))
    assert found.p == pytest.approx(beta.sf((u @ v) ** 2, 0.5, (d - 1) / 2), abs=1e-9)


def test_two_random_covariances_look_alike_by_correlation_alone():
    """The floor of the published measure, .98 here, is its null; only the deviatoric cosine is about 0."""
    rng = np.random.default_rng(3)
    A, B = wishart(rng, 64, 4096), wishart(rng, 64, 4096)
    found = alignment(A, B, "pearson")
    assert found.value > 0.97
    assert abs(found.z) < 4
    assert found.p > 1e-3
    assert abs(alignment(A, B, "deviatoric").value) < 0.1


def test_a_multiple_of_the_identity_has_no_direction():
    found = alignment(3 * np.eye(4), np.diag([1.0, 2, 3, 4]), "deviatoric")
    assert np.isnan(found.value)
    assert np.isnan(found.p)
    assert "identity" in found.undefined
    assert alignment(np.eye(4), np.eye(4), "cosine").value == 1


def test_the_initial_value_stands_beside():
    A, B = np.diag([1.0, 2.0]), np.diag([1.0, 3.0])
    assert alignment(A, A, initial=(A, B)).initial == alignment(A, B).value
    assert alignment(A, B).initial is None


@pytest.mark.parametrize(
    ("A", "B", "error", "said"),
    [
        (np.eye(2), np.eye(3), ShapeError, "one space"),
        (np.ones((2, 3)), np.eye(2), ShapeError, "square"),
        (np.zeros((2, 2)), np.eye(2), ParameterError, "A is zero"),
        (np.eye(2), [[1.0, np.inf], [0.0, 1.0]], NonFiniteError, "row 0, column 1"),
        ([[1.0, 2.0], [0.0, 1.0]], np.eye(2), ParameterError, "not symmetric"),
    ],
)
def test_what_cannot_be_aligned(A, B, error, said):
    with pytest.raises(error, match=said):
        alignment(A, B)
    with pytest.raises(ParameterError, match="kind"):
        alignment(np.eye(2), np.eye(2), "cos")


# --- The six relations -----------------------------------------------------------------------------------------------


def layer(rng, d_a, d_b, n=40, bias=False):
    """Samples of one linear map, and their moments."""
    W, b = rng.standard_normal((d_b, d_a)), rng.standard_normal(d_b) * bias
    h_a, g_b = rng.standard_normal((n, d_a)) + 1, rng.standard_normal((n, d_b)) + 0.5
    moments = SimpleNamespace(
        H_a=h_a.T @ h_a / n, G_b=g_b.T @ g_b / n, mean_a=h_a.mean(0), mean_g=g_b.mean(0), bias=b, W=W
    )
    return moments, h_a, h_a @ W.T + b, g_b @ W, g_b


@given(seeds, st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_the_identities_of_a_linear_map(seed, d_a, d_b, bias):
    moments, h_a, h_b, g_a, g_b = layer(np.random.default_rng(seed), d_a, d_b, bias=bias)
    raw, centred = sides(moments), sides(moments, statistic="centred")
    for name, X in {"H_a": h_a, "H_b": h_b, "G_a": g_a, "G_b": g_b}.items():
        scale = (X * X).sum() / len(X)
        np.testing.assert_allclose(getattr(raw, name), X.T @ X / len(X), rtol=0, atol=1e-13 * scale)
        away = X - X.mean(axis=0)
        np.testing.assert_allclose(getattr(centred, name), away.T @ away / len(X), rtol=0, atol=1e-12 * scale)


def test_all_six_hold_for_a_multiple_of_a_rotation():
    W = 3 * rotation(np.random.default_rng(0), 4)
    found = crh(SimpleNamespace(H_a=np.eye(4), G_b=np.eye(4)), W)
    assert len(found) == 6
    assert all(by_kind["cosine"].value == pytest.approx(1, abs=1e-14) for by_kind in found.values())
    assert found.flatness_a == pytest.approx(1)
    assert found.flatness_b == pytest.approx(1)


def test_the_closed_form_of_two_dimensions():
    found = crh(SimpleNamespace(H_a=np.eye(2), G_b=np.eye(2)), np.diag([1.0, 2.0]))
    assert found["RWA_b"]["cosine"].value == pytest.approx(1, abs=1e-14)
    assert found["RGA_a"]["cosine"].value == pytest.approx(5 / np.sqrt(34), abs=1e-14)
    assert found.flatness_a == pytest.approx(25 / 17 / 2)


def test_the_tied_null_knows_what_the_other_misses():
    """Before training H_b = W H_a Wᵀ is aligned with W Wᵀ already; random weights of the same spectrum are, too."""
    rng = np.random.default_rng(5)
    moments = SimpleNamespace(H_a=wishart(rng, 24, 200), G_b=wishart(rng, 12, 200))
    W = rng.standard_normal((12, 24)) * np.linspace(0.2, 2, 12)[:, None]
    found = crh(moments, W, n_draws=60, seed=1)
    haar = found["RWA_b"]["cosine"]
    assert haar.value > 0.9
    assert haar.p < 1e-6
    tied = found.tied["RWA_b", "cosine"]
    assert abs(haar.value - tied.mean) < 5 * tied.std
    assert tied.p > 0.02
    # Where nothing is tied (H_a against Wᵀ W) both nulls are one.
    free, closed = found.tied["RWA_a", "deviatoric"], found["RWA_a"]["deviatoric"]
    assert abs(free.mean - closed.null_mean) < 4 * closed.null_std / np.sqrt(60)
    frame = found.to_frame()
    assert len(frame) == 18
    assert frame.notna().all(axis=None) or frame.drop(columns="initial").notna().all(axis=None)


def test_stationarity_is_zero_where_decay_balances_the_gradient():
    W = np.arange(6.0).reshape(2, 3)
    moments = SimpleNamespace(H_a=np.eye(3), G_b=np.eye(2), W=W, weight_step=0.3 * W)
    assert formation.stationarity(moments, weight_decay=0.3) == pytest.approx(0, abs=1e-15)
    assert crh(moments, weight_decay=0.1).stationarity == pytest.approx(2)
    assert np.isnan(crh(moments).stationarity)


@pytest.mark.parametrize(
    ("moments", "options", "error", "said"),
    [
        ({"H_a": np.eye(2), "G_b": np.eye(2)}, {}, ParameterError, "pass W"),
        ({"H_a": np.eye(2), "G_b": np.eye(2)}, {"W": np.ones((3, 2))}, ShapeError, "transpose"),
        ({"H_a": np.eye(2), "G_b": np.eye(2)}, {"W": np.zeros((2, 2))}, ParameterError, "W is zero"),
        ({"H_a": np.eye(2), "G_b": np.zeros((2, 2))}, {"W": np.eye(2)}, ParameterError, "G_a is zero"),
        ({"H_a": np.eye(2), "G_b": np.eye(2)}, {"W": np.eye(2), "bias": [1, 1]}, ParameterError, "mean_a"),
        (
            {"H_a": np.eye(2), "G_b": np.eye(2)},
            {"W": np.eye(2), "statistic": "normalised"},
            ParameterError,
            "unit",
        ),
        (
            {"H_a": np.eye(2), "G_b": np.eye(2)},
            {"W": np.eye(2), "statistic": "mean"},
            ParameterError,
            "statistic",
        ),
        (
            {"H_a": np.eye(2), "G_b": np.eye(2)},
            {"W": np.eye(2), "weight_decay": 0.1},
            ParameterError,
            "gradient",
        ),
        (
            {"H_a": np.eye(2), "G_b": np.eye(2)},
            {"W": np.eye(2), "kinds": ["euclid"]},
            ParameterError,
            "kinds",
        ),
    ],
)
def test_what_crh_refuses(moments, options, error, said):
    with pytest.raises(error, match=said):
        crh(SimpleNamespace(**moments), **options)


# --- Exponents -------------------------------------------------------------------------------------------------------


def power(A, s):
    values, vectors = np.linalg.eigh(A)
    return (vectors * values**s) @ vectors.T


@pytest.mark.parametrize("s", [-1, 0, 1 / 3, 1 / 2, 2, 3])
@pytest.mark.parametrize("basis", ["A", "B"])
def test_a_power_is_found(s, basis):
    if basis == "B" and s == 0:
        pytest.skip("the identity has no eigenvectors of its own")
    A = wishart(np.random.default_rng(7), 6, 30)
    found = power_law(A, 5 * power(A, s), basis=basis)
    assert found.exponent == pytest.approx(s, abs=1e-8)
    assert found.r2 == pytest.approx(1, abs=1e-9)
    assert found.interval == pytest.approx((s, s), abs=1e-6)
    assert found.commutation < 1e-12


def test_matrices_that_do_not_commute():
    A, B = np.diag([1.0, -1.0]) + 2 * np.eye(2), np.array([[2.0, 1.0], [1.0, 2.0]])
    found = power_law(A, B)
    # ‖AB − BA‖ = √8 here; the largest that norms of √10 each allow is √2 · 10.
    assert found.commutation == pytest.approx(np.sqrt(8) / (np.sqrt(2) * 10))


def test_what_lies_outside_the_support_does_not_count():
    A, B = np.diag([0.0, 1.0, 2.0, 4.0]), np.diag([9.0, 1.0, 4.0, 16.0])
    found = power_law(A, B)
    assert found.exponent == pytest.approx(2)
    assert found.n_directions == 3


def test_the_interval_of_parts_covers():
    """H of x = A^½ ξ against A: the exponent is 1; 19 of 20 intervals should hold it (at least 7 of 10 here)."""
    rng = np.random.default_rng(11)
    A = np.diag(np.geomspace(1, 20, 6))
    held = 0
    for _ in range(40):
        parts = [wishart(rng, 6, 60, np.sqrt(np.diag(A))) for _ in range(20)]
        low, high = power_law(A, np.array(parts), n_draws=100, seed=int(rng.integers(1e9))).interval
        held += low <= 1 <= high
    assert held >= binom.ppf(1e-4, 40, 0.9)


def test_a_flat_spectrum_has_no_exponent():
    found = power_law(np.eye(3), np.diag([1.0, 2.0, 3.0]))
    assert np.isnan(found.exponent)
    assert "equal" in found.undefined


@pytest.mark.parametrize(
    ("A", "B", "options", "error", "said"),
    [
        (np.diag([1.0, -1.0]), np.eye(2), {}, ParameterError, "positive"),
        (np.eye(2), np.eye(3), {}, ShapeError, "one space"),
        (np.ones((2, 2, 2)), np.ones((3, 2, 2)), {}, ShapeError, "as many"),
        (np.eye(2), np.eye(2), {"basis": "C"}, ParameterError, "basis"),
        (np.eye(2), np.eye(2), {"level": 1.0}, ParameterError, "level"),
    ],
)
def test_what_has_no_power_law(A, B, options, error, said):
    with pytest.raises(error, match=said):
        power_law(A, B, **options)


@pytest.mark.parametrize("phase", formation.PHASES)
def test_each_phase_is_named(phase):
    """H_a = Z_a^p and G_b = Z_b^q with the p and q of the table: the two relations hold, and the exponents close."""
    p, _, q, _ = formation.PHASES[phase]
    rng = np.random.default_rng(3)
    W = rotation(rng, 5)[:, :4] * np.geomspace(0.5, 3, 4) @ rotation(rng, 4)
    left, singular, right = np.linalg.svd(W, full_matrices=False)
    moments = SimpleNamespace(
        H_a=(right.T * singular ** (2 * p)) @ right, G_b=(left * singular ** (2 * q)) @ left.T
    )
    found = power_phase(moments, W)
    assert list(found.exponents.values()) == pytest.approx(formation.PHASES[phase], abs=1e-7)
    assert found.phase == phase
    assert found.closure_h == pytest.approx(0, abs=1e-7)
    assert found.closure_g == pytest.approx(0, abs=1e-7)
    both = crh(moments, W)
    assert all(both[relation]["cosine"].value == pytest.approx(1, abs=1e-9) for relation in phase)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_linear_layers_have_the_exponents_of_their_place(depth):
    """Whitened inputs, isotropic gradients of the output: (l − 1, l, L − l, L − l + 1) in layer l."""
    rng = np.random.default_rng(depth)
    frames = [rotation(rng, 5) for _ in range(depth + 1)]
    singular = np.linspace(0.6, 2, 5)
    layers = [frames[k + 1] * singular @ frames[k].T for k in range(depth)]
    for place in range(1, depth + 1):
        before = np.linalg.multi_dot([np.eye(5), *layers[: place - 1][::-1], np.eye(5)])
        after = np.linalg.multi_dot([np.eye(5), *layers[place:][::-1], np.eye(5)])
        found = power_phase(SimpleNamespace(H_a=before @ before.T, G_b=after.T @ after), layers[place - 1])
        expected = (place - 1, place, depth - place, depth - place + 1)
        assert list(found.exponents.values()) == pytest.approx(expected, abs=1e-3)
