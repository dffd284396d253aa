"""The spectral theory of one matrix over many checkpoints: what moves, when it jumps, and what stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import number_between
from featuregeom.comparison import (
    Match,
    TopSubspaces,
    js_distance,
    match_eigenspaces,
    on_frame_side,
    top_subspaces,
)
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features, check_finite, off_graph
from featuregeom.jumps import held_levels, outlying
from featuregeom.spectra import Measures, Spectrum, measures, spectrum
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Jumps", "Trajectory"]
__dir__ = __all__.copy

Floats = NDArray[np.float64]

_ONE_LEVEL = 1.05
"""Levels within this factor count as one when it is asked how much of a feature is at its level: about the root of the
factor of a jump, so that what is around two levels a jump apart does not overlap."""


@summarised
@dataclass(frozen=True, eq=False)
class Jumps:
    """Jumps of the logarithm of kappa or of a level, by checkpoint and then by feature; arrays of shape (n_jumps,).

    Attributes
    ----------
    checkpoint : ndarray of int64
        The checkpoint at which the jump shows: it lies between the one before and this one.
    step : ndarray of float64
        Step of that checkpoint.
    feature : ndarray of int64
        The feature that jumps.
    increment : ndarray of float64
        Its increment of the logarithm there.
    sigmas : ndarray of float64
        Distance of the increment from the mean of the feature's others, over its standard deviation.

    References
    ----------
    arXiv:2602.02224; the rules are those of `Trajectory.kappa_jumps` and `Trajectory.level_jumps`.
    """

    checkpoint: NDArray[np.int64]
    step: Floats
    feature: NDArray[np.int64]
    increment: Floats
    sigmas: Floats

    def __len__(self) -> int:
        return len(self.checkpoint)


@summarised
@dataclass(frozen=True, eq=False, init=False)
class Trajectory:
    r"""Spectra and measures of one feature matrix at T checkpoints.

    Parameters
    ----------
    checkpoints : sequence of array-like, each of shape (n, m)
        The same features, as rows, in order of training; at least two. They are read one at a time, the last
        one first, and not kept: a sequence may load each when it is asked for.
    steps : array_like, shape (T,), optional
        Training steps, increasing; by default 0, 1, 2 ...
    tolerance : float, optional
        Passed to `spectra.spectrum`.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with checkpoints done and in all.

    Attributes
    ----------
    steps : ndarray of float64, shape (T,)
        Training steps.
    eigenvalues : ndarray of float64, shape (T, min(n, m))
        Of the frame operator, decreasing.
    rank : ndarray of int64, shape (T,)
        How many of them are not null.
    norms, kappa, capacity : ndarray of float64, shape (T, n)
        As in `spectra.Measures`; kappa of a zero feature is NaN.
    level : ndarray of float64, shape (T, n)
        Eigenvalue of the eigenspace that holds most of each feature, its energy level; NaN of a zero feature.
    level_mass : ndarray of float64, shape (T, n)
        Share of each feature within a twentieth of that level: near 1 where it has a level, near the largest mass where
        it is spread.
    saturation : ndarray of float64, shape (T,)
        :math:`\sum_i D_i / \operatorname{rank} F`; NaN for rank zero.
    js : ndarray of float64, shape (T - 1, n)
        Jensen-Shannon distance of each feature's measures at checkpoints t and t + 1, both against the
        eigenspaces of the last checkpoint's frame operator (its null space is one more); NaN where the feature
        is zero in either.
    matches : tuple of tuple of Match, of length T - 1
        Eigenspaces of checkpoints t and t + 1 that go together, with their principal angles: those of two and more
        dimensions on both sides. Single eigenvectors of a generic spectrum turn at the least change.
    subspaces : tuple of TopSubspaces, of length T - 1
        The spans of the leading eigenvectors of checkpoints t and t + 1 against each other.

    Raises
    ------
    ShapeError
        If checkpoints differ in shape, or `steps` does not fit them.
    ParameterError
        If `checkpoints` is no sequence or has fewer than two, or steps do not increase; the tolerance as in
        `spectra.spectrum`.
    DtypeError, NonFiniteError
        As in `spectra.measures`; the error says which checkpoint.

    Notes
    -----
    Costs T times `spectra.spectrum` and `spectra.measures`, with one more measure against the last operator.
    Memory is O(T n) and two spectra.

    References
    ----------
    arXiv:2602.02224.

    Examples
    --------
    >>> import featuregeom as fg
    >>> from featuregeom.trajectory import Trajectory
    >>> X = fg.shapes.polygon(5)
    >>> found = Trajectory([X, 2 * X, 2 * X], steps=[0, 10, 20])
    >>> found.eigenvalues.round(6).tolist()
    [[2.5, 2.5], [10.0, 10.0], [10.0, 10.0]]
    >>> found.saturation.round(6).tolist(), len(found.kappa_jumps())
    ([1.0, 1.0, 1.0], 0)
    """

    steps: Floats
    eigenvalues: Floats
    rank: NDArray[np.int64]
    norms: Floats
    kappa: Floats
    capacity: Floats
    level: Floats
    level_mass: Floats
    saturation: Floats
    js: Floats
    matches: tuple[tuple[Match, ...], ...]
    subspaces: tuple[TopSubspaces, ...]

    def __init__(
        self,
        checkpoints: Sequence[Any],
        steps: ArrayLike | None = None,
        *,
        tolerance: float | None = None,
        num_threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        try:
            T = len(checkpoints)
        except TypeError:
            kind = type(checkpoints).__name__
            raise ParameterError(f"checkpoints must be a sequence, got {kind}: pass a list of them") from None
        if T < 2:
            raise ParameterError(f"a trajectory needs at least two checkpoints, got {T}")
        at = _read_steps(steps, T)
        last = _read(checkpoints, T - 1)
        n, m = last.n, last.m
        found = spectrum(last, tolerance=tolerance, num_threads=num_threads)
        reference = on_frame_side(last, found)
        eigenvalues, rank = np.empty((T, min(n, m))), np.empty(T, dtype=np.int64)
        norms, kappa, capacity, level, level_mass = np.empty((5, T, n))
        js, matches, subspaces = np.empty((T - 1, n)), [], []
        before, masses_before = reference, np.empty((n, 0))
        for t in range(T):
            features = last if t == T - 1 else _read(checkpoints, t, (n, m))
            now = (
                found
                if features is last
                else spectrum(features, tolerance=tolerance, num_threads=num_threads)
            )
            measured = measures(features, now, num_threads=num_threads)
            eigenvalues[t], rank[t] = now.eigenvalues, now.rank
            norms[t], kappa[t], capacity[t] = measured.norm, measured.kappa, measured.capacity
            # A feature without an eigenspace has -1, which is the NaN at the end.
            values = np.array([*(space.value for space in now.eigenspaces), np.nan])
            level[t] = values[measured.eigenspace]
            level_mass[t] = _mass_near(measured, values[:-1], level[t])
            now = on_frame_side(features, now)
            masses = _against(features, reference, num_threads)
            if t:
                present = (norms[t - 1] > 0) & (norms[t] > 0)
                js[t - 1] = np.where(present, js_distance(masses_before, masses), np.nan)
                matches.append(match_eigenspaces(before, now))
                subspaces.append(top_subspaces(before, now))
            before, masses_before = now, masses
            if progress is not None:
                progress(t + 1, T)
        total = capacity.sum(axis=1)
        saturation = np.divide(total, rank, out=np.full(T, np.nan), where=rank > 0)
        fields = (
            at, eigenvalues, rank, norms, kappa, capacity, level, level_mass, saturation, js, tuple(matches),
            tuple(subspaces),
        )  # fmt: skip
        for name, value in zip(self.__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    def kappa_jumps(self, level: float = 0.01) -> Jumps:
        r"""Find the jumps of each feature's log kappa: increments that are not like its others.

        Each increment of :math:`\log \kappa` is compared with the mean and the scatter of the feature's other
        increments, and Student's t gives its p-value; from ten features on their variances are moderated by those of
        all features, and the increments of each step are divided by their scale over all features first. An increment
        is a jump where p times the number of increments of all features is at most `level`; where its p-value by the
        scatter of its own feature alone, times the number of that feature's increments, is; and where, among more than
        40 increments, it is beyond the tail of the deviations of all other features.

        Parameters
        ----------
        level : float
            Probability, in (0, 1), that noise alone makes any jump at all: Bonferroni over all increments.

        Returns
        -------
        Jumps

        Raises
        ------
        ParameterError
            If the level is not between 0 and 1.

        Notes
        -----
        The noise may be independent increments or independent values, of one scale or one per feature, a few features
        much noisier than the rest; its scale may change over training where there are ten features; its tails may be
        heavier than normal ones (at the level .01 noise with three degrees of freedom jumped in up to 3 % of simulated
        runs, 5 % among fewer than 40 increments; all other kinds in 1 to 2 %). Of fewer than ten features noise that
        shrinks to a tenth jumped in 6 %. The price is paid by short trajectories: of jumps of 12 standard deviations a
        quarter are found among 24 features at six checkpoints, 95 % of those of 30, and none at four.
        What is found is left out and the others are compared with the rest, until nothing is added. Increments to or
        from a zero feature are left out. With fewer than three increments none is a jump, nor where most features move
        at once: a step of noise looks the same.

        References
        ----------
        Smyth, Stat. Appl. Genet. Mol. Biol. 3 (2004), for moderated variances; Efron, J. Am. Stat. Assoc. 99 (2004),
        for scaling by the bulk of all scores.

        Examples
        --------
        >>> from featuregeom.trajectory import Trajectory
        >>> found = Trajectory([[[1.0]], [[1.1]], [[1.2]], [[3.0]], [[3.3]], [[3.6]]])
        >>> jumps = found.kappa_jumps()
        >>> jumps.checkpoint.tolist(), jumps.feature.tolist()
        ([3], [0])
        """
        level = number_between("the level of jumps", level, 0, 1)
        increments = np.diff(np.log(self.kappa), axis=0)
        jumped, sigmas = outlying(increments, level)
        return self._jumps(increments, sigmas, jumped)

    def level_jumps(self, factor: float = 1.1) -> Jumps:
        r"""Find the jumps of each feature's energy level: the features that change eigenspaces, or go along with one.

        A feature holds a level where two thirds of it are within a twentieth of it; between the levels that it holds
        one after the other, it changes where most of it does. With :math:`\ell_{ti}` the level that feature i holds at
        checkpoint t, it jumps where

        .. math:: \min(|\delta_{ti}|, |\delta_{ti} - \operatorname{med}_t \delta_{ti}|) > \log f, \qquad
            \delta_{ti} = \log \ell_{t+1,i} - \log \ell_{ti}

        Parameters
        ----------
        factor : float
            The factor f by which the level has to change, as it is and beyond its median drift; above 1.

        Returns
        -------
        Jumps
            With `sigmas` as in `kappa_jumps`.

        Raises
        ------
        ParameterError
            If the factor is not above 1.

        Notes
        -----
        A level rests for most of a run and then has no scatter to compare a jump with, so the factor decides. A feature
        that is spread over several levels holds none, and does not jump when the greater mass changes. Increments to or
        from a zero feature are left out, and with fewer than three others there is no drift to tell a jump from,
        and none is.

        References
        ----------
        arXiv:2602.02224, for the levels; the factor is featuregeom's own.

        Examples
        --------
        The third feature leaves the others for a dimension of its own:

        >>> from featuregeom.trajectory import Trajectory
        >>> before, after = [[2.0, 0.0], [1.9, 0.0], [1.0, 0.1]], [[2.0, 0.0], [1.9, 0.0], [0.1, 1.0]]
        >>> jumps = Trajectory([before, before, after, after]).level_jumps(2)
        >>> jumps.checkpoint.tolist(), jumps.feature.tolist()
        ([2], [2])
        """
        factor = number_between("the factor of jumps", factor, 1)
        increments = np.diff(np.log(held_levels(self.level, self.level_mass)), axis=0)
        known = np.isfinite(increments)
        moved = np.where(known.any(axis=0), increments, 0.0)
        off = moved - np.nanmedian(moved, axis=0)
        _, sigmas = outlying(increments, 0.01)
        enough = known.sum(axis=0) > 2
        least = np.minimum(np.abs(increments), np.abs(off))
        return self._jumps(increments, sigmas, enough & (least > np.log(factor)))

    def _jumps(self, increments: Floats, sigmas: Floats, jumped: NDArray[np.bool_]) -> Jumps:
        t, feature = np.nonzero(jumped)
        return Jumps(t + 1, self.steps[t + 1], feature, increments[t, feature], sigmas[t, feature])

    def to_frame(self) -> pd.DataFrame:
        """Give the features of all checkpoints as one long table.

        Returns
        -------
        DataFrame
            One row for each checkpoint and feature: `checkpoint`, `step`, `feature`, `norm`, `kappa`, `capacity`,
            `level`, and `js`, the distance from the checkpoint before (NaN at the first).
        """
        import pandas as pd

        T, n = self.kappa.shape
        js = np.vstack([np.full((1, n), np.nan), self.js])
        return pd.DataFrame(
            {
                "checkpoint": np.repeat(np.arange(T), n),
                "step": np.repeat(self.steps, n),
                "feature": np.tile(np.arange(n), T),
                "norm": self.norms.ravel(),
                "kappa": self.kappa.ravel(),
                "capacity": self.capacity.ravel(),
                "level": self.level.ravel(),
                "js": js.ravel(),
            }
        )


def _mass_near(measured: Measures, values: Floats, level: Floats) -> Floats:
    """Share of each feature's measure within a twentieth of its level; NaN where it has none."""
    masses = measured.masses
    assert masses is not None  # they were asked for
    known = np.isfinite(level)
    near = np.abs(np.log(values)[None, :] - np.log(np.where(known, level, 1.0))[:, None]) <= np.log(
        _ONE_LEVEL
    )
    total = masses.sum(axis=1)
    share = np.divide((masses * near).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    return np.where(known, share, np.nan)


def _read_steps(steps: ArrayLike | None, T: int) -> Floats:
    if steps is None:
        return np.arange(T, dtype=np.float64)
    try:
        at = np.array(off_graph(steps), dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"steps must be numbers, one per checkpoint, got {steps!r}") from None
    if at.shape != (T,):
        raise ShapeError(f"steps must be one number for each of {T} checkpoints, got shape {at.shape}")
    if not (np.isfinite(at).all() and (np.diff(at) > 0).all()):
        raise ParameterError("steps must be finite and increase: put the checkpoints in order of training")
    return at


def _read(checkpoints: Sequence[Any], t: int, shape: tuple[int, int] | None = None) -> Features:
    """Give one checkpoint, finite and of the wanted shape."""
    features = as_features(checkpoints[t], tensor=f"checkpoint {t}")
    found = (features.n, features.m)
    if shape is not None and found != shape:
        raise ShapeError(
            f"checkpoint {t} has shape {found}, the last one {shape}: a trajectory is of one matrix"
        )
    check_finite(features, f"checkpoint {t}")
    return features


def _against(features: Features, reference: Spectrum, num_threads: int | None) -> Floats:
    """Masses of the features over the eigenspaces of another checkpoint."""
    masses = measures(features, reference, num_threads=num_threads).masses
    assert masses is not None  # they were asked for
    return masses
