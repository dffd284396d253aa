"""Regular and star polygons."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import integer
from featuregeom.errors import ParameterError
from featuregeom.shapes.circle import roots_of_unity
from featuregeom.shapes.size import check_size

__all__ = ["polygon"]


def polygon(n: int, density: int = 1) -> NDArray[np.float64]:
    r"""Regular polygon: :math:`w_k = (\cos 2\pi jk/n, \sin 2\pi jk/n)`, with j the density.

    Parameters
    ----------
    n : int
        Number of vertices, at least 3.
    density : int
        Turns around the centre in one round: 1 for the convex polygon, j for the star polygon {n/j}. Below
        n / 2 and coprime to n. It decides the order of the vertices, not the set of them.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Unit vectors, a tight frame with eigenvalue n / 2.

    Raises
    ------
    ParameterError
        If `n` or `density` is outside its range.

    References
    ----------
    Coxeter, Regular Polytopes, 3rd ed. (1973), section 6.1.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.polygon(4).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    n = integer("n", n, 3)
    check_size(f"polygon({n})", n, 2)
    density = integer("density", density, 1, (n - 1) // 2)
    if math.gcd(n, density) != 1:
        raise ParameterError(f"density must be coprime to n = {n}, got {density}")
    points = roots_of_unity(density * np.arange(n), n)
    return np.column_stack([points.real, points.imag])
