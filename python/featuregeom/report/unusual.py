"""Which features of a matrix are unusual: copies, opposites, zero, silent or very long ones, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.findings.outliers import TIMES, times_the_median
from featuregeom.findings.parallel import parallel_from
from featuregeom.wording import known, number

__all__ = ["Unusual", "unusual"]

_LISTED = 24
"""Most features of a kind that are named, the clearest first."""


@dataclass(frozen=True)
class Unusual:
    """Features of one kind.

    Attributes
    ----------
    what : str
        What is unusual about them.
    count : int
        How many there are.
    who : str
        Those that are named, and how many are not.
    """

    what: str
    count: int
    who: str


def unusual(
    row: Mapping[Any, Any], features: Mapping[str, NDArray[Any]], name: Callable[[int], str]
) -> list[Unusual]:
    """List the unusual features and dimensions of one matrix.

    Parameters
    ----------
    row : mapping
        Its row of the matrices table.
    features : mapping of str to ndarray
        Its columns of the features table; what they lack is not listed.
    name : callable
        Names a feature.

    Returns
    -------
    list of Unusual
        Kinds of which there are any.
    """
    return [each for each in _kinds(row, features, name) if each.count]


def _kinds(
    row: Mapping[Any, Any], features: Mapping[str, NDArray[Any]], name: Callable[[int], str]
) -> Iterator[Unusual]:
    index, norm = features["index"], features["norm"].astype(np.float64)
    if len(features["cosine"]) and len(features["neighbour"]):
        cosine, nearest = features["cosine"].astype(np.float64), features["neighbour"]
        least = parallel_from(cosine, row)
        limits = (
            (1, f"copies (cosine at least {number(least)})"),
            (-1, f"opposites (at most {number(-least)})"),
        )
        for sign, what in limits:
            places = np.flatnonzero(sign * cosine >= least)
            places = places[np.argsort(-np.abs(cosine[places]), kind="stable")]
            yield _kind(what, places, lambda k: f"{name(index[k])} of {name(nearest[k])}")
    yield _kind("zero", np.flatnonzero(norm == 0), lambda k: name(index[k]))
    if len(features["density"]):
        silent = np.flatnonzero(features["density"].astype(np.float64) == 0)
        yield _kind("never fired in the data that its file counted", silent, lambda k: name(index[k]))
    ratio = times_the_median(norm)
    long = np.argsort(-ratio, kind="stable")[: np.sum(ratio > TIMES)]
    said = f"more than {TIMES} times as long as the median"
    yield _kind(said, long, lambda k: f"{name(index[k])} ({number(ratio[k], 3)} times)")
    if known(row.get("outlier_dimensions")) and known(row.get("largest_dimension_ratio")):
        times = number(row["largest_dimension_ratio"], 3)
        yield Unusual(
            f"dimensions more than {TIMES} times as large as the median",
            int(row["outlier_dimensions"]),
            f"the largest is dimension {int(row['largest_dimension'])} ({times} times)",
        )


def _kind(what: str, places: NDArray[np.int64], say: Callable[[int], str]) -> Unusual:
    left = len(places) - _LISTED
    shown = "; ".join(say(int(k)) for k in places[:_LISTED])
    return Unusual(what, len(places), shown + (f" and {number(left)} more" if left > 0 else ""))
