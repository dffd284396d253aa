"""The page of a trajectory: one matrix over checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from featuregeom.report.figures import Figure, axis, line, subsample
from featuregeom.report.sheet import Section, Sheet
from featuregeom.trajectory import Jumps, Trajectory
from featuregeom.wording import number, plural

__all__ = ["trajectory_sentences", "trajectory_sheet"]

CURVES = 60
"""Most curves of a figure; those of features that jump come first."""

_LISTED = 5
"""Most steps that a sentence lists."""


def trajectory_sentences(found: Trajectory, jumps: Jumps, level_jumps: Jumps) -> list[str]:
    """Say what moved over the checkpoints.

    Parameters
    ----------
    found : Trajectory
        The trajectory.
    jumps, level_jumps : Jumps
        Its jumps of kappa and of levels.

    Returns
    -------
    list of str
        Sentences.
    """
    T, n = found.kappa.shape
    first, last = found.steps[0], found.steps[-1]
    said = [
        f"{plural(T, 'checkpoint')} of {plural(n, 'feature')}, steps {number(first)} to {number(last)}: "
        f"{_from_to('rank', found.rank, 4)}, {_from_to('saturation', found.saturation, 3)}."
    ]
    moved = np.array([_median(row) for row in found.js])
    if not np.isnan(moved).all():
        most = int(np.nanargmax(moved))
        said.append(
            f"Features move most between steps {number(found.steps[most])} and {number(found.steps[most + 1])}: the "
            f"median Jensen-Shannon distance of their spectral measures is {number(moved[most], 3)} there, and "
            f"{number(moved[-1], 3)} at the end (0 is rest, 1 is no overlap)."
        )
    captured = [float(step.captured.min()) for step in found.subspaces if len(step.captured)]
    if captured:
        least = int(np.argmin(captured))
        said.append(
            f"From one checkpoint to the next the leading eigenvectors hold at least "
            f"{number(100 * captured[least], 3)} % of what the next ones do (least before step "
            f"{number(found.steps[least + 1])})."
        )
    said += [_jumped(jumps, "the share of the dimensions that they get for their length (kappa)")]
    said += [_jumped(level_jumps, "their energy level, so they change eigenspaces or go along with one")]
    return said


def trajectory_sheet(
    found: Trajectory, jumps: Jumps, level_jumps: Jumps, name: str, provenance: Mapping[str, Any]
) -> Sheet:
    """Lay out a trajectory as a page.

    Parameters
    ----------
    found : Trajectory
        The trajectory.
    jumps, level_jumps : Jumps
        Its jumps of kappa and of levels.
    name : str
        The matrix.
    provenance : mapping
        Where the checkpoints are, and how they were read.

    Returns
    -------
    Sheet
    """
    T, n = found.kappa.shape
    sections = [
        Section("The spectrum", figures=(_eigenvalues(found), _saturation(found))),
        Section("Movement", figures=(_movement(found), _overlaps(found))),
        Section("Features", (_JUMPS,), figures=(_features(found, jumps),), table=_table(jumps, level_jumps)),
    ]
    return Sheet(
        kicker="Checkpoints",
        title=f"{name} over training",
        lead=tuple(trajectory_sentences(found, jumps, level_jumps)),
        totals=(plural(T, "checkpoint"), plural(n, "feature"), plural(len(jumps) + len(level_jumps), "jump")),
        provenance=provenance,
        sections=tuple(sections),
    )


_JUMPS = (
    "Kappa is the mean eigenvalue of a feature, its energy; its level is the eigenvalue that holds two thirds of it. A "
    "jump of kappa is a step unlike the feature's other steps: noise alone makes one in 1 of 100 trajectories, and "
    "with few checkpoints only large ones can be told from noise. A jump of the level is a change to another one by "
    "more than a tenth, beyond its usual drift."
)


def _from_to(what: str, values: Any, digits: int) -> str:
    first, last = number(values[0], digits), number(values[-1], digits)
    return f"{what} {first} first and last" if first == last else f"{what} from {first} to {last}"


def _jumped(jumps: Jumps, what: str) -> str:
    if not len(jumps):
        return f"No feature jumps in {what}."
    steps, counts = np.unique(jumps.step, return_counts=True)
    top = np.argsort(-counts, kind="stable")[:_LISTED]
    listed = ", ".join(f"{number(counts[at])} at step {number(steps[at])}" for at in sorted(top.tolist()))
    more = " and others" if len(steps) > _LISTED else ""
    different = len(np.unique(jumps.feature))
    features = plural(different, "feature jumps", "features jump")
    total = f" ({plural(len(jumps), 'jump')} in all)" if len(jumps) > different else ""
    return f"{features} in {what}{total}: {listed}{more}."


def _of(shown: int, n: int, what: str) -> str:
    return (
        f"All {plural(n, what)}." if shown == n else f"{number(shown)} of {plural(n, what)}, evenly chosen."
    )


def _median(values: Any) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _eigenvalues(found: Trajectory) -> Figure:
    values = np.where(found.eigenvalues > 0, found.eigenvalues, np.nan)
    shown = subsample(values.shape[1], CURVES)
    traces = [line(found.steps, values[:, k], "--c0", f"eigenvalue {k}", width=1) for k in shown.tolist()]
    return Figure(
        "eigenvalue-curves", "Eigenvalues of the frame operator",
        f"{_of(len(shown), values.shape[1], 'eigenvalue')} Curves that meet become one eigenspace.",
        traces, {"xaxis": axis("step"), "yaxis": axis("eigenvalue", type="log"), "showlegend": False},
    )  # fmt: skip


def _saturation(found: Trajectory) -> Figure:
    return Figure(
        "saturation", "Saturation",
        "Sum of the features' capacities over the rank: 1 where every feature lies in one eigenspace.",
        [line(found.steps, found.saturation, "--c0", "saturation", width=2)],
        {"xaxis": axis("step"), "yaxis": axis("saturation")},
    )  # fmt: skip


def _movement(found: Trajectory) -> Figure:
    quantiles: Sequence[tuple[float, str, float]] = (
        (0.1, "a tenth", 1),
        (0.5, "median", 2),
        (0.9, "nine tenths", 1),
    )
    traces = []
    for share, name, width in quantiles:
        values = [
            float(np.quantile(row[~np.isnan(row)], share)) if (~np.isnan(row)).any() else np.nan
            for row in found.js
        ]
        traces.append(line(found.steps[1:], values, "--c0" if width == 2 else "--muted", name, width))
    return Figure(
        "movement", "How far spectral measures move",
        "How far a feature's spectral measure (its share in each eigenvector of the last checkpoint) is from that at "
        "the checkpoint before, as a Jensen-Shannon distance: 0 at rest, 1 without overlap. Grey: a tenth of the "
        "features lie below the lower line, and a tenth above the upper one.",
        traces,
        {"xaxis": axis("step"), "yaxis": axis("distance", rangemode="tozero"), "showlegend": True},
    )  # fmt: skip


def _overlaps(found: Trajectory) -> Figure:
    traces = []
    ks = sorted({int(k) for step in found.subspaces for k in step.k})
    for colour, k in enumerate(ks[:: max(1, len(ks) // 4)][:5]):
        values = [
            float(step.overlap[step.k == k][0]) if (step.k == k).any() else np.nan for step in found.subspaces
        ]
        traces.append(line(found.steps[1:], values, f"--c{colour}", f"k = {k}", 2))
    return Figure(
        "overlaps", "Spans of leading eigenvectors",
        "How much the span of the k leading eigenvectors shares with that at the checkpoint before: 1 where it is the "
        f"same, about k / {found.eigenvalues.shape[1]} at random.",
        traces, {"xaxis": axis("step"), "yaxis": axis("overlap", range=[0, 1.05]), "showlegend": True},
    )  # fmt: skip


def _features(found: Trajectory, jumps: Jumps) -> Figure:
    n = found.kappa.shape[1]
    jumping = list(dict.fromkeys(jumps.feature.tolist()))[:CURVES]
    others = [each for each in subsample(n, CURVES).tolist() if each not in set(jumping)]
    traces = [
        line(found.steps, found.kappa[:, i], "--muted", f"feature {i}", 0.7)
        for i in others[: CURVES - len(jumping)]
    ]
    traces += [line(found.steps, found.kappa[:, i], "--c1", f"feature {i}, jumps", 1.5) for i in jumping]
    return Figure(
        "kappa-curves", "Kappa of features",
        f"{_of(len(traces), n, 'feature')} Those whose kappa jumps are thick and coloured.",
        traces, {"xaxis": axis("step"), "yaxis": axis("kappa", type="log"), "showlegend": False},
    )  # fmt: skip


def _table(jumps: Jumps, level_jumps: Jumps) -> Any:
    import pandas as pd

    parts = [
        pd.DataFrame(
            {
                "feature": each.feature, "step": each.step, "of": what, "factor": np.exp(each.increment),
                "sigmas": each.sigmas,
            }
        )
        for each, what in ((jumps, "kappa"), (level_jumps, "level")) if len(each)
    ]  # fmt: skip
    if not parts:
        return None
    return pd.concat(parts).sort_values("sigmas", key=abs, ascending=False, kind="stable")
