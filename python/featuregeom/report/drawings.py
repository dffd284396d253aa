"""The figures of a matrix's blocks: Gram matrices, and the vectors themselves where they fit on paper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.analysis import BlockPicture
from featuregeom.report.figures import Figure, axis, line, numbers, subsample
from featuregeom.wording import known, number, plural, text

__all__ = [
    "BlockDrawing",
    "block_drawings",
    "block_groups",
    "gram_figure",
    "neighbours",
    "vectors_figure",
]

NAMED_BLOCKS, NAMED_CELLS = 40, 40_000
"""Most blocks with a name that are drawn of one matrix, and most cells of their Gram matrices together."""

BLOCKS, GRAM_CELLS = 12, 9000
"""The same limits from the first block without a name on: a few of those are enough."""

GRAM_ROWS = 90
"""Most rows of a Gram matrix that are drawn; of larger blocks only evenly spaced features are."""

GROUPS = 20
"""Most kinds of blocks that the table of blocks lists."""

CERTIFICATE = 20_000
"""Most characters of a certificate that a page contains."""

SIGNED = [[0, "--below"], [0.5, "--paper"], [1, "--above"]]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BlockDrawing:
    """One block, drawn.

    Attributes
    ----------
    title : str
        Its geometry, or that it has none that is known.
    size : str
        How many features in how many dimensions.
    figures : list of Figure
        Gram matrix, then the vectors: turned through in up to eight dimensions, else along the leading two.
    scheme : SchemeFacts or None
        Its association scheme, where it has one.
    """

    title: str
    size: str
    figures: list[Figure]
    scheme: SchemeFacts | None = None


@dataclass(frozen=True)
class SchemeFacts:
    """The association scheme of a block.

    Attributes
    ----------
    relations : list of (float, int)
        Cosine and valency of each relation.
    eigenmatrix : list of (int, list of float)
        Multiplicity and row of P for each eigenspace.
    certificate : str
        JSON.
    """

    relations: list[tuple[float, int]]
    eigenmatrix: list[tuple[int, list[float]]]
    certificate: str


@dataclass(frozen=True)
class BlockGroup:
    """Blocks of one kind, for the table of blocks."""

    count: int
    geometry: str
    reason: str
    n: int
    dim: int
    gram_values: Any
    tightness: float
    residual: float


def block_groups(rows: Iterable[Mapping[str, Any]]) -> tuple[list[BlockGroup], int]:
    """Group blocks of the same kind, for a short table.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of the blocks table.

    Returns
    -------
    list of BlockGroup
        At most 20, named ones first, then by how many there are; tightness and residual are the worst.
    int
        How many blocks those leave out.
    """
    keys = ("geometry", "reason", "n", "dim", "gram_values")
    kinds: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(tuple(row[k] for k in keys), []).append(row)
    groups = [
        BlockGroup(
            count=len(alike),
            geometry=text(geometry),
            reason=text(reason),
            n=int(n),
            dim=int(dim),
            gram_values=gram_values,
            tightness=max(float(row["tightness"]) for row in alike),
            residual=max(float(row["residual"]) for row in alike),
        )
        for (geometry, reason, n, dim, gram_values), alike in kinds.items()
    ]
    groups.sort(key=lambda g: (not g.geometry, -g.count, -g.n))
    return groups[:GROUPS], sum(g.count for g in groups[GROUPS:])


def block_drawings(
    rows: Iterable[Mapping[str, Any]], pictures: Iterable[BlockPicture], name: Callable[[int], str] = str
) -> tuple[list[BlockDrawing], str]:
    """Draw the blocks of one matrix.

    Parameters
    ----------
    rows : iterable of mapping
        Its rows of the blocks table.
    pictures : iterable of BlockPicture
        Its blocks that are small enough to draw.
    name : callable
        Names a feature, by its label or its position.

    Returns
    -------
    list of BlockDrawing
        Named ones first, of which there are at most 40; without names at most 12.
    str
        A sentence on those that are not drawn; empty if all are.
    """
    table = {int(row["block"]): row for row in rows}
    ranked = sorted(pictures, key=lambda p: not known(table.get(p.block, {}).get("geometry")))
    drawings: list[BlockDrawing] = []
    cells = 0
    for picture in ranked:
        has_name = known(table.get(picture.block, {}).get("geometry"))
        cells += min(len(picture.index), GRAM_ROWS) ** 2
        most, most_cells = (NAMED_BLOCKS, NAMED_CELLS) if has_name else (BLOCKS, GRAM_CELLS)
        if drawings and (len(drawings) >= most or cells > most_cells):
            break
        drawings.append(_drawing(table.get(picture.block, {}), picture, name))
    left = len(table) - len(drawings)
    note = f"{plural(left, 'block is', 'blocks are')} not drawn." if left > 0 else ""
    return drawings, note


def neighbours(gram: NDArray[Any], slack: float = 0.05) -> list[tuple[int, int]]:
    """List the pairs of features to join, so that a solid shows its edges.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Gram matrix.
    slack : float
        Cosines this much below the limit still count, since trained geometries are not exact.

    Returns
    -------
    list of (int, int)
        Pairs i < j whose cosine reaches the greatest limit that leaves no feature unconnected; none if there
        are fewer than three features, or more than three pairs a feature (no convex solid has as many edges).
    """
    n = len(gram)
    if n < 3:
        return []
    length = np.sqrt(np.maximum(np.diag(gram), 0))
    cosine = gram / np.maximum(np.outer(length, length), 1e-300)
    reached, best, limit = np.arange(n) == 0, cosine[0], 1.0
    while not reached.all():  # Prim's algorithm: the weakest edge of the strongest spanning tree
        new = int(np.where(reached, -np.inf, best).argmax())
        limit = min(limit, float(best[new]))
        reached[new] = True
        best = np.maximum(best, cosine[new])
    i, j = np.nonzero(np.triu(cosine >= limit - slack, 1))
    return list(zip(i.tolist(), j.tolist(), strict=True)) if len(i) <= 3 * n else []


def _drawing(row: Mapping[str, Any], picture: BlockPicture, name: Callable[[int], str]) -> BlockDrawing:
    geometry = text(row.get("geometry"))
    dim = int(row.get("dim", picture.coordinates.shape[1]))
    size = f"block {picture.block}: {plural(len(picture.index), 'feature')} in {plural(dim, 'dimension')}"
    if not geometry and known(row.get("reason")):
        size += f"; no name: {text(row['reason'])}"
    figures = [gram_figure(row, picture, name)]
    if len(picture.index) and picture.coordinates.shape[1]:
        figures.append(vectors_figure(picture, dim, name))
    scheme = _facts(picture.certificate) if picture.certificate else None
    return BlockDrawing(geometry or "unnamed geometry", size, figures, scheme)


def _facts(certificate: str) -> SchemeFacts:
    claim = json.loads(certificate)
    rows = [[round(value, 9) + 0.0 for value in row] for row in claim["P"]]
    return SchemeFacts(
        relations=list(zip(claim["levels"], claim["valencies"], strict=True)),
        eigenmatrix=list(zip(claim["multiplicities"], rows, strict=True)),
        certificate=certificate if len(certificate) <= CERTIFICATE else "",
    )


def gram_figure(row: Mapping[str, Any], picture: BlockPicture, name: Callable[[int], str] = str) -> Figure:
    """Draw a block's Gram matrix.

    Parameters
    ----------
    row : mapping
        Its row of the blocks table; only ``gram_values`` is used.
    picture : BlockPicture
        The block.
    name : callable
        Names a feature, by its label or its position.

    Returns
    -------
    Figure
    """
    shown = subsample(len(picture.gram), GRAM_ROWS)
    gram = picture.gram[np.ix_(shown, shown)]
    labels = [name(int(i)) for i in picture.index[shown]]
    top = float(np.abs(gram).max(initial=0)) or 1.0
    n = len(shown)
    gram[np.abs(gram) < 1e-9 * top] = 0
    trace = {
        "type": "heatmap", "x": labels, "y": labels, "z": [numbers(values) for values in gram],
        "zmin": -top, "zmax": top, "colorscale": SIGNED, "xgap": int(n <= 24), "ygap": int(n <= 24),
        "hovertemplate": "features %{y}, %{x}: %{z}",
    }  # fmt: skip
    caption = "Inner products between the features, alike relations side by side"
    caption += (
        f": {plural(int(row['gram_values']), 'distinct value')}." if known(row.get("gram_values")) else "."
    )
    if n < len(picture.gram):
        caption += f" {n} of {len(picture.gram)} features are drawn, evenly spaced in this order."
    side = axis("", type="category", showgrid=False, showticklabels=n <= 24, nticks=24, constrain="domain")
    layout = {"xaxis": side, "yaxis": side | {"autorange": "reversed", "scaleanchor": "x"}}
    return Figure("gram", "Gram matrix", caption, [trace], layout)


def vectors_figure(picture: BlockPicture, dim: int, name: Callable[[int], str] = str) -> Figure:
    """Draw a block's vectors.

    Parameters
    ----------
    picture : BlockPicture
        The block, with coordinates in at least one dimension.
    dim : int
        Dimensions of the block. Where there are more than coordinates, these are along the leading eigenvectors.
    name : callable
        Names a feature, by its label or its position.

    Returns
    -------
    Figure
    """
    draw = _space if picture.coordinates.shape[1] >= 3 else _plane
    return draw(picture, dim, name)


def _caption(edges: list[tuple[int, int]], where: str, shown: int, dim: int) -> str:
    axes = "coordinates of their own span"
    if dim > shown:
        axes = f"the {shown} leading of their {dim} dimensions"
    said = f"The features as arrows from the origin, {where}, in {axes}"
    return said + ("; thin lines join neighbours." if edges else ".")


def _plane(picture: BlockPicture, dim: int, name: Callable[[int], str]) -> Figure:
    places = np.asarray(picture.coordinates, dtype=np.float64)
    flat = places.shape[1] == 1
    points = np.column_stack([places, np.zeros(len(places))]) if flat else places
    norms = np.linalg.norm(points, axis=1)
    reach = 1.2 * float(norms.max(initial=0)) or 1.0
    edges = neighbours(picture.gram)
    traces = []
    if edges:
        ends = np.array([(points[i], points[j], (np.nan, np.nan)) for i, j in edges]).reshape(-1, 2)
        traces.append(line(ends[:, 0], ends[:, 1], "--muted", "neighbours", width=1))
    shafts = np.array([((0, 0), point, (np.nan, np.nan)) for point in points]).reshape(-1, 2)
    head = 11 if len(points) <= 24 else 7
    traces.append(line(shafts[:, 0], shafts[:, 1], "--c0", "features", width=2) | {
        "mode": "lines+markers", "hoverinfo": "text",
        "text": [label for i, r in zip(picture.index, norms, strict=True)
                 for label in ("", f"feature {name(int(i))}, length {number(r)}", "")],
        "marker": {
            "symbol": "arrow", "angleref": "previous", "color": "--c0", "size": [0, head, 0] * len(points),
        },
    })  # fmt: skip
    if len(points) <= 24:
        named: dict[tuple[float, ...], list[str]] = {}
        for point, i in zip(points.round(6).tolist(), picture.index, strict=True):
            named.setdefault(tuple(point), []).append(name(int(i)))
        places = np.array(list(named))
        tips = places + 0.1 * reach * places / np.maximum(np.linalg.norm(places, axis=1), 1e-300)[:, None]
        traces.append({
            "type": "scatter", "mode": "text", "x": numbers(tips[:, 0]), "y": numbers(tips[:, 1]),
            "text": [", ".join(names) for names in named.values()], "hoverinfo": "skip",
        })  # fmt: skip
    bounds = numbers([-reach, reach])
    layout = {
        "xaxis": axis("", range=bounds, showgrid=False, zeroline=True, constrain="domain", nticks=5),
        "yaxis": axis("", range=bounds, showgrid=False, zeroline=not flat, constrain="domain", nticks=5,
                      scaleanchor="x", showticklabels=not flat),
        "showlegend": False,
    }  # fmt: skip
    where = "on a line" if flat else "in the plane"
    return Figure(
        "vectors",
        f"Vectors {where}",
        _caption(edges, where, picture.coordinates.shape[1], dim),
        traces,
        layout,
    )


def _space(picture: BlockPicture, dim: int, name: Callable[[int], str]) -> Figure:
    points = np.asarray(picture.coordinates, dtype=np.float64)
    edges = neighbours(picture.gram)
    trace = {
        "type": "space",
        "points": [numbers(point) for point in points],
        "edges": [list(edge) for edge in edges],
        "names": [name(int(i)) for i in picture.index],
        "lengths": numbers(np.linalg.norm(points, axis=1)),
    }
    shown = points.shape[1]
    where = "in space" if shown == 3 else f"in {shown} dimensions"
    turned = " Drag to turn." if shown == 3 else (
        " The picture turns slowly through all of them, and Pause stops it; drag to turn it by hand."
    )  # fmt: skip
    caption = _caption(edges, where, shown, dim) + turned
    return Figure("vectors", f"Vectors {where}", caption, [trace], {})
