"""The page of one scheme: its relations, its eigenmatrix, its Gram matrix and its vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.analysis import BlockPicture
from featuregeom.interruptible import eigh
from featuregeom.recognise.detection import Detection
from featuregeom.relations.check import Check
from featuregeom.relations.products import class_sizes
from featuregeom.relations.scheme import parameters
from featuregeom.report.drawings import gram_figure, vectors_figure
from featuregeom.report.figures import Figure
from featuregeom.report.sheet import Section, Sheet
from featuregeom.report.structure import shortened, structure_words
from featuregeom.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_sheet", "eigenmatrix_table", "relations_table", "scheme_sheet"]


def relations_table(found: Detection | Check) -> pd.DataFrame:
    """Give the table of relations, one row per relation.

    Parameters
    ----------
    found : Detection or Check
        What was detected or checked.

    Returns
    -------
    DataFrame
        Relation; mean cosine, or the label where relations were given; valency (missing where points differ); pairs.
        Those of a class that is its own transpose are counted once for both directions, of a fibre its points.
    """
    import pandas as pd

    pairs = class_sizes(found.labels.astype(np.int64)) if isinstance(found, Check) else found.pairs
    columns: dict[str, Any] = {"relation": [f"R{k}" for k in range(len(pairs))]}
    if isinstance(found, Check):
        columns["label"] = [str(label) for label in found.classes]
        if found.transpose is not None:
            columns["transpose"] = [f"R{k}" for k in found.transpose]
    else:
        columns["cosine"] = found.levels
    columns["valency"] = np.nan if found.valencies is None else found.valencies.astype(float)
    columns["pairs"] = pairs
    return pd.DataFrame(columns)


def eigenmatrix_table(detection: Detection | Check) -> pd.DataFrame | None:
    """Give the first eigenmatrix as a table, one row per eigenspace.

    Parameters
    ----------
    detection : Detection or Check
        What was detected or checked.

    Returns
    -------
    DataFrame or None
        Multiplicity, eigenvalue of the Gram matrix (where there is one), and the eigenvalue of each relation; None
        without a scheme that commutes. Complex numbers are written out.
    """
    import pandas as pd

    if isinstance(detection, Check):
        if detection.P is None:
            return None
        shown = (
            detection.P if detection.is_symmetric else np.vectorize(_complex, otypes=[object])(detection.P)
        )
        return pd.DataFrame(
            {
                "eigenspace": [f"E{k}" for k in range(len(shown))],
                "multiplicity": detection.multiplicities,
                **{f"R{k}": shown[:, k] for k in range(shown.shape[1])},
            }
        )
    P, eigenvalues, multiplicities = detection.P, detection.eigenvalues, detection.multiplicities
    if P is None or eigenvalues is None or multiplicities is None:
        return None
    columns = {f"R{k}": P[:, k] for k in range(P.shape[1])}
    names = [f"E{k}" for k in range(len(P))]
    zeroed = np.where(np.abs(eigenvalues) < 1e-9 * np.abs(eigenvalues).max(), 0.0, eigenvalues)
    return pd.DataFrame(
        {"eigenspace": names, "multiplicity": multiplicities, "Gram eigenvalue": zeroed, **columns}
    )


def _complex(value: complex) -> str:
    real, imag = f"{value.real:.4g}", f"{abs(value.imag):.4g}"
    if imag == "0":
        return real
    return f"{real if real != '0' else ''}{'-' if value.imag < 0 else '+' if real != '0' else ''}{imag}i"


def check_sheet(found: Check, title: str, lead: Sequence[str], provenance: Mapping[str, Any]) -> Sheet:
    """Compose the page of relations that were checked, and are no symmetric scheme.

    Parameters
    ----------
    found : Check
        What they are, or generate.
    title : str
        Name of what was looked at.
    lead : sequence of str
        What is to be said first.
    provenance : mapping
        File, kind of matrix, options.

    Returns
    -------
    Sheet
    """
    known = parameters(found)
    sections = [
        Section(
            "Relations",
            (
                "Pairs (x, y) of points fall into classes. In a coherent configuration the diagonal is made of "
                "fibres, and a class joins each point of one fibre with the same number of points of another, its "
                "valency. The transpose has the pairs (y, x).",
            ),
            table=relations_table(found),
        )
    ]
    if known is not None:
        sections.append(Section("Structure", tuple(structure_words(known))))
    table = eigenmatrix_table(found)
    if table is not None:
        text = "A row is one eigenspace that the relations share: its dimension, and the eigenvalue of each relation."
        sections.append(Section("Eigenmatrix", (text,), table=table))
    totals = [plural(len(found.labels), "point"), plural(len(found.classes), "class", "classes")]
    return Sheet("Association scheme", title, tuple(sections), tuple(lead), tuple(totals), provenance)


def scheme_sheet(detection: Detection, title: str, provenance: Mapping[str, Any]) -> Sheet:
    """Compose the page of one detection.

    Parameters
    ----------
    detection : Detection
        What was detected.
    title : str
        Name of what was looked at.
    provenance : mapping
        File, kind of matrix, options.

    Returns
    -------
    Sheet
    """
    lead = [_verdict(detection)]
    if detection.also:
        lead.append(f"Also known as {', '.join(detection.also)}.")
    if detection.duplicates:
        groups = "; ".join(" = ".join(map(str, group)) for group in detection.duplicates[:10])
        lead.append(f"Features of one direction were merged: {groups}.")
    meaning = (
        "Pairs of features fall into classes by their cosine; R0 is every feature with itself. In a scheme each "
        "feature has the same number of others in a class, its valency."
    )
    continuous = detection.cosines is not None and detection.gram_values is None
    if continuous:
        meaning += " Here the cosines are a continuum: where one class ends and the next begins is arbitrary."
    sections = [Section("Relations", (meaning,), table=relations_table(detection))]
    known = parameters(detection)
    if known is not None:
        sections.append(Section("Structure", tuple(structure_words(known))))
    table = eigenmatrix_table(detection)
    if table is not None:
        sections.append(
            Section(
                "Eigenmatrix",
                (
                    "All relations share their eigenspaces. A row is one eigenspace: its dimension, the eigenvalue "
                    "of the Gram matrix on it, and the eigenvalue of each relation (the matrix P). The geometry "
                    "lives where the Gram eigenvalue is not zero.",
                ),
                table=table,
            )
        )
    if detection.cosines is not None and detection.order is not None:
        pictures = _figures(detection, detection.cosines, detection.order)
        sections.append(Section("Pictures", figures=tuple(pictures)))
    totals = [
        plural(
            len(set(detection.points.tolist())) + sum(len(group) - 1 for group in detection.duplicates),
            "feature",
        ),
        plural(detection.dim, "dimension"),
    ]
    if not continuous:
        totals.append(plural(len(detection.levels) - 1, "class", "classes"))
    return Sheet("Association scheme", title, tuple(sections), tuple(lead), tuple(totals), provenance)


def _verdict(detection: Detection) -> str:
    reason = f": {shortened(detection.reason)}" if detection.reason else ""
    if detection.name:
        why = f" ({shortened(detection.reason)})" if detection.reason else ""
        return f"The geometry has a name: {detection.name}{why}."
    if detection.is_scheme:
        return f"An association scheme without a name{reason}."
    return f"No association scheme (defect {number(detection.defect, 2)}){reason}."


def _figures(detection: Detection, cosines: NDArray[np.float64], features: NDArray[np.int64]) -> list[Figure]:
    """Gram matrix ordered by relation; the vectors in their own space, or on the two leading eigenvectors."""
    place = {int(point): k for k, point in enumerate(detection.points)}
    order = [place[int(i)] for i in features if int(i) in place]
    order = list(dict.fromkeys(order)) or list(range(len(cosines)))
    gram: NDArray[np.float64] = cosines[np.ix_(order, order)]
    values, vectors = eigh(gram)
    keep = detection.dim if 1 <= detection.dim <= 3 else 2
    coordinates = vectors[:, ::-1][:, :keep] * np.sqrt(np.maximum(values[::-1][:keep], 0))
    picture = BlockPicture(0, detection.points[order], gram, coordinates)
    row = {"gram_values": detection.gram_values}
    return [gram_figure(row, picture), vectors_figure(picture, detection.dim)]
