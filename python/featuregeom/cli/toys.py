"""``featuregeom toy phase | geometry | saturation | dynamics``: experiments on toys, each a table and a page."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from featuregeom.cli.terminal import (
    Json,
    made_by,
    messages,
    records,
    reporting,
    show,
    step_bar,
    stopping,
)
from featuregeom.cli.writing import Force, results_in
from featuregeom.errors import OutputError
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

    from featuregeom.folders import Results
    from featuregeom.report.sheet import Section

__all__ = ["app", "dynamics", "geometry", "phase", "saturation"]

app = typer.Typer(no_args_is_help=True, help="Train toy models of superposition and measure their geometry.")

Out = Annotated[Path, typer.Option(help="Folder for the table and the page.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a stopped experiment in the folder.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the training.")]
Device = Annotated[str, typer.Option(help="Torch device that trains: cpu, cuda, cuda:1 ...")]
Steps = Annotated[int | None, typer.Option(min=1, help="Steps of training, instead of the experiment's own.")]

_CELLS = "cells"
"""Finished cells of a stopped experiment, in its folder."""


# Long by its options, which typer reads from the signature, and by the words of its page.
@app.command()
def phase(
    out: Out = Path("toy-phase"),
    resume: Resume = False,
    force: Force = False,
    seed: Seed = 0,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="10 restarts of 10 000 steps at a batch of 1024: some ten minutes on two cores.",
        ),
    ] = False,
    device: Device = "cpu",
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Train phase diagrams of 2 features in 1 dimension and 3 in 2: dropped, dedicated or antipodal."""
    import pandas as pd

    from featuregeom.report.sheet import Section
    from featuregeom.report.toy_figures import crossing_figure, phase_figures
    from featuregeom.toys import experiments

    with (
        reporting(),
        ExitStack() as held,
        stopping(_kept(out)),
    ):
        _check_device(device)
        options: dict[str, Any] = {"seed": seed, "device": device, "folder": out / _CELLS} | (
            {"steps": steps} if steps else {}
        )
        if full:
            options |= {"restarts": 10, "steps": steps or 10_000, "batch_size": 1024}
        settings = {"full": full} | _settings(experiments.phase, options | {"n_hidden": (1, 2)})
        folder = held.enter_context(_claimed(out, "phase", settings, resume, force))
        crossing = experiments.held_crossing(seed=seed)
        found = []
        for m in (1, 2):
            with step_bar(f"phase diagram, m = {m}", hidden=as_json) as bar:
                found.append(experiments.phase(m, **options, progress=bar))
        sections = [
            Section(
                "Held solutions",
                (
                    "With norms held at 1 and biases at 0, an antipodal pair costs (1 - S)²/3, and keeping one of two "
                    "features of importance 1 costs (1 - S)(1 + 3S)/12. They cross at S = 3/7. The boundary is "
                    "measured for the held pair because a trained one has none.",
                ),
                (crossing_figure(crossing),),
            ),
            *(
                Section(
                    f"m = {one.n_hidden}",
                    (
                        "With norms and biases free, as in training, the boundary at 3/7 is not there: a trained pair "
                        "costs less than dropping one of two equal features at every S between 0 and 1, if only just "
                        "for dense inputs. The theory beside the measurement is that of held solutions.",
                    ),
                    tuple(phase_figures(one)),
                )
                for one in found
            ),
        ]
        _finish(
            folder,
            "phase",
            "Phase diagrams: what a toy keeps",
            pd.concat([one.to_frame() for one in found], ignore_index=True),
            sections,
            settings,
            {"crossing": crossing.crossing, "theory": 3 / 7},
            as_json,
        )


