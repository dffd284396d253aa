"""Whether all features meet at one angle, and whether they are an equiangular tight frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import acos
from typing import Any

import numpy as np

from featuregeom.arguments import number_between
from featuregeom.frames.bounds import welch_bound
from featuregeom.frames.operator import check_gram_size, gram_of, tightness
from featuregeom.frames.rows import Rows, read_rows, unit_rows
from featuregeom.frames.span import span_of
from featuregeom.interruptible import by_slabs
from featuregeom.summary import summarised

__all__ = ["Equiangularity", "equiangular"]


@summarised
@dataclass(frozen=True)
class Equiangularity:
    """Whether a set of lines is equiangular, tight, or both; whatever the norms of the features.

    Attributes
    ----------
    is_equiangular : bool
        Every two lines meet at the same angle: `spread` is within the tolerance. Never for fewer than two.
    is_tight : bool
        The unit vectors are a tight frame for their span: `tightness` is within the tolerance.
    is_etf : bool
        Both: an equiangular tight frame for the span. Orthonormal bases are counted in.
    n : int
        Number of lines; zero features have no direction and are left out.
    rank : int
        Dimension of the span.
    cosine : float
        Midway between the smallest and the largest absolute cosine; NaN for fewer than two lines.
    angle : float
        Its angle in radians.
    spread : float
        Largest minus smallest absolute cosine; NaN for fewer than two lines.
    tightness : float
        Tightness residual of the unit vectors over their span.
    welch : float
        Welch bound for `n` and `rank`: the `cosine` of an equiangular tight frame.
    tolerance : float
        Up to which `spread` and `tightness` count as zero.

    References
    ----------
    Strohmer & Heath, Grassmannian frames, Appl. Comput. Harmon. Anal. 14 (2003), Theorem 2.3.
    """

    is_equiangular: bool
    is_tight: bool
    is_etf: bool
    n: int
    rank: int
    cosine: float
    angle: float
    spread: float
    tightness: float
    welch: float
    tolerance: float


def equiangular(X: Any, tolerance: float = 1e-9, *, num_threads: int | None = None) -> Equiangularity:
    r"""Test features for one common angle, and for an equiangular tight frame (ETF).

    Lines are equiangular where :math:`|\langle u_i, u_j \rangle|` is the same for all i and j, with
    :math:`u_i = w_i / \lVert w_i \rVert`. They attain the Welch bound exactly where they are tight as well.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex; at most `GRAM_ROWS` of them. Norms, signs and phases do not matter.
    tolerance : float
        Up to which the spread of cosines and the tightness residual count as zero; at least about 1e-6 for
        float32.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    Equiangularity

    Raises
    ------
    ParameterError
        If `tolerance` is negative or no number.
    ShapeError
        If there are more than `GRAM_ROWS` features.
    ShapeError, DtypeError, NonFiniteError
        As in `frame_operator`.

    Notes
    -----
    Costs n^2 m operations and n^2 memory.

    References
    ----------
    Strohmer & Heath, Grassmannian frames, Appl. Comput. Harmon. Anal. 14 (2003), Theorem 2.3; Fickus & Mixon,
    Tables of the existence of equiangular tight frames (2015), arXiv:1504.00253.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.frames.equiangular([[1.0, 0.0], [-1.0, 3**0.5], [-3.0, -3 * 3**0.5]])  # a triangle
    >>> found.is_etf, round(found.cosine, 12)
    (True, 0.5)
    """
    tolerance = number_between("tolerance", tolerance, 0, inclusive=True)
    rows = read_rows(X)
    check_gram_size(rows)
    rows.check_finite()
    directions, index = unit_rows(rows)
    n, rank, residual = int(index.size), 0, float("nan")
    least = most = float("nan")
    lines = Rows(directions, rows.epsilon)  # rounded as the features were: the null tolerance has to know
    if n:
        span = span_of(lines, vectors=False, num_threads=num_threads)
        rank, residual = span.rank, tightness(span.eigenvalues)
    if n > 1:
        cosines = gram_of(lines, num_threads=num_threads)
        np.fill_diagonal(cosines, cosines[0, 1])  # a line beside itself says nothing
        sizes = by_slabs(
            lambda part: np.stack([(a := np.abs(part)).min(axis=1), a.max(axis=1)], axis=1), cosines
        )
        least, most = float(sizes[:, 0].min()), float(sizes[:, 1].max())
    same, tight = most - least <= tolerance, residual <= tolerance
    cosine = (least + most) / 2
    return Equiangularity(
        is_equiangular=same,
        is_tight=tight,
        is_etf=same and tight,
        n=n,
        rank=rank,
        cosine=cosine,
        angle=acos(min(cosine, 1.0)) if n > 1 else float("nan"),
        spread=most - least,
        tightness=residual,
        welch=welch_bound(n, rank) if n else float("nan"),
        tolerance=tolerance,
    )
