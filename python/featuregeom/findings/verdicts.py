"""Whether matrices differ from random, by what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from featuregeom.dictionaries import SENTENCES
from featuregeom.dictionaries.sentence import Kind
from featuregeom.findings import families, parallel
from featuregeom.findings.many import LEVEL, Sure, sure
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import OTHERS, Tables, called, joined, quoted, subject
from featuregeom.wording import known

__all__ = ["TEMPLATES", "find"]


def _without_structure(figures: Mapping[str, Any]) -> bool:
    return bool(figures["pairs"] == 0 and figures["gathered"] == 0 and figures["matrices"] > 0)


_REST = (
    "apart from that, the features lie as random ones would, and no pair and no crowd of them is more than that "
    "explains"
)

_IN_THESE = "in families, copies, opposites or shapes"

_SOME = "apart from that, only some of the features differ from random ones, " + _IN_THESE

RANDOM = Template(
    "verdict",
    "{matrices:matrix is|matrices are} no different from random directions, like weights that were never trained: "
    "{names}.",
    _without_structure,
)

RANDOM_BUT = Template(
    "verdict",
    "as a whole, {matrices:matrix is|matrices are} no different from random directions, but some of the features are, "
    + _IN_THESE
    + ": {names}.",
    _without_structure,
)

SPECTRUM = Template(
    "verdict",
    "{matrices:matrix uses|matrices use} some directions more than others; " + _REST + ": {names}.",
    _without_structure,
)

SPECTRUM_BUT = Template(
    "verdict",
    "{matrices:matrix uses|matrices use} some directions more than others; " + _SOME + ": {names}.",
    _without_structure,
)

EVEN = Template(
    "verdict",
    "{matrices:matrix uses its|matrices use their} directions more evenly than random features would; "
    + _REST
    + ": {names}.",
    _without_structure,
)

EVEN_BUT = Template(
    "verdict",
    "{matrices:matrix uses its|matrices use their} directions more evenly than random features would; "
    + _SOME
    + ": {names}.",
    _without_structure,
)

UNDECIDED = Template(
    "verdict",
    "{matrices:matrix has|matrices have} too few features or directions to be told from random ones: {names}.",
    _without_structure,
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

BY_CHANCE = Template(
    "by chance",
    "{matrices:matrix differs|matrices differ} a little from random directions, but no more than chance explains where "
    "{judged} are looked at: {names}.",
    lambda f: 0 < f["matrices"] < f["judged"],
)

TEMPLATES = (
    RANDOM,
    RANDOM_BUT,
    SPECTRUM,
    SPECTRUM_BUT,
    EVEN,
    EVEN_BUT,
    UNDECIDED,
    PAIRS,
    GATHERED,
    BY_CHANCE,
)

_NAMED = 4
"""Matrices that are named where there are few."""


def find(tables: Tables) -> Iterator[Finding | None]:
    """Say which matrices are random, and for each kind of layer how the others are not."""
    counted = sure(tables)
    even = {str(row["matrix"]) for row in tables.rows if _is_even(row)}
    random, listed = _said(tables, "random"), _listed_by_themselves(tables)
    yield _alike(tables, RANDOM, random - listed)
    yield _alike(tables, RANDOM_BUT, random & listed)
    yield _alike(tables, UNDECIDED, _said(tables, "undecided"))
    yield _alike(tables, SPECTRUM, counted.spectrum - even - listed)
    yield _alike(tables, SPECTRUM_BUT, (counted.spectrum - even) & listed)
    yield _alike(tables, EVEN, (counted.spectrum & even) - listed)
    yield _alike(tables, EVEN_BUT, counted.spectrum & even & listed)
    for layers, rows in tables.groups.items():
        yield from _beyond(tables, layers, rows, counted)
    yield _alike(tables, BY_CHANCE, counted.chance, judged=counted.judged)


def _said(tables: Tables, kind: Kind) -> set[str]:
    """Name the matrices of one verdict."""
    return {str(row["matrix"]) for row in tables.rows if row.get("verdict") == SENTENCES[kind]}


def _listed_by_themselves(tables: Tables) -> set[str]:
    """Name the matrices of which families, shapes, copies or opposites are found, so that the sentences agree."""
    found = (*families.find(tables), *parallel.find(tables))
    return {finding.matrix for finding in found if finding is not None and finding.matrix}


def _is_even(row: dict[str, Any]) -> bool:
    r"""Say whether the eigenvalues of F differ less than those of random directions do in the mean.

    The mean of tr F² over n random directions of d dimensions is n (1 + (n - 1) / d), more where norms differ.
    """
    if not all(known(row.get(key)) for key in ("tightness", "rank", "null_dimensions")) or not row["rank"]:
        return False
    n = int(row["n"]) - int(row["zero_features"])
    expected = float(row["rank"]) / n * (1 + (n - 1) / float(row["null_dimensions"]))
    return bool(1 + float(row["tightness"]) ** 2 < expected)


def _alike(tables: Tables, template: Template, chosen: Set[str], **more: int) -> Finding | None:
    """Name some matrices, or what they are for where there are many."""
    parts = {
        layers: [row for row in rows if str(row["matrix"]) in chosen]
        for layers, rows in tables.groups.items()
    }
    rows = [row for part in parts.values() for row in part]
    names = [quoted(row["matrix"]) for row in rows]
    most = len(names)
    if len(rows) > _NAMED:
        if len(rows) == len(tables.rows) and list(parts) == [OTHERS]:
            names = ["all that were read"]
        elif list(parts) == [OTHERS]:
            most = _NAMED  # what they are for tells none of them apart
        else:
            names = [
                f"{len(part)} of {len(tables.groups[layers])} {called(layers)}"
                for layers, part in parts.items()
                if part
            ]
    figures = {
        "matrices": len(rows),
        "names": joined(names, most) if names else "",
        "pairs": _sum(rows, "significant_pairs"),
        "gathered": _sum(rows, "gathered_features"),
    } | more
    share = 0.0 if template is BY_CHANCE else sum(int(row["n"]) for row in rows) / tables.n_features
    return template.finding(figures, strength=share, matrix=str(rows[0]["matrix"]) if len(rows) == 1 else "")


def _beyond(
    tables: Tables, layers: str, rows: list[dict[str, Any]], counted: Sure
) -> Iterator[Finding | None]:
    """Give the structure of one kind of layer beyond the spectrum: its pairs, and its crowds."""
    pairs = [row for row in rows if str(row["matrix"]) in counted.pairs]
    crowds = [row for row in rows if str(row["matrix"]) in counted.crowds]
    figures: dict[str, Any] = {
        "who": _part_of(layers, pairs, rows, tables),
        "matrices": len(rows),
        "structured": len(pairs),
        "pairs": _sum(pairs, "significant_pairs"),
        "gathered": _sum(crowds, "gathered_features"),
        "q": round(100 * LEVEL),
    }
    share = sum(int(row["n"]) for row in pairs) / tables.n_features
    yield PAIRS.finding(figures, strength=share, matrix=_most(pairs, "significant_pairs"), part="pairs")
    crowd = figures["gathered"] / tables.n_features
    figures = figures | {"who": _part_of(layers, crowds, rows, tables)}
    yield GATHERED.finding(
        figures, strength=crowd, matrix=_most(crowds, "gathered_features"), part="spectrum"
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
    most = max(rows, key=lambda row: row[column] if known(row.get(column)) else -1, default=None)
    return "" if most is None else str(most["matrix"])
