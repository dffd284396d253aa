"""Whether relations are an association scheme or a coherent configuration, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import choice, integer
from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.features import numbers_of
from featuregeom.frames import Progress
from featuregeom.relations.eigenmatrices import Numbers, noncommuting
from featuregeom.relations.order import canonical_order
from featuregeom.relations.products import MOST_CLASSES
from featuregeom.relations.relations import Labelled, as_labels
from featuregeom.relations.scheme import HasScheme, Scheme
from featuregeom.relations.structure import is_primitive
from featuregeom.summary import summarised

if TYPE_CHECKING:
    pass

__all__ = ["Check", "check", "check_circulant", "failure_text"]

Ints = NDArray[np.int64]
_Found = tuple[tuple[str, list[int]] | None, NDArray[np.uint16], Ints, Ints, Ints, float]
"""What the core gives: failure, fibre of each point, transposes, valencies, intersection numbers, error bound."""


@summarised
@dataclass(frozen=True, eq=False)
class Check(HasScheme):
    """What relations are.

    Attributes
    ----------
    is_scheme : bool
        Whether they are an association scheme: coherent, and the diagonal is one class.
    is_coherent : bool
        Whether they are a coherent configuration.
    is_symmetric : bool
        Whether every class is its own transpose; False unless coherent.
    is_commutative : bool
        Whether all products of classes commute; False unless coherent.
    is_primitive : bool
        Whether they are a scheme in which every class but the diagonal connects all points.
    reason : str
        Why they are no scheme, with points that show it. For a scheme that is not commutative, which classes do not
        commute: it has no common eigenspaces, so that `P`, `Q`, `multiplicities` and `krein` are None. Else empty.
    labels : ndarray of uint32, shape (n, n)
        Class of each pair, numbered from 0: fibres first, then by the order asked for.
    classes : ndarray, shape (r,)
        The given label of each class.
    fibres : ndarray of int64, shape (n,), or None
        Fibre of each point; None unless coherent, as all that follow.
    transpose : ndarray of int64, shape (r,), or None
        Class of the transposed pairs of each class.
    valencies : ndarray of int64, shape (r,), or None
        How many pairs of each class begin at a point of the fibre where it begins.
    intersection_numbers : ndarray of int64, shape (r, r, r), or None
        ``p[i, j, k]``: for x, y in class k, the z with x, z in class i and z, y in class j.
    exact : bool
        Whether every product was verified; a failure is always exact.
    error_bound : float
        Probability that incoherent relations are accepted, at most; zero if exact.
    seed : int
        Seed of the certificate.
    """

    is_scheme: bool
    is_coherent: bool
    is_symmetric: bool
    is_commutative: bool
    is_primitive: bool
    reason: str
    labels: NDArray[np.uint32]
    classes: NDArray[Any]
    fibres: Ints | None
    transpose: Ints | None
    valencies: Ints | None
    intersection_numbers: Ints | None
    exact: bool
    error_bound: float
    seed: int

    @cached_property
    def scheme(self) -> Scheme | None:
        """The scheme, with all that follows from its intersection numbers; None unless there is one."""
        if not self.is_scheme or self.intersection_numbers is None:
            return None
        assert self.valencies is not None
        assert self.transpose is not None
        return Scheme(self.intersection_numbers, self.valencies, self.transpose, seed=self.seed)


def check(
    relations: Any,
    *,
    order: Literal["given", "canonical"] = "given",
    exact: bool = False,
    rounds: int = 2,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Check:
    r"""Decide whether relations are an association scheme or a coherent configuration.

    Parameters
    ----------
    relations : array-like of integers, shape (n, n)
        Label of each pair, symmetric or not; any integers.
    order : {"given", "canonical"}
        Order of the classes after the fibres: that of the given labels, or one that depends on the intersection
        numbers alone, so that the numbers are the same for any labels and any order of points.
    exact : bool
        Verify every entry of every product. Up to 64 points that is always done.
    rounds : int
        Rounds of the randomised certificate, which each square its error.
    seed : int
        Seed of the certificate.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    Check
        The same for any number of threads.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `relations` is no square matrix of integers.
    ParameterError
        If a label is no integer, there are more than 512 classes, or an option is out of range.

    Notes
    -----
    With :math:`A_k` the 0-1 matrix of class k, relations are coherent when the diagonal is a union of classes, the
    transpose of each class is one, and :math:`A_i A_j = \sum_k p_{ij}^k A_k` (Brouwer, Cohen & Neumaier 1989,
    chapter 2). The numbers come from one pair of each class. The products are verified together by two passes over
    the labels with random 64-bit words, Freivalds' check for all pairs of classes at once: :math:`2 n^2` additions
    a round. Coherent relations always pass; others do with a probability of at most `error_bound`, below 2^-43 a
    round. Exact verification costs :math:`r^2 n^3 / 128` operations on words.

    Examples
    --------
    The pentagon, with its diagonals as second relation:

    >>> import featuregeom as fg
    >>> found = fg.schemes.check([[min((x - y) % 5, (y - x) % 5) for y in range(5)] for x in range(5)])
    >>> found.is_scheme, found.is_primitive, found.valencies.tolist()
    (True, True, [1, 2, 2])
    """
    choice("order", order, ("given", "canonical"))
    rounds, seed = integer("rounds", rounds, 1, 64), integer("seed", seed, 0, 2**64 - 1)
    labelled = as_labels(relations)
    rank = len(labelled.classes)
    _check_rank(rank)
    few = rank <= 2**8
    compact = labelled.labels.astype(np.uint8) if few else labelled.labels.astype(np.uint16)
    found = _core.scheme_check(
        compact, exact=exact, rounds=rounds, seed=seed, num_threads=num_threads, progress=progress
    )
    return _result(found, labelled, order, seed)


def _check_rank(rank: int) -> None:
    if rank > MOST_CLASSES:
        raise ParameterError(
            f"relations have {rank} classes, and at most {MOST_CLASSES} can be checked; values that should be one "
            "relation must have one label"
        )


def _result(found: _Found, labelled: Labelled, order: str, seed: int) -> Check:
    failure, diagonal, transpose, valencies, numbers, bound = found
    rank = len(labelled.classes)
    if failure is not None:
        return Check(
            is_scheme=False,
            is_coherent=False,
            is_symmetric=False,
            is_commutative=False,
            is_primitive=False,
            reason=failure_text(*failure, labelled.classes.tolist()),
            labels=labelled.labels,
            classes=labelled.classes,
            fibres=None,
            transpose=None,
            valencies=None,
            intersection_numbers=None,
            exact=True,
            error_bound=0.0,
            seed=seed,
        )
    # The classes of the diagonal are numbered first, so the class of a point is its fibre.
    fibres = diagonal.astype(np.int64)
    n_fibres = int(fibres.max()) + 1
    if order == "canonical":
        to_old = canonical_order(numbers, transpose, valencies, n_fibres)
        to_new = np.argsort(to_old)
        labelled = Labelled(to_new.astype(np.uint32)[labelled.labels], labelled.classes[to_old])
        fibres, transpose, valencies = to_new[fibres], to_new[transpose[to_old]], valencies[to_old]
        numbers = numbers[np.ix_(to_old, to_old, to_old)]
    is_scheme = n_fibres == 1
    classes = labelled.classes.tolist()
    reason = _not_commutative(numbers, classes) if is_scheme else _several_fibres(fibres)
    return Check(
        is_scheme=is_scheme,
        is_coherent=True,
        is_symmetric=bool(np.array_equal(transpose, np.arange(rank))),
        is_commutative=noncommuting(numbers) is None,
        is_primitive=is_scheme and is_primitive(Numbers(numbers, valencies, transpose)),
        reason=reason,
        labels=labelled.labels,
        classes=labelled.classes,
        fibres=fibres,
        transpose=transpose,
        valencies=valencies,
        intersection_numbers=numbers,
        exact=bound == 0.0,
        error_bound=bound,
        seed=seed,
    )


def check_circulant(
    row: Any,
    *,
    exact: bool = False,
    rounds: int = 2,
    seed: int = 0,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Check:
    """Check relations of n points around a circle, in which the class of (x, y) is that of y - x modulo n.

    Paley's and the cyclotomic schemes of prime order are so. Labels are made as they are read, so n may be far
    beyond what a matrix of pairs allows.

    Parameters
    ----------
    row : array-like of integers, shape (n,)
        Class of the pairs (0, y).
    exact, rounds, seed, num_threads, progress
        As in `check`.

    Returns
    -------
    Check
        Its `labels` are the given row, shape (1, n), renumbered.

    Raises
    ------
    ShapeError, DtypeError, ParameterError
        As `check`.

    Notes
    -----
    Memory of 8 n r bytes for r classes, time as `check`.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.schemes.check_circulant([0, 1, 2, 2, 1]).P.round(3).tolist()
    [[1.0, 2.0, 2.0], [1.0, 0.618, -1.618], [1.0, -1.618, 0.618]]
    """
    rounds, seed = integer("rounds", rounds, 1, 64), integer("seed", seed, 0, 2**64 - 1)
    given = numbers_of(row, "row")
    if given.ndim != 1 or len(given) == 0:
        raise ShapeError(f"row must hold the class of each difference; its shape is {given.shape}")
    if given.dtype.kind not in "iub":
        raise DtypeError(f"row must be integers, not {given.dtype}")
    classes, labels = np.unique(given, return_inverse=True)
    own = int(labels[0])
    order = np.array([own, *np.delete(np.arange(len(classes)), own)])
    labels = np.argsort(order)[labels]
    _check_rank(len(classes))
    found = _core.scheme_certify_circulant(
        labels.astype(np.uint16),
        exact=exact,
        rounds=rounds,
        seed=seed,
        num_threads=num_threads,
        progress=progress,
    )
    return _result(found, Labelled(labels[None].astype(np.uint32), classes[order]), "given", seed)


def _several_fibres(fibres: Ints) -> str:
    sizes = np.bincount(fibres)
    other = int(np.argmax(fibres != fibres[0]))
    return (
        f"the diagonal is {len(sizes)} classes, not one: a coherent configuration with fibres of "
        f"{_listed(sizes.tolist())} points, where points 0 and {other} differ"
    )


def _not_commutative(numbers: Ints, given: list[Any]) -> str:
    place = noncommuting(numbers)
    if place is None:
        return ""
    i, j, k = place
    return (
        f"classes {given[i]} and {given[j]} do not commute: their product has {numbers[i, j, k]} on class {given[k]}, "
        f"in the other order {numbers[j, i, k]}; so there are no common eigenspaces, no P, Q and multiplicities"
    )


def _listed(values: list[int]) -> str:
    """Name a few sizes."""
    shown = ", ".join(str(value) for value in values[:8])
    return shown if len(values) <= 8 else f"{shown}, ..."


def failure_text(kind: str, found: list[int], given: list[Any]) -> str:
    """Say why relations are not coherent, in the labels that were given."""
    match kind, found:
        case "diagonal", [k, point, x, y]:
            return f"class {given[k]} holds both ({point}, {point}) and ({x}, {y}), which are not both points"
        case "fibres", [k, x, y, u, v]:
            return f"class {given[k]} holds ({x}, {y}) and ({u}, {v}), which lie in different fibres"
        case "valencies", [k, x, y, a, b]:
            return f"class {given[k]} has valency {a} at point {x} but {b} at point {y}"
        case "transpose", [k, x, y, u, v, i, j]:
            return (
                f"the transpose of class {given[k]} is no class: ({x}, {y}) and ({u}, {v}) lie in it, but ({y}, {x}) "
                f"in class {given[i]} and ({v}, {u}) in class {given[j]}"
            )
        case "product", [i, j, k, x, y, u, v, a, b]:
            return (
                f"the product of classes {given[i]} and {given[j]} is not constant on class {given[k]}: {a} at "
                f"({x}, {y}) but {b} at ({u}, {v})"
            )
    raise AssertionError(f"the core named an unknown failure: {kind}")
