"""How the names of weight files end."""

from __future__ import annotations

from pathlib import PurePath

__all__ = ["BIN_INDEX", "KINDS", "SAFETENSORS_INDEX", "SUFFIXES", "ending"]

SAFETENSORS_INDEX = ".safetensors.index.json"
BIN_INDEX = ".bin.index.json"

KINDS = {
    ".safetensors": "safetensors",
    ".npy": "npy",
    ".npz": "npz",
    ".pt": "torch",
    ".pth": "torch",
    ".pth.tar": "torch",
    ".bin": "torch",
    ".ckpt": "torch",
    ".th": "torch",
    ".gguf": "gguf",
    ".onnx": "onnx",
}
"""The format of a file by its suffix, where the contents do not tell."""

SUFFIXES = (*KINDS, SAFETENSORS_INDEX, BIN_INDEX)
"""How the name of a readable file ends."""


def ending(path: PurePath) -> tuple[str, str]:
    """Split a file's name into what it is called and its suffix, in small letters."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    return path.stem, path.suffix.lower()
