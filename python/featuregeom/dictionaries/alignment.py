"""Rotations that carry one dictionary to another, found without knowing which feature is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.dictionaries.one_to_one import OneToOne, match_directions, unit
from featuregeom.features import Features, as_features, chunks
from featuregeom.interruptible import aside, matmul
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import torch

__all__ = ["aligned", "gram_rows", "procrustes"]

Floats = NDArray[np.float64]

_ROUNDS = 12
"""Times that features are matched, and the rotation is fitted to the pairs, before the last one is taken."""

_SETTLED = 1e-5
"""Gain of the mean cosine below which another round is not made."""

_FEW = 16
"""Candidates of each feature while the rotation is sought: the pairs that fix it are near."""


@summarised
@dataclass(frozen=True, eq=False)
class Aligned:
    """A matching after rotation, and the rotation.

    Attributes
    ----------
    matched : OneToOne
        Of the rotated features of A with those of B.
    rotation : ndarray of float64, shape (m_a, m_b)
        With orthonormal rows or columns: `a @ rotation` is compared with b.
    """

    matched: OneToOne
    rotation: Floats


def aligned(
    A: Features,
    B: Features,
    k: int,
    threshold: float,
    num_threads: int | None,
    device: torch.device | None = None,
) -> Aligned:
    """Rotate A to B as well as an alternation of matching and orthogonal Procrustes can.

    It starts from the pairs of the raw matching (where the dimensions are equal) and from those whose coordinates along
    the eigenvectors of the two frame operators agree up to signs, which a rotation leaves as they are; the better of
    the two, after one fit, goes on.
    """
    few = min(k, _FEW)

    def matched(one: Features, other: Features) -> OneToOne:
        return match_directions(one, other, few, threshold, num_threads, widen=False, device=device)

    def fitted(start: OneToOne) -> Aligned:
        """Fit a rotation to the pairs, and match again after it."""
        rotation = procrustes(A, B, start.pairs)
        return Aligned(matched(rotated(A, rotation), B), rotation)

    starts = [matched(*_spectral_coordinates(A, B, num_threads))]
    if A.m == B.m:
        starts.append(matched(A, B))
    first = [fitted(start) for start in starts]
    best = max(first, key=lambda end: end.matched.scores.pw_mcc)
    for _ in range(_ROUNDS):
        after = fitted(best.matched)
        gain = after.matched.scores.pw_mcc - best.matched.scores.pw_mcc
        best = after if gain > 0 else best
        if gain < _SETTLED:
            break
    turned = rotated(A, best.rotation)
    return Aligned(match_directions(turned, B, k, threshold, num_threads, device=device), best.rotation)


def procrustes(A: Features, B: Features, pairs: NDArray[np.int64]) -> Floats:
    r"""Fit the rotation of paired directions: :math:`R = U V^\top` for :math:`\sum a_i b_i^\top = U S V^\top`.

    References
    ----------
    Schönemann, Psychometrika 31 (1966).
    """
    U, _, Vt = aside(np.linalg.svd, cross_products(A, B, pairs), full_matrices=False)
    return matmul(U, Vt)


def cross_products(A: Features, B: Features, pairs: NDArray[np.int64]) -> Floats:
    """Sum of a b^T over pairs of directions."""
    C = np.zeros((A.m, B.m))
    for part in chunks(len(pairs), max(A.m, B.m)):
        C += matmul(unit(A.widened(pairs[part, 0])).T, unit(B.widened(pairs[part, 1])))
    return C


def gram_rows(A: Features, B: Features, pairs: NDArray[np.int64]) -> tuple[Features, Features]:
    r"""Give vectors whose cosines are those of Gram rows: of a feature's cosines with the paired ones of its own set.

    With :math:`A_P, B_P` the paired directions, the row of a is :math:`A_P a`, and two rows have the inner product
    :math:`a^\top A_P^\top B_P b`. So in a basis of the columns of both they have coordinates of :math:`m_a + m_b`
    numbers at most, however many pairs there are.
    """
    anchors = [_basis(A, pairs[:, 0]), _basis(B, pairs[:, 1])]
    C = cross_products(A, B, pairs)
    # Row of a: U_A T_A a with orthonormal U_A. Its part in the columns of U_B is (T_B^-T C^T) a, the rest is
    # orthogonal.
    (T_A, _), (T_B, inverse_B) = anchors
    inside = matmul(C, inverse_B)
    left = as_features(_projected(A, [inside, T_A.T]))
    return left, as_features(_padded(B, T_B.T))


def _basis(features: Features, index: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """T with T^T T the frame operator F of the paired directions, and T^-1 on its span."""
    F = cross_products(features, features, np.column_stack([index, index]))
    values, vectors = _core.eigh((F + F.T) / 2)
    held = values > 1e-10 * values[0]
    root = np.sqrt(values[held])
    return root[:, None] * vectors[:, held].T, vectors[:, held] / root


def _projected(features: Features, maps: list[Floats]) -> Floats:
    """Coordinates inside, and the length of the rest as one more."""
    rows = unit(features.widened(np.arange(features.n)))
    inside, whole = matmul(rows, maps[0]), matmul(rows, maps[1])
    rest = np.sqrt(np.maximum((whole**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0))
    return np.column_stack([inside, rest])


def _padded(features: Features, turn: Floats) -> Floats:
    rows = matmul(unit(features.widened(np.arange(features.n))), turn)
    return np.column_stack([rows, np.zeros(len(rows))])


def _spectral_coordinates(A: Features, B: Features, num_threads: int | None) -> tuple[Features, Features]:
    """Absolute coordinates along eigenvectors, largest eigenvalue first; dimensions that one lacks are 0."""
    dims = max(A.m, B.m)
    found = []
    for features in (A, B):
        rows = unit(features.widened(np.arange(features.n)))
        _, vectors = _core.eigh(matmul(rows.T, rows), num_threads=num_threads)
        coordinates = np.zeros((features.n, dims), _dtype(features))
        coordinates[:, : features.m] = np.abs(matmul(rows, vectors))
        found.append(as_features(coordinates))
    return found[0], found[1]


def rotated(features: Features, rotation: Floats) -> Features:
    """Give the directions in the other dictionary's dimensions."""
    out = np.empty((features.n, rotation.shape[1]), _dtype(features))
    for part in chunks(features.n, max(rotation.shape)):
        out[part] = matmul(unit(features.widened(part)), rotation)
    return as_features(out)


def _dtype(features: Features) -> type[np.floating]:
    return np.float64 if features.dtype == "float64" else np.float32
