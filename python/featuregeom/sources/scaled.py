"""FP8 weights that are stored beside the scales of their blocks, as numbers again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.sources.protocol import TensorInfo

__all__ = ["Scales", "dequantise", "find_scales"]

_BLOCK = 128
"""Rows and columns that share a scale, where the configuration does not say otherwise."""

_BITS = {
    "float8_e4m3fn": (3, 7),
    "float8_e4m3fnuz": (3, 8),
    "float8_e5m2": (2, 15),
    "float8_e5m2fnuz": (2, 16),
}
"""Bits of the mantissa, and bias of the exponent."""


@dataclass(frozen=True)
class Scales:
    """The scales of one weight.

    Attributes
    ----------
    tensor : str
        The tensor that holds them.
    block : tuple of int
        Rows and columns that share a scale.
    """

    tensor: str
    block: tuple[int, int]


def find_scales(infos: Iterable[TensorInfo], config: Mapping[str, Any]) -> dict[str, Scales]:
    """Find FP8 weights whose format says how they are scaled: ``weight`` beside ``weight_scale_inv``.

    Parameters
    ----------
    infos : iterable of TensorInfo
        All tensors of a source.
    config : mapping
        Its configuration, which may name the size of blocks.

    Returns
    -------
    dict of str to Scales
        By the name of the weight. One whose scales do not fit its shape is left out, and so refused.
    """
    held = {info.name: info for info in infos}
    quantisation = config.get("quantization_config")
    given = quantisation.get("weight_block_size") if isinstance(quantisation, Mapping) else None
    size = tuple(given) if isinstance(given, list) and len(given) == 2 else (_BLOCK, _BLOCK)
    found = {}
    for name, info in held.items():
        scales = held.get(f"{name}_scale_inv")
        if scales is None or info.dtype not in _BITS or len(info.shape) < 2:
            continue
        if math.prod(scales.shape) == 1:
            found[name] = Scales(scales.name, (info.shape[-2], info.shape[-1]))
        elif scales.shape == (
            *info.shape[:-2],
            *(-(-n // b) for n, b in zip(info.shape[-2:], size, strict=True)),
        ):
            found[name] = Scales(scales.name, (int(size[0]), int(size[1])))
    return found


def dequantise(
    weight: Any, dtype: str, scales: Any, scale_dtype: str, block: tuple[int, int]
) -> NDArray[np.float32]:
    """Give the numbers of an FP8 weight: each times the scale of its block.

    Parameters
    ----------
    weight : ndarray of uint8, or torch tensor of FP8, shape (..., n, m)
        As stored.
    dtype : str
        Its type.
    scales : ndarray or torch tensor, shape (..., ceil(n / block[0]), ceil(m / block[1])), or of one entry
        As stored; bfloat16 as bits.
    scale_dtype : str
        Their type.
    block : tuple of int
        Rows and columns that share a scale.

    Returns
    -------
    ndarray of float32, shape (..., n, m)
        A copy: 4 bytes per entry.
    """
    bits = _array(weight, "uint8")
    values: NDArray[np.float32] = _table(dtype)[bits]
    factors = _widened(_array(scales, "uint16" if scale_dtype == "bfloat16" else ""), scale_dtype)
    if factors.size == 1:
        values *= factors.reshape(())
        return values
    for axis, size in zip((-2, -1), block, strict=True):
        factors = np.repeat(factors, size, axis)
    values *= factors[..., : values.shape[-2], : values.shape[-1]]
    return values


def _array(X: Any, view: str) -> NDArray[Any]:
    """Give an array, of a torch tensor that NumPy has no type for its bits."""
    if isinstance(X, np.ndarray):
        return X
    import torch

    tensor = X.detach().cpu()
    found: NDArray[Any] = (tensor.view(getattr(torch, view)) if view else tensor).numpy()
    return found


def _widened(X: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    if dtype == "bfloat16":
        return (X.astype(np.uint32) << 16).view(np.float32)
    return X.astype(np.float32)


def _table(dtype: str) -> NDArray[np.float32]:
    """All 256 numbers of an FP8 type."""
    mantissa, bias = _BITS[dtype]
    codes = np.arange(128)
    exponent, fraction = codes >> mantissa, (codes & (1 << mantissa) - 1) / (1 << mantissa)
    positive = np.where(exponent > 0, (1 + fraction) * 2.0 ** (exponent - bias), fraction * 2.0 ** (1 - bias))
    if dtype == "float8_e4m3fn":
        positive[127] = np.nan
    elif dtype == "float8_e5m2":
        positive[124:] = [np.inf, np.nan, np.nan, np.nan]
    table = np.concatenate([positive, -positive]).astype(np.float32)
    if dtype.endswith("fnuz"):
        table[128] = np.nan
    return table
