"""Ways of doing one thing, run in turn and compared: the timing, the workers, the agreement, the table.

Absolute times do not carry over from one machine, or minute, to another. So every round runs each way once, in
an order that turns round from one round to the next, and only ratios within a round's company are reported.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

NOISE = 1.5
"""A counted way whose median is this many times its least was disturbed, and the ratio means little."""
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """One way of doing a case's work.

    `arrays` turns what `call` gives into named arrays to compare, outside the clock. `counted` ways decide
    the ratio: ours, and peers that do as much as accurately; the others are shown beside them. A peer with a
    `target` of its own is to take so many times our time. One that does a `share` of the work alone is charged for
    the whole. A way with `environment` or `command` runs in a worker process.
    """

    name: str
    call: Callable[[], Any] | None = None
    ours: bool = False
    counted: bool = True
    arrays: Callable[[Any], Arrays] = lambda result: {"result": result}
    environment: Mapping[str, str] | None = None
    command: Sequence[str] | None = None
    target: float | None = None
    share: float = 1.0


def avx512() -> bool:
    """Whether the processor has AVX-512: kernels made for it end elsewhere with an illegal instruction."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "avx512f" in info.read_text()


def installed(*modules: str) -> bool:
    """Whether peers can be measured here; a case leaves out those that cannot."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


@dataclass(frozen=True)
class Case:
    """One workload. `reference` gives the arrays that every way's are compared with.

    `operations` are those of its products, the least that any way needs, in `arithmetic`: what they would take at the
    machine's best dense product is the limit.
    """

    title: str
    ways: Sequence[Way]
    reference: Callable[[], Arrays]
    target: float | None = None
    note: str = ""
    operations: float | None = None
    arithmetic: str = "float32"


@dataclass
class Timing:
    """What one way took, and how far its results lie from the reference."""

    way: Way
    seconds: list[float] = field(default_factory=list)
    deviation: float = float("nan")

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Worker:
    """The other end of `worker.serve`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        # A file, not a pipe: libraries may print without end, and a full pipe would stop the worker.
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env={**os.environ, **environment},
            cwd=HERE,
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        code = self._process.wait()
        self._complaints.seek(0)
        raise RuntimeError(f"the worker ended with {code}:\n{self._complaints.read()[-2000:]}")

    def go(self) -> float:
        return self._ask("go")["seconds"]

    def result(self) -> Arrays:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.npz"
            self._ask(f"save {path}")
            with np.load(path) as arrays:
                return dict(arrays)

    def close(self) -> None:
        self._process.communicate()
        self._complaints.close()

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return self._answer()


def deviation(found: Arrays, expected: Arrays) -> float:
    """Largest difference of any array over the largest entry of the one expected."""

    def of(name: str) -> float:
        ours, theirs = np.asarray(found[name], np.float64), np.asarray(expected[name], np.float64)
        if ours.shape != theirs.shape or np.isnan(ours).any():
            return float("inf")
        return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300))

    return max((of(name) for name in found.keys() & expected.keys()), default=float("nan"))


def measure(case: Case, worker: Sequence[str], rounds: int, patience: float) -> list[Timing]:
    """Run every way of a case in turn, `rounds` times or until `patience` seconds went by (thrice at least).

    `worker` is the command that serves a way of this case, less the way's name. A way whose first run alone takes
    longer than `patience` is not run again.
    """
    timings = [Timing(way) for way in case.ways]
    workers: dict[int, Worker] = {}
    expected = case.reference()
    try:
        for number, timing in enumerate(timings):
            way = timing.way
            if way.call is None or way.environment is not None:
                workers[number] = Worker(way.command or [*worker, way.name], way.environment or {})
                first = workers[number].go()
                found = workers[number].result()
            else:
                begun = time.perf_counter()
                result = way.call()
                first = time.perf_counter() - begun
                found = way.arrays(result)
                del result
            timing.deviation = deviation(found, expected)
            if first > patience > 0:
                timing.seconds.append(first / way.share)
        del found
        once = {number for number, timing in enumerate(timings) if timing.seconds}
        started, least = time.perf_counter(), min(3, rounds)
        for turn in range(rounds):
            if turn >= least and time.perf_counter() - started > patience:
                break
            order = list(range(len(timings)))
            for number in order if turn % 2 == 0 else reversed(order):
                if number not in once:
                    way = timings[number].way
                    seconds = workers[number].go() if number in workers else clock(way)
                    timings[number].seconds.append(seconds / way.share)
    finally:
        for worker in workers.values():
            worker.close()
    return timings


def clock(way: Way) -> float:
    assert way.call is not None
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        result = way.call()
        seconds = time.perf_counter() - started
    finally:
        gc.enable()
    del result
    return seconds


