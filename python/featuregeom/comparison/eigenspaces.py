"""Eigenspaces of two spectra that go together: those of two and more dimensions, never single eigenvectors unasked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.comparison.angles import angles_between, check_comparable
from featuregeom.interruptible import matmul
from featuregeom.spectra import Spectrum
from featuregeom.summary import summarised

__all__ = ["Match", "greedy", "match_eigenspaces"]

Floats = NDArray[np.float64]

_ORTHOGONAL = 1e-12
"""Largest overlap (a sum of squared cosines) of orthogonal eigenspaces, which are no match: angles a millionth of a
radian from a right one. Parts of direct sums of 8 and 40 pentagons, rotated at random, overlap by 2e-27 at most, in
float32 by 4e-27."""


@summarised
@dataclass(frozen=True, eq=False)
class Match:
    r"""Two eigenspaces, one of each spectrum, that go together.

    Attributes
    ----------
    first, second : int
        Their numbers in the two spectra.
    overlap : float
        :math:`\operatorname{tr}(P_a P_b) = \sum \cos^2 \theta`, at most the smaller dimension.
    angles : ndarray of float64
        Principal angles in radians, increasing, as many as the smaller dimension.
    simple : bool
        Whether either is a single eigenvector. Among the crowded eigenvalues of a generic spectrum those turn at the
        least change of the features, so this is no match of spaces.

    References
    ----------
    Björck & Golub, Numerical methods for computing angles between linear subspaces, Math. Comp. 27 (1973), for the
    angles; the matching is featuregeom's own.
    """

    first: int
    second: int
    overlap: float
    angles: Floats
    simple: bool


def match_eigenspaces(
    spectrum_a: Spectrum, spectrum_b: Spectrum, *, simple: bool = False
) -> tuple[Match, ...]:
    r"""Pair the eigenspaces of two spectra by overlap, and give the principal angles of each pair.

    The pair of largest :math:`\operatorname{tr}(P_a P_b)` is matched first, then the largest among the rest, and
    so on: greedy, so the sum of overlaps need not be the largest that any assignment has. Orthogonal eigenspaces
    are never matched, so there may be fewer pairs than eigenspaces.

    Parameters
    ----------
    spectrum_a, spectrum_b : Spectrum
        Of side "frame", in the same number of dimensions; see `on_frame_side`.
    simple : bool
        Whether pairs in which either is a single eigenvector are listed, too. They are no match of spaces; what a
        generic spectrum has in common with another, `top_subspaces` says.

    Returns
    -------
    tuple of Match
        By decreasing overlap; equal ones by their numbers.

    Raises
    ------
    ParameterError, ShapeError
        If a spectrum is of side "gram", or the dimensions differ.

    Notes
    -----
    Costs 2 m r_a r_b operations for the overlaps, and O(r_a r_b) memory.

    References
    ----------
    Björck & Golub, Math. Comp. 27 (1973), for the angles.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.comparison import match_eigenspaces
    >>> first = fg.spectra.spectrum([[2.0, 0.0], [0.0, 1.0]])
    >>> second = fg.spectra.spectrum([[1.0, 0.0], [0.0, 2.0]])
    >>> [(match.first, match.second, match.overlap) for match in match_eigenspaces(first, second, simple=True)]
    [(0, 1, 1.0), (1, 0, 1.0)]
    >>> match_eigenspaces(first, second)
    ()
    """
    check_comparable(spectrum_a, spectrum_b)
    U, V = spectrum_a.vectors, spectrum_b.vectors
    if not (spectrum_a.rank and spectrum_b.rank):
        return ()
    overlaps = np.add.reduceat(matmul(U.T, V) ** 2, spectrum_a.starts[:-1], axis=0)
    overlaps = np.add.reduceat(overlaps, spectrum_b.starts[:-1], axis=1)
    found = []
    for a, b in greedy(overlaps):
        space_a, space_b = spectrum_a.eigenspaces[a], spectrum_b.eigenspaces[b]
        single = min(space_a.dim, space_b.dim) == 1
        if single and not simple:
            continue
        angles = angles_between(U[:, space_a.start : space_a.stop], V[:, space_b.start : space_b.stop])
        found.append(Match(a, b, float(overlaps[a, b]), angles, single))
    return tuple(found)


def greedy(overlaps: Floats) -> list[tuple[int, int]]:
    """Pairs of row and column, largest first, each row and column once.

    A pair that is the largest of both its row and its column is taken whatever else is, so all such go at once.
    """
    left = np.where(overlaps > _ORTHOGONAL, overlaps, 0.0)
    index, pairs = np.arange(len(left)), list[tuple[int, int]]()
    while left.any():
        best = left.argmax(axis=1)
        rows = np.flatnonzero((left.argmax(axis=0)[best] == index) & (left[index, best] > 0))
        pairs += zip(rows.tolist(), best[rows].tolist(), strict=True)
        left[rows] = 0
        left[:, best[rows]] = 0
    return sorted(pairs, key=lambda pair: (-overlaps[pair], pair))
