"""The loss of a toy that sees one feature at a time, in closed form, and its best regular polygons.

The one-active-feature loss is what remains of the loss of a toy (see `featuregeom.toys.superposition`) as the
sparsity S goes to 1, per input that is not zero: exactly one feature, drawn evenly, is uniform on [0, 1]. With
row i of W (n x m) the direction of feature i and M = W W^T,

    L = (1/n) sum_i { I_i int_0^1 (x - ReLU(M_ii x + b_i))^2 dx + sum_{j != i} I_j int_0^1 ReLU(M_ji x + b_j)^2 dx }.

Output j is an affine function of x between the points x0 and x1 where it is positive, and 0 elsewhere. Between
them the residual r goes straight from r0 to r1, and every integral that the loss and its gradient need is a
polynomial in x0, x1, r0 and r1; no sign case needs a formula of its own, and nothing divides by a slope.

References
----------
Chen, Lau, Mendel, Wei & Murfet (2023), "Dynamical versus Bayesian Phase Transitions in a Toy Model of
Superposition".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.summary import summarised
from featuregeom.toys.arguments import finite

__all__ = ["OptimalPolygon", "one_active_gradient", "one_active_loss", "optimal_polygon", "polygon_catalogue"]
__dir__ = __all__.copy

Array = NDArray[np.float64]


def one_active_loss(W: ArrayLike, b: ArrayLike, importance: ArrayLike | None = None) -> float:
    """Loss of a toy when exactly one feature is active and uniform on [0, 1], in closed form.

    L = (1/n) sum_i { I_i int_0^1 (x - ReLU(M_ii x + b_i))^2 dx
    + sum_{j != i} I_j int_0^1 ReLU(M_ji x + b_j)^2 dx } with M = W W^T. Exact to rounding, in float64.

    Parameters
    ----------
    W : array_like, shape (n, m)
        One feature per row.
    b : array_like, shape (n,)
        Biases.
    importance : array_like, shape (n,), optional
        Weight I_j of output j in the loss, at least 0; 1 unless given.

    Returns
    -------
    float
        The loss. It depends on W through W W^T alone, so no rotation of the hidden space changes it.

    Raises
    ------
    ShapeError
        If the shapes do not fit together, or W has no rows or no columns.
    ParameterError
        If a value is not a finite real number, an importance is negative, or the values are so large that the
        squares of the outputs leave float64.

    Notes
    -----
    Cost: O(n^2 m) operations and O(n^2) memory.

    References
    ----------
    Chen et al. (2023), "Dynamical versus Bayesian Phase Transitions in a Toy Model of Superposition".

    Examples
    --------
    One dimension holds two features as an antipodal pair without loss, as they are never active together:

    >>> one_active_loss([[1.0], [-1.0]], [0.0, 0.0])
    0.0
    """
    weights, bias, scale = _checked(W, b, importance)
    with np.errstate(over="ignore", invalid="ignore"):
        t, x0, x1, r0, r1 = _active(weights, bias)
        squares = t * (r0 * r0 + r0 * r1 + r1 * r1) / 3
        # Where output i is 0, feature i itself is the residual.
        own = (x0.diagonal() ** 3 + 1 - x1.diagonal() ** 3) / 3
        loss = scale @ (squares.sum(axis=1) + own)
    _in_range(loss, weights, bias, scale)
    return float(loss) / len(bias)


def one_active_gradient(
    W: ArrayLike, b: ArrayLike, importance: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Gradient of `one_active_loss` with respect to W and b, in closed form.

    With r = [i = j] x - ReLU(M_ji x + b_j) the residual of output j, integrals over the x where the output is
    positive, and G_ji = dL/dM_ji = -(2/n) I_j int x r dx,

        dL/dW = (G + G^T) W,        dL/db_j = -(2/n) I_j sum_i int r dx.

    Parameters
    ----------
    W : array_like, shape (n, m)
        One feature per row.
    b : array_like, shape (n,)
        Biases.
    importance : array_like, shape (n,), optional
        Weight I_j of output j in the loss, at least 0; 1 unless given.

    Returns
    -------
    grad_W : ndarray of float64, shape (n, m)
        Gradient with respect to W.
    grad_b : ndarray of float64, shape (n,)
        Gradient with respect to b.

    Raises
    ------
    ShapeError
        If the shapes do not fit together, or W has no rows or no columns.
    ParameterError
        If a value is not a finite real number, an importance is negative, or the values are so large that the
        squares of the outputs leave float64.

    Notes
    -----
    The loss is continuously differentiable but where a row of W and its bias are both 0. There the derivative
    of ReLU at 0 is taken as 0, as torch does. Cost: O(n^2 m) operations and O(n^2) memory.

    References
    ----------
    Chen et al. (2023), "Dynamical versus Bayesian Phase Transitions in a Toy Model of Superposition".

    Examples
    --------
    A feature alone, with output x / 4: the residual 3x / 4 asks for a longer vector and a larger bias.

    >>> one_active_gradient([[0.5]], [0.0])
    (array([[-0.5]]), array([-0.75]))
    """
    weights, bias, scale = _checked(W, b, importance)
    with np.errstate(over="ignore", invalid="ignore"):
        t, x0, x1, r0, r1 = _active(weights, bias)
        slope = -t / 3 * (x0 * (2 * r0 + r1) + x1 * (r0 + 2 * r1))
        G = slope * (scale / len(bias))[:, None]
        grad_W, grad_b = (G + G.T) @ weights, -scale / len(bias) * (t * (r0 + r1)).sum(axis=1)
    _in_range(np.append(grad_W, grad_b), weights, bias, scale)
    return grad_W, grad_b


