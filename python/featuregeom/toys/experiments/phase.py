"""Phase diagrams: which features a toy keeps, as sparsity and relative importance vary.

The toy has n = m + 1 features in m dimensions; all have importance 1 but the last, which has importance r. Its
*held* solutions have norm 1 and bias 0 (a dropped feature its best bias), and exact costs. A *trained* toy has free
norms and biases, and where held solutions cross there is then no boundary between a pair and dropping: the
trained pair costs less at every S (see `featuregeom.toys.anchors.antipodal_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ParameterError
from featuregeom.toys.anchors import antipodal_cost, dropped_cost
from featuregeom.toys.arguments import integer, real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished
from featuregeom.toys.superposition import Progress, loss, sample, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTCOMES", "Crossing", "Phase", "classify", "held_costs", "held_crossing", "phase"]

Floats = NDArray[np.float64]

OUTCOMES: Final = ("dropped", "dedicated", "antipodal", "other")
"""What becomes of the last feature, in the order of the numbers that stand for it."""

SHORT: Final = 0.3
"""A feature whose norm is below this share of the longest is dropped."""

OPPOSED: Final = -0.9
"""A cosine below this makes an antipodal pair."""

FREE: Final = 0.2
"""A feature whose cosines are all below this in size has a dimension to itself."""


@dataclass(frozen=True, eq=False)
class Crossing:
    """The measured costs of the held solutions of two features in one dimension, both of importance 1.

    Attributes
    ----------
    sparsity : ndarray of float64, shape (s,)
        Increasing.
    antipodal : ndarray of float64, shape (s,)
        Loss of an antipodal pair of unit vectors at bias 0, on sampled inputs.
    dropped : ndarray of float64, shape (s,)
        Loss with one feature kept and the other dropped at its best bias.
    crossing : float
        Sparsity above which the pair costs less, by linear interpolation; NaN where they do not cross.
    """

    sparsity: Floats
    antipodal: Floats
    dropped: Floats
    crossing: float


@dataclass(frozen=True, eq=False)
class Phase:
    """Phase diagram of a toy; axis 0 is relative importance, axis 1 sparsity.

    Attributes
    ----------
    n_hidden : int
        Number of dimensions m; there are m + 1 features.
    sparsity : ndarray of float64, shape (s,)
        Probability that a feature is 0.
    importance : ndarray of float64, shape (r,)
        Importance of the last feature; the others have 1.
    loss : ndarray of float64, shape (r, s)
        Least held-out loss of the restarts.
    outcome : ndarray of int64, shape (r, s)
        What became of the last feature there, as a place in `OUTCOMES`.
    theory : ndarray of float64, shape (r, s)
        Least cost of the held solutions.
    theory_outcome : ndarray of int64, shape (r, s)
        What becomes of the last feature in that one.
    """

    n_hidden: int
    sparsity: Floats
    importance: Floats
    loss: Floats
    outcome: NDArray[np.int64]
    theory: Floats
    theory_outcome: NDArray[np.int64]

    def to_frame(self) -> pd.DataFrame:
        """Give one row for each importance and sparsity."""
        import pandas as pd

        r, s = self.loss.shape
        names = np.array(OUTCOMES)
        return pd.DataFrame(
            {
                "n_features": self.n_hidden + 1,
                "n_hidden": self.n_hidden,
                "importance": np.repeat(self.importance, s),
                "sparsity": np.tile(self.sparsity, r),
                "loss": self.loss.ravel(),
                "outcome": names[self.outcome.ravel()],
                "held_loss": self.theory.ravel(),
                "held_outcome": names[self.theory_outcome.ravel()],
            }
        )


def held_crossing(sparsity: ArrayLike | None = None, *, size: int = 1 << 20, seed: int = 0) -> Crossing:
    """Measure where an antipodal pair begins to cost less than dropping one of two features: 3/7 in theory.

    Parameters
    ----------
    sparsity : array_like, shape (s,), optional
        Increasing; by default 0.2 to 0.7 in steps of 0.02.
    size : int
        Number of inputs, the same (up to sparsity) for every S.
    seed : int
        Seed of the inputs.

    Returns
    -------
    Crossing

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    """
    grid = _grid(np.linspace(0.2, 0.7, 26) if sparsity is None else sparsity)
    antipodal, dropped = np.empty((2, len(grid)))
    for k, S in enumerate(grid):
        x = sample(2, float(S), size, seed=seed)
        antipodal[k] = loss([[1.0], [-1.0]], [0.0, 0.0], x)
        dropped[k] = loss([[1.0], [0.0]], [0.0, (1 - S) / 2], x)
    gap = dropped - antipodal
    at = np.flatnonzero((gap[:-1] <= 0) & (gap[1:] > 0))
    crossing = np.nan
    if len(at):
        k = at[0]
        crossing = float(grid[k] - gap[k] * (grid[k + 1] - grid[k]) / (gap[k + 1] - gap[k]))
    return Crossing(grid, antipodal, dropped, crossing)


def held_costs(n_hidden: int, sparsity: ArrayLike, importance: float) -> Floats:
    """Exact costs of the held solutions, least over those in which the last feature has each of `OUTCOMES`.

    Dropped, it costs r c; with its own dimension another is dropped, at c, or (for m > 1) two others pair, at 2 a;
    in a pair with another the two cost (1 + r) a, with a and c the costs of `anchors`. "other" has no held solution.

    Parameters
    ----------
    n_hidden : int
        Number of dimensions m, at least 1.
    sparsity : array_like, shape (s,)
        Probability that a feature is 0.
    importance : float
        Importance r of the last feature.

    Returns
    -------
    ndarray of float64, shape (3, s)
    """
    a, c = (np.asarray(cost(np.asarray(sparsity))) for cost in (antipodal_cost, dropped_cost))
    own = np.minimum(c, 2 * a) if n_hidden > 1 else c
    return np.array([importance * c, own, (1 + importance) * a])


def classify(W: NDArray[np.floating]) -> int:
    """Say what became of the last feature of one toy, as a place in `OUTCOMES`."""
    norms = np.linalg.norm(W, axis=1)
    if not norms.max() or norms[-1] < SHORT * norms.max():
        return 0
    kept = np.flatnonzero(norms[:-1] >= SHORT * norms.max())
    cosines = W[kept] @ W[-1] / (norms[kept] * norms[-1])
    if np.all(np.abs(cosines) < FREE):
        return 1
    return 2 if cosines.min() < OPPOSED else 3


def phase(
    n_hidden: int = 1,
    *,
    sparsity: ArrayLike | None = None,
    importance: ArrayLike | None = None,
    restarts: int = 6,
    steps: int = 1500,
    batch_size: int = 512,
    learning_rate: float = 2e-2,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Phase:
    """Train a phase diagram, and put the held solutions beside it.

    Parameters
    ----------
    n_hidden : int
        Number of dimensions m; there are m + 1 features. The 2022 paper shows m = 1 and 2.
    sparsity, importance : array_like, optional
        Axes; importances are of the last feature and above 0. By default 12 values of 1 - S from 1 to 0.01 and
        11 from 0.1 to 10, evenly in the logarithm.
    restarts : int
        Toys trained for each point, of which the one with the least held-out loss counts.
    steps, batch_size, learning_rate, seed
        As in `superposition.train`.
    folder : Path, optional
        Keeps each finished row (one importance), and is where it is looked for.
    progress : callable, optional
        Called as ``progress(done, total)`` in steps of all rows together.

    Returns
    -------
    Phase

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
    Elhage et al. (2022), "Toy Models of Superposition", on phase change.
    """
    m, restarts = integer("n_hidden", n_hidden, 1), integer("restarts", restarts, 1)
    grid = _grid(1 - np.geomspace(1, 0.01, 12) if sparsity is None else sparsity)
    ratios = real("importance", np.geomspace(0.1, 10, 11) if importance is None else importance)
    if ratios.ndim != 1 or not len(ratios) or not np.all(np.isfinite(ratios) & (ratios > 0)):
        raise ParameterError(f"importance must be a list of finite numbers above 0, got {importance!r}")
    s, r = len(grid), len(ratios)
    least, outcome = np.empty((r, s)), np.empty((r, s), dtype=np.int64)
    held = np.array([held_costs(m, grid, float(ratio)) for ratio in ratios])
    for row, ratio in enumerate(ratios.tolist()):

        def report(done: int, total: int, row: int = row) -> None:
            if progress is not None:
                progress(row * total + done, r * total)

        def compute(ratio: float = ratio, report: Progress = report) -> Arrays:
            toy = train(
                m + 1,
                m,
                sparsity=np.repeat(grid, restarts),
                n_instances=s * restarts,
                importance=[1.0] * m + [ratio],
                steps=steps,
                batch_size=batch_size,
                learning_rate=learning_rate,
                schedule="exponential",
                seed=seed,
                held_out=1 << 17,
                progress=report,
            )
            losses = toy.loss.reshape(s, restarts)
            best = losses.argmin(axis=1) + restarts * np.arange(s)
            return {"loss": losses.min(axis=1), "outcome": np.array([classify(toy.W[k]) for k in best])}

        settings = {
            "m": m, "sparsity": grid.tolist(), "importance": ratio, "restarts": restarts, "steps": steps,
            "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed,
        }  # fmt: skip
        found = finished(folder, f"phase-m{m}-{row}", settings, compute)
        least[row], outcome[row] = found["loss"], found["outcome"]
    return Phase(m, grid, ratios, least, outcome, held.min(axis=1), held.argmin(axis=1))


def _grid(sparsity: ArrayLike) -> Floats:
    grid = np.atleast_1d(real("sparsity", sparsity))
    if grid.ndim != 1 or not len(grid) or np.any(np.diff(grid) <= 0):
        raise ParameterError(f"sparsity must be a list of increasing numbers, got {sparsity!r}")
    return sparsities(grid, len(grid))
