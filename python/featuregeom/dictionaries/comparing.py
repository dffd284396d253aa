"""What changed between two dictionaries: features kept, born and lost, how far the kept ones moved, what both share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.comparison import TopSubspaces, on_frame_side, top_subspaces
from featuregeom.dictionaries.families import families as families_of
from featuregeom.dictionaries.family_changes import FamilyChanges, family_changes
from featuregeom.dictionaries.matching import Matching, match
from featuregeom.dictionaries.one_to_one import checked, unit
from featuregeom.features import Features, chunks
from featuregeom.frames.rows import EPSILON
from featuregeom.interruptible import matmul
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.wording import plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_DRAWN = 400
"""Fewest pairs of random dictionaries that the limit of kept pairs is read from: of fewer, one would decide."""

_TAIL = 10
"""Random pair, counted from the nearest, beyond which their number follows the law of random directions: it is known to
a third there. Counts alone keep a pair of unrelated dictionaries wherever one is above all drawn ones: in 16 of 42."""

_MOST_DRAWS = 20
"""Most random dictionaries that are drawn, which only sets of a few features need."""

_ROUNDING = 4
"""Units of the coarser type up to which a direction or a norm has not changed."""

_SCALED = 5e-3
"""Median change of norms below which the sentence does not mention it: it writes three digits."""


@dataclass(frozen=True, eq=False)
class Comparison:
    r"""Two dictionaries, or one at two times; ``str`` says what changed.

    Attributes
    ----------
    same : bool
        Whether features of one index belong together, as in two checkpoints of one matrix; else the best matching says.
    pairs : ndarray of int64, shape (n_kept, 2)
        Kept features: of A and of B, in A's order.
    cosine, angle : ndarray of float64, shape (n_kept,)
        Their cosines, and their drift in radians, exact for small angles.
    norm_ratio : ndarray of float64, shape (n_kept,)
        Norm in B over norm in A.
    changed : ndarray of bool, shape (n_kept,)
        Whether direction or norm changed by more than rounding of the type in which they are stored.
    lost, born : ndarray of int64
        Nonzero features of A that are not kept, and of B.
    limit : float
        Cosine from which on a pair counts as kept: at most a share q of the kept pairs is expected to be chance.
    subspaces : TopSubspaces or None
        The leading eigenvectors of both, k by k; None in spaces of other dimensions.
    cka, cka_null : float
        Centred kernel alignment of the Gram matrices of the kept features, and its mean when the pairs are shuffled;
        NaN for fewer than three.
    matching : Matching
        The one-to-one matching and its null.
    families : FamilyChanges or None
        Families kept, lost and born, where they were asked for.
    """

    same: bool
    pairs: Indices
    cosine: Floats
    angle: Floats
    norm_ratio: Floats
    changed: NDArray[np.bool_]
    lost: Indices
    born: Indices
    limit: float
    subspaces: TopSubspaces | None
    cka: float
    cka_null: float
    matching: Matching
    families: FamilyChanges | None = None

    @property
    def n_kept(self) -> int:
        """Features that both have."""
        return len(self.pairs)

    @property
    def n_changed(self) -> int:
        """Kept ones that changed by more than rounding."""
        return int(np.count_nonzero(self.changed))

    def to_frame(self) -> pd.DataFrame:
        """Give all features as a table: ``a, b, what, cosine, angle, norm_ratio``; -1 for none."""
        import pandas as pd

        none = {"cosine": np.nan, "angle": np.nan, "norm_ratio": np.nan}
        kept = pd.DataFrame(
            {
                "a": self.pairs[:, 0],
                "b": self.pairs[:, 1],
                "what": np.where(self.changed, "changed", "unchanged"),
                "cosine": self.cosine,
                "angle": self.angle,
                "norm_ratio": self.norm_ratio,
            }
        )
        lost = pd.DataFrame({"a": self.lost, "b": -1, "what": "lost", **none})
        born = pd.DataFrame({"a": -1, "b": self.born, "what": "born", **none})
        return pd.concat([part for part in (kept, lost, born) if len(part)] or [kept], ignore_index=True)

    def __str__(self) -> str:
        if not (self.n_changed or len(self.lost) or len(self.born)):
            kept = (
                "the feature is what it was"
                if self.n_kept == 1
                else f"all {self.n_kept:,} features are what they were"
            )
            return f"nothing changed: {kept}"
        parts = [f"{plural(self.n_kept, 'feature')} kept"]
        if self.n_changed:
            degrees = np.degrees(np.median(self.angle[self.changed]))
            who = "all" if self.n_changed == self.n_kept else f"{self.n_changed:,}"
            ratio = float(np.median(self.norm_ratio[self.changed]))
            scaled = f"; norms times {ratio:.3g}" if abs(ratio - 1) > _SCALED else ""
            parts[0] += f", {who} of them changed (turned by {degrees:.3g} degrees, the median{scaled})"
        elif self.n_kept:
            parts[0] += ", none of them changed"
        parts.append(f"{len(self.lost):,} lost" if len(self.lost) else "none lost")
        parts.append(f"{len(self.born):,} born" if len(self.born) else "none born")
        if self.families is not None:
            parts.append(f"families: {self.families}")
        if self.subspaces is None:
            parts.append("by their cosines with the features of their own side, for the dimensions differ")
        return "; ".join(parts)

    def __repr__(self) -> str:
        figures = ["no pair beyond chance" if np.isinf(self.limit) else f"kept from cosine {self.limit:.3g}"]
        if not np.isnan(self.cka):
            figures.append(f"CKA {self.cka:.4f}, at random {self.cka_null:.4f}")
        if self.subspaces is not None and len(self.subspaces.k):
            k, overlap, null = (
                each[-1] for each in (self.subspaces.k, self.subspaces.overlap, self.subspaces.null)
            )
            figures.append(f"leading {plural(k, 'eigenvector')} overlap {overlap:.4f}, at random {null:.4f}")
        return f"Comparison({str(self)!r}; {'; '.join(figures)})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><strong>{escape(str(self))}</strong><br>{escape(repr(self))}</p>"


def compare(
    A: Any,
    B: Any,
    q: float = 0.01,
    *,
    same: bool | None = None,
    families: bool = False,
    k: int = 64,
    seed: int = 0,
    num_threads: int | None = None,
) -> Comparison:
    r"""Say which features of A are kept in B, which are lost and which are born, and how far the kept ones moved.

    For two checkpoints, two layers, seeds or widths, the sides of a crosscoder. A pair is kept where its cosine is more
    than random dictionaries with B's frame operator reach: the limit is the least cosine at which pairs matched with
    those are at most a share `q` of the pairs found.

    Parameters
    ----------
    A, B : array-like, shapes (n_a, m_a) and (n_b, m_b)
        Features as rows; zero rows are features that are not there. In spaces of other dimensions features are compared
        by their Gram rows (`match` with ``align="gram"``).
    q : float
        Share of the kept pairs that may be chance, between 0 and 1.
    same : bool, optional
        Whether features of one index belong together. By default they do where the shapes are equal and most kept pairs
        of the matching have one index.
    families : bool
        Whether families (`dictionaries.families`) of both are found and compared, at the rate `q`.
    k : int
        Candidates, as in `match`.
    seed : int
        Of the random dictionaries.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    Comparison

    Raises
    ------
    ShapeError
        If `same` is asked for and the shapes differ; as in `match`.
    DtypeError, NonFiniteError, ParameterError
        As in `match`.

    Notes
    -----
    Costs what `match` costs, with up to 20 draws for sets of a few features, two eigendecompositions, and the families
    of both where they are asked for.

    What it does not show. A feature that is "lost" may be there as the sum of two: it has no partner of its own. Kept
    is about directions, not about what they do. Eigenvectors are compared as spans of the leading ones only: a single
    one of a generic spectrum turns at the least change. CKA is high for any two dictionaries with one strong common
    direction; its null has that, too.

    References
    ----------
    Kornblith et al., ICML 2019, for CKA; the mean over shuffled pairs is tr K tr L / (n - 1) of the centred matrices.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> A = np.random.default_rng(0).standard_normal((200, 32))
    >>> B = A.copy()
    >>> B[:100] = 0
    >>> print(fg.dictionaries.compare(A, B))
    100 features kept, none of them changed; 100 lost; none born
    """
    from featuregeom.errors import ShapeError

    first, second = checked(A, "A", num_threads), checked(B, "B", num_threads)
    for features in (first, second):
        _core.squared_norms(features.values, num_threads=num_threads)  # refuses rows that have no square
    q, seed = number_between("q", q, 0, 1), integer("seed", seed, 0)
    shapes = (first.n, first.m), (second.n, second.m)
    if same and shapes[0] != shapes[1]:
        raise ShapeError(
            f"A has shape {shapes[0]}, B {shapes[1]}: only matrices of one shape have the same features"
        )
    smaller = min(first.n, second.n)
    draws = min(max(1, math.ceil(_DRAWN / smaller)), _MOST_DRAWS)
    found = match(
        first,
        second,
        align="raw" if first.m == second.m else "gram",
        k=k,
        n_draws=draws,
        seed=seed,
        num_threads=num_threads,
    )
    limit = _limit(found.cosine, found.null_cosine, len(_present(first)) * len(_present(second)), draws, q)
    kept = found.cosine >= limit
    if same is None:
        own = np.count_nonzero(found.pairs[kept, 0] == found.pairs[kept, 1])
        same = bool(shapes[0] == shapes[1] and kept.any() and 2 * own >= np.count_nonzero(kept))
    pairs, cosine = found.pairs, found.cosine
    if same:
        pairs, cosine = _by_index(first, second)
    held = cosine >= limit
    pairs, cosine = pairs[held], cosine[held]
    raw = first.m == second.m
    angle, ratio = (
        _drift(first, second, pairs)
        if raw
        else (np.arccos(np.clip(cosine, -1, 1)), _ratios(first, second, pairs))
    )
    rounding = _ROUNDING * max(EPSILON[first.dtype], EPSILON[second.dtype])
    cka, null = _cka(first, second, pairs)
    return Comparison(
        same=bool(same),
        pairs=pairs,
        cosine=cosine,
        angle=angle,
        norm_ratio=ratio,
        changed=(angle > rounding) | (np.abs(ratio - 1) > rounding),
        lost=np.setdiff1d(_present(first), pairs[:, 0]),
        born=np.setdiff1d(_present(second), pairs[:, 1]),
        limit=limit,
        subspaces=_subspaces(first, second, num_threads) if raw else None,
        cka=cka,
        cka_null=null,
        matching=found,
        families=_families(first, second, pairs, q, seed, num_threads) if families else None,
    )


def _families(
    A: Features, B: Features, pairs: Indices, q: float, seed: int, num_threads: int | None
) -> FamilyChanges:
    first, second = (families_of(each, q=q, seed=seed, num_threads=num_threads) for each in (A, B))
    return family_changes(first, second, pairs)


def _limit(cosine: Floats, null: Floats, n_pairs: int, n_draws: int, q: float) -> float:
    """Least cosine at which chance pairs are at most a share q of the pairs found; infinity where there is none."""
    order = np.sort(cosine)[::-1]
    found = np.arange(1, len(order) + 1)
    fine = np.flatnonzero(_by_chance(order, np.sort(null), n_pairs * n_draws) <= q * found * n_draws)
    if not fine.size:
        return math.inf
    # Half way to what is just below, so that rounding decides about nobody.
    least = float(order[fine[-1]])
    below = np.concatenate([null[null < least], order[fine[-1] + 1 :], [-1.0]])
    return (least + float(below.max())) / 2


def _by_chance(cosine: Floats, null: Floats, n_pairs: int) -> Floats:
    """Give how many pairs of random dictionaries reach each cosine.

    They are counted among the drawn ones, increasing. Few are near enough to be counted beyond the `_TAIL` nearest;
    from there on they fall off like random directions of as many dimensions as have so many pairs there.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    counted = (len(null) - np.searchsorted(null, cosine, "left")).astype(np.float64)
    most = min(_TAIL, len(null))
    last = float(null[-most])
    beyond = cosine > last
    if last <= 0 or 2 * most >= n_pairs:
        return np.maximum(counted, 1.0)

    def number(log_half: float, cosines: Any) -> Any:
        return n_pairs / 2 * betainc(math.exp(log_half), 0.5, (1 - cosines) * (1 + cosines))

    if beyond.any():
        log_half = brentq(lambda half: number(half, last) - most, -30.0, 30.0)
        counted[beyond] = number(log_half, np.minimum(cosine[beyond], 1.0))
    return counted


