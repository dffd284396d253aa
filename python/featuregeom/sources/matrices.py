"""From stored tensors to feature matrices: which there are, how each is cut out of its tensor, and what is skipped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from featuregeom.errors import ParameterError
from featuregeom.sources.layers import Kernel, layer_layout
from featuregeom.sources.layout import Hints, Lines, dictionary_layout
from featuregeom.sources.not_weights import BIAS, not_weights, shape_reason
from featuregeom.sources.protocol import Reading, TensorInfo

__all__ = ["View", "matrices"]

_MOST_SLICES = 4096
"""Matrices that one stack may hold. Experts come in hundreds, layers times heads in thousands; more are activations
or images by the batch, and would make as many rows of the table."""

_LISTED = 8
"""Names that an error lists."""


@dataclass(frozen=True)
class View:
    """How a matrix is cut out of a stored tensor.

    Attributes
    ----------
    tensor : str
        The stored tensor.
    index : tuple of int or slice
        What is taken of each axis; empty for all.
    kernel : int or None
        For the kernel of a convolution, the axis of its output channels.
    """

    tensor: str
    index: tuple[int | slice, ...] = ()
    kernel: int | None = None

    def of(self, array: Any) -> Any:
        """Cut the matrix out, of a NumPy array or a torch tensor, without a copy where there is no kernel."""
        if self.kernel is not None:
            rows = array.swapaxes(0, self.kernel) if self.kernel else array
            return rows.reshape(rows.shape[0], -1)
        return array[self.index] if self.index else array


def matrices(
    infos: Sequence[TensorInfo],
    reading: Reading,
    hints: Hints,
    source: str,
    judged_as: Mapping[str, str] | None = None,
) -> tuple[str | None, list[TensorInfo], dict[str, View]]:
    """List the matrices of a source.

    Parameters
    ----------
    infos : sequence of TensorInfo
        Its stored tensors, some with a reason to skip them.
    reading : Reading
        What the caller says.
    hints : Hints
        What is known beside names and shapes.
    source : str
        What to call it in errors.
    judged_as : mapping of str to str, optional
        Names to judge tensors by, where their own do not say which belong together.

    Returns
    -------
    format : str or None
        Format of the sparse dictionaries in it.
    listed : list of TensorInfo
        Every matrix, and every tensor that is skipped.
    views : dict of str to View
        How each matrix is read.

    Raises
    ------
    ParameterError
        If the axis of a dictionary cannot be told, or a pattern for axes fits no matrix.
    """
    skipped = _skipped(infos)
    judged = {(judged_as or {}).get(info.name, info.name): info for info in infos}
    weights = {
        name: info
        for name, info in judged.items()
        if info.name not in skipped or len(info.shape) == 1 or skipped[info.name] == BIAS
    }
    given = {info.name: axis for info in infos if (axis := reading.axis(info.name)) is not None}
    format_name, lines = dictionary_layout(weights, hints, source, given)
    plain = layer_layout(judged, hints)
    listed: list[TensorInfo] = []
    views: dict[str, View] = {}
    for info in infos:
        if info.name in skipped:
            listed.append(replace(info, skip=skipped[info.name]))
            continue
        for part, view in _parts(info, lines.get(info.name) or plain[info.name], reading):
            listed.append(part)
            if part.skip is None:
                views[part.name] = view
    _check_patterns(reading, listed, source)
    return format_name, listed, views


def _skipped(infos: Iterable[TensorInfo]) -> dict[str, str]:
    infos = list(infos)
    names = not_weights(infos)
    reasons = {info.name: info.skip or shape_reason(info.shape, info.dtype) for info in infos}
    return {**names, **{name: reason for name, reason in reasons.items() if reason is not None}}


def _parts(info: TensorInfo, lines: Lines, reading: Reading) -> list[tuple[TensorInfo, View]]:
    """Cut one stored tensor into its matrices."""
    if isinstance(lines, Kernel):
        rows = info.shape[lines.features]
        flat = replace(info, shape=(rows, math.prod(info.shape) // rows))
        view = View(info.name, kernel=lines.features)
        return [(_with_axis(flat, replace(lines, features=0, dimensions=1), reading), view)]
    n_dims = len(info.shape)
    if n_dims == 2:
        return [(_with_axis(info, lines, reading), View(info.name))]
    stacked = [axis for axis in range(n_dims) if axis not in (lines.features, lines.dimensions)]
    count = math.prod(info.shape[axis] for axis in stacked)
    what = f"a stack of {count} matrices"
    if not reading.stacks:
        return [(replace(info, skip=f"{what}, and stacks are left out as asked"), View(info.name))]
    if count > _MOST_SLICES:
        reason = f"{what}, more than {_MOST_SLICES}: pass slices of it as arrays"
        return [(replace(info, skip=reason), View(info.name))]
    shape = tuple(info.shape[axis] for axis in range(n_dims) if axis not in stacked)
    found = []
    for position, place in enumerate(itertools.product(*(range(info.shape[axis]) for axis in stacked))):
        index: list[int | slice] = [slice(None)] * n_dims
        for axis, at in zip(stacked, place, strict=True):
            index[axis] = at
        part = replace(
            info,
            name=f"{info.name}[{','.join(map(str, place))}]",
            shape=shape,
            n_bytes=info.n_bytes // count,
            stack=lines.stack,
            tensor=info.name,
        )
        part = _with_axis(part, lines, reading)
        if reading.slices is not None and position not in reading.slices:
            part = replace(part, skip="a slice that was not asked for")
        found.append((part, View(info.name, tuple(index))))
    return found


def _with_axis(info: TensorInfo, lines: Lines, reading: Reading) -> TensorInfo:
    asked = reading.axis(info.name, info.tensor or info.name)
    if asked is not None:
        return replace(info, axis=asked, axis_reason="as asked")
    return replace(info, axis=lines.axis, axis_reason=lines.reason)


def _check_patterns(reading: Reading, listed: Sequence[TensorInfo], source: str) -> None:
    """Refuse a pattern for axes that fits nothing: it is mistyped, and numbers would be silently wrong."""
    measured = [info for info in listed if info.skip is None]
    for pattern, axis in reading.axes:
        only = Reading(((pattern, axis),))
        if pattern != "*" and not any(only.axis(info.name, info.tensor or info.name) for info in measured):
            names = ", ".join(info.name for info in measured[:_LISTED])
            more = f" and {len(measured) - _LISTED} more" if len(measured) > _LISTED else ""
            raise ParameterError(
                f"{source}: no matrix matches the axis pattern {pattern!r}; there is {names or 'none'}{more}"
            )
