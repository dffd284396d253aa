"""All pairs of features on a device, each beside its spread under the measure null: what `_core.null_sweep` gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import DeviceRows, exact_products

if TYPE_CHECKING:
    import torch

__all__ = ["null_sweep_on"]

STEPS, MOST = 8, 256
"""Steps for each unit of z^2 and the largest z^2 with a step of its own, as in the core."""

_TILE = 8192
"""Features of a tile: its products and their spreads take 1 GiB in float64."""

_SPARE = 8
"""Neighbours that are kept beyond those asked for where products are float32, until all are computed in float64."""

Found = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True)
class _Options:
    by_score: int
    by_cosine: int
    least: float
    wide: torch.dtype


def null_sweep_on(
    rows: DeviceRows,
    shares: torch.Tensor,
    *,
    by_score: int,
    by_cosine: int,
    least: float,
    tile: int = _TILE,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.uint64], int, str, list[Found]]:
    """Sweep all pairs of a set against the measure null, as `_core.null_sweep` does.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    shares : tensor, shape (n, n_eigenspaces)
        Their spectral measures over the roots of dimensions, on the same device.
    by_score, by_cosine, least
        As in the core: neighbours of either sign by z, of at least z^2 = `least`, and by cosine.
    tile : int
        Features of a tile.
    progress : callable, optional
        Called with tiles done and tiles in all.

    Returns
    -------
    ndarray of uint64
        Pairs in each step of signed z^2.
    int
        Steps for each unit.
    str
        Arithmetic of the products: float64 for float64 input, else float32.
    list of one tuple
        Neighbours, cosines, z and bins of each feature, as the core gives them. Cosines and z of those that are kept
        are computed again in float64.

    Raises
    ------
    NonFiniteError
        At the first NaN or infinity of the features.

    Notes
    -----
    4 n^2 (m + n_eigenspaces) operations, twice the core's, for tiles below the diagonal are made too; memory of some
    tiles and n (m + n_eigenspaces) numbers on the device. Ctrl-C stops between tiles.
    """
    import torch

    single = rows.dtype != "float64"
    wide = torch.float32 if single else torch.float64
    spare = _SPARE if single else 0
    # Above the rounding of float32 products, of which the exact z^2 decides.
    options = _Options(
        by_score + spare * (by_score > 0), by_cosine + spare * (by_cosine > 0), least * (1 - 1e-3), wide
    )
    with exact_products(), torch.no_grad():
        unit = torch.cat([_unit(part).to(wide) for _, part in rows.parts(torch.float64)])
        masses = shares.to(wide)
        there = unit.abs().amax(dim=1) > 0
        histogram = torch.zeros(2 * STEPS * MOST, dtype=torch.int64, device=unit.device)
        kept: list[torch.Tensor] = []
        starts = range(0, rows.n, tile)
        done = 0
        for left in starts:
            best: list[tuple[torch.Tensor, torch.Tensor]] = []
            for right in starts:
                cosines, signed = _tile(unit, masses, there, left, right, tile)
                histogram += _counted(signed, left, right)
                best = _merged(best, cosines, signed, right, options)
                done += 1
                if progress is not None:
                    progress(done, len(starts) ** 2)
            kept.append(torch.cat([index for _, index in best], dim=1))
        lists = torch.cat(kept)
        found = _again(rows, shares, lists, options, (by_score, by_cosine), least)
    counts = (histogram // 2).cpu().numpy().astype(np.uint64)
    return counts, STEPS, str(wide).removeprefix("torch."), [found]


def _unit(part: torch.Tensor) -> torch.Tensor:
    """Rows over their norms, whatever their size; zero rows stay."""
    import torch

    largest = part.abs().amax(dim=1, keepdim=True)
    part = torch.where(largest > 0, part / largest, 0.0)
    norms = torch.linalg.vector_norm(part, dim=1, keepdim=True)
    return torch.where(norms > 0, part / norms, 0.0)


def _tile(
    unit: torch.Tensor, masses: torch.Tensor, there: torch.Tensor, left: int, right: int, tile: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed z^2 of a tile, NaN where there is no pair."""
    import torch

    a, b = slice(left, left + tile), slice(right, right + tile)
    cosines = unit[a] @ unit[b].T
    signed = cosines * cosines.abs() / (masses[a] @ masses[b].T)
    none = ~(there[a][:, None] & there[b])
    if left == right:
        none |= torch.eye(len(none), dtype=torch.bool, device=none.device)
    return cosines.masked_fill_(none, torch.nan), signed.masked_fill_(none, torch.nan)


