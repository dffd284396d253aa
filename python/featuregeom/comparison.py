"""The eigenspaces of two sets of features against each other: two layers, or two checkpoints.

They are compared by what does not depend on a basis: overlaps of eigenspaces and principal angles between them,
distances of spectral measures; never single eigenvectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features, off_graph
from featuregeom.frames.null import noise
from featuregeom.frames.rows import EPSILON
from featuregeom.spectra import Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.summary import summarised

__all__ = [
    "Match",
    "Rays",
    "TopSubspaces",
    "js_distance",
    "match_eigenspaces",
    "on_frame_side",
    "principal_angles",
    "rays",
    "top_subspaces",
]
__dir__ = __all__.copy

Floats = NDArray[np.float64]

_ORTHOGONAL = 1e-12
"""Eigenspaces with an overlap up to this are orthogonal, and no match."""


@summarised
@dataclass(frozen=True, eq=False)
class Match:
    r"""Two eigenspaces, one of each spectrum, that go together.

    Attributes
    ----------
    first, second : int
        Their numbers in the two spectra.
    overlap : float
        :math:`\operatorname{tr}(P_a P_b) = \sum \cos^2 \theta`, at most the smaller dimension.
    angles : ndarray of float64
        Principal angles in radians, increasing, as many as the smaller dimension.
    simple : bool
        Whether either is a single eigenvector. Among the crowded eigenvalues of a generic spectrum those turn at the
        least change of the features, so this is no match of spaces.

    References
    ----------
    Björck & Golub, Numerical methods for computing angles between linear subspaces, Math. Comp. 27 (1973), for the
    angles; the matching is featuregeom's own.
    """

    first: int
    second: int
    overlap: float
    angles: Floats
    simple: bool


@summarised
@dataclass(frozen=True, eq=False)
class TopSubspaces:
    r"""The spans of the k leading eigenvectors of two spectra against each other, for several k; one row each.

    Attributes
    ----------
    k : ndarray of int64, shape (K,)
        Leading eigenvectors on either side.
    largest_angle : ndarray of float64, shape (K,)
        Largest principal angle in radians. Where no gap follows the k-th eigenvalue the last directions of the spans
        are arbitrary, and so is this.
    overlap : ndarray of float64, shape (K,)
        Mean squared cosine of the principal angles.
    null : ndarray of float64, shape (K,)
        Its mean for a random subspace: k / m.
    captured : ndarray of float64, shape (K,)
        What the k leading eigenvectors of the first hold of the trace of the second operator, over what its own hold:
        at most 1, and near it whenever the operators are, gaps or none.
    """

    k: NDArray[np.int64]
    largest_angle: Floats
    overlap: Floats
    null: Floats
    captured: Floats


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


def principal_angles(A: Any, B: Any) -> Floats:
    r"""Principal angles between the spans of two sets of rows.

    With orthonormal bases U_A and U_B the cosines are the singular values of :math:`U_A^\top U_B` and the sines
    those of :math:`(I - U_A U_A^\top) U_B`; an angle is taken from both, for a cosine alone cannot tell angles
    below 1e-8 from zero.

    Parameters
    ----------
    A : array-like, shape (a, m)
        Rows, orthonormal or not; directions below ``max(a, m) * eps`` of the largest singular value are not
        in their span.
    B : array-like, shape (b, m)
        The same for the other span.

    Returns
    -------
    ndarray of float64, shape (min(rank A, rank B),)
        Radians in [0, pi/2], increasing.

    Raises
    ------
    ShapeError
        If the two have different dimensions, or either is no matrix.
    DtypeError, NonFiniteError
        As in `spectra.measures`.

    References
    ----------
    Björck & Golub, Numerical methods for computing angles between linear subspaces, Math. Comp. 27 (1973).

    Examples
    --------
    >>> from featuregeom.comparison import principal_angles
    >>> principal_angles([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[2.0, 0.0, 2.0]]).round(6).tolist()
    [0.785398]
    """
    first, second = as_features(A, tensor="A"), as_features(B, tensor="B")
    if first.m != second.m:
        raise ShapeError(f"the rows of A have {first.m} dimensions, those of B {second.m}: no common space")
    return _angles(_basis(first), _basis(second))


def on_frame_side(X: Any, spectrum: Spectrum) -> Spectrum:
    r"""Give a spectrum its eigenvectors in the space of the dimensions, :math:`v = X^\top u / \sqrt\lambda`.

    With fewer features than dimensions `spectra.spectrum` keeps those of the Gram matrix, which belong to these
    features alone and are compared with nothing else.

    Parameters
    ----------
    X : array-like, shape (n, m)
        The features that `spectrum` is of.
    spectrum : Spectrum
        One of side "frame" is returned as it is.

    Returns
    -------
    Spectrum
        Of side "frame".

    Raises
    ------
    ShapeError
        If `spectrum` does not fit `X`.

    References
    ----------
    Golub & Van Loan, Matrix Computations (2013), section 2.4: the singular value decomposition, in which u and v are
    partners.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import on_frame_side
    >>> X = [[3.0, 0.0, 4.0]]
    >>> on_frame_side(X, fg.spectra.spectrum(X)).vectors.shape
    (3, 1)
    """
    features = as_features(X)
    if spectrum.shape != (features.n, features.m):
        raise ShapeError(
            f"a spectrum of shape {spectrum.shape} is not of features of shape {(features.n, features.m)}"
        )
    if spectrum.side == "frame":
        return spectrum
    vectors = features.widened(np.arange(features.n)).T @ (spectrum.vectors / np.sqrt(spectrum.retained))
    # Those of small eigenvalues are orthogonal to the others up to rounding times the condition only.
    return replace(spectrum, vectors=np.linalg.qr(vectors).Q, side="frame", along=None)


def match_eigenspaces(
    spectrum_a: Spectrum, spectrum_b: Spectrum, *, simple: bool = False
) -> tuple[Match, ...]:
    r"""Pair the eigenspaces of two spectra by overlap, and give the principal angles of each pair.

    The pair of largest :math:`\operatorname{tr}(P_a P_b)` is matched first, then the largest among the rest, and
    so on: greedy, so the sum of overlaps need not be the largest that any assignment has. Orthogonal eigenspaces
    are never matched, so there may be fewer pairs than eigenspaces.

    Parameters
    ----------
    spectrum_a, spectrum_b : Spectrum
        Of side "frame", in the same number of dimensions; see `on_frame_side`.
    simple : bool
        Whether pairs in which either is a single eigenvector are listed, too. They are no match of spaces; what a
        generic spectrum has in common with another, `top_subspaces` says.

    Returns
    -------
    tuple of Match
        By decreasing overlap; equal ones by their numbers.

    Raises
    ------
    ParameterError, ShapeError
        If a spectrum is of side "gram", or the dimensions differ.

    Notes
    -----
    Costs 2 m r_a r_b operations for the overlaps, and O(r_a r_b) memory.

    References
    ----------
    Björck & Golub, Math. Comp. 27 (1973), for the angles.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import match_eigenspaces
    >>> first = fg.spectra.spectrum([[2.0, 0.0], [0.0, 1.0]])
    >>> second = fg.spectra.spectrum([[1.0, 0.0], [0.0, 2.0]])
    >>> [(match.first, match.second, match.overlap) for match in match_eigenspaces(first, second, simple=True)]
    [(0, 1, 1.0), (1, 0, 1.0)]
    >>> match_eigenspaces(first, second)
    ()
    """
    _check_comparable(spectrum_a, spectrum_b)
    U, V = spectrum_a.vectors, spectrum_b.vectors
    if not (spectrum_a.rank and spectrum_b.rank):
        return ()
    overlaps = np.add.reduceat((U.T @ V) ** 2, spectrum_a.starts[:-1], axis=0)
    overlaps = np.add.reduceat(overlaps, spectrum_b.starts[:-1], axis=1)
    found = []
    for a, b in _greedy(overlaps):
        space_a, space_b = spectrum_a.eigenspaces[a], spectrum_b.eigenspaces[b]
        single = min(space_a.dim, space_b.dim) == 1
        if single and not simple:
            continue
        angles = _angles(U[:, space_a.start : space_a.stop], V[:, space_b.start : space_b.stop])
        found.append(Match(a, b, float(overlaps[a, b]), angles, single))
    return tuple(found)


def top_subspaces(spectrum_a: Spectrum, spectrum_b: Spectrum, k: ArrayLike | None = None) -> TopSubspaces:
    r"""Compare the spans of the leading eigenvectors of two spectra: what they have in common without single vectors.

    Parameters
    ----------
    spectrum_a, spectrum_b : Spectrum
        Of side "frame", in the same number of dimensions; see `on_frame_side`.
    k : array_like of int, optional
        How many leading eigenvectors; by default the powers of 2 up to half of the smaller rank, at least 1.

    Returns
    -------
    TopSubspaces
        Empty where either has rank zero.

    Raises
    ------
    ParameterError, ShapeError
        As in `match_eigenspaces`; if a k is not from 1 to the smaller rank.

    Notes
    -----
    Costs 2 m r_a r_b operations and a singular value decomposition for each k.

    References
    ----------
    Björck & Golub, Math. Comp. 27 (1973), for the angles; Davis & Kahan, SIAM J. Numer. Anal. 7 (1970), for what gaps
    have to do with them.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import top_subspaces
    >>> first = fg.spectra.spectrum([[2.0, 0.0], [0.0, 1.0]])
    >>> second = fg.spectra.spectrum([[1.0, 0.0], [0.0, 2.0]])
    >>> found = top_subspaces(first, second, [1])
    >>> found.overlap.tolist(), found.null.tolist(), found.captured.tolist()
    ([0.0], [0.5], [0.25])
    """
    _check_comparable(spectrum_a, spectrum_b)
    rank, m = min(spectrum_a.rank, spectrum_b.rank), spectrum_a.shape[1]
    if k is None:
        chosen = [2**power for power in range(max(rank // 2, 1).bit_length())] if rank else []
    else:
        chosen = [integer("k", each, 1, rank) for each in np.ravel(np.asarray(k)).tolist()]
    U, V = spectrum_a.vectors, spectrum_b.vectors
    values = spectrum_b.retained
    squares = (U.T @ V) ** 2
    held = np.cumsum(squares @ values) if chosen else np.zeros(0)
    own = np.cumsum(values)
    rows = [
        (
            count,
            float(_angles(U[:, :count], V[:, :count]).max()),
            float(squares[:count, :count].sum() / count),
            count / m,
            min(float(held[count - 1] / own[count - 1]), 1.0),
        )
        for count in chosen
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return TopSubspaces(table[:, 0].astype(np.int64), *table[:, 1:].T)


def js_distance(mu: ArrayLike, nu: ArrayLike) -> Floats:
    r"""Jensen-Shannon distance of spectral measures on the same eigenspaces, feature by feature.

    .. math:: d(\mu, \nu)^2 = \tfrac12 \sum_k \mu_k \log_2 \frac{2 \mu_k}{\mu_k + \nu_k}
        + \tfrac12 \sum_k \nu_k \log_2 \frac{2 \nu_k}{\mu_k + \nu_k}

    A metric, 0 for equal measures and 1 for disjoint ones.

    Parameters
    ----------
    mu, nu : array_like, shape (n, K) or (K,)
        Measures against one operator, such as `measures_against` gives. What a row lacks of 1 is its share in
        the null space, and counts as one eigenspace more.

    Returns
    -------
    ndarray of float64, shape (n,) or ()
        NaN where a measure is NaN.

    Raises
    ------
    ShapeError, ParameterError
        If the shapes differ or are no rows of measures, a mass is negative, or a row sums to more than 1.

    References
    ----------
    Endres & Schindelin, A new metric for probability distributions, IEEE Trans. Inf. Theory 49 (2003).

    Examples
    --------
    >>> from featuregeom.comparison import js_distance
    >>> js_distance([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]).tolist()
    [1.0, 0.0]
    """
    p, q = _measure("mu", mu), _measure("nu", nu)
    if p.shape != q.shape:
        raise ShapeError(f"mu and nu must have one shape, got {np.shape(mu)} and {np.shape(nu)}")
    both = p + q
    contrast = np.divide(p - q, both, out=np.zeros_like(both), where=both > 0)
    # (1 + c) log(1 + c) + (1 - c) log(1 - c) in a form that keeps its digits for small c.
    inner = np.abs(contrast) < 1
    c = np.where(inner, contrast, 0.0)
    divergence = np.where(inner, np.log1p(-(c**2)) + 2 * c * np.arctanh(c), 2 * np.log(2.0))
    total = np.sum(both * divergence, axis=-1) / (4 * np.log(2.0))
    bad = np.isnan(both).any(axis=-1)
    return np.asarray(np.where(bad, np.nan, np.sqrt(np.minimum(total, 1.0))))


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


def _check_comparable(spectrum_a: Spectrum, spectrum_b: Spectrum) -> None:
    """Refuse spectra whose eigenvectors do not lie in one space."""
    for spectrum in (spectrum_a, spectrum_b):
        if spectrum.side != "frame":
            raise ParameterError(
                f"a spectrum of shape {spectrum.shape} has the eigenvectors of its Gram matrix, which compare "
                "with nothing else: pass comparison.on_frame_side(X, spectrum)"
            )
    if spectrum_a.shape[1] != spectrum_b.shape[1]:
        raise ShapeError(f"spectra in {spectrum_a.shape[1]} and {spectrum_b.shape[1]} dimensions")


def _basis(features: Features) -> Floats:
    """Orthonormal basis of the span of the rows, as columns."""
    _core.check_finite(features.values)
    rows = features.widened(np.arange(features.n))
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    squares = rows**2
    largest, row, column = float(singular[0] ** 2), float(squares.sum(1).max()), float(squares.sum(0).max())
    rounding = noise((features.n, features.m), EPSILON[features.dtype], largest, row, column).rounding
    # Singular values are found to the precision of float64, their squares would not be.
    least = max(max(rows.shape) * 2.0**-52 * singular[0], np.sqrt(2 * rounding))
    return np.asarray(right[singular > least].T)


def _angles(U: Floats, V: Floats) -> Floats:
    """Principal angles between the spans of orthonormal columns."""
    if U.shape[1] < V.shape[1]:
        U, V = V, U
    if not V.shape[1]:
        return np.zeros(0)
    cross = U.T @ V
    cosines = np.linalg.svd(cross, compute_uv=False)
    sines = np.linalg.svd(V - U @ cross, compute_uv=False)[::-1]
    return np.asarray(np.arctan2(sines, cosines))


def _greedy(overlaps: Floats) -> list[tuple[int, int]]:
    """Pairs of row and column, largest first, each row and column once.

    A pair that is the largest of both its row and its column is taken whatever else is, so all such go at once.
    """
    left = np.where(overlaps > _ORTHOGONAL, overlaps, 0.0)
    index, pairs = np.arange(len(left)), list[tuple[int, int]]()
    while left.any():
        best = left.argmax(axis=1)
        rows = np.flatnonzero((left.argmax(axis=0)[best] == index) & (left[index, best] > 0))
        pairs += zip(rows.tolist(), best[rows].tolist(), strict=True)
        left[rows] = 0
        left[:, best[rows]] = 0
    return sorted(pairs, key=lambda pair: (-overlaps[pair], pair))


def _measure(name: str, given: ArrayLike) -> Floats:
    """Give measures with one more mass, which makes their sum 1."""
    try:
        masses = np.asarray(off_graph(given), dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be rows of masses, got {given!r}") from None
    if masses.ndim not in (1, 2):
        raise ShapeError(f"{name} must have shape (n, K) or (K,), got {masses.shape}")
    if (masses < 0).any():
        raise ParameterError(f"{name} has a negative mass, {np.nanmin(masses):g}")
    rest = 1 - masses.sum(axis=-1, keepdims=True)
    if (rest < -1e-6).any():
        raise ParameterError(
            f"{name} has a row that sums to {1 - np.nanmin(rest):g}: masses add up to 1 at most"
        )
    # A rest that is rounding must not count: the distance of measures is the root of what they differ by.
    rest = np.where(rest <= 4 * 2.0**-52 * max(masses.shape[-1], 1), rest * 0.0, rest)
    return np.concatenate([masses, np.abs(rest)], axis=-1)
