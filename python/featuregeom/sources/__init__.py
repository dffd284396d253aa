"""Sources of feature matrices: files, folders, the Hub, live modules and arrays, behind one `Reader`.

Every format lists its tensors from headers alone and reads one tensor at a time, in place where it can. A
new format is one file here with a reader, one line in `paths`, and, for sparse dictionaries, one in
`dictionaries`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from featuregeom.errors import ParameterError, SourceError
from featuregeom.sources import hub, remote
from featuregeom.sources.arrays import ArrayReader, MappingReader
from featuregeom.sources.live import module_hints
from featuregeom.sources.paths import open_folder, open_path
from featuregeom.sources.protocol import AxisChoice, AxisGiven, Reader, Reading, TensorInfo

__all__ = ["AxisChoice", "AxisGiven", "Reader", "TensorInfo", "open_source"]
__dir__ = __all__.copy


def open_source(
    source: Any,
    *,
    axis: AxisGiven = "auto",
    stacks: bool = True,
    slices: Sequence[int] | None = None,
    heads: int | Literal["auto"] | None = None,
    recursive: bool = False,
    headers_only: bool = False,
    mmap: bool = True,
) -> Reader:
    """Open anything that holds feature matrices.

    Parameters
    ----------
    source : path, str, module, mapping, array_like or Reader
        - a file: safetensors, NumPy, torch, GGUF or ONNX, or the index of a sharded model;
        - a folder with such files: a model, a sparse dictionary, or one of several files per layer;
        - ``owner/name``, ``owner/name@revision`` or ``owner/name:folder/file`` on the Hugging Face Hub, when
          there is no such path here, or its URL;
        - a live ``torch.nn.Module``, or a mapping of names to tensors or arrays;
        - one array, or a `Features`;
        - a reader that is open already, which is returned as it is.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        The axis that indexes features: one for every tensor, or shell-style patterns of names with the axis of each,
        ``{"*.output.dense*": "columns"}`` or ``["*.output.dense*=columns"]``. Otherwise evidence decides, which
        `TensorInfo.axis_reason` names.
    stacks : bool
        Whether tensors of three and more dimensions are measured slice by slice, as ``name[i]``.
    slices : sequence of int, optional
        The slices of each stack to measure; by default all.
    heads : int or "auto", optional
        Number of heads into which weights of attention are split, fused ones into queries, keys and values first;
        ``"auto"`` takes the number from the configuration. By default they are measured whole.
    recursive : bool
        Whether the folders in a folder are read too.
    headers_only : bool
        Whether tensors are to be listed and not read: of files on the Hub only headers are fetched then, by ranges.
    mmap : bool
        Map files into memory. Turn it off on network disks: each tensor is then read when asked for.

    Returns
    -------
    Reader
        A context manager.

    Raises
    ------
    SourceError
        The source is missing, malformed or of an unknown format.
    MissingExtraError
        torch or huggingface_hub is needed and not installed.
    ShapeError, DtypeError
        A bare array is no feature matrix.
    ParameterError
        An argument is of the wrong kind, or it cannot be told which axis of a sparse dictionary lists features.

    Examples
    --------
    >>> with open_source([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]) as reader:
    ...     [(info.name, info.n, info.m) for info in reader.tensors()]
    [('X', 3, 2)]
    """
    reading = Reading.of(axis, stacks=stacks, slices=slices, heads=heads)
    if isinstance(source, Reader):
        if reading != Reading():
            raise ParameterError(
                "the reader is open already: give axis, stacks and slices where it is opened"
            )
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_named(source, reading, mmap, recursive, headers_only)
    if isinstance(source, Mapping):
        return MappingReader(source, source="mapping", reading=reading)
    if callable(getattr(source, "state_dict", None)):
        return MappingReader(
            source.state_dict(), source=type(source).__name__, reading=reading, hints=module_hints(source)
        )
    if getattr(source, "ndim", 2) > 2:
        return MappingReader({"X": source}, source="array", reading=reading)
    return ArrayReader(source, axis=reading.axis("X") or "auto")


def _open_named(
    source: str | os.PathLike[str], reading: Reading, mmap: bool, recursive: bool, headers_only: bool
) -> Reader:
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # "~name" of a user that the system does not know
        raise SourceError(f"{source}: there is no such home folder: {error}") from error
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long
        raise SourceError(f"{path}: cannot be opened: {error.strerror}") from error
    place = hub.parse(source) if isinstance(source, str) and not there else None
    if place is None:
        return open_path(path, reading=reading, mmap=mmap, recursive=recursive)
    chosen = hub.choose_files(place, recursive=recursive)
    if headers_only:
        return remote.open_remote(chosen, reading)
    folder, found = hub.download(chosen)
    reader = open_folder(folder, found, reading=reading, mmap=mmap)
    reader.source = chosen.source
    return reader
