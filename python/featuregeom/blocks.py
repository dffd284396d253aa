"""Blocks of features: the summands into which a set of features falls apart, and what each one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, interruptible, spectra
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames import tightness
from featuregeom.naming import Name, name_geometries, name_geometry
from featuregeom.pairs import NO_GAP, sweep
from featuregeom.recognise import policy
from featuregeom.recognise.detection import Detection
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GRAM_LIMIT",
    "TIGHT",
    "Block",
    "Decomposition",
    "decompose",
    "describe_block",
    "describe_blocks",
    "groups",
]
__dir__ = __all__.copy

GRAM_LIMIT = 512
"""Most features of a block whose Gram matrix is formed (2 MiB of float64) to find its geometry's name."""

TIGHT = 0.05
"""Tightness residual and relative spread of norms up to which a block counts as tight with equal norms. A capacity
D_i then differs from d / n by about as much, relatively, at most."""


_SMALL = 1e-60
"""Blocks without an entry above this are scaled up before their spectrum is taken: powers of norms below
1e-71 leave float64."""

_TOGETHER = 2**22
"""Entries of the features of small blocks that are described together: 32 MiB."""

_TILE = 1024
"""Side of a tile of couplings between blocks, in features: 8 MiB of float64."""


@summarised
@dataclass(frozen=True, eq=False)
class Block:
    """One block of features.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Its features; in an order that shows the relations where the Gram matrix was formed.
    dim : int
        Its dimension: that of the geometry where it has a name, else its rank.
    gram_values : int or None
        Number of distinct cosines between its features: their levels, clusters narrower than the gaps beside them;
        those of its geometry where noise blurs them. None where the cosines are a continuum, and above `GRAM_LIMIT`
        features.
    tightness : float
        Tightness residual of its own frame operator over its `dim` leading eigenvalues: 0 when tight.
    geometry : str
        Name of the geometry; empty when it has none.
    reason : str
        Why it has no name.
    residual : float
        Largest deviation of a cosine from the ideal one; NaN without a name.
    gram : ndarray of float64, shape (n, n), or None
        Its Gram matrix, features in the order of `index`; None above `GRAM_LIMIT` features.
    scheme : Detection or None
        Its association scheme, where it has one; its features are `index` in increasing order.
    bounds : (float, float)
        Its own frame bounds, the least and the largest of its `dim` leading eigenvalues.
    norm_spread : float
        Largest over least norm of its features, less 1.

    References
    ----------
    arXiv:2602.02224 for the capacity of tight blocks, d / n; the names are those of `featuregeom.schemes`.
    """

    index: NDArray[np.int64]
    dim: int
    gram_values: int | None
    tightness: float
    geometry: str
    reason: str
    residual: float
    gram: NDArray[np.float64] | None
    scheme: Detection | None = None
    bounds: tuple[float, float] = (math.nan, math.nan)
    norm_spread: float = math.nan

    @property
    def capacity(self) -> float:
        """The certificate d / n: capacity of every feature of a tight block with equal norms.

        NaN unless both `tightness` and `norm_spread` are at most `TIGHT`, for then no one number is the capacity of
        its features.
        """
        certified = self.tightness <= TIGHT and self.norm_spread <= TIGHT
        return self.dim / len(self.index) if certified else math.nan


@summarised
@dataclass(frozen=True, eq=False)
class Decomposition:
    """A set of features as an orthogonal sum of blocks.

    Attributes
    ----------
    blocks : tuple of Block
        In the order of their first features.
    labels : ndarray of int64, shape (n,)
        Block of each feature; -1 for zero features.
    threshold : float
        Couplings below it do not connect; given or chosen.
    gap : bool or None
        Whether a chosen threshold lies in a gap of the couplings, see `pairs.Pairs`; None where it was given.
    ladder : tuple of (float, int)
        Thresholds with the number of blocks at each, largest threshold first.
    dropped : ndarray of float64, shape (n_blocks,)
        Largest coupling ``|M_ij| / max(N_i, N_j)`` of each block with a feature outside it: what calling the blocks
        orthogonal leaves out. 0 for a single block.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), "tegum products".
    """

    blocks: tuple[Block, ...]
    labels: NDArray[np.int64]
    threshold: float
    gap: bool | None
    ladder: tuple[tuple[float, int], ...]
    dropped: NDArray[np.float64]

    @property
    def advice(self) -> str:
        """What to do where no gap was found; empty where one was, or a threshold was given."""
        return NO_GAP if self.gap is False else ""

    @property
    def largest_dropped(self) -> float:
        """The largest coupling between two blocks; below `threshold`."""
        return float(self.dropped.max(initial=0.0))

    def to_frame(self) -> pd.DataFrame:
        """Give the table of blocks, one row each."""
        import pandas as pd

        names = ("dim", "gram_values", "tightness", "capacity", "geometry", "reason", "residual")
        rows = [
            {"n": len(block.index)}
            | {name: getattr(block, name) for name in names}
            | {"lower": block.bounds[0], "upper": block.bounds[1], "dropped": float(dropped)}
            for block, dropped in zip(self.blocks, self.dropped, strict=True)
        ]
        return pd.DataFrame(rows, columns=["n", *names, "lower", "upper", "dropped"])


