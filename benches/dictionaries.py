"""Rows of trained dictionaries: significant pairs beside a dense product, and the verdict beside what others print."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

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
    shapes = {"smoke": [(800, 256)], "record": [(8192, 384)]}.get(scale, [(30522, 384), (16384, 768)])
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


def null_sweeps(scale: str) -> Builders:
    """e4: all pairs beside their spread under the measure null, against the plain sweep."""
    return [partial(_null_sweep, *((700, 64) if scale == "smoke" else (16384, 768)))]


def _null_sweep(n: int, m: int) -> Case:
    X = dictionary(n, m)
    # As many eigenspaces as dimensions, as in trained matrices.
    energies = (X @ np.linalg.eigh(X.T.astype(np.float64) @ X)[1].astype(np.float32)) ** 2
    shares = energies / (X.astype(np.float64) ** 2).sum(axis=1, keepdims=True)

    def beside() -> Arrays:
        """The largest z of every feature, as one would write it in numpy."""
        U = X / np.linalg.norm(X, axis=1, keepdims=True)
        M = shares.astype(np.float32)
        largest = np.empty(n)
        for first in range(0, n, CHUNK):
            z = np.abs(U[first : first + CHUNK] @ U.T) / np.sqrt(M[first : first + CHUNK] @ M.T)
            z[np.arange(len(z)), np.arange(first, first + len(z))] = 0
            largest[first : first + CHUNK] = z.max(axis=1)
        return {"largest": largest}

    sweep = partial(_core.null_sweep, X, shares, by_score=1, by_cosine=1, least=0.0, num_threads=THREADS)

    def arrays(found: tuple[object, ...]) -> Arrays:
        _, _, _, ((_, _, scores, _),) = found  # type: ignore[misc]
        return {"largest": np.nanmax(np.abs(scores[:, :2]), axis=1)}

    ways = [
        Way("featuregeom, with histogram and neighbours", sweep, ours=True, arrays=arrays),
        Way("numpy by chunks, the largest alone", beside, arrays=dict),
        Way(
            "featuregeom plain sweep",
            partial(fg.pairs.sweep, X, k=1, num_threads=THREADS),
            ours=True,
            counted=False,
            arrays=lambda _: {},
            target=1 / 2.3,
        ),
    ]
    return Case(
        f"all pairs beside the measure null {n} x {m}",
        ways,
        reference=beside,
        operations=2 * n * (n - 1) * m,
        note="the sweep with the null is to take at most 2.3 times the plain one, which has half the products",
    )


def families_rows(scale: str) -> Builders:
    """p5: families of a dictionary, given its significant pairs, against single linkage of its cosines by scipy."""
    return [partial(_families, *((800, 256) if scale == "smoke" else (8192, 384)))]


def _families(n: int, m: int) -> Case:
    X = dictionary(n, m, pairs=100)
    spectrum = fg.spectra.spectrum(X, num_threads=THREADS)
    judged = fg.pairs.significant(X, spectrum=spectrum, num_threads=THREADS)

    def linkage() -> int:
        U = X / np.linalg.norm(X, axis=1, keepdims=True)
        apart = np.maximum(1 - np.abs(U @ U.T), 0)
        tree = connected_components(csr_array(apart < 0.5), directed=False)[1]
        return int((np.unique(tree, return_counts=True)[1] > 1).sum())

    ways = [
        Way(
            "featuregeom families, three kinds of links, tested",
            partial(fg.dictionaries.families, X, spectrum=spectrum, pairs=judged, num_threads=THREADS),
            ours=True,
            arrays=lambda found: {"families": np.int64(len(found.members))},
        ),
        Way("numpy and scipy, components of cosines above .5, untested", linkage, arrays=lambda _: {}),
    ]
    note = "the peer gives groups at one threshold, without a test: a unit, not an equal"
    return Case(f"families of {n} x {m}", ways, lambda: {"families": np.int64(100)}, note=note)


def verdicts(scale: str) -> Builders:
    """p2: the verdict, against statistics of superposition that others print."""
    shapes = {"smoke": (800, 256), "record": (8192, 384)}
    return [partial(_verdict, *shapes.get(scale, (16384, 768)))]


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


def matchings(scale: str) -> Builders:
    """p3: one-to-one matching, against scipy's dense solver."""
    shapes = {"smoke": (400, 64), "record": (8192, 768)}
    return [partial(_matching, *shapes.get(scale, (16384, 768)))]


