"""Distinct codes counted exactly in a stream, and what their counts say."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.atomic import replacing
from featuregeom.codes.packed import Codes, as_words
from featuregeom.errors import ParameterError, ShapeError, SourceError
from featuregeom.features import read_array
from featuregeom.frames import Progress
from featuregeom.interruptible import aside
from featuregeom.memory import NoRoomError, check_memory, reading

__all__ = ["CodeCounter", "label_purity"]

_FORMAT = "featuregeom code counter"
_VERSION = 1
_ARRAYS = {"words": 2, "counts": 1, "first_index": 1}
_ROWS = 2**64 - 1
"""Most rows that a counter takes: indices of rows, and the one after the last, have 64 bits."""
_BITS = 2**48
"""Most bits of a code: more than any memory holds, so a larger number is an error."""

Spans = list[tuple[int, int]]


class CodeCounter:
    """Exact counts of distinct codes; memory grows with the distinct ones, not with the rows.

    Codes are found by a 128-bit fingerprint (XXH3) and then compared bit by bit with the one copy that is kept of
    each, so a collision costs time and nothing else. Distinct codes stand in the order of their first row.

    Parameters
    ----------
    n_bits : int
        Bits of a code.
    layers : sequence of int, optional
        Where each layer's bits end, for counts by layer. Unless given they are those of the first codes that have
        several layers; codes with other layers are then refused.
    start : int
        Index of the first row. Give each shard of a data set its own, and merging them in any order is one pass.
        Counts are so anyway; but where shards claim the same indices, as they do by default, nobody knows which row
        was first, and `first_index` refuses to say.
    fingerprint_bits : int
        Bits of the fingerprints that are looked at; few of them force collisions, for tests.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> import featuregeom as fg
    >>> counter = fg.codes.CodeCounter(2)
    >>> counter.update(fg.codes.pack([[1.0, -1.0], [1.0, 1.0], [2.0, -1.0]])).tolist()
    [0, 1, 0]
    >>> counter.n_distinct, counter.counts.tolist()
    (2, [2, 1])
    """

    def __init__(
        self, n_bits: int, *, layers: Sequence[int] | None = None, start: int = 0, fingerprint_bits: int = 128
    ) -> None:
        self._n_bits = integer("n_bits", n_bits, 0, _BITS)
        self._fingerprint_bits = integer("fingerprint_bits", fingerprint_bits, 1, 128)
        start = integer("start", start, 0, _ROWS)
        self._inner = _core.PatternCounter(self._n_bits, start, self._fingerprint_bits)
        self._layers: tuple[int, ...] | None = None
        if layers is not None:
            self._layers = _ends(layers, self._n_bits)
        self._spans: Spans = []
        self._overlap = False
        # Held while rows are counted: threads that share a counter take turns.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"CodeCounter(n_bits={self.n_bits}, n_rows={self.n_rows}, n_distinct={self.n_distinct})"

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            words, counts, first = self._inner.words(), self._inner.counts(), self._inner.first()
            return _restored, (words, counts, first, self._header())

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return self._n_bits

    @property
    def layers(self) -> tuple[int, ...]:
        """Where each layer's bits end; one layer where nothing told of several."""
        return (self._n_bits,) if self._layers is None else self._layers

    @property
    def n_rows(self) -> int:
        """Rows counted, N."""
        return self._inner.totals()[0]

    @property
    def n_distinct(self) -> int:
        """Distinct codes, U."""
        return self._inner.totals()[1]

    @property
    def collisions(self) -> int:
        """Comparisons of unequal codes with equal fingerprints so far; they change no count."""
        return self._inner.totals()[3]

    @property
    def redundancy(self) -> float:
        """Redundancy ratio (N - U) / N; NaN without rows (He, Lei, Ji & Tao 2021)."""
        rows, distinct = self._inner.totals()[:2]
        return (rows - distinct) / rows if rows else math.nan

    @property
    def saturated(self) -> bool:
        """Whether all rows are distinct: then U says how many rows were read and nothing of the network."""
        rows, distinct = self._inner.totals()[:2]
        return rows > 0 and rows == distinct

    @property
    def counts(self) -> NDArray[np.uint64]:
        """How often each distinct code was seen, shape (U,)."""
        return self._inner.counts()

    @property
    def first_index(self) -> NDArray[np.uint64]:
        """Index of the first row of each, shape (U,), increasing.

        Raises
        ------
        ParameterError
            If shards were merged that claim the same row indices, as they do unless each has its own `start`.
        """
        if self._overlap:
            raise ParameterError(
                "merged shards claim the same row indices, so the first row of a code is not known: count each shard "
                "with CodeCounter(..., start=index of its first row)"
            )
        return self._inner.first()

    @property
    def words(self) -> NDArray[np.uint64]:
        """The distinct codes, packed, shape (U, ceil(n_bits / 64))."""
        return self._inner.words()

    def update(
        self, codes: Codes, *, num_threads: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.uint64]:
        """Count more rows, O(rows x words); gives the position of each among the distinct codes.

        Parameters
        ----------
        codes : Codes
            N packed codes of `n_bits` bits. Codes of one layer, as `pack` gives them, fit any layers.
        num_threads : int, optional
            Threads for the fingerprints; the counts do not depend on it.
        progress : callable, optional
            Called with rows done and rows in all.

        Returns
        -------
        ndarray of uint64, shape (N,)
            As the inverse of `numpy.unique`, but in the order of first appearance. A later merge renumbers.

        Raises
        ------
        ShapeError
            If the codes have another number of bits, or layers that end elsewhere.
        ParameterError
            If row indices would pass 2**64 - 1.
        KeyboardInterrupt
            If interrupted; `n_rows` then tells how many rows were counted.
        """
        words = as_words(codes)
        with self._lock:
            return self._counted(words, codes, num_threads, progress)

    def _counted(
        self, words: NDArray[np.uint64], codes: Codes, num_threads: int | None, progress: Progress | None
    ) -> NDArray[np.uint64]:
        """Count rows while no other thread does."""
        layered = codes.n_bits == self._n_bits and len(codes.layers) > 1
        if layered and self._layers is not None and codes.boundaries != self._layers:
            raise ShapeError(
                f"the counter's layers end at {self._layers}, those of the codes at {codes.boundaries}"
            )
        before = self._inner.totals()[2]
        if before + len(words) > _ROWS:
            raise ParameterError(
                f"{len(words)} rows from index {before} on pass 2**64 - 1: give the counter a smaller start"
            )
        try:
            inverse = self._inner.update(words, codes.n_bits, num_threads=num_threads, progress=progress)
        finally:
            # An interrupted update has counted some rows.
            self._spans, clash = _union(self._spans, [(before, self._inner.totals()[2])])
            self._overlap |= clash
        if layered:
            self._layers = codes.boundaries
        return inverse

    def merge(self, other: CodeCounter) -> None:
        """Add the counts of a shard, O(U log U).

        Parameters
        ----------
        other : CodeCounter
            A counter of codes of the same layers, or of none that it was told of; it is not changed. First rows are
            compared as absolute indices, see `start`.

        Raises
        ------
        ShapeError
            If the layers differ.
        ParameterError
            If `other` is no counter, or the rows of both are more than 2**64 - 1.
        """
        if not isinstance(other, CodeCounter):
            raise ParameterError(f"a CodeCounter can be merged, not a {type(other).__name__}")
        # In one order everywhere: two threads that merge two counters into each other must not wait for each other.
        first, second = sorted((self, other), key=id)
        with first._lock, second._lock:
            known = self._layers, other._layers
            if other.n_bits != self._n_bits or (None not in known and known[0] != known[1]):
                raise ShapeError(f"layers that end at {self.layers} cannot be merged with {other.layers}")
            if self.n_rows + other.n_rows > _ROWS:
                raise ParameterError("both counters have more than 2**64 - 1 rows together")
            self._inner.merge(other._inner)
            self._layers = known[0] or known[1]
            self._spans, clash = _union(self._spans, other._spans)
            self._overlap |= other._overlap or clash

    def occupancy(self) -> dict[int, int]:
        """Histogram of counts: f_c, the distinct codes seen c times. sum f_c = U, sum c f_c = N."""
        sizes, times = np.unique(self.counts, return_counts=True)
        return dict(zip(sizes.tolist(), times.tolist(), strict=True))

    def layer_counts(self) -> NDArray[np.uint64]:
        """Distinct codes of each layer alone, shape (L,)."""
        return self._inner.layers(list(self.layers))[0]

    def prefix_counts(self) -> NDArray[np.uint64]:
        """Distinct codes of the first l layers, shape (L,): never decreasing, the last is U.

        Prefixes are compared by chained 128-bit fingerprints.
        """
        return self._inner.layers(list(self.layers))[1]

    def summary(self) -> dict[str, Any]:
        """Numbers of the whole, by name.

        Returns
        -------
        dict
            ``n_rows``, ``n_distinct``, ``redundancy``, ``saturated``; ``singleton_fraction`` f_1 / U;
            ``entropy`` H in nats and ``effective_codes`` exp(H); ``simpson`` sum p^2; ``max_count``;
            ``good_turing_coverage`` 1 - f_1 / N, the estimated share of the data's distribution that lies in the
            codes seen, in the mean a *lower bound* (Good 1953: E f_1 / N is the share that N - 1 rows leave unseen,
            N leave less); and ``chao1_lower_bound`` U + f_1 (f_1 - 1) / (2 (f_2 + 1)), which estimates a *lower
            bound* on the codes there are (Chao 1984), never their number. NaN without rows.
        """
        # Sorted, so that sums round alike in whatever order the rows came.
        counts = np.sort(self.counts).astype(np.float64)
        rows, distinct = float(counts.sum()), len(counts)
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        shares = counts / rows if distinct else counts
        entropy = float(-(shares * np.log(shares)).sum()) + 0.0 if distinct else math.nan
        return {
            "n_rows": self.n_rows,
            "n_distinct": distinct,
            "redundancy": self.redundancy,
            "saturated": self.saturated,
            "singleton_fraction": once / distinct if distinct else math.nan,
            "entropy": entropy,
            "effective_codes": math.exp(entropy) if distinct else math.nan,
            "simpson": float((shares**2).sum()) if distinct else math.nan,
            "max_count": int(counts.max(initial=0)),
            "good_turing_coverage": 1 - once / rows if distinct else math.nan,
            "chao1_lower_bound": distinct + once * (once - 1) / (2 * (twice + 1)),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the counter to one file, which appears whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with self._lock:
            words, counts, first = self._inner.words(), self._inner.counts(), self._inner.first()
            header = self._header()
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), words=words, counts=counts, first_index=first)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CodeCounter:
        """Read a counter that `save` wrote.

        Raises
        ------
        SourceError
            If the file is missing, damaged, no saved counter, or of a later version.
        """
        try:
            # NumPy leaves a file open that it cannot read.
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                size = sum(member.file_size for member in file.zip.infolist())
                check_memory(size, os.fspath(path))
                with reading(os.fspath(path), size):
                    header = json.loads(str(file["header"]))
                    arrays = {name: file[name] for name in _ARRAYS}
            if header["format"] != _FORMAT:
                raise ValueError(f"its format is {header['format']!r}")
            if header["version"] != _VERSION:
                raise ValueError(f"its version is {header['version']}, and this release reads {_VERSION}")
            for name, axes in _ARRAYS.items():
                if arrays[name].dtype != np.uint64 or arrays[name].ndim != axes:
                    raise ValueError(f"{name} is {arrays[name].dtype} with {arrays[name].ndim} axes")
            return _restored(arrays["words"], arrays["counts"], arrays["first_index"], header)
        except NoRoomError:
            raise
        # A damaged archive makes zipfile, zlib, json and NumPy raise nearly anything: NotImplementedError for a
        # method of compression, RuntimeError for a flag of encryption, zlib.error, struct.error, MemoryError.
        except Exception as error:
            raise SourceError(f"cannot read {os.fspath(path)} as a saved code counter: {error}") from error

    def _header(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "n_bits": self._n_bits,
            "layers": self._layers,
            "n_rows": self.n_rows,
            "next_row": self._inner.totals()[2],
            "spans": self._spans,
            "overlap": self._overlap,
            "fingerprint_bits": self._fingerprint_bits,
        }


