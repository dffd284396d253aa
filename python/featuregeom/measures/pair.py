"""Columns of the pairs table: each function gives one value per significant pair of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.measures.column import Table
from featuregeom.measures.measured import Measured

__all__ = ["PAIRS"]

PAIRS: Table[Measured] = Table("pairs")

_COST = "verdict: 2 n² m operations twice or more, and 20 eigendecompositions each where n < 12 m"

Values = NDArray[Any]


PAIRS.joined("matrix", "matrix", "Name of the tensor.", dtype="category")


@PAIRS.column("i", dtype="int64", cost=_COST)
def i(of: Measured) -> Values:
    """Position of the first feature along the tensor's feature axis."""
    return of.kept[of.significant.i] if of.significant else np.empty(0, np.int64)


@PAIRS.column("j", dtype="int64", cost=_COST)
def j(of: Measured) -> Values:
    """Position of the second feature."""
    return of.kept[of.significant.j] if of.significant else np.empty(0, np.int64)


PAIRS.joined("label_i", "label of i", "Name of the first feature, where it has one.", dtype="str")
PAIRS.joined("label_j", "label of j", "Name of the second feature.", dtype="str")


@PAIRS.column("cosine", cost=_COST)
def cosine(of: Measured) -> Values:
    """Cosine of the two: near 1 for copies, below 0 for opposite features."""
    return of.significant.cosine if of.significant else np.empty(0)


@PAIRS.column("z", formula="cos / √(Σ μ μ' / d)", cost=_COST)
def z(of: Measured) -> Values:
    """The cosine over the standard deviation that the spectral measures alone would give it."""
    return of.significant.z if of.significant else np.empty(0)


@PAIRS.column("p", cost=_COST)
def p(of: Measured) -> Values:
    """Bound of the two-sided p-value."""
    return of.significant.p if of.significant else np.empty(0)


@PAIRS.column("q", cost=_COST)
def q(of: Measured) -> Values:
    """Smallest false discovery rate at which the pair is still found; at most .01 here."""
    return of.significant.q if of.significant else np.empty(0)
