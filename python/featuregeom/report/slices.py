"""A slice of a network's input space as a plotly specification."""

from __future__ import annotations

from typing import Any

import numpy as np

from featuregeom.errors import ParameterError
from featuregeom.regions.slices import Slice
from featuregeom.report.figures import SERIES, Figure

__all__ = ["slice_figure"]

_CELLS = 20_000
"""Most polygons drawn: pages stay small."""


def slice_figure(found: Slice, *, colour: str = "code", title: str = "Linear regions on a plane") -> Figure:
    """Draw the cells of a slice, and the decision boundary over them.

    Parameters
    ----------
    found : Slice
        The largest 20 000 cells are drawn.
    colour : {"code", "class"}
        One of seven colours by a hash of the code, or by the class at each cell's mean vertex.
    title : str
        Heading.

    Returns
    -------
    Figure

    Raises
    ------
    ParameterError
        For another `colour`.
    """
    if colour == "class":
        group = found.classes() % len(SERIES)
    elif colour == "code":
        mixed = np.bitwise_xor.reduce(found.codes, axis=1) * np.uint64(0x9E3779B97F4A7C15)
        group = ((mixed >> np.uint64(32)) % np.uint64(len(SERIES))).astype(np.int64)
    else:
        raise ParameterError(f"colour must be 'code' or 'class', not {colour!r}")
    shown = np.sort(np.argsort(-found.areas, kind="stable")[:_CELLS])
    data: list[dict[str, Any]] = []
    for index, series in enumerate(SERIES):
        x: list[float | None] = []
        y: list[float | None] = []
        for cell in shown[group[shown] == index]:
            corners = found.polygon(int(cell))
            x += [*corners[:, 0].tolist(), float(corners[0, 0]), None]
            y += [*corners[:, 1].tolist(), float(corners[0, 1]), None]
        if x:
            line = {"color": "--paper", "width": 0.5}
            data.append(
                {
                    "type": "scatter",
                    "x": x,
                    "y": y,
                    "mode": "lines",
                    "fill": "toself",
                    "fillcolor": series,
                    "line": line,
                    "hoverinfo": "skip",
                    "showlegend": False,
                }
            )
    segments = found.decision_boundary()
    if len(segments):
        x, y = ([at for ends in segments[:, :, k].tolist() for at in (*ends, None)] for k in (0, 1))
        line = {"color": "--ink", "width": 2}
        data.append(
            {"type": "scatter", "x": x, "y": y, "mode": "lines", "line": line, "name": "class changes"}
        )
    drawn = "" if len(shown) == found.n_regions else f"; the largest {len(shown)} are drawn"
    caption = (
        f"{found.n_regions} activation regions{drawn}. Colours follow the {colour}; neighbours may share one. "
        "The heavy line is where the class changes."
    )
    layout = {"xaxis": {"title": {"text": "s"}}, "yaxis": {"title": {"text": "t"}, "scaleanchor": "x"}}
    return Figure("slice", title, caption, data, layout)
