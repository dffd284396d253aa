r"""Refinement of noisy relations by the algebra that they nearly span.

The products :math:`A_i A_j` of the classes of a scheme are constant on classes. With a few wrong labels they nearly
are, and a pair whose products fit another class better than its own is most likely mislabelled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featuregeom.interruptible import eigh, eigvalsh, gram, matmul
from featuregeom.recognise import policy
from featuregeom.relations.products import class_means

__all__ = ["denoised", "refine", "support_of", "tight_dimensions", "tighten"]


_TILE = 1 << 14
"""Pairs that are compared with all classes at once."""


def tighten(cosines: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    """Cosines of the tight frame of unit vectors that is nearest to a frame, up to one normalisation.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    dim : int
        Dimension that the frame is to have.

    Returns
    -------
    ndarray of float64, shape (n, n)
        From the polar factor of the features (their `dim` leading singular vectors), rows normalised.
    """
    vectors = eigh(cosines)[1][:, -dim:]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors / np.maximum(lengths, 1e-12)
    return np.asarray(np.clip(gram(rows), -1, 1))


def tight_dimensions(cosines: NDArray[np.float64]) -> list[int]:
    """Dimensions that a tight frame under the noise may have: numerical rank, and where eigenvalues drop most.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.

    Returns
    -------
    list of int
        One or two dimensions below n.
    """
    n = len(cosines)
    eigenvalues = np.maximum(eigvalsh(cosines)[::-1], 1e-9 * n)
    drops = eigenvalues[:-1] / eigenvalues[1:]
    return [int(drops.argmax()) + 1]


def refine(
    cosines: NDArray[np.float64], relations: NDArray[np.int64], *, seed: int = 0
) -> NDArray[np.int64] | None:
    r"""Relabel pairs by their Gram value and by their values in the products of classes, until nothing changes.

    Each pair gets the class k that minimises

    .. math:: \left(\frac{G_{xy} - g_k}{s}\right)^2
        + \sqrt T\,\operatorname{mean}_t \left(\frac{(M_t)_{xy} - \mu_{tk}}{\sigma_{tk}}\right)^2,

    with the T products :math:`M_t` of classes, their means and deviations on each class.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Normalised Gram matrix.
    relations : ndarray of int64, shape (n, n)
        Symmetric labels, 0 on the diagonal only.
    seed : int
        Seed of the combinations, where there are more than 10 products.

    Returns
    -------
    ndarray of int64, shape (n, n), or None
        None where a class lost all its pairs.

    Notes
    -----
    T <= 10 products of n x n in each round, and 20 n^2 rank operations.
    """
    n, rank = len(cosines), int(relations.max()) + 1
    if rank <= 2:
        return relations
    rng = np.random.default_rng(seed)
    pairs = np.triu_indices(n, 1)
    labels = relations[pairs]
    for _ in range(policy.REFINEMENT_ROUNDS):
        products = _products(relations, rank, rng)
        values = np.concatenate([cosines[pairs][None], products[:, *pairs]])
        means, variances = _moments(values, labels, rank)
        weights = 1 / (np.sqrt(len(products)) * (variances + policy.REFINEMENT_VARIANCE))
        noise = ((values[0] - means[0, labels - 1]) ** 2).mean()
        weights[0] = 1 / max(float(noise), 1e-12)
        found = _nearest(values, means, weights) + 1
        if not np.bincount(found, minlength=rank)[1:].all():
            return None
        if np.array_equal(found, labels):
            break
        labels = found
        relations = np.zeros_like(relations)
        relations[pairs] = labels
        relations += relations.T
    return relations


def _moments(
    values: NDArray[np.float64], labels: NDArray[np.int64], rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each row of values (t, pairs) over the classes 1..rank - 1, shape (t, rank - 1)."""
    places = (labels + rank * np.arange(len(values))[:, None]).ravel()
    counts = np.bincount(labels, minlength=rank)[1:]

    def mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(places, weights=rows.ravel(), minlength=rank * len(values))
        return np.asarray(sums.reshape(-1, rank)[:, 1:] / counts)

    means = mean(values)
    return means, mean((values - means[:, labels - 1]) ** 2)


def _nearest(
    values: NDArray[np.float64], means: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Class of least weighted distance for each pair, from 0; the squares written out are a product of matrices."""
    middle = values.mean(axis=1, keepdims=True)
    centred, means = values - middle, means - middle
    left = np.concatenate([centred**2, centred])
    right = np.concatenate([weights, -2 * weights * means])
    constant = np.sum(weights * means**2, axis=0)
    tiles = range(0, values.shape[1], _TILE)
    return np.concatenate(
        [(left[:, first : first + _TILE].T @ right + constant).argmin(axis=1) for first in tiles]
    )


def denoised(cosines: NDArray[np.float64], relations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Project a Gram matrix on the span of the classes: the mean of each.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Gram matrix.
    relations : ndarray of int64, shape (n, n)
        Classes.

    Returns
    -------
    ndarray of float64, shape (n, n)
    """
    return np.asarray(class_means(cosines, relations)[relations])


def support_of(eigenvalues: NDArray[np.float64]) -> NDArray[np.int64]:
    """List the eigenspaces on which a Gram matrix is not zero; noise fills all of them, up to 5 % of the largest."""
    return np.flatnonzero(eigenvalues > policy.SUPPORT_SHARE * eigenvalues.max())


def _products(relations: NDArray[np.int64], rank: int, rng: np.random.Generator) -> NDArray[np.float64]:
    pairs = [(i, j) for i in range(1, rank) for j in range(i, rank)]
    if len(pairs) > policy.REFINEMENT_PRODUCTS:
        weights = rng.standard_normal((policy.REFINEMENT_PRODUCTS, 2, rank))
        weights[:, :, 0] = 0
    else:
        weights = np.zeros((len(pairs), 2, rank))
        for row, (i, j) in zip(weights, pairs, strict=True):
            row[0, i] = row[1, j] = 1
    found = np.empty((len(weights), *relations.shape))
    for product, (left, right) in zip(found, weights, strict=True):
        both = matmul(left[relations], right[relations])
        np.add(both, both.T, out=product)
    return found / 2
