"""The exceptions that featuregeom raises: one base class, and the built-in class that each refines."""

from __future__ import annotations

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


class FeatureGeometryError(Exception):
    """Base class of every error that featuregeom raises on purpose."""


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
