"""Trained dictionaries: whether a matrix differs from random, and what it holds beyond its spectrum."""

from featuregeom.dictionaries.autoencoder import Autoencoder, read_autoencoder
from featuregeom.dictionaries.circle import Shape, shape
from featuregeom.dictionaries.comparing import Comparison, compare
from featuregeom.dictionaries.density import WeightedCapacity, read_density, weighted_capacity
from featuregeom.dictionaries.examination import Examination, examine
from featuregeom.dictionaries.families import Families, families
from featuregeom.dictionaries.family_changes import FamilyChanges, family_changes
from featuregeom.dictionaries.groups import SpectralGroups, spectral_groups
from featuregeom.dictionaries.interference import Interference, interference
from featuregeom.dictionaries.layers import by_layers, layers_of
from featuregeom.dictionaries.matching import Matching, Scores, match
from featuregeom.dictionaries.random_spectrum import expected_max_cosine, frame_potential_p, spectrum_edges
from featuregeom.dictionaries.readout import (
    Antipodes,
    Readout,
    RelatedLatents,
    antipodes,
    readout,
    related_latents,
)
from featuregeom.dictionaries.sentence import FEW_DIMENSIONS, NAMED, SENTENCES, Verdict, verdict

__all__ = [
    "FEW_DIMENSIONS",
    "NAMED",
    "SENTENCES",
    "Antipodes",
    "Autoencoder",
    "Comparison",
    "Examination",
    "Families",
    "FamilyChanges",
    "Interference",
    "Matching",
    "Readout",
    "RelatedLatents",
    "Scores",
    "Shape",
    "SpectralGroups",
    "Verdict",
    "WeightedCapacity",
    "antipodes",
    "by_layers",
    "compare",
    "examine",
    "expected_max_cosine",
    "families",
    "family_changes",
    "frame_potential_p",
    "interference",
    "layers_of",
    "match",
    "read_autoencoder",
    "read_density",
    "readout",
    "related_latents",
    "shape",
    "spectral_groups",
    "spectrum_edges",
    "verdict",
    "weighted_capacity",
]
__dir__ = __all__.copy
