"""The columns of the tables of an analysis, each declared once beside the function that computes it.

Tables, the page's headings and tooltips, docs/reference/tables.md and the tests iterate over these records, so a
new column is one function here and its oracle in the tests.
"""

from featuregeom.measures.block import BLOCKS
from featuregeom.measures.column import Column, Table
from featuregeom.measures.family import FAMILIES
from featuregeom.measures.feature import FEATURES
from featuregeom.measures.matrix import MATRICES
from featuregeom.measures.measured import Measured, MeasuredBlock, MeasuredFamily
from featuregeom.measures.pair import PAIRS

__all__ = [
    "BLOCKS",
    "FAMILIES",
    "FEATURES",
    "MATRICES",
    "PAIRS",
    "TABLES",
    "Column",
    "Measured",
    "MeasuredBlock",
    "MeasuredFamily",
    "Table",
]

TABLES: tuple[Table[Measured] | Table[MeasuredBlock] | Table[MeasuredFamily], ...] = (
    MATRICES,
    FEATURES,
    BLOCKS,
    PAIRS,
    FAMILIES,
)
"""The tables of an analysis, in the order in which they are documented."""
