"""Phase diagrams: which features a toy keeps, as sparsity and relative importance vary.

The toy has n = m + 1 features in m dimensions; all have importance 1 but the last, which has importance r. Its
*held* solutions have norm 1 and bias 0 (a dropped feature its best bias), and exact costs. A *trained* toy has free
norms and biases, and where held solutions cross there is then no boundary between a pair and dropping: the
trained pair costs less at every S (see `featuregeom.toys.anchors.antipodal_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.summary import summarised
from featuregeom.toys.anchors import antipodal_cost, dropped_cost
from featuregeom.toys.arguments import finite, positive, real, sparsities
from featuregeom.toys.experiments.cells import Arrays, finished, kind_of
from featuregeom.toys.superposition import Progress, Toy, loss, sample, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OUTCOMES",
    "Crossing",
    "Phase",
    "classify",
    "expected_losses",
    "held_costs",
    "held_crossing",
    "phase",
]

Floats = NDArray[np.float64]

OUTCOMES: Final = ("dropped", "dedicated", "antipodal", "other")
"""What can become of the last feature; in arrays its position in this list stands for it."""

SHORT: Final = 0.3
"""A feature whose norm is below this share of the longest counts as dropped."""

OPPOSED: Final = -0.9
"""Two features whose cosine is below this count as an antipodal pair."""

FREE: Final = 0.2
"""A feature whose |cosines| are all below this counts as one with a dimension to itself."""

_EXACT: Final = 3
"""Losses of toys with up to this many features are integrated; with more they are sampled."""

_MOST: Final = 5
"""Most features that `expected_losses` takes: five need 661 000 points per output, six 87 million."""


@summarised
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


@summarised
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
        Least loss of the restarts: exact for up to three features (`expected_losses`), else on held-out inputs.
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


def held_crossing(sparsity: ArrayLike | None = None, *, n_samples: int = 1 << 20, seed: int = 0) -> Crossing:
    r"""Measure where an antipodal pair begins to cost less than dropping one of two features: 3/7 in theory.

    The sampled costs of the two held solutions, in theory

    .. math:: \frac{(1 - S)^2}{3} \quad\text{(pair)}, \qquad \frac{(1 - S)(1 + 3S)}{12} \quad\text{(one dropped)},

    are equal at S = 3/7.

    Parameters
    ----------
    sparsity : array_like, shape (s,), optional
        Increasing; by default 0.2 to 0.7 in steps of 0.02.
    n_samples : int
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

    Notes
    -----
    It is the held pair that is measured, at norm 1 and bias 0. With norm and bias free, as in training, the pair wins
    at every S in (0, 1), so trained toys have no such boundary; see `featuregeom.toys.anchors.antipodal_threshold`.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", on phase change.
    """
    grid = _grid(np.linspace(0.2, 0.7, 26) if sparsity is None else sparsity)
    antipodal, dropped = np.empty((2, len(grid)))
    for k, S in enumerate(grid):
        x = sample(2, float(S), n_samples, seed=seed)
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
    r"""Exact costs of the held solutions, least over those in which the last feature has each of `OUTCOMES`.

    .. math:: r c, \qquad \min(c, 2 a) \text{ (for m = 1: } c), \qquad (1 + r) a, \qquad
        a = \frac{(1 - S)^2}{6}, \quad c = \frac{(1 - S)(1 + 3S)}{12}

    The last feature dropped; with its own dimension, another being dropped or (for m > 1) two others paired; in a pair
    with another. "other" has no held solution.

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

    Raises
    ------
    ParameterError
        If an argument is outside its range.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition"; the costs are those of `featuregeom.toys.anchors`.

    Examples
    --------
    >>> held_costs(1, [0.0], 0.5).round(4).tolist()
    [[0.0417], [0.0833], [0.25]]
    """
    n_hidden = integer("n_hidden", n_hidden, 1)
    importance = positive("importance", importance, zero=True)
    a, c = (np.asarray(cost(np.asarray(sparsity))) for cost in (antipodal_cost, dropped_cost))
    own = np.minimum(c, 2 * a) if n_hidden > 1 else c
    return np.array([importance * c, own, (1 + importance) * a])


def expected_losses(toy: Toy) -> Floats:
    r"""Exact loss of toys with few features, where sampling would need very many inputs.

    The loss is a sum over the sets A of features that are active together,

    .. math:: \sum_A p^{|A|} (1 - p)^{n - |A|} \int_{[0, 1]^A} \sum_j I_j (x_j - x'_j)^2 \, dx, \qquad p = 1 - S.

    Output j has one kink, where its argument is 0. Along the first feature the integrand is a quadratic on either side
    of it; what that integral leaves is along the next feature a cubic between the points where the kink passes a corner
    of the rest, and so on. A Gauss rule on each piece integrates such a polynomial exactly, so the sum is the loss to
    rounding, in float64. No term is negative, and nothing cancels.

    Parameters
    ----------
    toy : Toy
        Of kind "relu", with at most five independent features.

    Returns
    -------
    ndarray of float64, shape (n_instances,)

    Raises
    ------
    ParameterError
        If the toy is of another kind or has more features.

    Notes
    -----
    Costs, for each instance, set A and output, the product over k below \|A\| of (2^k + 1) ceil((k + 3) / 2) points:
    4 for one active feature, 24 for two, 360 for three, 9720 for four.

    References
    ----------
    Davis & Rabinowitz, Methods of Numerical Integration (1984), chapter 2.

    Examples
    --------
    >>> import numpy as np
    >>> S = np.array([0.9])
    >>> pair = Toy(np.array([[[1.0], [-1.0]]]), np.zeros((1, 2)), S, S, np.ones((1, 2)), 0, 1)
    >>> bool(abs(expected_losses(pair)[0] / (0.1**2 / 3) - 1) < 1e-14)
    True
    """
    n = toy.W.shape[1]
    if toy.kind != "relu" or n > _MOST:
        raise ParameterError(
            f"exact losses are of toys of kind relu with at most {_MOST} features, not {toy.kind} with {n}: "
            "evaluate others on sampled inputs, toy.loss"
        )
    losses = np.zeros(len(toy.W))
    for active in product((False, True), repeat=n):
        size = sum(active)
        share = (1 - toy.sparsity) ** size * toy.sparsity ** (n - size)
        places = np.flatnonzero(active)
        for k, (W, b) in enumerate(zip(toy.W.astype(np.float64), toy.b.astype(np.float64), strict=True)):
            errors = [_squared_error((W @ W[j])[places], b[j], places == j) for j in range(n)]
            losses[k] += share[k] * (toy.importance[k] @ errors)
    return losses


def _squared_error(slopes: Floats, start: float, own: NDArray[np.bool_]) -> float:
    """Integral over [0, 1]^d of (x_own - ReLU(slopes . x + start))^2; `own` marks at most one of the d features."""
    d = len(slopes)
    argument, target, mass = np.full(1, start), np.zeros(1), np.ones(1)
    for k, slope in enumerate(slopes):
        rest = slopes[k + 1 :]
        # Where the kink passes a corner of the cube of the features that are still to come.
        corners = (
            np.array([0.0]) if not len(rest) else np.array(list(product((0.0, 1.0), repeat=d - k - 1))) @ rest
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cuts = -(argument[:, None] + corners) / slope
        cuts = np.clip(np.nan_to_num(cuts, nan=0.0), 0, 1)
        ends = np.zeros((len(argument), 1))
        edges = np.sort(np.concatenate([ends, cuts, ends + 1], axis=1), axis=1)
        # The integral over r features is a polynomial of degree r + 2 in each of the others.
        nodes, weights = np.polynomial.legendre.leggauss((len(rest) + 4) // 2)
        width = np.diff(edges, axis=1)[:, :, None]
        x = edges[:, :-1, None] + width * (nodes + 1) / 2
        mass = (mass[:, None, None] * width * weights / 2).ravel()
        target = (target[:, None, None] + (x if own[k] else 0 * x)).ravel()
        argument = (argument[:, None, None] + slope * x).ravel()
    return float(mass @ (target - np.maximum(argument, 0)) ** 2)


def classify(W: ArrayLike) -> int:
    r"""Say what became of the last feature of one toy, as a place in `OUTCOMES`.

    With norms relative to the longest, it is *dropped* where :math:`\lVert w_n \rVert < 0.3`; else, among the kept,
    *dedicated* where all :math:`|\cos(w_n, w_j)| < 0.2`, *antipodal* where one is below -0.9, and *other* besides.

    Parameters
    ----------
    W : array_like, shape (n, m)
        One feature per row.

    Returns
    -------
    int

    Raises
    ------
    ShapeError
        If W is no matrix with at least one row and column.
    ParameterError
        If it does not hold finite real numbers.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", on phase change; the limits (`SHORT`, `FREE`, `OPPOSED`) are
    featuregeom's own.

    Examples
    --------
    >>> OUTCOMES[classify([[1.0], [-0.9]])]
    'antipodal'
    """
    W = finite("W", W)
    if W.ndim != 2 or not W.size:
        raise ShapeError(f"W must be a matrix, one feature per row, got shape {W.shape}")
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
    device: Any = None,
    folder: str | Path | None = None,
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
        Toys trained for each point, of which the one with the least loss counts.
    steps, batch_size, learning_rate, seed, device
        As in `superposition.train`.
    folder : path-like, optional
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
                device=device,
                held_out=1 if m < _EXACT else 1 << 17,
                progress=report,
            )
            found = expected_losses(toy) if m < _EXACT else toy.loss
            losses = found.reshape(s, restarts)
            best = losses.argmin(axis=1) + restarts * np.arange(s)
            return {"loss": losses.min(axis=1), "outcome": np.array([classify(toy.W[k]) for k in best])}

        settings = {
            "m": m, "sparsity": grid.tolist(), "importance": ratio, "restarts": restarts, "steps": steps,
            "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed,
            "device": kind_of(device), "losses": "exact" if m < _EXACT else "held out",
        }  # fmt: skip
        found = finished(folder, f"phase-m{m}-{row}", settings, compute)
        least[row], outcome[row] = found["loss"], found["outcome"]
    return Phase(m, grid, ratios, least, outcome, held.min(axis=1), held.argmin(axis=1))


def _grid(sparsity: ArrayLike) -> Floats:
    grid = np.atleast_1d(real("sparsity", sparsity))
    if grid.ndim != 1 or not len(grid) or np.any(np.diff(grid) <= 0):
        raise ParameterError(f"sparsity must be a list of increasing numbers, got {sparsity!r}")
    return sparsities(grid, len(grid))
