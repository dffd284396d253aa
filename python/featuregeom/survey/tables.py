"""The tables, from the matrices that are finished; their columns are declared in `featuregeom.measures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from featuregeom.analysis import MatrixResult
from featuregeom.measures import BLOCKS, FAMILIES, FEATURES, MATRICES, PAIRS, Measured, Table

__all__ = ["blocks", "families", "features", "matrices", "pairs"]


def matrices(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per matrix."""
    rows = [{**result.row, "seconds": result.seconds} for result in results]
    return _short(rows, MATRICES)


def features(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per feature."""
    parts = [
        result.features
        | {
            "label": _labels(result, result.features["index"]),
            "link": _links(result, result.features["index"]),
            "density": _densities(result, result.features["index"]),
        }
        for result in results
    ]
    return _long(results, FEATURES, parts, "index")


def pairs(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per significant pair of features."""
    parts = [
        result.pairs | {f"label_{end}": _labels(result, result.pairs[end]) for end in ("i", "j")}
        for result in results
    ]
    return _long(results, PAIRS, parts, "i")


def _labels(result: MatrixResult, index: np.ndarray) -> np.ndarray:
    """Names of features by their index; None for those that have none."""
    labels = result.labels
    return np.array([labels[place] if labels else None for place in index.tolist()], dtype=object)


def _links(result: MatrixResult, index: np.ndarray) -> np.ndarray:
    return np.array(
        [f"{result.link}/{place}" if result.link else None for place in index.tolist()], dtype=object
    )


def _densities(result: MatrixResult, index: np.ndarray) -> np.ndarray:
    return np.full(len(index), np.nan) if result.density is None else result.density[index]


def _long(
    results: Sequence[MatrixResult], table: Table[Measured], parts: list[dict[str, np.ndarray]], counted: str
) -> pd.DataFrame:
    """Columns of all matrices, one after the other, beside the matrix that each row is of."""
    names = [result.row["matrix"] for result in results]
    codes = np.repeat(np.arange(len(results)), [len(part[counted]) for part in parts])
    columns = {
        name: pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
        if name == "matrix"
        else _column([part[name] for part in parts], dtype)
        for name, dtype in table.dtypes.items()
    }
    return pd.DataFrame(columns)


def _short(rows: Sequence[Mapping[str, Any]], table: Table[Any]) -> pd.DataFrame:
    """Columns from rows, each made in its type: to change the types of a table afterwards takes ten times as long."""
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=dtype)
            for name, dtype in table.dtypes.items()
        }
    )


def _column(parts: list[np.ndarray], dtype: str) -> Any:
    values = np.concatenate(parts) if parts else np.zeros(0, dtype=object if dtype == "str" else np.float64)
    if dtype != "str":
        return values.astype(dtype)
    # Before pandas 3 its "str" spells a missing text out.
    missing_stays = pd.Series([None], dtype="str").isna().all()
    return pd.Series(values, dtype="str" if missing_stays else object)


def blocks(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per block."""
    rows = [row for result in results for row in result.blocks]
    return _short(rows, BLOCKS)


def families(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per family of features."""
    rows = [
        row | {"labels": _labels(result, np.array(row["members"])).tolist() if result.labels else None}
        for result in results
        for row in result.families
    ]
    return _short(rows, FAMILIES)
