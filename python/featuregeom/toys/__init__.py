"""Small models, trained on the spot, whose learned geometry is known or can be reasoned about.

Its modules load on first use, as those of the whole package do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuregeom.toys import anchors, experiments, gallery, one_active, penalty, superposition, sweeps

__all__ = ["anchors", "experiments", "gallery", "one_active", "penalty", "superposition", "sweeps"]
__dir__ = __all__.copy


def __getattr__(name: str) -> object:
    if name in __all__:
        return import_module(f"featuregeom.toys.{name}")
    raise AttributeError(f"module 'featuregeom.toys' has no attribute {name!r}")
