"""The von Neumann entropy of a batch as a torch loss, with a gradient that is finite everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import eigh, matmul
from featuregeom.networks.extra import torch_module

if TYPE_CHECKING:
    import torch

__all__ = ["entropy_regulariser"]


def entropy_regulariser(H: torch.Tensor) -> torch.Tensor:
    """Give the von Neumann entropy of a batch as a number that torch can differentiate.

    ``loss = loss - 0.1 * entropy_regulariser(H)`` spreads representations over more dimensions.

    Parameters
    ----------
    H : tensor, shape (N, d)
        Representations, on any device. Rows that are zero have no direction: they are left out, and get no
        gradient.

    Returns
    -------
    tensor, shape ()
        In nats, in the type of H; computed in float64 where the device has it. Its gradient is the closed form of
        `entropy_gradient`; it can be taken once.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    ParameterError, DtypeError, ShapeError
        If it is no tensor, holds no real floating point numbers, or is no matrix.
    NonFiniteError
        If it holds NaN or infinity.

    Notes
    -----
    One eigenvalue decomposition of the smaller Gram matrix: N d min(N, d) operations. Published code
    differentiates the singular values, whose gradient is NaN where one is 0 (a dead unit, a repeated row).
    """
    torch = torch_module("formation.entropy_regulariser")
    if not isinstance(H, torch.Tensor):
        raise ParameterError(f"H must be a torch tensor, got {type(H).__name__}")
    if not H.is_floating_point():
        raise DtypeError(f"H must be real and floating point, got {H.dtype}")
    if H.ndim != 2 or not H.numel():
        raise ShapeError(f"H must be a batch of rows, shape (N, d), got shape {tuple(H.shape)}")

    class Entropy(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(context: Any, rows: Any) -> Any:
            entropy, gradient = _entropy(rows)
            context.save_for_backward(gradient)
            return entropy

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(context: Any, grown: Any) -> Any:
            (gradient,) = context.saved_tensors
            return gradient * grown

    return Entropy.apply(H)


def _entropy(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Entropy and its gradient."""
    import torch

    wide = rows if rows.device.type == "mps" else rows.double()
    largest = wide.abs().amax(dim=1, keepdim=True)
    if not bool(largest.isfinite().all()):
        row, column = (int(index) for index in (~wide.isfinite()).nonzero()[0])
        raise NonFiniteError(f"H is {float(wide[row, column])} in row {row}, column {column}", row, column)
    used = (largest > 0)[:, 0]
    gradient = torch.zeros_like(wide)
    n = int(used.sum())
    if not n:
        return rows.new_zeros(()), gradient.to(rows.dtype)
    # By the largest entry first: a square could leave the range.
    unit = wide[used] / largest[used]
    shares = unit.norm(dim=1, keepdim=True)
    unit = unit / shares
    short = n <= unit.shape[1]
    values, vectors = _eigh(_product(*((unit, unit.T) if short else (unit.T, unit))) / n)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    values, vectors = values[kept], vectors[:, kept]
    entropy = -(values * values.log()).sum().clamp(max=0)
    log = _product(vectors * values.log(), vectors.T)
    pulled = _product(*((log, unit) if short else (unit, log)))
    along = (pulled * unit).sum(dim=1, keepdim=True)
    gradient[used] = -2 / (n * shares * largest[used]) * (pulled - along * unit)
    return entropy.to(rows.dtype), gradient.to(rows.dtype)


def _product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Multiply two matrices; on a processor so that Ctrl-C stops within the product."""
    import torch

    return (
        torch.from_numpy(matmul(left.numpy(), right.numpy())) if left.device.type == "cpu" else left @ right
    )


def _eigh(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues, increasing, and eigenvectors; on a processor so that Ctrl-C stops within the decomposition."""
    import torch

    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    values, vectors = (torch.from_numpy(np.ascontiguousarray(found)) for found in eigh(matrix.numpy()))
    return values, vectors
