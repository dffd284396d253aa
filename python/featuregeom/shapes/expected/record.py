"""What is known of a geometry without its coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from featuregeom.summary import summarised

__all__ = ["Counted", "Expected", "cosine", "merged", "tight"]

Counted = tuple[tuple[float, int], ...]
"""Values, decreasing, each with how often it occurs."""

_SAME = 1e-9
"""Values closer than this count as equal: closed forms differ by rounding only."""


@summarised
@dataclass(frozen=True)
class Expected:
    r"""The exact numbers of a geometry.

    Attributes
    ----------
    name : str
        What the geometry is called; `blocks.decompose` says the same wherever it has a name for it.
    n, dim : int
        Number of features, and dimension of the space they span.
    eigenvalues : tuple of (float, int)
        Distinct eigenvalues of the frame operator, decreasing, with multiplicities; these add up to `dim`.
    capacity : tuple of (float, int)
        Values of the capacity, decreasing, with the number of features that have each; these add up to `n`.
    coherence : float
        Largest modulus of a cosine between two features.
    gram_values : tuple of (float, int) or None
        Distinct cosines of one feature with all others, decreasing, with valencies; these add up to n - 1. None
        where features differ in them.
    lines : bool
        Whether `gram_values` are moduli of cosines, because signs or phases depend on the feature.
    """

    name: str
    n: int
    dim: int
    eigenvalues: Counted
    capacity: Counted
    coherence: float
    gram_values: Counted | None
    lines: bool = False

    @property
    def total_capacity(self) -> float:
        """Sum of all capacities: `dim` exactly where every feature lies in one eigenspace."""
        return sum(value * count for value, count in self.capacity)


def tight(
    name: str, n: int, dim: int, gram_values: Iterable[tuple[float, int]], *, lines: bool = False
) -> Expected:
    """Give what is known of a tight frame of unit vectors: eigenvalue n / dim and capacity dim / n."""
    cosines = merged(gram_values)
    coherence = max(abs(value) for value, _ in cosines)
    return Expected(name, n, dim, ((n / dim, dim),), ((dim / n, n),), coherence, cosines, lines)


def merged(pairs: Iterable[tuple[float, int]]) -> Counted:
    """Sort pairs of value and count by decreasing value; join equal values and drop counts of 0."""
    out: list[tuple[float, int]] = []
    for value, count in sorted(pairs, reverse=True):
        if count == 0:
            continue
        if out and out[-1][0] - value < _SAME:
            out[-1] = (out[-1][0], out[-1][1] + count)
        else:
            out.append((value, count))
    return tuple(out)


def cosine(k: int, n: int) -> float:
    """Cosine of k / n turns; exact where it is 0, ±1/2 or ±1."""
    exact = {0: 1.0, 2: 0.5, 3: 0.0, 4: -0.5, 6: -1.0, 8: -0.5, 9: 0.0, 10: 0.5}
    twelfths, rest = divmod(12 * (k % n), n)
    return exact[twelfths] if rest == 0 and twelfths in exact else math.cos(2 * math.pi * k / n)
