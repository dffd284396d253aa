"""What a matrix holds beyond its spectrum: families as small pictures, close pairs, groups of the spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.analysis import FamilyPicture, GroupPicture
from featuregeom.dictionaries.kinds import rank
from featuregeom.findings.parallel import ON_A_LINE
from featuregeom.report.figures import Figure, axis, line, numbers
from featuregeom.wording import chance, cut, known, number, plural, text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClosePairs", "FamilyCard", "GroupRow", "close_pairs", "family_cards", "gathered", "namer"]

FAMILIES = 60
"""Most families that a section shows."""

MEMBERS = 24
"""Most members that are named of a family or a group."""

LETTERS = 14
"""Most characters of a name in a picture, about a third of its width; the whole name stands below it."""

PAIRS = 50
"""Most pairs that a section lists, those with the largest |z| first."""

_WORDS = {
    "copies": ("copies", "All point {}in one direction."),
    "antipodes": ("opposites", "All lie {}on one line, and point both ways along it."),
    "geometry": ("shape", "The angles between them are those of this shape."),
    "simplex": ("simplex", "Equal angles: any two are equally far apart."),
    "circle": ("circle", "They follow each other around a circle, in this order."),
    "line": ("line", "They follow each other along a line, in this order."),
    "cluster": ("close together", "Nearer to each other than to all others; no shape was shown."),
}
"""What each kind of family is called, and what that says."""

_MOSTLY = 0.5
"""Share below which a circle or line is the smaller part of what its members have in common."""

Name = Callable[[int], str]


@dataclass(frozen=True)
class FamilyCard:
    """A family as the page shows it.

    Attributes
    ----------
    title, meaning, members, facts : str
        What it is, what that says, who is in it, and the numbers.
    figure : Figure or None
        Its picture.
    """

    title: str
    meaning: str
    members: str
    facts: str
    figure: Figure | None


@dataclass(frozen=True)
class ClosePairs:
    """The close pairs of a matrix.

    Attributes
    ----------
    rows : list of (str, str, float, float, float)
        First, second, cosine, z, q.
    total : int
        How many there are.
    """

    rows: list[tuple[str, str, float, float, float]]
    total: int


@dataclass(frozen=True)
class GroupRow:
    """A group that the spectrum gathers, in words.

    Attributes
    ----------
    size, eigenspace, dim : int
        Features, the eigenspace, its dimension.
    share, q : float
        As in `GroupPicture`.
    members : str
        Who is in it.
    """

    size: int
    eigenspace: int
    dim: int
    share: float
    q: float
    members: str


def namer(features: Mapping[str, Any]) -> Name:
    """Give a function that names a feature by its label, or by its position where it has none.

    Parameters
    ----------
    features : mapping of str to ndarray
        Columns of one matrix: ``index``, and ``label`` where there are labels.

    Returns
    -------
    callable
    """
    held = zip(features["index"], features.get("label", ()), strict=False)
    labels = {int(index): cut(label, 40) for index, label in held if known(label) and label.strip()}
    return lambda index: labels.get(int(index), str(int(index)))


def close_pairs(pairs: pd.DataFrame | None, name: Name) -> ClosePairs | None:
    """List the significant pairs of one matrix, clearest first; None where there are none."""
    if pairs is None or not len(pairs):
        return None
    order = np.argsort(-np.abs(pairs["z"].to_numpy()), kind="stable")[:PAIRS]
    top = pairs.iloc[order][["i", "j", "cosine", "z", "q"]].itertuples(index=False, name=None)
    return ClosePairs([(name(i), name(j), cosine, z, q) for i, j, cosine, z, q in top], len(pairs))


def gathered(groups: Iterable[GroupPicture], name: Name) -> list[GroupRow]:
    """Name the members of the groups that the spectrum gathers."""
    return [
        GroupRow(group.size, group.eigenspace, group.dim, group.share, group.q, _members(group.index, group.size, name))
        for group in groups
    ]  # fmt: skip


def family_cards(
    rows: Sequence[Mapping[Any, Any]], pictures: Iterable[FamilyPicture], name: Name
) -> tuple[list[FamilyCard], str]:
    """Show the families of one matrix.

    Parameters
    ----------
    rows : sequence of mapping
        Its rows of the families table.
    pictures : iterable of FamilyPicture
        Those that are drawn.
    name : callable
        Names a feature.

    Returns
    -------
    list of FamilyCard
        In the order that `kinds.ORDER` says.
    str
        A sentence on those that are not shown; empty if all are.
    """
    drawn = {picture.family: picture for picture in pictures}
    ranked = sorted(rows, key=lambda row: rank(row["kind"], row["q"], row["share"], int(row["size"])))
    cards = [_card(row, drawn.get(int(row["family"])), name) for row in ranked[:FAMILIES]]
    left = len(ranked) - len(cards)
    note = (
        f"{plural(left, 'more family is', 'more families are')} in the table families.parquet."
        if left
        else ""
    )
    return cards, note


def _card(row: Mapping[Any, Any], picture: FamilyPicture | None, name: Name) -> FamilyCard:
    kind = str(row["kind"])
    called, meaning = _WORDS[kind]
    size = int(row["size"])
    title = text(row["name"]) if known(row.get("name")) else called
    if kind in ("copies", "antipodes"):
        nearly = known(row.get("share")) and row["share"] < ON_A_LINE
        meaning = meaning.format("nearly " if nearly else "")
    facts = [plural(size, "feature")]
    if known(row.get("parent")) and row["parent"] >= 0:
        facts.append("inside another family")
    facts += [chance(key, row[key]) for key in ("p", "q") if known(row.get(key))]
    if known(row.get("share")):
        explained = f"{number(100 * row['share'], 2)} %"
        ordered = kind in ("circle", "line")
        what = (
            "the steps along it explain {} of their inner products"
            if ordered
            else "explains {} of their squared length"
        )
        facts.append(what.format(explained))
        if ordered and row["share"] < _MOSTLY:
            meaning += (
                f" A {kind} with {explained}: the larger part of their inner products is something else."
            )
    figure = None if picture is None else _figure(kind, title, picture, name)
    return FamilyCard(title, meaning, _members(row["members"], size, name), ", ".join(facts), figure)


def _members(index: Iterable[Any], size: int, name: Name) -> str:
    listed = [name(int(i)) for i in index][:MEMBERS]
    more = size - len(listed)
    return ", ".join(listed) + (f" and {number(more)} more" if more > 0 else "")


def _figure(kind: str, title: str, picture: FamilyPicture, name: Name) -> Figure:
    points = np.asarray(picture.coordinates, dtype=np.float64)
    names = [name(int(i)) for i in picture.index]
    dims = points.shape[1]
    share = f"{number(100 * picture.share, 3)} %"
    where = {2: "two", 3: "three"}.get(dims, str(dims))
    around = " around their mean" if kind in ("circle", "line", "cluster") else ""
    caption = f"Along their {where} leading dimensions, which hold {share} of their squared length{around}."
    if len(points) <= MEMBERS:
        caption += " Names that would cover others are left out."
    if dims >= 3:
        caption += (
            " Turn and Pause start and stop a slow turn through all of them; drag to turn it by hand."
            if dims > 3
            else " Drag to turn."
        )
        trace = {
            "type": "space",
            "points": [numbers(point) for point in points],
            "edges": [],
            "names": names,
            "lengths": numbers(np.linalg.norm(points, axis=1)),
        }
        return Figure(f"family-{kind}", title, caption, [trace], {})
    return Figure(f"family-{kind}", title, caption, _plane(kind, points, names), _square(points))


def _plane(kind: str, points: Any, names: list[str]) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    if kind == "circle":
        ring = np.vstack([points, points[:1]])
        traces.append(line(ring[:, 0], ring[:, 1], "--muted", "order", width=1))
    if kind == "line":
        traces.append(line(points[:, 0], points[:, 1], "--muted", "order", width=1))
    many = len(points) > MEMBERS
    traces.append({
        "type": "scatter", "mode": "markers" if many else "markers+text", "x": numbers(points[:, 0]),
        "y": numbers(points[:, 1]), "text": [cut(each, LETTERS) for each in names], "textposition": "top center",
        "name": "feature", "customdata": names, "marker": {"size": 6, "color": "--c0"},
        "hovertemplate": "%{customdata}", "showlegend": False,
    })  # fmt: skip
    return traces


def _square(points: Any) -> dict[str, Any]:
    reach = 1.25 * float(np.abs(points).max(initial=0)) or 1.0
    bounds = numbers([-reach, reach])
    plain = {"range": bounds, "showgrid": False, "zeroline": True, "showticklabels": False}
    return {"xaxis": axis("", **plain), "yaxis": axis("", **plain, scaleanchor="x"), "showlegend": False}
