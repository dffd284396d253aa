"""Whether matrices differ from random, by what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from featuregeom.dictionaries import SENTENCES
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, subject
from featuregeom.wording import known

__all__ = ["TEMPLATES", "find"]

RANDOM = Template(
    "verdict", "{who}: no different from random directions, like weights that were never trained.",
    lambda f: f["pairs"] == 0 and f["gathered"] == 0 and f["matrices"] > 0,
)  # fmt: skip

SPECTRUM = Template(
    "verdict",
    "{who}: some directions are used more than others. Apart from that, the features lie as random ones would: no pair "
    "and no crowd of them is more than chance.",
    lambda f: f["pairs"] == 0 and f["gathered"] == 0 and f["matrices"] > 0,
)

PAIRS = Template(
    "verdict",
    "{who}: not random. {pairs:pair|pairs} of features point in more similar or more opposite directions than chance "
    "explains (of such pairs, at most {q} in 100 are expected to be chance).",
    lambda f: f["pairs"] > 0,
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


def find(tables: Tables) -> Iterator[Finding | None]:
    """Say for each kind of layer which matrices are random, and how the others are not."""
    for layers, rows in tables.groups.items():
        for sentence in SENTENCES.values():
            part = [row for row in rows if row.get("verdict") == sentence]
            if part:
                yield from _said(tables, layers, part, sentence)


def _said(tables: Tables, layers: str, rows: list[dict[str, Any]], sentence: str) -> Iterator[Finding | None]:
    gathered = _sum(rows, "gathered_features")
    figures: dict[str, Any] = {
        "who": subject(layers, rows, tables),
        "matrices": len(rows),
        "pairs": _sum(rows, "significant_pairs"),
        "gathered": gathered,
        "q": _LEVEL,
    }
    share = sum(int(row["n"]) for row in rows) / tables.n_features
    if sentence != SENTENCES["structure"]:
        template = RANDOM if sentence == SENTENCES["random"] else SPECTRUM
        yield template.finding(figures, strength=share, matrix=str(rows[0]["matrix"]))
        return
    most = _most(rows, "significant_pairs")
    yield PAIRS.finding(figures, strength=share, matrix=most, part="pairs")
    crowded = gathered / tables.n_features
    yield GATHERED.finding(
        figures, strength=crowded, matrix=_most(rows, "gathered_features"), part="spectrum"
    )


def _sum(rows: list[dict[str, Any]], column: str) -> int:
    return sum(int(row[column]) for row in rows if known(row.get(column)))


def _most(rows: list[dict[str, Any]], column: str) -> str:
    """Name the matrix with the most."""
    return str(max(rows, key=lambda row: row[column] if known(row.get(column)) else -1)["matrix"])
