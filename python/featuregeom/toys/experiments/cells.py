"""Finished cells of an experiment as files, so that a stopped one can go on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.atomic import create_folder, replacing
from featuregeom.errors import OutputError

__all__ = ["Arrays", "finished", "kind_of"]

Arrays = dict[str, NDArray[Any]]


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
        What the cell depends on, in JSON's terms. A file that cannot be read is replaced, and one with other
        settings is not.
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
        with np.load(path, allow_pickle=False) as file:
            held = str(file["settings"])
            if held == key:
                return {part: file[part] for part in file.files if part != "settings"}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        held = key
    if held != key:
        raise OutputError(f"{path} holds a cell with other settings: choose another folder, or move it away")
    arrays = compute()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, settings=np.array(key), **arrays)
    return arrays


def kind_of(device: Any) -> str:
    """Name the kind of a device, which is what its random numbers depend on: "cuda" for "cuda:1", "cpu" for None."""
    return "cpu" if device is None else str(device).partition(":")[0]
