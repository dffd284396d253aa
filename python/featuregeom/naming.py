"""The name of a block's geometry, from its matrix of cosines: `schemes.detect`, in the terms of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.schemes.detect import detect_cosines
from featuregeom.schemes.detection import Detection
from featuregeom.schemes.names import fits_dimension
from featuregeom.schemes.names.words import with_article

__all__ = ["Name", "distinct_values", "name_geometry"]

_LEVEL_GAP = 0.02
"""Sorted cosines that are further apart than this are different Gram values."""

_MOST_REFINED, _REFINEMENTS = 32, 4
"""Up to so many features noisy relations are refined, so often; larger blocks are named from their levels."""

_SMALL, _SMALL_DIM = 12, 4
"""So few features are to take a millisecond or two, for there may be thousands of such blocks: they are refined only in
so few dimensions, which have all geometries whose names need it."""


@dataclass(frozen=True, eq=False)
class Name:
    """What a block is called, or why it has no name.

    Attributes
    ----------
    geometry : str
        The name; empty when there is none.
    reason : str
        Why there is none; empty when there is a name.
    dim : int
        Dimension of the geometry; 0 when there is no name.
    residual : float
        Largest deviation of a cosine from the ideal one; NaN when there is no name.
    order : ndarray of int64, shape (n,)
        The features ordered so that the relations show in the Gram matrix.
    scheme : Detection or None
        Their association scheme, where there is one.
    """

    geometry: str
    reason: str
    dim: int
    residual: float
    order: NDArray[np.int64]
    scheme: Detection | None = None


def distinct_values(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of the cosines between different features, increasing.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    ndarray of float64, shape (n_levels,)
        Means of the groups into which gaps wider than 0.02 separate the values.
    """
    values = np.sort(cosines[np.triu_indices(len(cosines), 1)])
    if values.size == 0:
        return values
    groups = np.split(values, np.flatnonzero(np.diff(values) > _LEVEL_GAP) + 1)
    return np.array([group.mean() for group in groups])


def name_geometry(cosines: NDArray[np.float64], norms: NDArray[np.float64]) -> Name:
    """Name the geometry of a block of features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    norms : ndarray, shape (n,)
        Norms of the features.

    Returns
    -------
    Name
        With the residual, or with the reason why no name fits. Features of one direction twice refuse a name.
    """
    n = len(cosines)
    if n == 1:
        return Name("", "a single feature", 1, float("nan"), np.arange(1))
    refinements = _REFINEMENTS if n <= _MOST_REFINED else 0
    if n <= _SMALL:
        low = fits_dimension(np.linalg.eigvalsh(cosines)[::-1].astype(np.float64), _SMALL_DIM)
        refinements = 1 if low else 0
    found = detect_cosines(cosines, norms, refinements=refinements, sums=False)
    # That two features are a scheme, whatever their cosine, says nothing of them.
    scheme = found if found.intersection_numbers is not None and (n > 2 or found.name) else None
    if not found.name or found.duplicates:
        reason = f"{found.reason}: {with_article(found.name)}, some twice" if found.name else found.reason
        return Name("", reason, 0, float("nan"), found.order, scheme)
    return Name(found.name, "", found.dim, found.residual, found.order, scheme)
