"""Blocks of features: the summands into which a set of features falls apart, and what each one is."""

from featuregeom.blocks.block import GRAM_LIMIT, TIGHT, Block
from featuregeom.blocks.decomposition import Decomposition, decompose, groups
from featuregeom.blocks.describe import describe_block, describe_blocks

__all__ = [
    "GRAM_LIMIT",
    "TIGHT",
    "Block",
    "Decomposition",
    "decompose",
    "describe_block",
    "describe_blocks",
    "groups",
]
__dir__ = __all__.copy
