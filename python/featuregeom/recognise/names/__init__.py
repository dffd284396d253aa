"""Names of geometries: by relations, spectrum and cosines, never by parameters alone."""

from featuregeom.recognise.names.classical import Classical, classical, fits_dimension
from featuregeom.recognise.names.match import Match, laid_over, matches, of_classical

__all__ = ["Classical", "Match", "classical", "fits_dimension", "laid_over", "matches", "of_classical"]
