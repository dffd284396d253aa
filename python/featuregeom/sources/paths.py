"""Files: which reader opens which, by contents first and suffix second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from featuregeom.errors import SourceError
from featuregeom.folders import state
from featuregeom.sources.base import BaseReader
from featuregeom.sources.contents import kind_of
from featuregeom.sources.folders import Folder, find_weights, snapshot
from featuregeom.sources.gguf_file import GgufReader
from featuregeom.sources.joined import UNDECIDED, JoinedReader, prefixes
from featuregeom.sources.numpy_files import NpyReader, NpzReader
from featuregeom.sources.onnx_file import OnnxReader
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo
from featuregeom.sources.safetensors import open_safetensors, weight_map
from featuregeom.sources.sidecar import read_config
from featuregeom.sources.suffixes import BIN_INDEX, KINDS, SAFETENSORS_INDEX, SUFFIXES, ending
from featuregeom.sources.torch_files import TorchReader

__all__ = ["open_folder", "open_path"]

_HUB = "; a model of the Hugging Face Hub is named with its owner, such as openai-community/gpt2"


def open_path(
    path: Path, *, reading: Reading = AUTO, mmap: bool = True, recursive: bool = False
) -> BaseReader:
    """Open a weight file, or the weights of a folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    reading : Reading
        See `BaseReader`.
    mmap : bool
        Map files, or read each tensor from disk when asked for.
    recursive : bool
        Whether the folders in a folder are read too.

    Returns
    -------
    BaseReader

    Raises
    ------
    SourceError
        There is no such path, no reader for it, or it is malformed.
    """
    if path.is_dir():
        path = snapshot(path)
        return open_folder(path, find_weights(path, recursive=recursive), reading=reading, mmap=mmap)
    if not path.exists():
        hub = "" if path.suffix.lower() in SUFFIXES or len(path.parts) > 1 else _HUB
        raise SourceError(f"no such file or folder: {path}{hub}")
    if not path.is_file():
        raise SourceError(f"{path}: neither a file nor a folder")
    return _open_file(path, reading, mmap)


def open_folder(folder: Path, found: Folder, *, reading: Reading = AUTO, mmap: bool = True) -> BaseReader:
    """Open chosen files of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    found : Folder
        What to open, and what is left out.
    reading, mmap
        See `open_path`.

    Returns
    -------
    BaseReader
        Where there are several files, one under a prefix for each.

    Raises
    ------
    SourceError
        One of the files is missing or malformed.
    """
    if len(found.files) == 1:
        return _open_file(found.files[0], reading, mmap, found.beside)
    readers = {
        prefix: _open_file(file, UNDECIDED, mmap)
        for prefix, file in zip(prefixes(found.files, folder), found.files, strict=True)
    }
    opened = {file for reader in readers.values() for file in reader.files}
    left = [each for each in found.beside if folder / each.name not in opened]
    return JoinedReader(str(folder), readers, reading, folder.name, read_config(folder), beside=left)


def _open_file(path: Path, reading: Reading, mmap: bool, beside: Iterable[TensorInfo] = ()) -> BaseReader:
    before = state(path)
    if path.name.lower().endswith((SAFETENSORS_INDEX, BIN_INDEX)):
        reader: BaseReader = _open_index(path, reading, mmap, beside)
    else:
        reader = _open_weights(path, reading, mmap, beside)
    if state(path) != before:
        raise SourceError(
            f"{path} changed while it was opened: run again when nothing writes to it, or on a copy"
        )
    reader.opened[path] = before
    return reader


def _open_weights(path: Path, reading: Reading, mmap: bool, beside: Iterable[TensorInfo]) -> BaseReader:
    try:
        with path.open("rb") as file:
            told = kind_of(file, path.stat().st_size, str(path))
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror}") from error
    kind = told or KINDS.get(ending(path)[1])
    match kind:
        case "safetensors":
            return open_safetensors(path, reading=reading, mmap=mmap, beside=beside)
        case "npy":
            return NpyReader(path, reading=reading, mmap=mmap, beside=beside)
        case "npz":
            return NpzReader(path, reading=reading, beside=beside)
        case "torch":
            return TorchReader(path, reading=reading, mmap=mmap, beside=beside)
        case "gguf":
            return GgufReader(path, reading=reading, beside=beside)
        case "onnx":
            return OnnxReader(path, reading=reading, beside=beside)
    raise SourceError(f"{path}: no reader for this kind of file; known are {', '.join(SUFFIXES)}")


def _open_index(path: Path, reading: Reading, mmap: bool, beside: Iterable[TensorInfo]) -> JoinedReader:
    """Open the shards that an index names, and of these the tensors that it lists, in its order."""
    shards = weight_map(path)
    readers: dict[str, BaseReader] = {}
    for tensor, shard in shards.items():
        if shard not in readers:
            file = path.parent / shard
            if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises where the name is too long
                raise SourceError(f"{path}: shard {shard!r} is missing; tensor {tensor!r} is in it")
            readers[shard] = _open_file(file, UNDECIDED, mmap)
    folder = path.parent
    left = [each for each in beside if each.name not in readers]
    return JoinedReader(
        str(path), readers, reading, folder.name, read_config(folder), only=shards, files=[path], beside=left
    )
