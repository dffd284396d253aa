"""How long an analysis takes on this machine: constants measured once, times the counts of `estimate`.

The seconds of each step of one matrix are taken for a sum of terms, none of them negative: something for the matrix,
something for each feature, something for each pair of features, and something for each operation. What each is worth is
fitted to a few analyses of random matrices whose sizes tell the terms apart: once where there is nothing to find, and
once where copies are found, which are held against random sets and take up to five times as long.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.atomic import create_folder, replacing
from featuregeom.dictionaries.cost import pair_decompositions, pair_operations
from featuregeom.sources import TensorInfo
from featuregeom.summary import summarised
from featuregeom.survey.job import analyze
from featuregeom.survey.plan import Cost, Estimate, cost
from featuregeom.survey.progress import Progress

__all__ = ["Machine", "calibrate"]

_SIZES = ((60, 12), (3000, 8), (500, 96), (700, 320), (6000, 64))
"""Shapes that are measured: few and many features, few and many dimensions. All together took 13 seconds of one core
of 2023; of 11 shapes from 60 x 12 to 20 000 x 8 and 300 x 768 it then told .4 to 2.3 times what they took."""

_COPIES = 50
"""One feature of so many has a copy, where copies are to be found."""

_TERMS: dict[str, tuple[str, ...]] = {
    "frame": ("matrix", "features", "frame", "eigen"),
    "measures": ("matrix", "features", "measures"),
    "sweep": ("matrix", "features", "pairs of features", "sweep"),
    "pairs": ("matrix", "features", "decompositions", "products"),
    "families": ("matrix", "features", "pairs of features", "decompositions"),
    "rest": ("matrix", "features"),
}
"""What the seconds of each step depend on. "frame" is the whole spectrum, and "rest" tables and page."""

_LEAST_WORTH, _MOST_WORTH = -60.0, 12.0
"""Logarithms of seconds between which the largest of each term is sought: nothing at all, and two days."""

_FILE = "machine.json"


@summarised
@dataclass(frozen=True)
class Machine:
    """What the steps of an analysis cost here, in seconds.

    Attributes
    ----------
    processor, version, instructions : str
        The processor, featuregeom's version, and the vector instructions that ``FEATUREGEOM_SIMD`` names ("" for the
        best): constants of others say nothing about this.
    threads : int
        Threads that they were measured with.
    nothing, copies : dict of str to dict of str to float
        Where there is nothing to find, and where there are copies. By step: seconds for each matrix, feature, pair of
        features, and for each operation as `Cost` counts them.
    """

    processor: str
    version: str
    instructions: str
    threads: int
    nothing: dict[str, dict[str, float]]
    copies: dict[str, dict[str, float]]

    def time(self, estimate: Estimate | Cost) -> tuple[float, float]:
        """Give the seconds that an analysis, or one matrix of it, is going to take.

        Parameters
        ----------
        estimate : Estimate or Cost
            Counts, from `estimate`.

        Returns
        -------
        (float, float)
            Seconds where there is nothing to find, and where there are copies in every matrix; of files that are in
            memory already. Each was right within a factor of three where it was tried.
        """
        costs = estimate.matrices.values() if isinstance(estimate, Estimate) else (estimate,)
        sizes = [_sizes(each) for each in costs]

        def seconds(worth: Mapping[str, Mapping[str, float]]) -> float:
            return float(
                sum(
                    worth[step][term] * size
                    for each in sizes
                    for step, terms in each.items()
                    for term, size in terms.items()
                )
            )

        return seconds(self.nothing), seconds(self.copies)

    @classmethod
    def kept(cls, num_threads: int | None = None) -> Machine | None:
        """Give the constants that `calibrate` kept for this machine and number of threads; None where there are none.

        Parameters
        ----------
        num_threads : int, optional
            Threads of the analysis; by default ``RAYON_NUM_THREADS`` or all.

        Returns
        -------
        Machine or None
        """
        wanted = _described(num_threads)
        for found in _read(_path()):
            if {key: getattr(found, key) for key in wanted} == wanted:
                return found
        return None


def calibrate(num_threads: int | None = None, *, clock: Callable[[], float] = time.perf_counter) -> Machine:
    """Measure what the steps of an analysis cost on this machine, and keep it in the user's cache folder.

    Parameters
    ----------
    num_threads : int, optional
        Threads; by default ``RAYON_NUM_THREADS`` or all. Constants are kept for each number.
    clock : callable
        Gives seconds.

    Returns
    -------
    Machine

    Raises
    ------
    OutputError
        If the cache folder cannot be written.

    Notes
    -----
    Takes 10 to 20 seconds of a machine that has nothing else to do. The folder is ``featuregeom`` in
    ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.

    Examples
    --------
    >>> import featuregeom as fg
    >>> machine = fg.survey.calibrate()                   # doctest: +SKIP
    >>> machine.time(fg.estimate("model.safetensors"))    # doctest: +SKIP
    (41.7, 103.2)
    """
    described = _described(num_threads)
    rng = np.random.default_rng(0)
    _timed(rng.standard_normal((20, 3)), num_threads, clock)  # what is imported at first use
    counted: list[Cost] = []
    taken: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    for n, m in _SIZES:
        X = rng.standard_normal((n, m)).astype(np.float32)
        counted.append(cost(TensorInfo("w", X.shape, "float32", X.nbytes)))
        taken[0].append(_timed(X, num_threads, clock))
        X[: n // _COPIES] = X[n // 2 : n // 2 + n // _COPIES]
        taken[1].append(_timed(X, num_threads, clock))
    machine = Machine(**described, nothing=fitted(counted, taken[0]), copies=fitted(counted, taken[1]))
    path = _path()
    others = [each for each in _read(path) if {key: getattr(each, key) for key in described} != described]
    create_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps([asdict(each) for each in [*others, machine]], indent=1), "utf-8")
    return machine


def fitted(counted: Sequence[Cost], taken: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Fit what each term is worth to the seconds of each step: least squares of logarithms of what is said over taken.

    Parameters
    ----------
    counted : sequence of Cost
        One for each matrix that was measured.
    taken : sequence of mapping of str to float
        The seconds of each of its steps.

    Returns
    -------
    dict of str to dict of str to float
        As `Machine.nothing`; none is negative.
    """
    from scipy.optimize import least_squares

    found = {}
    for step, terms in _TERMS.items():
        sizes: NDArray[np.float64] = np.array(
            [[_sizes(each)[step][term] for term in terms] for each in counted]
        )
        seconds = np.array([max(each[step], 1e-6) for each in taken])
        scale = np.maximum(sizes.max(axis=0), 1.0)
        relative = sizes / scale
        # Of logarithms, so that none gets negative; they begin where each term has an equal part.
        begin = np.full(len(terms), np.log(seconds.mean() / len(terms)))
        best = least_squares(
            lambda logs, relative=relative, seconds=seconds: np.log(relative @ np.exp(logs) / seconds),
            begin,
            bounds=(_LEAST_WORTH, _MOST_WORTH),
            xtol=1e-12,
            ftol=1e-12,
        )
        found[step] = dict(zip(terms, map(float, np.exp(best.x) / scale), strict=True))
    return found


