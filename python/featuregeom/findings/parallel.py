"""Features that have a copy, or an opposite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, quoted
from featuregeom.wording import known

__all__ = ["ON_A_LINE", "TEMPLATES", "find", "limit", "parallel_from"]

NEARLY = 0.999
"""Least |cosine| of a copy or an opposite (within 2.6 degrees)."""

ON_A_LINE = (1 + NEARLY) / 2
"""Least share of squared length along one line of a family that is called copies or opposites without a "nearly": two
features of the cosine `NEARLY` have it."""

CHANCE = 0.01
"""Most pairs expected among random directions above the limit, so that the sentence says more than chance does."""

COPIES = Template(
    "copies",
    "in {who} {features:feature has a copy|features have a copy}: another that points in the same direction, "
    "to within {angle:degree|degrees}.",
    lambda f: f["features"] > 0 and f["least"] >= f["limit"],
)

OPPOSITES = Template(
    "antipodes",
    "in {who} {features:feature has an opposite|features have an opposite}: another that points the other way, "
    "to within {angle:degree|degrees}.",
    lambda f: f["features"] > 0 and f["least"] >= f["limit"],
)

TEMPLATES = (COPIES, OPPOSITES)


def find(tables: Tables) -> Iterator[Finding | None]:
    """Count per matrix the features whose nearest other is a copy or an opposite, where chance makes none."""
    held = {row["matrix"]: row for row in tables.rows}
    for matrix, frame in tables.of(tables.features, "cosine"):
        cosine = frame["cosine"].to_numpy(dtype=np.float64)
        least = parallel_from(cosine, held[matrix])
        for template, sign in ((COPIES, 1), (OPPOSITES, -1)):
            found = sign * cosine[sign * cosine >= least]
            figures = {
                "who": quoted(matrix),
                "features": len(found),
                "limit": least,
                "least": float(found.min()) if len(found) else 0.0,
                "angle": _degrees(float(found.min())) if len(found) else 180,
            }
            yield template.finding(
                figures, strength=len(found) / tables.n_features, matrix=matrix, part="unusual"
            )


def parallel_from(cosine: NDArray[np.float64], row: Mapping[str, Any]) -> float:
    """Give the |cosine| from which a feature of a matrix has a copy or an opposite.

    Parameters
    ----------
    cosine : ndarray of float64, shape (n,)
        Each feature's cosine with its nearest other, NaN where it has none.
    row : mapping
        The matrix's row of the matrices table.

    Returns
    -------
    float
        As `limit`.
    """
    return limit(int(np.isfinite(cosine).sum()), _effective(row))


def _degrees(cosine: float) -> int:
    """Round an angle up to whole degrees."""
    return max(1, math.ceil(math.degrees(math.acos(min(cosine, 1.0)))))


def _effective(row: Mapping[str, Any]) -> float:
    """Give the dimensions that count, (tr F)² / tr F²: where one holds nearly all length, many pairs are close."""
    potential = row.get("frame_potential")
    if not known(potential) or not potential:
        return 0.0
    return float(row["stable_rank"] * row["lambda_max"]) ** 2 / float(potential)


def limit(n: int, dims: float) -> float:
    """Give the |cosine| from which a pair counts, above which random directions have less than `CHANCE` pairs.

    Parameters
    ----------
    n : int
        Features.
    dims : float
        Dimensions that they use.

    Returns
    -------
    float
        At least `NEARLY`, and 1 less rounding where few dimensions count; infinity in one, where all are parallel.
    """
    from scipy.special import betaincinv

    if dims < 1 + 1e-9 or n < 2:
        return np.inf
    # |cos| >= t has the probability I(1 - t²; (d - 1) / 2, 1 / 2).
    share = min(CHANCE / (n * (n - 1) / 2), 1.0)
    return max(NEARLY, float(np.sqrt(1 - betaincinv((dims - 1) / 2, 0.5, share))) - 1e-12)
