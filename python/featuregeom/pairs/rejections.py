r"""Which pairs are significant: a bound on the p-value of each, and the false discovery rate over all of them.

A coordinate of a random point of a sphere, and a sign, are more concentrated than a normal variable of equal variance.
A cosine under the measure null is a sum of such terms, independent and symmetric, and so

.. math:: P(|z| \ge t) \le \min\bigl(2 e^{-t^2/2}, \tfrac{2 e^3}{9} P(|g| \ge t)\bigr), \qquad g \text{ normal}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.summary import summarised

__all__ = ["Rejections", "bound", "harmonic", "inflation_of", "log_bound", "reject"]

_PINELIS = 2 * np.e**3 / 9
"""How far the tail of a sum of such terms may exceed a normal one."""

_FEWEST = 30
"""Pairs of the draws that a quantile rests on: its share is then known to 18 %, z^2 to 2 %."""

_TAIL = 0.01
"""Quantiles below this share are held against normal ones."""


@summarised
@dataclass(frozen=True)
class Rejections:
    """The false discovery rate of every step of z^2, and the first one that is rejected.

    Attributes
    ----------
    q : ndarray of float64
        Of the pairs at or above each step; increasing z^2, decreasing q.
    first : int
        The first step that is rejected; the number of steps where none is.
    """

    q: NDArray[np.float64]
    first: int


def bound(squares: NDArray[np.float64], inflation: float = 1.0) -> NDArray[np.float64]:
    """Bound the p-value of z^2, two-sided, where its variance is up to `inflation` instead of 1.

    References
    ----------
    Pinelis, Ann. Statist. 22 (1994), for the constant 2 e^3 / 9; Hoeffding's bound where it is the smaller one.
    """
    from scipy.special import erfc

    scaled = np.asarray(squares) / inflation
    normal = _PINELIS * erfc(np.sqrt(scaled / 2))
    least: NDArray[np.float64] = np.minimum(np.minimum(2 * np.exp(-scaled / 2), normal), 1.0)
    return least


def log_bound(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithm of `bound`, also where the bound leaves float64."""
    from scipy.special import log_ndtr

    normal = np.log(2 * _PINELIS) + log_ndtr(-np.sqrt(squares))
    return np.asarray(np.minimum(np.minimum(np.log(2) - squares / 2, normal), 0.0))


def harmonic(n: float) -> float:
    """Give 1 + 1/2 + ... + 1/n: what Benjamini and Yekutieli pay for any dependence between n tests."""
    from scipy.special import digamma

    return float(digamma(n + 1) + np.euler_gamma)


def inflation_of(at_least: NDArray[np.int64], steps: int) -> float:
    """Estimate how much larger z^2 is where no pair is real, because eigenspaces are estimated.

    The largest ratio of a quantile of z^2 to that of a normal variable, over quantiles in the tail; at least 1.

    Parameters
    ----------
    at_least : ndarray of int64
        Pairs of all draws at or above each step of z^2.
    steps : int
        Steps for each unit of z^2.
    """
    from scipy.special import gammainccinv

    total = at_least[0]
    if not total:
        return 1.0
    usable = np.flatnonzero((at_least >= _FEWEST) & (at_least <= max(_TAIL * total, _FEWEST)))
    usable = usable[usable < len(at_least) - 1]
    if not usable.size:
        return 1.0
    return max(1.0, float((usable / steps / (2 * gammainccinv(0.5, at_least[usable] / total))).max()))


def reject(
    at_least: NDArray[np.int64],
    steps: int,
    q: float,
    inflation: float,
    null_at_least: NDArray[np.int64] | None,
) -> Rejections:
    """Find the pairs to reject so that at most a share `q` of them is expected to be chance.

    The larger of two rates decides at every step: that of Benjamini and Yekutieli from the bound, valid under any
    dependence, and the share of pairs that draws without any structure have there, over the share observed.

    Parameters
    ----------
    at_least : ndarray of int64
        Pairs at or above each step of z^2.
    steps : int
        Steps for each unit of z^2.
    q : float
        False discovery rate.
    inflation : float
        Of z^2, see `inflation_of`.
    null_at_least : ndarray of int64 or None
        As `at_least`, summed over the draws, which may have fewer pairs; None for the bound alone.
    """
    total = int(at_least[0])
    observed = np.maximum(at_least, 1)
    rate = bound(np.arange(len(at_least)) / steps, inflation) * total * harmonic(max(total, 1)) / observed
    if null_at_least is not None and null_at_least[0]:
        rate = np.maximum(rate, null_at_least / null_at_least[0] * (total / observed))
    rate = np.minimum(np.minimum.accumulate(np.where(at_least > 0, rate, np.inf)), 1.0)
    rejected = np.flatnonzero((rate <= q) & (at_least > 0))
    return Rejections(rate, int(rejected[0]) if rejected.size else len(at_least))
