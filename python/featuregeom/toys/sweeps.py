"""Toys over dimensions, sparsities and importances: one batched run for each number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from featuregeom.errors import ParameterError
from featuregeom.toys.arguments import importances, integer, real, sparsities
from featuregeom.toys.superposition import Progress, Toy, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "sweep"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep.

    Attributes
    ----------
    toys : tuple of Toy
        One for each number of dimensions; its instances run over importances, then sparsities, then restarts.
    restarts : int
        Toys at each point.
    """

    toys: tuple[Toy, ...]
    restarts: int

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each toy: its point, restart, held-out loss and the sum of its squared weights."""
        import pandas as pd

        frames = []
        for toy in self.toys:
            instance = np.arange(len(toy.W))
            frames.append(
                pd.DataFrame(
                    {
                        "n_features": toy.W.shape[1],
                        "n_hidden": toy.W.shape[2],
                        "sparsity": toy.sparsity,
                        "importance": instance // (len(instance) // self._n_importances(toy)),
                        "restart": instance % self.restarts,
                        "instance": instance,
                        "loss": toy.loss,
                        "squared_norm": np.square(toy.W, dtype=np.float64).sum(axis=(1, 2)),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    @staticmethod
    def _n_importances(toy: Toy) -> int:
        changes = np.any(np.diff(toy.importance, axis=0) != 0, axis=1)
        return int(changes.sum()) + 1


def sweep(
    n_features: int,
    n_hidden: Sequence[int],
    sparsity: ArrayLike,
    *,
    importance: ArrayLike | None = None,
    restarts: int = 1,
    progress: Progress | None = None,
    **training: Any,
) -> Sweep:
    """Train toys at every combination of dimensions, sparsity and importance.

    Parameters
    ----------
    n_features : int
        Number of features.
    n_hidden : sequence of int
        Numbers of dimensions.
    sparsity : array_like, shape (s,)
        Probabilities that a feature is 0.
    importance : array_like, shape (n_features,) or (k, n_features), optional
        One or several lists of importances, no two in a row equal.
    restarts : int
        Toys at each point.
    progress : callable, optional
        Called as ``progress(done, total)`` in steps of all runs together.
    **training
        Passed to `superposition.train`.

    Returns
    -------
    Sweep

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    MissingExtraError
        If torch is not installed.

    Notes
    -----
    The k x s x restarts toys of one number of dimensions are trained at once, and so need memory at once.
    """
    restarts = integer("restarts", restarts, 1)
    dims = [integer("n_hidden", m, 1) for m in n_hidden]
    if not dims:
        raise ParameterError("n_hidden must name at least one number of dimensions")
    values = np.atleast_1d(real("sparsity", sparsity))
    points = np.repeat(sparsities(values, len(values)), restarts)
    lists = np.atleast_2d(np.ones(n_features) if importance is None else real("importance", importance))
    lists = importances(lists if len(lists) > 1 else lists[0], len(lists), n_features)
    if len(lists) > 1 and not np.any(np.diff(lists, axis=0) != 0, axis=1).all():
        raise ParameterError("importance must not hold the same list twice in a row")
    toys = []
    for place, m in enumerate(dims):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(dims) * total)

        toys.append(
            train(
                n_features,
                m,
                sparsity=np.tile(points, len(lists)),
                n_instances=len(points) * len(lists),
                importance=np.repeat(lists, len(points), axis=0),
                progress=report,
                **training,
            )
        )
    return Sweep(tuple(toys), restarts)
