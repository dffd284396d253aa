"""Slices of a network's input space, by a plane or a line, as figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from featuregeom.arguments import choice
from featuregeom.networks.segments import Segments
from featuregeom.regions.slices import Slice
from featuregeom.report.figures import SERIES, Figure, axis, key_of, numbers, subsample
from featuregeom.wording import number, plural

__all__ = ["along_figure", "slice_figure"]

_CELLS = 20_000
"""Most polygons drawn: pages stay small."""
_POINTS = 3000
"""Most breakpoints drawn."""


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
    choice("colour", colour, ("code", "class"))
    if colour == "class":
        classes = found.classes()
        group = classes % len(SERIES)
        there = np.unique(classes).tolist()
        key = key_of({f"class {k}": SERIES[k] for k in there}) if max(there) < len(SERIES) else []
        meaning = "A colour is a class: the largest output at the middle of a region."
    else:
        key, meaning = (
            [],
            "Colours only tell regions apart: there are seven, so that neighbours may share one.",
        )
        mixed = np.bitwise_xor.reduce(found.codes, axis=1) * np.uint64(0x9E3779B97F4A7C15)
        group = ((mixed >> np.uint64(32)) % np.uint64(len(SERIES))).astype(np.int64)
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
    drawn = "" if len(shown) == found.n_regions else f"; the largest {number(len(shown))} are drawn"
    caption = f"{plural(found.n_regions, 'region')}{drawn}. {meaning}" + (
        " The heavy line is where the class, the largest output, changes." if len(segments) else ""
    )
    layout = {
        "xaxis": {"title": {"text": "s"}, "constrain": "domain"},
        "yaxis": {"title": {"text": "t"}, "scaleanchor": "x"},
    }
    return Figure("slice", title, caption, data + key, layout | {"showlegend": bool(key)})


def along_figure(found: Segments, *, title: str = "Linear regions on a line") -> Figure:
    """Draw the outputs along a polyline, with a mark at every breakpoint; seven outputs at most.

    Parameters
    ----------
    found : Segments
        Where it has more than 3000 breakpoints, an even choice of them is drawn.
    title : str
        Heading.

    Returns
    -------
    Figure
    """
    shown = subsample(len(found.breakpoints), _POINTS)
    x = numbers(found.breakpoints[shown], 8)
    data: list[dict[str, Any]] = []
    for k, (colour, output) in enumerate(zip(SERIES, found.outputs.T, strict=False)):
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": f"output {k}", "x": x,
                "y": numbers(output[shown]), "line": {"color": colour, "width": 1.5},
                "marker": {"color": colour, "size": 4}, "showlegend": found.outputs.shape[1] > 1,
            }
        )  # fmt: skip
    drawn = "" if len(shown) == len(found.breakpoints) else f", of which {number(len(shown))} are drawn"
    left = found.outputs.shape[1] - len(SERIES)
    more = f" The first {len(SERIES)} of {found.outputs.shape[1]} outputs." if left > 0 else ""
    caption = (
        f"{plural(found.n_pieces, 'piece')} between {number(len(found.breakpoints))} breakpoints{drawn}: a mark is "
        f"where a neuron turns on or off, or a corner or end of the path; between two marks every output is a straight "
        f"line.{more}"
    )
    one = found.breakpoints.max() <= 1
    place = "share of the path from its start" if one else "segment of the path + share along it"
    layout = {"xaxis": axis(place), "yaxis": axis("output")}
    return Figure("along", title, caption, data, layout)
