"""How near trained toys come to capacity saturation, beside random frames and the figures of the spectral paper.

The paper (arXiv:2602.02224) trains n = 1024 features in m = 16 to 512 dimensions at 50 sparsities in [0, .99],
two seeds each, with biases of -.1, Adam at 1e-3 and 25 000 steps. `PAPER` has what it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ParameterError
from featuregeom.toys.arguments import integer, real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished
from featuregeom.toys.superposition import Progress, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAPER", "RangeFigures", "Saturations", "saturation"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RangeFigures:
    """Figures that the paper reports for sparsities in [lower, upper)."""

    lower: float
    upper: float
    saturation: float
    cv: float


PAPER: Final = (
    RangeFigures(0.0, 0.3, 0.9998, 0.0124),
    RangeFigures(0.3, 0.6, 0.9985, 0.0296),
    RangeFigures(0.6, 0.9, 0.9983, 0.0332),
    RangeFigures(0.9, 1.0, 0.9971, 0.0503),
)
"""Mean saturation and mean cv by range of S. That .6 parts the middle two is our reading."""


@dataclass(frozen=True, eq=False)
class Saturations:
    """Saturation of each trained toy; arrays of shape (n_toys,).

    Attributes
    ----------
    n_features : int
        Number of features.
    n_hidden : ndarray of int64
        Number of dimensions.
    sparsity : ndarray of float64
        Probability that a feature is 0.
    saturation, null : ndarray of float64
        Sum of capacities over rank, and the same of random frames with these norms, in closed form.
    cv : ndarray of float64
        Mean over the features of the coefficient of variation of their spectral measures.
    loss : ndarray of float64
        Held-out loss.
    """

    n_features: int
    n_hidden: NDArray[np.int64]
    sparsity: Floats
    saturation: Floats
    null: Floats
    cv: Floats
    loss: Floats

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each toy."""
        import pandas as pd

        return pd.DataFrame(
            {
                "n_features": self.n_features,
                "n_hidden": self.n_hidden,
                "sparsity": self.sparsity,
                "saturation": self.saturation,
                "random": self.null,
                "cv": self.cv,
                "loss": self.loss,
            }
        )

    def by_range(self) -> pd.DataFrame:
        """Give the means over each range of S beside the paper's figures."""
        import pandas as pd

        rows = []
        for part in PAPER:
            inside = (self.sparsity >= part.lower) & (self.sparsity < part.upper)
            means = [
                float(values[inside].mean()) if inside.any() else float("nan")
                for values in (self.saturation, self.null, self.cv)
            ]
            rows.append((part.lower, part.upper, int(inside.sum()), *means, part.saturation, part.cv))
        columns = [
            "from", "to", "toys", "saturation", "random", "cv", "paper_saturation", "paper_cv",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)


def saturation(
    n_features: int = 128,
    n_hidden: Sequence[int] = (8, 16, 32, 64),
    *,
    sparsity: ArrayLike | None = None,
    restarts: int = 1,
    steps: int = 4000,
    batch_size: int = 256,
    learning_rate: float = 5e-3,
    bias: float = -0.1,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Saturations:
    """Train toys over dimensions and sparsities, and measure their saturation.

    Parameters
    ----------
    n_features : int
        Number of features; the paper's is 1024.
    n_hidden : sequence of int
        Numbers of dimensions; the paper's are 32 values from 16 to 512.
    sparsity : array_like, optional
        By default 10 values from 0 to 0.99; the paper has 50.
    restarts : int
        Toys at each point; the paper has 2.
    steps, batch_size, learning_rate, seed
        As in `superposition.train`. The learning rate falls exponentially.
    bias : float
        Value at which all biases are held.
    folder : Path, optional
        Keeps what is finished, one file for each number of dimensions, and is where it is looked for.
    progress : callable, optional
        Called as ``progress(done, total)`` in steps of all runs together.

    Returns
    -------
    Saturations

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
    arXiv:2602.02224.
    """
    n, restarts = integer("n_features", n_features, 1), integer("restarts", restarts, 1)
    dims = [integer("n_hidden", m, 1) for m in n_hidden]
    if not dims:
        raise ParameterError("n_hidden must name at least one number of dimensions")
    grid = np.atleast_1d(real("sparsity", np.linspace(0, 0.99, 10) if sparsity is None else sparsity))
    points = np.repeat(sparsities(grid, len(grid)), restarts)
    parts: list[Arrays] = []
    for place, m in enumerate(dims):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(dims) * total)

        def compute(m: int = m, report: Progress = report) -> Arrays:
            toy = train(
                n,
                m,
                sparsity=points,
                n_instances=len(points),
                steps=steps,
                batch_size=batch_size,
                learning_rate=learning_rate,
                schedule="exponential",
                bias=bias,
                seed=seed,
                held_out=1 << 13,
                progress=report,
            )
            found = np.array([_measured(W.astype(np.float64)) for W in toy.W])
            return dict(zip(("saturation", "null", "cv"), found.T, strict=True)) | {"loss": toy.loss}

        settings = {
            "n": n, "m": m, "sparsity": points.tolist(), "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "bias": bias, "seed": seed,
        }  # fmt: skip
        parts.append(finished(folder, f"saturation-m{m}", settings, compute))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Saturations(n, np.repeat(dims, len(points)), np.tile(points, len(dims)), **joined)


def _measured(W: Floats) -> tuple[float, float, float]:
    """Saturation, that of random frames with these norms (as in `null_model.random_frame_null`), and mean cv."""
    from featuregeom.spectra import measures, spectrum

    found = spectrum(W)
    one = measures(W, found, masses=False)
    squares = one.norm[one.norm > 0] ** 2
    m = W.shape[1]
    null = np.sum(squares / (squares + (squares.sum() - squares) / m)) / max(min(len(squares), m), 1)
    return float(one.capacity.sum()) / max(found.rank, 1), float(null), float(np.nanmean(one.cv))
