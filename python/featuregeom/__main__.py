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
    end takes 0.1 to 0.2 s of processor time once pandas or torch is loaded; nothing depends on it, and after Ctrl-C it
    is left out.
    """
    try:
        from featuregeom.cli import main as run

        run()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
    else:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
