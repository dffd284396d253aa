"""What a spectrum is: eigenvalues, the eigenspaces they fall into, and how far rounding can move both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

DOUBTFUL = 1e-6
"""Share of tr F below which kappa is not taken from the spectrum, as in the core's capacities: it would have lost more
than ten digits. Choice: matrices without features a thousand times shorter than the rest have none there."""


@summarised
@dataclass(frozen=True)
class Eigenspace:
    """One eigenspace of the frame operator.

    Attributes
    ----------
    value : float
        Mean of its eigenvalues.
    dim : int
        Its dimension.
    start, stop : int
        Its eigenvalues are ``eigenvalues[start:stop]`` of the spectrum.
    spread : float
        Largest minus smallest eigenvalue, over the largest.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    value: float
    dim: int
    start: int
    stop: int
    spread: float


@summarised
@dataclass(frozen=True)
class Persistence:
    """One partition of the spectrum into eigenspaces, and the range of tolerances that give it.

    Attributes
    ----------
    lower, upper : float
        Single linkage gives this partition at relative tolerances in ``[lower, upper)``.
    diameter : float
        Relative width of its widest eigenspace.
    count : int
        Number of eigenspaces.

    References
    ----------
    The rule is featuregeom's own. Its idea, to trust what persists over scales, is that of Edelsbrunner, Letscher &
    Zomorodian, Topological persistence and simplification, Discrete Comput. Geom. 28 (2002).
    """

    lower: float
    upper: float
    diameter: float
    count: int


@summarised
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Spectrum of a frame operator.

    Attributes
    ----------
    eigenvalues : ndarray of float64, shape (min(n, m),)
        Decreasing; those from `rank` on are null.
    rank : int
        Number of eigenvalues above `null_tolerance`.
    eigenspaces : tuple of Eigenspace
        The retained eigenvalues, grouped.
    tolerance : float
        The relative tolerance that was given, or the least that gives these eigenspaces when it is (1e-8 where that
        does); NaN where none does, since a gap inside one eigenspace is wider than a gap between two.
    persistence : tuple of Persistence
        Every partition that single linkage passes through, finest first.
    null_tolerance : float
        Eigenvalues at or below it are indistinguishable from zero, given the arithmetic and the rounding of
        the input.
    rank_margin : float
        Smallest retained eigenvalue over `null_tolerance`; NaN for rank zero. Near 1 the rank is a matter of
        opinion.
    vectors : ndarray of float64, shape (m, rank) or (n, rank)
        Eigenvectors as columns, of the frame operator or (where ``n < m``) of the Gram matrix. An entry errs by
        rounding of 1, whatever its size, so that ``vectors * sqrt(retained)`` is no way to the coordinates of a
        feature that is much shorter than others: those are in `along`.
    side : {"frame", "gram"}
        Which of the two was decomposed.
    shape : tuple of int
        (n, m).
    trace : float
        Sum of squared norms of the features.
    along : ndarray of float64, shape (n, rank), or None
        Where the Gram matrix was decomposed, the coordinates of each feature along the eigenvectors of the frame
        operator, to rounding of its own norm.

    References
    ----------
    arXiv:2602.02224 (spectral measures of superposition).
    """

    eigenvalues: NDArray[np.float64]
    rank: int
    eigenspaces: tuple[Eigenspace, ...]
    tolerance: float
    persistence: tuple[Persistence, ...]
    null_tolerance: float
    rank_margin: float
    vectors: NDArray[np.float64]
    side: Literal["frame", "gram"]
    shape: tuple[int, int]
    trace: float
    along: NDArray[np.float64] | None = None

    @property
    def retained(self) -> NDArray[np.float64]:
        """The eigenvalues above the null tolerance."""
        return self.eigenvalues[: self.rank]

    @property
    def starts(self) -> NDArray[np.int64]:
        """First eigenvalue of each eigenspace, then the rank."""
        return np.array([space.start for space in self.eigenspaces] + [self.rank], dtype=np.int64)

    @property
    def condition(self) -> float:
        """Largest over smallest retained eigenvalue; NaN for rank zero."""
        return float(self.eigenvalues[0] / self.eigenvalues[self.rank - 1]) if self.rank else float("nan")

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Distance of each eigenspace from the nearest eigenvalue outside it, null ones included (0 where r < m)."""
        ends = self.starts
        null = float(self.eigenvalues[self.rank]) if self.rank < len(self.eigenvalues) else 0.0
        below = np.append(self.retained, null)[ends[1:]]
        if self.rank == self.shape[1]:  # nothing is below the last one
            below[-1:] = -np.inf
        above = np.append(np.inf, self.retained)[ends[:-1]]
        gaps: NDArray[np.float64] = np.minimum(
            above - self.retained[ends[:-1]], self.retained[ends[1:] - 1] - below
        )
        return gaps

    @property
    def mass_bound(self) -> NDArray[np.float64]:
        r"""Rounding bound on the error of each mass, by eigenspace; shape (n_eigenspaces,).

        The computed operator is F + E with :math:`\lVert E \rVert_2 \le (n + m) u \operatorname{tr} F`, as in
        `defect_bound`, and its projection on an eigenspace at a distance g from the other eigenvalues differs from that
        of F by at most 2 |E| / g (Davis & Kahan). 1 where nothing is known.
        """
        unit = 2.0**-53 * sum(self.shape)
        with np.errstate(divide="ignore"):
            bound: NDArray[np.float64] = np.minimum(unit * (4 + 2 * self.trace / self.gaps), 1.0)
        return bound

    def kappa_bound(self, kappa: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Bound the relative errors that rounding makes in kappa and capacity, whatever was cut off as null.

        With :math:`t_i = \operatorname{tr} F / \kappa_i` and :math:`c = (n + m) u`, :math:`u = 2^{-53}`,

        .. math:: c (4 + t_i) \quad (t_i \le 10^6), \qquad c (4 + 2 \sqrt{t_i} + c t_i) \quad (t_i > 10^6):

        of features much shorter than others both come from inner products, of which each errs by rounding of its
        own two norms, the others from the spectrum.

        Parameters
        ----------
        kappa : ndarray of float64, shape (n,)
            Of features with this spectrum, that it was made of.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        unit = 2.0**-53 * sum(self.shape)
        times = self.trace / kappa
        bound: NDArray[np.float64] = unit * (
            4 + np.where(times <= 1 / DOUBTFUL, times, 2 * np.sqrt(times) + unit * times)
        )
        return bound

    @property
    def defect_bound(self) -> float:
        r"""Rounding bound on the relative error of the defect identity.

        The computed operator is F + E with :math:`\lVert E \rVert_2 \le (n + m) u \operatorname{tr} F` (u = 2^-53),
        from its sums and from the eigensolver, and the leverages then add up to
        :math:`r - \sum_k v_k^\top E v_k / \lambda_k`.
        """
        if not self.rank:
            return 0.0
        unit = 2.0**-53 * sum(self.shape)
        return float(unit * (1 + self.trace * np.mean(1 / self.retained)))

    def to_frame(self) -> pd.DataFrame:
        """Give the eigenspaces as a table, one row each."""
        import pandas as pd

        return pd.DataFrame(
            [vars(space) for space in self.eigenspaces], columns=list(Eigenspace.__annotations__)
        )
