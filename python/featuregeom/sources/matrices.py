"""From stored tensors to feature matrices: which there are, how each is cut out of its tensor, and what is skipped."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from featuregeom.errors import ParameterError, SourceError
from featuregeom.sources.dictionary_names import plain_name
from featuregeom.sources.heads import head_parts, n_heads
from featuregeom.sources.layers import Kernel, layer_layout
from featuregeom.sources.layout import Hints, Lines, dictionary_layout
from featuregeom.sources.lora import lora_products
from featuregeom.sources.not_weights import BIAS, not_weights, shape_reason
from featuregeom.sources.protocol import Reading, TensorInfo
from featuregeom.sources.quantised import packed_weights, quantised
from featuregeom.sources.scaled import Scales, find_scales

__all__ = ["View", "matrices"]

_MOST_SLICES = 4096
"""Matrices that one stack may hold. Experts come in hundreds, layers times heads in thousands; more are activations
or images by the batch, and would make as many rows of the table."""

_LISTED = 8
"""Names that an error lists."""


@dataclass(frozen=True)
class View:
    """How a matrix is made of stored tensors.

    Attributes
    ----------
    tensor : str
        The stored tensor.
    index : tuple of int or slice
        What is taken of each axis; empty for all.
    kernel : int or None
        For the kernel of a convolution, the axis of its output channels.
    scales : Scales or None
        For FP8, what it is multiplied with.
    times : str
        For a product of two tensors, the second.
    """

    tensor: str
    index: tuple[int | slice, ...] = ()
    kernel: int | None = None
    scales: Scales | None = None
    times: str = ""

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
    SourceError
        If the model is quantised by a known method.
    ParameterError
        If the axis of a dictionary cannot be told, a pattern for axes fits no matrix, no stack has the slices that are
        asked for, or heads cannot be split.
    """
    method = quantised(infos)
    if method is not None:
        raise SourceError(
            f"{source}: the model is quantised ({method}): its weights are packed in integers, and scales alone say "
            "nothing. Open the model that it was made from, or dequantise it first, e.g. with model.dequantize()"
        )
    packed = packed_weights(infos)
    infos = [replace(info, packed=packed.get(info.name, "")) for info in infos]
    scales = find_scales(infos, hints.config)
    skipped = _skipped(infos, scales)
    judged = {(judged_as or {}).get(info.name, info.name): info for info in infos}
    weights = {
        name: info
        for name, info in judged.items()
        if info.name not in skipped or len(info.shape) == 1 or skipped[info.name] == BIAS
    }
    given = {info.name: axis for info in infos if (axis := reading.axis(info.name)) is not None}
    format_name, found = dictionary_layout(weights, hints, source, given)
    lines = {**layer_layout(judged, hints), **found}
    # Dictionaries that are copies of one another are listed all the same.
    skipped |= _tied(info for info in infos if info.name not in skipped and info.name not in found)
    heads = None if reading.heads is None else n_heads(reading.heads, hints.config, source)
    listed: list[TensorInfo] = []
    views: dict[str, View] = {}
    for info in (replace(each, same_as="") for each in infos):
        if info.name in skipped:
            listed.append(replace(info, skip=skipped[info.name]))
            continue
        if info.name in scales:
            info = replace(info, dtype="float32", n_bytes=4 * math.prod(info.shape))
        parts = _of_heads(info, lines[info.name], heads, source) if heads else []
        for part, view in parts or _parts(info, lines[info.name], reading):
            listed.append(
                replace(_with_axis(part, lines[info.name], reading), of_dictionary=info.name in found)
            )
            if part.skip is None:
                views[part.name] = replace(view, scales=scales.get(info.name))
    for part, (outer, inner) in lora_products([info for info in infos if info.name not in skipped]):
        listed.append(_with_axis(part, Lines(0, 1, part.axis_reason), reading))
        views[part.name] = View(outer, times=inner)
    if heads and not any(each.stack == "head" for each in listed):
        raise ParameterError(
            f"{source}: heads were asked for, but no weight of attention is known by its name"
        )
    _check_slices(reading, listed, source)
    _check_patterns(reading, listed, source)
    return format_name, listed, views


