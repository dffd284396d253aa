r"""A plane through three activations, coloured by which of the three outputs each point's output is nearest to.

.. math:: X(a, b) = A + a (B - A) + b (C - P), \qquad P = A + t (B - A) \text{ nearest to } C,

so A is at (0, 0), B at (1, 0) and C at (t, 1), and the two directions are orthogonal.

References
----------
Janiak et al., Characterizing stable regions in the residual stream of LLMs, arXiv 2409.17113.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.errors import NonFiniteError, ParameterError, ShapeError
from featuregeom.features import real_numbers
from featuregeom.networks.extra import torch_module
from featuregeom.networks.functions import check_rows, outputs
from featuregeom.networks.tensors import first_bad, rows
from featuregeom.plateaus.metrics import Metric, resolve
from featuregeom.plateaus.responses import pair_contexts
from featuregeom.summary import summarised

__all__ = ["StableSlice", "stable_slice2d"]

Floats = NDArray[np.float64]


@summarised
@dataclass(frozen=True, eq=False)
class StableSlice:
    """Three distance fields on a plane.

    Attributes
    ----------
    a, b : ndarray of float64, shape (n,)
        Coordinates along B - A and C - P.
    distances : ndarray of float64, shape (3, n, n)
        Distance of the output at (a_j, b_i) from those of A, B and C, at ``[k, i, j]``.
    label : ndarray of int64, shape (n, n)
        Nearest of the three, 0, 1 or 2; the first of equals.
    points : ndarray of float64, shape (3, 2)
        Where A, B and C lie, in these coordinates.
    n_forward : int
        Activations that went through g.
    """

    a: Floats
    b: Floats
    distances: Floats
    label: NDArray[np.int64]
    points: Floats
    n_forward: int

    def rgb(self) -> Floats:
        """Complements of the distances over their largest values, shape (n, n, 3): red where near A."""
        top = self.distances.max(axis=(1, 2))
        return np.asarray(1 - (self.distances / np.where(top > 0, top, 1)[:, None, None]).transpose(1, 2, 0))


def stable_slice2d(
    g: Any,
    A: Any,
    B: Any,
    C: Any,
    *,
    n_points: int = 41,
    bounds: tuple[float, float, float, float] = (-0.25, 1.25, -0.25, 1.25),
    out: str | Metric = "l2",
    batch_size: int = 256,
    contexts: ArrayLike | None = None,
) -> StableSlice:
    """Measure the three distance fields on a plane through three activations.

    Parameters
    ----------
    g : callable
        As in `response_curves`. With a `Suffix` of several contexts, the distance from each of A, B and C is taken
        in its own context, 3 n^2 rows in all; a plain function, or one context, needs n^2.
    A, B, C : tensor or array-like, shape (m,)
        Three activations, not on one line.
    n_points : int
        Points along each side, at least 2.
    bounds : tuple of float
        Least and largest a, then b.
    out : str or callable
        Metric; see `metrics`; "ab_ratio" is for curves alone.
    batch_size : int
        Rows of one call of g.
    contexts : array_like of int, shape (3,), optional
        Contexts of A, B and C.

    Returns
    -------
    StableSlice

    Raises
    ------
    ParameterError, ShapeError, DtypeError, NonFiniteError
        If an argument is outside its range, the three are on one line, an output is not finite, or a distance is
        not: "rel_l2" from a corner whose output is zero.
    """
    torch = torch_module("plateaus.stable_slice2d")
    first = rows("A", A)
    corners = [first, rows("B", B, first), rows("C", C, first)]
    if any(len(corner) != 1 or corner.shape[1] != first.shape[1] for corner in corners):
        raise ShapeError(f"A, B and C must be vectors of one size, got {[tuple(c.shape) for c in corners]}")
    three = torch.cat(corners)
    size, least = integer("n_points", n_points, 2), real_numbers(bounds, "bounds")
    if least.shape != (4,) or not np.isfinite(least).all() or least[0] >= least[1] or least[2] >= least[3]:
        raise ParameterError(f"bounds must be a_min < a_max, b_min < b_max, got {bounds!r}")
    step = int(integer("batch_size", batch_size, 1))
    metric = resolve(out)
    which = pair_contexts(g, 3, contexts)
    wide = three.double()
    u, w = wide[1] - wide[0], wide[2] - wide[0]
    square = float(u @ u)
    t = float(w @ u) / square if square else 0.0
    v = w - t * u
    if not square or float(v.norm()) <= 1e-6 * float(w.norm() + u.norm()):
        raise ParameterError("A, B and C are on one line: no plane goes through them alone")
    a, b = np.linspace(least[0], least[1], size), np.linspace(least[2], least[3], size)
    X = wide[0] + (torch.as_tensor(a)[None, :, None] * u + torch.as_tensor(b)[:, None, None] * v)
    plane = X.reshape(-1, X.shape[-1]).to(three)
    references = outputs(g, three, which)
    check_rows(g, three, which)
    _check(references, "a corner")
    runs = [0] if which is None or (which == which[0]).all() else [0, 1, 2]
    distances = np.empty((3, size * size))
    for start in range(0, len(plane), step):
        part = plane[start : start + step]
        for run in runs:
            context = None if which is None else np.full(len(part), which[run])
            y = outputs(g, part, context)
            _check(y, f"the plane from point {start} on")
            for k in [0, 1, 2] if len(runs) == 1 else [run]:
                distances[k, start : start + step] = metric(references[k], y).cpu().numpy()
                if not np.isfinite(distances[k, start : start + step]).all():
                    raise ParameterError(
                        f"the metric is not finite from corner {'ABC'[k]}: a zero or opposite output has no such value"
                    )
    fields = distances.reshape(3, size, size)
    return StableSlice(
        a,
        b,
        fields,
        np.argmin(fields, axis=0),
        np.array([[0.0, 0.0], [1.0, 0.0], [t, 1.0]]),
        3 + len(runs) * len(plane),
    )


def _check(y: Any, where: str) -> None:
    bad = first_bad(y)
    if bad is not None:
        raise NonFiniteError(
            f"the output is {float(y[bad])} in row {bad[0]} of {where}, column {bad[1]}", *bad
        )