def _restored(
    words: NDArray[np.uint64], counts: NDArray[np.uint64], first: NDArray[np.uint64], header: dict[str, Any]
) -> CodeCounter:
    """Build a counter from its parts, which must agree."""
    made = CodeCounter(header["n_bits"], layers=header["layers"], fingerprint_bits=header["fingerprint_bits"])
    spans = [(integer("a span", a, 0), integer("a span", b, a + 1)) for a, b in header["spans"]]
    overlap, n_rows = header["overlap"], header["n_rows"]
    if not isinstance(overlap, bool) or any(a[1] >= b[0] for a, b in pairwise(spans)):
        raise ValueError("its spans of rows are none")
    if not overlap and sum(b - a for a, b in spans) != n_rows:
        raise ValueError(f"its spans do not hold {n_rows} rows")
    if (spans[-1][1] if spans else 0) > header["next_row"]:
        raise ValueError("a row came after the last")
    inside = np.zeros(len(first), dtype=bool)
    for a, b in spans:
        inside |= (first >= np.uint64(a)) & (first < np.uint64(b))
    if not inside.all():
        raise ValueError("a first row is none of the rows that were counted")
    # Sorted as they are, equal ones are neighbours; shards that overlap may share one.
    if not (first[1:] >= first[:-1] if overlap else first[1:] > first[:-1]).all():
        raise ValueError("its first rows are not distinct and increasing")
    if (counts < 1).any():
        raise ValueError("a code was never seen")
    made._inner = _core.PatternCounter.from_parts(
        np.ascontiguousarray(words), made._n_bits, counts, first, header["next_row"], made._fingerprint_bits
    )
    if made.n_rows != n_rows:
        raise ValueError(f"its counts add up to {made.n_rows}, not {n_rows}")
    made._spans, made._overlap = spans, overlap
    return made


