"""All linear regions that a segment or a polyline passes, by one batched forward a layer and one at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.regions.piecewise import BATCH, Floats, Network, network, pack, read_point

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Segments", "along"]


@dataclass(frozen=True, eq=False)
class Segments:
    """The pieces of a polyline on which a network is affine; P pieces, p parameters from 0 to its segments.

    Attributes
    ----------
    breakpoints : ndarray of float64, shape (P + 1,)
        Parameters at which pieces begin and end, with both ends; k + t lies on segment k.
    n_pieces : int
        P; a corner of the polyline begins a piece.
    lengths : ndarray of float64, shape (P,)
        Euclidean lengths.
    density : float
        Crossings of region boundaries per unit of length.
    crossings : ndarray of int64, shape (layers,)
        Bits of each layer's code that flip along the way, each time counted.
    codes : ndarray of uint64, shape (P, words)
        Codes at the middle of the pieces, bit i in word i // 64; 1 where the value is positive.
    n_bits : int
        Bits of a code.
    outputs : ndarray of float64, shape (P + 1, outputs)
        The network's output at the breakpoints.
    slopes : ndarray of float64, shape (P, outputs)
        Change of the output per unit of length on each piece.
    deviation : float
        Largest Euclidean distance of the output from the chord of its segment.
    n_degenerate : int
        Sign changes that make no piece of their own: breakpoints nearer to each other than rounding can tell, which
        were merged, and changes between a value and one that rounding cannot tell from zero.
    """

    breakpoints: Floats
    n_pieces: int
    lengths: Floats
    density: float
    crossings: NDArray[np.int64]
    codes: NDArray[np.uint64]
    n_bits: int
    outputs: Floats
    slopes: Floats
    deviation: float
    n_degenerate: int

    @property
    def n_regions(self) -> int:
        """The same as `n_pieces`, by the name that `Slice` has for it."""
        return self.n_pieces

    def to_frame(self) -> pd.DataFrame:
        """Give one row per piece: `start`, `stop`, `length`, and `slope_k` for each output."""
        import pandas as pd

        columns = {"start": self.breakpoints[:-1], "stop": self.breakpoints[1:], "length": self.lengths}
        columns |= {f"slope_{k}": column for k, column in enumerate(self.slopes.T)}
        return pd.DataFrame(columns)


def along(
    model: Any, start: Any, stop: Any, *more: Any, tolerance: float = 1e-12, max_pieces: int = 10_000_000
) -> Segments:
    """Find every linear region on the segment from `start` to `stop`, and on to further points.

    Parameters
    ----------
    model : torch.nn.Module or sequence of (W, b)
        A piecewise-linear network in eval mode; computed in float64 on a copy. Layers (W, b) are joined by ReLU.
    start, stop, *more : array-like, the shape of one input
        Corners of a polyline.
    tolerance : float
        How well values are known, as a part of the largest value at the same breakpoint, or of the neuron's
        largest anywhere if that is less: what is nearer to zero is zero, and breakpoints nearer to each other than
        such a change would move them are one.
    max_pieces : int
        Stop with an error beyond so many.

    Returns
    -------
    Segments

    Raises
    ------
    ParameterError
        If two corners coincide, a network is not piecewise linear or in train mode, or pieces are too many.
    ShapeError
        If the points do not fit the model.
    NonFiniteError
        If values overflow.

    Notes
    -----
    Costs L + 1 forwards for L layers that bend: layer k of the breakpoints of those before it by a forward that ends
    there, and one whole forward of all breakpoints for codes and outputs. Memory O(P) times the widest layer. A
    last softmax or sigmoid is left out: outputs are what goes into it. Where max pools are compared, a crossing of
    two values that are not the largest counts, too. With `start` and `stop` of size x, breakpoints nearer to each
    other than about 1e-16 x cannot be told apart by any tolerance.

    References
    ----------
    Raghu et al., ICML 2017; Gamba et al., AISTATS 2022.

    Examples
    --------
    >>> found = along([([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 1.0]], [0.0])], [-1.0], [3.0])
    >>> found.n_pieces, found.slopes.ravel().tolist()
    (3, [0.0, 1.0, 2.0])
    """
    given = network(model)
    if not 0 <= tolerance < 1e-3:
        raise ParameterError(f"tolerance must be at least 0 and below 1e-3, got {tolerance!r}")
    corners = [read_point(given, point, f"point {k}") for k, point in enumerate((start, stop, *more))]
    if len({corner.shape for corner in corners}) > 1:
        raise ShapeError(f"points differ in shape: {[corner.shape for corner in corners]}")
    points = np.stack(corners)
    n_segments = len(points) - 1
    norms = np.linalg.norm(np.diff(points, axis=0).reshape(n_segments, -1), axis=1)
    if not (norms > 0).all():
        raise ParameterError(f"points {int(np.argmin(norms))} and {int(np.argmin(norms)) + 1} are the same")

    def at(t: Floats) -> Floats:
        segment = np.minimum(t.astype(np.int64), n_segments - 1)
        part = (t - segment).reshape(-1, *[1] * (points.ndim - 1))
        # Not start + part * step, whose rounding would not give the corners themselves.
        inputs: Floats = (1 - part) * points[segment] + part * points[segment + 1]
        return inputs

    way = _Breaks(n_segments, tolerance)
    first, _ = given.forward(at(way.at))
    for stage, values in enumerate(first):
        way.cut(values if stage == 0 else given.stage(at(way.at), stage))
        if len(way.at) > max_pieces:
            raise ParameterError(f"more than max_pieces = {max_pieces} pieces; shorten the way or allow more")
    breaks, degenerate = way.at, way.degenerate
    blocks, outputs = _codes(given, at, breaks)
    lengths = np.diff(breaks) * norms[np.minimum(breaks[:-1].astype(np.int64), n_segments - 1)]
    bits = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(lengths), 0), dtype=np.bool_)
    crossings = [int((block[1:] != block[:-1]).sum()) for block in blocks]
    corner = outputs[np.searchsorted(breaks, np.arange(n_segments + 1))]
    segment = np.minimum(breaks.astype(np.int64), n_segments - 1)
    chord = corner[segment] + (breaks - segment)[:, None] * np.diff(corner, axis=0)[segment]
    return Segments(
        breaks,
        len(lengths),
        lengths,
        sum(crossings) / float(lengths.sum()),
        np.array(crossings, dtype=np.int64),
        pack(bits),
        bits.shape[1],
        outputs,
        np.diff(outputs, axis=0) / lengths[:, None],
        float(np.linalg.norm(outputs - chord, axis=1).max()),
        degenerate,
    )


class _Breaks:
    """Breakpoints, in order, as one layer after the other adds to them.

    Parameters
    ----------
    n_segments : int
        Corners are at 0 to n_segments.
    tolerance : float
        Uncertainty of values, as a part of what is large near them.
    """

    def __init__(self, n_segments: int, tolerance: float) -> None:
        self.at = np.arange(n_segments + 1, dtype=np.float64)
        self.rounding = 4 * n_segments * float(np.finfo(np.float64).eps)
        self.tolerance = tolerance
        self.width = np.full(n_segments + 1, self.rounding)
        self.scale = np.zeros(n_segments + 1)
        self.degenerate = 0

    def cut(self, values: Floats) -> None:
        """Add the places where a column of values, one row a breakpoint, affine between them, changes sign."""
        if not np.isfinite(values).all():
            row, column = map(int, np.argwhere(~np.isfinite(values))[0])
            raise NonFiniteError(f"{values[row, column]} at breakpoint {row}, neuron {column}", row, column)
        if not values.size:
            return
        size = np.abs(values)
        self.scale = np.maximum(self.scale, size.max(axis=1))
        limit = self.tolerance * np.minimum(self.scale[:, None], size.max(axis=0))
        # Nor does a value say more than what the rounding of the parameter makes of it, except at corners.
        slope = np.abs(np.diff(values, axis=0)) / np.diff(self.at)[:, None]
        moved = self.rounding * np.maximum(np.vstack([slope[:1], slope]), np.vstack([slope, slope[-1:]]))
        limit = np.maximum(limit, np.where((self.at % 1 == 0)[:, None], 0.0, moved))
        signs = np.where(size > limit, np.sign(values), 0.0)
        piece, neuron = np.nonzero(values[:-1] * values[1:] < 0)
        told = signs[piece, neuron] * signs[piece + 1, neuron] < 0
        self.degenerate += int((~told).sum())
        piece, neuron = piece[told], neuron[told]
        low, high = values[piece, neuron], values[piece + 1, neuron]
        step = self.at[piece + 1] - self.at[piece]
        new = self.at[piece] + low / (low - high) * step
        unsure = limit[piece, neuron] * np.abs(high) + limit[piece + 1, neuron] * np.abs(low)
        width = unsure / (low - high) ** 2 * step + self.rounding
        self._merge(new, width, np.minimum(self.scale[piece], self.scale[piece + 1]))

    def _merge(self, new: Floats, width: Floats, scale: Floats) -> None:
        at, width = np.concatenate([self.at, new]), np.concatenate([self.width, width])
        order = np.argsort(at, kind="stable")
        fixed = order < len(self.at)
        at, width, scale = at[order], width[order], np.concatenate([self.scale, scale])[order]
        near = np.diff(at) <= np.maximum(width[:-1], width[1:])
        keep = fixed.copy()
        keep[1:] |= ~near
        keep[:-1] &= ~(~fixed[:-1] & fixed[1:] & near)
        self.degenerate += int((~keep).sum())
        self.at, self.width, self.scale = at[keep], width[keep], scale[keep]


def _codes(
    given: Network, at: Callable[[Floats], Floats], breaks: Floats
) -> tuple[list[NDArray[np.bool_]], Floats]:
    """Give the codes inside the pieces, layer by layer, and the outputs at the breakpoints, by one forward.

    Values are affine on a piece, so that in its middle they are the means of those at its ends.
    """
    bits: list[list[NDArray[np.bool_]]] = []
    outputs = []
    for begin in range(0, len(breaks) - 1, BATCH):
        stages, output = given.forward(at(breaks[begin : begin + BATCH + 1]))
        bits.append([values[:-1] + values[1:] > 0 for values in stages])
        outputs.append(output if begin == 0 else output[1:])
    return [np.concatenate(block) for block in zip(*bits, strict=True)], np.concatenate(outputs)
