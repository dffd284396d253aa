"""``featuregeom compare | trajectory``: two sources, and one matrix over many checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from featuregeom.cli.survey import AxisOption, Include, Mmap, stem
from featuregeom.cli.terminal import (
    Json,
    Threads,
    made_by,
    print_json,
    records,
    reporting,
    say,
    step_bar,
    stopping,
)
from featuregeom.cli.writing import Force, Seen, results_in, source_files, write_json, write_table

__all__ = ["compare", "trajectory"]


# Long by its options, which typer reads from the signature; what it does is compare and write.
def compare(
    first: Annotated[str, typer.Argument(help="A file, folder or Hugging Face id, as analyze takes it.")],
    second: Annotated[str, typer.Argument(help="The other one: a later checkpoint, another seed or layer.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and page; by default FIRST-SECOND.compare here.")
    ] = None,
    include: Include = None,
    axis: AxisOption = None,
    families: Annotated[
        bool, typer.Option("--families", help="Find the families of both, too, and say which are kept.")
    ] = False,
    q: Annotated[float, typer.Option(help="Share of the kept features that may be chance.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random dictionaries.")] = 0,
    mmap: Mmap = True,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say what changed between two sources, matrix by matrix, and nothing else."""
    from featuregeom.arguments import number_between
    from featuregeom.report.changes import changes_sheet
    from featuregeom.report.sheet import write_sheet
    from featuregeom.survey import compare_sources

    with reporting(), stopping("nothing was written"):
        q = number_between("q (--q)", q, 0, 1)
        place = out or Path(f"{stem(first)}-{stem(second)}.compare")
        settings: dict[str, Any] = {
            "include": include, "axis": axis, "families": families, "q": q, "seed": seed, "second": second,
        }  # fmt: skip
        pages = {"compare.html": ("matrices.parquet", "features.parquet", "summary.json")}
        seen = Seen.of(first, source_files(second))
        with results_in(place, "compare", pages, settings, seen, force=force) as results:
            with step_bar("matrices", hidden=as_json) as bar:
                found = compare_sources(
                    first, second, q, include=include, axis=axis or "auto", families=families, mmap=mmap,
                    seed=seed, num_threads=threads, progress=bar,
                )  # fmt: skip
            provenance = made_by("compare", source=found.first, **settings | {"second": found.second})
            table = found.to_frame()
            summary = {
                "provenance": provenance,
                "same": len(found.same),
                "changed": [*found.changed, *found.refused],
                "vectors": list(found.vectors),
                "only_first": list(found.only_first),
                "only_second": list(found.only_second),
                "matrices": records(table[table["what"] != "same"]),
                "sentences": found.sentences(),
            }
            results.begin()
            write_table(table, place / "matrices.parquet", provenance)
            write_table(found.features(), place / "features.parquet", provenance)
            write_json(summary, place / "summary.json")
            page = write_sheet(changes_sheet(found, provenance), place / "compare.html", results.made)
        _say(summary, page, as_json)


def trajectory(
    folder: Annotated[Path, typer.Argument(help="A folder with a file, or a folder, for each checkpoint.")],
    tensor: Annotated[
        str | None,
        typer.Option(help="Which matrix, by name or a pattern that fits one, where there are several."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and page; by default NAME.trajectory here.")
    ] = None,
    axis: AxisOption = None,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Follow one matrix over its checkpoints: what moves, when it jumps, what stays."""
    import numpy as np
    import pandas as pd

    from featuregeom.report.sheet import write_sheet
    from featuregeom.report.trajectory import trajectory_sentences, trajectory_sheet
    from featuregeom.survey import read_checkpoints
    from featuregeom.trajectory import Trajectory

    with reporting(), stopping("nothing was written"):
        checkpoints = read_checkpoints(folder, tensor, axis=axis or "auto")
        place = out or Path(f"{stem(str(folder))}.trajectory")
        settings: dict[str, Any] = {"tensor": checkpoints.tensors[-1], "axis": axis}
        pages = {"trajectory.html": ("features.parquet", "steps.parquet", "summary.json")}
        read = [file for path in checkpoints.paths for file in source_files(path)]
        with results_in(place, "trajectory", pages, settings, Seen.of(folder, read), force=force) as results:
            with step_bar("checkpoints", hidden=as_json) as bar:
                found = Trajectory(checkpoints, checkpoints.steps, num_threads=threads, progress=bar)
            jumps, levels = found.kappa_jumps(), found.level_jumps()
            provenance = made_by("trajectory", source=str(folder), **settings)
            steps = pd.DataFrame(
                {
                    "checkpoint": np.arange(len(found.steps)),
                    "step": found.steps,
                    "path": [path.name for path in checkpoints.paths],
                    "rank": found.rank,
                    "saturation": found.saturation,
                    "largest_eigenvalue": found.eigenvalues[:, 0],
                    "kappa_jumps": [
                        int(np.count_nonzero(jumps.checkpoint == t)) for t in range(len(found.steps))
                    ],
                    "level_jumps": [
                        int(np.count_nonzero(levels.checkpoint == t)) for t in range(len(found.steps))
                    ],
                }
            )
            summary = {
                "provenance": provenance,
                "steps": records(steps),
                "kappa_jumps": len(jumps),
                "level_jumps": len(levels),
                "sentences": trajectory_sentences(found, jumps, levels),
            }
            results.begin()
            write_table(found.to_frame(), place / "features.parquet", provenance)
            write_table(steps, place / "steps.parquet", provenance)
            write_json(summary, place / "summary.json")
            one = len(set(checkpoints.tensors)) == 1
            name = checkpoints.tensors[0] if one else stem(str(folder))
            sheet = trajectory_sheet(found, jumps, levels, name, provenance)
            page = write_sheet(sheet, place / "trajectory.html", results.made)
        _say(summary, page, as_json)


def _say(summary: dict[str, Any], page: Path, as_json: bool) -> None:
    if as_json:
        print_json(summary | {"page": str(page)})
        return
    say([*(f"- {sentence}" for sentence in summary["sentences"]), page])
