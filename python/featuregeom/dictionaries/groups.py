"""Features that the spectrum itself gathers: those localised in one eigenspace beyond what this spectrum gives."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.dictionaries.mass_tail import mass_tail
from featuregeom.features import Features, as_features
from featuregeom.pairs.cross_fit import Coordinates, coordinates_of
from featuregeom.spectra import Measures, Spectrum, measures
from featuregeom.spectra import spectrum as spectrum_of
from featuregeom.spectra.decomposition import of_operator
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SpectralGroups", "benjamini_hochberg", "spectral_groups"]

_ROUNDING = 1e-9
"""Masses that differ by less are equal: features of one eigenspace have mass 1 up to this."""

_CHECKED = 2
"""Members of a group that are held against the eigenspaces of all other features."""

_CHECKS = 2e9
"""What these eigendecompositions may cost, in cubed dimensions: 35 of them in 384 dimensions, about a second."""

DRAWS = 20_000
"""Random features that are drawn unless told otherwise."""

_COUNTED = 100
"""Draws with at least the mass of a feature from which on they are counted, which errs by a tenth; what fewer have is
rare, and its chance is computed."""

_CHUNK = 1 << 22
"""Numbers that are drawn at a time: 32 MiB."""

_CACHED = 1 << 16
"""Numbers that are worked on at a time: 512 KiB, which stay in a core's own cache."""


@summarised
@dataclass(frozen=True, eq=False)
class SpectralGroups:
    """Features that are localised beyond their spectrum, by eigenspace.

    Attributes
    ----------
    eigenspace : ndarray of int64, shape (n,)
        Eigenspace of the largest mass of each feature; -1 for those that have none.
    max_mass : ndarray of float64, shape (n,)
        That mass.
    p : ndarray of float64, shape (n,)
        How often a feature of the spectrum null has a mass at least as large: counted among the draws, or, where fewer
        than a hundred do, computed (`mass_tail`).
    q : ndarray of float64, shape (n,)
        Smallest false discovery rate at which the feature counts as localised.
    localised : ndarray of bool, shape (n,)
        Whether it does at the rate asked for.
    members : tuple of ndarray of int64
        The groups, largest first: localised features of one eigenspace, by decreasing mass.
    null_mean : float
        Mean of the largest mass in the spectrum null.
    saturation_null : float
        Saturation in the spectrum null.
    dims : ndarray of int64
        Dimension of each eigenspace.
    """

    eigenspace: NDArray[np.int64]
    max_mass: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    localised: NDArray[np.bool_]
    members: tuple[NDArray[np.int64], ...]
    null_mean: float
    saturation_null: float
    dims: NDArray[np.int64]

    def to_frame(self, labels: Any = None) -> pd.DataFrame:
        """Give the groups as a table, one row each.

        Parameters
        ----------
        labels : sequence, optional
            A name for each feature; members are then named instead of numbered.

        Returns
        -------
        DataFrame
            ``group, eigenspace, dim, size, share, q, members``: share is the mean share of the members' squared norm in
            the eigenspace, q the largest of theirs.
        """
        import pandas as pd

        names = None if labels is None else list(labels)
        rows = [
            {
                "group": group,
                "eigenspace": int(self.eigenspace[members[0]]),
                "dim": int(self.dims[self.eigenspace[members[0]]]),
                "size": len(members),
                "share": float(self.max_mass[members].mean()),
                "q": float(self.q[members].max()),
                "members": members.tolist() if names is None else [names[member] for member in members],
            }
            for group, members in enumerate(self.members)
        ]
        return pd.DataFrame(rows, columns=["group", "eigenspace", "dim", "size", "share", "q", "members"])


