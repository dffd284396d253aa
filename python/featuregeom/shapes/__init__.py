"""Geometries with exact coordinates, and the numbers that theory expects of them.

Every generator returns features as rows of an (n, m) array, in a fixed order: float64, or complex128 for the
complex frames. They are unit vectors, but for root systems of two lengths and what is built from other frames.
`expected` holds, for each, the numbers that are known without its coordinates.
"""

from featuregeom.shapes import expected
from featuregeom.shapes.combine import direct_sum
from featuregeom.shapes.complexes import harmonic_etf, mub, sic
from featuregeom.shapes.equiangular import etf_16_6, etf_28_7, icosahedral_lines, paley_etf, steiner_etf
from featuregeom.shapes.families import cross_polytope, cube, demicube, simplex
from featuregeom.shapes.graphs import cyclotomic, hamming, johnson, paley, shrikhande
from featuregeom.shapes.leech import leech
from featuregeom.shapes.planar import polygon
from featuregeom.shapes.polytopes4 import cell24, cell120, cell600, tesseract
from featuregeom.shapes.prisms import antiprism, prism
from featuregeom.shapes.roots import gosset, root_system, schlaefli
from featuregeom.shapes.seeded import noisy, random_frame, rotated
from featuregeom.shapes.solids import cuboctahedron, dodecahedron, icosahedron, octahedron, tetrahedron

__all__ = [
    "antiprism",
    "cell24",
    "cell120",
    "cell600",
    "cross_polytope",
    "cube",
    "cuboctahedron",
    "cyclotomic",
    "demicube",
    "direct_sum",
    "dodecahedron",
    "etf_16_6",
    "etf_28_7",
    "expected",
    "gosset",
    "hamming",
    "harmonic_etf",
    "icosahedral_lines",
    "icosahedron",
    "johnson",
    "leech",
    "mub",
    "noisy",
    "octahedron",
    "paley",
    "paley_etf",
    "polygon",
    "prism",
    "random_frame",
    "root_system",
    "rotated",
    "schlaefli",
    "shrikhande",
    "sic",
    "simplex",
    "steiner_etf",
    "tesseract",
    "tetrahedron",
]
__dir__ = __all__.copy
