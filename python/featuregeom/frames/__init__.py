r"""Frames: how a set of features fills the space that it lives in.

Features are the rows of `X`, shape (n, m), real or complex. The papers write a weight matrix W with one feature per
column, so their W W^T is our X^T X. With complex numbers the conventions are those of row vectors:

.. math:: \langle x, y \rangle = x y^*, \qquad M = X X^*, \quad M_{ij} = \langle w_i, w_j \rangle, \qquad
    F = X^* X, \quad x F = \sum_i \langle x, w_i \rangle w_i,

with the inner product linear in its first argument and F acting from the right. F is the conjugate of the papers'
:math:`\sum_i w_i w_i^*` of columns, and the same matrix for real features.
"""

from __future__ import annotations

from featuregeom.frames.accumulator import FrameAccumulator
from featuregeom.frames.bounds import CoherenceBounds, coherence, coherence_bounds, welch_bound
from featuregeom.frames.duals import canonical_dual, canonical_parseval, naimark_complement
from featuregeom.frames.equiangular import Equiangularity, equiangular
from featuregeom.frames.numbers import FrameNumbers, condition, frame_bounds, frame_numbers
from featuregeom.frames.operator import (
    GRAM_ROWS,
    Precision,
    Progress,
    capacity,
    frame_operator,
    frame_potential,
    gram,
    tightness,
)
from featuregeom.frames.weighted import EffectiveInterference, effective_interference, weighted_frame_operator

__all__ = [
    "GRAM_ROWS",
    "CoherenceBounds",
    "EffectiveInterference",
    "Equiangularity",
    "FrameAccumulator",
    "FrameNumbers",
    "Precision",
    "Progress",
    "canonical_dual",
    "canonical_parseval",
    "capacity",
    "coherence",
    "coherence_bounds",
    "condition",
    "effective_interference",
    "equiangular",
    "frame_bounds",
    "frame_numbers",
    "frame_operator",
    "frame_potential",
    "gram",
    "naimark_complement",
    "tightness",
    "weighted_frame_operator",
    "welch_bound",
]
__dir__ = __all__.copy
