"""The values whose signs make the code of a piecewise-linear network, layer by layer, at any batch of inputs."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import FeatureGeometryError, ParameterError, ShapeError
from featuregeom.interruptible import by_slabs, matmul, stacked
from featuregeom.networks.extra import torch_module
from featuregeom.networks.modules import check_module, eager
from featuregeom.networks.rounding import known, passed_on, through
from featuregeom.networks.tensors import check_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["Layers", "Network", "TorchNetwork", "network"]

Floats = NDArray[np.float64]

BATCH = 4096
"""Inputs of one forward."""


class Network(Protocol):
    """What regions are computed from.

    Attributes
    ----------
    shape : tuple of int or None
        Shape of one input where it is known.
    """

    shape: tuple[int, ...] | None

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats, Floats]:
        """Give the values of stage `stop`, from a forward that ends there, and the sizes of what they are sums of.

        Sizes, sum |w| |h| + |b| for a neuron w h + b, say how well a value is known; 0 where they cannot be seen.
        Values of earlier stages that rounding cannot tell from zero go on as zero; those of this one are as computed.
        """

    def forward(self, inputs: Floats, *, settled: bool = False) -> tuple[list[Floats], Floats]:
        """Give the values of all stages, and the output.

        With `settled` values are zero where rounding cannot tell them from zero, for twice the time.
        """

    def linearise(self, point: Floats) -> list[tuple[Floats, Floats]]:
        """Give the values of each stage at one input, shape (bits,), and their gradients, shape (bits, inputs).

        Both are zero where rounding cannot tell them from zero.
        """


class Layers:
    """A ReLU network of (weights, biases), each hidden layer followed by ReLU, the last one not.

    Parameters
    ----------
    layers : sequence of (array of shape (outputs, inputs), array of shape (outputs,))
        In order, the output last.
    """

    def __init__(self, layers: Sequence[tuple[Any, Any]]) -> None:
        if not layers:
            raise ParameterError("a network needs at least one layer (W, b)")
        self.layers: list[tuple[Floats, Floats]] = []
        for index, layer in enumerate(layers):
            if len(layer) != 2:
                raise ShapeError(f"layer {index} must be a pair (W, b)")
            W, b = (numbers(part, f"layer {index}") for part in layer)
            if W.ndim != 2 or b.shape != W.shape[:1]:
                raise ShapeError(
                    f"layer {index} must be W (outputs, inputs) and b (outputs,), got {W.shape}, {b.shape}"
                )
            if self.layers and W.shape[1] != len(self.layers[-1][1]):
                raise ShapeError(
                    f"layer {index} takes {W.shape[1]} inputs, the one before gives {len(self.layers[-1][1])}"
                )
            if not (np.isfinite(W).all() and np.isfinite(b).all()):
                raise ParameterError(f"layer {index} holds NaN or infinity")
            self.layers.append((W, b))
        self.shape: tuple[int, ...] | None = (self.layers[0][0].shape[1],)

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats, Floats]:
        """Give the pre-activations of hidden layer `stop`, and the sizes of what they are sums of."""
        parts = [self._stage(part, stop) for part in _batches(inputs)]
        values, sizes = (stacked([part[k] for part in parts]) for k in (0, 1))
        return values, sizes

    def _stage(self, inputs: Floats, stop: int) -> tuple[Floats, Floats]:
        values, unsure = inputs, np.zeros_like(inputs)
        for layer in range(stop):
            values, unsure = _rectified(*self._sums(layer, values, unsure))
        return self._sums(stop, values, unsure)

    def forward(self, inputs: Floats, *, settled: bool = False) -> tuple[list[Floats], Floats]:
        """Give the pre-activations of all hidden layers, and the output."""
        stages: list[Floats] = []
        values, unsure = inputs, np.zeros_like(inputs)
        for layer, (W, b) in enumerate(self.layers[:-1]):
            if settled:
                found, sizes = self._sums(layer, values, unsure)
                stages.append(known(found, sizes))
                values, unsure = _rectified(found, sizes)
            else:
                stages.append(matmul(values, W.T) + b)
                values = np.maximum(stages[-1], 0.0)
        W, b = self.layers[-1]
        return stages, matmul(values, W.T) + b

    def linearise(self, point: Floats) -> list[tuple[Floats, Floats]]:
        """Give all pre-activations at one input and their gradients, by products of masked weights."""
        values, unsure = point[None], np.zeros((1, len(point)))
        # One row per input of the network, as values have one per point.
        slopes, loose = np.eye(len(point)), np.zeros((len(point), len(point)))
        found = []
        for layer, (W, _) in enumerate(self.layers[:-1]):
            z, sizes = self._sums(layer, values, unsure)
            steep = passed_on(through(np.abs, slopes, W), loose, W)
            slopes = known(matmul(slopes, W.T), steep)
            found.append((known(z, sizes)[0], slopes.T))
            values, unsure = _rectified(z, sizes)
            slopes, loose = slopes * (values > 0), steep * (values > 0)
        return found

    def _sums(self, layer: int, values: Floats, unsure: Floats) -> tuple[Floats, Floats]:
        """Give what one layer makes of values, one input per row, and the sizes of what was added up."""
        W, b = self.layers[layer]
        sizes = through(np.abs, values, W) + np.abs(b)
        return matmul(values, W.T) + b, passed_on(sizes, unsure, W)


def _batches(inputs: Floats) -> list[Floats]:
    return [inputs[begin : begin + BATCH] for begin in range(0, len(inputs), BATCH)]


def _rectified(values: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Give what ReLU makes of values, and the sizes that say how well that is known: 0 where it is off."""
    on = np.maximum(known(values, sizes), 0.0)
    return on, sizes * (on > 0)


