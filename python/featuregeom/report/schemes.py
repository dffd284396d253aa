"""The page of one scheme: its relations, its eigenmatrix, its Gram matrix and its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.report.drawings import gram_figure, vectors_figure
from featuregeom.report.figures import Figure
from featuregeom.report.sheet import Section, Sheet
from featuregeom.report.words import number, plural
from featuregeom.schemes.detection import Detection
from featuregeom.survey.result import BlockPicture

if TYPE_CHECKING:
    import pandas as pd

    from featuregeom.schemes.large import LargeDetection

__all__ = ["eigenmatrix_table", "relations_table", "scheme_sheet"]


def relations_table(detection: Detection | LargeDetection) -> pd.DataFrame:
    """Give the table of relations, one row each.

    Parameters
    ----------
    detection : Detection or LargeDetection
        What was detected.

    Returns
    -------
    DataFrame
        Relation, mean cosine, valency (missing where points differ), pairs.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "relation": [f"R{k}" for k in range(len(detection.levels))],
            "cosine": detection.levels,
            "valency": np.nan if detection.valencies is None else detection.valencies.astype(float),
            "pairs": detection.pairs,
        }
    )


def eigenmatrix_table(detection: Detection | LargeDetection) -> pd.DataFrame | None:
    """Give the first eigenmatrix as a table, one row an eigenspace.

    Parameters
    ----------
    detection : Detection or LargeDetection
        What was detected.

    Returns
    -------
    DataFrame or None
        Multiplicity, eigenvalue of the Gram matrix, and the eigenvalue of each relation; None without a scheme.
    """
    import pandas as pd

    P, eigenvalues, multiplicities = detection.P, detection.eigenvalues, detection.multiplicities
    if P is None or eigenvalues is None or multiplicities is None:
        return None
    columns = {f"R{k}": P[:, k] for k in range(P.shape[1])}
    names = [f"E{k}" for k in range(len(P))]
    zeroed = np.where(np.abs(eigenvalues) < 1e-9 * np.abs(eigenvalues).max(), 0.0, eigenvalues)
    return pd.DataFrame(
        {"eigenspace": names, "multiplicity": multiplicities, "Gram eigenvalue": zeroed, **columns}
    )


def scheme_sheet(detection: Detection | LargeDetection, title: str, provenance: Mapping[str, Any]) -> Sheet:
    """Compose the page of one detection.

    Parameters
    ----------
    detection : Detection or LargeDetection
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
    sections = [
        Section(
            "Relations",
            (
                "Pairs of features fall into classes by their cosine; R0 is every feature with itself. In a "
                "scheme each feature has the same number of others in a class, its valency.",
            ),
            table=relations_table(detection),
        )
    ]
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
    if isinstance(detection, Detection):
        sections.append(Section("Pictures", figures=tuple(_figures(detection))))
    totals = [
        plural(
            len(set(detection.points.tolist())) + sum(len(group) - 1 for group in detection.duplicates),
            "feature",
        ),
        plural(detection.dim, "dimension"),
        plural(len(detection.levels) - 1, "class", "classes"),
    ]
    return Sheet("Association scheme", title, tuple(sections), tuple(lead), tuple(totals), provenance)


def _verdict(detection: Detection | LargeDetection) -> str:
    reason = f": {detection.reason}" if detection.reason else ""
    if detection.name:
        return f"This is the {detection.name}{reason}."
    if detection.is_scheme:
        return f"An association scheme without a name{reason}."
    return f"No association scheme (defect {number(detection.defect, 2)}){reason}."


def _figures(detection: Detection) -> list[Figure]:
    """Gram matrix ordered by relation; the vectors in their own space, or on the two leading eigenvectors."""
    cosines = detection.cosines
    place = {int(point): k for k, point in enumerate(detection.points)}
    order = [place[int(i)] for i in detection.order if int(i) in place]
    order = list(dict.fromkeys(order)) or list(range(len(cosines)))
    gram: NDArray[np.float64] = cosines[np.ix_(order, order)]
    values, vectors = np.linalg.eigh(gram)
    keep = detection.dim if 1 <= detection.dim <= 3 else 2
    coordinates = vectors[:, ::-1][:, :keep] * np.sqrt(np.maximum(values[::-1][:keep], 0))
    picture = BlockPicture(0, detection.points[order], gram, coordinates)
    row = {"gram_values": len(detection.levels) - 1}
    return [gram_figure(row, picture), vectors_figure(picture, detection.dim)]
