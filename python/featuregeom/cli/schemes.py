"""``featuregeom scheme | verify``: association schemes and their certificates."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from featuregeom.cli.terminal import Json, messages, output, plain, print_json, reporting
from featuregeom.cli.writing import Force, Seen, results_in
from featuregeom.errors import FeatureGeometryError, ParameterError, UnsuitableSourceError

if TYPE_CHECKING:
    import pandas as pd

    from featuregeom.folders import Results
    from featuregeom.recognise.detection import Detection
    from featuregeom.relations.check import Check
    from featuregeom.relations.graph_files import Given

__all__ = ["scheme", "verify"]


class Matrix(StrEnum):
    """What the matrix of a file is."""

    auto = "auto"
    features = "features"
    gram = "gram"
    relations = "relations"


class Axis(StrEnum):
    """Which axis of the matrix indexes features."""

    auto = "auto"
    rows = "rows"
    columns = "columns"


AxisOption = Annotated[
    Axis, typer.Option(help="The axis that indexes features; auto: what the format says, else rows.")
]


class Sides(StrEnum):
    """Whether a feature and its negative differ."""

    signed = "signed"
    line = "line"


@dataclass(frozen=True)
class _Options:
    """Options of one call of ``scheme``."""

    file: str
    mode: Literal["signed", "line"]
    tolerance: float
    folder: Results | None
    seed: int
    show: bool


def scheme(
    file: Annotated[
        str,
        typer.Argument(
            help="A feature, Gram or relation matrix (.npy, .npz, .safetensors ...), or graphs (.g6)."
        ),
    ],
    kind: Annotated[
        Matrix, typer.Option(help="What the matrix is; auto: by its shape, symmetry and diagonal.")
    ] = Matrix.auto,
    tensor: Annotated[str | None, typer.Option(help="Which tensor, where the file has several.")] = None,
    axis: AxisOption = Axis.auto,
    mode: Annotated[
        Sides, typer.Option(help="signed: vectors; line: the lines that they span.")
    ] = Sides.signed,
    tolerance: Annotated[
        float, typer.Option(help="Largest deviation of a cosine that a name allows.")
    ] = 0.05,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the certificate and the page; by default nothing is written."),
    ] = None,
    force: Force = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random checks.")] = 0,
    as_json: Json = False,
) -> None:
    """Decide whether features carry an association scheme, and name their geometry.

    Relations that are no symmetric scheme are checked for what they are: a scheme that is not symmetric, a coherent
    configuration, or what they generate. The exit code is 1 where a graph of several could not be done.
    """
    from featuregeom.relations.graph_files import read

    with reporting():
        seen = Seen.of(file)
        matrices = read(file, kind=kind.value, tensor=tensor, axis=axis.value)
        seen.sources.check()
        stems = (
            ["scheme"] if len(matrices) == 1 else [f"scheme-{number + 1}" for number in range(len(matrices))]
        )
        settings = {
            "kind": kind.value, "tensor": tensor, "axis": axis.value, "mode": mode.value, "tolerance": tolerance,
            "seed": seed,
        }  # fmt: skip
        pages = {f"{stem}.html": [f"{stem}.json"] for stem in stems}
        claim: AbstractContextManager[Results | None] = (
            nullcontext() if out is None else results_in(out, "scheme", pages, settings, seen, force=force)
        )
        with claim as folder:
            options = _Options(file, mode.value, tolerance, folder, seed, show=not as_json)
            found, failed = [], False
            for given, stem in zip(matrices, stems, strict=True):
                try:
                    found.append(_one(given, stem, options))
                except FeatureGeometryError as error:
                    if len(matrices) == 1:
                        raise
                    # One graph of many says nothing about the others.
                    failed = True
                    found.append({"matrix": given.name, "taken_for": given.kind, "error": str(error)})
                    messages.print(plain(f"error: {error}", keep="\n"), style="red", soft_wrap=True)
        if as_json:
            print_json(found)
        if failed:
            raise typer.Exit(1)


def verify(
    certificate: Annotated[Path, typer.Argument(help="A certificate, JSON.")],
    features: Annotated[str, typer.Argument(help="The features that it was made from.")],
    tensor: Annotated[str | None, typer.Option(help="Which tensor, where the file has several.")] = None,
    axis: AxisOption = Axis.auto,
    as_json: Json = False,
) -> None:
    """Check a certificate against features, exactly. The exit code is 1 where it does not hold."""
    from featuregeom import certificates
    from featuregeom.relations.graph_files import read

    with reporting():
        claim = certificates.load_certificate(certificate)
        if features.endswith((".g6", ".graph6")):
            raise UnsuitableSourceError(f"{features} holds graphs; a certificate is checked against features")
        seen = Seen.of(features)
        (given,) = read(features, kind="features", tensor=tensor, axis=axis.value)
        seen.sources.check()
        result = certificates.verify(claim, given.values)
        if as_json:
            print_json(
                {
                    "holds": result.holds,
                    "through_noise": result.through_noise,
                    "name": claim["name"],
                    "findings": [vars(finding) for finding in result.findings],
                }
            )
        else:
            for finding in result.findings:
                mark = Text("holds ", style="green") if finding.holds else Text("FAILS ", style="red")
                detail = f" ({finding.detail})" if finding.detail else ""
                output.print(mark + plain(f"{finding.what}{detail}"), soft_wrap=True)
            name = claim["name"] or "scheme without a name"
            output.print(plain(f"{name}: the certificate {result.verdict}"))
        if not result.holds:
            raise typer.Exit(1)


def _one(given: Given, stem: str, options: _Options) -> dict[str, Any]:
    """Judge one matrix, write what is asked for, and show it."""
    from featuregeom.relations.graph_files import is_symmetric_colouring

    if given.values is None:
        raise UnsuitableSourceError(given.problem)
    if given.kind == "relations" and _square(given.values) and not is_symmetric_colouring(given.values):
        if options.mode == "line":
            raise ParameterError("relations have no lines: leave --mode out")
        return _checked(given, stem, options)
    return _detected(given, stem, options)


def _square(values: NDArray[np.generic]) -> bool:
    return values.ndim == 2 and values.shape[0] == values.shape[1]


def _detected(given: Given, stem: str, options: _Options) -> dict[str, Any]:
    from featuregeom.recognise.detect import detect
    from featuregeom.relations.scheme import parameters
    from featuregeom.report.schemes import eigenmatrix_table, relations_table, scheme_sheet
    from featuregeom.report.sheet import write_sheet
    from featuregeom.report.structure import shortened, structure_words

    chosen: dict[str, Any] = {"X" if given.kind == "features" else given.kind: given.values}
    detection = detect(**chosen, mode=options.mode, tolerance=options.tolerance, seed=options.seed)
    if given.kind == "relations" and detection.intersection_numbers is None:
        # No vectors have such relations, so there are no cosines to show.
        return _checked(given, stem, options)
    facts = _facts(given, detection)
    if options.folder is not None:
        sheet = scheme_sheet(detection, given.name, _provenance(given, options))
        options.folder.begin()
        facts |= _certificate(given, detection, options, options.folder.folder / f"{stem}.json")
        page = options.folder.folder / f"{stem}.html"
        facts["page"] = str(write_sheet(sheet, page, options.folder.made))
    if options.show:
        points = f"{detection.n} points in {detection.dim} dimensions"
        reason = f"; {shortened(detection.reason)}" if detection.reason else ""
        if detection.name or detection.is_scheme:
            verdict = f"{detection.name or 'an association scheme without a name'}, {points}{reason}"
        else:
            # The reason says that there is no scheme, and how far from one this is.
            verdict = f"{points}{reason or f'; no scheme (defect {detection.defect:.2g})'}"
        heading = f"{given.name}: {verdict}"
        known = parameters(detection)
        words = [] if known is None else structure_words(known)
        _show(heading, words, [relations_table(detection), eigenmatrix_table(detection)], facts)
    return facts


def _checked(given: Given, stem: str, options: _Options) -> dict[str, Any]:
    """Relations that no Gram matrix has: what they are, or what they generate."""
    from featuregeom.relations.check import check
    from featuregeom.relations.closure import closure
    from featuregeom.relations.scheme import parameters
    from featuregeom.report.schemes import check_sheet, eigenmatrix_table, relations_table
    from featuregeom.report.sheet import write_sheet
    from featuregeom.report.structure import structure_words

    found = check(given.values, seed=options.seed)
    lead = [found.reason] if found.reason else []
    rank = None
    if not found.is_coherent:
        generated = closure(given.values, seed=options.seed)
        rank = generated.rank
        found = check(generated.relations, seed=options.seed)
        if found.is_scheme and found.is_symmetric:
            # As of an adjacency matrix, whose diagonal has the label of pairs that are not joined.
            note = f"{lead[0]}; what follows is about the scheme of rank {rank} that they generate"
            judged = replace(given, values=generated.relations.astype(np.int64), note=note)
            return _detected(judged, stem, options) | {"is_scheme": False, "rank_of_closure": rank}
        lead.append(f"The coarsest coherent configuration inside them has rank {rank}")
    facts = _check_facts(given, found, " ".join(lead), rank)
    properties = {
        "symmetric": found.is_symmetric,
        "commutative": found.is_commutative,
        "primitive": found.is_primitive,
    }
    kind = ", ".join(word for word, holds in properties.items() if holds)
    what = "an association scheme" if found.is_scheme else "a coherent configuration with several fibres"
    verdict = f"{'generate' if rank is not None else 'are'} {what}{f' ({kind})' if kind else ''}"
    heading = f"{given.name}: {len(found.labels)} points, whose relations {verdict}"
    if options.folder is not None:
        facts |= _no_certificate("relations that are no symmetric scheme have no cosines")
        sheet = check_sheet(found, given.name, [f"{heading}.", *lead], _provenance(given, options))
        options.folder.begin()
        page = options.folder.folder / f"{stem}.html"
        facts["page"] = str(write_sheet(sheet, page, options.folder.made))
    if options.show:
        known = parameters(found)
        words = [*lead, *([] if known is None else structure_words(known))]
        _show(heading, words, [relations_table(found), eigenmatrix_table(found)], facts)
    return facts


def _provenance(given: Given, options: _Options) -> dict[str, Any]:
    return {
        "source": options.file,
        "matrix": given.name,
        "taken for": given.kind,
        "mode": options.mode,
        "tolerance": options.tolerance,
        "seed": options.seed,
    }


def _certificate(given: Given, detection: Detection, options: _Options, path: Path) -> dict[str, Any]:
    from featuregeom.certificates import certify, save_certificate

    if given.kind != "features":
        return _no_certificate(f"a certificate is checked against features, and these are {given.kind}")
    if detection.intersection_numbers is None:
        return _no_certificate("there is no scheme to certify")
    claim = certify(detection, tolerance=options.tolerance, seed=options.seed)
    return {"certificate": str(save_certificate(claim, path))}


def _no_certificate(why: str) -> dict[str, Any]:
    return {"certificate": None, "no_certificate": why}


def _plain(values: Any) -> Any:
    """Plain values for JSON; of complex numbers real and imaginary part."""
    if values is None:
        return None
    array = np.asarray(values)
    return np.stack([array.real, array.imag], axis=-1).tolist() if np.iscomplexobj(array) else array.tolist()


def _facts(given: Given, detection: Detection) -> dict[str, Any]:
    from featuregeom.relations.scheme import parameters
    from featuregeom.report.structure import structure_facts

    def finite(value: float) -> float | None:
        return value if value == value else None

    facts: dict[str, Any] = {
        "matrix": given.name,
        "taken_for": given.kind,
        "is_scheme": detection.is_scheme,
        "name": detection.name,
        "also": list(detection.also),
        "reason": detection.reason,
        "n": detection.n,
        "dim": detection.dim,
    }
    for key in ("levels", "valencies", "multiplicities", "P", "Q", "intersection_numbers", "krein"):
        facts[key] = _plain(getattr(detection, key))
    facts |= {
        "defect": finite(detection.defect),
        "eta2": finite(detection.eta2),
        "residual": finite(detection.residual),
        "rank_of_closure": detection.rank_of_closure,
        "fibres": _plain(detection.fibres),
        "structure": structure_facts(parameters(detection)),
    }
    return facts | ({"note": given.note} if given.note else {})


def _check_facts(given: Given, found: Check, reason: str, rank: int | None) -> dict[str, Any]:
    from featuregeom.relations.scheme import parameters
    from featuregeom.report.structure import structure_facts

    facts: dict[str, Any] = {
        "matrix": given.name,
        "taken_for": given.kind,
        # Of the relations as given; what follows is about the ones that they generate, where they are no scheme.
        "is_scheme": found.is_scheme and rank is None,
        "is_coherent": rank is None,
        "is_symmetric": found.is_symmetric,
        "is_commutative": found.is_commutative,
        "is_primitive": found.is_primitive,
        "name": "",
        "reason": reason,
        "n": len(found.labels),
        "labels": _plain(found.classes),
        "rank_of_closure": rank,
    }
    for key in (
        "transpose",
        "valencies",
        "multiplicities",
        "P",
        "Q",
        "intersection_numbers",
        "krein",
        "fibres",
    ):
        facts[key] = _plain(getattr(found, key))
    return facts | {"structure": structure_facts(parameters(found))}


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "-" if value != value else f"{value:.6g}"


def _show(heading: str, words: list[str], tables: list[pd.DataFrame | None], facts: dict[str, Any]) -> None:
    output.print(plain(heading, style="bold"), soft_wrap=True)
    if "note" in facts:
        output.print(plain(facts["note"], style="yellow"), soft_wrap=True)
    for sentence in words:
        output.print(plain(sentence), soft_wrap=True)
    for frame in tables:
        if frame is None:
            continue
        table = Table(*map(str, frame.columns), box=None, header_style="bold")
        for row in frame.head(40).itertuples(index=False):
            table.add_row(*map(_cell, row))
        output.print(table)
    if "no_certificate" in facts:
        output.print(plain(f"no certificate: {facts['no_certificate']}"), soft_wrap=True)
    for key in ("certificate", "page"):
        if facts.get(key):
            output.print(plain(f"{key}: {facts[key]}"), soft_wrap=True)
