"""The tables, from the matrices that are finished; their columns are declared in `featuregeom.measures`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from featuregeom.analysis import MatrixResult
from featuregeom.measures import BLOCKS, FEATURES, MATRICES, PAIRS, Measured, Table

__all__ = ["blocks", "features", "matrices", "pairs"]


def matrices(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per matrix."""
    rows = [{**result.row, "seconds": result.seconds} for result in results]
    return pd.DataFrame(rows, columns=list(MATRICES.dtypes)).astype(MATRICES.dtypes)


def features(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per feature."""
    return _long(results, FEATURES, [result.features for result in results], "index")


def pairs(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per significant pair of features."""
    return _long(results, PAIRS, [result.pairs for result in results], "i")


def _long(
    results: Sequence[MatrixResult], table: Table[Measured], parts: list[dict[str, np.ndarray]], counted: str
) -> pd.DataFrame:
    """Columns of all matrices, one after the other, beside the matrix that each row is of."""
    names = [result.row["matrix"] for result in results]
    codes = np.repeat(np.arange(len(results)), [len(part[counted]) for part in parts])
    columns = {
        name: pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
        if name == "matrix"
        else (np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)).astype(dtype)
        for name, dtype in table.dtypes.items()
    }
    return pd.DataFrame(columns)


def blocks(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per block."""
    rows = [row for result in results for row in result.blocks]
    return pd.DataFrame(rows, columns=list(BLOCKS.dtypes)).astype(BLOCKS.dtypes)
