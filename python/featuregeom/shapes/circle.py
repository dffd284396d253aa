"""Roots of unity, exact where they can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import by_slabs

__all__ = ["roots_of_unity"]

_QUARTER_TURNS = np.array([1, 1j, -1, -1j])


def roots_of_unity(exponents: Any, n: int) -> NDArray[np.complex128]:
    r"""Points :math:`\exp(2 \pi i k / n)` of the unit circle.

    Angles are reduced to the first octant in integers, so that rounding is that of one cosine or sine however
    large k is, multiples of a quarter turn are exact, and the symmetries of the square hold bit for bit.

    Parameters
    ----------
    exponents : array_like of int
        The k, of any shape and sign.
    n : int
        Order of the root, at least 1.

    Returns
    -------
    ndarray of complex128, of the shape of `exponents`

    Examples
    --------
    >>> roots_of_unity([0, 1, 2], 4).tolist()
    [(1+0j), 1j, (-1+0j)]
    """
    exponents = np.asarray(exponents, dtype=np.int64) % n
    if exponents.size <= n:
        return _roots(exponents, n)
    table = _roots(np.arange(n), n)
    return by_slabs(lambda rows: table[rows], exponents)


def _roots(exponents: NDArray[np.int64], n: int) -> NDArray[np.complex128]:
    quarters, rest = np.divmod(4 * exponents, n)
    beyond = 2 * rest > n
    angle = np.pi / 2 * np.where(beyond, n - rest, rest) / n
    cosine = np.cos(angle)
    sine = np.where(2 * rest == n, cosine, np.sin(angle))  # on the diagonal both are one number
    first = np.where(beyond, sine + 1j * cosine, cosine + 1j * sine)
    return np.asarray(first * _QUARTER_TURNS[quarters], dtype=np.complex128)
