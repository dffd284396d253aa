"""A set of features split into blocks that are (nearly) orthogonal to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import spectra
from featuregeom.blocks.block import Block
from featuregeom.blocks.describe import describe_blocks
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.pairs import NO_GAP, sweep
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

_TILE = 1024
"""Side of a tile of couplings between blocks, in features: 8 MiB of float64."""


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
