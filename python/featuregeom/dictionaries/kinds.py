"""What a set of features is: copies, antipodes, a named geometry, a circle, or a cluster; tried in this order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom.certificates import certify
from featuregeom.dictionaries.candidates import circle_candidates, weakest_link
from featuregeom.dictionaries.circle import best_order, circle_tests
from featuregeom.dictionaries.directions import (
    AROUND,
    chance_beside_neighbours,
    chance_of_cosine,
    chance_of_share,
    chance_of_tree,
    exact,
    one_direction,
)
from featuregeom.dictionaries.groups import benjamini_hochberg
from featuregeom.dictionaries.links import Links, Node, Space
from featuregeom.frames import Progress
from featuregeom.pairs import SignificantPairs
from featuregeom.pairs.rejections import bound
from featuregeom.recognise.detect import detect_cosines
from featuregeom.recognise.detection import Detection
from featuregeom.recognise.inputs import cosines_of
from featuregeom.recognise.through_noise import MOST_POINTS, fixed_form, name_through_noise
from featuregeom.summary import summarised
from featuregeom.wording import known

__all__ = ["KINDS", "ORDER", "Called", "Kind", "call_circles", "call_nodes", "counted", "rank"]

Kind = Literal["geometry", "simplex", "circle", "copies", "antipodes", "cluster"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The order in which they are listed."""

ORDER = (
    "Named shapes, simplices and circles come first, then copies, opposites and clusters; within a kind the smallest q "
    "first, then the largest share, then the largest family."
)
"""The order of families in every table, on every page and in every text."""

_CALLED = {
    "copies": ("set of copies", "sets of copies"),
    "antipodes": ("line with both ends", "lines with both ends"),
    "geometry": ("named shape", "named shapes"),
    "simplex": ("simplex of equal angles", "simplices of equal angles"),
    "circle": ("circle", "circles"),
    "cluster": ("cluster", "clusters"),
}
"""What a family of each kind is called, one and many."""


_FARTHER = 1e-4
"""Chance that a dominant direction is nearer to the space of a geometry than is allowed for: one in a hundred matrices
of a hundred shapes."""


@summarised
@dataclass(frozen=True, eq=False)
class Called:
    """A family and what it was found to be.

    Attributes
    ----------
    node : Node
        Members and links.
    kind : Kind
        What it is.
    name : str
        Of the geometry; empty for other kinds.
    p, q, fit : float
        See `Families`.
    share : float
        See `Families`.
    strict_p : float
        See `Families`.
    order : ndarray of int64
        Members, around the circle where it is one.
    dim : int
        Dimension of the geometry; 0 for other kinds.
    height : float or None
        Squared height of a prism or antiprism.
    certificate : dict or None
        See `Families`.
    """

    node: Node
    kind: Kind
    name: str = ""
    p: float = math.nan
    q: float = math.nan
    fit: float = math.nan
    share: float = math.nan
    strict_p: float = math.nan
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    dim: int = 0
    height: float | None = None
    certificate: dict[str, Any] | None = None


def rank(kind: Any, q: Any, share: Any, size: int) -> tuple[float, ...]:
    """Give the place of a family in the `ORDER` of all; a q or share that is not known comes last."""
    place = KINDS.index(kind) if kind in KINDS else len(KINDS)
    return place, float(q) if known(q) else math.inf, -float(share) if known(share) else math.inf, -size


def counted(counts: Mapping[Kind, int]) -> list[str]:
    """Write how many families of each kind there are, those that there are."""
    return [f"{count:,} {_CALLED[kind][count > 1]}" for kind, count in counts.items() if count]


def call_nodes(
    links: Links,
    nodes: Sequence[Node],
    pairs: SignificantPairs,
    q: float,
    seed: int,
    progress: Progress | None,
) -> list[Called]:
    """Say of each set whether it is copies, antipodes, a named geometry, a simplex or a cluster; or leave it out.

    Parameters
    ----------
    links : Links
        Of the features.
    nodes : sequence of Node
        Candidates; a set may come by several kinds of link.
    pairs : SignificantPairs
        Of the same features.
    q : float
        Level of the chance that two features point one way.
    seed : int
        Of the draws for names.
    progress : callable or None
        Called with candidates done and candidates in all.

    Returns
    -------
    list of Called
        Each set at most once.
    """
    sets: dict[bytes, list[Node]] = {}
    for node in nodes:
        sets.setdefault(node.members.tobytes(), []).append(node)
    found = []
    for done, same in enumerate(sets.values()):
        if progress is not None:
            progress(done, len(sets))
        made = links.space.made_what_dominates(same[0].members)
        views = [node for node in same if not (made and node.link == "projected")]
        if not views:
            continue
        called = (
            _directions(links, views, pairs, q, beside=not made)
            or _name(links, views, q, seed)
            or _cluster(views, pairs)
        )
        if called is not None:
            found.append(called)
    return found


