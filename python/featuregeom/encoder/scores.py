"""How well groups of codes agree with labels, under names that say which agreement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import ShapeError
from featuregeom.features import read_array
from featuregeom.interruptible import aside

__all__ = ["contingency", "hungarian_accuracy", "purity"]


def contingency(clusters: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """Count the members of every cluster that have every label, shape (clusters, labels), both in sorted order."""
    first, second = read_array(clusters, "clusters"), read_array(labels, "labels")
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ShapeError(
            f"clusters and labels must be vectors of one length, got {first.shape} and {second.shape}"
        )
    rows, i = aside(np.unique, first, return_inverse=True)
    columns, j = aside(np.unique, second, return_inverse=True)
    table = np.bincount(i * len(columns) + j, minlength=len(rows) * len(columns))
    return table.reshape(len(rows), len(columns)).astype(np.int64)


def purity(clusters: ArrayLike, labels: ArrayLike) -> float:
    r"""Share of samples with the majority label of their cluster, :math:`\frac1N \sum_k \max_j n_{kj}`.

    Several clusters may stand for one label, so this never falls as clusters are split; 1 for one each.

    Examples
    --------
    >>> from featuregeom.encoder import purity
    >>> purity([0, 0, 1, 1], ["a", "a", "a", "a"])
    1.0
    """
    table = contingency(clusters, labels)
    return float(table.max(axis=1).sum() / table.sum())


def hungarian_accuracy(clusters: ArrayLike, labels: ArrayLike) -> float:
    r"""Clustering accuracy: clusters matched one to one with labels, :math:`\frac1N \max_\pi \sum_k n_{k \pi(k)}`.

    At most the purity.

    References
    ----------
    Kuhn, The Hungarian method for the assignment problem, Naval Res. Logist. Q. 2 (1955).

    Examples
    --------
    >>> from featuregeom.encoder import hungarian_accuracy
    >>> hungarian_accuracy([0, 0, 1, 1], ["a", "a", "a", "a"])
    0.5
    """
    from scipy.optimize import linear_sum_assignment

    table = contingency(clusters, labels)
    rows, columns = aside(linear_sum_assignment, table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())
