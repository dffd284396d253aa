"""Association schemes: the relations between features, from noisy Gram matrices to the names of geometries."""

from featuregeom.schemes.certificate import Verification, certify, load, save, verify
from featuregeom.schemes.check import Check, check, check_circulant
from featuregeom.schemes.closure import Closure, closure
from featuregeom.schemes.detect import detect
from featuregeom.schemes.detection import Detection
from featuregeom.schemes.large import LargeDetection, detect_large

__all__ = [
    "Check",
    "Closure",
    "Detection",
    "LargeDetection",
    "Verification",
    "certify",
    "check",
    "check_circulant",
    "closure",
    "detect",
    "detect_large",
    "load",
    "save",
    "verify",
]
