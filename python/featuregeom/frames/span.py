"""The span of a set of features: the eigenvalues of its frame operator that are not null, and their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.frames.null import noise
from featuregeom.frames.operator import gram_of, operator_of
from featuregeom.frames.rows import Rows
from featuregeom.interruptible import eigh, eigvalsh, matmul
from featuregeom.summary import summarised

__all__ = ["Span", "span_of"]


@summarised
@dataclass(frozen=True, eq=False)
class Span:
    """The nonzero part of a frame operator: eigenvalues above the null tolerance, and their vectors.

    Attributes
    ----------
    eigenvalues : ndarray of float64, shape (rank,)
        Decreasing, all above `null_tolerance`.
    vectors : ndarray of float64 or complex128, shape (m, rank) or (n, rank)
        Eigenvectors as columns, of F or of M; no columns when they were not asked for.
    side : {"frame", "gram"}
        Which of the two was decomposed: the smaller.
    null_tolerance : float
        Eigenvalues at or below it are indistinguishable from zero; see `null.noise`.
    trace, potential : float
        Of the operator and of its square.
    """

    eigenvalues: NDArray[np.float64]
    vectors: NDArray[Any]
    side: Literal["frame", "gram"]
    null_tolerance: float
    trace: float
    potential: float

    @property
    def rank(self) -> int:
        """Dimension of the span."""
        return int(self.eigenvalues.size)

    def function(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Give the operator that has `values`, one per eigenvalue, on the span and zero off it."""
        product: NDArray[Any] = matmul(self.vectors * values, self.vectors.conj().T)
        return product


def span_of(rows: Rows, *, vectors: bool, num_threads: int | None = None) -> Span:
    """Decompose F, or M where there are fewer features than dimensions.

    Parameters
    ----------
    rows : Rows
        The features.
    vectors : bool
        Whether eigenvectors are wanted.
    num_threads : int, optional
        As in `frame_operator`.

    Returns
    -------
    Span

    Raises
    ------
    NonFiniteError, ParameterError
        As in `frame_operator`.

    Notes
    -----
    Costs s^2 max(n, m) operations and about 9 s^3 more with vectors, s = min(n, m), and O(s^2) memory. Hermitian
    operators are decomposed by LAPACK through NumPy.
    """
    side: Literal["frame", "gram"] = "gram" if rows.n < rows.m else "frame"
    form = gram_of if side == "gram" else operator_of
    operator = form(rows, num_threads=num_threads)
    values, columns = _eigen(operator, vectors, num_threads)
    along = operator.diagonal().real
    across = _core.squared_norms(
        rows.parts.T if side == "gram" else rows.parts, features=side == "frame", num_threads=num_threads
    )
    if side == "gram" and rows.is_complex:
        across = across.reshape(-1, 2).sum(axis=1)
    null = noise(
        (rows.n, rows.m), rows.epsilon, float(values[0]), float(along.max()), float(across.max())
    ).tolerance
    rank = int(np.count_nonzero(values > null))
    return Span(
        eigenvalues=values[:rank],
        vectors=columns[:, :rank],
        side=side,
        null_tolerance=null,
        trace=float(along.sum()),
        potential=float(np.vdot(operator, operator).real),
    )


def _eigen(
    operator: NDArray[Any], vectors: bool, num_threads: int | None
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Eigenvalues, decreasing, and eigenvectors as columns where they are wanted."""
    nothing = np.empty((len(operator), 0))
    if operator.dtype.kind != "c":
        if vectors:
            return _core.eigh(operator, num_threads=num_threads)
        return _core.eigvalsh(operator, num_threads=num_threads), nothing
    if vectors:
        values, columns = eigh(operator)
        return values[::-1], columns[:, ::-1]
    return eigvalsh(operator)[::-1], nothing
