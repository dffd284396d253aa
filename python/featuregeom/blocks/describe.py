"""The dimension, tightness, bounds and name of given blocks: one by one, or many small ones of one size at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, interruptible, spectra
from featuregeom.blocks.block import GRAM_LIMIT, Block
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames.operator import tightness, tightness_of_each
from featuregeom.interruptible import by_slabs
from featuregeom.naming import Name, name_geometries, name_geometry
from featuregeom.recognise import policy

_SMALL = 1e-60
"""Blocks without an entry above this are scaled up before their spectrum is taken: powers of norms below
1e-71 leave float64."""

_TOGETHER = 2**22
"""Entries of the features of small blocks that are described together: 32 MiB."""


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
    name = name_geometry(cosines, norms, rows)
    dim = name.dim or (whole or _spectrum(features, index, num_threads)).rank
    eigenvalues = np.linalg.eigvalsh(gram)[::-1].astype(np.float64)[:dim]
    return _described(
        index[name.order],
        name,
        dim,
        np.ldexp(gram[np.ix_(name.order, name.order)], 2 * power),
        tightness(eigenvalues),
        _ends(np.ldexp(eigenvalues, 2 * power)),
        _spread(norms),
    )


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
    """Describe b blocks of n features each; `index` has shape (b, n)."""
    rows = features.widened(index.ravel()).reshape(*index.shape, features.m)
    size = np.abs(rows).max(axis=(1, 2))
    if not (size.min() >= _SMALL and size.max() <= 1 / _SMALL):
        # Not finite, or of squares that leave float64: each as it is alone.
        return [describe_block(features, one, num_threads=num_threads) for one in index]
    grams = rows @ rows.transpose(0, 2, 1)
    norms = np.sqrt(np.einsum("bii->bi", grams))
    cosines = np.clip(grams / (norms[:, :, None] * norms[:, None, :]), -1.0, 1.0)
    names = name_geometries(cosines, norms, rows)
    eigenvalues = np.linalg.eigvalsh(grams)[:, ::-1].astype(np.float64)
    order = np.array([name.order for name in names])
    dims = np.array(
        [
            name.dim or _spectrum(features, one, num_threads).rank
            for one, name in zip(index, names, strict=True)
        ]
    )
    tight, ends = np.empty(len(names)), np.empty((len(names), 2))
    for dim in np.unique(dims):
        here = dims == dim
        tight[here] = tightness_of_each(eigenvalues[here, :dim])
        ends[here] = eigenvalues[here][:, [dim - 1, 0]]
    placed = grams[np.arange(len(names))[:, None, None], order[:, :, None], order[:, None, :]]
    spreads = norms.max(axis=1) / norms.min(axis=1) - 1
    each = zip(
        np.take_along_axis(index, order, axis=1), names, dims.tolist(), placed, tight.tolist(),
        map(tuple, ends.tolist()), spreads.tolist(), strict=True,
    )  # fmt: skip
    return [_described(*one) for one in each]


def _described(
    index: NDArray[np.int64],
    name: Name,
    dim: int,
    gram: NDArray[np.float64],
    tight: float,
    bounds: tuple[float, float],
    norm_spread: float,
) -> Block:
    """Put together what is known of a block; features and Gram matrix are in the order of the name."""
    return Block(
        index=index,
        dim=dim,
        gram_values=name.gram_values,
        tightness=tight,
        geometry=name.geometry,
        reason=name.reason,
        residual=name.residual,
        gram=gram,
        scheme=name.scheme,
        bounds=bounds,
        norm_spread=norm_spread,
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
    rows = by_slabs(lambda part: features.values[part], found, width=features.m)
    # Zero has no bits but the sign's, which bfloat16 holds as bits.
    bits = features.dtype == "bfloat16"
    zero = np.flatnonzero(~by_slabs(lambda part: ((part & 0x7FFF) if bits else part).any(axis=1), rows))
    if zero.size:
        raise ParameterError(
            f"index must name nonzero features: feature {found[zero[0]]} is zero, in no block"
        )
    return found


def _ends(eigenvalues: NDArray[np.float64]) -> tuple[float, float]:
    return (float(eigenvalues.min()), float(eigenvalues.max())) if len(eigenvalues) else (math.nan, math.nan)


def _spread(norms: NDArray[np.float64]) -> float:
    return float(norms.max() / norms.min() - 1)


def _largest(rows: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.abs(rows).max(axis=1))


def _spectrum(features: Features, index: NDArray[np.int64], num_threads: int | None) -> spectra.Spectrum:
    part = features.take(index)
    if features.dtype == "float64" and (size := interruptible.by_slabs(_largest, part.values).max()) < _SMALL:
        # Features that are all tiny have the rank and the tightness that they have at any size.
        part = as_features(np.ldexp(part.values, -np.frexp(size)[1]))
    return spectra.spectrum(part, num_threads=num_threads)
