"""Names of geometries: by relations, spectrum and cosines, never by parameters alone."""

from featuregeom.recognise.names.classical import Classical, classical, fills_dimension, fits_dimension
from featuregeom.recognise.names.match import Match, align_catalogue, matches, of_classical, placed

__all__ = [
    "Classical",
    "Match",
    "align_catalogue",
    "classical",
    "fills_dimension",
    "fits_dimension",
    "matches",
    "of_classical",
    "placed",
]
