"""What an analysis will do and what it will cost, from headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from featuregeom.devices import MANY, room
from featuregeom.dictionaries.cost import (
    families_memory,
    families_operations,
    verdict_memory,
    verdict_operations,
)
from featuregeom.errors import ParameterError
from featuregeom.pairs.approximate import LEAST_FEATURES, candidate_memory, candidate_operations
from featuregeom.pairs.significant import uses_index
from featuregeom.sources import AxisGiven, TensorInfo, open_source
from featuregeom.summary import summarised

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Cost",
    "Description",
    "Estimate",
    "Pairs",
    "Patterns",
    "cost",
    "describe",
    "estimate",
    "indexed",
    "select",
]

Patterns = str | Sequence[str] | None
"""One or several shell-style patterns for tensor names; None matches everything."""

Pairs = bool | Literal["approximate"]
"""Whether all pairs of features are looked at, or those of an index where there are very many."""

_EIGEN = 9
"""Floating point operations of an eigendecomposition with vectors, in units of the cubed dimension."""

_LISTED = 8
"""Most names of matrices that an error lists."""


@summarised
@dataclass(frozen=True)
class Description:
    """What is inside a source.

    Attributes
    ----------
    source, format : str
        Where it is and what it is.
    tensors : tuple of TensorInfo
        Every tensor, in the source's order; `skip` says why one would be left out.
    """

    source: str
    format: str
    tensors: tuple[TensorInfo, ...]

    @property
    def matrices(self) -> tuple[TensorInfo, ...]:
        """The tensors that an analysis can measure."""
        return tuple(info for info in self.tensors if info.skip is None and info.refusal is None)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per tensor.

        The column ``planned`` is "analyze", "skip", or "refuse" for a matrix whose type cannot be read, such as FP8:
        an analysis asks to exclude it.
        """
        import pandas as pd

        rows = [
            {
                "tensor": info.name,
                "shape": " x ".join(map(str, info.shape)),
                "dtype": info.dtype,
                "bytes": info.n_bytes,
                "axis": info.axis if info.skip is None else "",
                "axis_reason": info.axis_reason if info.skip is None else "",
                "n": info.n if info.skip is None else None,
                "m": info.m if info.skip is None else None,
                "planned": "skip" if info.skip else "refuse" if info.refusal else "analyze",
                "reason": info.skip or info.refusal or "",
            }
            for info in self.tensors
        ]
        columns = ["tensor", "shape", "dtype", "bytes", "axis", "axis_reason", "n", "m", "planned", "reason"]
        return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "m": "Int64"})


@dataclass(frozen=True)
class Cost:
    """What one matrix costs: floating point operations of each step, bytes read, bytes needed at once.

    Attributes
    ----------
    n, m : int
        Features and dimensions.
    frame, eigen, measures, sweep : int
        Operations of forming the operator, its eigenvectors, the spectral measures, the Gram sweep.
    pairs : int
        Most operations of the verdict; where nothing is found without random sets to compare with, none of these is
        drawn, and it takes less than half.
    families : int
        Operations of the links between features; what the tests of candidates take depends on how many there are.
    read : int
        Bytes of the tensor.
    memory : int
        Peak bytes, with the tensor itself unless it is read in place.
    indexed : bool
        Whether significant pairs come from an index of sign patterns; nothing else is then made of pairs.
    gpu_room : int
        From 250 000 features on significant pairs are looked for on a GPU, all of them, if torch sees one that has
        these bytes free; 0 where none is looked for. All other numbers are those without a GPU.
    """

    n: int
    m: int
    frame: int
    eigen: int
    measures: int
    sweep: int
    pairs: int
    families: int
    read: int
    memory: int
    indexed: bool = False
    gpu_room: int = 0

    @property
    def operations(self) -> int:
        """Operations of all steps."""
        return self.frame + self.eigen + self.measures + self.sweep + self.pairs + self.families


