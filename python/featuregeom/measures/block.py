"""Columns of the blocks table: one row per group of features that is orthogonal to all others."""

from __future__ import annotations

from featuregeom.measures.column import Table
from featuregeom.measures.measured import MeasuredBlock

__all__ = ["BLOCKS"]

BLOCKS: Table[MeasuredBlock] = Table("blocks")

_BLOCK = "b² m for a block of b features"
"""Cost of a block's own Gram matrix."""


@BLOCKS.column("matrix", dtype="str", shown=True)
def matrix(of: MeasuredBlock) -> str:
    """Name of the tensor."""
    return of.matrix


@BLOCKS.column("block", dtype="int64", shown=True)
def block(of: MeasuredBlock) -> int:
    """Number of the block, as in the features table."""
    return of.number


@BLOCKS.column("features", dtype="int64", shown=True)
def n(of: MeasuredBlock) -> int:
    """Features in the block."""
    return len(of.block.index)


@BLOCKS.column("dimensions", dtype="int64", cost=_BLOCK, shown=True)
def dim(of: MeasuredBlock) -> int:
    """Dimension: that of the geometry where it has a name, else the rank."""
    return of.block.dim


@BLOCKS.column("Gram values", dtype="Int64", cost=_BLOCK, shown=True)
def gram_values(of: MeasuredBlock) -> int | None:
    """Levels of its cosines, narrower than the gaps beside them; missing for a continuum, and above 512 features."""
    return of.block.gram_values


@BLOCKS.column("tightness", formula="std(λ) / mean(λ)", cost=_BLOCK, shown=True)
def tightness(of: MeasuredBlock) -> float:
    """Tightness of the block's own frame operator, over its `dim` leading eigenvalues; 0 for a tight frame."""
    return of.block.tightness


@BLOCKS.column("geometry", dtype="str", cost=_BLOCK, shown=True)
def geometry(of: MeasuredBlock) -> str:
    """Name of its geometry; empty where it has none."""
    return of.block.geometry


@BLOCKS.column("reason", dtype="str", cost=_BLOCK, shown=True)
def reason(of: MeasuredBlock) -> str:
    """Why it has no name; empty where it has one."""
    return of.block.reason


@BLOCKS.column("residual", cost=_BLOCK, shown=True)
def residual(of: MeasuredBlock) -> float:
    """Largest deviation of one of its cosines from that of the named geometry; missing without a name."""
    return of.block.residual
