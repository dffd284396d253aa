"""Several files as one source: a folder of layers, or the shards that an index names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from featuregeom.errors import SourceError
from featuregeom.sources.base import BaseReader
from featuregeom.sources.layout import Hints
from featuregeom.sources.protocol import Reading, TensorInfo
from featuregeom.sources.suffixes import ending

__all__ = ["UNDECIDED", "JoinedReader", "prefixes"]

UNDECIDED = Reading((("*", "rows"),))
"""For the single files: which axis lists features is decided when all are known."""


def prefixes(files: Sequence[PurePath], folder: PurePath) -> list[str]:
    """Name files by what their tensors are prefixed with.

    Parameters
    ----------
    files : sequence of path
        All files of a source.
    folder : path
        What they lie in.

    Returns
    -------
    list of str
        The stem of each, with its folder where two have the same stem.
    """
    stems = [ending(file)[0] for file in files]
    return [
        stem if stems.count(stem) == 1 else (file.relative_to(folder).parent / stem).as_posix()
        for file, stem in zip(files, stems, strict=True)
    ]


class JoinedReader(BaseReader):
    """The tensors of several files. Names that occur in more than one are prefixed with their file's.

    Parameters
    ----------
    source : str
        What to call them together.
    readers : mapping of str to BaseReader
        One for each file, opened with `UNDECIDED`, by the prefix for its names.
    reading : Reading
        See `BaseReader`.
    label : str
        Name of the folder.
    config : mapping
        The configuration in it.
    only : mapping of str to str, optional
        The tensors to take, each with the prefix of its file.
    files : sequence of Path
        Files that belong to the source beside those of the readers.
    beside : iterable of TensorInfo
        What is listed as skipped beside the tensors.
    """

    def __init__(
        self,
        source: str,
        readers: Mapping[str, BaseReader],
        reading: Reading,
        label: str,
        config: Mapping[str, Any],
        *,
        only: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
        beside: Iterable[TensorInfo] = (),
    ) -> None:
        self._readers = readers
        held = [
            (prefix, info)
            for prefix, reader in readers.items()
            for info in reader.stored.values()
            if only is None or only.get(info.name) == prefix
        ]
        if only is not None:
            places = {info.name: (prefix, info) for prefix, info in held}
            missing = next((name for name in only if name not in places), None)
            if missing is not None:
                raise SourceError(
                    f"{source}: tensor {missing!r} is not in {only[missing]!r}, where the index has it"
                )
            held = [places[name] for name in only]
        counts = Counter(info.name for _, info in held)
        collide = any(count > 1 for count in counts.values())
        self._places: dict[str, tuple[BaseReader, TensorInfo]] = {}
        infos, judged, names, classes = [], {}, {}, {}
        for prefix, info in held:
            name = f"{prefix}.{info.name}" if counts[info.name] > 1 else info.name
            self._places[name] = readers[prefix], info
            infos.append(replace(info, name=name, same_as=f"{prefix}: {info.same_as or info.name}"))
            names[name] = readers[prefix].label
            if info.name in readers[prefix].classes:
                classes[name] = readers[prefix].classes[info.name]
            if collide:
                judged[name] = f"{prefix}.{info.name}"
        every = [*files, *(file for reader in readers.values() for file in reader.files)]
        formats = {reader.container for reader in readers.values()}
        super().__init__(
            source,
            formats.pop() if len(formats) == 1 else "folder",
            infos,
            reading,
            every,
            hints=Hints(label, names, config, classes=classes),
            judged_as=judged,
            beside=beside,
        )
        for reader in readers.values():
            self.opened |= reader.opened

    def release_stored(self, name: str) -> None:
        """Tell the file's own reader that the pages of a tensor are not needed any more."""
        reader, info = self._places[name]
        reader.release_stored(info.name)

    def close(self) -> None:
        """Close the readers of all files."""
        super().close()
        for reader in self._readers.values():
            reader.close()

    def taken(self, info: TensorInfo) -> int:
        """Bytes that loading takes, as the file's own reader says."""
        reader, stored = self._places[info.name]
        return reader.taken(stored)

    def _load(self, info: TensorInfo) -> Any:
        reader, stored = self._places[info.name]
        return reader.load(stored)
