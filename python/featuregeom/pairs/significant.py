"""Which pairs of features are more than their spectral measures give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import integer, number_between
from featuregeom.devices import device_rows, gpu_for, on_gpu
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.pairs.approximate import Candidates, Listed, Recall, approximate_scores
from featuregeom.pairs.cross_fit import Scores, all_scores, coordinates_of, default_parts
from featuregeom.pairs.drawn import drawn_at_least, drawn_features
from featuregeom.pairs.few_dimensions import WIDER, worthwhile
from featuregeom.pairs.rejections import bound, harmonic, inflation_of, reject
from featuregeom.spectra import Spectrum
from featuregeom.spectra import spectrum as spectrum_of

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["SignificantPairs", "default_draws", "significant", "significant_and_nearest", "uses_index"]

_PAIRS = 1 << 19
"""Pairs that all draws together should have, in 1 to 4 draws: what `inflation` rests on."""

_INDEXED, _SPARE = 4096, 12
"""Features, and features for each dimension, from which an index is used where it is asked for. All pairs of fewer take
seconds; and where n is below 12 m, a pair moves the eigenspaces of all features enough to hide itself in part."""


@dataclass(frozen=True, eq=False)
class SignificantPairs:
    """Pairs of features beyond their spectral measures, the most significant first.

    Attributes
    ----------
    i, j : ndarray of int64, shape (n_pairs,)
        The features of each pair, ``i < j``.
    cosine : ndarray of float64, shape (n_pairs,)
        Its cosine: near 1 for copies, below 0 for antipodes.
    z : ndarray of float64, shape (n_pairs,)
        The cosine over the standard deviation that the spectral measures alone would give it.
    p : ndarray of float64, shape (n_pairs,)
        Bound of the two-sided p-value, after `inflation`.
    q : ndarray of float64, shape (n_pairs,)
        Smallest false discovery rate at which the pair is still found.
    n_total : int
        All pairs that are found at the rate asked for, listed here or not.
    n_positive, n_negative : int
        Those of `n_total` with a positive and with a negative cosine.
    complete : bool
        Whether all of them are listed. False where a feature has more than k of one sign: a large group of copies; and
        where candidates come from an index.
    threshold : float
        Every pair with abs(z) of at least this is found, and in few dimensions some below; infinity where none is.
    inflation : float
        How much larger z^2 is in features without structure than the formula says, as the eigenspaces are estimated;
        p-values are those of z over its root. 1 where no draw was made.
    n_features : int
        Nonzero features.
    n_parts, seed : int
        As they were given or chosen.
    n_draws : int
        Draws that were made: none where nothing would be found without them.
    recall : approximate.Recall or None
        Where candidates come from an index: how many pairs it finds, as measured on a sample. `n_total` then counts
        what was found. None where all pairs were looked at.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    cosine: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    n_total: int
    n_positive: int
    n_negative: int
    complete: bool
    threshold: float
    inflation: float
    n_features: int
    n_parts: int
    n_draws: int
    seed: int
    recall: Recall | None = None

    def to_frame(self) -> pd.DataFrame:
        """Give the pairs as a table, one row each."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in ("i", "j", "cosine", "z", "p", "q")})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(max_rows=20))

    def __repr__(self) -> str:
        listed = "" if len(self.i) == self.n_total else f", {len(self.i)} of them listed"
        return (
            f"SignificantPairs({self.n_total} of {self.n_features} features{listed}: {self.n_positive} positive, "
            f"{self.n_negative} negative; |z| >= {self.threshold:.3g}"
            f"{'' if self.recall is None else f'; by an index: {self.recall}'})"
        )


def significant(
    X: Any,
    q: float = 0.01,
    *,
    k: int = 16,
    n_parts: int | None = None,
    n_draws: int | None = None,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    approximate: bool = False,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> SignificantPairs:
    r"""Find the pairs of features that are more than their spectral measures give.

    If each feature kept its norm in every eigenspace of the frame operator and pointed anywhere inside it, a cosine
    would have mean 0 and variance

    .. math:: V_{ij} = \sum_k \frac{\mu_i(k) \mu_j(k)}{d_k}, \qquad z_{ij} = \frac{c_{ij}}{\sqrt{V_{ij}}}

    with :math:`\mu_i(k)` the share of the squared norm in eigenspace k and :math:`d_k` its dimension. A common
    direction, outlier dimensions and anisotropy are in the spectral measures, so they make no pair significant.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows. Of those on a CUDA device that are in one part (n >= 64 m), all pairs are looked at there.
    q : float
        False discovery rate: at most this share of the pairs found is expected to be chance; between 0 and 1.
    k : int
        Pairs of either sign to list of each feature.
    n_parts : int, optional
        The features are split into this many parts at random, and a pair is held against the eigenspaces of parts that
        it is not in. By default 16, of which 4 are left out at a time; 9, of which 3 are, where m > 1024; 4, of which 2
        are, where m > 2048; 3, of which 2 are, where n >= 12 m; 1, all features, where n >= 64 m.
    n_draws : int, optional
        Draws without structure (`null_model.spectrum_draws`) that go through the same steps, if anything is found
        without them. By default 4, fewer where fewer have 2^19 pairs: 1 above 1024 features. Where 2001 features or
        more are left out together, a draw has no others, and at most 4096. With 0 nothing corrects for the estimated
        eigenspaces.
    seed : int
        Of the split and the draws.
    spectrum : Spectrum, optional
        Spectrum of `X`; computed when not given.
    approximate : bool
        Whether the pairs to judge may come from an index of sign patterns, for so many features that all pairs take too
        long. What is listed is judged as exactly as without, by the number of all pairs, but some pairs are missed:
        `SignificantPairs.recall` says how many of what cosine. Up to 4096 features, and up to 12 for each dimension,
        are searched in full all the same. `k` and `n_parts` are of the full search.
    num_threads : int, optional
        Threads to use, by default ``RAYON_NUM_THREADS`` or all. The result does not depend on it.
    progress : callable, optional
        Called with pairs done and pairs in all, those of the draws too; where these are not needed they count as done.

    Returns
    -------
    SignificantPairs

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        As in `spectra.spectrum`.
    ParameterError
        If an argument is out of range.

    Notes
    -----
    Costs 2 n^2 m operations and for 16, 9, 4, 3 or 1 parts 20, 12, 6, 3 or no eigendecompositions and 10, 8, 6, 4 or
    2 n m^2 operations, most of the time where n is below some thousand; where anything is found, as much again for each
    draw of all features, and one eigendecomposition and 2 s^2 m operations for each of s <= 4096; memory O(n k + n m).
    Draws only ever take pairs away: none is made where no pair would be found anyway.

    With `approximate` 16 n^2 words of 64 signs are compared instead, 4 n m^2 operations find the spreads, and memory is
    O(n). A million features of 2304 dimensions take twenty times less than in full. Pairs that are no candidates count
    as not found, so the rate of false ones among those listed is at most what was asked for. Every pair is held against
    the eigenspaces of all features, itself included, which costs z a tenth where n is 12 m and nothing from 64 m on.

    A tensor on a CUDA device is worked on there, and from 250 000 features on, any others on a GPU that torch sees and
    that has room (8 GiB and 16 n m bytes): all pairs, whatever `approximate` says, in tiles of 4096 x 4096. Products
    are those of the core, float32 without TF32 (float64 where the features are), in another order of sums, so a pair
    may count in the next step of z^2 (1/8); what is listed is computed in float64. Draws and matrices of m x m numbers
    are made by the processor.

    In few dimensions every pair is also held against a bound of its own, from its shares of norm in all eigenspaces:
    by z alone, which is about :math:`\sqrt{m/3}` for exact copies among random directions, these are found from 96
    dimensions on (two pairs of 240 features), by their own bound from 64. In fewer they cannot be told from chance by
    their spectral measures; `dictionaries.families` finds copies by their cosine.

    What it does not find: a group of copies large enough to be an eigenspace of its own
    (`dictionaries.spectral_groups` does), and structure of more than two features that leaves every pair alone within
    its spread.

    References
    ----------
    Benjamini & Yekutieli, Ann. Statist. 29 (2001); Pinelis, Ann. Statist. 22 (1994), for the bound of p. The measure
    null is featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> X = np.random.default_rng(0).standard_normal((120, 128))
    >>> X[1] = X[0] + 0.1 * X[1]
    >>> found = fg.pairs.significant(X)
    >>> found.n_total, found.i.tolist(), found.j.tolist()
    (1, [0], [1])
    """
    if spectrum is None and on_gpu(X):
        spectrum = spectrum_of(X, num_threads=num_threads)
    found, _ = significant_and_nearest(
        as_features(X),
        q,
        k=k,
        n_parts=n_parts,
        n_draws=n_draws,
        seed=seed,
        spectrum=spectrum,
        approximate=approximate,
        num_threads=num_threads,
        progress=progress,
        nearest=False,
        device=device_rows(X).values.device if on_gpu(X) else None,
    )
    return found


def significant_and_nearest(
    features: Features,
    q: float = 0.01,
    *,
    k: int = 16,
    n_parts: int | None = None,
    n_draws: int | None = None,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    approximate: bool = False,
    num_threads: int | None = None,
    progress: Progress | None = None,
    nearest: bool = True,
    device: torch.device | None = None,
) -> tuple[SignificantPairs, NDArray[np.float64]]:
    """Find the significant pairs, and in the same pass the largest absolute cosine of every feature with another.

    Parameters
    ----------
    features : Features
        The features.
    q, k, n_parts, n_draws, seed, spectrum, approximate, num_threads, progress
        As in `significant`.
    nearest : bool
        Whether the largest cosines are asked for; an index does not tell them.
    device : torch.device, optional
        Where all pairs are looked at, and no index is needed; by default the processor, or a GPU where `gpu_for` finds
        one.

    Returns
    -------
    SignificantPairs
    ndarray of float64, shape (n,)
        NaN for zero features, where there is no other feature, and where they are not asked for or not known.
    """
    q = number_between("q", q, 0, 1)
    k, seed = integer("k", k, 1), integer("seed", seed, 0)
    if spectrum is None:
        spectrum = spectrum_of(features, num_threads=num_threads)
    squares = _core.squared_norms(features.values, num_threads=num_threads)
    n = int(np.count_nonzero(squares))
    dims = min(features.m, spectrum.rank) if spectrum.side == "gram" else features.m
    parts = default_parts(n, max(dims, 1)) if n_parts is None else integer("n_parts", n_parts, 1, max(n, 1))
    device = gpu_for(n=n, m=features.m) if device is None else device
    indexed = approximate and device is None and uses_index(n, dims)
    parts = 1 if indexed else parts
    draws = default_draws(n) if n_draws is None else integer("n_draws", n_draws, 0)
    largest = np.full(features.n, np.nan)
    if n < 2 or not spectrum.rank:
        return _nothing(n, parts, draws, seed), largest
    own = coordinates_of(features, spectrum, squares)
    drawn = drawn_features(n, own.spectrum.rank, parts)
    total = n * (n - 1) // 2
    advance = _advancing(progress, total + draws * drawn * (drawn - 1) // 2)
    # No pair is found above this p-value, whatever the others are: no list needs to hold it.
    least = _least_square(q / harmonic(total))
    alone = _least_square(q / (harmonic(total) * total))  # for a pair that is found alone
    sharpen = worthwhile(own.spectrum.rank, alone)
    least = min(least, alone / WIDER) if sharpen else least
    splits = [int(stream.generate_state(1)[0]) for stream in np.random.SeedSequence(seed).spawn(draws + 1)]
    scores: Scores | Candidates
    if indexed:
        sharper = alone / WIDER if sharpen else None
        scores = approximate_scores(
            own, q=q, seed=splits[0], least=least, sharpen=sharper, num_threads=num_threads, advance=advance
        )
    else:
        scores = all_scores(
            own,
            n_parts=parts,
            seed=splits[0],
            by_score=min(k, n - 1),
            by_cosine=int(nearest),
            least=least,
            sharpen=sharpen,
            num_threads=num_threads,
            advance=advance,
            device=device,
        )
    found = _judge(scores, None, q, own.index, parts, seed, 0)
    if draws and found.n_total:
        null = drawn_at_least(
            own,
            n_parts=parts,
            n_draws=draws,
            seed=seed,
            splits=splits[1:],
            by_score=min(k, n - 1),
            least=least,
            sharpen=sharpen,
            num_threads=num_threads,
            advance=advance,
            device=device,
        )
        found = _judge(scores, null, q, own.index, parts, seed, draws)
    else:
        advance(draws * drawn * (drawn - 1) // 2)
    if nearest and isinstance(
        scores, Scores
    ):  # of positive and of negative cosine; a feature that is orthogonal to all others has neither
        largest[own.index] = np.nan_to_num(np.abs(scores.cosines[:, -2:])).max(axis=1)
    return found, largest


def uses_index(n: int, m: int) -> bool:
    """Say whether `significant` looks for candidates among n features in m dimensions, where it may."""
    return n > max(_INDEXED, _SPARE * m)


def default_draws(n: int) -> int:
    """Give the number of draws for n features."""
    return min(max(-(-_PAIRS // max(n * (n - 1) // 2, 1)), 1), 4)


def _judge(
    scores: Scores | Candidates,
    null: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    q: float,
    index: NDArray[np.int64],
    n_parts: int,
    seed: int,
    n_draws: int,
) -> SignificantPairs:
    """Find the pairs to reject and list those that were kept."""
    above, below = (counts[::-1].cumsum()[::-1] for counts in (scores.above, scores.below))
    at_least = above + below
    inflation = 1.0 if null is None else inflation_of(null[1], scores.steps)
    found = reject(at_least, scores.steps, q, inflation, None if null is None else null[0])
    first = found.first
    any_found = first < len(at_least)
    low, high, cosine, z, step = (
        scores.listed(first) if isinstance(scores, Candidates) else _listed(scores, first, len(index))
    )
    squares = np.maximum(z**2, step / scores.steps)
    order = np.lexsort((high, low, -squares))
    n_positive, n_negative = (int(counts[first]) if any_found else 0 for counts in (above, below))
    return SignificantPairs(
        i=index[low[order]],
        j=index[high[order]],
        cosine=cosine[order],
        z=z[order],
        p=bound(squares[order], inflation),
        q=found.q[step[order]],
        n_total=n_positive + n_negative,
        n_positive=n_positive,
        n_negative=n_negative,
        complete=isinstance(scores, Scores) and len(z) == n_positive + n_negative,
        threshold=float(np.sqrt(first / scores.steps)) if any_found else float("inf"),
        inflation=inflation,
        n_features=len(index),
        n_parts=n_parts,
        n_draws=n_draws,
        seed=seed,
        recall=scores.recall(first) if isinstance(scores, Candidates) else None,
    )


def _listed(scores: Scores, first: int, n: int) -> Listed:
    """Give low, high, cosine, z and step of the pairs that the lists of neighbours hold from a step on, each once."""
    middle = len(scores.above)
    step = np.where(scores.bins >= middle, scores.bins - middle, middle - 1 - scores.bins)
    rows, slots = np.nonzero((scores.bins >= 0) & (step >= first))  # those that were kept by z
    others = scores.neighbours[rows, slots]
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    _, unique = np.unique(low * np.int64(n) + high, return_index=True)
    places = rows[unique], slots[unique]
    return low[unique], high[unique], scores.cosines[places], scores.scores[places], step[places]


def _nothing(n: int, n_parts: int, n_draws: int, seed: int) -> SignificantPairs:
    empty, none = np.empty(0), np.empty(0, np.int64)
    return SignificantPairs(
        none, none, empty, empty, empty, empty, 0, 0, 0, True, float("inf"), 1.0, n, n_parts, n_draws, seed
    )


def _least_square(p: float) -> float:
    """Give a z^2 whose bound of p is above this p-value, by no more than one unit."""
    squares = np.arange(0.0, 4096.0)
    return float(max(int(np.searchsorted(-bound(squares), -p)) - 1, 0))


def _advancing(progress: Progress | None, total: int) -> Any:
    done = 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    return advance