def spectral_groups(
    X: Any,
    q: float = 0.01,
    *,
    least: int = 2,
    n_draws: int = DRAWS,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    measured: Measures | None = None,
    tolerance: float | None = None,
    num_threads: int | None = None,
) -> SpectralGroups:
    r"""Find the features that are localised in one eigenspace beyond what their spectrum gives, by eigenspace.

    In the spectrum null (`null_model.spectrum_draws`) the masses of one feature are those of a normal vector g with the
    eigenvalues as variances, so its largest mass needs no random matrix:

    .. math:: \max_k \frac{\sum_{l \in k} \lambda_l g_l^2}{\sum_l \lambda_l g_l^2}, \qquad g_l \sim N(0, 1)

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    q : float
        False discovery rate among the localised features, between 0 and 1.
    least : int
        Members of the smallest group that is listed.
    n_draws : int
        Random features to draw.
    seed : int
        Seed of the draws.
    spectrum, measured : Spectrum, Measures, optional
        Of `X`; computed when not given.
    tolerance, num_threads
        As in `spectra.spectrum`.

    Returns
    -------
    SpectralGroups

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `spectra.measures`; for an argument out of range.

    Notes
    -----
    Costs what `spectra.measures` costs and n_draws m normal numbers. False discovery rate by Benjamini and Hochberg.

    What it does not show: features of one large group may be copies, antipodes or a shape in a space of several
    dimensions; and where there is only one eigenspace, every feature is in it and nothing is beyond the spectrum.

    References
    ----------
    Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995); the null is featuregeom's own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.direct_sum(*(size * fg.shapes.simplex(4) for size in (1.0, 1.5, 2.0)))
    >>> fg.dictionaries.spectral_groups(X).to_frame()[["group", "eigenspace", "size"]].values.tolist()
    [[0, 0, 4], [1, 1, 4], [2, 2, 4]]
    """
    features = as_features(X)
    q, least = number_between("q", q, 0, 1), integer("least", least, 1)
    seed, n_draws = integer("seed", seed, 0), integer("n_draws", n_draws, 1)
    if spectrum is None:
        spectrum = spectrum_of(features, tolerance=tolerance, num_threads=num_threads)
    if measured is None:
        measured = measures(features, spectrum, masses=False, num_threads=num_threads)
    known = np.flatnonzero(measured.eigenspace >= 0)
    dims = np.diff(spectrum.starts)
    p, rates = np.full(features.n, np.nan), np.full(features.n, np.nan)
    null_mean = saturation = float("nan")
    if known.size:
        masses = measured.max_mass[known]
        random = np.random.default_rng(seed)
        null, saturation = _null(spectrum, len(masses), n_draws, random, num_threads)
        null_mean = float(null.mean())
        p[known] = _chance(spectrum, null, masses)
        rates[known] = benjamini_hochberg(p[known])
    localised = np.nan_to_num(rates, nan=1.0) <= q
    return SpectralGroups(
        eigenspace=measured.eigenspace,
        max_mass=measured.max_mass,
        p=p,
        q=rates,
        localised=localised,
        members=_groups(measured, localised, least),
        null_mean=null_mean,
        saturation_null=saturation,
        dims=dims,
    )


