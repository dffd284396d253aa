"""What a folder's weights are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featuregeom.errors import SourceError
from featuregeom.sources.protocol import TensorInfo
from featuregeom.sources.suffixes import BIN_INDEX, KINDS, SAFETENSORS_INDEX, SUFFIXES, ending
from featuregeom.summary import summarised

__all__ = ["DICTIONARY_FILES", "Folder", "choose", "find_weights", "snapshot"]

DICTIONARY_FILES = (
    "sae_weights.safetensors",
    "params.npz",
    "params.safetensors",
    "sae.safetensors",
    "final.safetensors",
    "ae.pt",
)
"""Files of sparse dictionaries that are always called so, in the order in which a folder is searched."""

_STATE = re.compile(
    r"(\w*optim\w*|(lr_)?scheduler\w*|scaler\w*|rng_state\w*|training_args|trainer_state|random_states\w*)(\.\w+)+"
)
"""What trainers keep beside the weights."""

_TWIN = re.compile(r"(.*\.(fp16|bf16|fp32|non_ema|ema)(-\d+-of-\d+)?|consolidated.*)")
"""Names of second copies of weights that a folder holds in another type or layout."""

_LISTED = 12
"""Names of files that an error lists."""


@summarised
@dataclass(frozen=True)
class Folder:
    """The weights of a folder.

    Attributes
    ----------
    files : sequence of Path
        What to open.
    beside : sequence of TensorInfo
        Files and folders that are not opened, with the reason.
    """

    files: Sequence[Path]
    beside: Sequence[TensorInfo] = ()


def snapshot(folder: Path) -> Path:
    """Go from the root of a repository in the Hub's cache to the files of its revision.

    Parameters
    ----------
    folder : Path
        Any folder.

    Returns
    -------
    Path
        The revision that ``refs/main`` names, or the only one; the folder itself where it is no such root.

    Raises
    ------
    SourceError
        There are several revisions, and none is named.
    """
    revisions = folder / "snapshots"
    if not (folder.name.startswith("models--") and revisions.is_dir()):
        return folder
    main = folder / "refs" / "main"
    if main.is_file():
        named = revisions / main.read_text(encoding="utf-8").strip()
        if named.is_dir():
            return named
    held = sorted(each for each in revisions.iterdir() if each.is_dir())
    if len(held) != 1:
        names = ", ".join(each.name for each in held) or "none"
        raise SourceError(f"{folder}: a cache of the Hub with the revisions {names}: open one of snapshots/*")
    return held[0]


def find_weights(folder: Path, *, recursive: bool = False) -> Folder:
    """Find the weights of a folder.

    Parameters
    ----------
    folder : Path
        Where to look.
    recursive : bool
        Whether to look in the folders in it too, each of which is judged by itself.

    Returns
    -------
    Folder

    Raises
    ------
    SourceError
        There are none; the message lists what there is.
    """
    names = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [names[name] for name in choose(names)]
    beside = [
        _beside(name, "a file that was not opened: open it by its own path")
        for name, path in names.items()
        if path not in files and _is_weight(name) and not _is_shard(name, files)
    ]
    for sub in below:
        if recursive:
            files += _try(sub).files
        elif _try(sub).files:
            beside.append(_beside(f"{sub.name}/", "a folder with weights: --recursive takes it, or open it"))
    if not files:
        raise SourceError(f"{folder}: no weights at the top of this folder; {_holds(names, below, beside)}")
    return Folder(files, beside)


def _try(folder: Path) -> Folder:
    """Find the weights below a folder, none where there are none."""
    try:
        return find_weights(folder, recursive=True)
    except (SourceError, OSError):
        return Folder(())


def _beside(name: str, reason: str) -> TensorInfo:
    return TensorInfo(name, (), "", 0, skip=reason)


def _is_weight(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_shard(name: str, files: Sequence[Path]) -> bool:
    """Tell a shard of an index that is opened."""
    return any(file.name.endswith(".index.json") for file in files) and "-of-" in name


def _holds(names: Iterable[str], below: Sequence[Path], beside: Sequence[TensorInfo]) -> str:
    held = [*names, *(f"{path.name}/" for path in below)]
    if not held:
        return "it is empty"
    more = f" and {len(held) - _LISTED} more" if len(held) > _LISTED else ""
    inside = [each.name for each in beside if each.name.endswith("/")]
    hint = f"; weights are in {', '.join(inside[:_LISTED])}: --recursive takes them" if inside else ""
    return f"it holds {', '.join(held[:_LISTED])}{more}{hint}"


def choose(names: Iterable[str]) -> list[str]:
    """Choose the files that hold the weights, from the names in one folder.

    Parameters
    ----------
    names : iterable of str
        All files of the folder.

    Returns
    -------
    list of str
        The file of a sparse dictionary; else an index; else ``model.safetensors`` or all safetensors files; else
        torch files (``pytorch_model.bin``, shards, layers), archives and arrays of NumPy. Second copies in another
        type, and what trainers keep, are left out.
    """
    held = sorted(names)
    for name in DICTIONARY_FILES:
        if name in held:
            return [name]
    for suffix, first in ((SAFETENSORS_INDEX, "model"), (BIN_INDEX, "pytorch_model")):
        indices = _without_twins([name for name in held if name.endswith(suffix)])
        if indices:
            return [f"{first}{suffix}"] if f"{first}{suffix}" in indices else indices[:1]
        for kind in _ORDER[suffix]:
            found = _without_twins(
                [name for name in held if KINDS.get(_suffix(name)) == kind and not _STATE.fullmatch(name)]
            )
            whole = f"{first}.{'safetensors' if kind == 'safetensors' else 'bin'}"
            if found:
                return [whole] if whole in found else found
    return []


_ORDER = {SAFETENSORS_INDEX: ("safetensors",), BIN_INDEX: ("torch", "npz", "npy", "gguf", "onnx")}


def _suffix(name: str) -> str:
    return ending(Path(name))[1]


def _without_twins(names: list[str]) -> list[str]:
    """Leave out second copies where there is a first."""
    kept = [
        name for name in names if not _TWIN.fullmatch(name.partition(".safetensors")[0].partition(".bin")[0])
    ]
    return kept or names
