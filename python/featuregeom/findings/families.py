"""Families of features, and the shapes that they form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from featuregeom.dictionaries.kinds import rank
from featuregeom.findings.many import families_beyond_chance
from featuregeom.findings.parallel import ON_A_LINE
from featuregeom.findings.record import Finding, Template
from featuregeom.findings.tables import Tables, joined, quoted
from featuregeom.shapes.names import with_article
from featuregeom.wording import known, number, plural, text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TEMPLATES", "find"]

FAMILIES = Template(
    "families",
    "{who} holds {families:family|families} of features, nearer to each other than to any other feature. The clearest: "
    "{clearest}.",
    lambda f: f["families"] > 0,
)

SHAPES = Template(
    "shapes",
    "in {who} {features} of {of:feature|features} form {blocks:shape that has a name|shapes that have a name}: "
    "{shapes}.",
    lambda f: f["blocks"] > 0 and 0 < f["features"] <= f["of"],
)

BY_CHANCE = Template(
    "by chance",
    "{matrices:matrix holds|matrices hold} families of features, but no more than chance explains where {judged} are "
    "looked at: {names}.",
    lambda f: 0 < f["matrices"] < f["judged"],
)

TEMPLATES = (FAMILIES, SHAPES, BY_CHANCE)

_SHOWN = 3
"""Families, and kinds of shapes, that a sentence names."""

_MEMBERS = 7
"""Most members that are named of a family."""

_SHAPES = ("geometry", "simplex", "circle")
"""Kinds whose parts are not named beside them."""


def find(tables: Tables) -> Iterator[Finding | None]:
    """Give the families of each matrix, then the blocks whose geometry has a name."""
    beyond, chance = families_beyond_chance(tables), []
    for matrix, frame in tables.of(tables.families, "members"):
        if matrix not in beyond:
            chance.append(quoted(matrix))
            continue
        rows = frame.to_dict("records")
        rows.sort(key=lambda row: rank(row.get("kind"), row.get("q"), row.get("share"), int(row["size"])))
        outer = [row for row in rows if _parent(row) < 0]
        if _are_blocks(tables, matrix, outer):
            continue
        members = {int(i) for row in rows for i in row["members"]}
        figures = {
            "who": quoted(matrix),
            # A family inside another one is a part of it, and not counted beside it.
            "families": len(outer),
            "members": len(members),
            "clearest": "; ".join(_family(tables, matrix, row) for row in _named(rows, outer)),
        }
        yield FAMILIES.finding(
            figures, strength=len(members) / tables.n_features, matrix=matrix, part="families"
        )
    if chance:
        named = {"matrices": len(chance), "names": joined(chance), "judged": len(tables.rows)}
        yield BY_CHANCE.finding(named)
    sizes = {str(row["matrix"]): int(row["n"]) for row in tables.rows}
    for matrix, frame in tables.of(tables.blocks, "geometry"):
        yield _shapes(tables, matrix, frame, sizes[matrix])


def _parent(row: dict[Any, Any]) -> int:
    """Give the family around a family, -1 for none."""
    return int(row["parent"]) if known(row.get("parent")) else -1


def _named(rows: list[dict[Any, Any]], outer: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Give the families to name, of rows in order: the outer ones where they are few, and no part of a named shape."""
    if len(outer) <= _SHOWN:
        return outer
    families = {row.get("family"): row for row in rows}

    def in_shape(row: dict[Any, Any]) -> bool:
        around = families.get(_parent(row))
        return around is not None and (around.get("kind") in _SHAPES or in_shape(around))

    return [row for row in rows if not in_shape(row)][:_SHOWN]


def _are_blocks(tables: Tables, matrix: str, rows: list[dict[Any, Any]]) -> bool:
    """Whether the families are blocks with the same names, which the sentence about shapes tells of."""
    if tables.blocks is None or "geometry" not in tables.blocks:
        return False
    own = tables.blocks.loc[tables.blocks["matrix"] == matrix]
    shapes = Counter(zip(own["geometry"], own["n"], strict=True))
    return not Counter((row.get("name") or None, int(row["size"])) for row in rows) - shapes


def _family(tables: Tables, matrix: str, row: dict[Any, Any]) -> str:
    names = [tables.name(matrix, i) for i in row["members"]]
    if all(name.startswith("feature ") for name in names):
        names = [name.removeprefix("feature ") for name in names]
        listed = f"features {joined(names, _MEMBERS)}"
    else:
        listed = joined(names, _MEMBERS)
    kind, shape = str(row.get("kind") or ""), text(row.get("name"))
    as_what = {
        "circle": "on a circle, in this order",
        "copies": "copies of each other",
        "antipodes": "opposite to each other",
        "simplex": "all at the same angle",
    }.get(kind, "close together")
    if kind in ("copies", "antipodes") and known(row.get("share")) and row["share"] < ON_A_LINE:
        as_what = (
            f"nearly {as_what}: {number(100 * row['share'], 3)} % of their squared length along one line"
        )
    if shape:  # of a geometry or a simplex
        as_what = f"as {with_article(shape)}"
    rate = f", q = {number(row['q'], 2)}" if known(row.get("q")) and float(row["q"]) > 0 else ""
    return f"{listed} ({as_what}{rate})"


def _shapes(tables: Tables, matrix: str, blocks: pd.DataFrame, of: int) -> Finding | None:
    named = blocks.loc[blocks["geometry"] != ""]
    counts = Counter(zip(named["geometry"], named["n"], named["dim"], strict=True))
    shapes = [
        (f"{number(count)} × " if count > 1 else "")
        + f"{text(name)} ({number(n)} corners in {plural(int(dim), 'dimension')})"
        for (name, n, dim), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    features = int(named["n"].sum())
    figures = {
        "who": quoted(matrix),
        "blocks": len(named),
        "features": features,
        "of": of,
        "shapes": joined(shapes, _SHOWN) if shapes else "",
    }
    return SHAPES.finding(figures, strength=features / tables.n_features, matrix=matrix, part="blocks")
