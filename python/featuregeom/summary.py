"""Results as text: a few lines whatever their size, and a table in notebooks."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Collection, Mapping
from dataclasses import fields
from html import escape
from typing import Any, TypeVar

__all__ = ["shown", "summarised"]

Class = TypeVar("Class", bound=type)

_WIDTH = 100
"""Most characters in a line of a ``repr``."""

_LONGEST = 60
"""Most characters of one value; longer ones are cut, or replaced by their size."""


def summarised(cls: Class) -> Class:
    """Give a dataclass a ``repr`` of a few lines and a table for notebooks (``_repr_html_``), unless it has its own.

    Parameters
    ----------
    cls : dataclass
        The class; put this above ``@dataclass``.

    Returns
    -------
    type
        The same class. Arrays and tables are told by their type and shape, so the text is short whatever they hold.
    """

    def text(self: Any) -> str:
        pairs = ", ".join(f"{each.name}={_value(self, each.name)}" for each in fields(self) if each.repr)
        return textwrap.fill(f"{type(self).__name__}({pairs})", _WIDTH, subsequent_indent="    ")

    def table(self: Any) -> str:
        rows = "".join(
            f"<tr><th>{escape(each.name)}</th><td>{escape(_value(self, each.name))}</td></tr>"
            for each in fields(self)
            if each.repr
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"

    cls.__repr__ = text  # type: ignore[assignment]
    if "_repr_html_" not in vars(cls):
        cls._repr_html_ = table  # type: ignore[attr-defined]
    return cls


def _value(result: Any, name: str) -> str:
    return shown(getattr(result, name, None))


def shown(value: Any) -> str:
    """Say in a few words what a value is.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        Type and shape of arrays, rows and columns of tables, how many others hold; short values as they are.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        if hasattr(value, "columns"):
            return f"<{shape[0]} rows x {shape[1]} columns>"
        return f"<{getattr(value, 'dtype', type(value).__name__)} {' x '.join(map(str, shape))}>"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}...")
    if isinstance(value, Mapping):
        names = ", ".join(repr(key) for key in list(value)[:4])
        more = ", ..." if len(value) > 4 else ""
        return _cut(f"<{len(value)} by name: {names}{more}>") if value else "{}"
    if isinstance(value, Collection):
        plain = len(value) <= 8 and all(map(_is_plain, value))
        return repr(value) if plain and len(repr(value)) <= _LONGEST else f"<{len(value)} items>"
    if value is None or isinstance(value, (bool, int, float, complex)):
        return repr(value)
    if isinstance(value, (types.FunctionType, type)):
        return value.__qualname__
    if isinstance(getattr(type(value), "__dataclass_fields__", None), dict):
        return f"<{type(value).__name__}>"
    return _cut(repr(value))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 8 and all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
