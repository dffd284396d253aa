"""The boundary of Rust and Python: signals, threads, forks, progress, bad input, exceptions."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import featuregeom as fg
from featuregeom import _core
from featuregeom.errors import ParameterError
from processes import run

PREAMBLE = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
import numpy as np
import featuregeom as fg
from featuregeom import _core

def tall(n, m):  # n rows, no memory
    return np.broadcast_to(np.random.default_rng(0).standard_normal((1, m)).astype(np.float32), (n, m))

def random(n, m):
    return np.random.default_rng(0).standard_normal((n, m), dtype=np.float32)

def square(m):
    F = np.random.default_rng(0).standard_normal((m, m))
    return F + F.T

fg.pairs.sweep(random(50, 5)), fg.spectra.measures(random(50, 5))  # everything is loaded and has run once
"""


def python(body: str, **environment: str) -> str:
    return run(PREAMBLE + textwrap.dedent(body), **environment)


# --- Ctrl-C

LONG = {
    "frame_operator": "X = tall(20_000_000, 256); work = lambda: fg.frames.frame_operator(X)",
    "frame_operator, wide": "X = tall(200_000, 3000); work = lambda: fg.frames.frame_operator(X)",
    "frame_operator, one thread": "X = tall(200_000, 3000); work = lambda: fg.frames.frame_operator(X, num_threads=1)",
    "single precision": "X = tall(40_000_000, 256); work = lambda: fg.frames.frame_operator(X, precision='single')",
    "capacity": "X = tall(20_000_000, 256); work = lambda: fg.frames.capacity(X)",
    "sweep": "X = random(100_000, 256); work = lambda: fg.pairs.sweep(X)",
    "sweep, wide": "X = random(12_000, 4096); work = lambda: fg.pairs.sweep(X)",
    "sweep, many neighbours": "X = random(100_000, 8); work = lambda: fg.pairs.sweep(X, k=200)",
    "measures": (
        "S = fg.spectra.spectrum(random(600, 256)); X = tall(10_000_000, 256);"
        "work = lambda: fg.spectra.measures(X, S, masses=False)"
    ),
    "detect": "X = random(3000, 50); work = lambda: fg.schemes.detect(X)",
    "products of relations": (
        "from featuregeom.recognise.defect import defect;"
        "R = np.random.default_rng(0).integers(1, 9, (3500, 3500)); R = np.tril(R, -1); R = R + R.T;"
        "work = lambda: defect(R)"
    ),
    "Gram matrix": (
        "from featuregeom.interruptible import gram;"
        "X = np.ones((6000, 6000)); work = lambda: [gram(X) for _ in range(9)]"
    ),
    "eigh": "F = square(3500); work = lambda: _core.eigh(F)",
    "eigvalsh": "F = square(5000); work = lambda: _core.eigvalsh(F)",
    "check_finite": "X = tall(100_000_000, 256); work = lambda: _core.check_finite(X)",
    "squared_norms": "X = tall(100_000_000, 256); work = lambda: _core.squared_norms(X)",
    "nonfinite_rows": "X = tall(100_000_000, 256); work = lambda: _core.nonfinite_rows(X)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")
@pytest.mark.parametrize("name", list(LONG))
def test_ctrl_c_stops_soon_and_leaves_python_usable(name):
    out = python(
        LONG[name]
        + """
sent = []
def send():
    time.sleep(0.4)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
timer = threading.Thread(target=send)
timer.start()
try:
    work()
    print("finished", time.perf_counter() - sent[0] if sent else "before the signal")
except KeyboardInterrupt:
    print("interrupted", time.perf_counter() - sent[0])
timer.join()
again = random(300, 20)
assert np.allclose(fg.frames.frame_operator(again), again.T.astype(float) @ again)
assert fg.spectra.spectrum(again).rank == 20
assert fg.pairs.sweep(again).n_blocks == 1
print("usable", time.perf_counter() - sent[0])
"""
    ).split()
    assert out[0] == "interrupted", out
    assert float(out[1]) < 2, out  # ten times what it takes on free cores
    assert out[2] == "usable"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")
def test_the_only_thread_is_free_again_after_ctrl_c():
    """A solver that was given up must not hold the pool: the next call needs milliseconds, the solver many seconds."""
    out = python(
        """
        F = square(3000)
        timer = threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        try:
            _core.eigh(F)
            print("finished")
        except KeyboardInterrupt:
            start = time.perf_counter()
            fg.frames.frame_operator(random(300, 20))
            print(time.perf_counter() - start)
        """,
        RAYON_NUM_THREADS="1",
    )
    assert float(out) < 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")
def test_a_handler_of_ones_own_runs_and_the_work_goes_on():
    """SIGUSR1 with a handler that raises nothing must not stop anything."""
    out = python(
        """
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append(time.perf_counter()))
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        X = tall(1_000_000, 64)
        F = fg.frames.frame_operator(X)
        while not seen: time.sleep(0.01)
        assert np.allclose(F, 1_000_000 * np.outer(X[0].astype(float), X[0].astype(float)), rtol=1e-9)
        print(len(seen))
        """
    )
    assert out.split() == ["1"]


