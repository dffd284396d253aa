"""Which features are near which: links by z, by cosine, and by cosine beside what dominates the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.dictionaries.directions import NEIGHBOURS
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.pairs import SignificantPairs, sweep
from featuregeom.pairs.cross_fit import Coordinates, all_scores, coordinates_of, shares, split_seed
from featuregeom.spectra import Spectrum
from featuregeom.summary import summarised

__all__ = ["LARGEST", "Link", "Links", "Node", "Space", "links_of"]

LARGEST = 512
"""Features of the largest family."""

_DOMINANT = 10.0
"""Least ratio to the median eigenvalue of one that dominates the spectrum: one dimension times 1000, or a common mean
of three norms, hides all planted shapes from links by cosine, and none once these are projected out."""

_DEEPEST = 2.0
"""Links by z are kept down to the least significant one over this: families stand apart by less, and shorter lists are
five times as fast."""

_MADE = 0.5
"""Share of a dominant direction from which on features have made it: it would be less than half as strong without them.
What is left of them beside it is no evidence then. Beside a direction v the rests r_i of all features satisfy
sum_i (w_i . v) r_i = 0, so the rests of two long features that make v are parallel, whatever their own angle."""

_ROUNDING = 64.0
"""Least length of what a feature has beside the dominant eigenspaces, in roundings of its norm: a shorter rest is
rounding, and has no direction."""

Link = Literal["z", "cosine", "projected"]


@summarised
@dataclass(frozen=True, eq=False)
class Node:
    """Features that hang together at some strength of links.

    Attributes
    ----------
    members : ndarray of int64
        Positions among the nonzero features, increasing.
    birth, death : float
        Weakest inner and strongest outer link.
    link : {"z", "cosine", "projected"}
        What they are linked by.
    """

    members: NDArray[np.int64]
    birth: float
    death: float
    link: Link

    @property
    def ratio(self) -> float:
        """Birth over death; infinity where nothing outside is linked."""
        return self.birth / self.death if self.death > 0 else float("inf")


@dataclass(frozen=True, eq=False)
class Space:
    """The nonzero features, as they are and beside the dominant eigenspaces.

    Attributes
    ----------
    features : Features
        The nonzero features, in the dimensions that they are given in.
    own : Coordinates
        The same in a basis of as few dimensions as is cheap.
    dominant : int
        Dimensions that are projected out.
    n_features : int
        Features of the matrix, zero ones too.
    num_threads : int or None
        Threads to use.
    dimensions : dict of Link to float
        `effective_dimensions` of the features as they are ("cosine"), and beside what dominates ("projected").
    """

    features: Features
    own: Coordinates
    dominant: int
    n_features: int
    num_threads: int | None
    dimensions: dict[Link, float]

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.own.spectrum.vectors)

    def vectors(self, members: NDArray[np.int64], link: Link) -> NDArray[np.float64]:
        """Give some features in as many dimensions as random ones would have, less the dominant ones if so linked."""
        full = self.own.ambient == self.features.m
        if link != "projected" and full:
            return self.features.widened(members)
        along = self.own.features.widened(members) @ self._axes
        skipped = self.dominant if link == "projected" else 0
        rows = np.zeros((len(members), self.own.ambient - skipped))
        rows[:, : along.shape[1] - skipped] = along[:, skipped:]
        return rows

    def effective_dimensions(self, link: Link) -> float:
        """Give the dimensions that random directions would need for such cosines."""
        return self.dimensions["projected" if link == "projected" else "cosine"]

    def made_what_dominates(self, members: NDArray[np.int64]) -> bool:
        """Whether some features make most of a direction that is projected out: see `_MADE`."""
        if not self.dominant:
            return False
        along = self.own.features.widened(members) @ self._axes[:, : self.dominant]
        along /= np.sqrt(self.own.spectrum.retained[: self.dominant])
        return bool(np.linalg.norm(along, 2) ** 2 > _MADE)

    def spreads(self, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the standard deviation of cosines under the measure null, with the eigenspaces of all features."""
        mass = shares(self.own.features.take(members), self.own.spectrum, self.own.ambient, self.num_threads)
        return np.asarray(np.sqrt(np.maximum(mass @ mass.T, np.finfo(np.float64).tiny)))

    def scores(self, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give abs(z) of all pairs of some features, against the eigenspaces of all; 0 on the diagonal."""
        rows = self.own.features.widened(members)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        z = np.abs(rows @ rows.T) / self.spreads(members)
        np.fill_diagonal(z, 0.0)
        return np.asarray(z)


@summarised
@dataclass(frozen=True, eq=False)
class Links:
    """The nearest of each nonzero feature, by each kind of link.

    Attributes
    ----------
    space : Space
        The features.
    lists : dict of Link to tuple of ndarray
        Neighbours (-1 for none) and strengths, each of shape (n, slots). No "z" where no pair is significant by its z,
        no "projected" where nothing dominates.
    nearest : dict of Link to tuple of ndarray
        The same for "cosine" and "projected", with as many as `directions.chance_beside_neighbours` asks for.
    """

    space: Space
    lists: dict[Link, tuple[NDArray[np.int64], NDArray[np.float64]]]
    nearest: dict[Link, tuple[NDArray[np.int64], NDArray[np.float64]]]

    def nodes(self, link: Link, ratio: float, *, least: int = 2, most: int = LARGEST) -> list[Node]:
        """Give the nodes of the single linkage tree with a birth of at least `ratio` times the death.

        Parameters
        ----------
        link : {"z", "cosine", "projected"}
            Which links.
        ratio : float
            At least 1.
        least, most : int
            Fewest and most members.

        Returns
        -------
        list of Node
            A node after those inside it.
        """
        if link not in self.lists:
            return []
        neighbours, strengths = self.lists[link]
        order, starts, sizes, births, deaths, _ = _core.dendrogram(
            neighbours, strengths, least=least, most=most, ratio=ratio, num_threads=self.space.num_threads
        )
        stretches = zip(starts.tolist(), sizes.tolist(), births.tolist(), deaths.tolist(), strict=True)
        return [
            Node(np.sort(order[start : start + size]), birth, death, link)
            for start, size, birth, death in stretches
        ]


def links_of(
    features: Features,
    spectrum: Spectrum,
    squares: NDArray[np.float64],
    pairs: SignificantPairs,
    k: int,
    num_threads: int | None,
    progress: Progress | None,
) -> Links:
    """Find the k nearest of each feature by z and by cosine, of either sign, and beside the dominant eigenspaces.

    Parameters
    ----------
    features, spectrum : Features, Spectrum
        The features and their spectrum.
    squares : ndarray of float64
        Squared norms.
    pairs : SignificantPairs
        Of the features; its split is used again.
    k : int
        Neighbours of each feature.
    num_threads : int or None
        Threads to use.
    progress : callable or None
        Called with pairs done and pairs in all.

    Returns
    -------
    Links
    """
    own = coordinates_of(features, spectrum, squares)
    n = own.features.n
    keep = min(k, n - 1)
    dominant = int(np.count_nonzero(spectrum.retained > _DOMINANT * np.median(spectrum.retained)))
    # In few dimensions pairs may be significant by bounds of their own, and none by its z.
    by_z = bool((np.abs(pairs.z) >= pairs.threshold).any())
    passes = 1 + bool(dominant) + by_z
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, n * (n - 1) // 2 * int(passes))

    lists: dict[Link, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    if by_z:
        found = all_scores(
            own,
            n_parts=pairs.n_parts,
            seed=split_seed(pairs.seed),
            by_score=keep,
            by_cosine=0,
            least=(pairs.threshold / _DEEPEST) ** 2,
            num_threads=num_threads,
            advance=advance,
        )
        lists["z"] = _strongest(found.neighbours, found.scores, keep)
    more = min(max(k, NEIGHBOURS), n - 1)
    nearest: dict[Link, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    nearest["cosine"] = _nearest(own.features, more, num_threads)
    dimensions: dict[Link, float] = {"cosine": _effective_dimensions(own.features, own, 0, num_threads)}
    advance(n * (n - 1) // 2)
    if dominant:
        beside = _beside(own, dominant)
        nearest["projected"] = _nearest(beside, more, num_threads)
        dimensions["projected"] = _effective_dimensions(beside, own, dominant, num_threads)
        advance(n * (n - 1) // 2)
    kept = features if n == features.n else features.take(own.index)
    for link, (neighbours, strengths) in nearest.items():
        lists[link] = np.ascontiguousarray(neighbours[:, :keep]), np.ascontiguousarray(strengths[:, :keep])
    return Links(Space(kept, own, dominant, features.n, num_threads, dimensions), lists, nearest)


def _effective_dimensions(
    features: Features, own: Coordinates, skipped: int, num_threads: int | None
) -> float:
    r"""Give one over the mean squared cosine of two different features, longer ones counting for more.

    .. math:: D = \frac{(\sum_i N_i)^2 - \sum_i N_i^2}{\sum_k \lambda_k^2 - \sum_i N_i^2}

    Random directions of D dimensions have such cosines. Without the sums of single features it would be the
    participation ratio of the spectrum, which is at most the number of features, in however many dimensions they lie.

    Parameters
    ----------
    features : Features
        Features of squared norms N, with the eigenvalues of `own` beyond the first `skipped`.
    own : Coordinates
        Their spectrum, and the dimensions that random features would lie in.
    skipped : int
        Dominant dimensions that are projected out.
    num_threads : int or None
        Threads to use.

    Returns
    -------
    float
        At most the dimensions that random features would lie in; 0 where there is no eigenvalue.
    """
    values = own.spectrum.retained[skipped:]
    if not values.size:
        return 0.0
    values = values / values.sum()
    norms = _core.squared_norms(features.values, num_threads=num_threads)
    alone = float(((norms / norms.sum()) ** 2).sum())
    together = float((values**2).sum()) - alone
    most = float(own.ambient - skipped)
    return (1 - alone) / together if together * most > 1 - alone else most


def _strongest(
    neighbours: NDArray[np.int64], strengths: NDArray[np.float64], keep: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of the neighbours of either sign, those of the largest absolute value."""
    absolute = np.nan_to_num(np.abs(strengths), nan=-1.0)
    best = np.lexsort((neighbours, -absolute), axis=1)[:, :keep]
    return (
        np.ascontiguousarray(np.take_along_axis(neighbours, best, axis=1)),
        np.ascontiguousarray(np.take_along_axis(absolute, best, axis=1)),
    )


def _nearest(
    features: Features, keep: int, num_threads: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    swept = sweep(features, k=keep, threshold=1.0, num_threads=num_threads)
    return swept.neighbours, np.nan_to_num(np.abs(swept.cosines), nan=-1.0)


def _beside(own: Coordinates, dominant: int) -> Features:
    """Project features on the eigenvectors that do not dominate; those with nothing left become zero."""
    axes = np.ascontiguousarray(own.spectrum.vectors[:, dominant:])
    least = _ROUNDING * own.epsilon
    rows = np.empty(
        (own.features.n, axes.shape[1]), np.float64 if own.features.dtype == "float64" else np.float32
    )
    for part in np.array_split(np.arange(own.features.n), own.features.n // 4096 + 1):
        whole = own.features.widened(part)
        along = whole @ axes
        along[np.linalg.norm(along, axis=1) <= least * np.linalg.norm(whole, axis=1)] = 0.0
        rows[part] = along
    return as_features(rows)
