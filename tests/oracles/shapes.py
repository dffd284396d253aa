"""Coordinates against expected numbers, with NumPy alone."""

from __future__ import annotations

import numpy as np
import pytest

from featuregeom.shapes.expected import Expected

TOLERANCE = 1e-12


def repeated(counted) -> np.ndarray:
    """Values as often as they are counted, increasing."""
    return np.sort(np.repeat([value for value, _ in counted], [count for _, count in counted]))


def check(X: np.ndarray, known: Expected) -> None:
    """Everything that `known` says of X, by plain NumPy."""
    n, m = X.shape
    assert (n, m) == (known.n, known.dim)
    N = np.linalg.norm(X, axis=1)
    cosines = X.conj() @ X.T / np.outer(N, N)
    spectrum = np.linalg.eigvalsh(X.T @ X.conj())
    np.testing.assert_allclose(spectrum, repeated(known.eigenvalues), rtol=TOLERANCE, atol=TOLERANCE)
    capacity = N**4 / (np.abs(X.conj() @ X.T) ** 2).sum(axis=1)
    np.testing.assert_allclose(np.sort(capacity), repeated(known.capacity), rtol=0, atol=TOLERANCE)
    others = cosines[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    assert np.abs(others).max() == pytest.approx(known.coherence, abs=TOLERANCE)
    if known.gram_values is not None:
        levels = np.abs(others) if known.lines else others
        ideal = np.tile(repeated(known.gram_values), (n, 1))
        np.testing.assert_allclose(np.sort(levels, axis=1), ideal, rtol=0, atol=TOLERANCE)
