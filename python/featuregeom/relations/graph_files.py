"""Files that `featuregeom scheme` reads: features, Gram matrices, relation matrices and graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice
from featuregeom.errors import SourceError
from featuregeom.features import Features
from featuregeom.memory import reading
from featuregeom.sources import AxisChoice, open_source
from featuregeom.sources.matrix import read_matrix
from featuregeom.summary import summarised

__all__ = ["Given", "Kind", "distances", "is_symmetric_colouring", "parse_graph6", "read"]

Kind = Literal["features", "gram", "relations"]
"""What a matrix is taken for."""

_MOST_VERTICES = 4096

_ROUNDING = 1e-6
"""Entries of a Gram matrix may differ from their transposes by this share of the largest, and be above the bound of
Cauchy and Schwarz by this share of it. Choice: ten times the rounding of float32."""


@summarised
@dataclass(frozen=True, eq=False)
class Given:
    """One matrix of a file.

    Attributes
    ----------
    name : str
        Name of the tensor, or file and line of the graph.
    kind : {"features", "gram", "relations"}
        What it is taken for.
    values : ndarray or None
        The matrix; None where it could not be read.
    problem : str
        Why it could not be read. Other graphs of the same file may still be.
    note : str
        What else it might have been, and the option that says so.
    """

    name: str
    kind: Kind
    values: NDArray[np.generic] | None
    problem: str = ""
    note: str = ""


def read(
    path: str,
    *,
    kind: Kind | Literal["auto"] = "auto",
    tensor: str | None = None,
    axis: AxisChoice = "auto",
) -> list[Given]:
    """Read what to look for schemes in.

    Parameters
    ----------
    path : str
        A file of graphs, one graph6 line each (``.g6``), or any source with a matrix.
    kind : {"auto", "features", "gram", "relations"}
        What the matrix is. By default a square matrix of whole numbers holds relations where its diagonal has labels
        of its own and no Gram matrix has these values, or where the diagonal is 0; a symmetric one with a positive
        diagonal is a Gram matrix, and any other has features as rows.
    tensor : str, optional
        Which tensor of the source; needed where there are several matrices.
    axis : {"auto", "rows", "columns"}
        The axis that indexes features.

    Returns
    -------
    list of Given
        One, or one for each graph. A graph becomes the matrix of its distances, with ``n`` between vertices that are
        not connected.

    Raises
    ------
    SourceError
        If the file cannot be read. A line that is no graph6 is a problem of that graph alone.
    ParameterError
        If there are several matrices and `tensor` chooses none.
    """
    choice("kind", kind, ("auto", *get_args(Kind)))
    if path.endswith((".g6", ".graph6")):
        return [
            Given(f"{Path(path).name}:{line}", "relations", None, str(graph))
            if isinstance(graph, SourceError)
            else Given(f"{Path(path).name}:{line}", "relations", distances(graph))
            for line, graph in parse_graph6(Path(path))
        ]
    with open_source(path, axis=axis) as reader:
        info, found = read_matrix(reader, tensor)
    if isinstance(found, Features):
        wide = found.dtype == "bfloat16"
        values: NDArray[np.generic] = found.widened(np.arange(found.n)) if wide else np.array(found.values)
    else:
        values = found
    what = _kind(values) if kind == "auto" else kind
    if what == "features" and info.axis == "columns" and values.dtype.kind in "iub":
        values = values.T
    return [Given(info.name, what, values, note=_note(values, what) if kind == "auto" else "")]


def is_symmetric_colouring(relations: NDArray[np.generic]) -> bool:
    """Whether labels are symmetric and the diagonal has one label, which no other pair has: what `detect` takes."""
    diagonal = relations.diagonal()
    return (
        bool(np.array_equal(relations, relations.T))
        and bool((diagonal == diagonal[0]).all())
        and int((relations == diagonal[0]).sum()) == len(relations)
    )


def parse_graph6(path: Path) -> list[tuple[int, NDArray[np.bool_] | SourceError]]:
    """Read graphs in graph6 format, one per line.

    Parameters
    ----------
    path : Path
        The file; empty lines and the header ``>>graph6<<`` are passed over.

    Returns
    -------
    list of (int, ndarray of bool, shape (n, n), or SourceError)
        Number of the line and adjacency matrix, or what is wrong with the line.

    Raises
    ------
    SourceError
        If the file is missing or has no lines.

    References
    ----------
    McKay, "Description of graph6, sparse6 and digraph6 encodings".
    """
    try:
        with reading(str(path), path.stat().st_size):
            lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    graphs: list[tuple[int, NDArray[np.bool_] | SourceError]] = []
    for number, line in enumerate(lines, start=1):
        body = line.removeprefix(b">>graph6<<").strip()
        if body:
            try:
                graphs.append((number, _graph6(body)))
            except ValueError as error:
                graphs.append((number, SourceError(f"{path}, line {number} is no graph to check: {error}")))
    if not graphs:
        raise SourceError(f"{path} holds no graph")
    return graphs


def distances(adjacency: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of shortest paths, shape (n, n); n where there is none.

    Parameters
    ----------
    adjacency : ndarray of bool, shape (n, n)
        Which vertices are joined.

    Returns
    -------
    ndarray of int64, shape (n, n)
        Found in as many products of n x n as the diameter.
    """
    n = len(adjacency)
    found = np.full((n, n), n, dtype=np.int64)
    found[np.diag_indices(n)] = 0
    joined = adjacency.astype(np.float32)
    front = np.eye(n, dtype=np.float32)
    for length in range(1, n):
        front = ((front @ joined > 0) & (found == n)).astype(np.float32)
        if not front.any():
            break
        found[front > 0] = length
    return found


