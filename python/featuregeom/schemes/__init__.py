"""Association schemes: the relations between features, from noisy Gram matrices to the names of geometries."""

from featuregeom.schemes.certificate import Verification, certify, load, save, verify
from featuregeom.schemes.check import Check, check, check_circulant
from featuregeom.schemes.closure import Closure, closure
from featuregeom.schemes.design_strength import (
    DesignStrength,
    absolute_bound,
    design_strength,
    design_strength_of_gram,
    gegenbauer,
)
from featuregeom.schemes.detect import detect
from featuregeom.schemes.detection import Detection
from featuregeom.schemes.eigenmatrices import Eigenmatrices, Numbers, eigenmatrices, read_numbers
from featuregeom.schemes.feasibility import Failure, failures
from featuregeom.schemes.fusion import fuse, fused_numbers, fusions, idempotent_parts
from featuregeom.schemes.large import LargeDetection, detect_large
from featuregeom.schemes.parameters import Parameters, parameters
from featuregeom.schemes.polynomial import intersection_array, p_orders, q_orders, strongly_regular
from featuregeom.schemes.small import BlockSchemes, detect_blocks
from featuregeom.schemes.structure import closed_subsets, is_primitive, is_thin, quotient, subscheme

__all__ = [
    "BlockSchemes",
    "Check",
    "Closure",
    "DesignStrength",
    "Detection",
    "Eigenmatrices",
    "Failure",
    "LargeDetection",
    "Numbers",
    "Parameters",
    "Verification",
    "absolute_bound",
    "certify",
    "check",
    "check_circulant",
    "closed_subsets",
    "closure",
    "design_strength",
    "design_strength_of_gram",
    "detect",
    "detect_blocks",
    "detect_large",
    "eigenmatrices",
    "failures",
    "fuse",
    "fused_numbers",
    "fusions",
    "gegenbauer",
    "idempotent_parts",
    "intersection_array",
    "is_primitive",
    "is_thin",
    "load",
    "p_orders",
    "parameters",
    "q_orders",
    "quotient",
    "read_numbers",
    "save",
    "strongly_regular",
    "subscheme",
    "verify",
]
