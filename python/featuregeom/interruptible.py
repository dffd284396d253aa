"""Long steps of linear algebra, so that Ctrl-C stops within them: NumPy handles signals only between its calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core

__all__ = ["eigh", "eigvalsh", "gram", "is_positive_definite", "matmul", "rank"]

_SMALL = 512
"""Rows up to which a matrix is left to NumPy: with vectors 512 take 0.03 s on one core (Zen 4)."""

_OPERATIONS = 2e9
"""Multiplications and additions of one call of NumPy: 0.05 s on one core (Zen 4)."""


def eigh(matrix: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, increasing, and eigenvectors as columns of a real symmetric matrix, as ``numpy.linalg.eigh``."""
    if len(matrix) <= _SMALL:
        values, vectors = np.linalg.eigh(matrix)
        return np.asarray(values), np.asarray(vectors)
    values, vectors = _core.eigh(np.asarray(matrix, dtype=np.float64))
    return values[::-1], vectors[:, ::-1]


def eigvalsh(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Eigenvalues of a real symmetric matrix, increasing, as ``numpy.linalg.eigvalsh``."""
    if len(matrix) <= _SMALL:
        return np.asarray(np.linalg.eigvalsh(matrix))
    return _core.eigvalsh(np.asarray(matrix, dtype=np.float64))[::-1]


def rank(matrix: NDArray[Any], tolerance: float) -> int:
    """Count the eigenvalues of a real symmetric matrix whose absolute value is above `tolerance`."""
    return int((np.abs(eigvalsh(matrix)) > tolerance).sum())


def is_positive_definite(matrix: NDArray[Any]) -> bool:
    """Say whether a Hermitian matrix has a Cholesky factor, in block columns of `_SMALL`: n^3 / 3 operations."""
    from scipy.linalg import solve_triangular

    rest = np.array(matrix)
    try:
        while len(rest):
            factor = np.linalg.cholesky(rest[:_SMALL, :_SMALL])
            below = solve_triangular(factor, rest[:_SMALL, _SMALL:], lower=True).conj().T
            rest = rest[_SMALL:, _SMALL:] - matmul(below, below.conj().T)
    except np.linalg.LinAlgError:
        return False
    return True


def matmul(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """``left @ right`` of two matrices, in slabs of rows that take about 0.05 s each."""
    height = max(1, int(_OPERATIONS / (2 * max(right.size, 1))))
    if len(left) <= height:
        return np.asarray(left @ right)
    found = np.empty((len(left), right.shape[1]), dtype=np.result_type(left, right))
    for first in range(0, len(left), height):
        np.matmul(left[first : first + height], right, out=found[first : first + height])
    return found


def gram(rows: NDArray[Any]) -> NDArray[Any]:
    """``rows @ rows.T``, exactly symmetric, in slabs of rows that take about 0.05 s each."""
    n = len(rows)
    height = max(1, int(_OPERATIONS / (2 * max(rows.size, 1))))
    if n <= height:
        return np.asarray(rows @ rows.T)
    found = np.empty((n, n), dtype=rows.dtype)
    for first in range(0, n, height):
        slab = rows[first : first + height]
        stop = first + len(slab)
        found[first:stop, first:stop] = slab @ slab.T
        found[first:stop, :first] = slab @ rows[:first].T
        found[:first, first:stop] = found[first:stop, :first].T
    return found
