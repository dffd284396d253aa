"""The spans of the leading eigenvectors of two spectra: what generic ones have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.comparison.angles import angles_between, check_comparable
from featuregeom.interruptible import matmul
from featuregeom.spectra import Spectrum
from featuregeom.summary import summarised

__all__ = ["TopSubspaces", "top_subspaces"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class TopSubspaces:
    r"""The spans of the k leading eigenvectors of two spectra against each other, for several k; one row each.

    Attributes
    ----------
    k : ndarray of int64, shape (K,)
        Leading eigenvectors on either side.
    largest_angle : ndarray of float64, shape (K,)
        Largest principal angle in radians. Where no gap follows the k-th eigenvalue the last directions of the spans
        are arbitrary, and so is this.
    overlap : ndarray of float64, shape (K,)
        Mean squared cosine of the principal angles.
    null : ndarray of float64, shape (K,)
        Its mean for a random subspace: k / m.
    captured : ndarray of float64, shape (K,)
        What the k leading eigenvectors of the first hold of the trace of the second operator, over what its own hold:
        at most 1, and near it whenever the operators are, gaps or none.
    """

    k: NDArray[np.int64]
    largest_angle: Floats
    overlap: Floats
    null: Floats
    captured: Floats


def top_subspaces(spectrum_a: Spectrum, spectrum_b: Spectrum, k: ArrayLike | None = None) -> TopSubspaces:
    r"""Compare the spans of the leading eigenvectors of two spectra: what they have in common without single vectors.

    Parameters
    ----------
    spectrum_a, spectrum_b : Spectrum
        Of side "frame", in the same number of dimensions; see `on_frame_side`.
    k : array_like of int, optional
        How many leading eigenvectors; by default the powers of 2 up to half of the smaller rank, at least 1.

    Returns
    -------
    TopSubspaces
        Empty where either has rank zero.

    Raises
    ------
    ParameterError, ShapeError
        As in `match_eigenspaces`; if a k is not from 1 to the smaller rank.

    Notes
    -----
    Costs 2 m r_a r_b operations and a singular value decomposition for each k.

    References
    ----------
    Björck & Golub, Math. Comp. 27 (1973), for the angles; Davis & Kahan, SIAM J. Numer. Anal. 7 (1970), for what gaps
    have to do with them.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import top_subspaces
    >>> first = fg.spectra.spectrum([[2.0, 0.0], [0.0, 1.0]])
    >>> second = fg.spectra.spectrum([[1.0, 0.0], [0.0, 2.0]])
    >>> found = top_subspaces(first, second, [1])
    >>> found.overlap.tolist(), found.null.tolist(), found.captured.tolist()
    ([0.0], [0.5], [0.25])
    """
    check_comparable(spectrum_a, spectrum_b)
    rank, m = min(spectrum_a.rank, spectrum_b.rank), spectrum_a.shape[1]
    if k is None:
        chosen = [2**power for power in range(max(rank // 2, 1).bit_length())] if rank else []
    else:
        chosen = [integer("k", each, 1, rank) for each in np.ravel(np.asarray(k)).tolist()]
    U, V = spectrum_a.vectors, spectrum_b.vectors
    values = spectrum_b.retained
    squares = matmul(U.T, V) ** 2
    held = np.cumsum(squares @ values) if chosen else np.zeros(0)
    own = np.cumsum(values)
    rows = [
        (
            count,
            float(angles_between(U[:, :count], V[:, :count]).max()),
            float(squares[:count, :count].sum() / count),
            count / m,
            min(float(held[count - 1] / own[count - 1]), 1.0),
        )
        for count in chosen
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return TopSubspaces(table[:, 0].astype(np.int64), *table[:, 1:].T)
