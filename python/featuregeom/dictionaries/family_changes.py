"""Families of two dictionaries against each other: kept, lost, born."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.dictionaries.families import Families
from featuregeom.summary import summarised
from featuregeom.wording import number, plural

__all__ = ["FamilyChanges", "family_changes"]

Indices = NDArray[np.int64]

_SAME = 0.5
"""Members in common over members of either, above which two families are one. Above a half of the union no family has
two partners among disjoint ones, so nothing else is left to choose."""


@summarised
@dataclass(frozen=True, eq=False)
class FamilyChanges:
    """What became of families; ``str`` says it.

    Attributes
    ----------
    first, second : Families
        Of either dictionary.
    kept : ndarray of int64, shape (n_kept, 2)
        Numbers of families that have more than half of their members in common, in the first one's order.
    overlap : ndarray of float64, shape (n_kept,)
        Members in common over members of either.
    lost, born : ndarray of int64
        Families of the first that have no partner, and of the second.
    """

    first: Families
    second: Families
    kept: Indices
    overlap: NDArray[np.float64]
    lost: Indices
    born: Indices

    def __str__(self) -> str:
        if not (len(self.first) or len(self.second)):
            return "no families in either"
        kept = f"{plural(len(self.kept), 'family', 'families')} kept"
        if changed := int(np.count_nonzero(self.overlap < 1)):
            kept += f", {number(changed)} of them with other members"
        return f"{kept}; {number(len(self.lost))} lost; {number(len(self.born))} born"


def family_changes(first: Families, second: Families, pairs: Indices) -> FamilyChanges:
    """Say which families of one dictionary are families of another, too.

    Parameters
    ----------
    first, second : Families
        As `families` gives them.
    pairs : array-like of int, shape (n_pairs, 2)
        Features that belong together, of the first dictionary and of the second, each at most once; as
        `Comparison.pairs` has them.

    Returns
    -------
    FamilyChanges

    Notes
    -----
    Costs the sum of the sizes of families times the families that share a feature. Nested families overlap each other:
    the pair with most in common goes first.

    References
    ----------
    Jaccard (1901) for the overlap.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> X = np.random.default_rng(0).standard_normal((200, 64)) / 8
    >>> X[:5] = fg.shapes.polygon(5) @ np.linalg.qr(X[:2].T)[0].T
    >>> found = fg.dictionaries.families(X)
    >>> each = np.arange(200)
    >>> str(fg.dictionaries.family_changes(found, found, np.column_stack([each, each])))
    '1 family kept; 0 lost; 0 born'
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    partner: dict[int, int] = dict(zip(*pairs.T.tolist(), strict=True)) if len(pairs) else {}
    holding: dict[int, list[int]] = {}
    for index, members in enumerate(second.members):
        for member in members.tolist():
            holding.setdefault(member, []).append(index)
    candidates = []
    for index, members in enumerate(first.members):
        common: dict[int, int] = {}
        for member in members.tolist():
            for other in holding.get(partner.get(member, -1), ()):
                common[other] = common.get(other, 0) + 1
        for other, count in common.items():
            overlap = count / (len(members) + len(second.members[other]) - count)
            if overlap > _SAME:
                candidates.append((-overlap, index, other))
    used: tuple[set[int], set[int]] = (set(), set())
    kept = []
    for overlap, index, other in sorted(candidates):
        if index not in used[0] and other not in used[1]:
            used[0].add(index)
            used[1].add(other)
            kept.append((index, other, -overlap))
    kept.sort()
    table = np.array(kept, dtype=np.float64).reshape(-1, 3)
    return FamilyChanges(
        first=first,
        second=second,
        kept=table[:, :2].astype(np.int64),
        overlap=table[:, 2],
        lost=np.setdiff1d(np.arange(len(first)), table[:, 0].astype(np.int64)),
        born=np.setdiff1d(np.arange(len(second)), table[:, 1].astype(np.int64)),
    )
