"""A number compared with the same number of random draws: its rank among them gives a p-value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ParameterError
from featuregeom.features import real_numbers
from featuregeom.summary import summarised

__all__ = ["RankTest", "rank_test"]

_ROUNDING = 1e-9
"""Differences below this share of the largest number are ties: rounding moves what the null keeps exactly."""


@summarised
@dataclass(frozen=True, eq=False)
class RankTest:
    """A number, compared with the same number of random draws.

    Attributes
    ----------
    value : float
        Of the features.
    draws : ndarray of float64, shape (n_draws,)
        Of each random draw.
    p_above, p_below : float
        Share of the draws, the features counted as one of them, with a number at least (at most) as large. Under the
        null each is uniform on its steps 1 / (n_draws + 1), 2 / (n_draws + 1), ..., 1; ties make it larger.
    """

    value: float
    draws: NDArray[np.float64]
    p_above: float
    p_below: float

    @property
    def p(self) -> float:
        """Two-sided p-value: twice the smaller of the two one-sided ones, at most 1."""
        return min(1.0, 2 * min(self.p_above, self.p_below))

    @property
    def mean(self) -> float:
        """Mean of the draws."""
        return float(self.draws.mean())


def rank_test(value: float, draws: ArrayLike) -> RankTest:
    """Compare a number with the same number of random draws, by its rank among them.

    Parameters
    ----------
    value : float
        Of the features. NaN gives p-values of NaN.
    draws : array_like, shape (n_draws,)
        Of independent draws of the null, at least one.

    Returns
    -------
    RankTest
        Exact for any number of draws, if the features are a draw of the null themselves.

    Raises
    ------
    ParameterError
        If there are no draws.

    References
    ----------
    Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010): permutation p-values are never zero.

    Examples
    --------
    >>> from featuregeom.null_model import rank_test
    >>> rank_test(2.0, [0.1, 0.3, 0.2]).p_above
    0.25
    """
    table = real_numbers(draws, "draws")
    if table.ndim != 1 or not table.size:
        raise ParameterError(f"draws must be a list of at least one number, got shape {table.shape}")
    if np.isnan(value) or np.isnan(table).any():
        return RankTest(float(value), table, float("nan"), float("nan"))
    slack = _ROUNDING * max(abs(value), float(np.abs(table).max()))
    above = (1 + np.count_nonzero(table >= value - slack)) / (len(table) + 1)
    below = (1 + np.count_nonzero(table <= value + slack)) / (len(table) + 1)
    return RankTest(float(value), table, float(above), float(below))
