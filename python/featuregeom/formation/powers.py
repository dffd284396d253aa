"""Exponents: is one second moment a power of another, and which phase of the polynomial hypothesis fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice, integer, number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.formation.sides import Statistic, sides
from featuregeom.formation.symmetric import Symmetric
from featuregeom.interruptible import matmul
from featuregeom.summary import summarised

__all__ = ["PHASES", "PowerLaw", "PowerPhase", "power_law", "power_phase"]

Floats = NDArray[np.float64]

SUPPORT = 1e-10
"""Share of the largest eigenvalue below which one counts as 0: moments in float64 keep ten digits of small ones."""

LEAST_RANGE = 1e-3
"""Least standard deviation of the logarithms of eigenvalues for which a slope is given: a tenth of a percent."""

PHASES: dict[tuple[str, str], tuple[int, int, int, int]] = {
    ("RWA_a", "GWA_b"): (1, 2, 1, 2),
    ("RWA_a", "RGA_b"): (1, 2, 2, 3),
    ("GWA_a", "RWA_b"): (0, 1, 0, 1),
    ("GWA_a", "RGA_b"): (-1, 0, 0, 1),
    ("RGA_a", "RWA_b"): (0, 1, -1, 0),
    ("RGA_a", "GWA_b"): (2, 3, 1, 2),
}
"""Exponents of H_a, H_b, G_b, G_a as powers of WᵀW and WWᵀ, for each pair of relations that can hold at once.

