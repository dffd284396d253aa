"""The rest of a network as a function: what comes out when the output of one module is replaced at one position."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.context_inputs import ContextInputs, checked_contexts
from featuregeom.networks.extra import torch_module
from featuregeom.networks.functions import check_rows
from featuregeom.networks.modules import check_module, eager
from featuregeom.networks.tensors import rows

if TYPE_CHECKING:
    import torch

__all__ = ["Suffix", "suffix_from"]


class _Seen(Exception):  # noqa: N818 - not an error: the rest of a forward pass is not needed.
    """Ends a forward pass once all outputs that are asked for were seen."""


class Suffix:
    """What a model puts out as a function of the activation after one module; see `suffix_from`.

    Attributes
    ----------
    base : tensor, shape (n_contexts, m)
        The activation that each context has by itself.
    n_contexts : int
        Number of inputs: each freezes everything but the replaced activation.
    position : ndarray of int64, shape (n_contexts,), or None
        Token that is replaced, counted from 0; None where the whole output is.
    n_calls : int
        Forward passes of the model so far.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        module: str,
        inputs: Any,
        position: int | ArrayLike | None,
        output: str | Sequence[str] | None,
        output_position: int | ArrayLike | None,
        shared: Sequence[str | int],
    ) -> None:
        self._model = model
        self._module = _submodule(model, module)
        self._name = module
        names = (output,) if isinstance(output, str) else tuple(output or ())
        if output is not None and not names:
            raise ParameterError("output names no module; leave it out for what the model itself puts out")
        self._outputs = {name: _submodule(model, name) for name in names}
        self._inputs = ContextInputs(inputs, shared)
        self.n_contexts = self._inputs.n_contexts
        self.n_calls = 0
        found = self._natural()
        self.position = _positions("position", position, found, self._inputs.mask(), self.n_contexts)
        self._output_position = (
            self.position
            if output_position is None
            else _given("output_position", output_position, self.n_contexts)
        )
        self.base = rows(f"the output of {module}", _taken(found, self.position).contiguous())
        if self.n_contexts == 1:
            # One context repeated shows no mixing: two activations in it do.
            check_rows(self, self.base * self.base.new_tensor([[1.0], [0.5]]), np.zeros(2, np.int64))

    def __repr__(self) -> str:
        return f"Suffix(module={self._name!r}, n_contexts={self.n_contexts}, n_calls={self.n_calls})"

    def __call__(self, h: torch.Tensor, contexts: torch.Tensor | ArrayLike | None = None) -> torch.Tensor:
        """Compute the outputs for activations.

        Parameters
        ----------
        h : tensor, shape (B, m)
            Activations that replace those of the module.
        contexts : tensor or array_like of int, shape (B,), optional
            The context that each goes into; needed unless there is only one.

        Returns
        -------
        tensor, shape (B, k)
            Differentiable in h.

        Raises
        ------
        ShapeError, ParameterError
            If activations do not fit, or contexts are missing, no integers or out of range.
        """
        torch = torch_module("plateaus.suffix_from")
        if h.ndim != 2 or h.shape[1] != self.base.shape[1]:
            raise ShapeError(f"activations must be (B, {self.base.shape[1]}), got {tuple(h.shape)}")
        if contexts is None:
            if self.n_contexts != 1:
                raise ParameterError(f"{self.n_contexts} contexts: say which one each activation goes into")
            contexts = np.zeros(len(h), np.int64)
        chosen = checked_contexts(contexts, len(h), self.n_contexts)
        which = torch.from_numpy(chosen).to(self.base.device)
        where = None if self.position is None else self.position[chosen]

        def replace(_module: Any, _arguments: Any, result: Any) -> Any:
            whole = _tensor(result, self._name)
            # Copies, for what follows may work in place: ReLU(inplace=True) would overwrite the caller's own h.
            if where is None:
                return _with(result, h.to(whole).reshape(whole.shape).clone())
            changed = whole.clone()
            changed[torch.arange(len(h)), torch.from_numpy(where)] = h.to(whole)
            return _with(result, changed)

        with _hooked([(self._module, replace)]):
            outputs = self._run(which)
        place = None if self._output_position is None else self._output_position[chosen]
        return torch.cat([_taken(output, place) for output in outputs], dim=1)

    @property
    def model(self) -> torch.nn.Module:
        """The model that this is a part of."""
        return self._model

    def in_double(self) -> None:
        """Take floating inputs as float64, for a model in float64."""
        self._inputs = self._inputs.in_double()

    def _run(self, contexts: torch.Tensor) -> list[torch.Tensor]:
        """One forward pass, to the last output that is asked for."""
        self.n_calls += 1
        seen: dict[str, torch.Tensor] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(_module: Any, _arguments: Any, result: Any) -> None:
                # A copy: a later operation in place would change what is kept here.
                seen[name] = _tensor(result, name).clone()
                if len(seen) == len(self._outputs):
                    raise _Seen

            return hook

        arguments, keywords = self._inputs.of(contexts)
        result = None
        with _hooked([(module, keep(name)) for name, module in self._outputs.items()]), eager():
            try:
                result = self._model(*arguments, **keywords)
            except _Seen:
                return [seen[name] for name in self._outputs]
        if self._outputs:
            missing = next(name for name in self._outputs if name not in seen)
            raise ParameterError(f"the model never runs {missing} on these inputs")
        return [_tensor(result, "the model")]

    def _natural(self) -> torch.Tensor:
        """Compute the module's own output in every context."""
        torch = torch_module("plateaus.suffix_from")
        found: list[Any] = []

        def keep(_module: Any, _arguments: Any, result: Any) -> None:
            found.append(_tensor(result, self._name).clone())

        with torch.no_grad(), _hooked([(self._module, keep)]):
            outputs = self._run(torch.arange(self.n_contexts))
        if len(found) != 1:
            raise ParameterError(
                f"{self._name} runs {len(found)} times in one forward pass up to the output; a suffix needs a module "
                "that runs once before it"
            )
        for name, tensor in (
            (self._name, found[0]),
            *zip(self._outputs or ("the model",), outputs, strict=True),
        ):
            if not tensor.ndim or len(tensor) != self.n_contexts:
                raise ShapeError(
                    f"{name} puts out {tuple(tensor.shape)} for {self.n_contexts} inputs: the first axis must be that "
                    "of the inputs"
                )
        self._check_contexts([found[0], *outputs])
        return found[0]

    def _check_contexts(self, together: Sequence[torch.Tensor]) -> None:
        """Make sure that each context alone gives what it gave among all: then all inputs were taken apart rightly.

        One context is repeated, of several the last one is run alone.
        """
        torch = torch_module("plateaus.suffix_from")
        alone: list[Any] = []

        def keep(_module: Any, _arguments: Any, result: Any) -> None:
            alone.append(_tensor(result, self._name).clone())

        last = self.n_contexts - 1
        chosen = torch.tensor([0, 0]) if last == 0 else torch.tensor([last])
        advice = (
            f"; {', '.join(self._inputs.taken_apart)} were taken as one row per context: name those that are not in "
            "shared="
        )
        try:
            with torch.no_grad(), _hooked([(self._module, keep)]):
                outputs = self._run(chosen)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ParameterError(f"the model does not run on one context alone: {error}{advice}") from error
        for one, all_ in zip([*alone, *outputs], together, strict=True):
            row, wanted = one[-1].double(), all_[last].double()
            scale = float(wanted.abs().max()) if wanted.numel() else 0.0
            close = float(torch.finfo(all_.dtype).eps) ** 0.5 if all_.is_floating_point() else 0.0
            if row.shape != wanted.shape or not torch.allclose(
                row, wanted, rtol=0, atol=close * scale, equal_nan=True
            ):
                raise ParameterError(f"context {last} alone gives other outputs than among all{advice}")


