"""``featuregeom codes``: activations in a file as neural codes, counted."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuregeom.cli.terminal import Json, Threads, made_by, print_json, reporting, say
from featuregeom.cli.writing import Force, Seen, results_in
from featuregeom.errors import UnsuitableSourceError
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from featuregeom.folders import Results

__all__ = ["codes"]


class Policy(StrEnum):
    """What to do with NaN and infinite activations."""

    refuse = "error"
    count_them = "count"


# Long by its options, which typer reads from the signature; what it does is read, pack, count, write.
def codes(
    file: Annotated[
        str,
        typer.Argument(help="Activations, one input per row (.npy, .npz, .safetensors ...), or bits."),
    ],
    tensor: Annotated[str | None, typer.Option(help="Which tensor, where the file has several.")] = None,
    layers: Annotated[
        str | None, typer.Option(help="Where each layer's columns end, such as 64,128; the last is all.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A label for each row (.npy, or text with one per line), for the purity."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Count activations no farther than this from zero.")
    ] = None,
    nonfinite: Annotated[
        Policy, typer.Option(help="Refuse NaN and infinite activations, or count them.")
    ] = Policy.refuse,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table and page; by default nothing is written.")
    ] = None,
    force: Force = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Count the distinct codes of activations: a bit is on where the activation is above zero."""
    from featuregeom.codes import CodeCounter, label_purity, pack
    from featuregeom.errors import NonFiniteError

    with reporting():
        seen = Seen.of(file, [labels])
        name, values = _read(file, tensor)
        ends = None if layers is None else _ends(layers)
        settings = {
            "tensor": name, "layers": layers, "tolerance": tolerance,
            "labels": None if labels is None else str(labels), "nonfinite": nonfinite.value,
        }  # fmt: skip
        pages = {"codes.html": ["codes.parquet"]}
        claim: AbstractContextManager[Results | None] = (
            nullcontext() if out is None else results_in(out, "codes", pages, settings, seen, force=force)
        )
        with claim as folder:
            try:
                packed = pack(
                    values,
                    layers=ends,
                    tolerance=tolerance,
                    nonfinite="count" if nonfinite is Policy.count_them else "error",
                    num_threads=threads,
                )
            except NonFiniteError as error:
                raise UnsuitableSourceError(
                    f"{name} has NaN or infinite activations, the first at row {error.row}, column {error.column}; "
                    "repair them, or give --nonfinite count to have them counted"
                ) from error
            counter = CodeCounter(packed.n_bits)
            inverse = counter.update(packed, num_threads=threads)
            given = None if labels is None else _labels(labels, len(packed))
            purity = None if given is None else label_purity(inverse, given)
            summary = counter.summary()
            facts = _facts(file, name, packed, counter, summary, tolerance, purity)
            if folder is not None:
                provenance = made_by("codes", source=file, dtype=packed.dtype, **settings)
                facts |= _write(
                    folder, counter, summary, facts, None if purity is None else purity[0], provenance
                )
        seen.sources.check()
        if as_json:
            print_json(facts)
            return
        say(_lines(facts))


def _facts(
    file: str,
    name: str,
    packed: Any,
    counter: Any,
    summary: dict[str, Any],
    tolerance: float | None,
    purity: Any,
) -> dict[str, Any]:
    """Give what is printed and what JSON holds."""
    facts: dict[str, Any] = {
        "source": file,
        "tensor": name,
        "dtype": packed.dtype,
        "n_bits": packed.n_bits,
        **summary,  # Without NaN, for no reader gives a matrix without rows.
        "n_nonfinite": packed.n_nonfinite,
        "n_ambiguous": None if tolerance is None else packed.n_ambiguous,
        "purity": None if purity is None else purity[1],
    }  # fmt: skip
    if len(counter.layers) > 1:
        facts |= {
            "layers": list(counter.layers),
            "layer_counts": counter.layer_counts().tolist(),
            "prefix_counts": counter.prefix_counts().tolist(),
        }
    return facts | {"occupancy": {str(times): count for times, count in counter.occupancy().items()}}


