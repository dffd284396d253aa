"""The coarsest coherent configuration that refines given relations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.frames import Progress
from featuregeom.relations.relations import as_labels
from featuregeom.summary import summarised

__all__ = ["Closure", "closure"]


@summarised
@dataclass(frozen=True, eq=False)
class Closure:
    """A coherent configuration.

    Attributes
    ----------
    relations : ndarray of uint32, shape (n, n)
        Class of each pair: fibres first, the others in the order of the labels that they refine.
    rank : int
        Number of classes, fibres included.
    fibres : ndarray of int64, shape (n,)
        Fibre of each point; one fibre makes a scheme.
    rounds : int
        Rounds of refinement, with those that only confirmed the last one.
    seed : int
        Seed of the random integers.
    """

    relations: NDArray[np.uint32]
    rank: int
    fibres: NDArray[np.int64]
    rounds: int
    seed: int


def closure(
    relations: Any, *, seed: int = 0, num_threads: int | None = None, progress: Progress | None = None
) -> Closure:
    """Refine relations until they are coherent: the 2-dimensional Weisfeiler-Leman closure.

    Parameters
    ----------
    relations : array-like of integers, shape (n, n)
        Label of each pair, symmetric or not; the diagonal may share labels with other pairs.
    seed : int
        Seed of the random integers.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with rows done and rows in all, which grows by n each round.

    Returns
    -------
    Closure
        The same partition for any order of the points, names of the labels and seed; the same numbers of the
        classes for any order of the points and number of threads.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        If `relations` is no square matrix of integers; more than 8192 points; a seed out of range.

    Notes
    -----
    A round replaces the class of (x, y) by the classes of (x, y) and (y, x) and the multiset of pairs of classes
    along x, z, y (Weisfeiler & Leman 1968; Babel, Chuvaeva, Klin & Pasechnik, arXiv 1002.1921). It costs one
    product of n x n matrices; memory is about 32 n^2 bytes. Multisets are told apart by random integers: three
    rounds that change nothing have to follow each other, so that the result is too coarse with a probability
    below 2^-50. `check` settles it.

    Examples
    --------
    A path of three points: its ends and its middle are different fibres.

    >>> import featuregeom as fg
    >>> found = fg.schemes.closure([[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    >>> found.rank, found.fibres.tolist()
    (5, [0, 1, 0])
    """
    labels = as_labels(relations).labels
    seed = integer("seed", seed, 0, 2**64 - 1)
    found = _core.scheme_closure(labels, seed=seed, num_threads=num_threads, progress=progress)
    assert found is not None  # Only a limit of classes gives none.
    refined, rank, _, rounds = found
    return Closure(refined, rank, refined.diagonal().astype(np.int64), rounds, seed)
