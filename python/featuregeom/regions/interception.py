"""A forward of a torch module, watched: where it bends, and whether anything in it is not piecewise linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from featuregeom.errors import ParameterError
from featuregeom.regions.bends import bends, comparisons
from featuregeom.regions.operations import (
    AFFINE,
    BENDS,
    CASTS,
    ENDS,
    FREE,
    POOLS,
    PRODUCTS,
    SHAPES,
    SUMS,
    canonical,
)

__all__ = ["Enough", "Recorder", "recorder"]

_KNOWN = "dense, convolution, BatchNorm, pooling, residual, ReLU, LeakyReLU, PReLU, Hardtanh and Softshrink networks"


class Enough(Exception):  # noqa: N818 - not an error: the rest of a forward pass is not needed.
    """Ends a forward pass once the bend that is asked for was seen."""


class Recorder(TorchFunctionMode):
    """Watches one forward.

    Parameters
    ----------
    stop : int or None
        Raise `Enough` at this bend, with only its values in `values`; None keeps those of all.
    inside : list of str
        Stack of the modules that run, for error messages.

    Attributes
    ----------
    values : list of tensor
        What bends, one row an input.
    sizes : list of tensor
        With `stop`, for each value that comes right out of a product the size of what was added up, sum |w| |h| + |b|;
        0 for others.
    """

    def __init__(self, stop: int | None, inside: list[str]) -> None:
        super().__init__()
        self.stop, self.inside = stop, inside
        self.values: list[torch.Tensor] = []
        self.sizes: list[torch.Tensor] = []
        self.product: tuple[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = None
        self.seen = 0
        self.ended = ""
        self.moving: dict[int, torch.Tensor] = {}
        self.handles: list[Any] = []

    def follow(self, tensor: torch.Tensor) -> torch.Tensor:
        """Remember that a tensor depends on the input, and with it all that share its memory."""
        if tensor.numel():
            # Kept, so that no other tensor gets the same address.
            self.moving[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def depends(self, tensor: torch.Tensor) -> bool:
        """Tell whether a tensor depends on the input, or is empty."""
        return not tensor.numel() or bool(self._moving([tensor]))

    def close(self) -> None:
        """Take the hooks away and forget."""
        for handle in self.handles:
            handle.remove()
        self.moving.clear()
        self.product = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        moving = self._moving([args, kwargs])
        said = getattr(func, "__name__", str(func))
        name = canonical(said)
        if not moving:
            return func(*args, **kwargs)
        if name in FREE:
            return self._followed(func(*args, **kwargs))
        if self.ended:
            if name not in SHAPES:
                raise ParameterError(f"module {self.ended} before the output: it is not piecewise linear")
            return self._followed(func(*args, **kwargs))
        if name in ENDS:
            self.ended = f"{self.inside[-1]!r} uses {name}"
            return moving[0]
        self._judge(name, said, args, kwargs, moving)
        result = func(*args, **kwargs)
        # In place, its factors are gone.
        kept = name in PRODUCTS and all(result is not factor for factor in args)
        self.product = (result, func, args, kwargs) if kept else None
        if name == "setitem":
            self.follow(args[0])
        for tensor in _tensors([result]):
            if tensor.dtype == torch.float32 and name in CASTS:
                return moving[0]
            if tensor.dtype != torch.float64 and name not in POOLS:
                raise ParameterError(
                    f"{said} in module {self.inside[-1]!r} casts to {tensor.dtype}, which rounds: regions are those "
                    "of the network in float64"
                )
        return self._followed(result)

    def _judge(
        self, name: str, said: str, args: tuple[Any, ...], kwargs: dict[str, Any], moving: list[torch.Tensor]
    ) -> None:
        """Refuse what is not piecewise linear in the values that move, and record what bends."""
        where = f"{said} in module {self.inside[-1]!r}"
        first = kwargs.get("input", args[0] if args else None)
        only_first = isinstance(first, torch.Tensor) and bool(self._moving([first])) and len(moving) == 1
        if name in BENDS or name in POOLS:
            if not only_first or not isinstance(first, torch.Tensor):
                raise ParameterError(f"{where} has a bound or a slope that depends on the input")
            kind = bends if name in BENDS else comparisons
            self._record(kind(name, first, args, kwargs), first if name in BENDS else None)
        elif name in PRODUCTS:
            if len(moving) > 1:
                raise ParameterError(f"{where} multiplies two values that depend on the input")
        elif name in SUMS:
            fixed = {"setitem": args[1:2], "where": args[:1]}.get(name, ())
            if self._moving([fixed, kwargs.get("alpha"), kwargs.get("condition")]):
                raise ParameterError(
                    f"{where} has an index, a condition or a factor that depends on the input"
                )
        elif name in AFFINE or name in CASTS:
            if kwargs.get("rounding_mode") is not None:
                raise ParameterError(f"{where} rounds: the network is not continuous")
            if not only_first:
                raise ParameterError(
                    f"{where} divides by, or selects with, a value that depends on the input"
                )
            if name == "batch_norm" and kwargs.get("training", args[5] if len(args) > 5 else False):
                raise ParameterError(f"{where} runs in train mode")
            if "dropout" in name and kwargs.get("training", args[2] if len(args) > 2 else True):
                raise ParameterError(f"{where} runs in train mode")
        else:
            raise ParameterError(
                f"{where} is not known to be piecewise linear; regions are exact for {_KNOWN}"
            )

    def _record(self, values: torch.Tensor, bent: torch.Tensor | None) -> None:
        if self.stop is None or self.seen == self.stop:
            self.values.append(values)
        if self.seen == self.stop:
            self.sizes.append(self._size(values, bent))
        self.seen += 1
        if self.stop is not None and self.seen > self.stop:
            raise Enough

    def _size(self, values: torch.Tensor, bent: torch.Tensor | None) -> torch.Tensor:
        if bent is None or self.product is None or self.product[0] is not bent:
            return torch.zeros_like(values)
        _, func, args, kwargs = self.product
        whole: torch.Tensor = func(
            *map(_absolute, args), **{key: _absolute(value) for key, value in kwargs.items()}
        )
        flat = whole.reshape(len(values), -1)
        # Once for each level at which the operation bends.
        return flat.repeat(1, values.shape[1] // max(flat.shape[1], 1))

    def _moving(self, values: Any) -> list[torch.Tensor]:
        return [
            tensor
            for tensor in _tensors(values)
            if tensor.numel() and tensor.untyped_storage().data_ptr() in self.moving
        ]

    def _followed(self, result: Any) -> Any:
        for tensor in _tensors([result]):
            self.follow(tensor)
        return result


def recorder(model: torch.nn.Module, stop: int | None) -> Recorder:
    """Watch the next forward of `model`; call `close` after it."""
    inside = ["the model"]
    found = Recorder(stop, inside)
    for name, module in model.named_modules():
        if name:
            label = f"{name} ({type(module).__name__})"
            found.handles.append(
                module.register_forward_pre_hook(lambda *_, label=label: inside.append(label))
            )
            found.handles.append(module.register_forward_hook(lambda *_: (inside.pop(), None)[1]))
    return found


def _absolute(value: Any) -> Any:
    return value.abs() if isinstance(value, torch.Tensor) else value


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        return _tensors(list(values.values()))
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []
