"""Tell one state of a source from another, so that no run mixes two, resumed or not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from featuregeom.errors import SourceError
from featuregeom.features import Features
from featuregeom.folders import State, state
from featuregeom.sources import TensorInfo

__all__ = ["Watch", "of_files", "of_matrix"]

Matrix = Callable[[TensorInfo], AbstractContextManager[Features]]
"""Opens the matrix of a tensor: a context in which it can be read, and whose end gives its memory pages back."""

_PIECE = 1 << 20
"""Most elements that are hashed at a time: a matrix whose rows do not lie in order is copied piece by piece."""


def of_files(files: Sequence[Path]) -> str:
    """Give name, size and time of the last change of every file.

    Parameters
    ----------
    files : sequence of Path
        All files of a source: the shards too, not the index alone. Links are followed, for the name too.

    Returns
    -------
    str

    Raises
    ------
    SourceError
        If a file is gone.
    """
    try:
        states = [(Path(os.path.realpath(file)).name, file.stat()) for file in files]
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read any more: {error.strerror}") from error
    return ", ".join(f"{name}:{state.st_size}:{state.st_mtime_ns}" for name, state in states)


def of_matrix(features: Features) -> str:
    """Hash the numbers of a matrix that lies in memory, where no file tells when they changed.

    Parameters
    ----------
    features : Features, shape (n, m)
        The matrix.

    Returns
    -------
    str
        The same for the same shapes, types and bits, whatever the strides. It costs one pass, about a second
        a gigabyte.
    """
    state = hashlib.blake2b(digest_size=16)
    state.update(f"{features.n} x {features.m} {features.provenance.dtype};".encode())
    rows = max(1, _PIECE // features.m)
    for start in range(0, features.n, rows):
        state.update(np.ascontiguousarray(features.values[start : start + rows]).data.cast("B"))
    return state.hexdigest()


class Watch:
    """Remembers a source as it was when an analysis began, and tells when it has changed since.

    Parameters
    ----------
    files : sequence of Path
        All files of the source; none for what lies in memory.
    chosen : sequence of TensorInfo
        What is going to be measured.
    matrix : callable
        Gives the context in which a matrix can be read.
    opened : mapping of Path to tuple, optional
        The states of files before they were opened, where they are known; others are as they are now.

    Attributes
    ----------
    fingerprint : str
        Of files their names, sizes and times; of what lies in memory a hash of the numbers that are chosen.

    Raises
    ------
    SourceError
        If a file is gone.

    Notes
    -----
    During the run files are told apart by the time of the last change of their state too, which a program that writes
    into a file and sets its time back does not hide. What lies in memory (arrays, live modules) is hashed at the
    beginning and once more after each matrix was measured: two passes over its numbers, about two seconds a gigabyte.
    Writes through another mapping of a file that the system has not yet counted as a change are not seen.
    """

    def __init__(
        self,
        files: Sequence[Path],
        chosen: Sequence[TensorInfo],
        matrix: Matrix,
        opened: Mapping[Path, State | None] | None = None,
    ) -> None:
        self._files = files
        self._matrix = matrix
        known = opened or {}
        self._states = [known.get(file) or state(file) for file in files]
        self._hashes = {} if files else {info.name: self._hash(info) for info in chosen}
        self.fingerprint = of_files(files)
        if not files:
            joined = "".join(f"{name}:{found};" for name, found in self._hashes.items())
            self.fingerprint = hashlib.blake2b(
                joined.encode("utf-8", "surrogatepass"), digest_size=16
            ).hexdigest()

    def change(self, info: TensorInfo | None = None) -> str:
        """Say what has changed since the beginning.

        Parameters
        ----------
        info : TensorInfo, optional
            A matrix that was just measured; without it, files alone are looked at.

        Returns
        -------
        str
            Empty where nothing has.
        """
        for file, before, now in zip(self._files, self._states, self._look(), strict=True):
            if now is None:
                return f"{file} is gone"
            if now != before:
                return f"{file} was written (its size or time changed)"
        if info is not None and info.name in self._hashes and self._hash(info) != self._hashes[info.name]:
            return f"the numbers of tensor {info.name!r} in memory are not what they were"
        return ""

    def _look(self) -> list[State | None]:
        return [state(file) for file in self._files]

    def _hash(self, info: TensorInfo) -> str:
        with self._matrix(info) as features:
            return of_matrix(features)
