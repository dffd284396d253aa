"""How far an analysis is, in operations, so that the time left can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from featuregeom.survey.plan import Cost

__all__ = ["Listener", "Meter", "Progress"]


@dataclass(frozen=True)
class Progress:
    """State of a running analysis.

    Attributes
    ----------
    matrix : str
        The matrix at work.
    step : str
        What is being done with it.
    position, matrices : int
        Its number, from 1, and how many there are.
    done, total : float
        Floating point operations done and in all, over all matrices.
    """

    matrix: str
    step: str
    position: int
    matrices: int
    done: float
    total: float


Listener = Callable[[Progress], object]
"""Called with a `Progress` about twenty times per second. An exception that it raises stops the analysis."""


class Meter:
    """Translates the progress of single steps into that of the whole analysis.

    Parameters
    ----------
    listener : callable or None
        Who listens.
    costs : dict of str to Cost
        Every matrix in the order of work.
    """

    def __init__(self, listener: Listener | None, costs: dict[str, Cost]) -> None:
        self._listener = listener
        self._costs = costs
        self._total = float(sum(cost.operations for cost in costs.values()))
        self._before = 0.0

    def step(self, matrix: str, name: str) -> Callable[[int, int], None]:
        """Give the callback for one step ("frame", "eigen", "measures", "sweep", "pairs", "families") of one matrix."""
        names = ("frame", "eigen", "measures", "sweep", "pairs", "families")
        cost = self._costs[matrix]
        start = self._before + sum(getattr(cost, earlier) for earlier in names[: names.index(name)])
        size = getattr(cost, name)

        def callback(done: int, total: int) -> None:
            self._tell(matrix, name, start + size * (done / total if total else 0.0))

        callback(0, 1)
        return callback

    def finish(self, matrix: str) -> None:
        """Count one matrix as done."""
        self._before += self._costs[matrix].operations
        self._tell(matrix, "done", self._before)

    def _tell(self, matrix: str, step: str, done: float) -> None:
        if self._listener is not None:
            position = list(self._costs).index(matrix) + 1
            self._listener(Progress(matrix, step, position, len(self._costs), done, self._total))
