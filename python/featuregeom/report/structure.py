"""The structure of a scheme, as facts for machines and in words."""

from __future__ import annotations

import re
from typing import Any

from featuregeom.relations.scheme import Scheme
from featuregeom.wording import number, plural

__all__ = ["listed", "shortened", "structure_facts", "structure_words"]

_SHOWN = 8
"""Most items of a list that a sentence shows."""

_MOST_SUBSETS = 32
"""Closed subsets are listed for schemes of up to this many classes: r classes may have 2^r of them."""

_MOST_JUDGED = 40
"""Feasibility is judged for schemes of up to this many classes: r classes take r^5 operations."""

_LONG_LIST = re.compile(rf"(?:[-\d.]+, ){{{_SHOWN}}}[-\d.]+(?:(?:, | and )[-\d.]+)*")


def listed(values: Any) -> str:
    """List the first eight values, and dots where there are more."""
    items = [str(value) for value in values]
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")


def shortened(reason: str) -> str:
    """Cut the lists of more than eight numbers in a sentence."""
    return _LONG_LIST.sub(lambda found: ", ".join(found[0].split(", ")[:_SHOWN]) + ", ...", reason)


def structure_facts(known: Scheme | None) -> dict[str, Any] | None:
    """Give the structure of a scheme for JSON.

    Parameters
    ----------
    known : Scheme or None
        From `schemes.parameters`.

    Returns
    -------
    dict or None
        None without a scheme. ``closed_subsets`` is None above 32 classes, ``failures`` above 40.
    """
    if known is None:
        return None
    rank, design = known.rank, known.design
    return {
        "is_primitive": known.is_primitive,
        "closed_subsets": [list(one) for one in known.closed_subsets] if rank <= _MOST_SUBSETS else None,
        "p_orders": [list(order) for order in known.p_orders],
        "q_orders": [list(order) for order in known.q_orders],
        "intersection_array": known.intersection_array and [list(row) for row in known.intersection_array],
        "srg": {str(k): list(graph) for k, graph in known.srg.items()},
        "failures": [vars(failure) for failure in known.failures] if rank <= _MOST_JUDGED else None,
        "design": design
        and {
            "strength": design.strength,
            "distances": design.distances,
            "antipodal": design.antipodal,
            "certified": design.certified,
            "within_absolute_bound": design.within_absolute_bound,
            "most_points": known.most_points,
        },
    }


def structure_words(known: Scheme) -> list[str]:
    """Say the structure of a scheme in sentences.

    Parameters
    ----------
    known : Scheme
        From `schemes.parameters`.

    Returns
    -------
    list of str
    """
    return [*_connection(known), *_orders(known), *_graphs(known), *_feasibility(known), *_design(known)]


def _classes(labels: Any) -> str:
    return "{" + listed(f"R{k}" for k in labels) + "}"


def _connection(known: Scheme) -> list[str]:
    rank = known.rank
    if known.is_primitive:
        return ["Primitive: each class connects all points."]
    if rank > _MOST_SUBSETS:
        return [f"Imprimitive; its closed subsets are not listed for {rank} classes."]
    proper = known.closed_subsets[1:-1]
    blocks = [
        f"{_classes(subset)} (blocks of {known.valencies[list(subset)].sum()} points)"
        for subset in proper[:_SHOWN]
    ]
    more = f" and {len(proper) - _SHOWN} more" if len(proper) > _SHOWN else ""
    return [f"Imprimitive, with {plural(len(proper), 'closed subset')}: {', '.join(blocks)}{more}."]


def _orders(known: Scheme) -> list[str]:
    said = []
    if known.intersection_array is not None:
        b, c = known.intersection_array
        ways = listed(f"R{order[1]}" for order in known.p_orders)
        said.append(
            f"P-polynomial in {plural(len(known.p_orders), 'order')} (edges {ways}): distances of a graph with the "
            f"intersection array {{{listed(b)}; {listed(c)}}}."
        )
    else:
        said.append("Not P-polynomial: its classes are not the distances of a graph.")
    if known.q_orders:
        ways = listed(f"E{order[1]}" for order in known.q_orders)
        said.append(f"Q-polynomial in {plural(len(known.q_orders), 'order')} (beginning with {ways}).")
    else:
        said.append("Not Q-polynomial.")
    return said


def _graphs(known: Scheme) -> list[str]:
    if not known.srg:
        return []
    graphs = listed(f"R{k} ({', '.join(map(str, graph))})" for k, graph in known.srg.items())
    return [f"Strongly regular graphs (n, k, λ, μ): {graphs}."]


def _feasibility(known: Scheme) -> list[str]:
    if known.rank > _MOST_JUDGED:
        return []
    if not known.failures:
        return ["Feasible: the numbers meet every condition that those of a scheme meet."]
    return [
        "NOT feasible: "
        + "; ".join(
            f"{one.condition} at {', '.join(map(str, one.classes))} ({one.detail})" for one in known.failures
        )
        + "."
    ]


def _design(known: Scheme) -> list[str]:
    design = known.design
    if design is None or design.distances == 0:
        return []
    t, s = design.strength, design.distances
    need = 2 * s - (3 if design.antipodal else 2)
    rule = "2s - 3, antipodal" if design.antipodal else "2s - 2"
    said = [
        f"The mean cosines are those of a spherical {t}-design with s = {s} cosines; t >= {rule} = {need} "
        + ("holds, which alone certifies the scheme (Delsarte, Goethals, Seidel)." if design.certified else "fails, "
           "so the design alone does not certify the scheme.")
    ]  # fmt: skip
    if not design.within_absolute_bound and known.most_points is not None:
        said.append(
            f"WARNING: {number(known.n)} vectors with {s} cosines do not fit into {known.dim} dimensions, at "
            f"most {number(known.most_points)} do (absolute bound): levels that differ were taken for one."
        )
    return said
