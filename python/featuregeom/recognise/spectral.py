"""What follows from the intersection numbers and the levels of a detected scheme, however large."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise import policy
from featuregeom.relations.eigenmatrices import Eigenmatrices, Numbers
from featuregeom.relations.eigenspaces import eigenspaces, krein_parameters, second_eigenmatrix
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
    def _spaces(self) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        numbers = self.intersection_numbers
        return None if numbers is None else eigenspaces(numbers, self.levels)

    @property
    def P(self) -> NDArray[np.float64] | None:  # noqa: N802
        """First eigenmatrix: eigenvalue of relation j on eigenspace i; larger eigenvalues of the Gram matrix first."""
        return None if self._spaces is None else self._spaces[0]

    @property
    def multiplicities(self) -> NDArray[np.int64] | None:
        """Dimensions of the eigenspaces, shape (d + 1,)."""
        return None if self._spaces is None else self._spaces[1]

    @cached_property
    def Q(self) -> NDArray[np.float64] | None:  # noqa: N802
        """Second eigenmatrix: P Q = n I."""
        return None if self._spaces is None else second_eigenmatrix(*self._spaces)

    @cached_property
    def krein(self) -> NDArray[np.float64] | None:
        """Krein parameters q[i, j, k], shape (d + 1, d + 1, d + 1)."""
        return None if self._spaces is None else krein_parameters(*self._spaces)

    @cached_property
    def parameters(self) -> Parameters | None:
        """What follows from the intersection numbers and the cosines; None where there is no scheme."""
        p, valencies = self.intersection_numbers, self.valencies
        if p is None or valencies is None or self.P is None or self.Q is None or self.multiplicities is None:
            return None
        numbers = Numbers(p, valencies, np.arange(len(p)))
        return Parameters(numbers, Eigenmatrices(self.P, self.Q, self.multiplicities), self.levels, self.dim)

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64] | None:
        """Eigenvalue of the denoised Gram matrix on each eigenspace, shape (d + 1,)."""
        return None if self.P is None else np.asarray(self.P @ self.levels)


def support_of(eigenvalues: NDArray[np.float64]) -> NDArray[np.int64]:
    """List the eigenspaces on which a Gram matrix is not zero; noise fills all of them, up to 5 % of the largest."""
    return np.flatnonzero(eigenvalues > policy.SUPPORT_SHARE * eigenvalues.max())
