"""Schemes of more features than a matrix of pairs can hold: relations are made and checked a tile at a time."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import ParameterError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.interruptible import eigvalsh, gram, matmul
from featuregeom.recognise import policy
from featuregeom.recognise.defect import defect
from featuregeom.recognise.detection import STREAMED, Detection, Mode, Tally
from featuregeom.recognise.directions import directions_text
from featuregeom.recognise.levels import candidates
from featuregeom.recognise.names import fills_dimension
from featuregeom.recognise.names.parametric import (
    Parametric,
    component_sizes,
    noise_outside,
    parametric_name,
)
from featuregeom.recognise.refinement import support_of
from featuregeom.relations.check import failure_text
from featuregeom.relations.eigenmatrices import symmetric_eigenmatrices
from featuregeom.shapes.names import with_article

__all__ = ["detect_streamed"]


_TILE = 1 << 22
"""Cosines of the sample formed at a time."""


def detect_streamed(
    X: Any,
    *,
    mode: Mode = "signed",
    tolerance: float = policy.TOLERANCE,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Detection:
    """Find the association scheme of many features without any matrix of pairs.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows, none of them zero.
    mode : {"signed", "line"}
        "line" judges the lines that features span: the features with their negatives.
    tolerance : float
        Largest deviation of a cosine from the ideal one that a name allows.
    seed : int
        Seed of the sample and of the certificate.
    num_threads : int, optional
        Threads to use.
    progress : callable, optional
        Called with work done and work in all, anew for each pass.

    Returns
    -------
    Detection
        With the name, or with the reason why there is none; without matrices of pairs and what follows from them.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `X` is no finite matrix of real numbers.
    ParameterError
        If a feature is zero.

    Notes
    -----
    Candidates for the levels come from the cosines of 48 features with all others (valleys of their histogram, gaps
    and 1-D k-means); those in which the 48 agree are measured and certified over all pairs. Each takes 5 passes of
    n^2 m operations, in memory of O(n m); where the sample already disagrees none is needed. Accepted wrongly with a
    probability of `error_bound`, about 2^-86 (see `check`). Relations that need refinement, or the closure of the
    levels, are not looked for.

    Names follow from parameters where these are known to determine the geometry: simplices, cross-polytopes, H(d, q)
    for q other than 4 (Egawa 1981) and for q = 4 with the neighbours of a point, J(v, k) (Terwilliger 1986, Neumaier
    1985), the minimal vectors of the Leech lattice (Bannai & Sloane 1981).
    """
    features = as_features(X)
    _core.check_finite(features.values, num_threads=num_threads)
    points, signs = np.arange(features.n), np.ones(features.n, dtype=np.int64)
    norms = _norms(features)
    if not norms.all():
        raise ParameterError(f"feature {int(norms.argmin())} is zero: it has no direction; leave it out")
    if mode == "line":
        rows = features.widened(points)
        working = np.float64 if features.dtype == "float64" else np.float32
        features = as_features(np.concatenate([rows, -rows]).astype(working, copy=False))
        points, signs, norms = np.tile(points, 2), np.concatenate([signs, -signs]), np.tile(norms, 2)
    merged: dict[int, set[int]] = {}
    while True:
        found = _judge(features, seed, num_threads, progress)
        if found.alike is None:
            break
        first = np.arange(features.n)
        for i, j in found.alike:
            first[j] = first[i]
            head, other = int(points[first[i]]), int(points[j])
            merged.setdefault(head, set()).update({other, *merged.pop(other, set())} - {head})
        kept = np.flatnonzero(first == np.arange(features.n))
        features = features.take(kept)
        points, signs, norms = points[kept], signs[kept], norms[kept]
    duplicates = tuple((head, *sorted(others)) for head, others in sorted(merged.items()) if others)
    return _named(found, features, (points, signs, norms), mode, duplicates, tolerance, seed)


def _norms(features: Features) -> NDArray[np.float64]:
    return np.sqrt(_core.squared_norms(features.values))


@dataclass(frozen=True, eq=False)
class _Judged:
    """What `_judge` found: `alike` pairs, which have to be merged first, or a verdict."""

    alike: NDArray[np.int64] | None = None
    reason: str = ""
    defect: float = math.nan
    thresholds: NDArray[np.float64] | None = None
    counts: NDArray[np.int64] | None = None
    numbers: NDArray[np.float64] | None = None
    p: NDArray[np.int64] | None = None
    bound: float = math.nan


def _judge(features: Features, seed: int, num_threads: int | None, progress: Progress | None) -> _Judged:
    n, values = features.n, features.values
    if n == 1:
        return _Judged(reason="a single feature", defect=0.0)
    sampled = np.sort(np.random.default_rng(seed).choice(n, min(policy.STREAMED_SAMPLE, n), replace=False))
    cosines = _sampled_cosines(features, sampled)
    own = np.zeros(cosines.shape, dtype=bool)
    own[np.arange(len(sampled)), sampled] = True
    if (cosines[~own] >= 1 - policy.SAME_DIRECTION).any():
        alike = _core.scheme_spread(
            values, np.zeros(0), alike=1 - policy.SAME_DIRECTION, num_threads=num_threads
        )[2]
        if len(alike):
            return _Judged(alike=alike)
    others = cosines[~own].reshape(len(sampled), n - 1)
    cuts = sorted(candidates(np.sort(others, axis=None)), key=len)
    cuts = [cut for cut in cuts if len(cut) < policy.STREAMED_LEVELS]
    rows = np.sort(others, axis=1)
    counts = [np.array([np.searchsorted(row, cut) for row in rows]) for cut in cuts]
    agreeing = [cut for cut, count in zip(cuts, counts, strict=True) if (count == count[0]).all()]
    failed = ""
    for cut in [*agreeing[::-1][: policy.STREAMED_CANDIDATES], np.zeros(0)]:
        if defect(_labels(cosines, cut, own), sampled) > 0:
            continue
        tally, numbers, alike = _core.scheme_spread(
            values, cut, alike=1 - policy.SAME_DIRECTION, num_threads=num_threads, progress=progress
        )
        if len(alike):
            return _Judged(alike=alike)
        middle = (numbers[1:, 0] + numbers[:-1, 0])[::-1] / 2
        if len(cut) and (
            not tally.all()
            or (numbers[:-1, 2] <= middle[::-1]).any()
            or (numbers[1:, 3] >= middle[::-1]).any()
        ):
            continue
        if not len(cut) and numbers[0, 3] - numbers[0, 2] > 2 * policy.ONE_LEVEL:
            continue
        failure, _, _, _, p, bound = _core.scheme_certify_features(
            values, middle, seed=seed, num_threads=num_threads, progress=progress
        )
        if failure is None:
            return _Judged(defect=0.0, thresholds=middle, counts=tally, numbers=numbers, p=p, bound=bound)
        failed = failed or failure_text(*failure, list(range(len(middle) + 2)))
    # Of the finest levels that the sample has alike, else of those in which its points differ least.
    unlike = [(float((count.std(axis=0) / n).mean()), place) for place, count in enumerate(counts)]
    cut = agreeing[-1] if agreeing else cuts[min(unlike)[1]] if unlike else np.zeros(0)
    far = defect(_labels(cosines, cut, own), sampled) if len(cut) else 1.0
    reason = f"{n} features: no scheme (defect {far:.2f} on the pairs of {len(sampled)})"
    if failed:
        reason = f"{n} features: levels are not a scheme; {failed}"
    return _Judged(reason=reason, defect=far)


def _named(
    found: _Judged,
    features: Features,
    each: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
    mode: Mode,
    duplicates: tuple[tuple[int, ...], ...],
    tolerance: float,
    seed: int,
) -> Detection:
    points, signs, norms = each
    many = sum(len(group) - 1 for group in duplicates)
    notes = [directions_text(len(points) + many, len(points))] if many and mode == "signed" else []
    name, reason, is_scheme = Parametric("", (), math.nan), found.reason, False
    levels, eta2, spread, dim = np.ones(1), math.nan, math.nan, features.m
    if found.p is not None and found.numbers is not None and found.counts is not None:
        levels = np.concatenate([[1.0], found.numbers[:, 0]])
        eta2, spread = _scatter(levels, found.counts, found.numbers)
        is_scheme = len(levels) == 2 or eta2 >= policy.LEVELS_ETA2
        name, reason, dim = _name(found, found.p, levels, features, norms, tolerance)
    label = f"lines of the {name.name}" if name.name and mode == "line" else name.name
    counts = [] if found.counts is None else found.counts.tolist()
    return Detection(
        is_scheme=is_scheme,
        name=label,
        reason="; ".join([*notes, reason] if reason else notes),
        also=name.also,
        nearest=label,
        mode=mode,
        relations=None,
        cosines=None,
        points=points,
        order=None,
        duplicates=duplicates,
        eta2=eta2,
        spread=spread,
        residual=name.residual,
        dim=dim,
        signs=signs,
        method=STREAMED,
        _tally=Tally(
            levels,
            np.array([len(points), *counts], dtype=np.int64),
            found.p,
            found.defect,
            found.bound,
            seed,
        ),
    )


def _scatter(
    levels: NDArray[np.float64], counts: NDArray[np.int64], numbers: NDArray[np.float64]
) -> tuple[float, float]:
    """Share of the variance of the cosines between the levels, and the largest deviation from one."""
    spread = float(np.maximum(levels[1:] - numbers[:, 2], numbers[:, 3] - levels[1:]).max())
    within = float(numbers[:, 1].sum())
    mean = float(counts @ levels[1:] / counts.sum())
    between = float(counts @ (levels[1:] - mean) ** 2)
    return (between / (between + within) if len(levels) > 2 else math.nan), spread


def _name(
    found: _Judged,
    p: NDArray[np.int64],
    levels: NDArray[np.float64],
    features: Features,
    norms: NDArray[np.float64],
    tolerance: float,
) -> tuple[Parametric, str, int]:
    """Name a certified scheme by its parameters, or say why not; and give the dimension of its vectors."""
    assert found.numbers is not None
    assert found.counts is not None
    spaces = symmetric_eigenmatrices(p)
    P, multiplicities = spaces.P, spaces.multiplicities
    dim = int(multiplicities[support_of(P @ levels)].sum())
    within = float(found.numbers[:, 1].sum())
    name = parametric_name(
        P,
        multiplicities,
        levels,
        (found.numbers[:, 2], found.numbers[:, 3]),
        lambda: _neighbours(features, found.thresholds),
        noise_outside(within / max(int(found.counts.sum()), 1), features.m),
    )
    nothing = Parametric("", (), math.nan)
    kind = f"a scheme of {features.n} points with valencies {', '.join(map(str, spaces.valencies[1:]))}"
    if not name.name:
        return name, f"{kind}, without a name", dim
    if not name.residual <= tolerance:
        differ = f"those of the {name.name}, but cosines differ from its own by {name.residual:.3f}"
        return nothing, f"{kind}: {differ}", dim
    if not _fills(features, dim):
        return nothing, f"{kind}: nearly the {name.name}, in fewer dimensions than its {dim}", dim
    spread = norms.max() / norms.min() - 1
    if spread > policy.NORM_SPREAD:
        return nothing, f"cosines of {with_article(name.name)}, but norms differ by {spread:.0%}", dim
    return name, "", dim


def _stretches(features: Features) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(features.n), max(1, features.n * features.m // _TILE))


def _sampled_cosines(features: Features, sampled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosines of some features with all, shape (s, n)."""
    unit = _unit(features, sampled)
    return np.concatenate([unit @ _unit(features, rows).T for rows in _stretches(features)], axis=1)


