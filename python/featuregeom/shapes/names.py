"""The names of polygons, simplices, cross-polytopes, cubes, prisms and antiprisms."""

from __future__ import annotations

__all__ = ["cross_polytope_name", "cube_name", "polygon_name", "ring_name", "simplex_name", "with_article"]

_POLYGONS = {
    3: "triangle",
    4: "square",
    5: "pentagon",
    6: "hexagon",
    7: "heptagon",
    8: "octagon",
    9: "enneagon",
    10: "decagon",
}
_SIMPLICES = {2: "digon", 3: "triangle", 4: "tetrahedron"}
_ADJECTIVES = {
    3: "triangular",
    4: "square",
    5: "pentagonal",
    6: "hexagonal",
    7: "heptagonal",
    8: "octagonal",
    9: "enneagonal",
    10: "decagonal",
}


def polygon_name(n: int) -> str:
    """Name a regular polygon: ``"pentagon"``, ``"11-gon"``."""
    return _POLYGONS.get(n, f"{n}-gon")


def simplex_name(n: int) -> str:
    """Name a simplex of n vertices: ``"digon"``, ``"simplex of 6 vertices"``."""
    return _SIMPLICES.get(n, f"simplex of {n} vertices")


def cross_polytope_name(n: int) -> str:
    """Name a cross-polytope of n vertices: ``"square"``, ``"cross-polytope of 8 vertices"``."""
    return {2: "digon", 4: "square", 6: "octahedron"}.get(n, f"cross-polytope of {n} vertices")


def cube_name(d: int) -> str:
    """Name a cube of d dimensions: ``"cube"``, ``"tesseract"``, ``"5-cube"``."""
    return {1: "digon", 2: "square", 3: "cube", 4: "tesseract"}.get(d, f"{d}-cube")


def with_article(name: str) -> str:
    """Put the indefinite article before a name: ``"an icosahedron"``, ``"an 8-gon"``, ``"a 24-cell"``."""
    vowel = name[:1].lower() in "aeiou" or name.startswith(("8", "11", "18", "H("))
    return f"{'an' if vowel else 'a'} {name}"


def ring_name(sides: int, kind: str) -> str:
    """Name a prism or antiprism: ``"square antiprism"``."""
    return f"{_ADJECTIVES.get(sides, f'{sides}-gonal')} {kind}"
