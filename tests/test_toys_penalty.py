"""The tight-frame penalty: its zeros, its invariances, its gradient."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import featuregeom as fg
from featuregeom.errors import DtypeError, MissingExtraError, ParameterError, ShapeError
from featuregeom.toys.penalty import tight_frame_penalty

torch = pytest.importorskip("torch")


def random(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize(
    "X",
    [
        fg.shapes.polygon(5),
        fg.shapes.simplex(4),
        fg.shapes.cross_polytope(3),
        fg.shapes.cube(4),
        fg.shapes.icosahedron(),
        fg.shapes.antiprism(4),
        3.7 * fg.shapes.root_system("E8"),
    ],
    ids=["pentagon", "simplex", "octahedron", "tesseract", "icosahedron", "antiprism", "E8"],
)
def test_zero_on_tight_frames(X: Any) -> None:
    assert 0 <= tight_frame_penalty(torch.tensor(X)).item() < 1e-29


@pytest.mark.parametrize(
    "X",
    [
        fg.shapes.antiprism(4, z2=1 / 4),
        fg.shapes.direct_sum(fg.shapes.polygon(3), fg.shapes.polygon(4)),
        np.random.default_rng(0).normal(size=(40, 5)),
    ],
    ids=["loose antiprism", "uneven sum", "random"],
)
def test_positive_elsewhere(X: Any) -> None:
    F = X.T @ X
    m = len(F)
    expected = np.linalg.norm(F / np.trace(F) - np.eye(m) / m) ** 2
    assert expected > 1e-4
    assert tight_frame_penalty(torch.tensor(X)).item() == pytest.approx(expected, rel=1e-12)


def test_known_values() -> None:
    # lambda 3, 3, 2 of trace 8: shares 3/8, 3/8, 1/4 against 1/3.
    loose = torch.tensor(fg.shapes.antiprism(4, z2=1 / 4))
    assert tight_frame_penalty(loose).item() == pytest.approx(1 / 96, rel=1e-12)
    for n, m in [(1, 4), (2, 4), (3, 4), (4, 4)]:  # The least value for n < m.
        assert tight_frame_penalty(torch.eye(m)[:n]).item() == pytest.approx(1 / n - 1 / m, abs=1e-7)
    parallel = torch.tensor([[1.0, 2.0, -1.0], [2.0, 4.0, -2.0]])
    assert tight_frame_penalty(parallel).item() == pytest.approx(2 / 3)


def test_frame_potential() -> None:
    W = random(9, 4)
    F = W.mT @ W
    expected = (F @ F).trace() / F.trace() ** 2 - 1 / 4
    assert tight_frame_penalty(W).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e3, 1e200])
def test_scale_and_rotation(scale: float) -> None:
    W = random(7, 3)
    Q = torch.linalg.qr(random(3, 3, seed=1))[0]
    expected = tight_frame_penalty(W).item()
    assert tight_frame_penalty(scale * W @ Q).item() == pytest.approx(expected, rel=1e-12)
    assert tight_frame_penalty(W.flip(0)).item() == pytest.approx(expected, rel=1e-12)


def test_batches() -> None:
    W = random(2, 5, 7, 3)
    penalty = tight_frame_penalty(W)
    assert penalty.shape == (2, 5)
    for i in range(2):
        for k in range(5):
            assert penalty[i, k].item() == pytest.approx(tight_frame_penalty(W[i, k]).item(), rel=1e-12)


@pytest.mark.parametrize("shape", [(6, 3), (2, 3), (4, 5, 2)])
def test_gradient(shape: tuple[int, ...]) -> None:
    assert torch.autograd.gradcheck(tight_frame_penalty, random(*shape).requires_grad_())
    assert torch.autograd.gradgradcheck(tight_frame_penalty, random(*shape).requires_grad_())


@pytest.mark.parametrize("shape", [(9, 7), (2, 5, 8)])
def test_products_by_blocks(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Large products are made in blocks, between which Ctrl-C is heard."""
    W = random(*shape).requires_grad_()
    whole = tight_frame_penalty(W)
    (expected,) = torch.autograd.grad(whole.sum(), W)
    monkeypatch.setattr("featuregeom.toys.penalty._OPERATIONS", 2 * 3 * W.numel())
    blocks = tight_frame_penalty(W)
    (gradient,) = torch.autograd.grad(blocks.sum(), W)
    torch.testing.assert_close(blocks, whole, rtol=1e-13, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_descent_reaches_a_tight_frame() -> None:
    W = random(8, 3).requires_grad_()
    assert tight_frame_penalty(W).item() > 1e-3
    for _ in range(200):
        (gradient,) = torch.autograd.grad(tight_frame_penalty(W), W)
        W = (W - 10 * gradient).detach().requires_grad_()
    assert tight_frame_penalty(W).item() < 1e-12


def test_type_is_kept() -> None:
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        assert tight_frame_penalty(random(6, 3).to(kind)).dtype == kind


def test_zero_features_have_no_penalty() -> None:
    W = random(2, 4, 2)
    W[1] = 0
    assert torch.isnan(tight_frame_penalty(W)).tolist() == [False, True]


def test_zero_features_do_not_poison_the_gradient_of_a_batch() -> None:
    W = random(3, 4, 2)
    alone = W[[0, 2]].clone().requires_grad_()
    tight_frame_penalty(alone).sum().backward()
    W[1] = 0
    W.requires_grad_()
    tight_frame_penalty(W).nansum().backward()
    torch.testing.assert_close(W.grad[[0, 2]], alone.grad)
    assert W.grad[1].abs().max() == 0
    (gradient,) = torch.autograd.grad(tight_frame_penalty(W).sum(), W)
    assert gradient.isfinite().all()
    assert gradient[1].abs().max() == 0


@pytest.mark.parametrize(
    ("W", "error", "message"),
    [
        (np.eye(2), ParameterError, "torch tensor, got ndarray"),
        ([[1.0]], ParameterError, "torch tensor, got list"),
        (torch.ones(3), ShapeError, r"\(3,\)"),
        (torch.ones(0, 3), ShapeError, r"\(0, 3\)"),
        (torch.ones(2, 3, 0), ShapeError, r"\(2, 3, 0\)"),
        (torch.ones(2, 3, dtype=torch.int64), DtypeError, "int64"),
        (torch.ones(2, 3, dtype=torch.complex64), DtypeError, "complex64"),
    ],
)
def test_bad_input(W: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tight_frame_penalty(W)


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"featuregeom\[torch\]"):
        tight_frame_penalty(np.eye(2))  # type: ignore[arg-type]
