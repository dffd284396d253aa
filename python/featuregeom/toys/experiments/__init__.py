"""Experiments on trained toys: phase diagrams, geometry, saturation, dynamics."""

from featuregeom.toys.experiments.dynamics import dynamics
from featuregeom.toys.experiments.geometry import geometry
from featuregeom.toys.experiments.phase import held_crossing, phase
from featuregeom.toys.experiments.saturation import saturation

__all__ = ["dynamics", "geometry", "held_crossing", "phase", "saturation"]
__dir__ = __all__.copy
