"""Where commands write their tables and pages, and what they do not replace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom import folders

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Force", "results_in", "source_files", "write_json", "write_table"]

Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace results in the folder that have another source or other settings, too."
    ),
]


def source_files(source: str | Path) -> list[Path]:
    """Give the files of a source on this machine: itself, or what lies in the folder; none for the id of a Hub."""
    path = Path(source)
    try:
        if path.is_dir():
            return sorted(each for each in path.iterdir() if each.is_file())
        return [path] if path.exists() else []
    except (OSError, ValueError):
        return []


@contextmanager
def results_in(
    out: Path,
    command: str,
    pages: Mapping[str, Iterable[str]],
    settings: Mapping[str, Any],
    *,
    source: str | Path | None = None,
    others: Iterable[Path | None] = (),
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
    source : str or Path, optional
        What it reads; none where it trains.
    others : iterable of Path
        Files that it reads besides, such as labels; None is passed over.
    force : bool
        Replace results of another source or of other settings.

    Yields
    ------
    Results
        See `featuregeom.folders.results`.
    """
    from featuregeom.survey import fingerprint

    made: dict[str, Any] = {"command": f"featuregeom {command}", **settings}
    besides = [path for path in others if path is not None and path.exists()]
    read = [] if source is None else source_files(source)
    if besides:
        made["other files"] = fingerprint.of_files(besides)
    if source is not None:
        made |= {
            "source": str(source),
            "origin": folders.origin(read) if read else str(source),
            "state": fingerprint.of_files(read),
        }
    with folders.results(out, made, pages, sources=[*read, *besides], force=force) as claimed:
        yield claimed


def write_table(frame: pd.DataFrame, path: Path, provenance: Mapping[str, Any]) -> Path:
    """Write a table as Parquet, with how it was made in its metadata; whole or not at all."""
    from featuregeom.atomic import replacing

    frame.attrs["provenance"] = dict(provenance)
    with replacing(path) as temporary, temporary.open("wb") as file:
        frame.to_parquet(file, index=False)
    return path


def write_json(value: Any, path: Path) -> Path:
    """Write JSON, whole or not at all."""
    import json

    from featuregeom.atomic import replacing

    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
