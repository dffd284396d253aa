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
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.atomic import create_folder, replacing
from featuregeom.errors import ParameterError, SourceError
from featuregeom.survey.result import Analysis, BlockPicture, MatrixResult, Picture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "assemble", "load"]

_INDEX = "analysis.json"
_CERTIFICATES = "certificates"
_PARTS = "parts"
_TABLES = ("matrices", "features", "blocks")

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
    resume : bool
        Keep the parts of an earlier run with the same plan. Without it they are removed.

    Raises
    ------
    OutputError
        If the folder cannot be made or written.
    ParameterError
        If there is nothing to resume, or it was another analysis.
    """

    def __init__(self, folder: Path, plan: Plan, *, resume: bool) -> None:
        self.folder = folder
        self._parts = folder / _PARTS
        self._certificates = folder / _CERTIFICATES
        self._names: list[str] = plan["matrices"]
        index = folder / _INDEX
        if resume and index.exists():
            _check_same(_read_index(folder), plan, folder)
            return
        create_folder(self._parts)
        for name in (*(f"{table}.parquet" for table in _TABLES), "report.html"):
            (folder / name).unlink(missing_ok=True)
        for old in (*self._parts.glob("*.npz"), *self._certificates.glob("*.json")):
            old.unlink()
        with replacing(index) as temporary:
            temporary.write_text(json.dumps(plan, indent=1), encoding="utf-8")

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
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not isinstance(plan, dict) or not {"provenance", "matrices", "skipped"} <= plan.keys():
        raise SourceError(f"{path} is no description of an analysis")
    return plan


def _check_same(old: Plan, new: Plan, folder: Path) -> None:
    new = json.loads(json.dumps(new))
    if old == new:
        return
    differing = [
        key
        for key in sorted({*old["provenance"], *new["provenance"]})
        if old["provenance"].get(key) != new["provenance"].get(key)
    ]
    if not differing:
        differing = (
            ["its matrices"]
            if old.get("fingerprint") == new["fingerprint"]
            else ["the source, which changed"]
        )
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
