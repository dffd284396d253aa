"""The frame operator of many rows as a sum over shards of them, which can stop after each shard and go on later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import NonFiniteError, ParameterError

__all__ = ["SHARD", "KeptSum", "operator_by_shards"]

SHARD = 131_072
"""Rows of a shard. Of 2304 dimensions one takes 7e11 operations, 3 to 20 seconds, and its sum 42 MB, which a disk takes
in a fraction of a second."""


class KeptSum(Protocol):
    """Where a sum over shards is kept."""

    def read(self) -> tuple[int, NDArray[np.float64]] | None:
        """Give the number of rows that the kept sum is of, and the sum; None where there is none."""

    def write(self, rows: int, operator: NDArray[np.float64]) -> None:
        """Keep the sum over the first rows."""


def operator_by_shards(
    rows: Any,
    *,
    kept: KeptSum | None = None,
    num_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.float64]:
    """Frame operator of rows: shard by shard where there are more than `SHARD` of them.

    Parameters
    ----------
    rows : ndarray, shape (n, m)
        As `_core.frame_operator` takes them.
    kept : KeptSum, optional
        Where the sum is kept after each shard but the last, and from where it goes on.
    num_threads, progress
        As in `frames.frame_operator`.

    Returns
    -------
    ndarray of float64, shape (m, m)
        The same to the bit whether it was stopped and went on or not.

    Raises
    ------
    NonFiniteError, ParameterError
        As in `frames.frame_operator`.
    """
    n = len(rows)
    if n <= SHARD:
        return _core.frame_operator(rows, num_threads=num_threads, progress=progress)
    held = kept.read() if kept is not None else None
    done, total = held or (0, np.zeros((rows.shape[1], rows.shape[1])))
    while done < n:
        shard = rows[done : done + SHARD]
        try:
            total = total + _core.frame_operator(
                shard, num_threads=num_threads, progress=_later(progress, done, n)
            )
        except NonFiniteError:
            raise
        except ParameterError:
            # Squares of this shard leave float64; beside the others they may not matter.
            return _core.frame_operator(rows, num_threads=num_threads, progress=progress)
        done += len(shard)
        if kept is not None and done < n:
            kept.write(done, total)
    return total


def _later(
    progress: Callable[[int, int], object] | None, before: int, total: int
) -> Callable[[int, int], object] | None:
    return None if progress is None else lambda done, _: progress(before + done, total)
