"""Figures of response curves and stable slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.plateaus.curves import Plateaus
from featuregeom.plateaus.intervals import Median, median, median_difference
from featuregeom.plateaus.slice2d import StableSlice
from featuregeom.report.figures import SERIES, Figure, Trace, axis, line, numbers
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["curve_figure", "plateau_tables", "plateaus_sheet", "slice_figure", "slope_figure"]

POINTS = 101
"""Steps along a path at which median curves are drawn."""


def curve_figure(
    kinds: Mapping[str, Plateaus], *, which: str = "r", confidence: float = 0.95, seed: int = 0
) -> Figure:
    """Draw the median curve of each kind of direction with its bootstrap interval.

    Parameters
    ----------
    kinds : mapping of str to Plateaus
        Curves by kind of direction, of one metric and scale; seven kinds at most.
    which : {"r", "d", "rho"}
        Relative curves, distances or ratios.
    confidence, seed
        Of the interval; see `plateaus.median`.

    Returns
    -------
    Figure

    Raises
    ------
    ParameterError
        If there are no kinds or too many, or they differ in metric or scale.
    """
    _comparable(kinds)
    ends = [float(np.nanmax(found.alphas, axis=1).min()) for found in kinds.values()]
    grid = np.linspace(0, min(ends), POINTS)
    traces: list[Trace] = []
    for colour, (name, found) in zip(SERIES, kinds.items(), strict=False):
        curves = found.on_grid(grid, which)
        medians = [median(column, confidence=confidence, n_draws=400, seed=seed) for column in curves.T]
        low, high = ([getattr(each, end) for each in medians] for end in ("low", "high"))
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": _spoken(name), "showlegend": False, "hoverinfo": "skip",
                "x": numbers(np.concatenate([grid, grid[::-1]])), "y": numbers(high + low[::-1]),
                "fill": "toself", "fillcolor": colour, "opacity": 0.2, "line": {"width": 0},
            }
        )  # fmt: skip
        traces.append(
            line(grid, [each.value for each in medians], colour, _spoken(name), width=2)
            | {"showlegend": True}
        )
    first = next(iter(kinds.values()))
    meaning = {
        "r": "the distance of the output from that at the base, over its value at the end",
        "d": f"the distance of the output from that at the base ({first.out})",
        "rho": "the share of the way from the output at the base to that at the end",
    }[which]
    pairs = plural(min(len(found.r) for found in kinds.values()), "pair")
    caption = (
        f"Lines: medians over {pairs} of {meaning}. Bands: their {100 * confidence:g} % bootstrap intervals. "
        "A flat start is a plateau: the output does not feel the step. A straight line is no boundary at all."
    )
    height, title = {
        "r": ("relative distance r", "Response to a step, over its value at the end"),
        "d": ("distance d", "Response to a step"),
        "rho": ("share of the way rho", "Response to a step, as a share of the way"),
    }[which]
    layout = {"xaxis": axis(_alpha(first)), "yaxis": axis(height), "showlegend": True}
    return Figure("response-curves", title, caption, traces, layout)


def slope_figure(kinds: Mapping[str, Plateaus], *, confidence: float = 0.95, seed: int = 0) -> Figure:
    """Draw the median of the largest slope of each kind of direction with its bootstrap interval."""
    _comparable(kinds)
    found = [median(_relative_slope(each), confidence=confidence, seed=seed) for each in kinds.values()]
    values = np.array([each.value for each in found])
    trace = {
        "type": "scatter", "mode": "markers", "name": "largest slope",
        "x": [_spoken(name) for name in kinds], "y": numbers(values),
        "marker": {"color": "--c0", "size": 9},
        "error_y": {
            "type": "data", "symmetric": False,
            "array": numbers([each.high - each.value for each in found]),
            "arrayminus": numbers([each.value - each.low for each in found]),
        },
        "hovertemplate": "%{x}: %{y}",
    }  # fmt: skip
    limited = int(sum(each.limited.sum() for each in kinds.values()))
    unsettled = f" Of all curves {limited} are lower bounds: their slope had not settled." if limited else ""
    caption = (
        f"Medians of the largest slope of the relative curve over that of a straight line, which is 1, with "
        f"{100 * confidence:g} % bootstrap intervals.{unsettled}"
    )
    layout = {"xaxis": axis("direction"), "yaxis": axis("largest slope", rangemode="tozero")}
    return Figure("largest-slopes", "How sharp the boundary is", caption, [trace], layout)


def slice_figure(found: StableSlice) -> Figure:
    """Draw which of three outputs each point of the plane is nearest to."""
    scale = [[k / 3 + end / 3, SERIES[k]] for k in range(3) for end in (0, 1)]
    traces: list[Trace] = [
        {
            "type": "heatmap", "x": numbers(found.a), "y": numbers(found.b), "z": found.label.tolist(),
            "zmin": -0.5, "zmax": 2.5, "colorscale": scale, "showscale": False, "opacity": 0.6,
            "hovertemplate": "a %{x:.3f}, b %{y:.3f}",
        },
        {
            "type": "scatter", "mode": "markers+text", "x": numbers(found.points[:, 0]),
            "y": numbers(found.points[:, 1]), "text": ["A", "B", "C"], "textposition": "top center",
            "marker": {"color": "--ink", "size": 8}, "hoverinfo": "skip", "showlegend": False,
        },
    ]  # fmt: skip
    shares: NDArray[np.float64] = np.bincount(found.label.ravel(), minlength=3) / found.label.size
    caption = (
        "Each point of the plane through three activations has the colour of the one whose output its own output "
        f"is nearest to ({', '.join(f'{name} {number(share, 3)}' for name, share in zip('ABC', shares, strict=True))} "
        "of the area). A sharp border between wide regions is a boundary of stable regions."
    )
    layout = {"xaxis": axis("a, along B - A"), "yaxis": axis("b, along C - P")}
    return Figure("stable-slice", "Stable regions on a plane", caption, traces, layout)


def plateau_tables(
    kinds: Mapping[str, Plateaus], *, confidence: float = 0.95, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the medians of each kind, and the differences of the others from the first, with their intervals.

    Of the distance of the output at the end of the path, and of the largest slope of the relative curve over that of a
    straight line.

    Returns
    -------
    medians, differences : DataFrame
        Columns `direction`, then the number with `_low` and `_high`, and `pairs`.
    """
    import pandas as pd

    _comparable(kinds)
    numbers_of = {
        kind: {"distance": _last(found), "slope": _relative_slope(found)} for kind, found in kinds.items()
    }
    first = next(iter(kinds))
    options: dict[str, Any] = {"confidence": confidence, "seed": seed}
    medians = [
        _row(kind, {name: median(values, **options) for name, values in found.items()})
        for kind, found in numbers_of.items()
    ]
    differences = [
        _row(
            f"{kind} less {first}",
            {name: median_difference(found[name], numbers_of[first][name], **options) for name in found},
        )
        for kind, found in numbers_of.items()
        if kind != first
    ]
    return pd.DataFrame(medians), pd.DataFrame(differences)


