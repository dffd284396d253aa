"""What the toys compute: one formula per kind, for batches in torch and for one instance in NumPy.

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

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "gradients", "is_rectified", "is_signed", "predict", "predict_batch", "target"]

Kind = Literal["relu", "linear", "relu_hidden", "abs"]
"""The kinds of toys."""

Floats = NDArray[np.float64]


def is_signed(kind: Kind) -> bool:
    """Whether inputs have signs, x uniform on [-1, 1], which the absolute value takes away: for "abs" alone.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    return kind == "abs"


def is_rectified(kind: Kind) -> bool:
    """Whether the hidden layer is h = ReLU(W^T x) and not h = W^T x: for "relu_hidden" and "abs".

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    return kind in ("relu_hidden", "abs")


def target(kind: Kind, x: Any) -> Any:
    """Give what the output should be: t = abs(x) for "abs", else t = x.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    return abs(x) if kind == "abs" else x


def predict(kind: Kind, W: Floats, b: Floats, x: Floats, V: Floats | None = None) -> Floats:
    """Output of one instance for inputs as rows, x' = ReLU(V h + b), by the table of this module.

    Parameters
    ----------
    kind : str
        What the toy computes.
    W, V : ndarray, shape (n, m)
        Weights; V only for the kind "abs".
    b : ndarray, shape (n,)
        Biases.
    x : ndarray, shape (n_samples, n)
        Inputs.

    Returns
    -------
    ndarray, shape (n_samples, n)

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    hidden = x @ W
    if is_rectified(kind):
        hidden = np.maximum(hidden, 0.0)
    output = hidden @ (W if V is None else V).T + b
    return output if kind == "linear" else np.maximum(output, 0.0)


def predict_batch(torch: Any, kind: Kind, W: Any, b: Any, x: Any, V: Any | None = None) -> Any:
    """Output of all instances for inputs as columns, which every inner loop runs along: x' = ReLU(V h + b).

    Parameters
    ----------
    torch : module
        Torch.
    kind, W, b, x, V
        As in `gradients`.

    Returns
    -------
    Tensor, shape (k, n, size)

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition".
    """
    hidden = W.mT @ x
    if is_rectified(kind):
        hidden = torch.relu_(hidden)
    output = torch.baddbmm(b[:, :, None], W if V is None else V, hidden)
    return output if kind == "linear" else torch.relu_(output)


class Scratch(NamedTuple):
    """Memory for the large arrays of `gradients`, which are written anew at every step.

    Freshly allocated ones cost as much as the products: a large array goes back to the system each time, which has to
    clear its pages when it is asked for them again.
    """

    hidden: Any
    output: Any
    residual: Any
    back: Any

    @classmethod
    def of(cls, torch: Any, W: Any, size: int) -> Scratch:
        """Allocate for weights (k, n, m) and batches of a size."""
        k, n, m = W.shape
        return cls(*(W.new_empty(k, rows, size) for rows in (m, n, n, m)))

    def first(self, count: int) -> Scratch:
        """Give the part for `count` instances."""
        return Scratch(*(array[:count] for array in self))


def gradients(
    torch: Any,
    kind: Kind,
    W: Any,
    b: Any,
    x: Any,
    V: Any | None,
    weight: Any,
    losses: bool,
    scratch: Scratch | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Gradients of the loss of all instances, written out.

    With r = x' - t the residual, 0 where a ReLU cuts the output, h the hidden layer and g = 2 I / size,

        dL/dV = diag(g) r h^T,    dL/db = g sum r,    dL/dW = x (V^T diag(g) r)^T, with ReLU's cut in the hidden layer,

    summed over the inputs; where V is W, dL/dW is the sum of the first and the last. Written out because a general
    reverse mode reads and writes the arrays of n x size numbers, which is what a step costs, twice as often.

    Parameters
    ----------
    torch : module
        Torch.
    kind : str
        What the toys compute.
    W, V : Tensor, shape (k, n, m)
        Weights; V is None but for the kind "abs".
    b : Tensor, shape (k, n)
        Biases.
    x : Tensor, shape (n, size) or (k, n, size)
        Inputs as columns, the same for all instances or each instance's own.
    weight : Tensor, shape (k, n)
        Importance over number of inputs.
    losses : bool
        Whether the losses are wanted: they cost another pass.
    scratch : Scratch, optional
        Memory to use, for the k instances; else it is allocated.

    Returns
    -------
    grad_W, grad_b, grad_V, losses : Tensor
        grad_V is None where V is, losses (k,) where they are not wanted.

    References
    ----------
    Elhage et al. (2022), "Toy Models of Superposition", for the loss.
    """
    second = W if V is None else V
    k, n, m = W.shape
    use = scratch or Scratch.of(torch, W, x.shape[-1])
    if x.ndim == 2:  # then one product for all instances, here and below: many small ones are slower
        torch.mm(W.mT.reshape(-1, n), x, out=use.hidden.view(k * m, -1))
    else:
        torch.bmm(W.mT, x, out=use.hidden)
    hidden = torch.relu_(use.hidden) if is_rectified(kind) else use.hidden
    output = torch.baddbmm(b[:, :, None], second, hidden, out=use.output)
    found = None
    if kind != "linear" and losses:
        output = torch.relu_(output)
    residual = torch.sub(output, target(kind, x), out=use.residual)
    if losses:
        found = (weight * torch.linalg.vector_norm(residual, dim=-1).square()).sum(-1)
    if kind != "linear":
        _cut(torch, residual, output)
    slope = 2 * weight[:, :, None]
    grad_second = slope * (residual @ hidden.mT)
    back = torch.bmm((slope * second).mT, residual, out=use.back)
    if is_rectified(kind):
        _cut(torch, back, hidden)
    shared = x.ndim == 2
    grad_W = (back.view(k * m, -1) @ x.mT).view(k, m, n).mT if shared else x @ back.mT
    grad_b = slope[:, :, 0] * residual.sum(-1)
    if V is None:
        return grad_W + grad_second, grad_b, None, found
    return grad_W, grad_b, grad_second, found


def _cut(torch: Any, gradient: Any, output: Any) -> None:
    """Set a gradient to 0 where a ReLU did not pass its output on."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
