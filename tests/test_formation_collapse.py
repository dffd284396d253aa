"""Neural collapse and balance: closed forms of simplex frames with noise, identities, slow versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.formation import balancedness, neural_collapse

seeds = st.integers(0, 2**32 - 1)


def simplex(C, d, rng):
    """Class means of unit length at a simplex, turned at random."""
    M = np.eye(C) - 1 / C
    M = M / np.linalg.norm(M[0])
    return np.pad(M, ((0, 0), (0, d - C))) @ np.linalg.qr(rng.standard_normal((d, d)))[0]


def exactly_white(n, d, sigma, rng):
    """Noise of mean 0 and covariance σ² I, exactly."""
    noise = rng.standard_normal((n, d))
    noise -= noise.mean(axis=0)
    values, vectors = np.linalg.eigh(noise.T @ noise / n)
    return sigma * noise @ (vectors / np.sqrt(values)) @ vectors.T


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("C", [2, 4, 7])
def test_the_closed_forms_of_a_simplex_with_noise(C, dtype):
    rng, d, sigma, n = np.random.default_rng(C), 9, 0.3, 60
    M = simplex(C, d, rng) + 5  # a common mean changes nothing
    H = np.concatenate([mean + exactly_white(n, d, sigma, rng) for mean in M]).astype(dtype)
    found = neural_collapse(H, np.repeat(np.arange(C), n), M - 5)
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    assert found.nc1 == pytest.approx(sigma**2 * (C - 1) ** 2 / C, rel=tolerance)
    assert found.nc1_quotient == pytest.approx(d * sigma**2, rel=tolerance)
    assert found.cdnv == pytest.approx(d * sigma**2 * (C - 1) / (2 * C), rel=tolerance)
    for name in (
        "nc2",
        "nc2_norms",
        "nc2_angles",
        "nc2_simplex",
        "self_duality",
        "unc3",
        "nc3",
        "gnc2_spread",
    ):
        assert getattr(found, name) == pytest.approx(0, abs=1e-5), name
    assert found.etf_error == found.nc2
    # Points of a simplex on the unit sphere are √(2C/(C − 1)) apart.
    assert found.gnc2 == pytest.approx(-0.5 * np.log(2 * C / (C - 1)), abs=1e-5)
    assert (found.n_classes, found.d, found.n_samples) == (C, d, C * n)


@given(seeds, st.integers(2, 5), st.integers(1, 6))
def test_nc1_is_the_trace_with_the_pseudo_inverse_and_never_negative(seed, C, d):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(C), rng.integers(C, size=20)])
    H = rng.standard_normal((len(labels), d)) + rng.standard_normal((C, d))[labels]
    found = neural_collapse(H.astype(np.float32), labels)
    H = H.astype(np.float32).astype(np.float64)
    means = np.array([H[labels == c].mean(axis=0) for c in range(C)])
    residual, centred = H - means[labels], means - means.mean(axis=0)
    inverse = np.linalg.pinv(centred.T @ centred / C, rcond=1e-10, hermitian=True)
    expected = np.trace(residual.T @ residual / len(H) @ inverse) / C
    assert found.nc1 == pytest.approx(expected, rel=1e-6)
    assert found.nc1 >= 0
    variances = [(residual[labels == c] ** 2).sum(axis=1).mean() for c in range(C)]
    pairs = [
        (variances[i] + variances[j]) / (2 * ((means[i] - means[j]) ** 2).sum())
        for i in range(C) for j in range(C) if i != j
    ]  # fmt: skip
    assert found.cdnv == pytest.approx(np.mean(pairs), rel=1e-9)


def test_a_turn_or_a_larger_space_changes_nothing():
    rng = np.random.default_rng(1)
    H, labels = rng.standard_normal((30, 4)), np.arange(30) % 3
    W, b = rng.standard_normal((3, 4)), rng.standard_normal(3)
    q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    one = neural_collapse(H, labels, W, b)
    other = neural_collapse(np.pad(H, ((0, 0), (0, 2))) @ q, labels, np.pad(W, ((0, 0), (0, 2))) @ q, b)
    for name in ("nc1", "cdnv", "nc2", "gnc2", "nc3", "self_duality", "unc3", "nc4"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9), name


def test_the_bias_decides_in_nc4():
    H = np.array([[2.0], [2.2], [-1.0], [-1.2]])
    labels, W = [0, 0, 1, 1], np.array([[1.0], [-1.0]])
    assert neural_collapse(H, labels, W).nc4 == 1
    assert neural_collapse(H, labels, W, [-3.0, 3.0]).nc4 == 0.5


def test_more_classes_than_a_simplex_has_room_for():
    rng = np.random.default_rng(2)
    angles = 2 * np.pi * np.arange(5) / 5
    means = np.column_stack([np.cos(angles), np.sin(angles)])
    H = np.repeat(means, 4, axis=0) + 0.01 * rng.standard_normal((20, 2))
    found = neural_collapse(H, np.repeat(np.arange(5), 4), means)
    assert np.isnan(
        [found.nc2, found.nc2_norms, found.nc2_angles, found.nc2_simplex, found.self_duality]
    ).all()
    expected = [-np.log(2 * np.sin(np.pi * k / 5)) for k in (1, 2)]
    assert found.gnc2 == pytest.approx(np.mean(expected), abs=0.02)
    assert found.gnc2_spread == pytest.approx(np.std(expected) / abs(np.mean(expected)), rel=0.1)
    assert found.unc3 < 0.01


@pytest.mark.parametrize(
    ("H", "labels", "options", "error", "said"),
    [
        (np.ones(3), [0, 1, 0], {}, ShapeError, "matrix"),
        (np.eye(3), [0, 1], {}, ShapeError, "3 samples"),
        (np.eye(3), [0.0, 1.0, 1.0], {}, DtypeError, "integers"),
        (np.eye(3), [1, 1, 1], {}, ParameterError, "two classes"),
        (np.eye(3), [0, 1, 2], {}, ParameterError, "one sample"),
        (np.ones((4, 2)), [0, 0, 1, 1], {}, ParameterError, "equal"),
        ([[1.0, np.nan], [0, 1]], [0, 1], {}, NonFiniteError, "row 0, column 1"),
        (np.eye(3), [0, 1, 1], {"W": np.ones((3, 3))}, ParameterError, r"classes \[2\]"),
        (np.eye(3), [0, 1, 5], {"W": np.ones((3, 3))}, ParameterError, "rows 0 to 2"),
        (np.eye(3), [0, 1, 1], {"W": np.ones((2, 4))}, ShapeError, "dimensions"),
        (np.eye(3), [0, 1, 1], {"W": np.ones((2, 3)), "b": [1]}, ShapeError, "b has shape"),
        (np.eye(3), [0, 1, 1], {"b": [1, 1]}, ParameterError, "pass W"),
        (np.eye(3), [0, 1, 1], {"W": np.zeros((2, 3))}, ParameterError, "W is zero"),
    ],
)
def test_what_collapse_refuses(H, labels, options, error, said):
    with pytest.raises(error, match=said):
        neural_collapse(H, labels, **options)


# --- Balance ---------------------------------------------------------------------------------------------------------


def flow(weights, target, decay, time, steps, relu=False, X=None):
    """Gradient flow of ½ E|f(x) − target x|² + decay/2 ‖W‖², by small steps of the classical Runge-Kutta method."""

    def slope(layers):
        hidden = [X]
        for k, W in enumerate(layers):
            below = hidden[-1] @ W.T
            hidden.append(np.maximum(below, 0) if relu and k + 1 < len(layers) else below)
        back = (hidden[-1] - X @ target.T) / len(X)
        out = []
        for k in range(len(layers) - 1, -1, -1):
            out.append(-back.T @ hidden[k] - decay * layers[k])
            back = back @ layers[k] * ((hidden[k] > 0) if relu and k else 1)
        return out[::-1]

    h = time / steps
    for _ in range(steps):
        k1 = slope(weights)
        k2 = slope([w + h / 2 * k for w, k in zip(weights, k1, strict=True)])
        k3 = slope([w + h / 2 * k for w, k in zip(weights, k2, strict=True)])
        k4 = slope([w + h * k for w, k in zip(weights, k3, strict=True)])
        weights = [
            w + h / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in zip(weights, k1, k2, k3, k4, strict=True)
        ]
    return weights


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_imbalance_falls_with_decay_alone(decay):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((4, 3)), rng.standard_normal((2, 4))]
    end = flow(start, rng.standard_normal((2, 3)), decay, 1.0, 400, X=rng.standard_normal((30, 3)))
    before, after = balancedness(start), balancedness(end)
    assert not np.allclose(start[0], end[0], atol=0.05)
    np.testing.assert_allclose(after.matrices[0], np.exp(-2 * decay) * before.matrices[0], atol=1e-6)
    assert 0 < after.residuals[0] <= 1


def test_units_of_relu_keep_their_balance():
    rng = np.random.default_rng(1)
    start = [rng.standard_normal((5, 3)), rng.standard_normal((2, 5))]
    end = flow(start, rng.standard_normal((2, 3)), 0.2, 0.5, 400, relu=True, X=rng.standard_normal((30, 3)))
    before, after = balancedness(start).neurons[0], balancedness(end).neurons[0]
    np.testing.assert_allclose(after, np.exp(-0.2) * before, atol=2e-3)
    assert not np.allclose(
        balancedness(end).matrices[0], np.exp(-0.2) * balancedness(start).matrices[0], atol=2e-3
    )


def test_a_bias_is_part_of_what_goes_in():
    W, V = np.array([[3.0, 0.0]]), np.array([[5.0]])
    assert balancedness([W, V], [[4.0], None]).neurons[0].tolist() == [0.0]


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ([np.eye(2)], ParameterError, "at least two"),
        ([np.eye(2), np.ones((2, 3))], ShapeError, "give 2"),
        ([np.eye(2), np.ones(2)], ShapeError, "matrices"),
        ([np.eye(2), [[np.nan, 0]]], NonFiniteError, "weights 1"),
    ],
)
def test_what_has_no_balance(weights, error, said):
    with pytest.raises(error, match=said):
        balancedness(weights)
