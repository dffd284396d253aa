"""Exact linear regions of piecewise-linear networks: on segments, on planes, around points, and bounds of counts.

A ReLU network is affine on each set of inputs with one activation pattern. `along` finds all such sets on a
polyline, `slice2d` on a rectangle of a plane; both are exact up to rounding, by one batched forward a layer, that ends
there, and a whole one.
"""

from __future__ import annotations

from featuregeom.networks.segments import Segments, along
from featuregeom.regions.bounds import (
    cover,
    hanin_rolnick_bound,
    montufar_lower,
    serra_upper,
    zaslavsky,
    zaslavsky_bounded,
)
from featuregeom.regions.complexity import ball_radius, local_complexity, ray_exit, region_diameter
from featuregeom.regions.slices import Slice, slice2d

__all__ = [
    "Segments",
    "Slice",
    "along",
    "ball_radius",
    "cover",
    "hanin_rolnick_bound",
    "local_complexity",
    "montufar_lower",
    "ray_exit",
    "region_diameter",
    "serra_upper",
    "slice2d",
    "zaslavsky",
    "zaslavsky_bounded",
]
__dir__ = __all__.copy
