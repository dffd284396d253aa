"""From noisy features to their association scheme and the name of their geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, interruptible
from featuregeom.arguments import choice, integer
from featuregeom.errors import ParameterError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.recognise import policy
from featuregeom.recognise.decide import Verdict, decide, through_noise
from featuregeom.recognise.detection import DIRECT, VECTORS, Detection, Mode, block_method
from featuregeom.recognise.directions import directions_text, same_direction
from featuregeom.recognise.inputs import (
    check_definite,
    cosines_of,
    gram_matrix,
    relation_matrix,
    scaled_rows,
)
from featuregeom.recognise.names.two_graphs import equiangular_name
from featuregeom.recognise.streamed import detect_streamed
from featuregeom.recognise.sums import coupling, direct_sum, sum_name
from featuregeom.relations.eigenmatrices import symmetric_eigenmatrices
from featuregeom.relations.products import (
    canonical,
    coherent_closure,
    from_means,
    intersection_numbers,
    is_scheme,
    is_symmetric_scheme,
)
from featuregeom.shapes.names import with_article

__all__ = ["detect", "detect_cosines"]


def detect(
    X: Any = None,
    gram: Any = None,
    relations: Any = None,
    *,
    mode: Mode = "signed",
    tolerance: float = policy.TOLERANCE,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Detection:
    """Find the association scheme of some features, and the name of their geometry.

    Give features, or their Gram matrix, or the relations between them.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    gram : array-like, shape (n, n)
        Their inner products.
    relations : array-like of int, shape (n, n)
        A symmetric relation matrix. The geometry is then that of its smallest faithful eigenspace with a name.
    mode : {"signed", "line"}
        "line" judges the lines that features span, so that a feature and its negative are one.
    tolerance : float
        Largest deviation of a cosine from the ideal one that a name allows, from 0 to 0.5. Through more noise up to 64
        features have a name that span more dimensions than their geometry: by an F test of what it leaves inside of
        its dimensions and outside, and where it explains more than of random directions. Without such dimensions, and
        for more features, exact relations of two and more classes among more than 8, but for prisms and antiprisms,
        have one: what the ideal leaves of the cosines is explained by noise of a stated size, at most .1 of the norms
        up to 10 points, .2 up to 24 and .3 above, and neither by a linear map nor by a turn of half the features. The
        reason says which.
    seed : int
        Seed of the random checks and of refinement, at least 0.
    num_threads : int, optional
        Threads to use for more than 4096 features.
    progress : callable, optional
        Called with work done and work in all, anew for each pass over more than 4096 features.

    Returns
    -------
    Detection
        With the name, or with the reason why there is none. A name is never forced. For more than 4096 features
        (2048 in line mode), from tiles: then what is a matrix of pairs, or follows from one, is None.

    Raises
    ------
    ParameterError
        If not one matrix is given, it is not symmetric, a feature is zero, a Gram or relation matrix has more than
        4096 rows (2048 in line mode), or an option is out of range.
    ShapeError, DtypeError, NonFiniteError
        If it is no (square) finite matrix of real numbers.

    Notes
    -----
    Features of one direction are merged: those of an angle up to .001, and up to .05 where every direction is met as
    often and all others are four times as far apart. Candidates for the levels of the cosines are checked
    to be exact schemes, first as they are, then refined by their own algebra; levels that are clear but no scheme
    are replaced by what they generate. A name then needs the relations of the named geometry, point by point, and
    its cosines.

    Memory is some matrices of n x n; time about a millisecond for a dozen features, a second for 512.

    References
    ----------
    Delsarte, An algebraic approach to the association schemes of coding theory (1973); Brouwer, Cohen & Neumaier,
    Distance-Regular Graphs (1989).

    Examples
    --------
    >>> import featuregeom as fg
    >>> found = fg.schemes.detect(fg.shapes.antiprism(4, 0.29))
    >>> found.name, round(found.height, 3), found.valencies.tolist()
    ('square antiprism', 0.29, [1, 2, 2, 1, 2])
    """
    given = [what for what in (X, gram, relations) if what is not None]
    if len(given) != 1:
        raise ParameterError(f"give one of X, gram and relations, got {len(given)}")
    choice("mode", mode, get_args(Mode))
    if not isinstance(tolerance, int | float) or not 0 < tolerance <= policy.LARGEST_TOLERANCE:
        raise ParameterError(f"tolerance must be above 0 and at most 0.5, got {tolerance!r}")
    seed = integer("seed", seed, 0, 2**64 - 1)
    if relations is not None:
        if mode == "line":
            raise ParameterError("relations have no lines: leave mode out")
        return _from_relations(relation_matrix(relations), tolerance, seed)
    if X is not None:
        taken = as_features(X)
        if taken.n * (2 if mode == "line" else 1) > policy.LARGEST:
            found = detect_streamed(
                taken, mode=mode, tolerance=tolerance, seed=seed, num_threads=num_threads, progress=progress
            )
            few = mode == "signed" and len(found.points) <= policy.LARGEST
            return _of_few_directions(taken, found, tolerance, seed) if few else found
        rows = scaled_rows(taken)
        products = interruptible.gram(rows)
    else:
        rows = None
        products = gram_matrix(gram)
    cosines, norms = cosines_of(products)
    if X is None:
        check_definite(products)
    if mode == "line":
        return _lines(cosines, norms, tolerance, seed)
    return detect_cosines(cosines, norms, vectors=rows, tolerance=tolerance, seed=seed)


def _of_few_directions(features: Features, merged: Detection, tolerance: float, seed: int) -> Detection:
    """Judge the directions of more features than have a matrix of pairs, where the directions have one."""
    points, groups = merged.points, {group[0]: group for group in merged.duplicates}
    rows = scaled_rows(features.take(points))
    found = detect_cosines(
        *cosines_of(interruptible.gram(rows)), vectors=rows, tolerance=tolerance, seed=seed
    )
    members = [groups.get(point, (point,)) for point in points.tolist()]
    norms = np.sqrt(_core.squared_norms(features.values))
    spread = max(float(np.ptp(norms[list(group)]) / norms[list(group)].min()) for group in members)
    name, reason = found.name, found.reason
    if name and spread > policy.NORM_SPREAD:
        name, reason = (
            "",
            f"cosines of {with_article(name)}, but norms of one direction differ by {spread:.0%}",
        )
    note = directions_text(features.n, len(points))
    _, _, order = found.formed
    return replace(
        found,
        name=name,
        also=found.also if name else (),
        points=points[found.points],
        order=np.array([i for point in order for i in members[point]], dtype=np.int64),
        duplicates=merged.duplicates,
        reason=f"{note}; {reason}" if reason else note,
    )


def detect_cosines(
    cosines: NDArray[np.float64],
    norms: NDArray[np.float64],
    *,
    vectors: NDArray[np.float64] | None = None,
    tolerance: float = policy.TOLERANCE,
    refinements: int = policy.REFINEMENTS,
    sums: bool = True,
    seed: int = 0,
) -> Detection:
    """Detect from cosines and norms that are known to be in order.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    norms : ndarray, shape (n,)
        Norms of the features.
    vectors : ndarray, shape (n, m), optional
        The features themselves, at any scale.
    tolerance, seed
        As in `detect`.
    refinements : int
        Proposals of noisy relations to refine; 0 for none.
    sums : bool
        Whether to look for direct sums.

    Returns
    -------
    Detection
    """
    groups = same_direction(cosines)
    points = np.array([group[0] for group in groups], dtype=np.int64)
    distinct = cosines if len(points) == len(cosines) else cosines[np.ix_(points, points)]
    rows = None if vectors is None else vectors[points]
    verdict = decide(distinct, vectors=rows, tolerance=tolerance, refinements=refinements, seed=seed)
    if sums:
        method = VECTORS if verdict.by_vectors else DIRECT
    else:
        method = block_method(refinements, by_vectors=verdict.by_vectors)
    parts: tuple[Detection, ...] = ()
    name, reason, also = verdict.name, verdict.reason, verdict.also
    if sums and not name and len(points) > 3:

        def part(index: NDArray[np.int64]) -> Detection:
            inside = distinct[np.ix_(index, index)]
            return detect_cosines(
                inside,
                norms[points[index]],
                vectors=None if rows is None else rows[index],
                tolerance=tolerance,
                refinements=refinements,
                seed=seed,
            )

        parts, members = direct_sum(distinct, rows, part, tolerance)
        if parts:
            name = sum_name(parts)
            reason = "" if verdict.is_scheme else "a direct sum: its levels together are no scheme"
            residual = max(*(one.residual for one in parts), coupling(distinct, members))
            reason = through_noise(reason, residual, tolerance)
            order = np.concatenate([m[p.order] for m, p in zip(members, parts, strict=True)])
            return _detection(
                verdict,
                distinct,
                points,
                groups,
                name=name,
                reason=reason,
                order=order,
                parts=parts,
                members=members,
                method=method,
            )
    spread = float(norms.max() / norms.min() - 1)
    # The test of the vectors is one of their norms too.
    if (
        name
        and verdict.noise is None
        and spread > max(policy.NORM_SPREAD, _noise_of_norms(verdict, distinct))
    ):
        reason = f"cosines of {with_article(name)}, but norms differ by {spread:.0%}"
        name, also = "", ()
    if len(points) < len(cosines):
        note = directions_text(len(cosines), len(points))
        reason = f"{note}; {reason}" if reason else note
    return _detection(verdict, distinct, points, groups, name=name, reason=reason, also=also, method=method)


def _noise_of_norms(verdict: Verdict, cosines: NDArray[np.float64]) -> float:
    """Spread of norms that noise gives, if it shifts features along themselves as much as it turns them."""
    if verdict.partition is None:
        return 0.0
    relations = verdict.partition.relations
    rms = math.sqrt(float((from_means(cosines, relations) ** 2).mean()))
    return policy.NORM_NOISE * rms


def _detection(
    verdict: Verdict,
    cosines: NDArray[np.float64],
    points: NDArray[np.int64],
    groups: list[list[int]],
    *,
    name: str,
    reason: str,
    also: tuple[str, ...] = (),
    order: NDArray[np.int64] | None = None,
    parts: tuple[Detection, ...] = (),
    members: Sequence[NDArray[np.int64]] = (),
    method: str = DIRECT,
) -> Detection:
    partition, found = verdict.partition, verdict.search
    closure = None if found is None else found.closure
    if partition is not None:
        labels, eta2, spread = partition.relations, partition.eta2, partition.spread
    elif closure is not None:
        labels, eta2, spread = closure, math.nan, math.nan
    elif found is not None:
        labels, eta2, spread = found.levels, math.nan, math.nan
    else:
        labels, eta2, spread = 1 - np.eye(len(cosines), dtype=np.int64), math.nan, math.nan
    ordered = verdict.order if order is None else order
    all_features = np.array([i for point in ordered for i in groups[point]], dtype=np.int64)
    dim = sum(one.dim for one in parts) if parts else verdict.dim
    residual = verdict.residual
    if parts:
        residual = max(*(one.residual for one in parts), coupling(cosines, list(members)))
    return Detection(
        is_scheme=verdict.is_scheme,
        name=name,
        reason=reason,
        also=also,
        nearest=name or verdict.nearest,
        mode="signed",
        relations=labels,
        cosines=cosines,
        points=points,
        order=all_features,
        duplicates=tuple(tuple(group) for group in groups if len(group) > 1),
        eta2=eta2,
        spread=spread,
        residual=residual,
        dim=dim or _rank(cosines),
        rank_of_closure=None if closure is None else int(closure.max()) + 1,
        fibres=None if closure is None else np.unique(closure.diagonal(), return_inverse=True)[1],
        height=verdict.height,
        nearest_relations=verdict.nearest_relations,
        parts=parts,
        method=method,
        noise=verdict.noise if name else None,
        _exact=verdict.exact,
        _ideal=verdict.ideal,
    )


def _rank(cosines: NDArray[np.float64]) -> int:
    return interruptible.rank(cosines, policy.NUMERICAL_RANK * len(cosines))


def _lines(
    cosines: NDArray[np.float64], norms: NDArray[np.float64], tolerance: float, seed: int
) -> Detection:
    """Judge lines by the vectors on both sides of them, an antipodal set."""
    n = len(cosines)
    if 2 * n > policy.LARGEST:
        raise ParameterError(
            f"{n} lines: detect forms matrices of pairs of 2 n vectors up to {policy.LARGEST}"
        )
    both = np.block([[cosines, -cosines], [-cosines, cosines]])
    found = detect_cosines(both, np.tile(norms, 2), tolerance=tolerance, seed=seed)
    lines = found.points % n
    # Each line has two points, on either side of it.
    _, sides, along = found.formed
    single = lines[np.arange(found.n) < sides.argmin(axis=1)]
    distinct = len(single)
    reason = found.reason.removeprefix(directions_text(2 * n, found.n)).removeprefix("; ")
    if distinct < n:
        note = f"{n} features on {distinct} line{'s' if distinct > 1 else ''}"
        reason = f"{note}; {reason}" if reason else note
    equiangular = equiangular_name(cosines[np.ix_(single, single)], tolerance)
    names = [f"lines of the {found.name}"] if found.name else []
    # A real equiangular tight frame is a regular two-graph (Holmes & Paulsen 2004).
    names += [equiangular.name, f"regular two-graph of {distinct} points"] if equiangular else []
    name = names[0] if names else ""
    alone: dict[str, Any] = (
        {} if found.name or not equiangular else {"dim": equiangular.dim, "residual": equiangular.residual}
    )
    order = np.array(list(dict.fromkeys((along % n).tolist())), dtype=np.int64)
    groups = {tuple(sorted({i % n for i in group})) for group in found.duplicates}
    return replace(
        found,
        **alone,
        name=name,
        reason=reason if found.name or not name or distinct < n else "",
        also=tuple(names[1:]),
        nearest=name or found.nearest,
        mode="line",
        points=lines,
        signs=np.where(found.points < n, 1, -1),
        order=order,
        duplicates=tuple(sorted(group for group in groups if len(group) > 1)),
    )


def _from_relations(relations: NDArray[np.int64], tolerance: float, seed: int) -> Detection:
    """Judge a relation matrix by the eigenspaces of the scheme that it is, or generates."""
    n = len(relations)
    scheme = is_scheme(relations, seed)
    closure = relations if scheme else coherent_closure(relations, seed=seed, most=max(n, 8))
    if n == 1:
        return detect_cosines(np.eye(1), np.ones(1))
    if closure is None or not is_symmetric_scheme(closure, seed):
        reason = "the relations are not a scheme"
        if closure is not None:
            cells = len(np.unique(closure.diagonal()))
            reason += f"; closure has rank {int(closure.max()) + 1} and {cells} fibres"
        flat = np.eye(n)
        verdict = Verdict(None, False, False, "", reason, (), "", np.arange(n), math.nan, 0, None, None)
        found = _detection(verdict, flat, np.arange(n), [[i] for i in range(n)], name="", reason=reason)
        return replace(
            found,
            relations=relations,
            rank_of_closure=None if closure is None else int(closure.max()) + 1,
            fibres=None if closure is None else np.unique(closure.diagonal(), return_inverse=True)[1],
        )
    spaces = symmetric_eigenmatrices(intersection_numbers(closure))
    P, multiplicities, valencies = spaces.P, spaces.multiplicities, spaces.P[0]
    faithful = [i for i in range(1, len(P)) if (P[i, 1:] / valencies[1:] < 1 - policy.FAITHFUL).all()]
    best: Detection | None = None
    for space in sorted(faithful, key=lambda i: (multiplicities[i], *(-P[i]))):
        cosines = (P[space] / valencies)[closure]
        found = detect_cosines(cosines, np.ones(n), tolerance=tolerance, seed=seed)
        best = best or replace(found, name="", also=())
        # Several relations at one cosine are those of another geometry.
        if found.name and found.formed[0].max() == closure.max():
            best = found
            break
    if best is None:
        cosines = np.eye(n)
        best = replace(
            _detection(
                Verdict(None, True, True, "", "", (), "", np.arange(n), math.nan, 0, None, None),
                cosines,
                np.arange(n),
                [[i] for i in range(n)],
                name="",
                reason="no eigenspace tells all points apart",
            ),
            relations=closure,
        )
    rank = int(closure.max()) + 1
    reason = best.reason if scheme else f"the relations are not a scheme; closure has rank {rank}"
    return replace(
        best,
        is_scheme=scheme,
        reason=reason,
        relations=canonical(closure, best.formed[1]),
        _exact=True,
        rank_of_closure=None if scheme else rank,
    )
