"""Regimes of hash encoders: names for where redundancy and accuracy stand, by thresholds that are the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REGIMES", "Thresholds", "label", "regime_table"]

Floats = NDArray[np.float64]
Score = Literal["knn", "logistic", "kmeans_purity_test", "kmeans_accuracy_test", "network"]
Redundancy = Literal["redundancy_test", "redundancy_train"]

REGIMES = ("under-expressive", "critically expressive", "sufficiently expressive")
"""Numbered 0, 1, 2 in tables."""


@dataclass(frozen=True)
class Thresholds:
    """What makes a regime. The paper reads regimes by eye; these defaults are a choice, to be set.

    Attributes
    ----------
    tau_hi : float
        Redundancy from which on a network is under-expressive.
    tau_lo : float
        Redundancy up to which it can be sufficiently expressive.
    eps : float
        Largest change of the accuracy for e times the width, epochs or samples where it counts as saturated.
    redundancy : {"redundancy_test", "redundancy_train"}
        Which redundancy. That of the test set is always of as many samples; that of the training set is not.
    score : str
        Which accuracy: "knn", "logistic", "kmeans_purity_test", "kmeans_accuracy_test", or "network" for that of
        the network itself.
    """

    tau_hi: float = 0.5
    tau_lo: float = 0.1
    eps: float = 0.05
    redundancy: Redundancy = "redundancy_test"
    score: Score = "knn"

    def __post_init__(self) -> None:
        if not 0 <= self.tau_lo < self.tau_hi <= 1:
            raise ParameterError(
                f"thresholds need 0 <= tau_lo < tau_hi <= 1, got {self.tau_lo!r}, {self.tau_hi!r}"
            )
        if not self.eps > 0:
            raise ParameterError(f"eps must be above 0, got {self.eps!r}")
        if self.redundancy not in get_args(Redundancy):
            raise ParameterError(
                f"redundancy must be one of {', '.join(get_args(Redundancy))}, got {self.redundancy!r}"
            )
        if self.score not in get_args(Score):
            raise ParameterError(f"score must be one of {', '.join(get_args(Score))}, got {self.score!r}")


def label(
    redundancy: Floats, score: Floats, axes: tuple[Floats, Floats], thresholds: Thresholds | None = None
) -> tuple[NDArray[np.int64], Floats]:
    r"""Name the regime of every point of a grid.

    Under-expressive: :math:`R \ge \tau_{hi}`. Sufficiently expressive: :math:`R \le \tau_{lo}` and
    :math:`|\partial acc / \partial \log axis| \le \epsilon` along both axes. Critically expressive: the rest.

    Parameters
    ----------
    redundancy, score : ndarray, shape (a, b)
        Values on the grid; points with NaN are critical, for nothing says that they are not.
    axes : tuple of ndarray, shapes (a,) and (b,)
        Increasing and above 0; an axis of one point has no slope.
    thresholds : Thresholds, optional
        The defaults unless given.

    Returns
    -------
    regime : ndarray of int64, shape (a, b)
        Index into `REGIMES`.
    slope : ndarray, shape (a, b)
        The larger of the two slopes' absolute values.
    """
    limits = thresholds or Thresholds()
    if redundancy.shape != score.shape or redundancy.shape != tuple(len(axis) for axis in axes):
        raise ShapeError(f"grid of {tuple(map(len, axes))}, values of {redundancy.shape} and {score.shape}")
    slope = np.zeros(score.shape)
    for k, axis in enumerate(axes):
        if (np.diff(axis) <= 0).any() or not (axis > 0).all():
            raise ParameterError(f"axis {k} must increase, above 0, got {axis.tolist()}")
        if len(axis) > 1:
            slope = np.maximum(slope, np.abs(np.gradient(score, np.log(axis), axis=k)))
    under = redundancy >= limits.tau_hi
    sufficient = (redundancy <= limits.tau_lo) & (slope <= limits.eps)
    return np.where(under, 0, np.where(sufficient, 2, 1)).astype(np.int64), slope


def regime_table(cells: pd.DataFrame, thresholds: Thresholds | None = None) -> pd.DataFrame:
    """Average cells over repeats, and name the regimes on the two grids of a phase chart.

    Parameters
    ----------
    cells : DataFrame
        One row per network, as `phase` gives them: width by epochs with all samples, width by samples with all
        epochs.
    thresholds : Thresholds, optional
        The defaults unless given.

    Returns
    -------
    DataFrame
        Columns chart ("epochs" or "samples"), width, value, redundancy, score, slope, regime (its name), n_repeats;
        and of the same set of samples as the redundancy, where the cells have them, saturated (share of networks
        whose codes are all distinct), coverage (Good-Turing) and chao1 (regions), the last two lower bounds. Slopes
        along epochs are against log(1 + epochs).
    """
    import pandas as pd

    limits = thresholds or Thresholds()
    parts = []
    charts = (("epochs", "n_samples", cells["n_samples"].max()), ("samples", "epochs", cells["epochs"].max()))
    for chart, fixed, at in charts:
        column = "epochs" if chart == "epochs" else "n_samples"
        chosen = cells[cells[fixed] == at]
        grouped = chosen.groupby(["width", column])
        R = grouped[limits.redundancy].mean().unstack(column)
        score = grouped[limits.score].mean().unstack(column)
        other = R.columns.to_numpy(dtype=np.float64)
        axes = (R.index.to_numpy(dtype=np.float64), other + 1 if chart == "epochs" else other)
        regime, slope = label(R.to_numpy(), score.to_numpy(), axes, limits)
        of = limits.redundancy.removeprefix("redundancy_")
        bounds = {
            name: grouped[f"{name}_{of}"].mean().unstack(column).to_numpy(dtype=np.float64).ravel()
            for name in ("saturated", "coverage", "chao1")
            if f"{name}_{of}" in chosen
        }
        width, value = np.meshgrid(R.index.to_numpy(), R.columns.to_numpy(), indexing="ij")
        parts.append(
            pd.DataFrame(
                {
                    "chart": chart,
                    "width": width.ravel(),
                    "value": value.ravel(),
                    "redundancy": R.to_numpy().ravel(),
                    "score": score.to_numpy().ravel(),
                    "slope": slope.ravel(),
                    "regime": [REGIMES[k] for k in regime.ravel()],
                    "n_repeats": grouped.size().unstack(column).to_numpy().ravel(),
                }
                | bounds
            )
        )
    return pd.concat(parts, ignore_index=True)
