"""A way that lives in a process of its own: it prepares once and then runs when told to.

Only the standard library is imported here, because a worker may run in another Python environment.

    -> go             <- {"seconds": 0.123}
    -> save FILE      <- {"saved": true}       the last result as .npz
    -> (end of input)                          the worker leaves
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def serve(call: Callable[[], Any], save: Callable[[Any, str], object]) -> None:
    """Answer on standard output; whatever else the libraries print goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer({"ready": True})
    result: Any = None
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "go":
            started = time.perf_counter()
            result = call()
            answer({"seconds": time.perf_counter() - started})
        elif command == "save":
            save(result, argument)
            answer({"saved": True})
