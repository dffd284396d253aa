"""A forward of a torch module, watched: where it bends, and whether anything in it is not piecewise linear."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
from torch.nn.functional import unfold
from torch.overrides import TorchFunctionMode

from featuregeom.errors import ParameterError

__all__ = ["Recorder", "recorder"]

_AFFINE = frozenset(
    [
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "batch_norm",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "flatten",
        "reshape",
        "view",
        "permute",
        "transpose",
        "t",
        "squeeze",
        "unsqueeze",
        "contiguous",
        "clone",
        "detach",
        "dropout",
        "dropout1d",
        "dropout2d",
        "alpha_dropout",
        "feature_dropout",
        "identity",
        "add",
        "add_",
        "iadd",
        "__iadd__",
        "__add__",
        "__radd__",
        "sub",
        "sub_",
        "__sub__",
        "__rsub__",
        "rsub",
        "isub",
        "__isub__",
        "mul",
        "mul_",
        "__mul__",
        "__rmul__",
        "imul",
        "__imul__",
        "div",
        "div_",
        "__truediv__",
        "true_divide",
        "itruediv",
        "neg",
        "__neg__",
        "matmul",
        "__matmul__",
        "__rmatmul__",
        "mm",
        "bmm",
        "addmm",
        "cat",
        "concat",
        "stack",
        "chunk",
        "split",
        "sum",
        "mean",
        "__getitem__",
        "pad",
        "to",
        "double",
        "float",
        "type",
        "expand",
        "movedim",
        "unflatten",
        "bilinear",
        "upsample",
        "interpolate",
        "pixel_shuffle",
        "narrow",
        "select",
        "unbind",
        "swapaxes",
        "view_as",
        "expand_as",
    ]
)
_SUMS = frozenset(
    [
        "add",
        "add_",
        "iadd",
        "__iadd__",
        "__add__",
        "__radd__",
        "sub",
        "sub_",
        "__sub__",
        "__rsub__",
        "rsub",
        "isub",
        "__isub__",
        "cat",
        "concat",
        "stack",
    ]
)
_FREE = frozenset(
    [
        "size",
        "dim",
        "__get__",
        "numel",
        "shape",
        "__len__",
        "ndimension",
        "is_floating_point",
        "is_contiguous",
        "requires_grad_",
    ]
)
_SOFT = frozenset({"softmax", "log_softmax"})
_POOLS = {"max_pool1d": 1, "max_pool2d": 2, "max_pool1d_with_indices": 1, "max_pool2d_with_indices": 2}
_BENDS = frozenset(
    [
        "relu",
        "relu_",
        "leaky_relu",
        "leaky_relu_",
        "prelu",
        "hardtanh",
        "hardtanh_",
        "relu6",
        "relu6_",
        "abs",
        "absolute",
        "threshold",
    ]
)
_CLIPS = frozenset(["clamp", "clamp_", "clip", "clamp_min", "clamp_max"])


class Recorder(TorchFunctionMode):
    """Watches one forward; `values` are those of the bend number `stop`, None where there are fewer."""

    def __init__(self, stop: int, inside: list[str]) -> None:
        super().__init__()
        self.stop, self.inside = stop, inside
        self.values: torch.Tensor | None = None
        self.seen = 0
        self.ended = ""
        self.moving: dict[int, torch.Tensor] = {}
        self.handles: list[Any] = []

    def follow(self, tensor: torch.Tensor) -> torch.Tensor:
        """Remember that a tensor depends on the input; it is kept, so that its id stays its own."""
        self.moving[id(tensor)] = tensor
        return tensor

    def close(self) -> None:
        """Take the hooks away and forget."""
        for handle in self.handles:
            handle.remove()
        self.moving.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        moving = [value for value in _tensors([args, kwargs]) if id(value) in self.moving]
        name = getattr(func, "__name__", str(func))
        if name.startswith("_") and not name.startswith("__"):
            name = name.lstrip("_")
        if not moving or name in _FREE:
            return func(*args, **kwargs)
        if self.ended:
            raise ParameterError(
                f"module {self.ended!r} uses softmax before the output: it is not piecewise linear"
            )
        if name in _SOFT:
            self.ended = self.inside[-1]
            return moving[0]
        if name in _BENDS or name in _CLIPS:
            self._record(_bends(name, moving[0], args, kwargs))
        elif name.removeprefix("boolean_dispatch").rstrip("_") in _POOLS or name in (
            "fn",
            "boolean_dispatch",
        ):
            self._record(_comparisons(moving[0], args, kwargs, _POOLS.get(name, moving[0].ndim - 2)))
        elif name not in _AFFINE:
            raise ParameterError(
                f"{name} in module {self.inside[-1]!r} is not known to be piecewise linear; regions are exact for "
                "dense, convolution, BatchNorm, pooling, residual, ReLU, LeakyReLU, PReLU and Hardtanh networks"
            )
        elif len(moving) > 1 and name not in _SUMS:
            raise ParameterError(
                f"{name} in module {self.inside[-1]!r} multiplies two values that depend on the input"
            )
        elif name == "batch_norm" and kwargs.get("training", args[5] if len(args) > 5 else False):
            raise ParameterError(f"batch_norm in module {self.inside[-1]!r} runs in train mode")
        elif "dropout" in name and kwargs.get("training", args[2] if len(args) > 2 else True):
            raise ParameterError(f"{name} in module {self.inside[-1]!r} runs in train mode")
        result = func(*args, **kwargs)
        for tensor in _tensors([result]):
            self.follow(tensor)
        return result

    def _record(self, values: torch.Tensor) -> None:
        if self.seen == self.stop:
            self.values = values
        self.seen += 1


def recorder(model: torch.nn.Module, stop: int) -> Recorder:
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


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        return _tensors(list(values.values()))
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []


def _bends(name: str, z: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Give the functions that are zero where an elementwise operation bends, one row an input."""
    if name.startswith("relu6"):
        at: list[Any] = [0.0, 6.0]
    elif name.startswith("hardtanh"):
        at = [
            kwargs.get("min_val", args[1] if len(args) > 1 else -1.0),
            kwargs.get("max_val", args[2] if len(args) > 2 else 1.0),
        ]
    elif name == "threshold":
        level, value = (
            kwargs.get(k, args[i] if len(args) > i else None) for i, k in ((1, "threshold"), (2, "value"))
        )
        if level != value:
            raise ParameterError("threshold with another value jumps there: the network is not continuous")
        at = [level]
    elif name in _CLIPS:
        low, high = (kwargs.get(k, args[i] if len(args) > i else None) for i, k in ((1, "min"), (2, "max")))
        at = (
            [high if name == "clamp_max" and high is not None else low]
            if name in ("clamp_min", "clamp_max")
            else [bound for bound in (low, high) if bound is not None]
        )
    else:
        at = [0.0]
    flat = z.reshape(len(z), -1)
    # The differences are new tensors: an operation in place may change z.
    return torch.cat([flat - level for level in at], dim=1)


