"""Distances of spectral measures on the same eigenspaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import FeatureGeometryError, ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import by_slabs

__all__ = ["js_distance"]

Floats = NDArray[np.float64]


def js_distance(mu: ArrayLike, nu: ArrayLike) -> Floats:
    r"""Jensen-Shannon distance of spectral measures on the same eigenspaces, feature by feature.

    .. math:: d(\mu, \nu)^2 = \tfrac12 \sum_k \mu_k \log_2 \frac{2 \mu_k}{\mu_k + \nu_k}
        + \tfrac12 \sum_k \nu_k \log_2 \frac{2 \nu_k}{\mu_k + \nu_k}

    A metric, 0 for equal measures and 1 for disjoint ones.

    Parameters
    ----------
    mu, nu : array_like, shape (n, K) or (K,)
        Measures against one operator, such as `measures_against` gives. What a row lacks of 1 is its share in
        the null space, and counts as one eigenspace more.

    Returns
    -------
    ndarray of float64, shape (n,) or ()
        NaN where a measure is NaN.

    Raises
    ------
    ShapeError, ParameterError
        If the shapes differ or are no rows of measures, a mass is negative, or a row sums to more than 1.

    References
    ----------
    Endres & Schindelin, A new metric for probability distributions, IEEE Trans. Inf. Theory 49 (2003).

    Examples
    --------
    >>> from featuregeom.comparison import js_distance
    >>> js_distance([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]).tolist()
    [1.0, 0.0]
    """
    p, q = _measure("mu", mu), _measure("nu", nu)
    if p.shape != q.shape:
        raise ShapeError(f"mu and nu must have one shape, got {np.shape(mu)} and {np.shape(nu)}")
    return by_slabs(_distances, p, q) if p.ndim == 2 else _distances(p, q)


def _distances(p: Floats, q: Floats) -> Floats:
    both = p + q
    contrast = np.divide(p - q, both, out=np.zeros_like(both), where=both > 0)
    # (1 + c) log(1 + c) + (1 - c) log(1 - c) in a form that keeps its digits for small c.
    inner = np.abs(contrast) < 1
    c = np.where(inner, contrast, 0.0)
    divergence = np.where(inner, np.log1p(-(c**2)) + 2 * c * np.arctanh(c), 2 * np.log(2.0))
    total = np.sum(both * divergence, axis=-1) / (4 * np.log(2.0))
    bad = np.isnan(both).any(axis=-1)
    return np.asarray(np.where(bad, np.nan, np.sqrt(np.minimum(total, 1.0))))


def _measure(name: str, given: ArrayLike) -> Floats:
    """Give measures with one more mass, which makes their sum 1."""
    try:
        masses = real_numbers(given, name)
    except FeatureGeometryError as error:
        raise ParameterError(f"{name} must be rows of masses: {error}") from None
    if masses.ndim not in (1, 2):
        raise ShapeError(f"{name} must have shape (n, K) or (K,), got {masses.shape}")
    if (masses < 0).any():
        raise ParameterError(f"{name} has a negative mass, {np.nanmin(masses):g}")
    rest = 1 - masses.sum(axis=-1, keepdims=True)
    if (rest < -1e-6).any():
        raise ParameterError(
            f"{name} has a row that sums to {1 - np.nanmin(rest):g}: masses add up to 1 at most"
        )
    # A rest that is rounding must not count: the distance of measures is the root of what they differ by.
    rest = np.abs(np.where(rest <= 4 * 2.0**-52 * max(masses.shape[-1], 1), rest * 0.0, rest))
    if masses.ndim == 1:
        return np.concatenate([masses, rest])
    return by_slabs(lambda *parts: np.concatenate(parts, axis=1), masses, rest)
