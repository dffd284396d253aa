"""The three tables, from the matrices that are finished."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from featuregeom.survey.result import MatrixResult

__all__ = ["blocks", "features", "matrices"]

_MATRIX_COLUMNS = {
    "matrix": "str",
    "n": "int64",
    "m": "int64",
    "dtype": "str",
    "axis": "str",
    "rank": "int64",
    "lambda_min": "float64",
    "lambda_max": "float64",
    "condition": "float64",
    "tightness": "float64",
    "frame_potential": "float64",
    "coherence": "float64",
    "welch_bound": "float64",
    "sum_capacity": "float64",
    "saturation": "float64",
    "saturation_null": "float64",
    "saturation_excess": "float64",
    "eigenspaces": "int64",
    "tolerance": "float64",
    "null_tolerance": "float64",
    "rank_margin": "float64",
    "stable_rank": "float64",
    "effective_rank": "float64",
    "defect_error": "float64",
    "defect_bound": "float64",
    "zero_features": "int64",
    "dropped_rows": "int64",
    "blocks": "int64",
    "block_threshold": "float64",
    "geometry": "str",
    "seconds": "float64",
}

_FEATURE_COLUMNS = {
    "index": "int64",
    "norm": "float64",
    "kappa": "float64",
    "capacity": "float64",
    "leverage": "float64",
    "slack": "float64",
    "cv": "float64",
    "max_mass": "float64",
    "ipr": "float64",
    "entropy": "float64",
    "effective_eigenspaces": "float64",
    "eigenspace": "int64",
    "neighbour": "int64",
    "cosine": "float64",
    "block": "int64",
}

_BLOCK_COLUMNS = {
    "matrix": "str",
    "block": "int64",
    "n": "int64",
    "dim": "int64",
    "gram_values": "Int64",
    "tightness": "float64",
    "geometry": "str",
    "reason": "str",
    "residual": "float64",
}


def matrices(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per matrix."""
    rows = [{**result.row, "seconds": result.seconds} for result in results]
    return pd.DataFrame(rows, columns=list(_MATRIX_COLUMNS)).astype(_MATRIX_COLUMNS)


def features(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per feature."""
    columns = {
        name: np.concatenate([result.features[name] for result in results]).astype(dtype)
        if results
        else np.zeros(0, dtype)
        for name, dtype in _FEATURE_COLUMNS.items()
    }
    names = [result.row["matrix"] for result in results]
    codes = np.repeat(np.arange(len(results)), [len(result.features["index"]) for result in results])
    matrix = pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
    return pd.DataFrame({"matrix": matrix, **columns})


def blocks(results: Sequence[MatrixResult]) -> pd.DataFrame:
    """One row per block."""
    rows = [row for result in results for row in result.blocks]
    return pd.DataFrame(rows, columns=list(_BLOCK_COLUMNS)).astype(_BLOCK_COLUMNS)
