"""Rows of trained dictionaries: significant pairs beside a dense product, and the verdict beside what others print."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch

import featuregeom as fg
from featuregeom import _core
from featuregeom.pairs.cross_fit import default_parts, left_out
from harness import Arrays, Case, Way
from rows import THREADS, Builders, Matrix

CHUNK = 1024
"""Features whose cosines with all others are held at a time: 64 MiB for 16 384 of them."""


def dictionary(n: int, m: int, pairs: int = 200) -> Matrix:
    """Random features with the decay of a trained matrix, some of them with a copy at a cosine of about .8."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, m), dtype=np.float32) * np.geomspace(1, 0.1, m, dtype=np.float32)
    X[pairs : 2 * pairs] = X[:pairs] + 0.75 * X[pairs : 2 * pairs]
    return X


def significant_pairs(scale: str) -> Builders:
    """p1: significant pairs, against the product of the features with themselves."""
    shapes = [(800, 256)] if scale == "smoke" else [(30522, 384), (16384, 768)]
    return [partial(_significant, *shape) for shape in shapes]


def _significant(n: int, m: int) -> Case:
    X = dictionary(n, m)
    spectrum = fg.spectra.spectrum(X, num_threads=THREADS)
    sets = left_out(default_parts(n, m))
    F = fg.frames.frame_operator(X, num_threads=THREADS)

    def product() -> None:
        for first in range(0, n, CHUNK):
            X[first : first + CHUNK] @ X.T

    def decompositions() -> None:
        for _ in sets if len(sets) > 1 else ():
            _core.eigh(F, num_threads=THREADS)

    def rotations() -> None:
        for _ in range(sum(map(len, sets)) // default_parts(n, m)):
            fg.spectra.measures(X, spectrum, num_threads=THREADS)

    def count(found: fg.pairs.SignificantPairs) -> Arrays:
        return {"copies": np.count_nonzero(found.j - found.i == 200)}

    find = partial(fg.pairs.significant, X, spectrum=spectrum, num_threads=THREADS)
    ways = [
        Way("featuregeom, with its draw", find, ours=True, arrays=count),
        Way("featuregeom, without a draw", partial(find, n_draws=0), ours=True, counted=False, arrays=count),
        Way("its eigendecompositions, once", decompositions, ours=True, counted=False, arrays=lambda _: {}),
        Way("its rotations, once", rotations, ours=True, counted=False, arrays=lambda _: {}),
        Way("numpy X @ X.T by chunks", product, arrays=lambda _: {}),
    ]
    return Case(
        f"significant pairs {n} x {m} float32",
        ways,
        reference=lambda: {"copies": np.int64(200)},
        note="the product is no peer but a unit: X @ X.T, whole, and nothing done with it",
    )


def verdicts(scale: str) -> Builders:
    """p2: the verdict, against statistics of superposition that others print."""
    return [partial(_verdict, 800, 256)] if scale == "smoke" else [partial(_verdict, 16384, 768)]


def _verdict(n: int, m: int) -> Case:
    X = dictionary(n, m)

    def unit() -> torch.Tensor:
        T = torch.from_numpy(X)
        return T / T.norm(dim=1, keepdim=True)

    def statistics(percentiles: tuple[float, ...] = (0.95, 0.99)) -> Arrays:
        """For every latent the largest |cosine|, its percentiles over all others, and the mean over all pairs."""
        U = unit()
        largest, ranked, total = [], [], 0.0
        for first in range(0, n, CHUNK):
            G = (U[first : first + CHUNK] @ U.T).abs_()
            rows = len(G)
            others = G[~_diagonal(rows, n, first)].view(rows, n - 1)
            largest.append(others.max(dim=1).values)
            ranked.append(torch.stack([_quantile(others, share) for share in percentiles]))
            total += float(others.sum())
        found = torch.cat(largest)
        return {
            "mean_max": float(found.mean()),
            "mean": total / n / (n - 1),
            "percentiles": torch.cat(ranked, 1).numpy(),
        }

    def maximum() -> Arrays:
        """For every latent the largest cosine with another, and their mean."""
        U = unit()
        found = []
        for first in range(0, n, CHUNK):
            G = U[first : first + CHUNK] @ U.T
            G[torch.arange(len(G)), torch.arange(first, first + len(G))] = -torch.inf
            found.append(G.max(dim=1).values)
        return {"mean_signed_max": float(torch.cat(found).mean())}

    def ours(found: fg.dictionaries.Verdict) -> Arrays:
        return {"mean_max": found.mean_max_cosine}

    @cache
    def exact() -> float:
        U = X.astype(np.float64)
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        found = np.empty(n)
        for first in range(0, n, CHUNK):
            G = np.abs(U[first : first + CHUNK] @ U.T)
            G[np.arange(len(G)), np.arange(first, first + len(G))] = 0
            found[first : first + CHUNK] = G.max(axis=1)
        return float(found.mean())

    ways = [
        Way(
            "featuregeom verdict",
            partial(fg.dictionaries.verdict, X, num_threads=THREADS),
            ours=True,
            arrays=ours,
        ),
        Way("SAELens' statistics, torch", statistics, arrays=dict),
        Way("SAEBench's maximum cosine, torch", maximum, counted=False, arrays=dict),
        Way(
            "featuregeom sweep (maximum cosine)",
            partial(fg.pairs.sweep, X, num_threads=THREADS),
            ours=True,
            counted=False,
            arrays=lambda found: {"mean_max": float(np.abs(found.cosines[:, 0]).mean())},
        ),
    ]
    return Case(
        f"verdict on {n} x {m} float32",
        ways,
        reference=lambda: {"mean_max": exact()},
        target=5.0,
        note="SAEBench's maximum is one number of the verdict; our sweep gives it with histogram and blocks",
    )


def _diagonal(rows: int, n: int, first: int) -> torch.Tensor:
    mask = torch.zeros((rows, n), dtype=torch.bool)
    mask[torch.arange(rows), torch.arange(first, first + rows)] = True
    return mask


def _quantile(values: torch.Tensor, share: float) -> torch.Tensor:
    """Quantile of each row with linear interpolation, row by row where torch refuses so many numbers at once."""
    most = max((1 << 24) // values.shape[1] - 1, 1)
    return torch.cat([torch.quantile(part, share, dim=1) for part in values.split(most)])


ROWS: dict[str, Callable[[str], Builders]] = {"p1": significant_pairs, "p2": verdicts}
