"""Findings: what stands in the tables of an analysis, in sentences with their figures, strongest first."""

from featuregeom.findings.collected import Findings, Tables, find
from featuregeom.findings.many import families_beyond_chance
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import group_order, joined, natural, quoted

__all__ = [
    "Finding",
    "Findings",
    "Tables",
    "Template",
    "families_beyond_chance",
    "find",
    "group_order",
    "joined",
    "natural",
    "quoted",
]
__dir__ = __all__.copy
