"""Files and folders: which reader opens which, and what a folder's weights are."""

from __future__ import annotations

from pathlib import Path

from featuregeom.errors import SourceError
from featuregeom.sources.numpy_files import NpyReader, NpzReader
from featuregeom.sources.protocol import AUTO, Reader, Reading
from featuregeom.sources.safetensors import open_index, open_safetensors
from featuregeom.sources.torch_files import TorchReader

__all__ = ["KNOWN_FILES", "SUFFIXES", "open_path", "weight_file"]

_INDEX = ".safetensors.index.json"

_HUB = "; a model of the Hugging Face Hub is named with its owner, such as openai-community/gpt2"

SUFFIXES = (".safetensors", _INDEX, ".npy", ".npz", ".pt", ".pth", ".bin")
"""How the name of a readable file ends."""

_DICTIONARIES = (
    "sae_weights.safetensors",
    "params.npz",
    "params.safetensors",
    "sae.safetensors",
    "final.safetensors",
    "ae.pt",
)
"""Files of sparse dictionaries that are always called so, in the order in which a folder is searched."""

KNOWN_FILES = tuple(dict.fromkeys((*_DICTIONARIES, f"*{_INDEX}", "*.safetensors")))
"""What a folder is searched for before ``pytorch_model.bin``, as patterns."""


def open_path(path: Path, *, reading: Reading = AUTO, mmap: bool = True) -> Reader:
    """Open a weight file, or the weights of a folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    reading : Reading
        See `BaseReader`.
    mmap : bool
        Map files, or read each tensor from disk when asked for.

    Returns
    -------
    Reader

    Raises
    ------
    SourceError
        There is no such path, no reader for it, or it is malformed.
    """
    if path.is_dir():
        found = weight_file(path)
        if found is None:
            names = ", ".join((*KNOWN_FILES, "pytorch_model.bin"))
            raise SourceError(f"{path}: no weights at the top of this folder; looked for {names}")
        if isinstance(found, list):
            return open_safetensors(found, source=str(path), reading=reading, mmap=mmap)
        path = found
    if not path.exists():
        hub = "" if path.suffix.lower() in SUFFIXES or len(path.parts) > 1 else _HUB
        raise SourceError(f"no such file or folder: {path}{hub}")
    if not path.is_file():
        raise SourceError(f"{path}: neither a file nor a folder")
    name = path.name.lower()
    if name.endswith(_INDEX):
        return open_index(path, reading=reading, mmap=mmap)
    match path.suffix.lower():
        case ".safetensors":
            return open_safetensors([path], reading=reading, mmap=mmap)
        case ".npy":
            return NpyReader(path, reading=reading, mmap=mmap)
        case ".npz":
            return NpzReader(path, reading=reading)
        case ".pt" | ".pth" | ".bin":
            return TorchReader(path, reading=reading, mmap=mmap)
    raise SourceError(f"{path}: no reader for this kind of file; known are {', '.join(SUFFIXES)}")


def weight_file(folder: Path) -> Path | list[Path] | None:
    """Find the weights of a folder, not of the folders in it.

    Parameters
    ----------
    folder : Path
        Where to look.

    Returns
    -------
    Path, list of Path or None
        The file of a sparse dictionary; else the index; else ``model.safetensors`` or the only safetensors
        file; else all of them, as a list; else ``pytorch_model.bin``.
    """
    for name in _DICTIONARIES:
        if (folder / name).is_file():
            return folder / name
    indices = sorted(folder.glob(f"*{_INDEX}"))
    if indices:
        return next((index for index in indices if index.name == f"model{_INDEX}"), indices[0])
    single = folder / "model.safetensors"
    if single.is_file():
        return single
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return files[0] if len(files) == 1 else files
    legacy = folder / "pytorch_model.bin"
    return legacy if legacy.is_file() else None
