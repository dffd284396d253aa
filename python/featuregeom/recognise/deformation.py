r"""Whether the vectors of a geometry were moved by isotropic noise, or by a deformation.

Features that span their space leave no direction in which noise could be measured by itself. So a name through noise
needs two things. The noise that would have moved the vectors is no larger than a stated size (`LARGEST_NOISE`); and two
families of deformations do not explain much better what it explains: a linear map (stretches, shears: an F test against
the isometries among them, at a level of .001), and two isometries, one for each half of the vectors (half turns: a
likelihood ratio whose distribution is drawn, at .01).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy

__all__ = ["deformed", "displacements", "isometry"]

Vectors = NDArray[np.float64]


def deformed(ideal: Vectors, unit: Vectors) -> bool:
    """Say whether a deformation, or more noise than is stated, moved the unit vectors of a geometry.

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
    isometry, of which a linear map takes d (d + 1) / 2 - 1, for its scale shows in no direction; less for
    cross-polytopes. Draws of the second test are noise of the size that was found, from a fixed seed.

    Noise well within the stated size is refused in about 1 % of cases, noise of that size in 2 %. A deformation
    without noise leaves one family no residual at all and is always refused, whatever its size above rounding.
    """
    from scipy.special import chdtri

    n, d = ideal.shape
    degrees = n * (d - 1) - d * (d - 1) // 2
    left = float(displacements(ideal, unit))
    noise = next(level for most, level in policy.LARGEST_NOISE if n <= most)
    if left > noise**2 / d * chdtri(degrees, policy.SIZE_LEVEL):
        return True
    if _follows_a_linear_map(ideal, unit, left, degrees):
        return True
    return n * d * d <= policy.TURN_MOMENTS and _of_two_halves(ideal, unit, math.sqrt(left / degrees))


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
    return np.asarray(((unit - ideal @ isometry(ideal, unit)) ** 2).sum(axis=(-2, -1)))


def isometry(ideal: Vectors, unit: Vectors) -> Vectors:
    """Turn a geometry onto features: orthogonal Procrustes, of many sets at once, which SciPy's takes one by one."""
    left, _, right = np.linalg.svd(np.swapaxes(ideal, -1, -2) @ unit)
    return np.asarray(left @ right)


def _follows_a_linear_map(ideal: Vectors, unit: Vectors, left: float, degrees: int) -> bool:
    """Test a linear map against the isometries, by the ratio of mean squares (F)."""
    taken = _linear_degrees(ideal)
    rest = degrees - taken
    if taken < 1 or rest < 1:
        return False
    after = min(_linear_residual(ideal, unit), left)
    explained, unexplained = (left - after) / taken, after / rest
    if unexplained <= policy.NO_RESIDUAL * explained:
        return True
    from scipy.special import fdtr, fdtrc

    ratio = explained / unexplained
    return bool(min(fdtr(taken, rest, ratio), fdtrc(taken, rest, ratio)) < policy.MAP_LEVEL)


def _moments_across(ideal: Vectors, unit: Vectors) -> Vectors:
    r"""Quadratic form of :math:`\sum_i |(I - y_i y_i^\top) A p_i|^2` in the entries of A, shape (d^2, d^2)."""
    n, d = ideal.shape
    across = np.eye(d) - unit[:, :, None] * unit[:, None, :]
    rows = (across[:, :, None, :] * ideal[:, None, :, None]).reshape(n * d, d * d)
    return np.asarray(rows.T @ rows)


def _linear_degrees(ideal: Vectors) -> int:
    """Count the linear maps, but for turns, that move vectors in direction: those that only change lengths do not.

    The scale is one of these, and along the axes of a cross-polytope so is every stretch.
    """
    n, d = (int(size) for size in ideal.shape)
    if n * d**5 > policy.LINEAR_WORK:
        return d * (d + 1) // 2 - 1
    values = np.linalg.eigvalsh(_moments_across(ideal, ideal))
    return int((values > 1e-9 * values[-1]).sum()) - d * (d - 1) // 2


def _linear_residual(ideal: Vectors, unit: Vectors) -> float:
    r"""Least sum of squares between directions :math:`y_i` and those of :math:`A p_i`, over matrices A.

    From the isometry, and where d is small from the solution of :math:`(I - y_i y_i^\top) A p_i = 0` in least squares,
    which is exact for a linear map without noise.
    """
    n, d = ideal.shape
    starts = [isometry(ideal, unit)]
    if n * d**5 <= policy.LINEAR_WORK:
        starts.append(np.linalg.eigh(_moments_across(ideal, unit))[1][:, 0].reshape(d, d))
    least = math.inf
    for matrix in starts:
        for _ in range(policy.DEFORMATION_ROUNDS):
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
    drawn = ideal + size * rng.standard_normal((policy.TURN_DRAWS, *ideal.shape))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    shares = _share_of_two(ideal, np.concatenate([unit[None], drawn]))
    return float((shares <= shares[0]).mean()) <= policy.TURN_LEVEL


def _share_of_two(ideal: Vectors, some: Vectors) -> NDArray[np.float64]:
    """Share of the displacements from one isometry that two leave; of each of many sets, shape (r, n, d)."""
    one = displacements(ideal, some)
    placed = ideal @ isometry(ideal, some)
    # Infinitesimal turns of each vector: two halves turn one way and the other, about the same axes.
    turns = (some - placed)[..., :, None] * placed[..., None, :]
    turns = (turns - np.swapaxes(turns, -1, -2)).reshape(*some.shape[:2], -1)
    axes = np.linalg.eigh(np.swapaxes(turns, 1, 2) @ turns)[1]
    best = one.copy()
    for k in range(min(policy.TURN_STARTS, axes.shape[-1])):
        half = np.einsum("rnk,rk->rn", turns, axes[:, :, -1 - k]) > 0
        for _ in range(policy.DEFORMATION_ROUNDS):
            fits = [isometry(ideal * part[..., None], some) for part in (half, ~half)]
            off = np.stack([((some - ideal @ turn) ** 2).sum(axis=2) for turn in fits])
            half, before = off[0] < off[1], half
            if np.array_equal(half, before):
                break
        best = np.minimum(best, off.min(axis=0).sum(axis=1))
    return np.asarray(best / np.maximum(one, 1e-300))
