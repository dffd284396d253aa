"""Write an analysis as one HTML file that needs no network: tables, figures, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from featuregeom.analysis import Analysis
from featuregeom.measures import BLOCKS
from featuregeom.report.drawings import block_drawings, block_groups
from featuregeom.report.figures import matrix_figures
from featuregeom.report.first import evidence, what_was_read
from featuregeom.report.html import pack, part, render, write
from featuregeom.report.overview import in_order, overview
from featuregeom.report.words import reading
from featuregeom.wording import number, text

__all__ = ["render_page", "write_page"]

USED = ("index", "norm", "capacity", "eigenspace")
"""Columns of the features table that the figures draw from."""


def write_page(analysis: Analysis, path: str | Path) -> Path:
    """Write an analysis as one self-contained HTML page.

    Parameters
    ----------
    analysis : Analysis
        What to show: the result of `featuregeom.analyze`, or one that was read with `featuregeom.load`.
    path : path-like
        File to write. It is replaced only once the new page is complete.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind then.
    """
    return write(render_page(analysis), Path(path))


def render_page(analysis: Analysis) -> str:
    """Render the page.

    Parameters
    ----------
    analysis : Analysis
        What to show.

    Returns
    -------
    str
        A whole HTML document. The same analysis gives the same page.
    """
    rows = in_order(analysis.matrices.to_dict("records"))
    return render(
        "analysis.html.j2",
        provenance={key: value for key, value in analysis.provenance.items() if key != "source"},
        totals=_totals(analysis),
        source=text(analysis.provenance.get("source")),
        read=what_was_read(analysis, rows),
        findings=evidence(analysis, rows),
        overview=overview(rows),
        sections=list(_sections(analysis, rows)),
        skipped=analysis.skipped.to_dict("records"),
    )


def _totals(analysis: Analysis) -> list[str]:
    matrices = analysis.matrices
    seconds = analysis.provenance.get("seconds")
    if seconds is None:
        seconds = float(matrices["seconds"].sum()) if "seconds" in matrices else 0.0
    return [f"measured in {number(seconds, 3)} s"]


def _sections(analysis: Analysis, matrices: list[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    places = analysis.features.groupby("matrix", observed=True, sort=False).indices if matrices else {}
    held = {key: analysis.features[key].to_numpy() for key in USED} if matrices else {}
    heads = {column.key: column for column in BLOCKS.columns}
    blocks: dict[Any, list[dict[Any, Any]]] = {}
    for block in analysis.blocks.to_dict("records"):
        blocks.setdefault(block["matrix"], []).append(block)
    for number_of_section, row in enumerate(matrices):
        name = row["matrix"]
        picture = analysis.pictures.get(name)
        features = {key: column[places.get(name, slice(0))] for key, column in held.items()}
        mine = blocks.get(name, [])
        groups, left = block_groups(mine)
        drawings, note = block_drawings(mine, picture.blocks if picture is not None else ())
        figures = matrix_figures(row, features, picture)
        drawn = figures + [figure for drawing in drawings for figure in drawing.figures]
        html = part(
            "matrix.html.j2",
            id=number_of_section,
            row=row,
            heads=heads,
            reading=reading(row),
            figures=figures,
            groups=groups,
            groups_left=left,
            drawings=drawings,
            note=note,
        )
        specs = [{"data": figure.data, "layout": figure.layout} for figure in drawn]
        yield {"row": row, "packed": pack({"html": html, "figures": specs})}
