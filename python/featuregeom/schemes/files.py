"""Files that `featuregeom scheme` reads: features, Gram matrices, relation matrices and graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, SourceError
from featuregeom.sources import open_source

__all__ = ["Kind", "distances", "parse_graph6", "read"]

Kind = Literal["features", "gram", "relations"]
"""What a matrix is taken for."""

_MOST_VERTICES = 4096


def read(
    path: str, *, kind: Kind | Literal["auto"] = "auto", tensor: str | None = None
) -> list[tuple[str, Kind, NDArray[np.generic]]]:
    """Read what to look for schemes in.

    Parameters
    ----------
    path : str
        A file of graphs, one graph6 line each (``.g6``), or any source with a matrix.
    kind : {"auto", "features", "gram", "relations"}
        What the matrix is. By default a square matrix of whole numbers holds relations, a symmetric one with a
        positive diagonal is a Gram matrix, and any other has features as rows.
    tensor : str, optional
        Which tensor of the source; needed where there are several matrices.

    Returns
    -------
    list of (str, str, ndarray)
        Name, kind and matrix: one, or one for each graph. A graph becomes the matrix of its distances, with
        ``n`` between vertices that are not connected.

    Raises
    ------
    SourceError
        If the file cannot be read; for graph6 the message names the line.
    ParameterError
        If there are several matrices and `tensor` chooses none.
    """
    if kind not in ("auto", *get_args(Kind)):
        raise ParameterError(f"kind must be auto, features, gram or relations, not {kind!r}")
    if path.endswith((".g6", ".graph6")):
        return [
            (f"{Path(path).name}:{line}", "relations", distances(adjacency))
            for line, adjacency in parse_graph6(Path(path))
        ]
    with open_source(path) as reader:
        # An analysis passes over integers; relations are made of them.
        matrices = [info for info in reader.tensors() if len(info.shape) == 2 and 0 not in info.shape]
        names = [info.name for info in matrices]
        if tensor is None and len(names) != 1:
            raise ParameterError(
                f"{path} holds {len(names)} matrices, name one with tensor: {', '.join(names[:20])}"
            )
        if tensor is not None and tensor not in names:
            raise ParameterError(f"{path} has no matrix {tensor!r}; it has {', '.join(names[:20])}")
        name = tensor or names[0]
        whole = next(info for info in matrices if info.name == name).dtype.startswith(("int", "uint", "bool"))
        if whole and path.endswith(".npy"):
            integers = np.load(path, allow_pickle=False)
            return [(name, _kind(integers) if kind == "auto" else kind, integers)]
        features = reader.read(name)
    values = features.widened(np.arange(features.n)) if features.dtype == "bfloat16" else features.values
    return [(features.provenance.tensor, _kind(values) if kind == "auto" else kind, np.array(values))]


def parse_graph6(path: Path) -> list[tuple[int, NDArray[np.bool_]]]:
    """Read graphs in graph6 format, one a line.

    Parameters
    ----------
    path : Path
        The file; empty lines and the header ``>>graph6<<`` are passed over.

    Returns
    -------
    list of (int, ndarray of bool, shape (n, n))
        Number of the line and adjacency matrix.

    Raises
    ------
    SourceError
        If the file is missing or a line is no graph6; the message names it.

    References
    ----------
    McKay, "Description of graph6, sparse6 and digraph6 encodings".
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    graphs = []
    for number, line in enumerate(lines, start=1):
        body = line.removeprefix(b">>graph6<<").strip()
        if body:
            try:
                graphs.append((number, _graph6(body)))
            except ValueError as error:
                raise SourceError(f"{path}, line {number} is no graph6: {error}") from error
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
    if (wide == np.rint(wide)).all() and len(np.unique(wide.diagonal())) == 1 and wide[0, 0] == 0:
        return "relations"
    size = np.abs(wide).max(initial=0)
    symmetric = np.abs(wide - wide.T).max(initial=0) <= 1e-6 * size
    return "gram" if symmetric and (wide.diagonal() > 0).all() else "features"
