"""Every linear region that a rectangle of a plane meets, as polygons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.atomic import replacing
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import chunks
from featuregeom.frames import Progress
from featuregeom.networks.piecewise import Floats, Layers, Network, network, read_point
from featuregeom.networks.rounding import known
from featuregeom.regions.decision import boundary_segments
from featuregeom.regions.missed_cells import Plane, inspect, on_plane
from featuregeom.summary import summarised

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["Slice", "slice2d"]

TOLERANCE = 1e-12
FINE = 16 * float(np.finfo(np.float64).eps)
""""Zero" as parts of a neuron's largest value, at first and where that hides cells."""

_CORNERS = 8
"""Corners of a cell for which room is counted: a generic cell of lines in a plane has four."""


@summarised
@dataclass(frozen=True, eq=False)
class Slice:
    """The cells of a network on a rectangle of a plane: F cells, V vertices, E edges.

    Attributes
    ----------
    n_regions : int
        F, the activation regions; neighbouring ones may share an affine map.
    vertices : ndarray of float64, shape (V, 2)
        Coordinates (s, t) in the plane.
    corners, offsets : ndarray of int64, shapes (C,) and (F + 1,)
        Cell f has the vertices ``corners[offsets[f]:offsets[f + 1]]``, counter-clockwise.
    areas : ndarray of float64, shape (F,)
        In units of s times t.
    codes : ndarray of uint64, shape (F, words)
        Bit i in word i // 64; 1 where the value is positive inside the cell. Layer after layer.
    n_bits : int
        Bits of a code.
    layer_offsets : tuple of int
        Where the bits of each layer begin, and their number.
    edges : ndarray of int64, shape (E, 2)
        Vertices at the ends of each edge.
    adjacency : ndarray of int64, shape (A, 2)
        Pairs of cells that share an edge.
    borders : ndarray of int64, shape (A, 2)
        Vertices at the ends of that edge.
    outputs : ndarray of float64, shape (V, outputs)
        The network's output at the vertices.
    n_degenerate : int
        Coincidences: lines of one layer through one point, and cells that the tolerance kept whole though a value
        changes sign in them by more than rounding does.
    """

    n_regions: int
    vertices: Floats
    corners: NDArray[np.int64]
    offsets: NDArray[np.int64]
    areas: Floats
    codes: NDArray[np.uint64]
    n_bits: int
    layer_offsets: tuple[int, ...]
    edges: NDArray[np.int64]
    adjacency: NDArray[np.int64]
    borders: NDArray[np.int64]
    outputs: Floats
    n_degenerate: int

    def polygon(self, cell: int) -> Floats:
        """Give the vertices of one cell, shape (k, 2)."""
        if not 0 <= cell < self.n_regions:
            raise ParameterError(f"there are {self.n_regions} cells, none is number {cell}")
        vertices: Floats = self.vertices[self.corners[self.offsets[cell] : self.offsets[cell + 1]]]
        return vertices

    def centroids(self) -> Floats:
        """Give the mean vertex of each cell, which lies inside, shape (F, 2)."""
        return self._mean(self.vertices)

    def affine_maps(self) -> tuple[Floats, Floats]:
        """Give the affine map of each cell in the plane's coordinates.

        Returns
        -------
        gradients : ndarray of float64, shape (F, outputs, 2)
            Derivatives of the outputs along u and v.
        constants : ndarray of float64, shape (F, outputs)
            Outputs at s = t = 0.

        Notes
        -----
        By least squares through the vertices of each cell. Rounding is magnified in slivers: by about the size of
        the output over its change across the cell.
        """
        parts = [self._maps_of(cells) for cells in self._parts()]
        gradients, constants = (np.concatenate(each) for each in zip(*parts, strict=True))
        return gradients, constants

    def _maps_of(self, cells: slice) -> tuple[Floats, Floats]:
        centre, level = self._mean_of(self.vertices, cells), self._mean_of(self.outputs, cells)
        counts, corners, starts = self._corners_of(cells)
        x = self.vertices[corners] - np.repeat(centre, counts, axis=0)
        y = self.outputs[corners] - np.repeat(level, counts, axis=0)
        moment = np.add.reduceat(x[:, :, None] * x[:, None, :], starts)
        mixed = np.add.reduceat(y[:, :, None] * x[:, None, :], starts)
        gradients = mixed @ np.linalg.pinv(moment, rcond=1e-15, hermitian=True)
        return gradients, level - np.einsum("fok,fk->fo", gradients, centre)

    def gradient_norms(self) -> Floats:
        """Give the Frobenius norm of each cell's map in the plane's coordinates, shape (F,)."""
        return np.concatenate(
            [np.linalg.norm(self._maps_of(cells)[0], axis=(1, 2)) for cells in self._parts()]
        )

    def decision_boundary(self) -> Floats:
        """Give the segments on which the class changes, shape (k, 2, 2) of (s, t) at both ends.

        The class is the largest output, or the sign of the only one.
        """
        return boundary_segments(self.vertices, self.corners, self.offsets, self.outputs)

    def classes(self) -> NDArray[np.int64]:
        """Give the class at each cell's mean vertex, shape (F,)."""
        level = self._mean(self.outputs)
        if level.shape[1] == 1:
            return (level[:, 0] > 0).astype(np.int64)
        return np.asarray(level.argmax(axis=1), dtype=np.int64)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per cell: `region`, `area`, `corners`, mean vertex `s`, `t`, `gradient_norm`, `code` (hex)."""
        import pandas as pd

        centre = self.centroids()
        code = [row.astype("<u8").tobytes().hex() for row in self.codes]
        return pd.DataFrame(
            {
                "region": np.arange(self.n_regions),
                "area": self.areas,
                "corners": np.diff(self.offsets),
                "s": centre[:, 0],
                "t": centre[:, 1],
                "gradient_norm": self.gradient_norms(),
                "code": code,
            }
        )

    def to_csv(self, path: str | Path) -> None:
        """Write `to_frame` as CSV; the file appears whole or not at all (OutputError)."""
        with replacing(Path(path)) as temporary:
            self.to_frame().to_csv(temporary, index=False)

    def to_svg(self, path: str | Path, width: int = 800) -> None:
        """Draw the cells, shaded by their code, and the decision boundary; OutputError if it cannot be written."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        scale = width / (high[0] - low[0])
        height = scale * (high[1] - low[1])

        def text(points: Floats) -> str:
            at = (points - low) * scale
            return " ".join(f"{x:.3f},{height - y:.3f}" for x, y in at)

        shade = (
            55
            + 40
            * (np.bitwise_xor.reduce(self.codes, axis=1) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40))
            / 2**24
        )
        with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.3f}">\n')
            for cell in range(self.n_regions):
                fill = f"hsl(215 40% {shade[cell]:.1f}%)"
                file.write(
                    f'<polygon points="{text(self.polygon(cell))}" fill="{fill}" stroke="#fff" stroke-width=".3"/>\n'
                )
            for segment in self.decision_boundary():
                file.write(f'<polyline points="{text(segment)}" stroke="#c22" stroke-width="2"/>\n')
            file.write("</svg>\n")

    def _mean(self, of_vertices: Floats) -> Floats:
        return np.concatenate([self._mean_of(of_vertices, cells) for cells in self._parts()])

    def _mean_of(self, of_vertices: Floats, cells: slice) -> Floats:
        counts, corners, starts = self._corners_of(cells)
        mean: Floats = np.add.reduceat(of_vertices[corners], starts) / counts[:, None]
        return mean

    def _corners_of(self, cells: slice) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Numbers of corners of some cells, the vertices there, and where each cell's begin among these."""
        offsets = self.offsets[cells.start : cells.stop + 1]
        return np.diff(offsets), self.corners[offsets[0] : offsets[-1]], offsets[:-1] - offsets[0]

    def _parts(self) -> Iterator[slice]:
        """Cut the cells into parts that are worked on at once, so that Ctrl-C stops between them."""
        return chunks(self.n_regions, _CORNERS * self.outputs.shape[1])


