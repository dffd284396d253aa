"""Spectral measures of features on a device: what `_core.measures` gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import DeviceRows, exact_products

if TYPE_CHECKING:
    import torch

__all__ = ["measures_on"]

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
    space = torch.from_numpy(np.repeat(np.arange(len(starts) - 1), np.diff(starts))).to(device)
    tables, tops, kept = [], [], []
    with exact_products(), torch.no_grad():
        for start, part in rows.parts(torch.float64):
            table, top, mass = _of_part(part, basis, levels, space, len(starts) - 1)
            tables.append(table.cpu().numpy())
            tops.append(top.cpu().numpy())
            if masses:
                kept.append(mass.cpu().numpy())
            if progress is not None:
                progress(start + len(part), rows.n)
    return np.concatenate(tables, axis=1), np.concatenate(tops), np.concatenate(kept) if masses else None


def _of_part(
    part: torch.Tensor, basis: torch.Tensor, values: torch.Tensor, space: torch.Tensor, spaces: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    import torch

    norm = (part**2).sum(dim=1)
    energy = (part @ basis) ** 2
    inside = energy.sum(dim=1)
    mass = torch.zeros(len(part), spaces, dtype=torch.float64, device=part.device)
    mass.index_add_(1, space, energy)
    mass /= norm[:, None]  # NaN for a zero feature
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
