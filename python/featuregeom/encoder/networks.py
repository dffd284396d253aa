"""ReLU networks for the phase chart: several of one shape trained at once, their codes taken along the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.networks.extra import torch_module

if TYPE_CHECKING:
    import torch

__all__ = ["Snapshot", "training"]

BATCH, RATE, DROP, DROP_EPOCHS, DECAY = 64, 1e-2, 0.1, 20, 1e-6
"""The paper's training: Adam, rate 0.01, a tenth of it every 20 epochs, batches of 64, weight decay 1e-6."""


class Snapshot:
    """Networks after some epochs; valid until the next one is asked for.

    Attributes
    ----------
    epoch : int
        Epochs so far.
    """

    def __init__(self, epoch: int, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.epoch, self._layers = epoch, layers

    def codes(self, X: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Signs of all hidden units, shape (repeats, N, units)."""
        torch = torch_module("encoder.phase")
        with torch.no_grad():
            signs = [z > 0 for z in _preactivations(self._layers, torch.from_numpy(X))[:-1]]
            return np.asarray(torch.cat(signs, dim=2).numpy())

    def accuracy(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of samples that each network classifies rightly, shape (repeats,)."""
        torch = torch_module("encoder.phase")
        with torch.no_grad():
            found = _preactivations(self._layers, torch.from_numpy(X))[-1].argmax(dim=2).numpy()
        return np.asarray((found == y).mean(axis=1), dtype=np.float64)


def training(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    width: int,
    depth: int,
    n_classes: int,
    epochs: Sequence[int],
    repeats: int,
    seed: int,
) -> Iterator[Snapshot]:
    """Train `repeats` networks side by side on one order of batches, and stop at each of `epochs`, in order.

    Networks differ in their initial weights (uniform, as torch's Linear has them), which do not depend on
    `repeats`. The same arguments give the same bits on the same machine and number of torch threads.
    """
    torch = torch_module("encoder.phase")
    sizes = [X.shape[1], *[width] * depth, n_classes]
    starts, order = np.random.SeedSequence(seed).spawn(2)
    layers = []
    generators = [
        torch.Generator().manual_seed(int(child.generate_state(1)[0])) for child in starts.spawn(repeats)
    ]
    for a, b in itertools.pairwise(sizes):
        drawn = torch.stack([torch.rand(a + 1, b, generator=g) for g in generators]) * 2 - 1
        layers.append(
            tuple((part / math.sqrt(a)).requires_grad_() for part in (drawn[:, :-1], drawn[:, -1:]))
        )
    parameters = [part for layer in layers for part in layer]
    optimizer = torch.optim.Adam(parameters, lr=RATE, weight_decay=DECAY)
    rng = np.random.default_rng(order)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    for epoch in range(max(epochs) + 1):
        if epoch in epochs:
            yield Snapshot(epoch, [tuple(part.detach() for part in layer) for layer in layers])
        if epoch == max(epochs):
            return
        optimizer.param_groups[0]["lr"] = RATE * DROP ** (epoch // DROP_EPOCHS)
        for batch in torch.from_numpy(rng.permutation(len(X))).split(BATCH):
            logits = _preactivations(layers, inputs[batch])[-1]
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels[batch].repeat(repeats), reduction="sum"
            )
            optimizer.zero_grad()
            (losses / len(batch)).backward()
            optimizer.step()


def _preactivations(
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]], X: torch.Tensor
) -> list[torch.Tensor]:
    """Pre-activations of every layer, (repeats, N, units) each; the last are the logits."""
    found: list[torch.Tensor] = []
    x = X.expand(len(layers[0][0]), *X.shape)
    for weights, bias in layers:
        x = (found[-1].relu() if found else x) @ weights + bias
        found.append(x)
    return found
