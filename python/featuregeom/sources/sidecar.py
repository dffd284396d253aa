"""Small files that lie beside weights: their configuration, and how often the features of a dictionary were active."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["CONFIGURATIONS", "SPARSITY_FILE", "neuronpedia_link", "parse_config", "read_config"]

CONFIGURATIONS = ("cfg.json", "config.json", "hyperparams.json")
"""What it is called, in the order in which it is looked for."""

SPARSITY_FILE = "sparsity.safetensors"
"""What SAELens calls the file of logarithms of frequencies beside its weights."""

_MAX_BYTES = 10_000_000
"""Longest configuration that is read."""

_NEURONPEDIA = re.compile(r"[\w.-]+/[\w.-]+")


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of the weights in a folder.

    Parameters
    ----------
    folder : Path
        Where the weights are. Where it is called ``checkpoints``, the folder above is searched too.

    Returns
    -------
    dict
        Empty where there is none, or none that can be read: it is only evidence, and never needed.
    """
    folders = [folder, folder.parent] if folder.name == "checkpoints" else [folder]
    for path in (each / name for each in folders for name in CONFIGURATIONS):
        try:
            found = parse_config(path.read_bytes()) if path.stat().st_size <= _MAX_BYTES else {}
        except OSError:
            continue
        if found:
            return found
    return {}


def parse_config(text: bytes) -> dict[str, Any]:
    """Read a configuration.

    Parameters
    ----------
    text : bytes
        What stands in its file.

    Returns
    -------
    dict
        Empty where it is no JSON object.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def neuronpedia_link(folders: Sequence[Path]) -> str:
    """Give the address of a dictionary's descriptions, to which ``/`` and the index of a feature are added.

    Parameters
    ----------
    folders : sequence of Path
        Where its weights are.

    Returns
    -------
    str
        Empty unless there is one folder, whose configuration has the name of the dictionary on Neuronpedia.
    """
    if len(folders) != 1:
        return ""
    config = read_config(folders[0])
    metadata = config.get("metadata")
    for held in (config, metadata if isinstance(metadata, dict) else {}):
        known: Any = held.get("neuronpedia_id")
        if isinstance(known, str) and _NEURONPEDIA.fullmatch(known):
            return f"https://www.neuronpedia.org/{known}"
    return ""
