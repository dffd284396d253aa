r"""How many boundaries of linear regions, or flips of gates, lie along the same paths as the response curves.

Each gate has a sign along a path. The Hamming distance between the signs at both ends is a lower bound of the
crossings; summed over the steps of a grid it is a better one, with the same parity gate by gate. Both are exact for
a single layer, whose gates are affine along a straight path.

For piecewise-linear networks `count_linear_regions` counts exactly, by ``regions.along``, and finds what a grid misses;
GELU and SiLU have no regions, and their signs are of gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import NonFiniteError, ParameterError
from featuregeom.features import real_numbers
from featuregeom.networks.extra import torch_module
from featuregeom.networks.functions import check_rows, outputs
from featuregeom.networks.tensors import first_bad
from featuregeom.plateaus.paths import PathKind, Scale, make_path
from featuregeom.plateaus.responses import CHECKED, pair_contexts
from featuregeom.summary import summarised

__all__ = ["Crossings", "crossings"]


@summarised
@dataclass(frozen=True, eq=False)
class Crossings:
    """Sign changes of gates along P paths.

    Attributes
    ----------
    alphas : ndarray of float64, shape (n,)
        The grid.
    endpoint : ndarray of int64, shape (P,)
        Gates whose signs differ between the two ends.
    steps : ndarray of int64, shape (P, n - 1)
        Gates whose signs differ between neighbouring points.
    n_gates : int
        Number of gates.
    """

    alphas: NDArray[np.float64]
    endpoint: NDArray[np.int64]
    steps: NDArray[np.int64]
    n_gates: int

    @property
    def along(self) -> NDArray[np.int64]:
        """Sign changes along the grid, shape (P,): at least `endpoint`, at most the crossings there are."""
        return np.asarray(self.steps.sum(axis=1))


def crossings(
    gates: Any,
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
    batch_size: int = 256,
    contexts: ArrayLike | None = None,
) -> Crossings:
    """Count sign changes of gates along paths.

    Parameters
    ----------
    gates : callable
        A tensor (B, m) to pre-activations (B, q): ``suffix_from(..., output=[names])`` of the modules just before
        the activation functions. A gate is on where its pre-activation is above 0.
    base, target, direction, alphas, n_alphas, path, scale, sigma, orthogonal, batch_size, contexts
        As in `response_curves`; the grid is any increasing one.

    Returns
    -------
    Crossings

    Raises
    ------
    ParameterError, ShapeError, DtypeError, NonFiniteError
        As in `response_curves`; a NaN pre-activation is an error, never "off".

    Notes
    -----
    Costs P n rows of `gates`; memory for one batch and P n q bits.
    """
    torch = torch_module("plateaus.crossings")
    ways = make_path(base, target, direction, path=path, scale=scale, sigma=sigma, orthogonal=orthogonal)
    grid = (
        np.linspace(0.0, 1.0, integer("n_alphas", n_alphas, 2))
        if alphas is None
        else real_numbers(alphas, "alphas")
    )
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise ParameterError(f"alphas must increase, at least two of them, got {alphas!r}")
    P, step = len(ways.base), integer("batch_size", batch_size, 1)
    which = pair_contexts(gates, P, contexts)
    pairs, at = np.repeat(np.arange(P), len(grid)), np.tile(grid, P)
    some = np.repeat(np.arange(min(P, CHECKED)), 2)
    ends = ways.at(torch.from_numpy(some), torch.from_numpy(np.tile(grid[[0, -1]], len(some) // 2)))
    check_rows(gates, ends, None if which is None else which[some])
    signs: NDArray[np.bool_] = np.zeros((len(pairs), 0), dtype=np.bool_)
    for start in range(0, len(pairs), step):
        chosen = pairs[start : start + step]
        h = ways.at(torch.from_numpy(chosen), torch.from_numpy(at[start : start + step]))
        z = outputs(gates, h, None if which is None else which[chosen])
        bad = first_bad(z)
        if bad is not None:
            pair, alpha = int(chosen[bad[0]]), at[start + bad[0]]
            raise NonFiniteError(
                f"gate {bad[1]} of pair {pair} is {float(z[bad])} at alpha {alpha:g}", pair, bad[1]
            )
        if not start:
            signs = np.zeros((len(pairs), z.shape[1]), dtype=np.bool_)
        signs[start : start + step] = (z > 0).cpu().numpy()
    signs = signs.reshape(P, len(grid), -1)
    return Crossings(
        alphas=grid,
        endpoint=np.sum(signs[:, 0] != signs[:, -1], axis=1),
        steps=np.stack([np.sum(pair[1:] != pair[:-1], axis=1) for pair in signs]),
        n_gates=signs.shape[2],
    )
