r"""Sharper p-values in few dimensions, where a bound by z alone finds not even exact copies.

Under the measure null a cosine is a sum :math:`\sum_k a_k u_k` with :math:`a_k = \sqrt{\mu_i(k) \mu_j(k)}` and
:math:`u_k` the cosine of two random directions in the d_k dimensions of eigenspace k: a sign where there is one. The
sum is at most :math:`\sum_k a_k`, and near that far less likely than a normal variable of its variance: it is there
only if all signs agree. Chernoff's bound knows the a_k of the pair:

.. math:: P(|c| \ge x) \le 2 \min_t e^{-t x} \prod_k M_{d_k}(t a_k), \qquad M_1 = \cosh, \quad
    M_d(s) = \Gamma(d/2) (2/s)^{d/2 - 1} I_{d/2 - 1}(s) \le e^{s^2 / 2 d}

The pair then counts as one of the z^2 whose bound by z alone is as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.pairs.rejections import log_bound

__all__ = ["WIDER", "own_squares", "sharpened", "worthwhile"]

WIDER = 4.0
"""Pairs are looked at from the z^2 that a bound by z alone would need, over this: between exact copies whose shares of
single dimensions are those of random directions, the exponent is r ln 2, and that of z is r / 6."""

_COPIES = 4.5
"""Above this many times the z^2 that is needed, in dimensions, exact copies (z^2 about r / 3) have half as much again
as they need, and their own shares are not looked at."""

_LEAK = 0.05
"""What is taken off a cosine, as a share of the largest that its shares allow. Where the spectrum is steep, errors of
the estimated eigenvectors spread part of the large coordinates over all small ones, with signs that agree. Of 385 sets
of 30 to 120 features without structure, with five spectra, 4 had a pair whose bound times the number of pairs was below
.001 with nothing taken off, 2 with .02, none with .05."""

_TILTS = 2.0 ** np.arange(-1, 7.5, 0.5)
"""Values of t that are tried, times that of a normal variable: every one gives a bound; the best of them is within a
tenth of the best exponent from a normal sum (1) to one at its limit (infinity)."""

_CHUNK = 1 << 21
"""Pairs times eigenspaces times tilts that are computed at a time: 16 MB."""

_BESSEL = 64
"""Dimensions of an eigenspace from which the bound of its moments by those of a normal variable is taken: the exact
ones leave float64 in some hundred."""


def worthwhile(rank: int, least: float) -> bool:
    """Say whether exact copies in so many dimensions might not have the z^2 that is needed."""
    return rank < _COPIES * least


def sharpened(
    counts: NDArray[np.int64],
    steps: int,
    found: Sequence[tuple[NDArray[Any], ...]],
    sides: Sequence[NDArray[np.float64]],
    dims: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count the pairs that were kept by z by their own bounds.

    Parameters
    ----------
    counts : ndarray of int64
        Histogram of signed z^2 of `_core.null_sweep`.
    steps : int
        Steps for each unit of z^2.
    found : sequence of tuple of ndarray
        What was kept of the features of each side: neighbours, cosines, z and bins. Bins are changed in place.
    sides : sequence of ndarray, shape (n, n_eigenspaces)
        `shares` of the features of each side; one where a set was swept with itself.
    dims : ndarray of int64
        Dimensions of the eigenspaces.

    Returns
    -------
    ndarray of int64
        The histogram, with each of these pairs in the bin of the z^2 that it counts as.
    """
    n_right = len(sides[-1])
    codes, cosines, bins, places = [], [], [], []
    for side, (neighbours, cosine, _, held) in enumerate(found):
        rows, slots = np.nonzero(neighbours >= 0)
        others = neighbours[rows, slots]
        low, high = (rows, others) if side == 0 else (others, rows)
        if len(sides) == 1:
            low, high = np.minimum(low, high), np.maximum(low, high)
        codes.append(low.astype(np.int64) * n_right + high)
        cosines.append(cosine[rows, slots])
        bins.append(held[rows, slots])
        places.append((rows, slots))
    code, first, inverse = np.unique(np.concatenate(codes), return_index=True, return_inverse=True)
    if not len(code):
        return counts
    old = np.concatenate(bins)[first]
    squares = own_squares(
        np.abs(np.concatenate(cosines)[first]), sides, code // n_right, code % n_right, dims
    )
    middle = len(counts) // 2
    step = np.minimum((squares * steps).astype(np.int64), middle - 1)
    new = np.where(old >= middle, np.maximum(old, middle + step), np.minimum(old, middle - 1 - step))
    counts = counts.copy()
    np.subtract.at(counts, old, 1)
    np.add.at(counts, new, 1)
    start = 0
    for (rows, slots), (_, _, _, held) in zip(places, found, strict=True):
        held[rows, slots] = new[inverse[start : start + len(rows)]]
        start += len(rows)
    return counts


def own_squares(
    cosines: NDArray[np.float64],
    sides: Sequence[NDArray[np.float64]],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    dims: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give the z^2 whose bound by z alone is the pair's own bound."""
    found = np.empty(len(cosines))
    size = max(_CHUNK // (len(dims) * len(_TILTS)), 1)
    for start in range(0, len(cosines), size):
        part = slice(start, start + size)
        products = sides[0][left[part]] * sides[-1][right[part]]
        found[part] = _chernoff(cosines[part], products, dims)
    logs, squares = _inverse()
    return np.asarray(np.interp(found, logs, squares, left=squares[0]))


def _chernoff(
    cosines: NDArray[np.float64], products: NDArray[np.float64], dims: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Logarithm of the bound of the two-sided p-value; `products` are mu_i mu_j / d of each pair and eigenspace."""
    weights = np.sqrt(products * dims)
    least = np.maximum(cosines - _LEAK * weights.sum(axis=1), 0.0)
    tilts = np.multiply.outer(least / np.maximum(products.sum(axis=1), np.finfo(float).tiny), _TILTS)
    arguments = weights[:, None, :] * tilts[:, :, None]
    exponents = np.zeros_like(tilts)
    single = dims == 1
    if single.any():
        s = arguments[:, :, single]
        exponents += (s + np.log1p(np.exp(-2 * s)) - np.log(2)).sum(axis=2)
    for dim in np.unique(dims[~single]).tolist():
        exponents += _log_moments(arguments[:, :, dims == dim], dim).sum(axis=2)
    return np.asarray(np.minimum(np.log(2) + (exponents - tilts * least[:, None]).min(axis=1), 0.0))


def _log_moments(s: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    """Bound the logarithm of the moment generating function of the cosine of two random directions."""
    from scipy.special import gammaln, ive

    normal = s * s / (2 * dim)
    if dim >= _BESSEL:
        return normal
    order = dim / 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = gammaln(dim / 2) + order * (np.log(2) - np.log(s)) + np.log(ive(order, s)) + s
    return np.asarray(np.fmin(np.where(np.isfinite(exact), exact, np.inf), normal))


@cache
def _inverse() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the bound by z alone, increasing, and z^2."""
    squares = np.arange(0.0, 600.0, 1 / 64)[::-1]
    return log_bound(squares), squares
