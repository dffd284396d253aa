"""``featuregeom regions slice | along | phase``: linear regions of a network in a file, and phase charts."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom.cli import phase
from featuregeom.cli.terminal import Json, Threads, made_by, reporting, show, step_bar
from featuregeom.cli.writing import Force, Seen, results_in
from featuregeom.errors import UnsuitableSourceError
from featuregeom.wording import plural

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from featuregeom.folders import Results
    from featuregeom.report.sheet import Sheet

__all__ = ["along", "app", "slice_"]

app = typer.Typer(
    no_args_is_help=True,
    help="Linear regions of networks in files, and the phase chart of networks that are trained for it.",
)
app.command()(phase.phase)


class Colour(StrEnum):
    """What the colour of a cell shows."""

    code = "code"
    classes = "class"


class Format(StrEnum):
    """File format of a table."""

    parquet = "parquet"
    csv = "csv"


Model = Annotated[
    str,
    typer.Argument(
        help="Weights of dense layers, taken as joined by ReLU, for no file says what joins them: a state dict as "
        ".safetensors, .npz or .pt, with names such as 0.weight, 0.bias, 2.weight."
    ),
]
Table = Annotated[Format, typer.Option("--table", help="File format of the table.")]


# Long by its options, which typer reads from the signature; what it does is read, slice, write.
@app.command("slice")
def slice_(
    model: Model,
    points: Annotated[
        Path | None,
        typer.Option(
            help="Three inputs A, B, C (.npy, or text with one per line): the plane has A at (0, 0), B at (1, 0), C at "
            "(0, 1). By default the plane of a network of two inputs, else a random one through 0."
        ),
    ] = None,
    bounds: Annotated[str, typer.Option(help="Rectangle s_min,s_max,t_min,t_max.")] = "-1,1,-1,1",
    colour: Annotated[Colour, typer.Option(help="What the colour of a cell shows.")] = Colour.code,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a random plane.")] = 0,
    max_regions: Annotated[int, typer.Option(min=1, help="Stop beyond this number of regions.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Folder for table and page.")] = Path("featuregeom-slice"),
    table: Table = Format.parquet,
    force: Force = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find every linear region of a network on a rectangle of a plane, exactly."""
    from featuregeom.regions import slice2d
    from featuregeom.regions.files import read_layers
    from featuregeom.report.sheet import Section, Sheet
    from featuregeom.report.slices import slice_figure

    box = _numbers("bounds", bounds)
    settings = {
        "points": None if points is None else str(points), "bounds": box, "colour": colour.value, "seed": seed,
        "max_regions": max_regions,
    }  # fmt: skip
    with reporting(), ExitStack() as held:
        claim = results_in(
            out, "regions slice", _files("slice"), settings, Seen.of(model, [points]), force=force
        )
        layers = read_layers(model)
        plane, said = _plane(layers[0][0].shape[1], points, seed)
        folder = held.enter_context(claim)
        with step_bar("layers", hidden=as_json) as bar:
            found = slice2d(
                layers, *plane, box, max_regions=max_regions, num_threads=threads, progress=bar
            )  # fmt: skip
        frame = found.to_frame()
        facts: dict[str, Any] = {
            "regions": found.n_regions,
            "neurons": found.n_bits,
            "area": float(found.areas.sum()),
            "largest": float(found.areas.max()),
            "decision_segments": len(found.decision_boundary()),
            "coincidences": found.n_degenerate,
            "activation": _ASSUMED,
        }
        text = (
            *_assumed(layers),
            "Inside a cell the same neurons are on, and the network is one affine map: straight, without a bend. "
            "Cells are exact up to rounding, not sampled on a grid: their areas add up to that of the rectangle.",
            *_coincidences(found.n_degenerate),
        )
        sections = (
            Section("The plane", text, (slice_figure(found, colour=colour.value),)),
            Section("The largest regions", (), (), frame.nlargest(50, "area").drop(columns="code")),
        )
        sheet = Sheet(
            "Linear regions",
            f"{plural(found.n_regions, 'linear region')} on a plane",
            sections,
            totals=(plural(found.n_regions, "region"), plural(found.n_bits, "neuron")),
            provenance=made_by(
                "regions slice",
                source=model,
                plane=said,
                bounds=bounds,
                colour=colour.value,
                seed=seed,
                max_regions=max_regions,
                activation=_ASSUMED,
            ),
        )
        _finish(folder, "slice", frame, sheet, facts, table, as_json)


