"""Outputs at the vertices of a slice, and whether the tolerance hid cells that are there.

Cutting takes values up to a part of a neuron's largest on the rectangle as zero. In a rectangle that is far larger
than what is in it that can be a value which is far from zero where it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import NonFiniteError
from featuregeom.interruptible import stacked
from featuregeom.networks.piecewise import BATCH, Floats, Network

__all__ = ["Plane", "inspect", "on_plane"]

Plane = tuple[Floats, Floats, Floats]
"""Origin, u and v."""

_EPSILON = float(np.finfo(np.float64).eps)
_LOCAL = 1000 * _EPSILON
"""Rounding of a value, as a part of the largest value of any layer up to its own at the same vertex."""
_PLACE = 4 * _EPSILON
"""Rounding of a value from that of its vertex' place, as a part of the neuron's largest."""


def on_plane(plane: Plane, points: Floats) -> Floats:
    """Give inputs, shape (V, ...), at coordinates (V, 2)."""
    origin, u, v = plane
    s, t = points.T.reshape(2, -1, *[1] * origin.ndim)
    inputs: Floats = origin + s * u + t * v
    return inputs


def inspect(
    given: Network, plane: Plane, box: tuple[float, float, float, float], cells: _core.Cells
) -> tuple[Floats, int]:
    """Give the outputs at all vertices, and how often a value changes sign inside a cell beyond rounding.

    Raises
    ------
    NonFiniteError
        If an output is not finite.
    """
    points = cells.points()
    outputs, largest, least = [], np.zeros(0), np.zeros(0)
    for stages, output in _forwards(given, plane, points):
        outputs.append(output)
        size, unsure = _sizes(stages)
        told = np.where(size > unsure, size, np.inf).min(axis=0, initial=np.inf)
        most = size.max(axis=0, initial=0.0)
        largest, least = (
            (most, told) if not len(outputs) > 1 else (np.maximum(largest, most), np.minimum(least, told))
        )
    found = stacked(outputs)
    if not np.isfinite(found).all():
        row, column = map(int, np.argwhere(~np.isfinite(found))[0])
        raise NonFiniteError(f"output {column} is {found[row, column]} at vertex {row}", row, column)
    # Only neurons that are small somewhere, and not by rounding, can have lost a cell.
    chosen = np.flatnonzero(least <= 1e-11 * largest)
    return found, _hidden(given, plane, box, cells, chosen, largest[chosen]) if len(chosen) else 0


def _hidden(
    given: Network,
    plane: Plane,
    box: tuple[float, float, float, float],
    cells: _core.Cells,
    chosen: NDArray[np.int64],
    largest: Floats,
) -> int:
    points = cells.points()
    corners, offsets = cells.polygons()
    exact = np.isin(points[:, 0], box[:2]) & np.isin(points[:, 1], box[2:])
    signs = []
    for begin, (stages, _) in zip(range(0, len(points), BATCH), _forwards(given, plane, points), strict=True):
        size, unsure = _sizes(stages)
        values = np.concatenate(stages, axis=1)[:, chosen]
        limit = np.broadcast_to(unsure, size.shape)[:, chosen]
        place = np.where(exact[begin : begin + BATCH, None], 0.0, _PLACE * largest)
        told = np.abs(values) > np.maximum(limit, place)
        signs.append(np.where(told, np.sign(values), 0).astype(np.int8))
    at = np.concatenate(signs)[corners]
    low, high = np.minimum.reduceat(at, offsets[:-1]), np.maximum.reduceat(at, offsets[:-1])
    return int(((low < 0) & (high > 0)).sum())


def _forwards(given: Network, plane: Plane, points: Floats) -> Iterator[tuple[list[Floats], Floats]]:
    for begin in range(0, len(points), BATCH):
        yield given.forward(on_plane(plane, points[begin : begin + BATCH]))


def _sizes(stages: list[Floats]) -> tuple[Floats, Floats]:
    """Absolute values of all neurons at vertices, and what rounding may make of them."""
    if not stages:
        return np.zeros((0, 0)), np.zeros((0, 0))
    sizes = [np.abs(values) for values in stages]
    scale = np.maximum.accumulate([size.max(axis=1, initial=0.0) for size in sizes])
    unsure = np.repeat(_LOCAL * scale.T, [size.shape[1] for size in sizes], axis=1)
    return np.concatenate(sizes, axis=1), unsure
