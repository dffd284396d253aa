"""What the page says of one matrix, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featuregeom.pairs import NO_GAP
from featuregeom.wording import MINUS, known, number, plural, text

__all__ = ["block_advice", "reading"]

LEVEL = 0.01
"""p-value below which a saturation is said to differ from that of random directions."""


def reading(row: Mapping[str, Any]) -> list[str]:
    """Say in a few sentences what the numbers of one matrix mean.

    Parameters
    ----------
    row : mapping
        A row of the matrices table.

    Returns
    -------
    list of str
        Sentences.
    """
    n, m, rank = (int(row[k]) for k in ("n", "m", "rank"))
    if rank == 0:
        return [f"All {plural(n, 'feature')} are zero: there is no geometry to measure."]
    shares = f"{plural(n, 'feature uses', 'features share')} {plural(rank, 'dimension')}"
    if rank < m:
        shares += f" of the {number(m)} there are"
    spaces = int(row["eigenspaces"])
    sentences = [
        f"{shares}, in {plural(spaces, 'eigenspace')}" + (_tight(row["tightness"]) if spaces == 1 else ".")
    ]
    if known(row["geometry"]):
        sentences.append(f"Recognised: {text(row['geometry'])}.")
    if known(row["saturation"]):
        sentences.append(_saturation(row))
    if known(row["coherence"]):
        sentences.append(_coherence(row))
    if known(row["defect_error"]) and known(row["defect_bound"]):
        error, bound = number(row["defect_error"], 2), number(row["defect_bound"], 2)
        holds = row["defect_error"] <= row["defect_bound"]
        sentences.append(
            f"Self-check: rank {MINUS} Σ D and Σ (leverage {MINUS} D) differ by {error}, "
            + ("within" if holds else "MORE than")
            + f" the {bound} that rounding allows"
            + ("." if holds else ": treat these numbers with care.")
        )
    return sentences


def block_advice(row: Mapping[str, Any]) -> str:
    """Say what to do where no gap parts the features of a matrix into blocks; empty where one does.

    Parameters
    ----------
    row : mapping
        A row of the matrices table.

    Returns
    -------
    str
    """
    # Where the features together are a named geometry, there is nothing to part.
    if row.get("block_gap") != "none" or known(row["geometry"]):
        return ""
    return f"{NO_GAP[:1].upper()}{NO_GAP[1:]} (--block-threshold, block_threshold=)."


def _tight(spread: float) -> str:
    if spread <= 1e-6:
        return ": a tight frame, every used direction carries the same weight."
    return f": nearly a tight frame, the weights of the used directions vary by {number(100 * spread, 2)} %."


def _saturation(row: Mapping[str, Any]) -> str:
    total, saturation = number(row["sum_capacity"]), number(row["saturation"], 3)
    said = f"Capacities add up to {total}, a saturation of {saturation}"
    if row["saturation"] >= 1 - 1e-6:
        said += ": full, so every feature lies in exactly one eigenspace"
    if not known(row["saturation_null"]):
        return said + "."
    where = plural(int(row["null_dimensions"]), "dimension")
    null = number(row["saturation_null"], 3)
    said += f", where random directions of the same lengths in {where} would give about {null}"
    p = row["saturation_p"]
    if not known(p) or row["saturation"] >= 1 - 1e-6:
        return said + "."
    if p > LEVEL:
        return f"{said}; so much chance may give, too (p = {number(p, 2)})."
    how = "less" if row["saturation_excess"] < 0 else "more"
    chance = f"p = {number(p, 2)}" if p >= 1e-6 else "p < 1e-6"
    return f"{said}: the features share dimensions {how} evenly than random directions would ({chance})."


def _coherence(row: Mapping[str, Any]) -> str:
    if row["coherence"] >= 1 - 1e-6:
        return "Some two features are parallel or opposite (coherence 1)."
    said = f"The two closest features have |cos| = {number(row['coherence'], 3)}"
    welch = row["welch_bound"]
    if not known(welch) or welch <= 0:
        return said + "."
    if row["coherence"] <= welch * (1 + 1e-6):
        return said + ", the Welch bound itself: no features of this number are further apart."
    n, rank = number(row["n"] - row["zero_features"]), plural(row["rank"], "dimension")
    return f"{said}; no {n} vectors in {rank} can all stay below {number(welch, 3)} (Welch)."