@summarised
@dataclass(frozen=True)
class Estimate:
    """What an analysis will cost.

    Attributes
    ----------
    matrices : dict of str to Cost
        By tensor, in the order of work.
    refused : dict of str to str
        Matrices that stop the analysis unless they are excluded, and why: their type cannot be read.
    """

    matrices: dict[str, Cost]
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        """Operations in all."""
        return sum(cost.operations for cost in self.matrices.values())

    @property
    def read(self) -> int:
        """Bytes read in all."""
        return sum(cost.read for cost in self.matrices.values())

    @property
    def memory(self) -> int:
        """Bytes of memory that the most demanding matrix needs."""
        return max((cost.memory for cost in self.matrices.values()), default=0)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per matrix."""
        import pandas as pd

        rows = [
            {"matrix": name, **vars(cost), "operations": cost.operations}
            for name, cost in self.matrices.items()
        ]
        return pd.DataFrame(rows, columns=["matrix", *Cost.__annotations__, "operations"])


def indexed(n: int, m: int, pairs: Pairs) -> bool:
    """Say whether the significant pairs of n features in m dimensions come from an index.

    Parameters
    ----------
    n, m : int
        Shape.
    pairs : bool or "approximate"
        As in :func:`featuregeom.analyze`.
    """
    return pairs == "approximate" and n > LEAST_FEATURES and uses_index(n, m)


def cost(info: TensorInfo, held: int = 0, *, pairs: Pairs = True) -> Cost:
    """Count what one matrix costs.

    Parameters
    ----------
    info : TensorInfo
        A matrix.
    held : int
        Bytes that it takes itself, where it is not read in place: members of an archive, files that are not mapped.
    pairs : bool or "approximate"
        Whether all pairs are looked at.

    Returns
    -------
    Cost
    """
    n, m = info.n, info.m
    by_index = indexed(n, m, pairs)
    whole = bool(pairs) and not by_index
    judging = verdict_operations(n, m) if whole else candidate_operations(n, m) if by_index else 0
    more = (
        max(verdict_memory(n, m), families_memory(n, m))
        if whole
        else candidate_memory(n, m)
        if by_index
        else 0
    )
    short, long = min(n, m), max(n, m)
    # Operator, its copy for the solver, workspace and vectors; the features table while it is put together;
    # tiles and the threads' own memory.
    memory = 8 * (6 * short**2 + 48 * n) + (48 << 20)
    return Cost(
        n=n,
        m=m,
        frame=long * short * (short + 1),
        eigen=_EIGEN * short**3,
        measures=2 * n * m * short if n >= m else n * n,
        sweep=n * (n - 1) * m if whole else 0,
        pairs=judging,
        families=families_operations(n, m) if whole else 0,
        read=info.n_bytes,
        memory=memory + held + more,
        indexed=by_index,
        gpu_room=room(n, m) if pairs and n >= MANY else 0,
    )


def select(
    tensors: Iterable[TensorInfo], include: Patterns, exclude: Patterns
) -> tuple[list[TensorInfo], list[tuple[TensorInfo, str]]]:
    """Split tensors into those to analyse and those to skip, with the reason.

    Parameters
    ----------
    tensors : iterable of TensorInfo
        All tensors of a source.
    include, exclude : str, sequence of str, or None
        Shell-style patterns (``*``, ``?``, ``[...]``) for names. A tensor is analysed when it matches some
        `include` and no `exclude`.

    Returns
    -------
    (list of TensorInfo, list of (TensorInfo, str))

    Raises
    ------
    ParameterError
        If `include` leaves nothing to analyse, or either is not a pattern or list of patterns.
    """
    check_patterns(include, exclude)
    tensors = list(tensors)
    chosen, skipped = [], []
    for info in tensors:
        if info.skip is not None:
            skipped.append((info, info.skip))
        elif not matches(info, include, default=True):
            skipped.append((info, "not included"))
        elif matches(info, exclude, default=False):
            skipped.append((info, "excluded"))
        else:
            chosen.append(info)
    if include is not None and not chosen:
        raise ParameterError(_no_match(tensors, include, exclude))
    return chosen, skipped


def describe(
    source: Any,
    *,
    axis: AxisGiven = "auto",
    stacks: bool = True,
    slices: Sequence[int] | None = None,
    heads: int | Literal["auto"] | None = None,
    recursive: bool = False,
    mmap: bool = True,
) -> Description:
    """List what is inside a source and what an analysis would do with it, from headers alone.

    Parameters
    ----------
    source : path-like, str, Module, mapping or array
        Anything that :func:`featuregeom.sources.open_source` takes.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        Which axis of every matrix indexes features, or patterns of names with the axis of each; by default the
        evidence decides, which the column ``axis_reason`` names.
    stacks : bool
        Whether tensors of three and more dimensions are measured slice by slice, as ``name[i]``.
    slices : sequence of int, optional
        The slices of each stack to measure; by default all.
    heads : int or "auto", optional
        Split weights of attention into this number of heads; ``"auto"`` takes the number from the configuration.
    recursive : bool
        Whether the folders in a folder are read too.
    mmap : bool
        Whether to map files into memory; switch it off for network disks.

    Returns
    -------
    Description

    Raises
    ------
    SourceError
        If the source is missing, truncated or malformed.
    ParameterError
        If it cannot be told which axis of a sparse dictionary lists features.
    """
    with open_source(
        source,
        axis=axis,
        stacks=stacks,
        slices=slices,
        heads=heads,
        recursive=recursive,
        headers_only=True,
        mmap=mmap,
    ) as reader:
        return Description(reader.source, reader.format, tuple(reader.tensors()))


def estimate(
    source: Any,
    *,
    include: Patterns = None,
    exclude: Patterns = None,
    axis: AxisGiven = "auto",
    stacks: bool = True,
    slices: Sequence[int] | None = None,
    heads: int | Literal["auto"] | None = None,
    recursive: bool = False,
    pairs: Pairs = True,
    mmap: bool = True,
) -> Estimate:
    """Count the operations and bytes of an analysis before running it, from headers alone.

    What these are in seconds, `survey.Machine` says after ``featuregeom calibrate``.

    Parameters
    ----------
    source, axis, stacks, slices, heads, recursive, mmap
        As in `describe`.
    include, exclude, pairs
        As in :func:`featuregeom.analyze`.

    Returns
    -------
    Estimate

    Raises
    ------
    SourceError
        If the source is missing, truncated or malformed.
    ParameterError
        If `include` leaves nothing to analyse, or either is not a pattern or list of patterns.
    """
    with open_source(
        source,
        axis=axis,
        stacks=stacks,
        slices=slices,
        heads=heads,
        recursive=recursive,
        headers_only=True,
        mmap=mmap,
    ) as reader:
        chosen, _ = select(reader.tensors(), include, exclude)
        held = {info.name: reader.held(info.name) for info in chosen}
    reasons = {info.name: info.refusal for info in chosen}
    return Estimate(
        {
            info.name: cost(info, held[info.name], pairs=pairs)
            for info in chosen
            if reasons[info.name] is None
        },
        {name: reason for name, reason in reasons.items() if reason is not None},
    )


def check_patterns(include: Patterns, exclude: Patterns) -> None:
    for name, patterns in (("include", include), ("exclude", exclude)):
        listed = patterns is None or isinstance(patterns, str | Sequence)
        if not listed or not all(isinstance(each, str) for each in _each(patterns)):
            raise ParameterError(
                f"{name} must be a pattern such as '*.mlp.*', or a list of them, got {patterns!r}"
            )
    if include is not None and not include:
        raise ParameterError(f"include={include!r} names no matrix: leave it out to analyse all")


def matches(info: TensorInfo, patterns: Patterns, *, default: bool) -> bool:
    """Tell whether the name of a matrix, or of its stack, fits a pattern; brackets may stand for themselves."""
    if patterns is None:
        return default
    names = (info.name, info.tensor or info.name)
    return any(name == pattern or fnmatchcase(name, pattern) for name in names for pattern in _each(patterns))


def _each(patterns: Patterns) -> Sequence[str]:
    return [patterns] if isinstance(patterns, str) else patterns or []


def _no_match(tensors: Sequence[TensorInfo], include: Patterns, exclude: Patterns) -> str:
    """Say that nothing is left to analyse, and what there is."""
    names = [repr(info.name) for info in tensors if info.skip is None]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"no matrix matches {' or '.join(map(repr, _each(include)))}"
        + (f" and is not excluded by {' or '.join(map(repr, _each(exclude)))}" if exclude else "")
        + f"; there is {', '.join(names[:_LISTED]) or 'no matrix at all'}{more}"
    )
