"""Safetensors files, and the index of sharded ones."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO

from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import SourceError
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo
from featuregeom.sources.raw_file import RawFile

__all__ = [
    "SafetensorsReader",
    "header_infos",
    "open_safetensors",
    "parse_weight_map",
    "weight_map",
]

_MAX_JSON = 100_000_000
"""Longest header or index that is read; the safetensors format sets the same bound for headers."""

_LENGTH = 8

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F4": "float4_e2m1fn",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}

_STORED = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "bool": "?",
    **{f"{sign}int{8 * size}": f"<{sign or 'i'}{size}" for sign in ("", "u") for size in (1, 2, 4, 8)},
}
"""How NumPy reads them; everything else as bytes, which only FP8 with scales is asked for."""


@dataclass(frozen=True)
class _Entry:
    info: TensorInfo
    file: RawFile
    start: int
    stop: int


class SafetensorsReader(BaseReader):
    """Tensors in one or more safetensors files, read in place.

    Parameters
    ----------
    source : str
        The path that was opened: a file, an index or a folder.
    entries : iterable
        Every tensor and its place.
    reading : Reading
        See `BaseReader`.
    files : iterable of Path
        See `BaseReader`.
    beside : iterable of TensorInfo
        See `BaseReader`.
    """

    def __init__(
        self,
        source: str,
        entries: Iterable[_Entry],
        reading: Reading,
        files: Iterable[Path],
        beside: Iterable[TensorInfo] = (),
    ) -> None:
        self._entries = {entry.info.name: entry for entry in entries}
        infos = (entry.info for entry in self._entries.values())
        super().__init__(source, "safetensors", infos, reading, files, beside=beside)

    def release_stored(self, name: str) -> None:
        """Drop the tensor's whole pages from memory; they come back from disk if touched again."""
        entry = self._entries.get(name)
        if entry is not None:
            entry.file.release(entry.start, entry.stop)

    def close(self) -> None:
        """Let go of the files; matrices that were read stay valid."""
        super().close()
        for entry in self._entries.values():
            entry.file.close()

    def taken(self, info: TensorInfo) -> int:
        """Bytes that loading takes: none where the file is mapped."""
        return 0 if self._entries[info.name].file.mapped else info.n_bytes

    def _load(self, info: TensorInfo) -> NDArray[Any]:
        entry = self._entries[info.name]
        return entry.file.array(entry.start, _STORED.get(info.dtype, "u1"), info.shape)


def open_safetensors(
    path: Path, *, reading: Reading = AUTO, mmap: bool = True, beside: Iterable[TensorInfo] = ()
) -> SafetensorsReader:
    """Open a safetensors file.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        See `BaseReader`.
    mmap : bool
        Map the file, or read each tensor from disk when asked for.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Returns
    -------
    SafetensorsReader

    Raises
    ------
    SourceError
        The file is missing or malformed.
    """
    return SafetensorsReader(str(path), _entries(path, mmap).values(), reading, [path], beside)


def _entries(path: Path, mmap: bool) -> dict[str, _Entry]:
    """Every tensor of one file, by name, in the order of the file."""
    file = RawFile(path, mapped=mmap)
    found = _header(file.head, file.size, str(path))
    return {info.name: _Entry(info, file, start, stop) for info, start, stop in found}


def header_infos(file: BinaryIO | io.RawIOBase, size: int, where: str) -> list[TensorInfo]:
    """Describe the tensors of a file from its header.

    Parameters
    ----------
    file : binary file
        Open at its beginning; no more than the header is read.
    size : int
        Bytes of the whole file.
    where : str
        What to call it in errors.

    Returns
    -------
    list of TensorInfo
        In the order of the file.

    Raises
    ------
    SourceError
        The file is malformed.
    """

    def head(n_bytes: int) -> bytes:
        file.seek(0)
        beginning = io.BytesIO()
        while beginning.tell() < n_bytes and (piece := file.read(n_bytes - beginning.tell())):
            beginning.write(piece)
        return beginning.getvalue()

    return [info for info, _, _ in _header(head, size, where)]


