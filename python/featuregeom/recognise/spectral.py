"""What follows from the intersection numbers and the levels of a detected scheme, however large."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy
from featuregeom.relations.eigenmatrices import Eigenmatrices, Numbers, symmetric_eigenmatrices
from featuregeom.relations.parameters import Parameters

__all__ = ["Spectral", "support_of"]


class Spectral:
    """Eigenmatrices, multiplicities and Krein parameters; None where there is no scheme."""

    if TYPE_CHECKING:

        @property
        def intersection_numbers(self) -> NDArray[np.int64] | None:
            """Numbers p[i, j, k]."""

        @property
        def valencies(self) -> NDArray[np.int64] | None:
            """How often a point has each relation."""

        @property
        def levels(self) -> NDArray[np.float64]:
            """Mean cosine of each relation."""

        dim: int

    @cached_property
    def eigenmatrices(self) -> Eigenmatrices | None:
        """P, Q, multiplicities and Krein parameters, in the order of `check`; None without a scheme."""
        numbers = self.intersection_numbers
        return None if numbers is None else symmetric_eigenmatrices(numbers)

    @property
    def P(self) -> NDArray[np.float64] | None:  # noqa: N802
        """First eigenmatrix: eigenvalue of relation j on eigenspace i; rows in the one order of `eigenmatrices`."""
        return None if self.eigenmatrices is None else self.eigenmatrices.P

    @property
    def multiplicities(self) -> NDArray[np.int64] | None:
        """Dimensions of the eigenspaces, shape (d + 1,)."""
        return None if self.eigenmatrices is None else self.eigenmatrices.multiplicities

    @property
    def Q(self) -> NDArray[np.float64] | None:  # noqa: N802
        """Second eigenmatrix: P Q = n I."""
        return None if self.eigenmatrices is None else self.eigenmatrices.Q

    @property
    def krein(self) -> NDArray[np.float64] | None:
        """Krein parameters q[i, j, k], shape (d + 1, d + 1, d + 1)."""
        return None if self.eigenmatrices is None else self.eigenmatrices.krein

    @cached_property
    def parameters(self) -> Parameters | None:
        """What follows from the intersection numbers and the cosines; None where there is no scheme."""
        p, valencies = self.intersection_numbers, self.valencies
        if p is None or valencies is None:
            return None
        numbers = Numbers(p, valencies, np.arange(len(p)))
        return Parameters(numbers, self.eigenmatrices, self.levels, self.dim)

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64] | None:
        """Eigenvalue of the denoised Gram matrix on each eigenspace, shape (d + 1,)."""
        return None if self.P is None else np.asarray(self.P @ self.levels)


def support_of(eigenvalues: NDArray[np.float64]) -> NDArray[np.int64]:
    """List the eigenspaces on which a Gram matrix is not zero; noise fills all of them, up to 5 % of the largest."""
    return np.flatnonzero(eigenvalues > policy.SUPPORT_SHARE * eigenvalues.max())
