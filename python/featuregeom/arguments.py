"""Read and check numbers that a caller gives, with the same error messages everywhere."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

from featuregeom.errors import ParameterError
from featuregeom.wording import in_utf8

__all__ = ["choice", "integer", "names", "number_between", "string"]


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


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Give `value`, or raise ParameterError unless it is one of the texts of `choices`."""
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise ParameterError(f"{name} must be one of {', '.join(map(repr, known))}; not {value!r}")
    return value


def string(name: str, value: Any) -> str:
    """Give `value` as text that has UTF-8, or raise ParameterError where it is no text."""
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a text, got {value!r}")
    return in_utf8(value)


def names(name: str, value: Any, choices: Iterable[str] | None = None) -> tuple[str, ...]:
    """Give names as a tuple, or raise ParameterError unless they are texts, and among `choices` where these are given.

    One text is refused, for its letters would count as names.
    """
    if isinstance(value, str):
        raise ParameterError(f"{name} must be a list of names, not one string: write [{value!r}]")
    try:
        given = tuple(value)
    except TypeError:
        raise ParameterError(f"{name} must be a list of names, got {value!r}") from None
    if strange := [each for each in given if not isinstance(each, str)]:
        raise ParameterError(f"{name} must be a list of names; {strange[0]!r} is none")
    known = given if choices is None else tuple(choices)
    if unknown := [each for each in given if each not in known]:
        raise ParameterError(f"{name} must be among {', '.join(map(repr, known))}; not {unknown[0]!r}")
    return given


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