def suffix_from(
    model: torch.nn.Module,
    module: str,
    inputs: Any,
    position: int | ArrayLike | Literal["auto"] | None = "auto",
    *,
    output: str | Sequence[str] | None = None,
    output_position: int | ArrayLike | None = None,
    shared: Sequence[str | int] = (),
) -> Suffix:
    """Turn what follows a module into a function of its activation at one position, by forward hooks.

    Works for any torch module that runs once and puts out a row for each input, convolutions and the transformers
    library's modules included; where a module puts out a tuple or a mapping, its first tensor is the activation.
    Everything else of the input stays as it is: attention to other tokens, and all that the module's earlier
    layers computed, is frozen. Models may work in place: what is kept and what is put in are copies.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode.
    module : str
        Name of the module whose output is replaced, as in ``model.named_modules()``.
    inputs : mapping, tensor or tuple of tensors
        What the model is called with: keyword arguments, one argument, or several. The number of contexts is the
        first axis of the batch argument: ``input_ids`` and its like by name, else the first tensor that is not
        shared. Tensors of that length, and not shared, have one context per row.
    position : "auto", int, array_like of int of shape (n_contexts,), or None
        Token that is replaced in an output (n_contexts, tokens, m); negative counts from the end, of every input its
        own with an array. With an ``attention_mask`` among the inputs, -1 is the last token that is not padding,
        and padding is refused. None replaces the whole output, of any shape, as one vector: that of a layer without
        positions, of a convolution, or all tokens at once. "auto" is -1 for outputs of three axes, else None.
    output : str or sequence of str, optional
        Module whose output to give, or several, one after the other in each row. By default what the model puts
        out: its ``logits`` if it has any, else the first tensor.
    output_position : int or array_like of int, optional
        Token to read of outputs of three axes; by default `position`. Other outputs are given whole, as one vector.
    shared : sequence of str or int
        Inputs, by name or by place, that all contexts have in common though they are as long as the batch.

    Returns
    -------
    Suffix
        A function g(h, contexts) for `response_curves`, with the contexts' own activations as `base`.

    Raises
    ------
    ParameterError
        If the model is in training mode, a module is missing or runs other than once, a position is padding or out
        of range, or a context alone gives another output than among all (an input should be in `shared`).
    ShapeError
        If inputs or outputs have no common first axis.
    MissingExtraError
        If torch is not installed.

    Notes
    -----
    One call costs one forward pass of the model up to the last output asked for, from its first layer on: general,
    at the price of repeating the layers before the module. Two more are spent on the contexts as they are: all
    together, and one alone to see that inputs were taken apart rightly.

    Examples
    --------
    >>> import torch
    >>> from featuregeom.plateaus import suffix_from
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).eval()
    >>> g = suffix_from(net, "1", torch.ones(1, 2))
    >>> bool(torch.equal(g(g.base), net(torch.ones(1, 2))))
    True
    """
    torch_module("plateaus.suffix_from")
    check_module(model)
    training = next((name or "the model" for name, part in model.named_modules() if part.training), None)
    if training is not None:
        raise ParameterError(
            f"{training} is in training mode, where dropout makes curves random: call model.eval()"
        )
    return Suffix(model, module, inputs, position, output, output_position, shared)