class TorchNetwork:
    """A torch module in float64 and on the CPU; the caller's own module is copied, not changed.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode. Activations may be modules or calls of functions.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        import torch
        from torch import nn

        check_module(model)
        for name, module in model.named_modules():
            risky = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd)
            if risky and module.training:
                raise ParameterError(
                    f"module {name!r} ({type(module).__name__}) is in train mode, where the network is not a "
                    "fixed function: call model.eval() first"
                )
        self.model = _copied(model).to(device="cpu", dtype=torch.float64).eval()
        for name, parameter in [*self.model.named_parameters(), *self.model.named_buffers()]:
            if parameter.is_floating_point() and not bool(torch.isfinite(parameter).all()):
                raise ParameterError(f"parameter {name!r} holds NaN or infinity")
        self.shape: tuple[int, ...] | None = None
        self._by_row = False

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats, Floats]:
        """Give the values of the bend that comes `stop`-th, from forwards that end there, and their sums' sizes.

        Sizes are known where what bends is the result of a product.
        """
        parts = [self._run(part, stop) for part in _batches(inputs)]
        values, sizes = (stacked([part[k][0] for part in parts]) for k in (0, 1))
        return values, sizes

    def forward(self, inputs: Floats, *, settled: bool = False) -> tuple[list[Floats], Floats]:
        """Give the values of all bends in the order of the forward, and the output.

        The first call also makes sure that no input has a part in another's output.
        """
        if not self._by_row:
            self._check_rows(inputs[0])
        parts = [self._run(part, settled=settled) for part in _batches(inputs)]
        stages = [stacked(found) for found in zip(*(part[0] for part in parts), strict=True)]
        return stages, stacked([output for *_, output in parts])

    def linearise(self, point: Floats) -> list[tuple[Floats, Floats]]:
        """Give all values at one input and their gradients, by one forward and a backward a value."""
        import torch

        from featuregeom.networks.tracing import recorder

        self.forward(point[None])
        x = torch.from_numpy(point[None].copy()).requires_grad_()
        record = recorder(self.model, None, x, settled=True)
        record.follow(x)
        found: list[tuple[Floats, Floats]] = []
        try:
            with torch.enable_grad(), record, eager():
                # Not the input itself: a model that works in place may not change a leaf.
                self.model(x.clone())
            for values in record.values:
                row = values.reshape(-1)
                gradients = np.zeros((len(row), point.size))
                for k, value in enumerate(row):
                    if value.requires_grad:
                        (slope,) = torch.autograd.grad(value, x, retain_graph=True, allow_unused=True)
                        if slope is not None:
                            gradients[k] = slope.reshape(-1).numpy()
                found.append((row.detach().numpy(), gradients))
        finally:
            record.close()
        return found

    def _run(
        self, inputs: Floats, stop: int | None = None, *, settled: bool = True
    ) -> tuple[list[Floats], list[Floats], Floats]:
        import torch

        from featuregeom.networks.tracing import Enough, recorder

        # A copy: a model that works in place may not change the caller's array.
        batch = torch.from_numpy(np.array(inputs))
        record = recorder(self.model, stop, settled=settled)
        record.follow(batch)
        output = None
        try:
            with torch.no_grad(), record, eager():
                output = self.model(batch)
        except Enough:
            pass
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, FeatureGeometryError):
                raise
            raise ShapeError(
                f"the model does not take float64 inputs of shape {tuple(inputs.shape[1:])}: {error}"
            ) from error
        else:
            if not isinstance(output, torch.Tensor) or len(output) != len(batch):
                raise ShapeError("the model must give one tensor with a row for each input")
            if not record.depends(output):
                raise ParameterError(
                    "the output does not depend on the input, or by operations that torch does not show (a compiled "
                    "or scripted module, an autograd.Function): what bends there cannot be seen"
                )
        finally:
            record.close()
        values, sizes = (
            [found.reshape(len(batch), -1).numpy() for found in each]
            for each in (record.values, record.sizes)
        )
        return values, sizes, np.empty((0, 0)) if output is None else output.reshape(len(batch), -1).numpy()

    def _check_rows(self, point: Floats) -> None:
        """Make sure that two inputs give alone what they give together.

        The second one is a generic step away, so that no value of one is by chance a value of the other.
        """
        step = np.modf(np.arange(1, point.size + 1) * 0.5 * (5**0.5 - 1))[0]
        both = np.stack([point, point + 0.5 + step.reshape(point.shape)])
        together = self._run(both)
        scale = float(np.abs(both).max(initial=0.0))
        alone = [self._run(each[None]) for each in both]
        for one, *others in zip(*([*found[0], found[2]] for found in (together, *alone)), strict=True):
            largest = float(np.abs(one).max(initial=0.0))
            scale = max(scale, largest)
            # A value that cancels errs by a part of what it was made of, not of itself.
            near = max(1e-9 * largest, 1e-12 * scale)
            if not all(
                np.allclose(row, other[0], rtol=1e-9, atol=near)
                for row, other in zip(one, others, strict=True)
            ):
                raise ParameterError(
                    "the values of one input change with what else is in its batch: the model mixes the rows of a "
                    "batch, or bends values whose first axis is not the batch's; neither is known as a function of "
                    "one input"
                )
        self._by_row = True


def _copied(model: torch.nn.Module) -> torch.nn.Module:
    """Copy a module; what old parametrisations (weight_norm) compute before each forward is copied as values."""
    import torch

    computed = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(model, dict(computed))
    except Exception as error:
        raise ParameterError(f"the model cannot be copied, so not be computed in float64: {error}") from error


def network(model: Any) -> Network:
    """Read a model: a torch module, or a sequence of (weights, biases).

    Raises
    ------
    ParameterError
        If it is neither, is in train mode, or holds NaN.
    ShapeError
        If layers do not fit.
    MissingExtraError
        If torch is missing.
    """
    if isinstance(model, Layers | TorchNetwork):
        return model
    if isinstance(model, list | tuple):
        return Layers(model)
    torch = torch_module("regions of a torch module")
    if isinstance(model, torch.nn.Module):
        return TorchNetwork(model)
    raise ParameterError(f"a model is a torch module or a list of (W, b), not {type(model).__name__}")


def read_point(found: Network, point: Any, name: str) -> Floats:
    """Read one input: finite, of the shape that the network takes where it is known."""
    values = numbers(point, name)
    if not np.isfinite(values).all() or values.size == 0:
        raise ParameterError(f"{name} must be finite and not empty")
    if found.shape is not None and values.shape != found.shape:
        raise ShapeError(f"{name} has shape {values.shape}, the network takes {found.shape}")
    return values


def numbers(value: Any, name: str) -> Floats:
    """Copy an array-like to float64; a tensor of any device and type too, and one that has a gradient.

    Raises
    ------
    ParameterError
        If it holds anything but real numbers.
    DtypeError
        If it is a tensor whose numbers cannot be read, a sparse or nested one, say.
    """
    check_tensor(value, name)
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().resolve_neg()
            # NumPy has no bfloat16, which float32 holds exactly.
            value = (value.float() if value.dtype.itemsize == 2 else value).numpy()
        elif isinstance(value, list | tuple) and any(hasattr(part, "detach") for part in value):
            value = [numbers(part, name) for part in value]
        found = np.asarray(value)
        if found.dtype.kind == "c":
            raise TypeError("complex")
        if found.ndim < 2:
            return np.array(found, dtype=np.float64)
        return by_slabs(lambda rows: rows.astype(np.float64), found)
    except (TypeError, ValueError, RuntimeError):
        raise ParameterError(f"{name} must be an array of real numbers") from None


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack rows of bits into words, bit i in word i // 64, the last word padded with zeros."""
    words = math.ceil(bits.shape[1] / 64)
    full = np.zeros((len(bits), 64 * words), dtype=np.bool_)
    full[:, : bits.shape[1]] = bits
    return np.packbits(full, axis=1, bitorder="little").view("<u8").astype(np.uint64)
