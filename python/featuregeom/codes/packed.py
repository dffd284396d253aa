"""Codes as packed bits, and packing activations into them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featuregeom import _core
from featuregeom.arguments import choice, integer
from featuregeom.errors import DtypeError, NonFiniteError, ParameterError, ShapeError
from featuregeom.features import as_features, check_dtype, dtype_name, read_array
from featuregeom.frames import Progress
from featuregeom.networks.tensors import check_tensor
from featuregeom.summary import summarised

__all__ = ["Codes", "Layer", "NonFinite", "fingerprints", "pack"]

NonFinite = Literal["error", "count"]
"""What to do about NaN and infinity: refuse them, or count them (NaN and -inf then are off, +inf is on)."""


@summarised
@dataclass(frozen=True)
class Layer:
    """The bits of one activation.

    Attributes
    ----------
    name : str
        Name of the module, or of the functional call.
    kind : str
        ``"relu"``, ``"leaky_relu"``, ``"prelu"``, ``"rrelu"``, ``"abs"``, ``"threshold"``, ``"clamp"`` (one limit),
        ``"hardtanh"`` (also ReLU6 and clamp with two limits; two bits a unit: above the lower and above the upper
        bend), ``"gate"`` (GELU, SiLU: the sign of what goes in), or ``"array"``.
    start, stop : int
        Its bits are ``start <= j < stop``.
    shape : tuple of int
        Shape of the activation of one row.
    dtype : str
        Element type of the pre-activations of this layer.
    """

    name: str
    kind: str
    start: int
    stop: int
    shape: tuple[int, ...]
    dtype: str


@summarised
@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of N rows: bits, packed into 64-bit words.

    Attributes
    ----------
    words : ndarray of uint64, shape (N, ceil(n_bits / 64))
        Bit j of a row is bit ``j % 64`` of word ``j // 64``, as ``np.packbits(bitorder="little")`` has it; bits
        past `n_bits` are zero. No rows where the codes went straight to a counter.
    n_bits : int
        Bits of a row.
    layers : tuple of Layer
        Where the bits come from, in order.
    n_rows : int
        Rows that were read.
    n_nonfinite : int
        Values that were NaN or infinite.
    n_ambiguous : int
        Finite values no farther than `tolerance` from zero: rounding may have decided their bits.
    tolerance : float or None
        None where nothing was asked.
    dtype : str
        Element type that decided the bits; bfloat16 changes many codes that float32 and float64 agree on. In mixed
        precision all of them, such as ``"bfloat16+float32"``; each layer has its own.
    mode : {"neuron", "channel_any"}
        One bit a unit, or one a channel that is on anywhere.
    rows_of : {"inputs", "tokens"}
        What a row is.
    training : bool or None
        Whether any module was in train mode (that made no difference, or it would have been refused); None where the
        codes are from an array, which does not tell.
    uncoded : tuple of str
        Nonlinearities of the model that have no bits here, such as ``"max_pool2d_with_indices in 'pool'"``.
    """

    words: NDArray[np.uint64]
    n_bits: int
    layers: tuple[Layer, ...]
    n_rows: int
    n_nonfinite: int = 0
    n_ambiguous: int = 0
    tolerance: float | None = None
    dtype: str = "bool"
    mode: Literal["neuron", "channel_any"] = "neuron"
    rows_of: Literal["inputs", "tokens"] = "inputs"
    training: bool | None = None
    uncoded: tuple[str, ...] = ()

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Where each layer ends."""
        return tuple(layer.stop for layer in self.layers)

    def __len__(self) -> int:
        return int(self.words.shape[0])

    def unpack(self) -> NDArray[np.bool_]:
        """Bits as booleans, shape (N, n_bits)."""
        octets = np.ascontiguousarray(self.words, "<u8").view(np.uint8)
        return np.unpackbits(octets, axis=1, count=self.n_bits, bitorder="little").astype(bool)


def pack(
    activations: Any,
    *,
    layers: Sequence[int] | None = None,
    tolerance: float | None = None,
    nonfinite: NonFinite = "error",
    num_threads: int | None = None,
    progress: Progress | None = None,
) -> Codes:
    """Pack activations into codes: a bit is on where the value is above zero (-0.0 is not).

    Parameters
    ----------
    activations : array_like, shape (N, m)
        Pre- or post-activations, one input per row: float64, float32, float16, bfloat16 or bool of any strides, read
        in place; integers are copied. N or m may be 0.
    layers : sequence of int, optional
        Where each layer's bits end, the last at m; one layer unless given.
    tolerance : float, optional
        Count the values no farther than this from zero.
    nonfinite : {"error", "count"}
        Refuse NaN and infinity, or count them; NaN is not above zero and is never passed over in silence.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    Codes
        The same for any number of threads.

    Raises
    ------
    ShapeError, DtypeError
        If `activations` is no matrix of real numbers, or holds long doubles that float64 rounds to zero.
    NonFiniteError
        If a value is NaN or infinite and `nonfinite` is ``"error"``.
    ParameterError
        If `layers`, `tolerance` or `nonfinite` is none.

    Notes
    -----
    Costs one pass over N m values and N m / 8 bytes.

    Examples
    --------
    >>> import featuregeom as fg
    >>> fg.codes.pack([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]).words.tolist()
    [[5], [2]]
    """
    check_policy(nonfinite)
    check_tolerance(tolerance)
    check_tensor(activations, "activations")  # first, for a nested tensor has no shape to look at
    plain = isinstance(activations, np.ndarray) and not isinstance(activations, np.ma.MaskedArray)
    array = activations if plain else None
    shape = tuple(getattr(activations, "shape", ()) or read_array(activations, "activations").shape)
    if len(shape) == 2 and 0 in shape:
        n, m = (int(size) for size in shape)
        words = np.zeros((n, -(-m // 64)), np.uint64)
        dtype = dtype_name(activations) if hasattr(activations, "dtype") else "float64"
        check_dtype(dtype, "X")
        bad = near = 0
    elif array is not None and array.dtype == np.bool_:
        if array.ndim != 2:
            raise ShapeError(f"activations must have two axes, inputs and units, not shape {array.shape}")
        m, dtype, bad, near = array.shape[1], "bool", 0, 0
        words = _from_flags(array)
    else:
        features = as_features(activations)
        if features is not activations and features.provenance.dtype.startswith(
            ("longdouble", "float96", "float128")
        ):
            _refuse_underflow(np.asarray(activations))
        m, dtype = features.m, features.dtype
        words, bad, first, near = _core.pack_codes(
            features.values, tolerance=tolerance, num_threads=num_threads, progress=progress
        )
        if first is not None and nonfinite == "error":
            raise NonFiniteError(
                f"{bad} activations are NaN or infinite, the first at row {first[0]}, column {first[1]}; "
                "repair them, or pass nonfinite='count' to have them counted",
                *first,
            )
    ends = [m] if layers is None else [integer("layers", end, 0) for end in layers]
    if not ends or ends[-1] != m or any(a > b for a, b in itertools.pairwise([0, *ends])):
        raise ParameterError(f"layers must end at increasing bits, the last at {m}, not at {ends}")
    named = tuple(
        Layer(f"layer{index}", "array", start, stop, (stop - start,), dtype)
        for index, (start, stop) in enumerate(itertools.pairwise([0, *ends]))
    )
    return Codes(words, m, named, len(words), bad, near, tolerance, dtype)


def _refuse_underflow(values: NDArray[np.longdouble]) -> None:
    """Refuse long doubles that are not zero but would be as float64, which would lose their sign."""
    lost = np.argwhere((values != 0) & (values.astype(np.float64) == 0))
    if len(lost):
        where = tuple(lost[0])
        raise DtypeError(
            f"activation {values[where]!s} at {', '.join(map(str, where))} is zero as float64, which codes are packed "
            "from: scale the activations, or pack activations > 0"
        )


def _from_flags(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack booleans; NumPy does so at the speed of memory, and there is nothing to compare."""
    octets = np.packbits(flags, axis=1, bitorder="little")
    whole = np.zeros((len(flags), -(-flags.shape[1] // 64) * 8), np.uint8)
    whole[:, : octets.shape[1]] = octets
    return whole.view("<u8").astype(np.uint64, copy=False)


def fingerprints(codes: Codes) -> list[list[int]]:
    """Chained 128-bit fingerprints of each row's layers, the same on every machine.

    ``f_0 = xxh3_128(bits_0)`` and ``f_l = xxh3_128(f_{l-1} || bits_l)``, bytes little-endian, each layer's bits in
    whole words. The last is the fingerprint of the row; of a single layer, ``xxh3_128`` of its words.

    Parameters
    ----------
    codes : Codes
        N codes of L layers.

    Returns
    -------
    list of list of int
        N lists of L integers.
    """
    halves = _core.code_fingerprints(as_words(codes), codes.n_bits, list(codes.boundaries))
    return [[int(low) | int(high) << 64 for low, high in row.reshape(-1, 2)] for row in halves]


def check_policy(nonfinite: str) -> None:
    """Validate `nonfinite`, the policy for NaN and infinity: "error" or "count"."""
    choice("nonfinite", nonfinite, ("error", "count"))


def check_tolerance(tolerance: float | None) -> None:
    """Validate `tolerance`, a distance from zero: None, or finite and at least 0."""
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise ParameterError(f"tolerance must be a finite number from 0, not {tolerance}")


def as_words(codes: Codes) -> NDArray[np.uint64]:
    """Give the words of codes as the core reads them."""
    if not isinstance(codes, Codes):
        raise ParameterError(
            f"expected packed codes, as fg.codes.pack gives them, not {type(codes).__name__}"
        )
    return np.require(codes.words, np.uint64, ["C", "ALIGNED"])
