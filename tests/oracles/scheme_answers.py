"""Known answers: association schemes of exact geometries, typed from theory.

The decimals are abbreviations to the digits typed; `exact` replaces each by the closed form it stands for. The closed
forms of the families are below the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

import featuregeom as fg

ROOT5 = np.sqrt(5)
PHI = (1 + ROOT5) / 2
PERIODS = [sum(np.cos(2 * np.pi * start * r / 13) for r in (1, 5, 8, 12)) for start in (1, 2, 4)]
RING = 2 / 3

CLOSED_FORMS = np.array(
    [
        *(1 / 3, 2 / 3, ROOT5, ROOT5 / 5, ROOT5 / 3, np.sqrt(2), np.sqrt(0.5)),
        *(6 * PHI, 6 / PHI, 4 * PHI, 4 / PHI, PHI, 1 / PHI, PHI / 2, 0.5 / PHI),
        *(scale * np.cos(2 * np.pi * j / 7) for scale in (1, 2) for j in (1, 2, 3)),
        *(1 / 3 - RING * np.sqrt(0.5), 1 / 3 + RING * np.sqrt(0.5)),
        *(sign / 3 + RING * np.cos(2 * np.pi * j / 5) for sign in (1, -1) for j in (1, 2)),
        *(
            (np.sqrt(q) + sign) / 2 / scale
            for q in (13, 17)
            for sign in (1, -1)
            for scale in (1, (q - 1) // 2)
        ),
        *(period / scale for period in PERIODS for scale in (1, 4)),
        *(1 / 6, 5 / 12, 1 / 12, 13 / 6, 8 / 3, 10 / 3, 20 / 3, 35 / 6, 81 / 8),
    ]
)


def exact(typed):
    """The closed form that a typed value abbreviates, by its digits; multiples of 1/40 are themselves."""
    if isinstance(typed, tuple):
        return [exact(value) for value in typed]
    if typed * 40 == int(typed * 40):
        return typed
    digits = len(repr(typed).split(".")[1])
    forms = np.unique(np.round(np.abs(CLOSED_FORMS), 14))
    near = forms[np.abs(forms - abs(typed)) <= 0.51 * 10.0**-digits]
    assert len(near) == 1, (typed, near)
    return float(np.sign(typed) * near[0])


@dataclass(frozen=True, eq=False)
class Answer:
    """One row: levels, valencies and P without the diagonal class, rows of P without E_0.

    `support` are the rows of P where the Gram matrix has a nonzero eigenvalue; where it is all one value, `frame`.
    """

    name: str
    coordinates: Callable[[], np.ndarray]
    n: int
    dim: int
    levels: tuple[float, ...]
    valencies: tuple[int, ...]
    multiplicities: tuple[int, ...]
    rows: tuple[tuple[float, ...], ...]
    support: tuple[int, ...]
    frame: float
    primitive: bool
    p_orders: int
    q_orders: int
    strength: int
    distances: int

    @property
    def P(self):  # noqa: N802
        body = np.array(exact(self.rows), dtype=float)
        return np.vstack([[1, *self.valencies], np.hstack([np.ones((len(body), 1)), body])])

    @property
    def g(self):
        return np.array([1.0, *exact(self.levels)])


ANSWERS = [
    Answer(
        "digon (n=2)",
        lambda: fg.shapes.simplex(2),
        2,
        1,
        (-1,),
        (1,),
        (1, 1),
        ((-1,),),
        (1,),
        2,
        True,
        1,
        1,
        1,
        1,
    ),
    Answer(
        "triangle / simplex n=3",
        lambda: fg.shapes.simplex(3),
        3,
        2,
        (-0.5,),
        (2,),
        (1, 2),
        ((-1,),),
        (1,),
        1.5,
        True,
        1,
        1,
        2,
        1,
    ),
    Answer(
        "simplex n=5",
        lambda: fg.shapes.simplex(5),
        5,
        4,
        (-0.25,),
        (4,),
        (1, 4),
        ((-1,),),
        (1,),
        1.25,
        True,
        1,
        1,
        2,
        1,
    ),
    Answer(
        "cross-polytope 2m=6",
        lambda: fg.shapes.cross_polytope(3),
        6,
        3,
        (0, -1),
        (4, 1),
        (1, 3, 2),
        (
            (0, -1),
            (-2, 1),
        ),
        (1,),
        2,
        False,
        1,
        1,
        3,
        2,
    ),
    Answer(
        "cross-polytope 2m=16",
        lambda: fg.shapes.cross_polytope(8),
        16,
        8,
        (0, -1),
        (14, 1),
        (1, 8, 7),
        (
            (0, -1),
            (-2, 1),
        ),
        (1,),
        2,
        False,
        1,
        1,
        3,
        2,
    ),
    Answer(
        "square = 2 digons",
        lambda: fg.shapes.polygon(4),
        4,
        2,
        (0, -1),
        (2, 1),
        (1, 2, 1),
        (
            (0, -1),
            (-2, 1),
        ),
        (1,),
        2,
        False,
        1,
        1,
        3,
        2,
    ),
    Answer(
        "pentagon",
        lambda: fg.shapes.polygon(5),
        5,
        2,
        (0.309, -0.809),
        (2, 2),
        (1, 2, 2),
        (
            (0.618, -1.618),
            (-1.618, 0.618),
        ),
        (1,),
        2.5,
        True,
        2,
        2,
        4,
        2,
    ),
    Answer(
        "hexagon",
        lambda: fg.shapes.polygon(6),
        6,
        2,
        (0.5, -0.5, -1),
        (2, 2, 1),
        (1, 2, 1, 2),
        (
            (1, -1, -1),
            (-2, 2, -1),
            (-1, -1, 1),
        ),
        (1,),
        3,
        False,
        1,
        1,
        5,
        3,
    ),
    Answer(
        "heptagon",
        lambda: fg.shapes.polygon(7),
        7,
        2,
        (0.6235, -0.2225, -0.901),
        (2, 2, 2),
        (1, 2, 2, 2),
        (
            (1.247, -0.445, -1.8019),
            (-0.445, -1.8019, 1.247),
            (-1.8019, 1.247, -0.445),
        ),
        (1,),
        3.5,
        True,
        3,
        3,
        6,
        3,
    ),
    Answer(
        "octagon",
        lambda: fg.shapes.polygon(8),
        8,
        2,
        (0.7071, 0, -0.7071, -1),
        (2, 2, 2, 1),
        (1, 2, 1, 2, 2),
        (
            (1.4142, 0, -1.4142, -1),
            (-2, 2, -2, 1),
            (0, -2, 0, 1),
            (-1.4142, 0, 1.4142, -1),
        ),
        (1,),
        4,
        False,
        2,
        2,
        7,
        4,
    ),
    Answer(
        "square antiprism tight (a=2/3)",
        lambda: fg.shapes.antiprism(4),
        8,
        3,
        (0.3333, 0.1381, -0.3333, -0.8047),
        (2, 2, 1, 2),
        (1, 1, 2, 2, 2),
        (
            (2, -2, 1, -2),
            (0, 1.4142, -1, -1.4142),
            (0, -1.4142, -1, 1.4142),
            (-2, 0, 1, 0),
        ),
        (1, 2),
        2.667,
        False,
        2,
        2,
        3,
        4,
    ),
    Answer(
        "triangular prism",
        lambda: fg.shapes.prism(3),
        6,
        3,
        (0.3333, 0, -0.6667),
        (1, 2, 2),
        (1, 1, 2, 2),
        (
            (-1, 2, -2),
            (1, -1, -1),
            (-1, -1, 1),
        ),
        (1, 2),
        2,
        False,
        1,
        1,
        2,
        3,
    ),
    Answer(
        "pentagonal prism",
        lambda: fg.shapes.prism(5),
        10,
        3,
        (0.5393, 0.3333, -0.1273, -0.206, -0.8727),
        (2, 1, 2, 2, 2),
        (1, 1, 2, 2, 2, 2),
        (
            (2, -1, -2, 2, -2),
            (0.618, 1, 0.618, -1.618, -1.618),
            (0.618, -1, -0.618, -1.618, 1.618),
            (-1.618, 1, -1.618, 0.618, 0.618),
            (-1.618, -1, 1.618, 0.618, -0.618),
        ),
        (1, 2),
        3.333,
        False,
        2,
        2,
        3,
        5,
    ),
    Answer(
        "cube H(3,2)",
        lambda: fg.shapes.cube(3),
        8,
        3,
        (0.3333, -0.3333, -1),
        (3, 3, 1),
        (1, 3, 1, 3),
        (
            (1, -1, -1),
            (-3, 3, -1),
            (-1, -1, 1),
        ),
        (1,),
        2.667,
        False,
        1,
        1,
        3,
        3,
    ),
    Answer(
        "tesseract H(4,2)",
        lambda: fg.shapes.tesseract(),
        16,
        4,
        (0.5, 0, -0.5, -1),
        (4, 6, 4, 1),
        (1, 4, 1, 4, 6),
        (
            (2, 0, -2, -1),
            (-4, 6, -4, 1),
            (-2, 0, 2, -1),
            (0, -2, 0, 1),
        ),
        (1,),
        4,
        False,
        2,
        2,
        3,
        4,
    ),
    Answer(
        "H(2,3) (=Paley 9)",
        lambda: fg.shapes.hamming(2, 3),
        9,
        4,
        (0.25, -0.5),
        (4, 4),
        (1, 4, 4),
        (
            (1, -2),
            (-2, 1),
        ),
        (1,),
        2.25,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "H(2,4)",
        lambda: fg.shapes.hamming(2, 4),
        16,
        6,
        (0.3333, -0.3333),
        (6, 9),
        (1, 6, 9),
        (
            (2, -3),
            (-2, 1),
        ),
        (1,),
        2.667,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "Shrikhande",
        lambda: fg.shapes.shrikhande(),
        16,
        6,
        (0.3333, -0.3333),
        (6, 9),
        (1, 6, 9),
        (
            (2, -3),
            (-2, 1),
        ),
        (1,),
        2.667,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "H(4,3)",
        lambda: fg.shapes.hamming(4, 3),
        81,
        8,
        (0.625, 0.25, -0.125, -0.5),
        (8, 24, 32, 16),
        (1, 8, 16, 24, 32),
        (
            (5, 6, -4, -8),
            (-4, 6, -4, 1),
            (2, -3, -4, 4),
            (-1, -3, 5, -2),
        ),
        (1,),
        10.12,
        True,
        1,
        1,
        2,
        4,
    ),
    Answer(
        "J(5,2) (Petersen/T5)",
        lambda: fg.shapes.johnson(5, 2),
        10,
        4,
        (0.1667, -0.6667),
        (6, 3),
        (1, 4, 5),
        (
            (1, -2),
            (-2, 1),
        ),
        (1,),
        2.5,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "J(6,3)",
        lambda: fg.shapes.johnson(6, 3),
        20,
        5,
        (0.3333, -0.3333, -1),
        (9, 9, 1),
        (1, 5, 5, 9),
        (
            (3, -3, -1),
            (-3, 3, -1),
            (-1, -1, 1),
        ),
        (1,),
        4,
        False,
        2,
        2,
        3,
        3,
    ),
    Answer(
        "J(7,3)",
        lambda: fg.shapes.johnson(7, 3),
        35,
        6,
        (0.4167, -0.1667, -0.75),
        (12, 18, 4),
        (1, 6, 14, 14),
        (
            (5, -3, -3),
            (0, -3, 2),
            (-3, 3, -1),
        ),
        (1,),
        5.833,
        True,
        2,
        1,
        2,
        3,
    ),
    Answer(
        "J(8,2)",
        lambda: fg.shapes.johnson(8, 2),
        28,
        7,
        (0.3333, -0.3333),
        (12, 15),
        (1, 7, 20),
        (
            (4, -5),
            (-2, 1),
        ),
        (1,),
        4,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "Paley 13",
        lambda: fg.shapes.paley(13),
        13,
        6,
        (0.2171, -0.3838),
        (6, 6),
        (1, 6, 6),
        (
            (1.3028, -2.3028),
            (-2.3028, 1.3028),
        ),
        (1,),
        2.167,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "Paley 17",
        lambda: fg.shapes.paley(17),
        17,
        8,
        (0.1952, -0.3202),
        (8, 8),
        (1, 8, 8),
        (
            (1.5616, -2.5616),
            (-2.5616, 1.5616),
        ),
        (1,),
        2.125,
        True,
        2,
        2,
        2,
        2,
    ),
    Answer(
        "cyclotomic 13, e=3",
        lambda: fg.shapes.cyclotomic(13, 3),
        13,
        4,
        (0.3443, 0.0685, -0.6628),
        (4, 4, 4),
        (1, 4, 4, 4),
        (
            (1.3772, 0.2739, -2.6511),
            (0.2739, -2.6511, 1.3772),
            (-2.6511, 1.3772, 0.2739),
        ),
        (1,),
        3.25,
        True,
        0,
        0,
        3,
        3,
    ),
    Answer(
        "Clebsch (half 5-cube)",
        lambda: fg.shapes.demicube(5),
        16,
        5,
        (0.2, -0.6),
        (10, 5),
        (1, 5, 10),
        (
            (2, -3),
            (-2, 1),
        ),
        (1,),
        3.2,
        True,
        2,
        2,
        3,
        2,
    ),
    Answer(
        "Schlafli 27",
        lambda: fg.shapes.schlaefli(),
        27,
        6,
        (0.25, -0.5),
        (16, 10),
        (1, 6, 20),
        (
            (4, -5),
            (-2, 1),
        ),
        (1,),
        4.5,
        True,
        2,
        2,
        4,
        2,
    ),
    Answer(
        "Gosset 56",
        lambda: fg.shapes.gosset(),
        56,
        7,
        (0.3333, -0.3333, -1),
        (27, 27, 1),
        (1, 7, 21, 27),
        (
            (9, -9, -1),
            (-3, 3, -1),
            (-1, -1, 1),
        ),
        (1,),
        8,
        False,
        2,
        2,
        5,
        3,
    ),
    Answer(
        "icosahedron",
        lambda: fg.shapes.icosahedron(),
        12,
        3,
        (0.4472, -0.4472, -1),
        (5, 5, 1),
        (1, 3, 3, 5),
        (
            (2.2361, -2.2361, -1),
            (-2.2361, 2.2361, -1),
            (-1, -1, 1),
        ),
        (1,),
        4,
        False,
        2,
        2,
        5,
        3,
    ),
    Answer(
        "dodecahedron",
        lambda: fg.shapes.dodecahedron(),
        20,
        3,
        (0.7454, 0.3333, -0.3333, -0.7454, -1),
        (3, 6, 6, 3, 1),
        (1, 3, 3, 4, 4, 5),
        (
            (2.2361, 2, -2, -2.2361, -1),
            (-2.2361, 2, -2, 2.2361, -1),
            (0, -3, 3, 0, -1),
            (-2, 1, 1, -2, 1),
            (1, -2, -2, 1, 1),
        ),
        (1,),
        6.667,
        False,
        2,
        0,
        5,
        5,
    ),
    Answer(
        "cuboctahedron = A3 roots",
        lambda: fg.shapes.cuboctahedron(),
        12,
        3,
        (0.5, 0, -0.5, -1),
        (4, 2, 4, 1),
        (1, 3, 2, 3, 3),
        (
            (2, 0, -2, -1),
            (-2, 2, -2, 1),
            (0, -2, 0, 1),
            (-2, 0, 2, -1),
        ),
        (1,),
        4,
        False,
        0,
        0,
        3,
        4,
    ),
    Answer(
        "A4 roots",
        lambda: fg.shapes.root_system("A4"),
        20,
        4,
        (0.5, 0, -0.5, -1),
        (6, 6, 6, 1),
        (1, 4, 4, 5, 6),
        (
            (3, 0, -3, -1),
            (1, -4, 1, 1),
            (-2, 2, -2, 1),
            (-2, 0, 2, -1),
        ),
        (1,),
        5,
        False,
        0,
        0,
        3,
        4,
    ),
    Answer(
        "24-cell = D4 roots",
        lambda: fg.shapes.cell24(),
        24,
        4,
        (0.5, 0, -0.5, -1),
        (8, 6, 8, 1),
        (1, 4, 2, 8, 9),
        (
            (4, 0, -4, -1),
            (-4, 6, -4, 1),
            (-2, 0, 2, -1),
            (0, -2, 0, 1),
        ),
        (1,),
        6,
        False,
        0,
        1,
        5,
        4,
    ),
    Answer(
        "D5 roots",
        lambda: fg.shapes.root_system("D5"),
        40,
        5,
        (0.5, 0, 0, -0.5, -1),
        (12, 2, 12, 12, 1),
        (1, 5, 4, 5, 10, 15),
        (
            (6, 0, 0, -6, -1),
            (2, 2, -8, 2, 1),
            (-4, 2, 4, -4, 1),
            (0, -2, 0, 0, 1),
            (-2, 0, 0, 2, -1),
        ),
        (1,),
        8,
        False,
        0,
        0,
        3,
        4,
    ),
    Answer(
        "E6 roots",
        lambda: fg.shapes.root_system("E6"),
        72,
        6,
        (0.5, 0, -0.5, -1),
        (20, 30, 20, 1),
        (1, 6, 15, 20, 30),
        (
            (10, 0, -10, -1),
            (-4, 6, -4, 1),
            (2, -6, 2, 1),
            (-2, 0, 2, -1),
        ),
        (1,),
        12,
        False,
        0,
        1,
        5,
        4,
    ),
    Answer(
        "E7 roots",
        lambda: fg.shapes.root_system("E7"),
        126,
        7,
        (0.5, 0, -0.5, -1),
        (32, 60, 32, 1),
        (1, 7, 27, 35, 56),
        (
            (16, 0, -16, -1),
            (4, -10, 4, 1),
            (-4, 6, -4, 1),
            (-2, 0, 2, -1),
        ),
        (1,),
        18,
        False,
        0,
        1,
        5,
        4,
    ),
    Answer(
        "E8 roots",
        lambda: fg.shapes.root_system("E8"),
        240,
        8,
        (0.5, 0, -0.5, -1),
        (56, 126, 56, 1),
        (1, 8, 35, 84, 112),
        (
            (28, 0, -28, -1),
            (8, -18, 8, 1),
            (-4, 6, -4, 1),
            (-2, 0, 2, -1),
        ),
        (1,),
        30,
        False,
        0,
        1,
        7,
        4,
    ),
    Answer(
        "600-cell",
        lambda: fg.shapes.cell600(),
        120,
        4,
        (0.809, 0.5, 0.309, 0, -0.309, -0.5, -0.809, -1),
        (12, 20, 12, 30, 12, 20, 12, 1),
        (1, 4, 4, 9, 9, 16, 16, 25, 36),
        (
            (9.7082, 10, 3.7082, 0, -3.7082, -10, -9.7082, -1),
            (-3.7082, 10, -9.7082, 0, 9.7082, -10, 3.7082, -1),
            (6.4721, 0, -2.4721, -10, -2.4721, 0, 6.4721, 1),
            (-2.4721, 0, 6.4721, -10, 6.4721, 0, -2.4721, 1),
            (3, -5, -3, 0, 3, 5, -3, -1),
            (-3, 5, -3, 0, -3, 5, -3, 1),
            (0, -4, 0, 6, 0, -4, 0, 1),
            (-2, 0, 2, 0, -2, 0, 2, -1),
        ),
        (1,),
        30,
        False,
        0,
        0,
        11,
        8,
    ),
]


def eberlein(v, k):
    """P and multiplicities of J(v, k)."""
    rows = range(k + 1)

    def entry(j, i):
        return sum(
            (-1) ** t * comb(j, t) * comb(k - j, i - t) * comb(v - k - j, i - t)
            for t in range(i + 1)
            if t <= j
        )

    P = [[entry(j, i) for i in rows] for j in rows]
    return np.array(P, dtype=float), np.array([comb(v, j) - (comb(v, j - 1) if j else 0) for j in rows])


def krawtchouk(d, q):
    """P and multiplicities of H(d, q)."""
    rows = range(d + 1)

    def entry(j, i):
        return sum((-1) ** t * (q - 1) ** (i - t) * comb(j, t) * comb(d - j, i - t) for t in range(i + 1))

    return np.array([[entry(j, i) for i in rows] for j in rows], dtype=float), np.array(
        [comb(d, i) * (q - 1) ** i for i in rows]
    )


def polygon(n):
    """P and multiplicities of the n-gon, classes by distance."""
    half = n // 2
    j = np.arange(half + 1)
    k = np.array([1] + [2 - (n % 2 == 0 and i == half) for i in range(1, half + 1)])
    return k * np.cos(2 * np.pi * np.outer(j, j) / n), k


def simplex(n):
    """P and multiplicities of the one-class scheme."""
    return np.array([[1.0, n - 1], [1, -1]]), np.array([1, n - 1])


def wreath(k, v):
    """P and multiplicities of k orthogonal simplices of v vectors."""
    rows = [[1, v - 1, v * (k - 1)], [1, v - 1, -v], [1, -1, 0]]
    return np.array(rows, dtype=float), np.array([1, k - 1, k * (v - 1)])


def cyclotomic(p, e, generator):
    """P and multiplicities of the cyclotomic scheme over a prime field, by Gauss periods (symmetric if 2e | p - 1)."""
    f = (p - 1) // e
    powers = np.array([pow(generator, exponent, p) for exponent in range(p - 1)])
    periods = [np.exp(2j * np.pi * powers[start::e] / p).sum() for start in range(e)]
    rows = [[1, *(periods[(row + column) % e] for column in range(e))] for row in range(e)]
    return np.array([[1, *[f] * e], *rows]), np.array([1, *[f] * e])
