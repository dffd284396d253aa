"""Measure the geometry of what a neural network has learned.

Everything loads on first use: ``import featuregeom as fg`` costs next to nothing.

>>> import featuregeom as fg
>>> fg.frames.welch_bound(3, 2)
0.5
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
"""True for type checkers, which know the name; importing `typing` would take most of the time of this file."""

if TYPE_CHECKING:
    from featuregeom import (
        blocks,
        codes,
        comparison,
        dictionaries,
        encoder,
        errors,
        features,
        findings,
        formation,
        frames,
        geometries,
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
    from featuregeom.analysis import Analysis
    from featuregeom.report.page import write_page
    from featuregeom.report.recording import write_recording
    from featuregeom.survey import analyze, compare_sources, describe, estimate, load

__all__ = [
    "Analysis",
    "__version__",
    "analyze",
    "blocks",
    "codes",
    "compare_sources",
    "comparison",
    "describe",
    "dictionaries",
    "encoder",
    "errors",
    "estimate",
    "features",
    "findings",
    "formation",
    "frames",
    "geometries",
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
    "write_page",
    "write_recording",
]
__dir__ = __all__.copy


_HOMES = {
    "Analysis": "analysis",
    "__version__": "_core",
    "analyze": "survey",
    "compare_sources": "survey",
    "describe": "survey",
    "estimate": "survey",
    "load": "survey",
    "write_page": "report.page",
    "write_recording": "report.recording",
}
"""Where the names are that are not rooms themselves."""


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"featuregeom.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"featuregeom.{name}")
    raise AttributeError(f"module 'featuregeom' has no attribute {name!r}")
