"""A slow, plain NumPy analysis, in the shapes of the real one: what the page's tests draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from featuregeom.analysis import Analysis, BlockPicture, Picture
from featuregeom.measures import BLOCKS, FEATURES, MATRICES

HOSTILE = "</script><img src=x onerror=alert(1)>"
FEATURE_COLUMNS, MATRIX_COLUMNS, BLOCK_COLUMNS = (
    list(table.dtypes) for table in (FEATURES, MATRICES, BLOCKS)
)
SKIPPED_COLUMNS = ["tensor", "shape", "dtype", "reason"]


def polygon(n: int, norm: float = 1.0) -> NDArray[np.float64]:
    """Corners of a regular n-gon."""
    angle = 2 * np.pi * np.arange(n) / n
    return norm * np.column_stack([np.cos(angle), np.sin(angle)])


def random_saturations(norms: NDArray[np.float64], m: int, frames: int, seed: int = 0) -> NDArray[np.float64]:
    """Saturations of sampled frames in random directions of m dimensions, from their Gram matrices."""
    rng = np.random.default_rng(seed)
    found = np.empty(frames)
    for k in range(frames):
        X = rng.standard_normal((len(norms), m))
        X *= (norms / np.linalg.norm(X, axis=1))[:, None]
        side = X @ X.T if len(norms) <= m else X.T @ X
        squares = (side**2).sum(1) if len(norms) <= m else np.einsum("ij,jk,ik->i", X, side, X, optimize=True)
        found[k] = np.sum(norms**4 / squares) / min(X.shape)
    return found


def random_p(value: float, norms: NDArray[np.float64], m: int) -> float:
    """Two-sided p-value of a saturation by its rank among 200 sampled frames."""
    drawn = random_saturations(norms, m, 200)
    return min(1.0, 2 * (1 + min(np.sum(drawn <= value), np.sum(drawn >= value))) / 201)


def simplex(n: int) -> NDArray[np.float64]:
    """The n unit vectors of a simplex in n - 1 dimensions."""
    centred = np.eye(n) - 1 / n
    vectors, values, _ = np.linalg.svd(centred)
    rows = vectors[:, : n - 1] * values[: n - 1]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def antiprism() -> NDArray[np.float64]:
    """The tight square antiprism."""
    angle = np.pi / 4 * np.arange(8)
    flat = np.sqrt(2 / 3) * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.column_stack([flat, np.where(np.arange(8) % 2, 1, -1) / np.sqrt(3)])


def direct_sum(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Block-diagonal stack: every part in dimensions of its own."""
    out = np.zeros((sum(len(p) for p in parts), sum(p.shape[1] for p in parts)))
    row = column = 0
    for part in parts:
        out[row : row + len(part), column : column + part.shape[1]] = part
        row, column = row + len(part), column + part.shape[1]
    return out


def zoo() -> dict[str, NDArray[np.float64]]:
    """Matrices whose pages between them show everything that a page can show."""
    rng = np.random.default_rng(7)
    named = direct_sum(
        1.3 * polygon(5), simplex(4), antiprism(), polygon(3), np.array([[1.0], [-1.0]]), np.zeros((1, 0))
    )
    rotation = np.linalg.qr(rng.standard_normal((named.shape[1],) * 2))[0]
    return {
        "zoo.weight": named @ rotation,
        "pentagon": polygon(5, 1.17),
        "random 64 x 16": rng.standard_normal((64, 16)),
        HOSTILE: direct_sum(polygon(3), np.array([[1.0], [-1.0]])),
        "skewed": rng.standard_normal((300, 24)) * np.logspace(0, -2, 24),
        "all zero": np.zeros((4, 3)),
    }