def _skipped(infos: Iterable[TensorInfo], scales: Mapping[str, Scales]) -> dict[str, str]:
    infos = list(infos)
    names = not_weights(infos)
    used = {each.tensor: f"scales of {name!r}, which are applied" for name, each in scales.items()}
    reasons = {
        info.name: info.skip or (None if info.packed else shape_reason(info.shape, info.dtype))
        for info in infos
    }
    packed = {info.name for info in infos if info.packed}
    reasons |= {
        name: f"scales of {weight!r}, which is refused" for name, weight in _scales_of(packed, reasons)
    }
    return {**names, **{name: reason for name, reason in reasons.items() if reason is not None}, **used}


def _scales_of(packed: Iterable[str], names: Iterable[str]) -> list[tuple[str, str]]:
    """Give the tensors that scale packed weights, each with its weight: alone they say nothing."""
    weights = sorted(packed)
    return [(name, weight) for name in names for weight in weights if name.startswith(f"{weight}_scale")]


def _tied(infos: Iterable[TensorInfo]) -> dict[str, str]:
    """Say which tensors are the same numbers as one before them."""
    found: dict[str, str] = {}
    measured: dict[str, str] = {}
    for info in infos:
        other = measured.setdefault(info.same_as or info.name, info.name)
        if other != info.name:
            found[info.name] = f"tied: the same numbers as {other!r}, measured once"
    return found


def _of_heads(
    info: TensorInfo, lines: Lines, heads: tuple[int, int, int | None], source: str
) -> list[tuple[TensorInfo, View]]:
    """Cut a weight of attention into its heads."""
    found = []
    for part in head_parts(plain_name(info.name), info.shape, lines, heads, source):
        span = slice(part.start, part.stop)
        size = part.stop - part.start
        rows = part.axis == 0
        named = replace(
            info,
            name=info.name + part.suffix,
            shape=(size, info.shape[1]) if rows else (info.shape[0], size),
            n_bytes=info.n_bytes * size // info.shape[part.axis],
            axis="rows" if rows else "columns",
            axis_reason=part.reason,
            stack="head",
            tensor=info.name,
        )
        found.append((named, View(info.name, (span, slice(None)) if rows else (slice(None), span))))
    return found


def _parts(info: TensorInfo, lines: Lines, reading: Reading) -> list[tuple[TensorInfo, View]]:
    """Cut one stored tensor into its matrices."""
    if isinstance(lines, Kernel):
        rows = info.shape[lines.features]
        flat = replace(info, shape=(rows, math.prod(info.shape) // rows))
        return [(flat, View(info.name, kernel=lines.features))]
    n_dims = len(info.shape)
    if n_dims == 2:
        return [(info, View(info.name))]
    if max(info.shape) == math.prod(info.shape):
        return [(replace(info, skip="1-D, for all axes but one have one entry"), View(info.name))]
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
        if reading.slices is not None and position not in reading.slices:
            part = replace(part, skip="a slice that was not asked for")
        found.append((part, View(info.name, tuple(index))))
    return found


def _with_axis(info: TensorInfo, lines: Lines, reading: Reading) -> TensorInfo:
    asked = reading.axis(info.name, info.tensor or info.name)
    if asked is not None:
        return replace(info, axis=asked, axis_reason="as asked")
    if info.axis_reason:  # its own, not its tensor's
        return info
    if isinstance(lines, Kernel):
        return replace(info, axis="rows", axis_reason=lines.reason)
    return replace(info, axis=lines.axis, axis_reason=lines.reason)


def _check_slices(reading: Reading, listed: Sequence[TensorInfo], source: str) -> None:
    """Refuse slices that no stack has: everything would be measured as if they had not been asked for."""
    # Heads that `heads` has cut out of a matrix are no stack in the file.
    stacks = [info for info in listed if info.stack and (reading.heads is None or info.stack != "head")]
    if reading.slices is None or any(info.skip is None for info in stacks):
        return
    counts = Counter(info.tensor for info in stacks)
    held = ", ".join(f"{name} ({count} slices)" for name, count in list(counts.items())[:_LISTED])
    more = f" and {len(counts) - _LISTED} more" if len(counts) > _LISTED else ""
    raise ParameterError(
        f"{source}: no stack of matrices has the slice {' or '.join(map(str, sorted(reading.slices)))} (--slice); "
        + (f"there is {held}{more}" if held else "there is no stack")
    )


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
