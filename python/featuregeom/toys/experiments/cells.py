"""Finished cells of an experiment as files, so that a stopped one can go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from featuregeom.atomic import create_folder
from featuregeom.errors import OutputError, SourceError
from featuregeom.kept import Arrays, read_arrays, write_arrays

__all__ = ["Arrays", "finished", "kind_of"]


def finished(
    folder: str | Path | None, name: str, settings: Mapping[str, Any], compute: Callable[[], Arrays]
) -> Arrays:
    """Give a cell's arrays: from its file, or computed and then written.

    Parameters
    ----------
    folder : path-like or None
        Where cells are kept; without one nothing is read or written.
    name : str
        The cell's file, without its suffix.
    settings : mapping
        What the cell depends on, in JSON's terms. A file that cannot be read, or is not what was written, is replaced,
        and one with other settings is not.
    compute : callable
        Gives the arrays.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    OutputError
        If the file cannot be written, or holds a cell with other settings.
    """
    if folder is None:
        return compute()
    folder = Path(folder)
    create_folder(folder)
    path, key = folder / f"{name}.npz", json.dumps(settings, sort_keys=True)
    try:
        held = read_arrays(path)
    except (SourceError, FileNotFoundError):
        pass
    else:
        if str(held.pop("settings", None)) == key:
            return held
        raise OutputError(f"{path} holds a cell with other settings: choose another folder, or move it away")
    arrays = compute()
    write_arrays(path, arrays | {"settings": np.array(key)})
    return arrays


def kind_of(device: Any) -> str:
    """Name the kind of a device, which is what its random numbers depend on: "cuda" for "cuda:1", "cpu" for None."""
    return "cpu" if device is None else str(device).partition(":")[0]
