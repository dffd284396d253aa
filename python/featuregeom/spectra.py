"""Eigenspaces of the frame operator, and how each feature's norm is spread over them.

Everything here is per eigenSPACE. Inside a degenerate eigenspace the eigenvectors are an arbitrary basis, and a
number that depends on them means nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import number_between
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.frames.null import Noise, noise
from featuregeom.frames.rows import EPSILON
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Eigenspace", "Measures", "Persistence", "Spectrum", "measures", "spectrum"]
__dir__ = __all__.copy

_COMPARED = 64
"""Number of features whose inner products are compared with what a spectrum of side "gram" says they are."""

_DOUBTFUL = 1e-6
"""Share of tr F below which kappa is not taken from the spectrum, as in the core's capacities: it would have lost more
than ten digits. Choice: matrices without features a thousand times shorter than the rest have none there."""

_HIDDEN = 1e-4
"""Share of a squared norm outside the retained eigenspaces beyond which a feature has no measure, as in the core."""

_NEARLY = 1e-6
"""Most that a product of two vectors' images may be of the gap between their eigenvalues for the first order of
perturbation theory to be exact to rounding: the second is the square."""

_SVD = 2**27
"""Most products n m min(n, m) for which singular values are computed where features are so short: a fraction of a
second that nothing interrupts."""

_ROWS = 4096
"""Features that are widened at a time, to keep memory small."""


@dataclass(frozen=True)
class Eigenspace:
    """One eigenspace of the frame operator.

    Attributes
    ----------
    value : float
        Mean of its eigenvalues.
    dim : int
        Its dimension.
    start, stop : int
        Its eigenvalues are ``eigenvalues[start:stop]`` of the spectrum.
    spread : float
        Largest minus smallest eigenvalue, over the largest.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    value: float
    dim: int
    start: int
    stop: int
    spread: float


@dataclass(frozen=True)
class Persistence:
    """One partition of the spectrum into eigenspaces, and the range of tolerances that give it.

    Attributes
    ----------
    lower, upper : float
        Single linkage gives this partition at relative tolerances in ``[lower, upper)``.
    diameter : float
        Relative width of its widest eigenspace.
    count : int
        Number of eigenspaces.

    References
    ----------
    The rule is featuregeom's own. Its idea, to trust what persists over scales, is that of Edelsbrunner, Letscher &
    Zomorodian, Topological persistence and simplification, Discrete Comput. Geom. 28 (2002).
    """

    lower: float
    upper: float
    diameter: float
    count: int


