"""Two sets of directions matched one to one by the core, and every number of the matching but its null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.devices import nearest_on, rows_at
from featuregeom.errors import NonFiniteError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = ["OneToOne", "Scores", "checked", "match_directions"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_ROUNDS = 8
"""Times that features without a partner among their nearest are matched among themselves; what is then left
(thousands of copies of one feature) is paired in order. Each round leaves a few per cent of the one before where
features are random."""

_GAP = 1e-4
"""Gap of the mean cosine above which more neighbours are tried: a tenth of what the tests promise."""

_CANDIDATES = 1 << 22
"""Pairs up to which neighbours are made more: some seconds of one core and 200 MiB."""


@summarised
@dataclass(frozen=True)
class Scores:
    """How near two dictionaries are to each other, in six numbers.

    Attributes
    ----------
    pw_mcc : float
        Mean cosine of the best one-to-one matching.
    pw_mcc_absolute : float
        Mean absolute cosine of the matching that is best for it.
    mmcs : float
        Mean over the features of A of the largest cosine with one of B.
    mmcs_back : float
        Mean over the features of B of the largest cosine with one of A.
    shared : float
        Share of the matched pairs with a cosine of at least the threshold.
    uniqueness : float
        Different features of B among the nearest ones of A's features, over the number of pairs: 1 where no two have
        one nearest.
    """

    pw_mcc: float
    pw_mcc_absolute: float
    mmcs: float
    mmcs_back: float
    shared: float
    uniqueness: float


@summarised
@dataclass(frozen=True, eq=False)
class OneToOne:
    """A matching of two sets of directions, without what random ones would have.

    Attributes
    ----------
    pairs, absolute_pairs : ndarray of int64, shape (n_pairs, 2)
        Features of A and of B; of the matching by cosine, and by absolute cosine.
    cosine, absolute_cosine : ndarray of float64, shape (n_pairs,)
        Cosines of either; signed both times.
    gap, absolute_gap : float
        No matching has a mean that is larger by more than this.
    scores : Scores
        The numbers.
    """

    pairs: Indices
    cosine: Floats
    gap: float
    absolute_pairs: Indices
    absolute_cosine: Floats
    absolute_gap: float
    scores: Scores


def checked(X: Any, name: str, num_threads: int | None) -> Features:
    """Give finite features with at least one that is not zero; errors say which of the two sets is meant."""
    features = as_features(X, tensor=name)
    try:
        squares = _core.squared_norms(features.values, features=False, num_threads=num_threads)
    except NonFiniteError as error:
        raise NonFiniteError(f"{name}: {error}", error.row, error.column) from None
    if not squares.any():
        raise ShapeError(f"{name}: all {features.n} features are zero, so none has a direction")
    return features


def match_directions(
    A: Features,
    B: Features,
    k: int,
    threshold: float,
    num_threads: int | None,
    progress: Progress | None = None,
    *,
    widen: bool = True,
    device: torch.device | None = None,
) -> OneToOne:
    """Match the nonzero features of two sets of the same dimensions; see `dictionaries.match`.

    With `widen`, more neighbours are tried where the gap is above 1e-4 and the sets are small. Candidates are looked
    for on `device`, where one is given.
    """
    n_a, n_b = (_nonzero(features, num_threads) for features in (A, B))
    swap = len(n_a) > len(n_b)
    left, right = (B, A) if swap else (A, B)
    size = min(len(n_a), len(n_b))
    while True:
        found, nearest = _candidates_matched(left, right, k, num_threads, progress, device)
        solved = [
            _completed(left, right, each, form, k, num_threads)
            for each, form in zip(found, ("signed", "absolute"), strict=True)
        ]
        settled = max(gap for _, _, gap in solved) <= _GAP or k >= max(len(n_a), len(n_b))
        if not widen or settled or 8 * k * size > _CANDIDATES:
            break
        k *= 4
    (pairs, cosine, gap), (absolute_pairs, absolute_cosine, absolute_gap) = solved
    if swap:
        pairs, cosine = _by_first(pairs[:, ::-1], cosine)
        absolute_pairs, absolute_cosine = _by_first(absolute_pairs[:, ::-1], absolute_cosine)
        nearest = nearest[::-1]
    (near, forth), (_, back) = nearest[0][0], nearest[1][0]
    scores = Scores(
        pw_mcc=float(cosine.mean()),
        pw_mcc_absolute=float(np.abs(absolute_cosine).mean()),
        mmcs=float(np.nanmean(forth)),
        mmcs_back=float(np.nanmean(back)),
        shared=float((cosine >= threshold).mean()),
        uniqueness=len(np.unique(near[near >= 0])) / size,
    )
    return OneToOne(pairs, cosine, gap, absolute_pairs, absolute_cosine, absolute_gap, scores)


def _candidates_matched(
    left: Features,
    right: Features,
    k: int,
    num_threads: int | None,
    progress: Progress | None,
    device: torch.device | None,
) -> tuple[list[tuple[Indices, float]], list[list[tuple[Indices, Floats]]]]:
    """Match features with their nearest, which are found by the core or on a device."""
    if device is None:
        return _core.match_features(
            left.values, right.values, neighbours=k, num_threads=num_threads, progress=progress
        )
    lists, rounding = nearest_on(
        rows_at(left, device), rows_at(right, device), neighbours=k, progress=progress
    )
    return _core.match_listed((left.n, right.n), lists, rounding, num_threads=num_threads)


def unit(rows: Floats) -> Floats:
    """Divide nonzero rows by their norms, whatever their size; zero rows stay."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=rows, where=norms > 0))


def _nonzero(features: Features, num_threads: int | None) -> Indices:
    squares = _core.squared_norms(features.values, features=False, num_threads=num_threads)
    found = np.flatnonzero(squares)
    if len(found) < features.n:
        # The square of a tiny feature may be 0.
        rest = np.flatnonzero(squares == 0)
        found = np.sort(np.concatenate([found, rest[features.widened(rest).any(axis=1)]]))
    return found


def _by_first(pairs: Indices, cosine: Floats) -> tuple[Indices, Floats]:
    order = np.argsort(pairs[:, 0], kind="stable")
    return np.ascontiguousarray(pairs[order]), cosine[order]


def _completed(
    left: Features, right: Features, found: tuple[Indices, float], form: str, k: int, num_threads: int | None
) -> tuple[Indices, Floats, float]:
    """Match those that the core left without partner among themselves, and hold the mean against the core's bound."""
    partners, bound = found
    partners = partners.copy()
    rows = _nonzero(left, num_threads)
    columns = _nonzero(right, num_threads)
    which = ("signed", "absolute").index(form)
    for _ in range(_ROUNDS):
        waiting = rows[partners[rows] < 0]
        if not len(waiting):
            break
        free = np.setdiff1d(columns, partners[rows])
        again, _ = _core.match_features(
            left.take(waiting).values, right.take(free).values, neighbours=k, num_threads=num_threads
        )
        chosen = again[which][0]
        partners[waiting[chosen >= 0]] = free[chosen[chosen >= 0]]
    waiting = rows[partners[rows] < 0]
    partners[waiting] = np.setdiff1d(columns, partners[rows])[: len(waiting)]
    pairs = np.column_stack([rows, partners[rows]])
    cosine = _core.listed_cosines(left.values, right.values, *pairs.T, num_threads=num_threads)
    total = float(np.abs(cosine).sum() if form == "absolute" else cosine.sum())
    return pairs, cosine, max(bound - total, 0.0) / len(rows)