def _present(features: Features) -> Indices:
    found = [features.widened(part).any(axis=1) for part in chunks(features.n, features.m)]
    return np.flatnonzero(np.concatenate(found))


def _by_index(A: Features, B: Features) -> tuple[Indices, Floats]:
    """Features that are in both, each with itself."""
    both = np.intersect1d(_present(A), _present(B))
    pairs = np.column_stack([both, both])
    angle, _ = _drift(A, B, pairs)
    return pairs, np.cos(angle)


def _drift(A: Features, B: Features, pairs: Indices) -> tuple[Floats, Floats]:
    """Angles between the features of pairs, exact where they are small, and ratios of their norms."""
    angle = np.empty(len(pairs))
    for part in chunks(len(pairs), A.m):
        a, b = unit(A.widened(pairs[part, 0])), unit(B.widened(pairs[part, 1]))
        angle[part] = 2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return angle, _ratios(A, B, pairs)


def _ratios(A: Features, B: Features, pairs: Indices) -> Floats:
    norms = []
    for features, index in ((A, pairs[:, 0]), (B, pairs[:, 1])):
        parts = [
            np.linalg.norm(features.widened(index[part]), axis=1) for part in chunks(len(index), features.m)
        ]
        norms.append(np.concatenate(parts) if parts else np.zeros(0))
    return np.asarray(norms[1] / norms[0])


