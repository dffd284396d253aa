"""``featuregeom scheme | verify``: association schemes and their certificates."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from featuregeom.cli.terminal import Json, output, print_json, reporting

if TYPE_CHECKING:
    from featuregeom.schemes import Detection, LargeDetection

__all__ = ["scheme", "verify"]


class Matrix(StrEnum):
    """What the matrix of a file is."""

    auto = "auto"
    features = "features"
    gram = "gram"
    relations = "relations"


class Sides(StrEnum):
    """Whether a feature and its negative differ."""

    signed = "signed"
    line = "line"


def scheme(
    file: Annotated[
        str,
        typer.Argument(help="A feature, Gram or relation matrix (.npy, .safetensors ...), or graphs (.g6)."),
    ],
    kind: Annotated[
        Matrix, typer.Option(help="What the matrix is; auto: by its shape, symmetry and diagonal.")
    ] = Matrix.auto,
    tensor: Annotated[str | None, typer.Option(help="Which tensor, where the file has several.")] = None,
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
    seed: Annotated[int, typer.Option(help="Seed of random checks.")] = 0,
    as_json: Json = False,
) -> None:
    """Decide whether features carry an association scheme, and name their geometry."""
    from featuregeom.atomic import create_folder
    from featuregeom.report.schemes import scheme_sheet
    from featuregeom.report.sheet import write_sheet
    from featuregeom.schemes import detect
    from featuregeom.schemes.certificate import certify, save
    from featuregeom.schemes.files import read

    with reporting():
        found = []
        matrices = read(file, kind=kind.value, tensor=tensor)
        if out is not None:
            create_folder(out)
        for number, (name, what, values) in enumerate(matrices):
            given: dict[str, Any] = {what: values}
            detection = detect(**given, mode=mode.value, tolerance=tolerance, seed=seed)
            facts = _facts(name, what, detection)
            if out is not None:
                stem = "scheme" if len(matrices) == 1 else f"scheme-{number + 1}"
                if detection.intersection_numbers is not None and what == "features":
                    facts["certificate"] = str(save(certify(detection), out / f"{stem}.json"))
                provenance = {
                    "source": file,
                    "matrix": name,
                    "taken for": what,
                    "mode": mode.value,
                    "seed": seed,
                }
                facts["page"] = str(
                    write_sheet(scheme_sheet(detection, name, provenance), out / f"{stem}.html")
                )
            found.append(facts)
            if not as_json:
                _show(facts, detection)
        if as_json:
            print_json(found)


def verify(
    certificate: Annotated[Path, typer.Argument(help="A certificate, JSON.")],
    features: Annotated[str, typer.Argument(help="The features that it was made from.")],
    tensor: Annotated[str | None, typer.Option(help="Which tensor, where the file has several.")] = None,
    as_json: Json = False,
) -> None:
    """Check a certificate against features, exactly. The exit code is 1 where it does not hold."""
    from featuregeom.schemes import certificate as certificates
    from featuregeom.schemes.files import read

    with reporting():
        claim = certificates.load(certificate)
        ((_, _, values),) = read(features, kind="features", tensor=tensor)
        result = certificates.verify(claim, values)
        if as_json:
            print_json(
                {
                    "holds": result.holds,
                    "name": claim.get("name", ""),
                    "findings": [vars(finding) for finding in result.findings],
                }
            )
        else:
            for finding in result.findings:
                mark = Text("holds ", style="green") if finding.holds else Text("FAILS ", style="red")
                detail = f" ({finding.detail})" if finding.detail else ""
                output.print(mark + Text(f"{finding.what}{detail}"), soft_wrap=True)
            verdict = "holds" if result.holds else "does not hold"
            output.print(Text(f"{claim.get('name') or 'scheme without a name'}: the certificate {verdict}"))
        if not result.holds:
            raise typer.Exit(1)


def _facts(name: str, what: str, detection: Detection | LargeDetection) -> dict[str, Any]:
    def plain(values: Any) -> Any:
        return None if values is None else values.tolist()

    def finite(value: float) -> float | None:
        return value if value == value else None

    return {
        "matrix": name,
        "taken_for": what,
        "is_scheme": detection.is_scheme,
        "name": detection.name,
        "also": list(detection.also),
        "reason": detection.reason,
        "n": detection.n,
        "dim": detection.dim,
        "levels": plain(detection.levels),
        "valencies": plain(detection.valencies),
        "multiplicities": plain(detection.multiplicities),
        "P": plain(detection.P),
        "Q": plain(detection.Q),
        "intersection_numbers": plain(detection.intersection_numbers),
        "krein": plain(detection.krein),
        "defect": finite(detection.defect),
        "eta2": finite(detection.eta2),
        "residual": finite(detection.residual),
        "rank_of_closure": detection.rank_of_closure,
        "fibres": plain(detection.fibres),
    }


def _show(facts: dict[str, Any], detection: Detection | LargeDetection) -> None:
    from featuregeom.report.schemes import eigenmatrix_table, relations_table

    if detection.name:
        verdict = detection.name
    elif detection.is_scheme:
        verdict = "an association scheme without a name"
    else:
        verdict = f"no scheme (defect {detection.defect:.2g})"
    reason = f"; {detection.reason}" if detection.reason else ""
    heading = f"{facts['matrix']}: {verdict}, {detection.n} points in {detection.dim} dimensions{reason}"
    output.print(Text(heading, style="bold"), soft_wrap=True)
    for frame in (relations_table(detection), eigenmatrix_table(detection)):
        if frame is None:
            continue
        table = Table(*map(str, frame.columns), box=None, header_style="bold")
        for row in frame.head(40).itertuples(index=False):
            table.add_row(*(value if isinstance(value, str) else f"{value:.6g}" for value in row))
        output.print(table)
    for key in ("certificate", "page"):
        if key in facts:
            output.print(f"{key}: {facts[key]}", soft_wrap=True, highlight=False)
