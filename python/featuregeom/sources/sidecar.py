"""The configuration that lies beside weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["read_config"]

_NAMES = ("cfg.json", "config.json", "hyperparams.json")

_MAX_BYTES = 10_000_000
"""Longest configuration that is read."""


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
    for path in (each / name for each in folders for name in _NAMES):
        try:
            if path.is_file() and path.stat().st_size <= _MAX_BYTES:
                config = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(config, dict):
                    return config
        except (OSError, ValueError, RecursionError):
            continue
    return {}
