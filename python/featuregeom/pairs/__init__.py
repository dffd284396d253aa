"""Pairs of features: all of them in one sweep, and those that the spectral measures do not explain."""

from featuregeom.pairs.all_pairs import NO_GAP, Pairs, sweep
from featuregeom.pairs.significant import SignificantPairs, significant

__all__ = ["NO_GAP", "Pairs", "SignificantPairs", "significant", "sweep"]
__dir__ = __all__.copy
