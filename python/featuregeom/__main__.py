"""The command line as a program: ``featuregeom``, and ``python -m featuregeom``."""

import contextlib
import os
import signal
import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C: what shells give for a program that the signal has ended."""


def main() -> None:
    """Run the command line; after Ctrl-C end at once, with exit code 130.

    What the command line imports is inside, so that a signal then gives no traceback either. Python's tidying-up at the
    end takes 0.1 to 0.3 s of processor time once pandas or torch is loaded; nothing depends on it. After Ctrl-C it is
    left out, and a signal that comes during it is ignored: the command is done, and its exit code says so.
    """
    code: object = 0
    try:
        from featuregeom.cli import main as run

        run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code != INTERRUPTED:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