# --- progress


class StopError(Exception):
    pass


def long_matrix(n: int = 1_500_000, m: int = 64) -> np.ndarray:
    return np.broadcast_to(np.random.default_rng(0).standard_normal((1, m)).astype(np.float32), (n, m))


PROGRESS = {
    "frame_operator": lambda progress: fg.frames.frame_operator(long_matrix(), progress=progress),
    "capacity": lambda progress: fg.frames.capacity(long_matrix(600_000), progress=progress),
    "sweep": lambda progress: fg.pairs.sweep(long_matrix(9_000, 64), progress=progress),
    "spectrum": lambda progress: fg.spectra.spectrum(long_matrix(), progress=progress),
    "measures": lambda progress: fg.spectra.measures(
        long_matrix(600_000), fg.spectra.spectrum(long_matrix(100)), masses=False, progress=progress
    ),
    "measures, spectrum and all": lambda progress: fg.spectra.measures(
        long_matrix(600_000), masses=False, progress=progress
    ),
}


@pytest.mark.parametrize("name", list(PROGRESS))
def test_progress_is_monotone_and_ends_at_its_total(name):
    seen: list[tuple[int, int]] = []
    PROGRESS[name](lambda done, total: seen.append((done, total)))
    assert seen
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert all(0 <= d <= t for d, t in seen)
    assert seen[-1][0] == seen[-1][1] > 0
    assert len({total for _, total in seen}) == 1, "the total does not move"


