"""Where commands write their tables and pages, and what they do not replace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom import folders
from featuregeom.errors import FeatureGeometryError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Force", "Seen", "results_in", "source_files", "write_json", "write_table"]

_NAMING = (".index.json", ".onnx", ".gguf")
"""Ends of the names of files whose tensors may lie in others."""

Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace results in the folder that have another source or other settings, too."
    ),
]


def source_files(source: str | Path) -> list[Path]:
    """Give the files of a source on this machine: itself with those that it names, or what lies in the folder.

    None for the id of a Hub, whose files do not change.
    """
    from featuregeom.sources import open_source

    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return sorted(each for each in path.iterdir() if each.is_file())
        if not path.exists():
            return []
    except (OSError, ValueError, RuntimeError):
        return []
    if path.name.endswith(_NAMING):
        # What the file cannot be read for is said by whoever reads it.
        with suppress(FeatureGeometryError, OSError), open_source(path, headers_only=True) as reader:
            return sorted({path, *reader.files})
    return [path]


@dataclass(frozen=True)
class Seen:
    """What a command reads, as it was before it was read: look first, read then, and check before anything is said.

    Attributes
    ----------
    sources : Sources
        The files.
    made : mapping
        What of them decides the results, for `featuregeom.folders.refuse_another`.
    """

    sources: folders.Sources
    made: Mapping[str, Any]

    @classmethod
    def of(cls, source: str | Path | None = None, others: Iterable[Path | None] = ()) -> Seen:
        """Look at a source and at files that are read besides, such as labels; None is passed over."""
        from featuregeom.survey import fingerprint

        besides = [path for path in others if path is not None and path.exists()]
        read = [] if source is None else source_files(source)
        # Before the names and times below are read: a change between the two is one that `check` sees.
        sources = folders.Sources.of([*read, *besides])
        made: dict[str, Any] = {}
        if besides:
            made["other files"] = fingerprint.of_files(besides)
        if source is not None:
            made |= {
                "source": str(source),
                "origin": folders.origin(read) if read else str(source),
                "state": fingerprint.of_files(read),
            }
        return cls(sources, made)


@contextmanager
def results_in(
    out: Path,
    command: str,
    pages: Mapping[str, Iterable[str]],
    settings: Mapping[str, Any],
    seen: Seen | None = None,
    *,
    force: bool = False,
) -> Iterator[folders.Results]:
    """Claim a folder for the table and page of a command.

    Parameters
    ----------
    out : Path
        The folder.
    command : str
        Its words after ``featuregeom``.
    pages : mapping of str to iterable of str
        Pages, each with the files that belong to it.
    settings : mapping
        Everything that the command was told and that its results depend on, in JSON's terms.
    seen : Seen, optional
        What it reads; none where it trains.
    force : bool
        Replace results of another source or of other settings.

    Yields
    ------
    Results
        See `featuregeom.folders.results`.
    """
    seen = seen or Seen.of()
    made = {"command": f"featuregeom {command}", **settings, **seen.made}
    with folders.results(out, made, pages, sources=seen.sources, force=force) as claimed:
        yield claimed


def write_table(frame: pd.DataFrame, path: Path, provenance: Mapping[str, Any]) -> Path:
    """Write a table as Parquet, with how it was made in its metadata; whole or not at all."""
    from featuregeom.parquet import write_parquet

    frame.attrs["provenance"] = dict(provenance)
    write_parquet(frame, path)
    return path


def write_json(value: Any, path: Path) -> Path:
    """Write JSON, whole or not at all."""
    import json

    from featuregeom.atomic import replacing

    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
