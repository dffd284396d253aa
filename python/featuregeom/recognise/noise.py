"""Whether what a geometry leaves of the cosines looks like noise of the features.

Through noise a name rests on relations that the refinement proposed, and a set that is plainly something else may be
refined into them: a geometry that was stretched, half of which was turned, or another one of as many points. Isotropic
noise of the features has marks that these have not: it singles out no pair, no feature and no direction, leaves no
levels, and no other geometry explains as much. The limits are beyond what was seen in 700 trials of 12 geometries with
relative noise from .1 to .3; the tests of `deformation`, against a stated size of the noise, linear maps and turned
halves, have levels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigh
from featuregeom.recognise import policy
from featuregeom.recognise.deformation import deformed, isometry
from featuregeom.recognise.names import Match, align_catalogue

__all__ = ["like_noise", "moved_by_noise"]


def like_noise(cosines: NDArray[np.float64], match: Match) -> bool:
    r"""Say whether the deviations from a geometry are like noise of the features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    match : Match
        The geometry, each vertex at one of the features.

    Returns
    -------
    bool

    Notes
    -----
    With root mean square s of the deviations: isotropic noise moves the d leading eigenvalues by about
    :math:`2 s \sqrt n`, the norm of a random symmetric d x d matrix of the variance that s tells, and by
    :math:`s^2 n`, what it takes for dimensions of its own.
    """
    n = len(cosines)
    ideal = match.levels[match.relations]
    squares = (cosines - ideal) ** 2
    off = math.sqrt(float(squares.sum()) / (n * (n - 1)))
    rows = squares.sum(axis=1)
    if match.residual > policy.OUTLIER * off or rows.max() > policy.OUTLIER_ROW * np.median(rows):
        return False
    lengths, before = _leading(ideal, match.dim)
    leading, after = _leading(cosines, match.dim)
    if leading.min() < policy.LEAST_DIMENSION * lengths.min():
        return False
    if np.abs(leading - lengths).max() > policy.STRETCH * (2 * off * math.sqrt(n) + off**2 * n):
        return False
    if not _uneven(before, after) or _levelled(cosines, match.relations) or _rivalled(cosines, match):
        return False
    return moved_by_noise(cosines, ideal, match.dim)


def moved_by_noise(cosines: NDArray[np.float64], ideal: NDArray[np.float64], dim: int) -> bool:
    """Say whether noise of the stated size explains how features differ from a geometry (see `deformation`).

    Parameters
    ----------
    cosines, ideal : ndarray, shape (n, n)
        Normalised Gram matrices.
    dim : int
        Dimension of the ideal one.

    Returns
    -------
    bool
    """
    before, after = _leading(ideal, dim)[1], _leading(cosines, dim)[1]
    before, after = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (before, after))
    return not deformed(before, after)


def _uneven(before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    r"""Say whether the displacements of the features are of uneven length.

    The ideal is turned onto the features (orthogonal Procrustes problem), and displacements are taken at right angles
    to it. Squared lengths of isotropic ones are chi-square of d - 1 degrees.
    """
    n, dim = before.shape
    before = before @ isometry(before, after)
    moved = after - before
    moved -= np.sum(moved * before, axis=1, keepdims=True) * before
    lengths = np.sum(moved**2, axis=1)
    scatter = float(lengths.std() / lengths.mean()) / math.sqrt(2 / max(dim - 1, 1))
    return scatter >= 1 - policy.EVEN / math.sqrt(n)


def _leading(gram: NDArray[np.float64], dim: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest eigenvalues of a Gram matrix, increasing, and the coordinates along their eigenvectors."""
    values, vectors = eigh(gram)
    return values[-dim:], vectors[:, -dim:] * np.sqrt(np.maximum(values[-dim:], 0))


def _levelled(cosines: NDArray[np.float64], relations: NDArray[np.int64]) -> bool:
    """Say whether the cosines within classes have levels of their own: clusters that normal values have not."""
    rng = np.random.default_rng(0)
    some = np.arange(len(cosines))
    if len(some) > policy.CLUSTERED_POINTS:
        some = np.sort(rng.choice(some, policy.CLUSTERED_POINTS, replace=False))
    pairs = np.triu_indices(len(some), 1)
    values, labels = cosines[np.ix_(some, some)][pairs], relations[np.ix_(some, some)][pairs]
    classes = [np.sort(values[labels == label]) for label in np.unique(labels)]
    for count, limit in policy.CLUSTER_SHARE.items():
        left = drawn = 0.0
        for one in classes:
            if len(one) < 3 * count:
                continue
            left += float(_within(one[None], count)[0])
            normal = np.sort(rng.standard_normal((policy.CLUSTER_DRAWS, len(one)))) * one.std()
            drawn += float(_within(normal, count).mean())
        if left < limit * drawn:
            return True
    return False


def _within(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Sum of squares that the sorted values of each row leave within clusters (Lloyd's iteration from quantiles)."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    sums = np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0)))
    at = [0, *np.cumsum([len(part) for part in np.array_split(rows[0], count)])]
    borders = np.broadcast_to(at, (len(rows), count + 1))
    centres = np.zeros((len(rows), count))
    for _ in range(policy.CLUSTER_ROUNDS + 1):
        sizes = np.diff(borders, axis=1)
        parts = np.diff(np.take_along_axis(sums, borders, axis=1), axis=1)
        centres = np.where(sizes > 0, parts / np.maximum(sizes, 1), centres)
        middles = (centres[:, 1:] + centres[:, :-1]) / 2
        inner = (rows[:, None] < middles[:, :, None]).sum(axis=2)
        borders = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, rows.shape[1])))
    return np.asarray((rows**2).sum(axis=1) - (centres**2 * sizes).sum(axis=1))


def _rivalled(cosines: NDArray[np.float64], match: Match) -> bool:
    """Say whether another geometry leaves hardly more of the variance."""
    left = [
        (1 - one.explained) * (1 if one.height is None else policy.FREE_HEIGHT_VARIANCE)
        for one in align_catalogue(cosines)
        if one.name != match.name
    ]
    return min(left, default=math.inf) < policy.RIVAL * (1 - match.explained)
