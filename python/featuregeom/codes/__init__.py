"""Neural codes: which units of a network an input switches on, one bit each, packed, counted and compared.

``capture`` reads codes from a torch model and ``pack`` from arrays; `CodeCounter` counts the distinct ones exactly in
a stream; `hamming_knn` and its kin compare them.
"""

from featuregeom.codes.capture import capture
from featuregeom.codes.clusters import Clusters, k_majority
from featuregeom.codes.counter import CodeCounter, label_purity
from featuregeom.codes.hamming import (
    class_distances,
    hamming_distances,
    hamming_knn,
    hamming_vote,
    jaccard_distances,
    range_counts,
)
from featuregeom.codes.kernel import Naswot, naswot
from featuregeom.codes.packed import Codes, Layer, fingerprints, pack
from featuregeom.codes.sketch import DistinctSketch, distinct_sketch

__all__ = [
    "Clusters",
    "CodeCounter",
    "Codes",
    "DistinctSketch",
    "Layer",
    "Naswot",
    "capture",
    "class_distances",
    "distinct_sketch",
    "fingerprints",
    "hamming_distances",
    "hamming_knn",
    "hamming_vote",
    "jaccard_distances",
    "k_majority",
    "label_purity",
    "naswot",
    "pack",
    "range_counts",
]
__dir__ = __all__.copy
