"""The main job: every matrix of a source, measured one after another into tables and a page."""

from featuregeom.analysis import Analysis
from featuregeom.survey.checkpoints import Checkpoints, read_checkpoints
from featuregeom.survey.job import analyze
from featuregeom.survey.machine import Machine, calibrate
from featuregeom.survey.plan import Description, Estimate, describe, estimate
from featuregeom.survey.store import load
from featuregeom.survey.two_sources import SourceComparison, compare_sources

__all__ = [
    "Analysis",
    "Checkpoints",
    "Description",
    "Estimate",
    "Machine",
    "SourceComparison",
    "analyze",
    "calibrate",
    "compare_sources",
    "describe",
    "estimate",
    "load",
    "read_checkpoints",
]
__dir__ = __all__.copy
