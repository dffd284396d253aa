"""Tell one state of a source from another, so that a resumed run cannot mix two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from featuregeom.errors import SourceError
from featuregeom.features import Features

__all__ = ["of_files", "of_matrices"]

_PIECE = 1 << 20
"""Elements that are hashed at a time: a matrix whose rows do not lie in order is copied piece by piece."""


def of_files(files: Sequence[Path]) -> str:
    """Give name, size and time of the last change of every file.

    Parameters
    ----------
    files : sequence of Path
        All files of a source: the shards too, not the index alone.

    Returns
    -------
    str

    Raises
    ------
    SourceError
        If a file is gone.
    """
    try:
        states = [(file.name, file.stat()) for file in files]
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read any more: {error.strerror}") from error
    return ", ".join(f"{name}:{state.st_size}:{state.st_mtime_ns}" for name, state in states)


def of_matrices(matrices: Iterable[Features]) -> str:
    """Hash the numbers of matrices that lie in memory, where no file tells when they changed.

    Parameters
    ----------
    matrices : iterable of Features
        In the order of work.

    Returns
    -------
    str
        The same for the same shapes, types and bits, whatever the strides. It costs one pass, about a second
        a gigabyte.
    """
    state = hashlib.blake2b(digest_size=16)
    for features in matrices:
        state.update(f"{features.n} x {features.m} {features.provenance.dtype};".encode())
        rows = max(1, _PIECE // features.m)
        for start in range(0, features.n, rows):
            state.update(np.ascontiguousarray(features.values[start : start + rows]).data.cast("B"))
    return state.hexdigest()
