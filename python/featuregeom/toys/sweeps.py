"""Toys over features, dimensions, sparsities and importances: one batched run for each shape."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.summary import summarised
from featuregeom.toys.arguments import importances, numbers_of, real, sparsities
from featuregeom.toys.superposition import Progress, Toy, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "sweep"]
__dir__ = __all__.copy

_TRAINING: Final = frozenset(inspect.signature(train).parameters) - {
    "n_features", "n_hidden", "sparsity", "n_instances", "importance", "progress",
}  # fmt: skip


@summarised
@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep.

    Attributes
    ----------
    toys : tuple of Toy
        One for each number of features and, within it, of dimensions; its instances run over importances, then
        sparsities, then restarts.
    restarts : int
        Toys at each point.
    """

    toys: tuple[Toy, ...]
    restarts: int

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each toy: its point, restart, held-out loss with its error, and sum of squared weights."""
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
                        "loss_error": toy.loss_error,
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
    n_features: Sequence[int] | int,
    n_hidden: Sequence[int] | int,
    sparsity: ArrayLike,
    *,
    importance: ArrayLike | Sequence[ArrayLike] | None = None,
    restarts: int = 1,
    progress: Progress | None = None,
    **training: Any,
) -> Sweep:
    """Train toys at every combination of features, dimensions, sparsity and importance.

    The points are the product n_features x n_hidden x importance x sparsity, each with as many restarts.

    Parameters
    ----------
    n_features, n_hidden : int or sequence of int
        Numbers of features and of dimensions.
    sparsity : array_like, shape (s,)
        Probabilities that a feature is 0.
    importance : array_like, shape (n_features,) or (k, n_features), or a sequence of these, optional
        One or several lists of importances, no two in a row equal; with several numbers of features, one such array
        for each.
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
        If an argument is outside its range, or `training` has what the sweep sets itself or nobody knows.
    MissingExtraError
        If torch is not installed.

    Notes
    -----
    The k x s x restarts toys of one shape are trained at once, and so need memory at once.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", for the axes of the sweep.
    """
    restarts = integer("restarts", restarts, 1)
    counts, dims = numbers_of("n_features", n_features, 1), numbers_of("n_hidden", n_hidden, 1)
    values = np.atleast_1d(real("sparsity", sparsity))
    points = np.repeat(sparsities(values, len(values)), restarts)
    unknown = training.keys() - _TRAINING
    if unknown:
        raise ParameterError(f"{min(unknown)} must be an argument of train that the sweep leaves free")
    if np.ndim(n_features) and importance is not None and len(counts) > 1:
        given: list[Any] = list(importance) if isinstance(importance, Iterable) else []
        if len(given) != len(counts):
            raise ParameterError(
                f"importance must be one array for each of {len(counts)} numbers of features"
            )
    else:
        given = [importance] * len(counts)
    lists = [_lists(one, n) for one, n in zip(given, counts, strict=True)]
    toys, runs = [], [(n, m, rows) for n, rows in zip(counts, lists, strict=True) for m in dims]
    for place, (n, m, rows) in enumerate(runs):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(runs) * total)

        toys.append(
            train(
                n,
                m,
                sparsity=np.tile(points, len(rows)),
                n_instances=len(points) * len(rows),
                importance=np.repeat(rows, len(points), axis=0),
                progress=report,
                **training,
            )
        )
    return Sweep(tuple(toys), restarts)


def _lists(importance: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Give the lists of importances of n features as rows."""
    lists = np.atleast_2d(np.ones(n) if importance is None else real("importance", importance))
    lists = importances(lists if len(lists) > 1 else lists[0], len(lists), n)
    if len(lists) > 1 and not np.any(np.diff(lists, axis=0) != 0, axis=1).all():
        raise ParameterError("importance must not hold the same list twice in a row")
    return lists
