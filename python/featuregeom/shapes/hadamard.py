"""Hadamard matrices by the constructions of Sylvester and Paley."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.shapes.primes import is_prime, quadratic_character

__all__ = ["hadamard"]


def hadamard(order: int) -> NDArray[np.float64] | None:
    r"""Matrix H of signs with :math:`H H^\top = n I`, or None where neither construction gives one.

    Orders 1, and q + 1 for primes q that are 3 modulo 4 (Paley's first construction), and all their doubles
    (Sylvester): every multiple of 4 up to 32 but 28, which is Paley's for the prime power 27.

    Parameters
    ----------
    order : int
        The order n, at least 1.

    Returns
    -------
    ndarray of float64, shape (order, order), or None

    References
    ----------
    Paley, On orthogonal matrices, J. Math. Phys. 12 (1933).

    Examples
    --------
    >>> hadamard(2).tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """
    if order == 1:
        return np.ones((1, 1))
    if order % 4 == 0 and is_prime(order - 1):
        return _paley(order - 1)
    half = hadamard(order // 2) if order % 2 == 0 else None
    return None if half is None else np.block([[half, half], [half, -half]])


def _paley(q: int) -> NDArray[np.float64]:
    """I + S, with S the skew conference matrix of order q + 1."""
    x = np.arange(q)
    matrix = np.eye(q + 1)
    matrix[0, 1:] = 1
    matrix[1:, 0] = -1
    matrix[1:, 1:] += quadratic_character(q)[(x[:, None] - x) % q]
    return matrix
