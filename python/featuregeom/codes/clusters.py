"""Clusters of codes about the majority of their bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.codes.packed import Codes, as_words
from featuregeom.errors import ParameterError
from featuregeom.frames import Progress
from featuregeom.summary import summarised

__all__ = ["Clusters", "k_majority"]


@summarised
@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of codes.

    Attributes
    ----------
    centres : Codes
        The majority of each cluster, bit by bit (0 on a tie).
    labels : ndarray of uint64, shape (N,)
        Cluster of each code; of equally near centres, the first.
    cost : int
        Sum of the Hamming distances of the codes to their centres.
    n_rounds : int
        Rounds that were run.
    converged : bool
        Whether the last round moved no code.
    """

    centres: Codes
    labels: NDArray[np.uint64]
    cost: int
    n_rounds: int
    converged: bool


def k_majority(
    codes: Codes,
    k: int,
    *,
    seed: int = 0,
    max_rounds: int = 100,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Clusters:
    """Cluster codes by Lloyd's algorithm in Hamming distance, whose best centres are majorities.

    This is not the Euclidean k-means with real centroids of the hash-encoder paper.

    Parameters
    ----------
    codes : Codes
        N codes of m bits.
    k : int
        Clusters, from 1 to N.
    seed : int
        Draws the first centres, each next with odds of its distance to the nearest before it.
    max_rounds : int
        Rounds at most.
    num_threads : int, optional
        Threads to use; the result does not depend on it.
    progress : callable, optional
        Called with rounds done and rounds at most.

    Returns
    -------
    Clusters
        A local optimum; the same for the same seed on every machine, in whatever order the codes stand.

    Raises
    ------
    ParameterError
        If `k`, `seed` or `max_rounds` is out of range.

    Notes
    -----
    O(N k m / 64) word operations a round, and one sort of the codes, so that seeds draw codes and not places.
    """
    words = as_words(codes)
    k = integer("k", k, -(2**63))
    if not 1 <= k <= len(codes):
        raise ParameterError(f"k must be from 1 to the {len(codes)} codes, not {k}")
    max_rounds, seed = integer("max_rounds", max_rounds, 1, 2**63 - 1), integer("seed", seed, 0, 2**64 - 1)
    order = np.lexsort(words.T) if words.shape[1] else np.arange(len(codes))
    centres, sorted_labels, cost, rounds, converged = _core.k_majority(
        words[order],
        codes.n_bits,
        k,
        rounds=max_rounds,
        seed=seed,
        num_threads=num_threads,
        progress=progress,
    )
    labels = np.empty_like(sorted_labels)
    labels[order] = sorted_labels
    return Clusters(Codes(centres, codes.n_bits, codes.layers, k), labels, cost, rounds, converged)
