"""The name of a block's geometry, from its matrix of cosines: `schemes.detect`, in the terms of blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigvalsh
from featuregeom.recognise import policy
from featuregeom.recognise.detect import detect, detect_cosines
from featuregeom.recognise.detection import Detection
from featuregeom.recognise.levels import distinct_values
from featuregeom.recognise.names import fits_dimension
from featuregeom.shapes.names import with_article
from featuregeom.summary import summarised

__all__ = ["Name", "name_geometries", "name_geometry"]
__dir__ = __all__.copy


@summarised
@dataclass(frozen=True, eq=False)
class Name:
    """What a block is called, or why it has no name.

    Attributes
    ----------
    geometry : str
        The name; empty when there is none.
    reason : str
        Why there is none, and what the lines of the features are where these have one; empty when there is a name.
    dim : int
        Dimension of the geometry; 0 when there is no name.
    residual : float
        Largest deviation of a cosine from the ideal one; NaN when there is no name.
    order : ndarray of int64, shape (n,)
        The features ordered so that the relations show in the Gram matrix.
    scheme : Detection or None
        Their association scheme, where there is one.
    gram_values : int or None
        Number of levels of the cosines; of the geometry's where they show none, and None where they are a continuum.
    """

    geometry: str
    reason: str
    dim: int
    residual: float
    order: NDArray[np.int64]
    scheme: Detection | None = None
    gram_values: int | None = None


def name_geometry(
    cosines: NDArray[np.float64], norms: NDArray[np.float64], vectors: NDArray[np.float64] | None = None
) -> Name:
    r"""Name the geometry of a block of features: the one with the cosines :math:`M_{ij} / \sqrt{N_i N_j}`, up to noise.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    norms : ndarray, shape (n,)
        Norms of the features.
    vectors : ndarray, shape (n, m), optional
        The features themselves, at any scale: they tell how large noise is.

    Returns
    -------
    Name
        With the residual, or with the reason why no name fits. Features of one direction twice refuse a name.

    References
    ----------
    Those of `featuregeom.recognise.detect`, which finds the name; what is asked of small blocks is featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> import numpy as np
    >>> X = fg.shapes.icosahedron()
    >>> name_geometry(X @ X.T, np.ones(12)).geometry
    'icosahedron'
    """
    n = len(cosines)
    if n == 1:
        return Name("", "a single feature", 1, math.nan, np.arange(1), gram_values=0)
    refinements = policy.BLOCK_REFINEMENTS if n <= policy.BLOCK_REFINED_POINTS else 0
    if n <= policy.SMALL_BLOCK:
        low = fits_dimension(eigvalsh(cosines)[::-1].astype(np.float64), policy.SMALL_BLOCK_DIM)
        refinements = 1 if low else 0
    found = detect_cosines(cosines, norms, vectors=vectors, refinements=refinements, sums=False)
    _, _, order = found.formed
    # That two features are a scheme, whatever their cosine, says nothing of them.
    scheme = found if found.intersection_numbers is not None and (n > 2 or found.name) else None
    levels = distinct_values(cosines)
    count = None if levels is None else len(levels)
    if not found.name or found.duplicates:
        twice = f": {with_article(found.name)}, some twice" if found.name else _as_lines(cosines, norms)
        reason = f"{found.reason}{twice}"
        return Name("", reason, 0, math.nan, order, scheme, count)
    if count is None and scheme is not None:
        count = len(scheme.levels) - 1
    return Name(found.name, "", found.dim, found.residual, order, scheme, count)


def name_geometries(
    cosines: NDArray[np.float64], norms: NDArray[np.float64], vectors: NDArray[np.float64] | None = None
) -> list[Name]:
    """Name the geometries of many blocks of one size, each exact one once.

    Parameters
    ----------
    cosines : ndarray, shape (b, n, n)
        Normalised Gram matrix of each block.
    norms : ndarray, shape (b, n)
        Norms of the features.
    vectors : ndarray, shape (b, n, m), optional
        The features themselves, at any scale.

    Returns
    -------
    list of Name
        Each as `name_geometry` gives it.

    Notes
    -----
    A block of at most 12 features whose cosines are those of a named geometry to 1e-6 has the name, the relations and
    the order of every other block whose cosines are so, point by point. Blocks that are not exact are named one by one.
    """
    count, n = norms.shape
    names = [Name("", "", 0, math.nan, np.arange(n))] * count
    flat = cosines.reshape(count, n * n)
    even = norms.max(axis=1) / norms.min(axis=1) - 1 <= policy.NORM_SPREAD
    waiting = np.arange(count)
    compared = 0 if n <= policy.SMALL_BLOCK else policy.COMPARED_ENTRIES
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        rows = None if vectors is None else vectors[first]
        known = names[first] = name_geometry(cosines[first], norms[first], rows)
        scheme = known.scheme
        exact = known.geometry and even[first] and known.residual <= policy.EXACT_COSINE
        if not exact or scheme is None or scheme._ideal is None or scheme.height is not None:
            continue
        compared += len(waiting) * n * n
        if compared > policy.COMPARED_ENTRIES:
            continue
        near = np.abs(flat[waiting] - scheme._ideal.ravel()).max(axis=1) <= policy.EXACT_COSINE
        near &= even[waiting]
        alike, waiting = waiting[near], waiting[~near]
        for place, found in zip(alike.tolist(), scheme.of_alike(cosines[alike]), strict=True):
            names[place] = Name(
                known.geometry, "", known.dim, found.residual, known.order, found, known.gram_values
            )
    return names


def _as_lines(cosines: NDArray[np.float64], norms: NDArray[np.float64]) -> str:
    """Name the lines that features span, where few levels of the absolute cosines make it likely that they have one."""
    n = len(cosines)
    absolute = np.abs(cosines)
    values, levels = absolute[np.triu_indices(n, 1)], distinct_values(absolute)
    # Of three features or four any cosines are few levels: two pairs a level are asked for.
    if n > policy.LINE_POINTS or levels is None or len(levels) > min(policy.LINE_LEVELS, len(values) // 2):
        return ""
    if np.abs(values[:, None] - levels).min(axis=1).max() > policy.LINE_LEVEL:
        return ""
    scale = norms / norms.max()
    name = detect(gram=cosines * np.outer(scale, scale), mode="line").name
    return f"; as lines: {name}" if name else ""
