"""Whether what a geometry leaves of the cosines looks like noise of the features.

Through noise a name rests on relations that the refinement proposed, and a set that is plainly something else may be
refined into them: a geometry that was stretched, one vertex of which was turned, or another one of as many points.
Isotropic noise of the features has marks that these have not. The limits are above what was seen in 700 trials of 12
geometries with relative noise from .1 to .3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.schemes.names import Match, laid_over

__all__ = ["FREE_VARIANCE", "like_noise"]

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

_ALIKE, _CLUSTERED = 0.2, 0.5
"""Noise scatters the cosines of a class; where this share of them lies closer to both neighbours than this share of the
distance that scattering gives, the cosines have clear levels of their own."""

_RIVAL = 1.2
"""Another geometry of as many points must leave this many times as much of the variance."""


def like_noise(cosines: NDArray[np.float64], match: Match, eigenvalues: NDArray[np.float64]) -> bool:
    r"""Say whether the deviations from a geometry are like noise of the features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    match : Match
        The geometry, laid over the features.
    eigenvalues : ndarray, shape (n,)
        Of the cosines, decreasing.

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
    lengths = np.linalg.eigvalsh(ideal)[::-1][: match.dim]
    leading = eigenvalues[: match.dim]
    if leading[-1] < _DIMENSION * lengths[-1]:
        return False
    if np.abs(leading - lengths).max() > _STRETCH * (2 * off * math.sqrt(n) + off**2 * n):
        return False
    return not _clustered(cosines, match, off) and not _rivalled(cosines, match)


def _clustered(cosines: NDArray[np.float64], match: Match, deviation: float) -> bool:
    """Say whether most cosines come in clusters far narrower than their deviations from the geometry.

    Cosines of opposite features come in equal pairs, so it takes three.
    """
    values = np.sort(cosines[np.triu_indices(len(cosines), 1)])
    largest = np.bincount(match.relations.ravel())[1:].max() / 2
    # Normal values of this deviation are sqrt(2 pi) deviation / number apart where they are densest.
    alike = np.diff(values) <= _ALIKE * math.sqrt(2 * math.pi) * deviation / largest
    return bool((alike[:-1] & alike[1:]).mean() > _CLUSTERED) if len(alike) > 1 else False


def _rivalled(cosines: NDArray[np.float64], match: Match) -> bool:
    """Say whether another geometry leaves hardly more of the variance."""
    left = [
        (1 - one.explained) * (1 if one.height is None else FREE_VARIANCE)
        for one in laid_over(cosines)
        if one.name != match.name
    ]
    return min(left, default=math.inf) < _RIVAL * (1 - match.explained)
