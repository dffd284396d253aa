"""Handwritten digits, on which the demonstrations of this package train their networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import MissingExtraError
from featuregeom.memory import loading

__all__ = ["handwritten_digits"]


def handwritten_digits(asked_by: str, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give the 1797 digits of 8 x 8 pixels that come with scikit-learn, shuffled, pixels in [0, 1].

    Parameters
    ----------
    asked_by : str
        Function or command that an error names.
    seed : int
        Of the order.

    Returns
    -------
    X : ndarray of float64, shape (1797, 64)
        Pixels row by row.
    y : ndarray of int64, shape (1797,)
        Digits 0 to 9.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    try:
        with loading("scikit-learn"):
            from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError.needing(asked_by, "scikit-learn", "encoder") from error
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    return found.data[order] / 16, found.target[order].astype(np.int64)
