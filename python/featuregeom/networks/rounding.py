"""What rounding leaves of a sum that cancels: the one rule by which values of a network count as zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import by_slabs, matmul

__all__ = ["known", "passed_on", "rounding", "through"]

Floats = NDArray[np.float64]

SUMMED = 16 * float(np.finfo(np.float64).eps)
"""Limit on the rounding of a sum in float64, as a part of the sizes of its terms, sum |w| |h| + |b|.

A sum of n terms errs by at most n eps / 2 of their sizes, by about sqrt(n) eps / 2 in practice; what a chain of
products gives errs by a little more. Layers of up to 20 000 terms that cancel exactly stay below it in the tests.
"""


def passed_on(sizes: Floats, before: Floats, weights: Floats) -> Floats:
    """Give the sizes of sums with what the rounding of their own terms adds: the root of the sum of squares.

    Parameters
    ----------
    sizes : ndarray, shape (N, outputs)
        Of the terms, sum |w| |h| + |b|.
    before : ndarray, shape (N, inputs)
        Sizes that say how well each h is known; 0 where it is exact.
    weights : ndarray, shape (outputs, inputs)

    Notes
    -----
    Roundings of different terms are taken as independent. Their absolute sum would grow with the depth of the network
    by the factor sum |w| per layer, and soon hide values that are well known.
    """
    return np.sqrt(sizes**2 + through(np.square, before, weights))


def through(form: Callable[[Floats], Floats], values: Floats, weights: Floats) -> Floats:
    """Give ``form(values) @ form(weights).T`` of an operation by element, with slabs of the weights."""
    inside = form(values)
    return by_slabs(lambda part: matmul(inside, form(part).T).T, weights).T


def rounding(sizes: Floats) -> Floats:
    """Give what rounding may make of sums whose terms have these sizes; 0 where a size is 0, which means unknown."""
    return SUMMED * sizes


def known(values: Floats, sizes: Floats) -> Floats:
    """Give the values with exact zeros for those that rounding cannot tell from zero."""
    # Strict, so that infinite values stay.
    return np.where(np.abs(values) < rounding(sizes), 0.0, values)
