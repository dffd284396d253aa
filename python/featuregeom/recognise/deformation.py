r"""Whether the vectors of a geometry were moved by isotropic noise, or by a deformation.

Features that span their space leave no direction in which noise could be measured by itself. So a name through noise
needs two things. The noise that would have moved the vectors is no larger than a stated level (`LARGEST_NOISE`); and
two families of deformations do not explain what it explains much better, each test at a level of .01: a linear map
(stretches, shears: an F test against the isometries among them), and two isometries, one for each half of the vectors
(half turns: a likelihood ratio whose distribution is drawn).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_NOISE", "deformed", "displacements"]

Vectors = NDArray[np.float64]

LARGEST_NOISE = ((10, 0.1), (24, 0.2), (10**9, 0.3))
"""Up to so many features, the largest relative noise (root mean square norm of the noise of a unit vector) that a name
is given through. Of 1000 embeddings of random regular graphs of 9 and 10 vertices by four eigenvectors the nearest to
H(2,3) or J(5,2) that is neither is off as by noise of .165; of 600 random tight frames of 12 and 13 points in 3 and 4
dimensions the nearest to a geometry as by .34."""

_NORMAL = 2.326
"""Deviations of a normal variable that a test at a level of .01 allows, on one side."""

_FAR_LESS = -3.09
"""A linear map explains no less than noise gives it with a probability of .001: displacements that avoid all linear
maps are those of a symmetric deformation."""

_DRAWS, _LEVEL = 199, 0.01
"""Draws of noise that are explained by two isometries, and the share of them that may be explained as well as the
features are."""

_MOST_MOMENTS = 2**15
"""Two isometries are looked for where n d^2 is no larger: 50 MB of moments in all draws together."""

_MOST_WORK = 2**26
"""The exact solution for a linear map is a start where n d^5 operations are no more: .1 s."""

_STARTS, _ITERATIONS = 3, 30


def deformed(ideal: Vectors, unit: Vectors) -> bool:
    """Say whether unit vectors are those of a geometry after something that is no noise, or more noise than is stated.

    Parameters
    ----------
    ideal : ndarray, shape (n, d)
        Unit vectors of the geometry, of rank d.
    unit : ndarray, shape (n, d)
        The features' directions, in the same order, up to an isometry.

    Returns
    -------
    bool

    Notes
    -----
    With P the geometry and Y the directions, n (d - 1) - d (d - 1) / 2 degrees of freedom are left by the best
    isometry, of which a linear map takes d (d + 1) / 2 - 1 (its scale shows in no direction). Draws of the second test
    are noise of the size that was found, from a fixed seed.

    Errors of the tests: noise alone is refused in about 3 % of cases. A deformation without noise leaves one family
    no residual at all and is always refused, whatever its size above rounding.
    """
    n, d = ideal.shape
    degrees = n * (d - 1) - d * (d - 1) // 2
    left = float(displacements(ideal, unit))
    noise = next(level for most, level in LARGEST_NOISE if n <= most)
    if left > noise**2 / d * _chi_square(degrees):
        return True
    if _follows_a_linear_map(ideal, unit, left, degrees):
        return True
    return n * d * d <= _MOST_MOMENTS and _of_two_halves(ideal, unit, math.sqrt(left / degrees))


def displacements(ideal: Vectors, unit: Vectors) -> NDArray[np.float64]:
    """Give the sum of squared displacements that the best isometry leaves (orthogonal Procrustes problem).

    Parameters
    ----------
    ideal, unit : ndarray, shape (..., n, d)
        Vectors of a geometry, and features.

    Returns
    -------
    ndarray of float64, shape (...)
    """
    return np.asarray(((unit - ideal @ _isometry(ideal, unit)) ** 2).sum(axis=(-2, -1)))


def _isometry(ideal: Vectors, unit: Vectors) -> Vectors:
    left, _, right = np.linalg.svd(np.swapaxes(ideal, -1, -2) @ unit)
    return np.asarray(left @ right)


def _chi_square(degrees: int) -> float:
    """Quantile .99 of chi-square (Wilson & Hilferty 1931)."""
    part = 2 / (9 * degrees)
    return degrees * (1 - part + _NORMAL * math.sqrt(part)) ** 3


def _follows_a_linear_map(ideal: Vectors, unit: Vectors, left: float, degrees: int) -> bool:
    """Test a linear map against the isometries: F, made normal by Paulson's cube roots (1942)."""
    d = ideal.shape[1]
    taken = d * (d + 1) // 2 - 1
    rest = degrees - taken
    if taken < 1 or rest < 1:
        return False
    after = min(_linear_residual(ideal, unit), left)
    explained, unexplained = (left - after) / taken, after / rest
    if unexplained <= 1e-12 * explained:
        return True
    a, b, root = 2 / (9 * taken), 2 / (9 * rest), (explained / unexplained) ** (1 / 3)
    normal = ((1 - b) * root - (1 - a)) / math.sqrt(b * root**2 + a)
    return not _FAR_LESS <= normal <= _NORMAL


