"""The frame operator of rows that come and go in parts, at the cost of those rows alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.frames.operator import operator_of
from featuregeom.frames.rows import Rows, read_rows
from featuregeom.interruptible import slabs

__all__ = ["FrameAccumulator"]


class FrameAccumulator:
    r"""A frame operator :math:`F = X^* X` to which rows are added, and from which they are taken away.

    F is a sum over rows, so that a new row costs the same whatever is there already. Sums are kept in twice the digits
    of float64 (an array and what rounding left of it). So rows that are taken away in the parts in which they were
    added leave no more than 2^-105 of their squares behind, where plain sums would leave 2^-53.

    Parameters
    ----------
    m : int
        Dimensions of the rows.

    Attributes
    ----------
    m : int
        Dimensions of the rows.
    n : int
        Rows added less rows taken away.
    rounding : float
        Bound on the error of an entry of `frame_operator`: the sum of rows :math:`\cdot 2^{-53} \cdot` trace over all
        parts that were added or taken away. Where it is not small beside the trace, F has lost its digits: add the rows
        that are left anew.

    Notes
    -----
    A part of n rows costs n m (m + 1) operations and O(m^2) more, as in `frame_operator`; memory is 16 m^2 bytes, twice
    as much for complex rows.

    References
    ----------
    Knuth, The Art of Computer Programming 2, section 4.2.2, for the exact error of a sum (TwoSum).

    Examples
    --------
    >>> import featuregeom as fg
    >>> frame = fg.frames.FrameAccumulator(2)
    >>> frame.update([[1.0, 0.0], [-1.0, 0.0]])
    >>> frame.update([[0.0, 2.0]])
    >>> frame.frame_operator
    array([[2., 0.],
           [0., 4.]])
    >>> frame.downdate([[0.0, 2.0]])
    >>> frame.n
    2
    """

    def __init__(self, m: int) -> None:
        self.m = integer("m", m, 1)
        self.n = 0
        self.rounding = 0.0
        self._sum: NDArray[Any] = np.zeros((self.m, self.m))
        self._left: NDArray[Any] = np.zeros((self.m, self.m))

    def __repr__(self) -> str:
        return f"FrameAccumulator(m={self.m}, n={self.n}, rounding={self.rounding:.2g})"

    @property
    def frame_operator(self) -> NDArray[Any]:
        """The frame operator of the rows that are there, shape (m, m): float64, or complex128 after complex rows."""
        return self._sum.copy()

    def update(self, X: Any, *, num_threads: int | None = None) -> None:
        """Add rows.

        Parameters
        ----------
        X : array-like, shape (n, m)
            Real or complex rows, as in `frame_operator`.
        num_threads : int, optional
            As in `frame_operator`.

        Raises
        ------
        ShapeError, DtypeError, NonFiniteError, ParameterError
            As in `frame_operator`; also for rows of other dimensions. Nothing is added then.
        """
        rows = self._read(X)
        self._take(operator_of(rows, num_threads=num_threads), rows.n)

    def downdate(self, X: Any, *, num_threads: int | None = None) -> None:
        """Take rows away that were added before, in any parts and any order.

        Parameters
        ----------
        X : array-like, shape (n, m)
            The rows.
        num_threads : int, optional
            As in `frame_operator`.

        Raises
        ------
        ParameterError
            If there are fewer rows, or what would be left is no frame operator of any rows beyond rounding: these rows
            were not added. Nothing is taken away then. Other rows than those that were added are not always noticed.
        ShapeError, DtypeError, NonFiniteError
            As in `update`.
        """
        rows = self._read(X)
        if rows.n > self.n:
            raise ParameterError(f"X has {rows.n} rows to take away, and only {self.n} are there")
        self._take(operator_of(rows, num_threads=num_threads), -rows.n)

    def merge(self, other: FrameAccumulator) -> None:
        """Add the rows of another accumulator, which stays as it is.

        Raises
        ------
        ShapeError
            If its rows have other dimensions.
        """
        if other.m != self.m:
            raise ShapeError(f"cannot merge rows of {other.m} dimensions into rows of {self.m}")
        self._sum, self._left = _plus(*_plus(self._sum, self._left, other._sum), other._left)
        self.n += other.n
        self.rounding += other.rounding

    def _read(self, X: Any) -> Rows:
        rows = read_rows(X)
        if rows.m != self.m:
            raise ShapeError(f"X must have rows of {self.m} dimensions, got shape {(rows.n, rows.m)}")
        return rows

    def _take(self, operator: NDArray[Any], n: int) -> None:
        """Add (n > 0) or take away (n < 0) the frame operator of some rows."""
        rounding = self.rounding + abs(n) * 2.0**-53 * float(np.trace(operator).real)
        summed, left = _plus(self._sum, self._left, operator if n > 0 else -operator)
        if n < 0:
            diagonal = summed.diagonal().real * (self.n + n > 0)
            root = np.sqrt(np.maximum(diagonal, 0.0) + rounding)
            # A frame operator has no negative diagonal, and |F_ab|^2 <= F_aa F_bb; that of no rows is 0.
            if (diagonal < -rounding).any() or (np.abs(summed) > np.outer(root, root) + rounding).any():
                raise ParameterError(
                    "what is left would be no frame operator: X has rows that were not added"
                )
        if self.n + n == 0:
            summed, left, rounding = np.zeros_like(summed), np.zeros_like(left), 0.0
        self._sum, self._left, self.rounding = summed, left, rounding
        self.n += n


def _plus(total: NDArray[Any], left: NDArray[Any], part: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Add `part` to ``total + left``; give the rounded sum and what rounding left of it."""
    shape, dtype = total.shape, np.result_type(total, left, part)
    rounded, error = np.empty(shape, dtype), np.empty(shape, dtype)
    for rows in slabs(shape):
        rounded[rows], error[rows] = _plus_rows(total[rows], left[rows], part[rows])
    return rounded, error


def _plus_rows(
    total: NDArray[Any], left: NDArray[Any], part: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    first = total + part
    grown = first - total
    error = (total - (first - grown)) + (part - grown) + left
    rounded = first + error
    return rounded, error - (rounded - first)
