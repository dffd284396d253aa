"""Folders of results: one process writes at a time, and no result replaces another unless told to.

Every command and every function that writes a folder goes through here: `locked` keeps others out while it writes, and
`refuse_another` says what stands in the way where the results there were made from another source, or otherwise.
`Results` is both, for commands that write a table and a page, which says in its head how it was made.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from featuregeom.atomic import create_folder
from featuregeom.errors import OutputError, SourceError

__all__ = ["Results", "Sources", "State", "locked", "origin", "refuse_another", "results", "state"]

Made = Mapping[str, Any]
"""How a result was made: the command, its source and its settings, in JSON's terms."""

State = tuple[int, int, int]
"""What changes when a file does: bytes, and the times of the last change of contents and of anything at all in ns."""

_LOCK = ".featuregeom.lock"

_REFUSED = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
"""Numbers of the errors by which the system says that someone else holds the lock."""

_LOCKED_BYTE = 1 << 30
"""Windows locks a range of bytes, which nobody else can read then: one far beyond the text."""

_HEAD = 1 << 16
"""Bytes of a page in which it says how it was made; it does so in its first lines."""

_MADE = re.compile(r'<meta name="featuregeom" content="([^"]*)">')

_held: set[int] = set()
"""Open lock files of this process, which a forked child has to close."""


def _forget() -> None:
    """In a forked child: it has no part in the locks of its parent, which could not die with the parent otherwise."""
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process, and every other thread of this one, from writing results into a folder.

    The lock is one of the operating system on an open file, so it ends with its process, however that ends; a child
    that was forked meanwhile does not hold it. The file is removed at the end.

    Parameters
    ----------
    folder : Path
        Made if need be, and removed again if nothing was written.

    Raises
    ------
    OutputError
        If another writes there, at once and without waiting; or the folder cannot be made or written.

    Warns
    -----
    UserWarning
        If the disk has no locks, as some network disks have none: then nothing keeps a second process out.
    """
    new = not folder.exists()
    handle, process = _acquire(folder), os.getpid()
    _held.add(handle)
    try:
        yield
    finally:
        if os.getpid() == process:
            _release(folder / _LOCK, handle)
            if new:
                _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _acquire(folder: Path) -> int:
    path = folder / _LOCK
    while True:
        create_folder(folder)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileNotFoundError:
            continue  # the owner of a new folder removed it, for nothing was written
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _REFUSED:
                who = os.read(handle, 100).decode("ascii", "replace").strip()
                os.close(handle)
                raise OutputError(
                    f"{folder} is being written by another run{f' ({who})' if who else ''}: "
                    "wait until it has ended, or choose another folder"
                ) from None
            warnings.warn(
                f"the disk of {folder} has no locks ({error.strerror}): nothing keeps a second run from writing there, "
                "so do not start one",
                stacklevel=4,
            )
        if _is_still(path, handle):
            _sign(handle)
            return handle
        os.close(handle)  # its owner removed it between our opening and our locking


def _is_still(path: Path, handle: int) -> bool:
    """Tell whether the open file is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def _sign(handle: int) -> None:
    """Write into the lock file who holds it, which only the error messages of others read."""
    try:
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()}".encode())
    except OSError:
        pass


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

    def _release(path: Path, handle: int) -> None:
        """Close, then remove: an open file cannot be removed, which also saves that of the next owner."""
        _held.discard(handle)
        os.close(handle)
        with suppress(OSError):
            path.unlink()

else:
    import fcntl

    def _lock(handle: int) -> None:
        # flock, not lockf: a lock of lockf does not keep a second thread out, and ends when anyone in the process
        # closes the file.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(path: Path, handle: int) -> None:
        """Remove, then close: whoever locks a removed file sees that it is gone and begins again."""
        with suppress(OSError):
            path.unlink(missing_ok=True)
        _held.discard(handle)
        os.close(handle)


def state(file: Path) -> State | None:
    """Give what changes when a file does, for a comparison within one run.

    Parameters
    ----------
    file : Path
        Links are followed.

    Returns
    -------
    (int, int, int) or None
        Bytes, and the times of the last change of contents and of anything at all in nanoseconds. A program that writes
        and sets the first time back does not hide from the second. None where there is no file.
    """
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True)
class Sources:
    """Files as they were before they were read.

    Attributes
    ----------
    states : mapping of Path to tuple or None
        The `state` of each.
    """

    states: Mapping[Path, State | None]

    @classmethod
    def of(cls, files: Iterable[Path]) -> Sources:
        """Look at files that are going to be read."""
        return cls({path: state(path) for path in sorted({Path(os.path.realpath(file)) for file in files})})

    def check(self) -> None:
        """Raise SourceError if one of them has changed since."""
        for path, before in self.states.items():
            if state(path) != before:
                raise SourceError(
                    f"{path} changed while it was read, so there is no result: "
                    "run again when nothing writes to it, or on a copy"
                )


