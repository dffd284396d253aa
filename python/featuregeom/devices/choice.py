"""Where the pairs of features are worked on: on their own GPU, or, where there are very many, on one that is there."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["MANY", "gpu_for", "on_gpu", "room"]

MANY = 250_000
"""Features from which a GPU is looked for. All their pairs take minutes of a GPU and hours of two cores; of fewer the
loading of torch, and the answer that hangs on the machine, are not worth it."""

_ROOM = 8 << 30
"""Bytes of a GPU that tiles, lists and parts of the features take, beside 8 for each number of the features."""


def on_gpu(X: Any) -> bool:
    """Say whether `X` is a tensor on a CUDA device; torch is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor) and X.device.type == "cuda"


def room(n: int, m: int) -> int:
    """Bytes that a GPU must have free for all pairs of n features in m dimensions, with their spectral measures."""
    return _ROOM + 16 * n * m


def gpu_for(*given: Any, n: int, m: int) -> torch.device | None:
    """Say on which GPU the pairs of features are worked on, if any.

    Parameters
    ----------
    *given : object
        What was passed in. Tensors that are all on one CUDA device stay there.
    n, m : int
        Features, in the larger of two sets, and dimensions.

    Returns
    -------
    torch.device or None
        For other features, from 250 000 on, the GPU that torch takes by default, if it has free 8 GiB and 16 bytes for
        each number of a set. None is the processor; with ``CUDA_VISIBLE_DEVICES`` empty torch sees no GPU.
    """
    places = {each.device if on_gpu(each) else None for each in given}
    if len(places) == 1 and None not in places:
        return places.pop()
    if n < MANY or importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available() or torch.cuda.mem_get_info()[0] < room(n, m):
        return None
    return torch.device("cuda", torch.cuda.current_device())
