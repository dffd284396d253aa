"""Watch the linear maps of a model in one forward pass, and gather what goes in and what gradient comes back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.formation.linear_maps import LinearMap, linear_maps
from featuregeom.formation.losses import Batch
from featuregeom.formation.moments import LayerMoments, Moments

if TYPE_CHECKING:
    import torch

__all__ = ["Calls", "Gathered", "Watch"]

Floats = NDArray[np.float64]


@dataclass
class Calls:
    """The linear maps that one forward pass called.

    Attributes
    ----------
    maps : list of LinearMap
        In the order of calls; the name of a second call of one module ends in ``"#2"``.
    inputs : list of tensor
        What each was called with, copies.
    edges : list
        Where torch's graph goes on from each output, as it was before anything wrote into the output.
    """

    maps: list[LinearMap] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    edges: list[Any] = field(default_factory=list)
    _times: dict[str, int] = field(default_factory=dict)

    def take(self, found: LinearMap, given: torch.Tensor, out: torch.Tensor) -> None:
        """Note one call of a linear map."""
        from torch.autograd.graph import get_gradient_edge

        if not out.requires_grad:
            raise ParameterError(
                f"the output of module {found.name!r} has no gradient: it runs under torch.no_grad() in the model, or "
                "under torch.inference_mode()"
            )
        times = self._times[found.name] = self._times.get(found.name, 0) + 1
        name = found.name if times == 1 else f"{found.name}#{times}"
        self.maps.append(LinearMap(name, found.module, found.kind, found.tokens_first))
        self.inputs.append(given.detach().clone())
        self.edges.append(get_gradient_edge(out))


class Watch:
    """Watches the linear maps of a model.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    names : tuple of str or None
        Which modules; all where None.
    """

    def __init__(self, model: torch.nn.Module, names: tuple[str, ...] | None) -> None:
        if names == ():
            raise ParameterError("modules is empty: name at least one")
        self.names = names
        self._maps, self._attention = linear_maps(model, names)
        inside = {id(each.out_proj) for each in self._attention.values()}
        self._maps = [each for each in self._maps if id(each.module) not in inside]

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Calls]:
        """Watch what runs inside; every hook is gone at the end."""
        calls = Calls()
        with contextlib.ExitStack() as stack:
            for each in self._maps:
                before = each.module.register_forward_pre_hook(_with_gradient, with_kwargs=True)
                after = each.module.register_forward_hook(_taking(each, calls), with_kwargs=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
            if self._attention:
                stack.enter_context(_watching_attention(self._attention, calls))
            yield calls

    def wanted(self, name: str) -> bool:
        """Whether the key of a call was asked for by name."""
        if self.names is None:
            return True
        plain = name.partition("#")[0].partition("[")[0]
        return plain in self.names or plain.rpartition(".")[0] in self.names

    def check(self, keys: set[str], called: set[str]) -> None:
        """Raise an error for maps that were asked for by name and gave no moments.

        Parameters
        ----------
        keys : set of str
            Calls that the loss depends on.
        called : set of str
            All calls.
        """
        for name in self.names or ():

            def meant(key: str, name: str = name) -> bool:
                plain = key.partition("#")[0].partition("[")[0]
                return name in (plain, plain.rpartition(".")[0])

            if not any(map(meant, called)):
                raise ParameterError(
                    f"module {name!r} was never called: the model uses its weights elsewhere, or not at all"
                )
            if not any(map(meant, keys)):
                raise ParameterError(
                    f"the loss does not depend on module {name!r}: no gradient comes back to it"
                )
        if not called:
            raise ParameterError("the model called none of its linear maps")
        if not keys:
            raise ParameterError("the loss depends on no linear map of the model")


def _with_gradient(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the graph begin at the input where neither it nor the weights have a gradient (frozen models)."""
    given = args[0] if args else kwargs.get("input")
    if given is None or given.requires_grad or module.weight.requires_grad or not given.is_floating_point():
        return None
    fresh = given.detach().requires_grad_(True)
    return ((fresh, *args[1:]), kwargs) if args else (args, kwargs | {"input": fresh})


def _taking(found: LinearMap, calls: Calls) -> Any:
    def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        calls.take(found, args[0] if args else next(iter(kwargs.values())), out)

    return hook