def origin(files: Iterable[Path]) -> str:
    """Give a digest that tells the files of one place from those of another, whatever name led there.

    Parameters
    ----------
    files : iterable of Path
        The files of a source.

    Returns
    -------
    str
        Empty without files. A digest, because pages are passed on and paths name their writers.
    """
    paths = sorted(os.path.realpath(file) for file in files)
    if not paths:
        return ""
    return hashlib.blake2b("\n".join(paths).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def refuse_another(folder: Path, held: Made, wanted: Made) -> None:
    """Refuse to replace what was made from another source or with other settings.

    Parameters
    ----------
    folder : Path
        Where it is.
    held, wanted : mapping
        How the results there were made, and how the new ones will be. Both may have ``source``, which is said and not
        compared, ``origin`` (which place) and ``state`` (sizes and times, or a hash) of the source.

    Raises
    ------
    OutputError
        If they differ, naming in what.
    """
    source = held.get("source", "another source")
    differing = [
        key
        for key in sorted({*held, *wanted})
        if key not in ("source", "version") and held.get(key) != wanted.get(key)
    ]
    if not differing:
        return
    if "origin" in differing:
        what = f"of another source, {source}"
    elif "state" in differing:
        what = f"of {source} as it was before it changed"
    else:
        changes = [f"{key} {_short(held.get(key))}, now {_short(wanted.get(key))}" for key in differing]
        what = f"of other settings ({'; '.join(changes)})"
    raise OutputError(
        f"{folder} holds results {what}: choose another folder, or have them replaced with force=True (--force)"
    )


def _short(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Results:
    """The table and the page of one command in a folder that this process has locked.

    Attributes
    ----------
    folder : Path
        Where they are.
    made : mapping
        How they are made.
    """

    def __init__(
        self, folder: Path, made: Made, outdated: Iterable[Path], sources: Sources | None = None
    ) -> None:
        self.folder = folder
        self.made = made
        self._outdated = list(outdated)
        self._sources = sources or Sources({})

    def begin(self) -> None:
        """Remove what is going to be replaced, so that nothing old stands beside what is new.

        Raises
        ------
        SourceError
            If a source has changed since it was looked at: nothing is removed then.
        OutputError
            If something cannot be removed.
        """
        self._sources.check()
        for path in self._outdated:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error
        self._outdated = []


@contextmanager
def results(
    folder: Path,
    made: Made,
    pages: Mapping[str, Iterable[str]],
    *,
    sources: Sources | None = None,
    force: bool = False,
) -> Iterator[Results]:
    """Lock a folder, and make sure that what will be written replaces only what the same command wrote.

    Parameters
    ----------
    folder : Path
        Made if need be.
    made : mapping
        How the results will be made, in JSON's terms; see `refuse_another`.
    pages : mapping of str to iterable of str
        Each page that will be written, with the other files that belong to it. A page says how it was made, and
        answers for its files; files without their page are someone else's.
    sources : Sources, optional
        What is read, which nothing may replace, as it was before.
    force : bool
        Replace results of another source and of other settings, too.

    Yields
    ------
    Results
        Call its `begin` when the results are there, just before the first of them is written: what stops the command
        before leaves older results as they were.

    Raises
    ------
    OutputError
        If the folder is locked or cannot be written, or holds anything that would be replaced and is not of the same
        command, source and settings; files that no page answers for are not replaced even with `force`.
    """
    made = json.loads(json.dumps(made))
    sources = sources or Sources({})
    with locked(folder):
        outdated = []
        for page, others in pages.items():
            paths = [folder / page, *(folder / other for other in others)]
            for path in paths:
                if Path(os.path.realpath(path)) in sources.states:
                    raise OutputError(
                        f"{path} is a source itself, and would be replaced: choose another folder"
                    )
            found = [path for path in paths if path.exists() or path.is_symlink()]
            held = _held_by(paths[0])
            if held is None or held.get("command") != made.get("command"):
                if found:
                    owner = "of no result" if held is None else f"of {held.get('command')}"
                    raise OutputError(
                        f"{found[0]} would be replaced, and is {owner}: choose another folder, or move it away"
                    )
                continue
            if not force:
                refuse_another(folder, held, made)
            if held != made:
                outdated += found
        yield Results(folder, made, outdated, sources)


def _held_by(page: Path) -> dict[str, Any] | None:
    """Read in a page how it was made; None where there is no page, or it does not say."""
    try:
        with page.open("rb") as file:
            match = _MADE.search(file.read(_HEAD).decode("utf-8", "replace"))
        held = json.loads(unescape(match.group(1))) if match else None
    except (OSError, ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None
