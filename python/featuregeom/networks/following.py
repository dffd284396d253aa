"""Which values of a forward pass depend on the data, and which operations without a code are not affine in them.

Only those matter: a cosine of positions, or the exponential of a parameter, is a constant. Comparisons of the data are
followed apart from what is continuous in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from featuregeom.networks.operations import (
    AFFINE,
    ATTENTION,
    COMPARISONS,
    ELEMENTWISE,
    FACTORIES,
    LAYERS,
    MIXING,
    MIXING_FAMILIES,
    POWERS,
    PRODUCTS,
    SHAPES,
    SUMS,
)

__all__ = ["Following", "tensors"]

_PRODUCTS = LAYERS | {"mul", "addcmul", "addr", "addbmm", "vdot"}
"""Products of two values, by the dispatcher's names."""

_AFFINE = SHAPES | AFFINE | PRODUCTS | SUMS | ELEMENTWISE

_MADE_ANEW = frozenset({"_to_copy", "copy", "view"})
"""Casts, of which a dispatcher's ``view`` to another type is one."""

_CONSTANTS = ("mask", "position_ids")
"""Ends of names of a model's arguments that say which tokens there are, not what is in them."""


class Following:
    """Remembers which tensors depend on the data, and keeps none of them alive."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakTensorKeyDictionary

        self._followed: Any = WeakTensorKeyDictionary()
        self._compared: Any = WeakTensorKeyDictionary()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Follow what the model is called with, masks and positions left out."""
        named = [value for name, value in kwargs.items() if not name.endswith(_CONSTANTS)]
        self._follow((*args, *named))

    def after(
        self, operation: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> tuple[str, bool] | None:
        """Follow what an operation gives; tell what it is, and whether it is elementwise, if it is not affine."""
        moving = [_any((arg,), self._followed) for arg in args]
        if operation.startswith(FACTORIES) or not (any(moving) or _any(kwargs.values(), self._followed)):
            return None
        self._follow((out,))
        return _judge(operation, func, args, kwargs, moving, out)

    def chosen(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> bool:
        """Follow comparisons of the data through casts and logic; tell whether one becomes numbers, or chooses some."""
        given = list(tensors((*args, *kwargs.values())))
        compared = operation in COMPARISONS and _any(filter(_continuous, given), self._followed)
        if operation.startswith(FACTORIES) or not (compared or _any(given, self._compared)):
            return False
        outs = list(tensors((out,)))
        for value in outs:
            if not _continuous(value):
                _remember(value, self._compared)
        return any(map(_continuous, outs))

    def _follow(self, values: tuple[Any, ...]) -> None:
        import torch

        for value in tensors(values):
            # Comparisons are followed apart: they are constant in pieces.
            if value.dtype != torch.bool:
                _remember(value, self._followed)


def _judge(
    operation: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], moving: list[bool], out: Any
) -> tuple[str, bool] | None:
    import torch

    name = operation.strip("_").removeprefix("native_")
    if operation.startswith(ATTENTION):
        return "scaled_dot_product_attention", False
    if operation in MIXING or operation in POWERS or operation.startswith(MIXING_FAMILIES):
        return name, False
    if operation in _PRODUCTS:
        # Factors come first, or after what is added to the product.
        first = int(operation.startswith(("add", "baddbmm")))
        return (f"{name} of two activations", False) if all(moving[first : first + 2]) else None
    if operation in ("div", "true_divide", "addcdiv"):
        if kwargs.get("rounding_mode") is not None:
            return f"{name} with rounding", True
        return (f"{name} by an activation", False) if moving[-1] else None
    outs = list(tensors((out,)))
    if operation in _MADE_ANEW and not _continuous(out) and any(map(_continuous, tensors(args))):
        return (f"cast to {out.dtype}", True) if out.dtype != torch.bool else None
    elementwise = operation == "polar" or (torch.Tag.pointwise in func.tags and operation not in _AFFINE)
    return (name, True) if elementwise and any(map(_continuous, outs)) else None


def _continuous(value: Any) -> bool:
    return bool(value.is_floating_point() or value.is_complex())


def _any(values: Iterable[Any], memory: Any) -> bool:
    return any(value in memory for value in tensors(tuple(values)))


def _remember(value: Any, memory: Any) -> None:
    memory[value] = True
    if value._base is not None:  # Written into a part, such as a slice.
        memory[value._base] = True


def tensors(args: tuple[Any, ...]) -> Iterator[Any]:
    """Give the tensors among the arguments of an operation, those in lists too."""
    import torch

    for value in args:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, torch.Tensor):
                yield each
