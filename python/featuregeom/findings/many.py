"""Which verdicts still hold where many matrices are looked at: each test errs at its level in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from featuregeom.dictionaries import SENTENCES
from featuregeom.dictionaries.groups import benjamini_hochberg
from featuregeom.findings.tables import Tables
from featuregeom.wording import known

__all__ = ["LEVEL", "Sure", "families_beyond_chance", "sure"]

LEVEL = 0.01
"""Rate of false finds that the verdict of an analysis allows: `pairs.significant` with q = .01; of matrices as well."""


_CIRCLES = 0.1
"""Rate of false finds that `dictionaries.families` allows circles, beside `LEVEL` for all other kinds."""


@dataclass(frozen=True)
class Sure:
    """Names of the matrices whose verdicts count.

    Attributes
    ----------
    spectrum, pairs, crowds : frozenset of str
        Those whose spectrum alone differs, those with significant pairs, and those with features that crowd together.
    chance : frozenset of str
        Those whose verdict says that they differ, which many looks at random matrices would give, too.
    judged : int
        How many have a verdict.
    """

    spectrum: frozenset[str]
    pairs: frozenset[str]
    crowds: frozenset[str]
    chance: frozenset[str]
    judged: int


def sure(tables: Tables) -> Sure:
    """Tell verdicts from what chance gives among this number of matrices.

    Parameters
    ----------
    tables : Tables
        With the columns of verdicts.

    Returns
    -------
    Sure

    Notes
    -----
    Ten of a thousand random matrices would be found to differ by each test. The p-value of a matrix's pairs is the
    least q of them, and so for its crowds; the rate of false finds over all matrices then decides. Where a p-value is
    not known, the matrix's own verdict does.

    References
    ----------
    Simes, Biometrika 73 (1986), for the p-value of several; Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995).
    """
    least = {matrix: float(frame["q"].min()) for matrix, frame in tables.of(tables.pairs, "q")}
    spectrum, pairs, crowds = {}, {}, {}
    differ = set()
    for row in tables.rows:
        name, verdict = str(row["matrix"]), row.get("verdict")
        if not known(verdict):
            continue
        structure = verdict == SENTENCES["structure"]
        if structure or verdict == SENTENCES["spectrum"]:
            differ.add(name)
        uneven = float(row["spectrum_p"]) if known(row.get("spectrum_p")) else 0.0
        spectrum[name] = uneven if verdict == SENTENCES["spectrum"] else 1.0
        pairs[name] = least.get(name, 0.0) if structure and _some(row, "significant_pairs") else 1.0
        crowded = structure and _some(row, "gathered_features")
        crowds[name] = tables.gathered_q.get(name, 0.0) if crowded else 1.0
    counted = _few_false(spectrum), _few_false(pairs), _few_false(crowds)
    return Sure(*counted, frozenset(differ).difference(*counted), len(spectrum))


def families_beyond_chance(tables: Tables) -> frozenset[str]:
    """Name the matrices that hold families which as many looks at random matrices would not give, too.

    Parameters
    ----------
    tables : Tables
        With the families.

    Returns
    -------
    frozenset of str

    Notes
    -----
    One of a hundred random matrices may hold a family: each matrix allows its own a rate of false finds. Counted as in
    `sure`, by the least q of its families; names that rest on tolerances alone have none, and count.
    """
    least = {str(row["matrix"]): 1.0 for row in tables.rows}
    for matrix, frame in tables.of(tables.families, "members"):
        least[matrix] = min(map(_rate, frame.to_dict("records")), default=1.0)
    return _few_false(least)


def _rate(family: Mapping[Any, Any]) -> float:
    q = float(family["q"]) if known(family.get("q")) else 0.0
    return q * LEVEL / _CIRCLES if family.get("kind") == "circle" else q


def _some(row: Mapping[str, Any], column: str) -> bool:
    return bool(known(row.get(column)) and row[column] > 0)


def _few_false(p: dict[str, float]) -> frozenset[str]:
    if not p:
        return frozenset()
    rates = benjamini_hochberg(np.array(list(p.values()), dtype=np.float64))
    return frozenset(name for name, rate in zip(p, rates, strict=True) if rate <= LEVEL)
