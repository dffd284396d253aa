"""Trained dictionaries: whether a matrix differs from random, and what it holds beyond its spectrum."""

from featuregeom.dictionaries.groups import SpectralGroups, spectral_groups
from featuregeom.dictionaries.layers import by_layers, layers_of
from featuregeom.dictionaries.matching import Matching, Scores, match
from featuregeom.dictionaries.random_spectrum import expected_max_cosine, frame_potential_p, spectrum_edges
from featuregeom.dictionaries.sentence import SENTENCES, Verdict, verdict

__all__ = [
    "SENTENCES",
    "Matching",
    "Scores",
    "SpectralGroups",
    "Verdict",
    "by_layers",
    "expected_max_cosine",
    "frame_potential_p",
    "layers_of",
    "match",
    "spectral_groups",
    "spectrum_edges",
    "verdict",
]
__dir__ = __all__.copy
