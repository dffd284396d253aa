"""Stable regions of activations: how the output of a network responds as one activation moves.

A plateau in the response curve, then a cliff, says that the activation left a stable region; a straight line says
that it did not meet one. Needs the extra "torch".
"""

from __future__ import annotations

from featuregeom.networks.suffixes import Suffix, suffix_from
from featuregeom.plateaus import directions, metrics
from featuregeom.plateaus.crossings import Crossings, crossings
from featuregeom.plateaus.curves import Plateaus, response_curves
from featuregeom.plateaus.intervals import Median, median, median_difference
from featuregeom.plateaus.kl_radius import KLRadius, kl_radius
from featuregeom.plateaus.linear_regions import LinearRegionCounts, count_linear_regions, stable_boundaries
from featuregeom.plateaus.slice2d import StableSlice, stable_slice2d

__all__ = [
    "Crossings",
    "KLRadius",
    "LinearRegionCounts",
    "Median",
    "Plateaus",
    "StableSlice",
    "Suffix",
    "count_linear_regions",
    "crossings",
    "directions",
    "kl_radius",
    "median",
    "median_difference",
    "metrics",
    "response_curves",
    "stable_boundaries",
    "stable_slice2d",
    "suffix_from",
]
__dir__ = __all__.copy