def plateaus_sheet(
    kinds: Mapping[str, Plateaus],
    medians: pd.DataFrame,
    differences: pd.DataFrame,
    plane: StableSlice | None,
    provenance: Mapping[str, Any],
    *,
    seed: int = 0,
) -> Sheet:
    """Put curves, medians, differences and a plane on one page; see `plateau_tables` for the tables."""
    first = next(iter(kinds))
    lead = []
    for chosen, moves in (("distance_low", "more"), ("distance_high", "less")):
        apart = differences[chosen] > 0 if moves == "more" else differences[chosen] < 0
        names = [name.removesuffix(f" less {first}") for name in differences["direction"][apart]]
        if names:
            said = ", ".join(map(_spoken, names))
            lead.append(
                f"Steps of these kinds move the output {moves} than {_spoken(first)} ones do: {said} (the interval of "
                "the difference of medians excludes 0)."
            )
    if not lead:
        lead.append(
            f"No kind of step is seen to move the output more or less than {_spoken(first)} ones: every interval of "
            "the difference contains 0."
        )
    sections = [
        Section(
            "Response",
            (
                "Each sentence's activation is moved along a straight path, of the same length for all kinds, and the "
                "output is compared with what it was. " + " ".join(_KINDS[kind] for kind in kinds if kind in _KINDS),
            ),
            (curve_figure(kinds, which="d", seed=seed), curve_figure(kinds, which="r", seed=seed)), medians,
        ),
        Section(
            "Differences",
            (
                f"Medians less that of {first} directions, with 95 % bootstrap intervals. Sentences are few and of one "
                "style: the intervals are about other sentences like these, not about other models or positions.",
            ),
            (slope_figure(kinds, seed=seed),), differences,
        ),
    ]  # fmt: skip
    if plane is not None:
        sections.append(
            Section(
                "A plane",
                ("Through the activations of the first three sentences, each compared in its own context.",),
                (slice_figure(plane),),
            )
        )
    return Sheet(
        "Stable regions", "Response of a model to steps of one activation", tuple(sections), tuple(lead),
        (plural(len(next(iter(kinds.values())).r), "sentence"),), provenance,
    )  # fmt: skip


_KINDS = {
    "isotropic": "Isotropic: in a random direction.",
    "covariance": "Covariance: in random directions that are as frequent as those of real activations.",
    "real_difference": "Real difference: towards another real activation.",
    "real_mixture": "Real mixture: along the difference of two other real activations.",
}
"""What a step of each kind is, on pages."""


def _spoken(kind: str) -> str:
    """Call a kind of direction as a sentence does."""
    return kind.replace("_", " ")


def _row(name: str, found: Mapping[str, Median]) -> dict[str, Any]:
    row: dict[str, Any] = {"direction": name}
    for key, each in found.items():
        row |= {key: each.value, f"{key}_low": each.low, f"{key}_high": each.high}
    return row | {"pairs": min(each.n for each in found.values())}


def _relative_slope(found: Plateaus) -> NDArray[np.float64]:
    return np.asarray(found.max_slope * np.nanmax(found.alphas, axis=1))


def _last(found: Plateaus) -> NDArray[np.float64]:
    """Give the distance between the outputs at the two ends of each path."""
    count = np.sum(~np.isnan(found.d), axis=1)
    return np.asarray(found.d[np.arange(len(found.d)), count - 1])


def _alpha(found: Plateaus) -> str:
    unit = {
        "target": "of the way",
        "norm": "in norms of the base",
        "absolute": "in activation units",
        "sigma": "in sigma",
    }
    return f"alpha, {unit[found.scale]}"


def _comparable(kinds: Mapping[str, Plateaus]) -> None:
    if not 1 <= len(kinds) <= len(SERIES):
        raise ParameterError(f"a figure shows 1 to {len(SERIES)} kinds, got {len(kinds)}")
    said = {(found.out, found.path, found.scale) for found in kinds.values()}
    if len(said) > 1:
        raise ParameterError(f"curves of different metric, path or scale are not comparable: {sorted(said)}")
