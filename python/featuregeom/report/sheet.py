"""A page about one experiment: sections of text, a table and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregeom.report.figures import Figure
from featuregeom.report.html import render, write
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Section", "Sheet", "write_sheet"]

ROWS = 200
"""Most rows of a table that a page shows."""


@summarised
@dataclass(frozen=True, eq=False)
class Section:
    """One section of a sheet.

    Attributes
    ----------
    title : str
        Heading.
    text : tuple of str
        Paragraphs: what is shown, and how to read it.
    figures : tuple of Figure
        Drawn in this order.
    table : DataFrame or None
        Shown above the figures, its first `ROWS` rows.
    """

    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    table: pd.DataFrame | None = None


@summarised
@dataclass(frozen=True, eq=False)
class Sheet:
    """A page about one experiment.

    Attributes
    ----------
    kicker : str
        The kind of experiment, above the heading.
    title : str
        Heading.
    lead : tuple of str
        Paragraphs below the heading: the question and the answer.
    totals : tuple of str
        Short facts, one line.
    provenance : mapping
        Parameters, seed and version, so that the experiment can be repeated.
    sections : tuple of Section
        The rest.
    """

    kicker: str
    title: str
    sections: tuple[Section, ...]
    lead: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_sheet(sheet: Sheet, path: Path, made: Mapping[str, Any] | None = None) -> Path:
    """Write a sheet as one HTML file that needs no network.

    Parameters
    ----------
    sheet : Sheet
        What to show.
    path : Path
        File to write. It is replaced only once the new page is complete.
    made : mapping, optional
        How the results were made, see `featuregeom.folders.results`.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind then.
    """
    sections = [
        {
            "title": section.title,
            "text": section.text,
            "table": None if section.table is None else _table(section.table),
            "figures": section.figures,
            "specs": [{"data": figure.data, "layout": figure.layout} for figure in section.figures],
        }
        for section in sheet.sections
    ]
    page = render(
        "sheet.html.j2",
        provenance=sheet.provenance,
        totals=list(sheet.totals),
        made=made,
        sheet=sheet,
        sections=sections,
    )
    return write(page, path)


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    columns = [
        {"label": str(key).replace("_", " "), "text": frame[key].dtype.kind not in "iuf"} for key in frame
    ]
    rows = frame.iloc[:ROWS].astype(object).where(frame.iloc[:ROWS].notna(), None)
    return {"columns": columns, "rows": rows.to_numpy().tolist(), "left": max(0, len(frame) - ROWS)}
