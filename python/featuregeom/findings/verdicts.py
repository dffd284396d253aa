"""Whether matrices differ from random, by what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from featuregeom.dictionaries import SENTENCES
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, joined, quoted, subject
from featuregeom.wording import known

__all__ = ["TEMPLATES", "find"]

RANDOM = Template(
    "verdict",
    "{matrices:matrix is|matrices are} no different from random directions, like weights that were never trained: "
    "{names}.",
    lambda f: f["pairs"] == 0 and f["gathered"] == 0 and f["matrices"] > 0,
)

SPECTRUM = Template(
    "verdict",
    "{matrices:matrix uses|matrices use} some directions more than others; apart from that, the features lie as random "
    "ones would, and no pair and no crowd of them is more than chance: {names}.",
    lambda f: f["pairs"] == 0 and f["gathered"] == 0 and f["matrices"] > 0,
)

PAIRS = Template(
    "verdict",
    "{who}: not random. {pairs:pair of features points|pairs of features point} in more similar or more opposite "
    "directions than chance explains (of such pairs, at most {q} in 100 are expected to be chance).",
    lambda f: f["pairs"] > 0 and 0 < f["structured"] <= f["matrices"],
)

GATHERED = Template(
    "groups",
    "{who}: {gathered:feature crowds|features crowd} together with others in a few directions, more than chance "
    "explains.",
    lambda f: f["gathered"] > 1,
)

TEMPLATES = (RANDOM, SPECTRUM, PAIRS, GATHERED)

_LEVEL = 1
"""False discoveries in 100 that the verdict of an analysis allows: `pairs.significant` with q = .01."""

_NAMED = 4
"""Matrices that are named where there are few."""


def find(tables: Tables) -> Iterator[Finding | None]:
    """Say which matrices are random, and for each kind of layer how the others are not."""
    yield _alike(tables, RANDOM, SENTENCES["random"])
    yield _alike(tables, SPECTRUM, SENTENCES["spectrum"])
    for layers, rows in tables.groups.items():
        if structured := [row for row in rows if row.get("verdict") == SENTENCES["structure"]]:
            yield from _beyond(tables, layers, structured, rows)


def _alike(tables: Tables, template: Template, sentence: str) -> Finding | None:
    """Name the matrices of one verdict, or what they are for where there are many."""
    parts = {
        layers: [row for row in rows if row.get("verdict") == sentence]
        for layers, rows in tables.groups.items()
    }
    rows = [row for part in parts.values() for row in part]
    names = [quoted(row["matrix"]) for row in rows]
    if len(rows) > _NAMED:
        names = [
            f"{len(part)} of {len(tables.groups[layers])} {layers}" for layers, part in parts.items() if part
        ]
    figures = {
        "matrices": len(rows),
        "names": joined(names, len(names)) if names else "",
        "pairs": _sum(rows, "significant_pairs"),
        "gathered": _sum(rows, "gathered_features"),
    }
    share = sum(int(row["n"]) for row in rows) / tables.n_features
    return template.finding(figures, strength=share, matrix=str(rows[0]["matrix"]) if len(rows) == 1 else "")


def _beyond(
    tables: Tables, layers: str, structured: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> Iterator[Finding | None]:
    """Give the structure of one kind of layer beyond the spectrum: its pairs, and its crowds."""
    gathered = _sum(structured, "gathered_features")
    paired = [
        row for row in structured if known(row.get("significant_pairs")) and row["significant_pairs"] > 0
    ]
    figures: dict[str, Any] = {
        "who": _part_of(layers, paired, rows, tables),
        "matrices": len(rows),
        "structured": len(paired),
        "pairs": _sum(structured, "significant_pairs"),
        "gathered": gathered,
        "q": _LEVEL,
    }
    share = sum(int(row["n"]) for row in paired) / tables.n_features
    yield PAIRS.finding(figures, strength=share, matrix=_most(structured, "significant_pairs"), part="pairs")
    crowded = gathered / tables.n_features
    crowds = [
        row for row in structured if known(row.get("gathered_features")) and row["gathered_features"] > 0
    ]
    figures |= {"who": _part_of(layers, crowds, rows, tables)}
    yield GATHERED.finding(
        figures, strength=crowded, matrix=_most(structured, "gathered_features"), part="spectrum"
    )


def _part_of(layers: str, part: list[dict[str, Any]], rows: list[dict[str, Any]], tables: Tables) -> str:
    """Call those matrices of a kind of layer that a sentence is about."""
    if len(part) in (0, 1, len(rows)):
        return subject(layers, part or rows, tables)
    return f"the {layers} ({len(part)} of {len(rows)} matrices)"


def _sum(rows: list[dict[str, Any]], column: str) -> int:
    return sum(int(row[column]) for row in rows if known(row.get(column)))


def _most(rows: list[dict[str, Any]], column: str) -> str:
    """Name the matrix with the most."""
    return str(max(rows, key=lambda row: row[column] if known(row.get(column)) else -1)["matrix"])
