"""How much memory there is, for what a file says that it will take."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from featuregeom.wording import in_utf8

__all__ = ["NoRoomError", "available", "check_memory"]


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
            f"{in_utf8(what)} takes {n_bytes / 1e9:.3f} GB of memory, and {there / 1e9:.3f} GB are left"
        )