def header(threads: int) -> dict[str, Any]:
    """What the figures depend on beyond the code."""
    versions = {}
    for package in ("featuregeom", "numpy", "scipy", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    import featuregeom._core as core

    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "instructions": os.environ.get("FEATUREGEOM_SIMD", ""),
        "avx512": avx512(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": os.getloadavg()[0],
        "blas": blas_kernels(),
        "versions": versions,
        "core": str(core.__file__),
    }


def blas_kernels() -> list[str]:
    """The BLAS libraries that are loaded, and the processor each has picked its kernels for."""
    try:
        import threadpoolctl
    except ImportError:
        config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return [f"numpy: {config['name']} {config['version']} (install threadpoolctl for the kernel in use)"]
    return [
        f"{Path(pool['filepath']).parent.name}: {pool['internal_api']} {pool['version']} "
        f"{pool.get('architecture', '')}, {pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
    ]


def peak(threads: int, *, n: int = 3072, rounds: int = 5) -> dict[str, float]:
    """Operations a second of the best dense product that numpy's or torch's BLAS makes here, by arithmetic.

    numpy's in workers too, with its kernels for AVX2 and for AVX-512: by itself it does not always take the faster.
    """
    import torch

    found = {}
    for arithmetic in ("float32", "float64"):
        A = np.random.default_rng(0).standard_normal((n, n)).astype(arithmetic)
        T = torch.from_numpy(A)
        seconds = []
        for call in (lambda A=A: A @ A, lambda T=T: T @ T):
            call()
            seconds += [clock(Way("", call)) for _ in range(rounds)]
        for kernel in ("Haswell", "SkylakeX") if avx512() else ("Haswell",):
            code = (
                f"import numpy as np, time\nA = np.ones(({n}, {n}), '{arithmetic}')\nA @ A\nfor _ in range({rounds}):\n"
                " s = time.perf_counter(); A @ A; print(time.perf_counter() - s)"
            )
            said = subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "OPENBLAS_CORETYPE": kernel},
                capture_output=True,
                text=True,
                check=False,
            )
            seconds += map(float, said.stdout.split())
        found[arithmetic] = 2 * n**3 / min(seconds)
    return found


def summary(
    row: str,
    case: Case,
    timings: Sequence[Timing],
    *,
    judged: bool = True,
    peaks: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The figures of one case; `ratio` is the best counted peer's median over that of ours.

    Its least and most are those of rounds, in which both ran one after the other.
    """
    ours = next(timing for timing in timings if timing.way.ours and timing.way.counted)
    peers = [timing for timing in timings if timing.way.counted and not timing.way.ours]
    best = min(peers, key=lambda timing: timing.median, default=ours)
    ratio = best.median / ours.median
    rounds = [theirs / own for own, theirs in zip(ours.seconds, best.seconds, strict=False)]
    share = None
    if case.operations and peaks:
        share = case.operations / ours.median / peaks[case.arithmetic]
    wanted = [(ratio, case.target), *((t.median / ours.median, t.way.target) for t in timings)]
    wanted = [(found, target) for found, target in wanted if target is not None]
    return {
        "row": row,
        "case": case.title,
        "note": case.note,
        "best_peer": best.way.name,
        "ratio": ratio,
        "ratio_min": min(rounds),
        "ratio_max": max(rounds),
        "share_of_peak": share,
        "target": case.target,
        "met": all(found >= target for found, target in wanted) if judged and wanted else None,
        "noisy": any(timing.median > NOISE * min(timing.seconds) for timing in [ours, *peers]),
        "ways": [
            {
                "name": timing.way.name,
                "ours": timing.way.ours,
                "counted": timing.way.counted,
                "median": timing.median,
                "min": min(timing.seconds),
                "max": max(timing.seconds),
                "rounds": len(timing.seconds),
                "ratio": timing.median / ours.median,
                "target": timing.way.target,
                "deviation": timing.deviation,
            }
            for timing in timings
        ],
    }


def show(figures: Mapping[str, Any]) -> str:
    """One case as lines of text."""
    verdict = {None: "recorded", True: "met", False: "MISSED"}[figures["met"]]
    wanted = "" if figures["target"] is None else f", target {figures['target']:g}"
    lines = [
        f"\n{figures['row']}  {figures['case']}: {figures['ratio']:.2f}x the best peer "
        f"({figures['best_peer']}){wanted}: {verdict}{', but NOISY: run it again' if figures['noisy'] else ''}"
        + ("" if figures["share_of_peak"] is None else f"; {figures['share_of_peak']:.0%} of peak"),
        f"   {'':40} {'median s':>9} {'min':>9} {'max':>9} {'/ ours':>7} {'deviation':>10}",
    ]
    for way in figures["ways"]:
        mark = "*" if way["ours"] else " " if way["counted"] else "-"
        lines.append(
            f" {mark} {way['name']:40} {way['median']:9.4f} {way['min']:9.4f} {way['max']:9.4f} "
            f"{way['ratio']:7.2f} {way['deviation']:10.1e}"
            + (f"  target {way['target']:g}" if way["target"] is not None else "")
        )
    return "\n".join([*lines, f"   {figures['note']}"] if figures["note"] else lines)
