"""Exact searches and means by Hamming distance on packed codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.codes.packed import Codes, as_words
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import chunks, read_array
from featuregeom.frames import Progress

__all__ = [
    "class_distances",
    "hamming_distances",
    "hamming_knn",
    "hamming_vote",
    "jaccard_distances",
    "range_counts",
]


def hamming_knn(
    train: Codes,
    queries: Codes,
    k: int,
    *,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Find the k nearest training codes of every query, exactly.

    Parameters
    ----------
    train, queries : Codes
        N and Q codes of the same number of bits m.
    k : int
        Neighbours of each query, from 1 to N.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with queries done and queries in all.

    Returns
    -------
    distances : ndarray of uint32, shape (Q, k)
        Bits that differ, increasing.
    indices : ndarray of uint64, shape (Q, k)
        Their rows; of equally near codes, those that come first, so which of them are given depends on the order of
        the rows. The same for any number of threads.

    Raises
    ------
    ShapeError
        If the codes have different numbers of bits.
    ParameterError
        If `k` is out of range.

    Notes
    -----
    O(Q N m / 64) word operations, N m / 8 bytes for a transposed copy.
    """
    words = as_words(train), as_words(queries)
    _check(train, queries)
    k = _neighbours(k, train)
    return _core.hamming_knn(*words, train.n_bits, k, num_threads=num_threads, progress=progress)


