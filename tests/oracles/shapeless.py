"""Matrices whose families have no cyclic order: planted clusters of many shapes, and real matrices made shapeless."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

KINDS = (
    "structureless clusters",
    "nested clusters",
    "Gaussian blobs of 2 to 10 dimensions",
    "uniform discs and balls",
    "branching trees",
)

Shape = Callable[[np.random.Generator, int], np.ndarray]


def _blob(random, s):
    return random.standard_normal((s, int(random.integers(2, 11))))


def _ball(random, s):
    dim = int(random.integers(2, 5))
    rows = random.standard_normal((s, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * random.random((s, 1)) ** (1 / dim)


def _tree(random, s):
    """Each row is a random earlier one and a step."""
    rows = np.zeros((s, 40))
    for i in range(1, s):
        rows[i] = rows[int(random.integers(i))] + random.standard_normal(40)
    return rows


def _nested(random, s):
    """4 to 6 sub-clusters."""
    centres = random.standard_normal((int(random.integers(4, 7)), 40))
    return centres[random.integers(len(centres), size=s)] + 0.6 * random.standard_normal((s, 40))


def _cluster(random, s):
    return random.standard_normal((s, 40))


_SHAPES: dict[str, Shape] = dict(zip(KINDS, (_cluster, _nested, _blob, _ball, _tree), strict=True))


def planted(kind: str, seed: int, *, n: int = 8000, m: int = 256, families: int = 250) -> np.ndarray:
    """Give n rows of unit length, among them families of 5 to 24 around centres, each in random dimensions."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    rows = []
    for _ in range(families):
        s = int(random.integers(5, 25))
        inner = _SHAPES[kind](random, s)
        inner = inner - inner.mean(axis=0)
        inner /= np.sqrt((inner**2).sum() / s)
        basis = np.linalg.qr(random.standard_normal((m, inner.shape[1] + 1)))[0]
        rows.append(1.5 * basis[:, 0] + inner @ basis[:, 1:].T)
    held = np.vstack(rows)
    X = np.vstack([held, random.standard_normal((n - len(held), m))])
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X[random.permutation(n)].astype(np.float32)


def turned_in_place(X: np.ndarray, sets: Iterable[np.ndarray], seed: int) -> tuple[np.ndarray, int]:
    """Give X with the left singular vectors of each set of rows replaced by Haar ones, and how many sets there were.

    Each set keeps its mean and its principal axes with their lengths; which row is where on them is random. Of sets
    that share rows the larger one is turned.
    """
    random = np.random.default_rng([seed, 1])
    turned = np.array(X, dtype=np.float64)
    free = np.ones(len(X), dtype=np.bool_)
    count = 0
    for members in sorted(sets, key=lambda each: (-len(each), each.tolist())):
        if not free[members].all():
            continue
        free[members] = False
        count += 1
        rows = turned[members]
        mean = rows.mean(axis=0)
        _, lengths, axes = np.linalg.svd(rows - mean, full_matrices=False)
        drawn = random.standard_normal((len(rows), len(rows) - 1))
        left = np.linalg.qr(drawn - drawn.mean(axis=0))[0]
        kept = min(left.shape[1], len(lengths))
        turned[members] = mean + (left[:, :kept] * lengths[:kept]) @ axes[:kept]
    return turned.astype(np.float32), count


def signs_flipped(X: np.ndarray, seed: int) -> np.ndarray:
    """Give X with the sign of each row in each eigenspace of its frame operator at random: norms and masses stay."""
    _, axes = np.linalg.eigh(X.astype(np.float64).T @ X)
    signs = np.random.default_rng([seed, 2]).choice([-1.0, 1.0], X.shape)
    return ((X @ axes * signs) @ axes.T).astype(np.float32)


IN_SUBSPACES = (
    "orthogonal",
    "overlapping",
    "a shared part",
    "small ones in a wide one",
    "sparse rows",
    "decaying",
    "noisy",
    "coordinates",
)


def in_subspaces(kind: str, seed: int, *, most: int = 1000) -> np.ndarray:
    """Give 300 to `most` random features of 2 to 20 subspaces of 3 to 20 dimensions, of equal or uneven sizes."""
    random = np.random.default_rng([seed, IN_SUBSPACES.index(kind), 2])
    n = int(random.integers(300, most + 1))
    if kind == "sparse rows":
        m = int(random.integers(30, 150))
        kept = random.random((n, m)) < random.choice([0.12, 0.25, 0.5, 1], (n, 1))
        kept[np.arange(n), random.integers(m, size=n)] = True
        return random.standard_normal((n, m)) * kept
    dims = random.integers(3, 21, size=int(random.integers(2, 21)))
    m = int(min(dims.sum(), 128))
    if kind in ("overlapping", "coordinates"):
        m = max(m // 2, 21)
    elif kind == "small ones in a wide one":
        m, dims = 96, dims[:3]
    bases = [np.linalg.qr(random.standard_normal((m, d)))[0].T for d in dims]
    if kind == "orthogonal":
        m = int(dims.sum())
        bases = np.split(np.linalg.qr(random.standard_normal((m, m)))[0], np.cumsum(dims)[:-1])
    elif kind == "a shared part":
        bases = [np.vstack([bases[0][:3], each[3:]]) for each in bases]
    elif kind == "small ones in a wide one":
        bases.append(np.eye(m))
    elif kind == "decaying":
        bases = [each / np.sqrt(1 + np.arange(len(each)))[:, None] for each in bases]
    elif kind == "coordinates":
        bases = [np.eye(m)[random.choice(m, d, replace=False)] for d in dims]
    sizes = random.multinomial(n, random.dirichlet(np.full(len(bases), random.choice([2, 100]))))
    X = np.vstack(
        [random.standard_normal((size, len(each))) @ each for size, each in zip(sizes, bases, strict=True)]
    )
    if kind == "noisy":
        X += 0.1 * np.linalg.norm(X, axis=1, keepdims=True) * random.standard_normal(X.shape) / np.sqrt(m)
    return X * random.lognormal(size=(n, 1)) if random.integers(2) else X
