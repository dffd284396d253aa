"""What one forward pass calls: activations become bits as they run, and what would falsify codes is refused.

torch hands every operation to a `TorchDispatchMode`, whichever way it was called (a module, ``F.relu``,
``Tensor.relu_``, ``torch.ops.aten.relu``, a loop in C++ as in ``nn.RNN``), so what is not in a table here is no
activation, not one that was called in a way nobody thought of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.following import Following, tensors
from featuregeom.networks.operations import (
    ATTENTION,
    BENDS,
    FUSED,
    GATES,
    KERNELS,
    LAYERS,
    POOLING,
    SQUASHING,
)
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = ["Mode", "Recorder", "Seen", "Uncoded", "refuse_training"]

Mode = Literal["neuron", "channel_any"]
"""One bit a unit, or one a channel that is on anywhere (which is no linear-region code)."""

Uncoded = Literal["error", "skip"]
"""What to do about a nonlinearity without a code: refuse it, or leave it out and list it."""

_CODED: dict[str, str] = {
    **{name: kind for name, kind in BENDS.items() if kind is not None},
    **KERNELS,
    **dict.fromkeys(GATES, "gate"),
}
"""Kind of code by operation; in-place variants have the same name and an underscore."""

_UNCODED = FUSED | {name for name, kind in BENDS.items() if kind is None}
"""Nonlinearities for which no bits are defined."""

_KNOWN = _CODED.keys() | _UNCODED | SQUASHING

_GATE_MODULES = frozenset({
    "GELUActivation", "NewGELUActivation", "FastGELUActivation", "QuickGELUActivation", "AccurateGELUActivation",
    "GELUTanh", "PytorchGELUTanh", "SiLUActivation",
})  # fmt: skip
"""Modules of transformers that write a GELU out, with tanh, erf or sigmoid."""

_WHOLE = ("softsign", "gate")
"""Functions and modules that count as one nonlinearity, whatever they are written with."""


@summarised
@dataclass(frozen=True, eq=False)
class Seen:
    """Bits of one call of an activation.

    Attributes
    ----------
    name, kind, dtype : str
        As in `Layer`.
    shape : tuple of int
        Shape of the pre-activation of one row.
    bits : tuple of tensor of bool, each (rows, units)
        One for each bend.
    n_nonfinite, n_ambiguous : int
        Pre-activations that are NaN or infinite, and finite ones near a bend: each counted once, whatever the number
        of its bends and before channels are reduced.
    first_bad : (int, int) or None
        Row and unit of the first that is not finite.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    bits: tuple[Any, ...]
    n_nonfinite: int
    n_ambiguous: int
    first_bad: tuple[int, int] | None