def _comparisons(
    z: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], dimensions: int
) -> torch.Tensor:
    """Differences of all pairs in each window of a max pool, one row an input."""
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if given.get("ceil_mode"):
        raise ParameterError("max pool with ceil_mode is not supported: pad the input instead")
    if dimensions not in (1, 2):
        raise ParameterError(f"max pool in {dimensions} dimensions is not supported")

    def pair(value: Any, other: int) -> tuple[int, int]:
        values = (value,) * dimensions if isinstance(value, int) else tuple(value)
        return (int(values[0]), int(values[1])) if dimensions == 2 else (other, int(values[0]))

    kernel = pair(given["kernel_size"], 1)
    stride = pair(given.get("stride") or given["kernel_size"], 1)
    padding, dilation = pair(given.get("padding", 0), 0), pair(given.get("dilation", 1), 1)
    image = z if dimensions == 2 else z.unsqueeze(-2)
    n, channels = image.shape[:2]
    # Windows over channels as one image each. Padding is below everything, and compared with nothing.
    image = image.reshape(n * channels, 1, *image.shape[2:])
    options: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
    }
    windows = unfold(image, **options).reshape(n, channels, kernel[0] * kernel[1], -1)
    inside = unfold(torch.ones_like(image[:1]), **options)[0] > 0
    columns = []
    for a, b in combinations(range(kernel[0] * kernel[1]), 2):
        both = inside[a] & inside[b]
        columns.append((windows[:, :, a] - windows[:, :, b])[:, :, both].reshape(n, -1))
    return torch.cat(columns, dim=1) if columns else z.new_zeros((n, 0))
