"""Rays of capacity against squared norm: one for each eigenspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import number_between
from featuregeom.features import as_features
from featuregeom.spectra import Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.summary import summarised

__all__ = ["Rays", "rays"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class Rays:
    r"""The plane of squared norm N and capacity D: features of one eigenspace lie on a ray :math:`D = N / \lambda`.

    Attributes
    ----------
    slope : ndarray of float64, shape (n_eigenspaces,)
        :math:`1 / \lambda_k`.
    nearest : ndarray of int64, shape (n_eigenspaces,)
        Number of features that have their largest mass in the eigenspace.
    on : ndarray of int64, shape (n_eigenspaces,)
        Number of those that lie on its ray, up to the tolerance.
    residual : ndarray of float64, shape (n_eigenspaces,)
        Root mean square of `distance` over the nearest features; NaN where there are none.
    ray : ndarray of int64, shape (n,)
        Ray of each feature, -1 for zero features.
    distance : ndarray of float64, shape (n,)
        :math:`D_i \lambda_k / N_i - 1` for the feature's own ray k; NaN for zero features.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    slope: Floats
    nearest: NDArray[np.int64]
    on: NDArray[np.int64]
    residual: Floats
    ray: NDArray[np.int64]
    distance: Floats


def rays(X: Any, spectrum: Spectrum | None = None, *, tolerance: float = 1e-2) -> Rays:
    r"""Rays of capacity against squared norm: one of slope :math:`1 / \lambda_k` for each eigenspace.

    A feature in one eigenspace has :math:`D_i = N_i / \lambda_k`, so saturated features lie on as many rays as
    there are eigenspaces, whatever their norms.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    spectrum : Spectrum, optional
        Spectrum of `X`; computed when not given.
    tolerance : float
        Largest relative distance of a feature that counts as on its ray, at least 0.

    Returns
    -------
    Rays

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `spectra.measures`; also for a tolerance below 0.

    Notes
    -----
    Costs what `spectra.spectrum` and `spectra.measures` cost. A feature spread over eigenspaces may lie on the
    ray of another one by accident: each is compared with the ray of its largest mass only.

    References
    ----------
    arXiv:2602.02224.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import rays
    >>> found = rays(fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.simplex(3)))
    >>> found.slope.round(6).tolist(), found.on.tolist()
    ([0.4, 0.666667], [5, 3])
    """
    tolerance = number_between("the tolerance of rays", tolerance, 0, inclusive=True)
    features = as_features(X)
    if spectrum is None:
        spectrum = spectrum_of(features)
    measured = measures(features, spectrum, masses=False)
    values = np.array([space.value for space in spectrum.eigenspaces])
    ray, known = measured.eigenspace, measured.eigenspace >= 0
    distance = np.full(features.n, np.nan)
    distance[known] = values[ray[known]] / measured.kappa[known] - 1
    K = len(values)
    nearest = np.bincount(ray[known], minlength=K)
    squares = np.bincount(ray[known], weights=distance[known] ** 2, minlength=K)
    on = np.bincount(ray[known & (np.abs(distance) <= tolerance)], minlength=K)
    residual = np.sqrt(np.divide(squares, nearest, out=np.full(K, np.nan), where=nearest > 0))
    return Rays(1 / values, nearest, on, residual, ray, distance)