def make_analysis(
    matrices: Mapping[str, ArrayLike] | None = None, *, skipped: list[dict[str, Any]] | None = None
) -> Analysis:
    """Analyse some matrices the slow way, `zoo` by default."""
    tables: dict[str, list[Any]] = {"matrices": [], "features": [], "blocks": []}
    pictures = {}
    for name, X in (zoo() if matrices is None else matrices).items():
        row, features, blocks, picture = _one(name, np.asarray(X, dtype=float))
        tables["matrices"].append(row)
        tables["features"].append(features)
        tables["blocks"].extend(blocks)
        pictures[name] = picture
    return Analysis(
        matrices=pd.DataFrame(tables["matrices"], columns=MATRIX_COLUMNS),
        features=(
            pd.concat(tables["features"], ignore_index=True)
            if tables["features"]
            else pd.DataFrame(columns=FEATURE_COLUMNS)
        ),
        blocks=pd.DataFrame(tables["blocks"], columns=BLOCK_COLUMNS),
        skipped=pd.DataFrame(skipped or [], columns=SKIPPED_COLUMNS),
        pictures=pictures,
        provenance={
            "source": str(Path("models") / "zoo.safetensors"),
            "format": "safetensors",
            "version": "0.0.0",
            "parameters": {"include": None, "tolerance": "auto", "seed": 0},
        },
    )


