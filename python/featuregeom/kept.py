"""Files that a run keeps to go on later: each with a digest, so that one that is not what was written is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.atomic import replacing
from featuregeom.errors import SourceError
from featuregeom.memory import NoRoomError, check_memory, reading

__all__ = ["Arrays", "digest", "read_arrays", "read_record", "write_arrays", "write_record"]

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""

_DIGEST = "digest"


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as one ``.npz`` with their digest, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **{_DIGEST: np.asarray(_of_arrays(arrays))})


def read_arrays(path: Path) -> Arrays:
    """Read what `write_arrays` wrote.

    Raises
    ------
    SourceError
        If it cannot be read, or is not what was written; the message says why, and leaves to the caller what to do.
    FileNotFoundError
        If there is no such file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            check_memory(size, str(path))
            with reading(str(path), size):
                arrays = {key: archive[key] for key in archive.files}
        if str(arrays.pop(_DIGEST)) != _of_arrays(arrays):
            raise ValueError("its contents are not those that were written")
    except (FileNotFoundError, NoRoomError):
        raise
    # A damaged archive makes zipfile, zlib, json and NumPy raise nearly anything, RuntimeError and MemoryError too.
    except Exception as error:
        raise SourceError(f"{path} is damaged ({error})") from error
    return arrays


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a mapping in JSON's terms with its digest, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    kept = dict(record) | {_DIGEST: digest(json.loads(json.dumps(record)))}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8", newline="")


def read_record(path: Path) -> dict[str, Any]:
    """Read what `write_record` wrote.

    Raises
    ------
    SourceError
        If it cannot be read, or is not what was written.
    OSError
        If there is no such file, or something in its way.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict) or _DIGEST not in record:
        raise SourceError(f"{path} has no digest: featuregeom did not write it, or an earlier version did")
    if record.pop(_DIGEST) != digest(record):
        raise SourceError(f"{path} is damaged: its contents are not those that were written")
    return record


def digest(value: Any) -> str:
    """Hash a value in JSON's terms, whatever the order of its keys."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def _of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        state.update(f"{name};{array.dtype.str};{array.shape};".encode("utf-8", "surrogatepass"))
        state.update(array.tobytes())
    return state.hexdigest()
