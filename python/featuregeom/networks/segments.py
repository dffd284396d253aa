"""All linear regions that a segment or a polyline passes, by one batched forward a layer and one at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import aside, by_slabs, slabs, stacked
from featuregeom.networks.piecewise import BATCH, Floats, network, pack, read_point
from featuregeom.networks.rounding import rounding as of_sums
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Segments", "along"]


@summarised
@dataclass(frozen=True, eq=False)
class Segments:
    """The pieces of a polyline on which a network is affine; P pieces, p parameters from 0 to its segments.

    Attributes
    ----------
    breakpoints : ndarray of float64, shape (P + 1,)
        Parameters at which pieces begin and end, with both ends; k + t lies on segment k.
    n_pieces : int
        P; a corner of the polyline begins a piece, also inside a region.
    lengths : ndarray of float64, shape (P,)
        Euclidean lengths.
    density : float
        Crossings of region boundaries per unit of length.
    crossings : ndarray of int64, shape (layers,)
        Bits of each layer's code that flip along the way, each time counted.
    codes : ndarray of uint64, shape (P, words)
        Codes of the pieces, bit i in word i // 64; 1 where the value is positive inside the piece, 0 where it is
        negative or, up to the tolerance, zero all along it.
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
    def regions(self) -> NDArray[np.int64]:
        """The region of each piece, shape (P,): its number in the order in which the way first enters regions.

        Regions are told by their codes, so one that is left and entered again has one number.
        """
        if not self.codes.shape[1]:
            return np.zeros(self.n_pieces, dtype=np.int64)
        _, first, which = np.unique(self.codes, axis=0, return_index=True, return_inverse=True)
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        return number[which.reshape(-1)]

    @property
    def n_regions(self) -> int:
        """Regions that the way passes, each counted once; at most `n_pieces`."""
        return int(self.regions.max()) + 1

    def to_frame(self) -> pd.DataFrame:
        """Give one row per piece: `region`, `start`, `stop`, `length`, and `slope_k` for each output."""
        import pandas as pd

        columns = {
            "region": self.regions,
            "start": self.breakpoints[:-1],
            "stop": self.breakpoints[1:],
            "length": self.lengths,
        }
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
        such a change would move them are one. Nor is a sum known better than to 3.6e-15 of the sizes of all that is
        added up in it, where that can be seen: in layers (W, b), and with torch in what comes out of a product (a
        linear or convolution layer) straight into a bend. Elsewhere, after a BatchNorm say, a neuron that would be
        zero on the whole way if it were not for rounding has signs by chance.
    max_pieces : int
        More pieces than this are an error.

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
    there, and one whole forward of all breakpoints for outputs; and three of one or two inputs. Memory O(P) times the
    widest layer. A last softmax or sigmoid is left out: outputs are what goes into it. Where max pools are compared,
    a crossing of two values that are not the largest counts, too. With `start` and `stop` of size x, breakpoints
    nearer to each other than about 1e-16 x cannot be told apart by any tolerance.

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
    first, _ = given.forward(at(way.at[:1]))
    for stage in range(len(first)):
        way.cut(*given.stage(at(way.at), stage))
        if len(way.at) > max_pieces:
            raise ParameterError(f"more than max_pieces = {max_pieces} pieces; shorten the way or allow more")
    breaks, degenerate = way.at, way.degenerate
    blocks = way.codes()
    outputs = stacked(
        [given.forward(at(breaks[begin : begin + BATCH]))[1] for begin in range(0, len(breaks), BATCH)]
    )
    lengths = np.diff(breaks) * norms[np.minimum(breaks[:-1].astype(np.int64), n_segments - 1)]
    n_bits = sum(block.shape[1] for block in blocks)
    codes = by_slabs(_packed, np.arange(len(lengths)), *blocks, width=n_bits)
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
        codes,
        n_bits,
        outputs,
        np.diff(outputs, axis=0) / lengths[:, None],
        float(np.linalg.norm(outputs - chord, axis=1).max()),
        degenerate,
    )