@summarised
@dataclass(frozen=True)
class OptimalPolygon:
    """The best toy in two dimensions that holds k of n features as a regular k-gon; see `optimal_polygon`.

    Attributes
    ----------
    k : int
        Number of features on the polygon.
    n : int
        Number of features in all; n - k of them are dropped (zero rows of W, bias 1 / (2n)).
    norm : float
        Length of each of the k vectors.
    bias : float
        Bias of each of the k features.
    loss : float
        The one-active-feature loss.
    """

    k: int
    n: int
    norm: float
    bias: float
    loss: float

    def parameters(self) -> tuple[Array, Array]:
        """Return W, shape (n, 2), and b, shape (n,), of the toy, the features of the polygon first."""
        angles = 2 * np.pi * np.arange(self.k) / self.k
        W = np.zeros((self.n, 2))
        W[: self.k] = self.norm * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        b = np.full(self.n, 1 / (2 * self.n))
        b[: self.k] = self.bias
        return W, b


def optimal_polygon(k: int, n: int | None = None) -> OptimalPolygon:
    """Find the regular k-gon of least one-active-feature loss, the other n - k features being dropped.

    A dropped feature with bias b > 0 outputs b whatever comes in. It costs 1/3 - b + b^2 on its own inputs and
    b^2 on each of the n - 1 others, least at b = 1/(2n): 1/3 - 1/(4n). It does not disturb the polygon, whose
    biases are not positive, so norm and bias do not depend on n.

    On the polygon write bias = -s rho with s = norm^2. Then output j is s ReLU(x cos(theta_j) - rho), linear in
    s, and a feature costs 1/3 - 2 s P + s^2 Q, least at s = P / Q: 1/3 - P^2 / Q, where

        P = (1 - rho)^2 (2 + rho) / 6,      Q = sum_j (c_j - rho)^3 / (3 c_j),      c_j = cos(2 pi j / k) > rho,

    which leaves one number, rho in [0, 1). Its best value is bracketed on a grid, and then bisected to rounding
    on the sign of the derivative, that of (1 - rho)(2 + rho) R - 3 (1 + rho) Q with R = sum_j (c_j - rho)^2 /
    (2 c_j). For k <= 4 no two features have a positive cosine, and norm 1 with bias 0 costs nothing.

    Parameters
    ----------
    k : int
        Number of features on the polygon, at least 1. k = 1 is a feature alone, 2 an antipodal pair.
    n : int, optional
        Number of features in all, at least k; k unless given.

    Returns
    -------
    OptimalPolygon
        Norm, bias and loss, ((n - k)(1/3 - 1/(4n)) + k (1/3 - P^2 / Q)) / n. It is a critical point of the loss
        over all W and b, but for k = 1 < n, where the dropped features feel the one vector.

    Raises
    ------
    ParameterError
        If k or n is not an integer, k is below 1 or n is below k.

    Notes
    -----
    Cost: O(k), times some 600 evaluations; a k seen before costs nothing.

    References
    ----------
    Chen et al. (2023), "Dynamical versus Bayesian Phase Transitions in a Toy Model of Superposition".

    Examples
    --------
    >>> pentagon = optimal_polygon(5)
    >>> round(pentagon.norm, 8), round(pentagon.bias, 8), round(pentagon.loss, 10)
    (1.17045964, -0.28229728, 0.0158256271)
    """
    kept = integer("k", k, 1)
    total = kept if n is None else integer("n", n, kept)
    norm, bias, cost = _kept(kept)
    dropped = 1 / 3 - 1 / (4 * total)
    return OptimalPolygon(kept, total, norm, bias, (kept * cost + (total - kept) * dropped) / total)


