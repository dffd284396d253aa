"""Modules of torch that apply a linear map h_b = W h_a + b, and the rows that they apply it to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError

if TYPE_CHECKING:
    import torch

__all__ = ["LinearMap", "linear_maps"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearMap:
    """A module of torch as a linear map.

    Attributes
    ----------
    name : str
        Its name in the model, ``"model"`` for the model itself.
    module : torch.nn.Module
        It.
    kind : {"dense", "transposed", "conv"}
        Weights as (out, in); as (in, out), as GPT-2's Conv1D keeps them; a convolution, whose rows are unfolded
        patches.
    tokens_first : bool
        Whether rows go through tokens first and samples second, as inside of torch's attention.
    """

    name: str
    module: Any
    kind: str
    tokens_first: bool = False

    def weights(self) -> tuple[Floats, Floats | None]:
        """Give W, shape (d_b, d_a), and the bias or None."""
        weight = _numbers(self.module.weight)
        bias = None if self.module.bias is None else _numbers(self.module.bias)
        if self.kind == "dense":
            return weight, bias
        if self.kind == "transposed":
            return weight.T.copy(), bias
        flat = weight.reshape(len(weight), -1)
        groups = self.module.groups
        if groups == 1:
            return flat, bias
        # A grouped convolution is one map whose matrix is zero between groups.
        out, into = len(flat) // groups, flat.shape[1]
        whole = np.zeros((len(flat), into * groups))
        for group in range(groups):
            rows = slice(group * out, (group + 1) * out)
            whole[rows, group * into : (group + 1) * into] = flat[rows]
        return whole, bias

    def inputs(self, given: torch.Tensor) -> torch.Tensor:
        """Give what the map is applied to, shape (..., d_a), from what the module is called with."""
        return given if self.kind != "conv" else _patches(self.module, given)

    def outputs(self, given: torch.Tensor) -> torch.Tensor:
        """Give outputs, or their gradients, in the same order, shape (..., d_b)."""
        if self.kind != "conv":
            return given
        dims = self.module.weight.ndim - 2
        return given.movedim(-1 - dims, -1)


def linear_maps(
    model: torch.nn.Module, names: tuple[str, ...] | None
) -> tuple[list[LinearMap], dict[str, Any]]:
    """Find the linear maps of a model, all or the named ones.

    A module that stands under two names is listed under its first.

    Parameters
    ----------
    model : torch.nn.Module
        Any.
    names : tuple of str or None
        Names of modules, ``"model"`` for the model itself; all where None.

    Returns
    -------
    (list of LinearMap, dict of str to MultiheadAttention)
        Modules that are called themselves; and those of attention, which uses the weights of its projections
        without calling a module.

    Raises
    ------
    ParameterError
        If a name is unknown, or belongs to a module that is not a linear map.
    """
    from torch import nn

    known = {name or "model": module for name, module in model.named_modules(remove_duplicate=False)}
    heads = {name: module for name, module in known.items() if isinstance(module, nn.MultiheadAttention)}
    projections = {f"{name}.{part}": name for name in heads for part in ("in_proj", "out_proj")}
    if names is not None:
        unknown = [name for name in names if name not in known and name not in projections]
        if unknown:
            raise ParameterError(
                f"the model has no module {unknown[0]!r}; its linear maps are {_listed(model)}"
            )
    found: dict[int, LinearMap] = {}
    attention: dict[str, Any] = {}
    for name in known if names is None else names:
        if name in projections or name in heads:
            owner = projections.get(name, name)
            attention[owner] = heads[owner]
            continue
        module = known[name]
        kind = _kind(module)
        if kind is not None:
            _check_weights(name, module)
            found.setdefault(id(module), LinearMap(name, module, kind))
        elif names is not None:
            raise ParameterError(
                f"module {name!r} ({type(module).__name__}) is not one linear map (Linear, Conv1d to Conv3d, "
                f"Conv1D of transformers, MultiheadAttention); those of the model are {_listed(model)}"
            )
    if not found and not attention:
        raise ParameterError("the model has no linear map (Linear, Conv1d to Conv3d, Conv1D of transformers)")
    return list(found.values()), attention


def _check_weights(name: str, module: Any) -> None:
    """Refuse weights that are not there yet, or not real."""
    from torch.nn.parameter import is_lazy

    # Not by module.weight: of a parametrised one that computes it, and steps the power iteration of spectral norms.
    held = list(module.parameters())
    if any(map(is_lazy, held)):
        raise ParameterError(
            f"module {name!r} ({type(module).__name__}) has no weights yet: run the model on a batch first"
        )
    if any(each.is_complex() for each in held):
        raise ParameterError(
            f"module {name!r} has complex weights, and moments of representations and gradients are real: leave it "
            "out of modules"
        )


def _listed(model: torch.nn.Module) -> str:
    names = [name or "model" for name, module in model.named_modules() if _kind(module)]
    return ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "") if names else "none"


def _kind(module: Any) -> str | None:
    from torch import nn

    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return None
    if isinstance(module, nn.modules.conv._ConvNd):
        return "conv"
    if isinstance(module, nn.Linear):
        return "dense"
    weight = getattr(module, "weight", None)
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf") and getattr(weight, "ndim", 0) == 2:
        return "transposed"
    return None


def _numbers(value: torch.Tensor) -> Floats:
    return np.array(value.detach().cpu().double().numpy())


def _patches(conv: Any, x: torch.Tensor) -> torch.Tensor:
    """Give the patch below each place of a convolution, shape (inputs, places ..., channels * kernel)."""
    from torch.nn import functional

    dims = conv.weight.ndim - 2
    x = x if x.ndim == dims + 2 else x[None]
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    x = functional.pad(x, conv._reversed_padding_repeated_twice, mode=mode)
    for axis in range(dims):
        reach = (conv.kernel_size[axis] - 1) * conv.dilation[axis] + 1
        x = x.unfold(2 + axis, reach, conv.stride[axis])[..., :: conv.dilation[axis]]
    # (inputs, channels, places ..., kernel ...) to (inputs, places ..., channels, kernel ...)
    return x.movedim(1, 1 + dims).flatten(1 + dims)
