"""The six matrices of a linear map: second moments of inputs, outputs and gradients, and products of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import choice
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import gram, matmul
from featuregeom.summary import summarised

__all__ = ["STATISTICS", "Sides", "Statistic", "sides"]

Floats = NDArray[np.float64]

Statistic = Literal["raw", "centred", "normalised"]

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
"""Which moments: E[x xᵀ] as in the theory; covariances; covariances of vectors of unit length, as in experiments."""


@summarised
@dataclass(frozen=True, eq=False)
class Sides:
    """The six matrices of h_b = W h_a + b.

    Attributes
    ----------
    H_a, G_a, Z_a : ndarray, shape (d_a, d_a)
        On the side "in": of h_a, of g_a = Wᵀ g_b, and Wᵀ W.
    H_b, G_b, Z_b : ndarray, shape (d_b, d_b)
        On the side "out": of h_b, of g_b, and W Wᵀ.
    """

    H_a: Floats
    G_a: Floats
    Z_a: Floats
    H_b: Floats
    G_b: Floats
    Z_b: Floats


def sides(
    moments: Any, W: ArrayLike | None = None, bias: ArrayLike | None = None, statistic: Statistic = "raw"
) -> Sides:
    """Give the six matrices of a linear map from the moments of its inputs and of its outputs' gradients.

    H_b = W H_a Wᵀ (with the terms of the bias) and G_a = Wᵀ G_b W are identities, so two moments make four. The
    second holds for the gradient that comes back through this map; where other layers read h_a, too, its whole
    gradient is another.

    Parameters
    ----------
    moments : LayerMoments or any object with ``H_a`` and ``G_b``
        ``mean_a`` is needed with a bias, ``mean_a`` and ``mean_g`` for ``"centred"``, ``normalised`` for
        ``"normalised"``.
    W : array-like, shape (d_b, d_a), optional
        By default ``moments.W``.
    bias : array-like, shape (d_b,), optional
        By default ``moments.bias``.
    statistic : {"raw", "centred", "normalised"}
        Which moments.

    Raises
    ------
    ShapeError
        If shapes do not go together.
    ParameterError
        If the moments lack what is needed.

    Notes
    -----
    Six products of matrices.
    """
    choice("statistic", statistic, STATISTICS)
    weights = _weights(moments, W)
    if statistic == "normalised":
        return _normalised(moments, weights)
    H_a, G_b = (real_numbers(getattr(moments, name), name) for name in ("H_a", "G_b"))
    d_b, d_a = weights.shape
    for name, found, size in (("H_a", H_a, d_a), ("G_b", G_b, d_b)):
        if found.shape != (size, size):
            raise ShapeError(
                f"{name} has shape {found.shape}, and W of shape {weights.shape} needs ({size}, {size}): W maps inputs "
                "to outputs as W @ h, so give the transpose of weights that are stored the other way (Conv1D of GPT-2)"
            )
    if statistic == "centred":
        mean_a, mean_g = _mean(moments, "mean_a", d_a), _mean(moments, "mean_g", d_b)
        H_a, G_b = H_a - np.outer(mean_a, mean_a), G_b - np.outer(mean_g, mean_g)
        if hasattr(moments, "a") and hasattr(moments.a, "cov"):
            H_a = moments.a.cov()
    H_b = matmul(matmul(weights, H_a), weights.T)
    given = getattr(moments, "bias", None) if bias is None else bias
    if given is not None and statistic == "raw":
        added = real_numbers(given, "bias")
        if added.shape != (d_b,):
            raise ShapeError(f"bias has shape {added.shape}, and W of shape {weights.shape} needs ({d_b},)")
        if added.any():
            # The two mixed terms and that of the bias alone, in two passes over H_b instead of four.
            middle = weights @ _mean(moments, "mean_a", d_a) + added / 2
            H_b += np.outer(middle, added)
            H_b += np.outer(added, middle)
    G_a = matmul(matmul(weights.T, G_b), weights)
    return Sides(H_a, G_a, gram(weights.T), H_b, G_b, gram(weights))


def _weights(moments: Any, W: ArrayLike | None) -> Floats:
    found = getattr(moments, "W", None) if W is None else W
    if found is None:
        raise ParameterError("the moments do not say what the weights are: pass W, as in crh(moments, W)")
    weights = real_numbers(found, "W")
    if weights.ndim != 2 or not weights.size:
        raise ShapeError(f"W must be a matrix of shape (d_b, d_a), got shape {weights.shape}")
    if not weights.any():
        raise ParameterError("W is zero, so nothing aligns with it")
    return weights


def _mean(moments: Any, name: str, d: int) -> Floats:
    found = getattr(moments, name, None)
    if found is None:
        raise ParameterError(f"the moments have no {name}, which a bias and centred moments need")
    mean = real_numbers(found, name)
    if mean.shape != (d,):
        raise ShapeError(f"{name} has shape {mean.shape}, and W needs ({d},)")
    return mean


def _normalised(moments: Any, W: Floats) -> Sides:
    found = getattr(moments, "normalised", None)
    if found is None:
        raise ParameterError(
            "the moments have none of vectors of unit length: collect(..., normalised=True) adds them"
        )
    H_a, H_b, G_a, G_b = (found[side].cov() for side in ("h_a", "h_b", "g_a", "g_b"))
    return Sides(H_a, G_a, gram(W.T), H_b, G_b, gram(W))