@app.command()
def along(
    model: Model,
    points: Annotated[
        Path | None,
        typer.Option(help="Corners of a polyline (.npy, or text with one per line), two or more."),
    ] = None,
    start: Annotated[str | None, typer.Option(help="One end of a segment, such as 0,-1.")] = None,
    stop: Annotated[str | None, typer.Option(help="The other end of the segment.")] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the two random ends that are used by default, from a unit normal."),
    ] = 0,
    out: Annotated[Path, typer.Option(help="Folder for table and page.")] = Path("featuregeom-along"),
    table: Table = Format.parquet,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Find every linear region of a network on a segment or a polyline, exactly."""
    import numpy as np

    from featuregeom import regions
    from featuregeom.regions.files import read_layers, read_points
    from featuregeom.report.sheet import Section, Sheet
    from featuregeom.report.slices import along_figure

    if (start is None) != (stop is None) or (points is not None and start is not None):
        raise typer.BadParameter("give --start and --stop, or --points, or none of them")
    ends = [_numbers(name, text) for name, text in (("start", start), ("stop", stop)) if text is not None]
    settings = {"points": None if points is None else str(points), "ends": ends, "seed": seed}
    with reporting(), ExitStack() as held:
        claim = results_in(
            out, "regions along", _files("along"), settings, Seen.of(model, [points]), force=force
        )
        layers = read_layers(model)
        corners: Any
        if points is not None:
            corners, said = read_points(points, 2), str(points)
        elif start is not None:
            corners, said = ends, f"{start} to {stop}"
        else:
            corners = np.random.default_rng(seed).standard_normal((2, layers[0][0].shape[1]))
            said = "two random inputs"
        folder = held.enter_context(claim)
        found = regions.along(layers, *corners)
        facts: dict[str, Any] = {
            "regions": found.n_regions,
            "pieces": found.n_pieces,
            "crossings": found.crossings.tolist(),
            "length": float(found.lengths.sum()),
            "density": found.density,
            "deviation": found.deviation,
            "coincidences": found.n_degenerate,
            "activation": _ASSUMED,
        }
        crossings = ", ".join(map(str, facts["crossings"])) or "none"
        text = (
            *_assumed(layers),
            "Between two breakpoints no neuron turns on or off, and every output is a straight line. All breakpoints "
            "are found, however close to each other, which points on a grid would miss. Times that a neuron turns on "
            f"or off, by layer: {crossings}. A region is one set of neurons that are on: if the path leaves it and "
            "comes back, it is counted once, and a corner of the path begins another piece of the same region.",
            *_coincidences(found.n_degenerate),
        )
        sheet = Sheet(
            "Linear regions",
            f"{plural(found.n_regions, 'linear region')} on a path through inputs",
            (
                Section("The path", text, (along_figure(found),)),
                Section("The first pieces", (), (), found.to_frame().head(50)),
            ),
            totals=(
                plural(found.n_regions, "region"),
                plural(found.n_pieces, "piece"),
                plural(found.n_bits, "neuron"),
            ),
            provenance=made_by("regions along", source=model, path=said, seed=seed, activation=_ASSUMED),
        )
        _finish(folder, "along", found.to_frame(), sheet, facts, table, as_json)


_ASSUMED = "ReLU, assumed: the file does not say what joins its layers"


def _assumed(layers: list[Any]) -> tuple[str, ...]:
    """Give the sentence that says what was assumed of a network with hidden layers."""
    if len(layers) < 2:
        return ()
    return (
        "The file does not say what joins the layers, so ReLU is assumed. If it is anything else, LeakyReLU say, the "
        "regions below are wrong; give the module itself to fg.regions in Python.",
    )


def _plane(
    inputs: int, points: Path | None, seed: int
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], str]:
    """Give origin, u and v, and what to say about them."""
    import numpy as np

    from featuregeom.regions.files import read_points

    if points is not None:
        found = read_points(points, 3)
        if len(found) != 3:
            raise UnsuitableSourceError(f"{points} must hold three inputs, got {len(found)}")
        return (found[0], found[1] - found[0], found[2] - found[0]), f"through the three of {points}"
    if inputs == 2:
        return (np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0])), "the two inputs"
    if inputs < 2:
        raise UnsuitableSourceError("a network of one input has no plane: use featuregeom regions along")
    u, v = np.linalg.qr(np.random.default_rng(seed).standard_normal((inputs, 2)))[0].T
    return (np.zeros(inputs), u, v), "through 0, two random orthogonal directions of length 1"


def _coincidences(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (
        f"{plural(count, 'time')} boundaries met, or lay nearer to each other than rounding tells: counts may miss "
        "some regions.",
    )


def _numbers(name: str, text: str) -> Any:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{name} must be numbers with commas between, got {text!r}") from None


def _files(name: str) -> dict[str, list[str]]:
    """Give the page of a command, with its table in each format."""
    return {f"{name}.html": [f"{name}.{kind.value}" for kind in Format]}


def _finish(
    folder: Results,
    name: str,
    frame: pd.DataFrame,
    sheet: Sheet,
    facts: dict[str, Any],
    kind: Format,
    as_json: bool,
) -> None:
    """Write table and page, both with their provenance, and say where they are."""
    from featuregeom.atomic import replacing
    from featuregeom.parquet import write_parquet
    from featuregeom.report.sheet import write_sheet

    frame.attrs["provenance"] = dict(sheet.provenance)
    path = folder.folder / f"{name}.{kind.value}"
    folder.begin()
    if kind is Format.csv:
        with replacing(path) as temporary, temporary.open("wb") as file:
            frame.to_csv(file, index=False)
    else:
        write_parquet(frame, path)
    page = write_sheet(sheet, folder.folder / f"{name}.html", folder.made)
    shown = facts | {"table": str(path), "page": str(page)}
    show(shown, as_json)
