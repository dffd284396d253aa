"""Slow, plain NumPy from the definitions: everything through the n x n Gram matrix or an SVD.

`X` is float64 of shape (n, m), features as rows. Nothing here imports featuregeom.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def frame_operator(X: Array) -> Array:
    out = np.zeros((X.shape[1], X.shape[1]))
    for row in X:
        out += np.outer(row, row)
    return out


def eigenvalues(X: Array) -> Array:
    """The min(n, m) eigenvalues of the frame operator, decreasing, through the singular values of X."""
    return np.linalg.svd(X, compute_uv=False) ** 2


def gram(X: Array) -> Array:
    return X @ X.T


def squared_norms(X: Array) -> Array:
    return (X * X).sum(axis=1)


def capacity(X: Array) -> Array:
    """N_i^2 / sum_j M_ij^2; 0 for a zero feature."""
    M = gram(X)
    total = (M * M).sum(axis=1)
    return np.divide(squared_norms(X) ** 2, total, out=np.zeros(len(X)), where=total > 0)


def kappa(X: Array) -> Array:
    """w_i^T F w_i / N_i; NaN for a zero feature."""
    N = squared_norms(X)
    quadratic = np.einsum("ij,jk,ik->i", X, frame_operator(X), X)
    return np.divide(quadratic, N, out=np.full(len(X), np.nan), where=N > 0)


def leverage(X: Array, rank: int) -> Array:
    """Diagonal of X X^+, with the pseudo-inverse of the given rank."""
    if rank == 0:
        return np.zeros(len(X))
    s = np.linalg.svd(X, compute_uv=False)
    following = s[rank] if rank < len(s) else 0.0
    cutoff = np.sqrt(s[rank - 1] * max(following, s[rank - 1] * 1e-12))
    return np.einsum("ij,ji->i", X, np.linalg.pinv(X, rcond=cutoff / s[0]))


def masses(X: Array, starts: Ints) -> Array:
    """Spectral measures ||P_k w_i||^2 / N_i for eigenspaces that begin at `starts` (the last is the rank)."""
    values, vectors = np.linalg.eigh(frame_operator(X))
    vectors = vectors[:, np.argsort(values)[::-1]]
    N = squared_norms(X)
    out = np.full((len(X), len(starts) - 1), np.nan)
    for k, (start, stop) in enumerate(pairwise(starts)):
        P = vectors[:, start:stop] @ vectors[:, start:stop].T
        inside = ((X @ P) ** 2).sum(axis=1)
        np.divide(inside, N, out=out[:, k], where=N > 0)
    return out


def cv(X: Array) -> Array:
    """Standard deviation of lambda under the measure, over its mean; by per-eigenvector sums, which is the same."""
    values, vectors = np.linalg.eigh(frame_operator(X))
    N = squared_norms(X)
    with np.errstate(invalid="ignore"):
        mass = (X @ vectors) ** 2 / N[:, None]
        mean = mass @ values
        variance = (mass * (values[None, :] - mean[:, None]) ** 2).sum(axis=1)
        return np.sqrt(variance) / mean


def slack(X: Array, rank: int) -> Array:
    with np.errstate(invalid="ignore"):
        return 1 - capacity(X) / leverage(X, rank)


def entropy(mass: Array) -> Array:
    """In nats; 0 log 0 = 0; NaN rows stay NaN."""
    logs = np.log(mass, out=np.zeros_like(mass), where=mass > 0)
    out = -(mass * logs).sum(axis=1)
    out[np.isnan(mass).any(axis=1)] = np.nan
    return out


def frame_potential(X: Array) -> float:
    M = gram(X)
    return float((M * M).sum())


def cosines(X: Array) -> Array:
    """Normalised Gram matrix; NaN where a feature is zero."""
    size = np.abs(X).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        rows = X / size
        rows = rows / np.sqrt(squared_norms(rows))[:, None]
        return np.clip(rows @ rows.T, -1, 1)


def pair_cosines(X: Array) -> Array:
    """Cosines of the pairs i < j of nonzero features."""
    rows = X[squared_norms(X) > 0]
    return cosines(rows)[np.triu_indices(len(rows), 1)]


def coherence(X: Array) -> float:
    pairs = pair_cosines(X)
    return float(np.abs(pairs).max()) if pairs.size else float("nan")


def nearest(X: Array, k: int) -> Array:
    """The k largest |cosine| of each feature to another nonzero one, decreasing; NaN where there is none."""
    C = np.abs(cosines(X))
    np.fill_diagonal(C, np.nan)
    C = -np.sort(-C, axis=1)  # NaN last
    out = np.full((len(X), k), np.nan)
    width = min(k, len(X))
    out[:, :width] = C[:, :width]
    return out


def histogram_bounds(X: Array, bins: int, error: float) -> tuple[Ints, Ints]:
    """Least and greatest possible number of pairs below each inner edge, for cosines known up to `error`."""
    pairs = pair_cosines(X)
    edges = np.linspace(-1, 1, bins + 1)[1:-1]
    low = (pairs[None, :] < edges[:, None] - error).sum(axis=1)
    high = (pairs[None, :] < edges[:, None] + error).sum(axis=1)
    return low, high


def couplings(X: Array) -> Array:
    """|M_ij| / max(N_i, N_j); 0 on the diagonal and for zero features."""
    N = squared_norms(X)
    larger = np.maximum(N[:, None], N[None, :])
    out = np.divide(np.abs(gram(X)), larger, out=np.zeros((len(X), len(X))), where=larger > 0)
    np.fill_diagonal(out, 0)
    return out


def components(X: Array, threshold: float) -> list[tuple[int, ...]]:
    """Connected components of the couplings at or above `threshold`, by first member, nonzero features only."""
    graph = nx.Graph()
    graph.add_nodes_from(map(int, np.flatnonzero(squared_norms(X) > 0)))
    C = couplings(X)
    graph.add_edges_from((int(i), int(j)) for i, j in np.argwhere(np.triu(C, 1) >= threshold))
    return sorted(tuple(sorted(part)) for part in nx.connected_components(graph))


def as_partition(labels: Ints) -> list[tuple[int, ...]]:
    """The partition that labels describe, -1 left out, in order of label."""
    return [
        tuple(map(int, np.flatnonzero(labels == label))) for label in range(int(labels.max(initial=-1)) + 1)
    ]


def hamming_vote(train: Array, labels: Array, query: Array, k: int) -> int:
    """Label of most votes: one for each row nearer than the k-th, equal parts of the rest for all at its distance."""
    distances = np.array([int(np.sum(row != query)) for row in train])
    last = sorted(distances)[k - 1]
    nearer, tied = distances < last, distances == last
    votes: dict[int, Fraction] = {}
    for row in np.flatnonzero(nearer | tied):
        part = Fraction(1) if nearer[row] else Fraction(k - int(nearer.sum()), int(tied.sum()))
        votes[int(labels[row])] = votes.get(int(labels[row]), Fraction(0)) + part
    assert sum(votes.values()) == k
    return min(votes, key=lambda label: (-votes[label], label))
