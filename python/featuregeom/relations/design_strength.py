"""Spherical design strength from inner products, and the certificate of Delsarte, Goethals and Seidel."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import aside
from featuregeom.summary import summarised

__all__ = ["DesignStrength", "absolute_bound", "design_strength", "design_strength_of_gram", "gegenbauer"]


@summarised
@dataclass(frozen=True)
class DesignStrength:
    """How well unit vectors average polynomials over the sphere.

    Attributes
    ----------
    strength : int
        Largest t up to `max_strength` for which the vectors are a spherical t-design.
    distances : int
        Number s of inner products between different vectors.
    antipodal : bool
        Whether the negative of each vector is among them.
    certified : bool
        Whether t >= 2s - 2, or antipodal and t >= 2s - 3: then the levels are a Q-polynomial scheme.
    within_absolute_bound : bool
        Whether n <= C(m+s-1, s) + C(m+s-2, s-1); if not, levels were merged that are different.
    """

    strength: int
    distances: int
    antipodal: bool
    certified: bool
    within_absolute_bound: bool


def gegenbauer(degree: int, m: int, x: Any) -> NDArray[np.float64]:
    """Zonal polynomial of a degree on the unit sphere of R^m, 1 at x = 1.

    Raises
    ------
    ParameterError
        If `degree` is negative or `m` below 1.
    """
    if degree < 0 or m < 1:
        raise ParameterError(f"degree must be at least 0 and m at least 1, got {degree} and {m}")
    from scipy.special import eval_jacobi

    t = real_numbers(x, "x")
    if m == 1:
        return np.asarray(
            t**degree
        )  # the sphere is 1 and -1, where Jacobi's polynomials have no such parameters
    a = (m - 3) / 2
    return np.asarray(
        aside(lambda given: eval_jacobi(degree, a, a, given), t) / eval_jacobi(degree, a, a, 1.0)
    )


def absolute_bound(m: int, s: int) -> int:
    """Most unit vectors of R^m with s inner products: C(m+s-1, s) + C(m+s-2, s-1).

    Raises
    ------
    ParameterError
        If `m` or `s` is below 1.
    """
    if m < 1 or s < 1:
        raise ParameterError(f"m and s must be at least 1, got {m} and {s}")
    return comb(m + s - 1, s) + comb(m + s - 2, s - 1)


def design_strength(
    levels: Any, valencies: Any, m: int, tolerance: float = 1e-9, max_strength: int = 24
) -> DesignStrength:
    """Design strength of n unit vectors of R^m of which each has the same inner products with the others.

    Parameters
    ----------
    levels : array-like, shape (r,)
        Inner products by class; the first is 1, of each vector with itself. Equal levels may be repeated.
    valencies : array-like of int, shape (r,)
        How often each vector has each.
    m : int
        Dimension of the space.
    tolerance : float
        A mean zonal polynomial up to it is zero. Levels closer than it are one.
    max_strength : int
        Largest strength looked for.

    Raises
    ------
    ShapeError
        If the arrays differ in length or are empty.
    ParameterError
        If a level is outside [-1, 1], the first is not 1, or another argument is out of range.

    Notes
    -----
    The vectors are a t-design exactly where the sums over all pairs of the zonal polynomials of degrees 1..t vanish.
    O(r t). Delsarte, Goethals & Seidel, Geometriae Dedicata 6 (1977), theorems 5.5, 7.4 and 4.8.

    Examples
    --------
    >>> from featuregeom.relations.design_strength import design_strength
    >>> design_strength([1, 0, -1], [1, 4, 1], 3).strength
    3
    """
    g, k = real_numbers(levels, "levels"), real_numbers(valencies, "valencies")
    if g.ndim != 1 or g.shape != k.shape or len(g) == 0:
        raise ShapeError(
            f"levels and valencies must be vectors of one length, got shapes {g.shape} and {k.shape}"
        )
    if m < 1 or max_strength < 1 or not tolerance > 0:
        raise ParameterError(
            f"m, max_strength and tolerance must be positive, got {m}, {max_strength} and {tolerance}"
        )
    if not np.all(np.abs(g) <= 1 + tolerance) or abs(g[0] - 1) > tolerance:
        raise ParameterError(f"levels must be in [-1, 1], the first 1 for the diagonal, got {g.tolist()}")
    if not np.all(k > 0):
        raise ParameterError(f"valencies must be positive, got {k.tolist()}")
    n = float(k.sum())
    strength = 0
    while strength < max_strength and abs(float(gegenbauer(strength + 1, m, g) @ k)) <= tolerance * n:
        strength += 1
    others = np.sort(g[1:])
    s = int(np.count_nonzero(np.diff(others) > tolerance)) + 1 if len(others) else 0
    antipodal = bool(len(others) and abs(others[0] + 1) <= tolerance)
    certified = s > 0 and strength >= 2 * s - (3 if antipodal else 2)
    return DesignStrength(strength, s, antipodal, certified, s == 0 or n <= absolute_bound(m, s))


def design_strength_of_gram(
    G: Any, m: int, tolerance: float = 1e-9, max_strength: int = 24
) -> DesignStrength:
    """As `design_strength`, from the Gram matrix of any unit vectors of R^m; O(n^2 t) and n^2 numbers.

    Raises
    ------
    ShapeError
        If `G` is not square.
    ParameterError
        If an entry is outside [-1, 1] or the diagonal is not 1.
    """
    values = real_numbers(G, "G")
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) == 0:
        raise ShapeError(f"a Gram matrix must be square, got shape {values.shape}")
    n = len(values)
    if np.abs(np.diag(values) - 1).max() > tolerance:
        raise ParameterError("the Gram matrix of unit vectors has 1 on its diagonal")
    off = values[~np.eye(n, dtype=bool)]
    levels = np.concatenate([[1.0], off])
    weights = np.concatenate([[1.0], np.full(len(off), 1 / n)])
    found = design_strength(levels, weights, m, tolerance, max_strength)
    antipodal = bool(n > 1 and np.all((values <= -1 + tolerance).any(axis=1)))
    certified = found.distances > 0 and found.strength >= 2 * found.distances - (3 if antipodal else 2)
    return DesignStrength(found.strength, found.distances, antipodal, certified, found.within_absolute_bound)
