"""What every measurement starts from: a matrix whose rows are features, and where it came from."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import choice
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.interruptible import aside, by_slabs
from featuregeom.networks.tensors import check_tensor
from featuregeom.summary import summarised
from featuregeom.wording import in_utf8

__all__ = [
    "Axis",
    "DType",
    "Features",
    "Provenance",
    "as_features",
    "check_dtype",
    "check_finite",
    "check_shape",
    "chunks",
    "dtype_name",
    "in_utf8",
    "off_graph",
    "refusal",
]
__dir__ = __all__.copy

DType = Literal["float64", "float32", "float16", "bfloat16"]
"""The element types that the core reads in place."""

Axis = Literal["rows", "columns"]
"""Which axis of the stored tensor indexes features."""

_CHUNK = 1 << 22
"""Most numbers that are widened to float64 at a time: 32 MiB."""

_IN_PLACE = frozenset(get_args(DType))
_INTEGERS = frozenset({"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))})
_LONG = frozenset({"longdouble", "float96", "float128"})


@summarised
@dataclass(frozen=True)
class Provenance:
    """Where a feature matrix came from.

    Attributes
    ----------
    source : str
        Path or identifier of the source; ``"array"`` for an array that was passed in.
    tensor : str
        Name of the tensor within the source.
    axis : {"rows", "columns"}
        The axis of the stored tensor that indexes features.
    dtype : str
        Element type as stored: a `DType`, or one that was widened to float64 (``"int64"``, ``"bool"``,
        ``"longdouble"`` ...).
    shape : tuple of int
        Shape as stored.
    axis_reason : str
        The evidence for `axis`; empty where the caller gave it.
    """

    source: str
    tensor: str
    axis: Axis
    dtype: str
    shape: tuple[int, ...]
    axis_reason: str = field(default="", compare=False)


@summarised
@dataclass(frozen=True, eq=False)
class Features:
    """A feature matrix, in place and in its own type wherever the core can read it so.

    Attributes
    ----------
    values : ndarray, shape (n, m)
        One feature per row, any strides. ``bfloat16`` is held as its ``uint16`` bit pattern.
    dtype : str
        Element type of `values`.
    provenance : Provenance
        Where the matrix came from.
    """

    values: NDArray[Any]
    dtype: DType
    provenance: Provenance

    @property
    def n(self) -> int:
        """Number of features."""
        return int(self.values.shape[0])

    @property
    def m(self) -> int:
        """Number of dimensions."""
        return int(self.values.shape[1])

    def take(self, index: NDArray[np.int64]) -> Features:
        """Copy some features, in their own type."""
        if len(index) * self.m <= _CHUNK:
            return Features(self.values[index], self.dtype, self.provenance)
        found = np.empty((len(index), self.m), dtype=self.values.dtype)
        for part in chunks(len(index), self.m):
            found[part] = self.values[index[part]]
        return Features(found, self.dtype, self.provenance)

    def widened(self, index: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Copy some features, as float64."""
        if isinstance(index, slice):
            return by_slabs(self._wide, self.values[index])
        if len(index) * self.m <= _CHUNK:
            return self._wide(self.values[index])
        found = np.empty((len(index), self.m))
        for part in chunks(len(index), self.m):
            found[part] = self._wide(self.values[index[part]])
        return found

    def _wide(self, values: NDArray[Any]) -> NDArray[np.float64]:
        if self.dtype == "bfloat16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float64)


def as_features(
    X: Any,
    *,
    source: str = "array",
    tensor: str = "X",
    axis: Axis = "rows",
    axis_reason: str = "",
    dtype: Literal["bfloat16"] | None = None,
) -> Features:
    """Take any 2-D array as a feature matrix, without a copy where the core can read it in place.

    Parameters
    ----------
    X : array_like, shape (n, m), or Features
        NumPy array of any strides, torch tensor on any device, anything with ``__dlpack__`` or
        ``__array__`` (JAX, pandas), or nested lists. bfloat16 (torch, ``ml_dtypes``) is held as bits.
        Copied are: integers, booleans and long doubles, to float64; foreign byte order, to native; strides
        that are no whole multiples of the item size, to C order. A `Features` is returned as it is.
    source, tensor : str
        Where the array came from; recorded in the provenance and named in errors.
    axis : {"rows", "columns"}
        The axis of `X` that indexes features. Columns become rows by a view.
    axis_reason : str
        How that is known; recorded in the provenance.
    dtype : "bfloat16", optional
        Says that the ``uint16`` array `X` holds bfloat16 bit patterns, not integers.

    Returns
    -------
    Features

    Raises
    ------
    ShapeError
        `X` is not 2-D, is ragged, or has no rows or no columns.
    DtypeError
        The elements are not real numbers that the core reads: complex, FP8, text, objects, masked.
    ParameterError
        `axis` is unknown, or asks for the columns of a `Features`, whose features are rows already.

    Examples
    --------
    >>> as_features([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]).n
    3
    """
    choice("axis", axis, get_args(Axis))
    if isinstance(X, Features):
        if axis == "columns":
            raise ParameterError("a Features holds one feature per row already: leave axis out")
        return X
    where = tensor if source == "array" else f"{source}: tensor {tensor!r}"
    array, stored = _to_numpy(X, where)
    if dtype is not None:
        choice("dtype", dtype, ("bfloat16",))
    if dtype is not None and stored not in (dtype, "uint16"):
        raise DtypeError(f"{where} is {stored}: bit patterns of {dtype} come as uint16")
    stored = dtype or stored
    check_dtype(stored, where)
    check_shape(array.shape, where)
    values = _readable(array, stored)
    return Features(
        values=values if axis == "rows" else values.T,
        dtype=cast(DType, stored) if stored in _IN_PLACE else "float64",
        provenance=Provenance(in_utf8(source), in_utf8(tensor), axis, stored, array.shape, axis_reason),
    )


