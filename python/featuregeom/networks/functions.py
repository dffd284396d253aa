"""Functions of activations, a suffix or any other: one output per activation, which its neighbours do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.extra import torch_module
from featuregeom.networks.rows import close, largest, splits
from featuregeom.networks.state import on_trial

__all__ = ["check_rows", "outputs"]


def outputs(g: Any, h: Any, contexts: NDArray[np.int64] | None) -> Any:
    """One call of g without gradients: a tensor (B, k)."""
    torch = torch_module("plateaus")
    with torch.no_grad():
        y = g(h) if contexts is None else g(h, torch.from_numpy(contexts))
    if not isinstance(y, torch.Tensor) or not y.ndim or len(y) != len(h) or not y.numel():
        shape = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
        raise ShapeError(f"g must give one output per activation, got {shape} for {len(h)} of them")
    return y.reshape(len(y), -1)


def check_rows(g: Any, h: Any, contexts: NDArray[np.int64] | None) -> None:
    """Make sure that the output of an activation does not change with what else is in its batch.

    Parameters
    ----------
    g : callable
        As for `outputs`.
    h : tensor, shape (B, m)
        Some activations, at least two that differ.
    contexts : ndarray of int64, shape (B,), or None
        As for `outputs`.

    Raises
    ------
    ParameterError
        If it does: row i of what g gives is not the output of row i alone.
    """
    torch = torch_module("plateaus")
    model = getattr(g, "model", g)
    kept = on_trial(model) if isinstance(model, torch.nn.Module) else torch.random.fork_rng(devices=[])
    with kept:
        together = outputs(g, h, contexts)
        if not together.is_floating_point():
            return
        scale = max(largest(together), largest(h))
        for part in splits(len(h)):
            alone = outputs(g, h[part], None if contexts is None else contexts[part])
            if not close(together[part], alone, scale):
                raise ParameterError(
                    "the output of an activation changes with what else is in its batch: g mixes the rows of a batch, "
                    "has another axis first, keeps state or is random, so row i of what it gives is not the output "
                    "of activation i; g must treat each activation alone"
                )
