"""What random directions would give: the null model that the histograms are held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cosine_probabilities", "null_capacity"]

Floats = NDArray[np.float64]


def null_capacity(norms: ArrayLike, m: int) -> Floats:
    """Capacity expected of features with these norms in random directions of m dimensions.

    Parameters
    ----------
    norms : array_like, shape (n,)
        Euclidean norms.
    m : int
        Dimensions.

    Returns
    -------
    ndarray, shape (n,)
        ``N / (N + (S - N) / m)`` with N the squared norms and S their sum; 0 for zero features.
    """
    N = np.asarray(norms, dtype=np.float64) ** 2
    total = N + (N.sum() - N) / m
    return np.asarray(np.divide(N, total, out=np.zeros_like(N), where=total > 0))


def cosine_probabilities(edges: ArrayLike, m: int) -> Floats:
    """Probability that the cosine between two random directions of m dimensions falls in each bin.

    Parameters
    ----------
    edges : array_like, shape (n_bins + 1,)
        Increasing, from -1 to 1.
    m : int
        Dimensions.

    Returns
    -------
    ndarray, shape (n_bins,)
        They add up to 1. The density (1 - c^2)^((m - 3) / 2) is integrated as sin(t)^(m - 2) over the angle,
        where it has no poles; for m = 1 the mass is at -1 and 1.
    """
    edges = np.clip(np.asarray(edges, dtype=np.float64), -1, 1)
    mass = np.zeros(len(edges) - 1)
    if m == 1:
        mass[0] += 0.5
        mass[-1] += 0.5
        return mass
    nodes, weights = np.polynomial.legendre.leggauss(64)
    angle = np.arccos(edges)
    half, middle = (angle[:-1] - angle[1:]) / 2, (angle[:-1] + angle[1:]) / 2
    sine = np.sin(middle[:, None] + half[:, None] * nodes)
    mass = half * (np.exp((m - 2) * np.log(np.maximum(sine, 1e-300))) @ weights)
    return np.asarray(mass / mass.sum())
