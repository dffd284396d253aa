"""A random dictionary with the spectrum and the span of a given one: what two unrelated ones have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.dictionaries.one_to_one import unit
from featuregeom.features import Features, as_features, chunks
from featuregeom.interruptible import matmul

__all__ = ["random_like"]

_SPAN = 1e-10
"""Eigenvalues of the frame operator below this share of the largest are not in the span: its rounding in float64, with
room."""


def random_like(features: Features, seed: int, num_threads: int | None) -> Features:
    r"""Draw as many directions as there are, with the frame operator that the directions have: :math:`Q S V^\top`.

    Q is uniform among matrices with orthonormal columns: the polar factor of normal numbers, :math:`G (G^\top
    G)^{-1/2}`. Norms are not kept, for only directions are matched.

    Parameters
    ----------
    features : Features
        Of which zero rows do not count.
    seed : int
        Of the draw.
    num_threads : int or None
        Threads to use.

    Returns
    -------
    Features
        In float32 unless the features are float64.

    Notes
    -----
    Costs 4 n m^2 operations, and the memory of what is drawn.
    """
    dtype = np.float64 if features.dtype == "float64" else np.float32
    F, n = _of_directions(features)
    values, vectors = _core.eigh(F, num_threads=num_threads)
    held = values > _SPAN * values[0]
    values, vectors = values[held], vectors[:, held]
    random = np.random.default_rng([seed, 61])
    rank = len(values)
    G = np.empty((n, max(rank, features.m)), dtype)[:, :rank]
    for part in chunks(n, rank):
        G[part] = random.standard_normal(G[part].shape)
    gram, axes = _core.eigh(_core.frame_operator(G, num_threads=num_threads), num_threads=num_threads)
    turn = matmul(matmul(axes / np.sqrt(gram), axes.T), np.sqrt(values)[:, None] * vectors.T)
    # The rows are multiplied in place: n x m numbers are there once.
    whole = G.base if isinstance(G.base, np.ndarray) else G
    for part in chunks(n, rank):
        whole[part, : features.m] = matmul(G[part].astype(np.float64), turn)
    return as_features(whole[:, : features.m])


def _of_directions(features: Features) -> tuple[NDArray[np.float64], int]:
    """Frame operator of the nonzero features at unit length, and their number."""
    F, n = np.zeros((features.m, features.m)), 0
    for part in chunks(features.n, features.m):
        rows = unit(features.widened(part))
        n += int(np.count_nonzero(rows.any(axis=1)))
        F += matmul(rows.T, rows)
    return F, n