def decompose(X: Any, *, threshold: float | None = None, num_threads: int | None = None) -> Decomposition:
    r"""Split features into blocks that are (nearly) orthogonal to each other, and say what each block is.

    Blocks are the connected components of the graph whose edges are the pairs with a coupling

    .. math:: |M_{ij}| / \max(N_i, N_j) \ge \vartheta.

    Couplings below the threshold are left out, and `Decomposition.dropped` has the largest of each block.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    threshold : float, optional
        Couplings ``|M_ij| / max(N_i, N_j)`` below it do not connect; by default chosen, see
        :func:`featuregeom.pairs.sweep`.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    Decomposition

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        As in :func:`featuregeom.pairs.sweep`.

    Notes
    -----
    Costs one sweep and, where there are several blocks, the couplings between them once more: n (n - 1) m operations
    each. A block of b features costs b^2 m. The n x n Gram matrix is never formed. Features are real.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), "tegum products"; the choice of the threshold is featuregeom's
    own.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.direct_sum(fg.shapes.polygon(5), 2 * fg.shapes.simplex(4), fg.shapes.simplex(2))
    >>> [block.geometry for block in fg.blocks.decompose(X).blocks]
    ['pentagon', 'tetrahedron', 'digon']
    """
    features = as_features(X)
    swept = sweep(features, threshold=threshold, num_threads=num_threads)
    whole = spectra.spectrum(features, num_threads=num_threads) if swept.n_blocks == 1 else None
    members = groups(swept.blocks, swept.n_blocks)
    blocks = describe_blocks(features, members, whole=whole, num_threads=num_threads)
    dropped = _dropped(features, swept.blocks, swept.n_blocks)
    return Decomposition(blocks, swept.blocks, swept.threshold, swept.gap, swept.ladder, dropped)


