"""The page of a recording: curves over training, each beside what chance gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregeom.errors import ParameterError
from featuregeom.formation.recorder import Recorder
from featuregeom.report.figures import SERIES, Figure, axis, line
from featuregeom.report.sheet import Section, Sheet, write_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["recording_sections", "write_recording"]

_SIDES = {"a": "in", "b": "out"}

_HOW = (
    "RGA compares representations with gradients, RWA representations with weights, GWA gradients with weights: 1 "
    "where they use the same directions. Solid: measured. Thin dots: what a random rotation of one matrix against the "
    "other gives on average. Thick dots: what random weights of the same singular values give with the same inputs "
    "and output gradients. A curve says something by its distance from both, not by its height."
)


def recording_sections(frame: pd.DataFrame, names: Mapping[str, str] | None = None) -> list[Section]:
    """Draw a recording: a section for each run (if it has several) and layer.

    Parameters
    ----------
    frame : DataFrame
        As `Recorder.to_frame` gives; a column ``run`` tells several apart.
    names : mapping of str to str, optional
        What a run is, by name.

    Returns
    -------
    list of Section
        For a page.

    Raises
    ------
    ParameterError
        If there is nothing to draw.
    """
    missing = {"step", "layer", "quantity", "value", "null_mean", "tied_mean", "low", "high"} - set(frame)
    if missing or frame.empty:
        raise ParameterError(
            f"this is no recording: it lacks {sorted(missing)}"
            if missing
            else "nothing has been recorded yet"
        )
    runs = list(dict.fromkeys(frame["run"])) if "run" in frame else [""]
    sections = []
    for run in runs:
        rows = frame[frame["run"] == run] if run else frame
        for layer in dict.fromkeys(rows["layer"]):
            title = f"Layer {layer}" if layer != "model" else "The model"
            figures = _figures(rows[rows["layer"] == layer])
            if figures:
                text = (f"{run}: {names[run]}.",) if names and run in names else ()
                sections.append(Section(f"{run}: {title.lower()}" if run else title, text, tuple(figures)))
    return sections


def write_recording(
    recorder: Recorder | pd.DataFrame, path: str | Path, title: str = "How a model forms"
) -> Path:
    """Write the page of a recording as one HTML file that needs no network.

    Parameters
    ----------
    recorder : Recorder or DataFrame
        What was recorded.
    path : str or Path
        File to write.
    title : str
        Heading.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    ParameterError
        If nothing has been recorded.
    OutputError
        If the file cannot be written.
    """
    frame = recorder.to_frame() if isinstance(recorder, Recorder) else recorder
    sections = recording_sections(frame)
    totals = (f"{frame['step'].nunique()} recordings", f"{frame['layer'].nunique()} layers")
    return write_sheet(Sheet("Training", title, tuple(sections), totals=totals), Path(path))


def _figures(rows: pd.DataFrame) -> list[Figure]:
    """Draw the figures of one layer, or of the model."""
    known = list(dict.fromkeys(rows["quantity"]))
    found = []
    for kind in dict.fromkeys(each.split()[1] for each in known if each[1:3] in ("GA", "WA") and "_" in each):
        for side, word in _SIDES.items():
            asked = [f"{name}_{side} {kind}" for name in ("RGA", "RWA", "GWA")]
            title = f"Alignment ({kind}), side {word}: representations, gradients, weights"
            found.append(
                _curves(
                    rows, "alignment", title, _HOW, [each for each in asked if each in known], "alignment"
                )
            )
    for kind, title, caption, asked in (
        (
            "exponents", "Exponents of moments as powers of the weights' products",
            "H and G against WᵀW (in, a) or WWᵀ (out, b), with bootstrap intervals over eigenvectors (thin lines). A "
            "value near a whole number means a phase only where R² and the closures in the table say that powers fit.",
            [f"exponent {each}" for each in ("H_a", "H_b", "G_b", "G_a")],
        ),
        (
            "convergence", "Weights against gradients: FACT and the neural feature ansatz",
            "FACT holds at every stationary point of a loss with weight decay; the ansatz (AGOP to the power 1 or 1/2) "
            "need not. Dotted: the ansatz under random rotations.",
            ["FACT correlation", "NFA correlation 1", "NFA correlation 0.5"],
        ),
        (
            "residuals", "How far from stationary",
            "0 where weight decay and gradient balance: what FACT and the hypothesis assume.",
            ["FACT residual", "stationarity"],
        ),
        (
            "entropy", "Von Neumann entropy of the layer's inputs",
            "In nats. Dotted: independent Gaussian rows. The samples of a data set are no independent "
            "rows, so it starts below.",
            ["entropy"],
        ),
        (
            "collapse", "Neural collapse",
            "At the end of training the representations of a class may all become one point. nc1, cdnv: spread within "
            "classes against that between them. nc2: how far the classes' means are from a simplex. nc3, self duality: "
            "how far the weights of the last layer are from those means. nc4: how often the nearest mean gives the "
            "network's answer. All go to 0 at full collapse, but for nc4, which goes to 1.",

            ["nc1", "nc2", "nc3", "nc4", "cdnv", "self duality"],
        ),
        ("loss", "Loss on the data that are measured", "Mean over samples.", ["loss"]),
    ):  # fmt: skip
        present = [each for each in asked if each in known]
        if present:
            found.append(_curves(rows, kind, title, caption, present, kind))
    return found


def _curves(
    rows: pd.DataFrame, kind: str, title: str, caption: str, asked: Sequence[str], label: str
) -> Figure:
    traces: list[dict[str, Any]] = []
    for number, quantity in enumerate(asked):
        own = rows[rows["quantity"] == quantity].sort_values("step")
        colour, steps = SERIES[number % len(SERIES)], own["step"].to_numpy(float)
        name = quantity.split()[0] if kind == "alignment" else quantity
        traces.append(line(steps, own["value"].to_numpy(float), colour, name, 2))
        for column, width, dotted in (
            ("null_mean", 1.0, True), ("tied_mean", 3.0, True), ("low", 0.5, False), ("high", 0.5, False),
        ):  # fmt: skip
            if own[column].notna().any():
                drawn = line(
                    steps, own[column].to_numpy(float), colour, f"{name}, {column.replace('_', ' ')}", width
                )
                how = {"color": colour, "width": width} | ({"dash": "dot"} if dotted else {})
                traces.append(drawn | {"line": how, "showlegend": False})
    return Figure(kind, title, caption, traces, {
        "xaxis": axis("step"), "yaxis": axis(label), "showlegend": True,
    })  # fmt: skip
