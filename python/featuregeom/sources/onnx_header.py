"""An ONNX model without the numbers of its tensors, from a file that may be far: they are passed over, not read."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from featuregeom.errors import SourceError

__all__ = ["onnx_without_data"]

_INNER = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
"""The messages in a message that can hold tensors, by the numbers of their fields."""

_DATA = {4, 5, 6, 7, 9, 10, 11}
"""Fields of a tensor with its numbers."""

_LONGEST = 1 << 24
"""Bytes of a field that is kept: names, attributes and shapes are short."""

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
"""How a field is written, in protocol buffers."""


def onnx_without_data(file: BinaryIO | io.BufferedReader, size: int, where: str) -> bytes:
    """Copy an ONNX model but for the numbers of its tensors.

    Parameters
    ----------
    file : binary file
        The model, which can be read at any place.
    size : int
        Bytes in it.
    where : str
        What to call it in errors.

    Returns
    -------
    bytes
        A model of the same graph, whose tensors have names, types and shapes alone.

    Raises
    ------
    SourceError
        The file is malformed.
    """
    try:
        return bytes(_copied(file, size, "model"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: it is no ONNX model: {error}") from error


def _copied(file: Any, stop: int, message: str) -> bytearray:
    copy = bytearray()
    while file.tell() < stop:
        key = _varint(file)
        field, written = key >> 3, key & 7
        left_out = message == "tensor" and field in _DATA
        if written == _BYTES:
            end = _varint(file) + file.tell()
            if end > stop:
                raise ValueError("a field ends behind what holds it")
            inner = _INNER.get(message, {}).get(field)
            if left_out or (inner is None and end - file.tell() > _LONGEST):
                file.seek(end)
                continue
            body = _copied(file, end, inner) if inner else _take(file, end - file.tell())
            copy += _as_varint(key) + _as_varint(len(body)) + body
            continue
        if written == _VARINT:
            body = _as_varint(_varint(file))
        elif written in (_EIGHT, _FOUR):
            body = _take(file, 8 if written == _EIGHT else 4)
        else:
            raise ValueError(f"a field is written in the way {written}, which is not known")
        if not left_out:
            copy += _as_varint(key) + body
    return copy


def _varint(file: Any) -> int:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = _take(file, 1)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("a number has more than ten bytes")


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def _take(file: Any, n_bytes: int) -> bytes:
    taken: bytes = file.read(n_bytes)
    if len(taken) < n_bytes:
        raise ValueError("the file ends within it")
    return taken
