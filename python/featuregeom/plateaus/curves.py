r"""Response curves: how far the output moves as an activation moves along a path.

For a suffix y = g(h) of a network and a path X(alpha) from a base A,

.. math:: d(\alpha) = \operatorname{dist}(g(A), g(X(\alpha))), \qquad r(\alpha) = d(\alpha) / d(\alpha_{end}), \qquad
    \rho(\alpha) = \frac{d_A}{d_A + d_B}.

A straight r of slope 1 says that base and target are in one region of the suffix; a plateau and a cliff say that a
boundary lies between them. On a grid of n points no slope above n - 1 can be seen, so the grid is refined.

References
----------
Heimersheim & Mendel, Activation plateaus (2024); Janiak et al., arXiv 2409.17113; Lee & Heimersheim, arXiv 2410.12555.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice, integer, number_between
from featuregeom.errors import ParameterError
from featuregeom.features import real_numbers
from featuregeom.plateaus import curve_numbers as of
from featuregeom.plateaus.metrics import Metric
from featuregeom.plateaus.paths import PathKind, Scale, make_path
from featuregeom.plateaus.refinement import Cutter
from featuregeom.plateaus.responses import Responses
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Plateaus", "response_curves"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int], object]

STILL = "the path does not move: target equals base, or the direction is zero"
UNCHANGED = "the output at the end is that at the base, up to rounding: no relative curve"


@summarised
@dataclass(frozen=True, eq=False)
class Plateaus:
    r"""Response curves of P pairs, with their numbers.

    Attributes
    ----------
    alphas : ndarray, shape (P, L)
        Points of each curve, increasing; NaN after its last one, for refined curves have points of their own.
    d : ndarray, shape (P, L)
        Distance of the output from that at the base.
    r : ndarray, shape (P, L)
        d over its last value; NaN for a pair with a `reason`.
    rho : ndarray, shape (P, L)
        :math:`d_A / (d_A + d_B)`, with :math:`d_B` the distance from the output at the end.
    max_slope, alpha_at_max : ndarray, shape (P,)
        Largest dr/dalpha of a chord, and the middle of that chord.
    resolution : ndarray, shape (P,)
        Width of that chord. Slopes above 1 / resolution cannot be seen.
    limited : ndarray of bool, shape (P,)
        Refinement ended at its limit: the slope had not settled, as for a step, or points ran out before all
        intervals that may hold a steeper piece were cut. `max_slope` is always the slope of a chord, so a lower
        bound; False says that what `response_curves` looks for was looked for. All True without refinement, and
        False without a curve.
    tv : ndarray, shape (P,)
        Total variation of r: 1 exactly if it is monotone.
    auc : ndarray, shape (P,)
        Mean of r along the path; 1/2 for a straight one.
    nl_step : ndarray of int64, shape (P,)
        First step >= 10 of the starting grid where d is 10 % off the line through its steps 1 and 10; -1 for none.
    reason : tuple of str, length P
        Why a pair has no relative curve; empty where it has one. That the output at the end is that at the base up to
        rounding is judged by the largest output, and the largest distance, that was seen on the path.
    out, path, scale : str
        Metric ("callable" for one of the caller's), path and what alpha counts.
    n_forward : int
        Activations that went through g.
    """

    alphas: Floats
    d: Floats
    r: Floats
    rho: Floats
    max_slope: Floats
    alpha_at_max: Floats
    resolution: Floats
    limited: NDArray[np.bool_]
    tv: Floats
    auc: Floats
    nl_step: NDArray[np.int64]
    reason: tuple[str, ...]
    out: str
    path: str
    scale: str
    n_forward: int

    def width_left(self, threshold: float = 0.1) -> Floats:
        """Length of the plateau at the base, sup{a : r <= threshold on [0, a]}, shape (P,)."""
        return of.first_above(self.alphas, self.r, number_between("threshold", threshold, 0, 1))[0]

    def width_right(self, threshold: float = 0.1) -> Floats:
        """Length of the plateau at the end, a_end - inf{a : r >= 1 - threshold on [a, a_end]}, shape (P,)."""
        end = np.nanmax(self.alphas, axis=1)
        return end - of.last_below(self.alphas, self.r, 1 - number_between("threshold", threshold, 0, 1))[0]

    def rise(self, low: float = 0.1, high: float = 0.9) -> Floats:
        """Length of the way up: the first alpha above `high` less the first above `low`, shape (P,)."""
        if not 0 < low < high < 1:
            raise ParameterError(f"rise needs 0 < low < high < 1, got {low!r} and {high!r}")
        first = of.first_above(self.alphas, self.r, low)[0]
        return of.first_above(self.alphas, self.r, high)[0] - first

    def on_grid(self, alphas: ArrayLike, which: str = "r") -> Floats:
        """Curves at common alphas by interpolation, shape (P, n), of "r", "d" or "rho"; NaN beyond an end."""
        choice("which", which, ("r", "d", "rho"))
        at, values = real_numbers(alphas, "alphas"), getattr(self, which)
        found = np.empty((len(values), len(at)))
        for k, (x, y) in enumerate(zip(self.alphas, values, strict=True)):
            there = ~np.isnan(x)
            found[k] = np.interp(at, x[there], y[there], left=np.nan, right=np.nan)
        return found

    def to_frame(self, threshold: float = 0.1) -> pd.DataFrame:
        """One row per pair: the scalars, and the widths at `threshold`."""
        import pandas as pd

        return pd.DataFrame(
            {
                "pair": np.arange(len(self.r)),
                "max_slope": self.max_slope,
                "alpha_at_max": self.alpha_at_max,
                "resolution": self.resolution,
                "limited": self.limited,
                "width_left": self.width_left(threshold),
                "width_right": self.width_right(threshold),
                "tv": self.tv,
                "auc": self.auc,
                "nl_step": self.nl_step,
                "d_end": _last(self.d),
                "reason": list(self.reason),
            }
        )


def response_curves(
    g: Any,
    base: Any,
    target: Any = None,
    *,
    direction: Any = None,
    alphas: ArrayLike | None = None,
    n_alphas: int = 51,
    path: PathKind = "linear",
    scale: Scale = "target",
    sigma: Any = None,
    orthogonal: bool = False,
    out: str | Metric = "l2",
    refine: float | None = 1e-2,
    levels: Sequence[float] = (0.1,),
    resolution: float | None = None,
    max_points: int = 400,
    batch_size: int = 256,
    contexts: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Plateaus:
    r"""Measure how the output of a suffix responds along paths from each base, refined where the curve is steep.

    Parameters
    ----------
    g : callable
        A tensor (B, m) to a tensor (B, ...), row by row. A `Suffix` gets the context of each row as well.
    base : tensor or array-like, shape (P, m) or (m,)
        Where the paths start. Its dtype is that of the activations that g receives.
    target, direction, path, scale, sigma, orthogonal
        The path; see `paths`. A direction (of `directions`, or vectors) with scale "target" is added as it is at
        alpha 1.
    alphas : array_like, shape (n,), optional
        Starting grid, increasing from 0; to 1 on a linear path or a slerp. By default `n_alphas` even points in [0, 1].
    n_alphas : int
        Points of the default grid, at least 2.
    out : str or callable
        Metric; see `metrics`. "ab_ratio" makes d itself :math:`d_A / (d_A + d_B)` in L2.
    refine : float or None
        Relative tolerance of the largest slope: intervals that may hold it are cut in four until none of their
        parts is steeper by more; see the notes. None keeps the grid.
    levels : sequence of float
        The crossings that give the widths at these thresholds are cut until they are known to `refine` of the length.
    resolution : float, optional
        Least width of an interval, as a share of the length. By default the square root of the rounding unit of
        the activations (1.5e-8 in float64, 3.5e-4 in float32), below which differences are rounding.
    max_points : int
        Most points of one curve, at least n_alphas + 3.
    batch_size : int
        Rows of one call of g.
    contexts : array_like of int, shape (P,), optional
        For a `Suffix` with several contexts: that of each pair; by default pair k has context k.
    progress : callable, optional
        Called as ``progress(done, total)`` after each batch; the total grows with each round of refinement.

    Returns
    -------
    Plateaus

    Raises
    ------
    ParameterError, ShapeError, DtypeError
        If an argument is outside its range or does not fit the others.
    NonFiniteError
        If an activation, or an output, is NaN or infinite; the message names pair and alpha.

    Notes
    -----
    What is guaranteed: the steepest interval was cut without a steeper part. So was every other interval whose rise
    differs from what the slopes of its neighbours predict, if the difference is more than `refine` of the rise and
    would make a larger slope in a piece as narrow as `resolution`; its parts are cut on while they become steeper. What
    a grid cannot show is not found: a piece that goes up and down again between two points, or one on the flank of a
    cliff that bends as much. More points at the start find more.

    Costs P (n + 1) rows of g, and 3 more for each cut: some log4 of its slope cuts for each cliff, and one for each
    interval where the curve bends. Memory:
    one batch, and the outputs at both ends of every path. Every point is compared with an output computed in
    another batch, so float32 models differ there by rounding.

    Examples
    --------
    >>> import torch
    >>> from featuregeom.plateaus import response_curves
    >>> curves = response_curves(lambda h: torch.tanh(50 * h), [[-1.0]], [[1.0]], refine=1e-3)
    >>> round(float(curves.max_slope[0]))
    50
    """
    ways = make_path(base, target, direction, path=path, scale=scale, sigma=sigma, orthogonal=orthogonal)
    grid = _grid(alphas, n_alphas, path)
    tolerance = None if refine is None else number_between("refine", refine, 0, 1)
    taus = [number_between("levels", tau, 0, 1) for tau in levels]
    responses = Responses(
        g, ways, float(grid[-1]), out=out, batch_size=batch_size, contexts=contexts, progress=progress
    )
    least = float(np.sqrt(responses.input_epsilon)) if resolution is None else resolution
    least = number_between("resolution", least, 0, 1) * float(grid[-1])
    most = integer("max_points", max_points, len(grid) + 3)

    P = len(ways.base)
    x = np.tile(grid, (P, 1))
    pairs = np.repeat(np.arange(P), len(grid) - 2)
    inner_d, inner_rho = responses.distances(pairs, np.tile(grid[1:-1], P))
    d, rho = (
        np.column_stack([first, inner.reshape(P, -1), last])
        for first, inner, last in (
            (responses.start_d, inner_d, responses.end_d), (np.zeros(P), inner_rho, np.ones(P))
        )
    )  # fmt: skip
    steps = of.step_off_line(d)
    limited = np.ones(P, dtype=np.bool_)
    cutter = None if tolerance is None else Cutter(tolerance, taus, least, most)
    parent = np.full_like(x, np.nan)
    while True:
        # What is rounding depends on how far the output goes on the way, of which cuts show more.
        undefined = ways.still | responses.unchanged()
        end = np.where(undefined, np.nan, responses.end_d)[:, None]
        if cutter is None:
            break
        cut, limited = cutter.choose(x, d / end, parent, ~undefined)
        if not cut.any():
            break
        x, d, rho, parent = _insert(x, d, rho, parent, cut, end, responses)
    reason = tuple(
        STILL if still else UNCHANGED if none else ""
        for still, none in zip(ways.still, undefined, strict=True)
    )
    rho[undefined] = np.nan
    steps[undefined] = -1
    limited &= ~undefined
    slope, at, width = of.steepest(x, d / end)
    r = d / end
    return Plateaus(
        alphas=x, d=d, r=r, rho=rho, max_slope=slope, alpha_at_max=at, resolution=width, limited=limited,
        tv=of.total_variation(r), auc=of.area(x, r), nl_step=steps, reason=reason,
        out=out if isinstance(out, str) else "callable", path=path, scale=scale, n_forward=responses.n_forward,
    )  # fmt: skip


def _insert(
    x: Floats,
    d: Floats,
    rho: Floats,
    parent: Floats,
    cut: NDArray[np.bool_],
    end: Floats,
    responses: Responses,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Put three points into every interval to cut, whose parts remember its slope."""
    row, at = np.nonzero(cut)
    low, high = x[row, at], x[row, at + 1]
    steep = (d[row, at + 1] - d[row, at]) / (high - low) / end[row, 0]
    new = (low[:, None] + (high - low)[:, None] * np.array([0.25, 0.5, 0.75])).ravel()
    pairs = np.repeat(row, 3)
    new_d, new_rho = responses.distances(pairs, new)
    parent[row, at] = steep
    added = np.bincount(pairs, minlength=len(x))
    wider = np.full((4, len(x), x.shape[1] + int(added.max())), np.nan)
    wider[:, :, : x.shape[1]] = x, d, rho, parent
    place = x.shape[1] + np.arange(len(pairs)) - np.repeat(np.cumsum(added) - added, added)
    wider[:, pairs, place] = new, new_d, new_rho, np.repeat(steep, 3)
    order = np.argsort(wider[0], axis=1, kind="stable")  # NaN sorts last.
    kept = int(np.sum(~np.isnan(wider[0]), axis=1).max())
    sorted_ = np.take_along_axis(wider, order[None], axis=2)[:, :, :kept]
    return sorted_[0], sorted_[1], sorted_[2], sorted_[3]


def _grid(alphas: ArrayLike | None, n_alphas: int, path: PathKind) -> Floats:
    if alphas is None:
        return np.linspace(0.0, 1.0, integer("n_alphas", n_alphas, 2))
    grid = real_numbers(alphas, "alphas")
    if (
        grid.ndim != 1
        or len(grid) < 2
        or not np.isfinite(grid).all()
        or grid[0] != 0
        or (np.diff(grid) <= 0).any()
    ):
        raise ParameterError(f"alphas must increase from 0, at least two of them, got {alphas!r}")
    if path != "ray" and grid[-1] != 1:
        raise ParameterError(f'alphas end at {grid[-1]:g}; only path="ray" ends anywhere but at 1')
    return grid


def _last(values: Floats) -> Floats:
    count = np.sum(~np.isnan(values), axis=1)
    return np.asarray(values[np.arange(len(values)), np.maximum(count - 1, 0)])
