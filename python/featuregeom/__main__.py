"""The command line as a program: ``featuregeom``, and ``python -m featuregeom``."""

import contextlib
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C: what shells give for a program that the signal has ended."""


def main() -> None:
    """Run the command line; after Ctrl-C end at once, with exit code 130.

    What the command line imports is inside, so that a signal then gives no traceback either. Python's tidying-up at the
    end takes 0.1 to 0.3 s of processor time once pandas or torch is loaded; nothing depends on it. After Ctrl-C it is
    left out, and a signal that comes during it is ignored: the command is done, and its exit code says so.

    Some libraries, stopped while they are imported, turn the exception into one of their own. So it counts that the
    signal came, not what came of it.
    """
    code: object = 0
    stopped = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        signal.default_int_handler(number, frame)

    # A shell's background jobs ignore the signal, and so do their children.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    try:
        from featuregeom.cli import main as run

        run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:
        code = INTERRUPTED if stopped and end.code else end.code
    except Exception:
        if not stopped:
            raise
        code = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code != INTERRUPTED:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
