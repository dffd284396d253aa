"""How near trained toys come to capacity saturation, beside random frames and the figures of the spectral paper.

The paper (arXiv:2602.02224) trains n = 1024 features in m = 16 to 512 dimensions at 50 sparsities in [0, .99],
two seeds each, with biases of -.1, Adam at 1e-3 and 25 000 steps. `PAPER` has what it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.summary import summarised
from featuregeom.toys.arguments import numbers_of, real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished, kind_of
from featuregeom.toys.superposition import Progress, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEARNING_RATE", "PAPER", "SAMPLES", "RangeFigures", "Saturations", "saturation"]

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

SAMPLES: Final = 4
"""Random frames for each toy: both numbers are means over hundreds of features and hardly vary between frames."""

LEARNING_RATE: Final = 1e-2
"""First learning rate by default."""

_NUMBERS: Final = ("saturation", "null", "cv", "null_cv")


@summarised
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
        Sum of capacities over rank, and its mean over random frames with these norms.
    cv, null_cv : ndarray of float64
        Mean over the features of the coefficient of variation of their spectral measures, and its mean over the same
        random frames.
    loss : ndarray of float64
        Held-out loss.
    """

    n_features: int
    n_hidden: NDArray[np.int64]
    sparsity: Floats
    saturation: Floats
    null: Floats
    cv: Floats
    null_cv: Floats
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
                "random_cv": self.null_cv,
                "loss": self.loss,
            }
        )

    def by_range(self) -> pd.DataFrame:
        """Give the means over each range of S beside the paper's figures, and whether they are met.

        Met is a mean saturation of at least the paper's, and a mean cv of at most the paper's, both at the four digits
        that it prints; empty where no toy is in the range.
        """
        import pandas as pd

        rows = []
        for part in PAPER:
            inside = (self.sparsity >= part.lower) & (self.sparsity < part.upper)
            rho, null, cv, null_cv = (
                float(values[inside].mean()) if inside.any() else float("nan")
                for values in (self.saturation, self.null, self.cv, self.null_cv)
            )
            answers = [round(rho, 4) >= part.saturation, round(cv, 4) <= part.cv]
            met = ["met" if answer else "not met" for answer in answers] if inside.any() else ["", ""]
            rows.append(
                (part.lower, part.upper, int(inside.sum()), rho, part.saturation, met[0], null,
                 cv, part.cv, met[1], null_cv)
            )  # fmt: skip
        columns = [
            "from", "to", "toys", "saturation", "paper_saturation", "saturation_met", "random_saturation",
            "cv", "paper_cv", "cv_met", "random_cv",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)


def saturation(
    n_features: int = 424,
    n_hidden: Sequence[int] | int = (212, 220),
    *,
    sparsity: ArrayLike | None = None,
    restarts: int = 1,
    steps: int = 8000,
    batch_size: int = 128,
    learning_rate: float = LEARNING_RATE,
    bias: float = -0.1,
    seed: int = 0,
    device: Any = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Saturations:
    r"""Train toys over dimensions and sparsities, and measure their saturation.

    .. math:: \rho = \frac{1}{\operatorname{rank} F} \sum_i D_i

    Parameters
    ----------
    n_features : int
        Number of features; the paper's is 1024.
    n_hidden : int or sequence of int
        Numbers of dimensions; the paper's are 32 values from 16 to 512.
    sparsity : array_like, optional
        By default the middles of the thirds of each of the four ranges in `PAPER`, the last of which ends at .99 as
        the paper's 50 values do.
    restarts : int
        Toys at each point; the paper has 2.
    steps, batch_size, learning_rate, seed, device
        As in `superposition.train`. The learning rate falls exponentially.
    bias : float
        Value at which all biases are held.
    folder : path-like, optional
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

    Notes
    -----
    The default size is what two cores finish in about ten minutes and can show the paper's figures with. A held bias
    of -.1 is made up for by a common direction of all features, whose eigenvalue is a fifth above the others where
    inputs are dense, so that cv is about .2 / sqrt(m) there: below some 200 dimensions no training reaches the paper's
    mean of .0124. Training is by smaller batches than the paper's: what is slow to converge needs steps, and the noise
    of small batches is averaged away as the learning rate falls.

    References
    ----------
    arXiv:2602.02224.
    """
    n, restarts = integer("n_features", n_features, 1), integer("restarts", restarts, 1)
    dims = numbers_of("n_hidden", n_hidden, 1)
    grid = np.atleast_1d(real("sparsity", _middles(3) if sparsity is None else sparsity))
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
                device=device,
                held_out=1 << 13,
                progress=report,
            )
            found = np.array([_measured(W, seed) for W in toy.W])
            return dict(zip(_NUMBERS, found.T, strict=True)) | {"loss": toy.loss}

        settings = {
            "n": n, "m": m, "sparsity": points.tolist(), "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "bias": bias, "seed": seed, "device": kind_of(device),
        }  # fmt: skip
        parts.append(finished(folder, f"saturation-m{m}", settings, compute))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Saturations(n, np.repeat(dims, len(points)), np.tile(points, len(dims)), **joined)


def _middles(parts: int) -> Floats:
    """Middles of equal parts of each range, up to the .99 at which the paper's sparsities end.

    Means over them are of the range, not of its ends.
    """
    inner = (np.arange(parts) + 0.5) / parts
    return np.concatenate([part.lower + (min(part.upper, 0.99) - part.lower) * inner for part in PAPER])


def _measured(W: NDArray[np.float32], seed: int) -> tuple[float, float, float, float]:
    """Saturation and mean cv, each beside its mean over random frames with these norms."""
    from featuregeom.null_model import saturation as against_null

    found = against_null(W, samples=SAMPLES, seed=seed).per_number
    rho, cv = found["saturation"], found["cv"]
    return rho.value, rho.null_mean, cv.value, cv.null_mean
