"""What all commands share: where results, messages, progress and errors go."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from traceback import clear_frames
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from featuregeom.errors import FeatureGeometryError, ParameterError, SourceError
from featuregeom.memory import lacks, start_command
from featuregeom.wording import number

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "INTERRUPTED",
    "Json",
    "Threads",
    "made_by",
    "messages",
    "output",
    "plain",
    "print_json",
    "print_no_memory",
    "records",
    "reporting",
    "shown_once_used",
    "step_bar",
    "stopping",
]

INTERRUPTED = 130

# Where nobody sees a terminal, lines need not be broken for one.
output = Console(width=None if sys.stdout.isatty() else 160)
messages = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--num-threads", "--threads", min=1, help="Threads; by default RAYON_NUM_THREADS or all cores."
    ),
]


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into one line and an exit code: 2 for a value that an option does not take, 1 for all others."""
    try:
        start_command()
        yield
        sys.stdout.flush()
    except FeatureGeometryError as error:
        messages.print(plain(f"error: {error}", keep="\n"), style="red", soft_wrap=True)
        wrong_value = isinstance(error, ParameterError) and not isinstance(error, SourceError)
        raise typer.Exit(2 if wrong_value else 1) from None
    except OSError as error:
        if lacks(error):
            raise _no_memory(error) from None
        if error.errno != errno.ENOSPC:
            raise
        # What is left in the buffer cannot be written either, and Python would say so again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        messages.print(f"error: cannot write the output: {error.strerror}", style="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:  # torch, pyarrow and the loader of libraries have errors of their own for it
        if not lacks(error):
            raise
        raise _no_memory(error) from None


def _no_memory(error: Exception) -> typer.Exit:
    print_no_memory(error)
    return typer.Exit(1)


def print_no_memory(error: BaseException) -> None:
    """Say in one line that memory was missing, and what to do."""
    clear_frames(error.__traceback__)  # which hold the arrays that there was no room beside
    said = " ".join(str(error).split()) or "an allocation failed"
    todo = "" if "take fewer" in said else "; take less at once, or raise the limit on memory (ulimit -v)"
    # In a few bytes, without Rich.
    sys.stderr.write(plain(f"error: not enough memory: {said}{todo}").plain + "\n")
    sys.stderr.flush()


@contextmanager
def stopping(kept: str) -> Iterator[None]:
    """Say what Ctrl-C leaves, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        messages.print(plain(f"stopped; {kept}"), soft_wrap=True)
        raise


@contextmanager
def step_bar(label: str, *, hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that reports ``progress(done, total)``."""
    # Where nobody sees it move, no thread needs to move it.
    bar = Progress(console=messages, disable=hidden, auto_refresh=messages.is_interactive)
    task = bar.add_task(label, visible=not hidden)
    with shown_once_used(bar) as use:

        def listen(done: int, total: int) -> None:
            use()
            bar.update(task, completed=done, total=total)

        yield listen


@contextmanager
def shown_once_used(bar: Progress) -> Iterator[Callable[[], None]]:
    """Show a bar from the first call on, so that an error before any work has no empty bar above it."""
    if bar.disable:
        yield bar.start
        return

    def use() -> None:
        try:
            bar.start()
        except RuntimeError as error:  # a thread that has no room for its stack
            raise MemoryError(f"the progress bar {error}".replace("bar can't", "bar cannot")) from error

    try:
        yield use
    finally:
        if bar.live.is_started:
            with suppress(RuntimeError):  # of a thread that did not start
                bar.stop()


def plain(text: str, *, keep: str = "", style: str = "") -> Text:
    """Give text for people, with signs that do not print spelled out, but for those in `keep`.

    Names come from files, and may hold codes that move the cursor or turn the line round.
    """
    return Text(
        "".join(
            sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode("ascii")
            for sign in text
        ),
        style=style,
    )


def say(lines: Iterable[object]) -> None:
    """Print lines for people; the terminal wraps long ones."""
    for line in lines:
        output.print(plain(str(line)), soft_wrap=True)


def show(facts: Mapping[str, object], as_json: bool) -> bool:
    """Print facts as JSON, or a line each; give whether people are reading."""
    if as_json:
        print_json(facts)
    else:
        say(line for key, value in facts.items() for line in _fact(key.replace("_", " "), value))
    return not as_json


def _fact(name: str, value: Any) -> Iterator[str]:
    """Write one fact as people read it: a line, or a line for each row of a table."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield f"{name}:"
        for row in value:
            yield "  " + ", ".join(f"{key.replace('_', ' ')} {_shown(each)}" for key, each in row.items())
    else:
        yield f"{name}: {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return str(value) if isinstance(value, (str, bool, os.PathLike)) else number(value)


def made_by(command: str, **settings: Any) -> dict[str, Any]:
    """Give the provenance of a table: version and command, then what the command was told."""
    from featuregeom import __version__

    return {"version": __version__, "command": f"featuregeom {command}", **settings}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a table for JSON: NaN and missing values become None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def print_json(value: Any) -> None:
    """Print JSON; NumPy scalars are given as Python's."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False, default=_plain))


def _plain(value: Any) -> Any:
    """Give NumPy scalars as Python's."""
    return value.item()
