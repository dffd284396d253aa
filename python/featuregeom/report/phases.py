"""Figures of the phase chart of hash encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom._core import __version__
from featuregeom.encoder.phase import PhaseChart
from featuregeom.encoder.regimes import REGIMES, coarse_steps
from featuregeom.report.figures import Figure, Trace, axis, key_of, line
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["coarse_words", "phase_figures", "phase_sheet"]

OTHER = {"epochs": "epochs of training", "samples": "training samples"}
COLOURS = ("--c1", "--c3", "--c2")


def phase_figures(chart: PhaseChart) -> list[Figure]:
    """Draw the regimes on both grids, and redundancy and accuracies over width at the far corner of both."""
    return [*(_regimes(chart, kind) for kind in OTHER), _widths(chart)]


def phase_sheet(chart: PhaseChart) -> Sheet:
    """Lay out a phase chart as a page: regimes, curves, the averaged grid and the plan."""
    figures = phase_figures(chart)
    counts = chart.regimes["regime"].value_counts()
    lead = (
        "Which neurons a sample switches on is its code. Samples with the same code cannot be told apart by it: "
        "redundancy is the share of samples that add no code of their own, 0 where all codes differ and near 1 where "
        "most coincide. Codes that differ may still lack what the labels say: the accuracy of reading labels off codes "
        "tells.",
        "Regimes are set by thresholds: " + _limits(chart) + ".",
        *coarse_words(chart),
    )
    return Sheet(
        kicker="Hash encoders",
        title=f"Phase chart of {chart.plan['data']}",
        lead=lead,
        totals=(plural(len(chart.cells), "network"), *(f"{counts.get(name, 0)} {name}" for name in REGIMES)),
        provenance={"version": __version__} | chart.plan,
        sections=(
            Section("Regimes", figures=tuple(figures[:2])),
            Section("Over width", figures=tuple(figures[2:])),
            Section(
                "What the counts do not say",
                text=(_bounds(chart),),
                figures=_coverage(chart),
            ),
            Section(
                "The grid",
                text=(
                    "Means over repeats. Saturated is the share of networks that give every sample a code of its own; "
                    "coverage and chao1 are lower bounds.",
                ),
                table=chart.regimes,
            ),
        ),
    )


def coarse_words(chart: PhaseChart) -> tuple[str, ...]:
    """Say where the grid is too coarse for slopes, if it is.

    Parameters
    ----------
    chart : PhaseChart
        The chart.

    Returns
    -------
    tuple of str
        A sentence, or none.
    """
    table, found = chart.regimes, []
    epochs, samples = (table.loc[table["chart"] == kind, "value"].unique() for kind in OTHER)
    for name, points, shift in (
        ("width", table["width"].unique(), 0),
        ("epochs", epochs, 1),
        ("samples", samples, 0),
    ):
        steps = coarse_steps(sorted(points + shift))
        found += [f"{name} {a - shift:g} to {b - shift:g}" for a, b in steps]
    if not found:
        return ()
    said = ", ".join(found)
    return (
        f"The grid is coarse in the steps {said}: between such points accuracies may change in ways that were not "
        "measured, so regimes next to them are less certain. Points in between would tell.",
    )


def _bounds(chart: PhaseChart) -> str:
    """Say how many cells are saturated, and on which side of the truth the estimates lie."""
    said = (
        "Where every sample has a code of its own, redundancy is 0 whatever the network: the count is saturated, and "
        "such cells cannot be told from each other by it. What was not sampled is estimated from the codes that were "
        "met once: coverage, the share of new samples whose code is known (Good-Turing), and the number of regions "
        "(Chao); both are lower bounds."
    )
    if "saturated" not in chart.regimes:
        return said
    full = int((chart.regimes["saturated"] == 1).sum())
    return f"{said} Saturated in all networks: {full} of {plural(len(chart.regimes), 'cell')}."


def _coverage(chart: PhaseChart) -> tuple[Figure, ...]:
    table = chart.regimes
    if "coverage" not in table:
        return ()
    part = table[
        (table["chart"] == "samples") & (table["value"] == table["value"][table["chart"] == "samples"].max())
    ]
    traces = [
        line(part["width"].to_numpy(), part[column].to_numpy(), colour, name, width=2) | {"showlegend": True}
        for column, colour, name in (
            ("coverage", "--c2", "coverage, lower bound"),
            ("saturated", "--c1", "share of networks that are saturated"),
        )
    ]
    of = "training" if chart.thresholds.redundancy.endswith("train") else "test"
    caption = (
        f"Of the {of} samples, after all epochs on all samples. Where coverage is low, most codes were met once, and "
        "more samples would find more regions."
    )
    layout = {
        "xaxis": axis("width of the hidden layers", type="log"),
        "yaxis": axis("share", range=[-0.02, 1.02]),
        "showlegend": True,
    }
    return (Figure("phase-coverage", "How much of the data the codes cover", caption, traces, layout),)


def _limits(chart: PhaseChart) -> str:
    limits = chart.thresholds
    return (
        f"{REGIMES[0]} from a redundancy of {limits.tau_hi:g} on; {REGIMES[2]} up to one of {limits.tau_lo:g}, "
        f"if the accuracy ({limits.score}) changes by at most {limits.eps:g} when the width, the samples or 1 + epochs "
        f"grow by a factor of e = 2.72; {REGIMES[1]} in between"
    )


def _regimes(chart: PhaseChart, kind: str) -> Figure:
    part = chart.regimes[chart.regimes["chart"] == kind]

    def grid(column: str) -> pd.DataFrame:
        return part.pivot_table(index="value", columns="width", values=column, aggfunc="first", sort=True)

    names, R, score = grid("regime"), grid("redundancy"), grid("score")
    full = grid("saturated").to_numpy() == 1 if "saturated" in part else np.zeros(R.shape, dtype=bool)
    z = names.map(REGIMES.index).to_numpy(dtype=int)
    text = [
        [f"R {number(r, 2)}{'*' * flag}\n{number(s, 2)}" for r, s, flag in zip(*rows, strict=True)]
        for rows in zip(R.to_numpy(), score.to_numpy(), full.tolist(), strict=True)
    ]
    trace: Trace = {
        "type": "heatmap", "x": [str(width) for width in names.columns], "y": [str(value) for value in names.index],
        "z": z.tolist(), "zmin": -0.5, "zmax": 2.5, "showscale": False, "xgap": 1, "ygap": 1, "opacity": 0.7,
        "colorscale": [[k / 3 + end / 3, COLOURS[k]] for k in range(3) for end in (0, 1)],
        "text": text, "texttemplate": "%{text}",
        "hovertemplate": f"width %{{x}}, %{{y}} {OTHER[kind]}\n%{{text}}",
    }  # fmt: skip
    there = [
        f"{plural(int(np.sum(z == k)), 'cell')} {name}" for k, name in enumerate(REGIMES) if (z == k).any()
    ]
    caption = (
        f"Width against {OTHER[kind]}: {', '.join(there)}. In each cell: redundancy R, and the accuracy "
        f"({chart.thresholds.score}); a star where the codes are saturated, all distinct."
    )
    layout = {
        "xaxis": axis("width of the hidden layers", type="category"),
        "yaxis": axis(OTHER[kind], type="category"),
        "showlegend": True,
    }
    key = key_of(
        {
            name: colour
            for k, (name, colour) in enumerate(zip(REGIMES, COLOURS, strict=True))
            if (z == k).any()
        }
    )
    return Figure(f"phase-{kind}", f"Regimes over width and {OTHER[kind]}", caption, [trace, *key], layout)


def _widths(chart: PhaseChart) -> Figure:
    cells = chart.cells
    full = cells[
        (cells["n_samples"] == cells["n_samples"].max()) & (cells["epochs"] == cells["epochs"].max())
    ]
    means = full.groupby("width").mean(numeric_only=True)
    shown: dict[str, str] = {
        "redundancy_train": "redundancy, training",
        "redundancy_test": "redundancy, test",
        "redundancy_random": "redundancy, random inputs",
        "knn": "9 nearest codes",
        "kmeans_accuracy_test": "k-means, matched",
        "logistic": "logistic regression",
        "network": "the network itself",
    }
    traces: list[Any] = [
        line(means.index.to_numpy(), means[column].to_numpy(), f"--c{k}", name, width=2)
        | {"showlegend": True}
        for k, (column, name) in enumerate(shown.items())
        if column in means
    ]
    caption = (
        "Redundancy of codes and accuracies from codes over width, after all epochs on all samples; means over "
        f"{plural(int(chart.plan['repeats']), 'network')}."
    )
    layout = {
        "xaxis": axis("width of the hidden layers", type="log"),
        "yaxis": axis("share", range=[0, 1.02]),
        "showlegend": True,
    }
    return Figure("phase-widths", "Redundancy and accuracy over width", caption, traces, layout)
