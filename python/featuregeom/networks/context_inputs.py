"""The inputs of a model with several contexts: which tensors have one context per row, and which all share."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ParameterError
from featuregeom.networks.extra import torch_module
from featuregeom.networks.tensors import check_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["ContextInputs", "checked_contexts"]

BATCH_ARGUMENTS = ("input_ids", "inputs_embeds", "pixel_values", "input_values", "input_features")
"""Names that the transformers library has for what a batch is made of."""


def checked_contexts(contexts: torch.Tensor | ArrayLike, wanted: int, available: int) -> NDArray[np.int64]:
    """Give `wanted` contexts, each from 0 to `available` - 1, or raise ParameterError."""
    torch = torch_module("plateaus")
    chosen = np.asarray(contexts.cpu() if isinstance(contexts, torch.Tensor) else contexts)
    if chosen.dtype.kind not in "iu" or chosen.shape != (wanted,):
        raise ParameterError(f"contexts must be {wanted} integers, got {contexts!r}")
    if ((chosen < 0) | (chosen >= available)).any():
        raise ParameterError(f"contexts must be from 0 to {available - 1}, got {contexts!r}")
    return chosen.astype(np.int64)


class ContextInputs:
    """What a model is called with, by context.

    Parameters
    ----------
    inputs : mapping, tensor or tuple of tensors
        Keyword arguments, one argument, or several.
    shared : sequence of str or int
        Names or places of inputs that are never taken apart.

    Attributes
    ----------
    n_contexts : int
        Length of the batch argument.
    taken_apart : list of str
        The inputs that have one row per context.

    Raises
    ------
    ParameterError
        If there is no batch argument with a first axis, or `shared` names no input.
    """

    def __init__(self, inputs: Any, shared: Sequence[str | int]) -> None:
        torch = torch_module("plateaus.suffix_from")
        given: dict[str | int, Any]
        if isinstance(inputs, Mapping):
            given = {str(name): value for name, value in inputs.items()}
        else:
            given = dict(enumerate(inputs if isinstance(inputs, tuple) else (inputs,)))
        for name, value in given.items():
            check_tensor(value, f"input {name!r}")
        common = (shared,) if isinstance(shared, str | int) else tuple(shared)
        for name in common:
            if name not in given:
                raise ParameterError(f"shared names {name!r}; the inputs are {', '.join(map(repr, given))}")
        tensors = {
            name: value
            for name, value in given.items()
            if isinstance(value, torch.Tensor) and value.ndim and name not in common
        }
        batch = next((name for name in BATCH_ARGUMENTS if name in tensors), next(iter(tensors), None))
        if batch is None or not len(tensors[batch]):
            raise ParameterError("inputs hold no tensor with a first axis of at least one input")
        self.n_contexts = len(tensors[batch])
        self._given = given
        self._apart = {name for name, value in tensors.items() if len(value) == self.n_contexts}
        self.taken_apart = [repr(name) for name in given if name in self._apart]

    def of(self, contexts: torch.Tensor) -> tuple[list[Any], dict[str, Any]]:
        """Give arguments and keyword arguments for contexts, shape (B,), as copies that the model may overwrite."""
        chosen = {name: self._chosen(name, value, contexts) for name, value in self._given.items()}
        arguments = [value for name, value in chosen.items() if isinstance(name, int)]
        return arguments, {name: value for name, value in chosen.items() if isinstance(name, str)}

    def mask(self) -> NDArray[np.bool_] | None:
        """Give which tokens are no padding, shape (n_contexts, tokens), where an attention mask says so."""
        mask = self._given.get("attention_mask")
        if mask is None or getattr(mask, "ndim", 0) != 2 or len(mask) != self.n_contexts:
            return None
        return np.asarray(mask.cpu().numpy() != 0)

    def in_double(self) -> ContextInputs:
        """Give the same with floating tensors as float64."""
        other = copy.copy(self)
        other._given = {
            name: value.double() if getattr(value, "is_floating_point", bool)() else value
            for name, value in self._given.items()
        }
        return other

    def _chosen(self, name: str | int, value: Any, contexts: torch.Tensor) -> Any:
        torch = torch_module("plateaus.suffix_from")
        if name in self._apart:
            return value[contexts.to(value.device)]
        return value.clone() if isinstance(value, torch.Tensor) else value
