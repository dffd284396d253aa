"""Spectral measures of features in the eigenspaces of any symmetric operator.

Examples are an activation covariance, and the frame operator of another layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import as_features
from featuregeom.frames.rows import EPSILON
from featuregeom.spectra import Eigenspace
from featuregeom.summary import summarised

__all__ = ["OperatorMeasures", "measures_against"]
__dir__ = __all__.copy

Floats = NDArray[np.float64]

_TILE = 2**22
"""Numbers in a tile of rows: 32 MiB of doubles."""


@summarised
@dataclass(frozen=True, eq=False)
class OperatorMeasures:
    r"""How each feature's norm is spread over the eigenspaces of an operator A; rows of zero features are NaN.

    Attributes
    ----------
    masses : ndarray of float64, shape (n, n_eigenspaces)
        :math:`\mu_i(k) = \lVert P_k w_i \rVert^2 / N_i`; rows sum to 1.
    eigenspaces : tuple of Eigenspace
        By decreasing eigenvalue; that of eigenvalue zero is one of them. Their `spread` is relative to the largest
        absolute eigenvalue of A.
    kappa : ndarray of float64, shape (n,)
        Rayleigh quotient :math:`w_i^\top A w_i / N_i`.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    masses: Floats
    eigenspaces: tuple[Eigenspace, ...]
    kappa: Floats


def measures_against(X: Any, operator: Any, *, tolerance: float | None = None) -> OperatorMeasures:
    r"""Spectral measures of features against any symmetric operator.

    Such as a covariance of activations, a mixing matrix or the next layer's frame operator; it may be indefinite
    or singular. Its eigenspaces are told apart by gaps relative to its largest absolute eigenvalue, not to the
    local one as those of a frame operator: near zero a relative gap means nothing.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    operator : array-like, shape (m, m)
        Real and symmetric up to half of the digits of its type.
    tolerance : float, optional
        Gap, relative to the largest absolute eigenvalue, up to which neighbouring eigenvalues are one eigenspace,
        in [0, 1). By default by chance, as in `spectra.spectrum`.

    Returns
    -------
    OperatorMeasures

    Raises
    ------
    ShapeError, ParameterError
        If `operator` is not m x m or not symmetric, or the tolerance is outside [0, 1).
    DtypeError, NonFiniteError
        As in `spectra.measures`, for both arguments.

    Notes
    -----
    Costs 9 m^3 + 2 n m^2 operations, and n times the number of eigenspaces doubles.

    References
    ----------
    arXiv:2602.02224.

    Examples
    --------
    >>> from featuregeom.operators import measures_against
    >>> found = measures_against([[1.0, 1.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, -1.0]])
    >>> found.masses.round(6).tolist(), found.kappa.round(6).tolist()
    ([[0.5, 0.5], [0.0, 1.0]], [1.0, -1.0])
    """
    features = as_features(X)
    A = _symmetric(operator, features.m)
    _core.check_finite(features.values)
    values, vectors = _core.eigh(A)
    scale = float(np.abs(values).max()) or 1.0
    # exp turns differences relative to the largest eigenvalue into differences relative to the local one, which
    # is what the grouping takes, and makes all eigenvalues positive.
    noise = len(A) * 2.0**-52
    starts, _, _ = _core.eigenspaces(
        np.exp(values / scale), noise=noise * np.e, tolerance=_exponential(tolerance)
    )
    spaces = tuple(
        Eigenspace(
            value=float(values[start:stop].mean()),
            dim=int(stop - start),
            start=int(start),
            stop=int(stop),
            spread=float((values[start] - values[stop - 1]) / scale),
        )
        for start, stop in pairwise(starts)
    )
    masses, kappa = np.empty((features.n, len(spaces))), np.empty(features.n)
    step = max(1, _TILE // features.m)
    for first in range(0, features.n, step):
        rows = features.widened(np.arange(first, min(first + step, features.n)))
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = np.divide(rows, largest, out=np.full_like(rows, np.nan), where=largest > 0)
        shares = (rows @ vectors) ** 2
        shares /= shares.sum(axis=1, keepdims=True)
        masses[first : first + len(rows)] = np.add.reduceat(shares, starts[:-1], axis=1)
        kappa[first : first + len(rows)] = shares @ values
    return OperatorMeasures(masses, spaces, kappa)


def _symmetric(operator: Any, m: int) -> Floats:
    """Give the operator as float64, exactly symmetric."""
    given = as_features(operator, tensor="operator")
    if (given.n, given.m) != (m, m):
        raise ShapeError(
            f"operator must be {m} x {m} for features of {m} dimensions, got {given.n} x {given.m}"
        )
    _core.check_finite(given.values)
    A = given.widened(np.arange(m))
    skew = np.abs(A - A.T)
    if skew.max() > np.sqrt(EPSILON[given.dtype]) * np.abs(A).max():
        i, j = np.unravel_index(int(skew.argmax()), skew.shape)
        raise ParameterError(
            f"operator must be symmetric, but entry ({i}, {j}) is {A[i, j]:g} and ({j}, {i}) is {A[j, i]:g}: "
            "pass its symmetric part (A + A.T) / 2, or A.T @ A"
        )
    return np.ascontiguousarray((A + A.T) / 2)


def _exponential(tolerance: float | None) -> float | None:
    """Relative gap of exp(x) for the gap `tolerance` of x."""
    if tolerance is None:
        return None
    return float(-np.expm1(-number_between("tolerance", tolerance, 0, 1, inclusive=True)))
