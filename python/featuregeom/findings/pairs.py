"""The clearest of the significant pairs."""

from __future__ import annotations

from collections.abc import Iterator

from featuregeom.findings.many import sure
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, joined, quoted, subject
from featuregeom.wording import known, number

__all__ = ["ALL_PAIRS", "TEMPLATES", "find"]

ALL_PAIRS = "all pairs"
"""What `pair_index` says where an index was asked for, and a GPU looked at all pairs."""

CLEAREST = Template(
    "pairs",
    "the clearest pairs in {who}: {pairs}.",
    lambda f: f["count"] > 0 and f["strongest_z"] > 0,
)

INDEXED = Template(
    "index",
    "pairs of {who} come from an index of sign patterns, not from all pairs: {recall}.",
    lambda f: bool(f["recall"]),
)

TEMPLATES = (CLEAREST, INDEXED)

_SHOWN = 3
"""Pairs that the sentence names."""


def find(tables: Tables) -> Iterator[Finding | None]:
    """Name the pairs with the largest |z| of each kind of layer, one of each matrix first; say what an index missed."""
    for row in tables.rows:
        recall = row.get("pair_index")
        if known(recall) and recall and recall != ALL_PAIRS:
            told = {"who": quoted(str(row["matrix"])), "recall": str(recall)}
            yield INDEXED.finding(told, matrix=str(row["matrix"]), part="pairs")
    chance = sure(tables).chance
    held = {matrix: frame for matrix, frame in tables.of(tables.pairs, "z") if matrix not in chance}
    for layers, rows in tables.groups.items():
        mine = {row["matrix"]: held[row["matrix"]] for row in rows if row["matrix"] in held}
        best = []
        for matrix, frame in mine.items():
            order = frame["z"].abs().sort_values(ascending=False, kind="stable").index[:_SHOWN]
            top = frame.loc[order, ["i", "j", "cosine", "z"]].itertuples(index=False, name=None)
            best += [
                (rank, -abs(z), matrix, int(i), int(j), cosine) for rank, (i, j, cosine, z) in enumerate(top)
            ]
        if not best:
            continue
        best = sorted(best)[:_SHOWN]
        written = [_pair(tables, matrix, i, j, cosine, len(mine) > 1) for _, _, matrix, i, j, cosine in best]
        in_pairs = sum(len(set(frame["i"]) | set(frame["j"])) for frame in mine.values())
        figures = {
            "who": subject(layers, [row for row in rows if row["matrix"] in mine], tables),
            "pairs": joined(written),
            "count": sum(map(len, mine.values())),
            "strongest_z": -best[0][1],
            "features": in_pairs,
        }
        yield CLEAREST.finding(
            figures, strength=in_pairs / tables.n_features, matrix=str(best[0][2]), part="pairs"
        )


def _pair(tables: Tables, matrix: str, i: int, j: int, cosine: float, several: bool) -> str:
    first, second = tables.name(matrix, i), tables.name(matrix, j)
    where = f" of {quoted(matrix)}" if several else ""
    return f"{first} and {second}{where} (cosine {number(cosine, 3)})"
