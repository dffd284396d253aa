"""Balancedness: what gradient flow conserves between two layers, and weight decay removes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import gram
from featuregeom.summary import summarised

__all__ = ["Balance", "balancedness"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class Balance:
    """Imbalance between consecutive layers.

    Attributes
    ----------
    matrices : tuple of ndarray
        W_{l+1}ᵀ W_{l+1} − W_l W_lᵀ, for each pair of layers: conserved by gradient flow in linear networks, and
        falling as exp(−2λt) under loss + λ/2 ‖W‖².
    residuals : ndarray, shape (L − 1,)
        Norm of each, over that of the two products together: 0 balanced, at most 1.
    neurons : tuple of ndarray
        ‖w_out‖² − ‖w_in‖² for each hidden unit, with the bias among w_in where given: conserved with ReLU, too.
    """

    matrices: tuple[Floats, ...]
    residuals: Floats
    neurons: tuple[Floats, ...]


def balancedness(weights: Sequence[ArrayLike], biases: Sequence[ArrayLike | None] | None = None) -> Balance:
    """Measure how balanced consecutive layers are.

    Parameters
    ----------
    weights : sequence of array-like, shapes (d_1, d_0), (d_2, d_1) ...
        Weights in order, h_l = W_l h_{l−1}: at least two.
    biases : sequence of array-like or None, optional
        Of the same layers.

    Returns
    -------
    Balance
        Matrices, norms, and units.

    Raises
    ------
    ShapeError
        If layers do not follow each other.
    ParameterError
        If there are fewer than two.

    Notes
    -----
    Du, Hu and Lee (2018). Two products of matrices for each pair of layers.

    Examples
    --------
    >>> balancedness([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 2.0]]]).residuals.tolist()
    [0.0]
    """
    matrices = [real_numbers(W, f"weights {number}") for number, W in enumerate(weights)]
    if len(matrices) < 2:
        raise ParameterError(f"balance is between layers: give at least two, not {len(matrices)}")
    for number, W in enumerate(matrices):
        if W.ndim != 2:
            raise ShapeError(f"weights {number} have shape {W.shape}: give matrices")
        if not np.isfinite(W).all():
            row, column = map(int, np.argwhere(~np.isfinite(W))[0])
            raise NonFiniteError(
                f"weights {number} are {W[row, column]} in row {row}, column {column}", row, column
            )
        if number and W.shape[1] != len(matrices[number - 1]):
            raise ShapeError(
                f"weights {number} take {W.shape[1]} inputs, and weights {number - 1} give {len(matrices[number - 1])}"
            )
    given = [None] * len(matrices) if biases is None else list(biases)
    if len(given) != len(matrices):
        raise ShapeError(f"there are {len(given)} biases for {len(matrices)} layers")
    found, residuals, neurons = [], [], []
    for (before, after), bias in zip(pairwise(matrices), given, strict=False):
        out, into = gram(after.T), gram(before)
        size = float(np.linalg.norm(out) + np.linalg.norm(into))
        found.append(out - into)
        residuals.append(float(np.linalg.norm(out - into)) / size if size else 0.0)
        added = 0.0 if bias is None else real_numbers(bias, "a bias") ** 2
        neurons.append(np.asarray(np.diag(out) - np.diag(into) - added))
    return Balance(tuple(found), np.array(residuals), tuple(neurons))
