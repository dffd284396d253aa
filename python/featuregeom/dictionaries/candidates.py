"""Sets of features that may be a circle: nodes of the tree by z, and what average linkage finds inside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.dictionaries.links import Links, Node, Space

__all__ = ["circle_candidates", "weakest_link"]

_RATIO = 1.05
"""Birth over death of the nodes of single linkage, at least: the months of a language model stand at 1.09 with their
abbreviations, the weekdays at 1.13."""

_INNER_RATIO = 1.1
"""The same for average linkage inside a node."""

_FEWEST, _MOST = 5, 64
"""Members of a circle. Four points on a circle are any two pairs."""

_SPLIT, _LARGEST_SPLIT = 7, 128
"""Members of the nodes in which average linkage looks for smaller ones."""


def circle_candidates(links: Links, threshold: float) -> list[Node]:
    """Give the sets of 5 to 64 features that hang together by links of at least `threshold`.

    Parameters
    ----------
    links : Links
        Of the features.
    threshold : float
        Least abs(z) of a significant pair.

    Returns
    -------
    list of Node
        Each set once, with the weakest link that holds it together as birth.
    """
    if not np.isfinite(threshold):
        return []
    found: dict[bytes, Node] = {}
    for node in links.nodes("z", _RATIO, least=_FEWEST, most=_LARGEST_SPLIT):
        if node.birth < threshold:
            continue
        inner = _inside(node, links.space, threshold) if len(node.members) >= _SPLIT else []
        for each in [node, *inner]:
            if _FEWEST <= len(each.members) <= _MOST:
                found.setdefault(each.members.tobytes(), each)
    return list(found.values())


def _inside(node: Node, space: Space, threshold: float) -> list[Node]:
    """Nodes of average linkage on abs(z), still held together by significant links."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    z = space.scores(node.members)
    size, top = len(z), float(z.max())
    merges = linkage(squareform(top - z, checks=False), "average")
    similarity = top - merges[:, 2]
    members: list[NDArray[np.int64]] = [np.array([place]) for place in range(size)]
    above = np.full(2 * size - 1, -1)
    for step, (a, b) in enumerate(merges[:, :2].astype(np.int64)):
        members.append(np.sort(np.concatenate([members[a], members[b]])))
        above[a] = above[b] = size + step
    found = []
    for vertex in range(size, 2 * size - 2):
        inside = members[vertex]
        birth, death = float(similarity[vertex - size]), float(similarity[above[vertex] - size])
        if not _FEWEST <= len(inside) <= _MOST or birth < _INNER_RATIO * death:
            continue
        weakest = weakest_link(z[np.ix_(inside, inside)])
        if weakest >= threshold:
            outside = np.setdiff1d(np.arange(size), inside)
            strongest = max(node.death, float(z[np.ix_(inside, outside)].max(initial=0.0)))
            found.append(Node(node.members[inside], weakest, strongest, "z"))
    return found


def weakest_link(strengths: NDArray[np.float64]) -> float:
    """Give the weakest link of single linkage: the largest threshold at which all hang together."""
    inside = np.zeros(len(strengths), dtype=np.bool_)
    best = strengths[0].copy()
    inside[0] = True
    weakest = np.inf
    for _ in range(len(strengths) - 1):
        best[inside] = -np.inf
        new = int(best.argmax())
        weakest = min(weakest, float(best[new]))
        inside[new] = True
        best = np.maximum(best, strengths[new])
    return float(weakest)
