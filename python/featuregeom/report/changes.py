"""The page that compares two sources: what changed, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.dictionaries import Comparison
from featuregeom.report.figures import Figure, axis, bars, line
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import number, plural, text

if TYPE_CHECKING:
    from featuregeom.survey import SourceComparison

__all__ = ["changes_sheet"]

MATRICES = 40
"""Most matrices that have a section with figures, in the source's order."""

BINS = 60
"""Bins of a histogram."""

_SHOWN = [
    "matrix", "kept", "kept_changed", "lost", "born", "median_degrees", "cka", "cka_null", "pw_mcc", "pw_mcc_null",
    "shared", "shared_null", "families_kept", "families_lost", "families_born",
]  # fmt: skip
"""Columns that the page shows; the table beside it has all."""

_NULL = (
    "A feature is kept where its partner is nearer than random dictionaries with the same spectrum explain; the rest "
    "is lost or born. Each score has that of such a dictionary beside it (null): it is never 0. cka "
    "(centred kernel alignment) says how alike the inner products among the kept features are in both, 1 where they "
    "are the same but for a rotation and a scale; pw mcc is the mean cosine of features matched one to one, shared the "
    "share of features that both have."
)


def changes_sheet(found: SourceComparison, provenance: Mapping[str, Any]) -> Sheet:
    """Lay out a comparison as a page.

    Parameters
    ----------
    found : SourceComparison
        What was found.
    provenance : mapping
        What was compared, and how.

    Returns
    -------
    Sheet
    """
    table = found.to_frame()
    changed = table[table["what"] != "same"][_SHOWN].dropna(axis="columns", how="all")
    sections = [Section("Matrices that changed", (_NULL,), table=changed)] if len(changed) else []
    for name, each in list(found.changed.items())[:MATRICES]:
        sections.append(Section(text(name), (f"{each}.", *_further(each)), tuple(_figures(each))))
    if (left := len(found.changed) - MATRICES) > 0:
        sections.append(
            Section("More", (f"{plural(left, 'more matrix', 'more matrices')} changed; see the tables.",))
        )
    return Sheet(
        kicker="Two sources",
        title="What changed",
        lead=tuple(found.sentences()) or ("Nothing was compared.",),
        totals=(
            plural(len(found.same) + len(found.changed) + len(found.refused), "matrix", "matrices"),
            f"{number(len(found.same))} the same",
            f"{number(len(found.changed) + len(found.refused))} changed",
        ),
        provenance=provenance,
        sections=tuple(sections),
    )


def _further(found: Comparison) -> list[str]:
    said = []
    if found.same:
        said.append("Features of one index are compared, as in two checkpoints of one matrix.")
    if np.isfinite(found.limit):
        said.append(f"Kept from a cosine of {number(found.limit, 3)} on.")
    if not np.isnan(found.cka):
        said.append(
            f"Centred kernel alignment of the kept features: {number(found.cka, 4)}, at random "
            f"{number(found.cka_null, 4)}."
        )
    return said


def _figures(found: Comparison) -> list[Figure]:
    figures = []
    moved = found.angle[found.changed]
    if len(moved):
        counts, edges = np.histogram(np.degrees(moved), bins=BINS)
        figures.append(
            Figure(
                "drift", "How far features turned",
                f"The {plural(len(moved), 'feature')} that changed and were kept, by the angle of before and after.",
                [bars(edges, np.where(counts, counts, np.nan), "features", "degrees")],
                {"xaxis": axis("degrees"), "yaxis": axis("features", rangemode="tozero"), "bargap": 0},
            )
        )  # fmt: skip
    if not found.same:
        figures.append(_matched(found))
    spans = found.subspaces
    if spans is not None and len(spans.k) > 1:
        figures.append(
            Figure(
                "subspaces", "Leading eigenvectors, together",
                "Overlap of the spans of the k leading eigenvectors of either, beside that of random spans; and how "
                "much of the second's squared length those of the first hold, of what its own do. Single eigenvectors "
                "of a generic spectrum turn at the least change, so they are not compared.",
                [
                    line(spans.k, spans.overlap, "--c0", "overlap", width=2),
                    line(spans.k, spans.captured, "--c2", "captured", width=2),
                    line(spans.k, spans.null, "--c1", "overlap at random", width=2),
                ],
                {
                    "xaxis": axis("k", type="log"), "yaxis": axis("share", range=[0, 1.05]), "showlegend": True,
                },
            )
        )  # fmt: skip
    return figures


def _matched(found: Comparison) -> Figure:
    """Draw the cosines of matched pairs beside those with a random dictionary."""
    cosine, null = found.matching.cosine, found.matching.null_cosine
    edges = np.linspace(min(-0.1, float(cosine.min())), 1.0, BINS + 1)
    counts = np.histogram(cosine, edges)[0]
    traces = [bars(edges, np.where(counts, counts, np.nan), "pairs", "cosine")]
    if len(null):
        expected = np.histogram(null, edges)[0] / max(found.matching.n_draws, 1)
        traces.append(
            line(np.repeat(edges, 2)[1:-1], np.repeat(expected, 2), "--c1", "random dictionary", width=2)
        )
    return Figure(
        "matched", "Matched pairs by their cosine",
        "Bars: the pairs of the best one-to-one matching. Outline: those of the first with a random dictionary that "
        "has the second's spectrum. What the two share lies to the right of the outline.",
        traces,
        {"xaxis": axis("cosine"), "yaxis": axis("pairs", rangemode="tozero"), "bargap": 0, "showlegend": True},
    )  # fmt: skip
