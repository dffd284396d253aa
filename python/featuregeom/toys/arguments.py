"""Arguments of the toys: read, checked, and broadcast to one value per instance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.features import off_graph
from featuregeom.networks import extra

__all__ = [
    "finite",
    "importances",
    "numbers_of",
    "positive",
    "real",
    "sparsities",
    "step_list",
    "torch_device",
    "torch_module",
]

Floats = NDArray[np.float64]


def torch_module() -> ModuleType:
    """Import torch, or say which extra brings it."""
    return extra.torch_module("training toy models")


def torch_device(torch: Any, device: Any) -> Any:
    """Return the named device, the CPU for None, after putting a number on it to see that it is there."""
    try:
        where = torch.device("cpu" if device is None else device)
        torch.zeros(1, device=where)
    except (
        Exception
    ) as error:  # torch raises AssertionError, NotImplementedError, RuntimeError, TypeError ...
        raise ParameterError(
            f"device must name a torch device of this machine, got {device!r}: {str(error).splitlines()[0]}"
        ) from error
    if where.type == "meta":
        raise ParameterError(
            "device must name a torch device of this machine, got meta, which holds no numbers"
        )
    return where


def positive(name: str, value: float, *, zero: bool = False) -> float:
    """Check that `value` is finite and above 0, or at least 0 where `zero` allows it."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and (number > 0 or (zero and number == 0))):
        raise ParameterError(f"{name} must be finite and {'at least' if zero else 'above'} 0, got {value!r}")
    return number


def real(name: str, value: ArrayLike) -> Floats:
    """Return `value` as an array of float64."""
    try:
        raw = np.asarray(off_graph(value))
        array = np.asarray(raw.real, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ParameterError(f"{name} must be real numbers, got {value!r}") from error
    if np.iscomplexobj(raw):
        raise ParameterError(f"{name} must be real numbers, got complex ones")
    return array


def finite(name: str, value: ArrayLike) -> Floats:
    """Return `value` as an array of finite float64."""
    array = real(name, value)
    if not np.isfinite(array).all():
        bad = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise ParameterError(f"{name} must be finite, got {array[bad]} at {bad}")
    return array


def numbers_of(name: str, values: Sequence[int] | int, least: int) -> list[int]:
    """Return one or several integers as a list that is not empty; each must be at least `least`."""
    try:
        found = [integer(name, value, least) for value in np.atleast_1d(np.asarray(values)).tolist()]
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{name} must be an integer of at least {least}, or several, got {values!r}"
        ) from error
    if not found:
        raise ParameterError(f"{name} must name at least one number")
    return found


def sparsities(sparsity: ArrayLike, n_instances: int) -> Floats:
    """Return one sparsity per instance."""
    values = real("sparsity", sparsity)
    if values.shape not in {(), (n_instances,)}:
        raise ParameterError(f"sparsity must be a number or {n_instances} numbers, got shape {values.shape}")
    if not np.all((values >= 0) & (values < 1)):
        raise ParameterError(f"sparsity must be at least 0 and below 1, got {sparsity!r}")
    return np.broadcast_to(values, (n_instances,)).copy()


def importances(importance: ArrayLike | None, n_instances: int, n_features: int) -> Floats:
    """Return one importance per instance and feature."""
    values = np.ones(n_features) if importance is None else real("importance", importance)
    if values.shape not in {(n_features,), (n_instances, n_features)}:
        raise ParameterError(
            f"importance must have shape ({n_features},) or ({n_instances}, {n_features}), got {values.shape}"
        )
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ParameterError(f"importance must be finite and at least 0, got {importance!r}")
    return np.broadcast_to(values, (n_instances, n_features)).copy()


def step_list(name: str, values: Sequence[int] | None, last: int) -> list[int]:
    """Return steps sorted and each once; they must lie between 0 (before training) and `last`."""
    try:
        given = () if values is None else tuple(values)
    except TypeError:
        raise ParameterError(f"{name} must be a list of steps, got {values!r}") from None
    steps = sorted({integer(name, value, 0) for value in given})
    if steps and steps[-1] > last:
        raise ParameterError(f"{name} must lie in the run of {last} steps, got {steps[-1]}")
    return steps
