"""Equiangular tight frames and regular two-graphs: lines whose signs satisfy a quadratic equation exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import matmul
from featuregeom.recognise import policy

__all__ = ["Equiangular", "equiangular_name", "two_graph_eigenvalues"]


@dataclass(frozen=True)
class Equiangular:
    """The name of an equiangular tight frame, its dimension, and the largest deviation of a cosine from its own."""

    name: str
    dim: int
    residual: float


def equiangular_name(cosines: NDArray[np.float64], tolerance: float) -> Equiangular | None:
    r"""Name an equiangular tight frame (ETF): one absolute cosine, and one nonzero eigenvalue of the Gram matrix.

    The signs S of the cosines must be those of a regular two-graph,
    :math:`S^2 = (\theta_1 + \theta_2) S - \theta_1 \theta_2 I` in integers, and the cosines those of the frame that
    they make, to `tolerance`: a frame that lacks a line fails the equation, however many lines it has.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix of vectors along different lines.
    tolerance : float
        Largest deviation of a cosine from the Welch bound, and from tightness, :math:`G^2 = (n / d) G`.

    Returns
    -------
    Equiangular or None
        None for other lines, and for simplices and orthogonal lines, which have names of their own.

    Notes
    -----
    Two products of n x n matrices.

    References
    ----------
    Seidel, A survey of two-graphs (1976); Holmes & Paulsen, Linear Algebra Appl. 377 (2004): real ETFs are the regular
    two-graphs. Sustik, Tropp, Dhillon & Heath, Linear Algebra Appl. 426 (2007), for what must hold of n and d.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.paley_etf(13)
    >>> equiangular_name(X @ X.T, 0.05).name, equiangular_name(X[1:] @ X[1:].T, 0.05)
    ('equiangular tight frame of 14 lines in 7 dimensions', None)
    """
    n = len(cosines)
    # Regular two-graphs have an even number of points.
    if n < 6 or n % 2:
        return None
    signs = np.where(cosines > 0, 1, -1).astype(np.int64)
    np.fill_diagonal(signs, 0)
    found = two_graph_eigenvalues(signs)
    if found is None:
        return None
    least, dim = found
    # The Gram matrix I - S / least has the eigenvalue 0 where S has its least one.
    common = -1 / least
    residual = float(np.abs(cosines - common * signs - np.eye(n)).max())
    loose = float(np.abs(matmul(cosines, cosines) * (dim / n) - cosines).max())
    if max(residual, loose) > min(tolerance, policy.SIGN_ROOM * common):
        return None
    return Equiangular(f"equiangular tight frame of {n} lines in {dim} dimensions", dim, residual)


def two_graph_eigenvalues(signs: NDArray[np.int64]) -> tuple[float, int] | None:
    """Give the least eigenvalue of the signs of a regular two-graph, and the multiplicity of the other one.

    Parameters
    ----------
    signs : ndarray of int64, shape (n, n)
        Symmetric, 0 on the diagonal and 1 or -1 elsewhere.

    Returns
    -------
    (float, int) or None
        None where the signs have not two eigenvalues, or one of them is simple (all lines alike).
    """
    n = len(signs)
    # Entries of the product are below 2^24: exact in float32.
    square = matmul(signs.astype(np.float32), signs.astype(np.float32))
    middle = float(square[0, 1] * signs[0, 1])
    expected = middle * signs
    np.fill_diagonal(expected, n - 1)
    if not np.array_equal(square, expected):
        return None
    root = math.sqrt(middle**2 + 4 * (n - 1))
    largest, least = (middle + root) / 2, (middle - root) / 2
    # The trace is 0.
    dim = round(n * least / (least - largest))
    return (least, dim) if 2 <= dim < n - 1 else None
