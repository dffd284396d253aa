"""The course of a training run: when to stop, and compiling its step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["EarlyStopping", "compiled_step"]


class EarlyStopping:
    """Tells when the losses of all instances have stopped falling."""

    def __init__(self, tolerance: float, window: int, zeros: Any) -> None:
        self.tolerance, self.window = tolerance, window
        self.total, self.seen, self.before = zeros, 0, None

    def after(self, losses: Any) -> bool:
        """Add the losses of one step, and say whether to stop.

        They are compared once per window: a device then need not wait for the host at every step.
        """
        self.total, self.seen = self.total + losses, self.seen + 1
        if self.seen < self.window:
            return False
        before, self.before = self.before, self.total
        self.total, self.seen = self.total * 0, 0
        return before is not None and bool((before - self.before <= self.tolerance * before).all())


def compiled_step(torch: Any, function: Callable[..., Any], backend: bool | str) -> Callable[..., Any]:
    """Compile a function; if that fails, which shows at the first call, use it as it is."""
    compiled = torch.compile(function, **({} if backend is True else {"backend": backend}))
    works: list[bool] = []

    def call(*arguments: Any) -> Any:
        if works == [False]:
            return function(*arguments)
        if works:
            return compiled(*arguments)
        try:
            result = compiled(*arguments)
        except Exception as error:  # torch raises what its backends raise, which is of no one class
            works.append(False)
            warnings.warn(f"torch.compile failed, training goes on without it: {error}", stacklevel=3)
            return function(*arguments)
        works.append(True)
        return result

    return call
