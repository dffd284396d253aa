"""Graphs on an eigenspace: Hamming, Johnson, cyclotomic, Shrikhande."""

from __future__ import annotations

import math

from featuregeom.errors import ParameterError
from featuregeom.shapes.expected.polytopes import cross_polytope, cube, polygon, simplex
from featuregeom.shapes.expected.record import Expected, tight

__all__ = ["cyclotomic", "hamming", "johnson", "paley", "shrikhande"]


def hamming(d: int, q: int) -> Expected:
    """Cosine 1 - q i/(d (q - 1)) with the (d choose i) (q - 1)^i words at distance i.

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 9.2.
    """
    cosines = [(1 - q * i / (d * (q - 1)), math.comb(d, i) * (q - 1) ** i) for i in range(1, d + 1)]
    name = cube(d).name if q == 2 else simplex(q).name if d == 1 else f"H({d},{q})"
    return tight(name, q**d, d * (q - 1), cosines)


def johnson(v: int, k: int) -> Expected:
    """Cosine 1 - v i/(k (v - k)) with the (k choose i) (v - k choose i) subsets that differ in i elements.

    References
    ----------
    Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 9.1.
    """
    k = min(k, v - k)
    cosines = [(1 - v * i / (k * (v - k)), math.comb(k, i) * math.comb(v - k, i)) for i in range(1, k + 1)]
    name = simplex(v).name if k == 1 else cross_polytope(3).name if v == 4 else f"J({v},{k})"
    return tight(name, math.comb(v, k), v - 1, cosines)


def cyclotomic(p: int, classes: int) -> Expected:
    r"""Cosines are the Gaussian periods over (p - 1)/e, for e = 1, 2 or 3 classes.

    The periods are -1; :math:`(-1 \pm \sqrt p)/2`; and :math:`(y - 1)/3` for the roots of
    :math:`y^3 - 3 p y - p L`, with :math:`4 p = L^2 + 27 M^2` and L = 1 modulo 3 (Gauss, Disquisitiones
    arithmeticae, article 358).

    References
    ----------
    Berndt, Evans & Williams, Gauss and Jacobi Sums (1998), chapter 10.
    """
    if classes not in (1, 2, 3):
        raise ParameterError(f"classes must be 1, 2 or 3, where periods have a closed form, got {classes}")
    size = (p - 1) // classes
    periods = {1: _one_period, 2: _two_periods, 3: _three_periods}[classes](p)
    name = {1: simplex(p).name, 2: f"Paley {p}", 3: f"cyclotomic {p} of 3 classes"}[classes]
    name = polygon(p).name if size == 2 else name
    return tight(name, p, size, [(period / size, size) for period in periods])


def paley(q: int) -> Expected:
    r"""Cosines :math:`(-1 \pm \sqrt q)/(q - 1)`.

    References
    ----------
    Paley, J. Math. Phys. 12 (1933); Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 1.1.
    """
    return cyclotomic(q, 2)


def shrikhande() -> Expected:
    """All numbers of H(2, 4).

    References
    ----------
    Shrikhande, Ann. Math. Statist. 30 (1959): the parameters are those of H(2, 4).
    """
    return tight("Shrikhande graph", 16, 6, [(1 / 3, 6), (-1 / 3, 9)])


def _one_period(_: int) -> list[float]:
    return [-1.0]


def _two_periods(p: int) -> list[float]:
    return [(-1 + math.sqrt(p)) / 2, (-1 - math.sqrt(p)) / 2]


def _three_periods(p: int) -> list[float]:
    """Trigonometric roots of Gauss's cubic, all of which are real."""
    L = next(L for L in range(1, 2 * p) if _is_27_squares(4 * p - L * L))
    L = L if L % 3 == 1 else -L
    third = math.acos(L / (2 * math.sqrt(p))) / 3
    return [(2 * math.sqrt(p) * math.cos(third + 2 * math.pi * k / 3) - 1) / 3 for k in range(3)]


def _is_27_squares(value: int) -> bool:
    """Whether `value` is 27 times a positive square."""
    return value > 0 and value % 27 == 0 and math.isqrt(value // 27) ** 2 == value // 27
