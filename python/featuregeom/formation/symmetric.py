"""A symmetric matrix that a caller gave: checked once, its trace, norm and eigenvalues computed when asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import eigh, eigvalsh

__all__ = ["Symmetric"]

Floats = NDArray[np.float64]

_ASYMMETRY = 1e-6
"""Largest |A − Aᵀ| beside the largest |A| that counts as rounding: products in float32 leave 1e-7."""

_ISOTROPIC = 1e-12
"""Share of the norm outside the identity below which a matrix is a multiple of it: rounding of float64 leaves 1e-15."""


class Symmetric:
    """A real symmetric matrix, held as its trace and what is left beside that multiple of the identity.

    Both kinds of alignment need inner products of the latter alone, so nothing of size d² is copied or read twice.

    Parameters
    ----------
    A : array-like, shape (d, d)
        Any finite one but zero.
    name : str
        What errors call it.

    Raises
    ------
    ShapeError
        If it is not square.
    NonFiniteError
        If it holds NaN or infinity.
    ParameterError
        If it is zero, or not symmetric.
    """

    def __init__(self, A: ArrayLike, name: str) -> None:
        array = real_numbers(A, name)
        if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
            raise ShapeError(f"{name} must be a square matrix, got shape {array.shape}")
        largest = max(float(array.max()), -float(array.min()))
        if not np.isfinite(largest):
            row, column = map(int, np.argwhere(~np.isfinite(array))[0])
            raise NonFiniteError(f"{name} is {array[row, column]} in row {row}, column {column}", row, column)
        if largest == 0:
            raise ParameterError(f"{name} is zero, so it has no direction that could be compared")
        work = array - array.T
        if float(work.max()) > _ASYMMETRY * largest:
            raise ParameterError(
                f"{name} is not symmetric: a second moment is, W itself is not (give W.T @ W or W @ W.T)"
            )
        self.name = name
        # A power of two keeps every digit and keeps squares of entries from overflowing.
        self.scale = float(2.0 ** np.floor(np.log2(largest)))
        if work.any():
            half = array * (0.5 / self.scale)
            self.deviation: Floats = np.add(half, half.T, out=work)
        else:  # as products X.T @ X are, exactly; a pass over the transpose costs as much as four others
            self.deviation = np.multiply(array, 1 / self.scale, out=work)
        self.trace = float(np.trace(self.deviation))
        self.deviation.flat[:: self.d + 1] -= self.trace / self.d

    @property
    def d(self) -> int:
        """Rows."""
        return len(self.deviation)

    @cached_property
    def array(self) -> Floats:
        """The matrix, scaled."""
        found = self.deviation.copy()
        found.flat[:: self.d + 1] += self.trace / self.d
        return found

    @cached_property
    def square(self) -> float:
        """Squared Frobenius norm."""
        return float(np.vdot(self.deviation, self.deviation)) + self.trace**2 / self.d

    def product(self, other: Symmetric) -> float:
        """Give the Frobenius inner product with a matrix of the same size."""
        return float(np.vdot(self.deviation, other.deviation)) + self.trace * other.trace / self.d

    @cached_property
    def deviation_square(self) -> float:
        """Squared norm of `deviation`; exactly 0 where the matrix is a multiple of the identity but for rounding."""
        found = float(np.vdot(self.deviation, self.deviation))
        return found if found > (_ISOTROPIC**2) * self.square * self.d else 0.0

    @cached_property
    def eigenvalues(self) -> Floats:
        """In ascending order, of the scaled matrix; d³ operations."""
        return eigvalsh(self.array)

    @cached_property
    def eigh(self) -> tuple[Floats, Floats]:
        """Eigenvalues in ascending order and eigenvectors as columns, of the scaled matrix; d³ operations."""
        return eigh(self.array)

    @property
    def participation(self) -> float:
        """Participation ratio (tr A)² / ‖A‖²: the number of equal eigenvalues that would spread as these do."""
        return self.trace**2 / self.square
