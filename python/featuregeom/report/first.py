"""The first screen: what was read, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featuregeom.dictionaries import layers_of
from featuregeom.findings import group_order, joined, quoted
from featuregeom.wording import known, number, plural, text

if TYPE_CHECKING:
    from featuregeom.analysis import Analysis

__all__ = ["Evidence", "evidence", "what_was_read"]

LEAST = 1e-3
"""Smallest share that is written as a number."""

_SHOWN = 6
"""Most kinds of evidence, and of number types, that are told apart in the sentences."""


_NO_SHARE = ("more", "dimensions", "outlier dimensions")
"""Kinds of findings that are not about a share of the features."""

_NAMED = 2
"""Most matrices that are named, and not counted, beside the evidence for their axis."""


@dataclass(frozen=True)
class Evidence:
    """A finding as the page shows it.

    Attributes
    ----------
    sentence, kind : str
        Of the finding.
    share : str
        Share of the features that it is about; empty where it is about none.
    link : str
        Fragment of its evidence on the page; empty where there is none.
    about : str
        What the link leads to.
    """

    sentence: str
    kind: str
    share: str
    link: str
    about: str


def what_was_read(analysis: Analysis, rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Say what was read: how much, in which form, and along which axis by what evidence.

    Parameters
    ----------
    analysis : Analysis
        The result.
    rows : sequence of mapping
        Rows of its matrices table.

    Returns
    -------
    list of str
        Sentences; empty where nothing was read.
    """
    if not rows:
        return []
    features = sum(int(row["n"]) for row in rows)
    form = text(analysis.provenance.get("format"))
    if form and form == analysis.provenance.get("source"):
        form = "memory"
    types = _listed(Counter(text(row.get("dtype")) for row in rows if known(row.get("dtype"))))
    stored = " in ".join(filter(None, [types, form]))
    said = [
        f"{plural(len(rows), 'weight matrix', 'weight matrices')} with {plural(features, 'feature')} "
        + ("was" if len(rows) == 1 else "were") + " read" + (f" ({stored})." if stored else ".")
    ]  # fmt: skip
    kinds = Counter(layers_of(str(row["matrix"])) for row in rows)
    if len(kinds) > 1:
        parts = [f"{kinds[layers]} {layers}" for layers in sorted(kinds, key=group_order)]
        parts = ["1 other" if each == "1 others" else each for each in parts]
        said.append(f"Judged by their names, they are {joined(parts, len(parts))}.")
    axes = Counter(
        (text(row.get("axis")), text(row.get("axis_reason"))) for row in rows if known(row.get("axis_reason"))
    )
    for (axis, reason), count in axes.most_common(_SHOWN):
        names = [
            quoted(row["matrix"])
            for row in rows
            if (text(row.get("axis")), text(row.get("axis_reason"))) == (axis, reason)
        ]
        where = f" of {joined(names) if count <= _NAMED else f'{number(count)} matrices'}"
        if count == len(rows):
            where = "" if count == 1 else " of all matrices"
        said.append(f"Features are the {axis}{where}; evidence: {reason.partition(';')[0]}.")
    if len(axes) > _SHOWN:
        said.append(f"{len(axes) - _SHOWN} more kinds of evidence are in the column “evidence for the axis”.")
    return said


def evidence(analysis: Analysis, rows: Sequence[Mapping[Any, Any]]) -> list[Evidence]:
    """Give each finding the place on the page that bears it out.

    Parameters
    ----------
    analysis : Analysis
        The result.
    rows : sequence of mapping
        Rows of its matrices table, in the order of the page's sections.

    Returns
    -------
    list of Evidence
    """
    places = {str(row["matrix"]): number_of_section for number_of_section, row in enumerate(rows)}
    shown = []
    for finding in analysis.findings:
        place = places.get(finding.matrix) if finding.matrix else None
        link = "" if place is None else f"matrix-{place}" + (f"-{finding.part}" if finding.part else "")
        share = _percent(finding.strength) if finding.strength and finding.kind not in _NO_SHARE else ""
        about = f"{finding.part or 'figures'} of {text(finding.matrix)}"
        shown.append(Evidence(finding.sentence, finding.kind, share, link, about))
    return shown


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %" if share >= LEAST else f"less than {number(100 * LEAST)} %"


def _listed(counts: Counter[str]) -> str:
    names = [name for name, _ in counts.most_common(_SHOWN)]
    return ", ".join(names) + (", ..." if len(counts) > _SHOWN else "")
