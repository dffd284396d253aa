"""Matrices of relations: which class each pair of points belongs to, as any integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import numbers_of
from featuregeom.summary import summarised

__all__ = ["Labelled", "as_labels"]

_TABLE = 2**20
"""Labels in a range up to this are looked up instead of sorted."""


@summarised
@dataclass(frozen=True, eq=False)
class Labelled:
    """A matrix of relations with its classes numbered from 0.

    Attributes
    ----------
    labels : ndarray of uint32, shape (n, n)
        Classes without holes: those that meet the diagonal first, else in the order of the given labels.
    classes : ndarray, shape (r,)
        The given label of each class.
    """

    labels: NDArray[np.uint32]
    classes: NDArray[Any]


def as_labels(relations: Any) -> Labelled:
    """Replace the labels of a matrix of relations by 0, 1, 2 ...

    Parameters
    ----------
    relations : array-like of integers, shape (n, n)
        Label of each pair, symmetric or not; booleans, negative labels and whole numbers stored as floats too.

    Returns
    -------
    Labelled

    Raises
    ------
    ShapeError
        If it is not square or has no points.
    DtypeError
        If its entries are not numbers.
    NonFiniteError
        If it holds NaN or infinity.
    ParameterError
        If a label is no integer.

    Notes
    -----
    Costs two passes over n^2 labels, or a sort of them where they lie far apart.
    """
    given = _integers(relations)
    low = given.min()
    width = int(given.max()) - int(low) + 1
    if width <= _TABLE:
        number = (given - low).astype(np.int32)
        present = np.zeros(width, dtype=bool)
        present[number.ravel()] = True
        classes = np.flatnonzero(present).astype(given.dtype) + low
        place = (np.cumsum(present) - 1).astype(np.uint32)
    else:
        classes, number = np.unique(given, return_inverse=True)
        number = number.reshape(given.shape)
        place = np.arange(len(classes), dtype=np.uint32)
    on_diagonal = np.zeros(len(classes), dtype=bool)
    on_diagonal[place[number.diagonal()]] = True
    order = np.argsort(~on_diagonal, kind="stable")
    new = np.empty(len(classes), dtype=np.uint32)
    new[order] = np.arange(len(classes), dtype=np.uint32)
    # Row by row, whatever order the given matrix is in.
    return Labelled(np.ascontiguousarray(new[place][number]), classes[order])


def _integers(relations: Any) -> NDArray[Any]:
    try:
        given = numbers_of(relations, "relations")
    except ShapeError as error:
        raise ShapeError(f"relations must be a square matrix: {error}") from None
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.shape[0] == 0:
        raise ShapeError(
            f"relations must be a square matrix with a row and a column for each point; the shape is {given.shape}"
        )
    if given.dtype == bool:
        return given.astype(np.int64)
    if given.dtype.kind == "f":
        return _whole(given)
    if given.dtype.kind == "u":
        return given
    if given.dtype.kind == "i":
        # Differences of the narrower types would overflow.
        return given.astype(np.int64, copy=False)
    raise DtypeError(f"relations must be integers, not {given.dtype}")


def _whole(given: NDArray[Any]) -> NDArray[Any]:
    finite = np.isfinite(given)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        raise NonFiniteError(
            f"{given[row, column]} at row {row}, column {column}; every pair needs a label", row, column
        )
    large = np.abs(given) >= 2.0**53
    if large.any():
        row, column = (int(index) for index in np.argwhere(large)[0])
        raise ParameterError(
            f"the label at row {row}, column {column} is {given[row, column]:.17g}: floats are no longer all the "
            "integers there; give such labels as integers"
        )
    fractions = given != np.floor(given)
    if fractions.any():
        row, column = (int(index) for index in np.argwhere(fractions)[0])
        raise ParameterError(
            f"the label at row {row}, column {column} is {given[row, column]}, which is no integer; relations are "
            "labels, so cut the values of a Gram matrix into levels first"
        )
    return given.astype(np.int64)
