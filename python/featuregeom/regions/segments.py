"""All linear regions that a segment or a polyline passes, one batched forward a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.regions.piecewise import Floats, network, pack, read_point

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
        Breakpoints closer than the tolerance, which were merged.
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
        Breakpoints closer than this part of a segment are one, and values below this part of a neuron's largest
        are zero.
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
    Costs one forward over all breakpoints a layer; memory O(P) times the widest layer. Where max pools are compared,
    a crossing of two values that are not the largest counts, too.

    References
    ----------
    Raghu et al., ICML 2017; Gamba et al., AISTATS 2022.

    Examples
    --------
    >>> found = along([([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 1.0]], [0.0])], [-1.0], [2.0])
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
    steps = np.diff(points, axis=0)
    norms = np.linalg.norm(steps.reshape(n_segments, -1), axis=1)
    if not (norms > 0).all():
        raise ParameterError(f"points {int(np.argmin(norms))} and {int(np.argmin(norms)) + 1} are the same")

    def at(t: Floats) -> Floats:
        segment = np.minimum(t.astype(np.int64), n_segments - 1)
        part = (t - segment).reshape(-1, *[1] * (points.ndim - 1))
        inputs: Floats = points[segment] + part * steps[segment]
        return inputs

    breaks = np.arange(n_segments + 1, dtype=np.float64)
    degenerate, stage = 0, 0
    while (values := given.stage(at(breaks), stage)[0]) is not None:
        signs = _signs(values, tolerance)
        piece, neuron = np.nonzero(signs[:-1] * signs[1:] < 0)
        low, high = values[piece, neuron], values[piece + 1, neuron]
        new = breaks[piece] + low / (low - high) * (breaks[piece + 1] - breaks[piece])
        merged = np.concatenate([breaks, new])
        order = np.argsort(merged, kind="stable")
        merged, fixed = merged[order], order <= n_segments if stage == 0 else np.isin(merged[order], breaks)
        keep = np.concatenate([[True], np.diff(merged) > tolerance * max(1.0, n_segments)]) | fixed
        keep[:-1] &= ~(~fixed[:-1] & fixed[1:] & (np.diff(merged) <= tolerance * max(1.0, n_segments)))
        degenerate += int((~keep).sum())
        breaks = merged[keep]
        if len(breaks) > max_pieces:
            raise ParameterError(f"more than max_pieces = {max_pieces} pieces; shorten the way or allow more")
        stage += 1
    lengths = np.diff(breaks) * norms[np.minimum(breaks[:-1].astype(np.int64), n_segments - 1)]
    middles = at((breaks[:-1] + breaks[1:]) / 2)
    blocks = [np.asarray(given.stage(middles, k)[0]) > 0 for k in range(stage)]
    bits = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(middles), 0), dtype=np.bool_)
    crossings = [int((block[1:] != block[:-1]).sum()) for block in blocks]
    outputs = given.stage(at(breaks), -1)[1]
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


def _signs(values: Floats, tolerance: float) -> NDArray[np.int8]:
    """Give -1, 0 or 1 for each value, 0 below the tolerance."""
    if not np.isfinite(values).all():
        row, column = map(int, np.argwhere(~np.isfinite(values))[0])
        raise NonFiniteError(f"{values[row, column]} at breakpoint {row}, neuron {column}", row, column)
    limit = tolerance * np.abs(values).max(axis=0, initial=0.0)
    signs: NDArray[np.int8] = (values > limit).astype(np.int8) - (values < -limit).astype(np.int8)
    return signs
