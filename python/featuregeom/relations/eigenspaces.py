"""Eigenmatrix of a symmetric scheme, rows in the order in which a Gram matrix has its eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.relations.characters import characters

__all__ = ["eigenspaces", "krein_parameters", "second_eigenmatrix"]


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
    O(d^3), independent of the number of points; see `characters.characters`. Integers and quadratic irrationals are
    exact to the last bit.
    """
    P, raw = characters(numbers)
    multiplicities = np.rint(raw).astype(np.int64)
    valencies = numbers[np.arange(len(numbers)), np.arange(len(numbers)), 0]
    first = int(np.abs(P - valencies).max(axis=1).argmin())
    rest = [t for t in range(len(P)) if t != first]
    theta = P @ levels if levels is not None else np.zeros(len(P))
    rest.sort(key=lambda t: (-round(float(theta[t]), 6), multiplicities[t], *(-np.round(P[t], 6))))
    order = [first, *rest]
    return P[order], multiplicities[order]


def second_eigenmatrix(P: NDArray[np.float64], multiplicities: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give Q with P Q = n I: ``Q_ji = m_i P_ij / k_j`` (Delsarte 1973).

    Parameters
    ----------
    P : ndarray, shape (d + 1, d + 1)
        First eigenmatrix, the valencies in its first row.
    multiplicities : ndarray of int64, shape (d + 1,)

    Returns
    -------
    ndarray of float64, shape (d + 1, d + 1)
    """
    return np.asarray((P / P[0]).T * multiplicities)


def krein_parameters(P: NDArray[np.float64], multiplicities: NDArray[np.int64]) -> NDArray[np.float64]:
    r"""Give the Krein parameters of a symmetric scheme.

    :math:`q_{ij}^k = \frac{m_i m_j}{n} \sum_l P_{il} P_{jl} P_{kl} / k_l^2` (Bannai & Ito 1984, section II.3).

    Parameters
    ----------
    P : ndarray, shape (d + 1, d + 1)
        First eigenmatrix, the valencies in its first row.
    multiplicities : ndarray of int64, shape (d + 1,)

    Returns
    -------
    ndarray of float64, shape (d + 1, d + 1, d + 1)
    """
    products = np.einsum("il,jl,kl->ijk", P, P, P / P[0] ** 2, optimize=True)
    return np.asarray(products * multiplicities[:, None, None] * multiplicities[None, :, None] / P[0].sum())
