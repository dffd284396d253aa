"""One matrix of a source: what commands read that work on a single one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from numpy.typing import NDArray

from featuregeom.errors import ParameterError, UnsuitableSourceError
from featuregeom.features import Features
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import Reader, TensorInfo

__all__ = ["read_matrix"]

_LISTED = 20
"""Tensors that an error lists."""

_WHOLE = ("bool", "int", "uint")


def read_matrix(reader: Reader, tensor: str | None = None) -> tuple[TensorInfo, Features | NDArray[Any]]:
    """Read one matrix, of whole numbers and bits too, which an analysis of features passes over.

    Parameters
    ----------
    reader : Reader
        An open source.
    tensor : str, optional
        Which matrix; needed where there are several.

    Returns
    -------
    info : TensorInfo
        What is known of it.
    values : Features, or ndarray of integers or booleans as stored
        Features have one per row; an array lies as it is stored, whatever the axis.

    Raises
    ------
    UnsuitableSourceError
        There is no matrix, or there are several and `tensor` names none.
    ParameterError
        There is no such matrix.
    """
    held = {info.name: info for info in reader.tensors()}
    found = {name: info for name, info in held.items() if len(info.shape) == 2 and 0 not in info.shape}
    others = {name: info.shape for name, info in held.items() if name not in found}
    source = reader.source
    if tensor in others or not found:
        named = [tensor] if tensor in others else list(others)[:_LISTED]
        shapes = ", ".join(f"{name} of shape {others[name]}" for name in named)
        raise UnsuitableSourceError(
            f"{source} holds no matrix{'' if tensor is None else f' {tensor!r}'} of at least one row and one column; "
            f"{source} has {shapes or 'no array'}"
        )
    names = _names(found.values())
    if tensor is None and len(found) != 1:
        raise UnsuitableSourceError(
            f"{source} holds {len(found)} matrices, name one with tensor (--tensor): {names}"
        )
    if tensor is not None and tensor not in found:
        raise ParameterError(f"{source} has no matrix {tensor!r}; it has {names}")
    info = found[tensor or next(iter(found))]
    if info.dtype.startswith(_WHOLE) and not info.packed and isinstance(reader, BaseReader):
        return info, reader.read_whole(info.name)
    return info, reader.read(info.name)


def _names(found: Collection[TensorInfo]) -> str:
    """List the matrices that can be chosen: those of features first, then whole numbers."""
    features = [info.name for info in found if info.skip is None and info.refusal is None]
    whole = [info.name for info in found if info.skip is not None and info.dtype.startswith(_WHOLE)]
    names = [*features, *whole]
    more = (
        f", and {len(names) - _LISTED} more; `featuregeom describe` lists all" if len(names) > _LISTED else ""
    )
    return (", ".join(names[:_LISTED]) or "none that can be read") + more
