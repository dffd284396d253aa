"""How long an analysis takes on this machine: constants measured once, times the counts of `estimate`.

The seconds of each step of one matrix are taken for a sum of terms, none of them negative: something for the matrix,
something for each feature, something for each pair of features, and something for each operation. What each is worth is
fitted to a few analyses of random matrices whose sizes tell the terms apart.
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
from featuregeom.sources import TensorInfo
from featuregeom.survey.job import analyze
from featuregeom.survey.plan import Cost, Estimate, cost
from featuregeom.survey.progress import Progress

__all__ = ["Machine", "calibrate"]

_SIZES = ((60, 12), (3000, 8), (500, 96), (1600, 96), (700, 320), (400, 512))
"""Shapes that are measured: few and many features, few and many dimensions. The largest takes about a second on one
core; larger ones would tell more of machines whose caches they leave, and nobody waits for a minute."""

_ROUNDS = 2
"""Times that each is measured, of which the quicker counts: something else may have wanted the core."""

_TERMS: dict[str, tuple[str, ...]] = {
    "frame": ("matrix", "features", "frame", "eigen"),
    "measures": ("matrix", "features", "measures"),
    "sweep": ("matrix", "features", "pairs of features", "sweep"),
    "pairs": ("matrix", "features", "pairs of features", "pairs"),
    "families": ("matrix", "features", "pairs of features", "families"),
    "rest": ("matrix", "features"),
}
"""What the seconds of each step depend on. "frame" is the whole spectrum, and "rest" tables and page."""

_FILE = "machine.json"


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
    seconds : dict of str to dict of str to float
        By step: seconds for each matrix, feature, pair of features, and for each operation of a step as `Cost` counts
        them.
    """

    processor: str
    version: str
    instructions: str
    threads: int
    seconds: dict[str, dict[str, float]]

    def time(self, estimate: Estimate | Cost) -> float:
        """Give the seconds that an analysis, or one matrix of it, is going to take.

        Parameters
        ----------
        estimate : Estimate or Cost
            Counts, from `estimate`.

        Returns
        -------
        float
            Seconds: for files that are in memory already, right within a factor of three where it was tried, from
            400 to 30 000 features and 8 to 768 dimensions.
        """
        costs = estimate.matrices.values() if isinstance(estimate, Estimate) else (estimate,)
        return float(
            sum(
                self.seconds[step][term] * size
                for each in costs
                for step, terms in _sizes(each).items()
                for term, size in terms.items()
            )
        )

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
    Takes some seconds of a machine that has nothing else to do. The folder is ``featuregeom`` in ``$XDG_CACHE_HOME`` or
    ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.

    Examples
    --------
    >>> import featuregeom as fg
    >>> machine = fg.survey.calibrate()                   # doctest: +SKIP
    >>> machine.time(fg.estimate("model.safetensors"))    # doctest: +SKIP
    41.7
    """
    described = _described(num_threads)
    rng = np.random.default_rng(0)
    _timed(rng.standard_normal((20, 3)), num_threads, clock)  # what is imported at first use
    counted, taken = [], []
    for n, m in _SIZES:
        X = rng.standard_normal((n, m)).astype(np.float32)
        # Copies, as trained matrices have them: without any significant pair, no random set is drawn beside.
        X[: n // 50] = X[n // 2 : n // 2 + n // 50]
        rounds = [_timed(X, num_threads, clock) for _ in range(_ROUNDS)]
        counted.append(cost(TensorInfo("w", X.shape, "float32", X.nbytes)))
        taken.append({step: min(each[step] for each in rounds) for step in _TERMS})
    machine = Machine(**described, seconds=fitted(counted, taken))
    path = _path()
    others = [each for each in _read(path) if {key: getattr(each, key) for key in described} != described]
    create_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps([asdict(each) for each in [*others, machine]], indent=1), "utf-8")
    return machine


def fitted(counted: Sequence[Cost], taken: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Fit what each term is worth to the seconds of each step: least squares of relative errors, none negative.

    Parameters
    ----------
    counted : sequence of Cost
        One for each matrix that was measured.
    taken : sequence of mapping of str to float
        The seconds of each of its steps.

    Returns
    -------
    dict of str to dict of str to float
        As `Machine.seconds`.
    """
    from scipy.optimize import nnls

    found = {}
    for step, terms in _TERMS.items():
        sizes: NDArray[np.float64] = np.array(
            [[_sizes(each)[step][term] for term in terms] for each in counted]
        )
        seconds = np.array([max(each[step], 1e-9) for each in taken])
        scale = sizes.max(axis=0)
        worth = nnls(sizes / scale / seconds[:, None], np.ones(len(seconds)))[0] / scale
        found[step] = dict(zip(terms, map(float, worth), strict=True))
    return found


def _sizes(cost: Cost) -> dict[str, dict[str, float]]:
    """Give how much there is of each term of each step; nothing of steps that are left out."""
    pairs = cost.n * (cost.n - 1) / 2
    known = {"matrix": 1.0, "features": cost.n, "pairs of features": pairs}
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
            each for each in found if {step: set(terms) for step, terms in each.seconds.items()} == wanted
        ]
    except (OSError, ValueError, TypeError, AttributeError):
        return []
