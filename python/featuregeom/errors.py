"""The exceptions that featuregeom raises: one base class, and the built-in class that each refines."""

from __future__ import annotations

import re

from featuregeom.wording import cut, in_utf8

__all__ = [
    "ConvergenceError",
    "DtypeError",
    "FeatureGeometryError",
    "MissingExtraError",
    "NonFiniteError",
    "OutputError",
    "ParameterError",
    "ShapeError",
    "SourceError",
    "UnsuitableSourceError",
]
__dir__ = __all__.copy


_QUOTED = re.compile(r"""(?<!\w)(['"])((?:(?!\1)[^\\]|\\.)*)\1(?!\w)|\S+""", re.DOTALL)
"""A quoted name, in which quotation marks are escaped or of the other kind, or a word."""

_LONGEST_NAME, _LONGEST_WORD, _LONGEST = 200, 1000, 4000
"""Most characters of a quoted name, of a word and of a message. Files name tensors as they like; paths stay whole."""

_READ = 50_000
"""Characters of a message in which names are looked for: more could take long where quotation marks do not match."""


class FeatureGeometryError(Exception):
    """Base class of every error that featuregeom raises on purpose.

    Of names that are too long to read, messages show the two ends, and what has no UTF-8 is spelled out, so that every
    message can be printed; ``args`` has them whole.
    """

    def __str__(self) -> str:
        whole = in_utf8(super().__str__())
        if len(whole) <= _LONGEST_NAME:
            return whole
        short = _QUOTED.sub(_readable, whole if len(whole) <= _READ else cut(whole, _READ))
        return short if len(short) <= _LONGEST else cut(short, _LONGEST)


def _readable(place: re.Match[str]) -> str:
    quote, name = place[1], place[2]
    if quote is None:
        return cut(place[0], _LONGEST_WORD) if len(place[0]) > _LONGEST_WORD else place[0]
    return f"{quote}{cut(name, _LONGEST_NAME)}{quote}" if len(name) > _LONGEST_NAME else place[0]


class ShapeError(FeatureGeometryError, ValueError):
    """An array has the wrong number of dimensions, no rows or no columns."""


class DtypeError(FeatureGeometryError, TypeError):
    """An array's element type cannot be read as real features (integers, FP8, complex ...)."""


class NonFiniteError(FeatureGeometryError, ValueError):
    """A feature matrix holds NaN or infinity; the message names the first bad row and column.

    Attributes
    ----------
    row, column : int
        Position of the first bad value in row order, features as rows.
    """

    def __init__(self, message: str, row: int, column: int) -> None:
        super().__init__(message)
        self.row = row
        self.column = column

    def __reduce__(self) -> tuple[type[NonFiniteError], tuple[str, int, int]]:
        """Pickle with the position, so that the error survives a process pool."""
        return type(self), (str(self), self.row, self.column)


class ParameterError(FeatureGeometryError, ValueError):
    """An argument is outside its range."""


class ConvergenceError(FeatureGeometryError, ArithmeticError):
    """An iterative algorithm did not converge."""


class SourceError(FeatureGeometryError, OSError):
    """A source is missing, truncated, malformed, or of a format that no reader knows."""


class UnsuitableSourceError(SourceError, ParameterError):
    """A source can be read, and holds nothing that was asked for: no matrix to measure, graphs in place of features."""


class OutputError(FeatureGeometryError, OSError):
    """A result could not be written; nothing was left half-written."""


class MissingExtraError(FeatureGeometryError, ImportError):
    """A feature needs an optional package; the message names the extra that brings it."""

    @classmethod
    def needing(cls, what: str, package: str, extra: str) -> MissingExtraError:
        """Say what needs a package, and which extra of featuregeom brings it."""
        return cls(f"{what} needs {package}: pip install 'featuregeom[{extra}]'")
