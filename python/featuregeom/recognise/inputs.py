"""What `detect` takes: features, their Gram matrix, or the relations between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core, interruptible
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import as_features, chunks
from featuregeom.recognise import policy
from featuregeom.relations.relations import as_labels

__all__ = ["check_definite", "cosines_of", "features_gram", "gram_matrix", "relation_matrix", "scaled_rows"]


_SLAB = 1 << 20
"""Cosines divided and clipped at a time: 8 MiB, hundredths of a second."""


def scaled_rows(X: Any) -> NDArray[np.float64]:
    """Take features, the largest entry as 1: neither tiny nor huge ones then leave the range of float64.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.

    Returns
    -------
    ndarray of float64, shape (n, m)

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `X` is no finite matrix of real numbers.
    ParameterError
        If there are more than 4096 features.
    """
    features = as_features(X)
    _check_size(features.n)
    _core.check_finite(features.values)
    rows = features.widened(np.arange(features.n))
    largest = np.abs(rows).max()
    rows = rows / largest if largest > 0 else rows
    _core.squared_norms(rows)  # refuses rows that have no square
    return rows


def features_gram(X: Any) -> NDArray[np.float64]:
    """Form the Gram matrix of features.

    Parameters
    ----------
    X : array-like, shape (n, m)
        Features as rows.

    Returns
    -------
    ndarray of float64, shape (n, n)

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If `X` is no finite matrix of real numbers.
    ParameterError
        If there are more than 4096 features.
    """
    return interruptible.gram(scaled_rows(X))


def gram_matrix(gram: Any) -> NDArray[np.float64]:
    """Take a Gram matrix.

    Parameters
    ----------
    gram : array-like, shape (n, n)
        Inner products of features.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Exactly symmetric.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If it is no finite square matrix of real numbers.
    ParameterError
        If it is not symmetric, or there are more than 4096 features.
    """
    taken = as_features(gram, tensor="gram")
    if taken.n != taken.m:
        raise ShapeError(
            f"gram has shape ({taken.n}, {taken.m}): a Gram matrix is square; pass features as features"
        )
    _check_size(taken.n)
    values = taken.widened(np.arange(taken.n))
    if not np.isfinite(values).all():
        row, column = map(int, np.argwhere(~np.isfinite(values))[0])
        raise NonFiniteError(f"gram holds {values[row, column]} at row {row}, column {column}", row, column)
    found, allowed = np.empty_like(values), policy.ASYMMETRY * max(values.max(), -values.min())
    # In strips, between which Ctrl-C stops: reading across rows is slow.
    for strip in chunks(taken.n, taken.m):
        rows, mirrored = values[strip], values[:, strip].T
        difference = np.abs(rows - mirrored)
        if difference.max() > allowed:
            i, j = map(int, np.unravel_index(difference.argmax(), difference.shape))
            i += strip.start
            raise ParameterError(
                f"gram is not symmetric: {values[i, j]:g} at ({i}, {j}), {values[j, i]:g} at ({j}, {i})"
            )
        found[strip] = (rows + mirrored) / 2
    return found


def check_definite(gram: NDArray[np.float64]) -> None:
    """Refuse a matrix that is far from a Gram matrix.

    Raises
    ------
    ParameterError
        If an eigenvalue is far below zero.
    """
    least = float(interruptible.eigvalsh(gram)[0])
    if least < -policy.NOT_A_GRAM_MATRIX * float(gram.trace()):
        raise ParameterError(f"gram is no Gram matrix: it has the eigenvalue {least:g}")


def relation_matrix(relations: Any) -> NDArray[np.int64]:
    """Take a symmetric relation matrix.

    Parameters
    ----------
    relations : array-like of int, shape (n, n)
        Class of each pair; any integers.

    Returns
    -------
    ndarray of int64, shape (n, n)
        Numbered from 0, the diagonal's class first.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError
        If it is not square, or not of integers.
    ParameterError
        If it is not symmetric, has the diagonal's class elsewhere or several on the diagonal,
        or is too large.
    """
    labelled = as_labels(relations)
    values, classes = labelled.labels.astype(np.int64), labelled.classes
    _check_size(len(values))
    if not np.array_equal(values, values.T):
        i, j = map(int, np.argwhere(values != values.T)[0])
        raise ParameterError(
            f"relations are not symmetric at ({i}, {j}), and no Gram matrix has such relations: "
            "use schemes.check for schemes that are not symmetric"
        )
    diagonal = values.diagonal()
    if (diagonal != diagonal[0]).any():
        i = int((diagonal != diagonal[0]).argmax())
        raise ParameterError(
            f"relations have {classes[diagonal[0]]} at (0, 0), but {classes[diagonal[i]]} at ({i}, {i}): points of "
            "several kinds have no geometry of one scheme; schemes.check and closure tell their fibres"
        )
    off = (values == diagonal[0]) & ~np.eye(len(values), dtype=bool)
    if off.any():
        i, j = map(int, np.argwhere(off)[0])
        raise ParameterError(
            f"points {i} and {j} are in the relation of a point with itself: merge them first"
        )
    return values


def cosines_of(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give cosines and norms.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Gram matrix.

    Returns
    -------
    cosines : ndarray of float64, shape (n, n)
    norms : ndarray of float64, shape (n,)

    Raises
    ------
    ParameterError
        If a feature is zero, or the matrix is no Gram matrix.
    """
    squares = gram.diagonal()
    if (squares <= 0).any():
        i = int((squares <= 0).argmax())
        what = "is zero" if squares[i] == 0 else f"has the squared norm {squares[i]:g}"
        raise ParameterError(f"feature {i} {what}: it has no direction; leave it out")
    norms = np.sqrt(squares)
    cosines = np.empty_like(gram)
    # A slab of rows at a time, so that Ctrl-C stops between them.
    for slab in np.array_split(np.arange(len(gram)), max(1, gram.size // _SLAB)):
        rows = gram[slab] / (norms[slab, None] * norms)
        largest = np.abs(rows)
        if largest.max() > 1 + policy.NOT_A_GRAM_MATRIX:
            i, j = map(int, np.unravel_index(largest.argmax(), rows.shape))
            raise ParameterError(
                f"gram is no Gram matrix: features {slab[i]} and {j} would have the cosine {rows[i, j]:g}"
            )
        # Noise of the entries may leave less.
        cosines[slab] = np.clip(rows, -1, 1)
    np.fill_diagonal(cosines, 1)
    return cosines, norms


def _check_size(n: int) -> None:
    if n > policy.LARGEST:
        raise ParameterError(
            f"{n} features: detect forms matrices of pairs up to {policy.LARGEST}; "
            "split them into blocks first (blocks.decompose)"
        )