def _packed(pieces: NDArray[np.int64], *blocks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack the bits of all layers, on some pieces."""
    return pack(np.concatenate([np.zeros((len(pieces), 0), dtype=np.bool_), *blocks], axis=1))


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
        self._codes: list[tuple[Floats, NDArray[np.bool_]]] = []

    def cut(self, values: Floats, summed: Floats) -> None:
        """Add the places where a column of values, one row per breakpoint, affine between them, changes sign.

        `summed` are the sizes of what was added up to make each value, 0 where they are not known.
        """
        if not values.size:
            self._codes.append((self.at[:-1], np.zeros((len(self.at) - 1, 0), dtype=np.bool_)))
            return
        self.scale = np.maximum(self.scale, by_slabs(lambda rows: np.abs(rows).max(axis=1), values))
        if not np.isfinite(self.scale).all():
            row = int(np.argmin(np.isfinite(self.scale)))
            column = int(np.argmin(np.isfinite(values[row])))
            raise NonFiniteError(f"{values[row, column]} at breakpoint {row}, neuron {column}", row, column)
        height = np.max([np.abs(values[rows]).max(axis=0) for rows in slabs(values.shape)], axis=0)
        known = np.empty_like(values)
        changes = []
        for pieces in slabs((len(values) - 1, values.shape[1])):
            known[pieces.start : pieces.stop + 1], change = self._signs(pieces, values, summed, height)
            changes.append(change)
        piece, neuron, *limits = (stacked(found) for found in zip(*changes, strict=True))
        low, high = values[piece, neuron], values[piece + 1, neuron]
        step = self.at[piece + 1] - self.at[piece]
        new = self.at[piece] + low / (low - high) * step
        unsure = limits[0] * np.abs(high) + limits[1] * np.abs(low)
        width = unsure / (low - high) ** 2 * step + self.rounding
        before = self.at
        self._merge(new, width, np.minimum(self.scale[piece], self.scale[piece + 1]))
        middle = (self.at[:-1] + self.at[1:]) / 2
        piece = np.searchsorted(before, middle, side="right") - 1
        part = ((middle - before[piece]) / np.diff(before)[piece])[:, None]
        positive = by_slabs(
            lambda k, t: (1 - t) * known[k] + t * known[k + 1] > 0, piece, part, width=known.shape[1]
        )
        self._codes.append((self.at[:-1], positive))

    def _signs(
        self, pieces: slice, values: Floats, summed: Floats, height: Floats
    ) -> tuple[Floats, tuple[NDArray[Any], ...]]:
        """Give what is known of the values at the ends of some pieces, and their changes of sign.

        Changes are the piece and the neuron of each, and the limits below which the value counts as zero at both ends.
        """
        # With a piece more on either side, for the slopes there.
        first, stop = max(pieces.start - 1, 0), min(pieces.stop + 2, len(values))
        slope = np.abs(np.diff(values[first:stop], axis=0)) / np.diff(self.at[first:stop])[:, None]
        slope = np.concatenate(
            [slope[:1]] * (pieces.start == 0) + [slope] + [slope[-1:]] * (stop - pieces.stop < 2)
        )
        rows = slice(pieces.start, min(pieces.stop, len(values) - 1) + 1)
        at, values = self.at[rows], values[rows]
        size = np.abs(values)
        limit = self.tolerance * np.minimum(self.scale[rows, None], height)
        # Nor does a value say more than what the rounding of the parameter makes of it, except at corners.
        moved = self.rounding * np.maximum(slope[:-1], slope[1:])
        rounding = np.maximum(of_sums(summed[rows]), np.where((at % 1 == 0)[:, None], 0.0, moved))
        limit = np.maximum(limit, rounding)
        known = np.where(size > limit, values, 0.0)
        # Where all of a value is rounding at both ends, it is zero in between and changes no sign.
        nothing = size <= rounding
        change = np.sign(values[:-1]) * np.sign(values[1:]) < 0
        piece, neuron = np.nonzero(change & ~(nothing[:-1] & nothing[1:]))
        told = (known[piece, neuron] != 0) & (known[piece + 1, neuron] != 0)
        self.degenerate += int((~told).sum())
        piece, neuron = piece[told], neuron[told]
        return known, (piece + rows.start, neuron, limit[piece, neuron], limit[piece + 1, neuron])

    def codes(self) -> list[NDArray[np.bool_]]:
        """Give the bits of each layer on all pieces, one row per piece."""
        # What cut a layer is still there, so a piece has the bits of the one that it was cut from.
        return [
            by_slabs(
                bits.__getitem__, np.searchsorted(at, self.at[:-1], side="right") - 1, width=bits.shape[1]
            )
            for at, bits in self._codes
        ]

    def _merge(self, new: Floats, width: Floats, scale: Floats) -> None:
        at, width = np.concatenate([self.at, new]), np.concatenate([self.width, width])
        order = aside(np.argsort, at, kind="stable")
        fixed = order < len(self.at)
        at, width, scale = at[order], width[order], np.concatenate([self.scale, scale])[order]
        near = np.diff(at) <= np.maximum(width[:-1], width[1:])
        keep = fixed.copy()
        keep[1:] |= ~near
        keep[:-1] &= ~(~fixed[:-1] & fixed[1:] & near)
        self.degenerate += int((~keep).sum())
        self.at, self.width, self.scale = at[keep], width[keep], scale[keep]