def groups(labels: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    r"""List the features of each block: :math:`B_k = \{i : l_i = k\}`.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Block of each feature, -1 for none.
    count : int
        Number of blocks.

    Returns
    -------
    list of ndarray of int64
        Increasing indices, one array a block.

    Raises
    ------
    ShapeError, ParameterError
        If `labels` is not one list of integers, or one is `count` or more.

    References
    ----------
    featuregeom's own bookkeeping of `pairs.sweep`.

    Examples
    --------
    >>> import numpy as np
    >>> from featuregeom.blocks import groups
    >>> [part.tolist() for part in groups(np.array([0, 1, -1, 0]), 2)]
    [[0, 3], [1]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ShapeError(f"labels must be one list of integers, got {labels.dtype} of shape {labels.shape}")
    if labels.max(initial=-1) >= count:
        raise ParameterError(f"labels must be below the {count} blocks, got {labels.max()}")
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(count + 1)))[1:-1] if count else []


def describe_block(
    X: Any, index: NDArray[np.int64], *, whole: spectra.Spectrum | None = None, num_threads: int | None = None
) -> Block:
    r"""Say what one block is: its dimension, tightness, frame bounds and, where it has one, its geometry's name.

    The block's own frame operator is :math:`F_B = \sum_{i \in B} w_i^\top w_i`; the name comes from the cosines
    :math:`M_{ij} / \sqrt{N_i N_j}` within the block.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    index : ndarray of int64
        The nonzero features that form the block.
    whole : Spectrum, optional
        Spectrum of the block, where it is known because all nonzero features are in it.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    Block

    Raises
    ------
    ShapeError, ParameterError
        If `index` is not one list of integers, is empty, lies outside the features or names one twice, or if it names
        a zero feature, which belongs to no block.
    NonFiniteError
        If the block holds NaN or infinity.

    References
    ----------
    arXiv:2602.02224 for the frames of eigenspaces; the names are those of `featuregeom.naming`.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.simplex(2))
    >>> fg.blocks.describe_block(X, [5, 6]).geometry
    'digon'
    """
    features = as_features(X)
    index = _checked(index, features)
    if len(index) > GRAM_LIMIT:
        found = whole or _spectrum(features, index, num_threads)
        reason = f"{len(index)} features: names are looked for up to {GRAM_LIMIT}"
        squares = _core.squared_norms(features.values[index], num_threads=num_threads)
        retained = found.retained
        return Block(
            index=index,
            dim=found.rank,
            gram_values=None,
            tightness=tightness(retained),
            geometry="",
            reason=reason,
            residual=math.nan,
            gram=None,
            bounds=_ends(retained),
            norm_spread=_spread(np.sqrt(squares)),
        )
    rows = features.widened(index)
    if not np.isfinite(rows).all():
        _core.check_finite(features.values)
    # By a power of two, which rounds nothing: a block of tiny features has the cosines that it has at any size.
    size = np.abs(rows).max()
    power = int(np.frexp(size)[1]) if size < _SMALL else 0
    rows = np.ldexp(rows, -power)
    _core.squared_norms(rows, num_threads=num_threads)  # refuses rows that have no square
    gram = interruptible.gram(rows)
    norms = np.sqrt(gram.diagonal())
    cosines = np.clip(gram / np.outer(norms, norms), -1.0, 1.0)
    name = name_geometry(cosines, norms)
    dim = name.dim or (whole or _spectrum(features, index, num_threads)).rank
    eigenvalues = np.linalg.eigvalsh(gram)[::-1].astype(np.float64)
    return _described(index, name, dim, gram, norms, eigenvalues, power)


def describe_blocks(
    X: Any,
    members: Sequence[NDArray[np.int64]],
    *,
    whole: spectra.Spectrum | None = None,
    num_threads: int | None = None,
) -> tuple[Block, ...]:
    """Describe many blocks, small ones of one size together: each as `describe_block` does.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    members : sequence of ndarray of int64
        The nonzero features of each block, from `groups`.
    whole : Spectrum, optional
        Spectrum of the only block.
    num_threads : int, optional
        Threads to use.

    Returns
    -------
    tuple of Block

    Raises
    ------
    ShapeError, ParameterError, NonFiniteError
        As in `describe_block`.

    Notes
    -----
    Exact blocks of at most 12 features that have the same cosines are named once: tens of microseconds a block.

    Examples
    --------
    >>> import featuregeom as fg
    >>> import numpy as np
    >>> X = fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.polygon(5))
    >>> [block.geometry for block in fg.blocks.describe_blocks(X, [np.arange(5), np.arange(5, 10)])]
    ['pentagon', 'pentagon']
    """
    features = as_features(X)
    sizes = np.array([len(index) for index in members], dtype=np.int64)
    found: dict[int, Block] = {}
    for n in range(2, policy.SMALL_BLOCK + 1):
        places = np.flatnonzero(sizes == n)
        for part in np.array_split(places, len(places) * n * features.m // _TOGETHER + 1):
            if len(part) > 1:
                index = _checked(np.concatenate([members[place] for place in part]), features).reshape(-1, n)
                found |= zip(part.tolist(), _of_one_size(features, index, num_threads), strict=True)
    return tuple(
        found[place]
        if place in found
        else describe_block(features, index, whole=whole, num_threads=num_threads)
        for place, index in enumerate(members)
    )


def _of_one_size(features: Features, index: NDArray[np.int64], num_threads: int | None) -> list[Block]:
    """Describe blocks of as many features each, shape (b, n)."""
    rows = features.widened(index.ravel()).reshape(*index.shape, features.m)
    size = np.abs(rows).max(axis=(1, 2))
    if not (size.min() >= _SMALL and size.max() <= 1 / _SMALL):
        # Not finite, or of squares that leave float64: each as it is alone.
        return [describe_block(features, one, num_threads=num_threads) for one in index]
    grams = rows @ rows.transpose(0, 2, 1)
    norms = np.sqrt(np.einsum("bii->bi", grams))
    cosines = np.clip(grams / (norms[:, :, None] * norms[:, None, :]), -1.0, 1.0)
    names = name_geometries(cosines, norms)
    eigenvalues = np.linalg.eigvalsh(grams)[:, ::-1]
    each = zip(index, names, grams, norms, eigenvalues, strict=True)
    return [
        _described(
            one, name, name.dim or _spectrum(features, one, num_threads).rank, gram, lengths, values, 0
        )
        for one, name, gram, lengths, values in each
    ]


def _described(
    index: NDArray[np.int64],
    name: Name,
    dim: int,
    gram: NDArray[np.float64],
    norms: NDArray[np.float64],
    eigenvalues: NDArray[np.float64],
    power: int,
) -> Block:
    """Put together what is known of a block, its features scaled down by a power of two."""
    return Block(
        index=index[name.order],
        dim=dim,
        gram_values=name.gram_values,
        tightness=tightness(eigenvalues[:dim]),
        geometry=name.geometry,
        reason=name.reason,
        residual=name.residual,
        gram=np.ldexp(gram[np.ix_(name.order, name.order)], 2 * power),
        scheme=name.scheme,
        bounds=_ends(np.ldexp(eigenvalues[:dim], 2 * power)),
        norm_spread=_spread(norms),
    )


def _checked(index: Any, features: Features) -> NDArray[np.int64]:
    """Check the indices of a block's features: each in range, named once, and of a feature that is not zero."""
    found = np.asarray(index)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        raise ShapeError(f"index must be a list of feature numbers, got {found.dtype} of shape {found.shape}")
    if found.min() < 0 or found.max() >= features.n:
        raise ParameterError(
            f"index must name features from 0 to {features.n - 1}, got {found.min()} to {found.max()}"
        )
    if len(np.unique(found)) < len(found):
        values, counts = np.unique(found, return_counts=True)
        raise ParameterError(f"index must name each feature once, got {values[counts > 1][0]} again")
    found = found.astype(np.int64)
    rows = features.values[found]
    # Zero has no bits but the sign's, which bfloat16 holds as bits.
    zero = np.flatnonzero(~((rows & 0x7FFF) if features.dtype == "bfloat16" else rows).any(axis=1))
    if zero.size:
        raise ParameterError(
            f"index must name nonzero features: feature {found[zero[0]]} is zero, in no block"
        )
    return found


