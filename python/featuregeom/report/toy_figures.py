"""The figures of the experiments on toys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.report.figures import MASS, SERIES, Figure, axis, line, numbers, space_colours, subsample
from featuregeom.toys.anchors import antipodal_threshold
from featuregeom.toys.experiments.dynamics import Dynamics
from featuregeom.toys.experiments.geometry import PLATEAUS, Geometry
from featuregeom.toys.experiments.phase import OUTCOMES, Crossing, Phase
from featuregeom.toys.experiments.saturation import PAPER, Saturations

if TYPE_CHECKING:
    from featuregeom.trajectory import Jumps

__all__ = [
    "capacity_histograms",
    "crossing_figure",
    "dynamics_figures",
    "geometry_figure",
    "phase_figures",
    "saturation_figures",
]

Floats = NDArray[np.float64]
POINTS = 4000
"""Most capacities that are drawn as points."""


def crossing_figure(found: Crossing) -> Figure:
    """Draw the measured costs of the two held solutions."""
    threshold = antipodal_threshold()
    return Figure(
        "crossing",
        "Held solutions of two features in one dimension",
        "Measured losses of an antipodal pair of unit vectors at bias 0, and of one feature kept with the other at "
        f"its best constant. They cross at S = {found.crossing:.4f}; theory (dotted) says 3/7 = {threshold:.4f}.",
        [
            line(found.sparsity, found.antipodal, SERIES[0], "antipodal pair", 2),
            line(found.sparsity, found.dropped, SERIES[1], "one dropped", 2),
            line([threshold] * 2, [0, float(found.antipodal.max())], "--muted", "3/7", 1)
            | {"line": {"color": "--muted", "dash": "dot", "width": 1}},
        ],
        {"xaxis": axis("sparsity S"), "yaxis": axis("loss"), "showlegend": True},
    )


def phase_figures(found: Phase) -> list[Figure]:
    """Draw what becomes of the last feature, in training and in theory, and the loss."""
    size = f"{found.n_hidden + 1} features in {found.n_hidden} dimension{'s' * (found.n_hidden > 1)}"
    ratio = found.loss / np.maximum(found.theory, 1e-300)
    held = "The held solution of least exact cost, norms 1 and biases 0 or, where dropped, the best."
    return [
        _outcomes(
            found, "trained", f"{size}: trained", found.outcome,
            "Norms and biases are free; the best restart of each point counts.",
        ),
        _outcomes(found, "held", f"{size}: held solutions (theory)", found.theory_outcome, held),
        _losses(
            found, "trained", f"{size}: trained loss", found.loss,
            "Least loss of the restarts, measured; logarithm to base 10.",
        ),
        _losses(
            found, "held", f"{size}: held loss (theory)", found.theory,
            "Least exact cost of the held solutions; logarithm to base 10, on the scale of the measured one.",
        ),
        Figure(
            "phase-loss",
            f"{size}: trained loss over the best held solution's",
            "Below 1 is what free norms and biases gain; above 1, training has not found its minimum.",
            [_heat(found, ratio) | {"colorscale": MASS}],
            _phase_axes(),
        ),
    ]  # fmt: skip


def _outcomes(found: Phase, kind: str, title: str, outcome: NDArray[Any], caption: str) -> Figure:
    """Draw what becomes of the last feature, a colour for each of `OUTCOMES`."""
    colours = [(k / len(OUTCOMES), (k + 1) / len(OUTCOMES), SERIES[k]) for k in range(len(OUTCOMES))]
    heat = _heat(found, outcome) | {
        "colorscale": [[edge, colour] for low, high, colour in colours for edge in (low, high)],
        "zmin": -0.5,
        "zmax": len(OUTCOMES) - 0.5,
        "colorbar": {"tickvals": list(range(len(OUTCOMES))), "ticktext": list(OUTCOMES)},
    }
    caption = (
        "What becomes of the last feature, whose importance is r: dropped (not represented), dedicated (a direction of "
        f"its own) or antipodal (opposite to another). {caption}"
    )
    return Figure(f"phase-{kind}", title, caption, [heat], _phase_axes())


def _losses(found: Phase, kind: str, title: str, values: NDArray[Any], caption: str) -> Figure:
    """Draw the logarithms of losses, on one scale for those measured and those of theory."""
    logs = [np.log10(np.maximum(loss, 1e-300)) for loss in (found.loss, found.theory)]
    heat = _heat(found, np.log10(np.maximum(values, 1e-300))) | {
        "colorscale": MASS,
        "zmin": float(min(log.min() for log in logs)),
        "zmax": float(max(log.max() for log in logs)),
    }
    return Figure(f"phase-{kind}-loss", title, caption, [heat], _phase_axes())


def _heat(found: Phase, z: NDArray[Any]) -> dict[str, Any]:
    return {
        "type": "heatmap", "x": numbers(1 - found.sparsity), "y": numbers(found.importance),
        "z": [numbers(row) for row in z],
        "hovertemplate": "1 - S = %{x}\nr = %{y}\n%{z}",
    }  # fmt: skip


def _phase_axes() -> dict[str, Any]:
    return {
        "xaxis": axis("1 - S (sparser to the left)", type="log"),
        "yaxis": axis("importance r of the last feature", type="log"),
    }


def geometry_figure(found: Geometry) -> Figure:
    """Draw every feature's capacity against 1 / (1 - S), with the values of geometries."""
    s, n = found.capacity.shape
    dense = 1 / (1 - found.sparsity)
    kept = np.flatnonzero(found.norm.ravel() > 0.1)
    kept = kept[subsample(len(kept), POINTS)]
    # Features of one toy would lie on one line: they are spread over a tenth of the way to the next.
    spread = np.tile(np.linspace(0.95, 1.05, n), s) * np.repeat(dense, n)
    ends = [float(dense.min()), float(dense.max())]
    plateaus = [
        line(ends, [value] * 2, "--muted", f"{name} {value:.3g}", 1) | {"showlegend": False}
        for name, value in PLATEAUS.items()
    ]
    points = {
        "type": "scatter", "mode": "markers", "name": "feature", "x": numbers(spread[kept]),
        "y": numbers(found.capacity.ravel()[kept]), "marker": {"size": 3, "color": SERIES[0], "opacity": 0.6},
        "hovertemplate": "D = %{y}",
    }  # fmt: skip
    # Values closer than a line of text is high share one note, in their order from the top.
    notes: list[dict[str, Any]] = []
    for name, value in sorted(PLATEAUS.items(), key=lambda item: -item[1]):
        if notes and notes[-1]["y"] - value < 0.05:
            notes[-1]["text"] += f", {name}"
        else:
            notes.append(
                {"x": 1, "xref": "paper", "xanchor": "left", "y": value, "text": name, "showarrow": False,
                 "align": "left", "font": {"size": 10}}
            )  # fmt: skip
    for note in notes:
        note["text"] = "\n".join(note["text"].split(", "))
    mean = line(dense, found.dimensions_per_feature, SERIES[1], "m / ||W||²", 2)
    return Figure(
        "capacities",
        "Capacity of every feature against sparsity",
        "A point is a feature; the coloured line is m / ||W||², the dimensions per feature. Grey lines are the "
        "capacities of regular geometries, near which features gather where training has found them. Features that "
        "were dropped are left out.",
        [*plateaus, points, mean],
        {
            "xaxis": axis("1 / (1 - S)", type="log"),
            "yaxis": axis("capacity D", range=[0, 1.05]),
            "annotations": notes,
            "margin": {"l": 52, "r": 100, "t": 24, "b": 40},
        },
    )


