"""The exact linear regions on straight paths of a piecewise-linear suffix; imports torch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featuregeom.networks.piecewise import Network, TorchNetwork, network
from featuregeom.networks.segments import Segments, along
from featuregeom.networks.suffixes import Suffix
from featuregeom.plateaus.paths import Path

__all__ = ["pieces_along"]


class _Rest(torch.nn.Module):
    """A suffix in one of its contexts, or another function, as a module whose copy in float64 is its own."""

    def __init__(self, g: Any) -> None:
        super().__init__()
        self.rest = copy.copy(g)
        self.context = 0
        if isinstance(g, Suffix):
            self.whole = g.model
            self.rest.in_double()

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        if not isinstance(self.rest, Suffix):
            found: torch.Tensor = self.rest(h)
            return found
        return self.rest(h, torch.full((len(h),), self.context))


def pieces_along(
    g: Any, ways: Path, end: float, contexts: NDArray[np.int64] | None, max_pieces: int
) -> list[Segments]:
    """Give the linear regions of g on each path from alpha 0 to `end`, a straight one that moves.

    Raises
    ------
    ParameterError
        If g is not piecewise linear; the message names the operation and its module.
    """
    given: Network
    rest: Any = None
    if isinstance(g, torch.nn.Module | list | tuple):
        given = network(g)
    else:
        given = TorchNetwork(_Rest(g).eval())
        rest = given.model
    found = []
    for pair, (start, step) in enumerate(zip(ways.base.double(), ways.step.double(), strict=True)):
        if contexts is not None:
            rest.context = int(contexts[pair])
        found.append(along(given, start, start + end * step, max_pieces=max_pieces))
    return found
