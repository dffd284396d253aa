"""How numbers, names and counts are written for people, on pages and in terminals alike."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

__all__ = [
    "EN_DASH",
    "MINUS",
    "chance",
    "cut",
    "duration",
    "in_utf8",
    "known",
    "number",
    "plural",
    "probability",
    "scaled",
    "text",
]

EN_DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"

_ACCENTS = 4
"""Most marks on one letter that are drawn: scripts need up to three, and a pile of hundreds covers the lines above."""

_LONGEST = 60
"""Most characters of a name inside a sentence."""


def known(value: Any) -> bool:
    """Whether a cell holds a value: neither None, NA or NaN nor an empty text."""
    if isinstance(value, str):
        return value != ""
    missing = (
        value is None or type(value).__name__ == "NAType"
    )  # pandas' own, which is not worth loading pandas
    return not (missing or value != value)


def number(value: Any, digits: int = 4) -> str:
    """Write a number for a reader: whole ones in full, others to a few digits, unknown ones as a dash."""
    if not known(value):
        return EN_DASH
    value = float(value)
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", MINUS)
    written = f"{value:.{digits}g}"
    if abs(float(written)) == 10**digits:  # 99.97 to two digits is 100, no 1e2
        return number(float(written))
    if "e" in written:
        mantissa, exponent = written.split("e")
        written = f"{mantissa}e{int(exponent)}"
    return written.replace("-", MINUS)


def probability(p: Any) -> str:
    """Write a probability to two digits; one that is too small for a float is not zero."""
    return f"< 1e{MINUS}300" if p == 0 else number(p, 2)


def in_utf8(text: str) -> str:
    r"""Give text that files and tables can hold: what has no UTF-8 is spelled out, as ``\udcff``.

    Names of files may be any bytes, which Python reads as lone surrogates where they are no UTF-8; keys of a
    checkpoint may hold surrogates, too. Parquet, pages and terminals take neither.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def chance(name: str, p: Any) -> str:
    """Write a probability with what it is called, as in "p = 0.02"."""
    return f"{name} = {probability(p)}" if p > 0 else f"{name} {probability(p)}"


def text(value: Any) -> str:
    """Write a name so that all of it is seen: control characters, direction marks and piled-up accents as escapes."""
    if not known(value):
        return ""
    whole = str(value)
    if whole.isascii() and whole.isprintable():
        return whole
    written, piled = [], 0
    for sign in whole:
        piled = piled + 1 if unicodedata.combining(sign) else 0
        shown = sign.isprintable() and piled <= _ACCENTS
        written.append(sign if shown else sign.encode("unicode_escape").decode())
    return "".join(written)


def cut(value: Any, most: int = _LONGEST) -> str:
    """Write a name as `text` does, and only its two ends where it is long."""
    whole = text(value)
    if len(whole) <= most:
        return whole
    end = (most - 1) // 3
    return f"{whole[: most - 1 - end]}…{whole[-end:]}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count and its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Write a time in the largest unit of which there are two, to two digits."""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return (
                f"{seconds / length:.2g} {unit}"
                if seconds < 100 * length
                else f"{seconds / length:.0f} {unit}"
            )
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"


def scaled(count: float, unit: str) -> str:
    """Write a count with a prefix, so that neither many thousands nor many zeros are shown."""
    for prefix in ("", "k", "M", "G", "T"):
        if count < 999.5:  # rounded to three digits it stays below 1000
            return f"{count:.3g} {prefix}{unit}"
        count /= 1000
    return f"{count:,.3g} P{unit}"