def polygon_catalogue(n: int) -> tuple[OptimalPolygon, ...]:
    """Return the best k-gons for k = 1..n that hold k of n features, the least loss first.

    Parameters
    ----------
    n : int
        Number of features, at least 1.

    Returns
    -------
    tuple of OptimalPolygon, length n
        One per k, by `optimal_polygon`; equal losses in the order of k.

    Raises
    ------
    ParameterError
        If n is not an integer of at least 1.

    References
    ----------
    Chen et al. (2023), "Dynamical versus Bayesian Phase Transitions in a Toy Model of Superposition".

    Examples
    --------
    Eight features in a plane do better to drop one of them, or even two:

    >>> [(p.k, round(p.loss, 10)) for p in polygon_catalogue(8)[:3]]
    [(7, 0.1106227118), (6, 0.1116651154), (8, 0.1155459347)]
    """
    total = integer("n", n, 1)
    return tuple(
        sorted((optimal_polygon(k, total) for k in range(1, total + 1)), key=lambda p: (p.loss, p.k))
    )


@lru_cache(maxsize=4096)
def _kept(k: int) -> tuple[float, float, float]:
    """Norm, bias and cost per feature of the best k-gon."""
    if k <= 4:
        return 1.0, 0.0, 0.0
    cosines = np.cos(2 * np.pi * np.arange(1, (k - 1) // 4 + 1) / k)
    c = np.concatenate([[1.0], cosines, cosines])  # Those above 0, which come in pairs.

    def moments(rho: float) -> tuple[float, float, float]:
        reach = c[c > rho] - rho
        Q = float((reach**3 / c[c > rho]).sum()) / 3
        R = float((reach**2 / c[c > rho]).sum()) / 2
        return (1 - rho) ** 2 * (2 + rho) / 6, Q, R

    def gain(rho: float) -> float:
        P, Q, _ = moments(rho)
        return P * P / Q

    grid = [math.sin(math.pi / 2 * i / 512) for i in range(512)]
    best = max(range(512), key=lambda i: gain(grid[i]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, 511)]
    while low < (rho := (low + high) / 2) < high:
        _, Q, R = moments(rho)
        if (1 - rho) * (2 + rho) * R > 3 * (1 + rho) * Q:
            low = rho
        else:
            high = rho
    P, Q, _ = moments(rho)
    return math.sqrt(P / Q), -rho * P / Q, 1 / 3 - P * P / Q


def _active(W: Array, b: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Where output j (row) is positive as feature i (column) runs over [0, 1], and its residuals there.

    Returns the length t of the interval [x0, x1], its ends, and the residuals at both. t is 0 where the output
    is nowhere positive, and then x0 = x1 = 0.
    """
    start = np.broadcast_to(b[:, None], (len(b), len(b)))
    end = W @ W.T + start
    p, q, size = np.maximum(start, 0), np.maximum(end, 0), np.abs(start) + np.abs(end)
    # (p + q) / size is the share of [0, 1] where a line from start to end is positive: 0, 1, or up to its zero.
    safe = np.where(size > 0, size, 1)
    t = (p + q) / safe
    x0 = np.where((start < 0) & (end > 0), -start / safe, 0)
    x1 = np.where(end > 0, 1, t)
    target = np.eye(len(b))
    return t, x0, x1, target * x0 - p, target * x1 - q


def _checked(W: ArrayLike, b: ArrayLike, importance: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return W, b and the importances as float64, or say what is wrong with them."""
    weights, bias = finite("W", W), finite("b", b)
    scale = np.ones(bias.shape) if importance is None else finite("importance", importance)
    n = len(weights) if weights.ndim == 2 and weights.size else -1
    if bias.shape != (n,) or scale.shape != (n,):
        raise ShapeError(
            "W (n, m), b (n,) and importance (n,), none of them empty, do not fit together: "
            f"{weights.shape}, {bias.shape} and {scale.shape}"
        )
    if (scale < 0).any():
        raise ParameterError(f"importance must be at least 0, got {scale.min()} at {scale.argmin()}")
    return weights, bias, scale


def _in_range(result: Array | np.float64, W: Array, b: Array, importance: Array) -> None:
    """Raise if outputs, squares or sums are beyond float64."""
    # Overflow shows: an off-diagonal entry of W W^T leaves the range only where one on the diagonal does.
    if not np.isfinite(result).all():
        sizes = [f"{np.abs(values).max():g}" for values in (W, b, importance)]
        raise ParameterError(
            f"W, b and importance, with largest sizes {', '.join(sizes)}, give numbers beyond the range of float64, "
            f"{np.finfo(np.float64).max:.2g}: scale them down"
        )
