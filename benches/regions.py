"""Regions a second of the 2-128-128 network on [-5, 5]^2, one thread: geometry alone, and the whole slice."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch

import featuregeom as fg
from featuregeom import _core


def main() -> None:
    torch.manual_seed(0)
    widths = [2, 128, 128, 1]
    linear = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
    layers = [(m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in linear]
    box = (-5.0, 5.0, -5.0, 5.0)
    for name in ("cells", "slice2d"):
        best = np.inf
        for _ in range(5):
            begin = time.perf_counter()
            if name == "cells":
                _core.network_cells(layers[:-1], box, tolerance=1e-12, max_regions=10**6, num_threads=1)
            else:
                count = fg.regions.slice2d(layers, [0, 0], [1, 0], [0, 1], box, num_threads=1).n_regions
            best = min(best, time.perf_counter() - begin)
        print(f"{name}: best of 5 {best:.3f} s, {26525 / best:,.0f} regions/s")
    print(f"{count} regions")


if __name__ == "__main__":
    main()
