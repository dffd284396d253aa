"""Tables of findings, planted in plain NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from featuregeom.dictionaries import SENTENCES
from featuregeom.findings import Tables, find
from featuregeom.findings.outliers import TIMES
from oracles.analysis import make_analysis


def gaussian(n, m, seed=0):
    return np.random.default_rng(seed).standard_normal((n, m))


def findings_of(matrices, **more):
    """Findings by kind, of tables that plain NumPy made."""
    return by_kind(make_analysis(matrices), **more)


def by_kind(analysis, **more):
    tables = Tables(
        analysis.matrices, analysis.features, analysis.blocks, more.get("pairs"), more.get("families")
    )
    kinds = {}
    for finding in find(tables):
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def judged(analysis, verdicts, pairs, gathered):
    """The tables with the columns of a verdict."""
    from dataclasses import replace

    columns = {"verdict": verdicts, "significant_pairs": pairs, "gathered_features": gathered}
    return replace(analysis, matrices=analysis.matrices.assign(**columns))


def rows_of(*rows):
    """A matrices table; each row says what differs from a plain matrix."""
    return pd.DataFrame([{"matrix": f"w{k}", "n": 100, "m": 10} | row for k, row in enumerate(rows)])


def verdict(kind, pairs=0, gathered=0, **more):
    counts = {"significant_pairs": pairs, "gathered_features": gathered}
    return {"verdict": SENTENCES[kind]} | counts | more


def features_of(**columns):
    (n,) = {len(column) for column in columns.values()}
    return pd.DataFrame({"matrix": "w0", "index": np.arange(n), "norm": 1.0} | columns)


def near(cosine):
    """Tables of four features in ten dimensions, two of which have this cosine."""
    even = {"frame_potential": 10.0, "lambda_max": 1.0, "stable_rank": 10.0}
    return Tables(rows_of(even), features_of(cosine=[cosine, cosine, 0.1, 0.1]))


FAMILY = {"matrix": "w0", "size": 2, "kind": "cluster", "name": "", "p": 0.01, "members": [0, 1]}
PAIR = {"matrix": "w0", "i": 0, "j": 1, "cosine": 0.9, "z": 9.0, "q": 0.001}
BLOCK = {"matrix": "w0", "n": 5, "dim": 2, "geometry": "pentagon"}
EVERYTHING = verdict(
    "random", rank=10, zero_features=0, largest_dimension=0, largest_dimension_ratio=1.0, outlier_dimensions=0
)


def tables_of(X):
    """The tables without blocks, in plain NumPy."""
    X = np.asarray(X, dtype=float)
    norms = np.linalg.norm(X, axis=1)
    unit = X / np.where(norms > 0, norms, 1)[:, None]
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    values = np.linalg.eigvalsh(X.T @ X)
    sizes = np.linalg.norm(X, axis=0)
    ratio = sizes / np.median(sizes[sizes > 0])
    nearest = np.abs(cosine).argmax(axis=1)
    return Tables(
        pd.DataFrame([{
            "matrix": "w", "n": X.shape[0], "m": X.shape[1], "rank": np.linalg.matrix_rank(X),
            "zero_features": int(np.sum(norms == 0)), "frame_potential": float(values @ values),
            "lambda_max": float(values[-1]), "stable_rank": float(values.sum() / values[-1]),
            "outlier_dimensions": int(np.sum(ratio > TIMES)), "largest_dimension": int(ratio.argmax()),
            "largest_dimension_ratio": float(ratio.max()),
        }]),
        pd.DataFrame({
            "matrix": "w", "index": np.arange(len(X)), "norm": norms,
            "cosine": cosine[np.arange(len(X)), nearest] if len(X) > 1 else np.nan,
        }),
    )  # fmt: skip
