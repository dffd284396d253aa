"""Columns of the features table: each function gives one value per feature of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.measures.column import Table
from featuregeom.measures.measured import Measured

__all__ = ["FEATURES"]

FEATURES: Table[Measured] = Table("features")

_MEASURES = "measures: 2 n m s operations, s = min(n, m)"
_SWEEP = "sweep: n (n − 1) m operations"
_VERDICT = "verdict: 2 n² m operations twice or more, and 20 eigendecompositions each where n < 12 m"

Values = NDArray[Any]


FEATURES.joined("matrix", "matrix", "Name of the tensor.", dtype="category")


@FEATURES.column("index", dtype="int64")
def index(of: Measured) -> Values:
    """Position along the tensor's feature axis."""
    return of.kept


FEATURES.joined("label", "label", "Name of the feature, where it has one: given, or a token.", dtype="str")


FEATURES.joined(
    "density",
    "density",
    "Share of inputs on which the feature was active, where a file beside a sparse dictionary tells it.",
)


@FEATURES.column("norm", formula="‖w‖", cost=_MEASURES)
def norm(of: Measured) -> Values:
    """Length of the feature; N is its square."""
    return of.measures.norm


@FEATURES.column("κ", formula="wᵀ F w / N", cost=_MEASURES)
def kappa(of: Measured) -> Values:
    """Mean eigenvalue under the feature's spectral measure: the Rayleigh quotient of the frame operator."""
    return of.measures.kappa


@FEATURES.column("capacity D", formula="N / κ", cost=_MEASURES)
def capacity(of: Measured) -> Values:
    """Fractional dimensionality: the share of a dimension that the feature has to itself."""
    return of.measures.capacity


@FEATURES.column("leverage", formula="wᵀ F⁺ w", cost=_MEASURES)
def leverage(of: Measured) -> Values:
    """How far the feature (what the spectrum sees of it) is from what the others could replace; between D and 1."""
    return of.measures.leverage


@FEATURES.column("slack", formula="1 − D / leverage", cost=_MEASURES)
def slack(of: Measured) -> Values:
    """Share of the leverage that is not capacity; 0 exactly where the feature lies in one eigenspace."""
    return of.measures.slack


@FEATURES.column("cv", formula="std_μ(λ) / κ", cost=_MEASURES)
def cv(of: Measured) -> Values:
    """Relative spread of λ under the spectral measure; 0 exactly where the feature lies in one eigenspace."""
    return of.measures.cv


@FEATURES.column("largest mass", formula="max μ(k)", cost=_MEASURES)
def max_mass(of: Measured) -> Values:
    """Largest value of the spectral measure, over its sum; missing where `eigenspace` is −1."""
    return of.measures.max_mass


@FEATURES.column("ipr", formula="Σ μ(k)²", cost=_MEASURES)
def ipr(of: Measured) -> Values:
    """Inverse participation ratio of the spectral measure; 1 in a single eigenspace."""
    return of.measures.ipr


@FEATURES.column("entropy", formula="−Σ μ(k) ln μ(k)", cost=_MEASURES)
def entropy(of: Measured) -> Values:
    """Entropy of the spectral measure, in nats; 0 in a single eigenspace."""
    return of.measures.entropy


@FEATURES.column("effective eigenspaces", formula="exp(entropy)", cost=_MEASURES)
def effective_eigenspaces(of: Measured) -> Values:
    """Over how many eigenspaces the feature is spread, in effect."""
    return of.measures.effective_eigenspaces


@FEATURES.column("eigenspace", dtype="int64", cost=_MEASURES)
def eigenspace(of: Measured) -> Values:
    """Eigenspace of the largest mass, 0 for the largest eigenvalue; −1 where more than 1e-4 of the feature is null."""
    return of.measures.eigenspace


@FEATURES.column("neighbour", dtype="int64", cost=_SWEEP)
def neighbour(of: Measured) -> Values:
    """The other feature with the largest |cosine|; −1 for zero features, where there is no other, and without pairs."""
    if of.pairs is None:
        return np.full(len(of.kept), -1)
    nearest = of.pairs.neighbours[:, 0]
    return np.where(nearest >= 0, of.kept[nearest], -1)


@FEATURES.column("cosine", formula="⟨w, w'⟩ / (‖w‖ ‖w'‖)", cost=_SWEEP)
def cosine(of: Measured) -> Values:
    """Cosine with that neighbour, with its sign; missing where there is none."""
    if of.pairs is None:
        return np.full(len(of.kept), np.nan)
    return of.pairs.cosines[:, 0]


@FEATURES.column("block", dtype="int64", cost=_SWEEP)
def block(of: Measured) -> Values:
    """Block that the feature belongs to; −1 for zero features, and without pairs."""
    return np.full(len(of.kept), -1) if of.pairs is None else of.pairs.blocks


@FEATURES.column("group", dtype="int64", cost=_VERDICT)
def group(of: Measured) -> Values:
    """Spectral group that gathers the feature, 0 for the largest; −1 where none does, and without pairs."""
    found = np.full(len(of.kept), -1)
    for number, members in enumerate(of.verdict.gathered if of.verdict else ()):
        found[members] = number
    return found


FEATURES.joined(
    "link", "link", "Address of its description, for a sparse dictionary that has one.", dtype="str"
)
