"""``featuregeom train-demo``: three small networks, recorded while they train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from featuregeom.cli.terminal import (
    Json,
    made_by,
    messages,
    reporting,
    show,
    step_bar,
    stopping,
)
from featuregeom.cli.writing import Force, results_in, write_table

__all__ = ["train_demo"]

_RUNS = "runs"
"""Checkpoints of the runs, in the folder of results."""

_LEAD = (
    "Three networks train, and every so often the second moments of representations (H), gradients (G) and weights (Z) "
    "of each layer are compared. The linear network has known answers: in layer l of 3 the exponents of H_a, H_b, G_b "
    "and G_a end at l − 1, l, 3 − l and 4 − l. The perceptrons show what weight decay does.",
    "A high alignment alone shows little: positive matrices of like spectra are near 1 whatever their directions are, "
    "and outputs are tied to inputs through the weights before any training. Each curve has both nulls beside it.",
)


def train_demo(
    out: Annotated[Path, typer.Option(help="Folder for the table and the page.")] = Path("train-demo"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped training in the folder.")
    ] = False,
    force: Force = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights and batches.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 2500,
    as_json: Json = False,
) -> None:
    """Train two perceptrons on digits and a deep linear network, and record how their layers form."""
    from featuregeom.formation import demo
    from featuregeom.report.recording import recording_sections
    from featuregeom.report.sheet import Sheet, write_sheet

    if resume and force:
        raise typer.BadParameter("--resume goes on with what is there, --force replaces it: give one of them")
    with reporting(), stopping(f"checkpoints are kept in {out}, --resume goes on from them"):
        settings: dict[str, Any] = {"steps": steps, "seed": seed}
        pages = {"training.html": ["training.parquet"]}
        with results_in(out, "train-demo", pages, settings, force=force) as folder:
            _clear(out / _RUNS, settings, resume, force)
            with step_bar("training", hidden=as_json) as bar:
                frame = demo.train_demo(out / _RUNS, steps=steps, seed=seed, progress=bar)
            provenance = made_by("train-demo", **settings)
            table, page = out / "training.parquet", out / "training.html"
            folder.begin()
            write_table(frame, table, provenance)
            sheet = Sheet(
                "Training", "How three networks form", tuple(recording_sections(frame, demo.RUNS)), lead=_LEAD,
                provenance=provenance,
            )  # fmt: skip
            write_sheet(sheet, page, folder.made)
        facts = _facts(frame) | {"table": str(table), "page": str(page)}
        if show(facts, as_json):
            messages.print(f"{len(frame)} rows")


def _clear(runs: Path, settings: dict[str, Any], resume: bool, force: bool) -> None:
    """Remove the checkpoints of an older training, unless it goes on; those of another need --force."""
    from featuregeom.folders import refuse_another
    from featuregeom.formation import demo

    for name in demo.RUNS:
        path = runs / f"{name}.pt"
        if not path.exists():
            continue
        held = demo.settings_of(path)
        if not force:
            refuse_another(runs.parent, {key: held.get(key) for key in settings}, settings)
        if not resume:
            path.unlink()


def _facts(frame: Any) -> dict[str, Any]:
    """Give the end of the story in a few numbers."""
    last = frame[frame["step"] == frame["step"].max()].set_index(["run", "layer", "quantity"])["value"]

    def said(run: str, quantity: str, layers: tuple[str, ...]) -> list[float]:
        return [round(float(last[run, layer, quantity]), 4) for layer in layers]

    dense, linear = ("0", "2", "4"), ("0", "1", "2")
    return {
        "exponents of H_b in the linear network (1, 2, 3)": said("linear", "exponent H_b", linear),
        "exponents of G_a in the linear network (3, 2, 1)": said("linear", "exponent G_a", linear),
        "RGA on side out, cosine, without decay": said("mlp", "RGA_b cosine", dense),
        "RGA on side out, cosine, with decay": said("mlp-decay", "RGA_b cosine", dense),
        "FACT correlation with decay": said("mlp-decay", "FACT correlation", dense),
        "NFA correlation (power 1/2) with decay": said("mlp-decay", "NFA correlation 0.5", dense),
    }
