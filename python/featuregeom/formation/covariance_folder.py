"""Moments that another program saved: the folders of bergson's CovarianceCollector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.errors import SourceError
from featuregeom.features import real_numbers
from featuregeom.memory import loading, reading
from featuregeom.summary import summarised

__all__ = ["SavedMoments", "collect_folder"]

Floats = NDArray[np.float64]

_SIDES = {"H_a": "activation_sharded", "G_b": "gradient_sharded"}


@summarised
@dataclass(frozen=True, eq=False)
class SavedMoments:
    """Moments of one module, as far as a folder has them.

    Attributes
    ----------
    H_a, G_b : ndarray
        Second moments. Sums over an unknown number of rows unless `n` is known: alignments and exponents need
        no count.
    mean_a : ndarray or None
        Mean of inputs, where the folder has it.
    n : int or None
        Rows, where the folder has it.
    W : ndarray, shape (d_b, d_a), or None
        Weights, where they were given.
    bias : ndarray or None
        Bias, where it was given.
    """

    H_a: Floats
    G_b: Floats
    mean_a: Floats | None = None
    n: int | None = None
    W: Floats | None = None
    bias: Floats | None = None


def collect_folder(
    folder: str | Path, weights: Mapping[str, ArrayLike] | None = None, *, ones_column: bool = False
) -> dict[str, SavedMoments]:
    """Read the covariances that bergson saves for its approximations of the Hessian.

    Parameters
    ----------
    folder : str or Path
        With ``activation_sharded/shard_0.safetensors`` ... and ``gradient_sharded/shard_0.safetensors`` ...:
        sums of XᵀX and GᵀG for each module, cut by rows.
    weights : mapping of str to array-like, optional
        W of modules, h_b = W h_a, for `crh` without repeating them.
    ones_column : bool
        Whether inputs had a 1 appended (bergson with gradients of biases): its row gives the mean and the
        count, and is taken off.

    Returns
    -------
    dict of str to SavedMoments
        By module. `crh`, `power_phase` and `alignment` take them.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    SourceError
        If the folder is none of these, shards are missing, or matrices are no second moments; naming file and
        tensor.
    """
    root = Path(folder)
    found: dict[str, dict[str, Floats]] = {side: _joined(root / name) for side, name in _SIDES.items()}
    only = sorted(found["H_a"].keys() ^ found["G_b"].keys())
    if only:
        raise SourceError(
            f"{root}: module {only[0]!r} has {'inputs' if only[0] in found['H_a'] else 'gradients'} alone"
        )
    given: dict[str, SavedMoments] = {}
    for module, H in found["H_a"].items():
        G = found["G_b"][module]
        mean, count = None, None
        if ones_column:
            n = float(H[-1, -1])
            if not (n >= 1 and abs(n - round(n)) < 1e-3 * n):
                raise SourceError(
                    f"{root}: the last entry of the inputs of {module!r} is {n:g}, which is no count: there is "
                    "no column of ones"
                )
            count = round(n)
            mean, H, G = H[-1, :-1] / n, H[:-1, :-1] / n, G / n
        W = (
            None
            if weights is None or module not in weights
            else real_numbers(weights[module], f"W of module {module!r}")
        )
        if W is not None and W.shape != (len(G), len(H)):
            raise SourceError(
                f"{root}: module {module!r} has {len(H)} inputs and {len(G)} outputs, and its W has shape {W.shape}"
                + ("; pass ones_column=True if a 1 was appended" if W.shape == (len(G), len(H) - 1) else "")
            )
        given[module] = SavedMoments(H, G, mean, count, W)
    return given


def _joined(folder: Path) -> dict[str, Floats]:
    """Read all shards of one side and put their rows together."""
    from featuregeom.networks.extra import missing

    try:
        with loading("safetensors"):
            from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise missing("formation.collect_folder") from error
    shards: dict[int, Path] = {}
    for path in sorted(folder.glob("shard_*.safetensors")):
        if match := re.fullmatch(r"shard_(\d+)", path.stem):
            shards[int(match[1])] = path
    if not shards:
        raise SourceError(f"{folder} has no shard_0.safetensors: this is no folder of bergson's covariances")
    if sorted(shards) != list(range(len(shards))):
        gone = min(set(range(max(shards))) - set(shards))
        raise SourceError(f"{folder}: shard_{gone}.safetensors is missing among {len(shards)} shards")
    parts: dict[str, list[Floats]] = {}
    for number in range(len(shards)):
        try:
            size = shards[number].stat().st_size
            with reading(str(shards[number]), size), safe_open(shards[number], framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    parts.setdefault(name, []).append(_numbers(file.get_tensor(name)))
        except (OSError, SafetensorError) as error:
            raise SourceError(f"{shards[number]} cannot be read: {error}") from error
    return {name: _square(folder, name, np.concatenate(rows)) for name, rows in parts.items()}


def _numbers(tensor: Any) -> Floats:
    return np.asarray(tensor.double().numpy())


def _square(folder: Path, name: str, rows: Floats) -> Floats:
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise SourceError(
            f"{folder}: the shards of {name!r} give a matrix of shape {rows.shape}, not a square one"
        )
    if not np.isfinite(rows).all():
        row, column = map(int, np.argwhere(~np.isfinite(rows))[0])
        raise SourceError(f"{folder}: {name!r} is {rows[row, column]} in row {row}, column {column}")
    return rows
