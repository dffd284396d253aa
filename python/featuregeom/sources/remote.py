"""What is inside of files on the Hub, from their headers alone: some kilobytes of each, by ranges."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from featuregeom.errors import SourceError
from featuregeom.sources.base import BaseReader
from featuregeom.sources.hub import Chosen
from featuregeom.sources.joined import UNDECIDED, JoinedReader, prefixes
from featuregeom.sources.layout import Hints
from featuregeom.sources.numpy_files import npy_info
from featuregeom.sources.protocol import Reading, TensorInfo
from featuregeom.sources.safetensors import header_infos, parse_weight_map
from featuregeom.sources.sidecar import parse_config
from featuregeom.sources.suffixes import BIN_INDEX, KINDS, SAFETENSORS_INDEX, ending
from featuregeom.sources.torch_files import header_tensors

__all__ = ["RangeFile", "RemoteReader", "open_remote", "readable"]

_BLOCK = 1 << 15
"""Bytes that are asked for at a time: a header of some hundred tensors comes in one answer."""

_KINDS = ("safetensors", "npy", "npz", "torch")
"""Formats whose headers can be read apart."""


def readable(chosen: Chosen) -> bool:
    """Tell whether the headers of all files can be read by ranges.

    Parameters
    ----------
    chosen : Chosen
        Files on the Hub.

    Returns
    -------
    bool
    """
    return all(_kind(name) in _KINDS for name in chosen.files)


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
    SourceError
        The Hub does not give a file or its ranges, or a file is malformed.
    """
    configs = (parse_config(RangeFile(chosen, name).read()) for name in chosen.others)
    config = next((config for config in configs if config), {})
    files, only = list(chosen.files), None
    if len(files) == 1 and files[0].endswith((SAFETENSORS_INDEX, BIN_INDEX)):
        where = f"{chosen.source}: {files[0]}"
        folder = PurePosixPath(files[0]).parent
        only = parse_weight_map(RangeFile(chosen, files[0]).read(), where)
        shards = dict.fromkeys(only.values())
        readers = {shard: RemoteReader(chosen, str(folder / shard), UNDECIDED, {}) for shard in shards}
    elif len(files) == 1:
        return RemoteReader(chosen, files[0], reading, config)
    else:
        paths = [PurePosixPath(name) for name in files]
        named = zip(prefixes(paths, PurePosixPath(chosen.place.path)), files, strict=True)
        readers = {prefix: RemoteReader(chosen, name, UNDECIDED, {}) for prefix, name in named}
    label = PurePosixPath(chosen.place.path or chosen.place.repo).name
    return JoinedReader(chosen.source, readers, reading, label, config, only=only)


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
    """

    def __init__(self, chosen: Chosen, name: str, reading: Reading, config: Mapping[str, Any]) -> None:
        path, kind = PurePosixPath(name), _kind(name)
        infos = _infos(RangeFile(chosen, name), kind, ending(path)[0], f"{chosen.source}: {name}")
        super().__init__(chosen.source, kind, infos, reading, hints=Hints(path.name, config=config))
        self.label = path.name
        self.copies = kind == "npz"  # once it is here

    def _load(self, info: TensorInfo) -> Any:
        raise SourceError(f"{self._where(info.name)}: only headers were read from the Hub")


def _kind(name: str) -> str:
    for index, kind in ((SAFETENSORS_INDEX, "safetensors"), (BIN_INDEX, "torch")):
        if name.endswith(index):
            return kind
    return KINDS.get(ending(PurePosixPath(name))[1], "")


def _infos(file: RangeFile, kind: str, stem: str, where: str) -> Iterable[TensorInfo]:
    """List the tensors of one file."""
    if kind == "safetensors":
        return header_infos(file, file.size, where)
    if kind == "npy":
        return [npy_info(file.read(_BLOCK), file.size, stem, where)]
    buffered = io.BufferedReader(file, _BLOCK)
    if kind == "torch":
        return header_tensors(buffered, where, stem)
    try:
        with zipfile.ZipFile(buffered) as archive:
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
