"""Cosines that random directions would have: what the histogram of cosines is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cosine_probabilities"]

Floats = NDArray[np.float64]


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