def hamming_vote(
    train: Codes,
    labels: ArrayLike,
    queries: Codes,
    k: int,
    *,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """Classify every query by the most frequent label of its k nearest training codes, ties shared.

    Codes nearer than the k-th have one vote each. All those at the distance of the k-th, however many, share the votes
    that are left in equal parts, so that the order of the training codes does not matter.

    Parameters
    ----------
    train, queries : Codes
        N and Q codes of the same number of bits.
    labels : array_like of int, shape (N,)
        Labels of the training codes, negative ones too.
    k, num_threads, progress
        As for `hamming_knn`.

    Returns
    -------
    ndarray of int64, shape (Q,)
        Labels; of those with equally many votes, the least.

    Raises
    ------
    ShapeError, ParameterError
        As `hamming_knn`, and if there is not one integer label for each training code, or one is past int64.

    Notes
    -----
    O(Q N m / 64) word operations, and O(k) and the number of labels in memory for each query.

    Examples
    --------
    The nearest code has one vote for 7; the three at distance 1 share the other two, 4/3 for 5 and 2/3 for 6.

    >>> import featuregeom as fg
    >>> codes = fg.codes.pack([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    >>> fg.codes.hamming_vote(codes, [7, 5, 5, 6], fg.codes.pack([[0, 0, 0]]), 3).tolist()
    [5]
    """
    given = read_array(labels, "labels")
    if given.shape != (len(train),) or not np.issubdtype(given.dtype, np.integer):
        raise ShapeError(
            f"there must be {len(train)} integer labels, one for each code, not {given.dtype} of shape {given.shape}"
        )
    if given.dtype.kind == "u" and given.max(initial=0) > np.iinfo(np.int64).max:
        raise ParameterError(f"labels must be below 2**63, not {given.max()}")
    words = as_words(train), as_words(queries)
    _check(train, queries)
    k = _neighbours(k, train)
    return _core.hamming_vote(
        words[0],
        given.astype(np.int64),
        words[1],
        train.n_bits,
        k,
        num_threads=num_threads,
        progress=progress,
    )


def hamming_distances(
    a: Codes, b: Codes | None = None, *, num_threads: int | None = None
) -> NDArray[np.uint32]:
    """All distances between two sets of codes, shape (len(a), len(b)); of `a` with itself unless `b` is given.

    Raises
    ------
    ShapeError
        If the codes have different numbers of bits.

    Notes
    -----
    4 bytes a pair.
    """
    other = a if b is None else b
    words = as_words(a), as_words(other)
    _check(a, other)
    return _core.hamming_distances(words[1], words[0], a.n_bits, num_threads=num_threads)


def jaccard_distances(
    a: Codes, b: Codes | None = None, *, num_threads: int | None = None
) -> NDArray[np.float64]:
    """All Jaccard distances between two sets of codes: the share of the bits on in either that are not on in both.

    With d the Hamming distance and s the bits on in both codes together, the union has (s + d) / 2 bits, so the
    distance 1 - |x and y| / |x or y| is 2 d / (s + d).

    Parameters
    ----------
    a, b : Codes
        N and M codes of the same number of bits; `a` with itself unless `b` is given.
    num_threads : int, optional
        Threads for the Hamming distances.

    Returns
    -------
    ndarray of float64, shape (N, M)
        From 0 to 1, a metric. 0 for two codes without any bit on, as for any two equal ones.

    Raises
    ------
    ShapeError
        If the codes have different numbers of bits.

    Notes
    -----
    O(N M m / 64), 12 bytes a pair. After Jaccard, Bull. Soc. Vaudoise Sci. Nat. 37 (1901) 547; that it is a metric:
    Levandowsky & Winter, Nature 234 (1971) 34.
    """
    other = a if b is None else b
    distances = hamming_distances(a, other, num_threads=num_threads)
    sizes, found = [_sizes(a), _sizes(other)], np.zeros(distances.shape)
    # In strips, between which Ctrl-C stops.
    for part in chunks(len(a), 8 * len(other)):
        apart = distances[part].astype(np.float64)
        both = sizes[0][part, None] + sizes[1] + apart
        np.divide(2 * apart, both, out=found[part], where=both > 0)
    return found


def range_counts(
    train: Codes, queries: Codes, radii: Sequence[int], *, num_threads: int | None = None
) -> NDArray[np.uint64]:
    """Count the training codes within each radius of every query, shape (Q, len(radii)).

    Raises
    ------
    ShapeError
        If the codes have different numbers of bits.
    ParameterError
        If a radius is negative.
    """
    words = as_words(train), as_words(queries)
    _check(train, queries)
    if any(radius < 0 for radius in radii):
        raise ParameterError(f"radii must be at least 0, not {list(radii)}")
    most = [min(int(radius), 2**32 - 1) for radius in radii]
    return _core.hamming_range_counts(*words, train.n_bits, most, num_threads=num_threads)


def class_distances(codes: Codes, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean Hamming distance between the codes of every two classes, from the share of ones of each bit.

    With p_aj the share of class a in which bit j is on, the mean over all ordered pairs, a code with itself
    included, is sum_j p_aj (1 - p_bj) + (1 - p_aj) p_bj.

    Parameters
    ----------
    codes : Codes
        N codes of m bits.
    labels : array_like, shape (N,)
        Class of each.

    Returns
    -------
    means : ndarray of float64, shape (C, C)
        Mean distances; the diagonal has those within the classes.
    classes : ndarray
        The classes, sorted.

    Raises
    ------
    ShapeError
        If there is not one label for each code.

    Notes
    -----
    O(N m + C^2 m), no pairs of codes are formed.
    """
    given = read_array(labels, "labels")
    if given.shape != (len(codes),):
        raise ShapeError(f"labels must have shape ({len(codes)},), one for each code, not {given.shape}")
    classes, place = np.unique(given, return_inverse=True)
    bits = codes.unpack()
    on = np.array([bits[place == index].mean(axis=0) for index in range(len(classes))]).reshape(
        len(classes), codes.n_bits
    )
    return on @ (1 - on).T + (1 - on) @ on.T, classes


def _sizes(codes: Codes) -> NDArray[np.float64]:
    """Bits on in each code: its distance from none."""
    none = Codes(np.zeros((1, codes.words.shape[1]), np.uint64), codes.n_bits, codes.layers, 1)
    return hamming_distances(codes, none)[:, 0].astype(np.float64)


def _neighbours(k: int, train: Codes) -> int:
    found = integer("k", k, -(2**63))
    if not 1 <= found <= len(train):
        raise ParameterError(f"k must be from 1 to the {len(train)} training codes, not {found}")
    return found


def _check(a: Codes, b: Codes) -> None:
    if a.n_bits != b.n_bits:
        raise ShapeError(f"codes of {a.n_bits} bits cannot be compared with codes of {b.n_bits}")
