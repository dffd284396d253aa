"""Tensors whose numbers can be read: not nested, sparse, masked, fake, without memory, or inside a transform."""

from __future__ import annotations

import sys
from typing import Any

from featuregeom.errors import DtypeError

__all__ = ["check_tensor"]


def check_tensor(value: Any, where: str) -> None:
    """Refuse a tensor that is no dense array of numbers, by what it is and with what to do.

    Parameters
    ----------
    value : object
        Anything; what is no tensor passes, and torch is not imported for it.
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
