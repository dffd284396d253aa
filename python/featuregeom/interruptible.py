"""Long steps of linear algebra, so that Ctrl-C stops within them: NumPy handles signals only between its calls."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.memory import check_thread

__all__ = [
    "aside",
    "by_slabs",
    "eigh",
    "eigvalsh",
    "gram",
    "is_positive_definite",
    "matmul",
    "normals",
    "rank",
    "slabs",
    "stacked",
]

Result = TypeVar("Result")

_SMALL = 512
"""Rows up to which a matrix is left to NumPy: with vectors 512 take 0.03 s on one core (Zen 4)."""

_OPERATIONS = 2e9
"""Multiplications and additions of one call of NumPy: 0.05 s on one core (Zen 4)."""

_NUMBERS = 1 << 20
"""Numbers of a slab: a few operations by element, of 0.01 s each on one core (Zen 4), and 8 MB for each result.

Of larger results the memory is new to the process each time, and its first use takes as long as the operation.
"""

_AT_ONCE = 1 << 16
"""Numbers of a matrix that is decomposed on the calling thread: 256 x 256 take 0.02 s on one core (Zen 4)."""

_PATIENCE = 0.05
"""Seconds after which the calling thread looks for signals."""

_RUNNING: set[threading.Event] = set()
"""Calls that run on threads of their own, those that Ctrl-C has left behind among them; set when they end."""


def aside(call: Callable[..., Result], matrix: Any, *given: Any, **options: Any) -> Result:
    """Make one long call on a thread of its own, so that the calling thread handles signals meanwhile.

    Parameters
    ----------
    call : callable
        A function of NumPy, SciPy or torch that lets other threads run and writes to nothing that its caller holds.
    matrix : array or tensor
        Its first argument; up to 65 536 numbers it is called here, for starting a thread takes as long.
    *given, **options
        Its other arguments.

    Returns
    -------
    object
        What it returns; what it raises is raised here.

    Notes
    -----
    After Ctrl-C, KeyboardInterrupt is raised within a twentieth of a second; the call ends in the background, and what
    it gives is dropped. A process that ends by that exception ends at once; one that ends later waits for the call.
    """
    if matrix.size <= _AT_ONCE if isinstance(matrix, np.ndarray) else matrix.numel() <= _AT_ONCE:
        return call(matrix, *given, **options)
    check_thread()
    made: list[Result] = []
    failed: list[BaseException] = []
    # Not Thread.join: stopped by an exception, it takes the thread for ended (Python before 3.13).
    done = threading.Event()

    def work() -> None:
        _RUNNING.add(done)
        try:
            made.append(call(matrix, *given, **options))
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()
            _RUNNING.discard(done)

    # With the caller's context, which holds what NumPy does about overflow.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise MemoryError(f"{error}: its stack has no room") from error
    while not done.wait(_PATIENCE):
        pass
    if failed:
        raise failed[0]
    return made[0]


def _leave() -> None:
    """Let no library be taken down under a call that runs in it still: that is a segmentation fault."""
    left = list(_RUNNING)
    if not left:
        return
    try:
        if getattr(sys, "last_type", None) is KeyboardInterrupt:
            raise KeyboardInterrupt
        for done in left:
            done.wait()
    except KeyboardInterrupt:
        # As Python itself ends after Ctrl-C, without what would be taken down before.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


# Before others register, so that it runs after them.
atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads, and would wait for ever.
    os.register_at_fork(after_in_child=_RUNNING.clear)


def eigh(matrix: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Eigenvalues, increasing, and eigenvectors as columns of a Hermitian matrix, as ``numpy.linalg.eigh``."""
    if np.iscomplexobj(matrix):
        values, vectors = aside(np.linalg.eigh, matrix)
        return np.asarray(values), np.asarray(vectors)
    if len(matrix) <= _SMALL:
        values, vectors = np.linalg.eigh(matrix)
        return np.asarray(values), np.asarray(vectors)
    values, vectors = _core.eigh(np.asarray(matrix, dtype=np.float64))
    return values[::-1], vectors[:, ::-1]


