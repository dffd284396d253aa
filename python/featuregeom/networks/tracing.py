"""A forward of a torch module, watched: where it bends, and whether anything in it is not piecewise linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from featuregeom.errors import ParameterError
from featuregeom.networks.kinks import bends, comparisons
from featuregeom.networks.operations import (
    AFFINE,
    BENDS,
    CASTS,
    ENDS,
    FREE,
    LAYERS,
    POOLS,
    PRODUCTS,
    SHAPES,
    SUMS,
    canonical,
)
from featuregeom.networks.rounding import SUMMED

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
    point : tensor, optional
        The only input, where gradients by it are wanted.
    settled : bool
        Whether values right out of a product that rounding cannot tell from zero become zero, and so do then their
        gradients, except at the bend `stop`, where they are as computed.

    Attributes
    ----------
    values : list of tensor
        What bends, one row per input.
    sizes : list of tensor
        For each value that comes right out of a product the size of what was added up, sum |w| |h| + |b|, and of what
        rounding adds to that; 0 for others, and unless `settled`.
    """

    def __init__(
        self, stop: int | None, inside: list[str], point: torch.Tensor | None, *, settled: bool
    ) -> None:
        super().__init__()
        self.stop, self.inside, self.point, self.settled = stop, inside, point, settled
        self.values: list[torch.Tensor] = []
        self.sizes: list[torch.Tensor] = []
        self.product: _Product | None = None
        self.seen = 0
        self.ended = ""
        self.moving: dict[int, torch.Tensor] = {}
        self.bent: torch.Tensor | None = None
        self.passed: tuple[torch.Tensor, torch.Tensor] | None = None
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
        self.bent = None
        self._judge(name, said, args, kwargs, moving)
        result = func(*args, **kwargs)
        self._remember(name, func, args, kwargs, moving[0], result)
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
            if name in BENDS:
                size = self.bent = self._size(first)
                if size is not None and self.seen != self.stop:
                    self._settle(first, size)
                values = bends(name, first, args, kwargs)
            else:
                size, values = None, comparisons(name, first, args, kwargs)
            self._record(values, size)
        elif name in LAYERS or name in PRODUCTS:
            if len(moving) > 1:
                raise ParameterError(f"{where} multiplies two values that depend on the input")
        elif name in SUMS:
            fixed = {"setitem": args[1:2], "where": args[:1]}.get(name, ())
            if self._moving([fixed, kwargs.get("alpha"), kwargs.get("condition")]):
                raise ParameterError(
                    f"{where} has an index, a condition or a factor that depends on the input"
                )
        elif name in SHAPES or name in AFFINE or name in CASTS:
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

    def _remember(
        self, name: str, func: Callable[..., Any], args: Any, kwargs: Any, moving: torch.Tensor, result: Any
    ) -> None:
        """Keep what tells how well values are known: a product that was just made, or the sizes of what was bent."""
        passed = self.passed
        if passed is not None and (moving is not passed[0] or result is passed[0]):
            passed = None
        # In place, its factors are gone.
        kept = (name in LAYERS or name in PRODUCTS) and all(result is not factor for factor in args)
        self.product = (
            _Product(result, func, args, kwargs, moving, None if passed is None else passed[1])
            if kept
            else None
        )
        if self.bent is not None:
            self.passed = result, self.bent * (result != 0)
        elif passed is not None and name in SHAPES and isinstance(result, torch.Tensor) and args:
            self.passed = result, func(passed[1], *args[1:], **kwargs)
        elif passed is None:
            self.passed = None

    def _record(self, values: torch.Tensor, size: torch.Tensor | None) -> None:
        if self.stop is None or self.seen == self.stop:
            self.values.append(values)
            if size is None:
                self.sizes.append(torch.zeros_like(values))
            else:
                flat = size.reshape(len(values), -1)
                # Once for each level at which the operation bends.
                self.sizes.append(flat.repeat(1, values.shape[1] // max(flat.shape[1], 1)))
        self.seen += 1
        if self.stop is not None and self.seen > self.stop:
            raise Enough

    def _size(self, bent: torch.Tensor) -> torch.Tensor | None:
        """Give the sizes of what was added up to make `bent`, or None where it is not right out of a product."""
        if not self.settled or self.product is None or self.product.result is not bent:
            return None
        return self.product.size()

    def _settle(self, bent: torch.Tensor, size: torch.Tensor) -> None:
        """Make zero, in place, what rounding cannot tell from zero; and its gradient, if that is rounding, too."""
        with torch.no_grad():
            nothing = bent.abs() < SUMMED * size
        if not bool(nothing.any()):
            return
        if self.point is None:
            bent.masked_fill_(nothing, 0.0)
            return
        assert self.product is not None
        # The value goes, the gradient stays, unless it is rounding.
        settled = bent - torch.where(nothing, bent.detach(), 0.0)
        still = nothing & self.product.still(self.point)
        bent.copy_(torch.where(still, 0.0, settled))

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


class _Product:
    """A product that was just made: its result, and how to make it again with other factors."""

    def __init__(
        self,
        result: Any,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        factor: torch.Tensor,
        before: torch.Tensor | None,
    ) -> None:
        self.result, self._func, self._args, self._kwargs = result, func, args, kwargs
        self._factor, self._before = factor, before

    def size(self) -> torch.Tensor:
        """Give the sizes of what was added up, and of what the rounding of the factor that moves adds to them."""
        sizes = self._with(self._factor, torch.abs)
        if self._before is None:
            return sizes
        # As in `rounding.passed_on`; the second product takes the squared biases away again.
        passed = self._with(self._before, torch.square) - self._with(self._before * 0, torch.square)
        return (sizes**2 + passed.clamp(min=0)).sqrt()

    def still(self, point: torch.Tensor) -> torch.Tensor:
        """Tell where the result's change with the input is a sum that cancels, seen along one generic direction."""
        if not self._factor.requires_grad:
            return torch.zeros_like(self.result, dtype=torch.bool)
        # Irrational multiples, so that no change which is not zero is orthogonal to it.
        steps = torch.arange(1, point.numel() + 1, dtype=point.dtype).mul_(0.5 * (5**0.5 - 1))
        along = (0.5 + steps.frac()).reshape(point.shape)
        moved, change = (_derivative(value, point, along) for value in (self.result, self._factor))
        # The second product takes the biases away again, for they do not move.
        size = self._with(change, torch.abs) - self._with(change * 0, torch.abs)
        return moved.abs() <= SUMMED * size

    def _with(self, factor: torch.Tensor, of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Make the product again from `of` its factors, with another one in the place of the one that moves."""

        def each(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return of(factor if value is self._factor else value)
            if isinstance(value, dict):
                # Factors of a product, such as alpha, are numbers by keyword.
                return {
                    key: abs(part)
                    if isinstance(part, float | int) and key in ("alpha", "beta")
                    else each(part)
                    for key, part in value.items()
                }
            return type(value)(map(each, value)) if isinstance(value, list | tuple) else value

        with torch.no_grad():
            found: torch.Tensor = self._func(*each(self._args), **each(self._kwargs))
            return found


def _derivative(value: torch.Tensor, point: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    """Give the derivative of `value` along a direction of the input, from its gradient, which is linear in weights."""
    weights = torch.zeros_like(value, requires_grad=True)
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(value, point, weights, create_graph=True, allow_unused=True)
        if slope is None or not slope.requires_grad:
            return torch.zeros_like(value)
        (change,) = torch.autograd.grad(slope, weights, along, retain_graph=True, allow_unused=True)
    return torch.zeros_like(value) if change is None else change


def recorder(
    model: torch.nn.Module, stop: int | None, point: torch.Tensor | None = None, *, settled: bool
) -> Recorder:
    """Watch the next forward of `model`; call `close` after it."""
    inside = ["the model"]
    found = Recorder(stop, inside, point, settled=settled)
    for name, module in model.named_modules():
        if name:
            label = f"{name} ({type(module).__name__})"
            found.handles.append(
                module.register_forward_pre_hook(lambda *_, label=label: inside.append(label))
            )
            found.handles.append(module.register_forward_hook(lambda *_: (inside.pop(), None)[1]))
    return found


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        return _tensors(list(values.values()))
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []
