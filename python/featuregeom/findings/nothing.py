"""What was looked for and not found, and what was not looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from featuregeom.dictionaries import FEW_DIMENSIONS, SENTENCES
from featuregeom.findings.many import families_beyond_chance
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, joined, quoted
from featuregeom.findings.unused import enough
from featuregeom.wording import known

__all__ = ["TEMPLATES", "find"]

EMPTY = Template(
    "nothing", "no weight matrix was read, so there is nothing to say.", lambda f: f["matrices"] == 0
)

ABSENT = Template("absent", "looked for and not found: {absent}.", lambda f: f["count"] > 0)

LEFT_OUT = Template("left out", "not looked for: {left_out}.", lambda f: f["count"] > 0)

FEW = Template(
    "limits",
    "may be missed: pairs of features that are alike or opposite, but not nearly equal, in {matrices:matrix|matrices} "
    "of fewer than {limit} dimensions: {names}.",
    lambda f: f["matrices"] > 0,
)

TEMPLATES = (EMPTY, ABSENT, FEW, LEFT_OUT)

_KINDS = {
    "pairs": "pairs of features beyond what their matrix as a whole explains",
    "groups": "crowds of features in a few directions",
    "families": "families of features",
    "shapes": "regular shapes",
    "copies": "copies",
    "antipodes": "opposites",
    "zero": "zero features",
    "unused": "features that never fire",
    "dimensions": "unused dimensions where there are features enough to use them",
    "outlier features": "features more than 10 times as long as the median",
    "outlier dimensions": "dimensions more than 10 times as large as the median",
}
"""What each kind of finding is called where there is none."""


_ON_DEMAND = ("pairs", "groups", "shapes", "copies", "antipodes")
"""Kinds that an analysis can leave out."""


def find(tables: Tables, found: Sequence[Finding]) -> Iterator[Finding | None]:
    """List the kinds without a finding, apart by whether the tables have what they are read from."""
    yield EMPTY.finding({"matrices": len(tables.rows)})
    if not tables.rows:
        return
    there = {finding.kind for finding in found}
    looked = _looked(tables)
    there |= _in_families(tables)
    absent = [words for kind, words in _KINDS.items() if looked[kind] and kind not in there]
    left_out = [_KINDS[kind] for kind in _ON_DEMAND if not looked[kind]]
    if absent:
        yield ABSENT.finding({"absent": joined(absent, len(absent)), "count": len(absent)})
    yield _few(tables)
    if left_out:
        yield LEFT_OUT.finding({"left_out": joined(left_out, len(left_out)), "count": len(left_out)})


def _few(tables: Tables) -> Finding | None:
    """Name the matrices without a significant pair whose dimensions hardly allow one."""
    few = [
        row
        for row in tables.rows
        if row.get("verdict") in (SENTENCES["random"], SENTENCES["spectrum"])
        and not row.get("significant_pairs")
        and int(row["m"]) < FEW_DIMENSIONS
    ]
    names = [quoted(row["matrix"]) for row in few]
    if len(few) == len(tables.rows) > 1:
        names = ["all that were read"]
    figures = {"matrices": len(few), "limit": FEW_DIMENSIONS, "names": joined(names) if names else ""}
    return FEW.finding(figures)


_OF_FAMILIES = {"geometry": "shapes", "simplex": "shapes", "copies": "copies", "antipodes": "antipodes"}
"""What kinds of families show, which is then not said to be absent."""


def _in_families(tables: Tables) -> set[str]:
    """Give the kinds of findings that some family is an example of; a sentence about shapes may stand for it."""
    families = tables.families
    if families is None or "kind" not in families or not len(families):
        return set()
    kinds = families.loc[families["matrix"].isin(families_beyond_chance(tables)), "kind"].unique()
    return {_OF_FAMILIES[kind] for kind in kinds if kind in _OF_FAMILIES} | (
        {"families"} if len(kinds) else set()
    )


def _looked(tables: Tables) -> dict[str, bool]:
    """Whether the tables tell of each kind."""
    features = tables.features
    judged = any(known(row.get("verdict")) for row in tables.rows)
    swept = features is not None and "cosine" in features and bool(features["cosine"].notna().any())
    return {
        "pairs": judged or any(known(row.get("pair_index")) and row["pair_index"] for row in tables.rows),
        "groups": judged,
        "families": tables.families is not None and judged,
        "shapes": tables.has("blocks"),
        "copies": swept,
        "antipodes": swept,
        "zero": tables.has("zero_features"),
        "unused": features is not None and "density" in features and bool(features["density"].notna().any()),
        "dimensions": any(known(row.get("rank")) and enough(row) for row in tables.rows),
        "outlier features": features is not None and "norm" in features,
        "outlier dimensions": tables.has("largest_dimension_ratio"),
    }
