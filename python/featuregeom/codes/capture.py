"""Codes of a torch model: what goes into its activations, packed batch by batch while the model runs."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice, integer, names
from featuregeom.codes.counter import CodeCounter
from featuregeom.codes.packed import Codes, Layer, NonFinite, check_policy, check_tolerance, pack
from featuregeom.codes.sketch import DistinctSketch
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.networks.batches import Call, RowsOf, call, cut, placing
from featuregeom.networks.extra import torch_module
from featuregeom.networks.following import tensors
from featuregeom.networks.modules import check_module, eager
from featuregeom.networks.recording import Mode, Recorder, Seen, Uncoded, refuse_training
from featuregeom.networks.rows import close, largest, splits
from featuregeom.networks.state import has_hooks, on_trial

if TYPE_CHECKING:
    import torch

__all__ = ["RowsOf", "Tally", "capture"]

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
        statistics), as a module or as a function; codes of an input change with what else is in its batch, or from one
        run to the next; a nonlinearity has no code; the model is no module, is scripted,
        does not run on integers or calls no activation; a layer is unknown, or an argument is out of range.
    ShapeError
        If data have no first axis, batches differ in their layers, an activation has no axis for the rows, or the
        counter counts other bits.
    NonFiniteError
        If a pre-activation is NaN or infinite and `nonfinite` is ``"error"``; the message names the layer.

    Notes
    -----
    One forward pass; memory of one batch of bits and N m / 8 bytes of codes.

    Row i of an activation is taken for input i, so the model must keep its inputs apart. That is tried out: some
    inputs of the first batch run again in two or three small parts, and of the fourth, sixteenth ... batch in one;
    their pre-activations must be the same but for rounding. What these runs leave behind (torch's random generators,
    buffers, attributes of modules) is taken back; hooks that others registered see them only if values differ without
    those hooks.
    """
    torch_module("codes.capture")
    check_module(model)
    _check_choices(mode, rows, uncoded)
    check_policy(nonfinite)
    check_tolerance(tolerance)
    batch_size = integer("batch_size", batch_size, 1)
    refuse_training(model)
    wanted = None if layers is None else names("layers", layers)
    if wanted == ():
        raise ParameterError("layers is empty: name at least one")
    run = _Run(model, mode, wanted, tolerance, uncoded)
    put = placing(model, device)
    batches, total = cut(data, batch_size)
    gathered = _Gathered(nonfinite, counter, num_threads)
    for number, batch in enumerate(batches):
        given = call(batch, put, rows)
        # The fourth, sixteenth ... batch, too, for inputs that are all the same show no mixing.
        parts = splits(given.size)[: 3 if number == 0 else 1] if _is_due(number) else []
        recorder = run(given, sorted(set().union(*parts)))
        gathered.add(recorder, wanted, given.size)
        if parts:
            run.check_rows(recorder, functools.partial(call, batch, put, rows), parts)
        if progress is not None:
            progress(gathered.n_inputs, total)
    training = any(module.training for module in model.modules())
    return gathered.codes(tolerance, mode, rows, training)


def _is_due(number: int) -> bool:
    """Whether rows are checked in a batch: the first, fourth, sixteenth ... one."""
    return bool(4 ** round(math.log(number + 1, 4)) == number + 1)


def _check_choices(mode: str, rows: str, uncoded: str) -> None:
    for name, value, known in (
        ("mode", mode, ("neuron", "channel_any")), ("rows", rows, ("inputs", "tokens")),
        ("uncoded", uncoded, ("error", "skip")),
    ):  # fmt: skip
        choice(name, value, known)
    if mode == "channel_any" and rows == "tokens":
        raise ParameterError(
            "mode='channel_any' is for channels of images; it does not go with rows='tokens'"
        )


