"""Low-rank adapters: the product B A is what they add to a weight."""

from __future__ import annotations

import re
from collections.abc import Iterable

from featuregeom.sources.protocol import TensorInfo

__all__ = ["lora_products"]

_OUTER = re.compile(
    r"(?P<stem>.*\.)?(?P<leaf>lora_B|lora_up|lora_linear_layer\.up)(?P<adapter>(?:\.\w+)?)\.weight"
)
_INNER = {"lora_B": "lora_A", "lora_up": "lora_down", "lora_linear_layer.up": "lora_linear_layer.down"}


def lora_products(infos: Iterable[TensorInfo]) -> list[tuple[TensorInfo, tuple[str, str]]]:
    """List the products of adapters.

    Parameters
    ----------
    infos : iterable of TensorInfo
        The weights of a source.

    Returns
    -------
    list of (TensorInfo, (str, str))
        Each product, an outputs x inputs matrix of float64, and its two factors.
    """
    held = {info.name: info for info in infos}
    found = []
    for name, outer in held.items():
        match = _OUTER.fullmatch(name)
        if match is None:
            continue
        stem, adapter = match["stem"] or "", match["adapter"]
        inner = held.get(f"{stem}{_INNER[match['leaf']]}{adapter}.weight")
        if (
            inner is None
            or len(outer.shape) != 2
            or len(inner.shape) != 2
            or outer.shape[1] != inner.shape[0]
        ):
            continue
        shape = outer.shape[0], inner.shape[1]
        info = TensorInfo(
            f"{stem}lora_BA{adapter}",
            shape,
            "float64",
            8 * shape[0] * shape[1],
            axis_reason="output units: B A of LoRA",
        )
        found.append((info, (outer.name, inner.name)))
    return found
