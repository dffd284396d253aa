"""Codes of a torch model: what goes into its activations, packed batch by batch while the model runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.codes.counter import CodeCounter
from featuregeom.codes.following import tensors
from featuregeom.codes.packed import Codes, Layer, NonFinite, check_policy, check_tolerance, pack
from featuregeom.codes.recording import Mode, Recorder, Seen, Uncoded, refuse_training
from featuregeom.codes.sketch import DistinctSketch
from featuregeom.errors import MissingExtraError, NonFiniteError, ParameterError, ShapeError

if TYPE_CHECKING:
    import torch

__all__ = ["RowsOf", "Tally", "capture"]

RowsOf = Literal["inputs", "tokens"]
"""Whether an input is a row, or each of its tokens."""

Tally = CodeCounter | DistinctSketch
"""What takes codes in a stream and does not keep them."""


def capture(
    model: torch.nn.Module,
    data: Any,
    *,
    batch_size: int = 256,
    rows: RowsOf = "inputs",
    mode: Mode = "neuron",
    layers: Iterable[str] | None = None,
    uncoded: Uncoded = "error",
    tolerance: float | None = None,
    nonfinite: NonFinite = "error",
    counter: Tally | Callable[[int, tuple[int, ...]], Tally] | None = None,
    device: Any = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Codes:
    """Record the codes of a torch model on some data.

    A bit is on where the *pre*-activation is above the bend: 0 for ReLU, LeakyReLU, PReLU, RReLU and abs, the
    threshold for Threshold, the limit for a clamp with one. Hardtanh, ReLU6 and clamp with two limits have three
    states and two bits, z > lower and z > upper, all lower bits first. GELU and SiLU, and the modules of
    transformers that write a GELU out, are labelled ``"gate"``: they bend everywhere, so the signs of what goes in
    bound no linear regions. However an activation is called (module, ``F.relu``, ``x.relu_()``,
    ``torch.ops.aten.relu``, inside ``nn.RNN``), it counts, in the order of the calls.

    Any other elementwise nonlinearity (ELU, Hardswish, maximum, ``where`` by a comparison ...) is refused, unless it
    is outside `layers`: codes without its layer would be taken for those of the network. Tanh, sigmoid, softplus, sine,
    exponential, rounding and whatever else is elementwise and not affine in the data are refused likewise, except after
    the last layer, where they only squash the output. Attention and other products of two activations, powers,
    normalisation, softmax, and what selects (max pooling, ``amax``, ``topk``, ``sort`` ...) are no activations and have
    no bits. What was left out is listed in `Codes.uncoded`.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode, as far as randomness and batch statistics go. It is run under ``torch.no_grad``.
    data : array, tensor, mapping, or iterable of batches
        Inputs along the first axis; a mapping of such arrays (what a tokenizer gives), which are keyword arguments of
        the model; or batches as a DataLoader gives them, each a tensor, a mapping, or a tuple or list of which the
        first entry is the input and the others, such as labels, are not used. The last, partial batch counts like any
        other. Floating NumPy arrays are cast to the type of the model's first floating parameter; tensors are not.
        Inputs are copied, so that in-place activations do not change them.
    batch_size : int
        Inputs at a time, where `data` is no iterable of batches.
    rows : {"inputs", "tokens"}
        A row for each input, or for each token of each input: activations are then (inputs, tokens, units), rows come
        input by input, and tokens where ``attention_mask`` in the batch is 0 are no rows. Batches may then be padded
        to different lengths.
    mode : {"neuron", "channel_any"}
        A bit for each unit, or for each channel (axis 1) that is on anywhere.
    layers : iterable of str, optional
        Names of the layers to keep, as `Codes.layers` has them; all unless given. A module that is called again has a
        layer ``name#1`` for the second call, and calls outside all modules are those of ``model``.
    uncoded : {"error", "skip"}
        Refuse nonlinearities without a code, or leave them out.
    tolerance : float, optional
        Count pre-activations no farther than this from a bend.
    nonfinite : {"error", "count"}
        Refuse NaN and infinite pre-activations, or count them (each once, also where it has two bits or is one of many
        of a channel). NaN then is off.
    counter : CodeCounter, DistinctSketch, or callable, optional
        Takes the codes, which are not kept, so that memory depends on the distinct ones. A callable gets the number
        of bits and the ends of the layers and makes the counter, since they are known after the first batch.
    device : torch device, optional
        Where batches are put; by default that of the model's first parameter.
    num_threads : int, optional
        Threads for packing.
    progress : callable, optional
        Called with inputs done and inputs in all (0 where `data` does not tell) after each batch.

    Returns
    -------
    Codes
        With a `Layer` for every call. Without rows where `counter` took them.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    ParameterError
        If anything that runs is random (dropout) or depends on the batch (batch normalisation without running
        statistics), as a module or as a function; a nonlinearity has no code; the model is no module, is scripted,
        does not run on integers or calls no activation; a layer is unknown, or an argument is out of range.
    ShapeError
        If data have no first axis, batches differ in their layers, an activation has no axis for the rows, or the
        counter counts other bits.
    NonFiniteError
        If a pre-activation is NaN or infinite and `nonfinite` is ``"error"``; the message names the layer.

    Notes
    -----
    One forward pass; memory of one batch of bits and N m / 8 bytes of codes.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("capturing codes needs torch: pip install 'featuregeom[torch]'") from error
    if not isinstance(model, torch.nn.Module):
        raise ParameterError(
            f"model must be a torch.nn.Module, not a {type(model).__name__}: wrap a function in a module whose forward "
            "calls it, or pass its activations to fg.codes.pack"
        )
    scripted = next((name for name, each in model.named_modules() if _is_scripted(each)), None)
    if scripted is not None:
        raise ParameterError(
            f"module {scripted or 'model'!r} is scripted or traced, and torch lets nobody watch what it calls: "
            "capture the model that it was made from"
        )
    check_policy(nonfinite)
    check_tolerance(tolerance)
    for name, value, known in (
        ("mode", mode, ("neuron", "channel_any")), ("rows", rows, ("inputs", "tokens")),
        ("uncoded", uncoded, ("error", "skip")),
    ):  # fmt: skip
        if value not in known:
            raise ParameterError(f"{name} must be {known[0]!r} or {known[1]!r}, not {value!r}")
    if mode == "channel_any" and rows == "tokens":
        raise ParameterError(
            "mode='channel_any' is for channels of images; it does not go with rows='tokens'"
        )
    batch_size = integer("batch_size", batch_size, 1)
    refuse_training(model)
    wanted = None if layers is None else tuple(layers)
    if wanted == ():
        raise ParameterError("layers is empty: name at least one")
    put = _placing(model, device)
    batches, total = _batches(data, batch_size)
    found: tuple[Layer, ...] | None = None
    kept: list[NDArray[np.uint64]] = []
    n_rows = n_inputs = bad = near = 0
    left_out: dict[str, None] = {}
    for batch in batches:
        args, kwargs, size, tokens = _call(batch, put, rows)
        recorder = Recorder(
            model, size, tokens=tokens, mode=mode, wanted=wanted, tolerance=tolerance, uncoded=uncoded
        )
        try:
            with recorder(args, kwargs):
                model(*args, **kwargs)
        except RuntimeError as error:
            types = {
                str(each.dtype) for each in tensors((*args, *kwargs.values())) if not each.is_floating_point()
            }
            if not types:
                raise
            raise ParameterError(
                f"the model does not run on inputs of {', '.join(sorted(types))}: {error}; only floating NumPy arrays "
                "are cast to the model's type, for integers may be tokens: pass floats where it takes them"
            ) from error
        here = _layers(recorder, wanted)
        if found is None:
            found = here
            if callable(counter):
                counter = counter(found[-1].stop, tuple(layer.stop for layer in found))
        elif found != here:
            raise ShapeError(
                f"after {n_rows} rows the layers changed from {_brief(found)} to {_brief(here)}; where inputs are "
                "padded to different lengths, ask for rows='tokens'"
            )
        if nonfinite == "error":
            _refuse_nonfinite(recorder.seen, found, n_rows)
        bits = torch.cat([side for seen in recorder.seen for side in seen.bits], dim=1).cpu().numpy()
        words = pack(bits, num_threads=num_threads).words
        codes = Codes(words, found[-1].stop, found, len(words))
        n_rows, n_inputs = n_rows + len(words), n_inputs + size
        bad += sum(seen.n_nonfinite for seen in recorder.seen)
        near += sum(seen.n_ambiguous for seen in recorder.seen)
        left_out |= dict.fromkeys(recorder.left_out)
        if counter is None:
            kept.append(words)
        elif isinstance(counter, CodeCounter):
            counter.update(codes, num_threads=num_threads)
        elif isinstance(counter, DistinctSketch):
            counter.update(codes)
        else:
            raise ParameterError(f"counter must be a CodeCounter or a DistinctSketch, not {counter!r}")
        if progress is not None:
            progress(n_inputs, total)
    if found is None:
        raise ParameterError("there is no data: not even one batch, so the layers are unknown")
    n_bits = found[-1].stop
    return Codes(
        np.concatenate(kept) if kept else np.zeros((0, -(-n_bits // 64)), np.uint64),
        n_bits,
        found,
        n_rows,
        bad,
        near,
        tolerance,
        "+".join(sorted({layer.dtype for layer in found})),
        mode,
        rows,
        any(module.training for module in model.modules()),
        tuple(left_out),
    )


def _is_scripted(module: torch.nn.Module) -> bool:
    import torch

    return isinstance(module, torch.jit.ScriptModule)


def _placing(model: torch.nn.Module, device: Any) -> Callable[[Any], Any]:
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
        moved = value.detach() if place is None else value.detach().to(place)
        return moved.clone() if moved.data_ptr() == value.data_ptr() else moved

    return put


def _batches(data: Any, size: int) -> tuple[Iterator[Any], int]:
    """Cut what is no iterable of batches; gives the number of inputs, too (0 where it is not known)."""
    import torch

    arrays = (np.ndarray, torch.Tensor)
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


def _call(
    batch: Any, put: Callable[[Any], Any], rows: RowsOf
) -> tuple[tuple[Any, ...], dict[str, Any], int, tuple[int, Any] | None]:
    """Arguments of the model, the number of inputs, and their tokens."""
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
        return args, kwargs, size, None
    if isinstance(mask, torch.Tensor):
        if mask.ndim != 2:
            raise ShapeError(f"attention_mask must have shape (inputs, tokens), not {tuple(mask.shape)}")
        return args, kwargs, size, (int(mask.shape[1]), mask.bool())
    length = next((int(tensor.shape[1]) for tensor in found if tensor.ndim > 1), None)
    if length is None:
        raise ShapeError("rows='tokens' needs inputs with an axis of tokens after the first")
    return args, kwargs, size, (length, None)


def _layers(recorder: Recorder, wanted: tuple[str, ...] | None) -> tuple[Layer, ...]:
    """Where the bits of each call stand."""
    if not recorder.called:
        others = f"; it called {', '.join(recorder.left_out)}" if recorder.left_out else ""
        raise ParameterError(
            "the model called no activation that has a code (ReLU, LeakyReLU, PReLU, RReLU, Threshold, Hardtanh, "
            f"clamp, abs, GELU, SiLU){others}"
        )
    if wanted is not None and (missing := set(wanted) - set(recorder.called)):
        known = list(itertools.islice(recorder.called, 20))
        raise ParameterError(f"no activations are called in {sorted(missing)}; there are {known}")
    layers, start = [], 0
    for seen in recorder.seen:
        stop = start + sum(int(side.shape[1]) for side in seen.bits)
        layers.append(Layer(seen.name, seen.kind, start, stop, seen.shape, seen.dtype))
        start = stop
    return tuple(layers)


def _refuse_nonfinite(seen: list[Seen], layers: tuple[Layer, ...], before: int) -> None:
    bad = [
        (*each.first_bad, layer)
        for each, layer in zip(seen, layers, strict=True)
        if each.first_bad is not None
    ]
    if not bad:
        return
    row, unit, layer = min(bad, key=lambda found: (found[0], found[2].start))
    raise NonFiniteError(
        f"a pre-activation of layer {layer.name!r} is NaN or infinite, in row {before + row}, unit {unit}; repair it, "
        "or pass nonfinite='count' to have them counted",
        before + row,
        layer.start + unit,
    )


def _brief(layers: tuple[Layer, ...]) -> str:
    return ", ".join(f"{layer.name} ({layer.stop - layer.start} bits, {layer.dtype})" for layer in layers)