@app.command()
def geometry(
    out: Out = Path("toy-geometry"),
    resume: Resume = False,
    force: Force = False,
    seed: Seed = 0,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="400 features, 30 dimensions, 30 sparsities, 20 000 steps at a batch of 1024: about "
            "an hour on two cores.",
        ),
    ] = False,
    device: Device = "cpu",
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Train 200 features in 20 dimensions at 10 growing sparsities, and show the capacity of each."""
    import numpy as np

    from featuregeom.report.sheet import Section
    from featuregeom.report.toy_figures import capacity_histograms, geometry_figure
    from featuregeom.toys import experiments

    with (
        reporting(),
        ExitStack() as held,
        stopping(_kept(out)),
    ):
        _check_device(device)
        options: dict[str, Any] = {"n_features": 200, "n_hidden": 20, "steps": 2000, "batch_size": 256}
        if full:
            options = {
                "n_features": 400, "n_hidden": 30, "steps": 20_000, "batch_size": 1024,
                "sparsity": 1 - np.geomspace(1, 0.01, 30),
            }  # fmt: skip
        options |= {"seed": seed, "device": device, "folder": out / _CELLS} | (
            {"steps": steps} if steps else {}
        )
        settings = {"full": full} | _settings(experiments.geometry, options)
        found, folder = _trained(
            held, experiments.geometry, options, settings, _At(out, resume, force, as_json)
        )
        text = (
            "The capacity of a feature is the share of a dimension that it has for itself. Elhage et al. (2022) found "
            "that capacities stick at the values of regular geometries, such as 2/5 for a pentagon. S is the share of "
            "inputs in which a feature is absent: 1 / (1 - S) grows as inputs become sparser."
        )
        _finish(
            folder,
            "geometry",
            "Capacities against sparsity",
            found.to_frame(),
            [Section("Capacity", (text,), (geometry_figure(found), *capacity_histograms(found)))],
            settings,
            {"dimensions_per_feature": found.dimensions_per_feature.tolist()},
            as_json,
        )


@app.command()
def saturation(
    out: Out = Path("toy-saturation"),
    resume: Resume = False,
    force: Force = False,
    seed: Seed = 0,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="The paper's size, 1024 features and 3200 toys of 25 000 steps, once with trained and once with held "
            "biases: about 88 core-days, so 44 days on two cores; for an accelerator.",
        ),
    ] = False,
    device: Device = "cpu",
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Train toys over dimensions and sparsities, and show how near they come to capacity saturation."""
    import numpy as np

    from featuregeom.report.sheet import Section
    from featuregeom.report.toy_figures import saturation_figures
    from featuregeom.toys import experiments

    with (
        reporting(),
        ExitStack() as held,
        stopping(_kept(out)),
    ):
        _check_device(device)
        options: dict[str, Any] = {"steps": steps} if steps else {}
        if full:
            options = {
                "n_features": 1024, "n_hidden": tuple(range(16, 513, 16)), "restarts": 2,
                "sparsity": np.linspace(0, 0.99, 50), "steps": steps or 25_000, "batch_size": 1024,
                "learning_rate": 1e-3,
            }  # fmt: skip
        options |= {"seed": seed, "device": device, "folder": out / _CELLS, "biases": ("trained", "held")}
        settings = {"full": full} | _settings(experiments.saturation, options)
        found, folder = _trained(
            held, experiments.saturation, options, settings, _At(out, resume, force, as_json)
        )
        ranges = found.by_range()
        met = int((ranges[["saturation_met", "cv_met"]] == "met").to_numpy().sum())
        asked = 2 * int((ranges["toys"] > 0).sum())
        text = (
            f"Means over ranges of S of {len(found.sparsity)} toys of {found.n_features} features, beside the figures "
            "of arXiv:2602.02224 at its own size (1024 features) and beside random frames with the same norms. Biases "
            "start at -0.1. The paper trains them; the rows that say held have them fixed there, which is another "
            f"model. {met} of {asked} figures are met: a mean saturation of at least the paper's, a mean cv of at "
            "most it."
        )
        _finish(
            folder,
            "saturation",
            "Capacity saturation of trained toys",
            found.to_frame(),
            [Section("By sparsity", (text,), tuple(saturation_figures(found)), ranges)],
            settings,
            {"ranges": records(ranges)},
            as_json,
        )


