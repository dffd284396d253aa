"""What is inside of files on the Hub, from their headers alone: some kilobytes of each, by ranges."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from featuregeom.errors import SourceError
from featuregeom.sources.base import BaseReader
from featuregeom.sources.contents import kind_of
from featuregeom.sources.gguf_header import gguf_infos
from featuregeom.sources.hub import Chosen
from featuregeom.sources.joined import UNDECIDED, JoinedReader, prefixes
from featuregeom.sources.layout import Hints
from featuregeom.sources.numpy_files import npy_info
from featuregeom.sources.onnx_file import onnx_infos
from featuregeom.sources.onnx_header import onnx_without_data
from featuregeom.sources.protocol import Reading, TensorInfo
from featuregeom.sources.safetensors import header_infos, parse_weight_map
from featuregeom.sources.sidecar import parse_config
from featuregeom.sources.suffixes import BIN_INDEX, KINDS, SAFETENSORS_INDEX, SUFFIXES, ending
from featuregeom.sources.torch_files import header_tensors

__all__ = ["RangeFile", "RemoteReader", "open_remote"]

_BLOCK = 1 << 15
"""Bytes that are asked for at a time: a header of some hundred tensors comes in one answer."""

_BLOCKS = {"gguf": 1 << 18}
"""The same for formats with long headers: tokens of a model are some megabytes, one by one."""


def open_remote(chosen: Chosen, reading: Reading) -> BaseReader:
    """List the tensors of files on the Hub without downloading them.

    Parameters
    ----------
    chosen : Chosen
        The files.
    reading : Reading
        See `BaseReader`.

    Returns
    -------
    BaseReader
        One whose tensors cannot be read.

    Raises
    ------
    MissingExtraError
        A package that the format needs is not installed.
    SourceError
        The Hub does not give a file or its ranges, or a file is malformed.
    """
    configs = (parse_config(RangeFile(chosen, name).read()) for name in chosen.others)
    config = next((config for config in configs if config), {})
    files = list(chosen.files)
    if len(files) == 1:
        return _open(chosen, files[0], reading, config, chosen.beside)
    paths, top = [PurePosixPath(name) for name in files], PurePosixPath(chosen.place.path)
    named = zip(prefixes(paths, top), files, strict=True)
    readers = {prefix: _open(chosen, name, UNDECIDED, {}) for prefix, name in named}
    shards = {name for reader in readers.values() if isinstance(reader, _Index) for name in reader.shards}
    left = [each for each in chosen.beside if str(top / each.name) not in shards]
    return JoinedReader(chosen.source, readers, reading, _label(chosen), config, beside=left)


def _label(chosen: Chosen) -> str:
    return PurePosixPath(chosen.place.path or chosen.place.repo).name


def _open(
    chosen: Chosen, name: str, reading: Reading, config: Mapping[str, Any], beside: Sequence[TensorInfo] = ()
) -> BaseReader:
    if not name.endswith((SAFETENSORS_INDEX, BIN_INDEX)):
        return RemoteReader(chosen, name, reading, config, beside)
    return _Index(chosen, name, reading, config, beside)


class RemoteReader(BaseReader):
    """The tensors of one file on the Hub, listed and never read.

    Parameters
    ----------
    chosen : Chosen
        Repository and commit.
    name : str
        Path of the file in it.
    reading : Reading
        See `BaseReader`.
    config : mapping
        The configuration beside it.
    beside : sequence of TensorInfo
        See `BaseReader`.
    """

    def __init__(
        self,
        chosen: Chosen,
        name: str,
        reading: Reading,
        config: Mapping[str, Any],
        beside: Sequence[TensorInfo] = (),
    ) -> None:
        path = PurePosixPath(name)
        kind, infos, classes = _listed(RangeFile(chosen, name), path, f"{chosen.source}: {name}")
        hints = Hints(path.name, config=config, classes=classes)
        super().__init__(chosen.source, kind, infos, reading, hints=hints, beside=beside)
        self.label = path.name
        self.copies = kind in ("npz", "gguf", "onnx")  # once it is here

    def _load(self, info: TensorInfo) -> Any:
        raise SourceError(f"{self._where(info.name)}: only headers were read from the Hub")


class _Index(JoinedReader):
    """The shards that an index on the Hub names, of which `shards` are the paths in the repository."""

    def __init__(
        self,
        chosen: Chosen,
        name: str,
        reading: Reading,
        config: Mapping[str, Any],
        beside: Sequence[TensorInfo],
    ) -> None:
        where, folder = f"{chosen.source}: {name}", PurePosixPath(name).parent
        only = parse_weight_map(RangeFile(chosen, name).read(), where)
        named = dict.fromkeys(only.values())
        self.shards = {str(folder / shard) for shard in named}
        readers = {shard: RemoteReader(chosen, str(folder / shard), UNDECIDED, {}) for shard in named}
        left = [each for each in beside if each.name not in named]
        super().__init__(chosen.source, readers, reading, _label(chosen), config, only=only, beside=left)


def _listed(
    file: RangeFile, path: PurePosixPath, where: str
) -> tuple[str, Iterable[TensorInfo], Mapping[str, str]]:
    """Tell the format of one file, its tensors and what they are used for."""
    stem, suffix = ending(path)
    beginning = io.BufferedReader(file, _BLOCK)
    kind = kind_of(beginning, file.size, where) or KINDS.get(suffix)
    beginning.detach()  # it would close the file
    file.seek(0)
    buffered = io.BufferedReader(file, _BLOCKS.get(kind or "", _BLOCK))
    match kind:
        case "safetensors":
            return kind, header_infos(file, file.size, where), {}
        case "npy":
            return kind, [npy_info(file.read(_BLOCK), file.size, stem, where)], {}
        case "npz":
            return kind, _in_archive(buffered, where), {}
        case "torch":
            return kind, header_tensors(buffered, where, stem), {}
        case "gguf":
            return kind, gguf_infos(buffered, where), {}
        case "onnx":
            return kind, *onnx_infos(onnx_without_data(buffered, file.size, where), where)
    raise SourceError(f"{where}: no reader for this kind of file; known are {', '.join(SUFFIXES)}")


def _in_archive(file: io.BufferedReader[RangeFile], where: str) -> list[TensorInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            beginnings = [archive.open(member).read(1 << 10) for member in members]
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise SourceError(f"{where}: the archive cannot be read: {error}") from error
    return [
        npy_info(beginning, member.file_size, member.filename.removesuffix(".npy"), where)
        for member, beginning in zip(members, beginnings, strict=True)
    ]


class RangeFile(io.RawIOBase):
    """A file on the Hub that is read by ranges.

    Parameters
    ----------
    chosen : Chosen
        Repository and commit.
    name : str
        Path of the file in it.

    Attributes
    ----------
    size : int
        Bytes in the file.

    Raises
    ------
    SourceError
        The Hub does not give it, or answers without ranges.
    """

    def __init__(self, chosen: Chosen, name: str) -> None:
        import huggingface_hub

        utils: Any = import_module("huggingface_hub.utils")
        self._url = huggingface_hub.hf_hub_url(chosen.place.repo, name, revision=chosen.commit)
        self._headers, self._session = utils.build_hf_headers(), utils.get_session()
        self._where = f"{chosen.source}: {name}"
        self._position = 0
        self.size = _BLOCK
        self._beginning = self._get(0, _BLOCK)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place of it can be read."""
        return True

    def tell(self) -> int:
        """Give the place that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read as much as fits, or as there is."""
        stop = min(self._position + len(buffer), self.size)
        if stop <= self._position:
            return 0
        known = stop <= len(self._beginning)
        data = self._beginning[self._position : stop] if known else self._get(self._position, stop)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _get(self, start: int, stop: int) -> bytes:
        """Ask for the bytes from `start` up to `stop`."""
        headers = {**self._headers, "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        try:
            answer = self._session.get(self._url, headers=headers)
            content: bytes = answer.content
        except Exception as error:  # whatever the network does
            raise SourceError(f"{self._where}: the Hugging Face Hub does not give it: {error}") from error
        if answer.status_code == 206:
            self.size = int(answer.headers["Content-Range"].rpartition("/")[2])
        elif answer.status_code == 200 and start == 0:  # short files come whole
            self.size = len(content)
        else:
            raise SourceError(f"{self._where}: the Hub answers {answer.status_code} to a range of bytes")
        return content
