r"""How far an output is from a reference: every metric under a name that leaves nothing to guess.

Rows are outputs; `reference` and `output` have shape (B, k), or k of one row is broadcast. Probabilities are the
softmax of the outputs, so these metrics are for logits. Everything is computed in float64.

====================  ==========================================================  ==================
name                  value                                                       unit
====================  ==========================================================  ==================
``l2``                :math:`\|y - y_0\|`                                         of the output
``rel_l2``            :math:`\|y - y_0\| / \|y_0\|`                               1
``kl``                :math:`\sum p_0 \log(p_0 / p)`, reference first             nats
``kl_reverse``        :math:`\sum p \log(p / p_0)`                                nats
``js``                Jensen-Shannon divergence, in [0, 1]                        bits
``js_distance``       its square root, a metric                                   square root of bits
``cosine``            :math:`1 - \cos(y_0, y)`, in [0, 2]                         1
====================  ==========================================================  ==================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.extra import torch_module

if TYPE_CHECKING:
    import torch

__all__ = [
    "METRICS",
    "Metric",
    "ab_ratio",
    "cosine",
    "js",
    "js_distance",
    "kl",
    "kl_reverse",
    "l2",
    "rel_l2",
    "resolve",
    "rounding",
]
__dir__ = __all__.copy

Metric = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""A reference (B, k) and outputs (B, k) to distances (B,)."""


def l2(reference: Any, output: Any) -> torch.Tensor:
    """Euclidean distance."""
    first, second = _pair(reference, output)
    return (second - first).norm(dim=-1)


def rel_l2(reference: Any, output: Any) -> torch.Tensor:
    """Euclidean distance as a share of the reference's norm; infinite from a zero reference."""
    first, second = _pair(reference, output)
    return (second - first).norm(dim=-1) / first.norm(dim=-1)


def kl(reference: Any, output: Any) -> torch.Tensor:
    """Kullback-Leibler divergence KL(reference || output) of the softmaxes, in nats."""
    first, second = _pair(reference, output)
    p, q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    # Terms are 0 at best; the sum may round below.
    return (p.exp() * (p - q)).sum(dim=-1).clamp_min(0.0)


def kl_reverse(reference: Any, output: Any) -> torch.Tensor:
    """Kullback-Leibler divergence KL(output || reference) of the softmaxes, in nats."""
    return kl(output, reference)


def js(reference: Any, output: Any, base: float = 2.0) -> torch.Tensor:
    """Jensen-Shannon divergence of the softmaxes, in logarithms of `base`: bits unless told otherwise."""
    if not base > 1:
        raise ParameterError(f"base must be above 1, got {base!r}")
    first, second = _pair(reference, output)
    p, q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    torch = torch_module("plateaus.metrics")
    middle = torch.logaddexp(p, q) - math.log(2.0)
    both = (p.exp() * (p - middle)).sum(dim=-1) + (q.exp() * (q - middle)).sum(dim=-1)
    return (both / (2 * math.log(base))).clamp_min(0.0)


def js_distance(reference: Any, output: Any, base: float = 2.0) -> torch.Tensor:
    """Square root of the Jensen-Shannon divergence; the triangle inequality holds for it."""
    return js(reference, output, base).sqrt()


def cosine(reference: Any, output: Any) -> torch.Tensor:
    """One minus the cosine; NaN where either row is zero."""
    first, second = _pair(reference, output)
    first = first / first.norm(dim=-1, keepdim=True)
    second = second / second.norm(dim=-1, keepdim=True)
    # Half the squared distance of unit vectors keeps its digits where 1 - cos would lose them.
    return (second - first).square().sum(dim=-1) / 2


def ab_ratio(start: Any, end: Any, output: Any, metric: Metric = l2) -> torch.Tensor:
    r"""Share of the way from one output to another, :math:`d_A / (d_A + d_B)`; NaN where both are zero."""
    from_start, from_end = metric(start, output), metric(end, output)
    return from_start / (from_start + from_end)


METRICS: dict[str, Metric] = {
    "l2": l2,
    "rel_l2": rel_l2,
    "kl": kl,
    "kl_reverse": kl_reverse,
    "js": js,
    "js_distance": js_distance,
    "cosine": cosine,
}
"""Distances between outputs, by the names that functions and commands take."""


def resolve(out: str | Metric) -> Metric:
    """Give the metric of a name, or a callable as it is."""
    if callable(out):
        return out
    if isinstance(out, str) and out == "ab_ratio":
        raise ParameterError(
            "ab_ratio compares the distances from two outputs, along a path: it is for response_curves alone"
        )
    if not isinstance(out, str) or out not in METRICS:
        raise ParameterError(
            f"out must be one of {', '.join(METRICS)} or a callable (ab_ratio, too, for curves), got {out!r}"
        )
    return METRICS[out]


def rounding(
    out: str | Metric, reference: torch.Tensor, output: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Largest distance that rounding of values as large as `output` explains, shape (B,); 0 for a caller's metric.

    `epsilon` is that of the outputs' own dtype; an error of a few of it in every entry is allowed for.
    """
    wide = output.double()
    norm, few = wide.norm(dim=-1), 4 * epsilon
    if out in ("l2", "ab_ratio"):
        return few * norm
    if out == "rel_l2":
        return few * norm / reference.double().norm(dim=-1)
    if out in ("kl", "kl_reverse", "js", "cosine"):
        # Quadratic in the change: entries that move by e move these by about e squared.
        return (few * (1 + wide.abs().amax(dim=-1))).square()
    if out == "js_distance":
        return few * (1 + wide.abs().amax(dim=-1))
    return norm.new_zeros(norm.shape)


def _pair(reference: Any, output: Any) -> tuple[torch.Tensor, torch.Tensor]:
    torch = torch_module("plateaus.metrics")
    first, second = (torch.as_tensor(value).double() for value in (reference, output))
    if not first.ndim or not second.ndim or first.shape[-1] != second.shape[-1] or not first.shape[-1]:
        raise ShapeError(
            f"outputs must end in one common dimension, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    return first, second