@pytest.mark.parametrize("name", list(PROGRESS))
def test_progress_that_raises_stops_the_work(name):
    calls = 0

    def progress(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        raise StopError("enough")

    with pytest.raises(StopError, match="enough"):
        PROGRESS[name](progress)
    assert calls == 1, "not called again once it has raised"


def test_progress_is_reported_for_tiny_work_too():
    seen: list[tuple[int, int]] = []
    fg.frames.frame_operator(np.eye(3), progress=lambda *now: seen.append(now))
    assert seen[-1] == (3, 3)
    seen.clear()
    fg.pairs.sweep(np.eye(3), progress=lambda *now: seen.append(now))
    assert seen[-1][0] == seen[-1][1] > 0


def test_progress_that_cannot_be_called():
    with pytest.raises(TypeError):
        fg.frames.frame_operator(np.eye(3), progress=3)


def test_progress_may_call_the_core_again():
    X = np.random.default_rng(0).standard_normal((50, 5))
    inner = []
    F = fg.frames.frame_operator(long_matrix(), progress=lambda *_: inner.append(fg.pairs.sweep(X).coherence))
    assert F.shape == (64, 64)
    assert set(inner) == {fg.pairs.sweep(X).coherence}


# --- threads and forks


def test_other_threads_run_while_the_core_works():
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    X = long_matrix(1_500_000)
    start = time.perf_counter()
    fg.frames.frame_operator(X, num_threads=1)
    end = time.perf_counter()
    stop.set()
    thread.join()
    middle = [t for t in ticks if start + 0.25 * (end - start) < t < end - 0.25 * (end - start)]
    assert len(middle) >= 3, (len(ticks), end - start)


def test_many_python_threads_at_once():
    X = np.random.default_rng(0).standard_normal((2000, 40))
    F, D, pairs = fg.frames.frame_operator(X), fg.frames.capacity(X), fg.pairs.sweep(X)
    bad: list[str] = []

    def work(threads: int) -> None:
        for _ in range(3):
            if not np.array_equal(fg.frames.frame_operator(X, num_threads=threads), F):
                bad.append("F")
            if not np.array_equal(fg.frames.capacity(X, num_threads=threads), D):
                bad.append("D")
            if not np.array_equal(fg.pairs.sweep(X, num_threads=threads).neighbours, pairs.neighbours):
                bad.append("sweep")

    workers = [threading.Thread(target=work, args=(1 + i % 3,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert bad == []
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "while another thread works"])
def test_a_child_of_a_fork_does_not_deadlock(busy):
    """After first use in the parent, and even while the parent's pool is at work."""
    out = python(
        f"busy = {busy}"
        + """
X = random(2000, 64)
expected = (fg.frames.frame_operator(X), fg.pairs.sweep(X).neighbours, fg.spectra.spectrum(X).eigenvalues)
if busy:
    other = threading.Thread(target=fg.frames.frame_operator, args=(tall(1_500_000, 64),))
    other.start()
    time.sleep(0.05)
child = os.fork()
if child == 0:
    code = 1
    try:
        found = (fg.frames.frame_operator(X), fg.pairs.sweep(X).neighbours, fg.spectra.spectrum(X).eigenvalues)
        code = 0 if all(np.array_equal(a, b) for a, b in zip(found, expected)) else 2
    finally:
        os._exit(code)
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        print("child", os.waitstatus_to_exitcode(status))
        break
    time.sleep(0.02)
else:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("deadlock")
if busy:
    other.join()
assert np.array_equal(fg.frames.frame_operator(X), expected[0])  # the parent is well too
"""
    )
    assert out.split() == ["child", "0"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_pools_are_freed_and_bounded():
    """All numbers of threads one after another leave two pools at most, here and in a child of a fork."""
    out = python(
        """
X = random(50, 4)
expected = fg.frames.frame_operator(X)
cores = len(os.sched_getaffinity(0))
def held():
    before = 0
    while (now := len(os.listdir("/proc/self/task"))) != before:  # threads that were told to end are ending
        before = now
        time.sleep(0.2)
    return now
def work():
    for threads in [*range(1, 4 * cores + 1), None] * 3:
        assert np.array_equal(fg.frames.frame_operator(X, num_threads=threads), expected)
start = held()
work()
print(held() - start <= 8 * cores)
child = os.fork()
if child == 0:
    work()
    os._exit(0 if held() - 1 <= 8 * cores else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
workers = [threading.Thread(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
fg.frames.frame_operator(X, num_threads=1)
print(held() - start <= 8 * cores)
"""
    )
    assert out.split() == ["True", "0", "True"]


@pytest.mark.parametrize("count", [0, -1, 100_000, 2**31, 2**32 + 1, 2**63, 2**64 + 1, -(2**63) - 1, 10**40])
def test_numbers_of_threads_out_of_range_are_refused(count):
    with pytest.raises(ParameterError, match=rf"num_threads must be from 1 to \d+ .*, not {count}"):
        fg.frames.frame_operator(np.eye(3), num_threads=count)


@pytest.mark.parametrize("count", [1.5, "4", True, float("nan"), [2]])
def test_what_is_no_number_of_threads_is_refused(count):
    with pytest.raises(ParameterError, match="num_threads must be from 1 to"):
        fg.frames.frame_operator(np.eye(3), num_threads=count)


def test_the_default_number_of_threads_is_bounded_too():
    code = "import os\nimport numpy as np\nimport featuregeom as fg\nfg.frames.frame_operator(np.eye(3))\n"
    # Beside the pool there are the calling thread, and those of BLAS and of whoever waits for the pool.
    code += "print(len(os.listdir('/proc/self/task')) <= 8 + 4 * len(os.sched_getaffinity(0)))"
    assert run(code, RAYON_NUM_THREADS="100000").split() == ["True"]


COUNT = """
def threads():
    return len(os.listdir("/proc/self/task"))
def most(work):
    most = [0]
    stop = threading.Event()
    def watch():
        while not stop.is_set():
            most[0] = max(most[0], threads())
            time.sleep(0.005)
    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    stop.set()
    watcher.join()
    return most[0]
X = tall(400_000, 64)
"""


def count(call: str, **environment: str) -> int:
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            PREAMBLE.split("fg.pairs.sweep")[0] + COUNT + f"print(most(lambda: {call}))",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **environment},
        check=True,
    )
    return int(out.stdout)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
def test_the_number_of_threads_is_honoured():
    """RAYON_NUM_THREADS decides unless num_threads= does; four are allowed on one core too."""
    plain = "fg.frames.frame_operator(X)"
    by_environment = {k: count(plain, RAYON_NUM_THREADS=str(k)) for k in (1, 2, 4)}
    assert by_environment[4] - by_environment[2] == 2
    assert by_environment[2] - by_environment[1] == 1
    by_argument = count("fg.frames.frame_operator(X, num_threads=4)", RAYON_NUM_THREADS="1")
    assert by_argument == by_environment[4]


@pytest.mark.parametrize("value", ["", "0", "many", "-1"])
def test_a_meaningless_rayon_num_threads_is_ignored(value):
    assert python("print(fg.spectra.spectrum(random(30, 4)).rank)", RAYON_NUM_THREADS=value).split() == ["4"]


SMALL = np.random.default_rng(1).standard_normal((6, 3))
TAKES_THREADS = {
    "frame_operator": lambda **k: fg.frames.frame_operator(SMALL, **k),
    "capacity": lambda **k: fg.frames.capacity(SMALL, **k),
    "spectrum": lambda **k: fg.spectra.spectrum(SMALL, **k),
    "measures": lambda **k: fg.spectra.measures(SMALL, **k),
    "sweep": lambda **k: fg.pairs.sweep(SMALL, **k),
    "describe_block": lambda **k: fg.blocks.describe_block(SMALL, np.arange(6), **k),
    "check_finite": lambda **k: _core.check_finite(SMALL, **k),
    "nonfinite_rows": lambda **k: _core.nonfinite_rows(SMALL, **k),
    "squared_norms": lambda **k: _core.squared_norms(SMALL, **k),
    "eigh": lambda **k: _core.eigh(np.eye(3), **k),
    "eigvalsh": lambda **k: _core.eigvalsh(np.eye(3), **k),
}


@pytest.mark.parametrize("name", list(TAKES_THREADS))
def test_zero_threads_are_refused(name):
    with pytest.raises(ParameterError):
        TAKES_THREADS[name](num_threads=0)


@pytest.mark.parametrize("threads", [-1, 2**70, 1.5, "2"])
def test_numbers_of_threads_that_are_none(threads):
    with pytest.raises((ParameterError, OverflowError, TypeError)):
        fg.frames.frame_operator(SMALL, num_threads=threads)


# --- bad values
