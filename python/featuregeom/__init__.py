"""Measure the geometry of what a neural network has learned.

Everything loads on first use: ``import featuregeom as fg`` costs next to nothing.

>>> import featuregeom as fg
>>> fg.frames.welch_bound(3, 2)
0.5
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuregeom import (
        blocks,
        codes,
        comparison,
        encoder,
        errors,
        features,
        frames,
        naming,
        null_model,
        operators,
        pairs,
        plateaus,
        regions,
        schemes,
        shapes,
        sources,
        spectra,
        survey,
        toys,
        trajectory,
    )
    from featuregeom._core import __version__
    from featuregeom.survey import Analysis, analyze, describe, estimate, load

_MODULES = (
    "blocks",
    "codes",
    "comparison",
    "encoder",
    "errors",
    "features",
    "frames",
    "naming",
    "null_model",
    "operators",
    "pairs",
    "plateaus",
    "regions",
    "schemes",
    "shapes",
    "sources",
    "spectra",
    "survey",
    "toys",
    "trajectory",
)
_FROM_SURVEY = ("Analysis", "analyze", "describe", "estimate", "load")

__all__ = [
    "Analysis",
    "__version__",
    "analyze",
    "blocks",
    "codes",
    "comparison",
    "describe",
    "encoder",
    "errors",
    "estimate",
    "features",
    "frames",
    "load",
    "naming",
    "null_model",
    "operators",
    "pairs",
    "plateaus",
    "regions",
    "schemes",
    "shapes",
    "sources",
    "spectra",
    "survey",
    "toys",
    "trajectory",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("featuregeom._core").__version__
    if name in _MODULES:
        return import_module(f"featuregeom.{name}")
    if name in _FROM_SURVEY:
        return getattr(import_module("featuregeom.survey"), name)
    raise AttributeError(f"module 'featuregeom' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
