"""GGUF files, through the gguf package, which also dequantises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featuregeom.errors import MissingExtraError, SourceError
from featuregeom.memory import NoRoomError, loading, reading
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo

__all__ = ["GgufReader", "gguf_package", "tensor_info"]

_PLAIN = {"F32": "float32", "F16": "float16", "F64": "float64"}


class GgufReader(BaseReader):
    """The tensors of a GGUF file: F64, F32 and F16 in place, BF16 and quantised types as float32.

    Parameters
    ----------
    path : Path
        The file, which is mapped.
    reading : Reading
        See `BaseReader`.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Raises
    ------
    MissingExtraError
        The gguf package is not installed.
    SourceError
        The file is malformed.
    """

    copies = True

    def __init__(self, path: Path, *, reading: Reading = AUTO, beside: Iterable[TensorInfo] = ()) -> None:
        gguf = gguf_package(str(path))
        self._tensors = _opened(gguf, path)
        infos = [
            tensor_info(name, tensor.shape, tensor.tensor_type, gguf)
            for name, tensor in self._tensors.items()
        ]
        super().__init__(str(path), "gguf", infos, reading, [path], beside=beside)

    def close(self) -> None:
        """Let go of the file; matrices that were read stay valid."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        import gguf

        tensor = self._tensors[info.name]
        if tensor.tensor_type.name in _PLAIN:
            return tensor.data
        try:
            with reading(self._where(info.name), 4 * math.prod(info.shape)):
                values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise SourceError(
                f"{self._where(info.name)}: gguf cannot dequantise {tensor.tensor_type.name}"
            ) from error
        return np.asarray(values, dtype=np.float32).reshape(info.shape)


def _opened(gguf: Any, path: Path) -> dict[str, Any]:
    try:
        with reading(str(path), path.stat().st_size):
            return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    except NoRoomError:
        raise
    except Exception as error:  # whatever a malformed file does to the parser
        raise SourceError(f"{path}: gguf cannot read it: {error or type(error).__name__}") from error


def gguf_package(where: str) -> Any:
    """Import the package that knows the types of GGUF.

    Parameters
    ----------
    where : str
        What needs it, for the error.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        with loading("gguf"):
            import gguf
    except ImportError as error:
        raise MissingExtraError.needing(f"{where}: reading GGUF", "the gguf package", "gguf") from error
    return gguf


def tensor_info(name: str, dims: Sequence[int], kind: Any, gguf: Any) -> TensorInfo:
    """Describe one tensor.

    Parameters
    ----------
    name : str
        Its name.
    dims : sequence of int
        Its shape as GGUF lists it, the fastest axis first.
    kind : gguf.GGMLQuantizationType
        The type of its numbers.
    gguf : module
        What `gguf_package` gives.

    Returns
    -------
    TensorInfo
    """
    shape = tuple(int(size) for size in reversed(dims))
    name_of = kind.name
    dtype = name_of.lower() if name_of in ("I8", "I16", "I32", "I64") else _PLAIN.get(name_of, "float32")
    dtype = f"int{dtype[1:]}" if dtype.startswith("i") else dtype
    block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return TensorInfo(name, shape, dtype, math.prod(shape) * n_bytes // block)
