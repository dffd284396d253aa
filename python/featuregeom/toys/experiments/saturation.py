"""How near trained toys come to capacity saturation, beside random frames and the figures of the spectral paper.

The paper (arXiv:2602.02224) trains n = 1024 features in m = 16 to 512 dimensions at 50 sparsities in [0, .99],
two seeds each, by Adam at 1e-3 for 25 000 steps, with biases that start at -.1 and are trained. `PAPER` has what it
reports. Beside them stand toys whose biases are held at -.1, which is another model: a common direction of all features
makes up for the bias, and its eigenvalue, 1.22 where the others are 1 and inputs are dense, spreads every measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer, names
from featuregeom.errors import ParameterError
from featuregeom.summary import summarised
from featuregeom.toys.arguments import numbers_of, real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished, kind_of
from featuregeom.toys.superposition import Progress, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEARNING_RATE", "PAPER", "SAMPLES", "Biases", "RangeFigures", "Saturations", "saturation"]

Biases = Literal["trained", "held"]
"""Whether biases are trained from their first value on, as the paper's are, or held at it."""

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
"""Mean saturation and mean cv by range of S. The boundary at .6 between the middle two is our reading."""

SAMPLES: Final = 4
"""Number of random frames that each toy is compared with: both numbers are means over hundreds of
features and hardly vary between frames."""

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
    biases : ndarray of str
        Whether its biases were "trained", as the paper's are, or "held".
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
    biases: NDArray[np.str_]
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
                "biases": self.biases,
                "saturation": self.saturation,
                "random": self.null,
                "cv": self.cv,
                "random_cv": self.null_cv,
                "loss": self.loss,
            }
        )

    def by_range(self) -> pd.DataFrame:
        """Give the means over each range of S beside the paper's figures, and whether they are met.

        Toys with trained and with held biases have rows of their own; the paper's are trained.
        Met is a mean saturation of at least the paper's, and a mean cv of at most the paper's, both at the four digits
        that it prints; empty where no toy is in the range.
        """
        import pandas as pd

        rows = []
        kinds = [kind for kind in get_args(Biases) if (self.biases == kind).any()]
        for kind, part in product(kinds, PAPER):
            inside = (self.sparsity >= part.lower) & (self.sparsity < part.upper) & (self.biases == kind)
            rho, null, cv, null_cv = (
                float(values[inside].mean()) if inside.any() else float("nan")
                for values in (self.saturation, self.null, self.cv, self.null_cv)
            )
            answers = [round(rho, 4) >= part.saturation, round(cv, 4) <= part.cv]
            met = ["met" if answer else "not met" for answer in answers] if inside.any() else ["", ""]
            rows.append(
                (kind, part.lower, part.upper, int(inside.sum()), rho, part.saturation, met[0], null,
                 cv, part.cv, met[1], null_cv)
            )  # fmt: skip
        columns = [
            "biases", "from", "to", "toys", "saturation", "paper_saturation", "saturation_met", "random_saturation",
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
    biases: Biases | Sequence[Biases] = "trained",
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
    biases : {"trained", "held"} or sequence of them
        Train the biases, as the paper does, or hold them; both, one after the other, where both are named.
    bias : float
        Value at which all biases start, or are held.
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
    The default size is what two cores finish in about ten minutes for each kind of biases. Held biases of -.1 are
    made up for by a common direction of all features, whose eigenvalue is a fifth above the others where inputs are
    dense, so that cv is .2 / sqrt(m) to .3 / sqrt(m) there. At the paper's size, S = .101, held biases leave cv at
    .041, .030 and .025 for m = 64, 112 and 160; trained ones at .008, .009 and .010 with the paper's constant rate, and
    at .006, .004 and .006 where the rate falls by half a cosine; the paper's mean for S < .3 is .0124.
    Training is by smaller batches than the paper's: what is slow to converge needs steps, and the noise of small
    batches is averaged away as the learning rate falls. How far trained biases travel depends on both, and cv with
    them: at a constant rate of .001 and batches of 1024 they go to .03 for m = 64 and S = .101, at the defaults here to
    -.16, and cv is .054.

    References
    ----------
    arXiv:2602.02224.
    """
    n, restarts = integer("n_features", n_features, 1), integer("restarts", restarts, 1)
    dims = numbers_of("n_hidden", n_hidden, 1)
    named = (biases,) if isinstance(biases, str) else biases
    kinds: list[Any] = list(dict.fromkeys(names("biases", named, get_args(Biases))))
    if not kinds:
        raise ParameterError('biases must name "trained", "held" or both, got none')
    grid = np.atleast_1d(real("sparsity", _middles(3) if sparsity is None else sparsity))
    points = np.repeat(sparsities(grid, len(grid)), restarts)
    parts: list[Arrays] = []
    runs = list(product(dims, kinds))
    for place, (m, kind) in enumerate(runs):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(runs) * total)

        def compute(m: int = m, kind: Biases = kind, report: Progress = report) -> Arrays:
            toy = train(
                n,
                m,
                sparsity=points,
                n_instances=len(points),
                steps=steps,
                batch_size=batch_size,
                learning_rate=learning_rate,
                schedule="exponential",
                bias="trained" if kind == "trained" else bias,
                bias_start=bias if kind == "trained" else 0.0,
                seed=seed,
                device=device,
                held_out=1 << 13,
                progress=report,
            )
            found = np.array([_measured(W, seed) for W in toy.W])
            return dict(zip(_NUMBERS, found.T, strict=True)) | {"loss": toy.loss}

        settings = {
            "n": n, "m": m, "sparsity": points.tolist(), "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "biases": kind, "bias": bias, "seed": seed, "device": kind_of(device),
        }  # fmt: skip
        parts.append(finished(folder, f"saturation-m{m}-{kind}", settings, compute))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    of = np.repeat(np.array([kind for _, kind in runs]), len(points))
    at = np.repeat([m for m, _ in runs], len(points))
    return Saturations(n, at, np.tile(points, len(runs)), of, **joined)


def _middles(parts: int) -> Floats:
    """Middles of equal parts of each range, up to the .99 at which the paper's sparsities end.

    Means over them are of the range, not of its ends.
    """
    inner = (np.arange(parts) + 0.5) / parts
    return np.concatenate([part.lower + (min(part.upper, 0.99) - part.lower) * inner for part in PAPER])


def _measured(W: NDArray[np.float32], seed: int) -> tuple[float, float, float, float]:
    """Saturation and mean cv, each beside its mean over random frames with these norms."""
    from featuregeom.null_model import saturation as against_null

    found = against_null(W, n_draws=SAMPLES, seed=seed).per_number
    rho, cv = found["saturation"], found["cv"]
    return rho.value, rho.null_mean, cv.value, cv.null_mean
