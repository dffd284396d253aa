"""What a live module tells beside its tensors: the classes of its layers, its package and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featuregeom.sources.layout import Hints

__all__ = ["module_hints"]

_TELLING = ("Linear", "Embedding", "Conv1D", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d",
            "ConvTranspose3d")  # fmt: skip
"""Classes that decide how a weight is stored; others are judged by name and shape, as they are in a file."""


def module_hints(module: Any) -> Hints:
    """Gather what a module tells about its weights.

    Parameters
    ----------
    module : torch.nn.Module
        Compiled ones too.

    Returns
    -------
    Hints
    """
    inner = getattr(module, "_orig_mod", module)
    config = getattr(inner, "config", None) or getattr(inner, "cfg", None)
    to_dict = getattr(config, "to_dict", None)
    told = to_dict() if callable(to_dict) else config if isinstance(config, Mapping) else {}
    classes = {}
    if callable(getattr(module, "named_modules", None)):
        for name, layer in module.named_modules():
            kind = type(layer).__name__
            if kind in _TELLING:
                for weight in getattr(layer, "_parameters", {}):
                    classes[f"{name}.{weight}" if name else weight] = kind
    return Hints(config=told, package=type(inner).__module__.partition(".")[0], classes=classes)
