"""The rows about codes: searches by Hamming distance, and distinct rows with counts. Run with `--threads 1`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

import featuregeom as fg
from harness import Arrays, Case, Way, installed

THREADS = int(os.environ.get("RAYON_NUM_THREADS", "2"))
Builders = Sequence[Callable[[], Case]]


def nine_nearest(scale: str) -> Builders:
    """d3: nine nearest neighbours by Hamming distance."""
    if scale == "smoke":
        return [partial(_nine_nearest, 500, 50, 100)]
    return [partial(_nine_nearest, 48_000, 10_000, 100), partial(_nine_nearest, 40_000, 10_000, 1000)]


def _nine_nearest(n: int, q: int, m: int) -> Case:
    rng = np.random.default_rng(0)
    train, asked = (rng.integers(0, 2, (count, m)).astype(bool) for count in (n, q))
    ours = fg.codes.pack(train), fg.codes.pack(asked)
    # faiss takes whole bytes; whole words are what it is fastest at.
    octets = [np.ascontiguousarray(codes.words).view(np.uint8) for codes in ours]

    def faiss_search() -> Any:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        index = faiss.IndexBinaryFlat(octets[0].shape[1] * 8)
        index.add(octets[0])
        return index.search(octets[1], 9)[0]

    few = max(q // 50, 1)

    def sklearn_search() -> Any:
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=9, metric="hamming", algorithm="brute", n_jobs=THREADS).fit(
            train
        )
        return found.kneighbors(asked[:few])[0] * m

    ways = [
        Way(
            "featuregeom",
            lambda: fg.codes.hamming_knn(*ours, 9, num_threads=THREADS)[0],
            ours=True,
            arrays=lambda found: {"all": found, "few": found[:few]},
        ),
        Way(
            "scikit-learn brute force",
            sklearn_search,
            counted=False,
            arrays=lambda found: {"few": found},
            target=300.0 if m > 128 else 80.0,
            share=few / q,
        ),
    ]
    if installed("faiss"):
        ways.append(
            Way("faiss IndexBinaryFlat", faiss_search, arrays=lambda found: {"all": found}, target=1.0)
        )

    def reference() -> Arrays:
        weights = train.astype(np.float32)
        table = asked.sum(1)[:, None] + weights.sum(1) - 2 * asked.astype(np.float32) @ weights.T
        nearest = np.sort(np.partition(table, 8, axis=1)[:, :9], axis=1)
        return {"all": nearest, "few": nearest[:few]}

    note = f"scikit-learn answers {few} of the {q} queries and is charged for all"
    return Case(f"9-NN, {n} x {q}, {m} bits", ways, reference=cache(reference), note=note)


def distinct_rows(scale: str) -> Builders:
    """d1: distinct rows with counts of packed codes."""
    return [partial(_distinct_rows, *((2000, 256) if scale == "smoke" else (1_000_000, 256)))]


def _distinct_rows(n: int, m: int) -> Case:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**64, (n * 7 // 10, m // 64), dtype=np.uint64)
    words = np.concatenate([words, words[rng.integers(0, len(words), n - len(words))]])[rng.permutation(n)]
    codes = fg.codes.Codes(words, m, fg.codes.pack(np.zeros((0, m))).layers, n)

    def ours() -> Any:
        counter = fg.codes.CodeCounter(m)
        counter.update(codes, num_threads=THREADS)
        return counter.counts

    def void() -> Any:
        return np.unique(words.view(f"V{words.shape[1] * 8}").ravel(), return_counts=True)[1]

    def sizes(counts: Any) -> Arrays:
        return {"occupancy": np.bincount(np.asarray(counts).astype(np.int64))}

    ways = [
        Way("featuregeom", ours, ours=True, arrays=sizes),
        Way("np.unique of void views", void, arrays=sizes),
    ]
    reference = cache(lambda: sizes(np.unique(words, axis=0, return_counts=True)[1]))
    return Case(f"distinct rows of {n} x {m} bits", ways, reference=reference, target=2.0, note="with counts")


def packing(scale: str) -> Builders:
    """d2: activations to bits."""
    return [partial(_packing, *((100, 256) if scale == "smoke" else (200_000, 256)))]


def _packing(n: int, m: int) -> Case:
    X = np.random.default_rng(2).standard_normal((n, m), dtype=np.float32)

    def octets(codes: Any) -> Arrays:
        return {"bits": codes.words.view(np.uint8)}

    ways = [
        Way("featuregeom", lambda: fg.codes.pack(X, num_threads=THREADS), ours=True, arrays=octets),
        Way(
            "np.packbits(X > 0)",
            lambda: np.packbits(X > 0, axis=1, bitorder="little"),
            arrays=lambda b: {"bits": b},
        ),
    ]
    reference = cache(lambda: {"bits": np.packbits(X > 0, axis=1, bitorder="little")})
    return Case(f"packing {n} x {m} float32", ways, reference=reference, note="ours also looks for NaN")


ROWS: dict[str, Callable[[str], Builders]] = {"d1": distinct_rows, "d2": packing, "d3": nine_nearest}
