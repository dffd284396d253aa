r"""How far relations are from a scheme: the defect, the explained variance, and what chance gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import by_slabs, matmul
from featuregeom.recognise import policy
from featuregeom.recognise.levels import candidates, colour
from featuregeom.relations.products import class_counts, class_means, is_scheme

__all__ = ["defect", "explained_variance", "null_p_value"]


def defect(relations: NDArray[np.int64], points: NDArray[np.int64] | None = None, *, seed: int = 0) -> float:
    r"""Measure how far the classes are from spanning an algebra.

    .. math:: \delta^2 = \frac{\sum_{ij} \lVert A_i A_j - \Pi(A_i A_j) \rVert^2}
        {\sum_{ij} \lVert A_i A_j - \text{mean off the diagonal} \rVert^2},

    with :math:`\Pi` the mean over each class.

    Parameters
    ----------
    relations : ndarray of int64, shape (n, n), or (s, n)
        Symmetric labels, 0 on the diagonal only; or those rows of them that belong to `points`.
    points : ndarray of int64, shape (s,), optional
        The points of the rows, where not all are given: the sums then run over the pairs of these alone.
    seed : int
        Seed of the probes, above 128 features or 15 classes.

    Returns
    -------
    float
        0 for a scheme, about 1 for random labels.

    Notes
    -----
    One product of n x n (s x n and n x s) for each pair of classes; or 12 of random combinations :math:`A(s) A(t)`,
    whose squares have the sums above as their expectation for standard normal s and t.
    """
    n, rank = len(relations), int(relations.max()) + 1
    if rank <= 2:
        return 0.0
    pairs = relations if points is None else relations[:, points]
    blocks = _blocks(n)
    counts = np.maximum(sum(np.bincount(pairs[rows].ravel(), minlength=rank) for rows in blocks), 1)
    inside = outside = 0.0
    for both, share in _products(relations, rank, whole=points is None, seed=seed):
        sums, total = np.zeros(rank), 0.0
        for rows in blocks:
            sums += np.bincount(pairs[rows].ravel(), weights=both[rows].ravel(), minlength=rank)
            total += float(both[rows].sum())
        means, mean = sums / counts, (total - float(np.trace(both))) / (n * (n - 1))
        for rows in blocks:
            inside += share * float(((both[rows] - means[pairs[rows]]) ** 2).sum())
            spread = both[rows] - mean
            np.fill_diagonal(spread[:, rows], 0)
            outside += share * float((spread**2).sum())
    return math.sqrt(max(inside, 0.0) / outside) if outside > policy.NO_VARIATION else 0.0


def _products(
    relations: NDArray[np.int64], rank: int, *, whole: bool, seed: int
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Give products of classes, each with its weight: all of them, or random combinations where there are many."""
    if not whole or (len(relations) <= policy.DEFECT_POINTS and rank <= policy.DEFECT_COLOURS):
        # Counts of points: exact in float32.
        classes = [(relations == k).astype(np.float32) for k in range(1, rank)]
        for i, left in enumerate(classes):
            for j, right in enumerate(classes[i:], i):
                yield (left @ right.T).astype(np.float64), 1.0 if i == j else 2.0
        return
    drawn = np.random.default_rng(seed).standard_normal((policy.DEFECT_PROBES, 2, rank))
    drawn[:, :, 0] = 0
    left, right = np.empty(relations.shape), np.empty(relations.shape)
    for s, t in drawn:
        for rows in _blocks(len(relations)):
            left[rows], right[rows] = s[relations[rows]], t[relations[rows]]
        yield matmul(left, right), 1.0


def _blocks(n: int) -> list[slice]:
    """Cut the rows of an n x n matrix so that NumPy's steps on them are short: between them Ctrl-C is heard."""
    step = max(1, policy.DEFECT_BLOCK // max(n, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def explained_variance(cosines: NDArray[np.float64], relations: NDArray[np.int64]) -> float:
    """Share of the variance of the cosines that lies between the levels; NaN where there is but one.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    relations : ndarray of int64, shape (n, n)
        Labels, 0 on the diagonal only.

    Returns
    -------
    float
        Eta squared, from 0 to 1.
    """
    if int(relations.max()) <= 1:
        return math.nan
    means = class_means(cosines, relations)
    return explained_by(cosines, by_slabs(lambda kind: means[kind], relations))


def explained_by(cosines: NDArray[np.float64], ideal: NDArray[np.float64]) -> float:
    """Share of the variance of cosines between different features that ideal ones explain; 0 where there is none."""
    off = ~np.eye(len(cosines), dtype=bool)
    mean = float(by_slabs(lambda one, used: one.sum(axis=1, where=used), cosines, off).sum()) / max(
        off.sum(), 1
    )
    squared = by_slabs(
        lambda one, other, used: np.stack(
            [((one - mean) ** 2).sum(axis=1, where=used), ((one - other) ** 2).sum(axis=1, where=used)], axis=1
        ),
        cosines, ideal, off,
    )  # fmt: skip
    total, left = (float(part) for part in squared.sum(axis=0))
    return 1 - left / total if total > 0 else 0.0


def null_p_value(n: int, dim: int, valencies: tuple[int, ...], eta2: float, *, seed: int = 0) -> float:
    """Say how often random unit vectors have levels that are as good a scheme.

    Parameters
    ----------
    n, dim : int
        Number of features, and their dimension.
    valencies : tuple of int
        Valencies of the scheme that was found.
    eta2 : float
        Its explained variance.
    seed : int
        Seed of the frames.

    Returns
    -------
    float
        Share, with the scheme itself counted, of 400 random frames whose levels form a scheme of these or more
        classes with an `eta2` at least as large; NaN for one class, which any frame has, and above 8 features.

    Notes
    -----
    The frames of each (n, dim) are judged once and remembered: about 0.2 s.
    """
    if n > policy.NULL_LIMIT or len(valencies) <= 2:
        return math.nan
    best = _null(n, dim, seed)
    return (1 + int((best[:, min(len(valencies) - 1, best.shape[1] - 1)] >= eta2).sum())) / (1 + len(best))


@lru_cache(maxsize=64)
def _null(n: int, dim: int, seed: int) -> NDArray[np.float64]:
    """Best eta2 of each frame among schemes of at most as many classes as the column says."""
    rng = np.random.default_rng([seed, n, dim])
    best = np.full((policy.NULL_FRAMES, n), -1.0)
    for row in best:
        X = rng.standard_normal((n, dim))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        cosines = np.clip(X @ X.T, -1, 1)
        for cuts in candidates(np.sort(cosines[np.triu_indices(n, 1)])):
            relations = colour(cosines, cuts)
            if len(cuts) < n - 1 and is_scheme(relations):
                d = class_counts(relations).shape[1] - 1
                row[d:] = np.maximum(row[d:], explained_variance(cosines, relations))
    return best