def slice2d(
    model: Any,
    origin: Any,
    u: Any,
    v: Any,
    bounds: tuple[float, float, float, float] = (-1.0, 1.0, -1.0, 1.0),
    *,
    tolerance: float | None = None,
    max_regions: int = 1_000_000,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Slice:
    """Find every activation region on the rectangle of the plane origin + s u + t v.

    Parameters
    ----------
    model : torch.nn.Module or sequence of (W, b)
        A piecewise-linear network in eval mode; computed in float64 on a copy. Layers (W, b) are joined by ReLU and
        need no torch.
    origin, u, v : array-like, the shape of one input
        The plane.
    bounds : (s_min, s_max, t_min, t_max)
        The rectangle.
    tolerance : float, optional
        Values up to this part of a neuron's largest on the rectangle are zero. By default 1e-12; where that hides
        sign changes that rounding does not explain, as in a rectangle 1e12 times as large as what is in it, the
        slice is computed again with 3.6e-15, a few roundings. What is hidden then is counted in `n_degenerate`.
    max_regions : int
        More cells than this are an error.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with layers done and layers known.

    Returns
    -------
    Slice
        The same for any number of threads.

    Raises
    ------
    ParameterError
        If u and v are parallel, bounds are empty, the model is not piecewise linear or in train mode, or regions are
        too many.
    ShapeError
        If the points do not fit the model.
    NonFiniteError
        If values overflow.

    Notes
    -----
    Each layer cuts the convex cells of those before it, on which it is affine. With torch it costs L + 1 forwards for L
    layers that bend: layer k of the vertices of those before it by a forward that ends there, and one whole forward
    of all vertices for outputs. With (W, b) each layer is one product over the vertices that are there, in Rust, and
    the outputs one forward. Memory O(V) times the widest layer. A last softmax or sigmoid is left out: outputs are
    what goes into it. Every pair in a window of a max pool is compared, so such networks have more regions here than
    affine pieces.

    References
    ----------
    Humayun et al. (SplineCam), CVPR 2023; Berzins, ICML 2023.

    Examples
    --------
    >>> found = slice2d([([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], [0, 0], [1, 0], [0, 1])
    >>> found.n_regions, found.areas.tolist()
    (4, [1.0, 1.0, 1.0, 1.0])
    """
    given = network(model)
    base, first, second = (read_point(given, p, name) for p, name in ((origin, "origin"), (u, "u"), (v, "v")))
    if not base.shape == first.shape == second.shape:
        raise ShapeError(f"origin, u and v differ in shape: {base.shape}, {first.shape}, {second.shape}")
    _check_plane(first.ravel(), second.ravel())
    if tolerance is not None and not 0 <= tolerance < 1e-3:
        raise ParameterError(f"tolerance must be at least 0 and below 1e-3, got {tolerance!r}")
    if max_regions < 1:
        raise ParameterError(f"max_regions must be at least 1, got {max_regions}")
    try:
        left, right, bottom, top = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        raise ParameterError(f"bounds must be (s_min, s_max, t_min, t_max), got {bounds!r}") from None
    box = (left, right, bottom, top)
    plane = (base, first, second)
    options = (max_regions, num_threads, progress)
    cells, starts = _cut(given, plane, box, tolerance or (TOLERANCE if tolerance is None else 0.0), *options)
    outputs, hidden = inspect(given, plane, box, cells)
    if hidden and tolerance is None:
        cells, starts = _cut(given, plane, box, FINE, *options)
        outputs, hidden = inspect(given, plane, box, cells)
    corners, offsets = cells.polygons()
    adjacency, borders = cells.borders()
    return Slice(
        len(offsets) - 1,
        cells.points(),
        corners,
        offsets,
        cells.areas(),
        cells.codes(),
        cells.bits,
        tuple(starts),
        cells.edges(),
        adjacency,
        borders,
        outputs,
        cells.degenerate + hidden,
    )


def _cut(
    given: Network,
    plane: Plane,
    box: tuple[float, float, float, float],
    tolerance: float,
    max_regions: int,
    num_threads: int | None,
    progress: Progress | None,
) -> tuple[_core.Cells, list[int]]:
    cells = _core.Cells.rectangle(box)
    if not isinstance(given, Layers):
        first, _ = given.forward(on_plane(plane, cells.points()), settled=True)
        starts = [0]
        for stage, values in enumerate(first):
            # The four corners of the first forward are all that the first layer needs.
            values = values if stage == 0 else known(*given.stage(on_plane(plane, cells.points()), stage))
            cells = cells.split(
                np.ascontiguousarray(values),
                tolerance=tolerance,
                max_regions=max_regions,
                num_threads=num_threads,
            )
            starts.append(cells.bits)
            if progress is not None:
                progress(stage + 1, len(first))
        return cells, starts
    hidden = given.layers[:-1]
    if not hidden:
        return cells, [0]
    base, u, v = plane
    W, b = hidden[0]
    with np.errstate(over="ignore", invalid="ignore"):
        axes, size = np.stack([u, v], axis=1), np.abs(W)
        slopes = known(W @ axes, size @ np.abs(axes))
        layers = [(slopes, known(W @ base + b, size @ np.abs(base) + np.abs(b))), *hidden[1:]]
    cells = _core.network_cells(
        layers, box, tolerance=tolerance, max_regions=max_regions, num_threads=num_threads, progress=progress
    )
    return cells, [0, *np.cumsum([len(bias) for _, bias in hidden]).tolist()]


def _check_plane(u: Floats, v: Floats) -> None:
    long, short = np.linalg.norm(u), np.linalg.norm(v)
    if long == 0 or short == 0:
        raise ParameterError("u and v must not be zero")
    if np.linalg.norm(u / long - (u @ v) / (long * short) * (v / short)) < 1e-10:
        raise ParameterError("u and v are parallel: they span no plane")
