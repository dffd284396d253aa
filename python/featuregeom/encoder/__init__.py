"""Neural networks as hash encoders: what the codes of their hidden units tell about samples.

Needs the extra "encoder".
"""

from __future__ import annotations

from featuregeom.encoder.evaluation import CodeDiversity, EncoderReport, evaluate, regions
from featuregeom.encoder.phase import DataSet, PhaseChart, digits, phase
from featuregeom.encoder.regimes import REGIMES, Thresholds, regime_table
from featuregeom.encoder.scores import contingency, hungarian_accuracy, purity

__all__ = [
    "REGIMES",
    "CodeDiversity",
    "DataSet",
    "EncoderReport",
    "PhaseChart",
    "Thresholds",
    "contingency",
    "digits",
    "evaluate",
    "hungarian_accuracy",
    "phase",
    "purity",
    "regime_table",
    "regions",
]
__dir__ = __all__.copy
