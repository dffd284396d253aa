"""The frame operator of features on a device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featuregeom.devices.tensors import DeviceRows, check_range, exact_products

__all__ = ["operator_on"]


def operator_on(
    rows: DeviceRows,
    *,
    precision: str = "double",
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.float64]:
    """Frame operator X^T X of features on a device; see `frames.frame_operator`.

    Parameters
    ----------
    rows : DeviceRows
        The features.
    precision : {"double", "single"}
        Arithmetic of products; sums over parts are float64 either way. float64 input is multiplied in float64.
    progress : callable, optional
        Called with rows done and rows in all, after each part.

    Returns
    -------
    ndarray of float64, shape (m, m)
        Symmetric. Within 1e-13 ("double") or 1e-6 ("single") of the core's, relative to the largest entry.

    Raises
    ------
    NonFiniteError, ParameterError
        As in `frames.frame_operator`.

    Notes
    -----
    2 n m^2 operations, for a product of torch does not know that the result is symmetric; 8 m^2 bytes on the device and
    512 MiB for a part. Ctrl-C stops between parts.
    """
    import torch

    wide = torch.float32 if precision == "single" and rows.dtype != "float64" else torch.float64
    total = torch.zeros(rows.m, rows.m, dtype=torch.float64, device=rows.values.device)
    with exact_products(total.device):
        for start, part in rows.parts(wide):
            total += (part.T @ part).to(torch.float64)
            if progress is not None:
                progress(start + len(part), rows.n)
    if wide is torch.float32 and not bool(total.isfinite().all()):
        return operator_on(DeviceRows(rows.values, "float64"), progress=progress)  # squares left float32
    found = total.cpu().numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        largest = float(np.sqrt(found.diagonal().max()))
    check_range(_largest(rows) if not 0 < largest < np.inf else largest)
    return np.asarray((found + found.T) / 2)


def _largest(rows: DeviceRows) -> float:
    """Largest entry: of the size of the largest norm, where squares leave float64."""
    return float(rows.values.abs().max())
