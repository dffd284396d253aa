"""The rows about linear regions: exact cells of a plane against the packages that find regions by linear programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

import featuregeom as fg
from harness import HERE, Arrays, Case, Way

THREADS = int(os.environ.get("RAYON_NUM_THREADS", "2"))
Builders = Sequence[Callable[[], Case]]
Layers = list[tuple[np.ndarray, np.ndarray]]


def network(*widths: int) -> Layers:
    """Weights and biases of dense layers as torch draws them from seed 0."""
    torch.manual_seed(0)
    linear = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
    return [(m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in linear]


def slices(scale: str) -> Builders:
    """g1: all regions of a network of two inputs."""
    small = partial(_slice, (2, 20, 1), 1000.0, 211, "relucent")
    if scale == "smoke":
        return [small]
    return [small, partial(_slice, (2, 128, 128, 1), 5.0, 26525, "")]


def _slice(widths: tuple[int, ...], size: float, count: int, peer: str) -> Case:
    layers = network(*widths)
    box = (-size, size, -size, size)

    def ours() -> Any:
        return fg.regions.slice2d(layers, [0, 0], [1, 0], [0, 1], box, num_threads=THREADS)

    def arrays(found: Any) -> Arrays:
        return {"regions": found.n_regions}

    ways = [Way("featuregeom, slice2d", ours, ours=True, arrays=arrays)]
    note = f"{count} regions: over 80 000 a second where ours takes less than {count / 80_000:.3f} s"
    if peer and (python := os.environ.get("RELUCENT_PYTHON")):
        command = [python, str(HERE / "relucent_worker.py"), *map(str, widths)]
        ways.append(Way("relucent, bfs", command=command, target=20.0))
    elif peer:
        note += "; no --relucent-python was given"
    title = f"regions of {'-'.join(map(str, widths))} on [-{size:g}, {size:g}]^2"
    # The count of Zaslavsky's formula, or of two independent programs (edge subdivision; polygon splitting).
    return Case(title, ways, reference=cache(lambda: {"regions": count}), note=note)


ROWS: dict[str, Callable[[str], Builders]] = {"g1": slices}
