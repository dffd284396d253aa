"""What every source offers, whatever its format: a list of tensors from headers, and one tensor at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from featuregeom.features import Axis, Features

__all__ = ["AxisChoice", "Reader", "TensorInfo"]

AxisChoice = Literal["auto", "rows", "columns"]
"""The axis that indexes features: one for every tensor, or ``"auto"``, which the format decides."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a source, as its header describes it.

    Attributes
    ----------
    name : str
        Name within the source.
    shape : tuple of int
        Shape as stored.
    dtype : str
        Element type as stored, under NumPy's name where there is one (``"float32"``, ``"bfloat16"``,
        ``"float8_e4m3fn"``, ``"int64"``).
    n_bytes : int
        Size of the stored data.
    axis : {"rows", "columns"}
        The axis that indexes features.
    skip : str or None
        Why the tensor is no feature matrix (``"1-D"``, ``"empty"`` ...); None when it is one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    axis: Axis = "rows"
    skip: str | None = None

    @property
    def n(self) -> int:
        """Number of features, for a matrix."""
        return self.shape[0 if self.axis == "rows" else 1]

    @property
    def m(self) -> int:
        """Number of dimensions, for a matrix."""
        return self.shape[1 if self.axis == "rows" else 0]


@runtime_checkable
class Reader(Protocol):
    """A source of feature matrices. Readers are context managers and hold no tensor beyond a `read`."""

    source: str
    """Path or identifier, as it appears in provenance."""
    format: str
    """Name of the format, such as ``"safetensors"``."""
    files: Sequence[Path]
    """Every file that it reads, shards and index alike; none for what lives in memory."""

    def tensors(self) -> Sequence[TensorInfo]:
        """List every tensor, in the source's own order, from headers alone."""
        ...

    def read(self, name: str) -> Features:
        """Give one feature matrix: in place where the format allows it."""
        ...

    def release(self, name: str) -> None:
        """Tell that the tensor's pages are not needed any more."""
        ...

    def close(self) -> None:
        """Release files and mappings."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
