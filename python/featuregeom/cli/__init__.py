"""The command line, one file a group of commands.

Results go to standard output, progress and errors to standard error. Exit codes: 0 done, 1 an error that the
message explains, 2 wrong usage, 130 interrupted (Ctrl-C; what was finished is kept).
"""

from __future__ import annotations

import typer

from featuregeom.cli import codes, plateaus, regions, schemes, survey, toys

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the geometry of what a neural network has learned.",
    epilog="Exit codes: 0 done; 1 an error that the message explains; 2 wrong usage; 130 interrupted.",
)
for command in (
    survey.describe,
    survey.analyze,
    survey.demo,
    survey.report,
    schemes.scheme,
    schemes.verify,
    plateaus.plateaus,
    codes.codes,
):
    app.command()(command)
app.add_typer(regions.app, name="regions")
app.add_typer(toys.app, name="toy")


def main() -> None:
    """Run the command line."""
    app()