def _chance_nearby(links: Links, node: Node, cosine: float) -> float:
    """Bound the chance of a cosine by how near the features outside are to the first two members of a family."""
    neighbours, cosines = links.nearest["projected" if node.link == "projected" else "cosine"]

    def outside(member: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        kept = (neighbours[member] >= 0) & ~np.isin(neighbours[member], node.members)
        order = np.argsort(-cosines[member][kept], kind="stable")
        return neighbours[member][kept][order], cosines[member][kept][order]

    chances = []
    for member in node.members[:2].tolist():
        near, others = outside(member)
        around = [outside(each)[1] for each in near[:AROUND].tolist()]
        chances.append(chance_beside_neighbours(cosine, others, around, links.space.features.n))
    return max(chances)


def _views(links: Links, same: Sequence[Node], *, beside: bool) -> list[Node]:
    """Give the nodes of one set whose vectors differ: as they are, and, if asked, beside the dominant eigenspaces."""
    first = same[0]
    raw = [node for node in same if node.link != "projected"][:1]
    projected = [node for node in same if node.link == "projected"][:1]
    if beside and not projected and first.link == "z" and links.space.dominant:
        projected = [replace(first, link="projected")]
    return raw + projected


def _directions(
    links: Links, same: Sequence[Node], pairs: SignificantPairs, q: float, *, beside: bool
) -> Called | None:
    space = links.space
    linked = [node for node in same if node.link == "z" and node.birth >= pairs.threshold]
    for node in _views(links, same, beside=beside):
        line = one_direction(space.vectors(node.members, node.link))
        if line is None:
            continue
        # What dominates the spectrum brings all features near to one direction.
        # Equal directions are so in all dimensions that they are given in, whatever the others span.
        same_line = exact(line, space.own.epsilon) and node.link != "projected"
        if linked and (node.link == "projected" or not space.dominant):
            p, rate = _of_link(linked[0].birth, pairs)
        else:
            dims = float(space.features.m) if same_line else space.effective_dimensions(node.link)
            p = rate = chance_of_cosine(line.cosine, space.features.n, dims)
        if rate <= q and not same_line:
            near = _chance_nearby(links, node, line.cosine)
            p, rate = max(p, near), max(rate, near)
        if rate <= q:
            return Called(node, line.kind, p=p, q=rate, share=line.share, order=node.members)
    return None


def _name(links: Links, same: Sequence[Node], q: float, seed: int) -> Called | None:
    """Name what hangs together by cosines; links by z take some vertices of a geometry for nearer than others."""
    if not 3 <= len(same[0].members) <= MOST_POINTS:
        return None
    for node in same:
        if node.link == "z":
            continue
        rows = links.space.vectors(node.members, node.link)
        called = None
        if node.link == "projected" or np.linalg.matrix_rank(rows) == rows.shape[1]:
            called = _by_tolerance(links, node, rows, q, seed)
        called = called or _through_noise(links, node, rows, q, seed)
        if called is not None:
            return called
    return None


def _through_noise(links: Links, node: Node, rows: NDArray[np.float64], q: float, seed: int) -> Called | None:
    dims = links.space.effective_dimensions(node.link)
    found = name_through_noise(rows, seed=seed, span=dims)
    if found is None:
        return None
    # Among all sets of thousands of features the far tail decides, where the fitted law of a name is too light.
    chance = found.chance
    if found.p < 1:
        chance = max(chance, chance_of_share(found.share, found.moved, found.dim, dims))
    rate = chance * _number_of_sets(links.space.features.n, len(rows))
    if rate > q:
        return None
    return Called(
        node,
        "simplex" if found.kind == "simplex" else "geometry",
        found.name,
        p=chance,
        q=rate,
        fit=found.p,
        share=found.share,
        order=node.members[found.order],
        dim=found.dim,
        height=found.height,
        # 1 says that all that is left is rounding.
        certificate=_certificate(links, node, _detected(rows, seed)) if found.p >= 1 else None,
    )


def _number_of_sets(n: int, size: int) -> float:
    """Give the number of sets of `size` among n features, any of which nearness might have chosen.

    Three of 4000 random directions that are near by chance look like a triangle at p = 5e-7.
    """
    log = math.lgamma(n + 1) - math.lgamma(size + 1) - math.lgamma(n - size + 1)
    return math.exp(min(log, 700.0))


def _detected(rows: NDArray[np.float64], seed: int) -> Detection:
    return detect_cosines(*cosines_of(rows @ rows.T), seed=seed)


def _certificate(links: Links, node: Node, found: Detection) -> dict[str, Any] | None:
    """Certify the scheme of some features as they are, of which `verify` finds the rows again."""
    if node.link == "projected" or not found.is_scheme:
        return None
    space = links.space
    return certify(found, rows=space.own.index[node.members], n_features=space.n_features)


def _by_tolerance(links: Links, node: Node, rows: NDArray[np.float64], q: float, seed: int) -> Called | None:
    """Name by the tolerances of `schemes.detect`, where what lies outside a geometry is no measure of noise.

    There is nothing outside in as many dimensions as the geometry has. Projecting squeezes it, by 1 / m for each of the
    dominant dimensions, and leaves the n-th part of a common mean: both have a direction, and noise has none.
    """
    space = links.space
    full = node.link != "projected"
    dims = space.effective_dimensions(node.link)
    p = math.nan if full else chance_of_tree(node.birth, len(rows), space.features.n, dims)
    if p > q:
        return None
    found = _detected(rows, seed)
    if not found.name:
        return None
    equal = len(found.levels) == 2
    name, height = found.name, found.height
    if height is not None and not full:
        fixed = fixed_form(rows, found.dim, _squeezed(found.dim, space))
        name, height = (fixed, None) if fixed else (name, height)
    return Called(
        node,
        "simplex" if equal else "geometry",
        name,
        p=p,
        q=p,
        order=node.members,
        dim=found.dim,
        height=height,
        certificate=_certificate(links, node, found),
    )


def _squeezed(dim: int, space: Space) -> float:
    """Bound the share of a geometry that projecting out what dominates may have moved.

    A direction that makes an angle of cosine c with the space of the geometry squeezes it by 1 - c^2/2 along one
    direction, and a geometry that fills its d dimensions evenly loses at most (c^2/2)^2 / 4 of its squares by that. The
    direction is estimated, which may move as much again. Of 480 cubes beside one dimension times 1000, in 256 and 400
    dimensions, 36 were prisms of other heights without this, 3 with half of this.
    """
    from scipy.special import betaincinv

    outside = max(space.own.ambient - dim, 1)
    square = float(betaincinv(dim / 2, outside / 2, 1 - _FARTHER))
    return (space.dominant * square / 2) ** 2


def _cluster(same: Sequence[Node], pairs: SignificantPairs) -> Called | None:
    for node in same:
        if node.link == "z" and node.birth >= pairs.threshold:
            p, q = _of_link(node.birth, pairs)
            return Called(node, "cluster", p=p, q=q, order=node.members)
    return None


def _of_link(z: float, pairs: SignificantPairs) -> tuple[float, float]:
    """p-value and false discovery rate of a link that is significant."""
    p = float(bound(np.array([z**2]), pairs.inflation)[0])
    weaker = np.flatnonzero(np.abs(pairs.z) <= z)
    listed = pairs.q[weaker[0]] if weaker.size else pairs.q.max(initial=0.0)
    return p, float(listed)


def call_circles(
    links: Links,
    called: Sequence[Called],
    threshold: float,
    shape_q: float,
    *,
    seed: int,
    n_draws: int,
    progress: Progress | None,
) -> list[Called]:
    """Find the circles among what is not called yet.

    Parameters
    ----------
    links : Links
        Of the features.
    called : sequence of Called
        What `call_nodes` found; its clusters may be circles, the rest may not.
    threshold : float
        Least abs(z) of a significant pair.
    shape_q : float
        False discovery rate over the sets that pass the guard.
    seed, n_draws
        Of the test.
    progress : callable or None
        As in `circle.circle_tests`.

    Returns
    -------
    list of Called
    """
    shaped = [each.node.members for each in called if each.kind != "cluster"]
    candidates = [
        node
        for node in circle_candidates(links, threshold)
        # Part of a geometry or of copies is explained by them.
        if not any(np.isin(node.members, members, assume_unique=True).all() for members in shaped)
    ]
    if not candidates:
        return []
    space = links.space
    sets = [space.vectors(node.members, "z") for node in candidates]
    asked = [_asked(rows) for rows in sets]
    tests = circle_tests(
        sets,
        asked,
        seed=seed,
        n_draws=n_draws,
        strict=False,
        num_threads=space.num_threads,
        progress=progress,
    )
    passing = [place for place, test in enumerate(tests) if test.passes_guard]
    rates = benjamini_hochberg(np.array([tests[place].circle_p for place in passing]))
    circles = [(place, float(rate)) for place, rate in zip(passing, rates, strict=True) if rate <= shape_q]
    if not circles:
        return []
    # Random sets that keep norms cost 30 times as much, and decide nothing.
    strict = circle_tests(
        [sets[place] for place, _ in circles],
        [asked[place] for place, _ in circles],
        seed=seed,
        n_draws=n_draws,
        num_threads=space.num_threads,
    )
    found = []
    for (place, rate), again in zip(circles, strict, strict=True):
        node, p = candidates[place], tests[place].circle_p
        order, share = best_order(sets[place], tests[place].order, closed=True)
        members = node.members[order]
        found.append(Called(node, "circle", p=p, q=rate, share=share, strict_p=again.strict_p, order=members))
    return found


def _asked(rows: NDArray[np.float64]) -> float:
    """Give the cosine that linkage asks of every member's nearest: the weakest link that holds them together."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return weakest_link(unit @ unit.T)
