"""One matrix in a folder of checkpoints: in order of training, each read when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import overload

from featuregeom.arguments import string
from featuregeom.errors import ParameterError, ShapeError, SourceError, UnsuitableSourceError
from featuregeom.features import Features
from featuregeom.findings.tables import natural
from featuregeom.folders import Sources
from featuregeom.sources import TensorInfo, open_source
from featuregeom.sources.protocol import AxisGiven
from featuregeom.sources.suffixes import KINDS, ending
from featuregeom.summary import summarised

__all__ = ["Checkpoints", "read_checkpoints"]

_LISTED = 8
"""Most names that an error lists."""


@summarised
@dataclass(frozen=True, eq=False)
class Checkpoints(Sequence[Features]):
    """A matrix at several times: a sequence that reads each checkpoint when it is asked for.

    Attributes
    ----------
    paths : tuple of Path
        The checkpoints, in order of training.
    steps : tuple of float
        Their steps: the last numbers in their names, or 0, 1, 2 ... where those do not tell.
    tensors : tuple of str
        Name of the matrix in each.
    shape : (int, int)
        Features and dimensions.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        As it was given.
    files : Sources
        The files as they were when their headers were read: a checkpoint that has changed since is an error.
    """

    paths: tuple[Path, ...]
    steps: tuple[float, ...]
    tensors: tuple[str, ...]
    shape: tuple[int, int]
    axis: AxisGiven = "auto"
    files: Sources = field(default=Sources({}), repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, at: int) -> Features: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Features]: ...
    def __getitem__(self, at: int | slice) -> Features | Sequence[Features]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        with open_source(self.paths[at], axis=self.axis) as reader:
            found = reader.read(self.tensors[at])
        self.files.check()
        return found


def read_checkpoints(
    folder: str | Path, tensor: str | None = None, *, axis: AxisGiven = "auto"
) -> Checkpoints:
    """Find one matrix in all checkpoints of a folder, from headers alone.

    Parameters
    ----------
    folder : str or Path
        Files of weights, or folders of models or dictionaries, one for each checkpoint.
    tensor : str, optional
        Name of the matrix, or a shell-style pattern that fits one; needed where a checkpoint holds several.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        Which axis lists features, as in `fg.analyze`.

    Returns
    -------
    Checkpoints

    Raises
    ------
    SourceError
        If there is no such folder, or it holds fewer than two checkpoints.
    UnsuitableSourceError
        If a checkpoint has no such matrix, or several and `tensor` names none.
    ShapeError
        If the matrix changes its shape.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import featuregeom as fg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for step in (0, 10, 200):
    ...         np.save(Path(folder) / f"step-{step}.npy", np.eye(4, 3) + step)
    ...     found = fg.survey.read_checkpoints(folder)
    >>> found.steps, found.shape
    ((0.0, 10.0, 200.0), (4, 3))
    """
    place = Path(folder)
    if not place.is_dir():
        raise SourceError(
            f"{place}: no such folder; a trajectory needs one with a file or folder per checkpoint"
        )
    held = [each for each in place.iterdir() if not each.name.startswith(".")]
    paths = [each for each in held if each.is_dir() or ending(each)[1] in KINDS]
    paths.sort(key=lambda path: natural(path.name))
    if len(paths) < 2:
        raise SourceError(
            f"{place} holds {len(paths)} checkpoint{'' if len(paths) == 1 else 's'}, and a trajectory needs two: "
            "a file of weights, or a folder, for each"
        )
    found: list[TensorInfo] = []
    files: list[Path] = []
    for path in paths:
        with open_source(path, axis=axis, headers_only=True) as reader:
            found.append(_matrix(path, list(reader.tensors()), tensor))
            files += reader.files
    shape = found[-1].n, found[-1].m
    for path, info in zip(paths, found, strict=True):
        if (info.n, info.m) != shape:
            raise ShapeError(
                f"{path} holds {info.name} with {info.n} features of {info.m} dimensions, {paths[-1]} "
                f"{found[-1].name} with {shape[0]} of {shape[1]}: a trajectory is of one matrix"
            )
    return Checkpoints(
        tuple(paths), _steps(paths), tuple(info.name for info in found), shape, axis, Sources.of(files)
    )


def _matrix(path: Path, infos: list[TensorInfo], tensor: str | None) -> TensorInfo:
    measured = [info for info in infos if info.skip is None]
    tensor = None if tensor is None else string("tensor", tensor)
    fitting = [
        info for info in measured if tensor is None or info.name == tensor or fnmatchcase(info.name, tensor)
    ]
    exact = [info for info in fitting if info.name == tensor]
    if exact or len(fitting) == 1:
        return (exact or fitting)[0]
    names = ", ".join(info.name for info in measured[:_LISTED]) + (", ..." if len(measured) > _LISTED else "")
    if fitting:
        raise UnsuitableSourceError(
            f"{path} holds {len(fitting)} matrices{'' if tensor is None else f' that fit {tensor!r}'}, name one with "
            f"tensor= (--tensor): {names}"
        )
    if tensor is None:
        raise UnsuitableSourceError(f"{path} holds no matrix of features")
    raise ParameterError(f"{path} has no matrix {tensor!r}; it has {names or 'none'}")


def _steps(paths: Sequence[Path]) -> tuple[float, ...]:
    """Read the last number of each name, where these tell the checkpoints apart in their order."""
    numbers = [re.findall(r"\d+", path.name if path.is_dir() else path.stem) for path in paths]
    if all(numbers):
        steps = [float(each[-1]) for each in numbers]
        if all(a < b for a, b in pairwise(steps)):
            return tuple(steps)
    return tuple(map(float, range(len(paths))))
