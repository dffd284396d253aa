"""Complex frames that are known exactly, and random frames and unitary maps over either field."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

OMEGA = np.exp(2j * pi / 3)
SIC2 = (
    np.array([[1, 0], *([1, sqrt(2) * OMEGA**k] for k in range(3))]) / np.array([1, *[sqrt(3)] * 3])[:, None]
)
"""The tetrahedron of the Bloch sphere: four lines in C^2."""
SIC3 = np.array([np.roll([0, 1, -(OMEGA**k)], shift) / sqrt(2) for shift in range(3) for k in range(3)])
"""Nine lines in C^3, the orbit of (0, 1, -1) under the Heisenberg group."""
MUB2 = np.array([[1, 0], [0, 1], *(np.array([1, p]) / sqrt(2) for p in (1, -1, 1j, -1j))])
"""Three mutually unbiased bases of C^2."""


def random_frame(n: int, m: int, seed: int, is_complex: bool) -> Array:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m))
    return X + 1j * rng.standard_normal((n, m)) if is_complex else X


def unitary(m: int, seed: int, is_complex: bool) -> Array:
    return np.linalg.qr(random_frame(m, m, seed, is_complex))[0]


def span_projection(X: Array) -> Array:
    """P with x P the projection of a row x on the span of the rows."""
    return np.linalg.pinv(X) @ X
