"""What all readers share: the list of tensors with their axes and reasons to skip, and checked reads."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from featuregeom.errors import DtypeError, SourceError
from featuregeom.features import Features, as_features, check_dtype, check_shape
from featuregeom.sources.dictionaries import recognise
from featuregeom.sources.protocol import AxisChoice, TensorInfo

__all__ = ["BaseReader", "skip_reason"]

_NOT_REAL = ("bool", "int", "uint", "complex", "object", "str", "bytes", "datetime", "timedelta")


class BaseReader(ABC):
    """A reader that knows its tensors; a format adds how one of them is loaded.

    Parameters
    ----------
    source : str
        Path or identifier.
    format : str
        Name of the format, unless the tensors are recognised as a sparse dictionary's.
    infos : iterable of TensorInfo
        Name, shape, type and size of each tensor; axes are filled in here, and reasons to skip where there is
        none yet.
    axis : {"auto", "rows", "columns"}
        The axis that indexes features; ``"auto"`` takes rows except where `recognise` knows better.
    files : iterable of Path
        The files that hold the tensors; none for what lives in memory.
    """

    def __init__(
        self,
        source: str,
        format: str,  # noqa: A002
        infos: Iterable[TensorInfo],
        axis: AxisChoice,
        files: Iterable[Path] = (),
    ) -> None:
        listed = list(infos)
        known, axes = recognise(PurePath(source).name, {info.name: info.shape for info in listed})
        self.source = source
        self.format = known or format
        self.files: Sequence[Path] = tuple(files)
        self._closed = False
        self._infos = {
            info.name: replace(
                info,
                axis=axes.get(info.name, "rows") if axis == "auto" else axis,
                skip=info.skip or skip_reason(info.shape, info.dtype),
            )
            for info in listed
        }

    def tensors(self) -> tuple[TensorInfo, ...]:
        """List every tensor, in the source's own order, from headers alone."""
        return tuple(self._infos.values())

    def read(self, name: str) -> Features:
        """Give one feature matrix: in place where the format allows it.

        Parameters
        ----------
        name : str
            One of the names that `tensors` lists.

        Returns
        -------
        Features

        Raises
        ------
        ShapeError, DtypeError
            The tensor is no matrix, or not of real numbers that the core reads.
        SourceError
            There is no such tensor, or its data cannot be read.
        """
        info = self._matrix(name)
        return as_features(
            self._load(info),
            source=self.source,
            tensor=name,
            axis=info.axis,
            dtype="bfloat16" if info.dtype == "bfloat16" else None,
        )

    def release(self, name: str) -> None:  # noqa: B027 - most formats hold no pages
        """Tell that the tensor's pages are not needed any more."""

    def close(self) -> None:
        """Release files and mappings; matrices that were read stay valid."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _load(self, info: TensorInfo) -> Any:
        """Give the stored tensor, an array or tensor that `as_features` takes; bfloat16 may come as bits."""

    def _where(self, name: str) -> str:
        return f"{self.source}: tensor {name!r}"

    def _matrix(self, name: str) -> TensorInfo:
        """Find a tensor and check, by its header alone, that it can be read as a feature matrix."""
        if self._closed:
            raise SourceError(f"{self._where(name)} cannot be read: the reader is closed")
        if name not in self._infos:
            close = difflib.get_close_matches(name, self._infos, n=1)
            raise SourceError(
                f"{self.source}: no tensor {name!r}" + (f", perhaps {close[0]!r}?" if close else "")
            )
        info = self._infos[name]
        check_dtype(info.dtype, self._where(name))
        check_shape(info.shape, self._where(name))
        if info.skip is not None:
            advice = ": if they are, pass the array itself" if info.dtype.startswith(_NOT_REAL) else ""
            raise DtypeError(f"{self._where(name)} is {info.skip}{advice}")
        return info


def skip_reason(shape: tuple[int, ...], dtype: str) -> str | None:
    """Say why a tensor is no feature matrix.

    Parameters
    ----------
    shape : tuple of int
        Shape as stored.
    dtype : str
        Element type as stored.

    Returns
    -------
    str or None
        None for a matrix of floating-point numbers, including FP8 and types that no one knows: those are
        weights, and leaving them out silently would mislead, so reading them is an error instead.
    """
    if not shape:
        return "scalar"
    if 0 in shape:
        return "empty"
    if len(shape) == 1:
        return "1-D"
    if len(shape) > 2:
        return f"{len(shape)}-D: not a matrix"
    if dtype.startswith(_NOT_REAL):
        return f"{dtype}: not real features"
    return None
