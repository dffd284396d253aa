"""Outputs of a suffix along paths, in batches, reduced at once to distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.networks.context_inputs import checked_contexts
from featuregeom.networks.extra import torch_module
from featuregeom.networks.functions import check_rows, outputs
from featuregeom.networks.tensors import first_bad
from featuregeom.plateaus.metrics import Metric, ab_ratio, resolve, rounding
from featuregeom.plateaus.paths import Path

__all__ = ["CHECKED", "Responses", "pair_contexts"]

Floats = NDArray[np.float64]

CHECKED = 8
"""Pairs whose two ends are looked at again, in other batches."""


def pair_contexts(g: Any, n_pairs: int, contexts: ArrayLike | None) -> NDArray[np.int64] | None:
    """Context of each pair: None for a plain function, which has none.

    Raises
    ------
    ParameterError
        If a context is missing, or `contexts` is given for a plain function.
    """
    available = getattr(g, "n_contexts", None)
    if available is None:
        if contexts is not None:
            raise ParameterError("contexts are for a Suffix; this g is a plain function")
        return None
    if contexts is None:
        if available not in (1, n_pairs):
            raise ParameterError(
                f"{n_pairs} pairs and {available} contexts: say with contexts= which goes with which"
            )
        return np.zeros(n_pairs, np.int64) if available == 1 else np.arange(n_pairs)
    return checked_contexts(contexts, n_pairs, available)


class Responses:
    """Distances along the paths of P pairs from the outputs at their two ends."""

    def __init__(
        self,
        g: Any,
        path: Path,
        end: float,
        *,
        out: str | Metric,
        batch_size: int,
        contexts: ArrayLike | None,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        torch = torch_module("plateaus")
        self._g, self._path, self._progress = g, path, progress
        self._out, self._ratio = out, isinstance(out, str) and out == "ab_ratio"
        self._metric = resolve("l2" if self._ratio else out)
        self._batch = integer("batch_size", batch_size, 1)
        self._contexts = pair_contexts(g, len(path.base), contexts)
        self.input_epsilon = float(torch.finfo(path.base.dtype).eps)
        self.n_forward, self._planned = 0, 0
        everyone = np.arange(len(path.base))
        self._start = self._outputs(everyone, np.zeros(len(everyone)))
        self._end = self._outputs(everyone, np.full(len(everyone), end))
        some = np.repeat(everyone[:CHECKED], 2)
        ends = path.at(torch.from_numpy(some), torch.from_numpy(np.tile([0.0, end], len(some) // 2)))
        check_rows(g, ends, None if self._contexts is None else self._contexts[some])
        epsilon = float(torch.finfo(self._start.dtype).eps) if self._start.is_floating_point() else 0.0
        self._epsilon = max(epsilon, self.input_epsilon)
        self._moved = self._apart(self._metric(self._start, self._end), everyone)
        self._noise: Floats = np.zeros(len(everyone))
        self._note(everyone, self._start)
        self.start_d: Floats = np.zeros(len(everyone))
        self.end_d: Floats = np.ones(len(everyone)) if self._ratio else self._moved

    def unchanged(self) -> NDArray[np.bool_]:
        """Tell for each pair whether its outputs at both ends differ by no more than rounding of all seen so far."""
        return np.asarray(self._moved <= self._noise)

    def distances(self, pairs: NDArray[np.int64], alphas: Floats) -> tuple[Floats, Floats]:
        """Distance from the start, and its share of both distances, for each pair and alpha."""
        d, rho = np.empty(len(pairs)), np.empty(len(pairs))
        self._planned += len(pairs)
        for begin in range(0, len(pairs), self._batch):
            part = slice(begin, begin + self._batch)
            y = self._forward(pairs[part], alphas[part])
            start, end = self._start[pairs[part]], self._end[pairs[part]]
            share = ab_ratio(start, end, y, self._metric)
            self._note(pairs[part], y)
            rho[part] = d[part] = share.cpu().numpy()
            if not self._ratio:
                d[part] = self._apart(self._metric(start, y), pairs[part])
                # A metric rounds, too.
                np.maximum.at(self._noise, pairs[part], 4 * float(np.finfo(np.float64).eps) * d[part])
        return d, rho

    def _note(self, pairs: NDArray[np.int64], y: Any) -> None:
        """Remember what rounding of these outputs makes of a distance, if it is more than that of others."""
        noise = rounding(self._out, self._start[pairs], y, self._epsilon)
        np.maximum.at(self._noise, pairs, noise.cpu().numpy())

    def _outputs(self, pairs: NDArray[np.int64], alphas: Floats) -> Any:
        self._planned += len(pairs)
        parts = [
            self._forward(pairs[begin : begin + self._batch], alphas[begin : begin + self._batch])
            for begin in range(0, len(pairs), self._batch)
        ]
        return torch_module("plateaus").cat(parts)

    def _forward(self, pairs: NDArray[np.int64], alphas: Floats) -> Any:
        torch = torch_module("plateaus")
        h = self._path.at(torch.from_numpy(pairs), torch.from_numpy(alphas))
        y = outputs(self._g, h, None if self._contexts is None else self._contexts[pairs])
        bad = first_bad(y)
        if bad is not None:
            raise NonFiniteError(
                f"the output of pair {pairs[bad[0]]} at alpha {alphas[bad[0]]:g} is {float(y[bad])} in column {bad[1]}",
                int(pairs[bad[0]]), bad[1],
            )  # fmt: skip
        self.n_forward += len(pairs)
        if self._progress is not None:
            self._progress(self.n_forward, self._planned)
        return y

    def _apart(self, distance: Any, pairs: NDArray[np.int64]) -> Floats:
        values = np.asarray(distance.cpu().numpy(), dtype=np.float64)
        if values.shape != pairs.shape:
            raise ShapeError(
                f"a metric must give one distance per output, got {values.shape} for {len(pairs)}"
            )
        if np.isnan(values).any() or np.isinf(values).any():
            pair = int(pairs[np.flatnonzero(~np.isfinite(values))[0]])
            raise ParameterError(
                f"the metric is not finite for pair {pair}: a zero or opposite output has no such value"
            )
        return values
