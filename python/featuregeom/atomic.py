"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
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
        temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
        # The system takes off what the umask forbids: there is no other way to know it that other threads do not see.
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
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
