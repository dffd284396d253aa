"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featuregeom.errors import OutputError

__all__ = ["create_folder", "replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write, and rename it to `path` once the block has ended well.

    Parameters
    ----------
    path : Path
        The file to replace; its folder exists.

    Yields
    ------
    Path
        A file in the same folder. It is removed if the block raises anything, so that neither a half-written
        file nor the temporary one stays.

    Raises
    ------
    OutputError
        If the folder cannot be written, or writing fails (a full disk).
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any other new file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create_folder(path: Path) -> None:
    """Make a folder and its parents, unless it is there.

    Raises
    ------
    OutputError
        If it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
