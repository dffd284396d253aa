"""The rows about association schemes: checking and parameters, many small blocks, and two very large schemes."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np

import featuregeom as fg
from featuregeom import _core
from harness import HERE, Arrays, Case, Way, installed

THREADS = int(os.environ.get("RAYON_NUM_THREADS", "2"))
Builders = Sequence[Callable[[], Case]]


def hamming(d: int) -> np.ndarray:
    """Distances in the d-cube."""
    words = np.arange(2**d, dtype=np.uint32)
    return np.bitwise_count(words[:, None] ^ words).astype(np.uint8)


def johnson2(v: int) -> np.ndarray:
    """Pairs of v points: 1 where they share a point, 2 where they do not."""
    pairs = np.array(list(combinations(range(v), 2)))
    shared = (pairs[:, None, :, None] == pairs[None, :, None, :]).sum(axis=(2, 3))
    return (2 - shared).astype(np.uint8)


def residues(q: int) -> np.ndarray:
    """Label of each difference modulo q: 0 for zero, 1 for squares, 2 for the rest."""
    row = np.full(q, 2, dtype=np.uint16)
    row[np.arange(1, q, dtype=np.int64) ** 2 % q] = 1
    row[0] = 0
    return row


def paley(q: int) -> np.ndarray:
    """Paley's relations of q points."""
    points = np.arange(q)
    return residues(q)[(points - points[:, None]) % q].astype(np.uint8)


def checks(scale: str) -> Builders:
    """s1: is it a scheme, and what are its parameters?"""
    if scale == "smoke":
        return [partial(_check, "Paley 101", partial(paley, 101), 1)]
    return [
        partial(_check, "H(10,2), n = 1024", partial(hamming, 10), 1),
        partial(_check, "J(46,2), n = 1035", partial(johnson2, 46), 1),
        partial(_check, "Paley 1009", partial(paley, 1009), 1),
    ]


def _check(title: str, build: Callable[[], np.ndarray], graph: int) -> Case:
    labels = build()
    d = int(labels.max())

    def ours() -> Any:
        found = fg.schemes.check(labels, num_threads=THREADS)
        return found, found.P, found.Q, found.krein, found.multiplicities

    def array(numbers: np.ndarray) -> Arrays:
        """Intersection array b_0 .. b_(d-1), c_1 .. c_d of the graph of class 1."""
        c = [int(numbers[graph, i - 1, i]) for i in range(1, d + 1)]
        b = [int(numbers[graph, i + 1, i]) for i in range(d)]
        return {"array": np.array([*b, *c])}

    def networkx_way() -> Any:
        import networkx

        return networkx.intersection_array(built())

    @cache
    def built() -> Any:
        import networkx

        return networkx.from_numpy_array(labels == graph)

    ways = [
        Way(
            "featuregeom, all parameters",
            ours,
            ours=True,
            arrays=lambda found: array(found[0].intersection_numbers),
        )
    ]
    if installed("networkx"):
        built()
        ways.append(
            Way(
                "networkx.intersection_array",
                networkx_way,
                arrays=lambda found: {"array": np.array([*found[0], *found[1]])},
                target=50.0,
            )
        )
    if python := os.environ.get("SAGE_PYTHON"):
        kind = title.split(",")[0] if title.startswith(("H", "J")) else title
        command = [python, str(HERE / "sage_worker.py"), kind]
        ways.append(Way("passagemath is_distance_regular", command=command, target=5.0))
    note = "ours also gives every p, P, Q and Krein parameter" + (
        "" if python else "; no --sage-python was given"
    )
    return Case(title, ways, reference=cache(lambda: array(_slow_numbers(labels))), note=note)


def _slow_numbers(labels: np.ndarray) -> np.ndarray:
    """Intersection numbers by products of 0-1 matrices with one class, from the first row."""
    r = int(labels.max()) + 1
    numbers = np.zeros((r, r, r))
    place = [int(np.flatnonzero(labels[0] == k)[0]) for k in range(r)]
    for i in range(r):
        for j in range(r):
            row = (labels[0] == i).astype(np.float64) @ (labels == j)
            numbers[i, j] = row[place]
    return numbers


def blocks(scale: str) -> Builders:
    """s2: many blocks of 2 to 12 features, one thread."""
    return [partial(_blocks, 500 if scale == "smoke" else 50_000)]


def _blocks(count: int) -> Case:
    rng = np.random.default_rng(0)
    shapes = [
        *(fg.shapes.simplex(n) for n in (2, 3, 4, 5)),
        *(fg.shapes.polygon(n) for n in (5, 6, 7, 8)),
        fg.shapes.cross_polytope(3), fg.shapes.antiprism(4), fg.shapes.cube(3), fg.shapes.icosahedron(),
    ]  # fmt: skip
    chosen = rng.integers(0, len(shapes), count)
    X = np.zeros((sum(len(shapes[k]) for k in chosen), 4))
    offsets = np.concatenate([[0], np.cumsum([len(shapes[k]) for k in chosen])])
    for k, start, stop in zip(chosen, offsets[:-1], offsets[1:], strict=True):
        X[start:stop, : shapes[k].shape[1]] = shapes[k]
    members = np.arange(len(X))

    def ours() -> Any:
        return _core.scheme_blocks(X, members, offsets, tolerance=1e-6, num_threads=1)

    ways = [Way("featuregeom, one thread", ours, ours=True, arrays=lambda found: {"schemes": found[3] >= 0})]
    note = "Gram matrix, levels, exact check and intersection numbers of each; to take less than 0.2 s"
    return Case(f"{count} blocks of 2 to 12", ways, reference=lambda: {"schemes": np.ones(count)}, note=note)


ROWS: dict[str, Callable[[str], Builders]] = {"s1": checks, "s2": blocks}


def main() -> None:
    """Certify what takes minutes: `python benches/schemes.py paley` or `leech`."""
    import sys

    begin = time.perf_counter()
    if sys.argv[1:] == ["paley"]:
        found = fg.schemes.check_circulant(residues(100_049), num_threads=THREADS)
        print("Paley 100049:", "a scheme" if found.is_scheme else found.reason, found.valencies.tolist())
        print(f"P = {found.P.tolist()}, error bound {found.error_bound:.1e}")
    elif sys.argv[1:] == ["leech"]:
        X = fg.shapes.leech().astype(np.float32)
        print(f"{len(X)} x {X.shape[1]} made in {time.perf_counter() - begin:.1f} s", flush=True)
        begin = time.perf_counter()
        found = fg.schemes.detect(X, num_threads=THREADS)
        print(f"{found.name}: levels {found.levels.round(6).tolist()}, valencies {found.valencies.tolist()}")
        print(
            f"multiplicities {found.multiplicities.tolist()}, error bound {found.error_bound:.1e}, {found.reason}"
        )
    else:
        raise SystemExit(main.__doc__)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.perf_counter() - begin:.1f} s, {THREADS} threads, peak {peak:.2f} GiB resident")


if __name__ == "__main__":
    main()
