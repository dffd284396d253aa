"""The figures of one matrix as dictionaries that draw.js draws, small, with a caption each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.analysis import Picture
from featuregeom.dictionaries import spectrum_edges
from featuregeom.random_directions import null_capacity
from featuregeom.report.random_frame import cosine_probabilities
from featuregeom.wording import number, plural

__all__ = [
    "Figure",
    "axis",
    "bars",
    "line",
    "matrix_figures",
    "numbers",
    "space_colours",
    "subsample",
]

# Together these keep a matrix's figures under 150 kB, whatever its size.
POINTS = 3000
"""Most points of a scatter plot."""

EIGENVALUES = 2000
"""Most eigenvalues that are drawn."""

HEAT_CELLS = 9000
"""Most cells of the heat map of spectral measures."""

RAYS = 12
"""Most eigenspaces whose ray of capacity against squared norm is drawn, those of most features first."""

BINS = 60
"""Bins of the histogram of capacities."""

WIDE = 100.0
"""Ratio of the largest squared norm to the median one, above which capacity is drawn on logarithmic axes: one feature
ten times as long as the others would squeeze them into the corner."""

NARROW = 10.0
"""Least factor between the ends of an axis of eigenvalues."""

FEW = 100
"""Largest count that is drawn on a linear scale; larger ones need a logarithmic one."""

Floats = NDArray[np.float64]
Trace = dict[str, Any]

# Colours are names of custom properties in page.css, which page.js replaces: one page, two schemes.
SERIES = tuple(f"--c{k}" for k in range(7))
MASS = [[0, "--paper"], [0.06, "--mass-1"], [0.35, "--mass-2"], [1, "--mass-3"]]


@dataclass(frozen=True)
class Figure:
    """One figure: what draw.js draws, and what the page says about it.

    Attributes
    ----------
    kind : str
        Which figure it is (``eigenvalues``, ``measure``, ``capacity`` ...).
    title : str
        Heading.
    caption : str
        What it shows and how to read it.
    data : list of dict
        Traces: points, lines, bars, a heat map, or points in space.
    layout : dict
        Axes, legend and notes.
    """

    kind: str
    title: str
    caption: str
    data: list[Trace]
    layout: dict[str, Any]


def matrix_figures(
    row: Mapping[str, Any], features: Mapping[str, NDArray[Any]], picture: Picture | None
) -> list[Figure]:
    """Draw what was measured of one matrix, apart from its blocks.

    Parameters
    ----------
    row : mapping
        Its row of the matrices table.
    features : mapping of str to ndarray
        Its columns of the features table.
    picture : Picture or None
        Its arrays; without them only what the tables hold is drawn.

    Returns
    -------
    list of Figure
        At most one each of eigenvalues, measure, capacity, capacities and cosines.
    """
    if not row["rank"]:
        return []
    figures = []
    if picture is not None:
        figures += [_eigenvalues(picture, int(row["m"]), features["norm"], int(row["null_dimensions"]))]
        figures += [_measure(picture, features["eigenspace"])] if picture.heat.size else []
    figures += [_capacity(features, picture), _capacities(features, int(row["null_dimensions"]))]
    if picture is not None and picture.cosine_counts.sum():
        figures.append(_cosines(row, picture))
    return figures


def numbers(values: ArrayLike, digits: int = 4) -> list[float | int | None]:
    """List numbers for JSON: rounded to a few digits, whole ones as integers, NaN, infinity and None as None."""
    out: list[float | int | None] = []
    for value in np.asarray(values, dtype=np.float64).tolist():
        if not math.isfinite(value):
            out.append(None)
            continue
        short = float(f"{value:.{digits}g}")
        out.append(int(short) if short.is_integer() and abs(short) < 1e15 else short)
    return out


def subsample(n: int, most: int) -> NDArray[np.int64]:
    """Positions of at most `most` of n items, evenly spaced, first and last included."""
    if n <= most:
        return np.arange(n)
    return np.linspace(0, n - 1, most).round().astype(np.int64)


def space_colours(n_spaces: int) -> list[str]:
    """Colour of each eigenspace: one each if they are few, else two that alternate."""
    palette = SERIES if n_spaces <= len(SERIES) else SERIES[:2]
    return [palette[k % len(palette)] for k in range(n_spaces)]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Describe an axis."""
    return {"title": {"text": title}} | more


def line(x: ArrayLike, y: ArrayLike, colour: str, name: str, width: float = 1.5) -> Trace:
    """Draw a line without hover, broken where x or y is not finite."""
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": numbers(x, 6), "y": numbers(y, 6),
        "line": {"color": colour, "width": width}, "hoverinfo": "skip", "connectgaps": False,
    }  # fmt: skip


