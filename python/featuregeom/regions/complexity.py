"""How near and how dense region boundaries are around points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import ParameterError, ShapeError
from featuregeom.regions.piecewise import network, read_point

__all__ = ["ball_radius", "local_complexity", "ray_exit", "region_diameter"]


def local_complexity(
    model: Any, points: Any, radius: float, *, n_directions: int = 10, seed: int = 0
) -> NDArray[np.int64]:
    """Count, layer by layer, the neurons whose sign changes over a hull around each point.

    The hull has the corners x + r q and x - r q for orthonormal directions q, the same for all points.

    Parameters
    ----------
    model : torch.nn.Module or sequence of (W, b)
        A piecewise-linear network in eval mode.
    points : array-like, shape (n, ...)
        Inputs.
    radius : float
        r, positive.
    n_directions : int
        Directions, at most the dimension of an input.
    seed : int
        Of the directions.

    Returns
    -------
    ndarray of int64, shape (n, layers)
        In the first layer a neuron counts exactly where its hyperplane meets the hull: where
        :math:`|z_j(x)| < r max_q |<w_j, q>|`. In deeper layers signs at the corners are compared, a lower bound.

    Raises
    ------
    ParameterError
        If `radius` is not positive, or directions do not fit.
    ShapeError
        If the points do not fit.

    References
    ----------
    Humayun, Balestriero & Baraniuk, arXiv:2402.15555.
    """
    given = network(model)
    values = np.array(points, dtype=np.float64)
    if values.ndim < 2 or not values.size or not np.isfinite(values).all():
        raise ParameterError("points must be finite inputs, one a row, at least one")
    if given.shape is not None and values.shape[1:] != given.shape:
        raise ShapeError(f"points have shape {values.shape[1:]} each, the network takes {given.shape}")
    if not 0 < radius < math.inf:
        raise ParameterError(f"radius must be positive, got {radius!r}")
    dimension = math.prod(values.shape[1:])
    if not 1 <= n_directions <= dimension:
        raise ParameterError(
            f"n_directions must lie between 1 and the dimension {dimension}, got {n_directions}"
        )
    noise = np.random.default_rng(seed).standard_normal((dimension, n_directions))
    Q = radius * np.linalg.qr(noise)[0].T.reshape(n_directions, *values.shape[1:])
    hull = np.concatenate([Q, -Q])
    corners = (values[:, None] + hull[None]).reshape(-1, *values.shape[1:])
    found: list[NDArray[np.int64]] = []
    while (z := given.stage(corners, len(found))[0]) is not None:
        above = (z > 0).reshape(len(values), len(hull), -1)
        found.append((above.any(axis=1) & ~above.all(axis=1)).sum(axis=1))
    return np.stack(found, axis=1) if found else np.empty((len(values), 0), dtype=np.int64)


def ball_radius(model: Any, point: Any) -> float:
    r"""Give the radius of the largest ball around a point that stays in its region.

    :math:`\min_j |z_j| / ||\nabla z_j||` over all neurons of all layers.

    Inside the region every value is affine, so its zero set is the hyperplane at that distance; other hyperplanes
    do not matter there. Infinite for a network without bends nearby.

    Raises
    ------
    ParameterError, ShapeError
        As in `along`.

    Notes
    -----
    Costs one backward a neuron with torch; with (W, b) one product of matrices a layer.

    Examples
    --------
    >>> ball_radius([([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], [3.0, -0.5])
    0.5
    """
    given = network(model)
    x = read_point(given, point, "point")
    z, gradients = given.linearise(x)
    norms = np.linalg.norm(gradients, axis=1)
    moving = norms > 0
    return float((np.abs(z[moving]) / norms[moving]).min(initial=math.inf))


def ray_exit(model: Any, point: Any, direction: Any, limit: float = 1e6) -> float:
    """Give the Euclidean distance at which a ray leaves the region of its start; inf beyond `limit`.

    Raises
    ------
    ParameterError, ShapeError
        As in `along`; for a direction of length zero or a limit that is not positive.

    Examples
    --------
    >>> ray_exit([([[1.0]], [-2.0]), ([[1.0]], [0.0])], [0.0], [1.0])
    2.0
    """
    given = network(model)
    x, d = read_point(given, point, "point"), read_point(given, direction, "direction")
    if x.shape != d.shape:
        raise ShapeError(f"point and direction differ in shape: {x.shape}, {d.shape}")
    length = float(np.linalg.norm(d))
    if length == 0 or not 0 < limit < math.inf:
        raise ParameterError("direction must not be zero, and limit must be positive")
    d = d / length
    z, gradients = given.linearise(x)
    slopes = gradients @ d.ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(slopes == 0, math.inf, -z / slopes)
    nearest = float(times[times > 0].min(initial=math.inf))
    return nearest if nearest <= limit else math.inf


def region_diameter(model: Any, point: Any, direction: Any, limit: float = 1e6) -> float:
    """Give the length of the region's chord through a point: the exits of the ray both ways."""
    there = ray_exit(model, point, direction, limit)
    return there + ray_exit(model, point, -np.asarray(direction, dtype=np.float64), limit)
