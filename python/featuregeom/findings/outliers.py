"""Features and dimensions that are much larger than the others of their matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, quoted
from featuregeom.wording import known

__all__ = ["TEMPLATES", "TIMES", "find", "times_the_median"]

TIMES = 10
"""A feature or dimension counts from this many times the median length of its matrix on. Choice: the length of random
directions varies by 1 / sqrt(2 m), so that none is twice the median."""

FEATURES = Template(
    "outlier features",
    "in {who} {count:feature is|features are} more than {times} times as long as the median; the longest, {longest}, "
    "{ratio} times.",
    lambda f: f["count"] > 0 and f["ratio"] > f["times"],
)

DIMENSIONS = Template(
    "outlier dimensions",
    "in {who} {count:dimension is|dimensions are} more than {times} times as large as the median; the largest, "
    "dimension {index}, {ratio} times.",
    lambda f: f["count"] > 0 and f["ratio"] > f["times"],
)

TEMPLATES = (FEATURES, DIMENSIONS)


def find(tables: Tables) -> Iterator[Finding | None]:
    """Compare each feature's length, and each dimension's, with the median of its matrix."""
    for matrix, frame in tables.of(tables.features, "norm"):
        ratio = times_the_median(frame["norm"].to_numpy(dtype=np.float64))
        if not ratio.any():
            continue
        longest = int(ratio.argmax())
        count = int(np.sum(ratio > TIMES))
        figures: dict[str, Any] = {
            "who": quoted(matrix),
            "count": count,
            "times": TIMES,
            "longest": tables.name(matrix, int(frame["index"].iloc[longest])),
            "ratio": float(ratio[longest]),
        }
        yield FEATURES.finding(figures, strength=count / tables.n_features, matrix=matrix, part="unusual")
    for row in tables.rows:
        if not known(row.get("outlier_dimensions")) or not known(row.get("largest_dimension_ratio")):
            continue
        figures = {
            "who": quoted(row["matrix"]),
            "count": int(row["outlier_dimensions"]),
            "times": TIMES,
            "index": int(row["largest_dimension"]),
            "ratio": float(row["largest_dimension_ratio"]),
        }
        share = int(row["n"]) / tables.n_features * figures["count"] / max(int(row["m"]), 1)
        yield DIMENSIONS.finding(figures, strength=share, matrix=str(row["matrix"]), part="unusual")


def times_the_median(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each length as a multiple of the median one, zero features aside."""
    alive = norms > 0
    return norms / float(np.median(norms[alive])) if alive.any() else np.zeros(len(norms))
