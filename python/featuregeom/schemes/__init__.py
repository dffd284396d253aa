"""Association schemes: the relations between features, from noisy Gram matrices to the names of geometries."""

from featuregeom.schemes.certificate import Verification, certify, load, save, verify
from featuregeom.schemes.check import Check, check
from featuregeom.schemes.closure import Closure, closure
from featuregeom.schemes.detect import detect
from featuregeom.schemes.detection import Detection

__all__ = [
    "Check",
    "Closure",
    "Detection",
    "Verification",
    "certify",
    "check",
    "closure",
    "detect",
    "load",
    "save",
    "verify",
]
