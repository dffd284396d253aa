"""Blocks of features: the summands into which a set of features falls apart, and what each one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, spectra
from featuregeom.features import Features, as_features
from featuregeom.frames import tightness
from featuregeom.naming import distinct_values, name_geometry
from featuregeom.pairs import sweep
from featuregeom.schemes.detection import Detection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GRAM_LIMIT", "Block", "Decomposition", "decompose", "describe_block", "groups"]

GRAM_LIMIT = 512
"""A block's Gram matrix is formed up to this many features."""


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
        Number of distinct cosines between its features; None above `GRAM_LIMIT` features.
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

    @property
    def capacity(self) -> float:
        """Dimension over number of features: the capacity of each where the block is tight with equal norms."""
        return self.dim / len(self.index)


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
    ladder : tuple of (float, int)
        Thresholds with the number of blocks at each, largest threshold first.
    """

    blocks: tuple[Block, ...]
    labels: NDArray[np.int64]
    threshold: float
    ladder: tuple[tuple[float, int], ...]

    def to_frame(self) -> pd.DataFrame:
        """Give the table of blocks, one row each."""
        import pandas as pd

        names = ("dim", "gram_values", "tightness", "capacity", "geometry", "reason", "residual")
        rows = [
            {"n": len(block.index)} | {name: getattr(block, name) for name in names} for block in self.blocks
        ]
        return pd.DataFrame(rows, columns=["n", *names])


def decompose(X: Any, *, threshold: float | None = None, num_threads: int | None = None) -> Decomposition:
    """Split features into blocks that are (nearly) orthogonal to each other, and say what each block is.

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
    Costs one sweep, n (n - 1) m operations, and b^2 m for each block of b features; the n x n Gram matrix is
    never formed.

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
    blocks = tuple(
        describe_block(features, index, whole=whole, num_threads=num_threads)
        for index in groups(swept.blocks, swept.n_blocks)
    )
    return Decomposition(blocks, swept.blocks, swept.threshold, swept.ladder)


def groups(labels: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """List the features of each block.

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
    """
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(count + 1)))[1:-1] if count else []


def describe_block(
    X: Any, index: NDArray[np.int64], *, whole: spectra.Spectrum | None = None, num_threads: int | None = None
) -> Block:
    """Say what one block is.

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
    NonFiniteError
        If the block holds NaN or infinity.
    """
    features = as_features(X)
    if len(index) > GRAM_LIMIT:
        found = whole or _spectrum(features, index, num_threads)
        reason = f"{len(index)} features: names are looked for up to {GRAM_LIMIT}"
        return Block(index, found.rank, None, tightness(found.retained), "", reason, float("nan"), None)
    rows = features.widened(index)
    if not np.isfinite(rows).all():
        _core.check_finite(features.values)
    gram = rows @ rows.T
    norms = np.sqrt(gram.diagonal())
    cosines = np.clip(gram / np.outer(norms, norms), -1.0, 1.0)
    name = name_geometry(cosines, norms)
    eigenvalues = np.linalg.eigvalsh(gram)[::-1].astype(np.float64)
    dim = name.dim or (whole or _spectrum(features, index, num_threads)).rank
    return Block(
        index=index[name.order],
        dim=dim,
        gram_values=len(distinct_values(cosines)),
        tightness=tightness(eigenvalues[:dim]),
        geometry=name.geometry,
        reason=name.reason,
        residual=name.residual,
        gram=gram[np.ix_(name.order, name.order)],
        scheme=name.scheme,
    )


def _spectrum(features: Features, index: NDArray[np.int64], num_threads: int | None) -> spectra.Spectrum:
    return spectra.spectrum(features.take(index), num_threads=num_threads)