def _matching(n: int, m: int) -> Case:
    """Half of the features are in both, with noise of half their norm: two seeds of one model, say."""
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((n, m), dtype=np.float32) for _ in range(2))
    B[rng.permutation(n)[: n // 2]] = A[: n // 2] + 0.5 * rng.standard_normal((n // 2, m), dtype=np.float32)

    def dense() -> float:
        U, V = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (A, B))
        C = U @ V.T
        rows, columns = linear_sum_assignment(C, maximize=True)
        return float(C[rows, columns].mean(dtype=np.float64))

    best = cache(dense)
    ways = [
        Way(
            "featuregeom match, both matchings and their bound",
            partial(fg.dictionaries.match, A, B, n_draws=0, num_threads=THREADS),
            ours=True,
            arrays=lambda found: {"mean": found.pw_mcc},
        ),
        Way("scipy's dense solver, one matching", dense, arrays=lambda mean: {"mean": mean}),
    ]
    return Case(f"matching {n} x {n} x {m} float32", ways, reference=lambda: {"mean": best()})


def interferences(scale: str) -> Builders:
    """p4: interference of sparse codes with its null, against a dense pass without one."""
    return (
        [partial(_interference, 2000, 256, 64)]
        if scale == "smoke"
        else [partial(_interference, 20000, 3072, 384)]
    )


def _interference(T: int, n: int, m: int, k: int = 8) -> Case:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((n, m)).astype(np.float32)
    columns = np.argsort(rng.random((T, 4 * k)), axis=1)[:, :k] * (n // (4 * k))
    codes = csr_array(
        (rng.random(T * k).astype(np.float32), columns.ravel(), np.arange(0, T * k + 1, k)), shape=(T, n)
    )

    def dense() -> float:
        norms, written, alone = (W.astype(np.float64) ** 2).sum(axis=1), 0.0, 0.0
        for start in range(0, T, CHUNK):
            z = codes[start : start + CHUNK].toarray()
            written += float(np.square(z @ W, dtype=np.float64).sum())
            alone += float(np.square(z, dtype=np.float64).sum(axis=0) @ norms)
        return written / alone - 1

    ways = [
        Way(
            "featuregeom interference, with its null",
            partial(fg.dictionaries.interference, codes, W, num_threads=THREADS),
            ours=True,
            arrays=lambda found: {"index": found.index},
        ),
        Way("numpy, dense codes by chunks, no null", dense, arrays=lambda index: {"index": index}),
    ]
    return Case(
        f"interference of {T} tokens, {n} x {m}, {k} active", ways, reference=lambda: {"index": dense()}
    )


def _diagonal(rows: int, n: int, first: int) -> torch.Tensor:
    mask = torch.zeros((rows, n), dtype=torch.bool)
    mask[torch.arange(rows), torch.arange(first, first + rows)] = True
    return mask


def _quantile(values: torch.Tensor, share: float) -> torch.Tensor:
    """Quantile of each row with linear interpolation, row by row where torch refuses so many numbers at once."""
    most = max((1 << 24) // values.shape[1] - 1, 1)
    return torch.cat([torch.quantile(part, share, dim=1) for part in values.split(most)])


ROWS: dict[str, Callable[[str], Builders]] = {
    "e4": null_sweeps,
    "p1": significant_pairs,
    "p2": verdicts,
    "p3": matchings,
    "p4": interferences,
    "p5": families_rows,
}
