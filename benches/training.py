"""Rows of training: what it costs to record a layer while it trains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from featuregeom.formation import Recorder
from harness import Case, Way
from rows import Builders


def recordings(scale: str) -> Builders:
    """r1: twenty steps of a perceptron with one record of a layer, against the steps alone."""
    return [partial(_recording, *((64, 128) if scale == "smoke" else (768, 1024)))]


def _recording(width: int, batch: int, depth: int = 4, every: int = 20) -> Case:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers[:-1])
    X, Y = torch.randn(2, batch, width)
    search, loss = torch.optim.SGD(model.parameters(), 1e-3), nn.MSELoss()
    recorder = Recorder(model, [(X, Y)], loss, modules=["2"], every=every)
    step = [0]

    def training() -> None:
        for _ in range(every):
            search.zero_grad()
            loss(model(X), Y).backward()
            search.step()

    def recorded() -> None:
        training()
        step[0] += 1
        recorder.record(step[0])

    recorder.record(0)
    ways = [
        Way("featuregeom, 20 steps and a record", recorded, ours=True, arrays=lambda _: {}),
        Way("20 steps", training, arrays=lambda _: {}),
    ]
    note = "a record is to add at most 15 % to the steps: a ratio of .87"
    return Case(f"recording a layer of width {width}", ways, dict, target=1 / 1.15, note=note)


ROWS: dict[str, Callable[[str], Builders]] = {"r1": recordings}
