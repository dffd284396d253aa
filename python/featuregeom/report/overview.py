"""The overview: one row per matrix, grouped by what the layers are for, with the columns that tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from featuregeom.dictionaries import layers_of
from featuregeom.findings import group_order, natural
from featuregeom.measures import MATRICES, Column, Measured
from featuregeom.wording import known, number, text

__all__ = ["Overview", "in_order", "overview"]

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Overview:
    """What the overview shows.

    Attributes
    ----------
    columns : list of Column
        The name, and the columns of which not all matrices have the same value.
    same : list of (Column, str)
        Columns of the overview with one value for all matrices, and that value.
    groups : list of (str, list of (int, dict))
        Kinds of layers, each with the numbers of its sections and its rows.
    every : dict
        Headings and cells of all columns, which the page unpacks when they are asked for.
    """

    columns: list[Column[Measured]]
    same: list[tuple[Column[Measured], str]]
    groups: list[tuple[str, list[tuple[int, Row]]]]
    every: dict[str, Any]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort matrices by what they are for, then as people count: layer 2 before layer 10."""
    return sorted(rows, key=lambda row: (group_order(_layers(row)), natural(str(row["matrix"]))))


def overview(rows: Sequence[Row]) -> Overview:
    """Lay out the overview.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the matrices table, as `in_order` gives them.

    Returns
    -------
    Overview
    """
    present = [column for column in MATRICES.columns if any(column.key in row for row in rows)]
    # Words first, and the number of pairs beside the verdict that it is the reason for.
    present.sort(key=lambda column: (not (column.text and column.shown), column.key != "significant_pairs"))
    shown = [column for column in present if column.shown]
    columns, same = [], []
    for column in shown:
        values = {_cell(column, row) for row in rows}
        if column.key != "matrix" and len(rows) > 1 and len(values) == 1:
            same.append((column, values.pop()))
        elif column.key == "matrix" or any(known(row.get(column.key)) for row in rows):
            columns.append(column)
    grouped = groupby(enumerate(rows), key=lambda item: _layers(item[1]))
    return Overview(
        columns=columns,
        same=[(column, value) for column, value in same if value not in ("", number(None))],
        groups=[(layers, list(members)) for layers, members in grouped],
        every=_every(present, rows),
    )


def _layers(row: Row) -> str:
    return layers_of(str(row["matrix"]))


def _cell(column: Column[Measured], row: Row) -> str:
    value = row.get(column.key)
    return text(value) if column.text else number(value)


def _every(columns: list[Column[Measured]], rows: Sequence[Row]) -> dict[str, Any]:
    heads = [
        {"key": column.key, "label": text(column.label), "about": column.tooltip, "text": column.text}
        for column in columns
    ]
    cells = [
        [
            [_cell(column, row)] if column.text or not known(row.get(column.key))
            else [_cell(column, row), str(row[column.key])]
            for column in columns
        ]
        for row in rows
    ]  # fmt: skip
    return {"heads": heads, "cells": cells}
