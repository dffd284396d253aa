"""Tensors whose numbers can be read: not nested, sparse, masked, fake, without memory, or inside a transform."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import DtypeError, NonFiniteError, ShapeError
from featuregeom.networks.extra import torch_module

if TYPE_CHECKING:
    import torch

__all__ = ["UNINITIALISED", "check_tensor", "first_bad", "rows"]

UNINITIALISED = ("UninitializedParameter", "UninitializedBuffer")
"""Classes of torch for what a lazy module has before its first call."""


def check_tensor(value: Any, where: str) -> None:
    """Refuse a tensor that is not a dense array of numbers, and say what it is and what to do.

    Parameters
    ----------
    value : object
        Anything; other objects than tensors pass, and torch is not imported for them.
    where : str
        What the error calls it.

    Raises
    ------
    DtypeError
        If it is one.
    """
    torch = sys.modules.get("torch")
    found = _odd(torch, value) if torch is not None and isinstance(value, torch.Tensor) else None
    if found is not None:
        raise DtypeError(f"{where} is {found}")


def _odd(torch: Any, tensor: Any) -> str | None:
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return "a tensor inside vmap, grad or another transform of torch.func, without numbers of its own: call outside"
    if tensor.is_nested:
        return "a nested tensor: pad it with to_padded_tensor, or give its parts one by one"
    if tensor.layout is not torch.strided:
        return "a sparse torch tensor: pass X.to_dense()"
    if tensor.is_quantized:
        return "a quantised tensor: pass its dequantize()"
    kind = type(tensor)
    if kind.__name__ in UNINITIALISED:
        return "a parameter of a lazy module, which has no shape yet: call the module once"
    if kind.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        # A subclass that decides itself what operations do: masked, fake, distributed ...
        advice = {
            "MaskedTensor": "fill it with to_tensor(value) or drop what is masked",
            "FakeTensor": "it holds no numbers: make it outside FakeTensorMode",
            "DTensor": "gather it with full_tensor()",
        }.get(kind.__name__, "pass an ordinary tensor")
        return f"a {kind.__name__}, which decides itself what operations do: {advice}"
    if tensor.is_meta:
        return "on torch's meta device, which holds no numbers: load the weights first"
    return None


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