With H_a = Z_a^p and G_b = Z_b^q the identities H_b = W H_a Wᵀ and G_a = Wᵀ G_b W give p + 1 and q + 1. Two of a
relation (RWA on both sides, say) hold together only where all singular values are equal.
"""


@summarised
@dataclass(frozen=True, eq=False)
class PowerLaw:
    """A fit B ≈ c A^s.

    Attributes
    ----------
    exponent : float
        s, the slope of logarithms; NaN where it is not defined, see `undefined`.
    r2 : float
        Share of the variance of the logarithms that the line explains.
    interval : (float, float)
        Bootstrap interval of the exponent.
    commutation : float
        ‖AB − BA‖ / (√2 ‖A‖ ‖B‖) from 0 (B could be a function of A) to 1.
    n_directions : int
        Eigenvectors of A that were used.
    resampled : str
        What the bootstrap drew anew: ``"parts"`` of the sample, or ``"directions"``.
    undefined : str
        Why there is no exponent; empty if there is one.
    """

    exponent: float
    r2: float
    interval: tuple[float, float]
    commutation: float
    n_directions: int
    resampled: str
    undefined: str = ""


def power_law(
    A: ArrayLike,
    B: ArrayLike,
    *,
    basis: Literal["A", "B"] = "A",
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> PowerLaw:
    """Fit B ≈ c A^s by the eigenvalues of A and what B has along the same eigenvectors.

    Parameters
    ----------
    A, B : array-like, shape (d, d) or (k, d, d)
        Symmetric and positive semidefinite. k matrices are moments of k equal parts of the sample: their mean
        is fitted, and the bootstrap draws parts. Otherwise it draws eigenvectors, which says how well the
        points lie on a line, and nothing about the sample.
    basis : {"A", "B"}
        Whose eigenvectors.
    n_draws : int
        Draws of the bootstrap; 0 for none.
    level : float
        Of the interval.
    seed : int
        Of the bootstrap.

    Returns
    -------
    PowerLaw
        With ``exponent``, ``r2`` and ``interval``.

    Raises
    ------
    ShapeError
        If sizes differ.
    ParameterError
        If a matrix has an eigenvalue below 0 by more than rounding, is zero, or is not symmetric.

    Notes
    -----
    d³ operations; with k parts k + n_draws times as many. Alignments cannot tell exponents apart: the cosine of
    A and A⁴ can be .97.

    Examples
    --------
    >>> found = power_law(np.diag([1.0, 2.0, 4.0]), np.diag([1.0, 8.0, 64.0]))
    >>> round(found.exponent, 6), round(found.r2, 6)
    (3.0, 1.0)
    """
    n_draws = integer("n_draws", n_draws, 0)
    level = number_between("level", level, 0.0, 1.0)
    choice("basis", basis, ("A", "B"))
    rng = np.random.default_rng(integer("seed", seed, 0))
    first, second = real_numbers(A, "A"), real_numbers(B, "B")
    parts = max([len(each) for each in (first, second) if each.ndim == 3], default=0)
    if any(each.ndim == 3 and len(each) != parts for each in (first, second)):
        raise ShapeError(
            f"A has shape {first.shape} and B {second.shape}: parts of the sample must be as many for both"
        )
    points = _points(_mean(first), _mean(second), basis)
    if points.undefined:
        return PowerLaw(
            np.nan,
            np.nan,
            (np.nan, np.nan),
            points.commutation,
            len(points.x),
            "directions",
            points.undefined,
        )
    slope, r2 = _line(points.x, points.y)
    drawn = []
    for _ in range(n_draws):
        if parts:
            chosen = rng.integers(parts, size=parts)
            again = _points(
                _mean(first[chosen] if first.ndim == 3 else first),
                _mean(second[chosen] if second.ndim == 3 else second),
                basis,
            )
        else:
            again = points.take(rng.integers(len(points.x), size=len(points.x)))
        if not again.undefined:
            drawn.append(_line(again.x, again.y)[0])
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if drawn else np.full(2, np.nan)
    return PowerLaw(
        slope,
        r2,
        (float(ends[0]), float(ends[1])),
        points.commutation,
        len(points.x),
        "parts" if parts else "directions",
    )


@dataclass(frozen=True)
class _Points:
    """Logarithms of eigenvalues (x) and of what the other matrix has along the same eigenvectors (y)."""

    x: Floats
    y: Floats
    commutation: float
    undefined: str = ""

    def take(self, chosen: NDArray[np.int64]) -> _Points:
        x, y = self.x[chosen], self.y[chosen]
        return _Points(x, y, self.commutation, _flat(x))


def _mean(matrices: Floats) -> Floats:
    return matrices.mean(axis=0) if matrices.ndim == 3 else matrices


def _points(A: Floats, B: Floats, basis: str) -> _Points:
    first, second = Symmetric(A, "A"), Symmetric(B, "B")
    if first.d != second.d:
        raise ShapeError(
            f"A is {first.d} x {first.d} and B is {second.d} x {second.d}: they must be of one space"
        )
    own, other = (first, second) if basis == "A" else (second, first)
    for each in (first, second):
        lowest, highest = float(each.eigenvalues[0]), float(each.eigenvalues[-1])
        if lowest < -1e-6 * max(highest, 0.0) or highest <= 0:
            raise ParameterError(
                f"{each.name} has the eigenvalue {lowest * each.scale:g}: powers need a positive semidefinite matrix"
            )
    values, vectors = own.eigh
    along = np.einsum("ij,ij->j", vectors, matmul(other.array, vectors))
    product = matmul(first.array, second.array)
    commutation = float(np.linalg.norm(product - product.T) / np.sqrt(2 * first.square * second.square))
    used = (values > SUPPORT * values[-1]) & (along > SUPPORT * along.max())
    x, y = np.log(values[used] * own.scale), np.log(along[used] * other.scale)
    x, y = (x, y) if basis == "A" else (y, x)
    return _Points(x, y, commutation, _flat(x))


def _flat(x: Floats) -> str:
    if len(x) < 2:
        return "fewer than two eigenvalues are not 0"
    return "all eigenvalues are equal, so every power fits" if float(x.std()) < LEAST_RANGE else ""


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and R² of a least squares line."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    total = float(dy @ dy)
    # A constant is met exactly by the slope 0.
    return slope, 1.0 if total < 1e-20 else 1.0 - float(((dy - slope * dx) ** 2).sum()) / total


@summarised
@dataclass(frozen=True, eq=False)
class PowerPhase:
    """Exponents of a layer's moments as powers of its weights' products.

    Attributes
    ----------
    laws : dict of str to PowerLaw
        Of ``"H_a"`` and ``"G_a"`` against WᵀW, of ``"H_b"`` and ``"G_b"`` against WWᵀ.
    closure_h, closure_g : float
        e(H_b) − e(H_a) − 1 and e(G_a) − e(G_b) − 1: 0 for raw moments without a bias where everything commutes.
        Far from 0, the exponents mean little.
    phase : (str, str) or None
        The pair of relations of `PHASES` whose exponents are nearest; None where an exponent is not defined.
    distance : float
        Largest difference of an exponent from that phase's.
    """

    laws: Mapping[str, PowerLaw]
    closure_h: float
    closure_g: float
    phase: tuple[str, str] | None
    distance: float

    @property
    def exponents(self) -> dict[str, float]:
        """The four exponents by name."""
        return {name: law.exponent for name, law in self.laws.items()}


def power_phase(
    moments: Any,
    W: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistic: Statistic = "raw",
    n_draws: int = 200,
    seed: int = 0,
) -> PowerPhase:
    """Fit the exponents of H_a, H_b, G_b and G_a, check that they go together, and name the nearest phase.

    Parameters
    ----------
    moments, W, bias, statistic
        As for `crh`.
    n_draws, seed
        As for `power_law`.

    Returns
    -------
    PowerPhase
        With exponents, closure and phase.

    Notes
    -----
    Four fits: some ten eigenvalue decompositions.
    """
    seed = integer("seed", seed, 0)
    six = sides(moments, W, bias, statistic)
    laws = {
        name: power_law(
            six.Z_a if name.endswith("a") else six.Z_b, getattr(six, name), n_draws=n_draws, seed=seed
        )
        for name in ("H_a", "H_b", "G_b", "G_a")
    }
    found = np.array([law.exponent for law in laws.values()])
    away = {phase: float(np.abs(found - np.array(known)).max()) for phase, known in PHASES.items()}
    defined = bool(np.isfinite(found).all())
    nearest = min(away, key=lambda phase: away[phase]) if defined else None
    return PowerPhase(
        laws,
        float(found[1] - found[0] - 1),
        float(found[3] - found[2] - 1),
        nearest,
        away[nearest] if nearest else float("nan"),
    )
