"""Association schemes: the relations between features, from noisy Gram matrices to the names of geometries.

This is the spelling for users of three rooms, which load when a name is asked for: `relations` (relations in, numbers
out), `recognise` (cosines in, name out) and `certificates`. No room imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuregeom.certificates import Verification, certify, load_certificate, save_certificate, verify
    from featuregeom.recognise.detect import detect
    from featuregeom.recognise.detection import Detection
    from featuregeom.recognise.many_blocks import BlockSchemes, detect_blocks
    from featuregeom.relations.check import Check, check, check_circulant
    from featuregeom.relations.closure import Closure, closure
    from featuregeom.relations.design_strength import (
        DesignStrength,
        absolute_bound,
        design_strength,
        design_strength_of_gram,
        gegenbauer,
    )
    from featuregeom.relations.eigenmatrices import Eigenmatrices, Numbers, eigenmatrices, read_numbers
    from featuregeom.relations.feasibility import Failure, failures
    from featuregeom.relations.fusion import fuse, fused_numbers, fusions, idempotent_parts
    from featuregeom.relations.polynomial import intersection_array, p_orders, q_orders, strongly_regular
    from featuregeom.relations.scheme import Scheme, parameters
    from featuregeom.relations.structure import closed_subsets, is_primitive, is_thin, quotient, subscheme

__all__ = [
    "BlockSchemes",
    "Check",
    "Closure",
    "DesignStrength",
    "Detection",
    "Eigenmatrices",
    "Failure",
    "Numbers",
    "Scheme",
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
    "load_certificate",
    "p_orders",
    "parameters",
    "q_orders",
    "quotient",
    "read_numbers",
    "save_certificate",
    "strongly_regular",
    "subscheme",
    "verify",
]

_HOMES = {
    "certificates": ("Verification", "certify", "load_certificate", "save_certificate", "verify"),
    "relations.check": ("Check", "check", "check_circulant"),
    "relations.closure": ("Closure", "closure"),
    "relations.design_strength": (
        "DesignStrength",
        "absolute_bound",
        "design_strength",
        "design_strength_of_gram",
        "gegenbauer",
    ),
    "recognise.detect": ("detect",),
    "recognise.detection": ("Detection",),
    "relations.eigenmatrices": ("Eigenmatrices", "Numbers", "eigenmatrices", "read_numbers"),
    "relations.feasibility": ("Failure", "failures"),
    "relations.fusion": ("fuse", "fused_numbers", "fusions", "idempotent_parts"),
    "relations.scheme": ("Scheme", "parameters"),
    "relations.polynomial": ("intersection_array", "p_orders", "q_orders", "strongly_regular"),
    "recognise.many_blocks": ("BlockSchemes", "detect_blocks"),
    "relations.structure": ("closed_subsets", "is_primitive", "is_thin", "quotient", "subscheme"),
}
"""The names by the rooms and files that define them."""


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"featuregeom.{home}"), name)
    raise AttributeError(f"module 'featuregeom.schemes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
