"""The page of a sparse autoencoder: is its decoder random, and what do its latents have to do with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregeom.dictionaries import Examination
from featuregeom.dictionaries.kinds import ORDER
from featuregeom.report.figures import POINTS, Figure, axis, bars, line, subsample
from featuregeom.report.sheet import Section, Sheet
from featuregeom.wording import cut, number, plural, probability

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["autoencoder_sheet"]

BINS = 60
"""Bins of a histogram."""

MEMBERS = 16
"""Most members of a family that a row names."""

_INDICES = ("latent", "antipode", "family")
"""Columns that hold numbers of latents and families."""

NEAR_RANDOM = (
    "Autoencoders whose decoder was never trained reach scores near those of trained ones, so this comes first. Each "
    "test beside what random directions, or random features with the same spectrum, give."
)


def autoencoder_sheet(found: Examination, name: str, provenance: Mapping[str, Any]) -> Sheet:
    """Lay out what was found about a sparse autoencoder as a page.

    Parameters
    ----------
    found : Examination
        What was found.
    name : str
        What it is called.
    provenance : mapping
        Where it is from, and how it was examined.

    Returns
    -------
    Sheet
    """
    said = found.sentences()
    latents = found.to_frame()
    sections = [
        Section("Is the decoder random?", (NEAR_RANDOM,), table=_verdict(found)),
        Section("Families", _FAMILIES, table=_families(found)),
    ]
    if found.related is not None:
        sections.append(Section("Copies, splits and antipodes", (_RELATED,), table=_related(found)))
    if found.readout is not None:
        sections.append(Section("Encoder against decoder", (_CROSS_TALK,), tuple(_readout(found))))
    sections.append(Section("Dead latents and density", *_density(found)))
    worth = latents.sort_values(
        ["heard_from_others", "latent"], ascending=[False, True], na_position="last"
    ).drop(columns=[] if found.autoencoder.link else ["link"])
    sections.append(
        Section("The latents", ("Those that hear the others loudest come first.",), table=_numbered(worth))
    )
    decoder = found.autoencoder.decoder
    return Sheet(
        kicker="Sparse autoencoder",
        title=f"What {cut(name)} holds",
        lead=tuple(said.values()),
        totals=(plural(decoder.n, "latent"), plural(decoder.m, "dimension"), found.autoencoder.format),
        provenance=provenance,
        sections=tuple(sections),
    )


_FAMILIES = (
    "A family is decoder directions that are nearer to each other than the spectrum explains and than to all others: "
    "copies, antipodes, a named shape, a circle, or a cluster without a shape that was shown. It is no meaning yet.",
    ORDER,
)

_CROSS_TALK = (
    "A latent that reads where it writes has a cosine near 1. Cross-talk is what it reads of the others besides, which "
    "more latents than dimensions cannot avoid; a latent that hardly reads itself hears all others loudly."
)

_RELATED = (
    "Two latents are copies where they read and write alike, splits where they write alike and read differently, "
    "opposites where both are opposite: two ends of one axis."
)


def _numbered(latents: pd.DataFrame) -> pd.DataFrame:
    """Write numbers of latents as text; -1, which stands for no latent, becomes empty."""
    numbered = {key: latents[key].map(lambda at: str(at) if at >= 0 else "") for key in _INDICES}
    return latents.assign(**numbered).round(6)


def _verdict(found: Examination) -> pd.DataFrame:
    import pandas as pd

    judged = found.verdict
    pairs = judged.pairs
    rows = [
        ("pairs beyond the spectral measures", judged.n_pairs, 0, "expected: at most 1 in 100 of them"),
        ("smallest q of a pair", float(pairs.q.min()) if len(pairs.q) else np.nan, np.nan, "smaller is clearer"),
        ("features that an eigenspace gathers", judged.n_localised, 0, "beyond the spectrum"),
        ("p of the spectrum", judged.spectrum_p, 0.5, "even between 0 and 1 at random"),
        ("eigenvalues above the random edge", judged.eigenvalues_above, 0, "Marchenko and Pastur"),
        ("eigenvalues below the random edge", judged.eigenvalues_below, 0, "Marchenko and Pastur"),
        ("mean largest absolute cosine", judged.mean_max_cosine, judged.mean_max_cosine_null, "random directions"),
        ("saturation", judged.saturation, judged.saturation_null, "random directions of the same lengths"),
        ("saturation", judged.saturation, judged.saturation_spectrum, "random features with this spectrum"),
        ("localisation", judged.localisation, judged.localisation_spectrum, "random features with this spectrum"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["number", "measured", "at random", "what random means"])


def _families(found: Examination) -> pd.DataFrame | None:
    if not len(found.families):
        return None
    table = found.families.to_frame()
    members = [
        ", ".join(map(str, each[:MEMBERS])) + (" ..." if len(each) > MEMBERS else "")
        for each in table["members"]
    ]
    rare = {key: [probability(value) for value in table[key]] for key in ("p", "q")}
    shown = table[["size", "kind", "name", "p", "q", "share"]].assign(members=members, **rare)
    if link := found.autoencoder.link:
        shown["first member"] = [f"{link}/{each[0]}" for each in table["members"]]
    return shown


def _related(found: Examination) -> pd.DataFrame | None:
    assert found.related is not None  # it is asked for only then
    table = found.related.to_frame()
    if not len(table):
        return None
    if link := found.autoencoder.link:
        table = table.assign(**{f"link {side}": [f"{link}/{each}" for each in table[side]] for side in "ij"})
    return table


def _readout(found: Examination) -> list[Figure]:
    assert found.readout is not None  # it is asked for only then
    read = found.readout
    known = read.cosine[~np.isnan(read.cosine)]
    figures = []
    if len(known):
        counts, edges = np.histogram(known, bins=BINS, range=(min(-0.2, float(known.min())), 1.0))
        figures.append(
            Figure(
                "encoder-decoder", "Cosine of a latent's encoder and decoder",
                "Latents far to the right read what they write. Those near 0 read something else.",
                [bars(edges, np.where(counts, counts, np.nan), "latents", "cosine")],
                {"xaxis": axis("cosine"), "yaxis": axis("latents", rangemode="tozero"), "bargap": 0},
            )
        )  # fmt: skip
    heard = np.sqrt(read.disturbed)
    order = np.argsort(np.where(np.isnan(heard), -1.0, heard))[::-1]
    loud = heard[order][: int(np.count_nonzero(~np.isnan(heard)))]
    if len(loud) > 1:
        rank = np.arange(1, len(loud) + 1)
        shown = subsample(len(loud), POINTS)
        floor = float(np.sqrt(read.floor))
        traces = [line(rank[shown], loud[shown], "--c0", "heard from another", width=2)]
        if floor:
            traces.append(line(rank[[0, -1]], np.full(2, floor), "--c1", "floor of all on average", width=2))
        figures.append(
            Figure(
                "cross-talk", "Cross-talk, latent by latent",
                "Root mean square of what a latent hears from any other, when it hears itself with 1; loudest first. "
                "The floor is the least that the average over latents can be.",
                traces,
                {
                    "xaxis": axis("rank of the latent", type="log"), "yaxis": axis("cross-talk", rangemode="tozero"),
                    "showlegend": True,
                },
            )
        )  # fmt: skip
    return figures


def _density(found: Examination) -> tuple[tuple[str, ...], tuple[Figure, ...]]:
    density, dead = found.autoencoder.density, found.dead
    if density is None or dead is None or not density.any():
        return (found.sentences()["dead"],), ()
    text: tuple[str, ...] = ()
    if len(dead):
        some = ", ".join(map(str, dead[:MEMBERS].tolist())) + (" ..." if len(dead) > MEMBERS else "")
        text = (f"Never active: {some}.",)
    logs = np.log10(density[density > 0])
    counts, edges = np.histogram(logs, bins=BINS)
    figure = Figure(
        "density", "How often latents are active",
        f"The {number(len(logs))} latents that were active, by the decimal logarithm of the share of tokens: −2 is one "
        "token in a hundred. Very dense latents are often antipodal pairs, very rare ones words.",
        [bars(edges, np.where(counts, counts, np.nan), "latents", "logarithm")],
        {"xaxis": axis("logarithm of density"), "yaxis": axis("latents", rangemode="tozero"), "bargap": 0},
    )  # fmt: skip
    return text, (figure,)
