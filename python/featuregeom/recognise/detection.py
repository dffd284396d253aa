"""What was detected among some features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import interruptible
from featuregeom.recognise import policy
from featuregeom.recognise.defect import defect, null_p_value
from featuregeom.recognise.levels import distinct_values
from featuregeom.recognise.refinement import denoised, support_of
from featuregeom.recognise.through_noise import NoisyName
from featuregeom.relations.products import class_counts, class_means, class_sizes, intersection_numbers
from featuregeom.relations.scheme import HasScheme, Scheme
from featuregeom.summary import summarised

__all__ = ["DIRECT", "STREAMED", "VECTORS", "Detection", "Mode", "Tally", "block_method"]

Mode = Literal["signed", "line"]

DIRECT, VECTORS, STREAMED = "direct", "vectors", "streamed"
"""How `detect` finds a name: from all cosines at once; from the vectors, for what cosines do not settle within the
tolerance (`through_noise`); or a tile of pairs at a time (`streamed`)."""


def block_method(proposals: int, *, by_vectors: bool = False) -> str:
    """Say how the name of a block of an analysis is found: from fewer proposals for noise, and not as a direct sum."""
    return f"block{' of vectors' if by_vectors else ''}, {proposals} proposals"


@summarised
@dataclass(frozen=True, eq=False)
class Tally:
    """What a streamed detection measured, where no matrix of pairs tells it.

    Attributes
    ----------
    levels : ndarray of float64, shape (d + 1,)
        Mean cosine of each relation, decreasing; 1 first. Relations are cut halfway between them.
    pairs : ndarray of int64, shape (d + 1,)
        Number of pairs of points in each relation.
    numbers : ndarray of int64, shape (d + 1, d + 1, d + 1), or None
        p[i, j, k], read off one pair of each relation and certified for all; None without a scheme.
    defect : float
        How far the levels are from a scheme: 0 for one, else estimated from the pairs of 48 features.
    error_bound : float
        Probability that levels which are no scheme are accepted, at most; NaN without a scheme.
    seed : int
        Seed of the sample and of the certificate.
    """

    levels: NDArray[np.float64]
    pairs: NDArray[np.int64]
    numbers: NDArray[np.int64] | None
    defect: float
    error_bound: float
    seed: int


@summarised
@dataclass(frozen=True, eq=False)
class Detection(HasScheme):
    """The scheme and the name of a set of features, or why there is none.

    Above 4096 features no matrix of pairs is formed. What would be one, or follows from one, is None there.

    Attributes
    ----------
    is_scheme : bool
        Whether the levels of the cosines are an association scheme.
    name : str
        Name of the geometry; empty when it has none.
    reason : str
        Why there is no name, or what to know about it (duplicates, levels that are no scheme).
    also : tuple of str
        Other names of the geometry.
    nearest : str
        The named geometry that comes nearest; the name itself where there is one. Without a name it says what
        the features look like, not what they are.
    mode : {"signed", "line"}
        Whether vectors were judged, or the lines that they span.
    relations : ndarray of int64, shape (n, n), or None
        Class of each pair of `points`: classes by decreasing mean cosine, 0 on the diagonal. Of the scheme where
        one was found, else the levels, or what they generate.
    cosines : ndarray of float64, shape (n, n), or None
        Cosines of `points`. In line mode, those of the 2 n vectors on both sides.
    points : ndarray of int64, shape (n,)
        The features that were judged, one of each set of duplicates. In line mode each comes twice, the second
        time for its negative.
    order : ndarray of int64, or None
        All features, ordered so that the relations show: cyclic for polygons, antipodes side by side.
    duplicates : tuple of tuple of int
        Features with the same direction, the one that stands for them first.
    eta2 : float
        Share of the variance of the cosines that lies between the classes; NaN for a single class.
    spread : float
        Largest deviation of a cosine from the mean of its class.
    residual : float
        Largest deviation of a cosine from the ideal one of `nearest`; NaN where there is none.
    nearest_relations : ndarray of int64, shape (n, n), or None
        Relations of the geometry that comes nearest, aligned with the points: an exact scheme, whether the cosines
        support it or not, and even where they resemble it too little for `nearest`. None where no geometry with that
        number of points was tried.
    dim : int
        Dimension of the geometry; the numerical rank where there is no name.
    rank_of_closure : int or None
        Number of relations of the coarsest coherent configuration inside the levels, the diagonal's among them;
        None where it was not needed, or is nearly discrete.
    fibres : ndarray of int64, shape (n,), or None
        Orbits (cells) of `points` under that configuration, where it was formed.
    height : float or None
        Squared height of a prism or antiprism.
    parts : tuple of Detection
        Summands of a direct sum.
    signs : ndarray of int64, shape (n,)
        -1 where a point is the negative of its feature, which is so in line mode only.
    method : str
        How the name was found: "direct" from cosines, "vectors" by the F test of the vectors, or where that gave none,
        "block, 4 proposals" and "block of vectors, 4 proposals" the same for a block of an analysis, "streamed" for
        more than 4096 features. A certificate records it, so that it is verified in the same way.
    noise : NoisyName or None
        The test of the vectors that the name rests on, where it does.
    """

    is_scheme: bool
    name: str
    reason: str
    also: tuple[str, ...]
    nearest: str
    mode: Mode
    relations: NDArray[np.int64] | None
    cosines: NDArray[np.float64] | None
    points: NDArray[np.int64]
    order: NDArray[np.int64] | None
    duplicates: tuple[tuple[int, ...], ...]
    eta2: float
    spread: float
    residual: float
    dim: int
    rank_of_closure: int | None = None
    fibres: NDArray[np.int64] | None = None
    height: float | None = None
    parts: tuple[Detection, ...] = ()
    nearest_relations: NDArray[np.int64] | None = None
    signs: NDArray[np.int64] = field(default_factory=lambda: np.ones(0, dtype=np.int64))
    method: str = DIRECT
    noise: NoisyName | None = None
    _tally: Tally | None = field(default=None, repr=False)
    _exact: bool = field(default=False, repr=False)
    _ideal: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.signs) != len(self.points):
            object.__setattr__(self, "signs", np.ones(len(self.points), dtype=np.int64))

    def of_alike(self, cosines: NDArray[np.float64]) -> list[Detection]:
        """Give the detections of points whose cosines are those of the same named geometry, in the same order.

        Parameters
        ----------
        cosines : ndarray, shape (b, n, n)
            Each equal to the geometry's own but for rounding.

        Returns
        -------
        list of Detection
            As this one, but for cosines and how far these are from the geometry.
        """
        assert self._ideal is not None
        assert self.relations is not None
        flat, labels = cosines.reshape(-1, self.n * self.n), self.relations.ravel()
        member = np.eye(int(labels.max()) + 1)[labels]
        means = flat @ member / member.sum(axis=0)
        away = flat - means[:, labels]
        off = labels > 0
        total = flat[:, off].var(axis=1) * off.sum()
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = 1 - (away[:, off] ** 2).sum(axis=1) / total
        eta2 = shares if member.shape[1] > 2 else np.full(len(cosines), np.nan)
        spreads = np.abs(away).max(axis=1)
        residuals = np.abs(flat - self._ideal.ravel()).max(axis=1)
        each = zip(cosines, eta2.tolist(), spreads.tolist(), residuals.tolist(), strict=True)
        # `dataclasses.replace` would take as long as all of the numbers.
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        found = []
        for c, e, s, r in each:
            other = object.__new__(Detection)
            other.__dict__.update(kept, cosines=c, eta2=e, spread=s, residual=r)
            found.append(other)
        return found

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.points)

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Number of pairs of points in each relation, shape (d + 1,).

        Pairs of a relation that is its own transpose are counted once for both directions, of a fibre its points.
        """
        return class_sizes(self.relations) if self.relations is not None else self._told.pairs

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """Mean cosine of each relation, shape (d + 1,); 1 first."""
        if self.relations is None or self.cosines is None:
            return self._told.levels
        return class_means(self.cosines, self.relations)

    @cached_property
    def gram_values(self) -> int | None:
        """Number of distinct cosines between the points: of the scheme's levels where there is one.

        Else of the clusters that are narrower than the gaps beside them; None where the cosines are a continuum, or
        were not formed.
        """
        if self.is_scheme:
            return len(self.levels) - 1
        levels = None if self.cosines is None else distinct_values(self.cosines)
        return None if levels is None else len(levels)

    @cached_property
    def valencies(self) -> NDArray[np.int64] | None:
        """How often a point has each relation, shape (d + 1,); None where points differ, or without relations."""
        if self.relations is None:
            p = self.intersection_numbers
            return None if p is None else p[np.arange(len(p)), np.arange(len(p)), 0]
        counts = class_counts(self.relations)
        return counts[0] if (counts == counts[0]).all() else None

    @cached_property
    def intersection_numbers(self) -> NDArray[np.int64] | None:
        """Numbers p[i, j, k], shape (d + 1, d + 1, d + 1); None where the relations are no symmetric scheme."""
        if self.relations is None:
            return self._told.numbers
        return intersection_numbers(self.relations) if self._exact else None

    @cached_property
    def scheme(self) -> Scheme | None:
        """The scheme of the relations, with all that follows from its numbers and the cosines; None without one."""
        p, valencies = self.intersection_numbers, self.valencies
        if p is None or valencies is None:
            return None
        return Scheme(p, valencies, np.arange(len(p)), self.levels, self.dim)

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64] | None:
        """Eigenvalue of the denoised Gram matrix on each eigenspace, shape (d + 1,); None without a scheme."""
        return None if self.P is None else np.asarray(self.P @ self.levels)

    @cached_property
    def support(self) -> NDArray[np.int64] | None:
        """Eigenspaces on which the denoised Gram matrix is not zero.

        Its eigenvalues below 5 % of the largest count as zero, for noise fills all eigenspaces.
        """
        values = self.eigenvalues
        return None if values is None else support_of(values)

    @cached_property
    def frame_eigenvalue(self) -> float:
        """The one nonzero eigenvalue of the denoised Gram matrix; NaN where they differ by more than 1e-6."""
        if self.support is None or self.eigenvalues is None:
            return math.nan
        values = self.eigenvalues[self.support]
        return float(values.mean()) if np.ptp(values) <= policy.ONE_EIGENVALUE * values.max() else math.nan

    @cached_property
    def defect(self) -> float:
        """How far `relations` are from a scheme: 0 for one, about 1 for random ones.

        Above 4096 features it is estimated from the pairs of 48.
        """
        if self.relations is None:
            return self._told.defect
        return 0.0 if self._exact else defect(self.relations)

    @property
    def error_bound(self) -> float | None:
        """Probability that levels which are no scheme are accepted, above 4096 features; NaN without a scheme.

        None up to 4096 features, where `certify` proves the relations.
        """
        return None if self._tally is None else self._tally.error_bound

    @property
    def seed(self) -> int | None:
        """Seed of the sample and of the proof above 4096 features; None up to there, where nothing rests on it."""
        return None if self._tally is None else self._tally.seed

    @cached_property
    def p_value(self) -> float:
        """How often chance gives as good a scheme of as many classes; NaN above 8 points and for one class."""
        if self.cosines is None or self.valencies is None or not self._exact:
            return math.nan
        rank = interruptible.rank(self.cosines, policy.RANK_SHARE * self.n)
        return null_p_value(self.n, max(rank, 1), tuple(self.valencies.tolist()), self.eta2)

    @cached_property
    def denoised(self) -> NDArray[np.float64] | None:
        """The cosines projected on the span of the relations: their means, shape (n, n)."""
        if self.cosines is None or self.relations is None:
            return None
        return denoised(self.cosines, self.relations)

    @property
    def formed(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """`relations`, `cosines` and `order`, of up to 4096 features."""
        assert self.relations is not None
        assert self.cosines is not None
        assert self.order is not None
        return self.relations, self.cosines, self.order

    @property
    def _told(self) -> Tally:
        """What was measured instead of matrices of pairs."""
        assert self._tally is not None
        return self._tally
