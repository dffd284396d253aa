"""The main job: every matrix of a source, measured one after another into three tables and a page."""

from featuregeom.analysis import Analysis
from featuregeom.survey.job import analyze
from featuregeom.survey.plan import Description, Estimate, describe, estimate
from featuregeom.survey.store import load

__all__ = ["Analysis", "Description", "Estimate", "analyze", "describe", "estimate", "load"]
__dir__ = __all__.copy
