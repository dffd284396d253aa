"""Fusions: schemes that arise by merging classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError
from featuregeom.relations.eigenmatrices import ALGEBRA_ZERO, Eigenmatrices, Numbers, read_numbers

__all__ = ["fuse", "fused_numbers", "fusions", "idempotent_parts", "merged"]

_LARGEST = 11


def idempotent_parts(scheme: Eigenmatrices, parts: Sequence[Sequence[int]]) -> list[tuple[int, ...]] | None:
    """Partition of the idempotents that belongs to a merging of classes, None where it is no scheme.

    Parameters
    ----------
    scheme : Eigenmatrices
        Of a commutative scheme.
    parts : sequence of sequence of int
        A partition of the classes, one part of which is {0}.

    Returns
    -------
    list of tuple of int or None
        As many parts as `parts`.

    Raises
    ------
    ParameterError
        If `parts` is no partition with {0} a part.

    Notes
    -----
    Bannai and Muzychuk: merging is a scheme exactly where the rows of P, its columns added within parts, take as
    many values as there are parts, and transposition maps parts to parts. O(r^2). Bannai, J. Algebra 144 (1991).
    """
    cells = _partition(parts, len(scheme.P))
    member = _membership(cells, len(scheme.P))
    rows = scheme.P @ member
    # Entries of P round off by shares of the valency of their class.
    scale = ALGEBRA_ZERO * np.abs(rows[0])
    found: list[list[int]] = []
    for index, row in enumerate(rows):
        for part in found:
            if (np.abs(row - rows[part[0]]) <= scale).all():
                part.append(index)
                break
        else:
            found.append([index])
    if len(found) != len(cells) or not _conjugate_columns(rows, scale):
        return None
    return [tuple(part) for part in found]


def fused_numbers(numbers: Numbers, parts: Sequence[Sequence[int]]) -> Numbers | None:
    """Intersection numbers after merging classes, None where it is no scheme; straight from the definition.

    Parameters
    ----------
    numbers : Numbers
        Of any homogeneous configuration.
    parts : sequence of sequence of int
        A partition of the classes, one part of which is {0}; classes of the fusion are numbered by smallest member.

    Raises
    ------
    ParameterError
        If `parts` is no partition with {0} a part.

    Notes
    -----
    ``sum_{a in i, b in j} p_ab^k`` must be the same for all k of a part. O(r^3) per part.
    """
    cells = _partition(parts, numbers.rank)
    member = _membership(cells, numbers.rank)
    label = member.argmax(axis=1)
    first = [cell[0] for cell in cells]
    if np.any(label[numbers.transpose] != label[numbers.transpose[first]][label]):
        return None
    sums = merged(numbers.p, label)
    p = sums[:, :, first]
    if np.any(sums != p[:, :, label]):
        return None
    return read_numbers(p, numbers.valencies @ member, label[numbers.transpose[first]])


def merged(p: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give sum_{a in i, b in j} p_ab^k for the classes 0, 1, ... that `label` says each a and b becomes."""
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(label.max() + 1))
    return np.stack([np.add.reduceat(p[label == i].sum(axis=0)[order], starts) for i in range(len(starts))])


def fuse(scheme: Eigenmatrices, parts: Sequence[Sequence[int]]) -> Eigenmatrices | None:
    """Eigenmatrices after merging classes, None where it is no scheme; idempotents by first member."""
    idempotents = idempotent_parts(scheme, parts)
    if idempotents is None:
        return None
    member = _membership(_partition(parts, len(scheme.P)), len(scheme.P))
    dual = _membership([list(part) for part in idempotents], len(scheme.P))
    P = (scheme.P @ member)[[part[0] for part in idempotents]]
    multiplicities = scheme.multiplicities @ dual
    Q = (P.conj() / P[0].real * multiplicities[:, None]).T
    return Eigenmatrices(P, Q, multiplicities)


def fusions(scheme: Eigenmatrices) -> list[tuple[tuple[int, ...], ...]]:
    """All proper fusions of a scheme, the trivial one of rank 2 included.

    Raises
    ------
    ParameterError
        If the scheme has more than 11 classes, the diagonal included: there are as many candidates as partitions,
        115 975 for 10 classes besides the diagonal.
    """
    r = len(scheme.P)
    if r > _LARGEST:
        raise ParameterError(f"all fusions are listed for at most {_LARGEST} classes, this scheme has {r}")
    found = []
    for cells in _partitions(list(range(1, r))):
        if len(cells) < r - 1:
            parts = [[0], *cells]
            if idempotent_parts(scheme, parts) is not None:
                found.append(tuple(tuple(part) for part in parts))
    return sorted(found, key=lambda parts: (len(parts), parts))


def _partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    head, rest = items[0], items[1:]
    for cells in _partitions(rest):
        yield [[head], *cells]
        for index, cell in enumerate(cells):
            yield sorted([*cells[:index], [head, *cell], *cells[index + 1 :]])


def _partition(parts: Sequence[Sequence[int]], r: int) -> list[list[int]]:
    cells = sorted(sorted(int(label) for label in part) for part in parts)
    if [] in cells or sorted(label for cell in cells for label in cell) != list(range(r)):
        raise ParameterError(f"parts must partition the classes 0..{r - 1}, got {cells}")
    if cells[0] != [0]:
        raise ParameterError(f"the diagonal class 0 cannot be merged, got the part {cells[0]}")
    return cells


def _membership(cells: list[list[int]], r: int) -> NDArray[np.int64]:
    member = np.zeros((r, len(cells)), dtype=np.int64)
    for index, cell in enumerate(cells):
        member[cell, index] = 1
    return member


def _conjugate_columns(rows: NDArray[Any], scale: NDArray[np.float64]) -> bool:
    """Whether each merged class has its transpose among them: the conjugate of its column."""
    distances = np.abs(rows[:, :, None] - rows.conj()[:, None, :]).max(axis=0)
    return bool(np.all(distances.min(axis=1) <= scale))