class _Run:
    """Runs the model on batches, recorded, and compares what parts of a batch give.

    Parameters
    ----------
    model, mode, wanted, tolerance, uncoded
        As for `Recorder`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        mode: Mode,
        wanted: tuple[str, ...] | None,
        tolerance: float | None,
        uncoded: Uncoded,
    ) -> None:
        self._model, self._wanted = model, wanted
        self._how: dict[str, Any] = {"mode": mode, "tolerance": tolerance, "uncoded": uncoded}

    def __call__(self, given: Call, keep: list[int]) -> Recorder:
        """Run one batch; `keep` are the inputs whose pre-activations are kept."""
        self._check_arguments(given)
        recorder = Recorder(
            self._model, given.size, tokens=given.tokens, wanted=self._wanted, keep=keep, **self._how
        )
        try:
            with recorder(given.args, given.kwargs), eager():
                self._model(*given.args, **given.kwargs)
        except RuntimeError as error:
            types = {
                str(each.dtype)
                for each in tensors((*given.args, *given.kwargs.values()))
                if not each.is_floating_point()
            }
            if not types:
                raise
            raise ParameterError(
                f"the model does not run on inputs of {', '.join(sorted(types))}: {error}; only floating NumPy arrays "
                "are cast to the model's type, for integers may be tokens: pass floats where it takes them"
            ) from error
        return recorder

    def check_rows(self, first: Recorder, again: Callable[[], Call], parts: list[list[int]]) -> None:
        """Make sure that inputs give what they gave when they run in other company.

        Parameters
        ----------
        first : Recorder
            Of the whole batch, which kept the inputs of all parts.
        again : callable
            Gives the call of the whole batch, in new copies.
        parts : list of list of int
            Inputs that run without the others.

        Raises
        ------
        ParameterError
            If values differ, whether by mixing rows, by state or by chance, or the model does not run again.
        """
        if first.turned:
            self._check_tokens(again().shorter())
        for part in parts:
            wrong = self._compare(first, again, part, hooks=False)
            if wrong is not None and has_hooks(self._model):
                # Hooks that others registered may change values; if they only watch, they see each batch once.
                wrong = self._compare(first, again, part, hooks=True)
            if wrong is not None:
                raise wrong

    def _compare(
        self, first: Recorder, again: Callable[[], Call], part: list[int], *, hooks: bool
    ) -> ParameterError | None:
        """Give what is wrong when `part` runs alone; where that fails, with itself in the place of the others."""
        failed: Exception | None = None
        for chosen in (part, [part[k % len(part)] for k in range(first.size)]):
            try:
                with on_trial(self._model, hooks=hooks):
                    second = self(again().take(chosen), list(range(len(part))))
            except (RuntimeError, ValueError, IndexError) as error:
                failed = error
                continue
            if _same(first, second, part):
                return None
            with on_trial(self._model, hooks=hooks):
                third = self(again(), first.keep)
            return ParameterError(_MIXED if _same(first, third, first.keep) else _NOT_FIXED)
        return ParameterError(f"{_MIXED} (the model ran on a batch, and then not on part of it: {failed})")

    def _check_tokens(self, shorter: Call) -> None:
        """Make sure that the axis of tokens is one: where a token is missing, activations must be shorter there."""
        try:
            with on_trial(self._model, hooks=False):
                self(shorter, [])
        except (ShapeError, RuntimeError, ValueError, IndexError) as error:
            raise ParameterError(
                "an activation has two axes as long as that of the tokens, and nothing shows which is which, for the "
                f"model does not give one token less when it gets one less ({error}); pad inputs to another length, or "
                "ask for rows='inputs'"
            ) from error

    def _check_arguments(self, given: Call) -> None:
        """Refuse entries of a batch that forward has no argument for."""
        try:
            takes = inspect.signature(self._model.forward).parameters.values()
        except (TypeError, ValueError):  # a forward in C, say
            return
        if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes):
            return
        names = [each.name for each in takes if each.kind is not inspect.Parameter.VAR_POSITIONAL]
        other = [key for key in given.kwargs if key not in names]
        if other:
            raise ParameterError(
                f"the batch has the entries {other}, which forward does not take; it takes {names}: leave the others "
                "out, as in ({key: batch[key] for key in names} for batch in loader)"
            )


_MIXED = (
    "the codes of an input change with what else is in its batch: the model mixes the rows of a batch, or an "
    "activation has another axis first (time, as in modules with batch_first=False), so that row i is not input i; "
    "capture the part of the model that treats each input alone, give inputs one at a time (batch_size=1), or name the "
    "layers that keep rows apart in layers=[...]"
)
_NOT_FIXED = (
    "the model gives other values when it runs again on the same inputs: it is random, or keeps state from one call to "
    "the next, so its codes belong to no input"
)


def _same(one: Recorder, other: Recorder, inputs: list[int]) -> bool:
    """Tell whether the first that `other` kept are these inputs of `one`, but for rounding."""
    if [seen.name for seen in one.seen] != [seen.name for seen in other.seen]:
        return False
    places, scale = [one.keep.index(each) for each in inputs], 0.0
    for index in range(len(one.seen)):
        first, second = one.kept(index, places), other.kept(index, list(range(len(inputs))))
        scale = max(scale, largest(first))
        if not close(first, second, scale):
            return False
    return True


class _Gathered:
    """Codes of all batches so far, kept or handed to a counter.

    Parameters
    ----------
    nonfinite, counter, num_threads
        As for `capture`.
    """

    def __init__(self, nonfinite: NonFinite, counter: Any, num_threads: int | None) -> None:
        self._nonfinite, self._counter, self._threads = nonfinite, counter, num_threads
        self._layers: tuple[Layer, ...] | None = None
        self._kept: list[NDArray[np.uint64]] = []
        self._left_out: dict[str, None] = {}
        self._rows = self._bad = self._near = 0
        self.n_inputs = 0

    def add(self, recorder: Recorder, wanted: tuple[str, ...] | None, size: int) -> None:
        """Pack the bits of one batch."""
        import torch

        layers = self._check_layers(_layers(recorder, wanted))
        if self._nonfinite == "error":
            _refuse_nonfinite(recorder.seen, layers, self._rows)
        bits = torch.cat([side for seen in recorder.seen for side in seen.bits], dim=1).cpu().numpy()
        words = pack(bits, num_threads=self._threads).words
        self._rows, self.n_inputs = self._rows + len(words), self.n_inputs + size
        self._bad += sum(seen.n_nonfinite for seen in recorder.seen)
        self._near += sum(seen.n_ambiguous for seen in recorder.seen)
        self._left_out |= dict.fromkeys(recorder.left_out)
        self._take(Codes(words, layers[-1].stop, layers, len(words)))

    def codes(self, tolerance: float | None, mode: Mode, rows: RowsOf, training: bool) -> Codes:
        """Give all codes with what is known of them."""
        if self._layers is None:
            raise ParameterError("there is no data: not even one batch, so the layers are unknown")
        n_bits = self._layers[-1].stop
        return Codes(
            np.concatenate(self._kept) if self._kept else np.zeros((0, -(-n_bits // 64)), np.uint64),
            n_bits,
            self._layers,
            self._rows,
            self._bad,
            self._near,
            tolerance,
            "+".join(sorted({layer.dtype for layer in self._layers})),
            mode,
            rows,
            training,
            tuple(self._left_out),
        )

    def _check_layers(self, here: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if self._layers is None:
            self._layers = here
            if callable(self._counter):
                self._counter = self._counter(here[-1].stop, tuple(layer.stop for layer in here))
        elif self._layers != here:
            raise ShapeError(
                f"after {self._rows} rows the layers changed from {_brief(self._layers)} to {_brief(here)}; where "
                "inputs are padded to different lengths, ask for rows='tokens'"
            )
        return here

    def _take(self, codes: Codes) -> None:
        if self._counter is None:
            self._kept.append(codes.words)
        elif isinstance(self._counter, CodeCounter):
            self._counter.update(codes, num_threads=self._threads)
        elif isinstance(self._counter, DistinctSketch):
            self._counter.update(codes)
        else:
            raise ParameterError(f"counter must be a CodeCounter or a DistinctSketch, not {self._counter!r}")


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
