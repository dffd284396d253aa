"""Orders of rows without turned stretches: what the swaps of the search leave folded is laid straight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["untangled"]

_ROUNDING = 1e-12
"""A turn must raise the sum of products by more than this share of the sum of their absolute values."""


def untangled(
    coordinates: NDArray[np.float64], order: NDArray[np.int64], *, closed: bool
) -> NDArray[np.int64]:
    r"""Turn stretches of an order round while that raises its correlation with a circle or a line.

    The search swaps two rows at a time (`circle.circle_tests`), which cannot turn a stretch round: thirty years of a
    language model end as 1998 down to 1987, then 1999 up to 2016. Random sets are searched by swaps too, so the p-value
    is that of the order before; the order after is the one to read.

    Parameters
    ----------
    coordinates : ndarray, shape (s, d)
        Centred rows.
    order : ndarray of int64, shape (s,)
        Rows along the circle or line.
    closed : bool
        Whether it is a circle.

    Returns
    -------
    ndarray of int64, shape (s,)

    Notes
    -----
    A look at all stretches costs s^3 operations, since each is the one inside it and two rows swapped; a few looks do.

    References
    ----------
    Turning stretches is Croes's move for the travelling salesman (Operations Research 6, 1958).
    """
    s = len(order)
    steps = np.abs(np.arange(s)[:, None] - np.arange(s))
    kernel = np.exp(-(np.minimum(steps, s - steps) if closed else steps) / 2)
    products = coordinates @ coordinates.T
    least = _ROUNDING * float(np.abs(products).sum())
    found = np.array(order)
    turned = True
    while turned:
        turned = False
        for middle in range(1, 2 * s - 2):
            gain, first, last = _best_turn(products[np.ix_(found, found)], kernel, middle)
            if gain > least:
                found[first : last + 1] = found[first : last + 1][::-1].copy()
                turned = True
    return found


def _best_turn(
    placed: NDArray[np.float64], kernel: NDArray[np.float64], middle: int
) -> tuple[float, int, int]:
    """Give the stretch about a middle whose turn raises the sum of products times kernel most, and by how much.

    Places are counted in halves; `placed` is used up.
    """
    best = (0.0, 0, 0)
    first, last = (middle - 1) // 2, middle // 2 + 1
    gain = 0.0
    while first >= 0 and last < len(placed):
        terms = (placed[first] - placed[last]) * (kernel[last] - kernel[first])
        # The two keep their own inner product.
        gain += float(terms.sum() - terms[first] - terms[last])
        placed[[first, last]] = placed[[last, first]]
        placed[:, [first, last]] = placed[:, [last, first]]
        if gain > best[0]:
            best = (gain, first, last)
        first, last = first - 1, last + 1
    return best
