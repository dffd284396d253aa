"""Write an analysis as one HTML file that needs no network: tables, figures, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.analysis import Analysis, Picture
from featuregeom.dictionaries.kinds import ORDER
from featuregeom.findings import Tables, families_beyond_chance
from featuregeom.measures import BLOCKS, MATRICES, Column
from featuregeom.report.beyond import close_pairs, family_cards, gathered, namer
from featuregeom.report.drawings import block_drawings, block_groups
from featuregeom.report.figures import Figure, matrix_figures
from featuregeom.report.first import evidence, what_was_read
from featuregeom.report.html import pack, part, render, write
from featuregeom.report.overview import in_order, overview
from featuregeom.report.unusual import unusual
from featuregeom.report.words import block_advice, reading
from featuregeom.wording import duration, known, text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render_page", "write_page"]

_NOT_SHOWN = ("source", "labels")
"""Provenance that the page does not list: the source is its heading, and labels are recorded only as a digest."""

USED = ("index", "norm", "capacity", "eigenspace", "neighbour", "cosine", "density", "label")
"""Columns of the features table that a section shows."""


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
        provenance={key: value for key, value in analysis.provenance.items() if key not in _NOT_SHOWN},
        totals=_totals(analysis),
        source=_source(analysis),
        read=what_was_read(analysis, rows),
        findings=evidence(analysis, rows),
        overview=overview(rows),
        sections=list(_sections(analysis, rows)),
        skipped=analysis.skipped.to_dict("records"),
        columns=_explained(analysis) if rows else [],
    )


def _explained(analysis: Analysis) -> list[Column[Any]]:
    """Columns that the page shows, of matrices and then of blocks that are called otherwise."""
    held: list[Column[Any]] = [column for column in MATRICES.columns if column.key in analysis.matrices]
    labels = {column.label for column in held}
    return held + [column for column in BLOCKS.columns if column.shown and column.label not in labels]


def _source(analysis: Analysis) -> str:
    """Name what was read by its path or id; weights in memory have neither."""
    source = text(analysis.provenance.get("source"))
    return "weights in memory" if source and source == analysis.provenance.get("format") else source


def _totals(analysis: Analysis) -> list[str]:
    matrices = analysis.matrices
    seconds = analysis.provenance.get("seconds")
    if seconds is None:
        seconds = float(matrices["seconds"].sum()) if "seconds" in matrices else 0.0
    return [f"measured in {duration(seconds)}"]


def _by_matrix(table: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    if table is None or not len(table):
        return {}
    places = table.groupby("matrix", observed=True, sort=False).indices
    return {str(name): table.iloc[place] for name, place in places.items()}


def _sections(analysis: Analysis, matrices: list[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    tables = {
        name: _by_matrix(getattr(analysis, name)) for name in ("features", "blocks", "pairs", "families")
    }
    beyond = families_beyond_chance(Tables(analysis.matrices, families=analysis.families))
    for position, row in enumerate(matrices):
        mine = {name: held.get(str(row["matrix"])) for name, held in tables.items()}
        picture = analysis.pictures.get(row["matrix"])
        html, figures = _section(position, row, mine, picture, str(row["matrix"]) not in beyond)
        specs = [{"data": figure.data, "layout": figure.layout} for figure in figures]
        yield {"row": row, "packed": pack({"html": html, "figures": specs})}


def _section(
    position: int,
    row: Mapping[Any, Any],
    mine: Mapping[str, pd.DataFrame | None],
    picture: Picture | None,
    by_chance: bool,
) -> tuple[str, list[Figure]]:
    """Give the section of one matrix, and its figures in order; whether its families may be chance is said there."""
    held = mine["features"]
    features = {
        key: held[key].to_numpy() if held is not None and key in held else np.zeros(0) for key in USED
    }
    name = namer(features)
    cards, families_note = family_cards(
        _records(mine["families"]), picture.families if picture is not None else (), name
    )
    figures = matrix_figures(row, features, picture)
    blocks = _records(mine["blocks"])
    groups, groups_left = block_groups(blocks)
    drawings, note = block_drawings(blocks, picture.blocks if picture is not None else (), name)
    html = part(
        "matrix.html.j2",
        id=position,
        row=row,
        heads={column.key: column for column in BLOCKS.columns},
        reading=reading(row),
        cards=cards,
        families_note=families_note,
        families_order=ORDER,
        families_by_chance=by_chance,
        pairs=close_pairs(mine["pairs"], name),
        gathered=gathered(picture.groups if picture is not None else (), name),
        looked=known(row.get("verdict")),
        unusual=unusual(row, features, name),
        figures=figures,
        groups=groups,
        groups_left=groups_left,
        block_advice=block_advice(row),
        drawings=drawings,
        note=note,
    )
    of_families = [card.figure for card in cards if card.figure is not None]
    return html, [*of_families, *figures, *(figure for drawing in drawings for figure in drawing.figures)]


def _records(table: pd.DataFrame | None) -> list[dict[Any, Any]]:
    return [] if table is None else table.to_dict("records")
