"""What the functions of plateaus ask of tensors: rows of finite numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.errors import DtypeError, NonFiniteError, ShapeError
from featuregeom.networks.extra import torch_module
from featuregeom.networks.tensors import check_tensor

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["first_bad", "rows"]


def rows(name: str, value: Any, like: torch.Tensor | None = None) -> torch.Tensor:
    """Give `value` as a floating tensor of shape (P, m), a single vector as one row.

    Parameters
    ----------
    name : str
        What error messages call it.
    value : tensor or array-like, shape (P, m) or (m,)
        Anything but a floating tensor or array becomes float64.
    like : tensor, optional
        Convert to its dtype and device.

    Returns
    -------
    tensor, shape (P, m)
        Detached from any graph.

    Raises
    ------
    ShapeError
        If it is no matrix, or empty.
    DtypeError
        If it is complex or no numbers.
    NonFiniteError
        If it holds NaN or infinity.
    """
    torch = torch_module("plateaus")
    check_tensor(value, name)
    try:
        tensor = (value if isinstance(value, torch.Tensor) else torch.as_tensor(_native(value))).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DtypeError(f"{name} must be real numbers, got {type(value).__name__}: {error}") from error
    if tensor.is_complex():
        raise DtypeError(f"{name} must be real numbers, got {tensor.dtype}")
    if like is not None:
        tensor = tensor.to(like)
    elif not tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    tensor = tensor[None] if tensor.ndim == 1 else tensor
    if tensor.ndim != 2 or not tensor.numel():
        raise ShapeError(f"{name} must be vectors, shape (P, m) or (m,), got {tuple(tensor.shape)}")
    bad = first_bad(tensor)
    if bad is not None:
        raise NonFiniteError(f"{name} is {float(tensor[bad])} in row {bad[0]}, column {bad[1]}", *bad)
    return tensor


def _native(value: Any) -> NDArray[Any]:
    """Give an array as torch takes it: native bytes, no negative strides; lists of floats as float64, not float32."""
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("="), order="C")


def first_bad(tensor: torch.Tensor) -> tuple[int, int] | None:
    """Row and column of the first NaN or infinity of a matrix, or None."""
    good = tensor.isfinite()
    if bool(good.all()):
        return None
    row, column = (~good).nonzero()[0].tolist()
    return row, column
