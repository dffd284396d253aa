"""The largest array that a generator builds."""

from __future__ import annotations

from featuregeom.errors import ParameterError

__all__ = ["check_size"]

_MOST_NUMBERS = 2**27
"""Most numbers in an array that a generator builds: 1 GiB of float64."""


def check_size(call: str, rows: int, columns: int) -> None:
    """Raise ParameterError if rows x columns numbers would take more than 1 GiB."""
    if rows * columns > _MOST_NUMBERS:
        shape = f"{rows} x {columns}" if rows < 10**15 else f"2^{rows.bit_length() - 1} x {columns}"
        raise ParameterError(f"{call} would hold {shape} numbers; the range is at most {_MOST_NUMBERS}")
