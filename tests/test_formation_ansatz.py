"""The neural feature ansatz in its published forms, and FACT: closed forms of linear networks, stationary points."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.formation import VARIANTS, fact, nfa


def rotation(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def balanced(depth, d=5, seed=0):
    """Layers of a deep linear network with W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ."""
    rng = np.random.default_rng(seed)
    frames = [rotation(rng, d) for _ in range(depth + 1)]
    singular = np.linspace(0.6, 2, d)
    return [frames[k + 1] * singular @ frames[k].T for k in range(depth)]


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_exponent_of_a_deep_linear_network_is_one_over_its_depth(depth):
    layers = balanced(depth)
    end_to_end = np.linalg.multi_dot(layers[::-1])
    agop = end_to_end.T @ end_to_end  # of f(x) = A x, exactly
    found = nfa(layers[0], agop, power=1 / depth)
    assert found.exponent == pytest.approx(1 / depth, abs=1e-3)
    assert found.value == pytest.approx(1, abs=1e-9)
    assert nfa(layers[0], agop).value < 1 - 1e-3


def test_the_published_forms_by_hand():
    rng = np.random.default_rng(1)
    W, W0 = rng.standard_normal((2, 4, 3))
    J = rng.standard_normal((6, 3))
    agop = J.T @ J / 6
    values, vectors = np.linalg.eigh(agop)
    root = (vectors * np.sqrt(values)) @ vectors.T
    D = W - W0

    def cosine(A, B):
        return (A * B).sum() / np.linalg.norm(A) / np.linalg.norm(B)

    def pearson(A, B):
        return np.corrcoef(A.ravel(), B.ravel())[0, 1]

    def bare(A):
        return A - np.diag(np.diag(A))

    expected = {
        "radhakrishnan-2022": cosine(D.T @ D, agop),
        "radhakrishnan-2024": pearson(D.T @ D, root),
        "mallinar-2024": pearson(W.T @ W, root),
        "mallinar-2024-off-diagonal": pearson(bare(W.T @ W), bare(root)),
    }
    for name, value in expected.items():
        initial = W0 if VARIANTS[name].subtract_initial else None
        assert nfa(W, agop, name, initial=initial).value == pytest.approx(value, abs=1e-12), name
        assert nfa(W, agop, name, initial=initial).variant == name
    K = np.cov(rng.standard_normal((4, 9)))
    assert nfa(W, variant="beaglehole-2024", K=K).value == pytest.approx(
        cosine(W.T @ W, W.T @ K @ W), abs=1e-12
    )
    centred = nfa(W, variant="beaglehole-2024-centred", K=K, initial=W0)
    assert centred.value == pytest.approx(cosine(D.T @ D, D.T @ K @ D), abs=1e-12)


def test_nothing_that_is_given_changes():
    """Published code centres its arguments in place."""
    W, agop = np.arange(6.0).reshape(2, 3), np.diag([1.0, 2.0, 3.0])
    before = W.copy(), agop.copy()
    nfa(W, agop, "mallinar-2024")
    assert (before[0] == W).all()
    assert (agop == before[1]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"agop": np.eye(2), "variant": "nfa"}, ParameterError, "variant must be"),
        ({"agop": np.eye(2), "variant": "radhakrishnan-2022"}, ParameterError, "pass initial"),
        (
            {"agop": np.eye(2), "variant": "mallinar-2024", "initial": np.ones((2, 2))},
            ParameterError,
            "do not pass",
        ),
        ({}, ParameterError, "either agop"),
        ({"agop": np.eye(3)}, ShapeError, "needs"),
        ({"agop": np.eye(2), "initial": np.eye(2)}, ParameterError, "train first"),
        ({"agop": np.diag([1.0, -1.0]), "power": 0.5}, ParameterError, "negative"),
    ],
)
def test_what_the_ansatz_refuses(arguments, error, said):
    with pytest.raises(error, match=said):
        nfa(np.eye(2), **arguments)


def test_fact_at_a_stationary_point_and_away_from_it():
    W = np.random.default_rng(2).standard_normal((4, 3))
    there = fact(SimpleNamespace(weight_step=0.2 * W), W, weight_decay=0.2)
    assert there.residual == pytest.approx(0, abs=1e-14)
    assert there.correlation == pytest.approx(1, abs=1e-12)
    assert there.asymmetry == pytest.approx(0, abs=1e-14)
    # A wrong factor shows in the residual alone.
    scaled = fact(SimpleNamespace(weight_step=0.6 * W), W, weight_decay=0.2)
    assert scaled.correlation == pytest.approx(1, abs=1e-12)
    assert scaled.residual == pytest.approx(2)
    away = fact(SimpleNamespace(weight_step=0.2 * W + np.eye(4, 3)), W, weight_decay=0.2)
    assert away.asymmetry > 0.01


def test_fact_of_ridge_regression():
    """One linear layer, trained to its optimum in closed form: W = (YᵀX)(XᵀX + nλ)⁻¹."""
    rng = np.random.default_rng(3)
    X, Y, decay = rng.standard_normal((50, 4)), rng.standard_normal((50, 3)), 0.1
    W = Y.T @ X @ np.linalg.inv(X.T @ X + 50 * decay * np.eye(4))
    step = (Y - X @ W.T).T @ X / 50
    found = fact(SimpleNamespace(weight_step=step), W, weight_decay=decay)
    assert found.residual == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("moments", "options", "error", "said"),
    [
        ({}, {}, ParameterError, "gradient of the loss"),
        ({"weight_step": np.eye(2), "gradient": "fisher"}, {}, ParameterError, "gradient of the loss"),
        ({"weight_step": np.zeros((2, 2))}, {}, ParameterError, "zero"),
        ({"weight_step": np.eye(3)}, {}, ShapeError, "weight_step"),
        ({"weight_step": np.eye(2)}, {"weight_decay": 0.0}, ParameterError, "decay"),
    ],
)
def test_what_fact_refuses(moments, options, error, said):
    with pytest.raises(error, match=said):
        fact(SimpleNamespace(**moments), np.eye(2), **({"weight_decay": 0.1} | options))