class Recorder:
    """Records the activations of one forward pass.

    Parameters
    ----------
    model : torch.nn.Module
        Its modules give the names.
    size : int
        Inputs of the batch.
    tokens : (int or None, tensor or None), optional
        Tokens of each input (as the first activation has them where None), and which of them are rows (all where
        None); inputs are the rows unless given.
    mode, wanted, tolerance, uncoded
        As for `capture`.
    keep : sequence of int
        Inputs whose pre-activations are kept.

    Attributes
    ----------
    seen : list of Seen
        In the order of the calls.
    size, keep : int, list of int
        As given.
    turned : bool
        Whether an activation has another axis as long as that of the tokens, which may then be the wrong one.
    called : list of str
        Names of all activations with a code, wanted or not.
    left_out : list of str
        Nonlinearities without bits, as ``"operation in 'module'"``.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        size: int,
        *,
        tokens: tuple[int | None, Any] | None = None,
        mode: Mode = "neuron",
        wanted: tuple[str, ...] | None = None,
        tolerance: float | None = None,
        uncoded: Uncoded = "error",
        keep: Sequence[int] = (),
    ) -> None:
        self.size = size
        self._model, self._tokens = model, tokens
        self.keep = list(keep)
        self._mode, self._wanted, self._tolerance, self._uncoded = mode, wanted, tolerance, uncoded
        known = {name for name, _ in model.named_modules()}
        self._root = "(model)" if "model" in known else "model"
        self._stack: list[str] = []
        self._times: dict[str, int] = {}
        self._following = Following()
        self._pending: list[tuple[str, str]] = []
        self._inside: str | None = None
        self._gated: Any = None
        self.seen: list[Seen] = []
        self._kept: list[Any] = []
        self.turned = False
        self.called: list[str] = []
        self.left_out: list[str] = []

    @contextlib.contextmanager
    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
        """Record what runs inside, when the model is called with these arguments."""
        import torch

        self._following.begin(args, kwargs)
        with contextlib.ExitStack() as stack:
            for name, module in self._model.named_modules():
                before = module.register_forward_pre_hook(
                    lambda module, args, name=name: self._enter(name, module, args)
                )
                # Called when the forward raised, too.
                after = module.register_forward_hook(lambda *_: self._leave(), always_call=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
            stack.enter_context(torch.no_grad())
            stack.enter_context(_dispatch_mode(self))
            stack.enter_context(_function_mode(self))
            yield
        self.left_out += [f"{operation} in {module!r}" for module, operation in self._pending]

    def before(self, operation: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Look at an operation before it runs, for in-place ones overwrite what goes in."""
        import torch

        named = _bind(func, args, kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags and not _harmless(named):
            raise ParameterError(
                f"{operation} in {self._module!r} is random, so codes would differ from run to run; call model.eval() "
                "first, and give functional calls training=self.training"
            )
        if "batch_norm" in operation and self._inside != "instance_norm" and _by_batch(operation, named):
            raise ParameterError(
                f"{operation} in {self._module!r} normalises by the statistics of the batch, so codes would depend on "
                "the batch; call model.eval() first, and keep running statistics"
            )
        if self._inside == "gate":
            gated, self._gated = self._gated, None
            if gated is not None:
                self._hidden()
                self._record("gate", gated, (0.0,))
            return
        given = args[0] if args else None
        if not isinstance(given, torch.Tensor):
            return
        if operation in LAYERS or operation.startswith(ATTENTION):
            self._hidden()
        if not given.is_floating_point():
            return
        if self._inside == "softsign":
            if operation == "abs":
                self._no_code("softsign")
        elif operation in _CODED:
            self._hidden()
            self._record(_CODED[operation], given, _bends(operation, named))
        elif operation in _UNCODED:
            self._no_code(operation)
        elif operation in SQUASHING:
            self._pending.append((self._module, operation.removesuffix("_forward")))
        elif operation.startswith(POOLING):
            self.left_out.append(f"{operation} in {self._module!r}")

    def after(
        self, operation: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> None:
        """Note operations that are neither layers nor affine in the data, and comparisons of the data.

        What these choose between is piecewise, as in ``where(x > 0, x, 0)``.
        """
        found = self._following.after(operation, func, args, kwargs, out)
        if self._inside == "instance_norm" and "batch_norm" in operation:
            found = "instance_norm", False
        # Of complex numbers what is known by its name was not looked at before it ran.
        known = operation in _KNOWN and not any(value.is_complex() for value in tensors(args[:1]))
        if found is not None and not known and self._inside not in _WHOLE:
            name, elementwise = found
            if elementwise:
                self._pending.append((self._module, name))
            else:
                self.left_out.append(f"{name} in {self._module!r}")
        if self._following.chosen(operation, args, kwargs, out):
            self._no_code(f"{operation} of a comparison")

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Tell of a function whose operations mean something else inside it."""
        self._inside, outer = name, self._inside
        try:
            yield
        finally:
            self._inside = outer

    def _enter(self, name: str, module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        self._stack.append(name)
        kind = type(module)
        if args and kind.__name__ in _GATE_MODULES and kind.__module__.startswith("transformers."):
            # Recorded with its first operation, for what is called here would be taken for the model's.
            self._inside, self._gated = "gate", args[0]

    def _leave(self) -> None:
        self._stack.pop()
        if self._inside == "gate":
            self._inside = None

    @property
    def _module(self) -> str:
        return (self._stack[-1] if self._stack else "") or self._root

    def _hidden(self) -> None:
        """Take note that a layer follows, so what squashed before it squashed no output."""
        pending, self._pending = self._pending, []
        for module, operation in pending:
            self._no_code(operation, module)

    def _no_code(self, operation: str, module: str | None = None) -> None:
        where = self._module if module is None else module
        chosen = self._wanted is None or where in self._wanted
        if self._uncoded == "error" and chosen:
            raise ParameterError(
                f"{operation} in {where!r} is a nonlinearity that has no code, and would be missing from the codes; "
                "name the layers that you want in layers=[...], or leave it out with uncoded='skip'"
            )
        self.left_out.append(f"{operation} in {where!r}")

    def _name(self) -> str:
        """Give each call a name of its own: a module that calls twice, or is called twice, gets a number."""
        base = self._module
        times = self._times.get(base, 0)
        name = f"{base}#{times}" if times else base
        while name in self.called:  # A module may itself be called "relu#1".
            times += 1
            name = f"{base}#{times}"
        self._times[base] = times + 1
        self.called.append(name)
        return name

    def _record(self, kind: str, values: Any, bends: tuple[Any, ...]) -> None:
        import torch

        name = self._name()
        if not bends or (self._wanted is not None and name not in self._wanted):
            return
        values = self._by_row(name, values)
        axes = 1 if self._tokens is None else 2
        self._kept.append(values[self.keep])  # Indexing by a list copies.
        finite = self._rows(torch.isfinite(values))
        sides = [self._rows(values > bend) for bend in bends]
        near = 0
        if self._tolerance is not None:
            wide = values.double()
            close = torch.zeros_like(values, dtype=torch.bool)
            for bend in bends:
                close |= (wide - bend).abs() <= self._tolerance
            near = int((self._rows(close) & finite).sum())
        bad = finite.numel() - int(finite.sum())
        first = None
        if bad:
            where = (~finite.reshape(len(finite), -1)).nonzero()[0].tolist()
            first = (where[0], where[1])
        if self._mode == "channel_any" and sides[0].ndim > 2:
            sides = [side.flatten(2).any(dim=2) for side in sides]
        flat = tuple(side.flatten(1) if side.ndim > 1 else side[:, None] for side in sides)
        dtype = str(values.dtype).removeprefix("torch.")
        two = kind if kind != "clamp" or len(bends) == 1 else "hardtanh"
        self.seen.append(Seen(name, two, dtype, tuple(values.shape[axes:]), flat, bad, near, first))

    def _by_row(self, name: str, values: Any) -> Any:
        """Give pre-activations with the axis of inputs first, and then that of tokens where they are the rows."""
        shape = tuple(values.shape)
        if self._tokens is None:
            if shape[:1] == (self.size,):
                return values
            told = ""
        else:
            length, mask = self._tokens
            if length is None and len(shape) == 3 and shape[0] == self.size:
                # Images say nothing of their patches: the first activation does, and others must agree.
                length = shape[1]
                self._tokens = length, mask
            # Of two axes the second may be units, as many as there are tokens by chance.
            if shape[:2] == (self.size, length) and len(shape) > 2:
                self.turned |= length in shape[2:]
                return values
            if length is not None and len(shape) == 2 and shape[0] == self.size * length:
                return values.reshape(self.size, length, -1)
            told = "" if length is None else f" of {length} tokens"
        raise ShapeError(
            f"activation {name!r} has shape {shape} for {self.size} inputs{told}; name the layers to keep in "
            "layers=[...], or record activations with a forward hook and pass them to fg.codes.pack"
            + self._advice(shape)
        )

    def _advice(self, shape: tuple[int, ...]) -> str:
        if self._tokens is None:
            folded = len(shape) == 2 and shape[0] > self.size and shape[0] % self.size == 0
            return "; where inputs and tokens share its first axis, ask for rows='tokens'" if folded else ""
        if len(shape) > 1 and shape[0] == self.size:
            return "; its second axis is not that of the tokens: ask for rows='inputs'"
        return "; it has no row for each token, as where a router sends tokens to experts"

    def kept(self, index: int, places: list[int]) -> Any:
        """Give the pre-activations of ``seen[index]`` for some inputs in `keep`; of tokens, those that are rows."""
        values = self._kept[index][places]
        if self._tokens is None or self._tokens[1] is None:
            return values
        return values[self._tokens[1].to(values.device)[self.keep][places]]

    def _rows(self, flags: Any) -> Any:
        if self._tokens is None:
            return flags
        mask = self._tokens[1]
        return flags.flatten(0, 1) if mask is None else flags[mask.to(flags.device)]


def refuse_training(model: torch.nn.Module) -> None:
    """Refuse modules whose codes would be random, or depend on the batch."""
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.dropout import _DropoutNd

    for name, module in model.named_modules():
        what = f"{type(module).__name__} {name or 'model'!r}"
        noisy = (
            (isinstance(module, _DropoutNd) and module.p > 0)
            or (isinstance(module, nn.RNNBase) and module.dropout > 0 and module.num_layers > 1)
            or (isinstance(module, nn.RReLU) and module.lower < module.upper)
        )
        if module.training and (noisy or isinstance(module, _BatchNorm)):
            raise ParameterError(
                f"{what} is in train mode, so codes would be random or depend on the batch; call model.eval() first"
            )
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ParameterError(
                f"{what} keeps no running statistics, so codes would depend on the batch even in eval mode; build it "
                "with track_running_stats=True"
            )
        if isinstance(module, nn.RNNBase) and not module.batch_first:
            raise ParameterError(
                f"{what} has its inputs along the second axis; build it with batch_first=True"
            )


def _dispatch_mode(recorder: Recorder) -> contextlib.AbstractContextManager[Any]:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own methods have no types
        # torch takes the mode off while this runs, so what is called here is not recorded.
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            operation = func.overloadpacket.__name__.removesuffix("_")
            recorder.before(operation, func, args, kwargs or {})
            out = func(*args, **(kwargs or {}))
            recorder.after(operation, func, args, kwargs or {}, out)
            return out

    return Operations()  # type: ignore[no-untyped-call]


def _function_mode(recorder: Recorder) -> contextlib.AbstractContextManager[Any]:
    """See functions whose operations say too little; and keep torch from fusing a transformer's layer into one."""
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    # Instance normalisation runs as batch normalisation of one row.
    known = {functional.instance_norm: "instance_norm", functional.softsign: "softsign"}

    class Functions(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = known.get(func)
            if name is None:
                return func(*args, **(kwargs or {}))
            with recorder.inside(name):
                return func(*args, **(kwargs or {}))

    return Functions()


def _bind(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of an operation by name."""
    arguments = func._schema.arguments
    named = {argument.name: argument.default_value for argument in arguments if argument.has_default_value()}
    return named | {argument.name: value for argument, value in zip(arguments, args, strict=False)} | kwargs


def _harmless(named: dict[str, Any]) -> bool:
    """Whether an operation that can be random is not: attention without dropout, RReLU in eval mode."""
    idle = any(named.get(name) == 0 for name in ("dropout_p", "dropout", "p"))
    return idle or any(named.get(name) is False for name in ("train", "training"))


def _by_batch(operation: str, named: dict[str, Any]) -> bool:
    return "with_update" in operation or bool(named.get("training", named.get("train", False)))


def _bends(operation: str, named: dict[str, Any]) -> tuple[Any, ...]:
    ends = {
        "hardtanh": ("min_val", "max_val"), "clamp": ("min", "max"), "clamp_min": ("min",),
        "clamp_max": ("max",), "threshold": ("threshold",),
    }.get(operation)  # fmt: skip
    return (0.0,) if ends is None else tuple(named[end] for end in ends if named.get(end) is not None)
