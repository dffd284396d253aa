"""Spectral measures of features on a device: what `_core.measures` and `_core.shares` give."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import DeviceRows, exact_products, unit

if TYPE_CHECKING:
    import torch

__all__ = ["measures_on", "shares_on"]

_UNSEEN, _HIDDEN = 1e-9, 1e-4
"""Shares inside and outside of the retained eigenspaces, as in the core: below the first a feature is as good as zero
there, beyond the second it has no measure."""

Found = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None]


def measures_on(
    rows: DeviceRows,
    values: NDArray[np.float64],
    vectors: NDArray[np.float64],
    starts: NDArray[np.int64],
    *,
    masses: bool,
    progress: Callable[[int, int], object] | None = None,
) -> Found:
    """Measure features on a device against eigenspaces of the frame operator, as `_core.measures` does.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    values, vectors, starts : ndarray of float64, float64 and int64
        Retained eigenvalues, decreasing, their eigenvectors as columns, and where each eigenspace begins, with the end.
    masses : bool
        Whether to give the measures themselves.
    progress : callable, optional
        Called with rows done and rows in all, after each part.

    Returns
    -------
    ndarray of float64, shape (9, n)
        Squared norm, kappa, capacity, leverage, slack, cv, largest mass, inverse participation ratio and entropy.
    ndarray of int64, shape (n,)
        Eigenspace of the largest mass, -1 for none.
    ndarray of float64, shape (n, n_eigenspaces), or None

    Raises
    ------
    NonFiniteError
        At the first NaN or infinity of the features.

    Notes
    -----
    2 n m r operations in float64; 512 MiB for a part, and the masses of a part, on the device.
    """
    import torch

    device = rows.values.device
    basis = torch.from_numpy(np.ascontiguousarray(vectors)).to(device)
    levels = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    tables, tops, kept = [], [], []
    with exact_products(device):
        for start, part in rows.parts(torch.float64):
            table, top, mass = _of_part(part, basis, levels, starts)
            tables.append(table.cpu().numpy())
            tops.append(top.cpu().numpy())
            if masses:
                kept.append(mass.cpu().numpy())
            if progress is not None:
                progress(start + len(part), rows.n)
    return np.concatenate(tables, axis=1), np.concatenate(tops), np.concatenate(kept) if masses else None


def shares_on(
    rows: DeviceRows, vectors: NDArray[np.float64], starts: NDArray[np.int64], *, null: int
) -> torch.Tensor:
    """Give spectral measures over the roots of dimensions, as `_core.shares` does, where the features are.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    vectors, starts : ndarray of float64 and int64
        As in `measures_on`.
    null : int
        Dimensions of the null space, which is one eigenspace more where there are any.

    Returns
    -------
    tensor of float64, shape (n, n_eigenspaces) or one more
        0 for zero features.

    Notes
    -----
    2 n m r operations in float64; 512 MiB for a part on the device, and the result.
    """
    import torch

    device = rows.values.device
    basis = torch.from_numpy(np.ascontiguousarray(vectors)).to(device)
    roots = torch.from_numpy(np.sqrt(np.diff(starts))).to(device)
    found = []
    with exact_products(device):
        for _, part in rows.parts(torch.float64):
            directions = unit(part)
            masses = _by_space((directions @ basis) ** 2, starts)
            each = masses / roots
            if null > 0:
                there = (directions != 0).any(dim=1, keepdim=True)
                outside = (1 - masses.sum(dim=1, keepdim=True)).clamp(min=0) * there
                each = torch.cat([each, outside / math.sqrt(null)], dim=1)
            found.append(each)
    return torch.cat(found)


def _by_space(energy: torch.Tensor, starts: NDArray[np.int64]) -> torch.Tensor:
    """Add up the energies of each eigenspace, always in the same order; most are of one dimension."""
    found = energy[:, starts[:-1]]
    for space in np.flatnonzero(np.diff(starts) > 1):
        found[:, space] = energy[:, starts[space] : starts[space + 1]].sum(dim=1)
    return found


def _of_part(
    part: torch.Tensor, basis: torch.Tensor, values: torch.Tensor, starts: NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    import torch

    norm = (part**2).sum(dim=1)
    energy = (part @ basis) ** 2
    inside = energy.sum(dim=1)
    mass = _by_space(energy, starts) / norm[:, None]  # NaN for a zero feature
    largest = values[0]
    relative = values / largest
    kappa = energy @ relative / inside
    apart = (relative - kappa[:, None]) ** 2
    cv = ((energy * apart).sum(dim=1) / inside).sqrt() / kappa
    # kappa E[1 / lambda] - 1, a sum of squares that does not cancel.
    excess = (energy / relative * apart).sum(dim=1) / inside / kappa
    share = inside / norm
    of_projection = mass / share[:, None]
    top_mass, top = of_projection.max(dim=1)
    table = torch.stack(
        [
            norm,
            kappa * largest * share,
            norm / share / largest / kappa,
            (energy / values).sum(dim=1),
            excess / (1 + excess),
            cv,
            top_mass.clamp(max=1),
            (of_projection**2).sum(dim=1).clamp(max=1),
            torch.special.entr(of_projection).sum(dim=1).clamp(min=0),
        ]
    )
    seen = inside > _UNSEEN * norm
    measured = seen & (share >= 1 - _HIDDEN)
    table[1, ~seen] = torch.nan
    table[2:4, ~seen] = 0
    table[4:, ~measured] = torch.nan
    return table, torch.where(measured, top, -1), mass
