"""One finished matrix as one file: an ``.npz`` that names its plan, its matrix and a digest of its contents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.analysis import BlockPicture, FamilyPicture, GroupPicture, MatrixResult, Picture
from featuregeom.errors import SourceError
from featuregeom.kept import read_arrays, write_arrays

__all__ = ["SumFile", "read_part", "write_part"]

_DRAWN = ("blocks", "families", "groups")
"""Fields of a picture that are lists of pictures, not arrays."""


class SumFile:
    """The frame operator of the first rows of a matrix, as one file.

    Parameters
    ----------
    path : Path
        The file.
    plan, name : str
        The plan and the matrix that it is of.
    """

    def __init__(self, path: Path, plan: str, name: str) -> None:
        self._path = path
        self._of = {"plan": np.asarray(plan), "matrix": np.asarray(name)}

    def read(self) -> tuple[int, NDArray[np.float64]] | None:
        """Give the rows that were added, and their frame operator; None where there is no file, or a damaged one."""
        try:
            arrays = read_arrays(self._path)
            if any(str(arrays[key]) != str(value) for key, value in self._of.items()):
                return None
            return int(arrays["rows"]), arrays["operator"]
        except Exception:  # as in `read_part`; what is lost is the time that it took
            return None

    def write(self, rows: int, operator: NDArray[np.float64]) -> None:
        """Keep the frame operator of the first rows, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_arrays(self._path, self._of | {"rows": np.asarray(rows), "operator": operator})


def write_part(path: Path, plan: str, result: MatrixResult) -> None:
    """Write one matrix, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    plan : str
        What the part says of the plan that it belongs to.
    result : MatrixResult
        The matrix.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    packed = {name: np.asarray(value) for name, value in _pack(result).items()} | {"plan": np.asarray(plan)}
    write_arrays(path, packed)


def read_part(path: Path, plan: str, name: str) -> MatrixResult:
    """Read one matrix back.

    Parameters
    ----------
    path : Path
        The file.
    plan : str
        The plan that the part must name.
    name : str
        The matrix that it must hold.

    Returns
    -------
    MatrixResult

    Raises
    ------
    SourceError
        If it cannot be read, is not what was written, or is of another plan or matrix.
    """
    try:
        arrays = read_arrays(path)
        try:
            if str(arrays["plan"]) != plan:
                raise ValueError("it is of another analysis than the plan in the folder")
            result = _unpack(arrays)
            if result.row["matrix"] != name:
                raise ValueError(f"it is of matrix {result.row['matrix']!r} where {name!r} belongs")
        # Whoever made the digest may have put anything in.
        except Exception as error:
            raise SourceError(f"{path} is damaged ({error})") from error
    except (SourceError, FileNotFoundError) as error:
        raise SourceError(f"{error}; run again with resume (--resume) to measure its matrix anew") from error
    return result


def _pack(result: MatrixResult) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "row": json.dumps(result.row),
        "blocks": json.dumps(result.blocks),
        "families": json.dumps(result.families),
        "seconds": result.seconds,
        # As bytes: an array of texts takes four bytes for each sign of the longest.
        "labels": np.frombuffer(json.dumps([result.labels, result.link]).encode(), dtype=np.uint8),
    }
    if result.density is not None:
        packed["density"] = result.density
    packed |= {f"feature/{name}": column for name, column in result.features.items()}
    packed |= {f"pair/{name}": column for name, column in result.pairs.items()}
    packed |= {
        f"picture/{field.name}": getattr(result.picture, field.name)
        for field in fields(Picture)
        if field.name not in _DRAWN
    }
    packed["drawn"] = np.array([block.block for block in result.picture.blocks], dtype=np.int64)
    for block in result.picture.blocks:
        for name in ("index", "gram", "coordinates", "certificate"):
            packed[f"block/{block.block}/{name}"] = getattr(block, name)
    for kind in ("families", "groups"):
        drawn = getattr(result.picture, kind)
        packed[f"n_{kind}"] = len(drawn)
        for position, each in enumerate(drawn):
            packed |= {f"{kind}/{position}/{name}": value for name, value in vars(each).items()}
    return packed


def _unpack(arrays: Mapping[str, NDArray[Any]]) -> MatrixResult:
    def below(prefix: str) -> dict[str, NDArray[Any]]:
        return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}

    drawn = tuple(
        BlockPicture(
            block,
            arrays[f"block/{block}/index"],
            arrays[f"block/{block}/gram"],
            arrays[f"block/{block}/coordinates"],
            str(arrays[f"block/{block}/certificate"]),
        )
        for block in arrays["drawn"].tolist()
    )
    labels, link = json.loads(arrays["labels"].tobytes())

    def each(kind: str) -> Iterator[dict[str, Any]]:
        for position in range(int(arrays[f"n_{kind}"])):
            held = below(f"{kind}/{position}/")
            yield {name: array if array.ndim else array.item() for name, array in held.items()}

    return MatrixResult(
        row=json.loads(str(arrays["row"])),
        features=below("feature/"),
        blocks=json.loads(str(arrays["blocks"])),
        families=json.loads(str(arrays["families"])),
        pairs=below("pair/"),
        picture=Picture(
            **below("picture/"),
            blocks=drawn,
            families=tuple(FamilyPicture(**held) for held in each("families")),
            groups=tuple(GroupPicture(**held) for held in each("groups")),
        ),
        seconds=float(arrays["seconds"]),
        labels=None if labels is None else tuple(labels),
        link=link,
        density=arrays.get("density"),
    )
