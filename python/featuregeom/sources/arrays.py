"""What lives in memory: modules, mappings of tensors, and bare arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from featuregeom.errors import SourceError
from featuregeom.features import Features, as_features, dtype_name
from featuregeom.networks.tensors import UNINITIALISED
from featuregeom.sources.base import BaseReader
from featuregeom.sources.layout import Hints
from featuregeom.sources.protocol import AUTO, AxisChoice, Reading, TensorInfo

_LISTED = 10
"""Entries other than tensors that an error lists, at most."""

_TOKENS = re.compile(
    r"\w*embed\w*|wte|emb|shared|word\w*|lm_head|head|proj_out|output_projection|embed_out|decoder"
)
"""Names of embeddings and of projections to tokens."""

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
        known = "as asked" if axis != "auto" else "rows, as arrays are given"
        self._features = as_features(array, axis="rows" if axis == "auto" else axis, axis_reason=known)
        origin = self._features.provenance
        info = TensorInfo(origin.tensor, origin.shape, self._features.dtype, self._features.values.nbytes)
        super().__init__(origin.source, "array", [info], Reading.of(origin.axis))

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
        Names to arrays, tensors or rows of numbers; nested names are joined by dots.
    source : str
        What to call it.
    reading : Reading
        See `BaseReader`.
    hints : Hints, optional
        What is known of a live module.

    Raises
    ------
    SourceError
        There is no tensor in it.
    """

    def __init__(
        self, tree: Mapping[Any, Any], *, source: str, reading: Reading = AUTO, hints: Hints | None = None
    ) -> None:
        others: list[TensorInfo] = []
        self._tensors = flatten(tree, source, rows=True, others=others)
        infos = tensor_infos(self._tensors, live=hints is not None)
        super().__init__(source, "mapping", infos, reading, hints=hints or Hints(), beside=others)

    def close(self) -> None:
        """Let go of the tensors."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        return self._tensors[info.name]


def flatten(
    tree: Any, source: str, *, rows: bool = False, others: list[TensorInfo] | None = None
) -> dict[str, Any]:
    """Gather the tensors of nested mappings and sequences under dotted names.

    Parameters
    ----------
    tree : mapping or sequence
        What to search. Leaves that are no tensors (steps, settings) are passed over.
    source : str
        What to call it in errors.
    rows : bool
        Take lists of rows of numbers for arrays, as a caller means them, and what gives an array only when asked
        (a table of pandas); in a checkpoint they are settings.
    others : list of TensorInfo, optional
        Filled with what is neither a tensor nor a setting (number, text), so that it is listed as skipped.

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
        if type(node).__name__ in UNINITIALISED:
            if others is not None:
                reason = "no shape yet: call the lazy module once, then read it"
                others.append(TensorInfo(name, (), type(node).__name__, 0, skip=reason))
            return
        if rows and _are_rows(node):
            node = _array(node)
        elif rows and _shows_an_array(node):
            node = np.asarray(node)
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
        elif others is not None and not isinstance(node, (Real, str, bytes)):
            kind = "None" if node is None else type(node).__name__
            others.append(TensorInfo(name, (), kind, 0, skip=f"{kind}: no tensor"))

    try:
        walk(tree, "")
    except RecursionError as error:
        raise SourceError(f"{source}: nested too deeply to list its tensors") from error
    if not found:
        instead = ", ".join(f"{info.name!r} is {info.dtype}" for info in (others or [])[:_LISTED])
        raise SourceError(f"{source}: no tensor in it{f'; {instead}' if instead else ''}")
    return found


def tensor_infos(tensors: Mapping[str, Any], *, live: bool = False) -> Iterable[TensorInfo]:
    """Describe tensors of any library.

    Parameters
    ----------
    tensors : mapping of str to tensor
        Anything with ``shape`` and ``dtype``; sparse ones are to be skipped, and their size is that of their dense
        numbers.
    live : bool
        Whether they are a module's, where one tensor under two names is tied whatever they are called.

    Returns
    -------
    iterable of TensorInfo
    """
    first: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        if getattr(tensor, "is_nested", False):
            yield TensorInfo(
                name, (), dtype_name(tensor), 0, skip="nested: rows of several lengths are no matrix"
            )
            continue
        shape = tuple(map(int, tensor.shape))
        sparse = _is_sparse(tensor)
        n_bytes = math.prod(shape) * tensor.dtype.itemsize if sparse else int(tensor.nbytes)
        skip = "sparse: make it dense to have it measured" if sparse else _numberless(tensor)
        place = None if skip else _place(tensor)
        other = name if place is None else first.setdefault(("" if live else _role(name), *place), name)
        same_as = other if other != name else ""
        yield TensorInfo(name, shape, dtype_name(tensor), n_bytes, skip=skip, same_as=same_as)


def _role(name: str) -> str:
    """Give the part of a name by which tied weights agree: a tensor under another name has another role.

    An embedding and the projection back to tokens, or the same layer of several blocks.
    """
    parts = name.split(".")
    if parts[-1].isdecimal():  # an item of a list, and no layer's weight
        return name
    if any(_TOKENS.fullmatch(part) for part in parts[-2:]):
        return "tokens"
    return ".".join("#" if part.isdecimal() else part for part in parts[-2:])


def _numberless(tensor: Any) -> str | None:
    """Say why a tensor of torch holds no numbers, None where it does."""
    if getattr(tensor, "is_meta", False):
        return "on torch's meta device, which holds no numbers: load the weights first"
    if type(tensor).__name__ == "FakeTensor":
        return "a fake tensor, which holds no numbers: leave FakeTensorMode first"
    return None


def _place(tensor: Any) -> tuple[Any, ...] | None:
    """Tell where a matrix lies in memory, so that tied weights are known; None where that cannot be told."""
    if len(tensor.shape) < 2:
        return None
    if isinstance(tensor, np.ndarray):
        return tensor.__array_interface__["data"][0], tensor.shape, tensor.strides, str(tensor.dtype)
    if not all(callable(getattr(tensor, name, None)) for name in ("data_ptr", "stride")):
        return None
    try:
        address = tensor.data_ptr()
    except (RuntimeError, NotImplementedError):  # wrappers of tensors that have no storage of their own
        return None
    return (address, tuple(tensor.shape), tuple(tensor.stride()), str(tensor.dtype)) if address else None


def _is_sparse(tensor: Any) -> bool:
    """Tell a tensor of torch that is not strided, and a matrix of SciPy that can be shown as coordinates."""
    layout = str(getattr(tensor, "layout", ""))
    return (layout.startswith("torch.") and layout != "torch.strided") or hasattr(tensor, "tocoo")


def _are_rows(node: Any) -> bool:
    """Tell whether this is a list of lists of numbers."""
    return _is_list(node) and all(_is_list(row) and all(isinstance(x, Real) for x in row) for row in node)


def _shows_an_array(node: Any) -> bool:
    """Tell what has no type and shape of its own, but gives NumPy an array."""
    shown = any(hasattr(node, name) for name in ("__array__", "__array_interface__", "__array_struct__"))
    return shown and not (hasattr(node, "shape") and hasattr(node, "dtype")) and not isinstance(node, type)


def _is_list(node: Any) -> bool:
    return isinstance(node, (list, tuple)) and len(node) > 0


def _array(rows: Any) -> np.ndarray[Any, Any]:
    """Give rows of numbers as an array; one of objects, which is skipped and listed, where lengths differ."""
    even = len({len(row) for row in rows}) == 1
    return np.array(rows) if even else np.array(rows, dtype=object)