def _ends(eigenvalues: NDArray[np.float64]) -> tuple[float, float]:
    return (float(eigenvalues.min()), float(eigenvalues.max())) if len(eigenvalues) else (math.nan, math.nan)


def _spread(norms: NDArray[np.float64]) -> float:
    return float(norms.max() / norms.min() - 1)


def _dropped(features: Features, labels: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Largest coupling of each block with what is outside it, a tile of pairs at a time."""
    found = np.zeros(count)
    if count < 2:
        return found
    kept = np.flatnonzero(labels >= 0)
    tiles = [kept[start : start + _TILE] for start in range(0, len(kept), _TILE)]
    for place, left in enumerate(tiles):
        first = features.widened(left)
        size = np.abs(first).max(
            axis=1, keepdims=True
        )  # squares of the rows themselves might leave the range
        for right in tiles[place:]:
            second = first if right is left else features.widened(right)
            other = size if right is left else np.abs(second).max(axis=1, keepdims=True)
            a, b = first / size, second / other
            lengths = np.linalg.norm(a, axis=1)[:, None], np.linalg.norm(b, axis=1)[None, :]
            # |cosine| times the smaller norm over the larger one is |M_ij| / max(N_i, N_j).
            with np.errstate(over="ignore", divide="ignore"):  # of a subnormal norm: the smaller one is 0
                ratio = (lengths[0] * size) / (lengths[1] * other.T)
                smaller = np.minimum(ratio, 1 / ratio)
            coupling = np.abs(a @ b.T) / (lengths[0] * lengths[1]) * smaller
            coupling[labels[left][:, None] == labels[right][None, :]] = 0.0
            np.maximum.at(found, labels[left], coupling.max(axis=1))
            np.maximum.at(found, labels[right], coupling.max(axis=0))
    return found


def _spectrum(features: Features, index: NDArray[np.int64], num_threads: int | None) -> spectra.Spectrum:
    part = features.take(index)
    if features.dtype == "float64" and (size := np.abs(part.values).max()) < _SMALL:
        # Features that are all tiny have the rank and the tightness that they have at any size.
        part = as_features(part.values * np.exp2(-np.frexp(size)[1]))
    return spectra.spectrum(part, num_threads=num_threads)
