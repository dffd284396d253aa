"""CPU time that long calls still take after Ctrl-C: ``python benches/interrupts.py [NAME ...]``.

A child process makes the call again and again. This one sends SIGINT after a random share of the call's CPU time and
reads the child's CPU clock; the child reads it again when KeyboardInterrupt arrives. Of a command (their names begin
with ``featuregeom``) the time counts until it has ended, with exit code 130. CPU time does not depend on what else
runs: on free cores, with one thread, it is the time that a user waits.
"""

from __future__ import annotations

import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from long_calls import CALLS, COMMANDS, command_files

TRIALS = 4
LONGEST = 2.0
"""Seconds of CPU time of a call within which it is stopped."""


def child(name: str) -> None:
    """Make the call until it was stopped often enough, and tell the CPU time of each event."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call = CALLS[name]()
    while True:
        print("begun", time.process_time(), flush=True)
        try:
            call()
            print("done", time.process_time(), flush=True)
        except KeyboardInterrupt as error:
            at = time.process_time()
            frames = traceback.extract_tb(error.__traceback__)
            own = [
                f"{Path(one.filename).name}:{one.lineno}" for one in frames if "featuregeom" in one.filename
            ]
            print("stopped", at, own[-1] if own else "outside", flush=True)


def measured(name: str) -> None:
    """Print the longest CPU time after the signal, and where it was."""
    with subprocess.Popen(
        [sys.executable, __file__, "--child", name], stdout=subprocess.PIPE, text=True
    ) as process:
        clock = (~process.pid << 3) | 2
        lines: queue.Queue[list[str]] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        _, begun, *_ = lines.get()
        longest, took, found, random_ = LONGEST, None, [], random.Random(name)
        # The first call runs to its end, unless that is far.
        while time.clock_gettime(clock) - float(begun) < longest and not lines.qsize():
            time.sleep(0.01)
        trials = 0
        while trials < TRIALS:
            if not lines.qsize():
                sent = time.clock_gettime(clock)
                process.send_signal(signal.SIGINT)
                kind, at, *where = lines.get()
                if kind == "stopped":
                    found.append((float(at) - sent, *where))
                trials += 1
            else:
                kind, at, *_ = lines.get()
            if kind == "died":
                print(f"{name:32s} died", flush=True)
                return
            if kind == "done" and took is None:
                took = longest = float(at) - float(begun)
            _, begun, *_ = lines.get()
            wait = random_.uniform(0.02, 0.95) * longest
            while time.clock_gettime(clock) - float(begun) < wait and not lines.qsize():
                time.sleep(0.002)
        process.kill()
    worst = max(found, default=(float("nan"), ""))
    whole = f"{took:6.2f}" if took else f" >{LONGEST:4.1f}"
    flag = "  SLOW" if worst[0] > 0.2 else ""
    print(
        f"{name:32s} call {whole} s   after the signal {worst[0]:.3f} s of {len(found)}, {worst[1]}{flag}",
        flush=True,
    )


def measured_command(name: str, folder: Path) -> None:
    """Print how long a command runs on after Ctrl-C, in CPU time, and the exit codes."""
    call = [sys.executable, "-m", "featuregeom", *COMMANDS[name].replace(";", ",").split()]
    longest, found, codes, random_ = 3 * LONGEST, [], set(), random.Random(name)
    for trial in range(TRIALS + 1):
        shutil.rmtree(folder / "out", ignore_errors=True)
        out = [] if name in ("verify", "calibrate") else ["--out", "out"]
        with subprocess.Popen(
            [*call, *out], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            clock = (~process.pid << 3) | 2
            wait = longest if trial == 0 else random_.uniform(0.02, 0.98) * longest
            # Looked at and not reaped, as poll() and send_signal() would: wait4 is to say what it used.
            look = os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
            while (sent := time.clock_gettime(clock)) < wait and os.waitid(*look) is None:
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGINT)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        ended = used.ru_utime + used.ru_stime
        if process.returncode == 0 and trial == 0:
            longest = ended
        elif process.returncode != 0:
            found.append((ended - sent, round(sent, 2)))
            codes.add(process.returncode)
    worst = max(found, default=(float("nan"), 0.0))
    print(
        f"{'featuregeom ' + name:32s} call {longest:6.2f} s   after the signal {worst[0]:.3f} s of {len(found)}, "
        f"at {worst[1]} s, exit codes {codes or '{}'}{'  SLOW' if worst[0] > 0.2 or codes - {130} else ''}",
        flush=True,
    )


def _read(process: subprocess.Popen[str], lines: queue.Queue[list[str]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.split())
    for _ in range(2):
        lines.put(["died", "nan"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        names = sys.argv[1:] or [*CALLS, *(f"featuregeom {name}" for name in COMMANDS)]
        files = command_files() if any(name.startswith("featuregeom ") for name in names) else Path()
        for each in names:
            if each.startswith("featuregeom "):
                measured_command(each.removeprefix("featuregeom "), files)
            else:
                measured(each)
