"""Von Neumann entropy: closed forms, invariances, its gradient against differences, its null against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregeom import formation
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.formation import (
    effective_rank,
    entropy_gradient,
    entropy_null,
    renyi_entropy,
    von_neumann_entropy,
)

seeds = st.integers(0, 2**32 - 1)


def test_known_values():
    assert von_neumann_entropy(np.eye(7)) == pytest.approx(np.log(7), abs=1e-14)
    assert von_neumann_entropy(np.ones((5, 3))) == pytest.approx(0, abs=1e-14)
    used = np.repeat(np.eye(6)[:4], 5, axis=0) * np.arange(1, 21)[:, None]
    assert von_neumann_entropy(used) == pytest.approx(np.log(4), abs=1e-13)
    assert isinstance(von_neumann_entropy(used), float)
    assert effective_rank(used) == pytest.approx(4)


@given(seeds, st.integers(1, 8), st.integers(1, 8), st.sampled_from([0, 0.5, 1, 2, 7.5, np.inf]))
def test_the_definition_and_its_invariances(seed, n, d, alpha):
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((n, d))
    Z = H / np.linalg.norm(H, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(Z.T @ Z / n)
    values = values[values > 1e-12]
    expected = {
        0: np.log(len(values)),
        1: -(values * np.log(values)).sum(),
        np.inf: -np.log(values.max()),
    }.get(alpha, np.log((values**alpha).sum()) / (1 - alpha) if alpha not in (1, np.inf) else None)
    assert renyi_entropy(H, alpha) == pytest.approx(expected, abs=1e-9)
    q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    again = (H * rng.uniform(0.1, 9, n)[:, None] @ q)[rng.permutation(n)]
    assert renyi_entropy(again, alpha) == pytest.approx(renyi_entropy(H, alpha), abs=1e-9)


def test_the_family_falls_with_its_order():
    H = np.random.default_rng(0).standard_normal((20, 6)) * np.arange(1, 7)
    found = [renyi_entropy(H, alpha) for alpha in (0, 0.3, 1, 2, 50, 4000, np.inf)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(np.log(6))
    assert found[-2] == pytest.approx(found[-1], rel=1e-3)


def numeric_gradient(H, step=1e-6):
    found = np.zeros_like(H)
    for index in np.ndindex(*H.shape):
        moved = [H.copy(), H.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        found[index] = (von_neumann_entropy(moved[0]) - von_neumann_entropy(moved[1])) / (2 * step)
    return found


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 3)])
def test_the_gradient_against_differences(shape):
    H = np.random.default_rng(1).standard_normal(shape) * 2
    np.testing.assert_allclose(entropy_gradient(H), numeric_gradient(H), atol=1e-7)


def test_the_gradient_is_finite_where_eigenvalues_are_zero():
    """A dead unit, and repeated one-hot rows: differentiating −λ log λ gives NaN there."""
    dead = np.random.default_rng(2).standard_normal((6, 3))
    dead[:, 1] = 0
    assert np.isfinite(entropy_gradient(dead)).all()
    np.testing.assert_allclose(
        entropy_gradient(dead)[:, [0, 2]], entropy_gradient(dead[:, [0, 2]]), atol=1e-12
    )
    assert np.isfinite(entropy_gradient(np.repeat(np.eye(3)[:2], 3, axis=0))).all()


@pytest.mark.parametrize(("n", "d"), [(256, 64), (64, 256), (100, 100), (40, 8)])
def test_the_null_against_simulation(n, d):
    rng = np.random.default_rng([n, d])
    values = [von_neumann_entropy(rng.standard_normal((n, d))) for _ in range(30)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - entropy_null(n, d)) < 0.01 + 4 * error
    small, large = min(n, d), max(n, d)
    assert entropy_null(n, d) == pytest.approx(np.log(small) - small / (2 * large), abs=2 / large)


@pytest.mark.parametrize(
    ("H", "error", "said"),
    [
        (np.ones(3), ShapeError, "shape"),
        (np.zeros((0, 3)), ShapeError, "shape"),
        ([[1.0, 0.0], [0.0, 0.0]], ParameterError, "row 1"),
        ([[1.0, np.nan]], NonFiniteError, "row 0, column 1"),
        (np.ones((2, 2), complex), DtypeError, "complex"),
    ],
)
def test_what_has_no_entropy(H, error, said):
    with pytest.raises(error, match=said):
        von_neumann_entropy(H)
    with pytest.raises(ParameterError, match="alpha"):
        renyi_entropy(np.eye(2), -1)


# --- As a loss of torch ----------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_the_regulariser_has_the_value_and_the_gradient(torch, shape):
    H = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found = formation.entropy_regulariser(H)
    (gradient,) = torch.autograd.grad(3 * found, H)
    assert float(found.detach()) == pytest.approx(von_neumann_entropy(H.detach().numpy()), abs=1e-12)
    np.testing.assert_allclose(gradient.numpy(), 3 * entropy_gradient(H.detach().numpy()), atol=1e-12)
    assert torch.autograd.gradcheck(formation.entropy_regulariser, (H,), atol=1e-6)


def test_the_regulariser_trains_through_dead_units_and_rows(torch):
    torch.manual_seed(0)
    H = torch.randn(12, 4)
    H[:, 1] = 0
    H[3] = 0
    H.requires_grad_(True)
    before = formation.entropy_regulariser(H)
    before.backward()
    assert torch.isfinite(H.grad).all()
    assert not H.grad[3].any()
    with torch.no_grad():
        H += 2 * H.grad
    assert formation.entropy_regulariser(H) > before
    assert float(formation.entropy_regulariser(torch.zeros(2, 2))) == 0
    with pytest.raises(ShapeError, match="batch of rows"):
        formation.entropy_regulariser(torch.ones(3))


def test_the_regulariser_takes_any_scale_and_says_what_it_does_not_take(torch):
    """Against the entropy of the same rows, whose squares leave the range; 600 x 600 is decomposed by the core."""
    H = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for scale in (1e200, 1e-200):
        found = formation.entropy_regulariser(scale * H)
        assert float(found) == pytest.approx(von_neumann_entropy(H.numpy()), abs=1e-12)
    assert float(formation.entropy_regulariser(torch.full((3, 3), 1e200, dtype=torch.float64))) == 0
    H = torch.randn(600, 620, dtype=torch.float64, requires_grad=True)
    formation.entropy_regulariser(H).backward()
    wanted = entropy_gradient(H.detach().numpy())
    np.testing.assert_allclose(H.grad.numpy(), wanted, atol=1e-9 * np.abs(wanted).max())
    for bad, error, said in (
        (np.ones((2, 2)), ParameterError, "torch tensor, got ndarray"),
        (torch.ones(2, 2, dtype=torch.int32), DtypeError, "int32"),
        (torch.ones(2, 2, dtype=torch.complex64), DtypeError, "complex64"),
        (torch.tensor([[1.0, 2.0], [3.0, math.inf]]), NonFiniteError, "inf in row 1, column 1"),
    ):
        with pytest.raises(error, match=said):
            formation.entropy_regulariser(bad)


def test_tensors_of_any_type_have_an_entropy(torch):
    """bfloat16, and a tensor that requires a gradient, in what NumPy computes: as their numbers in float64."""
    H = torch.tensor([[1.0, 2.0], [-0.5, 4.0]], requires_grad=True)  # exact in bfloat16
    wide = H.detach().double().numpy()
    for tensor in (H, H.bfloat16()):
        assert von_neumann_entropy(tensor) == von_neumann_entropy(wide)
        assert np.array_equal(entropy_gradient(tensor), entropy_gradient(wide))
        found, wanted = (formation.balancedness([each] * 2).residuals for each in (tensor, wide))
        assert np.array_equal(found, wanted)