@app.command()
def dynamics(
    out: Out = Path("toy-dynamics"),
    resume: Resume = False,
    force: Force = False,
    seed: Seed = 0,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="64 features, 16 dimensions, 20 000 steps: a minute.",
        ),
    ] = False,
    device: Device = "cpu",
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Train one toy with checkpoints, and show when eigenvalues and Rayleigh quotients jump.

    It takes seconds, so --resume trains anew, and gives the same.
    """
    from featuregeom.report.sheet import Section
    from featuregeom.report.toy_figures import dynamics_figures
    from featuregeom.toys import experiments

    with (
        reporting(),
        ExitStack() as held,
        stopping("a single run keeps nothing, and --resume trains it anew"),
    ):
        _check_device(device)
        options: dict[str, Any] = {"steps": steps, "n_checkpoints": min(80, steps)} if steps else {}
        if full:
            options |= {"n_features": 64, "n_hidden": 16, "steps": steps or 20_000}
        options |= {"seed": seed, "device": device}
        settings = {"full": full} | _settings(experiments.dynamics, options)
        found, folder = _trained(
            held, experiments.dynamics, options, settings, _At(out, resume, force, as_json)
        )
        levels, kappas = (plural(len(each), "jump") for each in (found.level_jumps, found.jumps))
        text = (
            "An energy level is an eigenvalue of the features' frame operator; kappa is the mean level of a feature. "
            f"Over {number(found.toy.steps)} steps there were {levels} of features from one level to another, by more "
            f"than a tenth, and {kappas} of kappa that noise would give in 1 of 100 runs."
        )
        _finish(
            folder,
            "dynamics",
            "Energy levels over training",
            found.to_frame(),
            [Section("Over training", (text,), tuple(dynamics_figures(found)))],
            settings,
            {"jumps": len(found.jumps), "level_jumps": len(found.level_jumps)},
            as_json,
        )


class _At(NamedTuple):
    """Where the results of an experiment go, what may lie there, and whether a bar would be in the way."""

    out: Path
    resume: bool
    force: bool
    as_json: bool


def _trained(
    held: ExitStack,
    experiment: Callable[..., Any],
    options: Mapping[str, Any],
    settings: Mapping[str, Any],
    at: _At,
) -> tuple[Any, Results]:
    """Run an experiment in its folder, which stays claimed until `held` is closed."""
    folder = held.enter_context(_claimed(at.out, experiment.__name__, settings, at.resume, at.force))
    with step_bar("training", hidden=at.as_json) as bar:
        return experiment(**options, progress=bar), folder


def _settings(experiment: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Give every number that an experiment ran with, its defaults included; its axes are columns of the table."""
    defaults = {name: given.default for name, given in inspect.signature(experiment).parameters.items()}
    every = defaults | dict(options)
    return {name: value for name, value in every.items() if isinstance(value, (int, float, str))}


def _check_device(device: str) -> None:
    """Refuse a device that is not there before anything in the folder is touched."""
    from featuregeom.toys.arguments import torch_device, torch_module

    torch_device(torch_module(), device)


def _kept(out: Path) -> str:
    return f"finished cells are kept in {out}, --resume goes on with the others"


@contextmanager
def _claimed(
    out: Path, name: str, settings: Mapping[str, Any], resume: bool, force: bool
) -> Iterator[Results]:
    """Claim the folder of an experiment and its finished cells, which go unless they are resumed.

    Beside the cells lies how they are made, for an experiment that is stopped has no page yet.
    """
    from featuregeom.atomic import create_folder, replacing
    from featuregeom.folders import refuse_another
    from featuregeom.toys.experiments.cells import kind_of

    if resume and force:
        raise typer.BadParameter("--resume goes on with what is there, --force replaces it: give one of them")
    told = dict(settings) | {"device": kind_of(settings["device"])}
    with results_in(out, f"toy {name}", {f"{name}.html": [f"{name}.parquet"]}, told, force=force) as folder:
        record = out / _CELLS / f"{name}.json"
        cells = sorted(record.parent.glob(f"{name}-*.npz"))
        held = _record(record)
        if cells and held is None:
            raise OutputError(
                f"{cells[0]} would be replaced, and nothing says how it was made: choose another folder, "
                "or move it away"
            )
        if held is not None and not force:
            refuse_another(out, held, folder.made)
        if not resume:
            for path in cells:
                path.unlink()
        if name != "dynamics":
            create_folder(record.parent)
            with replacing(record) as temporary:
                temporary.write_text(json.dumps(folder.made, indent=1), encoding="utf-8")
        yield folder


def _record(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None


def _finish(
    folder: Results,
    name: str,
    title: str,
    frame: pd.DataFrame,
    sections: Sequence[Section],
    provenance: Mapping[str, Any],
    facts: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Write table and page, both with their provenance, and say where they are."""
    from featuregeom.atomic import replacing
    from featuregeom.report.sheet import Sheet, write_sheet

    provenance = made_by(f"toy {name}", **provenance)
    frame.attrs["provenance"] = provenance
    table, page = folder.folder / f"{name}.parquet", folder.folder / f"{name}.html"
    folder.begin()
    with replacing(table) as temporary, temporary.open("wb") as file:
        frame.to_parquet(file, index=False)
    sheet = Sheet("Toy models of superposition", title, tuple(sections), provenance=provenance)
    write_sheet(sheet, page, folder.made)
    shown = dict(facts) | {"table": str(table), "page": str(page)}
    if show(shown, as_json):
        messages.print(f"{len(frame)} rows")
