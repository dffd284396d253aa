"""``featuregeom regions phase``: the phase chart of hash encoders, trained and drawn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from featuregeom.cli.terminal import Json, messages, output, plain, print_json, records, reporting, step_bar
from featuregeom.cli.writing import Force
from featuregeom.wording import plural

__all__ = ["phase"]


def phase(
    out: Annotated[Path, typer.Option(help="Folder for cells, tables and page.")] = Path("featuregeom-phase"),
    widths: Annotated[
        str | None,
        typer.Option(help="Widths of the hidden layers, such as 3,10,30; by default nine from 3 to 720."),
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Epochs after which codes are taken, such as 0,1,8,32.")
    ] = None,
    samples: Annotated[str | None, typer.Option(help="Training samples, such as 50,300,1198.")] = None,
    depth: Annotated[int, typer.Option(min=1, help="Hidden layers.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Networks per cell.")] = 2,
    tau_hi: Annotated[
        float, typer.Option(help="Redundancy from which on a network is under-expressive.")
    ] = 0.5,
    tau_lo: Annotated[
        float, typer.Option(help="Redundancy up to which it can be sufficiently expressive.")
    ] = 0.1,
    eps: Annotated[
        float,
        typer.Option(
            help="Largest change of accuracy that counts as none, per factor e in width, samples or 1 + epochs."
        ),
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, weights and batches.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run in the folder.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train networks on handwritten digits, and chart where their codes tell samples apart."""
    from featuregeom import encoder
    from featuregeom.encoder.phase import EPOCHS, SAMPLES, WIDTHS
    from featuregeom.errors import OutputError
    from featuregeom.report.phases import coarse_words, phase_sheet
    from featuregeom.report.sheet import write_sheet

    with reporting():
        if not (resume or force) and (out / "plan.json").exists():
            raise OutputError(
                f"{out} holds a phase chart: go on with --resume, choose another folder with --out, or have it "
                "replaced with --force"
            )
        thresholds = encoder.Thresholds(tau_hi, tau_lo, eps)
        grids = [
            _list(name, text, default)
            for name, text, default in (
                ("widths", widths, WIDTHS), ("epochs", epochs, EPOCHS), ("samples", samples, SAMPLES)
            )
        ]  # fmt: skip
        with step_bar("cells", hidden=as_json) as listener, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the grid is coarse")  # said below, by the names of the axes
            try:
                chart = encoder.phase(
                    out, widths=grids[0], epochs=grids[1], samples=grids[2], depth=depth, repeats=repeats,
                    thresholds=thresholds, seed=seed, resume=resume, force=force, progress=listener,
                )  # fmt: skip
            except KeyboardInterrupt:
                messages.print(f"stopped; finished cells are kept in {out}, --resume goes on with the others")
                raise
        page = write_sheet(phase_sheet(chart), out / "report.html")
        if as_json:
            print_json({"folder": str(out), "regimes": records(chart.regimes)})
            return
        counts = chart.regimes["regime"].value_counts()
        for name in encoder.REGIMES:
            output.print(f"{plural(int(counts.get(name, 0)), 'cell'):>9} {name}")
        for sentence in coarse_words(chart):
            output.print(sentence, soft_wrap=True)
        output.print(plain(str(page)), soft_wrap=True)


def _list(name: str, text: str | None, default: Sequence[int]) -> Sequence[int]:
    if text is None:
        return default
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{name} must be integers with commas between, got {text!r}") from None