def _cka(A: Features, B: Features, pairs: Indices) -> tuple[float, float]:
    """Linear CKA of paired features, and its mean over all pairings."""
    n = len(pairs)
    if n < 3:
        return math.nan, math.nan
    means = [_mean(A, pairs[:, 0]), _mean(B, pairs[:, 1])]
    products = [np.zeros((left.m, right.m)) for left, right in ((A, B), (A, A), (B, B))]
    for part in chunks(n, max(A.m, B.m)):
        a, b = A.widened(pairs[part, 0]) - means[0], B.widened(pairs[part, 1]) - means[1]
        for product, (left, right) in zip(products, ((a, b), (a, a), (b, b)), strict=True):
            product += matmul(left.T, right)
    cross, own, other = (float(np.linalg.norm(product)) for product in products)
    if not (own and other):
        return math.nan, math.nan
    return cross**2 / (own * other), float(np.trace(products[1]) * np.trace(products[2])) / (n - 1) / (
        own * other
    )


def _mean(features: Features, index: Indices) -> Floats:
    total = np.zeros(features.m)
    for part in chunks(len(index), features.m):
        total += features.widened(index[part]).sum(axis=0)
    return np.asarray(total / len(index))


def _subspaces(A: Features, B: Features, num_threads: int | None) -> TopSubspaces:
    first, second = (
        on_frame_side(features, spectrum_of(features, num_threads=num_threads)) for features in (A, B)
    )
    return top_subspaces(first, second)
