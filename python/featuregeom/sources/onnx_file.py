"""ONNX models: their initialisers, and from the graph what each is multiplied with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.memory import NoRoomError, loading, reading
from featuregeom.sources.base import BaseReader
from featuregeom.sources.layout import Hints
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo
from featuregeom.sources.sidecar import read_config

__all__ = ["OnnxReader", "external_files", "onnx_infos"]


class OnnxReader(BaseReader):
    """The initialisers of an ONNX model, those of its subgraphs too.

    Parameters
    ----------
    path : Path
        The file, which is read whole; data in other files of its folder when asked for.
    reading : Reading
        See `BaseReader`.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Raises
    ------
    MissingExtraError
        The onnx package is not installed.
    SourceError
        The file is malformed, or holds no initialiser.
    """

    copies = True

    def __init__(self, path: Path, *, reading: Reading = AUTO, beside: Iterable[TensorInfo] = ()) -> None:
        onnx = _package(str(path))
        self._path = path
        self._tensors, infos, classes = _listed(_opened(onnx, path), str(path))
        hints = Hints(path.name, config=read_config(path.parent), classes=classes)
        super().__init__(str(path), "onnx", infos, reading, [path], hints=hints, beside=beside)

    def close(self) -> None:
        """Let go of the model; matrices that were read stay valid."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        from onnx import numpy_helper

        try:
            with reading(self._where(info.name), info.n_bytes):
                return numpy_helper.to_array(*_with_folder(self._tensors[info.name], self._path))
        except NoRoomError:
            raise
        except Exception as error:  # data in another file that is missing, or outside of the folder
            raise SourceError(f"{self._where(info.name)} cannot be read: {error}") from error


def _opened(onnx: Any, path: Path) -> Any:
    try:
        with reading(str(path), path.stat().st_size):
            return onnx.load(path, load_external_data=False)
    except NoRoomError:
        raise
    except Exception as error:  # whatever a malformed file does to the parser
        raise SourceError(f"{path}: onnx cannot read it: {error or type(error).__name__}") from error


def _with_folder(tensor: Any, path: Path) -> tuple[Any, str]:
    """Give a tensor and the folder of the file with its numbers.

    In the Hub's cache model and numbers are links to one folder under other names; onnx refuses links, which could lead
    anywhere.
    """
    for entry in tensor.external_data:
        data = path.parent / entry.value
        if entry.key == "location" and data.is_symlink() and data.resolve().parent == path.resolve().parent:
            copy = type(tensor)()
            copy.CopyFrom(tensor)
            next(each for each in copy.external_data if each.key == "location").value = data.resolve().name
            return copy, str(data.resolve().parent)
    return tensor, str(path.parent)


def onnx_infos(content: bytes, where: str) -> tuple[list[TensorInfo], dict[str, str]]:
    """List the tensors of a model, with numbers or without.

    Parameters
    ----------
    content : bytes
        The model.
    where : str
        What to call it in errors.

    Returns
    -------
    infos : list of TensorInfo
        Its initialisers.
    classes : dict of str to str
        What each is used for, by its name.

    Raises
    ------
    MissingExtraError
        The onnx package is not installed.
    SourceError
        The model is malformed, or holds no initialiser.
    """
    onnx = _package(where)
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # whatever a malformed file does to the parser
        raise SourceError(f"{where}: onnx cannot read it: {error or type(error).__name__}") from error
    return _listed(model, where)[1:]


def external_files(path: Path) -> list[str]:
    """Name the files beside a model that hold numbers of its tensors.

    Parameters
    ----------
    path : Path
        The model.

    Returns
    -------
    list of str
        Empty where it cannot be read; that is said when it is opened.
    """
    try:
        tensors = _listed(_package(str(path)).load(path, load_external_data=False), str(path))[0].values()
    except Exception:
        return []
    entries = (entry for tensor in tensors for entry in tensor.external_data if entry.key == "location")
    return [name for name in dict.fromkeys(entry.value for entry in entries) if ".." not in name]


def _package(where: str) -> Any:
    try:
        with loading("onnx"):
            import onnx
    except ImportError as error:
        raise MissingExtraError.needing(f"{where}: reading ONNX", "the onnx package", "onnx") from error
    return onnx


def _listed(model: Any, where: str) -> tuple[dict[str, Any], list[TensorInfo], dict[str, str]]:
    tensors: dict[str, Any] = {}
    classes: dict[str, str] = {}
    _gather(model.graph, "", tensors, classes)
    sparse = [
        replace(
            _info(each.values.name, each.values),
            shape=tuple(each.dims),
            skip="a sparse tensor, which is not read",
        )
        for each in model.graph.sparse_initializer
    ]
    if not tensors and not sparse:
        raise SourceError(f"{where}: no tensor in it")
    return tensors, [*(_info(name, tensor) for name, tensor in tensors.items()), *sparse], classes


def _gather(graph: Any, prefix: str, tensors: dict[str, Any], classes: dict[str, str]) -> None:
    """Collect initialisers and constants, and what the operations on them tell."""
    for tensor in graph.initializer:
        tensors[prefix + tensor.name] = tensor
    for number, node in enumerate(graph.node):
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                tensors.setdefault(prefix + node.output[0], attribute.t)
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    _gather(inner, f"{prefix}{node.name or f'{node.op_type}_{number}'}.", tensors, classes)
        second = prefix + node.input[1] if len(node.input) > 1 else ""
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type == "MatMul":
            classes.setdefault(second, "MatMul")
        elif node.op_type == "Gemm":
            classes.setdefault(second, "Linear" if attributes.get("transB") else "MatMul")
        elif node.op_type in ("Conv", "ConvTranspose"):
            classes.setdefault(second, f"{node.op_type}2d")
        elif node.op_type == "Gather" and node.input:
            classes.setdefault(prefix + node.input[0], "Embedding")


def _info(name: str, tensor: Any) -> TensorInfo:
    from onnx import helper

    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    shape = tuple(int(size) for size in tensor.dims)
    count = 1
    for size in shape:
        count *= size
    return TensorInfo(name, shape, dtype.name, count * dtype.itemsize)
