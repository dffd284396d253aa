"""What a file is by its first bytes: suffixes lie, and downloads leave other things than weights."""

from __future__ import annotations

import io
import zipfile
from typing import BinaryIO

from featuregeom.errors import SourceError

__all__ = ["kind_of"]

_LENGTH = 8

_REFUSED = {
    b"version https://git-lfs": "a Git LFS pointer instead of the weights: run git lfs pull in its repository",
    b"\x89HDF": "an HDF5 file, which is not read: save the arrays as .npz or safetensors",
    b"\x1f\x8b": "a compressed file: unpack it first",
    b"BZh": "a compressed file: unpack it first",
    b"7z\xbc\xaf": "an archive: unpack it first",
    b"\xff\xd8\xff": "a JPEG image, no weights",
    b"\x89PNG": "a PNG image, no weights",
}
"""What files begin with that are no weights, and what to do."""

_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def kind_of(file: BinaryIO | io.BufferedReader, size: int, where: str) -> str | None:
    """Tell the format of a file from its contents.

    Parameters
    ----------
    file : binary file
        Its beginning is read, and of an archive the directory.
    size : int
        Bytes in it.
    where : str
        What to call it in errors.

    Returns
    -------
    str or None
        ``"safetensors"``, ``"npy"``, ``"npz"``, ``"torch"`` or ``"gguf"``; None where the contents do not tell.

    Raises
    ------
    SourceError
        If it is something else than weights: a Git LFS pointer, an HTML page, a TorchScript program, an archive.
    """
    beginning = file.read(512)
    for signature, reason in _REFUSED.items():
        if beginning.startswith(signature):
            raise SourceError(f"{where}: {reason}")
    if beginning.lstrip().lower().startswith(_PAGES):
        raise SourceError(
            f"{where}: an HTML page stands here instead of weights, perhaps the answer of a server that was saved: "
            "download the file again"
        )
    if beginning.startswith(b"PK\3\4"):
        return _archive(file, where)
    if beginning.startswith(b"\x93NUMPY"):
        return "npy"
    if beginning.startswith(b"GGUF"):
        return "gguf"
    length = int.from_bytes(beginning[:_LENGTH], "little")
    if beginning[_LENGTH : _LENGTH + 1] == b"{" and 2 <= length <= size - _LENGTH:
        return "safetensors"
    if beginning[:1] == b"\x80" and beginning[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "torch"
    return None


def _archive(file: BinaryIO | io.BufferedReader, where: str) -> str | None:
    """Tell archives of NumPy from those of torch."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None  # the reader says what is wrong
    held = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in held:
        raise SourceError(
            f"{where}: a TorchScript program, which is not run: save torch.jit.load(path).state_dict() with torch.save"
        )
    if "data.pkl" in held:
        return "torch"
    return "npz" if any(name.endswith(".npy") for name in held) else None
