"""A dense ReLU network from a file of its weights."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from featuregeom.errors import ParameterError, SourceError, UnsuitableSourceError
from featuregeom.memory import NoRoomError, check_memory, loading, reading
from featuregeom.networks.extra import missing
from featuregeom.networks.piecewise import Floats, Layers, numbers
from featuregeom.sources.torch_files import check_torch

__all__ = ["read_layers", "read_points"]

_NAME = re.compile(r"(?:(?P<layer>.*)[._])?(?P<kind>weight|bias|w|b)(?P<number>\d*)", re.IGNORECASE)


def read_layers(path: str | Path) -> list[tuple[Floats, Floats]]:
    """Read the layers (W, b) of a dense network, joined by ReLU, from a state dict.

    Parameters
    ----------
    path : path
        A ``.safetensors`` or ``.npz`` file, or a ``.pt``, ``.pth`` or ``.bin`` that torch loads without running code.
        Tensors are named as torch names them, ``0.weight``, ``0.bias``, ``2.weight`` ..., or ``W0``, ``b0``, ``W1`` ...
        Layers are taken in the order of the numbers in their names, W of shape (outputs, inputs). A missing bias
        is zero.

    Returns
    -------
    list of (array of shape (outputs, inputs), array of shape (outputs,))

    Raises
    ------
    SourceError
        If the file is missing, of another format or broken.
    ParameterError, ShapeError
        If it holds anything but dense layers, or they do not follow each other.
    MissingExtraError
        If the format needs torch or safetensors, and they are not installed.
    """
    file = Path(path)
    tensors = _tensors(file)
    parts: dict[tuple[Any, ...], dict[str, tuple[str, Floats]]] = {}
    for name, value in tensors.items():
        named = _NAME.fullmatch(name)
        shape = tuple(getattr(value, "shape", ()))
        if named is None or len(shape) != (2 if named["kind"][0] in "wW" else 1):
            raise ParameterError(
                f"{file}: tensor {name!r} of shape {shape} is no weight (outputs, inputs) or bias (outputs,): regions "
                "of a file are those of dense layers joined by ReLU; give other networks as modules, in Python"
            )
        key = _natural(f"{named['layer'] or ''}.{named['number']}")
        parts.setdefault(key, {})[named["kind"][0].lower()] = (name, numbers(value, name))
    layers = []
    for key in sorted(parts):
        if "w" not in parts[key]:
            raise UnsuitableSourceError(f"{file}: bias {parts[key]['b'][0]!r} has no weight")
        W = parts[key]["w"][1]
        layers.append((W, parts[key]["b"][1] if "b" in parts[key] else np.zeros(len(W))))
    try:
        return Layers(layers).layers
    except ValueError as error:
        names = ", ".join(parts[key]["w"][0] for key in sorted(parts))
        raise type(error)(f"{file}: {error} (in the order {names or 'of no weights'})") from None


def read_points(path: str | Path, least: int) -> Floats:
    """Read inputs, one per row, from ``.npy`` or a text file with commas or blanks between numbers.

    Raises
    ------
    SourceError
        If the file cannot be read.
    ParameterError
        If it holds fewer than `least` rows.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        check_memory(size, str(file))
        with reading(str(file), size):
            found = _points(file)
    except NoRoomError:
        raise
    except Exception as error:  # a damaged .npy makes NumPy and zipfile raise nearly anything
        raise SourceError(f"cannot read points from {file}: {error}") from error
    points = numbers(found, str(file))
    if points.ndim != 2 or len(points) < least:
        raise UnsuitableSourceError(
            f"{file} must hold at least {least} rows of numbers, got shape {points.shape}"
        )
    return points


def _points(file: Path) -> Any:
    if file.suffix == ".npy":
        with file.open("rb") as raw:  # NumPy leaves a file open that it cannot read
            return np.load(raw, allow_pickle=False)
    text = file.read_text(encoding="utf-8").replace(",", " ")
    return np.array([[float(part) for part in row.split()] for row in text.splitlines() if row.strip()])


def _natural(name: str) -> tuple[Any, ...]:
    """Order names by the numbers in them: layer 10 comes after layer 9."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    )


def _tensors(file: Path) -> Mapping[str, Any]:
    loaders: dict[str, Callable[[Path], Mapping[str, Any]]] = {
        ".npz": _npz, ".safetensors": _safetensors, ".pt": _torch, ".pth": _torch, ".bin": _torch,
    }  # fmt: skip
    if file.suffix not in loaders:
        raise SourceError(f"{file} is none of {', '.join(loaders)}")
    if not file.is_file():
        raise SourceError(f"there is no file {file}")
    try:
        size = file.stat().st_size
        check_memory(size, str(file))
        with loading(str(file)), reading(str(file), size):
            found = loaders[file.suffix](file)
    except NoRoomError:
        raise
    except ImportError as error:
        raise missing(f"{file}: reading this format") from error
    except Exception as error:  # each format has errors of its own
        raise SourceError(f"cannot read {file}: {error}") from error
    if not isinstance(found, Mapping) or not found:
        raise SourceError(f"{file} holds no state dict: save model.state_dict()")
    return found


def _npz(file: Path) -> Mapping[str, Any]:
    with np.load(file, allow_pickle=False) as archive:
        size = sum(member.file_size for member in archive.zip.infolist())
        check_memory(size, str(file))
        with reading(str(file), size):
            return {name: archive[name] for name in archive.files}


def _safetensors(file: Path) -> Mapping[str, Any]:
    from safetensors.torch import load_file

    found: Mapping[str, Any] = load_file(file)
    return found


def _torch(file: Path) -> Mapping[str, Any]:
    import torch

    check_torch(torch.__version__, str(file))
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        # torch's own words are many lines with colours, and advise to run what is in the file.
        for sign, held in (("can still be loaded", "a pickled module"), ("TorchScript", "a scripted module")):
            if sign in str(error):
                raise ValueError(f"it holds {held}, save its state_dict()") from error
        if isinstance(error, pickle.UnpicklingError):
            raise ValueError("torch has not saved it") from error
        raise
    state: Mapping[str, Any] = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    return state
