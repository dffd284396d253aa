"""Partitions of pairs that are exact schemes: by levels, by refined levels, by what levels generate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import by_slabs
from featuregeom.recognise import policy
from featuregeom.recognise.defect import explained_variance
from featuregeom.recognise.levels import candidates, clear_cuts, colour, exact_cuts
from featuregeom.recognise.names.catalogue import catalogue
from featuregeom.recognise.names.rings import heights, rings
from featuregeom.recognise.refinement import refine, tight_dimensions, tighten
from featuregeom.relations.products import (
    apart,
    canonical,
    class_counts,
    coherent_closure,
    from_means,
    is_scheme,
    is_symmetric_scheme,
)
from featuregeom.summary import summarised

__all__ = ["Partition", "Search", "search"]


Source = Literal["levels", "refined", "closure", "ideal"]


@summarised
@dataclass(frozen=True, eq=False)
class Partition:
    """Pairs in classes that are an exact symmetric scheme.

    Attributes
    ----------
    relations : ndarray of int64, shape (n, n)
        Classes by decreasing mean cosine, 0 on the diagonal.
    source : {"levels", "refined", "closure", "ideal"}
        How it was found.
    spread : float
        Largest deviation of a cosine from the mean of its class.
    eta2 : float
        Share of the variance of the cosines between the classes; NaN for one class.
    """

    relations: NDArray[np.int64]
    source: Source
    spread: float
    eta2: float

    @classmethod
    def of(cls, cosines: NDArray[np.float64], relations: NDArray[np.int64], source: Source) -> Partition:
        """Measure classes against cosines, and number them by decreasing mean."""
        relations = canonical(relations, cosines)
        away = from_means(cosines, relations)
        spread = float(max(away.max(), -away.min()))
        return cls(relations, source, spread, explained_variance(cosines, relations))

    @property
    def classes(self) -> int:
        """Number of classes, without the diagonal."""
        return int(self.relations.max())


@summarised
@dataclass(frozen=True, eq=False)
class Search:
    """What was found among the pairs of some features.

    Attributes
    ----------
    partitions : tuple of Partition
        Exact schemes, the finest first.
    levels : ndarray of int64, shape (n, n)
        The levels that the gaps show most clearly, whether a scheme or not.
    clear : bool
        Whether those gaps are a factor of 20 wider than all others: exact data, or nearly.
    closure : ndarray of int64, shape (n, n), or None
        What clear levels generate, where they are no scheme and it is small.
    """

    partitions: tuple[Partition, ...]
    levels: NDArray[np.int64]
    clear: bool
    closure: NDArray[np.int64] | None


def search(
    cosines: NDArray[np.float64], *, refinements: int = policy.REFINEMENTS, seed: int = 0, clear: bool = True
) -> Search:
    """Look for schemes among partitions of the pairs of features.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix of distinct features, n at least 2.
    refinements : int
        Proposals to refine by the algebra: those whose points are most alike.
    seed : int
        Seed of checks and refinement.
    clear : bool
        Whether to look for clear levels first; without it all levels count as noisy.

    Returns
    -------
    Search

    Notes
    -----
    Clear levels are judged alone. Otherwise every proposal of `levels.candidates` is checked, and refined where
    asked; each check is two matrix products and each refinement at most 30.
    """
    values = np.sort(cosines[np.triu_indices(len(cosines), 1)])
    cuts = clear_cuts(values) if clear else None
    if cuts is not None and not len(cuts) and len(cosines) > policy.NULL_LIMIT:
        exact = exact_cuts(values)  # of one level to the eye, of more to the last digit
        cuts = exact if len(exact) and is_scheme(colour(cosines, exact), seed) else cuts
    found: dict[bytes, Partition] = {}
    closure = None
    if cuts is not None and len(cuts) < max(len(cosines) - 1, 1) + 1:
        levels = colour(cosines, cuts)
        if is_scheme(levels, seed):
            _add(found, cosines, levels, "levels")
        else:
            closure = coherent_closure(levels, seed=seed, most=_few(len(cosines)))
            if closure is not None and is_symmetric_scheme(closure, seed):
                _add(found, cosines, closure, "closure")
        if found or closure is not None:
            return Search(tuple(found.values()), levels, True, closure)
    proposals = candidates(values)
    proposals = [cut for cut in proposals if len(cut) < min(policy.MOST_CLASSES, len(cosines))]
    levels = colour(cosines, proposals[0]) if proposals else apart(len(cosines))
    _add(found, cosines, apart(len(cosines)), "levels")
    for cut in proposals:
        relations = colour(cosines, cut)
        if is_scheme(relations, seed):
            _add(found, cosines, relations, "levels")
    if refinements:
        _refined(found, cosines, proposals, refinements, seed)
        _closures(found, cosines, proposals, seed)
    ordered = sorted(found.values(), key=lambda one: -one.classes)
    return Search(tuple(ordered), levels, False, None)


def _few(n: int) -> int:
    """Colours that a closure may have to be of interest: as good as discrete above."""
    return max(n, policy.CLOSURE_COLOURS)


def _add(
    found: dict[bytes, Partition], cosines: NDArray[np.float64], relations: NDArray[np.int64], source: Source
) -> None:
    partition = Partition.of(cosines, relations, source)
    found.setdefault(_key(partition.relations), partition)


def _key(relations: NDArray[np.int64]) -> bytes:
    narrow = np.min_scalar_type(int(relations.max()))
    return by_slabs(lambda rows: rows.astype(narrow), relations).tobytes()


def _refined(
    found: dict[bytes, Partition],
    cosines: NDArray[np.float64],
    proposals: list[NDArray[np.float64]],
    refinements: int,
    seed: int,
) -> None:
    n = len(cosines)
    if n > policy.REFINED_LIMIT:
        return
    refinements = min(refinements, max(1, int(refinements * (policy.REFINED_POINTS / n) ** 2)))
    seen: set[bytes] = set()
    for dim in tight_dimensions(cosines):
        snapped = tighten(cosines, dim)
        cuts = candidates(np.sort(snapped[np.triu_indices(n, 1)]))
        known = [colour(snapped, cut) for cut in _known_cuts(snapped)]
        if n <= policy.SHAKEN_POINTS and refinements > 1:
            known += _shaken(cosines, snapped, seed)
        starts = [colour(snapped, cut) for cut in cuts] + [colour(cosines, cut) for cut in proposals]
        starts = [
            one
            for one in starts
            if 3 <= int(one.max()) + 1 <= min(n, policy.MOST_CLASSES // policy.REFINED_SHARE)
        ]
        starts, known = ([one for one in some if np.bincount(one.ravel()).all()] for some in (starts, known))
        for relations in [*known, *sorted(starts, key=_irregularity)[:refinements]]:
            key = _key(relations)
            if key in seen:
                continue
            seen.add(key)
            better = refine(snapped, relations, seed=seed)
            if better is not None and is_scheme(better, seed):
                _add(found, cosines, better, "refined")


def _known_cuts(cosines: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut so that each level has as many pairs as in a named geometry of the same number of points."""
    n = len(cosines)
    ideals = [*catalogue(n), *(family.at(z2) for family in rings(n) for z2 in (1 / 3, heights(cosines)[0]))]
    values = np.sort(cosines[np.triu_indices(n, 1)])
    places = {tuple((np.cumsum(ideal.valencies[:0:-1])[:-1] * n // 2).tolist()) for ideal in ideals}
    return [(values[list(at)] + values[np.array(at) - 1]) / 2 for at in sorted(places) if at]


def _shaken(cosines: NDArray[np.float64], snapped: NDArray[np.float64], seed: int) -> list[NDArray[np.int64]]:
    """Cut again after noise as large as the features seem to have: other wrong labels, other places to start."""
    rng = np.random.default_rng(seed)
    size = float(np.sqrt(((cosines - snapped) ** 2).mean()))
    found = [colour(cosines, cut) for cut in _known_cuts(cosines)]
    for _ in range(policy.SHAKES):
        noise = rng.standard_normal(cosines.shape)
        shaken = np.clip((snapped + cosines) / 2 + size * (noise + noise.T) / 2, -1, 1)
        np.fill_diagonal(shaken, 1)
        found += [colour(shaken, cut) for cut in _known_cuts(shaken)]
    return found


def _irregularity(relations: NDArray[np.int64]) -> float:
    """Say how much points differ in how often they have each class: 0 in a scheme, about 1 for random labels."""
    counts = class_counts(relations)[:, 1:]
    share = counts.mean(axis=0) / (len(relations) - 1)
    return float((counts.var(axis=0).sum()) / max(((1 - share) * counts.mean(axis=0)).sum(), 1e-12))


def _closures(
    found: dict[bytes, Partition],
    cosines: NDArray[np.float64],
    proposals: list[NDArray[np.float64]],
    seed: int,
) -> None:
    if len(cosines) > policy.CLOSED_POINTS:
        return
    for cut in proposals[: policy.CLOSED_PROPOSALS]:
        colours = coherent_closure(colour(cosines, cut), seed=seed, most=_few(len(cosines)))
        if colours is not None and is_symmetric_scheme(colours, seed):
            _add(found, cosines, colours, "closure")
