"""What a block is: its features, its dimension and frame bounds, its geometry where it has one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise.detection import Detection
from featuregeom.summary import summarised

GRAM_LIMIT = 512
"""Most features of a block whose Gram matrix is formed (2 MiB of float64) to find its geometry's name."""

TIGHT = 0.05
"""Tightness residual and relative spread of norms up to which a block counts as tight with equal norms. A capacity
D_i then differs from d / n by about as much, relatively, at most."""


@summarised
@dataclass(frozen=True, eq=False)
class Block:
    """One block of features.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Its features; in an order that shows the relations where the Gram matrix was formed.
    dim : int
        Its dimension: that of the geometry where it has a name, else its rank.
    gram_values : int or None
        Number of distinct cosines between its features: their levels, clusters narrower than the gaps beside them;
        those of its geometry where noise blurs them. None where the cosines are a continuum, and above `GRAM_LIMIT`
        features.
    tightness : float
        Tightness residual of its own frame operator over its `dim` leading eigenvalues: 0 when tight.
    geometry : str
        Name of the geometry; empty when it has none.
    reason : str
        Why it has no name.
    residual : float
        Largest deviation of a cosine from the ideal one; NaN without a name.
    gram : ndarray of float64, shape (n, n), or None
        Its Gram matrix, features in the order of `index`; None above `GRAM_LIMIT` features.
    scheme : Detection or None
        Its association scheme, where it has one; its features are `index` in increasing order.
    bounds : (float, float)
        Its own frame bounds, the least and the largest of its `dim` leading eigenvalues.
    norm_spread : float
        Largest over least norm of its features, less 1.

    References
    ----------
    arXiv:2602.02224 for the capacity of tight blocks, d / n; the names are those of `featuregeom.schemes`.
    """

    index: NDArray[np.int64]
    dim: int
    gram_values: int | None
    tightness: float
    geometry: str
    reason: str
    residual: float
    gram: NDArray[np.float64] | None
    scheme: Detection | None = None
    bounds: tuple[float, float] = (math.nan, math.nan)
    norm_spread: float = math.nan

    @property
    def capacity(self) -> float:
        """The certificate d / n: capacity of every feature of a tight block with equal norms.

        NaN unless both `tightness` and `norm_spread` are at most `TIGHT`, for then no one number is the capacity of
        its features.
        """
        certified = self.tightness <= TIGHT and self.norm_spread <= TIGHT
        return self.dim / len(self.index) if certified else math.nan
