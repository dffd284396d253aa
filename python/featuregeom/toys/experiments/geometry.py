"""The fractional dimensionality of every feature as inputs get sparser: it sticks at the values of geometries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.summary import summarised
from featuregeom.toys.arguments import real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished, kind_of
from featuregeom.toys.superposition import Progress, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PLATEAUS", "Geometry", "geometry"]

Floats = NDArray[np.float64]

PLATEAUS: Final = {
    "own dimension": 1.0,
    "tetrahedron": 3 / 4,
    "triangle": 2 / 3,
    "digon": 1 / 2,
    "pentagon": 2 / 5,
    "square antiprism": 3 / 8,
}
"""Capacity of a feature in each geometry of the 2022 paper's figure."""


@summarised
@dataclass(frozen=True, eq=False)
class Geometry:
    """Capacities over sparsity.

    Attributes
    ----------
    n_hidden : int
        Number of dimensions m.
    sparsity : ndarray of float64, shape (s,)
        Probability that a feature is 0.
    capacity : ndarray of float64, shape (s, n_features)
        Fractional dimensionality D_i of each feature; 0 for zero features.
    norm : ndarray of float64, shape (s, n_features)
        Euclidean norms.
    loss : ndarray of float64, shape (s,)
        Held-out loss.
    """

    n_hidden: int
    sparsity: Floats
    capacity: Floats
    norm: Floats
    loss: Floats

    @property
    def dimensions_per_feature(self) -> Floats:
        """The paper's D* = m / ||W||_F^2, shape (s,)."""
        per_feature: Floats = self.n_hidden / np.square(self.norm).sum(axis=1)
        return per_feature

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each sparsity and feature."""
        import pandas as pd

        s, n = self.capacity.shape
        return pd.DataFrame(
            {
                "n_features": n,
                "n_hidden": self.n_hidden,
                "sparsity": np.repeat(self.sparsity, n),
                "feature": np.tile(np.arange(n), s),
                "capacity": self.capacity.ravel(),
                "norm": self.norm.ravel(),
            }
        )


def geometry(
    n_features: int = 400,
    n_hidden: int = 30,
    *,
    sparsity: ArrayLike | None = None,
    steps: int = 3000,
    batch_size: int = 512,
    learning_rate: float = 5e-3,
    seed: int = 0,
    device: Any = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Geometry:
    r"""Train one toy at each sparsity, all features of equal importance, and measure capacities.

    .. math:: D_i = \frac{\lVert w_i \rVert^4}{\sum_j \langle w_i, w_j \rangle^2}

    Parameters
    ----------
    n_features, n_hidden : int
        Number of features and of dimensions, each at least 1; the 2022 paper has 400 and 30.
    sparsity : array_like, optional
        By default 10 values with 1 / (1 - S) from 1 to 100, evenly in the logarithm.
    steps, batch_size, learning_rate, seed, device
        As in `superposition.train`. The learning rate falls exponentially.
    folder : path-like, optional
        Keeps each finished sparsity, and is where it is looked for.
    progress : callable, optional
        Called as ``progress(done, total)`` in steps of all runs together.

    Returns
    -------
    Geometry

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    MissingExtraError
        If torch is not installed.
    OutputError
        If the folder cannot be written.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", on the geometry of superposition.
    """
    grid = np.atleast_1d(real("sparsity", 1 - np.geomspace(1, 0.01, 10) if sparsity is None else sparsity))
    grid = sparsities(grid, len(grid))
    parts: list[Arrays] = []
    for place, S in enumerate(grid.tolist()):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(grid) * total)

        def compute(S: float = S, report: Progress = report) -> Arrays:
            toy = train(
                n_features,
                n_hidden,
                sparsity=S,
                steps=steps,
                batch_size=batch_size,
                learning_rate=learning_rate,
                schedule="exponential",
                seed=seed,
                device=device,
                held_out=1 << 13,
                progress=report,
            )
            W = toy.W[0].astype(np.float64)
            squares = np.square(W).sum(axis=1)
            coupled = np.einsum("ia,ab,ib->i", W, W.T @ W, W, optimize=True)
            capacity = np.divide(squares**2, coupled, out=np.zeros_like(squares), where=coupled > 0)
            return {"capacity": capacity, "norm": np.sqrt(squares), "loss": toy.loss}

        settings = {
            "n": n_features, "m": n_hidden, "sparsity": S, "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "seed": seed, "device": kind_of(device),
        }  # fmt: skip
        parts.append(finished(folder, f"geometry-{place}", settings, compute))
    capacity, norm = (np.array([part[name] for part in parts]) for name in ("capacity", "norm"))
    return Geometry(n_hidden, grid, capacity, norm, np.concatenate([part["loss"] for part in parts]))
