"""How each feature's norm is spread over the eigenspaces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.devices import device_rows, measures_on, on_gpu
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.spectra.decomposition import spectrum as spectrum_of
from featuregeom.spectra.eigenspaces import DOUBTFUL, Spectrum
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

_COMPARED = 64
"""Number of features whose inner products are compared with what a spectrum of side "gram" says they are."""

_ROWS = 4096
"""Features that are widened at a time, to keep memory small."""


@summarised
@dataclass(frozen=True, eq=False)
class Measures:
    r"""How each feature's norm is spread over the eigenspaces; arrays of shape (n,).

    A zero feature has ``capacity = leverage = 0``, ``eigenspace = -1``, and NaN elsewhere. Of any other, `norm`,
    `kappa` and `capacity` are those of all of it, with the error of `Spectrum.kappa_bound`. `masses` add up to its
    share s in the retained eigenspaces, and `leverage` is that of what lies there. Where s is below 1 - 1e-4, that does
    not say how the feature lies: it has no eigenspace (-1), and `slack`, `cv`, `max_mass`, `ipr` and `entropy` are NaN.
    Else these are those of its projection, which moves them by as much as 1 - s.

    Attributes
    ----------
    norm : ndarray of float64
        Euclidean norm; :math:`N_i` is its square.
    kappa : ndarray of float64
        Rayleigh quotient :math:`w_i^\top F w_i / N_i`, the mean of lambda under the measure.
    capacity : ndarray of float64
        :math:`D_i = N_i / \kappa_i`.
    leverage : ndarray of float64
        :math:`l_i = w_i^\top F^+ w_i \le 1`, with :math:`\sum_i l_i = \operatorname{rank} F`; at least
        :math:`s^2 D_i`, so that :math:`D_i \le l_i` where nothing was cut off.
    slack : ndarray of float64
        :math:`1 - D_i / l_i`: zero exactly when the feature lies in one eigenspace.
    cv : ndarray of float64
        Coefficient of variation of lambda under the measure: zero in the same case.
    max_mass, ipr, entropy : ndarray of float64
        Largest mass, sum of squared masses, entropy in nats of the measure over its sum.
    eigenspace : ndarray of int64
        Eigenspace of the largest mass.
    masses : ndarray of float64, shape (n, n_eigenspaces), or None
        The spectral measures :math:`\mu_i(k) = \lVert P_k w_i \rVert^2 / N_i`; None when not asked for.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    norm: NDArray[np.float64]
    kappa: NDArray[np.float64]
    capacity: NDArray[np.float64]
    leverage: NDArray[np.float64]
    slack: NDArray[np.float64]
    cv: NDArray[np.float64]
    max_mass: NDArray[np.float64]
    ipr: NDArray[np.float64]
    entropy: NDArray[np.float64]
    eigenspace: NDArray[np.int64]
    masses: NDArray[np.float64] | None = None

    @property
    def total_capacity(self) -> float:
        """Sum of the capacities of the features that have an eigenspace: at most the rank, up to their 1 - s."""
        return float(self.capacity[self.eigenspace >= 0].sum())

    @property
    def effective_eigenspaces(self) -> NDArray[np.float64]:
        """Effective number of eigenspaces, exp(entropy)."""
        return np.exp(self.entropy)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Give the arrays of shape (n,) by name, in the order of the features table."""
        names = ("norm", "kappa", "capacity", "leverage", "slack", "cv", "max_mass", "ipr", "entropy")
        columns: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in names}
        return columns | {"effective_eigenspaces": self.effective_eigenspaces, "eigenspace": self.eigenspace}

    def to_frame(self) -> pd.DataFrame:
        """Give the table of features, one row each."""
        import pandas as pd

        return pd.DataFrame(self.columns())


def measures(
    X: Any,
    spectrum: Spectrum | None = None,
    *,
    tolerance: float | None = None,
    masses: bool = True,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Measures:
    r"""Spectral measure of every feature and the numbers that follow from it.

    The measure :math:`\mu_i(k) = \lVert P_k w_i \rVert^2 / N_i` is a probability over the eigenspaces of F.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    spectrum : Spectrum, optional
        Spectrum of `X`; computed when not given. One of side "frame" may come from other features with the
        same m.
    tolerance : float, optional
        Passed to :func:`spectrum` when it is computed here.
    masses : bool
        Whether to keep the measures themselves: n times the number of eigenspaces doubles.
    num_threads, progress
        As in :func:`spectrum`.

    Returns
    -------
    Measures
        Rows of `masses` sum to 1 up to the share of a feature in the null space. With a spectrum of other features,
        kappa is all from that spectrum, and a feature in its null space has no kappa and capacity 0.

    Raises
    ------
    ShapeError
        If `spectrum` does not fit `X`.
    ParameterError
        If `spectrum` has side "gram" and comes from other features, by their norms and the inner products of 64 of
        them; also as in :func:`spectrum`.
    DtypeError, NonFiniteError
        As in :func:`spectrum`.

    Notes
    -----
    Costs 2 n m r operations where F was decomposed (r the rank), n r where M was; and 2 n m for each feature whose
    kappa is below 1e-6 of tr F, or that has no eigenspace.

    References
    ----------
    arXiv:2602.02224.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.spectra.measures([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    >>> found.capacity
    array([0.5, 0.5, 1. ])
    >>> found.eigenspace
    array([1, 1, 0])
    """
    features, given = as_features(X), spectrum
    if spectrum is None:
        spectrum = spectrum_of(
            X if on_gpu(X) else features,
            tolerance=tolerance,
            num_threads=num_threads,
            progress=_half(progress, 0),
        )
        progress = _half(progress, 1)
    elif spectrum.shape[1] != features.m or (spectrum.side == "gram" and spectrum.shape[0] != features.n):
        raise ShapeError(
            f"a spectrum of shape {spectrum.shape} does not fit features of shape {(features.n, features.m)}"
        )
    values, vectors = np.ascontiguousarray(spectrum.retained), spectrum.vectors
    if on_gpu(X) and spectrum.side == "frame" and len(values):
        _core.squared_norms(features.values, num_threads=num_threads)  # refuses rows that have no square
        there = device_rows(X)
        table, top, kept = measures_on(
            there, values, vectors, spectrum.starts, masses=masses, progress=progress
        )
    else:
        table, top, kept = _core.measures(
            features.values,
            values,
            vectors,
            spectrum.starts,
            along=spectrum.along,
            masses=masses,
            num_threads=num_threads,
            progress=progress,
        )
    norm, kappa, capacity, leverage, slack, cv, max_mass, ipr, entropy = table
    if spectrum.side == "gram":
        _check_own(features, norm, spectrum)
    # Through the spectrum, kappa errs by rounding of the trace, and lacks what was cut off.
    doubtful = np.flatnonzero((norm > 0) & ((top < 0) | ~(kappa >= DOUBTFUL * spectrum.trace)))
    if len(doubtful) and (given is None or _is_of(features, spectrum)):
        kappa[doubtful] = _core.kappas(features.values, doubtful, spectrum.trace, num_threads=num_threads)
        capacity[doubtful] = np.minimum(norm[doubtful] / kappa[doubtful], 1.0)
    return Measures(np.sqrt(norm), kappa, capacity, leverage, slack, cv, max_mass, ipr, entropy, top, kept)


def _check_own(features: Features, squares: NDArray[np.float64], spectrum: Spectrum) -> None:
    """Refuse eigenvectors of another Gram matrix: their entries stand for the features that they were made of."""
    n, U, values = features.n, spectrum.vectors, spectrum.retained
    sample = np.linspace(0, n - 1, min(n, _COMPARED)).astype(np.int64)
    rows = features.widened(sample)
    inner = np.abs(rows @ rows.T - (U[sample] * values) @ U[sample].T).max()
    off = max(float(np.abs(squares - U**2 @ values).max()), float(inner))
    # What was cut off as null, and the rounding of `Spectrum.defect_bound`: of the spectrum, and as much of `inner`.
    limit = spectrum.null_tolerance + sum(spectrum.shape) * 2.0**-52 * spectrum.trace
    if off > limit:
        raise ParameterError(
            f"spectrum is of other features: with side 'gram' it must be that of X, but their inner products differ by "
            f"{off:.2g}, and rounding explains {limit:.2g}"
        )


def _is_of(features: Features, spectrum: Spectrum) -> bool:
    """Tell whether F is that of the features, by one random vector of signs.

    Other features change F z beyond what rounding and the cut of null eigenvalues do, unless they have the same F, and
    then these numbers are theirs as well.
    """
    if spectrum.side == "gram":
        return True  # `_check_own` has refused others
    z = np.random.default_rng(0).choice([-1.0, 1.0], features.m)
    image = np.zeros(features.m)
    for first in range(0, features.n, _ROWS):
        rows = features.widened(np.arange(first, min(first + _ROWS, features.n)))
        image += (rows @ z) @ rows
    V = spectrum.vectors
    off = float(np.linalg.norm(image - V @ (spectrum.retained * (z @ V))))
    limit = spectrum.null_tolerance + sum(spectrum.shape) * 2.0**-52 * spectrum.trace
    return features.n == spectrum.shape[0] and off <= limit * math.sqrt(features.m)


def _half(progress: Progress | None, passed: int) -> Progress | None:
    """Report the progress of the first (0) or second (1) of two equally long passes as progress of both."""
    if progress is None:
        return None
    return lambda done, total: progress(done + passed * total, 2 * total)
