r"""Random features with a given frame operator: :math:`X' = Q S V^\top` with random orthonormal columns Q.

The spectrum of features says nothing about which feature has which part of it. Here it is kept, exactly, and the rest
is random: norms, spectral measures, pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.features import as_features
from featuregeom.interruptible import aside, by_slabs, gram, matmul, normals
from featuregeom.null_model.directions import NUMBERS
from featuregeom.null_model.ranks import RankTest, rank_test
from featuregeom.spectra import Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.summary import summarised

__all__ = ["SpectrumNull", "spectrum_draws", "spectrum_null"]


_TALL = 2
"""Features for each dimension from which random ones are made orthonormal by Cholesky's decomposition."""


@summarised
@dataclass(frozen=True, eq=False)
class SpectrumNull:
    """Localisation and saturation of features beside random ones with the same frame operator.

    Attributes
    ----------
    tests : mapping of str to RankTest
        For each of `null_model.NUMBERS` its value and its p-values.
    max_mass : ndarray of float64, shape (n_draws * n,)
        Largest mass of every random feature, of all draws together; ascending.
    """

    tests: Mapping[str, RankTest]
    max_mass: NDArray[np.float64]


def spectrum_draws(
    spectrum: Spectrum, n: int, *, n_draws: int = 20, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    r"""Draw random features with a given frame operator, in the basis of its eigenvectors.

    .. math:: X' V = Q S, \qquad Q \text{ Haar with orthonormal columns}, \quad S^2 = \Lambda

    Parameters
    ----------
    spectrum : Spectrum
        Of rank r; only its eigenvalues are used.
    n : int
        Features to draw, at least r.
    n_draws : int
        Draws, at least 1.
    seed : int
        Seed, at least 0. Draw k has a stream of its own, so fewer draws are the first ones of more.

    Yields
    ------
    ndarray of float64, shape (n, r)
        Coordinates of n random features along the r eigenvectors; norms, angles and spectral measures are those of
        the features themselves.

    Raises
    ------
    ParameterError
        If n is below the rank, or another argument is outside its range.

    Notes
    -----
    Costs 4 n r^2 operations for each draw.

    References
    ----------
    Mezzadri, Notices AMS 54 (2007), for Haar matrices from the QR decomposition.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import spectrum_draws
    >>> spectrum = fg.spectra.spectrum([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> draw = next(spectrum_draws(spectrum, 3))
    >>> bool(np.allclose(draw.T @ draw, [[4, 0], [0, 2]]))
    True
    """
    n = integer("n", n, max(spectrum.rank, 1))
    n_draws, seed = integer("n_draws", n_draws, 1), integer("seed", seed, 0)
    lengths = np.sqrt(spectrum.retained)
    for stream in np.random.SeedSequence(seed).spawn(n_draws):
        G = normals(np.random.default_rng(stream), (n, spectrum.rank))
        if n >= _TALL * spectrum.rank:
            # The same Q, in a third of the time: G has a condition below 6 then, so its Cholesky factor loses nothing.
            yield matmul(G, aside(np.linalg.inv, aside(np.linalg.cholesky, gram(G.T))).T * lengths)
            continue
        Q, R = aside(np.linalg.qr, G)
        # Householder signs are not random; those of R's diagonal make Q uniform.
        signed = np.where(np.diag(R) < 0, -1.0, 1.0) * lengths
        yield by_slabs(signed.__mul__, Q)


def spectrum_null(
    X: Any,
    spectrum: Spectrum | None = None,
    *,
    n_draws: int = 20,
    seed: int = 0,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> SpectrumNull:
    r"""Compare saturation and localisation with those of random features of the same frame operator.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows; zero ones count neither here nor in the draws.
    spectrum : Spectrum, optional
        Spectrum of `X`; computed when not given.
    n_draws, seed
        As in `spectrum_draws`.
    tolerance, num_threads
        As in `spectra.spectrum`.

    Returns
    -------
    SpectrumNull
        Its p-values are exact: features drawn from this null have uniform ones, whatever their spectrum.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `spectra.measures` and `spectrum_draws`.

    Notes
    -----
    Costs what `spectra.measures` costs and 4 n r^2 operations for each draw. Norms are not kept: features of equal
    norm have draws of uneven ones, so a saturation beyond this null may be nothing but equal norms.

    References
    ----------
    The null is featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.null_model import spectrum_null
    >>> X = fg.shapes.direct_sum(2 * fg.shapes.simplex(3), fg.shapes.simplex(4))
    >>> spectrum_null(X, n_draws=99).tests["max_mass"].p_above
    0.01
    """
    features = as_features(X)
    if spectrum is None:
        spectrum = spectrum_of(features, tolerance=tolerance, num_threads=num_threads)
    measured = measures(features, spectrum, masses=False, num_threads=num_threads)
    if not spectrum.rank:
        raise ParameterError("features that are all zero have no spectrum to keep")
    known = measured.eigenspace >= 0
    means = (float(getattr(measured, name)[known].mean()) for name in NUMBERS[1:])
    values = (measured.total_capacity / spectrum.rank, *means)
    table = np.empty((n_draws, len(NUMBERS)))
    largest = []
    n = int(np.count_nonzero(known))
    for row, draw in zip(table, spectrum_draws(spectrum, n, n_draws=n_draws, seed=seed), strict=True):
        numbers, max_mass = _numbers(draw, spectrum)
        row[:] = numbers
        largest.append(max_mass)
    tests = {
        name: rank_test(value, draws) for name, value, draws in zip(NUMBERS, values, table.T, strict=True)
    }
    return SpectrumNull(tests, np.sort(np.concatenate(largest)))


def _numbers(draw: NDArray[np.float64], spectrum: Spectrum) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    """Give `NUMBERS` of features in the basis of their eigenvectors, and the largest mass of each."""
    squares = draw**2
    norm = squares.sum(axis=1)
    masses = np.add.reduceat(squares, spectrum.starts[:-1], axis=1) / norm[:, None]
    shares = squares / norm[:, None]
    kappa = shares @ spectrum.retained
    capacity = norm / kappa
    leverage = squares @ (1 / spectrum.retained)
    variance = np.maximum(shares @ spectrum.retained**2 - kappa**2, 0)
    entropy = -(masses * np.log(np.where(masses > 0, masses, 1))).sum(axis=1)
    max_mass = masses.max(axis=1)
    numbers = (
        capacity.sum() / spectrum.rank,
        (np.sqrt(variance) / kappa).mean(),
        (1 - capacity / leverage).mean(),
        max_mass.mean(),
        (masses**2).sum(axis=1).mean(),
        entropy.mean(),
    )
    return tuple(float(number) for number in numbers), max_mass