def capacity_histograms(found: Geometry) -> list[Figure]:
    """Draw the histogram of capacities at every sparsity, one row per sparsity."""
    bins = np.linspace(0, 1.05, 64)
    shares = []
    for capacity, norm in zip(found.capacity, found.norm, strict=True):
        kept = capacity[norm > 0.1]
        counts = np.histogram(kept, bins)[0].astype(np.float64)
        shares.append(counts / max(len(kept), 1))
    dense = [f"{value:.3g}" for value in 1 / (1 - found.sparsity)]
    middle = (bins[:-1] + bins[1:]) / 2
    bars = []
    figures = [
        Figure(
            "capacity-histogram",
            "Histogram of capacities at each sparsity",
            "Each row is the histogram of D at one 1 / (1 - S), as shares of the features that are kept; a "
            "crowded bin at the capacity of a regular geometry says that features gather there.",
            [
                {
                    "type": "heatmap", "x": numbers(middle), "y": dense, "z": [numbers(row) for row in shares],
                    "colorscale": MASS, "zmin": 0,
                    "hovertemplate": "D = %{x}\n1 / (1 - S) = %{y}\n%{z:.1%} of features",
                }
            ],
            {"xaxis": axis("capacity D"), "yaxis": axis("1 / (1 - S)", type="category")},
        )
    ]  # fmt: skip
    for place in sorted({0, len(shares) // 2, len(shares) - 1}):
        bars.append(
            Figure(
                f"capacity-histogram-{place}",
                f"Capacities at 1 / (1 - S) = {dense[place]}",
                "Share of the kept features in each bin of D.",
                [
                    {
                        "type": "bar", "x": numbers(middle), "y": numbers(shares[place]),
                        "marker": {"color": SERIES[0]}, "hovertemplate": "D = %{x}: %{y:.1%}",
                    }
                ],
                {"xaxis": axis("capacity D", range=[0, 1.05]), "yaxis": axis("share of features"), "bargap": 0.02},
            )
        )  # fmt: skip
    return figures + bars


def saturation_figures(found: Saturations) -> list[Figure]:
    """Draw saturation and cv against sparsity: colours tell dimensions and biases, random frames are dotted."""
    kinds = list(dict.fromkeys(zip(found.n_hidden.tolist(), found.biases.tolist(), strict=True)))
    colours = space_colours(len(kinds))
    rho: list[dict[str, Any]] = []
    cv: list[dict[str, Any]] = []
    for (m, biases), colour in zip(kinds, colours, strict=True):
        mine = np.flatnonzero((found.n_hidden == m) & (found.biases == biases))
        mine = mine[np.argsort(found.sparsity[mine], kind="stable")]
        S = found.sparsity[mine]
        marker = {"mode": "lines+markers", "marker": {"size": 5, "color": colour}}
        rho.append(line(S, _defect(found.saturation[mine]), colour, f"m = {m}, biases {biases}") | marker)
        rho.append(
            line(S, _defect(found.null[mine]), colour, f"random, m = {m}, biases {biases}", 1)
            | {"line": {"color": colour, "dash": "dot", "width": 1}}
        )
        cv.append(line(S, found.cv[mine], colour, f"m = {m}, biases {biases}") | marker)
        cv.append(
            line(S, found.null_cv[mine], colour, f"random, m = {m}, biases {biases}", 1)
            | {"line": {"color": colour, "dash": "dot", "width": 1}}
        )
    for traces, values in ((rho, [1 - part.saturation for part in PAPER]), (cv, [part.cv for part in PAPER])):
        # Each range apart: between them nothing is drawn.
        edges = [edge for part in PAPER for edge in (part.lower, part.upper, np.nan)]
        heights = [height for value in values for height in (value, value, np.nan)]
        traces.append(line(edges, heights, "--ink", "paper", 2))
    x = {"xaxis": axis("sparsity S"), "showlegend": True}
    return [
        Figure(
            "saturation",
            "Distance from saturation",
            "1 less the sum of capacities over rank: 0 when every feature lies in one eigenspace. Dotted: random "
            "frames with the same norms. Steps are the means "
            "that the paper, whose biases are trained, reports for its ranges of S.",
            rho,
            x | {"yaxis": axis("1 - saturation", type="log")},
        ),
        Figure(
            "cv",
            "Localisation",
            "Mean coefficient of variation of the features' spectral measures: 0 when saturated. Dotted: random "
            "frames with the same norms. Steps are the means "
            "that the paper, whose biases are trained, reports for its ranges of S.",
            cv,
            x | {"yaxis": axis("mean cv", type="log")},
        ),
    ]


def _defect(saturation: Floats) -> Floats:
    """Give 1 - saturation, at least 1e-6, so that a logarithmic axis can show it."""
    return np.maximum(1 - saturation, 1e-6)


def dynamics_figures(found: Dynamics) -> list[Figure]:
    """Draw eigenvalues, kappa and capacities over the steps, and where levels and kappa jump."""
    at = found.trajectory
    shown = subsample(at.kappa.shape[1], 40)
    x = {"xaxis": axis("step"), "showlegend": False}

    def curves(values: Floats, columns: NDArray[np.int64], what: str) -> list[dict[str, Any]]:
        colours = space_colours(len(columns))
        return [
            line(at.steps, values[:, k], colour, f"{what} {k}", 1.2)
            for k, colour in zip(columns, colours, strict=True)
        ]

    def marks(jumps: Jumps, values: Floats) -> dict[str, Any]:
        named = zip(jumps.feature, jumps.increment, jumps.sigmas, strict=True)
        return {
            "type": "scatter", "mode": "markers", "name": "jump", "x": numbers(jumps.step),
            "y": numbers(values[jumps.checkpoint, jumps.feature]),
            "marker": {"symbol": "x", "size": 6, "color": "--ink"},
            "text": [f"feature {k}, times {np.exp(change):.3g}, {z:+.1f} sigma" for k, change, z in named],
            "hovertemplate": "step %{x}: %{text}",
        }  # fmt: skip

    return [
        Figure(
            "eigenvalues",
            "Energy levels",
            "A line is an eigenvalue of the frame operator over training. Lines that meet become one eigenspace. A "
            "cross is a jump: where the level that holds two thirds of a feature changed by a tenth more than it "
            "usually does, at the level it came to. Early growth counts as jumps, too.",
            [
                *curves(at.eigenvalues, subsample(at.eigenvalues.shape[1], 40), "eigenvalue"),
                marks(found.level_jumps, at.level),
            ],
            x | {"yaxis": axis("eigenvalue")},
        ),
        Figure(
            "kappa",
            "Rayleigh quotients and their jumps",
            "A line is a feature; kappa is the mean of the eigenvalues, weighted by the feature's share in each. A "
            "cross is a step of kappa unlike the feature's other steps. Early growth, fast against a long rest, counts "
            "as jumps, too.",
            [*curves(at.kappa, shown, "feature"), marks(found.jumps, at.kappa)],
            x | {"yaxis": axis("kappa")},
        ),
        Figure(
            "capacity",
            "Capacities",
            "A line is a feature; D is the share of a dimension that it has for itself, 0 for one that is dropped.",
            curves(at.capacity, shown, "feature"),
            x | {"yaxis": axis("D", range=[0, 1.05])},
        ),
    ]
