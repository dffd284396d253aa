"""The tensors of a GGUF file from its header alone, which may come from far: some megabytes of tokens are in it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from featuregeom.errors import SourceError
from featuregeom.sources.gguf_file import gguf_package, tensor_info
from featuregeom.sources.protocol import TensorInfo

__all__ = ["gguf_infos"]

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Types of values with a fixed size, by their number in the file."""

_TEXT, _LIST = 8, 9

_MOST_AXES = 4
"""Axes that a tensor of the format has at most."""


def gguf_infos(file: BinaryIO | io.BufferedReader, where: str) -> list[TensorInfo]:
    """List the tensors of a GGUF file.

    Parameters
    ----------
    file : binary file
        Its header is read; what is stored behind it is not.
    where : str
        What to call it in errors.

    Returns
    -------
    list of TensorInfo

    Raises
    ------
    MissingExtraError
        The gguf package, which knows the types, is not installed.
    SourceError
        The header is malformed, or of a version that is not known.
    """
    gguf = gguf_package(where)
    try:
        if file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        (version,) = struct.unpack("<I", _take(file, 4))
        order = "<" if version < 1 << 16 else ">"
        if order == ">":
            (version,) = struct.unpack(">I", struct.pack("<I", version))
        if version not in (2, 3):
            raise ValueError(f"version {version} is not known")
        return _tensors(file, order, gguf)
    except (ValueError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise SourceError(f"{where}: the header of GGUF is malformed: {error}") from error


def _tensors(file: Any, order: str, gguf: Any) -> list[TensorInfo]:
    def number(kind: str) -> int:
        (value,) = struct.unpack(order + kind, _take(file, struct.calcsize(kind)))
        return int(value)

    n_tensors, n_values = number("Q"), number("Q")
    for _ in range(n_values):
        _take(file, number("Q"))
        _pass_over(file, number("I"), number)
    found = {}
    for _ in range(n_tensors):
        name = _take(file, number("Q")).decode("utf-8")
        n_dims = number("I")
        if n_dims > _MOST_AXES or name in found:
            raise ValueError(
                f"tensor {name!r} has {n_dims} axes" if name not in found else f"{name!r} is twice"
            )
        dims = [number("Q") for _ in range(n_dims)]
        kind = gguf.GGMLQuantizationType(number("I"))
        number("Q")
        found[name] = tensor_info(name, dims, kind, gguf)
    return list(found.values())


def _pass_over(file: Any, kind: int, number: Callable[[str], int]) -> None:
    """Go behind a value: of a list of texts, whose lengths are between them, by reading all of it."""
    if kind in _FORMATS:
        _take(file, struct.calcsize(_FORMATS[kind]))
    elif kind == _TEXT:
        _take(file, number("Q"))
    elif kind == _LIST:
        inner, count = number("I"), number("Q")
        if inner in _FORMATS:
            file.seek(count * struct.calcsize(_FORMATS[inner]), io.SEEK_CUR)
        else:
            for _ in range(count):
                _pass_over(file, inner, number)
    else:
        raise ValueError(f"a value has the type {kind}, which is not known")


def _take(file: Any, n_bytes: int) -> bytes:
    taken: bytes = file.read(n_bytes)
    if len(taken) < n_bytes:
        raise ValueError("the file ends within it")
    return taken