def _chance(
    spectrum: Spectrum, null: NDArray[np.float64], masses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the p-value of each mass from the draws, which are ascending, or where too few reach it from the formula."""
    counts = len(null) - np.searchsorted(null, masses * (1 - _ROUNDING))
    p = (1 + counts) / (1 + len(null))
    rare = counts < _COUNTED
    p[rare] = np.minimum(
        mass_tail(spectrum, masses[rare] * (1 - _ROUNDING)), (1 + _COUNTED) / (1 + len(null))
    )
    return np.asarray(p)


def _null(
    spectrum: Spectrum, n: int, n_draws: int, random: np.random.Generator, num_threads: int | None
) -> tuple[NDArray[np.float64], float]:
    """Largest masses of random features, ascending, and the saturation of n of them."""
    values, starts = spectrum.retained / spectrum.retained[0], spectrum.starts
    found = []
    capacity = 0.0
    rows = max(_CACHED // spectrum.rank, 1)
    for normal, rest in _drawn(n, spectrum.rank, n_draws, random, num_threads):
        for first in range(0, len(normal), rows):
            squares = normal[first : first + rows]
            squares *= squares
            length = squares.sum(axis=1) + rest[first : first + rows]
            squares *= values
            norm = squares.sum(axis=1)
            capacity += float((norm**2 / (squares @ values) / length).sum())
            if len(starts) <= spectrum.rank:
                squares = np.add.reduceat(squares, starts[:-1], axis=1)
            found.append(squares.max(axis=1) / norm)
    return np.sort(np.concatenate(found)), n * capacity / n_draws / spectrum.rank


def _drawn(
    n: int, rank: int, n_draws: int, random: np.random.Generator, num_threads: int | None
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Draw normal vectors by chunks, and what squares of n - rank more numbers add up to.

    With more than one thread the next chunk is drawn while the last is worked on: half of the time is drawing.
    """

    def draw(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        normal = random.standard_normal((count, rank))
        # A row of Q is the first r coordinates of a random point of the sphere in n dimensions.
        return normal, random.chisquare(n - rank, count) if n > rank else np.zeros(count)

    first, *others = _chunks(n_draws, max(_CHUNK // rank, 1))
    if num_threads == 1 or not others:
        yield from map(draw, [first, *others])
        return
    with ThreadPoolExecutor(1) as ahead:
        try:
            next_one = ahead.submit(draw, first)
        except RuntimeError as error:
            raise MemoryError(f"{error}: its stack has no room") from error
        for count in others:
            made = next_one.result()
            next_one = ahead.submit(draw, count)
            yield made
        yield next_one.result()


def _chunks(total: int, size: int) -> list[int]:
    return [size] * (total // size) + ([total % size] if total % size else [])


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest false discovery rate at which each is found."""
    order = np.argsort(p, kind="stable")
    rates = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty_like(p)
    found[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1.0)
    return found


def _groups(measured: Measures, localised: NDArray[np.bool_], least: int) -> tuple[NDArray[np.int64], ...]:
    index = np.flatnonzero(localised)
    spaces = measured.eigenspace[index]
    order = np.lexsort((index, -measured.max_mass[index], spaces))
    index, spaces = index[order], spaces[order]
    groups = np.split(index, np.flatnonzero(np.diff(spaces)) + 1) if index.size else []
    kept = [group for group in groups if len(group) >= least]
    return tuple(sorted(kept, key=lambda group: (-len(group), measured.eigenspace[group[0]])))


def most_tries(n: int, m: int) -> int:
    """Give the most eigendecompositions that `without_themselves` makes of n features in m dimensions."""
    groups = min(m, n // 2)  # of two features and more, in an eigenspace of their own
    return min(max(8, int(_CHECKS / m**3)), _CHECKED * groups)


def draws_of_a_try(q: float) -> int:
    """Give the random features that each of them is followed by: twenty above the level, where chance alone decides."""
    return int(20 / q)


def without_themselves(
    features: Features,
    spectrum: Spectrum,
    groups: SpectralGroups,
    q: float,
    seed: int,
    num_threads: int | None,
) -> tuple[NDArray[np.int64], ...]:
    """Give the groups whose members are localised in eigenspaces of the other features too.

    Two members of each group are tried, until 8 or more eigendecompositions are done.

    Parameters
    ----------
    features, spectrum, groups : Features, Spectrum, SpectralGroups
        The features, their spectrum and groups.
    q : float
        Level of each try.
    seed : int
        Of the draws.
    num_threads : int or None
        Threads to use.

    Returns
    -------
    tuple of ndarray of int64
    """
    if not groups.members:
        return ()
    norms = _core.squared_norms(features.values, num_threads=num_threads)
    own = coordinates_of(features, spectrum, norms)
    F = _core.frame_operator(own.features.values, num_threads=num_threads)
    place = np.full(features.n, -1)
    place[own.index] = np.arange(len(own.index))
    tries = most_tries(features.n, own.features.m) // _CHECKED
    random = np.random.default_rng(seed)
    kept = []
    for members in groups.members[:tries]:
        tried = place[random.choice(members, min(_CHECKED, len(members)), replace=False)]
        if all(_localised_elsewhere(own, F, member, norms, q, seed, num_threads) for member in tried):
            kept.append(members)
    return tuple(kept)


def _localised_elsewhere(
    own: Coordinates,
    F: NDArray[np.float64],
    member: int,
    norms: NDArray[np.float64],
    q: float,
    seed: int,
    num_threads: int | None,
) -> bool:
    """Whether a feature is localised in the eigenspaces of all others."""
    one = own.features.take(np.array([member]))
    w = one.widened(np.array([0]))[0]
    others = of_operator(
        F - np.outer(w, w),
        (own.features.n, own.features.m),
        float(norms.max()),
        own.epsilon,
        side="frame",
        num_threads=num_threads,
    )
    if not others.rank:
        return False
    masses = measures(one, others, num_threads=num_threads).masses
    assert masses is not None
    draws = draws_of_a_try(q)
    null, _ = _null(
        others, max(own.features.n - 1, others.rank), draws, np.random.default_rng(seed), num_threads
    )
    return bool(np.count_nonzero(null >= masses.max() * (1 - _ROUNDING)) < q * draws)
