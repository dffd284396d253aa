"""``featuregeom families``: which features of one matrix belong together, and in what shape."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom.cli.survey import AxisOption
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
from featuregeom.cli.writing import Force, Seen, results_in, write_table

if TYPE_CHECKING:
    from featuregeom.dictionaries import Families
    from featuregeom.features import Features
    from featuregeom.folders import Results
    from featuregeom.survey.labelling import Naming

__all__ = ["families"]

_PAGE, _TABLE = "families.html", "families.parquet"


# Long by its options, which typer reads from the signature; what it does is read, find, write, print.
def families(
    file: Annotated[
        str,
        typer.Argument(help="A file or folder of weights, or a Hugging Face id (owner/name)."),
    ],
    tensor: Annotated[str | None, typer.Option(help="Which matrix, where there are several.")] = None,
    axis: AxisOption = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A file with a name for each feature (one per line, CSV, Parquet). Without, tokens beside a model "
            "name its embeddings."
        ),
    ] = None,
    labels_column: Annotated[
        str | None, typer.Option(help="The column of a table of labels; by default the only one, or label.")
    ] = None,
    q: Annotated[float, typer.Option(help="False discovery rate of links.")] = 0.01,
    shape_q: Annotated[float, typer.Option(help="False discovery rate of circles.")] = 0.1,
    k: Annotated[int, typer.Option(help="Nearest features of each that are linked to it.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Seed of splits and draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table and page; by default nothing is written.")
    ] = None,
    force: Force = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find the families of features of one matrix: copies, antipodes, named shapes, circles, clusters."""
    from featuregeom.dictionaries import families as find
    from featuregeom.spectra import spectrum as spectrum_of

    with reporting():
        seen = Seen.of(file, [labels])
        name, features, naming = _read(file, tensor, axis, labels, labels_column)
        settings = {
            "tensor": name, "axis": features.provenance.axis, "q": q, "shape_q": shape_q, "k": k, "seed": seed,
            "labels": None if labels is None else str(labels), "labels_column": labels_column,
        }  # fmt: skip
        claim: AbstractContextManager[Results | None] = (
            nullcontext()
            if out is None
            else results_in(out, "families", {_PAGE: [_TABLE]}, settings, seen, force=force)
        )
        with claim as folder:
            with step_bar("families", hidden=as_json) as listen, stopping("nothing was written"):
                spectrum = spectrum_of(features, num_threads=threads)
                found = find(
                    features,
                    labels=naming.labels,
                    q=q,
                    shape_q=shape_q,
                    k=k,
                    seed=seed,
                    spectrum=spectrum,
                    num_threads=threads,
                    progress=listen,
                )
            facts: dict[str, Any] = {
                "source": file,
                "tensor": name,
                "n": features.n,
                "counts": found.counts(),
            }
            if folder is not None:
                provenance = made_by("families", source=file, dtype=features.dtype, **settings)
                facts |= _write(folder, found, features, spectrum, name, provenance)
        seen.sources.check()
        if as_json:
            print_json(facts | {"families": records(found.to_frame())})
            return
        say(str(found).split("\n"))
        say(f"{key}: {facts[key]}" for key in ("table", "page") if key in facts)


def _read(
    file: str, tensor: str | None, axis: list[str] | None, labels: Path | None, column: str | None
) -> tuple[str, Features, Naming]:
    """Read one matrix, and what its features are called."""
    from featuregeom.errors import ParameterError
    from featuregeom.features import as_features
    from featuregeom.labels import read_labels
    from featuregeom.sources import open_source
    from featuregeom.sources.matrix import read_matrix
    from featuregeom.survey.labelling import name_features

    if labels is None and column is not None:
        raise ParameterError("--labels-column is the column of a file of labels: give --labels")
    given = None if labels is None else read_labels(labels, column)
    with open_source(file, axis=axis or "auto") as reader:
        info, values = read_matrix(reader, tensor)
        naming = name_features(reader, [info], given)[info.name]
    return info.name, as_features(values), naming


def _write(
    folder: Results,
    found: Families,
    features: Features,
    spectrum: Any,
    name: str,
    provenance: dict[str, Any],
) -> dict[str, str]:
    import numpy as np

    from featuregeom.report.families import families_sheet
    from featuregeom.report.sheet import write_sheet
    from featuregeom.survey.pictures import family_pictures

    frame = found.to_frame()
    pictures = family_pictures(features, spectrum, np.arange(features.n), found)
    sheet = families_sheet(found, frame, pictures, name, provenance)
    folder.begin()
    table, page = folder.folder / _TABLE, folder.folder / _PAGE
    write_table(frame, table, provenance)
    return {"table": str(table), "page": str(write_sheet(sheet, page, folder.made))}
