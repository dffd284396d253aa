"""What all commands share: where results, messages, progress and errors go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from featuregeom.errors import FeatureGeometryError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "INTERRUPTED",
    "Json",
    "Threads",
    "messages",
    "output",
    "print_json",
    "records",
    "reporting",
    "step_bar",
]

INTERRUPTED = 130

# Where nobody sees a terminal, lines need not be broken for one.
output = Console(width=None if sys.stdout.isatty() else 160)
messages = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads; by default RAYON_NUM_THREADS or all cores.")
]


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into one line and an exit code."""
    try:
        yield
    except FeatureGeometryError as error:
        messages.print(Text(f"error: {error}"), style="red", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def step_bar(label: str, *, hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that reports ``progress(done, total)``."""
    with Progress(console=messages, disable=hidden) as bar:
        task = bar.add_task(label, visible=not hidden)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with NaN, which is no JSON, and missing values as None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def print_json(value: Any) -> None:
    """Print JSON; NumPy scalars are given as Python's."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False, default=_plain))


def _plain(value: Any) -> Any:
    """Give NumPy scalars as Python's."""
    return value.item()