def _graph6(body: bytes) -> NDArray[np.bool_]:
    codes = np.frombuffer(body, dtype=np.uint8).astype(np.int64) - 63
    if ((codes < 0) | (codes > 63)).any():
        raise ValueError("it has characters outside ? to ~")
    # One code below 63 is n; 63 and three codes are a larger n; 63 63 and six codes a far larger one.
    if codes[0] < 63:
        n, start = int(codes[0]), 1
    elif len(codes) >= 4 and codes[1] < 63:
        n, start = int(codes[1:4] @ [1 << 12, 1 << 6, 1]), 4
    else:
        raise ValueError(f"it has no number of vertices, or more than {_MOST_VERTICES}")
    if n == 0:
        raise ValueError("it has no vertices")
    if n > _MOST_VERTICES:
        raise ValueError(f"{n} vertices; up to {_MOST_VERTICES} are read")
    pairs = n * (n - 1) // 2
    if len(codes) - start != -(-pairs // 6):
        raise ValueError(f"{n} vertices need {-(-pairs // 6)} characters, there are {len(codes) - start}")
    bits = ((codes[start:, None] >> np.arange(5, -1, -1)) & 1).ravel()[:pairs].astype(np.bool_)
    adjacency = np.zeros((n, n), dtype=np.bool_)
    # Column by column above the diagonal: (0,1), (0,2), (1,2), (0,3) ...
    columns, rows = np.tril_indices(n, -1)
    adjacency[rows, columns] = bits
    return adjacency | adjacency.T


def _kind(values: NDArray[np.generic]) -> Kind:
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        return "features"
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all():
        return "features"
    diagonal = wide.diagonal()
    size = np.abs(wide).max(initial=0)
    symmetric = np.abs(wide - wide.T).max(initial=0) <= _ROUNDING * size
    # By Cauchy and Schwarz; labels 1..d+1 fail it, for the diagonal has the least.
    bound = np.sqrt(np.outer(np.maximum(diagonal, 0), np.maximum(diagonal, 0)))
    if symmetric and (diagonal > 0).all() and (np.abs(wide) <= bound * (1 + _ROUNDING)).all():
        return "gram"
    if (wide == np.rint(wide)).all():
        off = wide[~np.eye(len(wide), dtype=bool)]
        integers = values.dtype.kind in "iub"
        constant = len(np.unique(diagonal)) == 1
        own = not np.isin(diagonal, off).any()
        if (constant and diagonal[0] == 0) or (own and (integers or (constant and symmetric))):
            return "relations"
    return "features"


def _note(values: NDArray[np.generic], kind: Kind) -> str:
    """Say what a square matrix of whole numbers might be as well."""
    if values.shape[0] != values.shape[1] or kind == "relations":
        return ""
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all() or (wide != np.rint(wide)).any():
        return ""
    what = "a Gram matrix" if kind == "gram" else "features as rows"
    return f"taken for {what}; if its whole numbers are labels of relations, say --kind relations"
