"""The eigenspaces of two sets of features against each other: two layers, or two checkpoints.

They are compared by what does not depend on a basis: overlaps of eigenspaces and principal angles between them,
distances of spectral measures; never single eigenvectors.
"""

from featuregeom.comparison.angles import on_frame_side, principal_angles
from featuregeom.comparison.distances import js_distance
from featuregeom.comparison.eigenspaces import Match, match_eigenspaces
from featuregeom.comparison.on_rays import Rays, rays
from featuregeom.comparison.subspaces import TopSubspaces, top_subspaces

__all__ = [
    "Match",
    "Rays",
    "TopSubspaces",
    "js_distance",
    "match_eigenspaces",
    "on_frame_side",
    "principal_angles",
    "rays",
    "top_subspaces",
]
__dir__ = __all__.copy
