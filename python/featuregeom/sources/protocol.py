"""What every source offers, whatever its format: a list of tensors from headers, and one tensor at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, get_args, runtime_checkable

from featuregeom.errors import ParameterError
from featuregeom.features import Axis, Features, refusal
from featuregeom.summary import summarised

__all__ = ["AUTO", "AxisChoice", "AxisGiven", "Reader", "Reading", "TensorInfo"]

AxisChoice = Literal["auto", "rows", "columns"]
"""The axis that indexes features: one for every tensor, or ``"auto"``, which evidence decides."""

AxisGiven = AxisChoice | Mapping[str, Axis] | Sequence[str]
"""What a caller says about axes: one for every tensor, shell-style patterns of names with the axis of each, or
texts such as ``"*.output.dense*=columns"``."""


@dataclass(frozen=True)
class Reading:
    """What a caller says about how tensors are read as matrices.

    Attributes
    ----------
    axes : tuple of (str, axis)
        Shell-style patterns of names, each with the axis that lists features there; the first that fits decides.
    stacks : bool
        Whether the slices of tensors of three and more dimensions are measured.
    slices : frozenset of int or None
        The slices of each stack to measure; None for all.
    heads : int, "auto" or None
        The number of heads that attention is split into; "auto" where the configuration says it, None for none.
    """

    axes: tuple[tuple[str, Axis], ...] = ()
    stacks: bool = True
    slices: frozenset[int] | None = None
    heads: int | Literal["auto"] | None = None

    @classmethod
    def of(
        cls,
        axis: AxisGiven = "auto",
        *,
        stacks: bool = True,
        slices: Sequence[int] | None = None,
        heads: int | Literal["auto"] | None = None,
    ) -> Reading:
        """Read what a caller gives.

        Parameters
        ----------
        axis : {"auto", "rows", "columns"}, mapping or sequence of str
            One axis for every tensor; or patterns with the axis of each, as a mapping or as texts
            ``"PATTERN=columns"``, among which may be one axis for all others.
        stacks : bool
            See the attribute.
        slices : sequence of int, optional
            See the attribute.
        heads : int or "auto", optional
            See the attribute.

        Returns
        -------
        Reading

        Raises
        ------
        ParameterError
            If one is none of these.
        """
        if slices is not None and (
            not isinstance(slices, Sequence | set | frozenset)
            or not slices
            or not all(type(each) is int and each >= 0 for each in slices)
        ):
            raise ParameterError(f"slices must be a list of indices from 0, such as [0, 3], got {slices!r}")
        if heads is not None and (
            heads != "auto" if isinstance(heads, str) else type(heads) is not int or heads < 1
        ):
            raise ParameterError(f"heads must be a positive integer or 'auto' (--heads 12), got {heads!r}")
        return cls(_axes(axis), bool(stacks), None if slices is None else frozenset(slices), heads)

    def axis(self, *names: str) -> Axis | None:
        """Give the axis that was asked for a tensor under any of its names, None where none was."""
        for pattern, axis in self.axes:
            if any(name == pattern or fnmatchcase(name, pattern) for name in names):
                return axis
        return None


AUTO = Reading()
"""Nothing is said: evidence decides about axes, and every stack is measured."""


def _axes(given: AxisGiven) -> tuple[tuple[str, Axis], ...]:
    pairs: list[tuple[str, str]]
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, str):
        pairs = [("*", given)] if given in get_args(AxisChoice) else [_pair(given)]
    elif isinstance(given, Sequence):
        pairs = [("*", each) if each in get_args(AxisChoice) else _pair(each) for each in given]
    else:
        raise ParameterError(_axis_wrong(given))
    found: list[tuple[str, Axis]] = []
    for pattern, axis in pairs:
        if not isinstance(pattern, str) or not isinstance(axis, str) or axis not in get_args(AxisChoice):
            raise ParameterError(_axis_wrong(given))
        if axis != "auto":
            found.append((pattern, "rows" if axis == "rows" else "columns"))
    return tuple(sorted(found, key=lambda each: each[0] == "*"))  # one axis for all others comes last


def _pair(text: object) -> tuple[str, str]:
    if not isinstance(text, str) or "=" not in text:
        raise ParameterError(_axis_wrong(text))
    pattern, _, axis = text.rpartition("=")
    return pattern, axis


def _axis_wrong(given: object) -> str:
    return (
        "axis must be 'auto', 'rows' or 'columns', or patterns of names with 'rows' or 'columns' "
        f"(--axis 'PATTERN=columns', axis={{'PATTERN': 'columns'}}), not {given!r}"
    )


@summarised
@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a source, or one matrix of a stack, as the header describes it.

    Attributes
    ----------
    name : str
        Name within the source; slices of a stack are ``name[i]``.
    shape : tuple of int
        Shape as stored; of a slice, its own.
    dtype : str
        Element type as stored, under NumPy's name where there is one (``"float32"``, ``"bfloat16"``,
        ``"float8_e4m3fn"``, ``"int64"``).
    n_bytes : int
        Size of the stored data.
    axis : {"rows", "columns"}
        The axis that indexes features.
    skip : str or None
        Why the tensor is no feature matrix (``"1-D"``, ``"empty"`` ...); None when it is one.
    axis_reason : str
        The evidence for `axis`.
    stack : str
        For a slice, what its stack holds: ``"head"``, ``"expert"``, ``"layer"``, ``"slice"``; else empty.
    tensor : str
        The stored tensor that holds it; empty where that is `name`.
    same_as : str
        For tied weights, the name under which the same numbers in memory came first.
    of_dictionary : bool
        Whether it is an encoder or decoder of a sparse dictionary.
    packed : str
        For a weight in integers, why these are not its numbers; else empty.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    axis: Axis = "rows"
    skip: str | None = None
    axis_reason: str = field(default="", compare=False)
    stack: str = ""
    tensor: str = ""
    same_as: str = ""
    of_dictionary: bool = field(default=False, compare=False)
    packed: str = field(default="", compare=False)

    @property
    def refusal(self) -> str | None:
        """Why the numbers of a matrix cannot be read, and what to do; None where they can."""
        return self.packed or refusal(self.dtype)

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

    def held(self, name: str) -> int:
        """Bytes of memory that a matrix takes itself: none where it is read in place."""
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
