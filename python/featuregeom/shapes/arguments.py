"""What every generator asks of its arguments, and the words it uses to refuse."""

from __future__ import annotations

import math
import operator
from typing import Any

from featuregeom.errors import ParameterError

__all__ = ["check_size", "integer", "number_between"]

_MOST_NUMBERS = 2**27
"""Largest array that a generator builds: 1 GiB of float64."""


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Give `value` as an int, or raise ParameterError unless it is an integer from `low` to `high`."""
    wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(f"{name} must be an integer {wanted}, got {value!r}") from None
    if number < low or (high is not None and number > high):
        raise ParameterError(f"{name} must be an integer {wanted}, got {number}")
    return number


def number_between(
    name: str, value: Any, low: float, high: float = math.inf, *, inclusive: bool = False
) -> float:
    """Give `value` as a float, or raise ParameterError unless it is finite and above `low` and below `high`.

    With `inclusive`, `low` itself is allowed.
    """
    wanted = f"{'at least' if inclusive else 'above'} {low:g}"
    wanted += "" if high == math.inf else f" and below {high:g}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be a number {wanted}, got {value!r}") from None
    if not (low < number < high or (inclusive and number == low)):
        raise ParameterError(f"{name} must be finite and {wanted}, got {number!r}")
    return number


def check_size(call: str, rows: int, columns: int) -> None:
    """Raise ParameterError if rows x columns numbers would take more than 1 GiB."""
    if rows * columns > _MOST_NUMBERS:
        shape = f"{rows} x {columns}" if rows < 10**15 else f"2^{rows.bit_length() - 1} x {columns}"
        raise ParameterError(f"{call} would hold {shape} numbers; the range is at most {_MOST_NUMBERS}")
