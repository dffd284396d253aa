"""About how many codes are distinct, where counting them exactly would not fit memory."""

from __future__ import annotations

from typing import Any

from featuregeom import _core
from featuregeom.arguments import integer
from featuregeom.codes.packed import Codes, as_words, pack
from featuregeom.errors import ParameterError, ShapeError

__all__ = ["DistinctSketch", "distinct_sketch"]


class DistinctSketch:
    """A HyperLogLog sketch of the distinct codes of a stream, of 2^precision bytes.

    Parameters
    ----------
    n_bits : int
        Bits of a code.
    precision : int
        From 4 to 21; the relative standard error is about 1.04 / 2^(precision / 2), 0.8 % at 14.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    """

    def __init__(self, n_bits: int, *, precision: int = 14) -> None:
        self._n_bits = integer("n_bits", n_bits, 0, 2**48)
        self._precision = integer("precision", precision, 4, 21)
        self._inner = _core.PatternSketch(self._n_bits, self._precision)

    def __repr__(self) -> str:
        return f"DistinctSketch(n_bits={self.n_bits}, precision={self.precision})"

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return self._n_bits

    @property
    def precision(self) -> int:
        """Binary logarithm of the number of registers."""
        return self._precision

    def update(self, codes: Codes) -> None:
        """Add codes to the sketch, O(N).

        Raises
        ------
        ShapeError
            If they have another number of bits.
        """
        self._inner.update(as_words(codes), codes.n_bits)

    def merge(self, other: DistinctSketch) -> None:
        """Add the codes of another sketch of the same precision.

        Raises
        ------
        ShapeError, ParameterError
            If bits or precision differ, or `other` is no sketch.
        """
        if not isinstance(other, DistinctSketch):
            raise ParameterError(f"a DistinctSketch can be merged, not a {type(other).__name__}")
        if other.n_bits != self._n_bits:
            raise ShapeError(f"a sketch of codes of {self._n_bits} bits cannot take in one of {other.n_bits}")
        self._inner.merge(other._inner)

    @property
    def estimate(self) -> float:
        """Estimated number of distinct codes, the same for every order and every division into shards."""
        return self._inner.estimate()[0]

    @property
    def interval(self) -> tuple[float, float]:
        """The estimate less and more two standard errors of a full sketch."""
        _, lower, upper = self._inner.estimate()
        return lower, upper


def distinct_sketch(codes: Codes | Any, *, precision: int = 14) -> DistinctSketch:
    """Make a sketch of some codes, which estimates how many of them are distinct.

    Parameters
    ----------
    codes : Codes or array_like, shape (N, m)
        N codes, or activations, which `pack` makes codes of.
    precision : int
        As for `DistinctSketch`.

    Returns
    -------
    DistinctSketch
        To be updated or merged further.

    Raises
    ------
    ParameterError
        If `precision` is out of range.
    ShapeError, DtypeError, NonFiniteError
        As `pack`, for activations.
    """
    codes = codes if isinstance(codes, Codes) else pack(codes)
    sketch = DistinctSketch(codes.n_bits, precision=precision)
    sketch.update(codes)
    return sketch