def _linear_residual(ideal: Vectors, unit: Vectors) -> float:
    r"""Least sum of squares between directions :math:`y_i` and those of :math:`A p_i`, over matrices A.

    From the isometry, and where d is small from the solution of :math:`(I - y_i y_i^\top) A p_i = 0` in least squares,
    which is exact for a linear map without noise.
    """
    n, d = ideal.shape
    starts = [_isometry(ideal, unit)]
    if n * d**5 <= _MOST_WORK:
        across = np.eye(d) - unit[:, :, None] * unit[:, None, :]
        rows = (across[:, :, None, :] * ideal[:, None, :, None]).reshape(n * d, d * d)
        starts.append(np.linalg.eigh(rows.T @ rows)[1][:, 0].reshape(d, d))
    least = math.inf
    for matrix in starts:
        for _ in range(_ITERATIONS):
            moved = ideal @ matrix
            if float((moved * unit).sum()) < 0:
                matrix, moved = -matrix, -moved
            length = np.maximum(np.linalg.norm(moved, axis=1), 1e-9)
            least = min(least, float(((unit - moved / length[:, None]) ** 2).sum()))
            along = (moved * unit).sum(axis=1) / length**2
            matrix = np.linalg.lstsq(ideal / length[:, None], along[:, None] * unit, rcond=None)[0]
    return least


def _of_two_halves(ideal: Vectors, unit: Vectors, size: float) -> bool:
    """Test two isometries, each for some of the vectors, against one; both are fitted to draws of noise as well."""
    rng = np.random.default_rng(0)
    drawn = ideal + size * rng.standard_normal((_DRAWS, *ideal.shape))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    shares = _share_of_two(ideal, np.concatenate([unit[None], drawn]))
    return float((shares <= shares[0]).mean()) <= _LEVEL


def _share_of_two(ideal: Vectors, some: Vectors) -> NDArray[np.float64]:
    """Share of the displacements from one isometry that two leave; of each of many sets, shape (r, n, d)."""
    one = displacements(ideal, some)
    placed = ideal @ _isometry(ideal, some)
    # Infinitesimal turns of each vector: two halves turn one way and the other, about the same axes.
    turns = (some - placed)[..., :, None] * placed[..., None, :]
    turns = (turns - np.swapaxes(turns, -1, -2)).reshape(*some.shape[:2], -1)
    axes = np.linalg.eigh(np.swapaxes(turns, 1, 2) @ turns)[1]
    best = one.copy()
    for k in range(min(_STARTS, axes.shape[-1])):
        half = np.einsum("rnk,rk->rn", turns, axes[:, :, -1 - k]) > 0
        for _ in range(_ITERATIONS):
            fits = [_isometry(ideal * part[..., None], some) for part in (half, ~half)]
            off = np.stack([((some - ideal @ turn) ** 2).sum(axis=2) for turn in fits])
            half, before = off[0] < off[1], half
            if np.array_equal(half, before):
                break
        best = np.minimum(best, off.min(axis=0).sum(axis=1))
    return np.asarray(best / np.maximum(one, 1e-300))