@summarised
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Spectrum of a frame operator.

    Attributes
    ----------
    eigenvalues : ndarray of float64, shape (min(n, m),)
        Decreasing; those from `rank` on are null.
    rank : int
        Number of eigenvalues above `null_tolerance`.
    eigenspaces : tuple of Eigenspace
        The retained eigenvalues, grouped.
    tolerance : float
        The relative tolerance that was given, or the least that gives these eigenspaces when it is (1e-8 where that
        does); NaN where none does, since a gap inside one eigenspace is wider than a gap between two.
    persistence : tuple of Persistence
        Every partition that single linkage passes through, finest first.
    null_tolerance : float
        Eigenvalues at or below it are indistinguishable from zero, given the arithmetic and the rounding of
        the input.
    rank_margin : float
        Smallest retained eigenvalue over `null_tolerance`; NaN for rank zero. Near 1 the rank is a matter of
        opinion.
    vectors : ndarray of float64, shape (m, rank) or (n, rank)
        Eigenvectors as columns, of the frame operator or (where ``n < m``) of the Gram matrix. An entry errs by
        rounding of 1, whatever its size, so that ``vectors * sqrt(retained)`` is no way to the coordinates of a
        feature that is much shorter than others: those are in `along`.
    side : {"frame", "gram"}
        Which of the two was decomposed.
    shape : tuple of int
        (n, m).
    trace : float
        Sum of squared norms of the features.
    along : ndarray of float64, shape (n, rank), or None
        Where the Gram matrix was decomposed, the coordinates of each feature along the eigenvectors of the frame
        operator, to rounding of its own norm.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    eigenvalues: NDArray[np.float64]
    rank: int
    eigenspaces: tuple[Eigenspace, ...]
    tolerance: float
    persistence: tuple[Persistence, ...]
    null_tolerance: float
    rank_margin: float
    vectors: NDArray[np.float64]
    side: Literal["frame", "gram"]
    shape: tuple[int, int]
    trace: float
    along: NDArray[np.float64] | None = None

    @property
    def retained(self) -> NDArray[np.float64]:
        """The eigenvalues above the null tolerance."""
        return self.eigenvalues[: self.rank]

    @property
    def starts(self) -> NDArray[np.int64]:
        """First eigenvalue of each eigenspace, then the rank."""
        return np.array([space.start for space in self.eigenspaces] + [self.rank], dtype=np.int64)

    @property
    def condition(self) -> float:
        """Largest over smallest retained eigenvalue; NaN for rank zero."""
        return float(self.eigenvalues[0] / self.eigenvalues[self.rank - 1]) if self.rank else float("nan")

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Distance of each eigenspace from the nearest eigenvalue outside it, null ones included (0 where r < m)."""
        ends = self.starts
        null = float(self.eigenvalues[self.rank]) if self.rank < len(self.eigenvalues) else 0.0
        below = np.append(self.retained, null)[ends[1:]]
        if self.rank == self.shape[1]:  # nothing is below the last one
            below[-1:] = -np.inf
        above = np.append(np.inf, self.retained)[ends[:-1]]
        gaps: NDArray[np.float64] = np.minimum(
            above - self.retained[ends[:-1]], self.retained[ends[1:] - 1] - below
        )
        return gaps

    @property
    def mass_bound(self) -> NDArray[np.float64]:
        r"""Rounding bound on the error of each mass, by eigenspace; shape (n_eigenspaces,).

        The computed operator is F + E with :math:`\lVert E \rVert_2 \le (n + m) u \operatorname{tr} F`, as in
        `defect_bound`, and its projection on an eigenspace at a distance g from the other eigenvalues differs from that
        of F by at most 2 |E| / g (Davis & Kahan). 1 where nothing is known.
        """
        unit = 2.0**-53 * sum(self.shape)
        with np.errstate(divide="ignore"):
            bound: NDArray[np.float64] = np.minimum(unit * (4 + 2 * self.trace / self.gaps), 1.0)
        return bound

    def kappa_bound(self, kappa: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Bound the relative errors that rounding makes in kappa and capacity, whatever was cut off as null.

        With :math:`t_i = \operatorname{tr} F / \kappa_i` and :math:`c = (n + m) u`, :math:`u = 2^{-53}`,

        .. math:: c (4 + t_i) \quad (t_i \le 10^6), \qquad c (4 + 2 \sqrt{t_i} + c t_i) \quad (t_i > 10^6):

        of features much shorter than others both come from inner products, of which each errs by rounding of its
        own two norms, the others from the spectrum.

        Parameters
        ----------
        kappa : ndarray of float64, shape (n,)
            Of features with this spectrum, that it was made of.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        unit = 2.0**-53 * sum(self.shape)
        times = self.trace / kappa
        bound: NDArray[np.float64] = unit * (
            4 + np.where(times <= 1 / _DOUBTFUL, times, 2 * np.sqrt(times) + unit * times)
        )
        return bound

    @property
    def defect_bound(self) -> float:
        r"""Rounding bound on the relative error of the defect identity.

        The computed operator is F + E with :math:`\lVert E \rVert_2 \le (n + m) u \operatorname{tr} F` (u = 2^-53),
        from its sums and from the eigensolver, and the leverages then add up to
        :math:`r - \sum_k v_k^\top E v_k / \lambda_k`.
        """
        if not self.rank:
            return 0.0
        unit = 2.0**-53 * sum(self.shape)
        return float(unit * (1 + self.trace * np.mean(1 / self.retained)))

    def to_frame(self) -> pd.DataFrame:
        """Give the eigenspaces as a table, one row each."""
        import pandas as pd

        return pd.DataFrame(
            [vars(space) for space in self.eigenspaces], columns=list(Eigenspace.__annotations__)
        )


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
    return _decompose(as_features(X), tolerance, num_threads, progress)


def _decompose(
    features: Features, tolerance: float | None, num_threads: int | None, progress: Progress | None
) -> Spectrum:
    if tolerance is not None:
        tolerance = number_between("tolerance", tolerance, 0, 1, inclusive=True)
    n, m = features.n, features.m
    side = "gram" if n < m else "frame"
    rows = features.values.T if side == "gram" else features.values
    try:
        operator = _core.frame_operator(rows, num_threads=num_threads, progress=progress)
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
    inside = np.sum((wide @ found.vectors if found.along is None else found.along) ** 2, axis=1)
    if (inside >= (1 - _HIDDEN) * squares).all():
        return found
    return _of_singular_values(wide, found, limits, tolerance)


def _of_singular_values(
    wide: NDArray[np.float64], through: Spectrum, limits: Noise, tolerance: float | None
) -> Spectrum:
    """Decompose X itself, whose singular values keep the digits that eigenvalues of its square lose."""
    left, _, right = np.linalg.svd(wide, full_matrices=False)
    # LAPACK's vectors err by tens of roundings of the longest feature. One step of perturbation theory and one of QR
    # leave a few, since products of a long and a short column of X V err by rounding of both lengths.
    along = wide @ right.T
    products = along.T @ along
    apart = products.diagonal() - products.diagonal()[:, None]
    small = np.abs(products) < _NEARLY * np.abs(apart)
    turn = np.divide(products, apart, out=np.zeros_like(products), where=small)
    basis = np.linalg.qr(right.T + right.T @ turn)[0]
    along = wide @ basis
    values = np.minimum.accumulate(np.sum(along**2, axis=0))
    rank = int(np.count_nonzero(values > limits.tolerance))
    gram = through.side == "gram"
    return _grouped(
        values,
        rank,
        np.linalg.qr(left)[0][:, :rank] if gram else basis[:, :rank],
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
        spectrum = _decompose(features, tolerance, num_threads, _half(progress, 0))
        progress = _half(progress, 1)
    elif spectrum.shape[1] != features.m or (spectrum.side == "gram" and spectrum.shape[0] != features.n):
        raise ShapeError(
            f"a spectrum of shape {spectrum.shape} does not fit features of shape {(features.n, features.m)}"
        )
    table, top, kept = _core.measures(
        features.values,
        np.ascontiguousarray(spectrum.retained),
        spectrum.vectors,
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
    doubtful = np.flatnonzero((norm > 0) & ((top < 0) | ~(kappa >= _DOUBTFUL * spectrum.trace)))
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
