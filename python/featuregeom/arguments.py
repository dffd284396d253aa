"""Read and check numbers that a caller gives, with the same error messages everywhere."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

from featuregeom.errors import ParameterError

__all__ = ["integer", "names", "number_between"]


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Give `value` as an int, or raise ParameterError unless it is an integer from `low` to `high`."""
    wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
    try:
        number = operator.index(_no_flag(value))
    except TypeError:
        raise ParameterError(f"{name} must be an integer {wanted}, got {value!r}") from None
    if number < low or (high is not None and number > high):
        raise ParameterError(f"{name} must be an integer {wanted}, got {number}")
    return number


def _no_flag(value: Any) -> Any:
    """Give `value`, or raise TypeError where it is True, False or a text, which Python would read as a number."""
    if isinstance(value, bool | str | bytes):
        raise TypeError
    return value


def names(name: str, value: Iterable[str]) -> tuple[str, ...]:
    """Give names as a tuple, or raise ParameterError where one string is given, whose letters would count as names."""
    if isinstance(value, str):
        raise ParameterError(f"{name} must be a list of names, not one string: write [{value!r}]")
    return tuple(value)


def number_between(
    name: str, value: Any, low: float, high: float = math.inf, *, inclusive: bool = False
) -> float:
    """Give `value` as a float, or raise ParameterError unless it is finite and above `low` and below `high`.

    With `inclusive`, `low` itself is allowed.
    """
    wanted = f"{'at least' if inclusive else 'above'} {low:g}"
    wanted += "" if high == math.inf else f" and below {high:g}"
    try:
        number = float(_no_flag(value))
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be a number {wanted}, got {value!r}") from None
    if not (low < number < high or (inclusive and number == low)):
        raise ParameterError(f"{name} must be finite and {wanted}, got {number!r}")
    return number
