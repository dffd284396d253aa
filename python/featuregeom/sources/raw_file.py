"""A file of raw numbers: mapped into memory, or, on network disks, read piece by piece."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from featuregeom.errors import SourceError
from featuregeom.memory import check_memory, reading

__all__ = ["RawFile"]

_CAN_RELEASE = hasattr(mmap.mmap, "madvise") and hasattr(mmap, "MADV_DONTNEED")  # not on Windows


class RawFile:
    """Arrays at given places of a file.

    Parameters
    ----------
    path : Path
        The file.
    mapped : bool
        Map it, so that arrays are views on it; otherwise each array is read from disk when asked for.

    Attributes
    ----------
    size : int
        Bytes in the file.

    Raises
    ------
    SourceError
        The file is missing, empty, or cannot be opened or mapped.
    """

    def __init__(self, path: Path, *, mapped: bool) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        try:
            with path.open("rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                if mapped and self.size:
                    with reading(str(path), self.size):
                        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            hint = "; open it with mmap=False" if error.errno == errno.ENODEV else ""
            raise SourceError(f"{path}: cannot be opened: {error.strerror}{hint}") from error
        if not self.size:
            raise SourceError(f"{path}: the file is empty")

    @property
    def mapped(self) -> bool:
        """Whether arrays are views on the mapped file."""
        return self._map is not None

    def head(self, n_bytes: int) -> bytes:
        """Give the first `n_bytes` bytes, or all there are."""
        if self._map is not None:
            return self._map[:n_bytes]
        with self.path.open("rb") as file:
            return file.read(min(n_bytes, self.size))

    def array(
        self, start: int, dtype: DTypeLike, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
    ) -> NDArray[Any]:
        """Give the array of `shape` whose data begins at byte `start`; a read-only view where mapped.

        The view keeps the mapping alive, also after `close`.
        """
        count = int(np.prod(shape, dtype=object))
        if self._map is not None:
            flat = np.frombuffer(self._map, dtype, count, start)
        else:
            check_memory(count * np.dtype(dtype).itemsize, str(self.path))
            try:
                with reading(str(self.path), self.size):
                    flat = np.fromfile(self.path, dtype, count, offset=start)
            except OSError as error:
                raise SourceError(f"{self.path}: cannot be read any more: {error}") from error
            if flat.size < count:
                raise SourceError(f"{self.path}: the file ended early; it was cut while it was read")
            flat.flags.writeable = False
        return flat.reshape(shape, order=order)

    def release(self, start: int, stop: int) -> None:
        """Drop the whole pages between two bytes from memory; they come back from disk if touched again."""
        if self._map is None or not _CAN_RELEASE:
            return
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        length = stop // mmap.PAGESIZE * mmap.PAGESIZE - first
        if length > 0:
            self._map.madvise(mmap.MADV_DONTNEED, first, length)

    def close(self) -> None:
        """Let go of the mapping; it ends with the last array on it."""
        self._map = None
