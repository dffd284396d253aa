"""Regimes of hash encoders: names for where redundancy and accuracy stand, by thresholds that are the caller's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COARSE", "REGIMES", "Thresholds", "coarse_steps", "label", "regime_table"]

Floats = NDArray[np.float64]
Score = Literal["knn", "logistic", "kmeans_purity_test", "kmeans_accuracy_test", "network"]
Redundancy = Literal["redundancy_test", "redundancy_train"]

REGIMES = ("under-expressive", "critically expressive", "sufficiently expressive")
"""Names of the regimes; tables give their positions in this list: 0, 1 or 2."""

COARSE = math.e
"""Largest factor between neighbouring grid points: a slope is the change for e times the width (epochs, samples), and
across a longer step nothing was measured inside of it. Of logistic curves whose odds grow as width^k, k from 0.7 to 3,
grids with steps of 2 label 0.4 % of their points otherwise than grids with steps of 1.09 do, with steps of e 3 %."""


@summarised
@dataclass(frozen=True)
class Thresholds:
    """Thresholds that decide the regime of a point.

    The paper reads regimes by eye; these defaults are a choice, to be set.

    Attributes
    ----------
    tau_hi : float
        Redundancy from which on a network is under-expressive.
    tau_lo : float
        Redundancy up to which it can be sufficiently expressive.
    eps : float
        Largest change of the accuracy for e times the width, samples or 1 + epochs where it counts as saturated.
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
        choice("redundancy", self.redundancy, get_args(Redundancy))
        choice("score", self.score, get_args(Score))


def label(
    redundancy: Floats, score: Floats, axes: tuple[Floats, Floats], thresholds: Thresholds | None = None
) -> tuple[NDArray[np.int64], Floats]:
    r"""Name the regime of every point of a grid.

    Under-expressive: :math:`R \ge \tau_{hi}`. Sufficiently expressive: :math:`R \le \tau_{lo}` and
    :math:`|\partial acc / \partial \log axis| \le \epsilon` along both axes. Critically expressive: the rest.

    The derivative is the mean one over a factor e with the point in its middle, or over the first or last factor e of
    the axis where the point is nearer to its end: the change of the accuracy between the ends of that window. Between
    grid points the accuracy follows the monotone cubic interpolant in the logarithm of the axis. So neither the
    spacing of the grid nor the noise of points that are near each other decides about a label.

    Parameters
    ----------
    redundancy, score : ndarray, shape (a, b)
        Values on the grid; points with NaN are critical, for nothing says that they are not, and the slopes of others
        are those of the grid without them.
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

    Raises
    ------
    ShapeError, ParameterError
        If values and axes do not fit together, or an axis does not increase above 0.

    Warns
    -----
    UserWarning
        If the grid is coarse: a step of an axis is longer than a factor e.

    References
    ----------
    Fritsch & Carlson, Monotone piecewise cubic interpolation, SIAM J. Numer. Anal. 17 (1980).
    """
    limits = thresholds or Thresholds()
    if redundancy.shape != score.shape or redundancy.shape != tuple(len(axis) for axis in axes):
        raise ShapeError(f"grid of {tuple(map(len, axes))}, values of {redundancy.shape} and {score.shape}")
    slope = np.zeros(score.shape)
    for k, axis in enumerate(axes):
        if (np.diff(axis) <= 0).any() or not (axis > 0).all():
            raise ParameterError(f"axis {k} must increase, above 0, got {axis.tolist()}")
        coarse = coarse_steps(axis)
        if coarse:
            steps = ", ".join(f"{a:g} to {b:g}" for a, b in coarse)
            warnings.warn(
                f"the grid is coarse along axis {k}, from {steps}: regimes near steps longer than a factor e = 2.72 "
                "depend on what was not measured; add points between",
                stacklevel=2,
            )
        slope = np.maximum(slope, np.apply_along_axis(_slopes, k, score, np.log(axis)))
    under = redundancy >= limits.tau_hi
    sufficient = (redundancy <= limits.tau_lo) & (slope <= limits.eps)
    return np.where(under, 0, np.where(sufficient, 2, 1)).astype(np.int64), slope


def coarse_steps(axis: Sequence[float] | Floats) -> list[tuple[float, float]]:
    """Give the ends of the steps of an axis, increasing above 0, that are longer than a factor `COARSE`."""
    points = np.asarray(axis, dtype=np.float64)
    # A grid in powers of e has steps of e up to rounding.
    long = np.flatnonzero(points[1:] > COARSE * (1 + 1e-12) * points[:-1])
    return [(float(points[k]), float(points[k + 1])) for k in long]


def _slopes(score: Floats, place: Floats) -> Floats:
    """Size of the mean derivative of a score over the unit of `place` about each point; NaN where the score is."""
    known = np.isfinite(score)
    slopes = np.where(known, 0.0, np.nan)
    at = place[known]
    if len(at) < 2:
        return slopes
    from scipy.interpolate import PchipInterpolator

    low = np.clip(at - 0.5, at[0], max(at[0], at[-1] - 1))
    high = np.minimum(low + 1, at[-1])
    curve = PchipInterpolator(at, score[known])
    slopes[known] = np.abs(curve(high) - curve(low)) / (high - low)
    return slopes


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

    Warns
    -----
    UserWarning
        If a grid is coarse, as `label` says.
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
