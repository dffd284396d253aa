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
    "A feature is kept where it has a partner in the other source that is nearer than chance explains: nearer than in "
    "random matrices with the same spectrum. All others are lost (only in the first) or born (only in the second). "
    "Beside each score stands that of such random matrices (null), for chance does not give 0. cka (centred kernel "
    "alignment): how alike the inner products among the kept features are, 1 where they are the same but for a "
    "rotation and a scale. pw mcc: the mean cosine of features matched one to one. shared: the share of features that "
    "both have."
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
        said.append("Features with the same index are compared, as two checkpoints of one matrix have them.")
    if np.isfinite(found.limit):
        said.append(f"A feature counts as kept from a cosine of {number(found.limit, 3)} on.")
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
                f"Of {plural(len(moved), 'feature')} kept but changed: the angle between before and after.",
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
                "The first k eigenvectors of one source span a space; overlap is how much of it is that of the other "
                "source, beside random spaces. Captured: the squared length of the second's features in the space of "
                "the first, over that in its own. Single eigenvectors turn at the least change, so they are not "
                "compared.",
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
        "Bars: the pairs of the best one-to-one matching. Line: the pairs of the first source with random features "
        "that have the spectrum of the second. What the two sources share lies to the right of the line.",
        traces,
        {"xaxis": axis("cosine"), "yaxis": axis("pairs", rangemode="tozero"), "bargap": 0, "showlegend": True},
    )  # fmt: skip
