"""``featuregeom describe | analyze | demo | report``: the main job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from featuregeom.cli.terminal import (
    Json,
    Threads,
    messages,
    output,
    plain,
    print_json,
    records,
    reporting,
    shown_once_used,
    step_bar,
    stopping,
)
from featuregeom.cli.writing import Force
from featuregeom.errors import OutputError, ParameterError, UnsuitableSourceError
from featuregeom.wording import duration, plural, scaled

if TYPE_CHECKING:
    from featuregeom.survey import Analysis, Description, Estimate
    from featuregeom.survey.progress import Listener

__all__ = ["analyze", "calibrate", "demo", "describe", "report", "stem"]


_LISTED = 10
"""Most tensors that are listed as not measured, one per line."""


class NonFinite(StrEnum):
    """What to do with NaN and infinity."""

    error = "error"
    skip = "skip"


def _check_axis(given: list[str] | None) -> list[str] | None:
    """Refuse a value that `--axis` does not take, as wrong usage (exit code 2)."""
    from featuregeom.sources.protocol import Reading

    try:
        Reading.of(given or "auto")
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    return given


def _check_heads(given: str | None) -> str | None:
    if given is not None and given != "auto" and not (given.isdecimal() and int(given) > 0):
        raise typer.BadParameter(f"a number of heads, or auto, not {given!r}")
    return given


def _labels(given: list[str] | None, column: str | None) -> dict[str, Any] | tuple[str | None, ...] | None:
    """Read the files of labels: of all matrices, or by pattern."""
    from featuregeom.labels import read_labels

    if not given:
        if column is not None:
            raise ParameterError("--labels-column is the column of a file of labels: give --labels")
        return None
    alone = [text for text in given if "=" not in text or Path(text).is_file()]
    if alone and len(given) > 1:
        raise ParameterError(
            f"--labels {alone[0]} is for all matrices: give PATTERN=FILE where there are several"
        )
    if alone:
        return read_labels(alone[0], column)
    pairs = (text.partition("=") for text in given)
    return {pattern: read_labels(file, column) for pattern, _, file in pairs}


def _heads(given: str | None) -> int | Literal["auto"] | None:
    return None if given is None else "auto" if given == "auto" else int(given)


Source = Annotated[
    str,
    typer.Argument(
        help="A .safetensors, .npy, .npz, .pt or .bin file, a folder with a model or a sparse autoencoder, "
        "or a Hugging Face id (owner/name)."
    ),
]
Include = Annotated[
    list[str] | None, typer.Option(help="Only tensors whose name matches, such as '*.mlp.*'. Repeatable.")
]
Exclude = Annotated[list[str] | None, typer.Option(help="Leave out tensors whose name matches. Repeatable.")]
AxisOption = Annotated[
    list[str] | None,
    typer.Option(
        callback=_check_axis,
        help="The axis that lists features: rows, columns or auto (by evidence), for all matrices, or "
        "PATTERN=columns for those whose name matches. Repeatable.",
    ),
]
Stacks = Annotated[
    bool, typer.Option(help="Measure tensors of three and more dimensions slice by slice, as name[i].")
]
Slices = Annotated[
    list[int] | None, typer.Option("--slice", min=0, help="Only this slice of every stack. Repeatable.")
]
Heads = Annotated[
    str | None,
    typer.Option(
        help="Split weights of attention into this number of heads; auto takes it from config.json.",
        callback=_check_heads,
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Read the folders in a folder too.")]
Pairs = Annotated[
    bool,
    typer.Option(
        "--pairs/--no-pairs",
        help="Look at all pairs of features: cosines, blocks and their names, significant pairs, verdicts, families. "
        "Without, an analysis takes O(n m^2).",
    ),
]
Approximate = Annotated[
    bool,
    typer.Option(
        "--approximate-pairs",
        help="Of matrices with more than 65 536 features, take significant pairs from an index of sign patterns, which "
        "misses some; how many is said. Nothing else is made of their pairs.",
    ),
]
Mmap = Annotated[bool, typer.Option(help="Map files into memory; switch off on network disks.")]


def _pairs(pairs: bool, approximate: bool) -> bool | Literal["approximate"]:
    """Put the two options into one."""
    if approximate and not pairs:
        raise ParameterError("--no-pairs looks at no pair, --approximate-pairs at some: give one of them")
    return "approximate" if approximate else pairs


def describe(
    source: Source,
    include: Include = None,
    exclude: Exclude = None,
    axis: AxisOption = None,
    stacks: Stacks = True,
    slices: Slices = None,
    heads: Heads = None,
    recursive: Recursive = False,
    pairs: Pairs = True,
    approximate_pairs: Approximate = False,
    mmap: Mmap = True,
    as_json: Json = False,
) -> None:
    """Show what is inside a source, and what an analysis will cost, from headers alone."""
    from featuregeom import survey
    from featuregeom.sources import open_source

    with reporting():
        with open_source(  # once, for on the Hub each header is an answer to wait for
            source,
            axis=axis or "auto",
            stacks=stacks,
            slices=slices,
            heads=_heads(heads),
            recursive=recursive,
            headers_only=True,
            mmap=mmap,
        ) as reader:
            found = survey.describe(reader)
            cost = survey.estimate(
                reader, include=include, exclude=exclude, pairs=_pairs(pairs, approximate_pairs)
            )
        machine = survey.Machine.kept()
        if as_json:
            print_json(
                {
                    "source": found.source,
                    "format": found.format,
                    "tensors": records(found.to_frame()),
                    "cost": records(cost.to_frame()),
                    "operations": cost.operations,
                    "bytes": cost.read,
                    "memory": cost.memory,
                    "seconds": None if machine is None else list(machine.time(cost)),
                }
            )
            return
        output.print(_described(found, cost))
        output.print(
            f"{len(cost.matrices)} of {len(found.tensors)} tensors to analyze, {scaled(cost.read, 'B')} to read, "
            f"at most {scaled(cost.operations, 'FLOP')}, about {scaled(cost.memory, 'B')} of memory, "
            + ("time by `featuregeom calibrate`" if machine is None else _time(machine.time(cost)))
        )
        if cost.refused:
            output.print(f"{len(cost.refused)} cannot be read: leave them out with --exclude")
        by_index = sum(each.indexed for each in cost.matrices.values())
        if by_index:
            output.print(f"pairs by an index of sign patterns: {plural(by_index, 'matrix', 'matrices')}")
        rooms = [each.gpu_room for each in cost.matrices.values() if each.gpu_room]
        if rooms:
            output.print(
                f"significant pairs on a GPU, if torch sees one with {scaled(max(rooms), 'B')} free: "
                f"{plural(len(rooms), 'matrix', 'matrices')} of very many features"
            )


def calibrate(num_threads: Threads = None, as_json: Json = False) -> None:
    """Measure this machine for some seconds, so that `describe` can say how long an analysis takes."""
    from featuregeom import survey

    with reporting():
        machine = survey.calibrate(num_threads)
        if as_json:
            print_json(vars(machine))
            return
        table = Table("step", "for each", "ns", "with copies, ns", box=None, header_style="bold")
        for step, terms in machine.nothing.items():
            for term, seconds in terms.items():
                each = {"features": "feature", "pairs of features": "pair of features"}.get(
                    term, term if term == "matrix" else f"operation ({term})"
                )
                table.add_row(
                    step, each, *(f"{ns * 1e9:,.3g}" for ns in (seconds, machine.copies[step][term]))
                )
        output.print(table)
        output.print(
            plain(f"{machine.processor}, threads: {machine.threads}; `featuregeom describe` uses it")
        )


def _described(found: Description, cost: Estimate) -> Table:
    """One row per stored tensor: the slices of a stack are folded."""
    headings = ("tensor", "shape", "dtype", "features", "at most", "planned", "evidence for the axis")
    table = Table(*headings, box=None, header_style="bold")
    for _, group in groupby(found.tensors, key=lambda info: info.tensor or info.name):
        infos = list(group)
        info, planned = infos[0], [each for each in infos if each.name in cost.matrices]
        operations = sum(cost.matrices[each.name].operations for each in planned)
        refused = cost.refused.get(info.name)
        left_out = f"refused: {refused}" if refused else (info.skip or "left out")
        shape = " x ".join(map(str, info.shape))
        folded = f"{len(infos)} {info.stack}{'s' * (len(infos) > 1)}: {shape}" if info.stack else shape
        some = "analyze" if len(planned) == len(infos) else f"analyze {len(planned)}"
        axes = ", ".join(sorted({each.axis for each in planned}))
        table.add_row(
            plain(info.tensor or info.name),
            folded,
            plain(info.dtype),
            axes,
            scaled(operations, "FLOP") if planned else "",
            Text(some) if planned else Text(left_out, style="dim"),
            plain(planned[0].axis_reason if planned else "", style="dim"),
        )
    return table


# Long by its options, which typer reads from the signature; what it does is check, analyse, write, print.
def analyze(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and page; by default NAME.featuregeom here.")
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    axis: AxisOption = None,
    stacks: Stacks = True,
    slices: Slices = None,
    heads: Heads = None,
    recursive: Recursive = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Relative tolerance of eigenspaces; by default chosen so that chance hardly makes one."
        ),
    ] = None,
    block_threshold: Annotated[
        float | None, typer.Option(help="Couplings below this do not connect features; by default chosen.")
    ] = None,
    nonfinite: Annotated[
        NonFinite,
        typer.Option(
            "--nonfinite", "--nan", help="NaN and infinity: stop, or drop those features and report them."
        ),
    ] = NonFinite.error,
    pairs: Pairs = True,
    approximate_pairs: Approximate = False,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="A file with a name for each feature (one per line, CSV, Parquet), for all matrices, or "
            "PATTERN=FILE for those whose name matches. Repeatable. Without, tokens beside a model name its embeddings."
        ),
    ] = None,
    labels_column: Annotated[
        str | None, typer.Option(help="The column of a table of labels; by default the only one, or label.")
    ] = None,
    mmap: Mmap = True,
    num_threads: Threads = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the sample that the page's heat maps show, and of the verdicts."),
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped analysis in the folder.")
    ] = False,
    force: Force = False,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, whose workers measure the matrices: tcp://HOST:8786."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure every weight matrix of a source: tables and one page."""
    from featuregeom import survey

    with reporting():
        out = out or Path(f"{stem(source)}.featuregeom")
        kept = f"finished matrices are kept in {out}, --resume goes on with the others"
        with _bar(hidden=as_json) as listener, stopping(kept):
            analysis = survey.analyze(
                source,
                include=include,
                exclude=exclude,
                axis=axis or "auto",
                stacks=stacks,
                slices=slices,
                heads=_heads(heads),
                recursive=recursive,
                tolerance=tolerance,
                block_threshold=block_threshold,
                nonfinite=nonfinite.value,
                pairs=_pairs(pairs, approximate_pairs),
                labels=_labels(labels, labels_column),
                mmap=mmap,
                num_threads=num_threads,
                seed=seed,
                out=out,
                resume=resume,
                force=force,
                progress=listener,
                dask=dask,
            )
        _show(analysis, as_json=as_json)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for tables and page.")] = Path("featuregeom-demo"),
    train: Annotated[
        bool, typer.Option("--train", help="Train the toy models anew (needs torch, about a minute).")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Analyse toy models of superposition and print the names of the shapes that they learned."""
    from featuregeom import demo as demonstration

    with reporting():
        with (
            _bar(hidden=as_json) as listener,
            step_bar("training toy models", hidden=as_json or not train) as training,
        ):
            analysis = demonstration.run(
                out, train=train, seed=seed, force=force, training=training, progress=listener
            )
        _show(analysis, as_json=as_json)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that an analysis wrote.")],
    out: Annotated[Path | None, typer.Option(help="The page; by default report.html in the folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that --out names.")] = False,
) -> None:
    """Write the page of an analysis again."""
    from featuregeom.folders import locked
    from featuregeom.report.page import write_page
    from featuregeom.survey import load

    with reporting():
        if folder.is_file():
            raise UnsuitableSourceError(
                f"{folder} is a file, and report wants the folder of an analysis; "
                f"featuregeom analyze {folder} makes one"
            )
        analysis = load(folder)
        if out is None:
            with locked(folder):
                page = write_page(analysis, folder / "report.html")
        elif out.exists() and not force:
            raise OutputError(
                f"{out} would be replaced: choose another name, or have it replaced with --force"
            )
        else:
            page = write_page(analysis, out)
        output.print(plain(str(page)), soft_wrap=True)


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Listener]:
    from featuregeom.survey.progress import Progress as State

    columns = (
        TextColumn("{task.fields[matrix]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bar = Progress(*columns, console=messages, disable=hidden, auto_refresh=messages.is_interactive)
    task = bar.add_task("", total=None, matrix="", rate="", start=False)
    with shown_once_used(bar) as use:

        def listen(state: State) -> None:
            use()
            if not bar.tasks[0].started:
                bar.start_task(task)
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=state.done,
                total=state.total,
                matrix=plain(f"{state.position}/{state.matrices} {state.matrix}"),
                rate=scaled(speed, "FLOP/s") if speed else "",
            )

        yield listen


def _show(analysis: Analysis, *, as_json: bool) -> None:
    from featuregeom.dictionaries import by_layers
    from featuregeom.pairs import NO_GAP

    rows = records(analysis.matrices)
    if as_json:
        print_json(
            {
                "out": str(analysis.out),
                "provenance": analysis.provenance,
                "findings": analysis.findings.records(),
                "matrices": rows,
                "layers": by_layers(analysis.matrices),
                "skipped": records(analysis.skipped),
            }
        )
        return
    named = bool((analysis.matrices["geometry"] != "").any())
    headings = ["matrix", "n x m", "rank", "saturation", "random", "spaces", "coherence"]
    table = Table(*headings, *(["geometry"] if named else []), box=None, header_style="bold")
    for row in rows:
        cells: list[Text | str] = [
            plain(str(row["matrix"])),
            f"{row['n']} x {row['m']}",
            str(row["rank"]),
            *("-" if row[key] is None else f"{row[key]:.4f}" for key in ("saturation", "saturation_null")),
            str(row["eigenspaces"]),
            "-" if row["coherence"] is None else f"{row['coherence']:.4f}",
        ]
        table.add_row(*cells, *([plain(row["geometry"] or "no name")] if named else []))
    output.print(table)
    for finding in analysis.findings:
        output.print(plain(f"- {finding}"), soft_wrap=True)
    if not analysis.provenance["pairs"]:
        output.print(
            "pairs were not looked at: no coherence, blocks, names of geometries, significant pairs, verdicts or "
            "families (--no-pairs)",
            soft_wrap=True,
            style="dim",
        )
    loose = sum(
        row.get("block_gap") == "none" and not row["geometry"] and _has_structure(row) for row in rows
    )
    if named and loose:  # "no name" stands in the table, and a threshold may make parts that have one
        output.print(f"no name: {NO_GAP} (--block-threshold)", soft_wrap=True, style="dim")
    for row in records(analysis.skipped.head(_LISTED)):
        output.print(
            plain(f"not measured: {row['tensor']} ({row['shape']}): {row['reason']}"), soft_wrap=True
        )
    if len(analysis.skipped) > _LISTED:
        output.print(f"not measured: {len(analysis.skipped) - _LISTED} more")
    if analysis.out is not None:
        output.print(plain(f"tables and page: {analysis.out / 'report.html'}"), soft_wrap=True)


def _has_structure(row: dict[str, Any]) -> bool:
    from featuregeom.dictionaries import SENTENCES

    return row.get("verdict") == SENTENCES["structure"]


def _time(seconds: tuple[float, float]) -> str:
    nothing, copies = map(duration, seconds)
    return f"about {nothing}" if nothing == copies else f"about {nothing}, or {copies} where copies are found"


def stem(source: str) -> str:
    """Name an analysis after what was given, not after what it links to: in a cache that is a hash."""
    if os.path.exists(source):  # noqa: PTH110 - Path.exists raises where the name is too long
        return Path(os.path.abspath(source)).stem  # noqa: PTH100 - Path.resolve follows links
    return Path(source.partition("@")[0].partition(":")[0]).name
