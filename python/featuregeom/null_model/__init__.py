"""Null models: random features, which keep more and more of the given ones, and what they measure.

- `directions`: the norms, and every direction is random. Is there any structure?
- `spectrum`: the frame operator, exactly, and which feature has which part of it is random. Is localisation or
  saturation more than this spectrum gives anyway?
- `measure`: each feature's norm in every eigenspace, and its direction inside each is random. Which pairs are more than
  the spectral measures give?
"""

from featuregeom.null_model.directions import (
    NUMBERS,
    RandomFrameNull,
    Saturation,
    Score,
    expected_saturation,
    null_dimensions,
    random_frame_null,
    saturation,
    saturation_p,
)
from featuregeom.null_model.keeping_measures import measure_draws, measure_null
from featuregeom.null_model.keeping_spectrum import SpectrumNull, spectrum_draws, spectrum_null
from featuregeom.null_model.ranks import RankTest, rank_test

__all__ = [
    "NUMBERS",
    "RandomFrameNull",
    "RankTest",
    "Saturation",
    "Score",
    "SpectrumNull",
    "expected_saturation",
    "measure_draws",
    "measure_null",
    "null_dimensions",
    "random_frame_null",
    "rank_test",
    "saturation",
    "saturation_p",
    "spectrum_draws",
    "spectrum_null",
]
__dir__ = __all__.copy
