"""An analysis on disk: one file per finished matrix, then the tables.

::

    DIR/analysis.json        provenance, the plan, seconds
    DIR/parts/0007.npz       one matrix, written whole as it finishes
    DIR/parts/0008.sum.npz   the frame operator of the first rows of a very long one at work
    DIR/matrices.parquet     the tables, written when all matrices are done
    DIR/features.parquet
    DIR/blocks.parquet
    DIR/pairs.parquet
    DIR/families.parquet
    DIR/summary.json         the findings, and the verdicts by kind of layer
    DIR/report.html

Tables are made from the parts alone, and hold no times, so a run that was stopped and resumed writes the same
bytes as one that was not. Seconds are kept in the parts and joined to the matrices table in memory.

A new analysis removes an older one in its folder before it begins, so that old and new never stand side by side. It
touches no other file: a part or certificate is of the older analysis only if its number is that of one of its matrices.
An analysis of another source, or with other settings, goes only when that is asked for. Every part names its plan, and
a part of another plan is never read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregeom.analysis import Analysis, MatrixResult
from featuregeom.atomic import create_folder, replacing
from featuregeom.dictionaries import by_layers
from featuregeom.errors import OutputError, ParameterError, SourceError
from featuregeom.folders import refuse_another
from featuregeom.kept import digest, read_record, write_record
from featuregeom.parquet import write_parquet
from featuregeom.survey.parts import SumFile, read_part, write_part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "assemble", "load"]

_INDEX = "analysis.json"
_CERTIFICATES = "certificates"
_PARTS = "parts"
_TABLES = ("matrices", "features", "blocks", "pairs", "families")
_SUMMARY = "summary.json"

_WRITTEN = re.compile(
    rf"{re.escape(_INDEX)}|{re.escape(_SUMMARY)}|report\.html|(?:{'|'.join(_TABLES)})\.parquet"
    rf"|{_PARTS}/(\d{{4,}})(?:\.sum)?\.npz|{_CERTIFICATES}/(\d{{4,}})-\d+\.json"
)
"""The files that an analysis writes, by their paths in its folder, with the number of the matrix."""

Plan = dict[str, Any]
"""What an analysis is going to do: provenance, a fingerprint of the source, names in order, what is skipped."""


class Store:
    """The folder of one analysis, which this process has locked (`featuregeom.folders.locked`).

    Parameters
    ----------
    folder : Path
        Where it is.
    plan : dict
        What is going to be done.
    sources : iterable of Path
        The files that are going to be measured, which nothing may replace.
    resume : bool
        Keep the parts of an earlier run with the same plan. Without it the earlier analysis is removed. Where there
        is no earlier run, a new one begins.
    force : bool
        Remove an earlier analysis of another source or with other settings, too.

    Raises
    ------
    OutputError
        If the folder cannot be written, if an analysis of another source or with other settings, a file that no
        analysis wrote, or one of `sources`, would have to be replaced, or if the folder of the parts or certificates
        is a link.
    SourceError
        If the analysis to resume is damaged.
    ParameterError
        If it was another analysis.
    """

    def __init__(
        self, folder: Path, plan: Plan, sources: Iterable[Path], *, resume: bool, force: bool
    ) -> None:
        self.folder = folder
        self._plan = plan
        self._key = _key(plan)
        self._parts = folder / _PARTS
        self._certificates = folder / _CERTIFICATES
        self._names: list[str] = plan["matrices"]
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
            held = _read_index(folder)
            _check_same(held, plan, folder)
            if "stopped" in held:
                self.write_plan()
            return
        _check_ours(folder, older, wanted)
        if older and not force:
            _check_replaceable(folder, plan)
        create_folder(self._parts)
        for path in older:
            if path != index:  # replaced last, for without it the rest would be no one's
                _remove(path)
        self.write_plan()

    def finished(self, name: str) -> MatrixResult | None:
        """Read back one finished matrix; None where it has no part, a damaged one, or one of another plan."""
        path = self._path(name)
        try:
            return read_part(path, self._key, name) if path.exists() else None
        except SourceError:
            return None

    def write(self, name: str, result: MatrixResult) -> None:
        """Keep one finished matrix.

        Raises
        ------
        OutputError
            If it cannot be written, no part of it stays; or if another analysis has begun in the folder meanwhile,
            which can only happen on a disk without locks.
        """
        self._check_still_ours()
        write_part(self._path(name), self._key, result)
        if (started := self._path(name, ".sum")).exists():
            _remove(started)

    def sum_of(self, name: str) -> SumFile:
        """Give where the frame operator of one matrix is kept while it is formed."""
        return SumFile(self._path(name, ".sum"), self._key, name)

    def write_plan(self) -> None:
        """Keep the plan, to which the analysis adds matrices that turn out to have nothing to measure.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_record(self.folder / _INDEX, self._plan)

    def stop(self, reason: str) -> None:
        """Write into the plan why the analysis cannot go on, so that it is replaced without `force`.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self._plan["stopped"] = reason
        self.write_plan()

    def write_tables(self, analysis: Analysis) -> None:
        """Write the tables, the summary, and the certificates of the schemes that the page shows.

        Raises
        ------
        OutputError
            If one cannot be written, or another analysis has begun in the folder meanwhile; see `write`.
        """
        self._check_still_ours()
        for table in _TABLES:
            frame: pd.DataFrame = getattr(analysis, table)
            write_parquet(frame.drop(columns="seconds", errors="ignore"), self.folder / f"{table}.parquet")
        with replacing(self.folder / _SUMMARY) as temporary:
            summary = {
                "provenance": analysis.provenance,
                "findings": analysis.findings.records(),
                "layers": by_layers(analysis.matrices),
            }
            temporary.write_text(json.dumps(summary, indent=1), encoding="utf-8")
        for name, picture in analysis.pictures.items():
            for block in picture.blocks:
                if block.certificate:
                    create_folder(self._certificates)
                    path = self._certificates / f"{self._names.index(name):04d}-{block.block}.json"
                    with replacing(path) as temporary:
                        temporary.write_text(block.certificate, encoding="utf-8")

    def _check_still_ours(self) -> None:
        if _key(_read_index(self.folder)) != self._key:
            raise OutputError(f"another analysis has begun in {self.folder}: choose another folder")

    def _path(self, name: str, kind: str = "") -> Path:
        return self._parts / f"{self._names.index(name):04d}{kind}.npz"


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
        pairs=tables.pairs(results),
        families=tables.families(results),
        skipped=pd.DataFrame(plan["skipped"], columns=["tensor", "shape", "dtype", "reason"]),
        pictures={result.row["matrix"]: result.picture for result in results},
        provenance=plan["provenance"],
        out=out,
        labels={result.row["matrix"]: result.labels for result in results},
        links={result.row["matrix"]: result.link for result in results if result.link},
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
    key = _key(plan)
    paths = {folder / _PARTS / f"{number:04d}.npz": name for number, name in enumerate(plan["matrices"])}
    return assemble(
        plan, [read_part(path, key, name) for path, name in paths.items() if path.exists()], folder
    )


def _key(plan: Plan) -> str:
    """Give what a part says of its plan: a digest of everything that decides its numbers."""
    decides = {key: plan.get(key) for key in ("provenance", "matrices", "axes", "fingerprint")}
    return digest(decides)


def _read_index(folder: Path) -> Plan:
    path = folder / _INDEX
    try:
        plan = read_record(path)
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{folder} holds no analysis: there is no {_INDEX}") from None
    except NotADirectoryError:
        raise SourceError(
            f"{folder} is a file: give the folder of an analysis, which holds {_INDEX}"
        ) from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    kinds = {"provenance": dict, "matrices": list, "skipped": list}
    if not all(isinstance(plan.get(key), kind) for key, kind in kinds.items()):
        raise SourceError(f"{path} does not describe an analysis")
    return plan


def _older(folder: Path) -> list[Path]:
    """Find the files of the analysis in the folder, if there is one."""
    try:
        return _written(folder, len(_read_index(folder)["matrices"]))
    except SourceError:
        return []


def _written(folder: Path, n_matrices: int) -> list[Path]:
    """Find the files in the folder whose names an analysis with `count` matrices would write."""
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


def _check_replaceable(folder: Path, plan: Plan) -> None:
    """Refuse to replace an analysis of another source, or a finished one with other settings."""
    old = _read_index(folder)
    held, wanted = _made(old), _made(json.loads(json.dumps(plan)))
    compared = {*held, *wanted}
    if not (folder / f"{_TABLES[0]}.parquet").exists():
        compared &= {"origin", "source"} if "stopped" in old else {"origin", "state", "source"}
    refuse_another(folder, *({key: made.get(key) for key in compared} for made in (held, wanted)))


def _made(plan: Plan) -> dict[str, Any]:
    """Give how an analysis is made, in the terms of `refuse_another`."""
    made = {key: value for key, value in plan["provenance"].items() if key not in ("version", "format")}
    return made | {
        "origin": plan.get("origin"),
        "state": plan.get("fingerprint"),
        "matrices": plan["matrices"],
        "axes": plan.get("axes"),
    }


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error


def _check_same(old: Plan, new: Plan, folder: Path) -> None:
    old = {key: value for key, value in old.items() if key not in ("stopped", "origin")}
    # A matrix that was planned and is in the list of what was skipped had nothing to measure.
    old["skipped"] = [row for row in old["skipped"] if row["tensor"] not in old["matrices"]]
    new = json.loads(json.dumps({key: value for key, value in new.items() if key != "origin"}))
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
        "give force (--force) instead of resume (--resume) to replace it, or choose another folder"
    )
