"""Features as rows of real or complex numbers, as every function of this package takes them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.errors import DtypeError, NonFiniteError, ShapeError
from featuregeom.features import Features, as_features, check_shape, dtype_name
from featuregeom.interruptible import by_slabs
from featuregeom.summary import summarised

__all__ = ["EPSILON", "Rows", "read_rows", "unit_rows"]

EPSILON: dict[str, float] = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "complex128": 2.0**-52,
    "complex64": 2.0**-23,
}
"""Distance from 1 to the next larger value, of either part where there are two."""


@summarised
@dataclass(frozen=True, eq=False)
class Rows:
    """Features as rows.

    Attributes
    ----------
    values : ndarray, shape (n, m)
        Real ones as the core reads them (bfloat16 as bits), of any strides and not yet searched for NaN.
        Complex ones in complex128 or complex64, in C order, finite.
    epsilon : float
        Distance from 1 to the next larger value of the type in which the features were stored.
    """

    values: NDArray[Any]
    epsilon: float

    @property
    def n(self) -> int:
        """Number of features."""
        return int(self.values.shape[0])

    @property
    def m(self) -> int:
        """Number of dimensions."""
        return int(self.values.shape[1])

    @property
    def is_complex(self) -> bool:
        """Whether the features are complex."""
        return self.values.dtype.kind == "c"

    @property
    def parts(self) -> NDArray[Any]:
        """Real numbers that the core reads: complex rows as (n, 2 m), each imaginary part beside its real one."""
        if not self.is_complex:
            return self.values
        return self.values.view(self.values.real.dtype)

    def check_finite(self) -> None:
        """Raise NonFiniteError where a real row holds NaN or infinity; complex ones were read finite."""
        if not self.is_complex:
            _core.check_finite(self.values)

    def widened(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Give some rows in float64 or complex128; not to be written to, for it may be the data itself."""
        values = self.values[start:stop]
        wide = np.complex128 if self.is_complex else np.float64
        return values if values.dtype == wide else by_slabs(lambda part: _single(part).astype(wide), values)


def read_rows(X: Any) -> Rows:
    """Take any 2-D array of real or complex numbers.

    Parameters
    ----------
    X : array-like, shape (n, m), or Features
        Real input as in `features.as_features`. Complex input is copied unless it is complex128 or complex64
        in C order.

    Returns
    -------
    Rows

    Raises
    ------
    ShapeError, DtypeError
        As in `features.as_features`, except that complex numbers are welcome.
    NonFiniteError
        If complex input holds NaN or infinity. Real input is not searched.
    """
    if isinstance(X, Features) or not _is_complex(X):
        features = as_features(X)
        return Rows(features.values, EPSILON[features.dtype])
    array = _complex_array(X)
    check_shape(array.shape, "X")
    finite = np.isfinite(array)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        value = array[row, column]
        raise NonFiniteError(
            f"{value} at row {row}, column {column}; drop or repair the row before measuring", row, column
        )
    return Rows(array, EPSILON[array.dtype.name])


def unit_rows(rows: Rows) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give the directions of the nonzero features.

    Parameters
    ----------
    rows : Rows
        Any, of any finite scale.

    Returns
    -------
    directions : ndarray of float64 or complex128, shape (k, m)
        Rows of unit length.
    index : ndarray of int64, shape (k,)
        Which features they are.
    """
    values = rows.widened()
    size = np.maximum(np.abs(values.real), np.abs(values.imag)).max(axis=1)
    index = np.flatnonzero(size)
    # By powers of two, in halves: squares of the rows might leave the range, and so might the inverse of a subnormal.
    power = np.frexp(size[index])[1][:, None]
    half = power // 2
    scaled = values[index] * np.exp2(-half) * np.exp2(half - power)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True), index


def _is_complex(X: Any) -> bool:
    if hasattr(X, "dtype"):
        return dtype_name(X).startswith("complex") or dtype_name(X) == "clongdouble"
    try:
        return bool(np.iscomplexobj(X))
    except (RuntimeError, TypeError, ValueError):
        return False  # as_features words what is wrong with it


def _complex_array(X: Any) -> NDArray[Any]:
    """Give `X` in complex128 or complex64, C order, native bytes."""
    if isinstance(X, np.ma.MaskedArray):
        raise DtypeError("X is a masked array: fill it or drop its masked rows first")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        if X.layout is not torch.strided or X.is_meta or dtype_name(X) == "complex32":
            raise DtypeError(
                "X is a complex tensor that holds no dense complex64 or complex128: convert it first"
            )
        X = X.detach().cpu().resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(X)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(f"X is no matrix: {error}") from error
    kept = np.complex64 if array.dtype.name == "complex64" else np.complex128
    return np.ascontiguousarray(array, dtype=kept)


def _single(values: NDArray[Any]) -> NDArray[Any]:
    """Bits of bfloat16 as float32; anything else as it is."""
    return (values.astype(np.uint32) << 16).view(np.float32) if values.dtype == np.uint16 else values
