"""NumPy's own files: ``.npy`` in place, ``.npz`` one member at a time, and never a pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from featuregeom.errors import SourceError
from featuregeom.memory import check_memory
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo
from featuregeom.sources.raw_file import RawFile

__all__ = ["NpyReader", "NpzReader", "npy_info"]

_BEGINNING = 1 << 14
"""Bytes in which a header must end; NumPy refuses headers over 10 000 characters."""

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    # 3.0 is 2.0 in UTF-8, for the names of fields, and no array with fields is a feature matrix.
    (3, 0): npy.read_array_header_2_0,
}


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    offset: int

    @property
    def n_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def info(self, name: str) -> TensorInfo:
        return TensorInfo(name, self.shape, self.dtype.name, self.n_bytes)


class NpyReader(BaseReader):
    """The one array of a ``.npy`` file, named after the file.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        See `BaseReader`.
    mmap : bool
        Map the file, or read the array when asked for.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Raises
    ------
    SourceError
        The file is missing, malformed or truncated, or holds Python objects.
    """

    def __init__(
        self, path: Path, *, reading: Reading = AUTO, mmap: bool = True, beside: Iterable[TensorInfo] = ()
    ) -> None:
        self._file = RawFile(path, mapped=mmap)
        self._header = _parse(self._file.head(_BEGINNING), self._file.size, str(path))
        if self._header.dtype.hasobject:
            raise SourceError(
                f"{path}: the array holds Python objects, which only unpickling could read: save it as floats"
            )
        super().__init__(str(path), "npy", [self._header.info(path.stem)], reading, [path], beside=beside)

    def release_stored(self, name: str) -> None:
        """Drop the array's whole pages from memory; they come back from disk if touched again."""
        if name in self.stored:
            self._file.release(self._header.offset, self._header.offset + self._header.n_bytes)

    def close(self) -> None:
        """Let go of the file; a matrix that was read stays valid."""
        super().close()
        self._file.close()

    def taken(self, info: TensorInfo) -> int:
        """Bytes that loading takes: none where the file is mapped."""
        return 0 if self._file.mapped else info.n_bytes

    def _load(self, info: TensorInfo) -> NDArray[Any]:
        return self._file.array(self._header.offset, self._header.dtype, info.shape, self._header.order)


class NpzReader(BaseReader):
    """The arrays of a ``.npz`` archive. Members may be compressed, so none is read in place.

    Parameters
    ----------
    path : Path
        The archive.
    reading : Reading
        See `BaseReader`.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Raises
    ------
    SourceError
        The file is missing or no zip archive, or a member is malformed.
    """

    copies = True

    def __init__(self, path: Path, *, reading: Reading = AUTO, beside: Iterable[TensorInfo] = ()) -> None:
        self._path = path
        infos = []
        with _zip_errors(str(path)), zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".npy"):
                    name = member.filename.removesuffix(".npy")
                    with _zip_errors(f"{path}: tensor {name!r}"), archive.open(member) as stream:
                        beginning = stream.read(_BEGINNING)
                    infos.append(_parse(beginning, member.file_size, f"{path}: tensor {name!r}").info(name))
        super().__init__(str(path), "npz", infos, reading, [path], beside=beside)

    def _load(self, info: TensorInfo) -> NDArray[Any]:
        check_memory(info.n_bytes, self._where(info.name))
        with (
            _zip_errors(self._where(info.name)),
            zipfile.ZipFile(self._path) as archive,
            archive.open(f"{info.name}.npy") as stream,
        ):
            array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
        return array


@contextmanager
def _zip_errors(where: str) -> Iterator[None]:
    """Turn what goes wrong inside a zip archive into a SourceError that names the place."""
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except Exception as error:  # corrupt, encrypted, vanished, exotically compressed ...
        raise SourceError(f"{where}: the archive cannot be read: {error or type(error).__name__}") from error


def npy_info(beginning: bytes, size: int, name: str, where: str) -> TensorInfo:
    """Describe an array by the beginning of its file.

    Parameters
    ----------
    beginning : bytes
        The first kilobyte, or more.
    size : int
        Bytes of the whole file.
    name : str
        What to call the array.
    where : str
        What to call the file in errors.

    Returns
    -------
    TensorInfo

    Raises
    ------
    SourceError
        The header is malformed, or claims more data than there is.
    """
    return _parse(beginning, size, f"{where}: tensor {name!r}").info(name)


def _parse(beginning: bytes, size: int, where: str) -> _Header:
    """Read a header by NumPy's own parser, and check that `size` bytes can hold what it claims."""
    stream = io.BytesIO(beginning)
    try:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"format version {version[0]}.{version[1]} is unknown")
        shape, fortran, dtype = _HEADERS[version](stream)
    except Exception as error:  # whatever a hostile header does to the parser
        raise SourceError(f"{where}: the header is malformed: {error}") from error
    if not all(type(size) is int and size >= 0 for size in shape):
        raise SourceError(f"{where}: the header claims the shape {shape}")
    header = _Header(shape, "F" if fortran else "C", dtype, stream.tell())
    if not dtype.hasobject and header.offset + header.n_bytes > size:
        raise SourceError(
            f"{where}: the header claims {header.n_bytes} bytes of data, but {size - header.offset} follow: "
            "the file is truncated"
        )
    return header
