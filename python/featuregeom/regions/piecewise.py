"""The values whose signs make the code of a piecewise-linear network, layer by layer, at any batch of inputs."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import MissingExtraError, ParameterError, ShapeError

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

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats | None, Floats]:
        """Give the values of stage `stop` (None where there are fewer stages), and the output."""

    def linearise(self, point: Floats) -> tuple[Floats, Floats]:
        """Give all values at one input, shape (bits,), and their gradients, shape (bits, inputs)."""


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
            W, b = (np.asarray(part, dtype=np.float64) for part in layer)
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

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats | None, Floats]:
        """Give the pre-activations of hidden layer `stop`, and the output."""
        values, found = inputs, None
        for index, (W, b) in enumerate(self.layers):
            values = values @ W.T + b
            if index < len(self.layers) - 1:
                if index == stop:
                    found = values
                values = np.maximum(values, 0.0)
        return found, values

    def linearise(self, point: Floats) -> tuple[Floats, Floats]:
        """Give all pre-activations at one input and their gradients, by products of masked weights."""
        values, slopes = point, np.eye(len(point))
        found = [(np.empty(0), np.empty((0, len(point))))]
        for W, b in self.layers[:-1]:
            values, slopes = W @ values + b, W @ slopes
            found.append((values, slopes))
            slopes = slopes * (values > 0)[:, None]
            values = np.maximum(values, 0.0)
        return np.concatenate([z for z, _ in found]), np.concatenate([J for _, J in found])


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

        for name, module in model.named_modules():
            risky = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd)
            if risky and module.training:
                raise ParameterError(
                    f"module {name!r} ({type(module).__name__}) is in train mode, where the network is not a "
                    "fixed function: call model.eval() first"
                )
        self.model = copy.deepcopy(model).to(device="cpu", dtype=torch.float64).eval()
        for name, parameter in [*self.model.named_parameters(), *self.model.named_buffers()]:
            if parameter.is_floating_point() and not bool(torch.isfinite(parameter).all()):
                raise ParameterError(f"parameter {name!r} holds NaN or infinity")
        self.shape: tuple[int, ...] | None = None

    def stage(self, inputs: Floats, stop: int) -> tuple[Floats | None, Floats]:
        """Give the values of the activation that comes `stop`-th in a forward, and the output."""
        import torch

        from featuregeom.regions.interception import recorder

        found: list[Floats] = []
        outputs: list[Floats] = []
        for begin in range(0, len(inputs), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[begin : begin + BATCH]))
            record = recorder(self.model, stop)
            try:
                with torch.no_grad(), record:
                    output = self.model(record.follow(batch))
            except (RuntimeError, ValueError, IndexError) as error:
                if isinstance(error, ParameterError):
                    raise
                raise ShapeError(
                    f"the model does not take inputs of shape {tuple(inputs.shape[1:])}: {error}"
                ) from error
            finally:
                record.close()
            if not isinstance(output, torch.Tensor) or len(output) != len(batch):
                raise ShapeError("the model must give one tensor with a row for each input")
            outputs.append(output.reshape(len(batch), -1).numpy())
            if record.values is not None:
                found.append(record.values.reshape(len(batch), -1).numpy())
        return (np.concatenate(found) if found else None), np.concatenate(outputs)

    def linearise(self, point: Floats) -> tuple[Floats, Floats]:
        """Give all values at one input and their gradients, one backward a value."""
        import torch

        from featuregeom.regions.interception import recorder

        z: list[float] = []
        gradients: list[Floats] = []
        self.stage(point[None], -1)
        stage = 0
        while True:
            x = torch.from_numpy(point[None].copy()).requires_grad_()
            record = recorder(self.model, stage)
            try:
                with torch.enable_grad(), record:
                    self.model(record.follow(x))
                if record.values is None:
                    break
                for value in record.values.reshape(-1):
                    z.append(float(value))
                    slope = None
                    if value.requires_grad:
                        (slope,) = torch.autograd.grad(value, x, retain_graph=True, allow_unused=True)
                    gradients.append(np.zeros(point.size) if slope is None else slope.reshape(-1).numpy())
            finally:
                record.close()
            stage += 1
        return np.array(z), np.array(gradients).reshape(len(z), point.size)


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
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch modules need the extra: pip install 'featuregeom[torch]'") from error
    if isinstance(model, torch.nn.Module):
        return TorchNetwork(model)
    raise ParameterError(f"a model is a torch module or a list of (W, b), not {type(model).__name__}")


def read_point(found: Network, point: Any, name: str) -> Floats:
    """Read one input: finite, of the shape that the network takes where it is known."""
    try:
        values = np.array(point, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be an array of real numbers") from None
    if not np.isfinite(values).all() or values.size == 0:
        raise ParameterError(f"{name} must be finite and not empty")
    if found.shape is not None and values.shape != found.shape:
        raise ShapeError(f"{name} has shape {values.shape}, the network takes {found.shape}")
    return values


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack rows of bits into words, bit i in word i // 64, the last word padded with zeros."""
    words = math.ceil(bits.shape[1] / 64)
    full = np.zeros((len(bits), 64 * words), dtype=np.bool_)
    full[:, : bits.shape[1]] = bits
    return np.packbits(full, axis=1, bitorder="little").view("<u8").astype(np.uint64)
