"""All pairs of features in one sweep of the Gram matrix, which is never stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.features import as_features
from featuregeom.frames import Progress
from featuregeom.summary import summarised

__all__ = ["NO_GAP", "Pairs", "sweep"]

NO_GAP = (
    "no gap was found between strong and weak couplings, so all features that are coupled at all, by 1e-6 or more, "
    "count as one block; give a threshold to leave out the couplings that you call negligible"
)
"""Advice on a threshold that was chosen although no gap was found."""


@summarised
@dataclass(frozen=True, eq=False)
class Pairs:
    """What one sweep over all pairs of nonzero features gave.

    Attributes
    ----------
    neighbours : ndarray of int64, shape (n, k)
        Each feature's k nearest others by decreasing absolute cosine (ties by index); -1 where there is none.
    cosines : ndarray of float64, shape (n, k)
        Their cosines; NaN where there is none.
    edges : ndarray of float64, shape (bins + 1,)
        Bin edges of the histogram of cosines, from -1 to 1.
    counts : ndarray of uint64, shape (bins,)
        Pairs ``i < j`` of nonzero features in each bin.
    coherence : float
        Largest absolute cosine; NaN with fewer than two nonzero features.
    blocks : ndarray of int64, shape (n,)
        Connected component of each feature in the graph of couplings ``|M_ij| / max(N_i, N_j)`` at or above
        `threshold`, numbered by first appearance; -1 for zero features.
    n_blocks : int
        Number of components.
    threshold : float
        The threshold that was given or chosen.
    gap : bool or None
        Whether the chosen threshold lies in a gap of the couplings; None where it was given. False means that no
        gap was found: whatever is coupled at all, from 1e-6 on, is one block. See `advice`.
    ladder : tuple of (float, int)
        Thresholds with the number of components at each, largest threshold first.
    dtype : {"float64", "float32"}
        Arithmetic of the products. Cosines of neighbours are computed again in float64.

    References
    ----------
    featuregeom's own; blocks are the "tegum" summands of Elhage et al., Toy models of superposition (2022).
    """

    neighbours: NDArray[np.int64]
    cosines: NDArray[np.float64]
    edges: NDArray[np.float64]
    counts: NDArray[np.uint64]
    coherence: float
    blocks: NDArray[np.int64]
    n_blocks: int
    threshold: float
    gap: bool | None
    ladder: tuple[tuple[float, int], ...]
    dtype: Literal["float64", "float32"]

    @property
    def advice(self) -> str:
        """What to do where no gap was found; empty where one was, or a threshold was given."""
        return NO_GAP if self.gap is False else ""


def sweep(
    X: Any,
    *,
    k: int = 1,
    bins: int = 199,
    threshold: float | None = None,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Pairs:
    r"""Sweep all pairs of features once: neighbours, coherence, histogram of cosines, connected components.

    With :math:`M_{ij} = \langle w_i, w_j \rangle` and :math:`N_i = M_{ii}`, a pair has the cosine and the coupling

    .. math:: \frac{M_{ij}}{\sqrt{N_i N_j}}, \qquad \frac{|M_{ij}|}{\max(N_i, N_j)}

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    k : int
        Neighbours to keep of each feature.
    bins : int
        Equal bins of the histogram over [-1, 1]. The default is prime, so that no cosine that a regular
        geometry has falls on an edge, where rounding would decide.
    threshold : float, optional
        Couplings below it do not connect, in (0, 1]. By default it is chosen where the components persist over
        a factor of four in the threshold and drop nothing above 0.1 (0.01 where every feature stands alone);
        where there is no such gap, whatever is coupled at all is one block, the threshold is 2^-20 (about 1e-6), and
        `Pairs.gap` is False.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with tiles done and tiles in all.

    Returns
    -------
    Pairs
        The same for any number of threads.

    Raises
    ------
    ShapeError, DtypeError
        If `X` is no matrix of real numbers.
    NonFiniteError
        If `X` holds NaN or infinity.
    ParameterError
        If `k`, `bins` or `threshold` is out of range.

    Notes
    -----
    Costs n (n - 1) m operations, and O(n k) memory and a few tiles beyond `X`. The coupling of equal norms is
    the absolute cosine; dividing by the larger norm keeps features that a model has all but dropped, whose
    directions are noise, from gluing blocks together.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), "tegum products"; the couplings and the choice of the threshold
    are featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.pairs.sweep([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    >>> found.coherence, found.blocks.tolist()
    (1.0, [0, 0, 1])
    """
    values = as_features(X).values
    neighbours, cosines, counts, coherence, blocks, n_blocks, chosen, gap, ladder, dtype = _core.sweep(
        values, neighbours=k, bins=bins, threshold=threshold, num_threads=num_threads, progress=progress
    )
    return Pairs(
        neighbours,
        cosines,
        np.linspace(-1.0, 1.0, bins + 1),
        counts,
        coherence,
        blocks,
        n_blocks,
        chosen,
        gap,
        tuple(ladder),
        "float64" if dtype == "float64" else "float32",
    )
