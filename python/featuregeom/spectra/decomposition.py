"""From features, or an operator that is already formed, to the spectrum of the frame operator."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import number_between
from featuregeom.devices import device_rows, on_gpu, operator_on
from featuregeom.errors import NonFiniteError
from featuregeom.features import as_features
from featuregeom.frames import Progress
from featuregeom.frames.null import Noise, noise
from featuregeom.frames.rows import EPSILON
from featuregeom.frames.shards import KeptSum, operator_by_shards
from featuregeom.interruptible import aside, matmul
from featuregeom.spectra.eigenspaces import Eigenspace, Persistence, Spectrum

_HIDDEN = 1e-4
"""Share of a squared norm outside the retained eigenspaces beyond which a feature has no measure, as in the core."""

_NEARLY = 1e-6
"""Most that a product of two vectors' images may be of the gap between their eigenvalues for the first order of
perturbation theory to be exact to rounding: the second is the square."""

_SVD = 2**27
"""Most products n m min(n, m) for which singular values are computed where features are so short: a fraction of a
second that nothing interrupts."""


def spectrum(
    X: Any,
    *,
    tolerance: float | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Spectrum:
    r"""Eigenvalues and eigenspaces of the frame operator :math:`F = X^\top X`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    tolerance : float, optional
        Relative gap up to which neighbouring eigenvalues are one eigenspace, in [0, 1); an eigenspace is at
        most four times as wide. By default eigenvalues are one where chance would not bring them together; see the
        notes.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with rows done and rows in all while the operator is formed.

    Returns
    -------
    Spectrum
        With ``n < m`` it comes from the n x n Gram matrix, which has the same nonzero eigenvalues.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frames.frame_operator`; also for a tolerance outside [0, 1).

    Notes
    -----
    Costs s^2 max(n, m) operations for the operator and about 9 s^3 for its eigenvectors, with s = min(n, m),
    about 8 s^3 more where n < m, and O(s^2) memory.

    Which eigenvalues are one: of r independent eigenvalues, d neighbours lie R times closer together than the gap
    beside them about r / R^(d-1) times by chance. A group that single linkage passes through is an eigenspace if
    that number is at most 1/2, and if it is at most 5 % wide for a pair, sqrt(d/2) times as much for d eigenvalues,
    15 % for any. The whole spectrum has no gap beside it, so its width alone decides. Parts of a group compete with
    it by the coincidences they explain, (d-1) log10 R, added up. So a spectrum without degeneracy has less than half a
    chance group on average if its eigenvalues are independent (simulated: .17 of 5 eigenvalues, .45 of 384), and
    hardly any if they repel each other, as those of random matrices do (none in 80 Wishart matrices of dimension 384).

    Two noises decide what is null: forming the operator, ``max(n, m) * 2**-52 * lambda_max``, and the rounding
    of the input. F holds squared singular values, and rounding moves X by a random matrix whose squared norm
    is about ``eps**2 / 12 * (max row norm + max column norm)**2``. Twice the larger one is the tolerance.

    Squares lose what is below 1e-8 of the longest feature. Where features are so short, and min(n, m) n m is at most
    2^27, singular values of X are computed instead, with the first noise ``(max(n, m) * 2**-52)**2 * lambda_max``.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition); Bandeira & van Handel, Ann. Probab. 44 (2016) for the
    norm of a random matrix with uneven variances.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.spectra.spectrum([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    >>> found.eigenvalues
    array([4., 2.])
    >>> [space.dim for space in found.eigenspaces]
    [1, 1]
    """
    return spectrum_with(X, tolerance=tolerance, num_threads=num_threads, progress=progress)


def spectrum_with(
    X: Any,
    *,
    kept: KeptSum | None = None,
    tolerance: float | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Spectrum:
    """As `spectrum`; the operator of very many rows is kept in `kept` while it is formed, and goes on from there."""
    features = as_features(X)
    if tolerance is not None:
        tolerance = number_between("tolerance", tolerance, 0, 1, inclusive=True)
    n, m = features.n, features.m
    side = "gram" if n < m else "frame"
    rows = features.values.T if side == "gram" else features.values
    try:
        if on_gpu(X) and side == "frame":
            operator = operator_on(device_rows(X), progress=progress)
        elif side == "gram":
            operator = _core.frame_operator(rows, num_threads=num_threads, progress=progress)
        else:
            operator = operator_by_shards(rows, kept=kept, num_threads=num_threads, progress=progress)
    except NonFiniteError:
        # Say where in terms of features, whichever side was read.
        _core.check_finite(features.values, num_threads=num_threads)
        raise
    # The diagonal holds the squared norms along one axis; the other axis takes one more pass.
    across = _core.squared_norms(rows, features=side == "frame", num_threads=num_threads)
    if side == "gram":
        _core.squared_norms(features.values, num_threads=num_threads)  # refuses rows that have no square
    sizes = operator.diagonal(), across
    longest = float(sizes[0].max()), float(sizes[1].max())
    epsilon = EPSILON[features.dtype]
    found = of_operator(operator, (n, m), longest[1], epsilon, tolerance=tolerance, num_threads=num_threads)
    squares = sizes[side == "frame"]
    # What lies in the null space has no larger square than its eigenvalue.
    shortest = float(squares[squares > 0].min(initial=np.inf))
    if found.rank == min(n, m) or shortest * _HIDDEN > found.null_tolerance or min(n, m) * n * m > _SVD:
        return found
    limits = noise((n, m), epsilon, float(found.eigenvalues[0]), *longest, singular=True)
    if limits.tolerance > found.null_tolerance / 2:
        return found
    wide = features.widened(np.arange(n))
    inside = np.sum((matmul(wide, found.vectors) if found.along is None else found.along) ** 2, axis=1)
    if (inside >= (1 - _HIDDEN) * squares).all():
        return found
    return _of_singular_values(wide, found, limits, tolerance)


def _of_singular_values(
    wide: NDArray[np.float64], through: Spectrum, limits: Noise, tolerance: float | None
) -> Spectrum:
    """Decompose X itself, whose singular values keep the digits that eigenvalues of its square lose."""
    left, _, right = aside(np.linalg.svd, wide, full_matrices=False)
    # LAPACK's vectors err by tens of roundings of the longest feature. One step of perturbation theory and one of QR
    # leave a few, since products of a long and a short column of X V err by rounding of both lengths.
    along = matmul(wide, right.T)
    products = matmul(along.T, along)
    apart = products.diagonal() - products.diagonal()[:, None]
    small = np.abs(products) < _NEARLY * np.abs(apart)
    turn = np.divide(products, apart, out=np.zeros_like(products), where=small)
    basis = aside(np.linalg.qr, right.T + matmul(right.T, turn))[0]
    along = matmul(wide, basis)
    values = np.minimum.accumulate(np.sum(along**2, axis=0))
    rank = int(np.count_nonzero(values > limits.tolerance))
    gram = through.side == "gram"
    return _grouped(
        values,
        rank,
        aside(np.linalg.qr, left)[0][:, :rank] if gram else basis[:, :rank],
        along[:, :rank] if gram else None,
        limits,
        shape=through.shape,
        trace=through.trace,
        tolerance=tolerance,
    )


def of_operator(
    operator: NDArray[np.float64],
    shape: tuple[int, int],
    across: float,
    epsilon: float,
    *,
    side: Literal["frame", "gram"] | None = None,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> Spectrum:
    """Eigenvalues and eigenspaces of a frame operator (or Gram matrix) that is already formed.

    Parameters
    ----------
    operator : ndarray of float64, shape (m, m) or (n, n)
        The frame operator or the Gram matrix, as `side` says.
    shape : tuple of int
        (n, m) of the features.
    across : float
        Largest squared norm of the lines of X that `operator` does not have on its diagonal: of a feature where it is
        the frame operator, of a column where it is the Gram matrix.
    epsilon : float
        Distance from 1 to the next larger value of the element type of X.
    side : {"frame", "gram"}, optional
        By default "gram" where ``n < m``, else "frame".
    tolerance, num_threads
        As in :func:`spectrum`.

    Returns
    -------
    Spectrum
    """
    n, m = shape
    side = side or ("gram" if n < m else "frame")
    lengths = operator.diagonal()
    eigenvalues, vectors = _core.eigh(operator, num_threads=num_threads)
    limits = noise((n, m), epsilon, float(eigenvalues[0]), float(lengths.max()), across)
    rank = int(np.count_nonzero(eigenvalues > limits.tolerance))
    kept = vectors[:, :rank]
    along = _core.coordinates(operator, kept, num_threads=num_threads) if side == "gram" else None
    trace = float(lengths.sum())
    return _grouped(eigenvalues, rank, kept, along, limits, shape=shape, trace=trace, tolerance=tolerance)


def _grouped(
    eigenvalues: NDArray[np.float64],
    rank: int,
    vectors: NDArray[np.float64],
    along: NDArray[np.float64] | None,
    limits: Noise,
    *,
    shape: tuple[int, int],
    trace: float,
    tolerance: float | None,
) -> Spectrum:
    """Group eigenvalues, of which `rank` are retained, into eigenspaces."""
    retained, null = eigenvalues[:rank], limits.tolerance
    starts, tolerance, table = _core.eigenspaces(retained, noise=limits.arithmetic, tolerance=tolerance)
    spaces = tuple(
        Eigenspace(
            value=float(retained[start:stop].mean()),
            dim=int(stop - start),
            start=int(start),
            stop=int(stop),
            spread=float((retained[start] - retained[stop - 1]) / retained[start]),
        )
        for start, stop in pairwise(starts)
    )
    return Spectrum(
        eigenvalues=np.maximum(eigenvalues, 0.0),
        rank=rank,
        eigenspaces=spaces,
        tolerance=float("nan") if tolerance is None else tolerance,
        persistence=tuple(Persistence(*step) for step in table),
        null_tolerance=null,
        rank_margin=float(retained[-1] / null) if rank else float("nan"),
        vectors=vectors,
        side="frame" if along is None else "gram",
        shape=shape,
        trace=trace,
        along=along,
    )
