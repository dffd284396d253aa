"""Exact losses of toys that can be written down: a dropped feature, an antipodal pair, and where they cross.

Notation as in `featuregeom.toys.superposition`: features are uniform on [0, 1] with probability p = 1 - S and
else 0, and x' = ReLU(W W^T x + b). All costs are per feature of importance 1; multiply by I_j for another.

Each anchor is the loss at stated weights and biases, not a minimum over all of them. The bias of the dropped
feature is the best one. That of the antipodal pair is not: at S = 3/7 the pair's best norm and bias cost 14 %
less than `antipodal_cost`, and at S = 0.8 still 1 %. A trained pair has to be compared with care.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import FeatureGeometryError, ParameterError
from featuregeom.features import real_numbers

__all__ = ["antipodal_cost", "antipodal_threshold", "dropped_cost"]
__dir__ = __all__.copy

Array = NDArray[np.float64]


@overload
def dropped_cost(S: float) -> float: ...
@overload
def dropped_cost(S: NDArray[Any] | Sequence[float]) -> Array: ...
def dropped_cost(S: ArrayLike) -> float | Array:
    """Cost of a feature that the toy does not represent: (1 - S)(1 + 3S) / 12.

    Its row of W is 0, so its output is the constant c = ReLU(b), and E (x - c)^2 is least at c = E x = p / 2,
    where it is the variance. With E x^2 = p / 3 that is p / 3 - p^2 / 4 = p (4 - 3p) / 12. The bias is thus the
    best one, b = (1 - S) / 2; at b = 0 the feature costs E x^2 = (1 - S) / 3.

    Parameters
    ----------
    S : float or array_like
        Sparsity, the probability that a feature is 0, in [0, 1].

    Returns
    -------
    float or ndarray of float64
        The cost; an array of S's shape for an array.

    Raises
    ------
    ParameterError
        If S is not a number, or outside [0, 1].

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".

    Examples
    --------
    >>> dropped_cost(0.5), round(dropped_cost(0.0), 6)
    (0.10416666666666667, 0.083333)
    """
    sparsity = _sparsity(S)
    return _like((1 - sparsity) * (1 + 3 * sparsity) / 12)


@overload
def antipodal_cost(S: float) -> float: ...
@overload
def antipodal_cost(S: NDArray[Any] | Sequence[float]) -> Array: ...
def antipodal_cost(S: ArrayLike) -> float | Array:
    """Cost of each feature of an antipodal pair of unit vectors at bias 0: (1 - S)^2 / 6.

    W = (1, -1)^T gives x'_1 = ReLU(x_1 - x_2). That is right unless both are active, and then x_1 - x'_1 =
    min(x_1, x_2), whose mean square is int_0^1 2 (1 - t) t^2 dt = 1/6; both are active with probability p^2.

    Norm 1 and bias 0 are given, not optimised. They are the best in the limit S -> 1, but for S < 1 the loss of
    each feature falls as the bias rises from 0, with slope -(1 - S)^2 / 3: at bias 0 every error is an output
    that is too small. Best norm and bias multiply the cost by .858 at S = 3/7, .915 at .5, .977 at .7, .989 at
    .8 and .996 at .9 (by quadrature). At bias 0 a norm s^(1/2) costs p (1/3 - 2 s (A + p / 24) + s^2 A) with
    A = (1 - p) / 3 + p / 12; the best, s = 1 + p / (24 A), saves the share p / (96 A) of the cost.

    Parameters
    ----------
    S : float or array_like
        Sparsity, the probability that a feature is 0, in [0, 1].

    Returns
    -------
    float or ndarray of float64
        The cost; an array of S's shape for an array.

    Raises
    ------
    ParameterError
        If S is not a number, or outside [0, 1].

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".

    Examples
    --------
    >>> antipodal_cost([0.0, 0.5, 1.0]).round(6).tolist()
    [0.166667, 0.041667, 0.0]
    """
    sparsity = _sparsity(S)
    return _like((1 - sparsity) ** 2 / 6)


def antipodal_threshold() -> float:
    """Sparsity above which an antipodal pair costs less than keeping one of its features: 3/7.

    In one dimension, two features of importance 1 cost 2 `antipodal_cost` = p^2 / 3 as an antipodal pair. One of
    them kept alone (norm 1, bias 0) costs nothing and the other `dropped_cost` = p (4 - 3p) / 12. The pair is
    the better one if 4p < 4 - 3p, p < 4/7, S > 3/7.

    This compares the pair at norm 1 and bias 0 with dropping at its best. If norm and bias of the pair are free,
    too, there is no such boundary: the pair wins at every S in (0, 1). At norm^2 = 1/2, b = p / 2, and without
    the ReLU, its error is (x_1 + x_2 - p) / 2 in both features, which costs Var x in all, just as dropping one
    does; and wherever ReLU cuts, which it does if S > 0, it replaces a negative output by a better one.

    Returns
    -------
    float
        3/7.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".

    Examples
    --------
    >>> S = antipodal_threshold()
    >>> round(2 * antipodal_cost(S) - dropped_cost(S), 15)
    0.0
    """
    return 3 / 7


def _sparsity(S: ArrayLike) -> Array:
    """Return S as float64 in [0, 1]."""
    try:
        values = real_numbers(S, "S")
    except FeatureGeometryError as error:
        raise ParameterError(f"S must be real numbers: {error}") from None
    if not np.all((values >= 0) & (values <= 1)):
        raise ParameterError(f"S must be at least 0 and at most 1, got {S!r}")
    return values


def _like(cost: Array) -> float | Array:
    """Give a float where one number was asked for, else the array."""
    return float(cost) if cost.ndim == 0 else cost
