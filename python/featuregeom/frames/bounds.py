"""Coherence: the largest |cosine| of two features, and lower bounds on it for n features in m dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from numbers import Integral
from typing import Any

import numpy as np

from featuregeom import _core
from featuregeom.errors import ParameterError
from featuregeom.frames.operator import Progress
from featuregeom.frames.rows import Rows, read_rows, unit_rows
from featuregeom.summary import summarised

__all__ = ["CoherenceBounds", "coherence", "coherence_bounds", "welch_bound"]

_TILE = 1024
"""Side of a tile of cosines of complex features: 1024 x 1024 of them take 16 MiB."""


@summarised
@dataclass(frozen=True)
class CoherenceBounds:
    """Lower bounds on the coherence of n unit vectors in m dimensions; 0 where a bound says nothing.

    Attributes
    ----------
    n, m : int
        Number of vectors and of dimensions.
    is_complex : bool
        Whether the vectors may be complex.
    welch, orthoplex, levenstein, bukh_cox, composite : float
        The bounds; see `coherence_bounds`.
    """

    n: int
    m: int
    is_complex: bool
    welch: float
    orthoplex: float
    levenstein: float
    bukh_cox: float
    composite: float

    @property
    def best(self) -> float:
        """The largest of the five."""
        return max(self.welch, self.orthoplex, self.levenstein, self.bukh_cox, self.composite)


def coherence_bounds(n: int, m: int, complex: bool = False) -> CoherenceBounds:  # noqa: A002
    r"""Lower bounds on the coherence of n unit vectors in m dimensions.

    Welch, for n > m; equiangular tight frames attain it:

    .. math:: \sqrt{\frac{n - m}{m (n - 1)}}

    Orthoplex, for n > Z; maximal sets of mutually unbiased bases attain it:

    .. math:: 1 / \sqrt m

    Levenstein, real and complex, for n > Z; the 120 lines of E8 and 40 lines in C^4 attain it:

    .. math:: \sqrt{\frac{3n - m^2 - 2m}{(m + 2)(n - m)}}, \qquad \sqrt{\frac{2n - m^2 - m}{(m + 1)(n - m)}}

    Bukh-Cox, real and complex, for k = n - m > 0; Naimark complements of maximal equiangular tight frames attain it:

    .. math:: \frac{k (k + 1)}{2n + n (k - 1) \sqrt{k + 2} - k (k + 1)}, \qquad
        \frac{k^2}{n + n (k - 1) \sqrt{k + 1} - k^2}

    Composite, for m > 1; never attained for long, but the best for many vectors in few dimensions:

    .. math:: 1 - 2 n^{-1 / (m - 1)}

    Z is the dimension of the space of symmetric or Hermitian matrices: m (m + 1) / 2 for real, m^2 for complex
    vectors.

    Parameters
    ----------
    n, m : int
        Number of vectors and of dimensions, at least 1.
    complex : bool
        Whether the vectors may be complex; what holds for complex vectors holds for real ones.

    Returns
    -------
    CoherenceBounds
        With 0 for a bound outside its range, and for a composite that would be negative.

    Raises
    ------
    ParameterError
        If `n` or `m` is no integer of at least 1, or `complex` is neither true nor false.

    Notes
    -----
    *Bukh-Cox* from a bound on projection constants: let Q project on k of the n - m or more dimensions that the
    Gram matrix G annihilates. Then 0 = tr GQ, so k = tr Q is at most the coherence times the sum of
    :math:`|Q_{ij}|` off the diagonal, which is at most :math:`n \lambda(k) - k`, and the absolute projection
    constant :math:`\lambda(k)` is at most :math:`\frac{2}{k+1} (1 + \frac{k-1}{2} \sqrt{k+2})` over the reals
    and :math:`\frac1k (1 + (k-1) \sqrt{k+1})` over the complex numbers (König, Lewis & Lin).

    *Composite* from a volume: lines at angles of at least :math:`\alpha` have disjoint caps of radius
    :math:`\alpha / 2`, each :math:`\sin^{2(m-1)} (\alpha/2)` of the complex projective space, and
    :math:`\sin^2 (\alpha/2) = (1 - \cos\alpha)/2`. Over the reals it holds but is not the best of its kind.

    References
    ----------
    Welch, IEEE Trans. Inf. Theory 20 (1974). Orthoplex: Rankin, Proc. Glasgow Math. Assoc. 2 (1955); Conway,
    Hardin & Sloane, Exp. Math. 5 (1996). Levenstein, Problemy Kibernet. 40 (1983). Bukh & Cox, Nearly orthogonal
    vectors and small antipodal spherical codes, Israel J. Math. 238 (2020); König, Lewis & Lin, Studia Math. 75
    (1983). Composite: Xia, Zhou & Giannakis, IEEE Trans. Inf. Theory 51 (2005). All but the last are collected in
    Jasper, King & Mixon, Game of Sloanes (2019), arXiv:1907.07848.

    Examples
    --------
    >>> import featuregeom as fg
    >>> round(fg.frames.coherence_bounds(120, 8).best, 12)  # the lines of E8
    0.5
    >>> fg.frames.coherence_bounds(8, 2, complex=True).best
    0.75
    """
    _check(n, m)
    if not isinstance(complex, bool | np.bool_):
        raise ParameterError(f"complex must be True or False, not {complex!r}")
    n, m, k = int(n), int(m), int(n - m)
    crowded = n > (m * m if complex else m * (m + 1) // 2)
    levenstein = bukh_cox = 0.0
    if crowded and complex:
        levenstein = sqrt((2 * n - m * m - m) / ((m + 1) * (n - m)))
    elif crowded:
        levenstein = sqrt((3 * n - m * m - 2 * m) / ((m + 2) * (n - m)))
    if k > 0 and complex:
        bukh_cox = k * k / (n + n * (k - 1) * sqrt(k + 1) - k * k)
    elif k > 0:
        bukh_cox = k * (k + 1) / (2 * n + n * (k - 1) * sqrt(k + 2) - k * (k + 1))
    return CoherenceBounds(
        n=n,
        m=m,
        is_complex=bool(complex),
        welch=welch_bound(n, m),
        orthoplex=1 / sqrt(m) if crowded else 0.0,
        levenstein=levenstein,
        bukh_cox=bukh_cox,
        composite=max(0.0, 1 - 2 * n ** (-1 / (m - 1))) if m > 1 else 0.0,
    )


def welch_bound(n: int, m: int) -> float:
    r"""Least possible coherence of n unit vectors in m real or complex dimensions.

    .. math:: \sqrt{\frac{n - m}{m (n - 1)}} \quad (n > m), \qquad 0 \quad (n \le m).

    Parameters
    ----------
    n, m : int
        Number of vectors and dimensions, at least 1.

    Returns
    -------
    float
        The bound; equiangular tight frames attain it.

    Raises
    ------
    ParameterError
        If `n` or `m` is no integer of at least 1.

    References
    ----------
    Welch, Lower bounds on the maximum cross correlation of signals, IEEE Trans. Inf. Theory 20 (1974).

    Examples
    --------
    >>> import featuregeom as fg
    >>> round(fg.frames.welch_bound(3, 2), 12)  # the triangle
    0.5
    """
    _check(n, m)
    return sqrt((n - m) / (m * (n - 1))) if n > m else 0.0


def _check(n: int, m: int) -> None:
    for name, value in (("n", n), ("m", m)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"{name} must be an integer of at least 1, not {value!r}")


def coherence(X: Any, *, num_threads: int | None = None, progress: Progress | None = None) -> float:
    r"""Coherence, the largest :math:`|\langle w_i, w_j \rangle| / (\lVert w_i \rVert \lVert w_j \rVert)`.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex. Zero features have no direction and are left out.
    num_threads : int, optional
        Threads to use for real features; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with tiles of pairs done and in all, for real features.

    Returns
    -------
    float
        NaN with fewer than two nonzero features.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `X` is no matrix of finite numbers.
    ParameterError
        If the norms of real features leave the range of the core.

    Notes
    -----
    Costs n (n - 1) m operations, and O(n m) memory; no n x n matrix is stored. For real features it is the
    `coherence` that `pairs.sweep` gives, which finds neighbours and components in the same pass.

    References
    ----------
    Welch (1974); `coherence_bounds` for how small it can be.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.coherence([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
    0.8
    """
    rows = read_rows(X)
    if rows.is_complex:
        return _complex_coherence(rows)
    rows.check_finite()
    return _core.sweep(rows.values, bins=1, threshold=1.0, num_threads=num_threads, progress=progress)[3]


def _complex_coherence(rows: Rows) -> float:
    directions, index = unit_rows(rows)
    if index.size < 2:
        return float("nan")
    largest = 0.0
    for first in range(0, index.size, _TILE):
        tile = directions[first : first + _TILE].conj().T
        for second in range(first, index.size, _TILE):
            cosines = np.abs(directions[second : second + _TILE] @ tile)
            if first == second:
                np.fill_diagonal(cosines, 0.0)
            largest = max(largest, float(cosines.max()))
    return min(largest, 1.0)
