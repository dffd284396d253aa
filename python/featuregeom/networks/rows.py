"""Whether row i of what a model computes belongs to input i: part of a batch, run again, must give the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["close", "largest", "splits"]

_SOME = 16
"""Inputs of a batch that run again, at most: in two halves, whose means differ by half a standard deviation."""

_FEW = 32
"""Largest batch of which a third part runs again, made of some inputs of both halves. In larger ones each half is
less than a fourth of the batch."""

_ROUNDING = 1000.0
"""Limit on the difference of two batchings, in units of the type's rounding and of the layer's largest value.

Each product adds a few units where its kernel depends on the size of the batch, so networks of some hundred layers
stay below it; 50 dense layers on one thread of a CPU gave the same bits in batches of 8 and of 256.
"""

_LEAST, _MOST = 1e-9, 0.1
"""Limits of the product of both: for float64, whose roundings grow with depth, and for bfloat16."""


def splits(size: int) -> list[list[int]]:
    """Give parts of a batch to run apart from the rest, as lists of inputs; none for a batch of one input.

    Two have no input in common, so that the largest of all is missing in one, and no order is that of the batch, or its
    reverse. Of a few inputs a third part has some of both, for a model may pair them just as the two parts do.
    """
    if size < 2:
        return []
    count = min(size, _SOME)
    some = [(k * size) // count for k in range(count)]
    half = (count + 1) // 2
    one, other = some[1:half] + some[:1], some[half + 1 :] + some[half : half + 1]
    both = [*other[: (len(other) + 1) // 2], *one[: (len(one) + 1) // 2]]
    return [one, other, both] if 2 < size <= _FEW else [one, other]


def close(one: torch.Tensor, other: torch.Tensor, scale: float) -> bool:
    """Tell whether two arrays of values are the same but for rounding.

    Parameters
    ----------
    one, other : tensor
        Floating values of the same neurons for the same inputs; NaN equals NaN.
    scale : float
        Largest value so far in the network: where a layer cancels to nothing, only rounding of that is left.
    """
    import torch

    if one.shape != other.shape:
        return False
    # Convolutions and products in float32 may round to 10 bits on a GPU.
    eps = 2.0**-10 if one.is_cuda and one.dtype == torch.float32 else float(torch.finfo(one.dtype).eps)
    first, second = one.double(), other.double()
    here = largest(first)
    limit = max(min(max(_ROUNDING * eps, _LEAST), _MOST) * here, min(16 * eps, _MOST) * scale)
    return bool(torch.isclose(first, second, rtol=0.0, atol=limit, equal_nan=True).all())


def largest(values: torch.Tensor) -> float:
    """Give the largest absolute value that is finite, 0 if there is none."""
    import torch

    finite = values[torch.isfinite(values)]
    return float(finite.abs().max()) if finite.numel() else 0.0
