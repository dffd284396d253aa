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
from featuregeom.recognise.deformation import deformed
from featuregeom.recognise.names import Match, laid_over

__all__ = ["FREE_VARIANCE", "like_noise", "moved_by_noise"]

FREE_VARIANCE = 3.0
"""What a free height leaves of the variance counts so many times: of about twenty degrees of freedom it takes one."""

_OUTLIER = 8.0
"""Noise turns no cosine by so many root mean squares, not among millions; a pair that is wrong does."""

_ROW = 7.0
"""No feature is so many times as far off as the median one, in mean squares."""

_STRETCH = 1.25
"""Largest change of a leading eigenvalue, in units of its expected size."""

_DIMENSION = 0.25
"""A dimension of the geometry has at least this share of its eigenvalue."""

_EVEN = 2.0
"""The lengths of the displacements scatter at least by 1 - 2 / sqrt(n) of what isotropic ones do."""

_LEVELS = {2: 0.42, 3: 0.42, 4: 0.42, 6: 0.3}
"""In so many clusters a class scatters no less than this share of what normal values leave in as many."""

_CLUSTERED = 64
"""Clusters are looked for among so many features."""

_RIVAL = 1.2
"""Another geometry of as many points must leave this many times as much of the variance."""

_DRAWS = 10


def like_noise(cosines: NDArray[np.float64], match: Match) -> bool:
    r"""Say whether the deviations from a geometry are like noise of the features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    match : Match
        The geometry, laid over the features.

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
    if match.residual > _OUTLIER * off or rows.max() > _ROW * np.median(rows):
        return False
    lengths, before = _leading(ideal, match.dim)
    leading, after = _leading(cosines, match.dim)
    if leading.min() < _DIMENSION * lengths.min():
        return False
    if np.abs(leading - lengths).max() > _STRETCH * (2 * off * math.sqrt(n) + off**2 * n):
        return False
    if not _uneven(before, after) or _levelled(cosines, match.relations) or _rivalled(cosines, match):
        return False
    return moved_by_noise(cosines, ideal, match.dim)


def moved_by_noise(cosines: NDArray[np.float64], ideal: NDArray[np.float64], dim: int) -> bool:
    """Say whether noise of the stated size, and no deformation, makes the ones from the others (`deformation`).

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
    left, _, right = np.linalg.svd(before.T @ after)
    before = before @ (left @ right)
    moved = after - before
    moved -= np.sum(moved * before, axis=1, keepdims=True) * before
    lengths = np.sum(moved**2, axis=1)
    scatter = float(lengths.std() / lengths.mean()) / math.sqrt(2 / max(dim - 1, 1))
    return scatter >= 1 - _EVEN / math.sqrt(n)


def _leading(gram: NDArray[np.float64], dim: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest eigenvalues of a Gram matrix, increasing, and the coordinates along their eigenvectors."""
    values, vectors = eigh(gram)
    return values[-dim:], vectors[:, -dim:] * np.sqrt(np.maximum(values[-dim:], 0))


def _levelled(cosines: NDArray[np.float64], relations: NDArray[np.int64]) -> bool:
    """Say whether the cosines within classes have levels of their own: clusters that normal values have not."""
    rng = np.random.default_rng(0)
    some = np.arange(len(cosines))
    if len(some) > _CLUSTERED:
        some = np.sort(rng.choice(some, _CLUSTERED, replace=False))
    pairs = np.triu_indices(len(some), 1)
    values, labels = cosines[np.ix_(some, some)][pairs], relations[np.ix_(some, some)][pairs]
    classes = [np.sort(values[labels == label]) for label in np.unique(labels)]
    for count, limit in _LEVELS.items():
        large = [one for one in classes if len(one) >= 3 * count]
        left = sum(_within(one, count) for one in large)
        drawn = [np.sort(rng.standard_normal(len(one))) * one.std() for one in large for _ in range(_DRAWS)]
        if left < limit * sum(_within(one, count) for one in drawn) / _DRAWS:
            return True
    return False


def _within(values: NDArray[np.float64], count: int) -> float:
    """Sum of squares that sorted values leave within clusters (Lloyd's iteration from quantiles)."""
    centres = np.array([part.mean() for part in np.array_split(values, count)])
    for _ in range(12):
        borders = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        parts = np.split(values, borders)
        centres = np.array([part.mean() if len(part) else c for part, c in zip(parts, centres, strict=True)])
    return float(sum(((part - part.mean()) ** 2).sum() for part in parts if len(part)))


def _rivalled(cosines: NDArray[np.float64], match: Match) -> bool:
    """Say whether another geometry leaves hardly more of the variance."""
    left = [
        (1 - one.explained) * (1 if one.height is None else FREE_VARIANCE)
        for one in laid_over(cosines)
        if one.name != match.name
    ]
    return min(left, default=math.inf) < _RIVAL * (1 - match.explained)
