"""A geometry with a name: its relations, its levels, its size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featuregeom.recognise.levels import clear_cuts, colour
from featuregeom.relations.products import (
    canonical,
    class_counts,
    class_means,
    coherent_closure,
    is_scheme,
    is_symmetric_scheme,
)
from featuregeom.summary import summarised

__all__ = ["Ideal", "ideal_of"]


@summarised
@dataclass(frozen=True, eq=False)
class Ideal:
    """One named geometry.

    Attributes
    ----------
    name : str
        Its name.
    also : tuple of str
        Other names of it.
    dim : int
        Its dimension.
    relations : ndarray of int64, shape (n, n)
        A symmetric scheme: its levels where they are one, else what they generate.
    levels : ndarray of float64, shape (d + 1,)
        Cosine of each relation; 1 first, then decreasing.
    valencies : ndarray of int64, shape (d + 1,)
        How often a point has each relation.
    """

    name: str
    also: tuple[str, ...]
    dim: int
    relations: NDArray[np.int64]
    levels: NDArray[np.float64]
    valencies: NDArray[np.int64]

    @property
    def gram(self) -> NDArray[np.float64]:
        """Its Gram matrix."""
        return np.asarray(self.levels[self.relations])


def ideal_of(name: str, X: NDArray[np.float64], *also: str) -> Ideal | None:
    """Describe a geometry by exact unit vectors.

    Parameters
    ----------
    name : str
        Its name.
    X : ndarray, shape (n, m)
        Exact unit vectors as rows, of rank m.
    *also : str
        Other names.

    Returns
    -------
    Ideal or None
        None where neither its levels nor what they generate are a symmetric scheme.
    """
    gram = np.clip(X @ X.T, -1, 1)
    values = np.sort(gram[np.triu_indices(len(gram), 1)])
    cuts = clear_cuts(values)
    if cuts is None:
        return None
    relations = colour(gram, cuts)
    if not is_scheme(relations):
        finer = coherent_closure(relations, most=len(gram))
        if finer is None or not is_symmetric_scheme(finer):
            return None
        relations = canonical(finer, gram)
    return Ideal(name, also, X.shape[1], relations, class_means(gram, relations), class_counts(relations)[0])
