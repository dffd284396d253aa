"""ONNX models: their initialisers, and from the graph what each is multiplied with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.sources.base import BaseReader
from featuregeom.sources.layout import Hints
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo

__all__ = ["OnnxReader"]


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
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError(
                f"{path}: reading ONNX needs the onnx package: pip install featuregeom[onnx]"
            ) from error
        self._folder = path.parent
        try:
            model = onnx.load(path, load_external_data=False)
        except Exception as error:  # whatever a malformed file does to the parser
            raise SourceError(f"{path}: onnx cannot read it: {error or type(error).__name__}") from error
        self._tensors: dict[str, Any] = {}
        classes: dict[str, str] = {}
        _gather(model.graph, "", self._tensors, classes)
        if not self._tensors:
            raise SourceError(f"{path}: no tensor in it")
        infos = [_info(name, tensor) for name, tensor in self._tensors.items()]
        hints = Hints(path.name, classes=classes)
        super().__init__(str(path), "onnx", infos, reading, [path], hints=hints, beside=beside)

    def close(self) -> None:
        """Let go of the model; matrices that were read stay valid."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        from onnx import numpy_helper

        try:
            return numpy_helper.to_array(self._tensors[info.name], base_dir=str(self._folder))
        except Exception as error:  # data in another file that is missing, or outside of the folder
            raise SourceError(f"{self._where(info.name)} cannot be read: {error}") from error


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
