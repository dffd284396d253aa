"""Direct sums of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.errors import DtypeError, ParameterError, ShapeError
from featuregeom.features import off_graph
from featuregeom.interruptible import by_slabs

__all__ = ["as_frame", "direct_sum"]


def direct_sum(*arrays: Any) -> NDArray[Any]:
    r"""Orthogonal (tegum) sum :math:`X_1 \oplus X_2 \oplus \dots`: each frame in dimensions of its own.

    Parameters
    ----------
    *arrays : array_like, each of shape (n_k, m_k)
        At least one; real or complex, features as rows, of any norms.

    Returns
    -------
    ndarray of float64 or complex128, shape (sum n_k, sum m_k)
        Block diagonal; complex if a summand is. The spectrum is the union of the spectra, and every feature
        keeps its capacity.

    Raises
    ------
    ParameterError
        If there is no summand.
    ShapeError, DtypeError
        If a summand is no matrix of numbers.

    References
    ----------
    Elhage et al., Toy models of superposition (2022), "tegum products".

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.shapes.direct_sum(fg.shapes.polygon(3), fg.shapes.simplex(2)).shape
    (5, 3)
    """
    if not arrays:
        raise ParameterError("arrays must be at least one frame, got none")
    parts = [as_frame(f"arrays[{index}]", part) for index, part in enumerate(arrays)]
    ends = np.cumsum([part.shape for part in parts], axis=0)
    out = np.zeros(tuple(ends[-1]), dtype=np.result_type(*parts))
    for part, (row, column) in zip(parts, ends, strict=True):
        out[row - len(part) : row, column - part.shape[1] : column] = part
    return out


def as_frame(name: str, X: Any) -> NDArray[Any]:
    """Give `X` as a matrix of float64 or complex128, or raise an error that names the argument."""
    try:
        values = np.asarray(off_graph(X))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(f"{name} is no matrix: {error}") from None
    if values.ndim != 2 or 0 in values.shape:
        raise ShapeError(f"{name} must be a matrix with features as rows, got shape {values.shape}")
    if values.dtype.kind not in "biufc":
        raise DtypeError(f"{name} must hold real or complex numbers, got {values.dtype}")
    wide = np.complex128 if values.dtype.kind == "c" else np.float64
    return by_slabs(lambda rows: rows.astype(wide), values)
