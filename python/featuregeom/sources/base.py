"""What all readers share: the list of tensors with their axes and reasons to skip, and checked reads."""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featuregeom.arguments import string
from featuregeom.errors import DtypeError, SourceError
from featuregeom.features import Features, as_features, check_dtype, check_shape, in_utf8
from featuregeom.folders import State
from featuregeom.sources.layout import Hints
from featuregeom.sources.matrices import View, matrices
from featuregeom.sources.protocol import Reading, TensorInfo
from featuregeom.sources.scaled import dequantise
from featuregeom.sources.sidecar import read_config

__all__ = ["BaseReader"]

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
        Name, shape, type and size of each stored tensor; matrices, their axes and reasons to skip are found here.
    reading : Reading
        What the caller says about axes and stacks.
    files : iterable of Path
        The files that hold the tensors; none for what lives in memory.
    hints : Hints, optional
        What is known beside names and shapes; by default the name of the source.
    judged_as : mapping of str to str, optional
        Names to judge tensors by, where their own do not say which belong together.
    beside : iterable of TensorInfo
        What is listed as skipped beside the tensors: files and folders that were not opened.

    Attributes
    ----------
    stored : dict of str to TensorInfo
        The tensors as they are stored, by name.
    container : str
        Format of the file, whatever is stored in it.
    label : str
        Name of the file.
    classes : mapping of str to str
        What each tensor is used for, where the source tells.
    copies : bool
        Whether a stored tensor is copied each time that it is loaded.
    opened : dict of Path to tuple
        The `folders.state` of files just before they were opened, so that a change since is seen.
    """

    copies = False

    def __init__(
        self,
        source: str,
        format: str,  # noqa: A002
        infos: Iterable[TensorInfo],
        reading: Reading,
        files: Iterable[Path] = (),
        hints: Hints | None = None,
        judged_as: Mapping[str, str] | None = None,
        beside: Iterable[TensorInfo] = (),
    ) -> None:
        self.stored = {info.name: info for info in infos}
        self.container = format
        self.label = PurePath(source).name
        self.files: Sequence[Path] = tuple(files)
        self.opened: dict[Path, State | None] = {}
        if hints is None:
            hints = Hints(
                PurePath(source).name, config=read_config(self.files[0].parent) if self.files else {}
            )
        self.classes = hints.classes
        known, listed, views = matrices([*self.stored.values()], reading, hints, source, judged_as)
        self._views = {in_utf8(name): view for name, view in views.items()}
        if len(self._views) < len(views):
            raise SourceError(
                f"{source}: two tensors have one name once bytes that are no UTF-8 are spelled out"
            )
        self._held: tuple[str, Any] | None = None
        self.source = in_utf8(source)
        self.format = known or format
        self._closed = False
        self._infos = {info.name: info for info in map(_in_utf8, (*listed, *beside))}

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
        name = string("name", name)
        info = self._matrix(name)
        return as_features(
            self._matrix_of(self._views[name]),
            source=self.source,
            tensor=name,
            axis=info.axis,
            axis_reason=info.axis_reason,
            dtype="bfloat16" if info.dtype == "bfloat16" else None,
        )

    def _matrix_of(self, view: View) -> Any:
        """Make a matrix of stored tensors. What was made for one slice of a stack serves the next."""
        stored = self.stored[view.tensor]
        if view.index and self._held and self._held[0] == view.tensor:
            return view.of(self._held[1])
        self._held = None
        array = self._load(stored)
        if view.scales is not None:
            scales = self.stored[view.scales.tensor]
            array = dequantise(array, stored.dtype, self._load(scales), scales.dtype, view.scales.block)
        if view.times:
            return _widened(array, stored) @ _widened(
                self._load(self.stored[view.times]), self.stored[view.times]
            )
        if view.index and (self.copies or view.scales is not None):
            self._held = view.tensor, array
        return view.of(array)

    def read_whole(self, name: str) -> NDArray[Any]:
        """Give a tensor of integers or booleans as it is stored.

        Parameters
        ----------
        name : str
            A tensor that is skipped for its type.

        Returns
        -------
        ndarray

        Raises
        ------
        SourceError
            Its data cannot be read.
        """
        if self._closed:
            raise SourceError(f"{self._where(name)} cannot be read: the reader is closed")
        stored = next((info for info in self.stored.values() if in_utf8(info.name) == name), None)
        if stored is None:
            raise SourceError(f"{self.source}: no tensor {name!r}")
        return np.asarray(self._load(stored))

    def held(self, name: str) -> int:
        """Bytes of memory that a matrix of the source takes while it is measured: none where it is read in place."""
        name = in_utf8(name)
        if name not in self._views:
            return 0
        view = self._views[name]
        made = 8 * math.prod(self._infos[name].shape) if view.scales is not None or view.times else 0
        return made + self.taken(self.stored[view.tensor])

    def taken(self, info: TensorInfo) -> int:
        """Bytes of memory that loading a stored tensor takes: none where it is read in place."""
        return info.n_bytes if self.copies else 0

    def load(self, info: TensorInfo) -> Any:
        """Give a stored tensor, for a reader of several files."""
        return self._load(info)

    def release(self, name: str) -> None:
        """Tell that the pages of a matrix's tensor are not needed any more."""
        view = self._views.get(in_utf8(name))
        if view is not None:
            self.release_stored(view.tensor)

    def release_stored(self, name: str) -> None:  # noqa: B027 - most formats hold no pages
        """Tell that a stored tensor's pages are not needed any more."""

    def close(self) -> None:
        """Release files and mappings; matrices that were read stay valid."""
        self._closed = True
        self._held = None

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
        if info.packed:
            raise DtypeError(f"{self._where(name)} is {info.dtype}: {info.packed}")
        check_shape(info.shape, self._where(name))
        if info.skip is not None:
            advice = ": if they are, pass the array itself" if info.dtype.startswith(_NOT_REAL) else ""
            raise DtypeError(f"{self._where(name)} is {info.skip}{advice}")
        return info


def _in_utf8(info: TensorInfo) -> TensorInfo:
    """Spell out what tables and pages cannot hold, in names and in the reasons that mention them."""
    texts: dict[str, Any] = {
        key: in_utf8(value) for key, value in vars(info).items() if isinstance(value, str)
    }
    return replace(info, **texts)


def _widened(array: Any, info: TensorInfo) -> Any:
    features = as_features(array, dtype="bfloat16" if info.dtype == "bfloat16" else None)
    return features.widened(np.arange(features.n))
