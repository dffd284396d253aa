"""Frames that belong to a frame: its canonical dual, its canonical Parseval frame, its Naimark complement."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.frames.operator import check_gram_size, operator_of
from featuregeom.frames.rows import Rows, read_rows
from featuregeom.frames.span import span_of
from featuregeom.interruptible import aside, eigvalsh, matmul

__all__ = ["canonical_dual", "canonical_parseval", "naimark_complement"]


def canonical_dual(X: Any, *, num_threads: int | None = None) -> NDArray[Any]:
    r"""Canonical dual frame, the rows :math:`w_i F^+`.

    It reconstructs: :math:`x = \sum_i \langle x, w_i \rangle \, w_i F^+` for x in the span, and for any x the
    sum is its projection on the span.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, real or complex.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    ndarray of float64 or complex128, shape (n, m)
        The transposed, conjugated pseudo-inverse of `X`, with eigenvalues of F at or below the null tolerance
        (`FrameNumbers.null_tolerance`) taken as zero.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs about 3 s^2 max(n, m) + 9 s^3 operations, with s = min(n, m): the smaller of F and M is decomposed, and
    :math:`X F^+ = M^+ X`. Relative errors are of the order of the condition of F times rounding.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), section 1.5; Christensen, An Introduction to Frames and Riesz
    Bases (2016), chapter 5.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.canonical_dual([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    array([[ 0.5,  0. ],
           [-0.5,  0. ],
           [ 0. ,  0.5]])
    """
    return _transformed(X, -1.0, num_threads)


def canonical_parseval(X: Any, *, num_threads: int | None = None) -> NDArray[Any]:
    r"""Canonical Parseval frame, the rows :math:`w_i F^{-1/2}` over the span.

    Its frame operator is the projection P on the span, and of all Parseval frames for the span it is the closest
    to `X` in Frobenius norm.

    Parameters
    ----------
    X, num_threads
        As in `canonical_dual`.

    Returns
    -------
    ndarray of float64 or complex128, shape (n, m)
        The partial isometry of the polar decomposition of `X`. The squared norms are the leverages.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs as much as `canonical_dual`; the error grows with the condition likewise.

    References
    ----------
    Casazza & Kutyniok (eds.), Finite Frames (2013), section 1.4; Frank, Paulsen & Tiballi, Trans. Amer. Math. Soc.
    354 (2002), for the closest one.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.frames.canonical_parseval([[3.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    array([[0.6, 0. ],
           [0.8, 0. ],
           [0. , 1. ]])
    """
    return _transformed(X, -0.5, num_threads)


def _transformed(X: Any, power: float, num_threads: int | None) -> NDArray[Any]:
    """Give X F^power over the span, through the smaller of F and M."""
    rows = read_rows(X)
    span = span_of(rows, vectors=True, num_threads=num_threads)
    function = span.function(span.eigenvalues**power)
    return matmul(rows.widened(), function) if span.side == "frame" else matmul(function, rows.widened())


def naimark_complement(X: Any, tolerance: float = 1e-9, *, num_threads: int | None = None) -> NDArray[Any]:
    r"""Naimark complement of a unit-norm tight frame.

    n unit vectors in n - m dimensions, with the Gram matrix

    .. math:: \frac{n}{n - m} \Bigl(I - \frac mn M\Bigr),

    so that the scaled frames side by side, :math:`[\sqrt{m/n}\, X \;\; \sqrt{(n-m)/n}\, Y]`, are unitary. It is
    tight, equiangular where `X` is, and unique up to a unitary map.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Unit rows with frame operator (n / m) I, real or complex, n > m; at most `GRAM_ROWS` rows.
    tolerance : float
        How far squared norms may lie from 1, and F from (n / m) I in relative spectral norm.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    ndarray of float64 or complex128, shape (n, n - m)

    Raises
    ------
    ParameterError
        If `X` is no unit-norm tight frame for all m dimensions, if n = m (a basis has no complement), or if
        `tolerance` is negative.
    ShapeError
        If there are more than `GRAM_ROWS` features.
    ShapeError, DtypeError, NonFiniteError
        As in `frame_operator`.

    Notes
    -----
    Costs about 4 n^2 m operations and n^2 memory, for a complete QR decomposition of `X`.

    References
    ----------
    Casazza, Fickus, Mixon, Peterson & Smalyanau, Every Hilbert space frame has a Naimark complement, J. Math. Anal.
    Appl. 406 (2013).

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.frames.naimark_complement([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> fg.frames.gram(found).round(12) + 0.0  # of each antipodal pair, one vector twice
    array([[1., 0., 1., 0.],
           [0., 1., 0., 1.],
           [1., 0., 1., 0.],
           [0., 1., 0., 1.]])
    """
    if not tolerance >= 0:
        raise ParameterError(f"tolerance must be a number of at least 0, not {tolerance!r}")
    rows = read_rows(X)
    check_gram_size(rows)
    _check_unit_norm_tight(rows, operator_of(rows, num_threads=num_threads), tolerance)
    n, m = rows.n, rows.m
    basis, _ = aside(np.linalg.qr, rows.widened(), mode="complete")
    complement: NDArray[Any] = sqrt(n / (n - m)) * basis[:, m:]
    return complement


def _check_unit_norm_tight(rows: Rows, operator: NDArray[Any], tolerance: float) -> None:
    n, m = rows.n, rows.m
    if n <= m:
        raise ParameterError(
            f"{n} features in {m} dimensions have no Naimark complement: a unit-norm tight frame of more features "
            "than dimensions is needed"
        )
    values = rows.widened()
    squared = (values.real**2 + values.imag**2).sum(axis=1)
    worst = int(np.argmax(np.abs(squared - 1)))
    if not abs(squared[worst] - 1) <= tolerance:
        raise ParameterError(
            f"feature {worst} has squared norm {squared[worst]:.9g}: a Naimark complement is taken of unit vectors"
        )
    residual = float(np.abs(eigvalsh(operator * (m / n) - np.eye(m))).max())
    if not residual <= tolerance:
        raise ParameterError(
            f"the frame operator differs from (n / m) I by {residual:.3g} of it: a Naimark complement is taken of a "
            "tight frame; canonical_parseval gives the nearest, though its vectors need not be unit"
        )
