"""The three tables, from the matrices that are finished; their columns are declared in `featuregeom.measures`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from featuregeom.analysis import MatrixResult
from featuregeom.measures import BLOCKS, FEATURES, MATRICES

__all__ = ["blocks", "features", "matrices"]


def matrices(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per matrix."""
    rows = [{**result.row, "seconds": result.seconds} for result in results]
    return pd.DataFrame(rows, columns=list(MATRICES.dtypes)).astype(MATRICES.dtypes)


def features(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per feature."""
    names = [result.row["matrix"] for result in results]
    codes = np.repeat(np.arange(len(results)), [len(result.features["index"]) for result in results])
    columns = {
        name: pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
        if name == "matrix"
        else _joined(results, name).astype(dtype)
        for name, dtype in FEATURES.dtypes.items()
    }
    return pd.DataFrame(columns)


def _joined(results: Sequence[MatrixResult], name: str) -> np.ndarray:
    return np.concatenate([result.features[name] for result in results]) if results else np.zeros(0)


def blocks(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per block."""
    rows = [row for result in results for row in result.blocks]
    return pd.DataFrame(rows, columns=list(BLOCKS.dtypes)).astype(BLOCKS.dtypes)
