"""Direct sums: summands that have a name each, and nothing to do with each other but for noise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigvalsh
from featuregeom.recognise import policy
from featuregeom.recognise.detection import Detection
from featuregeom.recognise.isometry import left_by_noise, spanned
from featuregeom.recognise.names import fills_dimension
from featuregeom.recognise.noise import moved_by_noise
from featuregeom.recognise.refinement import denoised
from featuregeom.relations.components import components

__all__ = ["coupling", "direct_sum", "sum_name"]


def direct_sum(
    cosines: NDArray[np.float64],
    vectors: NDArray[np.float64] | None,
    part: Callable[[NDArray[np.int64]], Detection],
    tolerance: float,
) -> tuple[tuple[Detection, ...], list[NDArray[np.int64]]]:
    """Judge the summands, where there are several, all have a name, and none has more to do with another than noise.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    vectors : ndarray, shape (n, m), or None
        The features: where they span more dimensions than the sum, noise is measured there.
    part : callable
        Gives the detection of some of the features.
    tolerance : float
        Largest cosine between summands, but for noise.

    Returns
    -------
    parts : tuple of Detection
        The summands; none where it is no direct sum.
    members : list of ndarray of int64
        Their features.
    """
    for threshold in policy.COUPLED:
        members = components(np.abs(cosines) > threshold)
        if len(members) > 1 and min(map(len, members)) > 1:
            parts = tuple(part(index) for index in members)
            limit = max(tolerance, policy.SUM_NOISE * max(map(_deviation, parts)))
            coupled = coupling(cosines, members)
            if not all(one.name for one in parts) or coupled > limit:
                continue
            if not _has_all_dimensions(cosines, parts, members, coupled):
                continue
            if coupled <= tolerance or _apart_but_for_noise(cosines, vectors, parts, members):
                return parts, members
    return (), []


def _has_all_dimensions(
    cosines: NDArray[np.float64],
    parts: tuple[Detection, ...],
    members: list[NDArray[np.int64]],
    coupled: float,
) -> bool:
    """Say whether the summands span as many dimensions together as each by itself, added up."""
    least = min(
        float(eigvalsh(cosines[np.ix_(index, index)])[-one.dim])
        for one, index in zip(parts, members, strict=True)
    )
    # Weyl's inequality: cosines between summands move no eigenvalue by more than the norm of their matrix.
    if coupled * len(cosines) <= (1 - policy.LEAST_DIMENSION) * least:
        return True
    eigenvalues = eigvalsh(cosines)[::-1]
    return fills_dimension(eigenvalues, sum(one.dim for one in parts), least)


def _apart_but_for_noise(
    cosines: NDArray[np.float64],
    vectors: NDArray[np.float64] | None,
    parts: tuple[Detection, ...],
    members: list[NDArray[np.int64]],
) -> bool:
    """Say whether noise, and no deformation of all summands together, couples them."""
    ideal = np.zeros_like(cosines)
    for one, index in zip(parts, members, strict=True):
        if one.n < len(index):
            return False
        relations, inside, _ = one.formed
        ideal[np.ix_(index, index)] = denoised(inside, relations)
    dim = sum(one.dim for one in parts)
    if vectors is not None:
        spanning = spanned(vectors)
        if spanning.shape[1] > dim:
            scales = np.empty(len(spanning))
            for index in members:
                scales[index] = np.linalg.norm(spanning[index], axis=1).mean()
            return left_by_noise(spanning / scales[:, None], ideal, dim)
    return moved_by_noise(cosines, ideal, dim)


def _deviation(found: Detection) -> float:
    """Root mean square of the deviations of cosines from their levels."""
    relations, cosines, _ = found.formed
    return math.sqrt(float(((cosines - denoised(cosines, relations)) ** 2).mean()))


def coupling(cosines: NDArray[np.float64], members: list[NDArray[np.int64]]) -> float:
    """Give the largest absolute cosine between different summands.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    members : list of ndarray of int64
        Features of each summand.

    Returns
    -------
    float
    """
    place = np.empty(len(cosines), dtype=np.int64)
    for number, index in enumerate(members):
        place[index] = number
    return float(np.abs(cosines[place[:, None] != place]).max())


def sum_name(parts: tuple[Detection, ...]) -> str:
    """Give the name of a direct sum: equal summands together, told apart by height where that differs.

    Parameters
    ----------
    parts : tuple of Detection
        The summands.

    Returns
    -------
    str
    """
    names = Counter(one.name for one in parts)
    heights = {name: [one.height or 0.0 for one in parts if one.name == name] for name in names}
    counts = Counter(
        one.name
        if np.ptp(heights[one.name]) <= policy.SAME_HEIGHT
        else f"{one.name} of squared height {one.height:.2f}"
        for one in parts
    )
    return " (+) ".join(f"{count} x {name}" if count > 1 else name for name, count in sorted(counts.items()))
