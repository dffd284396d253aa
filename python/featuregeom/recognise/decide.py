"""The verdict on some distinct directions: which scheme, which name, or why none."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigh, eigvalsh
from featuregeom.recognise import policy
from featuregeom.recognise.defect import defect, null_p_value
from featuregeom.recognise.isometry import figures, spanned
from featuregeom.recognise.levels import clear_cuts, colour, distinct_values, exact_cuts
from featuregeom.recognise.names import (
    Classical,
    Match,
    align_catalogue,
    classical,
    fills_dimension,
    fits_dimension,
    matches,
    of_classical,
    placed,
)
from featuregeom.recognise.names.parametric import component_sizes, noise_outside, parametric_name
from featuregeom.recognise.noise import like_noise
from featuregeom.recognise.partitions import Partition, Search, search
from featuregeom.recognise.refinement import support_of
from featuregeom.recognise.through_noise import MOST_POINTS, NoisyName, name_through_noise
from featuregeom.relations.eigenmatrices import symmetric_eigenmatrices
from featuregeom.relations.products import (
    class_counts,
    class_means,
    from_means,
    intersection_numbers,
    is_scheme,
)
from featuregeom.summary import summarised

__all__ = ["Verdict", "decide", "through_noise"]


@summarised
@dataclass(frozen=True, eq=False)
class Verdict:
    """What some distinct directions are. Attributes as in `Detection`, of which this is the core."""

    partition: Partition | None
    exact: bool
    is_scheme: bool
    name: str
    reason: str
    also: tuple[str, ...]
    nearest: str
    order: NDArray[np.int64]
    residual: float
    dim: int
    height: float | None
    search: Search | None
    nearest_relations: NDArray[np.int64] | None = None
    ideal: NDArray[np.float64] | None = None
    noise: NoisyName | None = None
    by_vectors: bool = False


def decide(
    cosines: NDArray[np.float64],
    *,
    vectors: NDArray[np.float64] | None = None,
    tolerance: float = policy.TOLERANCE,
    refinements: int = policy.REFINEMENTS,
    seed: int = 0,
) -> Verdict:
    """Decide which scheme some distinct directions carry, and which geometry they are.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix, no two features alike.
    vectors : ndarray, shape (n, m), optional
        The features. Where up to 64 of them span more dimensions than a geometry has, `through_noise` decides on what
        is not within the tolerance, and marks of noise do not.
    tolerance : float
        Largest deviation of a cosine from the ideal one that a name allows.
    refinements : int
        Proposals of relations to refine; 0 for none.
    seed : int
        Seed of checks and refinement.

    Returns
    -------
    Verdict
    """
    n = len(cosines)
    if n == 1:
        return _nothing(cosines, "a single feature")
    values, axes = eigh(cosines)
    eigenvalues = values[::-1].astype(np.float64)
    classic = classical(cosines, eigenvalues, axes[:, -2:].astype(np.float64))
    nearest = [one for one in classic if one.in_dimension]
    if (
        nearest
        and nearest[0].residual <= min(nearest[0].limit, tolerance)
        and not _finer(cosines, nearest[0], seed)
    ):
        return _classical(cosines, nearest[0])
    if n == 2:
        return _nothing(cosines, f"2 features at cosine {cosines[0, 1]:.3f}")
    found = search(cosines, refinements=0, seed=seed)
    spanning = spanned(vectors) if vectors is not None and n <= MOST_POINTS else None
    room = 0 if spanning is None else spanning.shape[1]
    best = _named(cosines, found, eigenvalues, tolerance, room)
    if best is not None:
        return _through(_matched(cosines, *best, found), tolerance)
    told = None if spanning is None else name_through_noise(spanning, seed=seed)
    # Where all that is left is rounding, cosines tell more.
    if told is not None and told.p < 1:
        return _measured(cosines, told, found, tolerance)
    verdict = _by_refinement(
        cosines, found, classic, eigenvalues, room, tolerance=tolerance, refinements=refinements, seed=seed
    )
    return replace(verdict, by_vectors=spanning is not None)


def _by_refinement(
    cosines: NDArray[np.float64],
    found: Search,
    classic: list[Classical],
    eigenvalues: NDArray[np.float64],
    room: int,
    *,
    tolerance: float,
    refinements: int,
    seed: int,
) -> Verdict:
    """Judge distinct directions whose levels have no name as they are. Marks of noise are for what fills `room`."""
    best = None
    if refinements and not (found.clear and found.partitions):
        # Levels may look clear only because the input was rounded to a few digits.
        noisy = search(cosines, refinements=refinements, seed=seed, clear=False)
        best = _named(cosines, noisy, eigenvalues, tolerance, room)
        found = noisy if best is not None or not found.clear else found
    if best is not None:
        return _through(_matched(cosines, *best, found), tolerance)
    noisy_one = _classical_through_noise(cosines, classic, eigenvalues, room)
    if noisy_one is not None:
        return _through(noisy_one, tolerance)
    if len(cosines) > policy.CATALOGUE_POINTS and found.partitions:
        known = _by_parameters(cosines, found, eigenvalues, tolerance)
        if known is not None:
            return known
    nearest = [one for one in classic if one.in_dimension]
    return _unnamed(cosines, found, nearest, eigenvalues, tolerance)


def _measured(cosines: NDArray[np.float64], told: NoisyName, found: Search, tolerance: float) -> Verdict:
    """Give a name that rests on the vectors."""
    points = next((one.points for one in figures(len(cosines)) if one.name == told.name), None)
    match = placed(cosines, told.name, points, told.order, told.height)
    partition = Partition.of(cosines, match.relations, "ideal")
    verdict = _through(_matched(cosines, match, partition, found), tolerance)
    size = f"noise of {told.noise:.2g} of the norms, measured beside its {told.dim} dimensions"
    measured = f"{size} (F test p = {told.p:.2g})"
    reason = f"{verdict.reason}; {measured}" if verdict.reason else measured
    return replace(verdict, reason=reason, noise=told, by_vectors=True)


def _nothing(cosines: NDArray[np.float64], reason: str) -> Verdict:
    """Give one or two features no name; their relations are a scheme whatever the cosine."""
    n = len(cosines)
    partition = Partition.of(cosines, 1 - np.eye(n, dtype=np.int64), "ideal")
    return Verdict(partition, True, True, "", reason, (), "", np.arange(n), math.nan, 0, None, None)


def _classical(cosines: NDArray[np.float64], one: Classical) -> Verdict:
    partition = Partition.of(cosines, one.relations, "ideal")
    return Verdict(
        partition,
        True,
        True,
        one.name,
        "",
        (),
        one.name,
        one.order,
        one.residual,
        one.dim,
        None,
        None,
        partition.relations,
        one.levels[one.relations],
    )


def _through(verdict: Verdict, tolerance: float) -> Verdict:
    return replace(verdict, reason=through_noise(verdict.reason, verdict.residual, tolerance))


def through_noise(reason: str, residual: float, tolerance: float) -> str:
    """Add to what is said of a name that it is given through noise, where its residual is above the tolerance."""
    if residual <= tolerance:
        return reason
    said = f"through noise: cosines differ by up to {residual:.3f}, above the tolerance of {tolerance:g}"
    return f"{reason}; {said}" if reason else said


def _finer(cosines: NDArray[np.float64], one: Classical, seed: int) -> bool:
    """Say whether clear levels are another scheme than this geometry's, however near to it.

    Up to 8 features, where chance makes schemes, they must be exact, and further from it than rounding of float32.
    J(7,2) in two eigenspaces at once has levels on both sides of that of the simplex, and equiangular lines in many
    dimensions are nearly orthogonal.
    """
    if one.residual <= policy.EXACT_COSINE and _few(cosines):
        return False
    values = np.sort(cosines[np.triu_indices(len(cosines), 1)])
    cuts = clear_cuts(values)
    if cuts is None or not len(cuts):
        cuts = exact_cuts(values)
    if not len(cuts):
        return False
    levels = colour(cosines, cuts)
    if np.array_equal(levels, one.relations) or not is_scheme(levels, seed):
        return False
    return not _few(cosines) or float(np.abs(from_means(cosines, levels)).max()) <= policy.EXACT_COSINE


def _classical_through_noise(
    cosines: NDArray[np.float64], classic: list[Classical], eigenvalues: NDArray[np.float64], room: int
) -> Verdict | None:
    """Give a polygon or cross-polytope its name where it is off by more, but no more than noise explains."""
    if _few(cosines):
        return None
    for one in classic:
        if one.dim < room:
            continue
        # A simplex has a single class, of which nothing is to be explained: its noisy limit is 0.
        near = one.residual <= one.noisy_limit
        if near and _through_noise(cosines, of_classical(cosines, one), eigenvalues):
            return _classical(cosines, one)
    return None


def _named(
    cosines: NDArray[np.float64], found: Search, eigenvalues: NDArray[np.float64], tolerance: float, room: int
) -> tuple[Match, Partition] | None:
    """Choose among the geometries that the schemes found allow, by marks of noise where these fill `room`."""
    few = _few(cosines)
    allowed = [
        (match, partition)
        for partition in found.partitions
        if partition.classes >= 2
        for match in matches(cosines, partition.relations)
        if _allowed(cosines, match, eigenvalues, tolerance, few or match.dim < room)
    ]
    best = min(allowed, key=_misfit, default=None)
    if best is not None and best[0].height is not None:
        # Its free height may have followed the noise of a fixed geometry.
        rivals = [match.residual for match in align_catalogue(cosines) if match.height is None]
        if min(rivals, default=math.inf) <= _misfit(best):
            return None
    return best


def _misfit(found: tuple[Match, Partition]) -> float:
    match, _ = found
    return match.residual * (1 if match.height is None else policy.FREE_HEIGHT_RESIDUAL)


def _allowed(
    cosines: NDArray[np.float64],
    match: Match,
    eigenvalues: NDArray[np.float64],
    tolerance: float,
    strict: bool,
) -> bool:
    if match.residual <= tolerance and fits_dimension(eigenvalues, match.dim) and _fills(match, eigenvalues):
        return True
    return not strict and match.height is None and _through_noise(cosines, match, eigenvalues)


def _fills(match: Match, eigenvalues: NDArray[np.float64]) -> bool:
    if fills_dimension(eigenvalues, match.dim, len(eigenvalues) / match.dim):
        return True
    # Prisms and others that are not tight have a smaller one.
    least = float(eigvalsh(match.levels[match.relations])[-match.dim])
    return fills_dimension(eigenvalues, match.dim, least)


def _through_noise(cosines: NDArray[np.float64], match: Match, eigenvalues: NDArray[np.float64]) -> bool:
    outside = float(eigenvalues[match.dim :].sum()) / len(eigenvalues)
    return (
        match.explained >= policy.NOISY_ETA2
        and outside <= policy.NOISY_OUTSIDE
        and like_noise(cosines, match)
    )


def _matched(cosines: NDArray[np.float64], match: Match, partition: Partition, found: Search) -> Verdict:
    distinct = _levels_differ(cosines, partition)
    rank = partition.classes + 1
    reason = "" if distinct else f"levels are not a scheme; closure has rank {rank}"
    return Verdict(
        partition,
        True,
        distinct,
        match.name,
        reason,
        match.also,
        match.name,
        match.order,
        match.residual,
        match.dim,
        match.height,
        found,
        match.relations,
        match.levels[match.relations],
    )


def _levels_differ(cosines: NDArray[np.float64], partition: Partition) -> bool:
    """Say whether each relation has a level of its own, as far as the noise lets one see."""
    if partition.source in ("levels", "ideal"):
        return True
    relations = partition.relations
    levels = class_means(cosines, relations)
    variances = class_means(from_means(cosines, relations) ** 2, relations)
    errors = variances / (np.bincount(relations.ravel()) / 2)
    steps = levels[1:-1] - levels[2:]
    least = np.maximum(policy.LEAST_STEP, policy.SEPARATE_LEVELS * np.sqrt(errors[1:-1] + errors[2:]))
    return bool((steps > least).all())


def _unnamed(
    cosines: NDArray[np.float64],
    found: Search,
    placed: list[Classical],
    eigenvalues: NDArray[np.float64],
    tolerance: float,
) -> Verdict:
    partition = _scheme(cosines, found, eigenvalues, tolerance)
    nearest, residual, aligned = _nearest(cosines, found, placed)
    is_scheme = partition is not None and _levels_differ(cosines, partition)
    n = len(cosines)
    if partition is not None:
        counts = class_counts(partition.relations)[0]
        kind = f"a scheme of {n} points with valencies {', '.join(map(str, counts[1:]))}"
        reason = f"{kind}, without a name" if is_scheme else f"levels are not a scheme; closure is {kind}"
    elif found.closure is not None:
        cells, sizes = np.unique(found.closure.diagonal(), return_counts=True)
        rank = int(found.closure.max()) + 1
        reason = f"levels are not a scheme; closure has rank {rank}"
        if len(cells) > 1:
            reason += f" and {len(cells)} fibres of {', '.join(map(str, sizes))} features"
    else:
        levels = distinct_values(cosines)
        what = "a continuum of cosines" if levels is None else f"{len(levels)} distinct cosines"
        far = defect(found.levels)
        verdict = (
            f"no scheme (defect {far:.2f})" if far > 0 else "no scheme that noise and chance would not give"
        )
        reason = f"{n} features with {what}: {verdict}"
        if nearest:
            reason += f"; nearest is the {nearest}, {residual:.2f} off"
    return Verdict(
        partition,
        partition is not None,
        is_scheme,
        "",
        reason,
        (),
        nearest,
        _by_similarity(cosines),
        residual,
        0,
        None,
        found,
        aligned,
    )


def _scheme(
    cosines: NDArray[np.float64], found: Search, eigenvalues: NDArray[np.float64], tolerance: float
) -> Partition | None:
    """Choose the finest scheme that its cosines support, finer ones only where they explain much more."""
    n = len(cosines)
    chosen: Partition | None = None
    few = _few(cosines)
    rank = int((eigenvalues > policy.RANK_SHARE * n).sum())
    for partition in sorted(found.partitions, key=lambda one: one.classes):
        if partition.classes == 1:
            good = partition.spread <= policy.ONE_LEVEL
        elif not few:
            good = partition.eta2 >= policy.LEVELS_ETA2 and not _outlier(cosines, partition)
        else:
            good = partition.spread <= tolerance and partition.eta2 >= policy.LEVELS_ETA2
            if good and not found.clear and n <= policy.NULL_LIMIT:
                valencies = tuple(class_counts(partition.relations)[0].tolist())
                good = null_p_value(n, max(rank, 1), valencies, partition.eta2) <= policy.CHANCE
        if not good:
            continue
        if chosen is None or chosen.classes == 1:
            better = chosen is None or partition.spread < policy.MUCH_BETTER_SPREAD * chosen.spread
        else:
            better = 1 - partition.eta2 < policy.MUCH_BETTER_ETA2 * (1 - chosen.eta2)
        chosen = partition if better else chosen
    return chosen


def _few(cosines: NDArray[np.float64]) -> bool:
    """Say whether chance makes schemes of this number of features; in an antipodal set only half of them were free."""
    n = len(cosines)
    antipodal = n <= 2 * policy.NULL_LIMIT and bool((cosines.min(axis=1) <= policy.EXACT_COSINE - 1).all())
    return n <= policy.NULL_LIMIT or antipodal


def _outlier(cosines: NDArray[np.float64], partition: Partition) -> bool:
    """Say whether some cosine is further from its level than noise explains."""
    levels = class_means(cosines, partition.relations)
    deviation = math.sqrt(float(((cosines - levels[partition.relations]) ** 2).mean()))
    return partition.spread > max(policy.OUTLIER * deviation, policy.EXACT_COSINE)


def _by_parameters(
    cosines: NDArray[np.float64], found: Search, eigenvalues: NDArray[np.float64], tolerance: float
) -> Verdict | None:
    """Name what is beyond the catalogue, where parameters alone determine it."""
    partition = found.partitions[0]
    relations, n = partition.relations, len(cosines)
    levels = class_means(cosines, relations)
    spaces = symmetric_eigenmatrices(intersection_numbers(relations))
    P, multiplicities = spaces.P, spaces.multiplicities
    support = support_of(P @ levels)

    def neighbours() -> Counter[int]:
        near = np.flatnonzero(relations[0] == 1)
        return component_sizes(relations[np.ix_(near, near)] == 1)

    left = float(((cosines - levels[relations]) ** 2).mean())
    lowest, highest = np.full(len(levels), np.inf), np.full(len(levels), -np.inf)
    np.minimum.at(lowest, relations, cosines)
    np.maximum.at(highest, relations, cosines)
    noise = noise_outside(left, int((eigenvalues > policy.EXACT_COSINE).sum()))
    name = parametric_name(P, multiplicities, levels, (lowest[1:], highest[1:]), neighbours, noise)
    dim = int(multiplicities[support].sum())
    if not name.name or not name.residual <= tolerance or not fills_dimension(eigenvalues, dim, n / dim):
        return None
    order = np.arange(n)
    return Verdict(
        partition, True, True, name.name, "", name.also, name.name, order, name.residual, dim, None, found
    )


def _nearest(
    cosines: NDArray[np.float64], found: Search, placed: list[Classical]
) -> tuple[str, float, NDArray[np.int64] | None]:
    """Name the geometry that explains most of the cosines, though not enough for a name, and give its relations."""
    options: list[tuple[float, str, float, NDArray[np.int64]]] = []
    for match in [of_classical(cosines, one) for one in placed if len(one.levels) > 2]:
        options.append((1 - match.explained, match.name, match.residual, match.relations))
    found_by_algebra = [
        match
        for partition in found.partitions
        if partition.classes >= 2
        for match in matches(cosines, partition.relations)
    ]
    for match in [*found_by_algebra, *align_catalogue(cosines)]:
        weight = 1 if match.height is None else policy.FREE_HEIGHT_VARIANCE
        options.append((weight * (1 - match.explained), match.name, match.residual, match.relations))
    nothing = (1.0, "", math.nan, None)
    missing, name, residual, relations = min(options, key=lambda one: one[:2], default=nothing)
    return (name, residual, relations) if missing <= 1 - policy.RESEMBLES else ("", math.nan, relations)


def _by_similarity(cosines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Walk from each feature to its nearest unvisited one."""
    order = [0]
    free = np.ones(len(cosines), dtype=bool)
    free[0] = False
    while free.any():
        nearest = int(np.where(free, cosines[order[-1]], -np.inf).argmax())
        order.append(nearest)
        free[nearest] = False
    return np.array(order, dtype=np.int64)
