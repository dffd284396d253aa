r"""Paths of activations from a base: what alpha means is said by a path and a scale, never left implicit.

====================  =============================================================================================
``linear``, target    :math:`A + \alpha (B - A)`
``linear``, other     :math:`A + \alpha s \hat D`, with s = \|A\| (norm), 1 (absolute) or the given sigma
``ray``               the same, where alpha may go past 1 and curves are taken relative to their last point
``slerp``             the direction turns from A to B by equal angles, the norm goes linearly
====================  =============================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.extra import torch_module
from featuregeom.networks.tensors import rows
from featuregeom.plateaus.directions import Directions
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = ["Path", "PathKind", "Scale", "make_path"]

PathKind = Literal["linear", "slerp", "ray"]
Scale = Literal["target", "norm", "absolute", "sigma"]


@summarised
@dataclass(frozen=True, eq=False)
class Path:
    """Paths of P pairs; see `make_path`.

    Attributes
    ----------
    kind : {"linear", "slerp", "ray"}
        Which path.
    base : tensor, shape (P, m)
        Where each starts, at alpha 0.
    step : tensor, shape (P, m)
        What alpha 1 adds; for "slerp" the way to the target.
    still : ndarray of bool, shape (P,)
        Pairs whose path does not move.
    """

    kind: PathKind
    base: torch.Tensor
    step: torch.Tensor
    still: NDArray[np.bool_]

    def at(self, pairs: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
        """Activations, shape (B, m), of pairs (B,) at alphas (B,)."""
        torch = torch_module("plateaus")
        start, step = self.base[pairs].double(), self.step[pairs].double()
        a = alphas.to(start)[:, None]
        if self.kind != "slerp":
            return (start + a * step).to(self.base)
        end = start + step
        first, last = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
        u, v = start / first, end / last
        # The angle from both its sine and cosine, in [0, pi]: |cos| would take the arc to -B.
        angle = 2 * torch.atan2((u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True))
        small = angle < 1e-6
        safe = torch.where(small, torch.ones_like(angle), angle)
        left = torch.where(small, 1 - a, torch.sin((1 - a) * safe) / torch.sin(safe))
        right = torch.where(small, a, torch.sin(a * safe) / torch.sin(safe))
        return ((left * u + right * v) * ((1 - a) * first + a * last)).to(self.base)


def make_path(
    base: Any,
    target: Any = None,
    direction: Any = None,
    *,
    path: PathKind = "linear",
    scale: Scale = "target",
    sigma: Any = None,
    orthogonal: bool = False,
) -> Path:
    """Check a base with its target or direction, and give the path between them.

    Parameters
    ----------
    base : tensor or array-like, shape (P, m) or (m,)
        Activations A that the paths leave from; their dtype is that of everything that follows.
    target : tensor or array-like, shape (P, m) or (m,), optional
        Activations B. Either this or `direction`.
    direction : Directions, tensor or array-like, shape (P, m) or (m,), optional
        D, as the functions of `directions` draw it; with scale "target" alpha 1 adds it as it is.
    path, scale
        See the module.
    sigma : float or array-like of shape (P,), optional
        Length of the step with scale "sigma": the typical size of activations, say.
    orthogonal : bool
        Take the part of D that is orthogonal to the base; LayerNorm does not see the rest.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError, ShapeError, DtypeError, NonFiniteError
        If the arguments contradict each other, do not fit, or a slerp has no single shortest arc.
    """
    torch = torch_module("plateaus")
    choice("path", path, get_args(PathKind))
    choice("scale", scale, get_args(Scale))
    if (target is None) == (direction is None):
        raise ParameterError("give either a target or a direction")
    if (sigma is None) == (scale == "sigma"):
        raise ParameterError('sigma belongs to scale="sigma", and is needed there')
    if isinstance(direction, Directions):
        direction = direction.vectors
    start = rows("base", base)
    other = rows(
        "target" if direction is None else "direction", target if direction is None else direction, start
    )
    if start.shape[1] != other.shape[1] or (1 not in (len(start), len(other)) and len(start) != len(other)):
        name = "target" if direction is None else "direction"
        raise ShapeError(f"base {tuple(start.shape)} and {name} {tuple(other.shape)} do not fit")
    start, other = (tensor.contiguous() for tensor in torch.broadcast_tensors(start, other))
    step = other - start if direction is None else other
    if path == "slerp":
        if direction is not None or scale != "target" or orthogonal:
            raise ParameterError('path="slerp" goes to a target: no direction, scale or orthogonal with it')
        _check_arcs(start, other)
        return Path(path, start, step, _zero(step))
    if orthogonal:
        unit = start / start.norm(dim=1, keepdim=True).clamp_min(torch.finfo(start.dtype).tiny)
        step = step - (step * unit).sum(dim=1, keepdim=True) * unit
    still = _zero(step)
    if scale != "target":
        length: Any = 1.0
        if scale == "norm":
            length = start.norm(dim=1, keepdim=True)
        if scale == "sigma":
            length = torch.as_tensor(sigma, dtype=start.dtype, device=start.device)
            if length.ndim > 1 or (length.ndim and len(length) != len(start)) or not bool((length > 0).all()):
                raise ParameterError(f"sigma must be above 0, one number or one per pair, got {sigma!r}")
            length = length[:, None] if length.ndim else length
        norm = step.norm(dim=1, keepdim=True)
        step = length * step / torch.where(norm > 0, norm, torch.ones_like(norm))
        still = still | _zero(step)
    return Path(path, start, step, still)


def _check_arcs(start: torch.Tensor, end: torch.Tensor) -> None:
    u, v = start.double(), end.double()
    norms = u.norm(dim=1), v.norm(dim=1)
    for name, norm in zip(("base", "target"), norms, strict=True):
        if not bool((norm > 0).all()):
            raise ParameterError(
                f"{name} {int((norm == 0).nonzero()[0])} is zero: a slerp needs its direction"
            )
    opposite = ((u / norms[0][:, None] + v / norms[1][:, None]).norm(dim=1) < 1e-6).nonzero()
    if len(opposite):
        raise ParameterError(
            f"pair {int(opposite[0])} points in opposite directions: no shortest arc joins it"
        )


def _zero(step: torch.Tensor) -> NDArray[np.bool_]:
    return np.asarray((step == 0).all(dim=1).cpu().numpy())