def chunks(n: int, width: int) -> Iterator[slice]:
    """Part n rows, so that those of one part take at most 32 MiB as float64.

    Parameters
    ----------
    n : int
        Number of rows.
    width : int
        Numbers in each row; the longest, where several kinds of rows are widened together.

    Yields
    ------
    slice
        The rows of each part, in order.

    Examples
    --------
    >>> list(chunks(5, 1 << 21))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, _CHUNK // max(width, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def check_dtype(dtype: str, where: str) -> None:
    """Refuse an element type that cannot be read as real features.

    Parameters
    ----------
    dtype : str
        Its name, such as `dtype_name` gives.
    where : str
        What has it; the message begins with this.

    Raises
    ------
    DtypeError
        With what to do about it.
    """
    advice = refusal(dtype)
    if advice is not None:
        raise DtypeError(f"{where} is {dtype}: {advice}")


def refusal(dtype: str) -> str | None:
    """Say why an element type cannot be read as real features, and what to do.

    Parameters
    ----------
    dtype : str
        Its name, such as `dtype_name` gives.

    Returns
    -------
    str or None
        None for a type that can be read.
    """
    if dtype in _IN_PLACE | _INTEGERS | _LONG:
        return None
    if dtype.startswith("float8"):
        return (
            "FP8 is not read, for its scale is stored apart: "
            "widen it first, e.g. tensor.to(torch.bfloat16) times its scale, or leave it out"
        )
    if dtype.startswith("complex"):
        # Real and imaginary parts side by side have another frame operator, and so other numbers.
        return (
            "features are real everywhere but in fg.frames: use that for complex ones "
            "(fg.frames.frame_operator, capacity, frame_numbers, coherence ...)"
        )
    if dtype == "void16":
        return (
            "bfloat16 saved by NumPy looks like this: pass X.view(ml_dtypes.bfloat16) if it was saved in this "
            "machine's byte order, which the array does not tell, or save safetensors"
        )
    return "it cannot be read as real features: convert it to float32 first, or leave it out"


def check_shape(shape: tuple[int, ...], where: str) -> None:
    """Check that a shape is that of a feature matrix: two dimensions, neither of size zero.

    Parameters
    ----------
    shape : tuple of int
        The shape as stored.
    where : str
        What has it; the message begins with this.

    Raises
    ------
    ShapeError
        With what to do about it.
    """
    if len(shape) == 2 and 0 not in shape:
        return
    if len(shape) == 2:
        advice = "at least one row and one column are needed"
    elif len(shape) == 1:
        advice = "a matrix is needed: pass x[None, :] for one feature, or x[:, None] for one dimension"
    elif len(shape) == 0:
        advice = "a matrix is needed, one feature per row"
    else:
        advice = "a matrix is needed: choose a slice, or reshape, e.g. X.reshape(-1, X.shape[-1])"
    raise ShapeError(f"{where} has shape {shape}: {advice}")


def check_finite(features: Features, where: str) -> None:
    """Check that no element is NaN or infinite.

    Parameters
    ----------
    features : Features
        What is read, once.
    where : str
        Which of several arguments it is; the message begins with this.

    Raises
    ------
    NonFiniteError
        With the first row and column that has one.
    """
    try:
        _core.check_finite(features.values)
    except NonFiniteError as error:
        raise NonFiniteError(f"{where}: {error}", error.row, error.column) from None


def dtype_name(array: Any) -> str:
    """Name an array's element type as NumPy does, for NumPy, JAX and torch arrays alike.

    Parameters
    ----------
    array : object
        Anything that has a ``dtype``.

    Returns
    -------
    str
        Such as ``"float32"``, ``"bfloat16"``, ``"float8_e4m3fn"``.
    """
    dtype = array.dtype
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def off_graph(X: Any) -> Any:
    """Give a torch tensor as a NumPy array that holds its numbers, and anything else as it is.

    For arguments that NumPy is to read, weights and norms among them: it takes no Parameter that requires a
    gradient, no tensor of another device, and no bfloat16.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    object
        For a dense tensor a detached array on the CPU, bfloat16 widened to float32.

    Raises
    ------
    DtypeError
        If a tensor has no numbers that can be read, a sparse or nested one, say.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(X, torch.Tensor):
        return X
    check_tensor(X, "an argument without dense numbers")
    tensor = X.detach().cpu().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def real_numbers(given: Any, name: str) -> NDArray[np.float64]:
    """Give real numbers as float64, for arguments beside features: norms, weights, draws.

    Parameters
    ----------
    given : array-like
        Of any shape; NaN and infinity are left to the caller.
    name : str
        What it is called in errors.

    Raises
    ------
    ShapeError, DtypeError
        If it is ragged, or does not hold real numbers.
    """
    array = numbers_of(given, name)
    if array.dtype.kind == "c":
        raise DtypeError(f"{name} is {array.dtype}: real numbers are needed")
    return array.astype(np.float64, copy=False)


