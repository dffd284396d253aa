"""Tens of thousands of small blocks at once: the schemes of exact levels, each geometry named once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.features import Features, as_features
from featuregeom.frames import Progress
from featuregeom.recognise import policy
from featuregeom.recognise.detect import detect_cosines
from featuregeom.recognise.inputs import cosines_of
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BlockSchemes", "detect_blocks"]


@summarised
@dataclass(frozen=True, eq=False)
class BlockSchemes:
    """The schemes of many blocks.

    Attributes
    ----------
    n : ndarray of int64, shape (b,)
        Features of each block.
    is_scheme : ndarray of bool, shape (b,)
        Whether the levels of its cosines are an association scheme: exact, by all products. Never where they are a
        continuum: where one is wider than `tolerance` and no narrower than the gaps beside it.
    levels : tuple of ndarray of float64
        Mean cosine of each level of a block, decreasing, without the diagonal's; none for a continuum.
    valencies : tuple of ndarray of int64
        Valency of each level; zeros where they are no scheme.
    scheme : ndarray of int64, shape (b,)
        Number of the intersection numbers, in the order of their first block; -1 for no scheme.
    names : tuple of str
        Name of each geometry; empty where it has none.
    """

    n: NDArray[np.int64]
    is_scheme: NDArray[np.bool_]
    levels: tuple[NDArray[np.float64], ...]
    valencies: tuple[NDArray[np.int64], ...]
    scheme: NDArray[np.int64]
    names: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Give the table of blocks, one row each."""
        import pandas as pd

        return pd.DataFrame(
            {
                "n": self.n,
                "is_scheme": self.is_scheme,
                "classes": [len(levels) for levels in self.levels],
                "scheme": self.scheme,
                "name": self.names,
            }
        )


def detect_blocks(
    X: Any,
    blocks: Any,
    *,
    tolerance: float = policy.BATCH_TOLERANCE,
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> BlockSchemes:
    """Find the association schemes of many blocks of at most 64 features.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.
    blocks : array-like of int, shape (n,)
        Block of each feature, from 0; -1 for features to leave out.
    tolerance : float
        Sorted cosines that differ by more than this from their neighbour are of different levels.
    num_threads : int, optional
        Threads to use.
    progress : callable, optional
        Called with blocks done and blocks in all.

    Returns
    -------
    BlockSchemes

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `X` is no finite matrix of real numbers, or `blocks` does not have one entry per feature.
    ParameterError
        If a block has no features or more than 64, a feature is zero, or the tolerance is out of range.

    Notes
    -----
    For features whose levels are clear; noise is for `detect`, block by block. Each block of k features costs
    k^2 m + k^3 operations in the core, and each geometry (equal intersection numbers and levels) one `detect`.

    Examples
    --------
    >>> import featuregeom as fg
    >>> X = fg.shapes.direct_sum(fg.shapes.polygon(5), fg.shapes.simplex(4))
    >>> fg.schemes.detect_blocks(X, [0] * 5 + [1] * 4).names
    ('pentagon', 'tetrahedron')
    """
    features = as_features(X)
    labels = np.asarray(blocks)
    if labels.shape != (features.n,) or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"blocks must be {features.n} integers, one per feature; got {labels.dtype} {labels.shape}"
        )
    if labels.min(initial=-1) < -1:
        raise ParameterError(f"blocks must be -1 for features to leave out, or from 0: got {labels.min()}")
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    count = int(labels.max(initial=-1)) + 1
    offsets = np.searchsorted(labels[order], np.arange(count + 1))
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if len(empty):
        raise ParameterError(f"block {empty[0]} has no features: number blocks from 0 without gaps")
    norms = _norms(features, order)
    if not norms.all():
        raise ParameterError(
            f"feature {order[norms.argmin()]} is zero: it has no direction; leave it out (block -1)"
        )
    starts, levels, valencies, signatures, _ = _core.scheme_blocks(
        features.values,
        order.astype(np.int64),
        offsets.astype(np.int64),
        tolerance=tolerance,
        num_threads=num_threads,
        progress=progress,
    )
    parts = [slice(a, b) for a, b in pairwise(starts)]
    unit = max(policy.BATCH_SAME_LEVELS * tolerance, policy.BATCH_TOLERANCE)
    known: dict[tuple[int, bytes], str] = {}
    names = []
    for block, (part, signature) in enumerate(zip(parts, signatures.tolist(), strict=True)):
        members = order[offsets[block] : offsets[block + 1]]
        if signature < 0 or len(members) < 2:
            names.append("")
            continue
        # Levels that agree to the tolerance, and not one in the next place by rounding alone.
        key = signature, np.round(levels[part] / unit).tobytes()
        if len(members) > policy.DETERMINED_POINTS or key not in known:
            known[key] = _name(features, members)
        names.append(known[key])
    return BlockSchemes(
        n=np.diff(offsets).astype(np.int64),
        is_scheme=signatures >= 0,
        levels=tuple(levels[part] for part in parts),
        valencies=tuple(valencies[part] for part in parts),
        scheme=signatures,
        names=tuple(_of_equal_norms(norms, offsets, names)),
    )


def _name(features: Features, members: NDArray[np.int64]) -> str:
    rows = features.widened(members)
    cosines, _ = cosines_of(rows @ rows.T)
    return detect_cosines(cosines, np.ones(len(members)), vectors=rows, sums=False).name


def _norms(features: Features, order: NDArray[np.int64]) -> NDArray[np.float64]:
    parts = np.array_split(order, len(order) // 4096 + 1)
    return np.concatenate([np.linalg.norm(features.widened(rows), axis=1) for rows in parts])


def _of_equal_norms(norms: NDArray[np.float64], offsets: NDArray[np.int64], names: list[str]) -> list[str]:
    """Leave out names of blocks whose norms differ by more than a geometry's may."""
    if not names:
        return names
    spread = np.maximum.reduceat(norms, offsets[:-1]) / np.minimum.reduceat(norms, offsets[:-1]) - 1
    return [name if wide <= policy.NORM_SPREAD else "" for name, wide in zip(names, spread, strict=True)]
