"""The held-out loss of all instances of a run at once, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.toys.inputs import Inputs
from featuregeom.toys.models import Kind, predict_batch, target

__all__ = ["held_out_losses"]

Floats = NDArray[np.float64]

_TILE = 1 << 17
"""Numbers in a tile of outputs: a megabyte, which stays in the cache between the passes over it."""

_DEVICE_TILE = 1 << 25
"""Numbers in a tile of outputs on an accelerator, where few large products are faster than many small ones."""


def held_out_losses(
    torch: Any,
    kind: Kind,
    parameters: Sequence[Any],
    sparsity: Floats,
    importance: Floats,
    inputs: Inputs,
    size: int,
    seed: int,
) -> tuple[Floats, Floats]:
    r"""Evaluate all instances on the same random numbers, made sparse as each of them was trained.

    With :math:`q_t` the loss of input t of N, the loss is their mean :math:`\bar q` and its standard error

    .. math:: \sqrt{\Bigl(\frac{1}{N} \sum_t q_t^2 - \bar q^2\Bigr) / (N - 1)}

    Parameters
    ----------
    torch : module
        Torch.
    kind : str
        What the toys compute.
    parameters : sequence of Tensor
        W (k, n, m), b (k, n) and V (k, n, m) or None, as they are returned: rounded to float32.
    sparsity : ndarray of float64, shape (k,)
        Probability that a feature is 0.
    importance : ndarray of float64, shape (k, n)
        Weights of the features.
    inputs : Inputs
        How inputs come from uniform numbers.
    size, seed : int
        Number of inputs, and the seed of the uniform numbers.

    Returns
    -------
    losses, errors : ndarray of float64, shape (k,)
        Mean losses, and their standard errors; NaN for a single input.

    Notes
    -----
    In float64 where the device has it.
    """
    where = parameters[0].device
    dtype = torch.float32 if where.type == "mps" else torch.float64
    W, b = (part.to(dtype) for part in parameters[:2])
    V = None if parameters[2] is None else parameters[2].to(dtype)
    scale = torch.tensor(importance, dtype=dtype, device=where)
    tile, n = (_TILE if where.type == "cpu" else _DEVICE_TILE), W.shape[1]
    sums, squares = torch.zeros(2, len(W), dtype=dtype, device=where)
    for value in np.unique(sparsity):
        mine = np.flatnonzero(sparsity == value)
        chosen = torch.as_tensor(mine, device=where)
        w, c, v, weight = W[chosen], b[chosen], None if V is None else V[chosen], scale[chosen]
        for rows in inputs.blocks(float(value), size, seed):
            block = torch.as_tensor(np.ascontiguousarray(rows.T), dtype=dtype, device=where)
            # Tiles of instances of one width, whatever their number: the same sums in a larger run.
            width = max(1, min(block.shape[1], tile // n))
            group = max(1, tile // (n * width))
            for first in range(0, block.shape[1], width):
                x = block[:, first : first + width]
                wanted = target(kind, x)
                for k in range(0, len(w), group):
                    part = slice(k, k + group)
                    other = None if v is None else v[part]
                    error = predict_batch(torch, kind, w[part], c[part], x, other).sub_(wanted)
                    of_inputs = torch.bmm(weight[part, None], error.square_())[:, 0]
                    sums[chosen[part]] += of_inputs.sum(-1)
                    squares[chosen[part]] += of_inputs.square_().sum(-1)
    losses, mean_squares = ((one / size).cpu().numpy().astype(np.float64) for one in (sums, squares))
    if size == 1:
        return losses, np.full(len(W), np.nan)
    return losses, np.sqrt(np.maximum(mean_squares - losses**2, 0) / (size - 1))
