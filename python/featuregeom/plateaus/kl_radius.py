r"""How far a pre-logit activation can move before the prediction does.

With logits z = W h + b and p their softmax, a step r u moves them by r W u, and

.. math:: \mathrm{KL}(p(h) \,\|\, p(h + r u)) = \tfrac12 r^2 \, u^\top F u + O(r^3), \qquad
    u^\top F u = u^\top W^\top (\operatorname{diag} p - p p^\top) W u = \operatorname{Var}_p (W u),

so the divergence reaches :math:`\varepsilon` near :math:`r^* = \sqrt{2 \varepsilon / u^\top F u}`. It increases with
r > 0 (the log-partition function is convex), so the true radius is found by bisection. With s = W u,
c = s - sum_v p_v s_v and x = r c it is

.. math:: \mathrm{KL} = \log \sum_v p_v e^{x_v} = \log \Bigl( 1 + \sum_v p_v (e^{x_v} - 1 - x_v) \Bigr),

as the mean of x is 0. The second form has no term below 0, so nothing cancels: it tells divergences far below the
rounding of 1 from each other, where the first sees none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import number_between
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import matmul
from featuregeom.networks.piecewise import numbers
from featuregeom.summary import summarised

__all__ = ["KLRadius", "kl_radius"]

Floats = NDArray[np.float64]

_FAR = 1e300
"""Largest change of a logit, and start of the search, that is told from infinity: products with it stay finite."""

_DOUBLINGS = 200
"""Factors of two above the closed form within which the exact radius is looked for."""


@summarised
@dataclass(frozen=True, eq=False)
class KLRadius:
    """Radii at which the prediction has moved by `threshold` nats.

    Attributes
    ----------
    closed : ndarray of float64, shape (P,)
        The closed form; infinite where no logit moves against another.
    exact : ndarray of float64, shape (P,)
        By bisection, to a few units of rounding (1e-13) for any `threshold` from 1e-300 on; infinite where the
        divergence never reaches `threshold`.
    error : ndarray of float64, shape (P,)
        ``closed / exact - 1``: how much the quadratic approximation is off; NaN where either is infinite.
    threshold : float
        The divergence, in nats.
    """

    closed: Floats
    exact: Floats
    error: Floats
    threshold: float


def kl_radius(
    W_U: ArrayLike, h: ArrayLike, u: ArrayLike, threshold: float = 1e-2, *, bias: ArrayLike = 0.0
) -> KLRadius:
    r"""Distance along a direction at which KL(p(h) || p(h + r u)) reaches `threshold` nats, closed form and exact.

    Parameters
    ----------
    W_U : array_like, shape (V, m)
        Unembedding: one row per token.
    h : array_like, shape (P, m) or (m,)
        Activations just before it. A final LayerNorm is not part of this: pass what it puts out.
    u : array_like, shape (P, m) or (m,)
        Directions; scaled to length 1.
    threshold : float
        Divergence in nats, above 0.
    bias : array_like, shape (V,) or ()
        Added to the logits.

    Returns
    -------
    KLRadius

    Raises
    ------
    ShapeError, NonFiniteError, ParameterError
        If shapes do not fit, a value is not finite, a direction is zero or threshold is not above 0.

    Notes
    -----
    Costs O(P V m), and some 60 softmaxes of P x V for the bisection; O(P V) memory.

    References
    ----------
    The Fisher information of the softmax; Amari, Information Geometry and Its Applications (2016), section 2.

    Examples
    --------
    Two tokens of equal probability whose logits part by 2 r: the variance of +-1 is 1.

    >>> from featuregeom.plateaus import kl_radius
    >>> found = kl_radius([[1.0], [-1.0]], [0.0], [1.0], threshold=0.005)
    >>> round(float(found.closed[0]), 6)
    0.1
    """
    W = _finite("W_U", W_U)
    start, direction = (np.atleast_2d(_finite(name, value)) for name, value in (("h", h), ("u", u)))
    offset = _finite("bias", bias)
    if W.ndim != 2 or start.ndim != 2 or direction.ndim != 2 or not W.size:
        raise ShapeError(
            f"W_U must be (V, m), h and u (P, m), got {W.shape}, {start.shape}, {direction.shape}"
        )
    try:
        start, direction = np.broadcast_arrays(start, direction)
        np.broadcast_to(offset, (len(W),))
    except ValueError:
        start = start[:, :0]
    if start.shape[1] != W.shape[1]:
        raise ShapeError(
            f"W_U (V, m), h and u (P, m) and bias (V,) do not fit: {W.shape}, {np.shape(h)}, {np.shape(u)}, "
            f"{offset.shape}"
        )
    threshold = number_between("threshold", threshold, 0)
    length = np.linalg.norm(direction, axis=1)
    if not length.all():
        raise ParameterError(f"direction {int(np.flatnonzero(length == 0)[0])} is zero")
    logits, slope = matmul(start, W.T) + offset, matmul(direction / length[:, None], W.T)
    # The softmax does not see what all logits share. Relative to the likeliest token the slopes of a nearly certain
    # prediction, and their mean, are sums of small numbers.
    slope = slope - np.take_along_axis(slope, logits.argmax(axis=1)[:, None], axis=1)
    log_p = logits - _logsumexp(logits)[:, None]
    p = np.exp(log_p)
    centred = slope - (p * slope).sum(axis=1)[:, None]
    # As a logarithm: next to a logit that leads by 740, the others have no probability in float64.
    log_variance = _logsumexp(log_p + 2 * _log(np.abs(centred)))
    # Rounding of the products above leaves this much where all logits move alike.
    noise = (W.shape[1] + 8) * np.finfo(np.float64).eps * np.abs(W).max() * np.sqrt(W.shape[1])
    still = (np.abs(slope).max(axis=1) <= noise) | (log_variance == -np.inf)
    closed, exact = np.full((2, len(p)), np.inf)
    moving = ~still
    with np.errstate(over="ignore"):
        closed[moving] = np.exp((np.log(2 * threshold) - log_variance[moving]) / 2)
    # Where the first token that gains alone has gained as much, or nearly: no more than that, if closed is far beyond.
    gains = np.where(centred > 0, centred, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        alone = np.nan_to_num((2 + threshold - log_p) / gains, nan=np.inf).min(axis=1)
    guess = np.minimum(np.minimum(closed, alone)[moving] / np.sqrt(threshold), _FAR)
    exact[moving] = np.sqrt(threshold) * _bisected(log_p[moving], centred[moving], guess, threshold)
    error = np.full(len(p), np.nan)
    both = np.isfinite(closed) & np.isfinite(exact)
    error[both] = closed[both] / exact[both] - 1
    return KLRadius(closed, exact, error, threshold)


def _bisected(log_p: Floats, centred: Floats, guess: Floats, threshold: float) -> Floats:
    """Find the radius where the divergence is `threshold`, in units of its root; infinite where it stays below.

    In these units all numbers are of moderate size, however small `threshold` is.
    """
    root, target = np.sqrt(threshold), np.expm1(threshold) / threshold if threshold < 1 else np.inf
    sizes = _log(np.abs(centred))

    def short(t: Floats) -> NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            x = np.clip(root * t[:, None] * centred, -_FAR, _FAR)
            if threshold >= 1:
                return np.asarray(_logsumexp(log_p + x) < threshold)
            # p (exp(x) - 1 - x) / threshold as a sum of logarithms: p alone would underflow, and exp(x) overflow.
            large = (
                log_p + x - np.log(threshold) + np.log1p(-(1 + np.maximum(x, 1)) * np.exp(-np.maximum(x, 1)))
            )
            small = log_p + 2 * (np.log(t)[:, None] + sizes) + np.log(_second_order(np.minimum(x, 1)))
            return np.asarray(np.exp(np.where(x > 1, large, small)).sum(axis=1) < target)

    low, high = np.zeros(len(log_p)), guess
    for _ in range(_DOUBLINGS):
        below = short(high)
        if not below.any():
            break
        low, high = np.where(below, high, low), np.where(below, np.minimum(2 * high, _FAR), high)
    reached = ~short(high)
    while True:
        middle = (low + high) / 2
        inside = reached & (low < middle) & (middle < high)
        if not inside.any():
            return np.where(reached, high, np.inf)
        below = short(middle)
        low, high = np.where(inside & below, middle, low), np.where(inside & ~below, middle, high)


def _second_order(x: Floats) -> Floats:
    """Give (exp(x) - 1 - x) / x^2, which is 1/2 at 0, for x up to 1."""
    inner = np.maximum(x, -1)
    series = np.zeros_like(x)
    for k in range(20, 1, -1):  # The next term is below 1e-19.
        series = (series * inner + 1) if k == 20 else series * inner / (k + 1) + 1
    far = np.minimum(x, -1)
    return np.where(x < -1, (np.expm1(far) / far - 1) / far, series / 2)


def _log(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def _logsumexp(values: Floats) -> Floats:
    top = np.maximum(values.max(axis=1), -_FAR)
    return np.asarray(top + _log(np.exp(values - top[:, None]).sum(axis=1)))


def _finite(name: str, value: ArrayLike) -> Floats:
    array = numbers(value, name)
    if not np.isfinite(array).all():
        bad = [0, 0, *map(int, np.argwhere(~np.isfinite(array))[0])]
        raise NonFiniteError(f"{name} is not finite at {tuple(bad[2:])}", bad[-2], bad[-1])
    return array
