"""Small models, trained on the spot, whose learned geometry is known or can be reasoned about."""

from featuregeom.toys import gallery, superposition, sweeps

__all__ = ["gallery", "superposition", "sweeps"]
