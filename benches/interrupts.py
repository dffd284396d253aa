"""Longest stretch of a call in which Ctrl-C is not heard: ``python benches/interrupts.py [NAME ...]``.

A timer of processor time sends a signal every 5 ms, and the longest time between two calls of its handler is what
Ctrl-C may have to wait: every moment of the call is looked at, which stops at random moments are not. Then the handler
raises KeyboardInterrupt itself at random moments, and the time until it reaches the caller is taken: what is tidied up.
Of a command (their names begin with ``featuregeom``) the stretches run from its start to its end, imports included.
Processor time does not depend on what else runs: on free cores, with one thread, it is the time that a user waits.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from long_calls import CALLS
from long_commands import COMMANDS, command_files

EVERY = 0.005
"""Seconds of processor time between two signals."""

LONGEST = 10.0
"""Seconds of processor time after which a call is stopped."""

TRIALS = 3
"""Stops at random moments."""

ALLOWED = 0.2


class Listener:
    """Handler of the timer's signal: the longest stretch without it, and where that ended."""

    def __init__(self) -> None:
        self.longest, self.where, self.stop_at = 0.0, "", float("inf")
        self.last = time.process_time()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take the time since the last signal; stop the call when its time has come."""
        now = time.process_time()
        if now - self.last > self.longest:
            self.longest, self.where = now - self.last, _place(frame)
        self.last = now
        if now > self.stop_at:
            self.stop_at = float("inf")
            raise KeyboardInterrupt

    def begin(self, longest: float) -> float:
        """Start the clock of a call that is to be stopped after `longest` seconds."""
        self.last = time.process_time()
        self.stop_at = self.last + longest
        return self.last


def _place(frame: FrameType | None) -> str:
    """Name the innermost line of the package that runs, and the innermost of all."""
    first = frame
    while frame is not None and "featuregeom" not in frame.f_code.co_filename:
        frame = frame.f_back
    named = [f"{Path(one.f_code.co_filename).name}:{one.f_lineno}" for one in (frame, first) if one]
    return " < ".join(dict.fromkeys(named)) or "outside"


def listening() -> Listener:
    """Start the timer."""
    listener = Listener()
    signal.signal(signal.SIGPROF, listener)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    return listener


def call_of(name: str) -> None:
    """Print the longest stretch of a call, and how long the stops took."""
    call = CALLS[name]()
    listener = listening()
    begun = listener.begin(LONGEST)
    took, ended = _stopped(call)
    took = took or ended - begun
    stretch, where, stops, chosen = listener.longest, listener.where, [], random.Random(name)
    for _ in range(TRIALS):
        due = listener.begin(chosen.uniform(0.02, 0.95) * took) + listener.stop_at - listener.last
        done, arrived = _stopped(call)
        if done is None:
            stops.append(arrived - due)
    signal.setitimer(signal.ITIMER_PROF, 0)
    _line(name, took, stretch, where, max(stops, default=float("nan")), len(stops))


def _stopped(call: Callable[[], object]) -> tuple[float | None, float]:
    """Make a call: its time, None if it was stopped, and when it ended."""
    begun = time.process_time()
    try:
        call()
    except KeyboardInterrupt:
        return None, time.process_time()
    return time.process_time() - begun, time.process_time()


def command_of(name: str) -> None:
    """Run a command in this process, and print its longest stretch."""
    from featuregeom.__main__ import main

    out = [] if name in ("verify", "calibrate") else ["--out", name.replace(" ", "-"), "--force"]
    sys.argv = ["featuregeom", *COMMANDS[name].replace(";", ",").split(), *out]
    shown = os.dup(1)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    listener = listening()
    begun = listener.begin(3 * LONGEST)
    os._exit = lambda code: (_ for _ in ()).throw(SystemExit(code))  # type: ignore[assignment]
    try:
        main()
    except SystemExit as end:
        code = end.code
    signal.setitimer(signal.ITIMER_PROF, 0)
    took = time.process_time() - begun
    os.dup2(shown, 1)
    _line(
        f"featuregeom {name}", took, listener.longest, f"{listener.where}, exit code {code}", float("nan"), 0
    )


def _line(name: str, took: float, stretch: float, where: str, stop: float, stops: int) -> None:
    stopped = f", {stops} stops within {stop:.3f} s" if stops else ""
    slow = "  SLOW" if max(stretch - EVERY, stop if stops else 0.0) > ALLOWED else ""
    print(f"{name:32s} {took:6.2f} s   unheard {stretch - EVERY:.3f} s{stopped}   {where}{slow}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        name = sys.argv[2]
        if name.startswith("featuregeom "):
            command_of(name.removeprefix("featuregeom "))
        else:
            call_of(name)
    else:
        names = sys.argv[1:] or [*CALLS, *(f"featuregeom {name}" for name in COMMANDS)]
        files = command_files() if any(name.startswith("featuregeom ") for name in names) else None
        for each in names:
            folder = files if each.startswith("featuregeom ") else None
            if subprocess.run(
                [sys.executable, Path(__file__).resolve(), "--child", each], cwd=folder
            ).returncode:
                print(f"{each:32s} died", flush=True)
