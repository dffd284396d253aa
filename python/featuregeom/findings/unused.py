"""What takes no part: features left out or zero, features that never fire, dimensions that no feature uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, joined, quoted
from featuregeom.wording import known, number

__all__ = ["TEMPLATES", "enough", "find"]

ZERO = Template(
    "zero",
    "{zero:feature is|features are} zero in every weight, without any part in what the matrix does: {where}.",
    lambda f: f["zero"] > 0,
)  # fmt: skip

DROPPED = Template(
    "dropped", "{dropped:feature was|features were} left out for NaN or infinity: {where}.",
    lambda f: f["dropped"] > 0,
)  # fmt: skip

SILENT = Template(
    "unused", "{silent:feature|features} of {who} never fired in the data that its file counted.",
    lambda f: f["silent"] > 0,
)  # fmt: skip

DIMENSIONS = Template(
    "dimensions",
    "the {features:feature|features} of {who} leave {unused:dimension|dimensions} of {dimensions} unused.",
    lambda f: f["unused"] > 0 and f["features"] >= f["dimensions"],
)

TEMPLATES = (ZERO, DROPPED, SILENT, DIMENSIONS)

_SHOWN = 3
"""Matrices that a sentence names."""


def find(tables: Tables) -> Iterator[Finding | None]:
    """Give features that are zero, left out or silent, and dimensions that enough features leave unused."""
    zero = [row for row in tables.rows if known(row.get("zero_features")) and row["zero_features"] > 0]
    if zero:
        zero.sort(key=lambda row: -int(row["zero_features"]))
        total = sum(int(row["zero_features"]) for row in zero)
        where = [
            f"{number(row['zero_features'])} of {number(row['n'])} in {quoted(row['matrix'])}" for row in zero
        ]
        figures: dict[str, Any] = {"zero": total, "matrices": len(zero), "where": joined(where, _SHOWN)}
        yield ZERO.finding(
            figures, strength=total / tables.n_features, matrix=str(zero[0]["matrix"]), part="unusual"
        )
    yield _dropped(tables)
    yield from _silent(tables)
    for row in tables.rows:
        if not known(row.get("rank")):
            continue
        alive = int(row["n"]) - int(row["zero_features"])
        figures = {
            "who": quoted(row["matrix"]),
            "features": alive,
            "unused": int(row["m"]) - int(row["rank"]),
            "dimensions": int(row["m"]),
        }
        share = alive / tables.n_features * figures["unused"] / max(figures["dimensions"], 1)
        if enough(row):
            yield DIMENSIONS.finding(figures, strength=share, matrix=str(row["matrix"]), part="spectrum")


def enough(row: Mapping[str, Any]) -> bool:
    """Say whether a matrix has as many nonzero features as dimensions, so that one left unused is worth a word."""
    return bool(row["rank"] and int(row["n"]) - int(row["zero_features"]) >= int(row["m"]))


def _dropped(tables: Tables) -> Finding | None:
    """Give the features that were left out because they hold NaN or infinity."""
    held = [row for row in tables.rows if known(row.get("dropped_rows")) and row["dropped_rows"] > 0]
    if not held:
        return None
    held.sort(key=lambda row: -int(row["dropped_rows"]))
    total = sum(int(row["dropped_rows"]) for row in held)
    where = [
        f"{number(row['dropped_rows'])} of {number(row['n'] + row['dropped_rows'])} in {quoted(row['matrix'])}"
        for row in held
    ]
    figures: dict[str, Any] = {"dropped": total, "matrices": len(held), "where": joined(where, _SHOWN)}
    return DROPPED.finding(
        figures, strength=total / (total + tables.n_features), matrix=str(held[0]["matrix"])
    )


def _silent(tables: Tables) -> Iterator[Finding | None]:
    """Give the features that never fired, once where an encoder and its decoder have the same."""
    same: dict[bytes, list[str]] = {}
    for matrix, frame in tables.of(tables.features, "density"):
        same.setdefault((frame["density"].to_numpy(dtype=np.float64) == 0).tobytes(), []).append(matrix)
    for where, matrices in same.items():
        silent = where.count(1)
        first, *others = map(quoted, matrices)
        who = f"{first} (the same of {joined(others, _SHOWN)})" if others else first
        share = silent * len(matrices) / tables.n_features
        yield SILENT.finding(
            {"who": who, "silent": silent}, strength=share, matrix=matrices[0], part="unusual"
        )
