"""Eigenspaces of the frame operator, and how each feature's norm is spread over them.

Everything here is per eigenSPACE. Inside a degenerate eigenspace the eigenvectors are an arbitrary basis, and a
number that depends on them means nothing.
"""

from featuregeom.spectra.decomposition import spectrum
from featuregeom.spectra.eigenspaces import Eigenspace, Persistence, Spectrum
from featuregeom.spectra.spectral_measures import Measures, measures

__all__ = ["Eigenspace", "Measures", "Persistence", "Spectrum", "measures", "spectrum"]
__dir__ = __all__.copy