def eigvalsh(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Eigenvalues of a Hermitian matrix, increasing, as ``numpy.linalg.eigvalsh``."""
    if np.iscomplexobj(matrix):
        return np.asarray(aside(np.linalg.eigvalsh, matrix))
    if len(matrix) <= _SMALL:
        return np.asarray(np.linalg.eigvalsh(matrix))
    return _core.eigvalsh(np.asarray(matrix, dtype=np.float64))[::-1]


def rank(matrix: NDArray[Any], tolerance: float) -> int:
    """Count the eigenvalues of a real symmetric matrix whose absolute value is above `tolerance`."""
    return int((np.abs(eigvalsh(matrix)) > tolerance).sum())


def is_positive_definite(matrix: NDArray[Any]) -> bool:
    """Say whether a Hermitian matrix has a Cholesky factor, in block columns of `_SMALL`: n^3 / 3 operations."""
    from scipy.linalg import solve_triangular

    rest = np.array(matrix)
    try:
        while len(rest):
            factor = np.linalg.cholesky(rest[:_SMALL, :_SMALL])
            below = solve_triangular(factor, rest[:_SMALL, _SMALL:], lower=True).conj().T
            rest = rest[_SMALL:, _SMALL:] - matmul(below, below.conj().T)
    except np.linalg.LinAlgError:
        return False
    return True


def matmul(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """``left @ right`` of two matrices, in slabs of rows that take about 0.05 s each."""
    height = max(1, int(_OPERATIONS / (2 * max(right.size, 1))))
    if len(left) <= height:
        return np.asarray(left @ right)
    found = np.empty((len(left), right.shape[1]), dtype=np.result_type(left, right))
    for first in range(0, len(left), height):
        np.matmul(left[first : first + height], right, out=found[first : first + height])
    return found


def normals(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """``rng.standard_normal(shape)``, the same numbers, in slabs of rows that take about 0.05 s each."""
    found = np.empty(shape)
    for rows in slabs(shape):
        rng.standard_normal(out=found[rows])
    return found


def slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the rows of a matrix into slabs on which a few operations by element take about 0.05 s."""
    height = max(1, _NUMBERS // max(shape[1], 1))
    for first in range(0, shape[0], height):
        yield slice(first, first + height)


def by_slabs(
    call: Callable[..., NDArray[Any]], *matrices: NDArray[Any], width: int | None = None
) -> NDArray[Any]:
    """``call(*matrices)`` of an operation by element, or by row, in slabs of rows that take about 0.05 s each.

    Parameters
    ----------
    call : callable
        Takes some rows of each matrix, and gives as many rows.
    *matrices : ndarray, shape (n, ...)
        At least one, with as many rows each.
    width : int, optional
        Numbers in each row of what is computed; those of the first matrix if not given.
    """
    first, *_ = matrices
    shape = (len(first), first[:1].size if width is None else width)
    if shape[0] * shape[1] <= _NUMBERS:
        return call(*matrices)
    found: NDArray[Any] | None = None
    for rows in slabs(shape):
        part = call(*(matrix[rows] for matrix in matrices))
        if found is None:
            found = np.empty((len(first), *part.shape[1:]), dtype=part.dtype)
        found[rows] = part
    assert found is not None
    return found


def stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """``numpy.concatenate(parts)`` of at least one part of one type, one part at a time."""
    if len(parts) == 1:
        return parts[0]
    found = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=parts[0].dtype)
    first = 0
    for part in parts:
        found[first : first + len(part)] = part
        first += len(part)
    return found


def gram(rows: NDArray[Any]) -> NDArray[Any]:
    """``rows @ rows.T``, exactly symmetric, in slabs of rows that take about 0.05 s each."""
    n = len(rows)
    height = max(1, int(_OPERATIONS / (2 * max(rows.size, 1))))
    if n <= height:
        return np.asarray(rows @ rows.T)
    found = np.empty((n, n), dtype=rows.dtype)
    for first in range(0, n, height):
        slab = rows[first : first + height]
        stop = first + len(slab)
        found[first:stop, first:stop] = slab @ slab.T
        found[first:stop, :first] = slab @ rows[:first].T
        found[:first, first:stop] = found[first:stop, :first].T
    return found
