"""What a model is called with, and the loss whose gradients are measured: per sample, whatever its reduction."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from featuregeom.errors import ParameterError, ShapeError

if TYPE_CHECKING:
    import torch

__all__ = ["GRADIENTS", "Batch", "Gradient", "Losses", "Reduction", "batch_of", "check_batches"]

Gradient = Literal["empirical", "fisher", "jacobian"]
Reduction = Literal["mean", "sum", "none"]

GRADIENTS: tuple[Gradient, ...] = get_args(Gradient)
"""Gradients of the loss at the given targets; at targets drawn from the model itself; of every output, without loss."""

_SAME = 1e-4
"""Relative difference up to which a loss of doubled data counts as the same, or as twice it: float32 leaves 1e-6."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch.

    Attributes
    ----------
    args, kwargs : tuple, dict
        What the model is called with.
    target : object
        What the loss gets beside the output: the targets, or the whole mapping; None where there is nothing.
    size : int
        Samples.
    mask : tensor of bool or None
        Which tokens count, shape (samples, tokens).
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: Any
    size: int
    mask: Any


def check_batches(batches: Any) -> Iterable[Any]:
    """Refuse a single batch, and objects that are no iterable of batches."""
    import torch

    single = isinstance(batches, (Mapping, torch.Tensor, str)) or hasattr(batches, "__array__")
    if isinstance(batches, tuple) and batches and all(hasattr(each, "shape") for each in batches):
        single = True
    if single:
        raise ParameterError(
            "batches must be batches (a DataLoader, a list), not one of them: write [(inputs, targets)] for one"
        )
    if not isinstance(batches, Iterable):
        raise ParameterError(f"batches must be an iterable of batches, not {type(batches).__name__}")
    return batches


def batch_of(
    given: Any, model: torch.nn.Module, put: Callable[[Any], Any], mask: Callable[[Any], Any] | None
) -> Batch:
    """Tell apart what goes into the model and what into the loss.

    ``(inputs, targets)``: the model gets inputs, the loss the output and the targets. A mapping: the model gets the
    entries that its forward names, the loss the output and the mapping. Anything else is inputs alone.
    """
    import torch

    target: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    tokens = None
    if isinstance(given, Mapping):
        target = {str(key): put(value) for key, value in given.items()}
        kwargs, tokens = _taken(model, target), target.get("attention_mask")
        found = [value for value in kwargs.values() if isinstance(value, torch.Tensor) and value.ndim]
    elif isinstance(given, (tuple, list)):
        if len(given) not in (1, 2):
            raise ParameterError(
                f"a batch of {len(given)} parts: give (inputs, targets), or a mapping for models of several inputs"
            )
        inputs = put(given[0])
        target = put(given[1]) if len(given) == 2 else None
        if isinstance(inputs, Mapping):
            inputs = {str(key): put(value) for key, value in inputs.items()}
            kwargs, tokens = inputs, inputs.get("attention_mask")
            found = [value for value in kwargs.values() if isinstance(value, torch.Tensor) and value.ndim]
        else:
            args, found = (inputs,), [inputs]
    else:
        args = (put(given),)
        found = [args[0]]
    if not found or not isinstance(found[0], torch.Tensor) or not found[0].ndim:
        raise ShapeError("a batch has no tensor of inputs with samples along its first axis")
    size = len(found[0])
    if isinstance(target, torch.Tensor) and target.ndim and len(target) % max(size, 1):
        raise ShapeError(f"a batch has {size} inputs and {len(target)} targets")
    if mask is not None:
        tokens = put(mask(given))
    if tokens is not None:
        tokens = tokens.bool()
        if tokens.ndim != 2 or len(tokens) != size:
            raise ShapeError(
                f"the mask of tokens must have shape ({size}, tokens), not {tuple(tokens.shape)}"
            )
        if not bool(tokens.any()):
            raise ParameterError("the mask of a batch leaves no token")
    return Batch(args, kwargs, target, size, tokens)


def _taken(model: torch.nn.Module, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries that forward has an argument for."""
    try:
        takes = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # a forward in C, say
        return dict(entries)
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes):
        return dict(entries)
    names = {each.name for each in takes}
    taken = {key: value for key, value in entries.items() if key in names}
    if not taken:
        raise ParameterError(
            f"forward takes {sorted(names)}, and the batch has {sorted(entries)}: no entry in common"
        )
    return taken


class Losses:
    """The loss of a batch as a sum over samples.

    Parameters
    ----------
    loss : callable or None
        ``loss(output, target)``, or ``loss(output)`` where batches have no target.
    reduction : {"mean", "sum", "none"} or None
        What the loss does to the losses of samples; by default its own attribute ``reduction``, or what it does to
        doubled data, or ``"mean"`` where that cannot be tried.
    terms : callable or None
        Gives the number of terms that the mean is over from ``(output, target)``; by default the number of samples.
    """

    def __init__(self, loss: Any, reduction: str | None, terms: Callable[[Any, Any], int] | None) -> None:
        if loss is not None and not callable(loss):
            raise ParameterError(f"loss must be a function of output and target, not {type(loss).__name__}")
        found = reduction if reduction is not None else getattr(loss, "reduction", None)
        if found not in (*get_args(Reduction), None):
            raise ParameterError(f"reduction must be 'mean', 'sum' or 'none', not {found!r}")
        self._loss, self._reduction, self._terms = loss, found, terms
        self._checked = False

    def total(self, output: Any, target: Any, size: int) -> torch.Tensor:
        """Give the sum of the losses of the samples.

        Raises
        ------
        ParameterError
            If the loss has no gradient, is no real number, or reduces otherwise than is said.
        """
        import torch

        found = self._call(output, target)
        if not isinstance(found, torch.Tensor) or found.is_complex():
            raise ParameterError(f"loss must give a real tensor, not {type(found).__name__}")
        if not found.requires_grad:
            raise ParameterError(
                "the loss has no gradient: it does not depend on the output, or something on the way is detached, "
                "rounded to integers, or runs under torch.no_grad()"
            )
        if found.ndim:
            return found.sum()
        if not self._checked:
            self._check(output, target, found)
            self._checked = True
        if self._reduction == "sum":
            return found
        return found * (size if self._terms is None else int(self._terms(output, target)))

    def _call(self, output: Any, target: Any) -> Any:
        if self._loss is None:
            found = getattr(output, "loss", None)
            if found is None:
                raise ParameterError(
                    "no loss is given, and the model's output has none of its own: pass loss"
                )
            return found
        return self._loss(output) if target is None else self._loss(output, target)

    def _check(self, output: Any, target: Any, found: torch.Tensor) -> None:
        """Give the loss its batch twice: a mean stays as it is, a sum doubles."""
        import torch

        if not (
            isinstance(output, torch.Tensor)
            and isinstance(target, torch.Tensor)
            and output.ndim
            and target.ndim
        ):
            return
        if self._terms is not None:
            return
        with torch.no_grad():
            once = float(found.detach())
            try:
                twice = float(self._call(torch.cat([output, output]), torch.cat([target, target])))
            except (RuntimeError, ValueError, IndexError, TypeError):
                return  # a loss that knows the size of its batch
        if abs(once) < 1e-30 or not torch.isfinite(found):
            return
        acts = "mean" if abs(twice / once - 1) < _SAME else "sum" if abs(twice / once - 2) < _SAME else ""
        if self._reduction is None:
            self._reduction = acts or None
        elif acts and acts != self._reduction:
            raise ParameterError(
                f"the loss is a {acts} over samples, not a {self._reduction}: given a batch twice, it is "
                f"{twice / once:.3g} times as large; pass reduction={acts!r}"
            )
