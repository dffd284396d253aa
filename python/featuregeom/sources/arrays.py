"""What lives in memory: modules, mappings of tensors, and bare arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from featuregeom.errors import SourceError
from featuregeom.features import Features, as_features, dtype_name
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AxisChoice, TensorInfo

__all__ = ["ArrayReader", "MappingReader", "flatten", "tensor_infos"]


class ArrayReader(BaseReader):
    """One array, which the caller calls a feature matrix: integers too are taken for numbers.

    Parameters
    ----------
    array : array_like, shape (n, m), or Features
        What `as_features` takes.
    axis : {"auto", "rows", "columns"}
        The axis that indexes features; ``"auto"`` takes rows.
    """

    def __init__(self, array: Any, *, axis: AxisChoice = "auto") -> None:
        self._features = as_features(array, axis="rows" if axis == "auto" else axis)
        origin = self._features.provenance
        info = TensorInfo(origin.tensor, origin.shape, self._features.dtype, self._features.values.nbytes)
        super().__init__(origin.source, "array", [info], origin.axis)

    def read(self, name: str) -> Features:
        """Give the array."""
        self._matrix(name)
        return self._features

    def _load(self, info: TensorInfo) -> Any:
        return self._features


class MappingReader(BaseReader):
    """Named tensors in memory: a state dict, a live module's, or any nested mapping of arrays.

    Parameters
    ----------
    tree : mapping
        Names to arrays or tensors; nested names are joined by dots.
    source : str
        What to call it.
    axis : {"auto", "rows", "columns"}
        See `BaseReader`.

    Raises
    ------
    SourceError
        There is no tensor in it.
    """

    def __init__(self, tree: Mapping[Any, Any], *, source: str, axis: AxisChoice = "auto") -> None:
        self._tensors = flatten(tree, source)
        super().__init__(source, "mapping", tensor_infos(self._tensors), axis)

    def close(self) -> None:
        """Let go of the tensors."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        return self._tensors[info.name]


def flatten(tree: Any, source: str) -> dict[str, Any]:
    """Gather the tensors of nested mappings and sequences under dotted names.

    Parameters
    ----------
    tree : mapping or sequence
        What to search. Leaves that are no tensors (steps, settings) are passed over.
    source : str
        What to call it in errors.

    Returns
    -------
    dict of str to tensor
        In the tree's own order.

    Raises
    ------
    SourceError
        There is no tensor, two have the same dotted name, or the nesting has no end.
    """
    found: dict[str, Any] = {}

    def walk(node: Any, name: str) -> None:
        if hasattr(node, "shape") and hasattr(node, "dtype"):
            if name in found:
                raise SourceError(f"{source}: two tensors are called {name!r}")
            found[name] = node
        elif isinstance(node, Mapping):
            for key, value in node.items():
                walk(value, f"{name}.{key}" if name else str(key))
        elif isinstance(node, (list, tuple)):
            for index, value in enumerate(node):
                walk(value, f"{name}.{index}" if name else str(index))

    try:
        walk(tree, "")
    except RecursionError as error:
        raise SourceError(f"{source}: nested too deeply to list its tensors") from error
    if not found:
        raise SourceError(f"{source}: no tensor in it")
    return found


def tensor_infos(tensors: Mapping[str, Any]) -> Iterable[TensorInfo]:
    """Describe tensors of any library.

    Parameters
    ----------
    tensors : mapping of str to tensor
        Anything with ``shape``, ``dtype`` and ``nbytes``.

    Returns
    -------
    iterable of TensorInfo
    """
    return (
        TensorInfo(name, tuple(map(int, tensor.shape)), dtype_name(tensor), int(tensor.nbytes))
        for name, tensor in tensors.items()
    )