@contextlib.contextmanager
def _watching_attention(attention: dict[str, Any], calls: Calls) -> Iterator[None]:
    """See the projections of attention, which calls a function with its weights, and no module.

    `torch.nn.functional.linear` is replaced meanwhile by one that looks whose weights it gets, and torch's fused
    attention, which computes everything at once, is off. Both are put back.
    """
    import torch
    from torch.nn import functional

    original = functional.linear
    weights = [
        (f"{name}.{part}", weight)
        for name, module in attention.items()
        for part, weight in (
            ("in_proj", module.in_proj_weight), ("q_proj", module.q_proj_weight),
            ("k_proj", module.k_proj_weight), ("v_proj", module.v_proj_weight),
            ("out_proj", module.out_proj.weight),
        )
        if weight is not None
    ]  # fmt: skip

    def watched(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        name = next((found for known in weights if (found := _part(*known, weight))), None)
        if name is None:
            return original(given, weight, bias)
        if not (given.requires_grad or weight.requires_grad):
            given = given.detach().requires_grad_(True)
        out = original(given, weight, bias)
        calls.take(LinearMap(name, SimpleNamespace(weight=weight, bias=bias), "dense", True), given, out)
        return out

    fast = torch.backends.mha.get_fastpath_enabled()
    functional.linear = watched  # type: ignore[assignment]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        functional.linear = original
        torch.backends.mha.set_fastpath_enabled(fast)


def _part(name: str, whole: torch.Tensor, weight: torch.Tensor) -> str:
    """Give the name of the rows of `whole` that `weight` is, empty if it is none of them."""
    same = whole.untyped_storage().data_ptr() == weight.untyped_storage().data_ptr()
    if not same or weight.ndim != 2 or weight.shape[1] != whole.shape[1]:
        return ""
    start, away = divmod(int(weight.storage_offset()) - int(whole.storage_offset()), whole.shape[1])
    if away or start < 0 or start + len(weight) > len(whole):
        return ""
    return name if len(weight) == len(whole) else f"{name}[{start}:{start + len(weight)}]"


class Gathered:
    """Moments of all calls so far.

    Parameters
    ----------
    gradient : str
        As in `LayerMoments`.
    normalised : bool
        Whether vectors of unit length are gathered, too.
    """

    def __init__(self, gradient: str, normalised: bool) -> None:
        self._gradient, self._normalised = gradient, normalised
        self._found: dict[str, LayerMoments] = {}
        self._called: set[str] = set()
        self._reached: set[str] = set()

    def add(self, calls: Calls, gradients: Any, batch: Batch, *, first: bool) -> None:
        """Add the rows of one forward pass and one backward pass; inputs only with the `first` of several."""
        import torch

        for found, given, gradient in zip(calls.maps, calls.inputs, gradients, strict=True):
            self._called.add(found.name)
            if gradient is None and self._gradient != "jacobian":
                continue
            inputs = found.inputs(given)
            chosen = _chosen(found, tuple(inputs.shape[:-1]), batch)
            h_a = inputs.reshape(-1, inputs.shape[-1])
            h_a = _wide(h_a if chosen is None else h_a[chosen])
            moments = self._of(found)
            if gradient is None:
                g_b = h_a.new_zeros((len(h_a), moments.g.d))
            else:
                self._reached.add(found.name)
                back = found.outputs(gradient.detach())
                back = back.reshape(-1, back.shape[-1])
                g_b = -_wide(back if chosen is None else back[chosen])
            try:
                if first:
                    moments.a.add(h_a)
                moments.g.add(g_b)
            except NonFiniteError as error:
                side = "gradients of the outputs" if moments.a.n > moments.g.n else "inputs"
                raise NonFiniteError(
                    f"{side} of module {found.name!r}: {error}", error.row, error.column
                ) from None
            if self._gradient != "jacobian":
                moments.cross[...] += (g_b.T @ h_a).cpu().numpy()
            if moments.normalised is not None:
                W = torch.as_tensor(moments.W, device=h_a.device, dtype=h_a.dtype)
                h_b = h_a @ W.T
                if moments.bias is not None:
                    h_b = h_b + torch.as_tensor(moments.bias, device=h_a.device, dtype=h_a.dtype)
                for side, X in {"h_a": h_a, "h_b": h_b, "g_a": g_b @ W, "g_b": g_b}.items():
                    if first or side[0] == "g":
                        moments.normalised[side].add(torch.nn.functional.normalize(X, eps=1e-300))

    def moments(self, watch: Watch, samples: int) -> dict[str, LayerMoments]:
        """Give what was gathered, each map that the loss depends on.

        Raises
        ------
        ParameterError
            If there was one sample, or something asked for has no moments.
        """
        if not samples:
            raise ParameterError("batches are empty (a generator gives its batches once only)")
        watch.check({key for key in self._reached if watch.wanted(key)}, self._called)
        if samples < 2:
            raise ParameterError("one sample gives moments of rank one, which align with anything: give more")
        given = {}
        for name, found in self._found.items():
            if name not in self._reached or not watch.wanted(name):
                continue
            if not found.g.mean.any() and not found.g.scatter.any():
                raise ParameterError(
                    f"all gradients at module {name!r} are zero: the loss is at its minimum for every sample, or does "
                    "not see the module; leave it out of modules"
                )
            given[name] = LayerMoments(
                found.a, found.g, found.cross, samples, found.W, found.bias, found.normalised, found.gradient
            )
        return given

    def _of(self, found: LinearMap) -> LayerMoments:
        if found.name not in self._found:
            W, bias = found.weights()
            if not np.isfinite(W).all():
                row, column = map(int, np.argwhere(~np.isfinite(W))[0])
                raise NonFiniteError(
                    f"weights of module {found.name!r} hold {W[row, column]} in row {row}, column {column}",
                    row,
                    column,
                )
            d_b, d_a = W.shape
            unit = {
                side: Moments(d_a if side.endswith("a") else d_b) for side in ("h_a", "h_b", "g_a", "g_b")
            }
            self._found[found.name] = LayerMoments(
                Moments(d_a), Moments(d_b), np.zeros(W.shape), 0, W, bias,
                unit if self._normalised else None, self._gradient,
            )  # fmt: skip
        return self._found[found.name]


def _wide(rows: torch.Tensor) -> torch.Tensor:
    """Give rows in float64, on the CPU where the device has no such type."""
    return (rows.cpu() if rows.device.type == "mps" else rows).double()


def _chosen(found: LinearMap, lead: tuple[int, ...], batch: Batch) -> torch.Tensor | None:
    """Give which rows count, as flat booleans; None where all do, for the layer has no tokens (pooled ones)."""
    if batch.mask is None:
        return None
    size, length = batch.mask.shape
    mask = batch.mask.T if found.tokens_first else batch.mask
    if lead in (tuple(mask.shape), (size * length,)):
        return mask.reshape(-1)
    if lead == (length, size):
        return batch.mask.T.reshape(-1)
    if lead and lead[0] == size and len(lead) == 1:
        return None
    raise ShapeError(
        f"module {found.name!r} is applied to rows of shape {lead}, and the mask of tokens has shape {(size, length)}: "
        "name other modules, or pass a mask for these"
    )
