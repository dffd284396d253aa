"""How much memory there is: for a file, a command, a thread; and which errors say that there was too little."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from featuregeom.wording import in_utf8, scaled

__all__ = [
    "NoRoomError",
    "available",
    "check_memory",
    "lacks",
    "loading",
    "no_room",
    "reading",
    "start_command",
]

_BESIDE = 64 << 20
"""Bytes that reading a file may take beside twice its size. With less left, a failed allocation is no damage of it."""

_COMMAND = 64 << 20
"""Bytes that must be left when a command starts. NumPy's matrix products take 32 MiB at the first one (OpenBLAS, NumPy
2.4), the stack of a thread of Python 8 MiB, and neither library ends well without: see `start_command`."""

_THREAD = 16 << 20
"""Bytes that must be left when a thread of Python starts: its stack, 8 MiB where the system says nothing else, and as
much for what it allocates first."""

_SAID = (
    "cannot allocate memory",  # the system, also in the words of torch, of transformers and of the loader of libraries
    "can't allocate memory",  # torch
    "not enough memory",  # torch on other systems
    "out of memory",  # CUDA
    "failed to map segment",  # the loader of libraries
    "start new thread",  # Python: the stack of a thread has no room
    "bad_alloc",  # C++
    "bad allocation",
    "without exception set",  # Python's interpreter, when it could not even make a MemoryError
    "without setting an exception",
)
"""What libraries say when an allocation fails, in an error that is no MemoryError."""


class NoRoomError(MemoryError):
    """A file that is what it should be, and larger than the memory that is left.

    Readers pass it on; the MemoryError of a damaged header, which asks for any size, is a file that cannot be read.
    """


def available() -> int | None:
    """Bytes that this process can still get, of the machine, its control group and its own limit; None if unknown."""
    if not sys.platform.startswith("linux"):
        return None
    found = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        sizes = {words[0].rstrip(":"): int(words[1]) << 10 for words in lines}
        found.append(sizes["MemAvailable"] + sizes["SwapFree"])
    with contextlib.suppress(OSError, ValueError):
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))  # "max" is no number
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            found.append(max(most - pages * resource.getpagesize(), 0))
    return min(found, default=None)


def check_memory(n_bytes: int, what: str) -> None:
    """Raise NoRoomError, a MemoryError, before a byte is read, if something is larger than all memory that is left."""
    there = available()
    if there is not None and n_bytes > there:
        raise NoRoomError(
            f"{in_utf8(what)} takes {scaled(n_bytes, 'B')} of memory, and {scaled(there, 'B')} are left"
        )


def start_command() -> None:
    """Raise NoRoomError where too little is left for any command; else let NumPy's products take their work space.

    What starts with less is ended by others: OpenBLAS ends the process where its first product gets no work space (in a
    forked child it waits for ever), and Python waits for ever for a thread whose first allocation fails.
    """
    import numpy as np

    check_memory(_COMMAND, "any command")
    square = np.eye(16)
    square @ square


def check_thread() -> None:
    """Raise NoRoomError where too little is left for a thread of Python, which would start and wait for ever."""
    check_memory(_THREAD, "starting a thread")


def lacks(error: BaseException) -> bool:
    """Say whether an error, of whatever library, means that memory was missing."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()
    return any(words in said for words in _SAID)


def no_room(error: BaseException, what: str) -> NoRoomError:
    """Give the MemoryError for one of another kind that `lacks` has told."""
    there = available()
    left = "" if there is None else f", with {scaled(there, 'B')} left"
    said = " ".join(str(error).split()) or "an allocation failed"
    return NoRoomError(f"{in_utf8(what)}: {in_utf8(said)}{left}")


@contextlib.contextmanager
def reading(what: str, n_bytes: int) -> Iterator[None]:
    """Tell what fails for want of memory, while a file is read, from its damage.

    Parameters
    ----------
    what : str
        What to call the file.
    n_bytes : int
        Bytes that it holds, unpacked.

    Raises
    ------
    NoRoomError
        In place of an error that says so, of whatever library, where less than twice the file is left: a damaged
        header asks for more memory than there is on a machine that has plenty, and its error passes as it is.
    """
    try:
        yield
    except NoRoomError:
        raise
    except Exception as error:
        there = available()
        if there is None or there > 2 * n_bytes + _BESIDE or not lacks(error):
            raise
        raise no_room(error, what) from error


@contextlib.contextmanager
def loading(what: str) -> Iterator[None]:
    """Tell a library that memory had no room for from one that is not installed.

    Raises
    ------
    NoRoomError
        In place of what the import of an installed library raises for want of memory.
    """
    try:
        yield
    except (ImportError, OSError, SystemError) as error:
        if isinstance(error, ModuleNotFoundError) or not lacks(error):
            raise
        raise no_room(error, what) from error
