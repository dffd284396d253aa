"""``featuregeom plateaus``: how far a language model feels steps in isotropic and in real directions."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom.cli.terminal import Json, made_by, output, plain, print_json, records, reporting, step_bar
from featuregeom.cli.writing import Force, Seen, results_in

if TYPE_CHECKING:
    import pandas as pd

    from featuregeom.plateaus import Plateaus

__all__ = ["plateaus"]


# Long by its options, which typer reads from the signature; what it does is load, measure, compare, write.
def plateaus(
    folder: Annotated[
        Path, typer.Argument(help="A Hugging Face model with its tokenizer, on this machine (transformers).")
    ],
    sentences: Annotated[
        Path | None,
        typer.Option(help="Text, one sentence per line; by default 24 that come with the package."),
    ] = None,
    module: Annotated[
        str | None, typer.Option(help="Module whose output is moved; by default the first layer's.")
    ] = None,
    read: Annotated[
        str | None, typer.Option(help="Module whose output is compared; by default the last layer's.")
    ] = None,
    position: Annotated[int, typer.Option(help="Token; negative from the end, padding left out.")] = -1,
    length: Annotated[float, typer.Option(help="Length of the path, in norms of the activation.")] = 0.5,
    points: Annotated[int, typer.Option(min=3, help="Points of the starting grid.")] = 26,
    plane: Annotated[
        int,
        typer.Option(
            min=0, help="Points along each side of a plane through three activations; 0 for no plane."
        ),
    ] = 21,
    seed: Annotated[int, typer.Option(min=0, help="Seed of directions and of resampling.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for table and page.")] = Path("featuregeom-plateaus"),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure response curves of a transformer on sentences, and compare kinds of directions."""
    import numpy as np

    from featuregeom.arguments import number_between
    from featuregeom.parquet import write_parquet
    from featuregeom.plateaus import response_curves, stable_slice2d, suffix_from
    from featuregeom.plateaus.huggingface import layers, load, read_sentences
    from featuregeom.plateaus.sentences import SENTENCES
    from featuregeom.report.plateaus import plateau_tables, plateaus_sheet
    from featuregeom.report.sheet import write_sheet

    told = {
        "module": module, "read": read, "position": position, "length": length, "points": points, "plane": plane,
        "sentences": None if sentences is None else str(sentences), "seed": seed,
    }  # fmt: skip
    files = {"plateaus.html": ["plateaus.parquet"]}
    with reporting(), ExitStack() as stack:
        claim = results_in(out, "plateaus", files, told, Seen.of(folder, [sentences]), force=force)
        length = number_between("--length", length, 0)
        texts = SENTENCES if sentences is None else read_sentences(sentences)
        held = stack.enter_context(claim)
        model, inputs = load(folder, texts)
        found = layers(model) if module is None or read is None else ("", "")
        moved, compared = module or found[0], read or found[1]
        g = suffix_from(model, moved, inputs, position, output=compared)
        kinds: dict[str, Plateaus] = {}
        contexts = np.arange(g.n_contexts)
        for kind, drawn in _directions(g.base, seed).items():
            with step_bar(kind.replace("_", " "), hidden=as_json) as bar:
                kinds[kind] = response_curves(
                    g, g.base, direction=drawn, path="ray", scale="norm",
                    alphas=np.linspace(0, length, points), contexts=contexts, progress=bar,
                )  # fmt: skip
        three = stable_slice2d(g, *g.base[:3], n_points=plane, contexts=contexts[:3]) if plane else None
        medians, differences = plateau_tables(kinds, seed=seed)
        settings = {
            "module": moved, "compared at": compared, "position": position, "sentences": len(texts),
            "sentences_file": None if sentences is None else str(sentences), "length": f"{length:g} norms",
            "points": points, "plane": plane, "seed": seed,
        }  # fmt: skip
        provenance = made_by("plateaus", source=str(folder), **settings)
        frame = _frame(kinds, texts)
        frame.attrs["provenance"] = provenance
        held.begin()
        path = out / "plateaus.parquet"
        write_parquet(frame, path)
        sheet = plateaus_sheet(kinds, medians, differences, three, provenance, seed=seed)
        page = write_sheet(sheet, out / "plateaus.html", held.made)
        shown = {
            "medians": records(medians), "differences": records(differences), "table": str(path), "page": str(page),
            **{key: provenance[key] for key in ("module", "compared at", "sentences")},
        }  # fmt: skip
        if as_json:
            print_json(shown)
            return
        for table in (medians, differences):
            output.print(table.round(4).to_string(index=False), highlight=False)
        output.print(plain(str(page)), soft_wrap=True)


def _directions(base: Any, seed: int) -> dict[str, Any]:
    from featuregeom.plateaus import directions

    data = base.double().cpu().numpy()
    drawn = (
        directions.isotropic(data, seed=seed),
        directions.covariance(data, data, seed=seed),
        directions.real_difference(data, data, seed=seed),
        directions.real_mixture(data, data, seed=seed),
    )
    return {each.kind: each for each in drawn}


def _frame(kinds: dict[str, Plateaus], texts: Any) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for kind, curves in kinds.items():
        part = curves.to_frame()
        part.insert(0, "direction", kind)
        part.insert(1, "sentence", list(texts))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