def numbers_of(given: Any, name: str) -> NDArray[Any]:
    """Give real or complex numbers as an array in their own type; errors as in `real_numbers`.

    Parameters
    ----------
    given : array-like
        Of any shape.
    name : str
        What it is called in errors.
    """
    array = read_array(given, name)
    if array.dtype.kind not in "fciub" and dtype_name(array) != "bfloat16":
        raise DtypeError(f"{name} is {array.dtype}: numbers are needed")
    return array


def read_array(given: Any, name: str) -> NDArray[Any]:
    """Give anything that NumPy or torch knows as an array, labels too.

    Parameters
    ----------
    given : array-like
        Of any shape and type.
    name : str
        What it is called in errors.

    Raises
    ------
    ShapeError, DtypeError
        If it is ragged, masked, or cannot be read.
    """
    if isinstance(given, np.ma.MaskedArray):
        raise DtypeError(f"{name} is a masked array: fill it or drop what is masked first")
    try:
        return np.asarray(off_graph(given))
    except ValueError as error:
        raise ShapeError(f"{name} is no array: {error}") from error
    except (RuntimeError, TypeError) as error:
        raise DtypeError(f"{name} cannot be read as numbers: {error}") from error


def _to_numpy(X: Any, where: str) -> tuple[NDArray[Any], str]:
    """Give `X` as a NumPy array, bfloat16 as bits, and the name of its element type."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        return _from_torch(X, where)
    if isinstance(X, np.ma.MaskedArray):
        raise DtypeError(f"{where} is a masked array: fill it or drop its masked rows first")
    array = _from_protocols(X, where)
    name = dtype_name(array)
    if name == "bfloat16":  # its bits keep the byte order that the array has
        array = array.view(np.dtype(np.uint16).newbyteorder(array.dtype.byteorder))
    return array, name


def _from_torch(X: Any, where: str) -> tuple[NDArray[Any], str]:
    name = dtype_name(X)
    check_dtype(name, where)
    torch = sys.modules["torch"]
    check_tensor(X, where)
    tensor = X.detach().cpu().resolve_neg()
    return (tensor.view(torch.uint16) if name == "bfloat16" else tensor).numpy(), name


def _from_protocols(X: Any, where: str) -> NDArray[Any]:
    if hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray):
        # What DLPack or NumPy's side of it cannot carry (bfloat16, another device) is left to __array__.
        with contextlib.suppress(BufferError, RuntimeError, TypeError, ValueError):
            return np.from_dlpack(X)
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ShapeError(f"{where} is no matrix, perhaps rows of different lengths: {error}") from error
    except (RuntimeError, TypeError) as error:
        raise DtypeError(f"{where}: a {type(X).__name__} cannot be read as an array: {error}") from error


def _readable(array: NDArray[Any], stored: str) -> NDArray[Any]:
    """Copy only what the core cannot read in place."""
    if stored not in _IN_PLACE:
        with np.errstate(over="ignore"):  # a long double beyond float64 is infinite, and reported as such
            return aside(lambda given: given.astype(np.float64), array)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if any(stride % native.itemsize for stride in native.strides):
        return native.copy()
    return native
