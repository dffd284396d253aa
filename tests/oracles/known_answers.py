"""Known answers: exact coordinates of geometries with the numbers that theory gives for them.

Every value here is written down from theory, none is computed from the coordinates; `tests/test_spectra.py` first
checks the table against its own coordinates in plain NumPy, then featuregeom against the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PHI = (1 + np.sqrt(5)) / 2


@dataclass(frozen=True, eq=False)
class Known:
    """One geometry and what is known of it.

    `spectrum` lists (eigenvalue, multiplicity), decreasing; `capacity` is one value per feature; `gram` maps each
    cosine besides a feature's own to how often every row has it (of absolute values where `lines`), None for direct
    sums; `blocks` is the partition into connected components, `geometries` the name of each ("" for none).
    """

    name: str
    X: Array
    spectrum: tuple[tuple[float, int], ...]
    capacity: Array
    coherence: float
    gram: dict[float, int] | None
    blocks: tuple[tuple[int, ...], ...]
    geometries: tuple[str, ...]
    lines: bool = False

    @property
    def eigenvalues(self) -> Array:
        return np.repeat([value for value, _ in self.spectrum], [dim for _, dim in self.spectrum])

    @property
    def dims(self) -> list[int]:
        return [dim for _, dim in self.spectrum]

    @property
    def rank(self) -> int:
        return sum(self.dims)


def unit(rows: Array) -> Array:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def polygon(n: int) -> Array:
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


def digon() -> Array:
    return np.array([[1.0], [-1.0]])


def _inside(rows: Array) -> Array:
    """Coordinates, in an orthonormal basis (Helmert's), of rows that are orthogonal to (1, ..., 1)."""
    n = rows.shape[1]
    basis = np.zeros((n - 1, n))
    for k in range(1, n):
        basis[k - 1, :k] = 1
        basis[k - 1, k] = -k
    return rows @ unit(basis).T


def simplex(n: int) -> Array:
    """The n vertices of a simplex in n - 1 dimensions."""
    return unit(_inside(np.eye(n) - 1 / n))


def cross_polytope(d: int) -> Array:
    """Vertices e_1, -e_1, e_2, -e_2, ..."""
    return np.kron(np.eye(d), [[1.0], [-1.0]])


def antiprism(sides: int, z_squared: float) -> Array:
    angle = np.pi / sides * np.arange(2 * sides)
    height = np.where(np.arange(2 * sides) % 2, -1.0, 1.0)
    flat = np.sqrt(1 - z_squared) * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.column_stack([flat, np.sqrt(z_squared) * height])


def cube(d: int) -> Array:
    return unit(list(product([1.0, -1.0], repeat=d)))


def icosahedron() -> Array:
    corners = [(0, a, b * PHI) for a in (1, -1) for b in (1, -1)]
    return unit([np.roll(corner, shift) for shift in range(3) for corner in corners])


def icosahedral_lines() -> Array:
    rows = icosahedron()
    return np.array([row for row in rows if tuple(row) > tuple(-row)])


def dodecahedron() -> Array:
    corners = [(0, a / PHI, b * PHI) for a in (1, -1) for b in (1, -1)]
    rolled = [np.roll(corner, shift) for shift in range(3) for corner in corners]
    return unit([*map(np.array, product([1.0, -1.0], repeat=3)), *rolled])


def _d_roots(d: int) -> list[Array]:
    rows = []
    for i, j in combinations(range(d), 2):
        for a, b in product([1.0, -1.0], repeat=2):
            row = np.zeros(d)
            row[i], row[j] = a, b
            rows.append(row)
    return rows


def cell24() -> Array:
    return unit(_d_roots(4))


def e8() -> Array:
    halves = [np.array(signs) / 2 for signs in product([1.0, -1.0], repeat=8) if np.prod(signs) > 0]
    return unit([*_d_roots(8), *halves])


def etf_7_28() -> Array:
    """All arrangements of (3, 3, -1, -1, -1, -1, -1, -1)."""
    rows = np.full((28, 8), -1.0)
    for row, (i, j) in zip(rows, combinations(range(8), 2), strict=True):
        row[i] = row[j] = 3
    return unit(_inside(rows))


def direct_sum(*parts: Array) -> Array:
    out = np.zeros((sum(len(p) for p in parts), sum(p.shape[1] for p in parts)))
    row = column = 0
    for part in parts:
        out[row : row + len(part), column : column + part.shape[1]] = part
        row, column = row + len(part), column + part.shape[1]
    return out


def partition(*sizes: int) -> tuple[tuple[int, ...], ...]:
    """Consecutive blocks of these sizes."""
    ends = np.cumsum(sizes)
    return tuple(tuple(range(end - size, end)) for size, end in zip(sizes, ends, strict=True))


def rotation(m: int, rng: np.random.Generator) -> Array:
    """A random orthogonal matrix."""
    q, r = np.linalg.qr(rng.standard_normal((m, m)))
    return q * np.sign(r.diagonal())


POLYGON_NAMES = {5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon", 9: "enneagon", 10: "decagon"}
SIMPLEX_NAMES = {2: "digon", 3: "triangle", 4: "tetrahedron"}


def polygon_name(n: int) -> str:
    return POLYGON_NAMES.get(n, f"{n}-gon")


def simplex_name(n: int) -> str:
    return SIMPLEX_NAMES.get(n, f"simplex of {n} vertices")


def _count(pairs: list[tuple[float, int]]) -> dict[float, int]:
    found: dict[float, int] = {}
    for value, count in pairs:
        found[value] = found.get(value, 0) + count
    return found


def _tight(name: str, X: Array, coherence: float, gram: dict[float, int], geometry: str = "") -> Known:
    """A connected tight frame: lambda = n/m with multiplicity m, D = m/n."""
    n, m = X.shape
    return Known(name, X, ((n / m, m),), np.full(n, m / n), coherence, gram, (tuple(range(n)),), (geometry,))


def _polygon(n: int) -> Known:
    cosines = {0: 1.0, n: -1.0}  # cos(2 pi k / n) by 2k
    half = [(cosines.get(2 * k, float(np.cos(2 * np.pi * k / n))), 2) for k in range(1, (n + 1) // 2)]
    gram = _count(half + ([(-1.0, 1)] if n % 2 == 0 else []))
    coherence = 1.0 if n % 2 == 0 else float(np.cos(np.pi / n))
    if n == 4:  # a cross-polytope: its two digons are not coupled
        blocks, names = ((0, 2), (1, 3)), ("digon", "digon")
        gram = {0.0: 2, -1.0: 1}
    else:
        blocks, names = partition(n), ("triangle" if n == 3 else polygon_name(n),)
    return Known(f"{n}-gon", polygon(n), ((n / 2, 2),), np.full(n, 2 / n), coherence, gram, blocks, names)


def _simplex(n: int) -> Known:
    cosine = 1 / (n - 1)
    return Known(
        f"simplex {n}",
        simplex(n),
        ((n / (n - 1), n - 1),),
        np.full(n, (n - 1) / n),
        cosine,
        {-cosine: n - 1},
        partition(n),
        (simplex_name(n),),
    )


def _cross_polytope(d: int) -> Known:
    return Known(
        f"cross-polytope {d}",
        cross_polytope(d),
        ((2.0, d),),
        np.full(2 * d, 0.5),
        1.0,
        {-1.0: 1, 0.0: 2 * d - 2},
        partition(*[2] * d),
        ("digon",) * d,
    )


ANTIPRISM_QUARTER = Known(
    "square antiprism z^2 = 1/4",
    antiprism(4, 1 / 4),
    ((3.0, 2), (2.0, 1)),
    np.full(8, 4 / 11),
    0.780330086,
    {-1 / 2: 1, 1 / 4: 2, -0.780330086: 2, 0.280330086: 2},
    partition(8),
    ("square antiprism",),
)

_R5 = float(1 / np.sqrt(5))
_A, _B = 0.539344663, 0.20601133

KNOWN: tuple[Known, ...] = (
    Known("digon", digon(), ((2.0, 1),), np.full(2, 0.5), 1.0, {-1.0: 1}, partition(2), ("digon",)),
    *(_polygon(n) for n in range(3, 13)),
    *(_simplex(n) for n in (4, 5, 6, 9, 14)),
    *(_cross_polytope(d) for d in (3, 4, 7)),
    _tight(
        "square antiprism z^2 = 1/3",
        antiprism(4, 1 / 3),
        0.804737854,
        {-1 / 3: 1, 1 / 3: 2, -0.804737854: 2, 0.138071187: 2},
        "square antiprism",
    ),
    ANTIPRISM_QUARTER,
    _tight(
        "pentagonal antiprism z^2 = 1/3",
        antiprism(5, 1 / 3),
        1.0,
        {_A: 2, -_A: 2, _B: 2, -_B: 2, -1.0: 1},
        "pentagonal antiprism",
    ),
    _tight("cube", cube(3), 1.0, {1 / 3: 3, -1 / 3: 3, -1.0: 1}, "cube"),
    _tight("icosahedron", icosahedron(), 1.0, {_R5: 5, -_R5: 5, -1.0: 1}, "icosahedron"),
    Known(
        "six icosahedral lines",
        icosahedral_lines(),
        ((2.0, 3),),
        np.full(6, 0.5),
        _R5,
        {_R5: 5},
        partition(6),
        ("",),
        lines=True,
    ),
    _tight(
        "dodecahedron",
        dodecahedron(),
        1.0,
        {0.745355992: 3, -0.745355992: 3, 1 / 3: 6, -1 / 3: 6, -1.0: 1},
        "dodecahedron",
    ),
    _tight("tesseract", cube(4), 1.0, {1 / 2: 4, -1 / 2: 4, 0.0: 6, -1.0: 1}, "tesseract"),
    _tight("24-cell", cell24(), 1.0, {1 / 2: 8, -1 / 2: 8, 0.0: 6, -1.0: 1}, "24-cell"),
    _tight("E8 roots", e8(), 1.0, {1 / 2: 56, -1 / 2: 56, 0.0: 126, -1.0: 1}, "E8 roots"),
    _tight("ETF (7, 28)", etf_7_28(), 1 / 3, {-1 / 3: 15, 1 / 3: 12}, "J(8,2)"),
    Known(
        "triangle (+) digon",
        direct_sum(polygon(3), digon()),
        ((2.0, 1), (3 / 2, 2)),
        np.repeat([2 / 3, 1 / 2], [3, 2]),
        1.0,
        None,
        partition(3, 2),
        ("triangle", "digon"),
    ),
    Known(
        "1.3 pentagon (+) tetrahedron (+) digon",
        direct_sum(1.3 * polygon(5), simplex(4), digon()),
        ((4.225, 2), (2.0, 1), (4 / 3, 3)),
        np.repeat([0.4, 0.75, 0.5], [5, 4, 2]),
        1.0,
        None,
        partition(5, 4, 2),
        ("pentagon", "tetrahedron", "digon"),
    ),
    Known(
        "sqrt(.8) pentagon (+) sqrt(4/3) triangle: one eigenspace, two geometries",
        direct_sum(np.sqrt(0.8) * polygon(5), np.sqrt(4 / 3) * polygon(3)),
        ((2.0, 4),),
        np.repeat([0.4, 2 / 3], [5, 3]),
        float(np.cos(np.pi / 5)),
        None,
        partition(5, 3),
        ("pentagon", "triangle"),
    ),
)

assert len({known.name for known in KNOWN}) == len(KNOWN)
