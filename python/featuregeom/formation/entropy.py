"""Von Neumann entropy of representations: how evenly a batch uses its dimensions.

Kim, Kang, Hwang, Shin and Rhee (CVPR 2023): rows of unit length, their autocorrelation C = (1/N) Σ z zᵀ (trace
1, not centred), and S = −Σ λ log λ over its eigenvalues.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.interruptible import eigh, eigvalsh, gram, matmul

__all__ = [
    "effective_rank",
    "entropy_gradient",
    "entropy_null",
    "renyi_entropy",
    "von_neumann_entropy",
]

Floats = NDArray[np.float64]


def von_neumann_entropy(H: ArrayLike) -> float:
    """Give the von Neumann entropy of representations, in nats.

    Parameters
    ----------
    H : array-like, shape (N, d)
        Samples as rows; lengths do not count, nor does a rotation.

    Returns
    -------
    float
        From 0 (all rows along one line) to log min(N, d).

    Raises
    ------
    ShapeError
        If it is no matrix.
    ParameterError
        If a row is zero, which has no direction.
    NonFiniteError
        If it holds NaN or infinity.

    Notes
    -----
    Eigenvalues of the smaller of the two Gram matrices: N d min(N, d) operations. Random rows do not reach log
    min(N, d): compare with `entropy_null`.

    Examples
    --------
    >>> round(von_neumann_entropy(np.eye(3)), 6)  # log 3
    1.098612
    """
    return renyi_entropy(H, 1.0)


def renyi_entropy(H: ArrayLike, alpha: float) -> float:
    """Give the Rényi entropy of order alpha of the same spectrum, in nats.

    Parameters
    ----------
    H : array-like, shape (N, d)
        As for `von_neumann_entropy`.
    alpha : float
        At least 0. 1 is von Neumann's; 0 the logarithm of the rank; 2 that of the participation ratio; infinity
        minus the logarithm of the largest eigenvalue. It falls with alpha.

    Returns
    -------
    float
        In nats.

    Examples
    --------
    >>> round(renyi_entropy([[1.0, 0.0], [0.0, 1.0]], 2), 6)  # log 2
    0.693147
    """
    try:
        order = float(alpha)
    except (TypeError, ValueError):
        raise ParameterError(f"alpha must be a number of at least 0, got {alpha!r}") from None
    if not order >= 0:
        raise ParameterError(f"alpha must be a number of at least 0, got {alpha!r}")
    unit, _ = _unit(H)
    values = _spectrum(unit)
    if order == 1:
        found = -float((values * np.log(values)).sum())
    elif order == 0:
        found = math.log(len(values))
    elif math.isinf(order):
        found = -math.log(float(values.max()))
    else:
        # In logarithms: λ^α underflows for large α.
        logs = order * np.log(values)
        top = float(logs.max())
        found = (top + math.log(float(np.exp(logs - top).sum()))) / (1 - order)
    return max(found, 0.0)


def effective_rank(H: ArrayLike, alpha: float = 1.0) -> float:
    """Give exp of the entropy: the number of equally used dimensions that has it.

    Parameters
    ----------
    H, alpha
        As for `renyi_entropy`.

    Examples
    --------
    >>> round(effective_rank([[1.0, 0.0], [0.0, 2.0], [0.0, 3.0], [4.0, 0.0]]), 6)
    2.0
    """
    return math.exp(renyi_entropy(H, alpha))


def entropy_null(n_samples: int, d: int) -> float:
    """Give the expected von Neumann entropy of independent Gaussian rows.

    Parameters
    ----------
    n_samples, d : int
        Samples and dimensions.

    Returns
    -------
    float
        Page's mean entropy (1993, his equation 8 as proved by Foong and Kanno 1994), in nats: close to
        log m − m/(2M), m the smaller number and M the larger. It is exact for complex Gaussian matrices as a
        whole; rows of unit length, and real numbers, differ by at most .01 for m ≥ 8 (simulated).

    Examples
    --------
    >>> round(entropy_null(256, 64), 4)
    4.0339
    """
    from scipy.special import digamma

    n_samples, d = integer("n_samples", n_samples, 1), integer("d", d, 1)
    small, large = min(n_samples, d), max(n_samples, d)
    return float(digamma(small * large + 1) - digamma(large + 1) - (small - 1) / (2 * large))


def entropy_gradient(H: ArrayLike) -> Floats:
    """Give the gradient of the von Neumann entropy with respect to H.

    Parameters
    ----------
    H : array-like, shape (N, d)
        As for `von_neumann_entropy`.

    Returns
    -------
    ndarray, shape (N, d)
        −2/(N ‖h_i‖) (I − z_i z_iᵀ) log⁺(C) z_i with z_i = h_i/‖h_i‖ and the logarithm on the range of C, in
        which every z_i lies. It is finite where eigenvalues are 0 (dead units, repeated rows), where
        differentiating −λ log λ through an eigensolver gives NaN.
    """
    unit, lengths = _unit(H)
    n = len(unit)
    # log⁺(C) Zᵀ = Zᵀ log⁺(Z Zᵀ / N): the smaller of the two Gram matrices serves.
    short = n <= unit.shape[1]
    log = _log_on_range(gram(unit if short else unit.T) / n)
    pulled = matmul(log, unit) if short else matmul(unit, log)
    along = (pulled * unit).sum(axis=1, keepdims=True)
    return -2 / (n * lengths[:, None]) * (pulled - along * unit)


def _log_on_range(C: Floats) -> Floats:
    values, vectors = eigh(C)
    kept = values > _least(values, len(C))
    return matmul(vectors[:, kept] * np.log(values[kept]), vectors[:, kept].T)


def _spectrum(unit: Floats) -> Floats:
    """Eigenvalues of C above rounding; they add up to 1."""
    n, d = unit.shape
    values = eigvalsh(gram(unit if n <= d else unit.T) / n)
    values = values[values > _least(values, len(values))]
    return values / values.sum()


def _least(values: Floats, size: int) -> float:
    return float(values[-1]) * size * float(np.finfo(np.float64).eps)


def _unit(H: ArrayLike) -> tuple[Floats, Floats]:
    """Rows of unit length, and the lengths that they had."""
    rows = real_numbers(H, "H")
    if rows.ndim != 2 or not rows.size:
        raise ShapeError(f"H must be samples as rows, shape (N, d), got shape {rows.shape}")
    if not np.isfinite(rows).all():
        row, column = map(int, np.argwhere(~np.isfinite(rows))[0])
        raise NonFiniteError(f"H is {rows[row, column]} in row {row}, column {column}", row, column)
    largest = np.abs(rows).max(axis=1)
    if not largest.all():
        row = int(np.argmin(largest))
        raise ParameterError(f"row {row} of H is zero, so it has no direction: leave such rows out")
    scaled = rows / largest[:, None]
    lengths = np.linalg.norm(scaled, axis=1)
    return scaled / lengths[:, None], lengths * largest
