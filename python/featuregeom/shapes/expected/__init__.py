"""The exact numbers expected of every geometry, from closed forms and never from coordinates.

For a generator of `featuregeom.shapes` the function of the same name here, called alike, gives the numbers as
an `Expected`; the generator says what its arguments may be, and gives the source. `geometries.TABLE` lists known
answers.

>>> from featuregeom.shapes import expected
>>> expected.antiprism(4, z2=1 / 4).eigenvalues
((3.0, 2), (2.0, 1))
"""

from featuregeom.shapes.expected.graphs import cyclotomic, hamming, johnson, paley, shrikhande
from featuregeom.shapes.expected.lattices import gosset, leech, root_system, schlaefli
from featuregeom.shapes.expected.lines import (
    etf_16_6,
    etf_28_7,
    harmonic_etf,
    icosahedral_lines,
    mub,
    paley_etf,
    sic,
    steiner_etf,
)
from featuregeom.shapes.expected.polytopes import (
    antiprism,
    cell24,
    cell120,
    cell600,
    cross_polytope,
    cube,
    cuboctahedron,
    demicube,
    dodecahedron,
    icosahedron,
    octahedron,
    polygon,
    prism,
    simplex,
    tesseract,
    tetrahedron,
)
from featuregeom.shapes.expected.record import Counted, Expected
from featuregeom.shapes.expected.sums import direct_sum

__all__ = [
    "Counted",
    "Expected",
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
    "gosset",
    "hamming",
    "harmonic_etf",
    "icosahedral_lines",
    "icosahedron",
    "johnson",
    "leech",
    "mub",
    "octahedron",
    "paley",
    "paley_etf",
    "polygon",
    "prism",
    "root_system",
    "schlaefli",
    "shrikhande",
    "sic",
    "simplex",
    "steiner_etf",
    "tesseract",
    "tetrahedron",
]
__dir__ = __all__.copy
