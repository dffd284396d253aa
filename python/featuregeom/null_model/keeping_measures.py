"""Random features with given eigenspaces and spectral measures: only directions inside each eigenspace differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ShapeError
from featuregeom.features import as_features
from featuregeom.interruptible import by_slabs, matmul, normals
from featuregeom.null_model.ranks import RankTest, rank_test
from featuregeom.spectra import Spectrum
from featuregeom.spectra import spectrum as spectrum_of

__all__ = ["measure_draws", "measure_null"]


def measure_draws(
    X: Any,
    spectrum: Spectrum | None = None,
    *,
    n_draws: int = 20,
    seed: int = 0,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> Iterator[NDArray[np.float64]]:
    r"""Draw features with the spectral measures of `X`, each pointing anywhere inside each eigenspace.

    .. math:: w_i' = \sum_k \lVert P_k w_i \rVert\, u_{ik}, \qquad u_{ik} \text{ uniform on the sphere of eigenspace } k

    In a one-dimensional eigenspace that is a random sign.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    spectrum : Spectrum, optional
        Eigenspaces, of side "frame" or of X itself; by default those of `X`. What lies outside them is one more.
    n_draws : int
        Draws, at least 1.
    seed : int
        Seed, at least 0. Draw k has a stream of its own, so fewer draws are the first ones of more.
    tolerance, num_threads
        As in `spectra.spectrum`.

    Yields
    ------
    ndarray of float64, shape (n, m)
        Features of the same norms and spectral measures.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `spectra.spectrum`; if `spectrum` does not fit `X`.

    Notes
    -----
    Costs 4 n m r operations for each draw, and one matrix of n m doubles is held at a time.

    References
    ----------
    Muller, Commun. ACM 2 (1959), for uniform directions; the null is featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import measure_draws
    >>> X = fg.shapes.simplex(4)
    >>> draw = next(measure_draws(X))
    >>> bool(np.allclose(np.linalg.norm(draw, axis=1), np.linalg.norm(X, axis=1)))
    True
    """
    features = as_features(X)
    n_draws, seed = integer("n_draws", n_draws, 1), integer("seed", seed, 0)
    if spectrum is None:
        spectrum = spectrum_of(features, tolerance=tolerance, num_threads=num_threads)
    values = features.widened(np.arange(features.n))
    V = _basis(values, spectrum)
    inside = matmul(values, V)
    starts, dims = spectrum.starts[:-1], np.diff(spectrum.starts)

    def beside(rows: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows - taken @ V.T

    def norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.add.reduceat(rows**2, starts, axis=1)) if spectrum.rank else rows

    def turned(rows: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows * np.repeat(lengths / norms(rows), dims, axis=1) if spectrum.rank else rows

    # Norms in each eigenspace and outside all of them, to the roundings of a difference.
    parts = by_slabs(norms, inside)
    rest = np.linalg.norm(by_slabs(beside, values, inside), axis=1, keepdims=True)
    for stream in np.random.SeedSequence(seed).spawn(n_draws):
        random = np.random.default_rng(stream)
        draw = matmul(by_slabs(turned, normals(random, inside.shape), parts), V.T)
        if spectrum.rank < features.m:
            beyond = normals(random, values.shape)
            beyond = by_slabs(beside, beyond, matmul(beyond, V))
            lengths = rest / np.linalg.norm(beyond, axis=1, keepdims=True)
            draw = by_slabs(lambda own, other, length: own + other * length, draw, beyond, lengths)
        yield draw


def _basis(values: NDArray[np.float64], spectrum: Spectrum) -> NDArray[np.float64]:
    """Eigenvectors in the space of the features, as columns."""
    n, m = values.shape
    if spectrum.shape[1] != m or (spectrum.side == "gram" and spectrum.shape[0] != n):
        raise ShapeError(f"a spectrum of shape {spectrum.shape} does not fit features of shape {(n, m)}")
    if spectrum.side == "frame":
        return spectrum.vectors
    return matmul(values.T, spectrum.vectors) / np.sqrt(spectrum.retained)


def measure_null(
    X: Any,
    statistic: Callable[[NDArray[np.float64]], float],
    spectrum: Spectrum | None = None,
    *,
    n_draws: int = 99,
    seed: int = 0,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> RankTest:
    """Compare a number of the features with that of random features of the same spectral measures.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    statistic : callable
        Called with a matrix of features, shape (n, m), returns a number: of `X`, then of every draw.
    spectrum, n_draws, seed, tolerance, num_threads
        As in `measure_draws`.

    Returns
    -------
    RankTest
        Exact where `spectrum` is known beforehand. Eigenspaces of `X` itself were made by the very pairs that are
        tested, and then the p-value is too large; `pairs.significant` measures each pair against others.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `measure_draws`.

    References
    ----------
    The null is featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import measure_null
    >>> pentagons = fg.shapes.direct_sum(*[fg.shapes.polygon(5)] * 4)
    >>> measure_null(pentagons, lambda X: fg.pairs.sweep(X).coherence).p_above > 0.01
    True
    """
    features = as_features(X)
    draws = measure_draws(
        features, spectrum, n_draws=n_draws, seed=seed, tolerance=tolerance, num_threads=num_threads
    )
    table = [float(statistic(draw)) for draw in draws]
    return rank_test(float(statistic(features.widened(np.arange(features.n)))), table)
