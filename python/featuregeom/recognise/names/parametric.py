"""Names that follow from parameters: of the families that their intersection numbers determine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy
from featuregeom.recognise.refinement import support_of
from featuregeom.relations.components import components
from featuregeom.shapes.names import cross_polytope_name, cube_name, simplex_name

__all__ = ["Parametric", "component_sizes", "eberlein", "krawtchouk", "noise_outside", "parametric_name"]

_LEECH = (1, 4600, 47104, 93150, 47104, 4600, 1)


@dataclass(frozen=True)
class Parametric:
    """A name, other names, and the largest deviation of a cosine from the ideal one."""

    name: str
    also: tuple[str, ...]
    residual: float


def component_sizes(joined: NDArray[np.bool_]) -> Counter[int]:
    """Count the connected components of a graph by their sizes.

    Parameters
    ----------
    joined : ndarray of bool, shape (n, n)
        Which vertices are joined.

    Returns
    -------
    Counter
        Number of components of each size.
    """
    return Counter(map(len, components(joined)))


def krawtchouk(d: int, q: int) -> NDArray[np.float64]:
    r"""First eigenmatrix of the Hamming scheme H(d, q).

    :math:`P_{ji} = \sum_t (-1)^t (q-1)^{i-t} \binom{j}{t} \binom{d-j}{i-t}` (Delsarte 1973).

    Parameters
    ----------
    d, q : int
        Length and size of the alphabet.

    Returns
    -------
    ndarray of float64, shape (d + 1, d + 1)
    """
    return np.array(
        [
            [
                sum(
                    (-1) ** t * (q - 1) ** (i - t) * math.comb(j, t) * math.comb(d - j, i - t)
                    for t in range(i + 1)
                )
                for i in range(d + 1)
            ]
            for j in range(d + 1)
        ],
        dtype=np.float64,
    )


def eberlein(v: int, k: int) -> NDArray[np.float64]:
    r"""First eigenmatrix of the Johnson scheme J(v, k).

    :math:`P_{ji} = \sum_t (-1)^t \binom{j}{t} \binom{k-j}{i-t} \binom{v-k-j}{i-t}` (Delsarte 1973).

    Parameters
    ----------
    v, k : int
        Sizes of the set and of its subsets, v at least 2 k.

    Returns
    -------
    ndarray of float64, shape (k + 1, k + 1)
    """
    return np.array(
        [
            [
                sum(
                    (-1) ** t * math.comb(j, t) * math.comb(k - j, i - t) * math.comb(v - k - j, i - t)
                    for t in range(i + 1)
                )
                for i in range(k + 1)
            ]
            for j in range(k + 1)
        ],
        dtype=np.float64,
    )


def noise_outside(mean_square: float, m: int) -> float:
    r"""Say what eigenvalues noise of the features leaves in the Gram matrix of the levels, outside the geometry.

    Isotropic noise of relative size s in m dimensions shrinks cosines by :math:`1 - s^2`, which leaves the eigenvalue
    :math:`s^2`, and scatters them with a variance of about :math:`2 s^2 / m`.

    Parameters
    ----------
    mean_square : float
        Mean square of the deviations of cosines from their levels.
    m : int
        Dimensions of the features.

    Returns
    -------
    float
        Twice :math:`s^2`, for the scatter is less where cosines are large.
    """
    return m * mean_square


def parametric_name(
    P: NDArray[np.float64],
    multiplicities: NDArray[np.int64],
    levels: NDArray[np.float64],
    extremes: tuple[NDArray[np.float64], NDArray[np.float64]],
    neighbours: Callable[[], Counter[int]],
    noise: float,
) -> Parametric:
    """Name a scheme whose parameters have one geometry only.

    Parameters
    ----------
    P : ndarray, shape (d + 1, d + 1)
        First eigenmatrix, relations by decreasing cosine.
    multiplicities : ndarray of int64, shape (d + 1,)
        Dimensions of the eigenspaces.
    levels : ndarray, shape (d + 1,)
        Mean cosine of each relation.
    extremes : (ndarray, ndarray), each of shape (d,)
        Smallest and largest cosine of each relation.
    neighbours : callable
        Gives the sizes of the connected components among the neighbours of a point.
    noise : float
        What noise of the features may leave of the eigenvalues of the Gram matrix outside the geometry's dimensions:
        `noise_outside`.

    Returns
    -------
    Parametric
        With an empty name where there is none.
    """
    nothing = Parametric("", (), math.nan)
    theta = P @ levels
    support = support_of(theta)
    valencies, n, d = P[0], round(float(P[0].sum())), len(P) - 1
    # All vertices but one of a larger simplex, say, have its parameters, and a dimension more.
    outside = float(np.abs(np.delete(theta, support)).max(initial=0.0))
    if len(support) != 1 or support[0] == 0 or outside > max(policy.OUTSIDE / n, noise):
        return nothing
    ideal = P[support[0], 1:] / valencies[1:]
    residual = float(np.maximum(np.abs(extremes[0] - ideal), np.abs(extremes[1] - ideal)).max())

    def same(expected: NDArray[np.float64]) -> bool:
        """Whether these are its eigenmatrix and its second eigenspace, in which the named geometry lies."""
        fits = expected.shape == P.shape and np.allclose(expected[0], valencies)
        if not fits or not np.allclose(expected[1], P[support[0]], atol=policy.SAME_EIGENMATRIX * n):
            return False
        order = np.lexsort(np.round(P, 6).T), np.lexsort(np.round(expected, 6).T)
        return bool(np.allclose(P[order[0]], expected[order[1]], atol=policy.SAME_EIGENMATRIX * n))

    if d == 1:
        return Parametric(simplex_name(n), (), residual)
    if d == 2 and np.allclose(valencies[1:], [n - 2, 1]) and np.allclose(ideal, [0, -1]):
        return Parametric(cross_polytope_name(n), (), residual)
    q = round(n ** (1 / d))
    if q >= 2 and q**d == n and same(krawtchouk(d, q)):
        # Doob's graphs have the parameters of H(d, 4), and hexagons among the neighbours of a point.
        if q == 4 and set(neighbours()) != {3}:
            return nothing
        return (
            Parametric(cube_name(d), (f"H({d},2)",), residual)
            if q == 2
            else Parametric(f"H({d},{q})", (), residual)
        )
    v = 2 * d
    while math.comb(v, d) < n:
        v += 1
    if math.comb(v, d) == n and (v, d) != (8, 2) and same(eberlein(v, d)):
        return Parametric(f"J({v},{d})", (f"T({v})",) if d == 2 else (), residual)
    if tuple(np.rint(valencies).astype(int)) == _LEECH and multiplicities[support[0]] == 24:
        return Parametric("minimal vectors of the Leech lattice", (), residual)
    return nothing
