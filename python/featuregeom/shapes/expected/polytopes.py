"""Polytopes of every dimension, prisms, and the regular polytopes of dimensions 3 and 4."""

from __future__ import annotations

import math
from itertools import chain
from typing import Final

from featuregeom.shapes.expected.record import Expected, cosine, merged, tight
from featuregeom.shapes.names import cross_polytope_name, cube_name, polygon_name, ring_name, simplex_name

__all__ = [
    "antiprism",
    "cell24",
    "cell120",
    "cell600",
    "cross_polytope",
    "cube",
    "cuboctahedron",
    "demicube",
    "dodecahedron",
    "icosahedron",
    "octahedron",
    "polygon",
    "prism",
    "simplex",
    "tesseract",
    "tetrahedron",
]

_ROOT5: Final = math.sqrt(5)
_CELL120: Final = (
    *((1, 3, 4), (5, 1, 12), (2, 2, 24), (6, 0, 12), (-1, 3, 4), (3, 1, 24), (0, 2, 24), (4, 0, 32)),
    *((1, 1, 24), (5, -1, 12), (-2, 2, 24), (2, 0, 28), (-1, 1, 24), (3, -1, 24)),
)
"""The sections a, b, size of the 120-cell from a vertex: `size` vertices at cosine (a + b sqrt 5) / 8 (Coxeter,
Regular Polytopes, table V). As many are at the opposite cosines, 54 are at 0 and one is opposite."""


def polygon(n: int, density: int = 1) -> Expected:
    r"""Cosines :math:`\cos 2\pi k/n`, twice each, and -1 for even n; coherence cos(pi / n) for odd n.

    >>> polygon(3)
    Expected(name='triangle', n=3, dim=2, eigenvalues=((1.5, 2),), capacity=((0.6666666666666666, 3),),
    coherence=0.5, gram_values=((-0.5, 2),), lines=False)

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    name = polygon_name(n)  # whatever the density: the set of vectors is the same
    pairs = [(cosine(k, n), 2) for k in range(1, (n + 1) // 2)]
    return tight(name, n, 2, [*pairs, (-1.0, 1 - n % 2)])


def simplex(n_vectors: int) -> Expected:
    """One cosine, -1/(n - 1), which is the Welch bound.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    n = n_vectors
    return tight(simplex_name(n), n, n - 1, [(-1 / (n - 1), n - 1)])


def cross_polytope(d: int) -> Expected:
    """Opposite vertices, and 2 d - 2 at right angles.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight(cross_polytope_name(2 * d), 2 * d, d, [(0.0, 2 * d - 2), (-1.0, 1)])


def cube(d: int) -> Expected:
    """Cosine 1 - 2 i/d with the (d choose i) vertices that differ in i signs.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight(cube_name(d), 2**d, d, [((d - 2 * i) / d, math.comb(d, i)) for i in range(1, d + 1)])


def demicube(d: int) -> Expected:
    """Cosine 1 - 2 i/d with the (d choose i) vertices that differ in i signs, i even.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    name = {3: "tetrahedron", 4: "cross-polytope of 8 vertices", 5: "demipenteract"}.get(d, f"half {d}-cube")
    return tight(name, 2 ** (d - 1), d, [((d - 2 * i) / d, math.comb(d, i)) for i in range(2, d + 1, 2)])


def prism(n: int, z2: float = 1 / 3) -> Expected:
    r"""Cosines :math:`(1 - z^2) \cos(2\pi k/n) \pm z^2`.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    name = "cube" if n == 4 and z2 == 1 / 3 else ring_name(n, "prism")
    return _rings(name, n, z2, [cosine(k, n) for k in range(n)])


def antiprism(n: int, z2: float = 1 / 3) -> Expected:
    r"""Cosines :math:`(1 - z^2) \cos(2\pi k/n) + z^2` and :math:`(1 - z^2) \cos((2k + 1)\pi/n) - z^2`.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    tight_name = {2: "tetrahedron", 3: "octahedron"}.get(n) if z2 == 1 / 3 else None
    return _rings(
        tight_name or ring_name(n, "antiprism"), n, z2, [cosine(2 * k + 1, 2 * n) for k in range(n)]
    )


def tetrahedron() -> Expected:
    """Numbers of the simplex of 4 vertices.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return simplex(4)


def octahedron() -> Expected:
    """Numbers of the cross-polytope of dimension 3.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return cross_polytope(3)


def icosahedron() -> Expected:
    r"""Cosines :math:`\pm 1/\sqrt 5`, five each.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight("icosahedron", 12, 3, [(1 / _ROOT5, 5), (-1 / _ROOT5, 5), (-1.0, 1)])


def dodecahedron() -> Expected:
    r"""Cosines :math:`\pm\sqrt 5/3`, three each, and :math:`\pm 1/3`, six each.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight("dodecahedron", 20, 3, _antipodal([(_ROOT5 / 3, 3), (1 / 3, 6)]))


def cuboctahedron() -> Expected:
    """Cosines of the roots of A3.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight("cuboctahedron", 12, 3, _antipodal([(1 / 2, 4)], at_right_angles=2))


def tesseract() -> Expected:
    """Numbers of the cube of dimension 4.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return cube(4)


def cell24() -> Expected:
    """Cosines of the roots of D4.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    return tight("24-cell", 24, 4, _antipodal([(1 / 2, 8)], at_right_angles=6))


def cell600() -> Expected:
    r"""Cosines of multiples of 36 and 60 degrees: the orders of elements of the binary icosahedral group.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    golden = (1 + _ROOT5) / 4
    half = [(golden, 12), (1 / 2, 20), (golden - 1 / 2, 12)]
    return tight("600-cell", 120, 4, _antipodal(half, at_right_angles=30))


def cell120() -> Expected:
    r"""Cosines :math:`(a + b \sqrt 5)/8`, with the sizes of Coxeter's sections from a vertex.

    References
    ----------
    Coxeter, Regular Polytopes (1973).
    """
    half = [((a + b * _ROOT5) / 8, size) for a, b, size in _CELL120]
    return tight("120-cell", 600, 4, _antipodal(half, at_right_angles=54))


def _antipodal(half: list[tuple[float, int]], at_right_angles: int = 0) -> list[tuple[float, int]]:
    """Complete the positive cosines of a centrally symmetric figure."""
    return [*half, *((-value, count) for value, count in half), (0.0, at_right_angles), (-1.0, 1)]


def _rings(name: str, n: int, z2: float, across: list[float]) -> Expected:
    """Two polygons at heights ±z; `across` are the cosines of the angles between their vertices, seen from above."""
    flat, high = (
        n * (1 - z2),
        2 * n * z2,
    )  # the eigenvalues; a vertex has mass 1 - z2 and z2 on their eigenspaces
    capacity = 1 / ((1 - z2) * flat + z2 * high)
    within = ((1 - z2) * cosine(k, n) + z2 for k in range(1, n))
    between = ((1 - z2) * value - z2 for value in across)
    cosines = merged((value, 1) for value in chain(within, between))
    coherence = max(abs(value) for value, _ in cosines)
    eigenvalues = merged([(flat, 2), (high, 1)])
    return Expected(name, 2 * n, 3, eigenvalues, ((capacity, 2 * n),), coherence, cosines)
