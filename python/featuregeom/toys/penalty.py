"""A penalty that is zero on tight frames, to push a toy's features towards one while it trains (torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.networks.extra import torch_module

if TYPE_CHECKING:
    import torch

__all__ = ["tight_frame_penalty"]
__dir__ = __all__.copy

_OPERATIONS = 2e9
"""Multiplications and additions of one product, between which Ctrl-C is heard: 0.05 s on one core (Zen 4)."""


def tight_frame_penalty(W: torch.Tensor) -> torch.Tensor:
    """Squared distance of the frame operator, at trace 1, from a tight frame's; differentiable.

    || F / tr F - I / m ||_F^2 with F = W^T W. It is zero exactly where F is a multiple of the identity, which
    needs n >= m, and at most 1 - 1/m, where all features are parallel. With p_k = lambda_k / tr F the share of
    eigenvalue k it is sum_k (p_k - 1/m)^2 = FP / (tr F)^2 - 1/m, with FP = tr F^2 the frame potential, of which
    1 / m is thus the least value; for n < m the least is 1/n - 1/m.

    Parameters
    ----------
    W : torch.Tensor, shape (..., n, m)
        Features as rows, real and floating point; leading axes are a batch.

    Returns
    -------
    torch.Tensor, shape (...)
        One penalty per matrix, of W's type and device. No rotation of the space and no common scale of the
        features changes it. It is NaN where all features are zero: they have no direction to be tight in. Their
        gradient is zero then, and that of the others in the batch is what it is without them.

    Raises
    ------
    ParameterError
        If W is not a torch tensor.
    ShapeError
        If W has fewer than two axes, no features or no dimensions.
    DtypeError
        If W is not real and floating point.
    MissingExtraError
        If torch is not installed.

    Notes
    -----
    Cost: O(n m^2) operations per matrix. The difference is taken before it is squared, so a tight frame's
    penalty is of the order of the square of the rounding, which FP / (tr F)^2 - 1/m could not reach.

    References
    ----------
    Benedetto & Fickus (2003), "Finite normalized tight frames": the minimisers of FP are the tight frames.

    Examples
    --------
    >>> import torch
    >>> tight_frame_penalty(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])).item()
    0.0
    >>> tight_frame_penalty(torch.tensor([[3.0, 0.0], [4.0, 0.0]])).item()
    0.5
    """
    torch_module("tight_frame_penalty")
    import torch

    if not isinstance(W, torch.Tensor):
        raise ParameterError(f"W must be a torch tensor, got {type(W).__name__}")
    if W.ndim < 2 or 0 in W.shape[-2:]:
        raise ShapeError(f"W must have shape (..., n, m) with n and m at least 1, got {tuple(W.shape)}")
    if not W.is_floating_point():
        raise DtypeError(f"W must be real and floating point, got {W.dtype}")
    # No common scale changes the penalty, so the first division guards the squares against overflow for free.
    largest = W.detach().abs().amax(dim=(-2, -1), keepdim=True)
    zero = largest == 0
    # An all-zero matrix is replaced before it is divided: NaN that is masked afterwards would still come back in the
    # gradient, and an optimiser would spread it over the parameters.
    one = W.new_ones(())
    unit = W / torch.where(zero, one, largest)
    unit = torch.where(zero, one, unit)
    unit = unit / torch.linalg.vector_norm(unit, dim=(-2, -1), keepdim=True)  # tr F = 1.
    height = max(1, int(_OPERATIONS / (2 * max(W.numel(), 1))))
    products = [unit.mT[..., first : first + height, :] @ unit for first in range(0, W.shape[-1], height)]
    excess = (
        torch.cat(products, dim=-2) - torch.eye(W.shape[-1], dtype=W.dtype, device=W.device) / W.shape[-1]
    )
    penalty: torch.Tensor = excess.square().sum(dim=(-2, -1))
    return penalty.masked_fill(zero[..., 0, 0], torch.nan)
