"""The command line: one file per group of commands.

Results go to standard output, progress and errors to standard error. Exit codes: 0 done, 1 an error that the
message explains, 2 wrong usage, 130 interrupted (Ctrl-C; what was finished is kept).
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
from typing import Annotated

import typer

from featuregeom.cli import changes, codes, families, formation, plateaus, regions, sae, schemes, survey, toys
from featuregeom.cli.terminal import print_no_memory
from featuregeom.memory import lacks

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the geometry of what a neural network has learned.",
    epilog="Exit codes: 0 done; 1 an error that the message explains; 2 wrong usage; 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        from featuregeom import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Give the program options of its own, which typer attaches to a callback; its help is that of `app`."""


for command in (
    survey.describe,
    survey.calibrate,
    survey.analyze,
    survey.demo,
    survey.report,
    families.families,
    schemes.scheme,
    schemes.verify,
    plateaus.plateaus,
    codes.codes,
    formation.train_demo,
    sae.sae,
    changes.compare,
    changes.trajectory,
):
    app.command()(command)
app.add_typer(regions.app, name="regions")
app.add_typer(toys.app, name="toy")


def main() -> None:
    """Run the command line. What the terminal's encoding lacks is spelled out; warnings lack their line of code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    threading.excepthook = _of_thread
    try:
        app()
    except Exception as error:  # of what is imported to read the options
        if not lacks(error):
            raise
        print_no_memory(error)
        raise SystemExit(1) from None


def _of_thread(failed: threading.ExceptHookArgs) -> None:
    """Leave it to the main thread to say that memory is missing: the progress bar's thread misses it, too."""
    if failed.exc_value is None or not lacks(failed.exc_value):
        threading.__excepthook__(failed)