def _lines(facts: dict[str, Any]) -> list[str]:
    said = [
        f"{facts['tensor']}: {plural(facts['n_rows'], 'row')} of {plural(facts['n_bits'], 'bit')}, "
        f"{plural(facts['n_distinct'], 'distinct code')}, redundancy {number(facts['redundancy'])}",
        f"{plural(facts['occupancy'].get('1', 0), 'code')} met once, the most frequent "
        f"{plural(facts['max_count'], 'time')}; spread as evenly as "
        f"{plural(facts['effective_codes'], 'equally frequent code')}",
        f"lower bounds: codes met cover {number(facts['good_turing_coverage'])} of the data (Good-Turing), "
        f"{plural(facts['chao1_lower_bound'], 'code')} in all (Chao)",
    ]
    if facts["saturated"]:
        said.append(
            "saturated: all rows are distinct, so the count says nothing of the network; read more rows"
        )
    if "layers" in facts:
        said.append(
            f"distinct codes by layer: {', '.join(map(number, facts['layer_counts']))}; of all layers up to it: "
            f"{', '.join(map(number, facts['prefix_counts']))}"
        )
    if facts["purity"] is not None:
        said.append(
            f"purity {number(facts['purity'])}: share of rows with the most frequent label of their code"
        )
    if facts["n_nonfinite"]:
        said.append(
            f"{plural(facts['n_nonfinite'], 'activation is', 'activations are')} NaN or infinite; NaN is off"
        )
    if facts["n_ambiguous"] is not None:
        said.append(
            f"{plural(facts['n_ambiguous'], 'activation is', 'activations are')} within the tolerance of zero"
        )
    return said + [f"{key}: {facts[key]}" for key in ("table", "page") if key in facts]


def _write(
    folder: Results,
    counter: Any,
    summary: dict[str, Any],
    facts: dict[str, Any],
    purity: NDArray[np.float64] | None,
    provenance: dict[str, Any],
) -> dict[str, str]:
    import pandas as pd

    from featuregeom.parquet import write_parquet
    from featuregeom.report.codes import codes_sheet
    from featuregeom.report.sheet import write_sheet

    columns = {"code": range(counter.n_distinct), "count": counter.counts, "first_row": counter.first_index}
    frame = pd.DataFrame(columns | ({} if purity is None else {"purity": purity}))
    frame = frame.sort_values(["count", "code"], ascending=[False, True], ignore_index=True)
    frame.attrs["provenance"] = provenance
    table, page = folder.folder / "codes.parquet", folder.folder / "codes.html"
    folder.begin()
    write_parquet(frame, table)
    told = {key: facts[key] for key in ("n_nonfinite", "n_ambiguous", "purity")}
    sheet = codes_sheet(counter, frame, told | {"name": facts["tensor"], "summary": summary}, provenance)
    return {"table": str(table), "page": str(write_sheet(sheet, page, folder.made))}


def _read(file: str, tensor: str | None) -> tuple[str, Any]:
    """Read activations, one input per row; bits and whole numbers too."""
    from featuregeom.sources import open_source
    from featuregeom.sources.matrix import read_matrix

    with open_source(file, axis="rows") as reader:
        info, values = read_matrix(reader, tensor)
    return info.name, values


def _ends(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"layers must be integers with commas between, got {text!r}") from None


def _labels(path: Path, n: int) -> NDArray[Any]:
    import numpy as np

    from featuregeom.errors import ShapeError, SourceError
    from featuregeom.memory import NoRoomError, check_memory, reading

    try:
        size = path.stat().st_size
        check_memory(size, str(path))
        with reading(str(path), size):
            if path.suffix == ".npy":
                with path.open("rb") as raw:  # NumPy leaves a file open that it cannot read
                    found = np.load(raw, allow_pickle=False)
            else:
                found = np.array(path.read_text(encoding="utf-8").split("\n"))
                # A last line ends with a newline, too.
                found = found[:-1] if found[-1] == "" else found
    except NoRoomError:
        raise
    except Exception as error:  # a damaged .npy makes NumPy and zipfile raise nearly anything
        raise SourceError(f"{path} cannot be read as labels: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iubUS":
        raise SourceError(f"{path} must hold integers or text, one label per row")
    if found.shape != (n,):
        raise ShapeError(f"{path} holds labels of shape {found.shape} for {n} rows")
    return found