def _header(head: Callable[[int], bytes], size: int, where: str) -> list[tuple[TensorInfo, int, int]]:
    """Read the header of a file of `size` bytes whose first bytes `head` gives: tensors, and where each lies."""
    length, room = int.from_bytes(head(_LENGTH), "little"), max(size - _LENGTH, 0)
    if length > room:
        raise SourceError(
            f"{where}: the header should be {length} bytes long, but {room} follow: "
            "the file is truncated, or no safetensors file"
        )
    if length > _MAX_JSON:
        raise SourceError(f"{where}: a header of {length} bytes; at most {_MAX_JSON} are allowed")
    beginning = head(_LENGTH + length)
    _refuse_repeated(beginning[_LENGTH:], where)
    try:
        header = _core.safetensors_header(beginning, size)
    except SourceError as error:
        culprit = _culprit(beginning[_LENGTH:])
        raise SourceError(f"{where}: {culprit or error}") from error
    return [
        (TensorInfo(name, tuple(shape), _DTYPES.get(dtype, dtype), stop - start), start, stop)
        for name, dtype, shape, start, stop in header
    ]


def _refuse_repeated(text: bytes, where: str) -> None:
    """Refuse a header that says one thing twice: readers differ in which they take."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise SourceError(
                f"{where}: the header holds {name!r} twice, and may mean either: write the file anew"
            )
        return found

    with suppress(ValueError, RecursionError):  # what is no JSON is refused by the core
        json.loads(text, object_pairs_hook=unique)


def _culprit(text: bytes) -> str | None:
    """Say which tensor of a refused header is wrong: the core's own message names none."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for name, entry in header.items() if isinstance(header, dict) else ():
        if name == "__metadata__":
            continue
        wrong = _wrong(entry)
        if wrong is not None:
            return f"the header is malformed: tensor {name!r} {wrong}"
    return None


def _wrong(entry: Any) -> str | None:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(stop)]}:
            pass
        case _:
            return "has no dtype, shape and two data_offsets"
    if dtype not in _DTYPES:
        return f"has the unknown dtype {dtype!r}; known are {', '.join(_DTYPES)}"
    if not all(type(size) is int and size >= 0 for size in shape):
        return f"has the shape {shape}"
    digits = re.search(r"\d+", dtype)
    bits = math.prod(shape) * (int(digits.group()) if digits else 8)
    if bits != 8 * (stop - start):
        return f"of shape {shape} and dtype {dtype} takes {-(-bits // 8)} bytes, but has {stop - start}"
    return None


def weight_map(path: Path) -> Mapping[str, str]:
    """Read which shard holds each tensor, from an index of safetensors or torch files.

    Parameters
    ----------
    path : Path
        The ``*.index.json``.

    Returns
    -------
    mapping of str to str
        In the index's order; every shard lies in the index's own folder.

    Raises
    ------
    SourceError
        The index is malformed or points outside its folder.
    """
    file = RawFile(path, mapped=False)
    if file.size > _MAX_JSON:
        raise SourceError(f"{path}: an index of {file.size} bytes; at most {_MAX_JSON} are allowed")
    return parse_weight_map(file.head(file.size), str(path))


def parse_weight_map(text: bytes, where: str) -> Mapping[str, str]:
    """Read which shard holds each tensor, from the text of an index.

    Parameters
    ----------
    text : bytes
        What stands in it.
    where : str
        What to call it in errors.

    Returns
    -------
    mapping of str to str

    Raises
    ------
    SourceError
        See `weight_map`.
    """
    try:
        index = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: the index is no valid JSON: {error}") from error
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise SourceError(f"{where}: the index has no weight_map that names tensors and their shards")
    for name, shard in shards.items():
        if not isinstance(shard, str) or not _stays_inside(shard):
            raise SourceError(
                f"{where}: tensor {name!r} is put in {shard!r}, which is no file in this folder"
            )
    return shards


def _stays_inside(shard: str) -> bool:
    """Judge the name alone: files in a hub cache are links that lead out of their folder rightly."""
    path = PureWindowsPath(shard)  # splits at both kinds of slash and knows drives
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in shard
