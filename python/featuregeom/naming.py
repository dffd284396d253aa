"""The name of a block's geometry, from its matrix of cosines: `schemes.detect`, in the terms of blocks."""

from __future__ import annotations

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

__all__ = ["Name", "name_geometry"]
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
    """

    geometry: str
    reason: str
    dim: int
    residual: float
    order: NDArray[np.int64]
    scheme: Detection | None = None


def name_geometry(cosines: NDArray[np.float64], norms: NDArray[np.float64]) -> Name:
    r"""Name the geometry of a block of features: the one with the cosines :math:`M_{ij} / \sqrt{N_i N_j}`, up to noise.

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
        return Name("", "a single feature", 1, float("nan"), np.arange(1))
    refinements = policy.BLOCK_REFINEMENTS if n <= policy.BLOCK_REFINED_POINTS else 0
    if n <= policy.SMALL_BLOCK:
        low = fits_dimension(eigvalsh(cosines)[::-1].astype(np.float64), policy.SMALL_BLOCK_DIM)
        refinements = 1 if low else 0
    found = detect_cosines(cosines, norms, refinements=refinements, sums=False)
    # That two features are a scheme, whatever their cosine, says nothing of them.
    scheme = found if found.intersection_numbers is not None and (n > 2 or found.name) else None
    if not found.name or found.duplicates:
        twice = f": {with_article(found.name)}, some twice" if found.name else _as_lines(cosines, norms)
        reason = f"{found.reason}{twice}"
        return Name("", reason, 0, float("nan"), found.order, scheme)
    return Name(found.name, "", found.dim, found.residual, found.order, scheme)


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
