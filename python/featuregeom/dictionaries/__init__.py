"""Trained dictionaries: whether a matrix differs from random, and what it holds beyond its spectrum."""

from featuregeom.dictionaries.groups import SpectralGroups, spectral_groups
from featuregeom.dictionaries.random_spectrum import expected_max_cosine, frame_potential_p, spectrum_edges
from featuregeom.dictionaries.sentence import Verdict, verdict

__all__ = [
    "SpectralGroups",
    "Verdict",
    "expected_max_cosine",
    "frame_potential_p",
    "spectral_groups",
    "spectrum_edges",
    "verdict",
]
__dir__ = __all__.copy