def _unit(features: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    unit = features.widened(rows)
    unit /= np.abs(unit).max(axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def _fills(features: Features, dim: int) -> bool:
    """Say whether the features span all dimensions of a geometry, by the smaller of the two matrices that tell."""
    n, m = features.n, features.m
    if m < dim:
        return False
    if n < m:
        operator = gram(_unit(features, np.arange(n)))
    else:
        operator = np.zeros((m, m))
        for rows in _stretches(features):
            unit = _unit(features, rows)
            operator += matmul(unit.T, unit)
    return fills_dimension(eigvalsh(operator)[::-1], dim, n / dim)


def _labels(
    cosines: NDArray[np.float64], cut: NDArray[np.float64], own: NDArray[np.bool_]
) -> NDArray[np.int64]:
    labels = len(cut) + 1 - np.searchsorted(cut, cosines)
    labels[own] = 0
    return np.asarray(labels)


def _neighbours(features: Features, thresholds: NDArray[np.float64] | None) -> Counter[int]:
    """Sizes of the connected components of the nearest neighbours of point 0, joined where nearest to each other."""
    assert thresholds is not None
    first = _sampled_cosines(features, np.array([0]))[0]
    near = np.flatnonzero((first > thresholds[-1]) & (np.arange(features.n) > 0))
    inside = features.take(near)
    joined = _sampled_cosines(inside, np.arange(len(near))) > thresholds[-1]
    return component_sizes(joined)