def key_of(colours: Mapping[str, str]) -> list[Trace]:
    """Name what colours mean, above a figure whose marks have no names of their own."""
    return [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": [], "y": [], "marker": {"color": colour},
            "showlegend": True,
        }
        for name, colour in colours.items()
    ]  # fmt: skip


def _decades(spanned: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis: powers of ten alone, where there are some."""
    return {"dtick": 1} if 1.5 < spanned < 8 else {}


def _sampled(drawn: int, of: int, what: str, how: str) -> str:
    return "" if drawn >= of else f" {drawn:,} of {of:,} {what} are drawn, evenly spaced {how}."


def _eigenvalues(picture: Picture, m: int, norms: NDArray[Any], dims_at_random: int) -> Figure:
    values, space = picture.eigenvalues, picture.eigenspace_of
    means, dims = picture.eigenspace_values, picture.eigenspace_dims
    colours = space_colours(len(means))
    shown = subsample(len(values), EIGENVALUES)
    kept, null = shown[space[shown] >= 0], shown[space[shown] < 0]
    foot = float(values[space >= 0].min()) / 4
    traces: list[Trace] = []
    if (shelves := np.flatnonzero(dims > 1)[: EIGENVALUES // 4]).size:
        ends = np.cumsum(dims)
        x: list[float] = []
        y: list[float] = []
        for k in shelves:
            x += [float(ends[k] - dims[k]) - 0.4, float(ends[k]) - 0.6, np.nan]
            y += [float(means[k])] * 2 + [np.nan]
        traces.append(line(x, y, "--muted", "eigenspace"))
    traces.append({
        "type": "scatter", "mode": "markers", "name": "eigenvalue",
        "x": kept.tolist(), "y": numbers(values[kept], 6),
        "customdata": [[int(k), int(dims[k]), *numbers([means[k]], 6)] for k in space[kept]],
        "marker": {"size": 6 if len(kept) <= 100 else 4, "color": _shared([colours[k] for k in space[kept]])},
        "hovertemplate": "λ = %{y}\neigenspace %{customdata[0]}: dimension %{customdata[1]}, "
        "mean %{customdata[2]}",
    })  # fmt: skip
    if null.size:
        traces.append({
            "type": "scatter", "mode": "markers", "name": "null",
            "x": null.tolist(), "y": numbers([foot] * len(null)), "customdata": numbers(values[null]),
            "marker": {"size": 6, "color": "--muted", "symbol": "line-ns-open"},
            "hovertemplate": "null: %{customdata}",
        })  # fmt: skip
    n_null = int(np.sum(space < 0))
    caption = (
        "An eigenvalue of the frame operator F = XᵀX is the squared length that all features together put "
        "along one direction. Eigenvalues that count as equal form an eigenspace: directions that are used alike. "
        f"Here: {plural(len(means), 'eigenspace')}, the largest of dimension {int(dims.max())}. Dots in a row on "
        "one bar belong together; a dot without a bar is an eigenspace of its own."
    )
    if (more := int(np.sum(dims > 1)) - len(shelves)) > 0:
        caption += f" The bars of {plural(more, 'more eigenspace')} are not drawn."
    if unused := m - int(dims.sum()):
        caption += f" {plural(unused, 'null direction')} that no feature uses"
        caption += f"; {number(n_null)} of them in grey at the foot." if n_null else "."
    lower, upper = spectrum_edges(norms, dims_at_random)
    for edge in (lower, upper):
        if foot < edge:
            sides = [-0.5, len(values) - 0.5]
            traces.append(
                line(sides, [edge] * 2, "--c1", "edge", width=1)
                | {"line": {"color": "--c1", "dash": "dot", "width": 1}}
            )
    beyond = int(np.sum(values > upper)), int(np.sum((values < lower) & (space >= 0)))
    caption += (
        f" Dotted: between these values (Marchenko-Pastur edges) lie the eigenvalues of random directions of the same "
        f"lengths; here {number(beyond[0])} are above and {number(beyond[1])} below."
    )
    caption += _sampled(len(shown), len(values), "eigenvalues", "by index")
    upright = axis("eigenvalue λ", type="log", **_decades(float(np.log10(values[0] / foot))))
    if not null.size and values[0] < NARROW * values[kept[-1]]:
        # Left to itself the axis would blow the rounding of one eigenspace up to the whole height.
        middle = float(np.log10(np.sqrt(values[0] * values[kept[-1]])))
        upright |= {"range": numbers([middle - np.log10(NARROW) / 2, middle + np.log10(NARROW) / 2], 6)}
    layout = {"xaxis": axis("index"), "yaxis": upright, "showlegend": False}
    return Figure("eigenvalues", "Eigenvalues and their eigenspaces", caption, traces, layout)


def _measure(picture: Picture, eigenspace: NDArray[Any]) -> Figure:
    seen = int(np.sum(eigenspace >= 0))
    heat, starts = np.asarray(picture.heat, dtype=np.float64), picture.heat_spaces
    shown = subsample(len(heat), max(1, HEAT_CELLS // heat.shape[1]))
    columns = [
        str(a) if b - a == 1 else f"{a} to {b - 1}" for a, b in pairwise(int(start) for start in starts)
    ]
    n, top = len(shown), float(f"{100 * heat[shown].max():.2g}")
    trace: Trace = {
        "type": "heatmap", "x": columns, "y": [str(int(i)) for i in picture.heat_index[shown]],
        "z": [numbers((100 * r).round(1)) for r in heat[shown]], "zmin": 0, "zmax": top, "colorscale": MASS,
        "colorbar": {"title": {"text": "share, %", "side": "right"}},
        "xgap": int(len(columns) <= 40), "ygap": int(n <= 40),
        "hovertemplate": "feature %{y}\neigenspace %{x}: %{z} %",
    }  # fmt: skip
    caption = (
        "One row per feature: how its squared length is shared out over the eigenspaces, largest eigenvalue "
        "at the left. One strong cell means that the feature lives there; a smear, that it is spread over "
        "several. Rows are ordered by the eigenspace that holds most."
    )
    if len(columns) and int(starts[-1]) > len(columns):
        caption += f" The {int(starts[-1]):,} eigenspaces are summed into {len(columns)} columns."
    if n < seen:
        caption += f" {n:,} of {seen:,} features are drawn, " + (
            "evenly spaced in this order." if len(heat) == seen else "a random sample."
        )
    if unseen := len(eigenspace) - seen:
        caption += f" {plural(unseen, 'feature')} of no length in the used directions left out."
    side = axis("feature", type="category", showgrid=False, nticks=24, autorange="reversed")
    labels = {} if n <= 40 else {"showticklabels": False, "ticks": ""}
    layout = {
        "xaxis": axis("eigenspace", type="category", showgrid=False, nticks=8),
        "yaxis": side | labels,
    }
    return Figure("measure", "Spectral measure of the features", caption, [trace], layout)


def _capacity(features: Mapping[str, NDArray[Any]], picture: Picture | None) -> Figure:
    N, D = features["norm"].astype(np.float64) ** 2, features["capacity"].astype(np.float64)
    index, space = features["index"], features["eigenspace"].astype(np.int64)
    shown = subsample(len(N), POINTS)
    values = picture.eigenspace_values if picture is not None else np.zeros(0)
    n_spaces = max(len(values), int(space.max(initial=-1)) + 1)
    few = n_spaces <= len(SERIES)
    colours = space_colours(n_spaces) if few else ["--c0"] * n_spaces
    x_top, y_top = 1.08 * float(N.max(initial=0)), min(1.08 * float(D.max(initial=0)), 1.04)
    alive = N > 0
    wide = bool(alive.any()) and float(N.max()) > WIDE * float(np.median(N[alive]))
    foot = float(N[alive].min()) / 1.2 if wide else 0.0
    populated = np.bincount(space[space >= 0], minlength=n_spaces)
    order = np.argsort(-populated, kind="stable")[:RAYS]
    traces: list[Trace] = []
    rays = [int(k) for k in order if k < len(values) and populated[k]]
    labelled: list[tuple[float, float]] = []
    for k in rays:
        end = min(x_top, float(values[k]) * y_top)
        at = end / x_top, end / (float(values[k]) * y_top)
        label = f"λ = {number(values[k], 3)}"
        ray = line(
            [foot, end],
            [foot / float(values[k]), end / float(values[k])],
            colours[k] if few else "--muted",
            label,
            width=1,
        )
        if few and all(abs(at[0] - x) > 0.14 or abs(at[1] - y) > 0.07 for x, y in labelled):
            labelled.append(at)
            side = "middle right" if end == x_top else "top center"
            ray |= {"mode": "lines+text", "text": ["", label], "textposition": side, "cliponaxis": False}
        traces.append(ray)
    traces.append({
        "type": "scatter", "mode": "markers", "name": "feature",
        "x": numbers(N[shown]), "y": numbers(D[shown]),
        "customdata": index[shown].tolist(), "text": space[shown].tolist() if few else "",
        "marker": {
            "size": 7 if len(shown) <= 400 else 4, "opacity": 0.85 if len(shown) <= 400 else 0.5,
            "color": _shared([colours[k] if k >= 0 else "--muted" for k in space[shown]]),
        },
        "hovertemplate": "feature %{customdata}\nN = %{x}, D = %{y}"
        + ("\ntop eigenspace %{text}" if few else "") + "",
    })  # fmt: skip
    caption = (
        "The capacity (fractional dimensionality) D of a feature is the share of a dimension that it has to "
        "itself: 1 alone, 1/2 where two share one."
    )
    if rays:
        caption += (
            " A feature that lies in one eigenspace sits on that eigenspace's ray D = N / λ, with λ its mean "
            "eigenvalue; one that is spread over several sits between rays."
        )
    if len(rays) < int(np.sum(populated > 0)) and rays:
        caption += f" Rays of the {len(rays)} eigenspaces that are the top one of most features."
    caption += _sampled(len(shown), len(N), "features", "by index")
    across: dict[str, Any] = {"range": numbers([0, x_top or 1], 6)}
    upright: dict[str, Any] = {"range": numbers([0, y_top or 1], 6)}
    if wide:
        caption += " Both axes are logarithmic, since the longest features are far longer than the others."
        across = {"type": "log", "range": numbers(np.log10([foot, x_top]), 6)}
        low = float(D[D > 0].min(initial=y_top)) / 1.2
        upright = {"type": "log", "range": numbers(np.log10([low, y_top]), 6)}
    layout = {
        "xaxis": axis("squared norm N", **across),
        "yaxis": axis("capacity D", **upright),
        "showlegend": False,
        "margin": {"l": 52, "r": 62 if few else 12, "t": 24 if few else 10, "b": 40},
    }
    return Figure("capacity", "Capacity against squared norm", caption, traces, layout)


def _shared(colours: list[str]) -> list[str] | str:
    return colours[0] if len(set(colours)) == 1 else colours


def _capacities(features: Mapping[str, NDArray[Any]], m: int) -> Figure:
    # Rounded first, so that values that are equal but for their last bit share a bin.
    D = np.array(numbers(features["capacity"], 9), dtype=np.float64)
    null = np.array(numbers(null_capacity(features["norm"], m), 9), dtype=np.float64)
    D, null = D[np.isfinite(D)], null[np.isfinite(null)]
    top = max(1.05 * max(D.max(initial=0), null.max(initial=0)), 1e-12)
    edges = np.linspace(0, top, BINS + 1)
    expected = np.histogram(null, edges)[0].astype(np.float64)
    around = expected + np.append(expected[1:], 0) + np.append(0, expected[:-1])
    expected[around == 0] = np.nan
    caption = (
        "Bars: features by their capacity D. Outline: the capacity that the same lengths would give in "
        f"random directions of {plural(m, 'dimension')} (mean {number(null.mean(), 3)}; "
        f"here {number(D.mean(), 3)}). A spike means that many features have the same capacity."
    )
    traces = [
        bars(edges, np.histogram(D, edges)[0], "features", "D"),
        _outline(edges, expected),
    ]
    layout = {"xaxis": axis("capacity D"), "yaxis": axis("features"), "bargap": 0}
    return Figure("capacities", "How capacity is distributed", caption, traces, layout)


def _cosines(row: Mapping[str, Any], picture: Picture) -> Figure:
    edges, counts = picture.cosine_edges, picture.cosine_counts
    m = int(row["null_dimensions"])
    pairs = int(counts.sum())
    expected = pairs * cosine_probabilities(edges, m)
    most = max(float(np.nanmax(counts)), float(np.nanmax(expected)), 1)
    logarithmic = most > FEW
    scaled = ", on a logarithmic scale" if logarithmic else ""
    if logarithmic:
        expected = np.where(expected >= 0.5, expected, np.nan)
    traces = [
        bars(edges, np.where(counts > 0, counts, np.nan), "pairs", "cos"),
        _outline(edges, expected),
    ]
    caption = (
        f"Bars: the {plural(pairs, 'pair')} of nonzero features by the cosine between them{scaled}. "
        f"Outline: as many pairs of random directions in {plural(m, 'dimension')}. Bars above the outline far from 0 "
        "are pairs that interfere more than chance would have it."
    )
    top = np.log10(most) + 0.2
    scale = {"type": "log", "range": numbers([np.log10(0.5), top]), **_decades(top)} if logarithmic else {}
    layout = {"xaxis": axis("cosine", range=[-1.02, 1.02]), "yaxis": axis("pairs", **scale), "bargap": 0}
    return Figure("cosines", "Cosines between features", caption, traces, layout)


def bars(edges: Floats, counts: NDArray[Any], name: str, what: str) -> Trace:
    """Give the bars of a histogram; heights that are NaN are not drawn."""
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1:] - edges[:-1]
    return {
        "type": "bar", "name": name,
        "x": numbers(middle, 6), "y": numbers(counts, 12), "width": numbers(width, 6),
        "marker": {"color": "--c0", "opacity": 0.75, "line": {"width": 0}},
        "hovertemplate": f"{what} ≈ %{{x:.4f}}: %{{y}} {name}",
    }  # fmt: skip


def _outline(edges: Floats, heights: NDArray[Any]) -> Trace:
    return line(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), "--c1", "random directions", width=2)
