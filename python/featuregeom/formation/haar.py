"""What two symmetric matrices agree by chance when one is turned at random: moments and tails in closed form.

For fixed A and B and a uniformly random rotation Q, the number <A, Q B Qᵀ> has mean tr A tr B / d. The part of
B without its trace is turned inside the traceless symmetric matrices, on which rotations act irreducibly, so
its covariance is a multiple of the identity there: the variance is 2 |A₀|² |B₀|² / ((d − 1)(d + 2)) with A₀ and
B₀ the parts without trace. Its ends are those of von Neumann's trace inequality, where both have the same
eigenvectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featuregeom.formation.symmetric import Symmetric

__all__ = ["Chance", "chance"]


@dataclass(frozen=True)
class Chance:
    """Mean and standard deviation of an alignment under random rotations."""

    mean: float
    std: float


def chance(A: Symmetric, B: Symmetric, kind: str) -> Chance:
    """Give mean and standard deviation of an alignment when B is turned at random.

    Parameters
    ----------
    A, B : Symmetric
        Of one size d ≥ 2.
    kind : {"cosine", "deviatoric", "pearson"}
        The alignment. The first two are exact; Pearson's, a ratio whose denominator turns, too, is given to
        second order in 1/d (within .003 of simulations for d ≥ 8).
    """
    d = A.d
    variance = 2 * A.deviation_square * B.deviation_square / ((d - 1) * (d + 2))
    if kind == "deviatoric":
        return Chance(0.0, float(np.sqrt(2 / ((d - 1) * (d + 2)))))
    if kind == "cosine":
        size = np.sqrt(A.square * B.square)
        return Chance(float(A.trace * B.trace / d / size), float(np.sqrt(variance) / size))
    return _pearson(A, B)


def _pearson(A: Symmetric, B: Symmetric) -> Chance:
    """Expand numerator / denominator about the mean of uᵀ Q B Qᵀ u, u the vector of equal entries."""
    d = A.d
    along = float(A.array.sum()) / d
    # <A', Q B Qᵀ> with A' = A − (uᵀ A u) u uᵀ is the covariance of entries, times d².
    trace, square = A.trace - along, A.square - along**2
    spread = max(square - trace**2 / d, 0.0)
    unit = 2 * B.deviation_square / ((d - 1) * (d + 2))
    top, top_variance = trace * B.trace / d, unit * spread
    middle, middle_variance = B.trace / d, unit * (1 - 1 / d)
    both = unit * (-trace / d)
    rest = B.square - middle**2
    if square <= 0 or rest <= 0:
        return Chance(float("nan"), float("nan"))
    scale = 1 / np.sqrt(square)
    h, slope = rest**-0.5, middle * rest**-1.5
    curve = (B.square + 2 * middle**2) * rest**-2.5
    mean = top * h + both * slope + 0.5 * top * curve * middle_variance
    variance = h**2 * top_variance + 2 * h * slope * top * both + (slope * top) ** 2 * middle_variance
    return Chance(float(scale * mean), float(scale * np.sqrt(max(variance, 0.0))))


def tail(A: Symmetric, B: Symmetric, z: float) -> float:
    """Give the probability that a random rotation agrees at least as well, z standard deviations above the mean.

    The distribution of <A, Q B Qᵀ> is replaced by the beta distribution of the same mean, variance, third
    moment and longer end. That is exact for matrices of rank one and for d = 2, and tends to the normal one for
    many eigenvalues of like size. The third moment is exact, too: the traceless symmetric matrices have one
    invariant cubic form, tr X³, so it is tr A₀³ tr B₀³ times a number that the known case of rank one gives.

    Notes
    -----
    Two eigenvalue decompositions: d³ operations.
    """
    if not (A.deviation_square and B.deviation_square) or not np.isfinite(z):
        return float("nan")
    first, second = ((each.eigenvalues - each.trace / each.d) for each in (A, B))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    d, deviation = A.d, float(np.sqrt(2 / ((A.d - 1) * (A.d + 2))))
    skew = _cubic(d) * float((first**3).sum() * (second**3).sum()) / deviation**3
    return _beta_tail(z, float(first @ second[::-1]) / deviation, float(first @ second) / deviation, skew)


def _cubic(d: int) -> float:
    """Third moment of <A, Q B Qᵀ> over tr A³ tr B³, for traceless A and B; 0 for d = 2, where both traces are 0."""
    if d == 2:
        return 0.0
    # Of rank one: A = u uᵀ, B = v vᵀ and (u · v)² is a beta variable of parameters 1/2 and (d − 1)/2.
    a, b = 0.5, (d - 1) / 2
    variance = a * b / ((a + b) ** 2 * (a + b + 1))
    skew = 2 * (b - a) * np.sqrt(a + b + 1) / ((a + b + 2) * np.sqrt(a * b))
    return float(skew * variance**1.5 / ((d - 1) * (d - 2) / d**2) ** 2)


def _beta_tail(z: float, low: float, high: float, skew: float) -> float:
    """Give P(Z ≥ z) of a beta variable of mean 0, variance 1, this skewness, and the end `high` (`low` if skew < 0)."""
    from scipy.stats import beta

    if skew < 0:
        return 1.0 - _beta_tail(-z, -high, -low, -skew)
    square, root = high**2, high
    share = (2 * root - skew) / (skew * (square - 1) + 4 * root)
    if not 0 < share < 1 or square * share <= 1 - share:
        share = 1 / (1 + square)  # as skew as that end allows: two points
        return float(z <= high) if z > -1 / high else 1.0
    both = square * share / (1 - share) - 1
    width = high / (1 - share)
    here = np.clip(z / width + share, 0.0, 1.0)
    return float(beta.sf(here, share * both, (1 - share) * both))
