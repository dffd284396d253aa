"""What the toys compute: one formula a kind, for batches in torch and for one instance in NumPy.

With row i of W (n x m) the direction of feature i, and V (n x m) a second matrix of the last kind,

===========  ==============================  ==========================================================
kind         output                          target
===========  ==============================  ==========================================================
relu         ReLU(W W^T x + b)               x, uniform on [0, 1] where active
linear       W W^T x + b                     x
relu_hidden  ReLU(W ReLU(W^T x) + b)         x; the hidden axes are a privileged basis
abs          ReLU(V ReLU(W^T x) + b)         abs(x), x uniform on [-1, 1] where active: computation
===========  ==============================  ==========================================================

References
----------
Elhage et al. (2022), "Toy Models of Superposition": demonstrating superposition, superposition in a privileged
basis, computation in superposition.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "is_signed", "predict", "predict_batch", "target"]

Kind = Literal["relu", "linear", "relu_hidden", "abs"]
"""The kinds of toys."""

Floats = NDArray[np.float64]


def is_signed(kind: Kind) -> bool:
    """Whether inputs have signs, which the absolute value takes away."""
    return kind == "abs"


def target(kind: Kind, x: Any) -> Any:
    """Give what the output should be."""
    return abs(x) if kind == "abs" else x


def predict(kind: Kind, W: Floats, b: Floats, x: Floats, V: Floats | None = None) -> Floats:
    """Output of one instance for inputs as rows."""
    hidden = x @ W
    if kind in ("relu_hidden", "abs"):
        hidden = np.maximum(hidden, 0.0)
    output = hidden @ (W if V is None else V).T + b
    return output if kind == "linear" else np.maximum(output, 0.0)


def predict_batch(torch: Any, kind: Kind, W: Any, b: Any, x: Any, V: Any | None = None) -> Any:
    """Output of all instances for inputs as columns, which every inner loop runs along."""
    hidden = W.mT @ x
    if kind in ("relu_hidden", "abs"):
        hidden = torch.relu(hidden)
    output = torch.baddbmm(b[:, :, None], W if V is None else V, hidden)
    return output if kind == "linear" else torch.relu(output)