def _ends(layers: Sequence[int], n_bits: int) -> tuple[int, ...]:
    ends = tuple(integer("layers", end, 0) for end in layers)
    if not ends or ends[-1] != n_bits or any(a > b for a, b in pairwise(ends)):
        raise ParameterError(f"layers must end at increasing bits, the last at {n_bits}, not at {list(ends)}")
    return ends


def _union(first: Spans, second: Spans) -> tuple[Spans, bool]:
    """Join spans of rows; tells whether any row is in two."""
    joined: Spans = []
    clash = False
    for start, stop in sorted(span for span in [*first, *second] if span[1] > span[0]):
        if joined and start <= joined[-1][1]:
            clash |= start < joined[-1][1]
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined, clash


def label_purity(inverse: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Share of the most frequent label within each distinct code, and in all.

    Parameters
    ----------
    inverse : array_like of int, shape (N,)
        Position of each row's code, as `CodeCounter.update` gives it.
    labels : array_like of int, shape (N,)
        Label of each row.

    Returns
    -------
    purity : ndarray of float64, shape (U,)
        max_j n_uj / n_u for each code u up to the largest position; NaN for one without rows here.
    overall : float
        sum_u max_j n_uj / N: the accuracy of answering each code with its majority label. NaN without rows.

    Raises
    ------
    ShapeError
        If the lengths differ.
    ParameterError
        If a position is no integer from 0. Labels may be anything that can be sorted, negative numbers too.
    """
    places, classes = np.asarray(inverse), read_array(labels, "labels")
    if places.ndim != 1 or places.shape != classes.shape:
        raise ShapeError(f"{places.shape} positions and {classes.shape} labels do not go together")
    if not len(places):
        return np.zeros(0), math.nan
    if places.dtype.kind not in "iu" or places.min() < 0 or places.max() >= 2**48:
        raise ParameterError(
            "inverse must be positions of codes, integers from 0, as CodeCounter.update gives them; it is "
            + (f"from {places.min()} to {places.max()}" if places.dtype.kind in "iu" else str(places.dtype))
        )
    places = places.astype(np.int64)
    kinds, classes = aside(np.unique, classes, return_inverse=True)
    # Position and label in one number: memory for the positions ends long before the numbers do.
    largest = np.zeros(places.max() + 1)
    pairs, times = aside(np.unique, places * len(kinds) + classes, return_counts=True)
    aside(np.maximum.at, largest, pairs // len(kinds), times)
    sizes = np.bincount(places).astype(np.float64)
    purity = np.divide(largest, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
    return purity, float(largest.sum() / len(places))
