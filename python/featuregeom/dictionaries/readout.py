"""How well an encoder reads what its decoder writes: cross-talk beside its floor, opposite and related latents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import choice, number_between
from featuregeom.dictionaries.one_to_one import checked, unit
from featuregeom.errors import ShapeError
from featuregeom.features import Features
from featuregeom.interruptible import matmul
from featuregeom.pairs import SignificantPairs, significant
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Antipodes", "Kind", "Readout", "RelatedLatents", "antipodes", "readout", "related_latents"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

Kind = Literal["copies", "splits", "opposites", "opposite writers"]
"""What two related latents are, see `related_latents`."""

_TILE = 1 << 22
"""Numbers of a tile of products, and of rows that are widened at a time: 32 MiB."""

_UNREAD = 1e-12
"""Absolute cosine of encoder and decoder up to which a latent does not read itself: rounding of float64."""


@summarised
@dataclass(frozen=True, eq=False)
class Readout:
    r"""Cross-talk of an encoder and a decoder, scaled so that each latent reads itself with 1.

    Attributes
    ----------
    mean_square : float
        Mean of :math:`R_{ij}^2` over all pairs i != j of latents that read themselves; NaN for fewer than two.
    floor : float
        What no encoder and decoder of this size get below, max(0, (n - m) / (m (n - 1))).
    per_feature : ndarray of float64, shape (n,)
        Mean of :math:`R_{ji}^2` over the others j: how strongly what the latent writes is read by the others.
    disturbed : ndarray of float64, shape (n,)
        Mean of :math:`R_{ij}^2` over the others j: how strongly its own readout hears them.
    cosine : ndarray of float64, shape (n,)
        :math:`\cos(e_i, w_i)`; NaN where either is zero.
    n : int
        Latents that read themselves; of the others the first two are NaN.
    """

    mean_square: float
    floor: float
    per_feature: Floats
    disturbed: Floats
    cosine: Floats
    n: int


@summarised
@dataclass(frozen=True, eq=False)
class Antipodes:
    """The most opposite partner of each latent.

    Attributes
    ----------
    score : ndarray of float64, shape (n,)
        Product of the cosines of encoders and of decoders with the partner, both negative: 1 for an exact antipode, 0
        where no other latent is opposite in both.
    partner : ndarray of int64, shape (n,)
        The partner; -1 where the score is 0.
    """

    score: Floats
    partner: Indices


@dataclass(frozen=True, eq=False)
class RelatedLatents:
    """Pairs of latents whose decoders are more alike, or more opposite, than their spectral measures give.

    Attributes
    ----------
    i, j : ndarray of int64, shape (n_pairs,)
        The latents, ``i < j``; by increasing q.
    cosine_decoder, cosine_encoder : ndarray of float64, shape (n_pairs,)
        Cosines.
    q : ndarray of float64, shape (n_pairs,)
        Smallest false discovery rate at which the decoders are found.
    kind : ndarray of str, shape (n_pairs,)
        One of `Kind`.
    level : float
        False discovery rate that was asked for, on either side.
    """

    i: Indices
    j: Indices
    cosine_decoder: Floats
    cosine_encoder: Floats
    q: Floats
    kind: NDArray[np.str_]
    level: float

    def count(self, kind: Kind) -> int:
        """Pairs of one kind."""
        choice("kind", kind, get_args(Kind))
        return int(np.count_nonzero(self.kind == kind))

    def to_frame(self) -> pd.DataFrame:
        """Give the pairs as a table, one row each."""
        import pandas as pd

        names = ("i", "j", "kind", "cosine_decoder", "cosine_encoder", "q")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(max_rows=20))

    def __repr__(self) -> str:
        kinds, counts = np.unique(self.kind, return_counts=True)
        told = ", ".join(f"{count} {kind}" for kind, count in zip(kinds, counts, strict=True))
        return f"RelatedLatents({told or 'none'}; false discovery rate {self.level:g})"


def readout(E: Any, W: Any, *, num_threads: int | None = None) -> Readout:
    r"""Measure how much of what each latent writes is read by the others.

    With encoder rows :math:`e_i` and decoder rows :math:`w_j` the cross-talk is
    :math:`R_{ij} = e_i \cdot w_j / e_i \cdot w_i`. Its mean square off the diagonal is

    .. math:: \frac{\operatorname{tr}(F_E F_W) - n}{n (n - 1)} \;\ge\; \frac{\max(0, n - m)}{m (n - 1)}

    with the frame operators of the scaled encoder rows and of the decoder rows, so R is never formed. The bound is
    reached exactly where encoder and decoder are one tight frame of equal norms.

    Parameters
    ----------
    E : array-like, shape (n, m)
        Encoder, one latent per row. (SAELens stores its transpose.)
    W : array-like, shape (n, m)
        Decoder, one latent per row.
    num_threads : int, optional
        Threads to use, by default ``RAYON_NUM_THREADS`` or all.

    Returns
    -------
    Readout

    Raises
    ------
    ShapeError
        If the shapes differ, or all rows are zero.
    DtypeError, NonFiniteError
        As in `features.as_features`; for NaN with the matrix and the row.
    ParameterError
        If a nonzero row is so short that its square is lost (a norm below 1e-140).

    Notes
    -----
    Costs 4 n m (m + 1) operations and O(m^2 + n) memory. Neither biases nor thresholds enter: it is about directions. A
    latent that hardly reads itself (a dead one, say) hears all others loudly, so a mean may be that of a few latents:
    look at the median of `disturbed`, too.

    References
    ----------
    Welch, IEEE Trans. Inf. Theory 20 (1974), for the floor; the trace of R is at most the root of its rank times its
    norm.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.simplex(4)
    >>> found = fg.dictionaries.readout(X, X)
    >>> round(found.mean_square, 12) == round(found.floor, 12) == round(1 / 9, 12)
    True
    """
    encoder, decoder = _both(E, W, num_threads)
    for side in (encoder, decoder):
        _core.squared_norms(side.values, num_threads=num_threads)  # refuses rows that have no square
    n, m = encoder.n, encoder.m
    own, cosine = _own(encoder, decoder)
    reads = np.abs(np.nan_to_num(cosine)) > _UNREAD
    count = int(np.count_nonzero(reads))
    scale = np.divide(1.0, own, out=np.zeros(n), where=reads)
    F_E, F_W = np.zeros((m, m)), np.zeros((m, m))
    for rows, (e, w) in _tiles(encoder, decoder):
        e *= scale[rows, None]
        w *= reads[rows, None]
        F_E += matmul(e.T, e)
        F_W += matmul(w.T, w)
    others = max(count - 1, 0)
    per_feature, disturbed = np.full(n, np.nan), np.full(n, np.nan)
    if others:
        for rows, (e, w) in _tiles(encoder, decoder):
            e *= scale[rows, None]
            per_feature[rows] = (np.einsum("ia,ia->i", matmul(w, F_E), w) - 1) / others
            disturbed[rows] = (np.einsum("ia,ia->i", matmul(e, F_W), e) - 1) / others
        per_feature[~reads] = disturbed[~reads] = np.nan
    total = float(np.einsum("ab,ab->", F_E, F_W))
    return Readout(
        mean_square=(total - count) / (count * others) if others else float("nan"),
        floor=max(0.0, (count - m) / (m * others)) if others else float("nan"),
        per_feature=np.maximum(per_feature, 0.0),
        disturbed=np.maximum(disturbed, 0.0),
        cosine=cosine,
        n=count,
    )


def antipodes(E: Any, W: Any, *, num_threads: int | None = None) -> Antipodes:
    r"""Find the most opposite partner of each latent, :math:`\max_j \cos(e_i, e_j) \cos(w_i, w_j)`, both negative.

    Two latents that read and write opposite directions share one axis: dense ones often come so.

    Parameters
    ----------
    E, W : array-like, shape (n, m)
        Encoder and decoder, one latent per row.
    num_threads : int, optional
        Threads to use for norms; the products are NumPy's.

    Returns
    -------
    Antipodes

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        As in `readout`.

    Notes
    -----
    Costs 4 n^2 m operations in float32 (NumPy's products) and 64 MiB. A score has no level: which pairs are more than
    chance, `related_latents` says.

    References
    ----------
    arXiv:2506.15679 (dense latents come in antipodal pairs).

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = [[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]
    >>> found = fg.dictionaries.antipodes(X, X)
    >>> found.score.round(6).tolist(), found.partner.tolist()
    ([1.0, 1.0, 0.0], [1, 0, -1])
    """
    encoder, decoder = _both(E, W, num_threads)
    sides = [np.empty((each.n, each.m), np.float32) for each in (encoder, decoder)]
    for rows, pair in _tiles(encoder, decoder):
        for side, values in zip(sides, pair, strict=True):
            side[rows] = unit(values)
    n = encoder.n
    score, partner = np.zeros(n), np.full(n, -1)
    step = max(1, _TILE // n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        both = [np.minimum(matmul(side[rows], side.T), 0.0) for side in sides]
        product = both[0] * both[1]
        best = product.argmax(axis=1)
        score[rows] = np.minimum(product[np.arange(len(best)), best], 1.0)
        partner[rows] = np.where(score[rows] > 0, best, -1)
    return Antipodes(score, partner)


def related_latents(
    E: Any,
    W: Any,
    q: float = 0.01,
    *,
    seed: int = 0,
    written: SignificantPairs | None = None,
    num_threads: int | None = None,
) -> RelatedLatents:
    """Find copies, splits and opposites among latents, with a false discovery rate.

    Both the decoder and the encoder are searched for pairs beyond their spectral measures (`pairs.significant`), each
    at the rate `q`. A pair of decoders that are alike is

    - "copies" where the encoders are alike, too: the two latents fire together and write the same;
    - "splits" where they are not: one direction is written, and something else decides between the two;

    a pair of decoders that are opposite is "opposites" where the encoders are opposite, too, else "opposite writers".

    Parameters
    ----------
    E, W : array-like, shape (n, m)
        Encoder and decoder, one latent per row.
    q : float
        False discovery rate on either side, between 0 and 1.
    seed, num_threads
        As in `pairs.significant`.
    written : SignificantPairs, optional
        Those of `W` at the rate `q`; computed when not given.

    Returns
    -------
    RelatedLatents

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in `readout` and `pairs.significant`.

    Notes
    -----
    Costs `pairs.significant` twice. The rate is that of pairs of decoders. That encoders are *not* found alike may be
    for want of power: a split is a statement about what was found, not a proof that the two never fire together.

    References
    ----------
    arXiv:2409.14507 for feature splitting; the tests are featuregeom's own.

    Examples
    --------
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> W = np.random.default_rng(0).standard_normal((120, 128))
    >>> E = np.random.default_rng(1).standard_normal((120, 128))
    >>> W[1], W[3], E[3] = W[0], -W[2], -E[2]
    >>> fg.dictionaries.related_latents(E, W).to_frame()[["i", "j", "kind"]].sort_values("i").values.tolist()
    [[0, 1, 'splits'], [2, 3, 'opposites']]
    """
    encoder, decoder = _both(E, W, num_threads)
    q = number_between("q", q, 0, 1)
    if written is None:
        written = significant(decoder, q, seed=seed, num_threads=num_threads)
    read = significant(encoder, q, seed=seed, num_threads=num_threads)
    n = np.int64(encoder.n)
    signs = {int(key): bool(sign > 0) for key, sign in zip(read.i * n + read.j, read.cosine, strict=True)}
    kinds: list[Kind] = []
    for key, cosine in zip(written.i * n + written.j, written.cosine, strict=True):
        also = signs.get(int(key))
        if cosine > 0:
            kinds.append("copies" if also is True else "splits")
        else:
            kinds.append("opposites" if also is False else "opposite writers")
    return RelatedLatents(
        i=written.i,
        j=written.j,
        cosine_decoder=written.cosine,
        cosine_encoder=_core.listed_cosines(
            encoder.values, encoder.values, written.i, written.j, num_threads=num_threads
        ),
        q=written.q,
        kind=np.array(kinds, dtype=np.str_),
        level=q,
    )


def _both(E: Any, W: Any, num_threads: int | None) -> tuple[Features, Features]:
    encoder, decoder = checked(E, "E", num_threads), checked(W, "W", num_threads)
    if (encoder.n, encoder.m) != (decoder.n, decoder.m):
        hint = ""
        if (encoder.n, encoder.m) == (decoder.m, decoder.n):
            hint = ": one of them lists latents along its columns, pass its transpose"
        raise ShapeError(
            f"E has shape {(encoder.n, encoder.m)}, W {(decoder.n, decoder.m)}: each needs one row per latent{hint}"
        )
    return encoder, decoder


def _tiles(E: Features, W: Features) -> Iterator[tuple[slice, tuple[Floats, Floats]]]:
    step = max(1, _TILE // E.m)
    for start in range(0, E.n, step):
        rows = slice(start, min(start + step, E.n))
        index = np.arange(rows.start, rows.stop)
        yield rows, (E.widened(index), W.widened(index))


def _own(encoder: Features, decoder: Features) -> tuple[Floats, Floats]:
    """Inner product and cosine of each latent's encoder and decoder."""
    own, cosine = np.zeros(encoder.n), np.full(encoder.n, np.nan)
    for rows, (e, w) in _tiles(encoder, decoder):
        own[rows] = np.einsum("ia,ia->i", e, w)
        held = e.any(axis=1) & w.any(axis=1)
        cosine[rows] = np.where(held, np.einsum("ia,ia->i", unit(e), unit(w)), np.nan)
    return own, cosine