def _counted(signed: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """Count the pairs of a tile by their step; those of a tile and of its mirror image together make two of each."""
    import torch

    place = ((signed[signed.isfinite()].double() / MOST + 1) * (STEPS * MOST)).floor()
    place = place.clamp(0, 2 * STEPS * MOST - 1).to(torch.int64)
    return torch.bincount(place, minlength=2 * STEPS * MOST)


def _merged(
    best: list[tuple[torch.Tensor, torch.Tensor]],
    cosines: torch.Tensor,
    signed: torch.Tensor,
    right: int,
    options: _Options,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Give the strongest of each list after one more tile: strengths, and which they are, -1 where none is."""
    import torch

    lists = [(signed, options.by_score, options.least)] * 2 + [(cosines, options.by_cosine, 0.0)] * 2
    merged = []
    for number, (strength, keep, least) in enumerate(lists):
        key = strength if number % 2 == 0 else -strength
        key = torch.where((key >= least) & (key > 0), key, -torch.inf)
        strongest, index = key.topk(min(keep, key.shape[1]), dim=1)
        index = torch.where(strongest > -torch.inf, index + right, -1)
        if best:
            strongest = torch.cat([best[number][0], strongest], dim=1)
            index = torch.cat([best[number][1], index], dim=1)
        chosen = strongest.topk(min(keep, strongest.shape[1]), dim=1)
        merged.append((chosen.values, index.gather(1, chosen.indices)))
    return merged


def _again(
    rows: DeviceRows,
    shares: torch.Tensor,
    lists: torch.Tensor,
    options: _Options,
    wanted: tuple[int, int],
    least: float,
) -> Found:
    """Compute what was kept again in float64, and keep the strongest of each list, ties by index."""
    import torch

    n, width = lists.shape
    cosines = torch.full(lists.shape, torch.nan, dtype=torch.float64, device=lists.device)
    scores = cosines.clone()
    step = max(1, (1 << 24) // max(rows.m * max(width, 1), 1))
    for start in range(0, n, step):
        part = lists[start : start + step]
        other = part.clamp(min=0)
        left, right = (
            _unit(rows.values[start : start + step].double()),
            _unit(rows.values[other.flatten()].double()),
        )
        exact = torch.einsum("ia,ija->ij", left, right.view(*other.shape, rows.m)).clamp(-1, 1)
        spread = torch.einsum(
            "ik,ijk->ij",
            shares[start : start + step].double(),
            shares[other.flatten()].double().view(*other.shape, -1),
        )
        cosines[start : start + step] = torch.where(part >= 0, exact, torch.nan)
        scores[start : start + step] = torch.where(part >= 0, exact / spread.sqrt(), torch.nan)
    index, cosine, score = (each.cpu().numpy() for each in (lists, cosines, scores))
    return _strongest(index, cosine, score, options, wanted, least)


def _strongest(
    lists: NDArray[np.int64],
    cosines: NDArray[np.float64],
    scores: NDArray[np.float64],
    options: _Options,
    wanted: tuple[int, int],
    least: float,
) -> Found:
    n, start, chosen = len(lists), 0, []
    rows = np.arange(n)[:, None]
    for number, (keep, most) in enumerate(
        zip(np.repeat(wanted, 2), np.repeat((options.by_score, options.by_cosine), 2), strict=True)
    ):
        own = slice(start, start + min(most, n))
        start += own.stop - own.start
        index = lists[:, own]
        sign = 1 if number % 2 == 0 else -1
        key = sign * (scores if number < 2 else cosines)[:, own]
        with np.errstate(invalid="ignore"):
            dropped = ~((key > 0) & (key**2 >= (least if number < 2 else 0.0)))
        key = np.where(dropped, -np.inf, key)
        order = np.lexsort((index, -key), axis=1)[:, :keep]
        short = int(keep) - order.shape[1]
        each: list[Any] = []
        for table, empty in ((index, -1), (cosines[:, own], np.nan), (scores[:, own], np.nan)):
            taken = np.where(np.isfinite(key[rows, order]), table[rows, order], empty)
            each.append(np.pad(taken, ((0, 0), (0, short)), constant_values=empty))
        chosen.append(each)
    neighbours, cosine, score = (np.concatenate(tables, axis=1) for tables in zip(*chosen, strict=True))
    place = np.floor((np.nan_to_num(score * np.abs(score)) / MOST + 1) * (STEPS * MOST))
    by_score = np.arange(neighbours.shape[1]) < 2 * wanted[0]
    bins = np.where((neighbours >= 0) & by_score, np.clip(place, 0, 2 * STEPS * MOST - 1), -1).astype(
        np.int64
    )
    return neighbours, cosine, score, bins
