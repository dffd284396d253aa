"""Neural networks as hash encoders: what the codes of their hidden units tell about samples.

Needs the extra "encoder".
"""

from __future__ import annotations

from featuregeom.encoder.evaluation import EncoderReport, Regions, evaluate, regions
from featuregeom.encoder.phase import DataSet, PhaseChart, digits, phase
from featuregeom.encoder.regimes import REGIMES, Thresholds, regime_table
from featuregeom.encoder.scores import contingency, hungarian_accuracy, purity

__all__ = [
    "REGIMES",
    "DataSet",
    "EncoderReport",
    "PhaseChart",
    "Regions",
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
