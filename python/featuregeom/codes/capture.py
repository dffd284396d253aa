"""Codes of a torch model: what goes into its activations, recorded where the model calls them.

Modules of known activations and functional calls are both seen, because every one of them ends in a call that torch
lets a `TorchFunctionMode` intercept; a pre-activation is packed batch by batch and then dropped.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.codes.counter import CodeCounter
from featuregeom.codes.packed import Codes, Layer, NonFinite, check_policy, pack
from featuregeom.errors import MissingExtraError, NonFiniteError, ParameterError, ShapeError

if TYPE_CHECKING:
    import torch

__all__ = ["Mode", "capture"]

Mode = Literal["neuron", "channel_any"]
"""One bit a unit, or one a channel that is on anywhere (which is no linear-region code)."""


def capture(
    model: torch.nn.Module,
    data: Any,
    *,
    batch_size: int = 256,
    mode: Mode = "neuron",
    layers: Iterable[str] | None = None,
    tolerance: float | None = None,
    nonfinite: NonFinite = "error",
    counter: CodeCounter | Callable[[int, tuple[int, ...]], CodeCounter] | None = None,
    device: Any = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Codes:
    """Record the codes of a torch model on some data.

    A bit is on where the *pre*-activation of ReLU, ReLU6, LeakyReLU, PReLU, GELU or SiLU is above zero. GELU and SiLU
    are labelled ``"gate"``: they bend everywhere, so their codes bound no linear regions. Hardtanh, ReLU6 and clamp
    have three states and two bits, z > lower and z > upper, all lower bits first. Modules and functional calls
    (``F.relu``, ``torch.relu``, ``Tensor.relu``, in place too, ``clamp``) count alike, in the order of the calls.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode, as far as dropout and batch normalisation go. It is run under ``torch.no_grad``.
    data : array, tensor, or iterable of batches
        Inputs along the first axis, or batches as a DataLoader gives them: of a tuple or list the first entry is the
        input, a dict is passed as keywords. The last, partial batch counts like any other.
    batch_size : int
        Inputs at a time, where `data` is one array or tensor.
    mode : {"neuron", "channel_any"}
        A bit for each unit, or for each channel (axis 1) that is on anywhere.
    layers : iterable of str, optional
        Names of the layers to keep; all unless given.
    tolerance : float, optional
        Count pre-activations no farther than this from a bend.
    nonfinite : {"error", "count"}
        Refuse NaN and infinite pre-activations, or count them.
    counter : CodeCounter, or callable, optional
        Count the codes and do not keep them, so that memory depends on the distinct ones. A callable gets the number
        of bits and the ends of the layers and makes the counter, since they are known after the first batch.
    device : torch device, optional
        Where batches are put; by default that of the model's first parameter.
    num_threads : int, optional
        Threads for packing.
    progress : callable, optional
        Called with rows done and rows in all (0 where `data` does not tell) after each batch.

    Returns
    -------
    Codes
        With a `Layer` for every call. Without rows where `counter` took them.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    ParameterError
        If dropout or batch normalisation is in train mode (codes would be random, or depend on the batch), the model
        calls no activation, a layer is unknown, or an argument is out of range.
    ShapeError
        If batches differ in their layers, an activation has no axis for the inputs, or the counter counts other bits.
    NonFiniteError
        If a pre-activation is NaN or infinite and `nonfinite` is ``"error"``; the message names the layer.

    Notes
    -----
    One forward pass; memory of one batch of pre-activations and N m / 8 bytes of codes.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("capturing codes needs torch: pip install 'featuregeom[torch]'") from error
    check_policy(nonfinite)
    if mode not in ("neuron", "channel_any"):
        raise ParameterError(f"mode must be 'neuron' or 'channel_any', not {mode!r}")
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, not {batch_size}")
    _refuse_training(model)
    wanted = None if layers is None else tuple(layers)
    place = next((parameter.device for parameter in model.parameters()), None) if device is None else device
    total = len(data) if isinstance(data, (np.ndarray, torch.Tensor)) else 0
    found: tuple[Layer, ...] | None = None
    kept: list[NDArray[np.uint64]] = []
    rows = bad = near = 0
    types: set[str] = set()
    for batch in _batches(data, batch_size):
        recorded, size = _forward(model, batch, place)
        parts, here = _flatten(recorded, size, mode, wanted)
        if found is None:
            found = here
            if callable(counter):
                counter = counter(found[-1].stop, tuple(layer.stop for layer in found))
        elif found != here:
            raise ShapeError(f"after {rows} rows the layers changed from {_brief(found)} to {_brief(here)}")
        values = torch.cat(parts, dim=1).detach().cpu()
        types.add(str(values.dtype).removeprefix("torch."))
        ends = [layer.stop for layer in found]
        try:
            codes = pack(
                values, layers=ends, tolerance=tolerance, nonfinite=nonfinite, num_threads=num_threads
            )
        except NonFiniteError as error:
            layer = next(layer for layer in found if error.column < layer.stop)
            raise NonFiniteError(
                f"a pre-activation of layer {layer.name!r} is NaN or infinite, in row {rows + error.row}, unit "
                f"{error.column - layer.start}; repair it, or pass nonfinite='count' to have them counted",
                rows + error.row,
                error.column,
            ) from None
        rows, bad, near = rows + size, bad + codes.n_nonfinite, near + codes.n_ambiguous
        if counter is None:
            kept.append(codes.words)
        else:
            assert isinstance(counter, CodeCounter)
            counter.update(codes, num_threads=num_threads)
        if progress is not None:
            progress(rows, total)
    if found is None:
        raise ParameterError("there is no data: not even one batch, so the layers are unknown")
    n_bits = found[-1].stop
    words = np.concatenate(kept) if kept else np.zeros((0, -(-n_bits // 64)), np.uint64)
    return Codes(words, n_bits, found, rows, bad, near, tolerance, "+".join(sorted(types)), mode)


_Recorded = list[tuple[str, str, Any, tuple[Any, ...]]]
"""Name, kind, pre-activation and bends of each call."""


def _refuse_training(model: torch.nn.Module) -> None:
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.dropout import _DropoutNd

    for name, module in model.named_modules():
        noisy = isinstance(module, _DropoutNd) and module.p > 0
        if module.training and (noisy or isinstance(module, _BatchNorm)):
            raise ParameterError(
                f"{type(module).__name__} {name or 'model'!r} is in train mode, so codes would be random or depend on "
                "the batch; call model.eval() first"
            )


def _batches(data: Any, size: int) -> Iterator[Any]:
    import torch

    if isinstance(data, np.ndarray):
        data = torch.from_numpy(np.ascontiguousarray(data))
    if isinstance(data, torch.Tensor):
        yield from (data[start : start + size] for start in range(0, max(len(data), 1), size))
    elif isinstance(data, Iterable):
        yield from data
    else:
        raise ParameterError(f"data must be an array, a tensor or batches, not {type(data).__name__}")


def _forward(model: torch.nn.Module, batch: Any, device: Any) -> tuple[_Recorded, int]:
    """Run one batch; gives what went into its activations, and its rows."""
    import torch

    def put(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        return value.to(device) if isinstance(value, torch.Tensor) and device is not None else value

    recorded: _Recorded = []
    names: list[str] = []
    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            before = module.register_forward_pre_hook(lambda *_, name=name: names.append(name))
            # Called when the forward raised, too.
            after = module.register_forward_hook(lambda *_: (names.pop(), None)[1], always_call=True)
            stack.callback(before.remove)
            stack.callback(after.remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(_recorder(recorded, names))
        if isinstance(batch, dict):
            inputs = {key: put(value) for key, value in batch.items()}
            size = len(next(iter(inputs.values())))
            model(**inputs)
        else:
            first = put(batch[0] if isinstance(batch, (tuple, list)) else batch)
            size = len(first)
            model(first)
    if not recorded:
        raise ParameterError(
            "the model called no activation that has a code (ReLU, LeakyReLU, PReLU, Hardtanh, GELU, SiLU)"
        )
    return recorded, size


def _recorder(recorded: _Recorded, names: list[str]) -> contextlib.AbstractContextManager[Any]:
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    tensor = torch.Tensor
    kinds: dict[Any, str] = {}
    for kind, calls in {
        "relu": (functional.relu, torch.relu, torch.relu_, tensor.relu, tensor.relu_),
        "leaky_relu": (functional.leaky_relu, functional.leaky_relu_),
        "prelu": (functional.prelu, torch.prelu, tensor.prelu),
        "hardtanh": (functional.hardtanh, functional.hardtanh_, functional.relu6),
        "clamp": (torch.clamp, torch.clamp_, tensor.clamp, tensor.clamp_, torch.clip, tensor.clip),
        "gate": (functional.gelu, functional.silu),
    }.items():
        kinds.update(dict.fromkeys(calls, kind))

    def bends(function: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        def argument(place: int, name: str, default: Any) -> Any:
            return args[place] if len(args) > place else kwargs.get(name, default)

        if function is functional.relu6:
            return (0.0, 6.0)
        if kind == "hardtanh":
            return argument(1, "min_val", -1.0), argument(2, "max_val", 1.0)
        if kind == "clamp":
            return tuple(
                end for end in (argument(1, "min", None), argument(2, "max", None)) if end is not None
            )
        return (0.0,)

    class Recorder(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            kind = kinds.get(func)
            if kind is not None:
                given = args[0] if args else kwargs.get("input")
                if isinstance(given, torch.Tensor) and given.is_floating_point():
                    ends = bends(func, kind, args, kwargs)
                    # In-place calls overwrite what went in.
                    recorded.append((names[-1] if names else "", kind, given.detach().clone(), ends))
                    # What this call calls in turn is the same activation; this mode is off while it runs.
            return func(*args, **kwargs)

    return Recorder()


def _flatten(
    recorded: _Recorded, size: int, mode: Mode, wanted: tuple[str, ...] | None
) -> tuple[list[Any], tuple[Layer, ...]]:
    """Pre-activations less their bends as (rows, bits) tensors, and their layers."""
    used: dict[str, int] = {}
    parts, layers, start = [], [], 0
    for module, kind, values, bends in recorded:
        times = used.get(module, 0)
        used[module] = times + 1
        # A module that calls two activations, or one that is called twice.
        name = (module or "model") + (f"#{times}" if times else "")
        if wanted is not None and name not in wanted:
            continue
        if values.ndim == 0 or len(values) != size:
            raise ShapeError(f"activation {name!r} has shape {tuple(values.shape)} for {size} inputs")
        sides = [values if isinstance(bend, float) and bend == 0 else values - bend for bend in bends]
        if mode == "channel_any" and values.ndim > 2 and size:
            sides = [side.flatten(2).amax(dim=2) for side in sides]
        flat = [side.flatten(1) if side.ndim > 1 else side[:, None] for side in sides]
        parts += flat
        stop = start + sum(side.shape[1] for side in flat)
        dtype = str(values.dtype).removeprefix("torch.")
        layers.append(
            Layer(name, "hardtanh" if kind == "clamp" else kind, start, stop, tuple(values.shape[1:]), dtype)
        )
        start = stop
    if wanted is not None and (missing := set(wanted) - {layer.name for layer in layers}):
        known = list(itertools.islice((name for name in used), 20))
        raise ParameterError(f"no activations are called in {sorted(missing)}; there are {known}")
    if not layers:
        raise ParameterError("layers is empty: name at least one")
    return parts, tuple(layers)


def _brief(layers: tuple[Layer, ...]) -> str:
    return ", ".join(f"{layer.name} ({layer.stop - layer.start} bits)" for layer in layers)
