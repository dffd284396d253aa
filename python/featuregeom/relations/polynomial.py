"""P- and Q-polynomial orders of a scheme, intersection arrays and strongly regular parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.relations.eigenmatrices import ALGEBRA_ZERO, Numbers, scaled_krein

__all__ = ["intersection_array", "p_orders", "polynomial_orders", "q_orders", "strongly_regular"]


def p_orders(p: Any) -> list[tuple[int, ...]]:
    """Orders of the classes in which they are the distances of a distance-regular graph.

    Parameters
    ----------
    p : array-like of int, shape (r, r, r)
        Intersection numbers of a symmetric scheme.

    Returns
    -------
    list of tuple of int
        Each order starts with 0 and the class of the graph's edges; at most one for each such class.

    Notes
    -----
    Costs O(r^3). Brouwer, Cohen & Neumaier, Distance-Regular Graphs (1989), section 2.7.
    """
    return polynomial_orders(real_numbers(p, "p"), 0.5)


def q_orders(krein: Any) -> list[tuple[int, ...]]:
    """Orders of the idempotents in which the scheme is Q-polynomial, as `p_orders` with Krein parameters.

    Parameters
    ----------
    krein : array-like, shape (r, r, r)
        Krein parameters; those below 1e-8 count as zero, scaled to idempotents of norm 1.

    Returns
    -------
    list of tuple of int
        Each order starts with 0.
    """
    array = real_numbers(krein, "krein")
    return polynomial_orders(scaled_krein(_cube(array)), ALGEBRA_ZERO)


def polynomial_orders(numbers: NDArray[Any], tolerance: float) -> list[tuple[int, ...]]:
    """Orders in which multiplication by the first class is tridiagonal with nonzero neighbours.

    Raises
    ------
    ShapeError
        If `numbers` is not of shape (r, r, r).
    """
    linked = np.abs(_cube(numbers)) > tolerance
    orders = (_walk(linked[start]) for start in range(1, len(linked)))
    return [order for order in orders if order is not None]


def _cube(numbers: NDArray[Any]) -> NDArray[Any]:
    if numbers.ndim != 3 or len(set(numbers.shape)) != 1:
        raise ShapeError(f"structure constants must have shape (r, r, r), got {numbers.shape}")
    return numbers


def _walk(product: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Follow the one new class in each product; the path is an order where it meets every class."""
    order = [0]
    while len(order) < len(product):
        reached = set(np.flatnonzero(product[order[-1]]).tolist())
        new = reached - set(order)
        if len(new) != 1 or not reached <= new | set(order[-2:]):
            return None
        order.append(new.pop())
    return tuple(order) if set(np.flatnonzero(product[order[-1]]).tolist()) <= set(order[-2:]) else None


def intersection_array(p: Any, order: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Intersection array {b_0, ..., b_(d-1); c_1, ..., c_d} of the graph whose distances are in `order`.

    Raises
    ------
    ParameterError
        If `order` is none of `p_orders`.
    """
    tensor = np.asarray(p)
    if tuple(order) not in p_orders(tensor):
        raise ParameterError(f"{tuple(order)} is no P-polynomial order of these intersection numbers")
    first, steps = tensor[order[1]], list(pairwise(order))
    return (
        tuple(int(first[further, near]) for near, further in steps),
        tuple(int(first[near, further]) for near, further in steps),
    )


def strongly_regular(numbers: Numbers, relation: int) -> tuple[int, int, int, int] | None:
    """Parameters (n, k, lambda, mu) of one class of a symmetric scheme as a strongly regular graph, or None.

    The class may be one of more than two, where the others share a mu. Complete graphs are excluded; disjoint unions
    of them count, with mu = 0.

    Raises
    ------
    ParameterError
        If `relation` is no class besides the diagonal.
    """
    if not 0 < relation < numbers.rank:
        raise ParameterError(f"relation must be between 1 and {numbers.rank - 1}, got {relation}")
    square = numbers.p[relation, relation]
    others = [k for k in range(1, numbers.rank) if k != relation]
    mu = {int(square[k]) for k in others}
    if len(mu) != 1 or numbers.transpose[relation] != relation:
        return None
    return numbers.n, int(numbers.valencies[relation]), int(square[relation]), mu.pop()