def _one(
    name: str, X: NDArray[np.float64]
) -> tuple[dict[str, Any], pd.DataFrame, list[dict[str, Any]], Picture]:
    n, m = X.shape
    values, vectors = np.linalg.eigh(X.T @ X)
    values, vectors = values[::-1][: min(n, m)], vectors[:, ::-1][:, : min(n, m)]
    null_tolerance = 1e-12 * max(values[0], 1e-300)
    rank = int(np.sum(values > null_tolerance))
    space = np.full(len(values), -1)
    space[:rank] = np.cumsum(np.append(0, values[1:rank] < values[: max(rank - 1, 0)] * (1 - 1e-6)))[:rank]
    spaces = int(space.max()) + 1
    means = np.array([values[space == k].mean() for k in range(spaces)])

    N = np.sum(X**2, axis=1)
    alive = N > 0
    mass = (
        np.stack(
            [np.sum((X @ vectors[:, : len(space)][:, space == k]) ** 2, axis=1) for k in range(spaces)],
            axis=1,
        )
        if spaces
        else np.zeros((n, 0))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mu = mass / N[:, None]
        kappa = mu @ means
        D = np.where(alive, N / kappa, 0)
        leverage = np.where(alive, mass @ (1 / means), 0)
        cv = np.sqrt(np.maximum(mu @ means**2 - kappa**2, 0)) / kappa
        entropy = -np.sum(np.where(mu > 0, mu * np.log(np.where(mu > 0, mu, 1)), 0), axis=1)
        unit = np.where(alive[:, None], X / np.sqrt(N)[:, None], 0)
    entropy[~alive] = np.nan
    cosine = unit @ unit.T
    off = cosine - 2 * np.eye(n) * cosine
    neighbour = np.abs(off - np.diag(np.diag(off))).argmax(axis=1)
    i, j = np.triu_indices(n, 1)
    pairs = cosine[i, j][alive[i] & alive[j]]
    edges = np.linspace(-1, 1, 101)

    block_of, blocks, drawn = _blocks(name, X, np.abs(cosine) > 1e-6, alive)
    top = mu.argmax(axis=1) if spaces else np.zeros(n, dtype=int)
    S, r = N.sum(), max(rank, 1)
    share = values[:rank] / S
    dims = rank if 0 < rank < min(int(alive.sum()), m) else m
    null = float(np.sum(N / (N + (S - N) / dims))) / r if rank else np.nan
    saturation = float(D.sum()) / r if rank else np.nan
    names = [b["geometry"] for b in blocks if b["geometry"]]
    row = dict.fromkeys(MATRIX_COLUMNS, np.nan) | {
        "matrix": name, "n": n, "m": m, "dtype": "float64", "axis": 0, "rank": rank,
        "lambda_min": means[-1] if rank else np.nan, "lambda_max": means[0] if rank else np.nan,
        "condition": means[0] / means[-1] if rank else np.nan,
        "tightness": float(np.linalg.norm(values[:rank] - S / r) / (S / np.sqrt(r))) if rank else np.nan,
        "frame_potential": float(np.sum(values**2)),
        "coherence": float(np.abs(pairs).max()) if len(pairs) else np.nan,
        "welch_bound": float(np.sqrt(max(n - m, 0) / (m * (n - 1)))) if n > 1 else np.nan,
        "sum_capacity": float(D.sum()), "saturation": saturation, "null_dimensions": dims,
        "saturation_p": random_p(saturation, np.sqrt(N[alive]), dims) if rank > 1 else np.nan,
        "saturation_null": null,
        "saturation_excess": (saturation - null) / (1 - null) if rank else np.nan,
        "eigenspaces": spaces, "tolerance": 1e-6, "null_tolerance": null_tolerance,
        "rank_margin": values[rank - 1] / null_tolerance if rank else np.nan,
        "stable_rank": S / values[0] if rank else np.nan,
        "effective_rank": float(np.exp(-share @ np.log(share))) if rank else np.nan,
        "defect_error": abs((rank - D.sum()) - (leverage - D).sum()), "defect_bound": 1e-9,
        "zero_features": int(np.sum(~alive)), "blocks": len(blocks), "block_threshold": 1e-6,
        "block_gap": "found",
        "geometry": ", ".join(f"{names.count(g)} \N{MULTIPLICATION SIGN} {g}" for g in dict.fromkeys(names)),
        "seconds": 0.01,
    }  # fmt: skip
    features = pd.DataFrame(
        {
            "matrix": name, "index": np.arange(n), "norm": np.sqrt(N), "kappa": kappa, "capacity": D,
            "leverage": leverage, "slack": 1 - D / np.where(alive, leverage, np.nan), "cv": cv,
            "max_mass": mu.max(axis=1) if spaces else np.nan, "ipr": np.sum(mu**2, axis=1),
            "entropy": entropy, "effective_eigenspaces": np.exp(entropy),
            "eigenspace": np.where(alive, top, -1), "neighbour": np.where(alive, neighbour, -1),
            "cosine": np.take_along_axis(cosine, neighbour[:, None], 1)[:, 0], "block": block_of,
        }
    )  # fmt: skip
    order = np.lexsort((np.arange(n), np.where(alive, top, spaces)))[: int(alive.sum())]
    picture = Picture(
        eigenvalues=values,
        eigenspace_of=space,
        eigenspace_values=means,
        eigenspace_dims=np.bincount(space[space >= 0], minlength=spaces),
        heat=mu[order].astype(np.float32),
        heat_index=order,
        heat_spaces=np.arange(spaces + 1),
        cosine_edges=edges,
        cosine_counts=np.histogram(np.clip(pairs, -1, 1), edges)[0],
        blocks=tuple(drawn),
    )
    return row, features, blocks, picture


def _blocks(
    name: str, X: NDArray[np.float64], linked: NDArray[np.bool_], alive: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], list[dict[str, Any]], list[BlockPicture]]:
    block_of = np.full(len(X), -1)
    rows, drawn = [], []
    for start in np.flatnonzero(alive):
        if block_of[start] >= 0:
            continue
        member = np.zeros(len(X), dtype=bool)
        member[start] = True
        while (grown := linked[member].any(axis=0) & alive).sum() > member.sum():
            member = grown
        block = len(rows)
        index = np.flatnonzero(member)
        block_of[index] = block
        left, values, _ = np.linalg.svd(X[index], full_matrices=False)
        dim = int(np.sum(values > 1e-6 * values[0]))
        places = left[:, :dim] * values[:dim]
        if dim == 2:
            turn = np.argsort(np.arctan2(places[:, 1], places[:, 0]))
            index, places = index[turn], places[turn]
        gram = X[index] @ X[index].T
        off = gram[np.triu_indices(len(index), 1)]
        distinct = len(np.unique(off.round(6)))
        geometry = ""
        if distinct == 1 and len(index) == dim + 1:
            geometry = {2: "digon", 3: "triangle", 4: "tetrahedron"}.get(len(index), "simplex")
        elif dim == 2 and distinct == len(index) // 2:
            geometry = {4: "square", 5: "pentagon", 6: "hexagon"}.get(len(index), f"{len(index)}-gon")
        elif (len(index), dim, distinct) == (8, 3, 4):
            geometry = "square antiprism"
        squares = values[:dim] ** 2
        tight = float(np.linalg.norm(squares - squares.mean()) / (squares.mean() * np.sqrt(dim)))
        rows.append({
            "matrix": name, "block": block, "n": len(index), "dim": dim, "gram_values": distinct + 1,
            "tightness": tight, "geometry": geometry, "residual": 1e-16 if geometry else np.nan,
            "reason": "" if geometry else f"{distinct} distinct inner products",
        })  # fmt: skip
        if len(index) <= 64:
            drawn.append(BlockPicture(block, index, gram, places if dim <= 3 else places[:, :0]))
    return block_of, rows, drawn
