"""Functions that are zero where an operation bends, one row per input."""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import Any

import torch

from featuregeom.errors import ParameterError

__all__ = ["bends", "comparisons"]


def bends(name: str, z: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Give what changes sign where an elementwise operation (by its canonical name) bends.

    Raises
    ------
    ParameterError
        If the operation jumps.
    """

    def given(index: int, key: str, default: Any = None) -> Any:
        return kwargs.get(key, args[index] if len(args) > index else default)

    if name == "relu6":
        levels: list[Any] = [0.0, 6.0]
    elif name == "hardtanh":
        levels = [given(1, "min_val", -1.0), given(2, "max_val", 1.0)]
    elif name == "softshrink":
        level = given(1, "lambd", 0.5)
        levels = [-level, level]
    elif name == "threshold":
        level = given(1, "threshold")
        if level != given(2, "value"):
            raise ParameterError("threshold with another value jumps there: the network is not continuous")
        levels = [level]
    elif name in ("clamp", "clip"):
        levels = [bound for bound in (given(1, "min"), given(2, "max")) if bound is not None]
    elif name in ("clamp_min", "clamp_max"):
        levels = [given(1, name.removeprefix("clamp_"))]
    else:
        levels = [0.0]
    # The differences are new tensors: an operation in place may change z.
    return torch.cat([(z - level).reshape(len(z), -1) for level in levels], dim=1)


def comparisons(name: str, z: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Give the differences of all pairs in each window of a max pool, adaptive or not."""
    dimensions = int(name[name.index("pool") + 4])
    sizes = tuple(z.shape[-dimensions:])
    if name.startswith("adaptive"):
        wanted = kwargs.get("output_size", args[1] if len(args) > 1 else None)
        axes = [
            _adaptive(size, size if out is None else int(out))
            for size, out in zip(sizes, _each(wanted, dimensions), strict=True)
        ]
    else:
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = dict(zip(names, args, strict=False)) | kwargs
        kernel = _each(given["kernel_size"], dimensions)
        stride = _each(given.get("stride") or kernel, dimensions)
        padding, dilation = (
            _each(given.get(key, default), dimensions) for key, default in (("padding", 0), ("dilation", 1))
        )
        axes = [
            _windows(size, k, s, p, d, bool(given.get("ceil_mode")))
            for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
        ]
    places = torch.arange(math.prod(sizes)).reshape(sizes)
    pairs = [
        pair
        for window in product(*axes)
        for pair in combinations(
            places[torch.meshgrid(*map(torch.tensor, window), indexing="ij")].ravel().tolist(), 2
        )
    ]
    values = z.reshape(len(z), -1, math.prod(sizes))
    first, second = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    return (values[..., first] - values[..., second]).reshape(len(z), -1)


def _each(value: Any, dimensions: int) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * dimensions if len(values) == 1 else values


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> list[list[int]]:
    """Entries of each window along one axis; padding is below everything, and compared with nothing."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1  # A window that would begin in the padding on the right is none.
    starts = (stride * k - padding for k in range(count))
    return [
        [at for at in range(start, start + dilation * kernel, dilation) if 0 <= at < size] for start in starts
    ]


def _adaptive(size: int, out: int) -> list[list[int]]:
    return [list(range(size * k // out, -(-size * (k + 1) // out))) for k in range(out)]
