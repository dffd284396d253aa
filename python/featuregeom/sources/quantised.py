"""Weights that are packed in integers: models of known methods are refused as a whole, others weight by weight."""

from __future__ import annotations

import re
from collections.abc import Iterable

from featuregeom.sources.dictionary_names import plain_name
from featuregeom.sources.protocol import TensorInfo

__all__ = ["packed_weights", "quantised"]

_SIGNS = {
    "GPTQ or AWQ": re.compile(r"(?:.*\.)?(qweight|qzeros)"),
    "bitsandbytes": re.compile(
        r".*\.(absmax|nested_absmax|quant_map|nested_quant_map|SCB)|.*quant_state\.bitsandbytes.*"
    ),
    "compressed-tensors": re.compile(r".*\.weight_packed"),
    "HQQ": re.compile(r".*\.W_q"),
    "ONNX": re.compile(r".*_quantized"),
    "quanto": re.compile(r".*\.weight\._(data|scale)"),
}
"""Names that only these methods give to tensors."""

_PACKED = ("int8", "uint8", "int4", "uint4", "float4")
"""Types of packed weights."""


def quantised(infos: Iterable[TensorInfo]) -> str | None:
    """Say by which method a model is quantised.

    Parameters
    ----------
    infos : iterable of TensorInfo
        All its tensors.

    Returns
    -------
    str or None
        The method and a tensor that shows it; None where none is known by its names.
    """
    held = {plain_name(info.name): info for info in infos}
    for method, sign in _SIGNS.items():
        for name in held:
            if sign.fullmatch(name):
                return f"{method}: {name!r}"
    for name in held:
        stem, _, leaf = name.rpartition(".")
        if leaf.endswith("_blocks") and f"{stem}.{leaf.removesuffix('blocks')}scales".lstrip(".") in held:
            return f"MXFP4: {name!r}"
    return None


def packed_weights(infos: Iterable[TensorInfo]) -> dict[str, str]:
    """Say which weights are integers of which no method is known.

    Parameters
    ----------
    infos : iterable of TensorInfo
        All tensors of a source.

    Returns
    -------
    dict of str to str
        By name, why the weight cannot be read, and what to do.
    """
    found = {}
    for info in infos:
        leaf = plain_name(info.name).rpartition(".")[2]
        if info.dtype.startswith(("qint", "quint")) or (
            leaf == "weight" and len(info.shape) == 2 and info.dtype.startswith(_PACKED)
        ):
            found[info.name] = (
                "a weight in integers is quantised, and its scale is stored apart: dequantise it first, e.g. with "
                "model.dequantize(), or leave it out"
            )
    return found
