"""What a folder's weights are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from featuregeom.errors import SourceError
from featuregeom.sources.protocol import TensorInfo
from featuregeom.sources.suffixes import BIN_INDEX, KINDS, SAFETENSORS_INDEX, SUFFIXES, ending
from featuregeom.summary import summarised

__all__ = ["DICTIONARY_FILES", "Folder", "choose", "find_weights", "select", "snapshot"]

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

_TWIN = re.compile(
    r"(.*\.(fp16|bf16|fp32|non_ema|ema)(-\d+-of-\d+)?|consolidated.*"
    r"|.*model_(fp16|bf16|u?int8|quantized|q4|q4f16|q8|bnb4|merged|optimized|O[1-4])|.*_with_past(_model)?)"
)
"""Names of second copies of weights that a folder holds in another type or layout."""

_GGUF_TYPE = re.compile(r"[-._](?P<type>(?:ud-)?(?:bf16|fp?16|fp?32|(?:i|t)?q\d\w*|mxfp4\w*))(?=[-.]|$)")
_PART = re.compile(r"-\d+-of-\d+$")

_UNREAD = (".h5", ".hdf5", ".keras", ".msgpack", ".ot", ".pb", ".tflite", ".mlmodel", ".nemo", ".pkl", ".pickle",
           ".joblib")  # fmt: skip
"""How the names of files end that may hold weights in formats that are not read."""

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
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = _files_below(folder)
    files, beside = select(names, recursive=recursive)
    if not files:
        raise SourceError(f"{folder}: no weights at the top of this folder; {_holds(names, below, beside)}")
    return Folder([folder / name for name in files], beside)


def _files_below(folder: Path) -> list[str]:
    """List the files in a folder and in those below it, but for hidden folders, by their paths from it."""
    found, seen = [], set()
    for at, folders, names in os.walk(folder, followlinks=True):
        where = os.path.realpath(at)
        if where in seen:  # a link to a folder that holds it
            folders.clear()
            continue
        seen.add(where)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(at, name) for name in names)
        found += [path.relative_to(folder).as_posix() for path in paths if path.is_file()]
    return sorted(found)


def select(names: Iterable[str], *, recursive: bool = False) -> tuple[list[str], list[TensorInfo]]:
    """Choose the files that hold the weights of a folder, and say which others are left out.

    Parameters
    ----------
    names : iterable of str
        The files in it and in the folders below, by their paths from it.
    recursive : bool
        Whether the folders in it are read too.

    Returns
    -------
    files : list of str
        What to open. The shards that an index names are not among them.
    beside : list of TensorInfo
        Files and folders that are not opened, each with the reason. Shards are among these.
    """
    below: dict[str, list[str]] = {}
    top = []
    for name in sorted(names):
        folder, inside, rest = name.partition("/")
        if inside:
            below.setdefault(folder, []).append(rest)
        else:
            top.append(name)
    files = choose(top)
    beside = [_beside(name, reason) for name in top if name not in files and (reason := _left_out(name))]
    for folder, held in below.items():
        if folder.startswith("."):
            continue
        inner, left = select(held, recursive=True)
        if recursive:
            files += [f"{folder}/{name}" for name in inner]
            beside += [replace(each, name=f"{folder}/{each.name}") for each in left]
        elif inner:
            beside.append(_beside(f"{folder}/", "a folder with weights: --recursive takes it, or open it"))
    return files, beside


def _left_out(name: str) -> str | None:
    """Say why a file is not opened; None where it is no file of weights."""
    if name.lower().endswith(SUFFIXES):
        return "a file that was not opened: open it by its own path"
    if name.lower().endswith(_UNREAD):
        return "a file of a format that is not read: save its arrays as safetensors or .npz"
    return None


def _beside(name: str, reason: str) -> TensorInfo:
    return TensorInfo(name, (), "", 0, skip=reason)


def _holds(names: Iterable[str], below: Sequence[Path], beside: Sequence[TensorInfo]) -> str:
    held = [*(name for name in names if "/" not in name), *(f"{path.name}/" for path in below)]
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
        torch files (``pytorch_model.bin``, shards, layers), archives and arrays of NumPy, GGUF, ONNX (``model.onnx``).
        Second copies in another type, of GGUF all but the most precise, and what trainers keep, are left out.
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
            if kind == "gguf":
                found = _most_precise(found)
            if found:
                whole = _WHOLE.get(kind, "")
                return [whole] if whole in found else found
    return []


_WHOLE = {"safetensors": "model.safetensors", "torch": "pytorch_model.bin", "onnx": "model.onnx"}
"""What a file is called that holds all of a model."""

_ORDER = {SAFETENSORS_INDEX: ("safetensors",), BIN_INDEX: ("torch", "npz", "npy", "gguf", "onnx")}


def _suffix(name: str) -> str:
    return ending(Path(name))[1]


def _without_twins(names: list[str]) -> list[str]:
    """Leave out second copies where there is a first."""
    kept = [name for name in names if not _TWIN.fullmatch(ending(Path(name))[0])]
    return kept or names


def _most_precise(names: Sequence[str]) -> list[str]:
    """Of GGUF files that hold one model in several types, take those of the most precise."""
    types: dict[str, set[str]] = {}
    split = {name: _type_of(name) for name in names}
    for model, kind in split.values():
        types.setdefault(model, set()).add(kind)
    best = {model: max(kinds, key=lambda kind: (_bits(kind), kind)) for model, kinds in types.items()}
    return [name for name, (model, kind) in split.items() if kind == best[model]]


def _type_of(name: str) -> tuple[str, str]:
    """Split the name of a GGUF file into the model's and the type of its numbers, without the number of a part."""
    stem = _PART.sub("", ending(Path(name))[0].lower())
    found = _GGUF_TYPE.search(stem)
    return (stem[: found.start()] + stem[found.end() :], found["type"]) if found else (stem, "")


def _bits(kind: str) -> int:
    """Give the bits of a number of a type, such as 4 of ``q4_k_m``; types without a number come first."""
    digits = re.search(r"\d+", kind)
    return int(digits.group()) if digits else 64
