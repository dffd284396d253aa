"""PyTorch checkpoints, loaded as data only: a pickle that would run code is refused."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from featuregeom.errors import SourceError
from featuregeom.memory import NoRoomError, reading
from featuregeom.networks.extra import torch_module
from featuregeom.sources.arrays import flatten, tensor_infos
from featuregeom.sources.base import BaseReader
from featuregeom.sources.protocol import AUTO, Reading, TensorInfo
from featuregeom.sources.raw_file import RawFile

__all__ = ["TorchReader", "check_torch", "header_tensors"]

_ZIP = b"PK\3\4"

_SAFE = [2, 10]
"""The first release of torch that loads weights of strangers safely, as far as is known."""

_FORGET_AFTER = 64 << 20
"""Released bytes after which the file is mapped afresh: torch has no other way to give pages back."""


class TorchReader(BaseReader):
    """The tensors of a ``.pt``, ``.pth`` or ``.bin`` file. Nested names are joined by dots.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        See `BaseReader`.
    mmap : bool
        Map the file. Otherwise, and for the older format that is no zip archive, torch reads all of it.
    beside : iterable of TensorInfo
        See `BaseReader`.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    SourceError
        The file is missing or malformed, holds no tensor, or holds Python objects.
    """

    def __init__(
        self, path: Path, *, reading: Reading = AUTO, mmap: bool = True, beside: Iterable[TensorInfo] = ()
    ) -> None:
        self._path = path
        # By the name .safetensors torch would not load it as what it is, unless it is given an open file.
        self._renamed = path.suffix.lower() == ".safetensors"
        self._mmap = RawFile(path, mapped=False).head(4) == _ZIP and mmap and not self._renamed
        self._tensors = self._open()
        self._released = 0
        super().__init__(str(path), "torch", tensor_infos(self._tensors), reading, [path], beside=beside)

    def release_stored(self, name: str) -> None:
        """Give the pages of released tensors back, now and then."""
        if not self._mmap or self._closed or name not in self.stored:
            return
        self._released += self.stored[name].n_bytes
        if self._released >= _FORGET_AFTER:
            self._tensors, self._released = {}, 0

    def taken(self, info: TensorInfo) -> int:
        """Bytes that loading takes: all of the file where it is not mapped."""
        return 0 if self._mmap else sum(each.n_bytes for each in self.stored.values())

    def close(self) -> None:
        """Let go of the file; matrices that were read stay valid."""
        super().close()
        self._tensors = {}

    def _load(self, info: TensorInfo) -> Any:
        if not self._tensors:
            self._tensors = self._open()
        return self._tensors[info.name]

    def _open(self) -> dict[str, Any]:
        torch = _torch(str(self._path))
        with self._path.open("rb") if self._renamed else nullcontext(self._path) as file:
            tree = _as_data(torch, file, str(self._path), self._path.stat().st_size, mmap=self._mmap)
        return flatten({self._path.stem: tree} if isinstance(tree, torch.Tensor) else tree, str(self._path))


def header_tensors(file: BinaryIO | io.BufferedReader, where: str, stem: str) -> list[TensorInfo]:
    """Describe the tensors of a checkpoint without reading their numbers.

    Parameters
    ----------
    file : binary file
        The checkpoint; its directory and its structure are read.
    where : str
        What to call it in errors.
    stem : str
        What to call a bare tensor.

    Returns
    -------
    list of TensorInfo

    Raises
    ------
    MissingExtraError
        torch is not installed.
    SourceError
        The file is malformed, holds no tensor, or holds Python objects.
    """
    torch = _torch(where)
    with torch.serialization.skip_data():
        tree = _as_data(torch, file, where, 0, mmap=False)
    return list(tensor_infos(flatten({stem: tree} if isinstance(tree, torch.Tensor) else tree, where)))


def _torch(where: str) -> Any:
    """Import a torch that loads files of strangers safely."""
    torch = torch_module(f"{where}: reading this format")
    check_torch(torch.__version__, where)
    return torch


def _as_data(torch: Any, file: Any, where: str, size: int, *, mmap: bool) -> Any:
    """Load a checkpoint of `size` bytes as data only."""
    try:
        with reading(where, size):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except NoRoomError:
        raise
    except pickle.UnpicklingError as error:
        raise SourceError(
            f"{where}: torch refuses to load it as data: {_reason(error)}\n"
            "Save plain tensors instead: torch.save(model.state_dict(), path), or safetensors."
        ) from error
    except Exception as error:  # whatever a malformed file does to torch
        raise SourceError(f"{where}: torch cannot load it: {_reason(error)}") from error


def check_torch(version: str, where: str) -> None:
    """Refuse to load a checkpoint with a torch that a file can attack, even when it loads weights only.

    Parameters
    ----------
    version : str
        ``torch.__version__``.
    where : str
        The file; the message begins with this.

    Raises
    ------
    SourceError
        For torch below 2.10: CVE-2025-32434 (below 2.6, a file runs code) and CVE-2026-24747 (below 2.10, a file
        corrupts memory).
    """
    release = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if release < _SAFE:
        raise SourceError(
            f"{where}: torch {version} does not load it safely: before 2.10 a file can corrupt memory or run code, "
            "also where only weights are asked for (CVE-2025-32434, CVE-2026-24747). Install torch 2.10 or later "
            "(pip install 'torch>=2.10'), or convert the file to safetensors where it is trusted"
        )


def _reason(error: Exception) -> str:
    """Give the telling line of torch's long messages."""
    text = str(error)
    telling = re.search(r"(?:Trying to load unsupported|Unsupported) .*", text)
    line = telling.group() if telling else text.strip().partition("\n")[0]
    sentence = line.partition(". ")[0].rstrip(".")
    return sentence or f"{type(error).__name__}, perhaps truncated"
