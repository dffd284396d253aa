"""What a model is called with: data cut into batches, put where the model is, and the rows that each batch has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.tensors import check_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["Call", "RowsOf", "call", "cut", "placing"]

RowsOf = Literal["inputs", "tokens"]
"""Whether an input is a row, or each of its tokens."""


def placing(model: torch.nn.Module, device: Any) -> Callable[[Any], Any]:
    """Make what turns a batch's entries into the tensors that the model gets."""
    import torch

    parameters = list(model.parameters())
    place = device if device is not None else (parameters[0].device if parameters else None)
    dtype = next((each.dtype for each in parameters if each.is_floating_point()), None)

    def put(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            # A copy: the array may not be writable.
            value = torch.from_numpy(value.copy())
            return value.to(place, dtype if value.is_floating_point() and dtype is not None else value.dtype)
        if not isinstance(value, torch.Tensor):
            return value
        check_tensor(value, "a tensor of the data")
        moved = value.detach() if place is None else value.detach().to(place)
        return moved.clone() if moved.data_ptr() == value.data_ptr() else moved

    return put


def cut(data: Any, size: int) -> tuple[Iterator[Any], int]:
    """Cut inputs into batches unless they are batches already; also give their number (0 where it is not known)."""
    import torch

    arrays = (np.ndarray, torch.Tensor)
    for value in data.values() if isinstance(data, Mapping) else (data,):
        check_tensor(value, "a tensor of the data")
    if isinstance(data, arrays):
        if not data.ndim:
            raise ShapeError(f"data is a single number, {data}: inputs go along the first axis")
        return (data[start : start + size] for start in range(0, max(len(data), 1), size)), len(data)
    if isinstance(data, Mapping):
        entries = {key: _entry(key, value) for key, value in data.items()}
        for key, value in entries.items():
            if value is not None and not value.shape:
                raise ShapeError(
                    f"entry {key!r} of the data is a single number: inputs go along the first axis"
                )
        lengths = {key: len(value) for key, value in entries.items() if value is not None}
        if len(set(lengths.values())) != 1:
            raise ShapeError(
                f"entries of the data must have one length, and there must be one; got {lengths}"
            )
        n = next(iter(lengths.values()))
        cut = (
            {key: None if value is None else value[start : start + size] for key, value in entries.items()}
            for start in range(0, max(n, 1), size)
        )
        return cut, n
    if isinstance(data, tuple) and len(data) > 1 and all(isinstance(entry, arrays) for entry in data):
        raise ParameterError(
            "data is a tuple of arrays, which may be inputs with their labels or batches: pass the inputs alone, or a "
            "list of batches"
        )
    if isinstance(data, Iterable) and not isinstance(data, str):
        return iter(data), 0
    raise ParameterError(
        f"data must be an array, a tensor, a mapping or batches, not {type(data).__name__}; put a data set into a "
        "DataLoader"
    )


def _entry(key: Any, value: Any) -> Any:
    """Give an entry of a mapping as something to cut; a tokenizer gives lists unless asked for tensors."""
    if value is None or hasattr(value, "shape"):
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"entry {key!r} of the data is ragged: pad it ({error})") from error


@dataclass(frozen=True, eq=False)
class Call:
    """What the model is called with for one batch.

    Attributes
    ----------
    args, kwargs : tuple, dict
        Arguments, copies that the model may overwrite.
    size : int
        Inputs of the batch.
    tokens : (int or None, tensor of bool or None) or None
        Tokens of each input, None where only activations tell (images), and which of them are rows (all where None);
        None where inputs are the rows.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    size: int
    tokens: tuple[int | None, Any] | None

    def shorter(self) -> Call:
        """Give the call without the last token of each input: cut are tensors of shape (inputs, tokens, ...)."""
        import torch

        assert self.tokens is not None
        length, mask = self.tokens

        def part(value: Any) -> Any:
            tokens = isinstance(value, torch.Tensor) and tuple(value.shape[:2]) == (self.size, length)
            return value[:, :-1] if tokens else value

        kwargs = {key: part(value) for key, value in self.kwargs.items()}
        return Call(tuple(map(part, self.args)), kwargs, self.size, (length and length - 1, part(mask)))

    def take(self, chosen: list[int]) -> Call:
        """Give the call of some inputs of the batch: tensors as long as it are cut, others stay whole."""
        import torch

        def part(value: Any) -> Any:
            per_input = isinstance(value, torch.Tensor) and value.ndim and len(value) == self.size
            return value[torch.tensor(chosen, device=value.device)] if per_input else value

        tokens = None if self.tokens is None else (self.tokens[0], part(self.tokens[1]))
        kwargs = {key: part(value) for key, value in self.kwargs.items()}
        return Call(tuple(map(part, self.args)), kwargs, len(chosen), tokens)


def call(batch: Any, put: Callable[[Any], Any], rows: RowsOf) -> Call:
    """Give the arguments of the model for a batch, the number of inputs, and their tokens.

    Raises
    ------
    ParameterError, ShapeError
        If the batch holds no tensor of inputs, or no tokens where those are the rows.
    """
    import torch

    kwargs: dict[str, Any] = {}
    args: tuple[Any, ...] = ()
    mask = None
    if isinstance(batch, Mapping):
        kwargs = {str(key): put(_entry(key, value)) for key, value in batch.items()}
        found = [value for value in kwargs.values() if isinstance(value, torch.Tensor) and value.ndim]
        if not found:
            raise ShapeError(f"a batch has no tensor with an axis among its entries {list(kwargs)}")
        mask = kwargs.get("attention_mask")
    else:
        if isinstance(batch, (tuple, list)) and not batch:
            raise ShapeError("a batch is an empty tuple or list: there is no input in it")
        first = put(batch[0] if isinstance(batch, (tuple, list)) else batch)
        if not isinstance(first, torch.Tensor) or first.ndim == 0:
            raise ParameterError(
                "a batch must be an array or a tensor of inputs along the first axis, not "
                f"{'a single number' if isinstance(first, torch.Tensor) else type(first).__name__}"
            )
        args, found = (first,), [first]
    size = len(found[0])
    if rows == "inputs":
        return Call(args, kwargs, size, None)
    if isinstance(mask, torch.Tensor):
        if mask.ndim != 2:
            raise ShapeError(f"attention_mask must have shape (inputs, tokens), not {tuple(mask.shape)}")
        return Call(args, kwargs, size, (int(mask.shape[1]), mask.bool()))
    axes = next((tensor for tensor in found if tensor.ndim > 1), None)
    if axes is None:
        raise ShapeError("rows='tokens' needs inputs with an axis of tokens after the first")
    # The second axis of images is that of channels.
    return Call(args, kwargs, size, (int(axes.shape[1]) if axes.ndim < 4 else None, None))
