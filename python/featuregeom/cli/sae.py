"""``featuregeom sae``: a sparse autoencoder, from its weights, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from featuregeom.cli.survey import AxisOption, Mmap, stem
from featuregeom.cli.terminal import (
    Json,
    Threads,
    made_by,
    print_json,
    reporting,
    say,
    step_bar,
    stopping,
)
from featuregeom.cli.writing import Force, Seen, results_in, write_json, write_table

__all__ = ["sae"]

_FILES = ("latents.parquet", "pairs.parquet", "families.parquet", "summary.json")


def sae(
    folder: Annotated[
        str,
        typer.Argument(
            help="A folder or file with one sparse autoencoder, or a Hugging Face id (owner/name)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and page; by default NAME.sae here.")
    ] = None,
    axis: AxisOption = None,
    q: Annotated[float, typer.Option(help="False discovery rate of pairs and families.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random sets.")] = 0,
    mmap: Mmap = True,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Ask a sparse autoencoder: is it random, what is dead, copied, opposite, what belongs together."""
    from featuregeom.arguments import number_between
    from featuregeom.dictionaries import examine, read_autoencoder
    from featuregeom.report.autoencoder import autoencoder_sheet
    from featuregeom.report.sheet import write_sheet

    with reporting(), stopping("nothing was written"):
        q = number_between("q (--q)", q, 0, 1)
        seen = Seen.of(folder)
        given = read_autoencoder(folder, axis=axis or "auto", mmap=mmap)
        name = stem(folder)
        settings: dict[str, Any] = {"axis": axis, "q": q, "seed": seed}
        place = out or Path(f"{name}.sae")
        with results_in(place, "sae", {"sae.html": _FILES}, settings, seen, force=force) as results:
            with step_bar("pairs and families", hidden=as_json) as bar:
                found = examine(given, q, seed=seed, num_threads=threads, progress=bar)
            provenance = made_by("sae", source=given.source, format=given.format, **settings)
            summary = _summary(found, given, provenance)
            results.begin()
            write_table(found.to_frame(), place / "latents.parquet", provenance)
            if found.related is not None:
                write_table(found.related.to_frame(), place / "pairs.parquet", provenance)
            write_table(found.families.to_frame(), place / "families.parquet", provenance)
            write_json(summary, place / "summary.json")
            page = write_sheet(autoencoder_sheet(found, name, provenance), place / "sae.html", results.made)
        if as_json:
            print_json(summary | {"page": str(page)})
            return
        say([*(f"- {sentence}" for sentence in summary["sentences"].values()), page])


def _summary(found: Any, given: Any, provenance: dict[str, Any]) -> dict[str, Any]:
    """Give the numbers behind the sentences, in JSON's terms."""
    judged, read, dead = found.verdict, found.readout, found.dead
    kinds = {} if found.related is None else found.related.to_frame()["kind"].value_counts().to_dict()
    q = judged.pairs.q
    return {
        "provenance": provenance,
        "latents": given.decoder.n,
        "dimensions": given.decoder.m,
        "verdict": judged.kind,
        "significant_pairs": judged.n_pairs,
        "smallest_pair_q": float(q.min()) if len(q) else None,
        "gathered_features": judged.n_localised,
        "spectrum_p": judged.spectrum_p,
        "dead": None if dead is None else len(dead),
        "zero": len(found.zero),
        "families": {kind: count for kind, count in found.families.counts().items() if count},
        "related": {str(kind): int(count) for kind, count in kinds.items()},
        "cosine_median": None if read is None else _median(read.cosine),
        "cross_talk_median": None if read is None else _median(read.disturbed),
        "cross_talk_mean_square": None if read is None or read.n < 2 else read.mean_square,
        "cross_talk_floor": None if read is None or read.n < 2 else read.floor,
        "neuronpedia": given.link or None,
        "sentences": found.sentences(),
    }


def _median(values: Any) -> float | None:
    """Median of what is known; None where nothing is."""
    import numpy as np

    held = values[~np.isnan(values)]
    return float(np.median(held)) if len(held) else None
