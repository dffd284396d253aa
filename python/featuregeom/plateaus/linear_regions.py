r"""How many linear regions lie along the paths of response curves, and how many go to one stable boundary.

Stable regions hold many linear ones: a path may cross hundreds of polytopes while the output stays on a plateau. For a
piecewise-linear suffix the count is exact, that of `regions.along` on the same path; for others the flips of gates on
a grid bound it from below (arXiv 2409.17113, appendix F, takes those between the two ends).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer, number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.extra import torch_module
from featuregeom.plateaus.crossings import crossings
from featuregeom.plateaus.curve_numbers import slopes
from featuregeom.plateaus.curves import Plateaus, response_curves
from featuregeom.plateaus.paths import PathKind, Scale, make_path
from featuregeom.plateaus.responses import pair_contexts
from featuregeom.summary import summarised

__all__ = ["LinearRegionCounts", "count_linear_regions", "stable_boundaries"]


@summarised
@dataclass(frozen=True, eq=False)
class LinearRegionCounts:
    """Linear regions and stable boundaries along P paths.

    Attributes
    ----------
    crossings : ndarray of int64, shape (P,)
        Bits of the code that flip along the way, each time counted: crossings of region boundaries.
    pieces : ndarray of int64, shape (P,)
        Linear regions on the path.
    boundaries : ndarray of int64, shape (P,)
        Stable boundaries on it; see `stable_boundaries`.
    exact : bool
        Whether crossings and pieces are all there are. If not they are of a grid, and lower bounds.
    """

    crossings: NDArray[np.int64]
    pieces: NDArray[np.int64]
    boundaries: NDArray[np.int64]
    exact: bool

    @property
    def per_boundary(self) -> NDArray[np.float64]:
        """Crossings for each stable boundary, shape (P,); NaN on paths without one."""
        some = self.boundaries > 0
        return np.where(some, self.crossings / np.where(some, self.boundaries, 1), np.nan)


def stable_boundaries(curves: Plateaus, sharp: float = 2.0) -> NDArray[np.int64]:
    """Count the cliffs of each curve, shape (P,): runs of intervals steeper than `sharp` times a straight line.

    Up or down; none for a pair without a relative curve.
    """
    least = number_between("sharp", sharp, 1)
    length = np.nanmax(curves.alphas, axis=1, keepdims=True)
    steep = np.abs(slopes(curves.alphas, curves.r)) * length > least  # NaN is not steep.
    begins = steep & ~np.hstack([np.zeros((len(steep), 1), dtype=bool), steep[:, :-1]])
    return np.asarray(begins.sum(axis=1), dtype=np.int64)


def count_linear_regions(
    g: Any,
    base: Any,
    target: Any = None,
    *,
    direction: Any = None,
    gates: Any = None,
    curves: Plateaus | None = None,
    end: float = 1.0,
    n_alphas: int = 51,
    path: PathKind = "linear",
    scale: Scale = "target",
    sigma: Any = None,
    orthogonal: bool = False,
    sharp: float = 2.0,
    batch_size: int = 256,
    contexts: ArrayLike | None = None,
    max_pieces: int = 1_000_000,
) -> LinearRegionCounts:
    """Count the linear regions of a suffix along paths, and compare them with its stable boundaries.

    Parameters
    ----------
    g : Suffix, torch.nn.Module, sequence of (W, b) or callable
        A piecewise-linear one is counted exactly, in float64 on a copy; what it closes over must be float64 then.
    base, target, direction, path, scale, sigma, orthogonal, batch_size, contexts
        As in `response_curves`.
    gates : callable, optional
        Where g is not piecewise linear, pre-activations of its gates, as in `crossings`: the count is then that of
        their flips on a grid, a lower bound. Given for a piecewise-linear g, it is not used.
    curves : Plateaus, optional
        Response curves of the same paths; by default computed, in L2.
    end : float
        Last alpha, with path "ray"; 1 otherwise.
    n_alphas : int
        Points of the grids.
    sharp : float
        See `stable_boundaries`.
    max_pieces : int
        More regions than this on one path are an error.

    Returns
    -------
    LinearRegionCounts

    Raises
    ------
    ParameterError
        If g is not piecewise linear, or the path no straight one, and there are no gates; a path that does not move.
    ShapeError
        If `curves` are of another number of pairs.

    Notes
    -----
    The exact count costs L + 1 batched forwards a pair for L layers that bend, as `regions.along` does.

    Examples
    --------
    Two hidden neurons, both crossed on the way from -1 to 2.

    >>> from featuregeom.plateaus import count_linear_regions
    >>> net = [([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 1.0]], [0.0])]
    >>> found = count_linear_regions(net, [[-1.0]], [[2.0]])
    >>> found.crossings.tolist(), found.pieces.tolist(), found.exact
    ([2], [3], True)
    """
    torch_module("plateaus.count_linear_regions")
    from featuregeom.plateaus.exact import pieces_along

    ways = make_path(base, target, direction, path=path, scale=scale, sigma=sigma, orthogonal=orthogonal)
    if ways.still.any():
        raise ParameterError(f"the path of pair {int(np.flatnonzero(ways.still)[0])} does not move")
    last = number_between("end", end, 0)
    if path != "ray" and last != 1:
        raise ParameterError(f'a path ends at alpha 1 unless path="ray", got end = {end!r}')
    points = integer("n_alphas", n_alphas, 2)
    which = pair_contexts(g, len(ways.base), contexts)
    grid = np.linspace(0.0, last, points)
    same: dict[str, Any] = {
        "direction": direction, "alphas": grid, "path": path, "scale": scale, "sigma": sigma,
        "orthogonal": orthogonal, "batch_size": batch_size, "contexts": contexts,
    }  # fmt: skip
    try:
        if path == "slerp":
            raise ParameterError('path="slerp" is an arc, on which regions are not counted exactly')
        found = pieces_along(g, ways, last, which, integer("max_pieces", max_pieces, 1))
        flips = np.array([int(way.crossings.sum()) for way in found], dtype=np.int64)
        pieces, exact = np.array([way.n_pieces for way in found], dtype=np.int64), True
    except ParameterError as error:
        if gates is None:
            raise ParameterError(f"{error}; gates= gives a lower bound on a grid instead") from error
        sampled = crossings(gates, base, target, **same)
        flips, exact = sampled.along, False
        pieces = 1 + np.sum(sampled.steps > 0, axis=1)
    if curves is None:
        curves = response_curves(_callable(g), base, target, **same)
    if len(curves.r) != len(flips):
        raise ShapeError(f"curves of {len(curves.r)} pairs, paths of {len(flips)}")
    return LinearRegionCounts(flips, pieces, stable_boundaries(curves, sharp), exact)


def _callable(g: Any) -> Any:
    """Give layers (W, b) as a function of tensors."""
    if not isinstance(g, list | tuple):
        return g
    torch = torch_module("plateaus.count_linear_regions")
    from featuregeom.networks.piecewise import Layers

    layers = Layers(g)
    return lambda h: torch.from_numpy(layers.forward(h.double().cpu().numpy())[1])
