"""Eigenmatrix of a symmetric scheme, rows in the order in which a Gram matrix has its eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["eigenspaces"]


def eigenspaces(
    numbers: NDArray[np.int64], levels: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Diagonalise the intersection matrices of a symmetric scheme.

    Parameters
    ----------
    numbers : ndarray of int64, shape (d + 1, d + 1, d + 1)
        Intersection numbers p[i, j, k].
    levels : ndarray, shape (d + 1,), optional
        Values of a Gram matrix on the classes: its larger eigenvalues come first. Equal ones by multiplicity,
        then by decreasing eigenvalue of the first classes.

    Returns
    -------
    P : ndarray of float64, shape (d + 1, d + 1)
        Eigenvalue of class j on eigenspace i; the all-one vector's first.
    multiplicities : ndarray of int64, shape (d + 1,)

    Notes
    -----
    O(d^4), independent of the number of points. A random combination of the (d + 1)-sized intersection matrices,
    made symmetric by the valencies, has simple eigenvalues (Bannai & Ito 1984, section II.3).
    """
    valencies = numbers[np.arange(len(numbers)), np.arange(len(numbers)), 0].astype(np.float64)
    n = valencies.sum()
    scale = np.sqrt(valencies[None, :] / valencies[:, None])
    matrices = numbers * scale[None]
    rng = np.random.default_rng(0)
    best, gap = None, -1.0
    for _ in range(8):
        mixed = np.tensordot(rng.standard_normal(len(numbers)), matrices, axes=1)
        values, vectors = np.linalg.eigh((mixed + mixed.T) / 2)
        least = float(np.diff(values).min()) / max(float(np.abs(values).max()), 1e-300)
        if least > gap:
            best, gap = vectors, least
        if gap > 1e-3:
            break
    assert best is not None
    P = np.einsum("kt,ikl,lt->ti", best, matrices, best, optimize=True)
    multiplicities = np.rint(n / (P**2 / valencies).sum(axis=1)).astype(np.int64)
    first = int(np.abs(P - valencies).max(axis=1).argmin())
    rest = [t for t in range(len(P)) if t != first]
    theta = P @ levels if levels is not None else np.zeros(len(P))
    rest.sort(key=lambda t: (-round(float(theta[t]), 6), multiplicities[t], *(-np.round(P[t], 6))))
    order = [first, *rest]
    return P[order], multiplicities[order]