def _submodule(model: torch.nn.Module, name: str) -> torch.nn.Module:
    names = dict(model.named_modules())
    if name not in names or not name:
        close = difflib.get_close_matches(name, names, 3) or [other for other in names if other][:3]
        raise ParameterError(f"the model has no module {name!r}; it has {', '.join(close) or 'none'} ...")
    return names[name]


def _positions(
    name: str,
    position: int | ArrayLike | None,
    found: torch.Tensor,
    mask: NDArray[np.bool_] | None,
    n_contexts: int,
) -> NDArray[np.int64] | None:
    if isinstance(position, str):
        if position != "auto":
            raise ParameterError(f'{name} must be "auto", an integer, integers or None, got {position!r}')
        position = -1 if found.ndim == 3 else None
    if position is None:
        return None
    if found.ndim != 3:
        raise ParameterError(
            f"the activation has shape {tuple(found.shape)}, no tokens with positions: position=None takes the whole"
        )
    length = found.shape[1]
    given = _given(name, position, n_contexts)
    if mask is None or mask.shape[1] != length:
        mask = np.ones((n_contexts, length), dtype=bool)
    chosen = given.copy()
    for k, value in enumerate(given):
        tokens = np.flatnonzero(mask[k])
        if not -len(tokens) <= value < length:
            raise ParameterError(f"{name} {value} of input {k} is outside its {len(tokens)} tokens")
        chosen[k] = tokens[value] if value < 0 else value
        if not mask[k, chosen[k]]:
            raise ParameterError(f"{name} {value} of input {k} is padding")
    return chosen


def _given(name: str, position: int | ArrayLike, n_contexts: int) -> NDArray[np.int64]:
    values = np.asarray(position)
    if values.dtype.kind not in "iu" or values.shape not in {(), (n_contexts,)}:
        raise ParameterError(f"{name} must be an integer or {n_contexts} integers, got {position!r}")
    return np.broadcast_to(values, (n_contexts,)).astype(np.int64)


def _tensor(result: Any, name: str) -> torch.Tensor:
    """Take the tensor out of what a module puts out: itself, its logits, or the first one inside."""
    torch = torch_module("plateaus.suffix_from")
    if isinstance(result, torch.Tensor):
        return result
    if isinstance(result, Mapping):
        values = [result["logits"]] if "logits" in result else list(result.values())
    else:
        values = list(result) if isinstance(result, tuple | list) else []
    tensor = next((value for value in values if isinstance(value, torch.Tensor)), None)
    if tensor is None:
        raise ShapeError(f"{name} puts out {type(result).__name__} without a tensor")
    return tensor


def _with(result: Any, tensor: torch.Tensor) -> Any:
    """Replace the tensor in what a module puts out."""
    old = _tensor(result, "the module")
    if result is old:
        return tensor
    if isinstance(result, Mapping):
        changed: Any = type(result)(**{k: tensor if value is old else value for k, value in result.items()})
        return changed
    values = [tensor if value is old else value for value in result]
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*values)
    return type(result)(values)


def _taken(found: torch.Tensor, position: NDArray[np.int64] | None) -> torch.Tensor:
    torch = torch_module("plateaus.suffix_from")
    if position is None or found.ndim != 3:
        return found.reshape(len(found), -1)
    inside = (position < found.shape[1]) & (position >= -found.shape[1])
    if not inside.all():
        raise ParameterError(f"output_position {position[~inside][0]} is outside {found.shape[1]} tokens")
    return found[torch.arange(len(found)), torch.from_numpy(position)].reshape(len(found), -1)


@contextmanager
def _hooked(hooks: Sequence[tuple[torch.nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