def _sizes(cost: Cost) -> dict[str, dict[str, float]]:
    """Give how much there is of each term of each step; nothing of steps that are left out."""
    decompositions = pair_decompositions(cost.n, cost.m)
    known = {
        "matrix": 1.0,
        "features": cost.n,
        "pairs of features": cost.n * (cost.n - 1) / 2,
        "decompositions": 0 if cost.indexed else decompositions,
        "products": cost.pairs if cost.indexed else pair_operations(cost.n, cost.m, 0) - decompositions,
    }
    return {
        step: {term: known[term] if term in known else getattr(cost, term) for term in terms}
        for step, terms in _TERMS.items()
        if step == "rest" or getattr(cost, step) > 0
    }


def _timed(X: NDArray[np.floating], num_threads: int | None, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each step of an analysis of one matrix, from the beginning of one to that of the next."""
    begun: dict[str, float] = {}

    def listen(state: Progress) -> None:
        begun.setdefault(state.step, clock())

    with TemporaryDirectory() as folder:
        start = clock()
        analyze({"w": X}, out=Path(folder) / "out", num_threads=num_threads, progress=listen)
        whole = clock() - start
    steps = list(begun)
    seconds = {step: begun[after] - begun[step] for step, after in pairwise(steps)}
    return seconds | {"rest": whole - sum(seconds.values())}


def _described(num_threads: int | None) -> dict[str, Any]:
    """Everything that constants depend on."""
    threads = num_threads
    if threads is None:
        said = os.environ.get("RAYON_NUM_THREADS", "")
        threads = int(said) if said.isdecimal() and int(said) > 0 else _cores()
    return {
        "processor": _processor(),
        "version": _core.__version__,
        "instructions": os.environ.get("FEATUREGEOM_SIMD", ""),
        "threads": integer("num_threads", threads, 1),
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _path() -> Path:
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "featuregeom" / _FILE


def _read(path: Path) -> list[Machine]:
    """Read what is kept; nothing where the file is missing or is of another version's form: it is measured anew."""
    wanted = {step: set(terms) for step, terms in _TERMS.items()}
    try:
        found = [Machine(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
        return [
            each
            for each in found
            if all(
                {step: set(terms) for step, terms in kind.items()} == wanted
                for kind in (each.nothing, each.copies)
            )
        ]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []
