"""How near and how dense region boundaries are around points."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import choice, integer
from featuregeom.errors import ParameterError, ShapeError
from featuregeom.networks.piecewise import BATCH, Floats, network, numbers, read_point
from featuregeom.networks.rounding import known

__all__ = ["ball_radius", "local_complexity", "ray_exit", "region_diameter"]


def local_complexity(
    model: Any,
    points: Any,
    radius: float,
    *,
    form: Literal["hull", "ball"] = "hull",
    n_directions: int | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    r"""Count, layer by layer, the neurons whose sign changes near each point: over a hull, or over a ball.

    The hull has the corners x + r q and x - r q for orthonormal directions q, the same for all points; the ball is
    all of the distance r.

    Parameters
    ----------
    model : torch.nn.Module or sequence of (W, b)
        A piecewise-linear network in eval mode.
    points : array-like, shape (n, ...)
        Inputs.
    radius : float
        r, positive.
    form : {"hull", "ball"}
        What is near.
    n_directions : int, optional
        Directions of the hull, at most the dimension of an input; by default 10, or the dimension if that is less.
    seed : int
        Of the directions.

    Returns
    -------
    ndarray of int64, shape (n, layers)
        In the first layer a neuron counts exactly where its hyperplane meets the hull,
        :math:`|z_j(x)| < r \max_q |\langle w_j, q \rangle|`, or the ball, :math:`|z_j(x)| < r \|\nabla_x z_j\|`.
        In deeper layers signs at the hull's corners are compared, a lower bound; for the ball z is continued
        as it is at x, exact where x's own region reaches as far as r.

    Raises
    ------
    ParameterError
        If `radius` is not positive, or directions or form are none.
    ShapeError
        If the points do not fit.

    Notes
    -----
    The hull costs one forward of 2 n_directions inputs a point, the ball the gradients of all neurons at each point,
    as in `ball_radius`.

    References
    ----------
    Humayun, Balestriero & Baraniuk, arXiv:2402.15555.

    Examples
    --------
    >>> identity = [([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])]
    >>> local_complexity(identity, [[3.0, -0.5], [0.1, 0.2]], 1.0, form="ball").tolist()
    [[1], [2]]
    """
    given, seed = network(model), integer("seed", seed, 0)
    values = numbers(points, "points")
    if values.ndim < 2 or not values.size or not np.isfinite(values).all():
        raise ParameterError("points must be finite inputs, one per row, at least one")
    if given.shape is not None and values.shape[1:] != given.shape:
        raise ShapeError(f"points have shape {values.shape[1:]} each, the network takes {given.shape}")
    if not 0 < radius < math.inf:
        raise ParameterError(f"radius must be positive, got {radius!r}")
    choice("form", form, ("hull", "ball"))
    if form == "ball":
        if n_directions is not None:
            raise ParameterError('n_directions belong to form="hull": a ball has all directions')
        counts = [
            [int((np.abs(z) < radius * np.linalg.norm(J, axis=1)).sum()) for z, J in given.linearise(point)]
            for point in values
        ]
        return np.array(counts, dtype=np.int64).reshape(len(values), -1)
    dimension = math.prod(values.shape[1:])
    count = min(10, dimension) if n_directions is None else integer("n_directions", n_directions, 1)
    if count > dimension:
        raise ParameterError(f"n_directions must lie between 1 and the dimension {dimension}, got {count}")
    noise = np.random.default_rng(seed).standard_normal((dimension, count))
    Q = radius * np.linalg.qr(noise)[0].T.reshape(count, *values.shape[1:])
    hull = np.concatenate([Q, -Q])
    step = max(1, BATCH // len(hull))
    parts = []
    for begin in range(0, len(values), step):
        some = values[begin : begin + step]
        stages, _ = given.forward((some[:, None] + hull[None]).reshape(-1, *values.shape[1:]), settled=True)
        above = [(z > 0).reshape(len(some), len(hull), -1) for z in stages]
        changes = [(bits.any(axis=1) & ~bits.all(axis=1)).sum(axis=1) for bits in above]
        parts.append(np.stack(changes, axis=1) if changes else np.empty((len(some), 0), dtype=np.int64))
    return np.concatenate(parts)


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
    Costs one backward pass per neuron with torch; with (W, b) one product of matrices per layer.

    Examples
    --------
    >>> ball_radius([([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], [3.0, -0.5])
    0.5
    """
    given = network(model)
    x = read_point(given, point, "point")
    z, gradients = _all(given.linearise(x), x)
    norms = np.linalg.norm(gradients, axis=1)
    moving = norms > 0
    return float((np.abs(z[moving]) / norms[moving]).min(initial=math.inf))


def ray_exit(model: Any, point: Any, direction: Any, max_distance: float = 1e6) -> float:
    """Give the Euclidean distance at which a ray leaves the region of its start; inf beyond `max_distance`.

    Regions are those of codes, whose bits are 1 above zero: a boundary belongs to its lower side, so a ray from
    there to the upper side leaves at once, at 0.

    Raises
    ------
    ParameterError, ShapeError
        As in `along`; for a direction of length zero or a `max_distance` that is not positive.

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
    if length == 0 or not 0 < max_distance < math.inf:
        raise ParameterError("direction must not be zero, and max_distance must be positive")
    d = d / length
    z, gradients = _all(given.linearise(x), x)
    slopes = known(gradients @ d.ravel(), np.abs(gradients) @ np.abs(d.ravel()))
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(slopes == 0, math.inf, -z / slopes)
    # A bit is 1 above zero alone, so from zero itself it flips at once on the way up, and never on the way down.
    ahead = (times > 0) | ((z == 0) & (slopes > 0))
    nearest = float(np.abs(times[ahead]).min(initial=math.inf))
    return nearest if nearest <= max_distance else math.inf


def region_diameter(model: Any, point: Any, direction: Any, max_distance: float = 1e6) -> float:
    """Give the length of the region's chord through a point: the exits of the ray both ways."""
    there = ray_exit(model, point, direction, max_distance)
    return there + ray_exit(model, point, -numbers(direction, "direction"), max_distance)


def _all(stages: list[tuple[Floats, Floats]], x: Floats) -> tuple[Floats, Floats]:
    """Put the values of all layers, and their gradients, one below the other."""
    z = [values for values, _ in stages]
    gradients = [slopes for _, slopes in stages]
    return np.concatenate([np.empty(0), *z]), np.concatenate([np.empty((0, x.size)), *gradients])
