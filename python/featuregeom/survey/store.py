"""An analysis on disk: one file per finished matrix, then the tables.

::

    DIR/analysis.json        provenance, the plan, seconds
    DIR/parts/0007.npz       one matrix, written whole as it finishes
    DIR/matrices.parquet     the tables, written when all matrices are done
    DIR/features.parquet
    DIR/blocks.parquet
    DIR/report.html

Tables are made from the parts alone, and hold no times, so a run that was stopped and resumed writes the same
bytes as one that was not. Seconds are kept in the parts and joined to the matrices table in memory.

A new analysis removes an older one in its folder before it begins, so that old and new never stand side by side. It
touches no other file: a part or certificate is of the older analysis only if its number is that of one of its matrices.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.analysis import Analysis, BlockPicture, MatrixResult, Picture
from featuregeom.atomic import create_folder, replacing
from featuregeom.errors import OutputError, ParameterError, SourceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "assemble", "load"]

_INDEX = "analysis.json"
_CERTIFICATES = "certificates"
_PARTS = "parts"
_TABLES = ("matrices", "features", "blocks")

_WRITTEN = re.compile(
    rf"{re.escape(_INDEX)}|report\.html|(?:{'|'.join(_TABLES)})\.parquet"
    rf"|{_PARTS}/(\d{{4,}})\.npz|{_CERTIFICATES}/(\d{{4,}})-\d+\.json"
)
"""The files that an analysis writes, by their paths in its folder, with the number of the matrix."""

Plan = dict[str, Any]
"""What an analysis is going to do: provenance, a fingerprint of the source, names in order, what is skipped."""


class Store:
    """The folder of one analysis.

    Parameters
    ----------
    folder : Path
        Where it is; made if need be.
    plan : dict
        What is going to be done.
    sources : iterable of Path
        The files that are going to be measured, which nothing may replace.
    resume : bool
        Keep the parts of an earlier run with the same plan. Without it the earlier analysis is removed. Where there
        is no earlier run, a new one begins.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, if a file that no analysis wrote, or one of `sources`, would have to
        be replaced, or if the folder of the parts or certificates is a link.
    SourceError
        If the analysis to resume is damaged.
    ParameterError
        If it was another analysis.
    """

    def __init__(self, folder: Path, plan: Plan, sources: Iterable[Path], *, resume: bool) -> None:
        self.folder = folder
        self._plan = plan
        self._parts = folder / _PARTS
        self._certificates = folder / _CERTIFICATES
        self._names: list[str] = plan["matrices"]
        create_folder(folder)
        for path in (self._parts, self._certificates):
            if path.is_symlink():
                raise OutputError(
                    f"{path} is a link, and files of another folder would be replaced: "
                    "choose another folder, or remove the link"
                )
        index = folder / _INDEX
        older, wanted = _older(folder), _written(folder, len(self._names))
        _check_no_source([*older, *wanted], sources)
        if resume and index in wanted:
            _check_same(_read_index(folder), plan, folder)
            return
        _check_ours(folder, older, wanted)
        create_folder(self._parts)
        for path in older:
            if path != index:  # replaced last, for without it the rest would be no one's
                _remove(path)
        self.write_plan()

    def done(self, name: str) -> bool:
        """Tell whether a matrix has a complete part."""
        path = self._path(name)
        return path.exists() and zipfile.is_zipfile(path)

    def write(self, name: str, result: MatrixResult) -> None:
        """Keep one finished matrix.

        Raises
        ------
        OutputError
            If it cannot be written; no part of it stays.
        """
        with replacing(self._path(name)) as temporary, temporary.open("wb") as file:
            np.savez(file, **_pack(result))

    def write_plan(self) -> None:
        """Keep the plan, to which the analysis adds matrices that turn out to have nothing to measure.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with replacing(self.folder / _INDEX) as temporary:
            temporary.write_text(json.dumps(self._plan, indent=1), encoding="utf-8")

    def read(self, name: str) -> MatrixResult:
        """Read back one finished matrix."""
        return _read_part(self._path(name))

    def write_tables(self, analysis: Analysis) -> None:
        """Write the three tables, and the certificates of the schemes that the page shows.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        for table in _TABLES:
            frame: pd.DataFrame = getattr(analysis, table)
            with replacing(self.folder / f"{table}.parquet") as temporary:
                frame.drop(columns="seconds", errors="ignore").to_parquet(temporary, index=False)
        for name, picture in analysis.pictures.items():
            for block in picture.blocks:
                if block.certificate:
                    create_folder(self._certificates)
                    path = self._certificates / f"{self._names.index(name):04d}-{block.block}.json"
                    with replacing(path) as temporary:
                        temporary.write_text(block.certificate, encoding="utf-8")

    def _path(self, name: str) -> Path:
        return self._parts / f"{self._names.index(name):04d}.npz"


def assemble(plan: Plan, results: Sequence[MatrixResult], out: Path | None) -> Analysis:
    """Put finished matrices together.

    Parameters
    ----------
    plan : dict
        What was done.
    results : sequence of MatrixResult
        In the order of the plan.
    out : Path or None
        Folder of the analysis.

    Returns
    -------
    Analysis
    """
    import pandas as pd

    from featuregeom.survey import tables

    analysis = Analysis(
        matrices=tables.matrices(results),
        features=tables.features(results),
        blocks=tables.blocks(results),
        skipped=pd.DataFrame(plan["skipped"], columns=["tensor", "shape", "dtype", "reason"]),
        pictures={result.row["matrix"]: result.picture for result in results},
        provenance=plan["provenance"],
        out=out,
    )
    for table in _TABLES:
        getattr(analysis, table).attrs["provenance"] = plan["provenance"]
    return analysis


def load(folder: str | Path) -> Analysis:
    """Load an analysis that :func:`featuregeom.analyze` wrote.

    Parameters
    ----------
    folder : path-like
        Its ``out`` folder. An analysis that was stopped gives the matrices that were finished.

    Returns
    -------
    Analysis

    Raises
    ------
    SourceError
        If the folder holds no analysis, or a damaged one.
    """
    folder = Path(folder)
    plan = _read_index(folder)
    paths = [folder / _PARTS / f"{number:04d}.npz" for number in range(len(plan["matrices"]))]
    return assemble(plan, [_read_part(path) for path in paths if path.exists()], folder)


def _read_index(folder: Path) -> Plan:
    path = folder / _INDEX
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{folder} holds no analysis: there is no {_INDEX}") from None
    except NotADirectoryError:
        raise SourceError(
            f"{folder} is a file: give the folder of an analysis, which holds {_INDEX}"
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    kinds = {"provenance": dict, "matrices": list, "skipped": list}
    if not isinstance(plan, dict) or not all(isinstance(plan.get(key), kind) for key, kind in kinds.items()):
        raise SourceError(f"{path} is no description of an analysis")
    return plan


def _older(folder: Path) -> list[Path]:
    """Find the files of the analysis in the folder, if there is one."""
    try:
        return _written(folder, len(_read_index(folder)["matrices"]))
    except SourceError:
        return []


def _written(folder: Path, n_matrices: int) -> list[Path]:
    """Find the files in the folder that have names that an analysis of so many matrices writes."""
    numbers = {None, *(f"{number:04d}" for number in range(n_matrices))}
    paths = [path for pattern in ("*", f"{_PARTS}/*", f"{_CERTIFICATES}/*") for path in folder.glob(pattern)]
    found = {path: _WRITTEN.fullmatch(path.relative_to(folder).as_posix()) for path in paths}
    return [path for path, match in found.items() if match and numbers.issuperset(match.groups())]


def _check_no_source(older: list[Path], sources: Iterable[Path]) -> None:
    """Refuse to replace what is going to be measured, under whatever name it was given."""
    read = {source.resolve() for source in sources}
    for path in older:
        if path.resolve() in read:
            raise OutputError(f"{path} is the source itself, and would be replaced: choose another folder")


def _check_ours(folder: Path, older: list[Path], wanted: list[Path]) -> None:
    """Refuse to replace files that only have the names that the new analysis writes."""
    foreign = [path for path in wanted if path not in older]
    if not foreign:
        return
    reason = "not of the analysis there"
    try:
        _read_index(folder)
    except SourceError as error:
        reason = f"of no analysis ({error})"
    raise OutputError(
        f"{foreign[0]} would be replaced, and is {reason}: choose another folder, or move it away"
    )


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error


def _check_same(old: Plan, new: Plan, folder: Path) -> None:
    # A matrix that was planned and is in the list of what was skipped had nothing to measure.
    old["skipped"] = [row for row in old["skipped"] if row["tensor"] not in old["matrices"]]
    new = json.loads(json.dumps(new))
    if old == new:
        return
    differing = [
        key
        for key in sorted({*old["provenance"], *new["provenance"]})
        if old["provenance"].get(key) != new["provenance"].get(key)
    ]
    if not differing:
        same = all(old.get(key) == new[key] for key in ("matrices", "axes", "skipped"))
        differing = ["the source, which changed" if same else "its matrices"]
    raise ParameterError(
        f"{folder} holds another analysis, which differs in {', '.join(differing)}: "
        "leave out resume (--resume) to replace it, or choose another folder"
    )


def _pack(result: MatrixResult) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "row": json.dumps(result.row),
        "blocks": json.dumps(result.blocks),
        "seconds": result.seconds,
    }
    packed |= {f"feature/{name}": column for name, column in result.features.items()}
    packed |= {
        f"picture/{field.name}": getattr(result.picture, field.name)
        for field in fields(Picture)
        if field.name != "blocks"
    }
    packed["drawn"] = [block.block for block in result.picture.blocks]
    for block in result.picture.blocks:
        for name in ("index", "gram", "coordinates", "certificate"):
            packed[f"block/{block.block}/{name}"] = getattr(block, name)
    return packed


def _read_part(path: Path) -> MatrixResult:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
            arrays = {
                name.removeprefix("picture/"): part[name]
                for name in part.files
                if name.startswith("picture/")
            }
            drawn = tuple(
                BlockPicture(
                    int(block),
                    part[f"block/{block}/index"],
                    part[f"block/{block}/gram"],
                    part[f"block/{block}/coordinates"],
                    str(part[f"block/{block}/certificate"]),
                )
                for block in part["drawn"]
            )
            return MatrixResult(
                row=json.loads(str(part["row"])),
                features={
                    name.removeprefix("feature/"): part[name]
                    for name in part.files
                    if name.startswith("feature/")
                },
                blocks=json.loads(str(part["blocks"])),
                picture=Picture(**arrays, blocks=drawn),
                seconds=float(part["seconds"]),
            )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path} is damaged ({error}); delete it and run again with resume (--resume)"
        ) from error
